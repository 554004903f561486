// SPDX-License-Identifier: Apache-2.0
//! Fragments in any order, through any workers: the datagram that arrives is the one that was sent,
//! and what never becomes one costs a bounded amount of memory for a bounded time.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail their test"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use penstock_engine::fragments::{FRAGMENTS_MAX, WAIT_MAX};
use penstock_engine::testing::{Bench, Outcome};
use penstock_engine::verdict::Verdict;
use proptest::collection::vec;
use proptest::prelude::*;
use wire::builder::{Checksum, Frame, SOURCE_MAC, ip_checksum, transport_checksum};
use wire::ethernet::MacAddress;
use wire::ipv4::{IpProtocol, Ipv4Mut};
use wire::packet::{Fragment, parse};

const SERVICES: &str = "
    service udp 10.0.0.100:53 rr
    real 10.1.0.11:5353 nat
    real 10.1.0.12:5353 nat
    service udp 10.0.0.101:53 rr
    real 10.1.0.13:53 dr
    service udp [2001:db8::100]:53 rr
    real [2001:db8:1::11]:5353 nat
    service tcp 10.0.0.100:80 rr
    real 10.1.0.11:8080 nat
";

/// Puts fragments together as a host does; `None` while something is missing.
#[derive(Debug, Default)]
struct Host {
    parts: BTreeMap<usize, Vec<u8>>,
    head: Vec<u8>,
    end: Option<usize>,
}

impl Host {
    fn take(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let parsed = parse(frame, frame.len()).unwrap();
        let place = parsed.fragment_place(frame)?;
        let v4 = frame[14] >> 4 == 4;
        let start = usize::from(if v4 {
            parsed.l4_offset
        } else {
            parsed.fragment_offset + 8
        });
        assert_ne!(ip_checksum(frame), Checksum::Bad);
        let (from, part) = (usize::from(place.offset), &frame[start..]);
        assert!(
            self.parts.insert(from, part.to_vec()).is_none(),
            "sent twice"
        );
        if from == 0 {
            self.head = frame[..if v4 { start } else { start - 8 }].to_vec();
            if !v4 {
                self.head[20] = frame[start - 8];
            }
        }
        if !place.more {
            self.end = Some(from + part.len());
        }
        let mut data = Vec::new();
        for (from, part) in &self.parts {
            if *from != data.len() {
                return None;
            }
            data.extend_from_slice(part);
        }
        (Some(data.len()) == self.end).then(|| {
            let mut whole = self.head.clone();
            let len = u16::try_from(data.len()).unwrap();
            if v4 {
                whole[16..18].copy_from_slice(&(len + 20).to_be_bytes());
                whole[20..22].fill(0);
                Ipv4Mut::new_checked(&mut whole[14..])
                    .unwrap()
                    .fill_checksum();
            } else {
                whole[18..20].copy_from_slice(&len.to_be_bytes());
            }
            whole.extend_from_slice(&data);
            whole
        })
    }
}

fn frames(outcomes: Vec<Outcome>) -> Vec<Vec<u8>> {
    outcomes
        .into_iter()
        .map(|outcome| {
            assert!(matches!(outcome.verdict, Verdict::Send { .. }), "{outcome}");
            outcome.frame
        })
        .collect()
}

/// The IP packet of a frame but for its time to live, which the director lowers, and the server's
/// and VIP's ends.
fn body(frame: &[u8]) -> Vec<u8> {
    let parsed = parse(frame, frame.len()).unwrap();
    frame[usize::from(parsed.l4_offset) + 8..].to_vec()
}

#[derive(Debug, Clone)]
struct Datagram {
    service: usize,
    cport: u16,
    ident: u16,
    payload: Vec<u8>,
    size: usize,
    /// Order and receivers of the fragments.
    shuffle: Vec<(u32, usize)>,
}

fn datagram() -> impl Strategy<Value = Datagram> {
    let head = (0..3usize, 1..60u16, any::<u16>());
    let body = (vec(any::<u8>(), 9..900), 1..20usize);
    let shuffle = vec((any::<u32>(), 0..4usize), 130);
    (head, body, shuffle).prop_map(
        |((service, cport, ident), (payload, size), shuffle)| Datagram {
            service,
            cport,
            ident,
            size: (size * 8).max(payload.len().div_ceil(100).next_multiple_of(8)),
            payload,
            shuffle,
        },
    )
}

impl Datagram {
    fn ends(&self) -> (String, &'static str) {
        let Self { cport, .. } = self;
        match self.service {
            0 => (format!("10.0.0.9:{cport}"), "10.0.0.100:53"),
            1 => (format!("10.0.0.9:{cport}"), "10.0.0.101:53"),
            _ => (format!("[2001:db8::9]:{cport}"), "[2001:db8::100]:53"),
        }
    }

    fn fragments(&self, from: &str, to: &str, from_server: bool) -> Vec<Vec<u8>> {
        let mut frame = Frame::udp(from, to)
            .ident(self.ident.into())
            .payload(&self.payload);
        if from_server {
            frame = frame.macs(SOURCE_MAC, MacAddress([2, 0, 0, 0, 1, 2]));
        }
        frame.fragments(self.size)
    }

    /// Sends the fragments in their order to their receivers; gives the datagram that left.
    fn travel(&self, bench: &mut Bench, port: u16, fragments: &[Vec<u8>]) -> Vec<u8> {
        let mut order: Vec<usize> = (0..fragments.len()).collect();
        order.sort_by_key(|index| self.shuffle[*index].0);
        let mut host = Host::default();
        let mut arrived = None;
        for index in order {
            assert!(arrived.is_none(), "before it was complete");
            let receiver = self.shuffle[index].1 % bench.worker_count();
            let (_, outcomes) = bench.deliver(receiver, port, &fragments[index]);
            for frame in frames(outcomes) {
                assert!(frame.len() <= fragments.iter().map(Vec::len).max().unwrap());
                arrived = host.take(&frame).or(arrived);
            }
        }
        assert_eq!(bench.held_count(), 0);
        arrived.expect("it arrives")
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(120)
    })]

    #[test]
    fn the_datagram_that_arrives_is_the_one_that_was_sent(
        workers in 1..=4usize,
        datagrams in vec(datagram(), 1..12),
    ) {
        let mut bench = Bench::new(&format!("workers {workers}\n{SERVICES}"));
        for datagram in datagrams {
            let (client, service) = datagram.ends();
            let sent = datagram.fragments(&client, service, false);
            prop_assume!(sent.len() > 1);
            let there = datagram.travel(&mut bench, 0, &sent);
            prop_assert_eq!(body(&there), datagram.payload.clone());
            prop_assert_eq!(transport_checksum(&there), Checksum::Good);
            let parsed = parse(&there, there.len()).unwrap();
            if datagram.service != 1 {
                // The answer, from whoever got it.
                let server = std::net::Ipv6Addr::from(parsed.destination).to_canonical();
                let server = std::net::SocketAddr::new(server, parsed.destination_port).to_string();
                let answer = datagram.fragments(&server, &client, true);
                let back = datagram.travel(&mut bench, 1, &answer);
                prop_assert_eq!(body(&back), datagram.payload.clone());
                prop_assert_eq!(transport_checksum(&back), Checksum::Good);
                let parsed = parse(&back, back.len()).unwrap();
                prop_assert_eq!(parsed.source_port, 53, "from the service");
            }
        }
        let sum = |of: fn(&penstock_engine::counters::WorkerCounters) -> u64| -> u64 {
            bench.boards().iter().map(|board| of(&board.worker)).sum()
        };
        prop_assert_eq!(sum(|w| w.redirected_out.get()), sum(|w| w.redirected_in.get()));
    }

    #[test]
    fn fragments_that_fit_nowhere_never_crash_and_do_not_stay(
        workers in 1..=4usize,
        pieces in vec(
            (0..40u16, 0..80usize, any::<bool>(), 0..6u32, any::<bool>(), 0..4usize),
            1..600,
        ),
    ) {
        let mut bench = Bench::new(&format!("workers {workers}\n{SERVICES}"));
        for (offset, len, more, ident, v4, receiver) in pieces {
            let (from, to) = if v4 {
                ("10.0.0.9", "10.0.0.100")
            } else {
                ("2001:db8::9", "2001:db8::100")
            };
            let frame = Frame::ip(from, to, IpProtocol::UDP)
                .ident(ident)
                .fragment(offset * 8, more)
                .payload_len(len);
            for outcome in bench.deliver(receiver % workers, 0, &frame.build()).1 {
                if let Verdict::Send { .. } = outcome.verdict {
                    let parsed = parse(&outcome.frame, outcome.frame.len());
                    prop_assert!(parsed.is_ok_and(|parsed| parsed.fragment != Fragment::None));
                }
            }
            prop_assert!(bench.held_count() <= workers * FRAGMENTS_MAX);
        }
        bench.advance(WAIT_MAX);
        for _ in 0..4 {
            bench.advance(Duration::from_millis(1));
        }
        prop_assert_eq!(bench.held_count(), 0);
    }

    /// An error that is translated to the server, and the answer's error back, quotes what its
    /// receiver sent.
    #[test]
    fn errors_quote_what_their_receiver_sent(
        workers in 1..=4usize,
        cport in 1..5000u16,
        // One byte of a checksum cannot be brought up to date.
        quoted in (28..200usize).prop_filter("whole", |quoted| *quoted != 37),
        payload in vec(any::<u8>(), 0..120),
        receivers in (0..4usize, 0..4usize),
    ) {
        let mut bench = Bench::new(&format!("workers {workers}\n{SERVICES}"));
        let client = format!("10.0.0.9:{cport}");
        let syn = Frame::tcp(&client, "10.0.0.100:80").flags(2);
        let (owner, _) = bench.deliver(0, 0, &syn.build());
        let about = |from: &str, to: &str| {
            let cause = Frame::tcp(from, to).flags(16).payload(&payload).build_ip();
            cause[..quoted.min(cause.len())].to_vec()
        };
        let error = |from: &str, to: &str, quote: &[u8]| Frame::icmp(from, to, 3, 1).payload(quote);
        let frame = error("10.0.0.77", "10.0.0.100", &about("10.0.0.100:80", &client)).build();
        let (decided, outcomes) = bench.deliver(receivers.0 % workers, 0, &frame);
        prop_assert_eq!(decided, owner);
        let expected = error("10.0.0.77", "10.1.0.11", &about("10.1.0.11:8080", &client)).ttl(63);
        prop_assert_eq!(&frames(outcomes)[0][14..], &expected.build_ip()[..]);
        let frame = error("10.1.0.99", "10.0.0.9", &about(&client, "10.1.0.11:8080"))
            .macs(SOURCE_MAC, MacAddress([2, 0, 0, 0, 1, 2]))
            .build();
        let (decided, outcomes) = bench.deliver(receivers.1 % workers, 1, &frame);
        prop_assert_eq!(decided, owner);
        let expected = error("10.0.0.100", "10.0.0.9", &about(&client, "10.0.0.100:80")).ttl(63);
        prop_assert_eq!(&frames(outcomes)[0][14..], &expected.build_ip()[..]);
    }
}

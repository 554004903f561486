// SPDX-License-Identifier: Apache-2.0
//! Several engines joined by redirects: whoever receives a packet, its connection is one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a test does not expect fails it"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use penstock_engine::testing::{Bench, Outcome};
use penstock_engine::verdict::Verdict;
use proptest::collection::vec;
use proptest::prelude::*;
use wire::builder::{Frame, SOURCE_MAC};
use wire::ethernet::MacAddress;

const SERVICES: &str = "
    service tcp 10.0.0.100:80 rr
    real 10.1.0.11:80
    real 10.1.0.12:80
    real 10.1.0.13:80
    service tcp 10.0.0.101:81 wrr
    real 10.1.0.11:80 nat 3
    real 10.1.0.12:80 nat 1
    service udp 10.0.0.100:53 wlc
    real 10.1.0.11:53
    real 10.1.0.12:53
    service tcp 10.0.0.102:80 rr
    real 10.1.0.13:80 dr
    real 10.1.0.14:80 dr
";

const VIPS: [(&str, bool); 4] = [
    ("10.0.0.100:80", true),
    ("10.0.0.101:81", true),
    ("10.0.0.100:53", false),
    ("10.0.0.102:80", true),
];

#[derive(Debug, Clone)]
enum Event {
    /// A client's packet: port, service, flags, receiving worker.
    Request(u16, usize, u8, usize),
    /// The answer of the server that the client's last request went to.
    Answer(u16, usize, u8, usize),
    /// A packet of nobody's connection.
    Transit(u16, usize),
    Wait(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let flags = prop::sample::select(vec![2u8, 0x10, 0x12, 0x11, 4, 0x18]);
    let head = (1..40u16, 0..4usize, flags, 0..4usize);
    prop_oneof![
        8 => head.clone().prop_map(|(c, s, f, w)| Event::Request(c, s, f, w)),
        6 => head.prop_map(|(c, s, f, w)| Event::Answer(c, s, f, w)),
        1 => (1..40u16, 0..4usize).prop_map(|(c, w)| Event::Transit(c, w)),
        1 => (0..20_000u64).prop_map(Event::Wait),
    ]
}

fn request(cport: u16, service: usize, flags: u8) -> Vec<u8> {
    // A port of its own for each service: one client port that talks to two services through one
    // server is the kernel's limit (kernel-behaviour.md 20), tried elsewhere.
    let client = format!("10.0.0.9:{}", cport * 4 + u16::try_from(service).unwrap());
    let (vip, tcp) = VIPS[service];
    if tcp {
        Frame::tcp(&client, vip).flags(flags).build()
    } else {
        Frame::udp(&client, vip).build()
    }
}

fn answer(cport: u16, service: usize, flags: u8, server: u8) -> Vec<u8> {
    let client = format!("10.0.0.9:{}", cport * 4 + u16::try_from(service).unwrap());
    let frame = if VIPS[service].1 {
        Frame::tcp(&format!("10.1.0.{server}:80"), &client).flags(flags)
    } else {
        Frame::udp(&format!("10.1.0.{server}:53"), &client)
    };
    frame
        .macs(SOURCE_MAC, MacAddress([2, 0, 0, 0, 1, 2]))
        .build()
}

/// The last octet of the MAC that a packet was sent to.
fn sent_to(outcomes: &[Outcome]) -> Option<u8> {
    match outcomes {
        [outcome] if matches!(outcome.verdict, Verdict::Send { .. }) => Some(outcome.frame[5]),
        _ => None,
    }
}

/// Redirects counted out are counted in, and the rest of what each worker got it has accounted for
/// (which the bench checks at each step).
fn check_redirects(bench: &Bench) {
    let sum = |of: fn(&penstock_engine::counters::WorkerCounters) -> u64| -> u64 {
        bench.boards().iter().map(|board| of(&board.worker)).sum()
    };
    assert_eq!(
        sum(|w| w.redirected_out.get()),
        sum(|w| w.redirected_in.get())
    );
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(150)
    })]

    #[test]
    fn a_connection_is_one_whoever_receives_its_packets(
        workers in 1..=4usize,
        events in vec(event(), 1..200),
    ) {
        let mut bench = Bench::new(&format!("workers {workers}\n{SERVICES}"));
        // The server of each connection, as its last packet showed, and its owner.
        let mut servers: BTreeMap<(u16, usize), u8> = BTreeMap::new();
        let mut owners: BTreeMap<(u16, usize), usize> = BTreeMap::new();
        for event in events {
            let known = bench.flow_count();
            match event {
                Event::Request(cport, service, flags, worker) => {
                    let frame = request(cport, service, flags);
                    let (owner, outcomes) = bench.deliver(worker % workers, 0, &frame);
                    let Some(server) = sent_to(&outcomes) else {
                        // Only a segment without a connection: Linux's.
                        let punted = matches!(outcomes[0].verdict, Verdict::Punt { .. });
                        prop_assert!(punted);
                        prop_assert!(flags & 6 != 2);
                        continue;
                    };
                    prop_assert_eq!(*owners.entry((cport, service)).or_insert(owner), owner);
                    let before = servers.insert((cport, service), server);
                    if bench.flow_count() == known && flags & 2 == 0 {
                        prop_assert_eq!(before, Some(server), "a connection keeps its server");
                    }
                }
                Event::Answer(cport, service, flags, worker) => {
                    // DR servers answer past the director.
                    let server = servers.get(&(cport, service));
                    let Some(server) = server.filter(|_| service != 3) else {
                        continue;
                    };
                    let frame = answer(cport, service, flags, *server);
                    let (owner, outcomes) = bench.deliver(worker % workers, 1, &frame);
                    prop_assert_eq!(sent_to(&outcomes), Some(9));
                    prop_assert_eq!(owners.get(&(cport, service)), Some(&owner));
                    let source = <[u8; 4]>::try_from(&outcomes[0].frame[26..30]).unwrap();
                    let source = std::net::Ipv4Addr::from(source).to_string();
                    let vip = VIPS[service].0.split(':').next().unwrap();
                    let port = cport * 4 + u16::try_from(service).unwrap();
                    let alive = bench.connections(owner).iter().any(|c| c.cport == port);
                    if alive {
                        prop_assert_eq!(source, vip, "translated, whoever received it");
                    }
                }
                Event::Transit(cport, worker) => {
                    let frame = Frame::udp(&format!("10.0.0.9:{cport}"), "10.1.0.14:9").build();
                    let (decided, outcomes) = bench.deliver(worker % workers, 0, &frame);
                    prop_assert_eq!(decided, worker % workers, "routed where it came in");
                    prop_assert_eq!(sent_to(&outcomes), Some(14));
                }
                Event::Wait(millis) => drop(bench.advance(Duration::from_millis(millis))),
            }
            check_redirects(&bench);
        }
    }
}

#[test]
fn one_worker_redirects_nothing_and_several_do() {
    for workers in 1..=4 {
        let mut bench = Bench::new(&format!("workers {workers}\n{SERVICES}"));
        for cport in 1..400 {
            bench.deliver(0, 0, &request(cport, 0, 2));
        }
        let redirected = bench.board(0).worker.redirected_out.get();
        let expected = 399 * (workers - 1) / workers;
        assert!(
            redirected.abs_diff(expected) < 50,
            "{workers}: {redirected}"
        );
        assert_eq!(bench.flow_count(), 399);
        check_redirects(&bench);
    }
}

#[test]
fn a_packet_passed_on_is_kept_even_by_a_worker_that_would_not_own_it() {
    // Between two snapshots the workers may disagree; a packet must not travel in circles.
    let mut bench = Bench::new(&format!("workers 2\n{SERVICES}"));
    for cport in 1..50 {
        for worker in 0..2 {
            let outcomes = bench.hand_over(worker, 0, &request(cport, 0, 2));
            assert!(sent_to(&outcomes).is_some(), "{:?}", outcomes[0].verdict);
        }
    }
    assert_eq!(bench.flow_count(), 98, "each keeps it");
}

#[test]
fn each_worker_starts_its_round_robin_anew_and_the_shares_stay_even() {
    let mut bench = Bench::new(&format!("workers 4\n{SERVICES}"));
    let mut shares = BTreeMap::new();
    for cport in 1..=600 {
        let (_, outcomes) = bench.deliver(usize::from(cport) % 4, 0, &request(cport, 0, 2));
        *shares.entry(sent_to(&outcomes)).or_insert(0u32) += 1;
    }
    // Of each worker's share of connections at most one server gets one more.
    for (server, count) in shares {
        assert!(count.abs_diff(200) <= 4, "{server:?}: {count}");
    }
}

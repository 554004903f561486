// SPDX-License-Identifier: Apache-2.0
//! Fragmented packets of services: what leaves is the datagram that came, translated.

use super::*;
use crate::fragments::{FRAGMENTS_MAX, PIECES_MAX, WAIT_MAX};
use crate::testing::Outcome;
use wire::builder::{Checksum, SOURCE_MAC, transport_checksum};
use wire::packet::parse;

/// The IP datagram that frames are the fragments of, without a fragment header, in any order.
fn whole(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut data = Vec::new();
    let mut head = Vec::new();
    for frame in frames {
        let parsed = parse(frame, frame.len()).unwrap();
        let Some(place) = parsed.fragment_place(frame) else {
            return frame[14..].to_vec();
        };
        let v4 = frame[14] >> 4 == 4;
        let start = usize::from(if v4 {
            parsed.l4_offset
        } else {
            parsed.fragment_offset + 8
        });
        let (from, part) = (usize::from(place.offset), &frame[start..]);
        data.resize(data.len().max(from + part.len()), 0xee);
        data[from..from + part.len()].copy_from_slice(part);
        if from == 0 {
            head = frame[14..if v4 { start } else { start - 8 }].to_vec();
            if !v4 {
                head[6] = frame[start - 8];
            }
        }
    }
    let len = u16::try_from(data.len()).unwrap();
    if head[0] >> 4 == 4 {
        head[2..4].copy_from_slice(&(len + 20).to_be_bytes());
        head[6..8].fill(0);
        let mut view = wire::ipv4::Ipv4Mut::new_checked(&mut head).unwrap();
        view.fill_checksum();
    } else {
        head[4..6].copy_from_slice(&len.to_be_bytes());
    }
    [head, data].concat()
}

/// What was sent, and that nothing else happened.
#[track_caller]
fn sent(outcomes: &[Outcome]) -> Vec<Vec<u8>> {
    outcomes
        .iter()
        .map(|outcome| {
            let sent = matches!(outcome.verdict, Verdict::Send { .. });
            assert!(sent, "{:?}", lines(outcomes));
            outcome.frame.clone()
        })
        .collect()
}

/// Sends the fragments in an order; what leaves, leaves with the last.
#[track_caller]
fn through(bench: &mut Bench, port: u16, fragments: &[Vec<u8>], order: &[usize]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for (count, index) in order.iter().enumerate() {
        let outcomes = bench.send(port, &fragments[*index]);
        let last = count + 1 == order.len();
        assert_eq!(outcomes.is_empty(), !last, "{:?}", lines(&outcomes));
        all.extend(sent(&outcomes));
    }
    assert_eq!(bench.held_count(), 0);
    all
}

const ORDERS: [[usize; 3]; 6] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
];

#[test]
fn a_datagram_in_fragments_arrives_as_one_sent_whole_would() {
    for (client, service, to_server) in [
        ("10.0.0.9:7", "10.0.0.100:53", "10.1.0.11:53"),
        (
            "[2001:db8::9]:7",
            "[2001:db8::100]:53",
            "[2001:db8::100]:53",
        ),
    ] {
        for order in ORDERS {
            let mut bench = Bench::new(SERVICES);
            let datagram = |to: &str| Frame::udp(client, to).ident(77).payload_len(100);
            let fragments = datagram(service).fragments(40);
            assert_eq!(fragments.len(), 3);
            let out = through(&mut bench, 0, &fragments, &order);
            let expected = datagram(to_server).ttl(63).build_ip();
            assert_eq!(whole(&out), expected, "{order:?}");
            let lengths = |frames: &[Vec<u8>]| frames.iter().map(Vec::len).collect::<Vec<_>>();
            assert_eq!(lengths(&out), lengths(&fragments), "in pieces as it came");
            let real = bench
                .snapshot()
                .services
                .reals()
                .find(|real| bench.board(0).real(real.id).unwrap().packets_in.get() > 0);
            let counters = bench.board(0).real(real.unwrap().id).unwrap();
            assert_eq!(counters.packets_in.get(), 1, "one packet");
        }
    }
}

#[test]
fn answers_in_fragments_are_translated_too() {
    for order in ORDERS {
        let mut bench = Bench::new(SERVICES);
        bench.send(0, &Frame::udp("10.0.0.9:7", "10.0.0.100:53").build());
        let answer = |from: &str| Frame::udp(from, "10.0.0.9:7").ident(5).payload_len(100);
        let fragments = answer("10.1.0.11:53")
            .macs(SOURCE_MAC, SERVER_PORT)
            .fragments(40);
        let out = through(&mut bench, 1, &fragments, &order);
        assert_eq!(whole(&out), answer("10.0.0.100:53").ttl(63).build_ip());
    }
}

#[test]
fn the_smallest_first_fragments_are_understood() {
    // Eight bytes: of TCP neither flags nor checksum, of UDP no data.
    for tcp in [true, false] {
        let mut bench = Bench::new(SERVICES);
        let datagram = |to: &str| {
            let frame = if tcp {
                Frame::tcp("10.0.0.9:7", to).flags(SYN)
            } else {
                Frame::udp("10.0.0.9:7", to)
            };
            frame.ident(3).payload_len(33)
        };
        let (vip, rip) = if tcp {
            ("10.0.0.100:80", "10.1.0.11:8080")
        } else {
            ("10.0.0.100:53", "10.1.0.11:53")
        };
        let fragments = datagram(vip).fragments(8);
        let order: Vec<usize> = (0..fragments.len()).rev().collect();
        let out = through(&mut bench, 0, &fragments, &order);
        assert_eq!(out.len(), fragments.len());
        assert_eq!(whole(&out), datagram(rip).ttl(63).build_ip());
    }
}

#[test]
fn a_udp_checksum_that_is_missing_is_made_over_all_fragments() {
    let mut bench = Bench::new(SERVICES);
    let datagram = Frame::udp("10.0.0.9:7", "10.0.0.100:53")
        .checksum(0)
        .payload_len(101);
    let out = through(&mut bench, 0, &datagram.fragments(48), &[2, 1, 0]);
    let mut frame = out[0][..14].to_vec();
    frame.extend(whole(&out));
    assert_eq!(transport_checksum(&frame), Checksum::Good);
}

#[test]
fn fragments_longer_than_the_next_link_are_cut_again_or_refused() {
    let mut bench = Bench::new(&format!("{SERVICES}\nmtu 1 60"));
    let datagram = |to: &str| Frame::udp("10.0.0.9:7", to).ident(9).payload_len(200);
    let out = through(
        &mut bench,
        0,
        &datagram("10.0.0.100:53").fragments(80),
        &[0, 1, 2],
    );
    assert!(out.iter().all(|frame| frame.len() <= 14 + 60));
    assert_eq!(whole(&out), datagram("10.1.0.11:53").ttl(63).build_ip());
    // IPv6 is told.
    let mut bench = Bench::new(&format!("{SERVICES}\nmtu 1 1280"));
    let v6 = Frame::udp("[2001:db8::9]:7", "[2001:db8::100]:53").payload_len(2000);
    let fragments = v6.fragments(1400);
    assert_eq!(bench.send(0, &fragments[0]), []);
    let lines = bench.say(0, &fragments[1]);
    assert!(lines[0].contains("icmpv6 2/0"), "{lines:?}");
    assert!(lines[1].starts_with("drop mtu_exceeded"), "{lines:?}");
    // Two fragments that fit pass, though the datagram is longer than the link.
    let out = through(&mut bench, 0, &v6.ident(2).fragments(1200), &[1, 0]);
    assert_eq!(out.len(), 2);
}

#[test]
fn an_overlap_ends_the_datagram() {
    let mut bench = Bench::new(SERVICES);
    let udp = || Frame::ip("10.0.0.9", "10.0.0.100", IpProtocol::UDP).ident(1);
    for offset in [8, 24, 40] {
        bench.send(0, &udp().fragment(offset, true).payload_len(16).build());
    }
    assert_eq!(bench.held_count(), 3);
    let outcomes = bench.send(0, &udp().fragment(16, true).payload_len(16).build());
    assert_eq!(outcomes.len(), 4);
    assert_eq!(bench.dropped(DropReason::FragmentOverlap), 4);
    assert_eq!(bench.held_count(), 0);
}

#[test]
fn a_datagram_in_too_many_pieces_is_given_up() {
    let mut bench = Bench::new(SERVICES);
    let datagram = Frame::udp("10.0.0.9:7", "10.0.0.100:53").payload_len(8 * PIECES_MAX);
    let fragments = datagram.fragments(8);
    for fragment in &fragments[..PIECES_MAX] {
        assert_eq!(bench.send(0, fragment), []);
    }
    assert_eq!(bench.send(0, &fragments[PIECES_MAX]).len(), PIECES_MAX + 1);
    assert_eq!(bench.held_count(), 0);
}

#[test]
fn a_flood_of_fragments_is_bounded_and_whole_datagrams_pass_it() {
    let mut bench = Bench::new(SERVICES);
    for ident in 0..5000u32 {
        let stray = Frame::ip("10.0.0.66", "10.0.0.100", IpProtocol::UDP).ident(ident);
        bench.send(0, &stray.fragment(80, true).payload_len(16).build());
        assert!(bench.held_count() <= FRAGMENTS_MAX);
        if ident % 100 == 0 {
            let datagram = Frame::udp("10.0.0.9:7", "10.0.0.100:53").payload_len(100);
            let [a, b, c] = &datagram.fragments(40)[..] else {
                panic!("three")
            };
            let count = bench.send(0, a).iter().chain(&bench.send(0, b)).count();
            assert!(count <= 2, "at most what made room");
            assert!(bench.send(0, c).len() >= 3);
        }
    }
    bench.advance(WAIT_MAX);
    for _ in 0..10 {
        bench.tick();
    }
    assert_eq!(bench.held_count(), 0);
}

#[test]
fn what_linux_gets_it_gets_in_pieces() {
    let mut bench = Bench::new(SERVICES);
    let ping = Frame::echo("10.0.0.9", "10.0.0.100", 1, 1).payload_len(100);
    let tagged = "iface 2 port 0 vlan 10 mtu 1500 192.168.0.1/24";
    bench.apply(tagged);
    for ping in [ping.clone(), ping.vlan(10)] {
        let fragments = ping.fragments(64);
        assert_eq!(bench.send(0, &fragments[0]), []);
        let outcomes = bench.send(0, &fragments[1]);
        assert_eq!(outcomes.len(), 2);
        let frames: Vec<Vec<u8>> = outcomes
            .iter()
            .map(|outcome| {
                assert!(matches!(
                    outcome.verdict,
                    Verdict::Punt {
                        class: PuntClass::Icmp,
                        ..
                    }
                ));
                outcome.frame.clone()
            })
            .collect();
        assert_eq!(
            whole(&frames),
            Frame::echo("10.0.0.9", "10.0.0.100", 1, 1)
                .payload_len(100)
                .build_ip()
        );
    }
}

#[test]
fn congestion_seen_by_one_fragment_is_the_datagrams() {
    let mut bench = Bench::new(SERVICES);
    let marked = |mark: u8| {
        Frame::udp("10.0.0.9:7", "10.0.0.100:53")
            .tos(mark)
            .payload_len(100)
    };
    // ECT(0), and one CE.
    let fragments = [
        marked(2).fragments(40).remove(0),
        marked(3).fragments(40).remove(1),
        marked(2).fragments(40).remove(2),
    ];
    let out = through(&mut bench, 0, &fragments, &[0, 1, 2]);
    assert!(out.iter().all(|frame| frame[15] & 3 == 3));
    // One says that it is of no such transport.
    let fragments = [
        marked(0).fragments(40).remove(0),
        marked(3).fragments(40).remove(1),
        marked(3).fragments(40).remove(2),
    ];
    bench.send(0, &fragments[0]);
    bench.send(0, &fragments[1]);
    bench.send(0, &fragments[2]);
    assert_eq!(bench.dropped(DropReason::FragmentMalformed), 1);
    assert_eq!(bench.held_count(), 0);
}

#[test]
fn an_icmp_error_in_fragments_is_relayed() {
    let mut bench = Bench::new(SERVICES);
    bench.send(0, &syn(1000, "10.0.0.100:80").build());
    let error = |to: &str, about: &str| {
        let cause = Frame::tcp(about, "10.0.0.9:1000")
            .payload_len(100)
            .build_ip();
        Frame::icmp("10.0.0.77", to, 3, 4).payload(&cause)
    };
    let fragments = error("10.0.0.100", "10.0.0.100:80").fragments(24);
    let order: Vec<usize> = (0..fragments.len()).rev().collect();
    let out = through(&mut bench, 0, &fragments, &order);
    assert_eq!(
        whole(&out),
        error("10.1.0.11", "10.1.0.11:8080").ttl(63).build_ip()
    );
}

#[test]
fn an_empty_pool_costs_the_datagram_and_no_more() {
    for count in 0..5 {
        let mut bench = Bench::new(SERVICES);
        bench.set_pool(count);
        let datagram = Frame::udp("10.0.0.9:7", "10.0.0.100:53").payload_len(100);
        for fragment in datagram.fragments(40) {
            bench.send(0, &fragment);
        }
        assert_eq!(bench.held_count(), 0);
        let dropped = bench.dropped(DropReason::PoolEmpty);
        assert_eq!(dropped == 0, count >= 4, "{count}: {dropped}");
    }
}

#[test]
fn transit_fragments_are_routed_one_by_one() {
    let mut bench = Bench::new(SERVICES);
    let transit = Frame::udp("10.0.0.9:7", "10.1.0.14:53").payload_len(100);
    for fragment in transit.fragments(40) {
        assert_eq!(sent(&bench.send(0, &fragment)).len(), 1);
    }
}

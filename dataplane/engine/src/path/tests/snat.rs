// SPDX-License-Identifier: Apache-2.0
//! The farm's own packets on their way out.

use std::collections::BTreeSet;
use std::format;
use std::string::String;
use std::vec::Vec;

use wire::builder::{Checksum, transport_checksum};
use wire::packet::parse;

use super::*;
use crate::testing::Outcome;
use model::addr::Addr;

const FARM: &str = "
    snat out 10.0.0.200 2001:db8::200 for 10.1.0.0/24 2001:db8:1::/64 via 0
    route 192.0.2.0/24 via 0 10.0.0.254
";
const WORLD: &str = "192.0.2.7:80";

/// Source, destination and their ports (of an echo the identifier) of what was sent.
fn ends(outcomes: &[Outcome]) -> (Addr, u16, Addr, u16) {
    let [outcome] = outcomes else {
        panic!("{:?}", lines(outcomes));
    };
    assert!(matches!(outcome.verdict, Verdict::Send { .. }), "{outcome}");
    assert_eq!(
        transport_checksum(&outcome.frame),
        Checksum::Good,
        "{outcome}"
    );
    let parsed = parse(&outcome.frame, outcome.frame.len()).unwrap();
    (
        Addr::from_octets(parsed.source),
        parsed.source_port,
        Addr::from_octets(parsed.destination),
        parsed.destination_port,
    )
}

fn addr(text: &str) -> Addr {
    text.parse().unwrap()
}

fn out(frame: Frame) -> Vec<u8> {
    from_server(frame)
}

#[test]
fn a_connection_leaves_behind_the_local_address_and_its_answers_come_back() {
    let mut bench = Bench::new(FARM);
    let sent = bench.send(1, &out(Frame::tcp("10.1.0.11:5000", WORLD).flags(SYN)));
    let (from, lport, to, port) = ends(&sent);
    assert_eq!(
        (from, to, port),
        (addr("10.0.0.200"), addr("192.0.2.7"), 80)
    );
    assert!(lport >= 1024);
    let answer = Frame::tcp(WORLD, &format!("10.0.0.200:{lport}")).flags(SYN | ACK);
    let back = ends(&bench.send(0, &answer.build()));
    assert_eq!(back, (addr("192.0.2.7"), 80, addr("10.1.0.11"), 5000));
    let next = bench.send(1, &out(Frame::tcp("10.1.0.11:5000", WORLD).flags(ACK)));
    assert_eq!(ends(&next).1, lport, "the same port");
    let gauge = |bench: &Bench| bench.board(0).worker.flows_snat.get();
    assert_eq!((gauge(&bench), bench.flow_count()), (1, 0));
    bench.advance(Duration::from_secs(901));
    bench.advance(Duration::from_secs(1));
    assert_eq!(gauge(&bench), 0, "forgotten, and its port given back");
    let line = only(bench.say(0, &answer.build()));
    assert!(line.starts_with("drop local_port_unused"), "{line}");
}

#[test]
fn other_families_and_transports_leave_too() {
    let mut bench = Bench::new(FARM);
    let v6 = Frame::udp("[2001:db8:1::11]:5000", "[2001:db8::9]:53").payload(b"question");
    let (from, lport, ..) = ends(&bench.send(1, &out(v6)));
    assert_eq!(from, addr("2001:db8::200"));
    let answer = Frame::udp("[2001:db8::9]:53", &format!("[2001:db8::200]:{lport}"));
    let back = ends(&bench.send(0, &answer.payload(b"answer").build()));
    assert_eq!((back.2, back.3), (addr("2001:db8:1::11"), 5000));
}

#[test]
fn an_echo_keeps_its_servers_apart_by_identifier() {
    let ident_of = |outcomes: &[Outcome]| {
        let frame = &outcomes[0].frame;
        let at = usize::from(parse(frame, frame.len()).unwrap().l4_offset) + 4;
        u16::from_be_bytes([frame[at], frame[at + 1]])
    };
    for workers in [1, 4] {
        let mut bench = Bench::new(&format!("workers {workers}\n{FARM}"));
        let mut idents = BTreeSet::new();
        for (place, server) in ["10.1.0.11", "10.1.0.12", "10.1.0.13"]
            .into_iter()
            .enumerate()
        {
            let ping = Frame::echo(server, "192.0.2.7", 77, 1).payload(b"ping");
            let (_, sent) = bench.deliver(place % workers, 1, &out(ping));
            assert_eq!(ends(&sent).0, addr("10.0.0.200"));
            let ident = ident_of(&sent);
            assert!(idents.insert(ident), "{ident} is taken");
            let pong = Frame::icmp("192.0.2.7", "10.0.0.200", 0, 0);
            let pong = pong.rest(u32::from(ident) << 16 | 1).payload(b"ping");
            let (_, back) = bench.deliver((place + 1) % workers, 0, &pong.build());
            assert_eq!(ends(&back).2, addr(server), "{workers} workers");
            assert_eq!(ident_of(&back), 77);
        }
        let stray = Frame::icmp("192.0.2.7", "10.0.0.200", 0, 0).rest(1);
        let (_, lines) = bench.deliver(0, 0, &stray.build());
        assert!(
            matches!(lines[0].verdict, Verdict::Punt { .. }),
            "Linux looks at it"
        );
    }
}

#[test]
fn errors_of_the_world_find_the_server_and_quote_what_it_sent() {
    let mut bench = Bench::new(FARM);
    let syn = Frame::tcp("10.1.0.11:5000", WORLD).flags(SYN);
    let (_, lport, ..) = ends(&bench.send(1, &out(syn)));
    let cause = Frame::tcp(&format!("10.0.0.200:{lport}"), WORLD).flags(SYN);
    let error = Frame::icmp("10.0.0.254", "10.0.0.200", 3, 1).payload(&cause.build_ip());
    let relayed = bench.send(0, &error.build());
    let (from, _, to, _) = ends(&relayed);
    assert_eq!((from, to), (addr("10.0.0.254"), addr("10.1.0.11")));
    let frame = &relayed[0].frame;
    let at = usize::from(parse(frame, frame.len()).unwrap().l4_offset) + 8;
    let quote = wire::packet::parse_quote(&frame[at..]).unwrap();
    assert_eq!(Addr::from_octets(quote.source), addr("10.1.0.11"));
    assert_eq!(quote.source_port, 5000);
    // And the server's own, about an answer.
    let answer = Frame::tcp(WORLD, "10.1.0.11:5000").flags(ACK);
    let error = Frame::icmp("10.1.0.11", "192.0.2.7", 3, 3).payload(&answer.build_ip());
    let relayed = bench.send(1, &out(error));
    let (from, _, to, _) = ends(&relayed);
    assert_eq!((from, to), (addr("10.0.0.200"), addr("192.0.2.7")));
}

#[test]
fn what_no_rule_is_about_is_routed_as_it_is() {
    let mut bench = Bench::new(&format!("{FARM}route 198.51.100.0/24 via 1 10.1.0.14"));
    for to in ["198.51.100.9:80", "10.1.0.12:80"] {
        let sent = bench.send(1, &out(Frame::tcp("10.1.0.11:5000", to).flags(SYN)));
        assert_eq!(
            ends(&sent).0,
            addr("10.1.0.11"),
            "it does not leave by that port: {to}"
        );
    }
    let transit = Frame::tcp("10.0.0.9:1", "192.0.2.7:80").flags(SYN);
    assert_eq!(ends(&bench.send(0, &transit.build())).0, addr("10.0.0.9"));
}

#[test]
fn nothing_leaves_under_an_address_that_has_no_way_back() {
    let mut bench = Bench::new(FARM);
    for frame in [
        Frame::tcp("10.1.0.11:5000", WORLD).flags(ACK),
        Frame::icmp("10.1.0.11", "192.0.2.7", 13, 0),
    ] {
        let line = only(bench.say(1, &out(frame)));
        assert!(line.starts_with("drop no_connection"), "{line}");
    }
}

#[test]
fn ports_are_exhausted_by_name_and_come_back() {
    let mut bench = Bench::new(&format!("flows 70000\n{FARM}"));
    let mut exhausted = 0u32;
    let mut taken = BTreeSet::new();
    for number in 0..65_000u32 {
        let (host, port) = (11 + number / 60_000, 1024 + number % 60_000);
        let from = format!("10.1.0.{host}:{port}");
        let sent = bench.send(1, &out(Frame::udp(&from, "192.0.2.7:53")));
        match sent[0].verdict {
            Verdict::Send { .. } => assert!(taken.insert(ends(&sent).1), "a port twice"),
            Verdict::Drop(reason) => {
                assert_eq!(reason, DropReason::LocalPortsExhausted);
                exhausted += 1;
            }
            Verdict::Punt { .. } | Verdict::Redirect { .. } => panic!("{}", sent[0]),
        }
    }
    assert_eq!((taken.len(), exhausted), (64_512, 488));
    for _ in 0..600 {
        bench.advance(Duration::from_secs(1));
    }
    assert_eq!(bench.board(0).worker.flows_snat.get(), 0);
    let again = bench.send(1, &out(Frame::udp("10.1.0.12:9", "192.0.2.7:53")));
    assert_eq!(ends(&again).0, addr("10.0.0.200"));
}

#[test]
fn whoever_receives_its_packets_a_connection_of_the_farm_is_one() {
    let mut bench = Bench::new(&format!("workers 4\n{FARM}"));
    for number in 0..200u16 {
        let from: String = format!("10.1.0.11:{}", 5000 + number);
        let receiver = usize::from(number) % 4;
        let syn = out(Frame::tcp(&from, WORLD).flags(SYN));
        let (owner, sent) = bench.deliver(receiver, 1, &syn);
        let (_, lport, ..) = ends(&sent);
        let answer = Frame::tcp(WORLD, &format!("10.0.0.200:{lport}")).flags(SYN | ACK);
        let (back, sent) = bench.deliver((receiver + 1) % 4, 0, &answer.build());
        assert_eq!((back, ends(&sent).3), (owner, 5000 + number));
        let ack = out(Frame::tcp(&from, WORLD).flags(ACK));
        let (again, sent) = bench.deliver((receiver + 2) % 4, 1, &ack);
        assert_eq!((again, ends(&sent).1), (owner, lport));
    }
    let total: u64 = bench
        .boards()
        .iter()
        .map(|b| b.worker.flows_snat.get())
        .sum();
    assert_eq!(total, 200);
}

// SPDX-License-Identifier: Apache-2.0
//! Packets of nobody's connection, routed as any router does.

use super::*;
use crate::testing::mac_of;

#[test]
fn a_packet_from_a_server_to_the_world_is_routed_unchanged() {
    let mut bench = Bench::new(SERVICES);
    let out = Frame::udp("10.1.0.11:5000", "203.0.113.1:123").payload(b"ntp");
    let outcomes = bench.send(1, &from_server(out.clone()));
    let gateway = mac_of("10.0.0.254".parse().unwrap());
    let expected = out
        .ttl(63)
        .macs(wire::builder::DESTINATION_MAC, MacAddress(gateway.0));
    assert_eq!(outcomes[0].frame, expected.build());
    assert_eq!(bench.flow_count(), 0, "no connection is kept of it");
}

#[test]
fn ipv6_and_other_protocols_are_routed_too() {
    let mut bench = Bench::new(SERVICES);
    let v6 = Frame::tcp("[2001:db8:1::11]:5000", "[2001:db8:9::1]:443").flags(SYN);
    assert!(only(bench.say(1, &from_server(v6))).starts_with("send 0 to ::fe: [2001:db8:1::11]"));
    let esp = Frame::ip("10.0.0.9", "10.1.0.12", IpProtocol::ESP).payload_len(40);
    assert!(only(bench.say(0, &esp.build())).starts_with("send 1 to 10.1.0.12"));
    let ping = Frame::echo("10.0.0.9", "10.1.0.12", 1, 1);
    assert!(only(bench.say(0, &ping.build())).starts_with("send 1 to 10.1.0.12"));
}

#[test]
fn a_packet_from_a_servers_port_without_a_connection_is_routed() {
    let mut bench = Bench::new(SERVICES);
    let late = Frame::tcp("10.1.0.11:8080", "10.0.0.9:1000").flags(ACK);
    assert_eq!(
        only(bench.say(1, &from_server(late))),
        "send 0 to 10.0.0.9: 10.1.0.11:8080 > 10.0.0.9:1000 tcp A seq 1 ack 0 ttl 63 len 40"
    );
}

#[test]
fn the_longest_prefix_wins() {
    let mut bench = Bench::new(
        "route 10.9.0.0/16 via 1 10.1.0.11
         route 10.9.9.0/24 via 1 10.1.0.12
         route 10.9.9.9/32 blackhole",
    );
    let mut to = |addr: &str| {
        let frame = Frame::udp("10.0.0.9:1", &format!("{addr}:1")).build();
        only(bench.say(0, &frame))
    };
    assert!(to("10.9.0.1").starts_with("send 1 to 10.1.0.11"));
    assert!(to("10.9.9.1").starts_with("send 1 to 10.1.0.12"));
    assert!(to("10.9.9.9").starts_with("drop blackhole"));
    assert!(to("10.8.0.1").starts_with("send 0 to 10.0.0.254"));
}

#[test]
fn fragments_of_nobodys_packet_are_routed_as_they_are() {
    let mut bench = Bench::new("");
    let big = Frame::udp("10.0.0.9:1", "10.1.0.12:1").payload_len(2000);
    for fragment in big.ident(7).fragments(1000) {
        let line = only(bench.say(0, &fragment));
        assert!(line.starts_with("send 1 to 10.1.0.12"), "{line}");
        assert!(line.contains("fragment 7@"), "{line}");
    }
}

#[test]
fn an_unknown_neighbour_is_asked_for_and_its_packets_wait() {
    let mut bench = Bench::new("");
    let frame = |port: u16| Frame::udp("10.0.0.9:1", &format!("10.1.0.77:{port}")).build();
    assert!(bench.say(0, &frame(1)).is_empty());
    assert!(bench.say(0, &frame(2)).is_empty());
    assert_eq!(bench.held_count(), 2);
    assert_eq!(bench.board(0).worker.held.get(), 2);
    let requests = bench.requests();
    assert_eq!(requests.len(), 1, "asked once");
    assert_eq!(requests[0].addr, "10.1.0.77".parse().unwrap());

    bench.apply("neighbour 1 10.1.0.77");
    assert_eq!(bench.held_count(), 0);
    assert_eq!(bench.board(0).worker.tx.get(), 2);
    assert!(only(bench.say(0, &frame(3))).starts_with("send 1 to 10.1.0.77"));
}

#[test]
fn a_next_hop_in_use_is_marked() {
    let mut bench = Bench::new(SERVICES);
    bench.send(0, &syn(1, "10.0.0.100:80").build());
    let addr = "10.1.0.11".parse().unwrap();
    let fib = &bench.snapshot().fib;
    let id = fib.neighbour_id(model::ids::IfaceId(1), addr).unwrap();
    let hop = fib.next_hop(id).unwrap();
    assert_eq!(hop.mac, Mac([2, 4, 10, 1, 0, 11]));
    assert!(hop.take_used());
    assert!(!hop.take_used());
}

#[test]
fn a_packet_too_large_for_the_next_link_is_cut_without_df() {
    let mut bench = Bench::new("mtu 1 600");
    let big = Frame::udp("10.0.0.9:1", "10.1.0.12:1")
        .ident(9)
        .payload_len(1000);
    let lines = bench.say(0, &big.build());
    assert_eq!(
        lines,
        [
            "send 1 to 10.1.0.12: 10.0.0.9:1 > 10.1.0.12:1 udp ttl 63 id 9 fragment 9@0+ len 596",
            "send 1 to 10.1.0.12: 10.0.0.9 > 10.1.0.12 udp ttl 63 id 9 fragment 9@576 len 452",
        ]
    );
    let counters = &bench.board(0).worker;
    assert_eq!((counters.generated.get(), counters.absorbed.get()), (2, 1));
}

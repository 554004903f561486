// SPDX-License-Identifier: Apache-2.0
use std::string::String;
use std::vec::Vec;

use wire::builder::{Frame, SOURCE_MAC};
use wire::ethernet::MacAddress;
use wire::tcp::flags::{ACK, SYN};

use super::*;
use crate::testing::{Bench, Outcome};
use crate::verdict::Verdict;

const SERVER_PORT: MacAddress = MacAddress([2, 0, 0, 0, 1, 2]);
const CLIENT: &str = "10.0.0.9:1000";
const CLIENT6: &str = "[2001:db8::9]:1000";

fn bench(tunnel: &str) -> Bench {
    let text = std::format!(
        "service tcp 10.0.0.100:80 rr\nreal 10.1.0.11:80 {tunnel}\n\
         service tcp [2001:db8::100]:80 rr\nreal [2001:db8:1::11]:80 {tunnel}\n\
         service tcp 10.0.0.101:80 rr\nreal [2001:db8:1::12]:80 {tunnel}\n\
         service tcp [2001:db8::101]:80 rr\nreal 10.1.0.12:80 {tunnel}\n"
    );
    Bench::new(&text)
}

fn syn(client: &str, service: &str) -> Frame {
    Frame::tcp(client, service).flags(SYN)
}

/// The packets that left, from their IP headers on.
fn sent(outcomes: &[Outcome]) -> Vec<Vec<u8>> {
    outcomes
        .iter()
        .filter(|outcome| matches!(outcome.verdict, Verdict::Send { .. }))
        .map(|outcome| outcome.frame[14..].to_vec())
        .collect()
}

/// Sends a packet and gives the only one that left.
fn one(bench: &mut Bench, frame: &Frame) -> Vec<u8> {
    let mut packets = sent(&bench.send(0, &frame.build()));
    assert_eq!(packets.len(), 1);
    packets.remove(0)
}

/// An error about the packet `quoted`, from a router among the servers to the packet's source.
fn error(quoted: &[u8], icmp_type: u8, code: u8, rest: u32) -> Frame {
    let v4 = quoted[0] >> 4 == 4;
    let (router, to) = if v4 {
        ("10.1.0.200", "10.1.0.1")
    } else {
        ("2001:db8:1::200", "2001:db8:1::1")
    };
    Frame::icmp(router, to, icmp_type, code)
        .rest(rest)
        .payload(quoted)
        .macs(SOURCE_MAC, SERVER_PORT)
}

fn lines(bench: &mut Bench, frame: &Frame) -> Vec<String> {
    bench.say(1, &frame.build())
}

#[test]
fn every_kind_reaches_a_server_of_either_family() {
    for tunnel in ["ipip", "gre", "gre-csum", "gue", "gue-csum", "gue-remcsum"] {
        let mut bench = bench(tunnel);
        for (client, service, v4) in [
            (CLIENT, "10.0.0.100:80", true),
            (CLIENT6, "[2001:db8::100]:80", false),
            (CLIENT, "10.0.0.101:80", false),
            (CLIENT6, "[2001:db8::101]:80", true),
        ] {
            let packet = one(&mut bench, &syn(client, service));
            assert_eq!(packet[0] >> 4, if v4 { 4 } else { 6 }, "{tunnel} {service}");
            let inner = syn(client, service).ttl(63).build_ip();
            assert!(packet.ends_with(&inner), "{tunnel} {service}");
        }
        assert_eq!(bench.flow_count(), 4);
    }
}

#[test]
fn a_reassigned_method_keeps_the_connections_and_a_reassigned_tunnel_takes_them_along() {
    let mut bench = bench("ipip");
    let first = one(&mut bench, &syn(CLIENT, "10.0.0.100:80"));
    bench.apply("at tcp 10.0.0.100:80\nedit-real 10.1.0.11:80 gre");
    let second = one(&mut bench, &Frame::tcp(CLIENT, "10.0.0.100:80").flags(ACK));
    assert_eq!((first[9], second[9]), (4, 47));
}

#[test]
fn outer_sources_of_a_prefix_are_the_flows_own() {
    let mut bench = bench("ipip@10.99.0.0/16");
    let mut sources: Vec<Vec<u8>> = Vec::new();
    for cport in 1000..1100 {
        let client = std::format!("10.0.0.9:{cport}");
        let first = one(&mut bench, &syn(&client, "10.0.0.100:80"));
        let again = one(&mut bench, &Frame::tcp(&client, "10.0.0.100:80").flags(ACK));
        assert_eq!(first[12..16], again[12..16]);
        assert!(first[12..14] == [10, 99]);
        sources.push(first[12..16].to_vec());
    }
    sources.sort();
    sources.dedup();
    assert!(sources.len() > 95, "{}", sources.len());
}

#[test]
fn an_ipv4_packet_that_may_be_cut_travels_in_pieces_of_an_outer_ipv6_packet() {
    let mut bench = bench("gue-csum");
    one(&mut bench, &syn(CLIENT, "10.0.0.101:80"));
    let large = Frame::tcp(CLIENT, "10.0.0.101:80")
        .flags(ACK)
        .payload_len(1460);
    let pieces = sent(&bench.send(0, &large.build()));
    assert_eq!(pieces.len(), 2);
    assert!(
        pieces
            .iter()
            .all(|piece| piece[6] == 44 && piece.len() <= 1500)
    );
    let told = bench.say(0, &large.dont_fragment().build());
    assert!(
        told[0].contains("rest 0x5a8 ") && told[1].starts_with("drop mtu_exceeded"),
        "{told:?}"
    );
}

#[test]
fn the_client_is_told_what_a_router_on_the_way_takes_less_the_tunnels_headers() {
    for (tunnel, overhead) in [
        ("ipip", 20),
        ("gre", 24),
        ("gre-csum", 28),
        ("gue-csum", 32),
    ] {
        let mut bench = bench(tunnel);
        let large = || {
            Frame::tcp(CLIENT, "10.0.0.100:80")
                .flags(ACK)
                .payload_len(1000)
        };
        one(&mut bench, &syn(CLIENT, "10.0.0.100:80"));
        let packet = one(&mut bench, &large().dont_fragment());
        let told = lines(&mut bench, &error(&packet[..56 + overhead], 3, 4, 900));
        let room = std::format!("rest {:#x} ", 900 - overhead);
        assert!(
            told.len() == 1 && told[0].contains(&room),
            "{tunnel}: {told:?}"
        );
        assert!(
            told[0].starts_with("send 0 to 10.0.0.9: 10.0.0.100 > 10.0.0.9"),
            "{told:?}"
        );
    }
}

#[test]
fn errors_about_the_outer_packet_are_told_in_the_clients_family() {
    let mut bench = bench("ipip");
    for (client, service, kinds) in [
        (CLIENT, "10.0.0.100:80", [(3, 1), (3, 13), (11, 0)]),
        (CLIENT6, "[2001:db8::100]:80", [(1, 0), (1, 3), (3, 0)]),
    ] {
        let packet = one(&mut bench, &syn(client, service));
        for (icmp_type, code) in kinds {
            let outcomes = bench.send(1, &error(&packet, icmp_type, code, 0).build());
            let told = &sent(&outcomes)[0];
            let at = if client == CLIENT { 20 } else { 40 };
            assert_eq!((told[at], told[at + 1]), (icmp_type, code), "{service}");
            let inner = syn(client, service).ttl(63).build_ip();
            assert_eq!(told[at + 8..], inner, "{service}");
        }
    }
    // IPv4 inside IPv6, and the other way round: the server is out of reach.
    for (client, service, (icmp_type, code)) in [
        (CLIENT, "10.0.0.101:80", (3, 1)),
        (CLIENT6, "[2001:db8::101]:80", (1, 3)),
    ] {
        let packet = one(&mut bench, &syn(client, service));
        let ttl = if client == CLIENT { 3 } else { 11 };
        let told = &sent(&bench.send(1, &error(&packet, ttl, 0, 0).build()))[0];
        let at = if client == CLIENT { 20 } else { 40 };
        assert_eq!((told[at], told[at + 1]), (icmp_type, code), "{service}");
    }
}

#[test]
fn an_error_that_is_not_about_our_packet_goes_to_linux() {
    let mut bench = bench("ipip");
    let packet = one(&mut bench, &syn(CLIENT, "10.0.0.100:80"));
    let mut foreign = packet.clone();
    foreign[19] = 77;
    for quoted in [&foreign[..], &packet[..28], &packet[..47]] {
        let told = lines(&mut bench, &error(quoted, 3, 1, 0));
        assert!(
            told.len() == 1 && told[0].starts_with("punt 1 icmp"),
            "{told:?}"
        );
    }
    let told = lines(&mut bench, &error(&packet, 3, 1, 0).checksum(1));
    assert!(told[0].starts_with("drop rx_bad_icmp_checksum"), "{told:?}");
}

#[test]
fn a_sender_that_lets_its_packets_be_cut_is_not_told_of_an_mtu() {
    let mut bench = bench("ipip");
    let packet = one(&mut bench, &syn(CLIENT, "10.0.0.100:80"));
    assert_eq!(lines(&mut bench, &error(&packet, 3, 4, 900)).len(), 0);
    let large = Frame::tcp(CLIENT, "10.0.0.100:80")
        .flags(ACK)
        .payload_len(1000);
    assert_eq!(
        sent(&bench.send(0, &large.build())).len(),
        2,
        "but it was learnt"
    );
}

#[test]
fn workers_give_no_identification_twice() {
    let mut all = Vec::new();
    for worker in 0..3 {
        let mut tunnels = Tunnels::new(0xdead_beef, WorkerId(worker), 3);
        all.extend((0..1000).map(|_| tunnels.next_ident()));
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 3000);
}

#[test]
fn what_a_router_tells_is_bounded() {
    let mut paths = Paths::new();
    let now = Instant::from_millis(5);
    let v4: Addr = "10.1.0.11".parse().unwrap();
    let v6: Addr = "2001:db8::11".parse().unwrap();
    assert_eq!(paths.mtu(v4, now), None);
    assert_eq!(
        (paths.learn(v4, 68, now), paths.learn(v6, 0, now)),
        (552, 1280)
    );
    assert_eq!(
        (paths.mtu(v4, now), paths.mtu(v6, now)),
        (Some(552), Some(1280))
    );
    assert_eq!(paths.mtu(v4, now + LEARNED_FOR), None);
}

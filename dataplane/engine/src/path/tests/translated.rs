// SPDX-License-Identifier: Apache-2.0
//! FullNAT to a server of the other family: NAT64 and its mirror.

use wire::builder::{Checksum, ip_checksum, transport_checksum};
use wire::packet::{Parsed, parse};
use wire::sctp::ChunkType;

use super::*;

const SERVICES: &str = "
    pool p 10.1.0.200 2001:db8:1::200
    service tcp [2001:db8::100]:80 rr pool=p
    real 10.1.0.11:8080 fullnat
    service udp [2001:db8::100]:53 rr pool=p
    real 10.1.0.11:5353 fullnat
    service sctp [2001:db8::100]:132 rr pool=p
    real 10.1.0.11:1132 fullnat
    service tcp 10.0.0.100:80 rr pool=p
    real [2001:db8:1::11]:8080 fullnat
    service udp 10.0.0.100:53 rr pool=p
    real [2001:db8:1::11]:5353 fullnat
    service sctp 10.0.0.100:132 rr pool=p
    real [2001:db8:1::11]:1132 fullnat
";

/// Client, VIP, server, local address; a router on the clients' side and one on the servers'.
const SIX_TO_FOUR: [&str; 6] = [
    "[2001:db8::9]",
    "[2001:db8::100]",
    "10.1.0.11",
    "10.1.0.200",
    "2001:db8::77",
    "10.1.0.77",
];
const FOUR_TO_SIX: [&str; 6] = [
    "10.0.0.9",
    "10.0.0.100",
    "[2001:db8:1::11]",
    "[2001:db8:1::200]",
    "10.0.0.77",
    "2001:db8:1::77",
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Tcp,
    Udp,
    Sctp,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// vport and rport.
    const fn ports(self) -> (u16, u16) {
        match self {
            Self::Tcp => (80, 8080),
            Self::Udp => (53, 5353),
            Self::Sctp => (132, 1132),
        }
    }

    fn frame(self, from: &str, to: &str, first: bool) -> Frame {
        match self {
            Self::Tcp => {
                let flags = if first { SYN } else { ACK };
                Frame::tcp(from, to)
                    .flags(flags)
                    .payload(b"of either family")
            }
            Self::Udp => Frame::udp(from, to).payload(b"of either family"),
            Self::Sctp => {
                let kind = if first {
                    ChunkType::INIT
                } else {
                    ChunkType::INIT_ACK
                };
                Frame::sctp(from, to, 7, &[(kind, &[0xaa; 16])])
            }
        }
    }
}

/// The one packet that was sent, its sums right.
#[track_caller]
fn sent(bench: &mut Bench, port: u16, frame: &[u8]) -> (Vec<u8>, Parsed) {
    let mut outcomes = bench.send(port, frame);
    assert_eq!(outcomes.len(), 1, "{:#?}", lines(&outcomes));
    let outcome = outcomes.remove(0);
    assert!(matches!(outcome.verdict, Verdict::Send { .. }), "{outcome}");
    assert_eq!(
        transport_checksum(&outcome.frame),
        Checksum::Good,
        "{outcome}"
    );
    assert_ne!(ip_checksum(&outcome.frame), Checksum::Bad, "{outcome}");
    let parsed = parse(&outcome.frame, outcome.frame.len()).unwrap();
    (outcome.frame, parsed)
}

/// The packet of a frame, without its link header.
fn packet(frame: &[u8]) -> Vec<u8> {
    frame[14..].to_vec()
}

/// With no identification, which is anybody's choice.
fn anonymous(mut packet: Vec<u8>) -> Vec<u8> {
    if packet[0] >> 4 == 4 {
        packet[4..6].fill(0);
        packet[10..12].fill(0);
    }
    packet
}

/// A connection that is open, and the ends its server knows it by.
fn open(kind: Kind, hosts: [&str; 6]) -> (Bench, [String; 4]) {
    let [client, vip, server, local, ..] = hosts;
    let (vport, rport) = kind.ports();
    let mut bench = Bench::new(SERVICES);
    let (client, vip) = (format!("{client}:1000"), format!("{vip}:{vport}"));
    let (there, parsed) = sent(&mut bench, 0, &kind.frame(&client, &vip, true).build());
    let local = format!("{local}:{}", parsed.source_port);
    let server = format!("{server}:{rport}");
    let expected = kind.frame(&local, &server, true).ttl(63);
    assert_eq!(
        anonymous(packet(&there)),
        anonymous(expected.build_ip()),
        "{kind:?}"
    );
    (bench, [client, vip, local, server])
}

#[test]
fn a_connection_is_of_one_family_to_its_client_and_of_the_other_to_its_server() {
    for hosts in [SIX_TO_FOUR, FOUR_TO_SIX] {
        for kind in Kind::ALL {
            let (mut bench, [client, vip, local, server]) = open(kind, hosts);
            let answer = from_server(kind.frame(&server, &local, false));
            let (back, _) = sent(&mut bench, 1, &answer);
            let expected = kind.frame(&vip, &client, false).ttl(63);
            assert_eq!(anonymous(packet(&back)), anonymous(expected.build_ip()));
            assert_eq!((bench.flow_count(), bench.leases()), (1, 1));
            for _ in 0..4 {
                bench.advance(Duration::from_secs(1000));
            }
            assert_eq!((bench.flow_count(), bench.leases()), (0, 0));
        }
    }
}

#[test]
fn errors_are_about_the_packet_their_receiver_sent() {
    for hosts in [SIX_TO_FOUR, FOUR_TO_SIX] {
        let [_, _, _, _, near, far] = hosts;
        let bare = |end: &str| {
            let end: std::net::SocketAddr = end.parse().unwrap();
            format!("{}", end.ip())
        };
        for kind in Kind::ALL {
            let (mut bench, [client, vip, local, server]) = open(kind, hosts);
            let six_to_four = hosts == SIX_TO_FOUR;
            // Port unreachable: ICMP 3/3, ICMPv6 1/4.
            let (of_client, of_server) = if six_to_four {
                ((1, 4), (3, 3))
            } else {
                ((3, 3), (1, 4))
            };
            let cause = kind.frame(&local, &server, true).build_ip();
            let error = Frame::icmp(far, &bare(&local), of_server.0, of_server.1).payload(&cause);
            let (told, _) = sent(&mut bench, 1, &from_server(error));
            let cause = kind.frame(&client, &vip, true).build_ip();
            let expected =
                Frame::icmp(&bare(&vip), &bare(&client), of_client.0, of_client.1).payload(&cause);
            assert_eq!(packet(&told), expected.ttl(63).build_ip(), "{kind:?}");

            let cause = kind.frame(&vip, &client, false).build_ip();
            let error = Frame::icmp(near, &bare(&vip), of_client.0, of_client.1).payload(&cause);
            let (told, _) = sent(&mut bench, 0, &error.build());
            let cause = kind.frame(&server, &local, false).build_ip();
            let expected = Frame::icmp(&bare(&local), &bare(&server), of_server.0, of_server.1);
            let expected = expected.payload(&cause).ttl(63);
            assert_eq!(packet(&told), expected.build_ip(), "{kind:?}");
        }
    }
}

#[test]
fn a_server_is_told_that_its_answer_grows() {
    let (mut bench, [_, _, local, server]) = open(Kind::Tcp, SIX_TO_FOUR);
    let answer = |len| {
        let frame = Frame::tcp(&server, &local).flags(ACK).payload_len(len);
        from_server(frame.dont_fragment())
    };
    // 20 bytes of TCP: 1500 bytes as IPv6, 1480 as IPv4.
    sent(&mut bench, 1, &answer(1440));
    let lines = bench.say(1, &answer(1441));
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains("icmp 3/4 rest 0x5c8"), "{}", lines[0]);
    assert!(lines[1].starts_with("drop mtu_exceeded"), "{}", lines[1]);
}

#[test]
fn a_client_may_send_twenty_bytes_more_than_its_server_takes() {
    let (mut bench, [client, vip, ..]) = open(Kind::Tcp, SIX_TO_FOUR);
    bench.apply("mtu 1 1400");
    let segment = |len| {
        Frame::tcp(&client, &vip)
            .flags(ACK)
            .payload_len(len)
            .build()
    };
    sent(&mut bench, 0, &segment(1360));
    let lines = bench.say(0, &segment(1361));
    assert!(lines[0].contains("icmpv6 2/0 rest 0x58c"), "{}", lines[0]);
    assert!(lines[1].starts_with("drop mtu_exceeded"), "{}", lines[1]);
}

#[test]
fn a_router_that_is_too_narrow_is_told_in_the_other_familys_terms() {
    let (mut bench, [client, vip, local, server]) = open(Kind::Tcp, SIX_TO_FOUR);
    let cause = Frame::tcp(&local, &server)
        .flags(ACK)
        .payload_len(1400)
        .build_ip();
    let error = Frame::icmp("10.1.0.77", "10.1.0.200", 3, 4)
        .rest(1300)
        .payload(&cause[..100]);
    let (told, parsed) = sent(&mut bench, 1, &from_server(error));
    let message = &told[usize::from(parsed.l4_offset)..];
    assert_eq!(message[..2], [2, 0]);
    assert_eq!(message[4..8], 1320u32.to_be_bytes());
    let quote = wire::packet::parse_quote(&message[8..]).unwrap();
    assert_eq!(quote.source, wire::builder::address(&client));
    assert_eq!(quote.destination, wire::builder::address(&vip));
}

#[test]
fn datagrams_in_fragments_arrive_in_fragments_of_the_other_family() {
    for hosts in [SIX_TO_FOUR, FOUR_TO_SIX] {
        let (mut bench, [client, vip, local, server]) = open(Kind::Udp, hosts);
        let there = Frame::udp(&client, &vip).ident(0xbeef).payload_len(3000);
        let back = Frame::udp(&server, &local).ident(0xbeef).payload_len(3000);
        for (port, datagram, from, to) in [(0, there, &local, &server), (1, back, &vip, &client)] {
            let datagram = if port == 1 {
                datagram.macs(PEER, SERVER_PORT)
            } else {
                datagram
            };
            let mut outcomes = Vec::new();
            for piece in datagram.fragments(1240) {
                outcomes.extend(bench.send(port, &piece));
            }
            assert!(outcomes.len() >= 3, "{:#?}", lines(&outcomes));
            let whole = Frame::udp(from, to).payload_len(3000).build_ip();
            let segment = &whole[if whole[0] >> 4 == 4 { 20 } else { 40 }..];
            let mut got = vec![0; segment.len()];
            for outcome in &outcomes {
                let parsed = parse(&outcome.frame, outcome.frame.len()).unwrap();
                let place = parsed.fragment_place(&outcome.frame).unwrap();
                assert_eq!(place.ident, 0xbeef);
                assert!(parsed.ip_len <= 1280 + 28);
                let data = &outcome.frame[usize::from(parsed.l4_offset)..];
                let start = usize::from(place.offset);
                got[start..start + data.len()].copy_from_slice(data);
            }
            assert_eq!(got, segment, "from {from} to {to}");
        }
    }
}

#[test]
fn a_datagram_without_checksum_gets_one() {
    let (mut bench, [_, _, local, server]) = open(Kind::Udp, SIX_TO_FOUR);
    let answer = Frame::udp(&server, &local).payload(b"bare").checksum(0);
    sent(&mut bench, 1, &from_server(answer));
}

#[test]
fn what_has_no_counterpart_is_dropped() {
    let (mut bench, [client, vip, local, server]) = open(Kind::Tcp, SIX_TO_FOUR);
    let bent = Frame::tcp(&client, &vip).flags(ACK);
    let bent = bent.extension(IpProtocol::ROUTING, &[3, 1, 0, 0, 0, 0]);
    let line = only(bench.say(0, &bent.build()));
    assert!(line.starts_with("drop untranslatable"), "{line}");
    let cause = Frame::tcp(&local, &server).flags(SYN).build_ip();
    let quench = Frame::icmp("10.1.0.77", "10.1.0.200", 4, 0).payload(&cause);
    let line = only(bench.say(1, &from_server(quench)));
    assert!(line.starts_with("drop untranslatable"), "{line}");
}

#[test]
fn a_pool_without_an_address_of_the_servers_family_opens_nothing() {
    let mut bench = Bench::new(
        "pool p 2001:db8:1::200
         service tcp [2001:db8::100]:80 rr pool=p
         real 10.1.0.11:8080 fullnat",
    );
    let line = only(bench.say(0, &syn_from("[2001:db8::9]:1000").build()));
    assert!(line.starts_with("drop local_pool_missing"), "{line}");
}

fn syn_from(client: &str) -> Frame {
    Frame::tcp(client, "[2001:db8::100]:80").flags(SYN)
}

#[test]
fn a_hop_limit_that_runs_out_is_told_in_the_senders_family() {
    let (mut bench, [client, vip, local, server]) = open(Kind::Tcp, SIX_TO_FOUR);
    let lines = bench.say(0, &Frame::tcp(&client, &vip).flags(ACK).ttl(1).build());
    assert!(lines[0].contains("icmpv6 3/0"), "{}", lines[0]);
    let answer = Frame::tcp(&server, &local).flags(ACK).ttl(1);
    let lines = bench.say(1, &from_server(answer));
    assert!(lines[0].contains("icmp 11/0"), "{}", lines[0]);
}

// SPDX-License-Identifier: Apache-2.0
//! FullNAT: the server sees a local address.

use wire::builder::{Checksum, transport_checksum};
use wire::packet::{Parsed, parse};
use wire::sctp::ChunkType;

use super::*;

const POOL: &str = "
    pool p 10.1.0.200 2001:db8:1::200
    service tcp 10.0.0.100:80 rr pool=p
    real 10.1.0.11:8080 fullnat
    service udp 10.0.0.100:53 rr pool=p
    real 10.1.0.11:5353 fullnat
    service sctp 10.0.0.100:132 rr pool=p
    real 10.1.0.11:1132 fullnat
    service tcp [2001:db8::100]:80 rr pool=p
    real [2001:db8:1::11]:8080 fullnat
    service udp [2001:db8::100]:53 rr pool=p
    real [2001:db8:1::11]:5353 fullnat
";

/// Client, VIP, server and local address of each family.
const V4: [&str; 4] = ["10.0.0.9", "10.0.0.100", "10.1.0.11", "10.1.0.200"];
const V6: [&str; 4] = [
    "[2001:db8::9]",
    "[2001:db8::100]",
    "[2001:db8:1::11]",
    "[2001:db8:1::200]",
];

/// One packet that was sent, and what is in it.
#[track_caller]
fn sent(bench: &mut Bench, port: u16, frame: &[u8]) -> (String, Vec<u8>, Parsed) {
    let mut outcomes = bench.send(port, frame);
    assert_eq!(outcomes.len(), 1, "{:#?}", lines(&outcomes));
    let outcome = outcomes.remove(0);
    assert_eq!(
        transport_checksum(&outcome.frame),
        Checksum::Good,
        "{outcome}"
    );
    let parsed = parse(&outcome.frame, outcome.frame.len()).unwrap();
    let line = format!("{outcome}");
    assert!(!line.contains("bad"), "{line}");
    (line, outcome.frame, parsed)
}

#[test]
fn a_connection_is_the_directors_own_to_its_server() {
    for ([client, vip, server, local], tcp) in [(V4, true), (V4, false), (V6, true), (V6, false)] {
        let mut bench = Bench::new(POOL);
        let (vport, rport) = if tcp { (80, 8080) } else { (53, 5353) };
        let frame = |from: &str, to: &str, flags| {
            if tcp {
                Frame::tcp(from, to).flags(flags).payload(b"hello")
            } else {
                Frame::udp(from, to).payload(b"hello")
            }
        };
        let (client, vip) = (format!("{client}:1000"), format!("{vip}:{vport}"));
        let (line, _, there) = sent(&mut bench, 0, &frame(&client, &vip, SYN).build());
        let (local, server) = (
            format!("{local}:{}", there.source_port),
            format!("{server}:{rport}"),
        );
        assert!(there.source_port >= 1024);
        assert!(line.contains(&format!(": {local} > {server} ")), "{line}");
        assert_eq!(there.ttl, 63);
        let back = from_server(frame(&server, &local, SYN | ACK));
        let (line, ..) = sent(&mut bench, 1, &back);
        assert!(line.starts_with("send 0"), "{line}");
        assert!(line.contains(&format!(": {vip} > {client} ")), "{line}");
        // The next packet takes the same way, and the port is given back at the end.
        let (line, ..) = sent(&mut bench, 0, &frame(&client, &vip, ACK).build());
        assert!(line.contains(&format!(": {local} > {server} ")), "{line}");
        assert_eq!((bench.flow_count(), bench.leases()), (1, 1));
        for _ in 0..4 {
            bench.advance(Duration::from_secs(1000));
        }
        assert_eq!((bench.flow_count(), bench.leases()), (0, 0));
    }
}

#[test]
fn an_association_has_its_checksum_of_both_ends() {
    let mut bench = Bench::new(POOL);
    let chunk = |from: &str, to: &str, kind| Frame::sctp(from, to, 7, &[(kind, &[0xaa; 16])]);
    let (client, vip) = ("10.0.0.9:5000", "10.0.0.100:132");
    let init = chunk(client, vip, ChunkType::INIT).build();
    let (line, _, there) = sent(&mut bench, 0, &init);
    let local = format!("10.1.0.200:{}", there.source_port);
    assert!(
        line.contains(&format!("{local} > 10.1.0.11:1132")),
        "{line}"
    );
    let answer = from_server(chunk("10.1.0.11:1132", &local, ChunkType::INIT_ACK));
    let (line, ..) = sent(&mut bench, 1, &answer);
    assert!(line.contains(&format!("{vip} > {client}")), "{line}");
}

#[test]
fn a_datagram_without_checksum_gets_one() {
    let mut bench = Bench::new(POOL);
    let query = Frame::udp("10.0.0.9:1000", "10.0.0.100:53")
        .payload(b"odd")
        .checksum(0);
    let (line, ..) = sent(&mut bench, 0, &query.build());
    assert!(line.contains("> 10.1.0.11:5353"), "{line}");
}

#[test]
fn errors_name_what_their_reader_knows() {
    for ([client, vip, server, local], router) in [
        (V4, ["10.0.0.77", "10.1.0.77"]),
        (V6, ["2001:db8::77", "2001:db8:1::77"]),
    ] {
        let mut bench = Bench::new(POOL);
        let (client, vip) = (format!("{client}:1000"), format!("{vip}:80"));
        let server = format!("{server}:8080");
        let (_, frame, there) = sent(&mut bench, 0, &Frame::tcp(&client, &vip).flags(SYN).build());
        let local_end = format!("{local}:{}", there.source_port);
        let bare = |end: &str| String::from(end.trim_start_matches('[').split(']').next().unwrap());
        let host = |end: &str| bare(end.rsplit_once(':').map_or(end, |(host, _)| host));
        let kind = if there.kind == wire::packet::Kind::Ipv4 {
            11
        } else {
            3
        };
        // About what reached the server's side: the client hears of its own packet, from the VIP.
        let quote = &frame[usize::from(there.l3_offset)..];
        let error = Frame::icmp(router[1], &bare(local), kind, 0).payload(quote);
        let (line, ..) = sent(&mut bench, 1, &from_server(error));
        assert!(line.starts_with("send 0"), "{line}");
        assert!(
            line.contains(&format!(": {} > {} ", host(&vip), host(&client))),
            "{line}"
        );
        assert!(line.contains(&format!("{client} > {vip} ")), "{line}");
        // About what reached the client's side: the server hears of its own, from its peer.
        let quote = Frame::tcp(&vip, &client).flags(SYN | ACK).build_ip();
        let error = Frame::icmp(router[0], &host(&vip), kind, 0).payload(&quote);
        let (line, ..) = sent(&mut bench, 0, &error.build());
        assert!(line.starts_with("send 1"), "{line}");
        assert!(
            line.contains(&format!(": {} > {} ", bare(local), host(&server))),
            "{line}"
        );
        assert!(line.contains(&format!("{server} > {local_end} ")), "{line}");
    }
}

#[test]
fn fragments_are_put_together_both_ways() {
    let mut bench = Bench::new(POOL);
    let query = Frame::udp("10.0.0.9:1000", "10.0.0.100:53").payload_len(3000);
    let pieces = query.fragments(1200);
    let mut out = Vec::new();
    for piece in &pieces {
        out.extend(bench.send(0, piece));
    }
    let first = parse(&out[0].frame, out[0].frame.len()).unwrap();
    let local = format!("10.1.0.200:{}", first.source_port);
    let line = format!("{}", out[0]);
    assert!(
        line.contains("10.1.0.200") && line.contains("10.1.0.11"),
        "{line}"
    );
    assert_eq!(out.len(), pieces.len());
    let answer = Frame::udp("10.1.0.11:5353", &local)
        .payload_len(3000)
        .macs(PEER, SERVER_PORT);
    let mut back = Vec::new();
    for piece in answer.fragments(1200) {
        back.extend(bench.say(1, &piece));
    }
    assert_eq!(back.len(), 3, "{back:#?}");
    assert!(
        back.iter()
            .all(|line| line.contains("10.0.0.100") && line.contains("10.0.0.9"))
    );
}

#[test]
fn a_ping_of_a_local_address_is_for_linux_and_so_are_low_ports() {
    let mut bench = Bench::new(POOL);
    let ping = from_server(Frame::echo("10.1.0.11", "10.1.0.200", 1, 1));
    assert!(only(bench.say(1, &ping)).starts_with("punt 1 icmp"));
    let ssh = from_server(Frame::tcp("10.1.0.11:5000", "10.1.0.200:22").flags(SYN));
    assert!(only(bench.say(1, &ssh)).starts_with("punt 1 local"));
    let stranger = from_server(Frame::tcp("10.1.0.11:8080", "10.1.0.200:2000").flags(ACK));
    assert!(only(bench.say(1, &stranger)).starts_with("drop local_port_unused"));
}

#[test]
fn a_packet_too_big_for_the_servers_link_is_told_its_client_by_the_vip() {
    let mut bench = Bench::new(&format!("{POOL}\nmtu 1 1000"));
    let big = Frame::tcp("10.0.0.9:1000", "10.0.0.100:80")
        .flags(SYN)
        .dont_fragment()
        .payload_len(1200);
    let out = bench.say(0, &big.build());
    assert!(out[0].contains("10.0.0.100 > 10.0.0.9 icmp"), "{out:#?}");
    assert!(out[1].starts_with("drop mtu_exceeded"), "{out:#?}");
}

#[test]
fn a_removed_address_serves_its_connections_to_their_end() {
    let mut bench = Bench::new(POOL);
    let open = |bench: &mut Bench, cport: u16| {
        let syn = Frame::tcp(&format!("10.0.0.9:{cport}"), "10.0.0.100:80").flags(SYN);
        let (line, _, there) = sent(bench, 0, &syn.build());
        (line, there.source_port)
    };
    let (_, lport) = open(&mut bench, 1000);
    bench.apply("pool p 10.1.0.201");
    let (line, _) = open(&mut bench, 1001);
    assert!(line.contains(": 10.1.0.201:"), "{line}");
    let answer = Frame::tcp("10.1.0.11:8080", &format!("10.1.0.200:{lport}")).flags(SYN | ACK);
    let (line, ..) = sent(&mut bench, 1, &from_server(answer));
    assert!(line.contains("10.0.0.100:80 > 10.0.0.9:1000"), "{line}");
    let (line, _) = open(&mut bench, 1000);
    assert!(line.contains(&format!(": 10.1.0.200:{lport} ")), "{line}");
}

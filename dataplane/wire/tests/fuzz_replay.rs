// SPDX-License-Identifier: Apache-2.0
//! The fuzz targets of this crate on the stable toolchain: committed corpus and seeded mutations
//! (`dataplane/fuzz/README.md`).

#[path = "../../fuzz/src/replay.rs"]
mod replay;
#[path = "../../fuzz/src/tunnel_targets.rs"]
mod tunnel_targets;
#[path = "../../fuzz/src/wire_targets.rs"]
mod wire_targets;

use std::fs;

use penstock_wire::builder::{Frame, SOURCE_MAC};
use penstock_wire::ethernet::EtherType;
use penstock_wire::ipv4::IpProtocol;
use penstock_wire::sctp::ChunkType;
use penstock_wire::tcp::flags::{ACK, FIN, PSH, RST, SYN};

const SEED: u64 = 0x70656e_73746f63;
const RUNS: u32 = 200_000;
const CORPUS_FILES_MAX: usize = 200;
const CORPUS_FILE_BYTES_MAX: usize = 2048;

const CLIENT: &str = "10.0.0.1:1000";
const VIP: &str = "10.0.0.100:80";
const CLIENT6: &str = "[2001:db8::1]:1000";
const VIP6: &str = "[2001:db8::100]:80";

#[test]
fn the_parse_corpus_holds() {
    replay::replay("parse", wire_targets::parse);
}

#[test]
fn mutations_of_the_parse_corpus_hold() {
    replay::mutate("parse", SEED, RUNS, wire_targets::parse);
}

#[test]
fn the_parse_quote_corpus_holds() {
    replay::replay("parse_quote", wire_targets::parse_quote);
}

#[test]
fn mutations_of_the_parse_quote_corpus_hold() {
    replay::mutate("parse_quote", SEED, RUNS, wire_targets::parse_quote);
}

#[test]
fn the_checksum_corpus_holds() {
    replay::replay("checksum", wire_targets::checksum);
}

#[test]
fn mutations_of_the_checksum_corpus_hold() {
    replay::mutate("checksum", SEED, RUNS, wire_targets::checksum);
}

#[test]
fn the_tunnel_corpus_holds() {
    replay::replay("tunnel", tunnel_targets::tunnel);
}

#[test]
fn mutations_of_the_tunnel_corpus_hold() {
    replay::mutate("tunnel", SEED, RUNS, tunnel_targets::tunnel);
}

#[test]
fn the_committed_seeds_are_those_listed_here() {
    for (target, seeds) in [
        ("parse", parse_seeds()),
        ("parse_quote", quote_seeds()),
        ("checksum", checksum_seeds()),
        ("tunnel", tunnel_seeds()),
    ] {
        let dir = replay::corpus_dir(target);
        if std::env::var_os("UPDATE_FUZZ_SEEDS").is_some() {
            fs::create_dir_all(&dir).unwrap();
            for (name, bytes) in &seeds {
                fs::write(dir.join(name), bytes).unwrap();
            }
        }
        let found = |name: &str| name.starts_with("crash-") || name.starts_with("found-");
        let mut listed: Vec<_> = seeds
            .into_iter()
            .map(|(name, bytes)| (name.to_owned(), bytes))
            .collect();
        listed.sort();
        let mut committed = replay::corpus(target);
        committed.retain(|(name, _)| !found(name));
        let names = |files: &[(String, Vec<u8>)]| {
            files
                .iter()
                .map(|(name, _)| name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(&committed),
            names(&listed),
            "{target}: UPDATE_FUZZ_SEEDS=1 writes them"
        );
        for ((name, old), (_, new)) in committed.iter().zip(&listed) {
            assert_eq!(
                old, new,
                "{target}/{name}: UPDATE_FUZZ_SEEDS=1 writes it anew"
            );
        }
    }
}

#[test]
fn the_corpus_stays_small() {
    let mut count = 0;
    for target in fs::read_dir(replay::corpus_dir("")).unwrap() {
        let target = target.unwrap().file_name().into_string().unwrap();
        for (name, data) in replay::corpus(&target) {
            assert!(data.len() <= CORPUS_FILE_BYTES_MAX, "{target}/{name}");
            count += 1;
        }
    }
    assert!(count <= CORPUS_FILES_MAX, "{count} files");
}

fn parse_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let frames = [
        link_frames(),
        tcp_frames(),
        udp_frames(),
        other_frames(),
        sctp_frames(),
        quic_frames(),
        v6_frames(),
        v6_extension_frames(),
        bad_v4_frames(),
        bad_v6_frames(),
    ];
    let whole = frames
        .into_iter()
        .flatten()
        .map(|(name, frame)| (name, frame.build()));
    whole.chain(fragment_seeds()).collect()
}

fn link_frames() -> Vec<(&'static str, Frame)> {
    let arp = Frame::arp_request(SOURCE_MAC, "10.0.0.1", "10.0.0.2");
    vec![
        ("arp-request", arp.padded()),
        ("lldp", Frame::ether(EtherType::LLDP).payload(&[0; 46])),
        ("stp", Frame::ether(EtherType(38)).payload(&[0x42; 46])),
        ("bad-vlan-stacked", Frame::tcp(CLIENT, VIP).vlan(1).vlan(2)),
    ]
}

fn tcp_frames() -> Vec<(&'static str, Frame)> {
    let tcp = || Frame::tcp(CLIENT, VIP);
    vec![
        ("tcp-syn", tcp().flags(SYN).tcp_options(&[2, 4, 5, 0xb4])),
        (
            "tcp-synack",
            Frame::tcp(VIP, CLIENT).flags(SYN | ACK).ack(2),
        ),
        ("tcp-ack-padded", tcp().flags(ACK).padded()),
        (
            "tcp-data",
            tcp().flags(PSH | ACK).payload(b"GET / HTTP/1.1"),
        ),
        ("tcp-fin", tcp().flags(FIN | ACK)),
        ("tcp-rst", tcp().flags(RST)),
        ("tcp-options", tcp().options(&[7, 7, 4, 0, 0, 0, 0])),
        ("tcp-offset-beyond", tcp().data_offset(60)),
        ("tcp-bad-checksum", tcp().checksum(0x1234)),
    ]
}

fn udp_frames() -> Vec<(&'static str, Frame)> {
    let udp = || Frame::udp(CLIENT, VIP);
    vec![
        ("udp", udp().payload(b"question")),
        ("udp-no-checksum", udp().checksum(0)),
        ("udp-length-beyond", udp().udp_length(9000)),
        ("udp-vlan", udp().vlan(10).payload(b"tagged")),
        ("udp-service-vlan", udp().tag(EtherType::SERVICE_VLAN, 10)),
        ("dhcp", Frame::udp("0.0.0.0:68", "255.255.255.255:67")),
    ]
}

fn other_frames() -> Vec<(&'static str, Frame)> {
    let error = Frame::icmp("10.0.0.9", "10.0.0.1", 3, 4);
    let vrrp = Frame::ip("10.0.0.1", "224.0.0.18", IpProtocol::VRRP);
    let sctp = Frame::ip("10.0.0.1", "10.0.0.2", IpProtocol::SCTP);
    vec![
        (
            "echo",
            Frame::echo("10.0.0.1", "10.0.0.2", 1, 1).payload(b"ping"),
        ),
        ("icmp-error", error.payload(&quoted())),
        ("vrrp", vrrp.payload(&[0x31; 12])),
        ("sctp", sctp.payload(&[7; 12])),
    ]
}

fn sctp_frames() -> Vec<(&'static str, Frame)> {
    let init = [
        [0xaa; 16].as_slice(),
        &[0, 5, 0, 8, 10, 0, 0, 1, 0, 5, 0, 8, 10, 9, 0, 1],
    ]
    .concat();
    let bundle: [(ChunkType, &[u8]); 2] =
        [(ChunkType::COOKIE_ECHO, b"abcde"), (ChunkType::DATA, &[])];
    vec![
        (
            "sctp-init",
            Frame::sctp(CLIENT, VIP, 0, &[(ChunkType::INIT, &init)]),
        ),
        ("sctp-bundle", Frame::sctp(CLIENT6, VIP6, 0xabcd, &bundle)),
        (
            "sctp-no-checksum",
            Frame::sctp(CLIENT, VIP, 1, &bundle).checksum(0),
        ),
    ]
}

fn quic_frames() -> Vec<(&'static str, Frame)> {
    let long = [0xe0, 0, 0, 0, 1, 8, 0x20, 1, 2, 3, 4, 5, 6, 7, 0];
    let short = [0x40, 0x20, 1, 2, 3, 4, 5, 6, 7];
    vec![
        ("quic-long", Frame::udp(CLIENT, VIP).payload(&long)),
        ("quic-short", Frame::udp(CLIENT, VIP).payload(&short)),
    ]
}

fn v6_frames() -> Vec<(&'static str, Frame)> {
    let neighbour = Frame::icmp("::", "ff02::1:ff00:1", 135, 0);
    let error = Frame::icmp("2001:db8::9", "2001:db8::1", 2, 0);
    vec![
        ("v6-tcp-syn", Frame::tcp(CLIENT6, VIP6).flags(SYN)),
        (
            "v6-udp-vlan",
            Frame::udp(CLIENT6, VIP6).vlan(4095).payload(b"abc"),
        ),
        ("v6-echo", Frame::echo("2001:db8::1", "2001:db8::2", 1, 1)),
        ("v6-neighbour", neighbour.payload(&[1; 16])),
        ("v6-error", error.payload(&quoted6())),
        ("v6-esp", raw6(IpProtocol::ESP).payload(&[9; 20])),
        ("v6-nothing", raw6(IpProtocol::NO_NEXT_HEADER)),
    ]
}

fn v6_extension_frames() -> Vec<(&'static str, Frame)> {
    let udp = || Frame::udp(CLIENT6, VIP6);
    let destination = IpProtocol::DESTINATION_OPTIONS;
    vec![
        (
            "v6-hop-by-hop",
            udp().extension(IpProtocol::HOP_BY_HOP, &[5, 2, 0, 0, 1, 0]),
        ),
        ("v6-routing", udp().extension(IpProtocol::ROUTING, &[4; 6])),
        ("v6-eight-extensions", extensions(8)),
        ("v6-long-extension", udp().extension(destination, &[0; 600])),
    ]
}

fn fragment_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut v4 = Frame::udp(CLIENT, VIP)
        .ident(7)
        .payload_len(20)
        .fragments(16);
    let mut v6 = Frame::tcp(CLIENT6, VIP6)
        .ident(7)
        .payload_len(20)
        .fragments(24);
    let mut tiny = Frame::tcp(CLIENT, VIP).fragments(8);
    vec![
        ("fragment-first", v4.swap_remove(0)),
        ("fragment-last", v4.swap_remove(0)),
        ("fragment-tiny", tiny.swap_remove(0)),
        ("v6-fragment-first", v6.swap_remove(0)),
        ("v6-fragment-last", v6.swap_remove(0)),
        (
            "v6-fragment-atomic",
            Frame::udp(CLIENT6, VIP6).fragment(0, false).build(),
        ),
    ]
}

fn bad_v4_frames() -> Vec<(&'static str, Frame)> {
    let tcp = || Frame::tcp(CLIENT, VIP);
    let udp = Frame::ip("10.0.0.1", "10.0.0.2", IpProtocol::UDP);
    vec![
        ("bad-version", tcp().version(6)),
        ("bad-header-length", tcp().header_len(16)),
        ("bad-header-beyond", tcp().header_len(60).ip_length(60)),
        ("bad-total-length", tcp().ip_length(19)),
        ("bad-beyond-packet", tcp().ip_length(41)),
        ("bad-checksum", tcp().ip_checksum(1)),
        ("bad-martian-source", Frame::tcp("127.0.0.1:1", VIP)),
        (
            "bad-fragment-too-long",
            udp.payload(&[0; 100]).fragment(65_528, true),
        ),
        ("bad-data-offset", tcp().data_offset(16)),
        ("bad-udp-length", Frame::udp(CLIENT, VIP).udp_length(7)),
    ]
}

fn bad_v6_frames() -> Vec<(&'static str, Frame)> {
    let tcp = || Frame::tcp(CLIENT6, VIP6);
    let (hop_by_hop, routing) = (IpProtocol::HOP_BY_HOP, IpProtocol::ROUTING);
    let cut = raw6(IpProtocol::DESTINATION_OPTIONS).payload(&[59, 9, 0, 0, 0, 0, 0, 0]);
    let nested = raw6(IpProtocol::FRAGMENT)
        .payload(&[17; 16])
        .fragment(0, true);
    vec![
        ("bad-v6-version", tcp().version(4)),
        ("bad-v6-beyond-packet", tcp().ip_length(21)),
        (
            "bad-v6-jumbogram",
            tcp().extension(hop_by_hop, &[]).ip_length(0),
        ),
        ("bad-v6-routing-0", tcp().extension(routing, &[0; 6])),
        ("bad-v6-nine-extensions", extensions(9)),
        ("bad-v6-order", extensions(1).extension(hop_by_hop, &[])),
        ("bad-v6-cut-extension", cut),
        ("bad-v6-two-fragments", nested),
        ("bad-v6-mapped", Frame::tcp("[::ffff:10.0.0.1]:1", VIP6)),
    ]
}

/// A byte for the protocol, and what is behind the outer header.
fn tunnel_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let v4 = Frame::udp("192.0.2.9:1", "192.0.2.1:2").build_ip();
    let v6 = Frame::udp("[2001:db8::9]:1", "[2001:db8::1]:2").build_ip();
    let of = |first: u8, shim: &[u8], inner: &[u8]| [&[first][..], shim, inner].concat();
    // RFC 2784, RFC 2890: every optional field, and those that must be refused.
    let gre_fields = [0xb0, 0, 8, 0, 1, 2, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1];
    let gue = |first: u8, protocol: u8| [0, 1, 0x17, 0xc0, 0, 0, 0, 0, first, protocol, 0, 0];
    let gue_fields = [&gue(2, 41)[..], &[1, 2, 3, 4, 5, 6, 7, 8]].concat();
    vec![
        ("gre4", of(0x30, &[0, 0, 8, 0], &v4)),
        ("gre6", of(0, &[0, 0, 0x86, 0xdd], &v6)),
        ("gre-fields", of(0x30, &gre_fields, &v4)),
        ("gre-routing", of(0, &[0x40, 0, 8, 0, 0, 0, 0, 0], &v4)),
        ("gue4", of(2, &gue(0, 4), &v4)),
        ("gue-fields", of(2, &gue_fields, &v6)),
        ("gue-direct", of(2, &gue(0, 4)[..8], &v4)),
        ("gue-control", of(2, &gue(0x20, 4), &v4)),
        ("ipip", of(4, &[], &v4)),
        ("ip6", of(5, &[], &v6)),
        ("wrong-version", of(4, &[], &v6)),
    ]
}

fn quote_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut short = quoted();
    short.truncate(28);
    let mut cut = quoted6();
    cut.truncate(47);
    let later = Frame::ip("10.0.0.1", "10.0.0.2", IpProtocol::UDP).fragment(8, false);
    vec![
        ("tcp", quoted()),
        ("tcp-shortest", short),
        ("udp", Frame::udp(CLIENT, VIP).build_ip()),
        ("echo", Frame::echo("10.0.0.1", "10.0.0.2", 1, 1).build_ip()),
        (
            "options",
            Frame::tcp(CLIENT, VIP).options(&[1; 40]).build_ip(),
        ),
        ("later-fragment", later.payload(&[0; 8]).build_ip()),
        (
            "bad-header-length",
            Frame::tcp(CLIENT, VIP).header_len(4).build_ip(),
        ),
        ("bad-version", Frame::tcp(CLIENT, VIP).version(5).build_ip()),
        ("v6-tcp", quoted6()),
        ("v6-cut", cut),
        ("v6-extensions", extensions(8).build_ip()),
        ("v6-nine-extensions", extensions(9).build_ip()),
        (
            "v6-fragment",
            Frame::udp(CLIENT6, VIP6).fragment(0, true).build_ip(),
        ),
        (
            "v6-mapped",
            Frame::tcp(CLIENT6, "[::ffff:10.0.0.1]:1").build_ip(),
        ),
    ]
}

fn checksum_seeds() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("empty", Vec::new()),
        ("zeros", vec![0; 48]),
        ("ones", vec![0xff; 48]),
        ("header", Frame::tcp(CLIENT, VIP).build_ip()),
        ("odd", Frame::udp(CLIENT6, VIP6).payload(b"odd").build_ip()),
        (
            "to-zero",
            [&[1, 0, 0, 0, 2, 0, 0, 0][..], &[0xff; 17]].concat(),
        ),
        (
            "to-ones",
            [&[1, 0, 0xff, 0xff, 2, 0, 0xff, 0xff][..], &[0; 17]].concat(),
        ),
    ]
}

fn extensions(count: u8) -> Frame {
    (0..count).fold(Frame::tcp(CLIENT6, VIP6), |frame, _| {
        frame.extension(IpProtocol::DESTINATION_OPTIONS, &[1, 4, 0, 0, 0, 0])
    })
}

fn raw6(protocol: IpProtocol) -> Frame {
    Frame::ip("2001:db8::1", "2001:db8::2", protocol)
}

fn quoted() -> Vec<u8> {
    Frame::tcp(CLIENT, VIP).ttl(1).payload(b"quoted").build_ip()
}

fn quoted6() -> Vec<u8> {
    Frame::tcp(CLIENT6, VIP6)
        .ttl(1)
        .payload(b"quoted")
        .build_ip()
}

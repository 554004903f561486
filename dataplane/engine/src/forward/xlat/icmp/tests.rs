// SPDX-License-Identifier: Apache-2.0
use std::vec::Vec;

use wire::buffer::TestBuf;
use wire::builder::{Checksum, Frame, transport_checksum};
use wire::packet::{parse, parse_quote};

use super::super::tests::{ends, framed};
use super::*;

/// A client of IPv6, a server of IPv4, as either side sees the connection.
const CLIENT6: &str = "[2001:db8:9::9]:1000";
const VIP6: &str = "[2001:db8::100]:80";
const LOCAL4: &str = "10.1.0.5:5001";
const REAL4: &str = "10.1.0.11:8080";
const MTUS: Mtus = Mtus { v4: 1500, v6: 1500 };

fn try_translate(
    frame: &[u8],
    (outer, quoted): ((&str, &str), (&str, &str)),
    mtus: Mtus,
) -> Result<Vec<u8>, DropReason> {
    let mut packet = TestBuf::new(frame);
    let parsed = parse(frame, frame.len()).unwrap();
    let quote = parse_quote(&frame[usize::from(parsed.l4_offset) + 8..]).unwrap();
    let (outer, quoted) = (ends(outer.0, outer.1), ends(quoted.0, quoted.1));
    let said = translate_error(&mut packet, &parsed, &quote, (&outer, &quoted), mtus)?;
    let frame = framed(&packet.frame());
    let found = parse(&frame, frame.len()).unwrap();
    assert_eq!(found.ip_len, said.ip_len);
    assert_eq!(found.protocol, said.protocol);
    assert_eq!(found.l4_offset, said.l4_offset + 14);
    assert_eq!(transport_checksum(&frame), Checksum::Good);
    Ok(packet.frame())
}

/// From the server's side, to the client.
fn to_client(frame: &[u8]) -> Result<Vec<u8>, DropReason> {
    let outer = ("[2001:db8::100]:0", "[2001:db8:9::9]:0");
    try_translate(frame, (outer, (CLIENT6, VIP6)), MTUS)
}

/// From the client's side, to the server.
fn to_server(frame: &[u8]) -> Result<Vec<u8>, DropReason> {
    let outer = ("10.1.0.5:0", "10.1.0.11:0");
    try_translate(frame, (outer, (REAL4, LOCAL4)), MTUS)
}

fn cause(tcp: bool, from: &str, to: &str) -> Frame {
    let frame = if tcp {
        Frame::tcp(from, to).flags(0x18).seq(77)
    } else {
        Frame::udp(from, to)
    };
    frame.ttl(60).tos(8).payload(b"what the router saw of it")
}

fn error(from: &str, to: &str, what: (u8, u8, u32), quoted: &[u8]) -> Frame {
    Frame::icmp(from, to, what.0, what.1)
        .rest(what.2)
        .payload(quoted)
        .ttl(61)
}

fn error4(what: (u8, u8, u32), quoted: &[u8]) -> Vec<u8> {
    error("10.1.0.200", "10.1.0.5", what, quoted).build()
}

fn error6(what: (u8, u8, u32), quoted: &[u8]) -> Vec<u8> {
    error("2001:db8:7::1", "2001:db8::100", what, quoted).build()
}

#[test]
fn both_ways_the_receiver_sees_its_own_packet_again() {
    for tcp in [true, false] {
        for behind in [8, 12, 20, 40, 300] {
            let cut = |frame: Frame, header: usize| {
                let bytes = frame.build_ip();
                bytes[..bytes.len().min(header + behind)].to_vec()
            };
            let before = error4((3, 3, 0), &cut(cause(tcp, LOCAL4, REAL4), 20));
            let after = cut(cause(tcp, CLIENT6, VIP6), 40);
            let after = error("2001:db8::100", "2001:db8:9::9", (1, 4, 0), &after);
            assert_eq!(
                to_client(&before).unwrap(),
                after.build_ip(),
                "{tcp} {behind}"
            );

            let before = error6((3, 0, 0), &cut(cause(tcp, VIP6, CLIENT6), 40));
            let after = cut(cause(tcp, REAL4, LOCAL4), 20);
            let after = error("10.1.0.5", "10.1.0.11", (11, 0, 0), &after);
            assert_eq!(
                to_server(&before).unwrap(),
                after.build_ip(),
                "{tcp} {behind}"
            );
        }
    }
}

#[test]
fn every_error_of_ipv4_has_its_word_or_none() {
    let quoted = cause(true, LOCAL4, REAL4).build_ip();
    // RFC 7915 §4.2; (type, code, rest) before and after.
    let known = [
        ((3, 0, 0), (1, 0, 0)),
        ((3, 1, 0), (1, 0, 0)),
        ((3, 2, 0), (4, 1, 6)),
        ((3, 3, 0), (1, 4, 0)),
        ((3, 4, 1400), (2, 0, 1420)),
        ((3, 5, 0), (1, 0, 0)),
        ((3, 6, 0), (1, 0, 0)),
        ((3, 7, 0), (1, 0, 0)),
        ((3, 8, 0), (1, 0, 0)),
        ((3, 9, 0), (1, 1, 0)),
        ((3, 10, 0), (1, 1, 0)),
        ((3, 11, 0), (1, 0, 0)),
        ((3, 12, 0), (1, 0, 0)),
        ((3, 13, 0), (1, 1, 0)),
        ((3, 15, 0), (1, 1, 0)),
        ((11, 0, 0), (3, 0, 0)),
        ((11, 1, 0), (3, 1, 0)),
        ((12, 0, 0), (4, 0, 0)),
        ((12, 0, 1 << 24), (4, 0, 1)),
        ((12, 0, 3 << 24), (4, 0, 4)),
        ((12, 2, 8 << 24), (4, 0, 7)),
        ((12, 0, 9 << 24), (4, 0, 6)),
        ((12, 0, 13 << 24), (4, 0, 8)),
        ((12, 0, 19 << 24), (4, 0, 24)),
    ];
    for (before, after) in known {
        let out = to_client(&error4(before, &quoted)).unwrap();
        let header = Icmp::new_checked(&out[40..]).unwrap();
        let said = (header.icmp_type(), header.code(), header.rest());
        assert_eq!(said, after, "{before:?}");
    }
    for before in [
        (3, 14, 0),
        (3, 16, 0),
        (4, 0, 0),
        (5, 0, 0),
        (12, 1, 0),
        (12, 0, 4 << 24),
        (12, 0, 10 << 24),
        (12, 0, 20 << 24),
        (8, 0, 0),
        (40, 0, 0),
    ] {
        let refused = to_client(&error4(before, &quoted));
        assert_eq!(refused, Err(DropReason::Untranslatable), "{before:?}");
    }
}

#[test]
fn every_error_of_ipv6_has_its_word_or_none() {
    let quoted = cause(true, VIP6, CLIENT6).build_ip();
    // RFC 7915 §5.2.
    let known = [
        ((1, 0, 0), (3, 1, 0)),
        ((1, 1, 0), (3, 10, 0)),
        ((1, 2, 0), (3, 1, 0)),
        ((1, 3, 0), (3, 1, 0)),
        ((1, 4, 0), (3, 3, 0)),
        ((2, 0, 1400), (3, 4, 1380)),
        ((3, 0, 0), (11, 0, 0)),
        ((3, 1, 0), (11, 1, 0)),
        ((4, 0, 0), (12, 0, 0)),
        ((4, 0, 1), (12, 0, 1 << 24)),
        ((4, 0, 4), (12, 0, 2 << 24)),
        ((4, 0, 6), (12, 0, 9 << 24)),
        ((4, 0, 7), (12, 0, 8 << 24)),
        ((4, 0, 8), (12, 0, 12 << 24)),
        ((4, 0, 23), (12, 0, 12 << 24)),
        ((4, 0, 24), (12, 0, 16 << 24)),
        ((4, 0, 39), (12, 0, 16 << 24)),
        ((4, 1, 6), (3, 2, 0)),
    ];
    for (before, after) in known {
        let out = to_server(&error6(before, &quoted)).unwrap();
        let header = Icmp::new_checked(&out[20..]).unwrap();
        let said = (header.icmp_type(), header.code(), header.rest());
        assert_eq!(said, after, "{before:?}");
    }
    for before in [
        (1, 5, 0),
        (1, 6, 0),
        (4, 0, 2),
        (4, 0, 40),
        (4, 0, 0x100_0000),
        (4, 2, 0),
        (100, 0, 0),
        (128, 0, 0),
    ] {
        let refused = to_server(&error6(before, &quoted));
        assert_eq!(refused, Err(DropReason::Untranslatable), "{before:?}");
    }
}

#[test]
fn an_mtu_is_told_in_the_receivers_terms() {
    let told_client = |told: u32, len: u16, mtus| {
        let quoted = Frame::tcp(LOCAL4, REAL4).ip_length(len).build_ip();
        let outer = ("[2001:db8::100]:0", "[2001:db8:9::9]:0");
        let frame = error4((3, 4, told), &quoted);
        let out = try_translate(&frame, (outer, (CLIENT6, VIP6)), mtus).unwrap();
        Icmp::new_checked(&out[40..]).unwrap().rest()
    };
    let both = |v4, v6| Mtus { v4, v6 };
    assert_eq!(told_client(1460, 1500, MTUS), 1480);
    // The links at hand are no wider than they are.
    assert_eq!(told_client(9000, 1500, both(1460, 1500)), 1480);
    assert_eq!(told_client(9000, 1500, both(9000, 1400)), 1400);
    // Less is not to be told (RFC 7915 §4.2).
    assert_eq!(told_client(576, 1500, MTUS), 1280);
    // Routers from before RFC 1191: 1492 is the greatest usual MTU below 1500, 4352 below 8166.
    assert_eq!(told_client(0, 1500, both(9000, 9000)), 1512);
    assert_eq!(told_client(0, 8166, both(9000, 9000)), 4372);
    assert_eq!(told_client(0, 68, both(9000, 9000)), 1280);

    let told_server = |told: u32, fragment: bool, mtus| {
        let quoted = Frame::udp(VIP6, CLIENT6).payload_len(40);
        let quoted = if fragment {
            quoted.fragment(0, true)
        } else {
            quoted
        }
        .build_ip();
        let outer = ("10.1.0.5:0", "10.1.0.11:0");
        let frame = error6((2, 0, told), &quoted);
        let out = try_translate(&frame, (outer, (REAL4, LOCAL4)), mtus).unwrap();
        Icmp::new_checked(&out[20..]).unwrap().rest()
    };
    assert_eq!(told_server(1280, false, MTUS), 1260);
    assert_eq!(told_server(1280, true, MTUS), 1252);
    assert_eq!(told_server(9000, false, both(1400, 9000)), 1400);
    assert_eq!(told_server(9000, false, both(9000, 1400)), 1380);
    assert_eq!(told_server(u32::MAX, false, both(100_000, 100_000)), 65_535);
    assert_eq!(told_server(0, true, MTUS), 68);
}

#[test]
fn a_long_quote_is_cut_to_what_an_error_may_have() {
    let quoted = Frame::udp(LOCAL4, REAL4).payload_len(1400).build_ip();
    let out = to_client(&error4((3, 3, 0), &quoted)).unwrap();
    assert_eq!(out.len(), 1280);
    let quoted = Frame::udp(VIP6, CLIENT6).payload_len(1300).build_ip();
    let out = to_server(&error6((1, 4, 0), &quoted)).unwrap();
    assert_eq!(out.len(), 1260);
    assert_eq!(out[6] & 0x40, 0, "it may be cut");
}

#[test]
fn extensions_stay_behind() {
    // RFC 4884: the quote is padded to 128 bytes, 32 words of four, or 16 of eight; extensions
    // follow.
    let mut quoted = cause(false, LOCAL4, REAL4).build_ip();
    quoted.resize(128, 0);
    quoted.extend_from_slice(&[0x20, 0, 0, 0, 0, 8, 1, 1, 1, 2, 3, 4]);
    let after = cause(false, CLIENT6, VIP6).build_ip();
    let after = error("2001:db8::100", "2001:db8:9::9", (3, 0, 0), &after);
    let out = to_client(&error4((11, 0, 32 << 16), &quoted));
    assert_eq!(out.unwrap(), after.build_ip());

    let mut quoted = cause(false, VIP6, CLIENT6).build_ip();
    quoted.resize(128, 0);
    quoted.extend_from_slice(&[0x20, 0, 0, 0, 0, 8, 1, 1, 1, 2, 3, 4]);
    let after = cause(false, REAL4, LOCAL4).build_ip();
    let after = error("10.1.0.5", "10.1.0.11", (3, 3, 0), &after);
    let out = to_server(&error6((1, 4, 16 << 24), &quoted));
    assert_eq!(out.unwrap(), after.build_ip());
    // A length that does not even reach the ports.
    let short = to_server(&error6((1, 4, 5 << 24), &quoted));
    assert_eq!(short, Err(DropReason::RxMalformedL4));
}

#[test]
fn a_quoted_first_fragment_stays_one() {
    let before = Frame::udp(LOCAL4, REAL4)
        .payload_len(40)
        .ident(0xbeef)
        .fragment(0, true);
    let after = Frame::udp(CLIENT6, VIP6)
        .payload_len(40)
        .ident(0xbeef)
        .fragment(0, true);
    let out = to_client(&error4((3, 3, 0), &before.build_ip())).unwrap();
    let expected = error(
        "2001:db8::100",
        "2001:db8:9::9",
        (1, 4, 0),
        &after.build_ip(),
    );
    assert_eq!(out, expected.build_ip());

    let before = Frame::udp(VIP6, CLIENT6).payload_len(40).ident(0xdead_beef);
    let before = before.fragment(0, true);
    let after = Frame::udp(REAL4, LOCAL4)
        .payload_len(40)
        .ident(0xbeef)
        .fragment(0, true);
    let out = to_server(&error6((1, 4, 0), &before.build_ip())).unwrap();
    let expected = error("10.1.0.5", "10.1.0.11", (3, 3, 0), &after.build_ip());
    assert_eq!(out, expected.build_ip());
}

#[test]
fn a_quote_nobody_can_be_told_by_is_refused() {
    let later = Frame::udp(LOCAL4, REAL4)
        .payload_len(40)
        .fragment(64, true)
        .build_ip();
    let refused = to_client(&error4((3, 3, 0), &later));
    assert_eq!(refused, Err(DropReason::Untranslatable));
    let echo = Frame::echo("10.1.0.5", "10.1.0.11", 1, 1).build_ip();
    let refused = to_client(&error4((3, 3, 0), &echo));
    assert_eq!(refused, Err(DropReason::Untranslatable));
}

#[test]
fn the_rest_of_a_chained_packet_is_summed_too() {
    let quoted = cause(true, LOCAL4, REAL4).payload_len(301).build_ip();
    let frame = error4((3, 3, 0), &quoted);
    let parsed = parse(&frame, frame.len()).unwrap();
    let quote = parse_quote(&frame[usize::from(parsed.l4_offset) + 8..]).unwrap();
    let outer = ends("[2001:db8::100]:0", "[2001:db8:9::9]:0");
    let quoted = ends(CLIENT6, VIP6);
    for first in [90, 91, 200, frame.len()] {
        let mut packet = TestBuf::chained(&frame, first);
        translate_error(&mut packet, &parsed, &quote, (&outer, &quoted), MTUS).unwrap();
        assert_eq!(packet.frame(), to_client(&frame).unwrap(), "{first}");
    }
}

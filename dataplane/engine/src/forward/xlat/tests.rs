// SPDX-License-Identifier: Apache-2.0
use std::string::ToString;
use std::vec::Vec;

use wire::buffer::TestBuf;
use wire::builder::{Checksum, Frame, transport_checksum};
use wire::ethernet::EtherType;
use wire::packet::parse;
use wire::sctp::ChunkType;

use super::*;

const CLIENT6: &str = "[2001:db8:9::9]:1000";
const VIP6: &str = "[2001:db8::100]:80";
const LOCAL4: &str = "10.1.0.5:5001";
const REAL4: &str = "10.1.0.11:8080";

pub(super) fn ends(source: &str, destination: &str) -> Ends {
    let end = |text: &str| {
        let parsed: std::net::SocketAddr = text.parse().unwrap();
        (parsed.ip().to_string().parse().unwrap(), parsed.port())
    };
    Ends {
        source: end(source),
        destination: end(destination),
    }
}

/// What comes out, as a frame of its own, and what is said of it.
fn translated_from(frame: &[u8], parsed: &Parsed, ends: &Ends) -> (Vec<u8>, Parsed) {
    let mut packet = TestBuf::new(frame);
    let out = translate(&mut packet, parsed, ends, 0x1234).unwrap();
    (packet.frame(), out)
}

fn translated(frame: &[u8], to: (&str, &str)) -> (Vec<u8>, Parsed) {
    let parsed = parse(frame, frame.len()).unwrap();
    translated_from(frame, &parsed, &ends(to.0, to.1))
}

fn refused(frame: &[u8], to: (&str, &str)) -> DropReason {
    let mut packet = TestBuf::new(frame);
    let parsed = parse(frame, frame.len()).unwrap();
    translate(&mut packet, &parsed, &ends(to.0, to.1), 1).unwrap_err()
}

/// An Ethernet header of the right type in front, as it leaves.
pub(super) fn framed(packet: &[u8]) -> Vec<u8> {
    let kind = match packet[0] >> 4 {
        4 => EtherType::IPV4,
        _ => EtherType::IPV6,
    };
    Frame::ether(kind).payload(packet).build()
}

/// What [`translate`] says is what a parse finds.
fn assert_said(packet: &[u8], said: &Parsed) {
    let frame = framed(packet);
    let found = parse(&frame, frame.len()).unwrap();
    let in_frame = |offset: u16| if offset == 0 { 0 } else { offset + 14 };
    let expected = Parsed {
        l3_offset: 14,
        l4_offset: said.l4_offset + 14,
        fragment_offset: in_frame(said.fragment_offset),
        piece_len: 0,
        ..*said
    };
    assert_eq!(found, expected);
}

fn segment(tcp: bool, from: &str, to: &str) -> Frame {
    let frame = if tcp {
        Frame::tcp(from, to).flags(0x18).seq(7).ack(9)
    } else {
        Frame::udp(from, to)
    };
    frame.payload(b"of either family").ttl(33).tos(0xb9)
}

#[test]
fn a_client_of_ipv6_is_one_of_ipv4_to_the_server_and_back() {
    for tcp in [true, false] {
        let (out, said) = translated(&segment(tcp, CLIENT6, VIP6).build(), (LOCAL4, REAL4));
        let as_seen = segment(tcp, LOCAL4, REAL4).ident(0x1234);
        assert_eq!(out, as_seen.build_ip());
        assert_said(&out, &said);

        let (out, said) = translated(&segment(tcp, REAL4, LOCAL4).build(), (VIP6, CLIENT6));
        assert_eq!(out, segment(tcp, VIP6, CLIENT6).build_ip());
        assert_said(&out, &said);
    }
}

#[test]
fn an_association_has_its_checksum_in_both() {
    let packet = |from, to| Frame::sctp(from, to, 7, &[(ChunkType::DATA, b"of either family")]);
    let (out, said) = translated(&packet(CLIENT6, VIP6).build(), (LOCAL4, REAL4));
    assert_eq!(out, packet(LOCAL4, REAL4).ident(0x1234).build_ip());
    assert_said(&out, &said);
    let (out, said) = translated(&packet(REAL4, LOCAL4).build(), (VIP6, CLIENT6));
    assert_eq!(out, packet(VIP6, CLIENT6).build_ip());
    assert_said(&out, &said);
}

#[test]
fn what_the_other_family_has_no_word_for_is_left_out() {
    let long = segment(true, CLIENT6, VIP6)
        .extension(IpProtocol::HOP_BY_HOP, &[0; 6])
        .extension(IpProtocol::ROUTING, &[3, 0, 1, 2, 3, 4])
        .extension(IpProtocol::DESTINATION_OPTIONS, &[0; 14])
        .flow_label(0xabcde)
        .padded();
    let short = segment(true, LOCAL4, REAL4).ident(0x1234).build_ip();
    assert_eq!(translated(&long.build(), (LOCAL4, REAL4)).0, short);

    let long = segment(false, REAL4, LOCAL4)
        .options(&[1; 24])
        .trailer(&[0xaa; 30]);
    let short = segment(false, VIP6, CLIENT6).build_ip();
    assert_eq!(translated(&long.build(), (VIP6, CLIENT6)).0, short);
}

#[test]
fn whoever_has_a_way_to_go_goes_nowhere() {
    let frame = segment(true, CLIENT6, VIP6).extension(IpProtocol::ROUTING, &[3, 1, 0, 0, 0, 0]);
    assert_eq!(
        refused(&frame.build(), (LOCAL4, REAL4)),
        DropReason::Untranslatable
    );
}

#[test]
fn ipv4_may_be_cut_where_ipv6_would_not_have_been_told() {
    // RFC 7915 §5.1: up to 1260 bytes.
    for (payload, df, ident) in [(1220, false, 0x1234), (1221, true, 0)] {
        let frame = Frame::tcp(CLIENT6, VIP6).payload_len(payload).build();
        let (out, _) = translated(&frame, (LOCAL4, REAL4));
        let header = Ipv4::new_checked(&out).unwrap();
        assert_eq!((header.dont_fragment(), header.ident()), (df, ident));
    }
}

#[test]
fn a_datagram_without_checksum_gets_one() {
    for (from, to, new) in [
        (REAL4, LOCAL4, (VIP6, CLIENT6)),
        (CLIENT6, VIP6, (LOCAL4, REAL4)),
    ] {
        let bare = Frame::udp(from, to).payload_len(333).checksum(0).build();
        let (out, _) = translated(&bare, new);
        assert_eq!(transport_checksum(&framed(&out)), Checksum::Good);
    }
}

#[test]
fn a_damaged_packet_stays_damaged() {
    let mut frame = segment(true, CLIENT6, VIP6).build();
    *frame.last_mut().unwrap() ^= 0x40;
    let (out, _) = translated(&frame, (LOCAL4, REAL4));
    assert_eq!(transport_checksum(&framed(&out)), Checksum::Bad);
}

#[test]
fn what_came_in_pieces_leaves_in_pieces() {
    // An atomic fragment, as IPv6 datagrams are put together here.
    let frame = Frame::udp(CLIENT6, VIP6)
        .payload_len(3000)
        .ident(0xdead_beef)
        .fragment(0, false)
        .build();
    let mut parsed = parse(&frame, frame.len()).unwrap();
    parsed.piece_len = 1448;
    let (out, said) = translated_from(&frame, &parsed, &ends(LOCAL4, REAL4));
    assert_eq!((said.piece_len, said.fragment_offset), (1420, 0));
    let header = Ipv4::new_checked(&out).unwrap();
    assert_eq!((header.ident(), header.flags_and_offset()), (0xbeef, 0));
    assert_said(&out, &said);

    for (df, longest, pieces) in [(true, 1420, 1448), (false, 1420, 1280), (false, 600, 628)] {
        let frame = Frame::udp(REAL4, LOCAL4).payload_len(3000).ident(0xbeef);
        let frame = if df { frame.dont_fragment() } else { frame }.build();
        let mut parsed = parse(&frame, frame.len()).unwrap();
        parsed.piece_len = longest;
        let (out, said) = translated_from(&frame, &parsed, &ends(VIP6, CLIENT6));
        assert_eq!((said.piece_len, said.fragment_offset), (pieces, 40));
        let expected = Frame::udp(VIP6, CLIENT6)
            .payload_len(3000)
            .ident(0xbeef)
            .fragment(0, false);
        assert_eq!(out, expected.build_ip());
        assert_said(&out, &said);
    }
}

#[test]
fn whoever_lets_his_packets_be_cut_has_them_fit_every_ipv6_path() {
    for (payload, df, pieces) in [(1212, false, 0), (1233, false, 1280), (1233, true, 0)] {
        let frame = Frame::udp(REAL4, LOCAL4).payload_len(payload).ident(5);
        let frame = if df { frame.dont_fragment() } else { frame }.build();
        let (out, said) = translated(&frame, (VIP6, CLIENT6));
        assert_eq!(said.piece_len, pieces, "{payload} {df}");
        assert_said(&out, &said);
    }
}

#[test]
fn a_datagram_that_ipv4_cannot_say_is_refused() {
    let frame = Frame::udp(CLIENT6, VIP6).payload_len(65_507).build();
    translated(&frame, (LOCAL4, REAL4));
    let frame = Frame::udp(CLIENT6, VIP6).payload_len(65_508).build();
    assert_eq!(refused(&frame, (LOCAL4, REAL4)), DropReason::Untranslatable);
    // The other way the longest has room.
    let frame = Frame::udp(REAL4, LOCAL4).payload_len(65_507).build();
    assert_eq!(translated(&frame, (VIP6, CLIENT6)).1.ip_len, 48 + 65_515);
}

#[test]
fn ends_of_the_wrong_family_are_refused() {
    let frame = segment(true, CLIENT6, VIP6).build();
    for to in [(CLIENT6, VIP6), (LOCAL4, VIP6), (CLIENT6, REAL4)] {
        assert_eq!(refused(&frame, to), DropReason::Untranslatable);
    }
    let frame = segment(true, REAL4, LOCAL4).build();
    assert_eq!(refused(&frame, (REAL4, LOCAL4)), DropReason::Untranslatable);
}

#[test]
fn only_the_first_segment_is_touched() {
    let frame = Frame::udp(REAL4, LOCAL4)
        .payload_len(901)
        .checksum(0)
        .build();
    let parsed = parse(&frame, frame.len()).unwrap();
    for first in [42, 43, 300, frame.len()] {
        let mut packet = TestBuf::chained(&frame, first);
        translate(&mut packet, &parsed, &ends(VIP6, CLIENT6), 0).unwrap();
        let expected = Frame::udp(VIP6, CLIENT6).payload_len(901);
        assert_eq!(packet.frame(), expected.build_ip(), "{first}");
    }
}

#[test]
fn an_echo_is_an_echo_in_both() {
    let echo = |from, to, answer| {
        let frame = Frame::echo(from, to, 77, 3);
        let kind = match (answer, Frame::echo(from, to, 0, 0).build()[14] >> 4) {
            (true, 4) => 0,
            (true, _) => 129,
            (false, 4) => 8,
            (false, _) => 128,
        };
        let frame = if answer {
            Frame::icmp(from, to, kind, 0).rest((77 << 16) | 3)
        } else {
            frame
        };
        frame.payload(b"are you there")
    };
    for answer in [false, true] {
        let frame = echo("2001:db8:9::9", "2001:db8::100", answer).build();
        let (out, said) = translated(&frame, ("10.1.0.5:0", "10.1.0.11:0"));
        let expected = echo("10.1.0.5", "10.1.0.11", answer).ident(0x1234);
        assert_eq!(out, expected.build_ip());
        assert_said(&out, &said);
        let frame = echo("10.1.0.11", "10.1.0.5", answer).build();
        let (out, said) = translated(&frame, ("[2001:db8::100]:0", "[2001:db8:9::9]:0"));
        let expected = echo("2001:db8::100", "2001:db8:9::9", answer);
        assert_eq!(out, expected.build_ip());
        assert_said(&out, &said);
    }
    // Timestamp, and multicast listener discovery: of their family alone.
    let timestamp = Frame::icmp("10.1.0.11", "10.1.0.5", 13, 0).payload_len(12);
    let listener = Frame::icmp("2001:db8:9::9", "2001:db8::100", 131, 0).payload_len(16);
    let of_its_own = |frame: Frame, to| refused(&frame.build(), to);
    assert_eq!(
        of_its_own(timestamp, ("[2001:db8::100]:0", "[2001:db8:9::9]:0")),
        DropReason::Untranslatable
    );
    assert_eq!(
        of_its_own(listener, ("10.1.0.5:0", "10.1.0.11:0")),
        DropReason::Untranslatable
    );
}

#[test]
fn a_sender_is_told_in_its_own_terms() {
    // (payload, DF, longest piece, MTU of the other side, what is said); TCP: 20 bytes of header.
    for (payload, df, longest, mtu, told) in [
        (1440, true, 0, 1500, None),
        (1441, true, 0, 1500, Some(1480)),
        (1441, false, 0, 1500, None),
        (1441, true, 0, 1280, Some(1260)),
        (2960, true, 1472, 1500, None),
        (2960, true, 1473, 1500, Some(1480)),
    ] {
        let frame = Frame::tcp(REAL4, LOCAL4).payload_len(payload);
        let frame = if df { frame.dont_fragment() } else { frame }.build();
        let mut parsed = parse(&frame, frame.len()).unwrap();
        parsed.piece_len = longest;
        assert_eq!(
            too_big(&frame, &parsed, mtu),
            told,
            "{payload} {df} {longest}"
        );
    }
    for (payload, atomic, mtu, told) in [
        (1440, false, 1480, None),
        (1441, false, 1480, Some(1500)),
        (1441, true, 1480, None),
        (1221, false, 576, Some(1280)),
        // What a sender sends that was told 1280 is cut.
        (1220, false, 576, None),
    ] {
        let frame = Frame::tcp(CLIENT6, VIP6).payload_len(payload);
        let frame = if atomic {
            frame.fragment(0, false)
        } else {
            frame
        }
        .build();
        let parsed = parse(&frame, frame.len()).unwrap();
        assert_eq!(
            too_big(&frame, &parsed, mtu),
            told,
            "{payload} {atomic} {mtu}"
        );
    }
}

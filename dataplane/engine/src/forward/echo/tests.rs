// SPDX-License-Identifier: Apache-2.0
use std::vec::Vec;

use wire::buffer::TestBuf;
use wire::builder::{Checksum, Frame, address, describe, transport_checksum};
use wire::ethernet::EtherType;
use wire::packet::parse;

use super::*;

/// The reply to a request, as a frame, and what was said of it.
fn reply_to(request: &[u8], first_segment: usize) -> (Vec<u8>, Parsed) {
    let parsed = parse(request, request.len()).unwrap();
    assert!(is_request(request, &parsed));
    let mut packet = TestBuf::chained(request, first_segment);
    let reply = turn(&mut packet, &parsed, 77).unwrap();
    let ether_type = if parsed.kind == Kind::Ipv4 {
        EtherType::IPV4
    } else {
        EtherType::IPV6
    };
    let frame = Frame::ether(ether_type).payload(&packet.frame()).build();
    (frame, reply)
}

#[test]
fn the_message_goes_back_as_it_came() {
    for (client, vip) in [("10.0.0.9", "10.0.0.100"), ("2001:db8::9", "2001:db8::100")] {
        let request = Frame::echo(client, vip, 7, 3)
            .ttl(9)
            .tos(0x48)
            .payload_len(301)
            .padded();
        let expected = if client.contains(':') {
            Frame::icmp(vip, client, 129, 0)
        } else {
            Frame::icmp(vip, client, 0, 0).ident(77)
        };
        let expected = expected
            .rest(7 << 16 | 3)
            .payload_len(301)
            .tos(0x48)
            .build();
        for first in [62, 65, 100, 500] {
            let (frame, _) = reply_to(&request.build(), first);
            assert_eq!(frame, expected, "{}", describe(&frame));
        }
    }
}

#[test]
fn options_and_extension_headers_end_here() {
    let v4 = Frame::echo("10.0.0.9", "10.0.0.100", 1, 1).options(&[7, 7, 4, 0, 0, 0, 0]);
    let v6 = Frame::echo("2001:db8::9", "2001:db8::100", 1, 1)
        .extension(IpProtocol::DESTINATION_OPTIONS, &[1, 4, 0, 0, 0, 0]);
    for (request, len) in [(v4, 20 + 8), (v6, 40 + 8)] {
        let (frame, said) = reply_to(&request.build(), 500);
        let reply = parse(&frame, frame.len()).unwrap();
        assert!(!reply.has_options);
        assert_eq!(reply.ip_len, len);
        assert_eq!(transport_checksum(&frame), Checksum::Good);
        let moved = Parsed {
            l3_offset: 14,
            l4_offset: said.l4_offset + 14,
            ..said
        };
        assert_eq!(moved, reply, "what is said of the reply is what it is");
    }
}

#[test]
fn what_came_in_pieces_keeps_what_pieces_need() {
    let request = Frame::echo("2001:db8::9", "2001:db8::100", 1, 1)
        .ident(0xabcd)
        .payload_len(64)
        .fragment(0, false)
        .build();
    let mut parsed = parse(&request, request.len()).unwrap();
    parsed.piece_len = 1280;
    let mut packet = TestBuf::new(&request);
    let said = turn(&mut packet, &parsed, 0).unwrap();
    assert_eq!((said.fragment_offset, said.piece_len), (40, 1280));
    let frame = Frame::ether(EtherType::IPV6)
        .payload(&packet.frame())
        .build();
    let reply = parse(&frame, frame.len()).unwrap();
    assert_eq!(reply.fragment_offset, 14 + 40);
    assert_eq!(reply.source, address("2001:db8::100"));
    assert_eq!(reply.ip_len, 40 + 8 + 8 + 64);
    assert_eq!(transport_checksum(&frame), Checksum::Good);
    assert_eq!(frame[14 + 44..14 + 48], [0, 0, 0xab, 0xcd]);
}

#[test]
fn a_wrong_checksum_stays_wrong() {
    let request = Frame::echo("10.0.0.9", "10.0.0.100", 1, 1).checksum(0x1234);
    let (frame, _) = reply_to(&request.build(), 500);
    assert_eq!(transport_checksum(&frame), Checksum::Bad);
}

#[test]
fn nothing_else_is_a_request() {
    let client = "10.0.0.9";
    for frame in [
        Frame::icmp(client, "10.0.0.100", 0, 0),
        Frame::icmp(client, "10.0.0.100", 128, 0),
        Frame::icmp(client, "10.0.0.100", 3, 1),
        Frame::ip(client, "10.0.0.100", IpProtocol::ICMPV6).payload(&[128; 8]),
        Frame::ip(client, "10.0.0.100", IpProtocol::UDP).payload(&[8; 8]),
        Frame::echo(client, "10.0.0.100", 1, 1).fragment(0, true),
        Frame::icmp("2001:db8::9", "2001:db8::100", 8, 0),
    ] {
        let bytes = frame.build();
        if let Ok(parsed) = parse(&bytes, bytes.len()) {
            assert!(!is_request(&bytes, &parsed), "{}", describe(&bytes));
        }
    }
}

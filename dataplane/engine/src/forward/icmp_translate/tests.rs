// SPDX-License-Identifier: Apache-2.0
use std::vec::Vec;

use wire::buffer::TestBuf;
use wire::builder::{Checksum, Frame, transport_checksum};
use wire::packet::{parse, parse_quote};
use wire::sctp::ChunkType;

use super::*;

/// An error from a router about a packet, of which it quotes so many bytes.
fn error(from: &str, to: &str, icmp_type: u8, cause: &Frame, quoted: usize) -> Vec<u8> {
    let cause = cause.build_ip();
    Frame::icmp(from, to, icmp_type, 1)
        .payload(&cause[..quoted.min(cause.len())])
        .build()
}

fn translated(frame: &[u8], end: End, to: (&str, u16)) -> Vec<u8> {
    let mut packet = TestBuf::new(frame);
    let parsed = parse(frame, frame.len()).unwrap();
    let quote = parse_quote(&frame[usize::from(parsed.l4_offset) + 8..]).unwrap();
    assert!(checksum_ok(&packet, &parsed));
    let to = (to.0.parse().unwrap(), to.1);
    assert!(rewrite(&mut packet, &parsed, &quote, end, to));
    packet.frame()
}

#[test]
fn both_ways_the_receiver_sees_its_own_packet_again() {
    // (the router, its error's receiver before, its type, the quoted packet before and after)
    let client4 = "203.0.113.9:1000";
    let client6 = "[2001:db8:9::9]:1000";
    let seen = b"what the router saw";
    for protocol in ["tcp", "udp", "sctp"] {
        let make = |from: &str, to: &str| {
            let frame = match protocol {
                "tcp" => Frame::tcp(from, to).flags(0x18).seq(77).payload(seen),
                "udp" => Frame::udp(from, to).payload(seen),
                _ => Frame::sctp(from, to, 77, &[(ChunkType::DATA, seen)]),
            };
            frame.ttl(60)
        };
        for quoted in [28, 48, 60, 500] {
            let before = make("10.0.0.100:80", client4);
            let after = make("10.1.0.11:8080", client4);
            assert_eq!(
                translated(
                    &error("192.0.2.1", "10.0.0.100", 3, &before, quoted),
                    End::Destination,
                    ("10.1.0.11", 8080)
                ),
                error("192.0.2.1", "10.1.0.11", 3, &after, quoted),
                "{protocol}, {quoted} bytes"
            );
            let before = make(client4, "10.1.0.11:8080");
            let after = make(client4, "10.0.0.100:80");
            assert_eq!(
                translated(
                    &error("10.1.0.200", "203.0.113.9", 11, &before, quoted),
                    End::Source,
                    ("10.0.0.100", 80)
                ),
                error("10.0.0.100", "203.0.113.9", 11, &after, quoted),
                "{protocol}, {quoted} bytes"
            );
        }
        for quoted in [48, 60, 64, 500] {
            let before = make("[2001:db8::100]:80", client6);
            let after = make("[2001:db8:1::11]:8080", client6);
            assert_eq!(
                translated(
                    &error("2001:db8:7::1", "2001:db8::100", 2, &before, quoted),
                    End::Destination,
                    ("2001:db8:1::11", 8080)
                ),
                error("2001:db8:7::1", "2001:db8:1::11", 2, &after, quoted),
                "{protocol}, {quoted} bytes"
            );
        }
    }
}

#[test]
fn a_udp_packet_without_checksum_is_quoted_without_one() {
    let cause = |to: &str| Frame::udp("203.0.113.9:9", to).checksum(0);
    let before = error("10.1.0.11", "203.0.113.9", 3, &cause("10.1.0.11:53"), 500);
    let after = error("10.0.0.100", "203.0.113.9", 3, &cause("10.0.0.100:53"), 500);
    assert_eq!(translated(&before, End::Source, ("10.0.0.100", 53)), after);
}

#[test]
fn what_esp_has_in_the_place_of_ports_stays() {
    let cause = |to: &str| Frame::ip("203.0.113.9", to, IpProtocol::ESP).payload(&[0xab; 20]);
    let before = error("10.1.0.11", "203.0.113.9", 3, &cause("10.1.0.11"), 500);
    let after = error("10.0.0.100", "203.0.113.9", 3, &cause("10.0.0.100"), 500);
    assert_eq!(translated(&before, End::Source, ("10.0.0.100", 53)), after);
}

#[test]
fn padding_behind_the_message_stays_out_of_it() {
    let cause = Frame::tcp("10.0.0.100:80", "203.0.113.9:9");
    let mut frame = error("192.0.2.1", "10.0.0.100", 3, &cause, 28);
    frame.extend_from_slice(&[0xaa; 40]);
    let out = translated(&frame, End::Destination, ("10.1.0.11", 8080));
    let (message, padding) = out.split_at(out.len() - 40);
    assert_eq!(padding, [0xaa; 40]);
    assert_eq!(transport_checksum(message), Checksum::Good);
}

#[test]
fn families_that_differ_are_refused() {
    let cause = Frame::tcp("10.0.0.100:80", "203.0.113.9:9");
    let frame = error("192.0.2.1", "10.0.0.100", 3, &cause, 28);
    let parsed = parse(&frame, frame.len()).unwrap();
    let quote = parse_quote(&frame[usize::from(parsed.l4_offset) + 8..]).unwrap();
    let mut packet = TestBuf::new(&frame);
    let to = ("2001:db8::1".parse().unwrap(), 80);
    assert!(!rewrite(&mut packet, &parsed, &quote, End::Destination, to));
    assert_eq!(packet.frame(), frame);
}

#[test]
fn a_wrong_checksum_is_seen_in_a_chained_packet_too() {
    let cause = Frame::tcp("[2001:db8::100]:80", "[2001:db8:9::9]:9").payload_len(301);
    let mut frame = error("2001:db8:7::1", "2001:db8::100", 2, &cause, 360);
    for (change, ok) in [(0u8, true), (1, false)] {
        *frame.last_mut().unwrap() ^= change;
        let parsed = parse(&frame, frame.len()).unwrap();
        for first in [110, 111, 300, frame.len()] {
            assert_eq!(checksum_ok(&TestBuf::chained(&frame, first), &parsed), ok);
        }
    }
}

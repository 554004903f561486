// SPDX-License-Identifier: Apache-2.0

use std::vec::Vec;

use model::addr::Addr;
use wire::buffer::TestBuf;
use wire::builder::{Checksum, Frame, transport_checksum};
use wire::packet::parse;
use wire::sctp::ChunkType;

use super::{End, rewrite};

/// A UDP packet without checksum, in one piece and in two.
fn unsummed(source: &str, destination: &str) -> Vec<(TestBuf, Vec<u8>)> {
    let bytes = Frame::udp(source, destination)
        .payload_len(777)
        .checksum(0)
        .build();
    [bytes.len(), 100, 101]
        .map(|first| (TestBuf::chained(&bytes, first), bytes.clone()))
        .into()
}

#[test]
fn a_udp_packet_without_checksum_gets_one_over_all_its_segments() {
    for (source, destination, to) in [
        ("10.9.9.9:1000", "10.0.0.100:53", "10.1.0.11"),
        ("[2001:db8::9]:1000", "[2001:db8::100]:53", "2001:db8::11"),
    ] {
        let to: Addr = to.parse().unwrap();
        for end in [End::Destination, End::Source] {
            for (mut packet, bytes) in unsummed(source, destination) {
                let parsed = parse(&bytes, bytes.len()).unwrap();
                assert!(rewrite(&mut packet, &parsed, end, (to, 5353)));
                assert_eq!(transport_checksum(&packet.frame()), Checksum::Good);
            }
        }
    }
}

#[test]
fn a_wrong_checksum_stays_wrong() {
    let bytes = Frame::udp("10.9.9.9:1000", "10.0.0.100:53")
        .payload(b"damaged")
        .checksum(1)
        .build();
    let parsed = parse(&bytes, bytes.len()).unwrap();
    let mut packet = TestBuf::new(&bytes);
    let to = "10.1.0.11".parse().unwrap();
    assert!(rewrite(&mut packet, &parsed, End::Destination, (to, 5353)));
    assert_ne!(transport_checksum(&packet.frame()), Checksum::Good);
}

#[test]
fn an_sctp_packet_in_segments_keeps_a_right_checksum_and_a_wrong_one_wrong() {
    let data = [7; 1000];
    let chunks: [(ChunkType, &[u8]); 2] =
        [(ChunkType::COOKIE_ECHO, b"c"), (ChunkType::DATA, &data)];
    for (source, destination, to) in [
        ("10.9.9.9:1000", "10.0.0.100:132", "10.1.0.11"),
        ("[2001:db8::9]:1000", "[2001:db8::100]:132", "2001:db8::11"),
    ] {
        let to: Addr = to.parse().unwrap();
        let right = Frame::sctp(source, destination, 5, &chunks);
        let wrong = right.clone().checksum(0x1234).build();
        let right = right.build();
        for end in [End::Destination, End::Source] {
            for (bytes, expected) in [(&right, Checksum::Good), (&wrong, Checksum::Bad)] {
                for first in [bytes.len(), 100, 101] {
                    let parsed = parse(bytes, bytes.len()).unwrap();
                    let mut packet = TestBuf::chained(bytes, first);
                    assert!(rewrite(&mut packet, &parsed, end, (to, 1132)));
                    let frame = packet.frame();
                    assert_eq!(transport_checksum(&frame), expected);
                    let after = parse(&frame, frame.len()).unwrap();
                    let (addr, port, other) = match end {
                        End::Destination => {
                            (after.destination, after.destination_port, after.source_port)
                        }
                        End::Source => (after.source, after.source_port, after.destination_port),
                    };
                    let other_before = match end {
                        End::Destination => parsed.source_port,
                        End::Source => parsed.destination_port,
                    };
                    assert_eq!((addr, port), (*to.octets(), 1132));
                    assert_eq!(other, other_before);
                }
            }
        }
    }
}

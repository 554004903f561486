// SPDX-License-Identifier: Apache-2.0

use std::vec::Vec;

use model::addr::Addr;
use wire::buffer::TestBuf;
use wire::builder::{Checksum, Frame, transport_checksum};
use wire::packet::parse;

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

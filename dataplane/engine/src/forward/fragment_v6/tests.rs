// SPDX-License-Identifier: Apache-2.0
use std::vec::Vec;

use wire::buffer::{TestBuf, TestPool};
use wire::builder::Frame;
use wire::packet::{Fragment, parse};

use super::*;

fn pieces(packet: &[u8], mtu: u32, pool: &mut TestPool) -> (bool, Vec<Vec<u8>>) {
    let mut all = Vec::new();
    let packet = TestBuf::chained(packet, 60);
    let whole = split(&packet, (mtu, 0x0102_0304), pool, |piece| {
        all.push(piece.frame())
    });
    (whole, all)
}

#[test]
fn pieces_carry_the_packet_in_units_of_eight_and_fit() {
    let packet = Frame::udp("[2001:db8::1]:1", "[2001:db8::2]:2")
        .payload_len(3000)
        .build_ip();
    let (whole, all) = pieces(&packet, 1280, &mut TestPool::default());
    assert!(whole);
    let mut data = Vec::new();
    for (index, piece) in all.iter().enumerate() {
        assert!(piece.len() <= 1280);
        let mut frame = Frame::ether(wire::ethernet::EtherType::IPV6).build();
        frame.truncate(14);
        frame.extend_from_slice(piece);
        let parsed = parse(&frame, frame.len()).unwrap();
        let place = parsed.fragment_place(&frame).unwrap();
        assert_eq!(place.ident, 0x0102_0304);
        assert_eq!(usize::from(place.offset), data.len());
        assert_eq!(place.more, index + 1 < all.len());
        assert_ne!(parsed.fragment, Fragment::None);
        assert_eq!(parsed.protocol, IpProtocol::UDP);
        data.extend_from_slice(&piece[HEAD_LEN..]);
    }
    assert_eq!(data, packet[ipv6::HEADER_LEN..]);
    assert_eq!(all.len(), 3);
}

#[test]
fn no_buffer_no_header_and_no_room_fail() {
    let packet = Frame::udp("[2001:db8::1]:1", "[2001:db8::2]:2")
        .payload_len(3000)
        .build_ip();
    assert!(!pieces(&packet, 1280, &mut TestPool::new(2)).0);
    assert!(!pieces(&packet, 55, &mut TestPool::default()).0);
    assert!(!pieces(&packet[..39], 1280, &mut TestPool::default()).0);
}

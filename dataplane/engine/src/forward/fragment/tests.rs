// SPDX-License-Identifier: Apache-2.0
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use wire::buffer::{TestBuf, TestPool};
use wire::builder::Frame;
use wire::ipv4::IpProtocol;

use super::*;

/// The pieces of a packet without Ethernet header, or `None` if `split` failed.
fn pieces(packet: &[u8], mtu: u32) -> Option<Vec<Vec<u8>>> {
    let mut pieces = Vec::new();
    split(
        &TestBuf::new(packet),
        0,
        mtu,
        &mut TestPool::default(),
        |piece| {
            pieces.push(piece.frame());
        },
    )
    .then_some(pieces)
}

/// Puts pieces together, in any order, as a receiver does; the header is the first piece's.
fn reassemble(pieces: &[Vec<u8>]) -> (Vec<u8>, Vec<u8>) {
    let mut data = Vec::new();
    let mut header = Vec::new();
    let mut end = None;
    for piece in pieces {
        let ip = Ipv4::new_checked(piece).unwrap();
        assert!(ip.checksum_ok());
        assert_eq!(usize::from(ip.total_len()), piece.len());
        let (offset, len) = (usize::from(ip.fragment_offset()), ip.payload().len());
        if data.len() < offset + len {
            data.resize(offset + len, 0xee);
        }
        data[offset..offset + len].copy_from_slice(ip.payload());
        if ip.more_fragments() {
            assert_eq!(len % 8, 0, "only the last piece may be odd");
        } else {
            end = Some(offset + len);
        }
        if offset == 0 {
            header = piece[..usize::from(ip.header_len())].to_vec();
        }
    }
    assert_eq!(end, Some(data.len()));
    (header, data)
}

#[test]
fn a_packet_is_cut_at_multiples_of_eight() {
    let packet = Frame::udp("10.0.0.1:1", "10.0.0.2:2")
        .ident(77)
        .payload_len(100)
        .build_ip();
    let pieces = pieces(&packet, 60).unwrap();
    let lens: Vec<usize> = pieces.iter().map(Vec::len).collect();
    assert_eq!(lens, [60, 60, 48]);
    for piece in &pieces {
        let ip = Ipv4::new_checked(piece).unwrap();
        assert_eq!((ip.ident(), ip.ttl()), (77, 64));
    }
}

#[test]
fn a_fragment_of_a_fragment_keeps_its_place_and_its_more_flag() {
    let middle = Frame::ip("10.0.0.1", "10.0.0.2", IpProtocol::UDP)
        .fragment(800, true)
        .payload_len(64)
        .build_ip();
    let pieces = pieces(&middle, 20 + 40).unwrap();
    let places: Vec<_> = pieces
        .iter()
        .map(|piece| {
            let ip = Ipv4::new_checked(piece).unwrap();
            (ip.fragment_offset(), ip.more_fragments())
        })
        .collect();
    assert_eq!(places, [(800, true), (840, true)]);
}

#[test]
fn only_options_with_the_copied_flag_go_into_later_pieces() {
    // Record route (7), NOP, router alert (148, copied), end.
    let options = [7, 7, 4, 0, 0, 0, 0, 1, 148, 4, 0, 0];
    let packet = Frame::udp("10.0.0.1:1", "10.0.0.2:2")
        .options(&options)
        .payload_len(100)
        .build_ip();
    let pieces = pieces(&packet, 72).unwrap();
    assert_eq!(Ipv4::new_checked(&pieces[0]).unwrap().options(), options);
    for later in &pieces[1..] {
        assert_eq!(Ipv4::new_checked(later).unwrap().options(), [148, 4, 0, 0]);
    }
    let (_, data) = reassemble(&pieces);
    assert_eq!(data, &packet[32..]);
}

#[test]
fn broken_options_are_left_behind_and_harm_nothing() {
    for options in [
        [148, 0, 0, 0],
        [148, 1, 0, 0],
        [148, 9, 0, 0],
        [1, 1, 1, 148],
        [0, 148, 2, 0],
    ] {
        let packet = Frame::udp("10.0.0.1:1", "10.0.0.2:2")
            .options(&options)
            .payload_len(100)
            .build_ip();
        let pieces = pieces(&packet, 68).unwrap();
        for later in &pieces[1..] {
            assert_eq!(later[0], 0x45, "no options: {options:?}");
        }
        reassemble(&pieces);
    }
}

#[test]
fn an_mtu_without_room_for_eight_bytes_fails() {
    let packet = Frame::udp("10.0.0.1:1", "10.0.0.2:2")
        .payload_len(100)
        .build_ip();
    for mtu in [0, 20, 27] {
        assert_eq!(pieces(&packet, mtu), None, "{mtu}");
    }
    assert!(pieces(&packet, 28).is_some());
}

#[test]
fn a_dry_pool_fails_after_the_pieces_there_were() {
    let packet = Frame::udp("10.0.0.1:1", "10.0.0.2:2")
        .payload_len(100)
        .build_ip();
    let mut count = 0;
    let whole = split(&TestBuf::new(&packet), 0, 60, &mut TestPool::new(2), |_| {
        count += 1
    });
    assert_eq!((whole, count), (false, 2));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pieces_make_the_original_again(
        len in 0usize..3000,
        mtu in 68u32..2000,
        options in prop::sample::select(vec![
            vec![],
            vec![1, 1, 1, 0],
            vec![148, 4, 0, 0, 7, 3, 4, 0],
        ]),
        first_segment in 28usize..400,
        l3_offset in prop::sample::select(vec![0u16, 14, 18]),
    ) {
        let packet = Frame::udp("10.0.0.1:1", "10.0.0.2:2")
            .options(&options)
            .payload_len(len)
            .build_ip();
        let header_len = 20 + options.len().next_multiple_of(4);
        let mut frame = vec![0xaa; usize::from(l3_offset)];
        frame.extend_from_slice(&packet);
        let first_len = usize::from(l3_offset) + header_len + first_segment;
        let buffer = TestBuf::chained(&frame, first_len);
        let mut pieces = Vec::new();
        let whole = split(&buffer, l3_offset, mtu, &mut TestPool::default(), |piece| {
            pieces.push(piece.frame());
        });
        prop_assert!(whole);
        for piece in &pieces {
            prop_assert!(piece.len() <= mtu as usize);
        }
        // As few as the room allows.
        if packet.len() <= mtu as usize {
            prop_assert_eq!(pieces.len(), 1);
        }
        pieces.reverse();
        let (header, data) = reassemble(&pieces);
        prop_assert_eq!(&data[..], &packet[header_len..]);
        prop_assert_eq!(&header[12..], &packet[12..header_len]);
        prop_assert_eq!(buffer.frame(), frame, "the original is left alone");
    }
}

// SPDX-License-Identifier: Apache-2.0
use proptest::collection::vec as many;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::buffer::TestBuf;
use crate::builder::{Checksum, Frame, ip_checksum, transport_checksum};
use crate::packet::parse;

fn frame(v4: bool) -> Frame {
    if v4 {
        Frame::tcp("10.0.0.1:1000", "10.0.0.100:21")
    } else {
        Frame::tcp("[2001:db8::1]:1000", "[2001:db8::100]:21")
    }
}

fn parsed(packet: &TestBuf) -> Parsed {
    parse(packet.bytes(), packet.total_len()).unwrap()
}

/// The packet is whole: what the parse says of it now is what `kept` says, and its sums are right.
fn check(packet: &TestBuf, kept: &Parsed, payload_expected: &[u8]) {
    assert_eq!(parsed(packet), *kept);
    let bytes = packet.frame();
    assert!(matches!(
        ip_checksum(&bytes),
        Checksum::Good | Checksum::Absent
    ));
    assert_eq!(transport_checksum(&bytes), Checksum::Good);
    let tcp = Tcp::new_checked(&bytes[usize::from(kept.l4_offset)..]).unwrap();
    assert_eq!(tcp.payload(), payload_expected);
    let range = payload(packet, kept).unwrap();
    assert_eq!(&bytes[range], payload_expected);
    assert_eq!(bytes.len(), usize::try_from(kept.frame_len()).unwrap());
}

#[test]
fn bytes_stand_in_front_of_the_payload() {
    for v4 in [true, false] {
        for header in [&b"PROXY"[..], b"PROXY "] {
            let mut packet = TestBuf::new(&frame(v4).payload(b"hello").build());
            let mut about = parsed(&packet);
            replace_payload(&mut packet, &mut about, 0..0, header).unwrap();
            check(&packet, &about, &[header, b"hello"].concat());
        }
    }
}

#[test]
fn padding_is_no_payload() {
    let mut packet = TestBuf::new(&frame(true).padded().build());
    let mut about = parsed(&packet);
    assert!(packet.total_len() > usize::try_from(about.frame_len()).unwrap());
    replace_payload(&mut packet, &mut about, 0..0, b"x").unwrap();
    check(&packet, &about, b"x");
}

#[test]
fn a_full_headroom_moves_the_rest_of_the_payload() {
    let mut packet = TestBuf::new(&frame(true).payload(b"abcdef").build());
    let mut about = parsed(&packet);
    let many = [b'.'; 200];
    replace_payload(&mut packet, &mut about, 3..3, &many).unwrap();
    check(&packet, &about, &[b"abc", &many[..], b"def"].concat());
    // A chained packet has no room behind its first segment.
    let whole = frame(true).payload(b"abcdef").build();
    let mut packet = TestBuf::chained(&whole, whole.len() - 2);
    let mut about = parsed(&packet);
    let refused = replace_payload(&mut packet, &mut about, 3..3, &many);
    assert_eq!(refused, Err(EditError::NoRoom));
    assert_eq!(packet.frame(), whole);
    check(&packet, &about, b"abcdef");
}

#[test]
fn what_lies_beyond_the_first_segment_is_out_of_reach() {
    let whole = frame(true).payload(b"abcdef").build();
    let mut packet = TestBuf::chained(&whole, whole.len() - 2);
    let mut about = parsed(&packet);
    for range in [4..5, 6..6, 7..7, 0..5] {
        let refused = replace_payload(&mut packet, &mut about, range, b"x");
        assert_eq!(refused, Err(EditError::OutOfReach));
    }
    replace_payload(&mut packet, &mut about, 4..4, b"x").unwrap();
    check(&packet, &about, b"abcdxef");
}

#[test]
#[expect(clippy::reversed_empty_ranges, reason = "what is refused")]
fn what_is_no_tcp_or_no_range_is_refused() {
    let mut packet = TestBuf::new(&Frame::udp("10.0.0.1:1", "10.0.0.2:2").build());
    let mut about = parsed(&packet);
    let refused = replace_payload(&mut packet, &mut about, 0..0, b"x");
    assert_eq!(refused, Err(EditError::OutOfReach));
    assert_eq!(payload(&packet, &about), None);
    let mut packet = TestBuf::new(&frame(true).payload(b"abc").build());
    let mut about = parsed(&packet);
    let refused = replace_payload(&mut packet, &mut about, 2..1, b"x");
    assert_eq!(refused, Err(EditError::OutOfReach));
    let mut packet = TestBuf::new(&frame(true).data_offset(60).build());
    let mut about = parsed(&packet);
    let refused = insert_option(&mut packet, &mut about, &[1; 4]);
    assert_eq!(refused, Err(EditError::OutOfReach));
}

#[test]
fn a_packet_never_outgrows_its_length_field() {
    for (v4, room) in [(true, 65_535 - 40), (false, 65_535 - 60)] {
        let mut packet = TestBuf::new(&frame(v4).payload(&vec![7; room - 3]).build());
        let mut about = parsed(&packet);
        let refused = replace_payload(&mut packet, &mut about, 0..0, b"long");
        assert_eq!(refused, Err(EditError::TooLong));
        replace_payload(&mut packet, &mut about, 0..0, b"777").unwrap();
        check(
            &packet,
            &about,
            &vec![b'7'; 3]
                .into_iter()
                .chain(vec![7; room - 3])
                .collect::<Vec<_>>(),
        );
    }
}

#[test]
fn an_option_stands_in_front_of_the_others() {
    for v4 in [true, false] {
        let frame = frame(v4).tcp_options(&[1, 1, 0, 0]).payload(b"abc");
        let mut packet = TestBuf::new(&frame.build());
        let mut about = parsed(&packet);
        let option = [254, 8, 3, 0xe8, 10, 0, 0, 1];
        insert_option(&mut packet, &mut about, &option).unwrap();
        check(&packet, &about, b"abc");
        let bytes = packet.frame();
        let tcp = Tcp::new_checked(&bytes[usize::from(about.l4_offset)..]).unwrap();
        assert_eq!(tcp.header_len(), 32);
        assert_eq!(tcp.options(), [254, 8, 3, 0xe8, 10, 0, 0, 1, 1, 1, 0, 0]);
    }
}

#[test]
fn a_header_has_sixty_bytes_and_no_more() {
    let mut packet = TestBuf::new(&frame(true).tcp_options(&[1; 32]).build());
    let mut about = parsed(&packet);
    let refused = insert_option(&mut packet, &mut about, &[1; 12]);
    assert_eq!(refused, Err(EditError::HeaderFull));
    let refused = insert_option(&mut packet, &mut about, &[1; 6]);
    assert_eq!(refused, Err(EditError::HeaderFull));
    insert_option(&mut packet, &mut about, &[1; 8]).unwrap();
    check(&packet, &about, b"");
    let refused = insert_option(&mut packet, &mut about, &[1; 4]);
    assert_eq!(refused, Err(EditError::HeaderFull));
}

#[test]
fn a_wrong_checksum_stays_wrong() {
    let right = frame(true).payload(b"abcd").build();
    let mut wrong = right.clone();
    let at = 14 + 20 + 16;
    wrong[at] ^= 0x40;
    for with in [&b"xyz"[..], b"xy"] {
        let mut packets = [TestBuf::new(&right), TestBuf::new(&wrong)];
        let sums = packets.each_mut().map(|packet| {
            let mut about = parsed(packet);
            replace_payload(packet, &mut about, 0..0, with).unwrap();
            u16::from_be_bytes([packet.bytes()[at], packet.bytes()[at + 1]])
        });
        let before = u16::from_be_bytes([right[at], right[at + 1]]);
        let damaged = u16::from_be_bytes([wrong[at], wrong[at + 1]]);
        assert_eq!(checksum::update16(sums[0], damaged, before), sums[1]);
    }
}

proptest! {
    /// Any replacement in any packet, whole or chained, leaves the packet that a builder makes.
    #[test]
    fn a_replacement_is_what_the_builder_would_have_made(
        v4 in any::<bool>(),
        words in 0usize..=10,
        text in many(any::<u8>(), 0..300),
        with in many(any::<u8>(), 0..180),
        (from, to, cut) in (any::<u16>(), any::<u16>(), any::<u16>()),
    ) {
        let (a, b) = (usize::from(from) % (text.len() + 1), usize::from(to) % (text.len() + 1));
        let range = a.min(b)..a.max(b);
        let base = frame(v4).tcp_options(&vec![1; words * 4]);
        let whole = base.clone().payload(&text).build();
        let headers = whole.len() - text.len();
        let cut = headers + usize::from(cut) % (text.len() + 1);
        let mut packet = TestBuf::chained(&whole, cut);
        let mut about = parsed(&packet);
        match replace_payload(&mut packet, &mut about, range.clone(), &with) {
            Ok(()) => {
                let mut expected = text.clone();
                expected.splice(range, with);
                check(&packet, &about, &expected);
                prop_assert_eq!(packet.frame(), base.payload(&expected).build());
            }
            Err(EditError::OutOfReach) => prop_assert!(headers + range.end > cut),
            Err(EditError::NoRoom) => {
                prop_assert!(with.len() - range.len() > 128 && cut < whole.len());
            }
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
use std::string::ToString;

use super::*;
use crate::builder::Frame;

/// The header of the example in Wikipedia's article on the IPv4 header checksum.
const HEADER: [u8; 20] = [
    0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01,
    0xc0, 0xa8, 0x00, 0xc7,
];

#[test]
fn the_fields_of_a_known_header_are_read() {
    let view = Ipv4::new_checked(&HEADER).unwrap();
    assert_eq!(view.version(), 4);
    assert_eq!(view.header_len(), 20);
    assert_eq!(view.tos(), 0);
    assert_eq!(view.total_len(), 115);
    assert_eq!(view.ident(), 0);
    assert!(view.dont_fragment());
    assert!(!view.more_fragments());
    assert_eq!(view.fragment_offset(), 0);
    assert_eq!(view.ttl(), 64);
    assert_eq!(view.protocol(), IpProtocol::UDP);
    assert_eq!(view.checksum(), 0xb861);
    assert_eq!(view.source(), [192, 168, 0, 1]);
    assert_eq!(view.destination(), [192, 168, 0, 199]);
    assert!(view.checksum_ok());
}

#[test]
fn nineteen_bytes_are_no_header() {
    assert_eq!(
        Ipv4::new_checked(&HEADER[..19]).unwrap_err(),
        WireError::Truncated
    );
    assert_eq!(
        Ipv4Mut::new_checked(&mut [0; 19]).unwrap_err(),
        WireError::Truncated
    );
}

#[test]
fn options_lie_between_the_fixed_header_and_the_payload() {
    let bytes = Frame::udp("10.0.0.1:1", "10.0.0.2:2")
        .options(&[0x94, 4, 0, 0, 1])
        .payload(b"abc")
        .build_ip();
    let view = Ipv4::new_checked(&bytes).unwrap();
    assert_eq!(view.header_len(), 28);
    assert_eq!(view.options(), [0x94, 4, 0, 0, 1, 0, 0, 0]);
    assert_eq!(view.payload().len(), 8 + 3);
    assert!(view.checksum_ok());
}

#[test]
fn a_header_length_below_twenty_yields_no_options_and_no_overlap() {
    let bytes = Frame::udp("10.0.0.1:1", "10.0.0.2:2")
        .header_len(8)
        .build_ip();
    let view = Ipv4::new_checked(&bytes).unwrap();
    assert_eq!(view.header_len(), 8);
    assert!(view.options().is_empty());
    assert_eq!(view.payload().len(), 8);
}

#[test]
fn lengths_beyond_the_bytes_are_cut_to_what_is_there() {
    let mut bytes = HEADER;
    bytes[0] = 0x4f;
    let view = Ipv4::new_checked(&bytes).unwrap();
    assert!(view.options().is_empty());
    assert!(view.payload().is_empty());
}

#[test]
fn padding_is_not_payload() {
    let mut bytes = Frame::udp("10.0.0.1:1", "10.0.0.2:2")
        .payload(b"abc")
        .build_ip();
    bytes.extend_from_slice(&[0; 7]);
    assert_eq!(Ipv4::new_checked(&bytes).unwrap().payload().len(), 11);
}

#[test]
fn the_offset_is_in_bytes_and_beside_the_flags() {
    let bytes = Frame::ip("10.0.0.1", "10.0.0.2", IpProtocol::UDP)
        .fragment(1480, true)
        .build_ip();
    let view = Ipv4::new_checked(&bytes).unwrap();
    assert_eq!(view.fragment_offset(), 1480);
    assert!(view.more_fragments());
    assert_eq!(view.flags_and_offset(), FLAG_MORE_FRAGMENTS | 185);
}

#[test]
fn what_is_set_is_read_back() {
    let mut bytes = [0; 20];
    let mut header = Ipv4Mut::new_checked(&mut bytes).unwrap();
    header.set_header_len(20);
    header.set_tos(0xb8);
    header.set_total_len(1500);
    header.set_ident(0xbeef);
    header.set_flags_and_offset(FLAG_DONT_FRAGMENT);
    header.set_ttl(9);
    header.set_protocol(IpProtocol::TCP);
    header.set_source([1, 2, 3, 4]);
    header.set_destination([5, 6, 7, 8]);
    header.fill_checksum();
    let view = Ipv4::new_checked(&bytes).unwrap();
    assert_eq!(
        (view.version(), view.header_len(), view.tos()),
        (4, 20, 0xb8)
    );
    assert_eq!(
        (view.total_len(), view.ident(), view.ttl()),
        (1500, 0xbeef, 9)
    );
    assert!(view.dont_fragment());
    assert_eq!(view.protocol(), IpProtocol::TCP);
    assert_eq!(
        (view.source(), view.destination()),
        ([1, 2, 3, 4], [5, 6, 7, 8])
    );
    assert!(view.checksum_ok());
}

#[test]
fn filling_the_checksum_of_the_known_header_gives_the_known_checksum() {
    let mut bytes = HEADER;
    let mut header = Ipv4Mut::new_checked(&mut bytes).unwrap();
    header.set_checksum(0x1234);
    header.fill_checksum();
    assert_eq!(bytes, HEADER);
}

#[test]
fn a_delta_of_addresses_keeps_the_header_checksum_right() {
    let mut bytes = HEADER;
    let delta = Delta::new().address(
        &to_mapped([192, 168, 0, 199]),
        &to_mapped([10, 255, 255, 1]),
    );
    let mut header = Ipv4Mut::new_checked(&mut bytes).unwrap();
    header.set_destination([10, 255, 255, 1]);
    header.update_checksum(delta);
    assert!(Ipv4::new_checked(&bytes).unwrap().checksum_ok());
}

#[test]
fn every_time_to_live_is_lowered_by_one_with_the_checksum() {
    for ttl in 1..=255 {
        let mut bytes = Frame::udp("10.0.0.1:1", "10.0.0.2:2").ttl(ttl).build_ip();
        assert_eq!(decrement_ttl(&mut bytes), Some(ttl - 1));
        let fresh = Frame::udp("10.0.0.1:1", "10.0.0.2:2")
            .ttl(ttl - 1)
            .build_ip();
        assert_eq!(bytes, fresh, "ttl {ttl}");
    }
}

#[test]
fn a_time_to_live_of_zero_stays() {
    let mut bytes = Frame::udp("10.0.0.1:1", "10.0.0.2:2").ttl(0).build_ip();
    let before = bytes.clone();
    assert_eq!(decrement_ttl(&mut bytes), None);
    assert_eq!(bytes, before);
    assert_eq!(decrement_ttl(&mut bytes[..19]), None);
}

#[test]
fn a_wrong_checksum_stays_wrong_by_the_same_amount() {
    let mut wrong = HEADER;
    wrong[11] ^= 1;
    decrement_ttl(&mut wrong);
    let mut right = HEADER;
    decrement_ttl(&mut right);
    assert_eq!(wrong[10], right[10]);
    assert_eq!(wrong[11] ^ 1, right[11]);
}

#[test]
fn the_mapped_form_goes_there_and_back() {
    assert_eq!(
        from_mapped(&to_mapped([192, 0, 2, 7])),
        Some([192, 0, 2, 7])
    );
    assert_eq!(from_mapped(&[0; 16]), None);
    assert_eq!(from_mapped(&crate::builder::address("2001:db8::1")), None);
    assert_eq!(
        crate::builder::address("::ffff:192.0.2.7"),
        to_mapped([192, 0, 2, 7])
    );
}

#[test]
fn protocols_print_by_name_or_number() {
    assert_eq!(IpProtocol::TCP.to_string(), "tcp");
    assert_eq!(IpProtocol::ICMPV6.to_string(), "icmpv6");
    assert_eq!(IpProtocol(200).to_string(), "protocol 200");
}

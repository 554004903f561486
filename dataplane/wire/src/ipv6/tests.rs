// SPDX-License-Identifier: Apache-2.0
use super::*;
use crate::builder::{Frame, address};

fn packet() -> std::vec::Vec<u8> {
    Frame::udp("[2001:db8::1]:1000", "[2001:db8::100]:53")
        .tos(0xb9)
        .flow_label(0xabcde)
        .ttl(7)
        .payload(b"question")
        .build_ip()
}

#[test]
fn the_fields_of_a_packet_are_read() {
    let bytes = packet();
    let view = Ipv6::new_checked(&bytes).unwrap();
    assert_eq!(view.version(), 6);
    assert_eq!(view.traffic_class(), 0xb9);
    assert_eq!(view.flow_label(), 0xabcde);
    assert_eq!(view.payload_len(), 16);
    assert_eq!(view.next_header(), IpProtocol::UDP);
    assert_eq!(view.hop_limit(), 7);
    assert_eq!(view.source(), address("2001:db8::1"));
    assert_eq!(view.destination(), address("2001:db8::100"));
    assert_eq!(view.payload().len(), 16);
}

#[test]
fn the_header_has_the_bytes_of_rfc_8200() {
    assert_eq!(packet()[..8], [0x6b, 0x9a, 0xbc, 0xde, 0, 16, 17, 7]);
}

#[test]
fn thirty_nine_bytes_are_no_header() {
    assert_eq!(
        Ipv6::new_checked(&[0; 39]).unwrap_err(),
        WireError::Truncated
    );
    assert_eq!(
        Ipv6Mut::new_checked(&mut [0; 39]).unwrap_err(),
        WireError::Truncated
    );
}

#[test]
fn a_payload_is_cut_to_what_is_there_and_padding_is_not_in_it() {
    let mut bytes = packet();
    bytes.push(0);
    assert_eq!(Ipv6::new_checked(&bytes).unwrap().payload().len(), 16);
    assert_eq!(Ipv6::new_checked(&bytes[..45]).unwrap().payload().len(), 5);
}

#[test]
fn what_is_set_is_read_back() {
    let mut bytes = [0; 40];
    let mut header = Ipv6Mut::new_checked(&mut bytes).unwrap();
    header.set_class_and_label(0x12, 0xfff_ffff);
    header.set_payload_len(1280);
    header.set_next_header(IpProtocol::TCP);
    header.set_hop_limit(3);
    header.set_source([1; 16]);
    header.set_destination([2; 16]);
    let view = Ipv6::new_checked(&bytes).unwrap();
    assert_eq!(
        (view.version(), view.traffic_class(), view.flow_label()),
        (6, 0x12, 0xfffff)
    );
    assert_eq!((view.payload_len(), view.hop_limit()), (1280, 3));
    assert_eq!(view.next_header(), IpProtocol::TCP);
    assert_eq!((view.source(), view.destination()), ([1; 16], [2; 16]));
}

#[test]
fn the_hop_limit_is_lowered_down_to_zero() {
    let mut bytes = packet();
    for left in (0..7).rev() {
        assert_eq!(decrement_hop_limit(&mut bytes), Some(left));
    }
    assert_eq!(decrement_hop_limit(&mut bytes), None);
    assert_eq!(decrement_hop_limit(&mut bytes[..39]), None);
    assert_eq!(bytes[7], 0);
}

#[test]
fn a_fragment_header_holds_offset_more_and_identification() {
    let bytes = [17, 0, 0x05, 0xa9, 0xde, 0xad, 0xbe, 0xef];
    let view = FragmentHeader::new_checked(&bytes).unwrap();
    assert_eq!(view.next_header(), IpProtocol::UDP);
    assert_eq!(view.offset(), 1448);
    assert!(view.more());
    assert_eq!(view.ident(), 0xdead_beef);
    assert_eq!(
        FragmentHeader::new_checked(&bytes[..7]).unwrap_err(),
        WireError::Truncated
    );
}

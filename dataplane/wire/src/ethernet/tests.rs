// SPDX-License-Identifier: Apache-2.0
use std::string::ToString;

use super::*;

const FRAME: [u8; 16] = [
    0x33, 0x33, 0, 0, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 0x86, 0xdd, 0xaa, 0xbb,
];

#[test]
fn the_fields_of_a_frame_are_where_the_standard_puts_them() {
    let view = Ethernet::new_checked(&FRAME).unwrap();
    assert_eq!(view.destination(), MacAddress([0x33, 0x33, 0, 0, 0, 1]));
    assert_eq!(view.source(), MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
    assert_eq!(view.ether_type(), EtherType::IPV6);
    assert_eq!(view.payload(), [0xaa, 0xbb]);
}

#[test]
fn thirteen_bytes_are_no_frame() {
    assert_eq!(
        Ethernet::new_checked(&FRAME[..13]).unwrap_err(),
        WireError::Truncated
    );
    assert_eq!(
        EthernetMut::new_checked(&mut [0; 13]).unwrap_err(),
        WireError::Truncated
    );
}

#[test]
fn fourteen_bytes_are_a_frame_without_payload() {
    assert!(
        Ethernet::new_checked(&FRAME[..14])
            .unwrap()
            .payload()
            .is_empty()
    );
}

#[test]
fn what_is_set_is_read_back_and_nothing_else_changes() {
    let mut bytes = FRAME;
    let mut view = EthernetMut::new_checked(&mut bytes).unwrap();
    view.set_destination(MacAddress([1; 6]));
    view.set_source(MacAddress([2; 6]));
    view.set_ether_type(EtherType::ARP);
    let view = Ethernet::new_checked(&bytes).unwrap();
    assert_eq!(view.destination(), MacAddress([1; 6]));
    assert_eq!(view.source(), MacAddress([2; 6]));
    assert_eq!(view.ether_type(), EtherType::ARP);
    assert_eq!(view.payload(), [0xaa, 0xbb]);
}

#[test]
fn the_group_bit_makes_an_address_multicast() {
    assert!(MacAddress::BROADCAST.is_multicast());
    assert!(MacAddress([0x01, 0, 0x5e, 0, 0, 1]).is_multicast());
    assert!(!MacAddress([0x02, 0, 0, 0, 0, 1]).is_multicast());
}

#[test]
fn addresses_and_types_print_as_people_write_them() {
    assert_eq!(
        MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]).to_string(),
        "52:54:00:12:34:56"
    );
    assert_eq!(std::format!("{:?}", MacAddress::ZERO), "00:00:00:00:00:00");
    assert_eq!(EtherType::IPV4.to_string(), "0x0800");
}

#[test]
fn both_kinds_of_tag_are_vlan_and_others_are_not() {
    assert!(EtherType::VLAN.is_vlan());
    assert!(EtherType::SERVICE_VLAN.is_vlan());
    assert!(!EtherType::IPV4.is_vlan());
}

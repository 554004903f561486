// SPDX-License-Identifier: Apache-2.0
use super::*;

const DATAGRAM: [u8; 11] = [
    0x03, 0xe8, 0x00, 0x35, 0x00, 0x0a, 0xab, 0xcd, b'h', b'i', 0xee,
];

#[test]
fn the_fields_of_a_datagram_are_read() {
    let view = Udp::new_checked(&DATAGRAM).unwrap();
    assert_eq!((view.source_port(), view.destination_port()), (1000, 53));
    assert_eq!(view.length(), 10);
    assert_eq!(view.checksum(), 0xabcd);
    assert_eq!(view.payload(), b"hi");
}

#[test]
fn seven_bytes_are_no_datagram() {
    assert_eq!(
        Udp::new_checked(&DATAGRAM[..7]).unwrap_err(),
        WireError::Truncated
    );
    assert_eq!(
        UdpMut::new_checked(&mut [0; 7]).unwrap_err(),
        WireError::Truncated
    );
}

#[test]
fn a_length_beyond_the_bytes_is_cut_and_one_below_eight_is_empty() {
    let mut bytes = DATAGRAM;
    UdpMut::new_checked(&mut bytes).unwrap().set_length(500);
    assert_eq!(Udp::new_checked(&bytes).unwrap().payload().len(), 3);
    UdpMut::new_checked(&mut bytes).unwrap().set_length(0);
    assert!(Udp::new_checked(&bytes).unwrap().payload().is_empty());
}

#[test]
fn what_is_set_is_read_back() {
    let mut bytes = [0; 8];
    let mut header = UdpMut::new_checked(&mut bytes).unwrap();
    header.set_source_port(1);
    header.set_destination_port(2);
    header.set_length(8);
    header.set_checksum(3);
    assert_eq!(header.checksum(), 3);
    let view = Udp::new_checked(&bytes).unwrap();
    assert_eq!((view.source_port(), view.destination_port()), (1, 2));
    assert_eq!((view.length(), view.checksum()), (8, 3));
}

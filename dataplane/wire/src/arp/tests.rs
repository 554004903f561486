// SPDX-License-Identifier: Apache-2.0
use super::*;

const REQUEST: ArpRepr = ArpRepr {
    operation: Operation::REQUEST,
    sender_mac: MacAddress([2, 0, 0, 0, 0, 1]),
    sender_ip: [10, 0, 0, 1],
    target_mac: MacAddress::ZERO,
    target_ip: [10, 0, 0, 2],
};

#[test]
fn a_request_has_the_bytes_of_rfc_826() {
    let mut bytes = [0xee; 30];
    REQUEST.emit(&mut bytes).unwrap();
    assert_eq!(
        bytes,
        [
            0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
            0xee, 0xee
        ]
    );
}

#[test]
fn what_is_written_is_read_back() {
    let mut bytes = [0; PACKET_LEN];
    REQUEST.emit(&mut bytes).unwrap();
    let view = Arp::new_checked(&bytes).unwrap();
    assert!(view.is_ethernet_ipv4());
    assert_eq!(view.operation(), REQUEST.operation);
    assert_eq!(view.sender_mac(), REQUEST.sender_mac);
    assert_eq!(view.sender_ip(), REQUEST.sender_ip);
    assert_eq!(view.target_mac(), REQUEST.target_mac);
    assert_eq!(view.target_ip(), REQUEST.target_ip);
}

#[test]
fn another_hardware_or_protocol_is_seen() {
    for (at, value) in [(1, 6), (2, 0x86), (4, 8), (5, 16)] {
        let mut bytes = [0; PACKET_LEN];
        REQUEST.emit(&mut bytes).unwrap();
        bytes[at] = value;
        assert!(
            !Arp::new_checked(&bytes).unwrap().is_ethernet_ipv4(),
            "byte {at}"
        );
    }
}

#[test]
fn twenty_seven_bytes_are_too_few_to_read_or_write() {
    assert_eq!(
        Arp::new_checked(&[0; 27]).unwrap_err(),
        WireError::Truncated
    );
    let mut bytes = [0xee; 27];
    assert_eq!(REQUEST.emit(&mut bytes).unwrap_err(), WireError::NoRoom);
    assert_eq!(bytes, [0xee; 27]);
}

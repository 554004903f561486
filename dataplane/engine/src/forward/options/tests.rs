// SPDX-License-Identifier: Apache-2.0

use std::vec::Vec;

use model::addr::Addr;
use wire::buffer::{PacketBuf, TestBuf};
use wire::builder::Frame;
use wire::packet::{Parsed, parse};

use super::{is_source_routed, record_route};

const OWN: [u8; 4] = [10, 0, 0, 100];

/// A UDP packet with these IPv4 options.
fn frame(options: &[u8]) -> (TestBuf, Parsed) {
    let bytes = Frame::udp("10.9.9.9:1000", "10.0.0.100:53")
        .options(options)
        .build();
    let parsed = parse(&bytes, bytes.len()).unwrap();
    (TestBuf::new(&bytes), parsed)
}

fn recorded(options: &[u8]) -> Option<Vec<u8>> {
    let (mut packet, parsed) = frame(options);
    let before = packet.bytes().to_vec();
    if !record_route(
        &mut packet,
        &parsed,
        Addr::from(std::net::Ipv4Addr::from(OWN)),
    ) {
        assert_eq!(packet.bytes(), before, "nothing changed");
        return None;
    }
    let after = parse(packet.bytes(), packet.total_len());
    assert!(after.is_ok(), "the header checksum is right");
    Some(packet.bytes()[34..34 + options.len()].to_vec())
}

#[test]
fn an_empty_place_of_a_recorded_route_is_filled() {
    let route = recorded(&[1, 7, 7, 4, 0, 0, 0, 0]);
    assert_eq!(route.unwrap(), [1, 7, 7, 8, 10, 0, 0, 100]);
}

#[test]
fn a_full_route_stays_as_it_is() {
    let full = [7, 7, 8, 1, 2, 3, 4, 0];
    assert_eq!(recorded(&full).unwrap(), full);
}

#[test]
fn an_impossible_pointer_is_refused() {
    assert_eq!(recorded(&[7, 7, 3, 0, 0, 0, 0, 0]), None);
    assert_eq!(recorded(&[7, 7, 5, 0, 0, 0, 0, 0]), None);
    assert_eq!(recorded(&[7, 2, 1, 1]), None);
}

#[test]
fn other_options_and_broken_lists_pass() {
    for options in [[148, 4, 0, 0], [7, 99, 4, 0], [0, 7, 3, 4], [7, 0, 4, 0]] {
        assert_eq!(recorded(&options).unwrap(), options);
    }
}

#[test]
fn both_source_routes_are_seen_behind_other_options() {
    for kind in [131, 137] {
        let (packet, parsed) = frame(&[1, kind, 7, 4, 9, 9, 9, 9]);
        assert!(is_source_routed(packet.bytes(), &parsed));
    }
    let (packet, parsed) = frame(&[7, 7, 4, 0, 0, 0, 0, 0]);
    assert!(!is_source_routed(packet.bytes(), &parsed));
}

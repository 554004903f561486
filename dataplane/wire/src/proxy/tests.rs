// SPDX-License-Identifier: Apache-2.0
use std::string::String;
use std::vec::Vec;

use super::*;
use crate::builder::address;

fn header(version: Version, source: &str, sport: u16, destination: &str, dport: u16) -> Header {
    let ends = ((address(source), sport), (address(destination), dport));
    Header::new(version, &ends.0, &ends.1)
}

fn text(header: &Header) -> String {
    String::from_utf8(header.as_bytes().to_vec()).unwrap()
}

#[test]
fn version_1_over_ipv4_is_the_line_of_the_specification() {
    let header = header(Version::V1, "192.168.0.1", 56324, "192.168.0.11", 443);
    assert_eq!(
        text(&header),
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"
    );
    assert_eq!(usize::from(header.len()), header.as_bytes().len());
}

#[test]
fn version_1_over_ipv6_writes_addresses_as_rfc_5952() {
    let short = header(Version::V1, "2001:db8::1", 1, "2001:db8:0:0:1::2", 65535);
    assert_eq!(
        text(&short),
        "PROXY TCP6 2001:db8::1 2001:db8::1:0:0:2 1 65535\r\n"
    );
}

#[test]
fn the_longest_line_fits() {
    let all = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let line = header(Version::V1, all, 65535, all, 65535);
    // §2.1 counts 104 for this one and 107 for the longest of the kind UNKNOWN.
    assert_eq!(line.as_bytes().len(), 104);
    assert!(line.as_bytes().ends_with(b" 65535 65535\r\n"));
}

#[test]
fn version_2_over_ipv4_to_the_byte() {
    // `proxy_hdr_v2` of the specification, §2.2, filled in by hand.
    let expected: [u8; 28] = [
        0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, // signature
        0x21, 0x11, 0x00, 0x0c, // version and command, family, length
        10, 0, 0, 1, 10, 0, 0, 100, // addresses
        0xdc, 0x04, 0x01, 0xbb, // ports
    ];
    let header = header(Version::V2, "10.0.0.1", 56324, "10.0.0.100", 443);
    assert_eq!(header.as_bytes(), expected);
}

#[test]
fn version_2_over_ipv6_to_the_byte() {
    let header = header(Version::V2, "2001:db8::1", 0x1234, "2001:db8::100", 80);
    let mut expected: Vec<u8> = Vec::new();
    expected.extend(b"\r\n\r\n\0\r\nQUIT\n");
    expected.extend([0x21, 0x21, 0x00, 0x24]);
    expected.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    expected.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    expected.extend([0x12, 0x34, 0x00, 0x50]);
    assert_eq!(header.as_bytes(), expected);
    assert_eq!(header.as_bytes().len(), 52);
}

#[test]
fn ends_of_two_families_count_as_ipv6() {
    let header = header(Version::V2, "10.0.0.1", 1, "2001:db8::100", 80);
    assert_eq!(header.as_bytes()[13], 0x21);
    assert_eq!(
        header.as_bytes()[16..32],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1]
    );
    assert!(!header.is_empty());
}

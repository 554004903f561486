// SPDX-License-Identifier: Apache-2.0

use wire::builder::Frame;

use super::super::case::Mask;
use super::masked;

const IP_CHECKSUM: usize = 24;
const IDENT: usize = 18;
const TCP_CHECKSUM: usize = 14 + 20 + 16;
const PORT: usize = 14 + 20;

fn tcp() -> Vec<u8> {
    Frame::tcp("10.0.0.1:1000", "10.0.0.100:80").build()
}

/// The bytes that a mask of the first frame sets to zero.
fn blanked(frame: &[u8], offset: usize, len: usize) -> Vec<usize> {
    let mask = Mask {
        frame: 0,
        offset,
        len,
    };
    let result = masked(frame, &[mask], 0);
    let changed = |(place, byte): (usize, &u8)| (*byte != frame[place]).then_some(place);
    result.iter().enumerate().filter_map(changed).collect()
}

#[test]
fn a_masked_identification_masks_the_header_checksum() {
    let frame = Frame::tcp("10.0.0.1:1000", "10.0.0.100:80")
        .ident(0x1234)
        .build();
    let places = blanked(&frame, IDENT, 2);
    assert_eq!(places, [IDENT, IDENT + 1, IP_CHECKSUM, IP_CHECKSUM + 1]);
}

#[test]
fn a_masked_port_masks_the_transport_checksum_alone() {
    let places = blanked(&tcp(), PORT, 2);
    assert_eq!(places, [PORT, PORT + 1, TCP_CHECKSUM, TCP_CHECKSUM + 1]);
}

#[test]
fn a_masked_address_masks_both_checksums() {
    let places = blanked(&tcp(), 14 + 12, 1);
    let both = [
        IP_CHECKSUM,
        IP_CHECKSUM + 1,
        26,
        TCP_CHECKSUM,
        TCP_CHECKSUM + 1,
    ];
    assert_eq!(places, both);
}

#[test]
fn a_masked_flow_label_masks_no_checksum() {
    let frame = Frame::tcp("[2001:db8::1]:1000", "[2001:db8::2]:80")
        .flow_label(0x12345)
        .build();
    assert_eq!(blanked(&frame, 15, 3), [15, 16, 17]);
}

#[test]
fn a_mask_is_of_one_frame_and_ends_with_it() {
    let frame = tcp();
    let mask = Mask {
        frame: 1,
        offset: 0,
        len: 6,
    };
    assert_eq!(masked(&frame, &[mask], 0), frame);
    let beyond = Mask {
        frame: 0,
        offset: frame.len(),
        len: usize::MAX,
    };
    assert_eq!(masked(&frame, &[beyond], 0).len(), frame.len());
}

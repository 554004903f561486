// SPDX-License-Identifier: Apache-2.0
use std::net::Ipv6Addr;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// A packet with a right checksum.
fn packet(ports: [u16; 2], tag: u32, chunks: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for port in ports {
        bytes.extend_from_slice(&port.to_be_bytes());
    }
    bytes.extend_from_slice(&tag.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(chunks);
    let crc = checksum_of(&bytes).unwrap();
    SctpMut::new_checked(&mut bytes).unwrap().set_checksum(crc);
    bytes
}

/// INIT and INIT ACK as Linux sent and rewrote them (the oracle's case `sctp_nat`).
const INIT: &str = "13880084000000001f7a2c680100001411223344000100000001000100000001";
const INIT_NAT: &str = "1388046c000000008d4aa1760100001411223344000100000001000100000001";
const INIT_ACK: &str = "046c1388112233444a14c4340200001c11223344000100000001000100000001\
                        0007000861626364";
const INIT_ACK_NAT: &str = "0084138811223344e86ab9760200001c11223344000100000001000100000001\
                            0007000861626364";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .map(|digit| u8::try_from(digit).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

#[test]
fn the_fields_are_where_rfc_9260_puts_them() {
    let bytes = hex(INIT_ACK);
    let view = Sctp::new_checked(&bytes).unwrap();
    assert_eq!(view.source_port(), 1132);
    assert_eq!(view.destination_port(), 5000);
    assert_eq!(view.verification_tag(), 0x1122_3344);
    assert_eq!(view.checksum().to_le_bytes(), [0x4a, 0x14, 0xc4, 0x34]);
    assert_eq!(view.first_chunk(), Some(ChunkType::INIT_ACK));
    assert_eq!(view.second_chunk(), None);
    let init = view.chunks().next().unwrap().init().unwrap();
    assert_eq!(init.initiate_tag, 0x1122_3344);
    assert_eq!(init.addresses().count(), 0, "a cookie is no address");
    assert!(Sctp::new_checked(&bytes[..11]).is_err());
}

#[test]
fn new_ports_bring_the_checksum_that_linux_computes() {
    for (before, after) in [(INIT, INIT_NAT), (INIT_ACK, INIT_ACK_NAT)] {
        let mut bytes = hex(before);
        let expected = hex(after);
        assert!(Sctp::new_checked(&bytes).unwrap().checksum_ok());
        let to = Sctp::new_checked(&expected).unwrap();
        let len = u16::try_from(bytes.len()).unwrap();
        let mut header = SctpMut::new_checked(&mut bytes).unwrap();
        header.set_ports(to.source_port(), to.destination_port(), len);
        assert_eq!(bytes, expected);
    }
}

#[test]
fn no_checksum_stays_no_checksum() {
    let mut bytes = hex(INIT);
    bytes[8..12].fill(0);
    let mut header = SctpMut::new_checked(&mut bytes).unwrap();
    header.set_ports(1, 2, 32);
    assert_eq!(Sctp::new_checked(&bytes).unwrap().checksum(), 0);
}

#[test]
fn bundled_chunks_come_one_by_one() {
    // COOKIE ECHO of 5 bytes and its padding, DATA of none, then a chunk that is cut.
    let bytes = packet(
        [1, 2],
        3,
        &[10, 7, 0, 5, 9, 0, 0, 0, 0, 0, 0, 4, 6, 0, 0, 99, 1],
    );
    let view = Sctp::new_checked(&bytes).unwrap();
    let chunks: Vec<Chunk<'_>> = view.chunks().collect();
    assert_eq!(chunks.len(), 2);
    assert_eq!(chunks[0].kind, ChunkType::COOKIE_ECHO);
    assert_eq!(chunks[0].flags, 7);
    assert_eq!(chunks[0].value, [9]);
    assert_eq!(chunks[1].value, [0; 0]);
    assert_eq!(view.second_chunk(), Some(ChunkType::DATA));
}

#[test]
fn chunks_of_no_length_end_the_walk() {
    let bytes = packet([1, 2], 3, &[10, 0, 0, 3, 6, 0, 0, 4]);
    let view = Sctp::new_checked(&bytes).unwrap();
    assert_eq!(view.chunks().count(), 0);
    assert_eq!(view.first_chunk(), Some(ChunkType::COOKIE_ECHO));
    assert_eq!(view.second_chunk(), None);
    let many = packet([1, 2], 3, &[3, 0, 0, 4].repeat(CHUNKS_MAX + 10));
    assert_eq!(
        Sctp::new_checked(&many).unwrap().chunks().count(),
        CHUNKS_MAX
    );
}

#[test]
fn addresses_of_both_families_and_no_more_than_allowed() {
    let mut value = [0; INIT_LEN].to_vec();
    // A parameter of 5 bytes with padding stands before.
    value.extend_from_slice(&[0, 7, 0, 5, 1, 0, 0, 0]);
    value.extend_from_slice(&[0, 5, 0, 8, 192, 0, 2, 1]);
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9).octets();
    value.extend_from_slice(&[0, 6, 0, 20]);
    value.extend_from_slice(&v6);
    // Of a length that no IPv4 address has.
    value.extend_from_slice(&[0, 5, 0, 7, 192, 0, 2, 0]);
    let init = |value: &[u8]| {
        let chunk = Chunk {
            kind: ChunkType::INIT,
            flags: 0,
            value,
        };
        chunk
            .init()
            .map(|init| init.addresses().collect::<Vec<_>>())
    };
    assert_eq!(
        init(&value),
        Some(std::vec![ipv4::to_mapped([192, 0, 2, 1]), v6])
    );
    for _ in 0..40 {
        value.extend_from_slice(&[0, 5, 0, 8, 192, 0, 2, 3]);
    }
    assert_eq!(init(&value).unwrap().len(), ADDRESSES_MAX);
    assert_eq!(init(&value[..15]), None);
}

proptest! {
    #[test]
    fn any_ports_bring_a_right_checksum_and_keep_a_wrong_one_wrong(
        chunks in prop::collection::vec(any::<u8>(), 0..1500),
        old in any::<[u16; 2]>(),
        new in any::<[u16; 2]>(),
        tag in any::<u32>(),
        damage in any::<prop::sample::Index>(),
    ) {
        let mut bytes = packet(old, tag, &chunks);
        let len = u16::try_from(bytes.len()).unwrap();
        prop_assume!(Sctp::new_checked(&bytes).unwrap().checksum() != 0);
        prop_assert!(Sctp::new_checked(&bytes).unwrap().checksum_ok());
        let mut damaged = bytes.clone();
        SctpMut::new_checked(&mut bytes).unwrap().set_ports(new[0], new[1], len);
        prop_assert_eq!(&bytes, &packet(new, tag, &chunks));
        let at = 4 + damage.index(bytes.len() - 4);
        damaged[at] ^= 0x10;
        prop_assume!(Sctp::new_checked(&damaged).unwrap().checksum() != 0);
        SctpMut::new_checked(&mut damaged).unwrap().set_ports(new[0], new[1], len);
        prop_assert!(!Sctp::new_checked(&damaged).unwrap().checksum_ok());
    }

    #[test]
    fn any_bytes_are_walked_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let Ok(view) = Sctp::new_checked(&bytes) else {
            prop_assert!(bytes.len() < HEADER_LEN);
            return Ok(());
        };
        let mut covered = HEADER_LEN;
        for chunk in view.chunks() {
            covered += CHUNK_HEADER_LEN + chunk.value.len();
            prop_assert!(covered <= bytes.len());
            covered = covered.next_multiple_of(4);
            if let Some(init) = chunk.init() {
                prop_assert!(init.addresses().count() <= ADDRESSES_MAX);
            }
        }
        prop_assert_eq!(view.first_chunk().is_some(), bytes.len() >= 16);
    }
}

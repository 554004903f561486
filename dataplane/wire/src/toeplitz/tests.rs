// SPDX-License-Identifier: Apache-2.0
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::builder::address;
use crate::ipv4::from_mapped;

/// The key of the "Verifying the RSS hash calculation" page.
const KEY: [u8; KEY_LEN] = [
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0,
    0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c,
    0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
];

/// Source, its port, destination, its port, hash of the addresses, hash of addresses and ports.
type Vector = (&'static str, u16, &'static str, u16, u32, u32);

const VECTORS: [Vector; 8] = [
    (
        "66.9.149.187",
        2794,
        "161.142.100.80",
        1766,
        0x323e_8fc2,
        0x51cc_c178,
    ),
    (
        "199.92.111.2",
        14230,
        "65.69.140.83",
        4739,
        0xd718_262a,
        0xc626_b0ea,
    ),
    (
        "24.19.198.95",
        12898,
        "12.22.207.184",
        38024,
        0xd2d0_a5de,
        0x5c2b_394a,
    ),
    (
        "38.27.205.30",
        48228,
        "209.142.163.6",
        2217,
        0x8298_9176,
        0xafc7_327f,
    ),
    (
        "153.39.163.191",
        44251,
        "202.188.127.2",
        1303,
        0x5d18_09c5,
        0x10e8_28a2,
    ),
    (
        "3ffe:2501:200:1fff::7",
        2794,
        "3ffe:2501:200:3::1",
        1766,
        0x2cc1_8cd5,
        0x4020_7d3d,
    ),
    (
        "3ffe:501:8::260:97ff:fe40:efab",
        14230,
        "ff02::1",
        4739,
        0x0f0c_461c,
        0xdde5_1bbf,
    ),
    (
        "3ffe:1900:4545:3:200:f8ff:fe21:67cf",
        44251,
        "fe80::200:f8ff:fe21:67cf",
        38024,
        0x4b61_e985,
        0x02d1_feef,
    ),
];

fn octets(text: &str) -> Vec<u8> {
    let address = address(text);
    from_mapped(&address).map_or_else(|| address.to_vec(), |v4| v4.to_vec())
}

#[test]
fn the_published_hashes_of_addresses_come_out() {
    for (source, _, destination, _, expected, _) in VECTORS {
        let input = [octets(source), octets(destination)].concat();
        assert_eq!(toeplitz(&KEY, &input), expected, "{source} > {destination}");
    }
}

#[test]
fn the_published_hashes_of_addresses_and_ports_come_out() {
    for (source, source_port, destination, destination_port, _, expected) in VECTORS {
        let mut input = [octets(source), octets(destination)].concat();
        input.extend_from_slice(&source_port.to_be_bytes());
        input.extend_from_slice(&destination_port.to_be_bytes());
        assert_eq!(toeplitz(&KEY, &input), expected, "{source} > {destination}");
    }
}

#[test]
fn a_key_that_repeats_every_sixteen_bits_hashes_both_directions_alike() {
    let mut key = [0; KEY_LEN];
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = if at % 2 == 0 { 0x6d } else { 0x5a };
    }
    let inbound = [10, 0, 0, 1, 10, 0, 0, 100, 0x03, 0xe8, 0, 80];
    let outbound = [10, 0, 0, 100, 10, 0, 0, 1, 0, 80, 0x03, 0xe8];
    assert_eq!(toeplitz(&key, &inbound), toeplitz(&key, &outbound));
}

#[test]
fn nothing_hashes_to_zero_and_input_beyond_the_key_adds_nothing() {
    assert_eq!(toeplitz(&KEY, &[]), 0);
    let long = [0xa5; 100];
    assert_eq!(toeplitz(&KEY, &long), toeplitz(&KEY, &long[..36]));
}

proptest! {
    #[test]
    fn the_sums_of_parts_are_the_hash(
        key in any::<[u8; 52]>(),
        input in proptest::collection::vec(any::<u8>(), 0..48),
        cuts in any::<[prop::sample::Index; 3]>(),
    ) {
        let sums = sums(&key).unwrap();
        let mut cuts = cuts.map(|cut| cut.index(input.len() + 1));
        cuts.sort_unstable();
        let [a, b, c] = cuts;
        let hash = [(0, a), (a, b), (b, c), (c, input.len())]
            .into_iter()
            .fold(0, |hash, (from, to)| hash ^ add(&sums, from, &input[from..to]));
        prop_assert_eq!(hash, toeplitz(key.first_chunk().unwrap(), &input));
    }
}

#[test]
fn a_short_key_has_no_sums_and_a_long_one_is_cut() {
    assert_eq!(sums(&KEY[..39]), None);
    let mut long = KEY.to_vec();
    long.extend([0xff; 12]);
    assert_eq!(sums(&long), sums(&KEY));
    assert_eq!(sums(&KEY).unwrap().len(), 72);
}

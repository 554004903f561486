// SPDX-License-Identifier: Apache-2.0
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn long(first: u8, version: u32, id: &[u8]) -> Vec<u8> {
    let mut bytes = std::vec![first];
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.push(u8::try_from(id.len()).unwrap());
    bytes.extend_from_slice(id);
    bytes.extend_from_slice(&[0; 30]);
    bytes
}

#[test]
fn a_short_header_names_the_server() {
    let mut packet = std::vec![0x40];
    packet.extend_from_slice(&[0x2a, 0x0a, 0x0b, 9, 9, 9, 9]);
    let Some(Destination::Server(id)) = destination(&packet) else {
        panic!("no server");
    };
    assert_eq!(server_id(id, 1, 2), Some(&[0x0a, 0x0b][..]));
    assert_eq!(server_id(id, 2, 2), None, "made under another config");
    assert_eq!(server_id(id, 1, 15), None, "longer than the id");
}

#[test]
fn of_a_long_header_the_type_decides_who_made_the_id() {
    let id = [0x00, 7, 1, 2, 3, 4];
    // RFC 9000 §17.2: Initial, 0-RTT, Handshake, Retry.
    for (first, by_server) in [(0xc0, false), (0xd0, false), (0xe0, true), (0xf0, true)] {
        let packet = long(first, 1, &id);
        let expected = if by_server {
            Destination::Server(&id)
        } else {
            Destination::Client
        };
        assert_eq!(destination(&packet), Some(expected), "version 1 {first:#x}");
    }
    // RFC 9369 §3.2: Retry, Initial, 0-RTT, Handshake.
    for (first, by_server) in [(0xc0, true), (0xd0, false), (0xe0, false), (0xf0, true)] {
        let packet = long(first, 0x6b33_43cf, &id);
        let named = matches!(destination(&packet), Some(Destination::Server(_)));
        assert_eq!(named, by_server, "version 2 {first:#x}");
    }
    for version in [0, 2, 0xff00_001d, 0x0a0a_0a0a] {
        let packet = long(0xe0, version, &id);
        assert_eq!(
            destination(&packet),
            Some(Destination::Client),
            "{version:#x}"
        );
    }
}

#[test]
fn what_is_cut_is_not_quic() {
    let whole = long(0xe0, 1, &[0x20, 1, 2, 3]);
    let header_len = 6 + 4;
    for len in 0..header_len {
        assert_eq!(destination(&whole[..len]), None, "{len} bytes");
    }
    assert!(destination(&whole[..header_len]).is_some());
    assert_eq!(destination(&[0x40]), Some(Destination::Server(&[])));
    assert_eq!(server_id(&[], 0, 1), None);
}

#[test]
fn a_longer_id_than_version_1_has_is_nobodys() {
    let id = [0; 21];
    assert_eq!(destination(&long(0xe0, 1, &id)), Some(Destination::Client));
}

#[test]
fn unroutable_is_no_config() {
    assert_eq!(server_id(&[0xe0, 1, 2], 7, 1), None);
    assert_eq!(server_id(&[0xc0, 1, 2], 6, 1), Some(&[1][..]));
}

proptest! {
    #[test]
    fn what_a_server_encodes_is_read_back(
        config in 0..=CONFIG_MAX,
        random in 0u8..32,
        server in prop::collection::vec(any::<u8>(), 1..=SERVER_ID_LEN_MAX),
        nonce in prop::collection::vec(any::<u8>(), 4..6),
        is_long in any::<bool>(),
    ) {
        let mut id = std::vec![config << 5 | random];
        id.extend_from_slice(&server);
        id.extend_from_slice(&nonce);
        prop_assume!(id.len() <= CONNECTION_ID_LEN_MAX);
        let packet = if is_long {
            long(0xe3, 1, &id)
        } else {
            [&[0x41][..], &id, &[0xaa; 40]].concat()
        };
        let Some(Destination::Server(found)) = destination(&packet) else {
            return Err(TestCaseError::fail("not addressed to a server"));
        };
        let len = u8::try_from(server.len()).unwrap();
        prop_assert_eq!(server_id(found, config, len), Some(&server[..]));
    }

    #[test]
    fn any_bytes_stay_within_what_is_there(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Some(Destination::Server(id)) = destination(&bytes) {
            prop_assert!(id.len() <= CONNECTION_ID_LEN_MAX);
            for len in 0..=u8::MAX {
                if let Some(server) = server_id(id, 3, len) {
                    prop_assert_eq!(server.len(), usize::from(len));
                    prop_assert!(id.len() > usize::from(len));
                }
            }
        }
        let short = bytes.first().is_some_and(|first| first & 0x80 == 0);
        prop_assert!(!short || destination(&bytes).is_some());
    }
}

// SPDX-License-Identifier: Apache-2.0
use super::*;

#[test]
fn a_plain_header_is_four_bytes_as_linux_writes_it() {
    let mut bytes = [0xff; 4];
    assert_eq!(write(&mut bytes, EtherType::IPV4, false), Ok(4));
    assert_eq!(bytes, [0, 0, 8, 0]);
    let view = Gre::new_checked(&bytes).unwrap();
    assert_eq!((view.protocol(), view.header_len()), (EtherType::IPV4, 4));
    assert!(!view.has_checksum() && view.checksum_ok());
    assert!(view.payload().is_empty());
}

#[test]
fn a_checksum_covers_header_and_payload() {
    let mut bytes = *b"........payload";
    assert_eq!(write(&mut bytes, EtherType::IPV6, true), Ok(8));
    assert_eq!(bytes[..8], [0x80, 0, 0x86, 0xdd, 0, 0, 0, 0]);
    let sum = checksum::of(&bytes);
    set_checksum(&mut bytes, sum).unwrap();
    let view = Gre::new_checked(&bytes).unwrap();
    assert!(view.has_checksum() && view.checksum_ok());
    assert_eq!(view.payload(), b"payload");
    bytes[9] ^= 1;
    assert!(!Gre::new_checked(&bytes).unwrap().checksum_ok());
}

#[test]
fn key_and_sequence_number_are_stepped_over() {
    let bytes = [0x30, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x45];
    let view = Gre::new_checked(&bytes).unwrap();
    assert_eq!((view.header_len(), view.payload()), (12, &[0x45][..]));
}

#[test]
fn what_must_be_discarded_is_refused() {
    for flags in [[0x40, 0], [0x08, 0], [0x04, 0], [0, 1], [0, 7]] {
        let bytes = [flags[0], flags[1], 8, 0, 0, 0, 0, 0];
        assert_eq!(
            Gre::new_checked(&bytes).unwrap_err(),
            WireError::Unknown,
            "{flags:?}"
        );
    }
}

#[test]
fn a_cut_header_is_refused_and_a_short_target_left_alone() {
    assert_eq!(
        Gre::new_checked(&[0, 0, 8]).unwrap_err(),
        WireError::Truncated
    );
    assert_eq!(
        Gre::new_checked(&[0x80, 0, 8, 0, 1, 2, 3]).unwrap_err(),
        WireError::Truncated
    );
    let mut short = [1; 7];
    assert_eq!(
        write(&mut short, EtherType::IPV4, true),
        Err(WireError::NoRoom)
    );
    assert_eq!(set_checksum(&mut short[..5], 0), Err(WireError::NoRoom));
    assert_eq!(short, [1; 7]);
}

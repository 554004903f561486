// SPDX-License-Identifier: Apache-2.0
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// Bit by bit, as RFC 9260 Appendix A describes it.
fn slow(bytes: &[u8]) -> u32 {
    let mut register = u32::MAX;
    for byte in bytes {
        register ^= u32::from(*byte);
        for _ in 0..8 {
            let odd = register & 1 == 1;
            register >>= 1;
            if odd {
                register ^= 0x82f6_3b78;
            }
        }
    }
    !register
}

#[test]
fn known_answers() {
    // The check value of the CRC catalogues, and RFC 3720 §B.4.
    assert_eq!(of(b"123456789"), 0xe306_9283);
    assert_eq!(of(&[0; 32]), 0x8a91_36aa);
    assert_eq!(of(&[0xff; 32]), 0x62a8_ab43);
    let ascending: Vec<u8> = (0..32).collect();
    assert_eq!(of(&ascending), 0x46dd_794e);
    let descending: Vec<u8> = (0..32).rev().collect();
    assert_eq!(of(&descending), 0x113f_db5c);
    assert_eq!(of(&[]), 0);
}

#[test]
fn an_update_at_the_largest_distance() {
    let mut text = std::vec![0x5a; 65_535 + 4];
    let before = of(&text);
    text[..4].copy_from_slice(&[1, 2, 3, 4]);
    assert_eq!(update(before, [0x5a; 4], [1, 2, 3, 4], 65_535), of(&text));
    assert_eq!(update(before, [1; 4], [1; 4], 9), before);
}

proptest! {
    #[test]
    fn eight_bytes_a_step_is_bit_by_bit(text in prop::collection::vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(of(&text), slow(&text));
    }

    #[test]
    fn pieces_make_the_whole(
        text in prop::collection::vec(any::<u8>(), 0..200),
        cut in any::<prop::sample::Index>(),
    ) {
        let (first, second) = text.split_at(cut.index(text.len() + 1));
        prop_assert_eq!(Crc::new().with(first).with(second).finish(), slow(&text));
    }

    #[test]
    fn an_update_is_what_a_new_crc_says(
        mut text in prop::collection::vec(any::<u8>(), 4..2000),
        at in any::<prop::sample::Index>(),
        new in any::<[u8; 4]>(),
        damage in any::<u32>(),
    ) {
        let at = at.index(text.len() - 3);
        let behind = u16::try_from(text.len() - at - 4).unwrap();
        let before = of(&text);
        let old: [u8; 4] = text[at..at + 4].try_into().unwrap();
        text[at..at + 4].copy_from_slice(&new);
        prop_assert_eq!(update(before, old, new, behind), slow(&text));
        // Damage stays what it was.
        prop_assert_eq!(update(before ^ damage, old, new, behind), slow(&text) ^ damage);
    }
}

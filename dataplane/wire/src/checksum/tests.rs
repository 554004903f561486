// SPDX-License-Identifier: Apache-2.0
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::builder::address;
use crate::ipv4::to_mapped;

/// The sum as RFC 1071 §4.1 computes it, word by word.
fn sum_by_words(bytes: &[u8]) -> u16 {
    let mut total: u32 = 0;
    for pair in bytes.chunks(2) {
        total += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        total = (total & 0xffff) + (total >> 16);
    }
    u16::try_from(total).unwrap()
}

#[test]
fn the_example_of_rfc_1071_sums_up() {
    assert_eq!(
        sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]),
        0xddf2
    );
}

#[test]
fn nothing_and_zeros_sum_up_to_zero() {
    assert_eq!(sum(&[]), 0);
    assert_eq!(sum(&[0; 33]), 0);
    assert_eq!(of(&[]), 0xffff);
}

#[test]
fn an_odd_last_byte_is_the_high_half_of_a_word() {
    assert_eq!(sum(&[0xab]), 0xab00);
    assert_eq!(sum(&[0, 0, 0xab]), 0xab00);
    assert_eq!(sum(&[0, 0, 0, 0, 0, 1, 0xab]), 0xab01);
}

#[test]
fn the_longest_packet_of_ones_does_not_overflow() {
    assert_eq!(
        sum(&std::vec![0xff; 65_535]),
        sum_by_words(&std::vec![0xff; 65_535])
    );
}

#[test]
fn the_example_of_rfc_1624_gives_zero_not_minus_zero() {
    // §4: the header sums to 0xcd7a without its checksum and without the word that changes.
    assert_eq!(update16(0xdd2f, 0x5555, 0x3285), 0x0000);
}

#[test]
fn a_sum_wraps_around() {
    assert_eq!(add(0xffff, 0x0001), 0x0001);
    assert_eq!(add(0x8000, 0x8001), 0x0002);
    assert_eq!(add(0xffff, 0xffff), 0xffff);
}

#[test]
fn the_pseudo_header_of_mapped_addresses_is_that_of_ipv4() {
    let (source, destination) = ([10, 0, 0, 1], [192, 0, 2, 200]);
    let v4 = pseudo_v4(source, destination, IpProtocol::TCP, 1460);
    let mapped = pseudo_v6(
        &to_mapped(source),
        &to_mapped(destination),
        IpProtocol::TCP,
        1460,
    );
    assert_eq!(v4, mapped);
}

#[test]
fn the_pseudo_header_of_ipv6_holds_addresses_length_and_protocol() {
    let bytes = [
        &address("2001:db8::1")[..],
        &address("2001:db8::2"),
        &70_000u32.to_be_bytes(),
        &[0, 0, 0, 17],
    ]
    .concat();
    let pseudo = pseudo_v6(
        &address("2001:db8::1"),
        &address("2001:db8::2"),
        IpProtocol::UDP,
        70_000,
    );
    assert_eq!(pseudo, sum_by_words(&bytes));
}

#[test]
fn a_known_udp_datagram_has_its_known_checksum() {
    // 192.168.0.31 > 192.168.0.30, ports 20 and 10, "Hi"; the textbook's answer is 0x35c5.
    let pseudo = pseudo_v4([192, 168, 0, 31], [192, 168, 0, 30], IpProtocol::UDP, 10);
    assert_eq!(
        transport(pseudo, &[0, 20, 0, 10, 0, 10, 0, 0, b'H', b'i']),
        0x35c5
    );
}

#[test]
fn udp_never_sends_a_computed_zero() {
    assert_eq!(udp_to_wire(0), 0xffff);
    assert_eq!(udp_to_wire(1), 1);
    assert_eq!(udp_to_wire(0xffff), 0xffff);
}

#[test]
fn udp_without_a_checksum_stays_without() {
    assert_eq!(Delta::new().word(1, 2).apply_udp(0), 0);
}

#[test]
fn udp_whose_updated_checksum_is_zero_sends_ones() {
    assert_eq!(Delta::new().word(0x5555, 0x3285).apply(0xdd2f), 0);
    assert_eq!(Delta::new().word(0x5555, 0x3285).apply_udp(0xdd2f), 0xffff);
}

#[test]
fn a_delta_of_nothing_changes_nothing() {
    for checksum in 0..0xffff {
        assert_eq!(Delta::new().apply(checksum), checksum);
        assert_eq!(Delta::new().word(0x1234, 0x1234).apply(checksum), checksum);
    }
}

proptest! {
    #[test]
    fn the_fast_sum_is_the_sum_by_words(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(sum(&bytes), sum_by_words(&bytes));
    }

    #[test]
    fn a_word_changed_anywhere_is_as_if_summed_anew(
        mut bytes in vec(any::<u8>(), 4..200),
        at in any::<prop::sample::Index>(),
        new in prop_oneof![any::<u16>(), Just(0), Just(0xffff)],
    ) {
        bytes[0] |= 1; // bytes that are all zero have the other zero for a checksum
        let at = 2 + 2 * at.index((bytes.len() - 2) / 2);
        let checksum = of(&bytes);
        let old = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        bytes[at..at + 2].copy_from_slice(&new.to_be_bytes());
        prop_assert_eq!(update16(checksum, old, new), of(&bytes));
    }

    #[test]
    fn four_bytes_changed_at_an_even_offset_are_as_if_summed_anew(
        prefix in 1..=u16::MAX, old: u32, new: u32,
    ) {
        let whole = |value: u32| of(&[&prefix.to_be_bytes()[..], &value.to_be_bytes()].concat());
        prop_assert_eq!(update32(whole(old), old, new), whole(new));
    }

    #[test]
    fn an_address_changed_is_as_if_summed_anew(
        prefix in 1..=u16::MAX, old: [u8; 16], new: [u8; 16],
    ) {
        let whole = |value: &[u8]| of(&[&prefix.to_be_bytes()[..], value].concat());
        prop_assert_eq!(update_address(whole(&old), &old, &new), whole(&new));
    }

    #[test]
    fn mapped_addresses_change_an_ipv4_checksum_as_ipv4_addresses_do(
        checksum: u16, old: [u8; 4], new: [u8; 4],
    ) {
        let by_address = update_address(checksum, &to_mapped(old), &to_mapped(new));
        let by_long = update32(checksum, u32::from_be_bytes(old), u32::from_be_bytes(new));
        prop_assert_eq!(by_address, by_long);
    }

    #[test]
    fn a_delta_of_many_is_the_deltas_one_after_another(
        checksum: u16,
        words in vec(any::<(u16, u16)>(), 0..20),
        longs in vec(any::<(u32, u32)>(), 0..20),
    ) {
        let words_delta =
            words.iter().fold(Delta::new(), |delta, (old, new)| delta.word(*old, *new));
        let all = longs.iter().fold(words_delta, |delta, (old, new)| delta.long(*old, *new));
        let mut one_by_one = checksum;
        for (old, new) in &words {
            one_by_one = update16(one_by_one, *old, *new);
        }
        for (old, new) in &longs {
            one_by_one = update32(one_by_one, *old, *new);
        }
        if words.is_empty() && longs.is_empty() {
            prop_assert_eq!(all.apply(checksum), checksum);
        } else {
            prop_assert_eq!(all.apply(checksum), one_by_one);
        }
        prop_assert_eq!(words_delta.and(Delta::new()).apply(checksum), words_delta.apply(checksum));
    }

    #[test]
    fn a_wrong_checksum_keeps_its_error(
        checksum in 0..0xffffu16, error in 1..0xffffu16, old: u16, new: u16,
    ) {
        let right = update16(checksum, old, new);
        let wrong = update16(add(checksum, error), old, new);
        prop_assert_eq!(add(right, error) % 0xffff, wrong % 0xffff);
    }
}

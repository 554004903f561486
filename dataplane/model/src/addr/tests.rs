// SPDX-License-Identifier: Apache-2.0
use std::format;
use std::string::ToString;

use proptest::prelude::*;

use super::*;

fn addr(text: &str) -> Addr {
    text.parse().unwrap()
}

#[test]
fn addresses_are_read_and_written_in_both_families() {
    for text in [
        "10.0.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "2001:db8::1",
        "::",
        "fe80::1",
    ] {
        assert_eq!(addr(text).to_string(), text);
    }
    for text in [
        "",
        "10.0.0",
        "10.0.0.256",
        "10.0.0.1:80",
        "010.0.0.1",
        "fe80::1%eth0",
        "[::1]",
        " ::1",
    ] {
        assert!(text.parse::<Addr>().is_err(), "{text:?}");
    }
}

#[test]
fn a_mapped_address_is_the_ipv4_address() {
    assert_eq!(addr("::ffff:10.0.0.1"), addr("10.0.0.1"));
    assert!(addr("::ffff:10.0.0.1").is_v4());
    assert_eq!(addr("10.0.0.1").v4_octets(), [10, 0, 0, 1]);
    assert_eq!((addr("10.0.0.1").bits(), addr("::1").bits()), (32, 128));
    assert!(!addr("::10.0.0.1").is_v4());
}

#[test]
fn kinds_of_addresses_are_told_apart() {
    let kinds = |text: &str| {
        let addr = addr(text);
        (
            addr.is_multicast_or_broadcast(),
            addr.is_link_local(),
            addr.is_unspecified(),
        )
    };
    for (text, expected) in [
        ("224.0.0.1", (true, false, false)),
        ("239.255.255.255", (true, false, false)),
        ("240.0.0.1", (false, false, false)),
        ("255.255.255.255", (true, false, false)),
        ("ff02::1", (true, false, false)),
        ("169.254.0.1", (false, true, false)),
        ("169.255.0.1", (false, false, false)),
        ("fe80::1", (false, true, false)),
        ("febf::1", (false, true, false)),
        ("fec0::1", (false, false, false)),
        ("0.0.0.0", (false, false, true)),
        ("::", (false, false, true)),
        ("0.0.0.1", (false, false, false)),
        ("10.0.0.1", (false, false, false)),
    ] {
        assert_eq!(kinds(text), expected, "{text}");
    }
}

#[test]
fn prefixes_are_read_with_their_host_bits_and_errors_say_which_part() {
    let prefix: Prefix = "10.0.0.1/24".parse().unwrap();
    assert_eq!((prefix.addr, prefix.len), (addr("10.0.0.1"), 24));
    assert_eq!(prefix.network(), addr("10.0.0.0"));
    assert_eq!(prefix.to_string(), "10.0.0.1/24");
    assert_eq!(prefix.len_in_128(), 120);
    for (text, error) in [
        ("10.0.0.1", PrefixError::NoLen),
        ("10.0.0/24", PrefixError::Addr),
        ("10.0.0.1/33", PrefixError::Len),
        ("10.0.0.1/-1", PrefixError::Len),
        ("10.0.0.1/", PrefixError::Len),
        ("::1/129", PrefixError::Len),
        ("::1/300", PrefixError::Len),
        ("::ffff:10.0.0.1/128", PrefixError::Len),
    ] {
        assert_eq!(text.parse::<Prefix>(), Err(error), "{text}");
    }
}

#[test]
fn a_prefix_contains_its_own_family_only() {
    let contains =
        |prefix: &str, inside: &str| prefix.parse::<Prefix>().unwrap().contains(addr(inside));
    assert!(contains("10.0.0.0/8", "10.255.0.1"));
    assert!(!contains("10.0.0.0/8", "11.0.0.1"));
    assert!(contains("0.0.0.0/0", "11.0.0.1"));
    assert!(!contains("0.0.0.0/0", "2001:db8::1"));
    assert!(contains("::/0", "2001:db8::1"));
    assert!(!contains("::/0", "10.0.0.1"));
    assert!(contains("10.0.0.7/32", "10.0.0.7"));
    assert!(!contains("10.0.0.7/32", "10.0.0.6"));
}

#[test]
fn macs_are_written_in_hex_and_know_their_group_bit() {
    assert_eq!(Mac([2, 0, 0xab, 0, 0, 1]).to_string(), "02:00:ab:00:00:01");
    assert_eq!(format!("{:?}", Mac([0; 6])), "00:00:00:00:00:00");
    assert!(Mac([0xff; 6]).is_group() && Mac([1, 0, 0x5e, 0, 0, 1]).is_group());
    assert!(!Mac([2, 0, 0, 0, 0, 1]).is_group());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_there_and_back_is_identity(octets: [u8; 16], v4: bool) {
        let mut octets = octets;
        if v4 {
            octets[..12].copy_from_slice(&V4_MAPPED);
        }
        let addr = Addr::from_octets(octets);
        prop_assert_eq!(addr.to_string().parse(), Ok(addr));
        prop_assert_eq!(Addr::from(addr.to_ip()), addr);
        prop_assert_eq!(addr.octets(), &octets);
    }

    #[test]
    fn a_mask_keeps_the_first_bits_and_clears_the_others(octets: [u8; 16], len in 0u8..=128) {
        let masked = mask(Addr::from_octets(octets), len);
        for bit in 0..128usize {
            let of = |octets: &[u8; 16]| octets[bit / 8] >> (7 - bit % 8) & 1;
            let expected = if bit < usize::from(len) { of(&octets) } else { 0 };
            prop_assert_eq!(of(masked.octets()), expected, "bit {}", bit);
        }
        prop_assert_eq!(mask(masked, len), masked);
    }
}

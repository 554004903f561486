// SPDX-License-Identifier: Apache-2.0
use std::vec::Vec;

use proptest::prelude::*;
use wire::buffer::TestBuf;
use wire::builder::{Checksum, Frame, transport_checksum};
use wire::packet::parse;
use wire::tcp::flags::SYN;

use super::*;

fn syn(v4: bool, options: &[u8]) -> Frame {
    let (from, to) = if v4 {
        ("10.0.0.9:1", "10.0.0.100:80")
    } else {
        ("[2001:db8::9]:1", "[2001:db8::100]:80")
    };
    Frame::tcp(from, to).flags(SYN).tcp_options(options)
}

fn clamped(frame: &[u8], max: u16) -> (bool, Vec<u8>) {
    let mut packet = TestBuf::new(frame);
    let parsed = parse(frame, frame.len()).unwrap();
    let changed = clamp(&mut packet, &parsed, max);
    (changed, packet.frame())
}

#[test]
fn a_larger_one_is_lowered_wherever_it_stands() {
    for v4 in [true, false] {
        for before in [
            &[][..],
            &[1],
            &[1, 1],
            &[3, 3, 7],
            &[8, 10, 1, 2, 3, 4, 5, 6, 7, 8],
        ] {
            let with = |mss: u16| {
                let mut options = before.to_vec();
                options.extend([2, 4]);
                options.extend(mss.to_be_bytes());
                options.resize(options.len().next_multiple_of(4), 1);
                syn(v4, &options).build()
            };
            assert_eq!(clamped(&with(1460), 1400), (true, with(1400)), "{before:?}");
            assert_eq!(clamped(&with(1400), 1400), (false, with(1400)));
            assert_eq!(clamped(&with(536), 1400), (false, with(536)));
        }
    }
}

#[test]
fn what_has_no_such_option_or_a_broken_list_is_left_alone() {
    for options in [
        &[][..],
        &[1, 1, 1, 1],
        &[0, 0, 2, 4, 5, 0xb4, 0, 0],
        &[3, 0, 2, 4, 5, 0xb4, 1, 1],
        &[3, 1, 2, 4, 5, 0xb4, 1, 1],
        &[2, 3, 5, 0xb4],
        &[1, 1, 2, 4],
        &[1, 1, 1, 2],
        &[30, 200, 2, 4],
    ] {
        let frame = syn(true, options).build();
        assert_eq!(clamped(&frame, 600), (false, frame));
    }
    let udp = Frame::udp("10.0.0.9:1", "10.0.0.100:53")
        .payload_len(60)
        .build();
    assert_eq!(clamped(&udp, 600), (false, udp));
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(500)
    })]

    #[test]
    fn whatever_the_options_the_sum_stays_right(
        options in proptest::collection::vec(any::<u8>(), 0..10),
        v4: bool,
        max: u16,
    ) {
        let options: Vec<u8> = options.iter().flat_map(|byte| [2, 4, *byte, 1]).collect();
        let (_, out) = clamped(&syn(v4, &options).build(), max);
        prop_assert_eq!(transport_checksum(&out), Checksum::Good);
    }
}

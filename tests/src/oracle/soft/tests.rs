// SPDX-License-Identifier: Apache-2.0

use wire::builder::Frame;
use wire::icmp::{ErrorMessage, error_len, write_error};

use super::{LocalErrors, errors_agree, expiry_agrees, may_be_missing};
use crate::oracle::case::{Frame as Recorded, PacketStep, Side};

const VIP: [u8; 4] = [10, 0, 0, 100];
const OTHER: [u8; 4] = [10, 0, 0, 1];
const CLIENT: [u8; 4] = [10, 9, 9, 9];

/// A time exceeded about `about`.
fn error(source: [u8; 4], about: &[u8]) -> Vec<u8> {
    let quoted = &about[14..];
    let mut frame = vec![0; 14 + error_len(quoted)];
    frame[12] = 8;
    write_error(
        &mut frame[14..],
        ErrorMessage::ttl_exceeded(),
        source,
        CLIENT,
        1,
        quoted,
    )
    .expect("there is room");
    frame
}

fn segment() -> Frame {
    Frame::tcp("10.9.9.9:1000", "10.0.0.100:80")
}

#[test]
fn errors_may_differ_in_source_and_in_ttl_and_checksum_of_the_quote() {
    let kernel = error(VIP, &segment().build());
    assert!(errors_agree(&kernel, &kernel));
    assert!(errors_agree(&kernel, &error(OTHER, &segment().build())));
    assert!(errors_agree(
        &kernel,
        &error(VIP, &segment().ttl(3).build())
    ));
    let mut stale = segment().build();
    stale[14 + 20 + 16] ^= 0x55;
    assert!(errors_agree(&kernel, &error(VIP, &stale)));
}

#[test]
fn errors_may_not_differ_in_anything_else() {
    let kernel = error(VIP, &segment().build());
    for place in [0, 15, 22, 30, 34, 35, 38, 42 + 12, 42 + 20, 42 + 24] {
        let mut other = kernel.clone();
        other[place] ^= 1;
        assert!(!errors_agree(&kernel, &other), "byte {place}");
    }
    let plain = segment().build();
    assert!(!errors_agree(&plain, &plain), "not errors at all");
    assert!(!errors_agree(&kernel, &kernel[..60]));
}

#[test]
fn a_local_error_may_be_missing_from_the_counters() {
    let input = segment().build();
    let answer = error(VIP, &input);
    let bytes = (answer.len() - 14) as u64;
    let step = PacketStep {
        input: Recorded {
            side: Side::Client,
            bytes: input,
        },
        flow: None,
        note: None,
        out: vec![Recorded {
            side: Side::Client,
            bytes: answer,
        }],
        masks: vec![],
        host: vec![],
        routed: vec![],
    };
    let mut errors = LocalErrors::default();
    let with = [1, 2, 3 + 1, 200, 300 + bytes];
    let without = [1, 2, 3, 200, 300];
    assert!(!errors.agree(with, without), "none was made yet");
    errors.note(&step);
    assert!(errors.agree(with, without));
    assert!(errors.agree(with, with));
    assert!(!errors.agree(without, with), "never more than the kernel");
    assert!(!errors.agree([1, 2, 5, 200, 300 + bytes], without));
    assert!(!errors.agree([1, 3, 4, 200, 300 + bytes], without));
    assert!(!errors.agree([1, 2, 4, 200, 300], without));
}

#[test]
fn long_timers_have_the_wider_tolerance() {
    assert!(expiry_agrees(120, 118) && !expiry_agrees(120, 117));
    assert!(expiry_agrees(899, 879) && !expiry_agrees(899, 878));
    assert!(may_be_missing(1) && !may_be_missing(2));
}

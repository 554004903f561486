// SPDX-License-Identifier: Apache-2.0
use super::*;

#[test]
fn the_greatest_common_divisor_ignores_zeros() {
    assert_eq!(gcd(0, 0), 0);
    assert_eq!(gcd(0, 6), 6);
    assert_eq!(gcd(6, 0), 6);
    assert_eq!(gcd(12, 18), 6);
    assert_eq!(gcd(7, 13), 1);
    assert_eq!(gcd(65_535, 65_535), 65_535);
}

#[test]
fn the_mark_moves_as_the_kernels() {
    let mut mark = WrrMark::EMPTY;
    mark.change(1, 1);
    assert_eq!(mark.cw, 1, "the first server sets it");
    mark.change(5, 1);
    assert_eq!(mark.cw, 1, "a heavier one leaves it");
    mark.cw = 5;
    mark.change(3, 1);
    assert_eq!(mark.cw, 3, "clipped");
    mark.change(21, 10);
    assert_eq!(mark.cw, 1, "aligned: (3 / 10) * 10 + 1");
    mark.cw = 15;
    mark.change(21, 10);
    assert_eq!(mark.cw, 11);
    mark.change(0, 1);
    assert_eq!(mark.cw, 0, "nobody is left");
    mark.change(4, 1);
    assert_eq!(mark.cw, 4);
}

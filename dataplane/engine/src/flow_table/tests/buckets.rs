// SPDX-License-Identifier: Apache-2.0
//! Buckets, lanes and the second bucket of a key.

use proptest::prelude::*;
use std::vec::Vec;

use super::super::index::{LANES, Lane, Signature, other};
use super::*;

fn bucket(signatures: &[u16; LANES]) -> Bucket {
    let mut bucket = Bucket::default();
    for (lane, signature) in Lane::ALL.into_iter().zip(signatures) {
        bucket.set(lane, Signature::new(*signature), reference(lane), false);
    }
    bucket
}

fn reference(lane: Lane) -> Reference {
    Reference::new(
        FlowId(u32::try_from(lane.index()).unwrap() + 100),
        Direction::Outbound,
    )
}

/// The lanes that hold `signature` in full.
fn holders(bucket: &Bucket, signature: Signature) -> Vec<usize> {
    let lanes = bucket.lanes(signature);
    lanes
        .filter(|lane| bucket.checked(*lane, signature).is_some())
        .map(Lane::index)
        .collect()
}

#[test]
fn an_empty_bucket_has_every_lane_free() {
    assert!(Bucket::default().free().eq(Lane::ALL));
    assert!(Bucket::default().has_none_astray());
}

#[test]
fn each_lane_is_found_by_its_signature() {
    let bucket = bucket(&[11, 22, 33, 44, 55, 66, 77, 88]);
    for (lane, signature) in Lane::ALL.into_iter().zip([11, 22, 33, 44, 55, 66, 77, 88]) {
        let signature = Signature::new(signature);
        assert_eq!(holders(&bucket, signature), [lane.index()]);
        assert_eq!(bucket.signature(lane), signature);
        assert_eq!(bucket.checked(lane, signature), Some(reference(lane)));
    }
    assert_eq!(bucket.free().next(), None);
    assert_eq!(holders(&bucket, Signature::new(12)), []);
}

#[test]
fn signatures_that_share_half_their_bits_are_told_apart() {
    let bucket = bucket(&[
        0x0101, 0x0102, 0x0201, 0x0202, 0x0301, 0x0302, 0x0401, 0x0402,
    ]);
    assert_eq!(holders(&bucket, Signature::new(0x0201)), [2]);
    assert_eq!(holders(&bucket, Signature::new(0x0501)), []);
    assert_eq!(holders(&bucket, Signature::new(0x0103)), []);
}

#[test]
fn a_signature_never_looks_like_a_free_lane() {
    for bits in 0..=u16::MAX {
        let signature = Signature::new(bits).bits();
        assert_ne!(signature & 0xff, 0);
        assert!(signature == bits || (bits & 0xff == 0 && signature == bits + 1));
    }
}

#[test]
fn a_reference_keeps_entry_and_direction() {
    for flow in [0, 1, (1 << 28) - 1] {
        for direction in [Direction::Inbound, Direction::Outbound] {
            let reference = Reference::new(FlowId(flow), direction);
            assert_eq!(
                (reference.flow(), reference.direction()),
                (FlowId(flow), direction)
            );
        }
    }
}

/// Values whose octets border on one another in the word comparison.
fn edgy() -> impl Strategy<Value = u16> {
    prop::sample::select(
        [
            1u16, 2, 0x7f, 0x80, 0x81, 0xff, 0xfe, 0x0101, 0x0180, 0x8001, 0x7f7f, 0xffff,
        ]
        .as_slice(),
    )
}

proptest! {
    #[test]
    fn lanes_are_exactly_those_that_hold_the_signature(
        signatures in prop::array::uniform8(edgy()),
        sought in edgy(),
    ) {
        let expected: Vec<_> = (0..LANES).filter(|lane| signatures[*lane] == sought).collect();
        prop_assert_eq!(holders(&bucket(&signatures), Signature::new(sought)), expected);
    }

    #[test]
    fn setting_a_lane_leaves_the_others(
        signatures in prop::array::uniform8(any::<u16>()),
        at in 0..LANES,
        signature in any::<u16>(),
    ) {
        let before = bucket(&signatures);
        let mut changed = before;
        let new = Reference::new(FlowId(7), Direction::Inbound);
        changed.set(Lane::ALL[at], Signature::new(signature), new, true);
        for lane in Lane::ALL {
            let (held, refers) = if lane.index() == at {
                (Signature::new(signature), new)
            } else {
                (before.signature(lane), reference(lane))
            };
            prop_assert_eq!(changed.signature(lane), held);
            prop_assert_eq!(changed.reference(lane), refers);
        }
    }

    #[test]
    fn the_other_bucket_of_the_other_bucket_is_the_first(
        buckets in 1usize..1 << 28,
        place in any::<u32>(),
        signature in any::<u16>(),
    ) {
        let signature = Signature::new(signature);
        let first = u32::try_from((u64::from(place) * buckets as u64) >> 32).unwrap();
        let second = other(first, signature, buckets);
        prop_assert!((second as usize) < buckets);
        prop_assert_eq!(other(second, signature, buckets), first);
    }
}

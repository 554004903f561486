// SPDX-License-Identifier: Apache-2.0
//! Buckets, lanes and the second bucket of a key.

use proptest::prelude::*;
use std::vec::Vec;

use super::super::index::{LANES, other};
use super::*;

fn bucket(signatures: &[u16]) -> Bucket {
    let mut bucket = Bucket::default();
    for (lane, signature) in signatures.iter().enumerate() {
        let lane = u32::try_from(lane).unwrap();
        bucket.set(
            lane,
            *signature,
            Reference::new(FlowId(lane + 100), Direction::Outbound),
        );
    }
    bucket
}

#[test]
fn an_empty_bucket_has_every_lane_free() {
    let mut free: Vec<_> = Bucket::default().lanes(0).collect();
    free.sort_unstable();
    assert_eq!(free, (0..10).collect::<Vec<_>>());
}

#[test]
fn each_lane_is_found_by_its_signature() {
    let bucket = bucket(&[11, 22, 33, 44, 55, 66, 77, 88, 99, 110]);
    for lane in 0..10u16 {
        let found: Vec<_> = bucket.lanes(11 * (lane + 1)).collect();
        assert_eq!(found, [u32::from(lane)]);
        assert_eq!(bucket.signature(u32::from(lane)), 11 * (lane + 1));
        let reference = bucket.reference(u32::from(lane));
        assert_eq!(reference.flow(), FlowId(u32::from(lane) + 100));
        assert_eq!(reference.direction(), Direction::Outbound);
    }
    assert_eq!(bucket.lanes(0).next(), None);
    assert_eq!(bucket.lanes(12).next(), None);
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

proptest! {
    #[test]
    fn lanes_are_exactly_those_that_hold_the_signature(
        signatures in prop::array::uniform10(prop::sample::select(
            [0u16, 1, 2, 0x7fff, 0x8000, 0x8001, 0xffff, 0xfffe, 0x0100].as_slice(),
        )),
        sought in prop::sample::select(
            [0u16, 1, 2, 0x7fff, 0x8000, 0x8001, 0xffff, 0xfffe, 0x0100].as_slice(),
        ),
    ) {
        let mut expected: Vec<_> = (0..LANES).filter(|lane| signatures[*lane] == sought).collect();
        let mut found: Vec<_> =
            bucket(&signatures).lanes(sought).map(|lane| lane as usize).collect();
        expected.sort_unstable();
        found.sort_unstable();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn setting_a_lane_leaves_the_others(
        signatures in prop::array::uniform10(any::<u16>()),
        lane in 0..10u32,
        signature in any::<u16>(),
    ) {
        let mut changed = bucket(&signatures);
        changed.set(lane, signature, Reference::new(FlowId(7), Direction::Inbound));
        for other in 0..10u32 {
            let (held, flow) =
                if other == lane { (signature, 7) } else { (signatures[other as usize], other + 100) };
            prop_assert_eq!(changed.signature(other), held);
            prop_assert_eq!(changed.reference(other).flow(), FlowId(flow));
        }
    }

    #[test]
    fn the_other_bucket_of_the_other_bucket_is_the_first(
        buckets in 1usize..1 << 28,
        place in any::<u32>(),
        signature in 1..=u16::MAX,
    ) {
        let first = u32::try_from((u64::from(place) * buckets as u64) >> 32).unwrap();
        let second = other(first, signature, buckets);
        prop_assert!((second as usize) < buckets);
        prop_assert_eq!(other(second, signature, buckets), first);
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The index: cuckoo hashing with two buckets of eight lanes per key.
//!
//! A lane is a 32-bit signature and a 32-bit reference (entry and direction). The other bucket of a
//! key follows from one of its buckets and the signature alone, so lanes can be moved without
//! looking at their entries. A key goes to its home bucket while that has room: lookups of known
//! connections then mostly end there, one cache line.

use super::memory::FlowMemory;
use super::{Direction, FlowId, Hash};

/// Lanes of a bucket: a cache line of 64 octets.
pub(super) const LANES: usize = 8;
/// Buckets looked at to make room for a key whose two are full. At the design load two levels
/// (2 + 16 buckets) nearly always find a free lane; the rest is for bad luck.
const SEARCH_BUCKETS_MAX: usize = 64;
/// Spreads a signature over the buckets (2³² ÷ golden ratio, odd: a bijection).
const SPREAD: u32 = 0x9e37_79b9;

const _: () = assert!(size_of::<Bucket>() == 64 && align_of::<Bucket>() == 64);

/// Eight lanes of the index; all zero is empty.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
pub struct Bucket {
    signatures: [u32; LANES],
    references: [u32; LANES],
}

impl Bucket {
    /// The lanes that hold `signature`.
    ///
    /// The sums are written in halves because LLVM then sees one mask: two comparisons, two packs
    /// and a `pmovmskb` on any x86-64. The obvious loop took three times the instructions.
    #[inline]
    pub(super) fn lanes(&self, signature: u32) -> Lanes {
        let (low_half, high_half) = self.signatures.split_at(LANES / 2);
        let bit = |half: &[u32], lane: usize, of_half: u32| {
            if half.get(lane) == Some(&signature) {
                of_half << lane
            } else {
                0
            }
        };
        let [first, second, third, fourth]: [u32; LANES / 2] =
            core::array::from_fn(|lane| bit(low_half, lane, 1) + bit(high_half, lane, 16));
        let low = u64::from(first) | u64::from(second) << 32;
        let high = u64::from(third) | u64::from(fourth) << 32;
        let both = low | high;
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        Lanes(both as u32 | (both >> 32) as u32)
    }

    #[inline]
    pub(super) fn reference(&self, lane: u32) -> Reference {
        Reference(
            self.references
                .get(lane as usize)
                .copied()
                .unwrap_or_default(),
        )
    }

    fn free_lane(&self) -> Option<u32> {
        self.lanes(0).next()
    }
}

/// Lanes of a bucket, lowest first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lanes(u32);

impl Iterator for Lanes {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        let lane = (self.0 != 0).then(|| self.0.trailing_zeros());
        self.0 &= self.0.wrapping_sub(1);
        lane
    }
}

/// An entry and the direction whose key it was filed under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reference(u32);

impl Reference {
    pub(super) fn new(flow: FlowId, direction: Direction) -> Self {
        Self(flow.0 << 1 | direction as u32)
    }

    #[inline]
    pub(super) fn flow(self) -> FlowId {
        FlowId(self.0 >> 1)
    }

    #[inline]
    pub(super) fn direction(self) -> Direction {
        if self.0 & 1 == 0 {
            Direction::Inbound
        } else {
            Direction::Outbound
        }
    }
}

/// A lane of the whole index: bucket × 8 + lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub(super) struct Slot(u32);

impl Slot {
    pub(super) const NONE: Self = Self(u32::MAX);

    pub(super) const fn new(bucket: u32, lane: u32) -> Self {
        Self(bucket << 3 | lane)
    }

    const fn bucket(self) -> u32 {
        self.0 >> 3
    }

    const fn lane(self) -> u32 {
        self.0 & 7
    }
}

/// The bucket a key goes to while it has room.
#[inline]
pub(super) fn home(hash: Hash, buckets: usize) -> u32 {
    reduce(hash.place(), buckets)
}

/// The other bucket of a lane with `signature` in `bucket`. The two add up, modulo the number of
/// buckets, to a number drawn from the signature: its own inverse, for any number of buckets.
#[inline]
pub(super) fn other(bucket: u32, signature: u32, buckets: usize) -> u32 {
    let sum = reduce(signature.wrapping_mul(SPREAD), buckets);
    if sum >= bucket {
        sum - bucket
    } else {
        sum.wrapping_sub(bucket)
            .wrapping_add(u32::try_from(buckets).unwrap_or(u32::MAX))
    }
}

/// Maps 32 even bits evenly onto `0..buckets` (multiply-shift, no division).
#[inline]
fn reduce(bits: u32, buckets: usize) -> u32 {
    let scaled = (u64::from(bits) * buckets as u64) >> 32;
    u32::try_from(scaled).unwrap_or(u32::MAX)
}

/// Files `reference` under `hash`; `None`, and nothing changed, if no lane could be made free.
pub(super) fn place<M: FlowMemory>(
    memory: &mut M,
    hash: Hash,
    reference: Reference,
) -> Option<Slot> {
    let signature = hash.signature();
    let buckets = memory.buckets();
    let first = home(hash, buckets.len());
    let second = other(first, signature, buckets.len());
    let slot = free_slot(buckets, first)
        .or_else(|| free_slot(buckets, second))
        .or_else(|| make_room(memory, first, second))?;
    write(memory, slot, signature, reference);
    Some(slot)
}

/// Makes `slot` refer to somebody else with the same key.
pub(super) fn replace<M: FlowMemory>(memory: &mut M, slot: Slot, reference: Reference) {
    let bucket = memory.buckets_mut().get_mut(slot.bucket() as usize);
    if let Some(held) = bucket.and_then(|b| b.references.get_mut(slot.lane() as usize)) {
        *held = reference.0;
    }
    note_place(memory, slot, reference);
}

/// Empties `slot`; nothing for [`Slot::NONE`].
pub(super) fn clear<M: FlowMemory>(memory: &mut M, slot: Slot) {
    let lane = slot.lane() as usize;
    if let Some(bucket) = memory.buckets_mut().get_mut(slot.bucket() as usize)
        && let (Some(signature), Some(reference)) = (
            bucket.signatures.get_mut(lane),
            bucket.references.get_mut(lane),
        )
    {
        *signature = 0;
        *reference = 0;
    }
}

fn free_slot(buckets: &[Bucket], bucket: u32) -> Option<Slot> {
    let lane = buckets.get(bucket as usize)?.free_lane()?;
    Some(Slot::new(bucket, lane))
}

fn write<M: FlowMemory>(memory: &mut M, slot: Slot, signature: u32, reference: Reference) {
    let lane = slot.lane() as usize;
    if let Some(bucket) = memory.buckets_mut().get_mut(slot.bucket() as usize)
        && let (Some(held_signature), Some(held_reference)) = (
            bucket.signatures.get_mut(lane),
            bucket.references.get_mut(lane),
        )
    {
        *held_signature = signature;
        *held_reference = reference.0;
    }
    note_place(memory, slot, reference);
}

fn note_place<M: FlowMemory>(memory: &mut M, slot: Slot, reference: Reference) {
    let entry = memory.cold_mut().get_mut(reference.flow().index());
    if let Some(held) = entry.and_then(|entry| entry.slots.get_mut(reference.direction() as usize))
    {
        *held = slot;
    }
}

/// A bucket on the way of [`make_room`].
#[derive(Clone, Copy, Default)]
struct Step {
    bucket: u32,
    /// The step whose bucket would give a lane to this one.
    parent: u8,
    /// That lane.
    lane: u8,
}

const _: () = assert!(SEARCH_BUCKETS_MAX <= 256);

/// Breadth first through the buckets that lanes of full buckets could move to, until one has room;
/// then moves the lanes along that way, the last one first, so that every key stays findable.
fn make_room<M: FlowMemory>(memory: &mut M, first: u32, second: u32) -> Option<Slot> {
    let buckets = memory.buckets();
    let mut steps = [Step::default(); SEARCH_BUCKETS_MAX];
    let [first_step, second_step, ..] = &mut steps;
    first_step.bucket = first;
    second_step.bucket = second;
    let mut count = 2;
    for parent in 0..SEARCH_BUCKETS_MAX {
        let bucket = steps.get(parent).filter(|_| parent < count)?.bucket;
        let signatures = buckets.get(bucket as usize)?.signatures;
        for (lane, signature) in signatures.into_iter().enumerate() {
            let step = Step {
                bucket: other(bucket, signature, buckets.len()),
                parent: u8::try_from(parent).ok()?,
                lane: u8::try_from(lane).ok()?,
            };
            *steps.get_mut(count)? = step;
            if let Some(slot) = free_slot(buckets, step.bucket) {
                return shift(memory, &steps, count, slot);
            }
            count += 1;
        }
    }
    None
}

/// Moves lanes from the root of the search to `free`, in the bucket of step `last`.
fn shift<M: FlowMemory>(
    memory: &mut M,
    steps: &[Step; SEARCH_BUCKETS_MAX],
    last: usize,
    free: Slot,
) -> Option<Slot> {
    let mut at = last;
    let mut free = free;
    while at >= 2 {
        let step = steps.get(at)?;
        let from = steps.get(usize::from(step.parent))?.bucket;
        let lane = u32::from(step.lane);
        let buckets = memory.buckets();
        let source = buckets.get(from as usize)?;
        let signature = *source.signatures.get(usize::from(step.lane))?;
        let reference = source.reference(lane);
        // Only false if the way crosses itself: every move so far was sound, so stop here.
        if signature == 0 || other(from, signature, buckets.len()) != free.bucket() {
            return None;
        }
        write(memory, free, signature, reference);
        free = Slot::new(from, lane);
        clear(memory, free);
        at = usize::from(step.parent);
    }
    Some(free)
}

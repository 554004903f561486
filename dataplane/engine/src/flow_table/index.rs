// SPDX-License-Identifier: Apache-2.0
//! The index: cuckoo hashing with two buckets of ten lanes per key.
//!
//! A lane is a 16-bit signature and a 32-bit reference (entry and direction). The other bucket of a
//! key follows from one of its buckets and the signature alone, so lanes can be moved without
//! looking at their entries. A key goes to its home bucket while that has room: lookups of known
//! connections then mostly end there, one cache line.
//!
//! Signatures are compared four to a word with plain integers. Written as a loop over an array, the
//! comparison becomes vector code of very different quality from one place of use to the next.

use super::memory::FlowMemory;
use super::{Direction, FlowId, Hash};

/// Lanes of a bucket: ten times six octets fit in a cache line.
pub(super) const LANES: usize = 10;
/// Buckets looked at to make room for a key whose two are full. At the design load two levels
/// (2 + 20 buckets) nearly always find a free lane; the rest is for bad luck.
const SEARCH_BUCKETS_MAX: usize = 64;
/// Spreads a signature over the buckets (2³² ÷ golden ratio, odd).
const SPREAD: u32 = 0x9e37_79b9;

const _: () = assert!(size_of::<Bucket>() == 64 && align_of::<Bucket>() == 64);

/// Ten lanes of the index; all zero is empty.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
pub struct Bucket {
    /// Signatures of lanes 0 to 7, the first in the lowest bits.
    signatures: [u64; 2],
    /// Signatures of lanes 8 and 9.
    last_signatures: u32,
    references: [u32; LANES],
}

/// The low 15 bits of every quarter of a word.
const LOW_BITS: u64 = 0x7fff_7fff_7fff_7fff;
/// The half of a word that [`Bucket::last_signatures`] leaves free: never a match.
const NO_LANES: u64 = 0xffff_ffff_0000_0000;

impl Bucket {
    /// The lanes that hold `signature`; 0 finds the free ones.
    #[inline]
    pub(super) fn lanes(&self, signature: u16) -> Lanes {
        let pattern = u64::from(signature) * 0x0001_0001_0001_0001;
        let [first, second] = self.signatures;
        let last = u64::from(self.last_signatures);
        Lanes(
            zero_quarters(first ^ pattern) >> 2
                | zero_quarters(second ^ pattern) >> 1
                | zero_quarters(last ^ pattern | NO_LANES),
        )
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

    pub(super) fn signature(&self, lane: u32) -> u16 {
        let word = match self.signatures.get((lane / 4) as usize) {
            Some(word) => *word,
            None => u64::from(self.last_signatures),
        };
        #[expect(clippy::cast_possible_truncation, reason = "one quarter of the word")]
        let signature = (word >> (lane % 4 * 16)) as u16;
        signature
    }

    pub(super) fn set(&mut self, lane: u32, signature: u16, reference: Reference) {
        let shift = lane % 4 * 16;
        if let Some(word) = self.signatures.get_mut((lane / 4) as usize) {
            *word = *word & !(0xffff << shift) | u64::from(signature) << shift;
        } else {
            let word = self.last_signatures;
            self.last_signatures = word & !(0xffff << shift) | u32::from(signature) << shift;
        }
        if let Some(held) = self.references.get_mut(lane as usize) {
            *held = reference.0;
        }
    }

    fn free_lane(&self) -> Option<u32> {
        self.lanes(0).next()
    }
}

/// The top bit of every quarter of `word` that is zero; exact, unlike the subtracting form, which
/// also reports what lies above a match.
#[inline]
const fn zero_quarters(word: u64) -> u64 {
    !(((word & LOW_BITS) + LOW_BITS) | word | LOW_BITS)
}

/// Some lanes of a bucket, in no order that matters. Bit 13, 14 or 15 of a quarter says which of the three words, the quarter
/// which part of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lanes(u64);

impl Iterator for Lanes {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros();
        self.0 &= self.0 - 1;
        Some((bit % 16).wrapping_sub(13) * 4 + bit / 16)
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

/// A lane of the whole index: bucket × 16 + lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub(super) struct Slot(u32);

impl Slot {
    pub(super) const NONE: Self = Self(u32::MAX);

    const fn new(bucket: u32, lane: u32) -> Self {
        Self(bucket << 4 | lane)
    }

    const fn bucket(self) -> u32 {
        self.0 >> 4
    }

    const fn lane(self) -> u32 {
        self.0 & 15
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
pub(super) fn other(bucket: u32, signature: u16, buckets: usize) -> u32 {
    let sum = reduce(u32::from(signature).wrapping_mul(SPREAD), buckets);
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
    let bucket = memory.buckets().get(slot.bucket() as usize);
    if let Some(signature) = bucket.map(|bucket| bucket.signature(slot.lane())) {
        write(memory, slot, signature, reference);
    }
}

/// Empties `slot`; nothing for [`Slot::NONE`].
pub(super) fn clear<M: FlowMemory>(memory: &mut M, slot: Slot) {
    if let Some(bucket) = memory.buckets_mut().get_mut(slot.bucket() as usize) {
        bucket.set(slot.lane(), 0, Reference(0));
    }
}

fn free_slot(buckets: &[Bucket], bucket: u32) -> Option<Slot> {
    let lane = buckets.get(bucket as usize)?.free_lane()?;
    Some(Slot::new(bucket, lane))
}

/// Fills `slot`, and tells the entry where it is found.
fn write<M: FlowMemory>(memory: &mut M, slot: Slot, signature: u16, reference: Reference) {
    if let Some(bucket) = memory.buckets_mut().get_mut(slot.bucket() as usize) {
        bucket.set(slot.lane(), signature, reference);
    }
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

const LANES_U8: u8 = 10;
const _: () = assert!(SEARCH_BUCKETS_MAX <= 256 && LANES_U8 as usize == LANES);

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
        let full = buckets.get(bucket as usize)?;
        for lane in 0..LANES_U8 {
            let signature = full.signature(u32::from(lane));
            let step = Step {
                bucket: other(bucket, signature, buckets.len()),
                parent: u8::try_from(parent).ok()?,
                lane,
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
        let signature = source.signature(lane);
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

// SPDX-License-Identifier: Apache-2.0
//! The index: cuckoo hashing with two buckets of eight lanes per key.
//!
//! A lane is a 16-bit signature and a 32-bit reference (entry and direction). The other bucket of a
//! key follows from one of its buckets and the signature alone, so lanes can be moved without
//! looking at their entries. A key goes to its home bucket while that has room, and a bucket counts
//! the keys that had to go elsewhere: lookups of known keys mostly end at home, those of unknown
//! keys too, one cache line.
//!
//! Tags (the low halves of signatures) are compared all eight at once, in one word with plain
//! integers. As a loop over an array it becomes vector code of very different quality from one
//! place of use to the next.

use super::memory::FlowMemory;
use super::{Direction, FlowId, Hash};

/// Lanes of a bucket.
pub(super) const LANES: usize = 8;
/// Buckets looked at to make room for a key whose two are full. At the design load two levels
/// (2 + 16 buckets) nearly always find a free lane; the rest is for bad luck.
const SEARCH_BUCKETS_MAX: usize = 64;
/// Spreads a signature over the buckets (2³² ÷ golden ratio, odd).
const SPREAD: u32 = 0x9e37_79b9;

const _: () = assert!(size_of::<Bucket>() == 64 && align_of::<Bucket>() == 64);

/// Sixteen bits of a key's hash, kept in its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signature(u16);

impl Signature {
    /// From any bits; the tag is made not 0, which marks a free lane.
    #[inline]
    pub(super) const fn new(bits: u16) -> Self {
        Self(bits | (bits.trailing_zeros() >= 8) as u16)
    }

    #[inline]
    const fn tag(self) -> u8 {
        let [tag, _] = self.0.to_le_bytes();
        tag
    }

    #[inline]
    const fn check(self) -> u8 {
        let [_, check] = self.0.to_le_bytes();
        check
    }

    #[cfg(test)]
    pub(super) const fn bits(self) -> u16 {
        self.0
    }
}

/// Eight lanes of the index, an octet per lane in each word; all zero is empty.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
pub struct Bucket {
    /// Low halves of the signatures; 0 is a free lane.
    tags: u64,
    /// High halves of the signatures.
    checks: u64,
    references: [u32; LANES],
    /// One bit per lane whose key has its home elsewhere.
    away: u32,
    /// Keys at home here that are kept in their other bucket.
    astray: u32,
}

impl Bucket {
    /// The lanes that may hold `signature`: its tag is theirs.
    #[inline]
    pub(super) const fn lanes(&self, signature: Signature) -> Lanes {
        self.tagged(signature.tag())
    }

    /// The free lanes.
    #[inline]
    pub(super) const fn free(&self) -> Lanes {
        self.tagged(0)
    }

    #[inline]
    const fn tagged(&self, tag: u8) -> Lanes {
        Lanes(zero_octets(self.tags ^ u64::from_le_bytes([tag; LANES])))
    }

    /// The reference in `lane` if the rest of the signature agrees too.
    #[inline]
    pub(super) fn checked(&self, lane: Lane, signature: Signature) -> Option<Reference> {
        (self.check(lane) == signature.check()).then(|| self.reference(lane))
    }

    /// A load from the bucket's line.
    #[inline]
    pub(super) const fn touch(&self) -> u32 {
        self.astray
    }

    /// Whether no key at home here is elsewhere.
    #[inline]
    pub(super) const fn has_none_astray(&self) -> bool {
        self.astray == 0
    }

    #[inline]
    const fn check(&self, lane: Lane) -> u8 {
        let [check, ..] = (self.checks >> lane.shift()).to_le_bytes();
        check
    }

    #[inline]
    pub(super) fn reference(&self, lane: Lane) -> Reference {
        Reference(
            self.references
                .get(lane.index())
                .copied()
                .unwrap_or_default(),
        )
    }

    pub(super) const fn signature(&self, lane: Lane) -> Signature {
        let [tag, ..] = (self.tags >> lane.shift()).to_le_bytes();
        Signature(u16::from_le_bytes([tag, self.check(lane)]))
    }

    const fn is_away(&self, lane: Lane) -> bool {
        self.away >> lane.0 & 1 == 1
    }

    pub(super) fn set(
        &mut self,
        lane: Lane,
        signature: Signature,
        reference: Reference,
        is_away: bool,
    ) {
        let hole = !(0xff << lane.shift());
        self.tags = self.tags & hole | u64::from(signature.tag()) << lane.shift();
        self.checks = self.checks & hole | u64::from(signature.check()) << lane.shift();
        self.away = self.away & !(1 << lane.0) | u32::from(is_away) << lane.0;
        if let Some(held) = self.references.get_mut(lane.index()) {
            *held = reference.0;
        }
    }
}

/// The top bit of every octet of `word` that is zero; exact, unlike the subtracting form, which
/// also reports what lies above a match.
#[inline]
const fn zero_octets(word: u64) -> u64 {
    const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    !(((word & LOW_BITS) + LOW_BITS) | word | LOW_BITS)
}

/// A lane of a bucket, 0 to 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lane(u32);

impl Lane {
    pub(super) const ALL: [Self; LANES] = [
        Self(0),
        Self(1),
        Self(2),
        Self(3),
        Self(4),
        Self(5),
        Self(6),
        Self(7),
    ];

    #[inline]
    pub(super) const fn index(self) -> usize {
        (self.0 & 7) as usize
    }

    #[inline]
    const fn shift(self) -> u32 {
        (self.0 & 7) * 8
    }
}

/// Some lanes of a bucket, lowest first: the top bit of the octet of each.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lanes(u64);

impl Iterator for Lanes {
    type Item = Lane;

    #[inline]
    fn next(&mut self) -> Option<Lane> {
        if self.0 == 0 {
            return None;
        }
        let lane = Lane(self.0.trailing_zeros() / 8);
        self.0 &= self.0 - 1;
        Some(lane)
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

    const fn new(bucket: u32, lane: Lane) -> Self {
        Self(bucket << 3 | lane.0)
    }

    const fn bucket(self) -> u32 {
        self.0 >> 3
    }

    const fn lane(self) -> Lane {
        Lane(self.0 & 7)
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
pub(super) fn other(bucket: u32, signature: Signature, buckets: usize) -> u32 {
    let sum = reduce(u32::from(signature.0).wrapping_mul(SPREAD), buckets);
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
    let is_away = slot.bucket() != first;
    write(memory, slot, signature, reference, is_away);
    if is_away {
        count_astray(memory, first, true);
    }
    Some(slot)
}

/// Makes `slot` refer to somebody else with the same key.
pub(super) fn replace<M: FlowMemory>(memory: &mut M, slot: Slot, reference: Reference) {
    let lane = slot.lane();
    if let Some(bucket) = memory.buckets().get(slot.bucket() as usize) {
        let (signature, is_away) = (bucket.signature(lane), bucket.is_away(lane));
        write(memory, slot, signature, reference, is_away);
    }
}

/// Empties `slot`; nothing for [`Slot::NONE`].
pub(super) fn clear<M: FlowMemory>(memory: &mut M, slot: Slot) {
    let buckets = memory.buckets_mut();
    let count = buckets.len();
    let Some(bucket) = buckets.get_mut(slot.bucket() as usize) else {
        return;
    };
    let home = bucket
        .is_away(slot.lane())
        .then(|| other(slot.bucket(), bucket.signature(slot.lane()), count));
    bucket.set(slot.lane(), Signature(0), Reference(0), false);
    if let Some(home) = home {
        count_astray(memory, home, false);
    }
}

fn free_slot(buckets: &[Bucket], bucket: u32) -> Option<Slot> {
    let lane = buckets.get(bucket as usize)?.free().next()?;
    Some(Slot::new(bucket, lane))
}

/// One key at home in `bucket` more, or less, that is elsewhere.
fn count_astray<M: FlowMemory>(memory: &mut M, bucket: u32, more: bool) {
    if let Some(bucket) = memory.buckets_mut().get_mut(bucket as usize) {
        let count = bucket.astray;
        bucket.astray = if more {
            count.saturating_add(1)
        } else {
            count.saturating_sub(1)
        };
    }
}

/// Fills `slot`, and tells the entry where it is found.
fn write<M: FlowMemory>(
    memory: &mut M,
    slot: Slot,
    signature: Signature,
    reference: Reference,
    is_away: bool,
) {
    if let Some(bucket) = memory.buckets_mut().get_mut(slot.bucket() as usize) {
        bucket.set(slot.lane(), signature, reference, is_away);
    }
    let entry = memory.cold_mut().get_mut(reference.flow().index());
    if let Some(held) = entry.and_then(|entry| entry.slots.get_mut(reference.direction() as usize))
    {
        *held = slot;
    }
}

/// A bucket on the way of [`make_room`].
#[derive(Clone, Copy)]
struct Step {
    bucket: u32,
    /// The step whose bucket would give a lane to this one.
    parent: u8,
    /// That lane.
    lane: Lane,
}

const _: () = assert!(SEARCH_BUCKETS_MAX <= 256);

/// Breadth first through the buckets that lanes of full buckets could move to, until one has room;
/// then moves the lanes along that way, the last one first, so that every key stays findable.
fn make_room<M: FlowMemory>(memory: &mut M, first: u32, second: u32) -> Option<Slot> {
    let buckets = memory.buckets();
    let root = Step {
        bucket: first,
        parent: 0,
        lane: Lane(0),
    };
    let mut steps = [root; SEARCH_BUCKETS_MAX];
    let [_, second_step, ..] = &mut steps;
    second_step.bucket = second;
    let mut count = 2;
    for parent in 0..SEARCH_BUCKETS_MAX {
        let bucket = steps.get(parent).filter(|_| parent < count)?.bucket;
        let full = buckets.get(bucket as usize)?;
        for lane in Lane::ALL {
            let step = Step {
                bucket: other(bucket, full.signature(lane), buckets.len()),
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
        let buckets = memory.buckets();
        let source = buckets.get(from as usize)?;
        let (signature, was_away) = (source.signature(step.lane), source.is_away(step.lane));
        let reference = source.reference(step.lane);
        // Only false if the way crosses itself: every move so far was sound, so stop here.
        if signature.tag() == 0 || other(from, signature, buckets.len()) != free.bucket() {
            return None;
        }
        let emptied = Slot::new(from, step.lane);
        clear(memory, emptied);
        write(memory, free, signature, reference, !was_away);
        if !was_away {
            count_astray(memory, from, true);
        }
        free = emptied;
        at = usize::from(step.parent);
    }
    Some(free)
}

/// Whether every bucket counts rightly who is away from home.
#[cfg(test)]
pub(super) fn counts_are_right(buckets: &[Bucket]) -> bool {
    let mut astray = alloc::vec![0; buckets.len()];
    for (number, bucket) in (0..).zip(buckets) {
        for lane in Lane::ALL {
            let signature = bucket.signature(lane);
            if signature.tag() == 0 {
                assert!(!bucket.is_away(lane));
            } else if bucket.is_away(lane) {
                astray[other(number, signature, buckets.len()) as usize] += 1;
            }
        }
    }
    buckets.iter().map(|bucket| bucket.astray).eq(astray)
}

// SPDX-License-Identifier: Apache-2.0
//! The memory of a flow table, handed in by its owner.

use alloc::vec::Vec;

use super::entry::{ColdEntry, HotEntry};
use super::index::{Bucket, LANES};

/// Where the table lives. A worker keeps it on huge pages of its own NUMA node.
///
/// All-zero bytes are a valid, empty table: fresh pages need no initialisation. The three slices
/// must keep their length and contents for the life of the table.
pub trait FlowMemory {
    /// The index.
    fn buckets(&self) -> &[Bucket];
    /// The index, to change.
    fn buckets_mut(&mut self) -> &mut [Bucket];
    /// The half of every entry that each packet touches.
    fn hot(&self) -> &[HotEntry];
    /// The hot halves, to change.
    fn hot_mut(&mut self) -> &mut [HotEntry];
    /// The half of every entry that only insertion, removal and the timer wheel touch.
    fn cold(&self) -> &[ColdEntry];
    /// The cold halves, to change.
    fn cold_mut(&mut self) -> &mut [ColdEntry];
}

/// How long the three slices of a [`FlowMemory`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Buckets of the index.
    pub buckets: usize,
    /// Hot halves, and as many cold halves.
    pub entries: usize,
}

/// Slots of the index that the design load fills: four fifths.
const LOAD_NUMERATOR: usize = 4;
const LOAD_DENOMINATOR: usize = 5;
/// Both directions of a connection are in the index.
const SLOTS_PER_FLOW: usize = 2;
/// Added to every index, because a handful of buckets fills unevenly.
const SPARE_BUCKETS: usize = 8;
/// Entries at most (268 M): a slot number has 28 bits for the bucket.
const ENTRIES_MAX: usize = 1 << 28;

impl Layout {
    /// What a table of `capacity` connections needs (at most 2²⁸ of them).
    #[must_use]
    pub fn for_capacity(capacity: usize) -> Self {
        let entries = capacity.min(ENTRIES_MAX);
        let buckets = (entries * SLOTS_PER_FLOW * LOAD_DENOMINATOR)
            .div_ceil(LOAD_NUMERATOR * LANES)
            + SPARE_BUCKETS;
        Self { buckets, entries }
    }

    /// Bytes of the three slices together.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.buckets * size_of::<Bucket>()
            + self.entries * (size_of::<HotEntry>() + size_of::<ColdEntry>())
    }
}

/// A table's memory on the heap: tests, benchmarks, and directors without huge pages.
#[derive(Debug)]
pub struct HeapMemory {
    buckets: Vec<Bucket>,
    hot: Vec<HotEntry>,
    cold: Vec<ColdEntry>,
}

impl HeapMemory {
    /// Allocates for `capacity` connections.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let Layout { buckets, entries } = Layout::for_capacity(capacity);
        Self::with_lengths(buckets, entries)
    }

    pub(super) fn with_lengths(buckets: usize, entries: usize) -> Self {
        Self {
            buckets: alloc::vec![Bucket::default(); buckets],
            hot: alloc::vec![HotEntry::default(); entries],
            cold: alloc::vec![ColdEntry::default(); entries],
        }
    }
}

impl FlowMemory for HeapMemory {
    #[inline]
    fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    #[inline]
    fn buckets_mut(&mut self) -> &mut [Bucket] {
        &mut self.buckets
    }

    #[inline]
    fn hot(&self) -> &[HotEntry] {
        &self.hot
    }

    #[inline]
    fn hot_mut(&mut self) -> &mut [HotEntry] {
        &mut self.hot
    }

    #[inline]
    fn cold(&self) -> &[ColdEntry] {
        &self.cold
    }

    #[inline]
    fn cold_mut(&mut self) -> &mut [ColdEntry] {
        &mut self.cold
    }
}

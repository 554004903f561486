// SPDX-License-Identifier: Apache-2.0
//! A flow table's memory on huge pages of the worker's NUMA node.
#![allow(
    unsafe_code,
    reason = "docs/decisions/0003: the engine's tables live in memory DPDK gives"
)]

use dpdk::{HugeSlice, MemError, Zeroable};
use engine::flow_table::{Bucket, ColdEntry, FlowMemory, HotEntry, Layout};

/// A table's element, of which all-zero bytes are a valid value.
#[repr(transparent)]
#[derive(Debug)]
struct Plain<T>(T);

// SAFETY: an array of integers; `FlowMemory` documents that all-zero bytes are an empty bucket.
unsafe impl Zeroable for Plain<Bucket> {}
// SAFETY: integers and arrays of integers; `FlowMemory` documents that all zero is an unused entry.
unsafe impl Zeroable for Plain<HotEntry> {}
// SAFETY: integers and arrays of integers; `FlowMemory` documents that all zero is an unused entry.
unsafe impl Zeroable for Plain<ColdEntry> {}

const fn peel<T>(slice: &[Plain<T>]) -> &[T] {
    // SAFETY: `Plain` is a transparent wrapper, so the slices have one layout and one lifetime.
    unsafe { &*(std::ptr::from_ref(slice) as *const [T]) }
}

const fn peel_mut<T>(slice: &mut [Plain<T>]) -> &mut [T] {
    // SAFETY: `Plain` is a transparent wrapper, so the slices have one layout and one lifetime.
    unsafe { &mut *(std::ptr::from_mut(slice) as *mut [T]) }
}

/// The three slices of a [`FlowMemory`].
#[derive(Debug)]
pub struct HugeFlowMemory {
    buckets: HugeSlice<Plain<Bucket>>,
    hot: HugeSlice<Plain<HotEntry>>,
    cold: HugeSlice<Plain<ColdEntry>>,
}

/// Bytes that a table of `capacity` connections takes.
#[must_use]
pub fn flow_bytes(capacity: usize) -> usize {
    let Layout { buckets, entries } = Layout::for_capacity(capacity);
    let entry = size_of::<HotEntry>() + size_of::<ColdEntry>();
    buckets * size_of::<Bucket>() + entries * entry
}

impl HugeFlowMemory {
    /// Memory for `capacity` connections on NUMA node `socket` (`None`: any).
    ///
    /// # Errors
    /// [`MemError`] when there is not that much.
    pub fn new(capacity: usize, socket: Option<u32>) -> Result<Self, MemError> {
        let Layout { buckets, entries } = Layout::for_capacity(capacity);
        Ok(Self {
            buckets: HugeSlice::new(buckets, socket)?,
            hot: HugeSlice::new(entries, socket)?,
            cold: HugeSlice::new(entries, socket)?,
        })
    }
}

impl FlowMemory for HugeFlowMemory {
    #[inline]
    fn buckets(&self) -> &[Bucket] {
        peel(&self.buckets)
    }

    #[inline]
    fn buckets_mut(&mut self) -> &mut [Bucket] {
        peel_mut(&mut self.buckets)
    }

    #[inline]
    fn hot(&self) -> &[HotEntry] {
        peel(&self.hot)
    }

    #[inline]
    fn hot_mut(&mut self) -> &mut [HotEntry] {
        peel_mut(&mut self.hot)
    }

    #[inline]
    fn cold(&self) -> &[ColdEntry] {
        peel(&self.cold)
    }

    #[inline]
    fn cold_mut(&mut self) -> &mut [ColdEntry] {
        peel_mut(&mut self.cold)
    }
}

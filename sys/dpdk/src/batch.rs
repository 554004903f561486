// SPDX-License-Identifier: Apache-2.0
//! A burst of packets, in place: no heap allocation per burst.

use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::slice;

use dpdk_sys::rte_mbuf;

use crate::mbuf::Mbuf;

/// Packets in a batch: twice testpmd's burst; larger ones fall out of the L1 cache.
pub const BURST_MAX: usize = 64;

/// Up to [`BURST_MAX`] packets, in order.
pub struct MbufBatch {
    // Invariant: the first `len` slots are initialised; `len` is at most BURST_MAX.
    len: usize,
    slots: [MaybeUninit<Mbuf>; BURST_MAX],
}

impl MbufBatch {
    /// An empty batch.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            len: 0,
            slots: [const { MaybeUninit::uninit() }; BURST_MAX],
        }
    }

    /// How many packets it holds.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many more it can take.
    #[inline]
    #[must_use]
    pub const fn room(&self) -> usize {
        BURST_MAX.saturating_sub(self.len)
    }

    /// Whether it can take no more.
    #[inline]
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.len >= BURST_MAX
    }

    /// Adds a packet at the end.
    ///
    /// # Errors
    /// The packet itself, when the batch is full.
    #[inline]
    pub fn push(&mut self, packet: Mbuf) -> Result<(), Mbuf> {
        match self.slots.get_mut(self.len) {
            Some(slot) => {
                slot.write(packet);
                self.len = self.len.saturating_add(1);
                Ok(())
            }
            None => Err(packet),
        }
    }

    /// Takes the last packet.
    #[inline]
    pub fn pop(&mut self) -> Option<Mbuf> {
        let last = self.len.checked_sub(1)?;
        let slot = self.slots.get(last)?;
        // SAFETY: the slot is initialised, and leaves the batch below.
        let packet = unsafe { slot.assume_init_read() };
        self.len = last;
        Some(packet)
    }

    /// The packets.
    #[inline]
    pub fn as_slice(&self) -> &[Mbuf] {
        // SAFETY: the first `len` slots are initialised.
        unsafe { slice::from_raw_parts(self.slots.as_ptr().cast::<Mbuf>(), self.len) }
    }

    /// The packets, writable.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [Mbuf] {
        // SAFETY: the first `len` slots are initialised.
        unsafe { slice::from_raw_parts_mut(self.slots.as_mut_ptr().cast::<Mbuf>(), self.len) }
    }

    /// The packets in order.
    #[inline]
    pub fn iter(&self) -> slice::Iter<'_, Mbuf> {
        self.as_slice().iter()
    }

    /// The packets in order, writable.
    #[inline]
    pub fn iter_mut(&mut self) -> slice::IterMut<'_, Mbuf> {
        self.as_mut_slice().iter_mut()
    }

    /// Takes all packets out, in order; those not taken when the iterator goes are freed.
    #[inline]
    pub fn drain(&mut self) -> Drain<'_> {
        let len = std::mem::take(&mut self.len);
        Drain {
            batch: self,
            next: 0,
            len,
        }
    }

    /// Frees all packets.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Keeps the first `len` packets and frees the rest.
    pub fn truncate(&mut self, len: usize) {
        let surplus = self.len.saturating_sub(len);
        if surplus == 0 {
            return;
        }
        self.len = len;
        // SAFETY: `len` is less than the former length, so inside the array.
        let first = unsafe { self.slots.as_mut_ptr().add(len) };
        let count = u32::try_from(surplus).unwrap_or(u32::MAX);
        // SAFETY: `surplus` initialised slots from `first` on, which left the batch above; an Mbuf
        // is a pointer to the chain it owns.
        unsafe { dpdk_sys::rte_pktmbuf_free_bulk(first.cast::<*mut rte_mbuf>(), count) };
    }

    /// The free slots as DPDK sees them, and how many of them there are, at most `max`.
    #[inline]
    pub(crate) fn spare(&mut self, max: usize) -> (*mut *mut rte_mbuf, u16) {
        // SAFETY: `len` is at most BURST_MAX: inside the array or one past its end.
        let first = unsafe { self.slots.as_mut_ptr().add(self.len) };
        let room = u16::try_from(self.room().min(max)).unwrap_or(0);
        (first.cast::<*mut rte_mbuf>(), room)
    }

    /// Counts `count` packets in that were written to [`spare`](Self::spare).
    ///
    /// # Safety
    /// The first `count` spare slots hold packets that nobody else owns.
    #[inline]
    pub(crate) unsafe fn grow(&mut self, count: usize) {
        self.len = self.len.saturating_add(count).min(BURST_MAX);
    }

    /// The packets as DPDK sees them, and how many.
    #[inline]
    pub(crate) fn filled(&mut self) -> (*mut *mut rte_mbuf, u16) {
        (
            self.slots.as_mut_ptr().cast::<*mut rte_mbuf>(),
            u16::try_from(self.len).unwrap_or(0),
        )
    }

    /// Forgets the first `count` packets, which somebody else owns by now, and moves the rest to
    /// the front.
    ///
    /// # Safety
    /// The first `count` packets have another owner.
    #[inline]
    pub(crate) unsafe fn forget_first(&mut self, count: usize) {
        let count = count.min(self.len);
        let rest = self.len.saturating_sub(count);
        if rest > 0 && count > 0 {
            let base = self.slots.as_mut_ptr();
            // SAFETY: `count` is at most `len`, so inside the array.
            let from = unsafe { base.add(count) };
            // SAFETY: `rest` initialised slots from `from` on, moved down inside the same array.
            unsafe { std::ptr::copy(from, base, rest) };
        }
        self.len = rest;
    }
}

impl Default for MbufBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for MbufBatch {
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for MbufBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'batch> IntoIterator for &'batch MbufBatch {
    type Item = &'batch Mbuf;
    type IntoIter = slice::Iter<'batch, Mbuf>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'batch> IntoIterator for &'batch mut MbufBatch {
    type Item = &'batch mut Mbuf;
    type IntoIter = slice::IterMut<'batch, Mbuf>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

/// Iterator of [`MbufBatch::drain`].
#[derive(Debug)]
pub struct Drain<'batch> {
    // Invariant: slots `next..len` are initialised and counted by nobody else (`batch.len` is 0).
    batch: &'batch mut MbufBatch,
    next: usize,
    len: usize,
}

impl Iterator for Drain<'_> {
    type Item = Mbuf;

    #[inline]
    fn next(&mut self) -> Option<Mbuf> {
        if self.next >= self.len {
            return None;
        }
        let slot = self.batch.slots.get(self.next)?;
        self.next = self.next.saturating_add(1);
        // SAFETY: the slot is initialised, and `next` has passed it.
        Some(unsafe { slot.assume_init_read() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.len.saturating_sub(self.next);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Drain<'_> {}

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

/// A packet from a slot that DPDK filled.
///
/// # Safety
/// As [`Mbuf::from_raw`], unless null.
#[inline]
pub(crate) unsafe fn packet(raw: *mut rte_mbuf) -> Option<Mbuf> {
    // SAFETY: the caller's promise.
    NonNull::new(raw).map(|raw| unsafe { Mbuf::from_raw(raw) })
}

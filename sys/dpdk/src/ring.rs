// SPDX-License-Identifier: Apache-2.0
//! Packets from one thread to another.
//!
//! ```text
//!   thread A: Producer ──enqueue──► [ ring ] ──dequeue──► Consumer: thread B
//! ```
//!
//! One writer and one reader, which the two halves make sure of: neither can be cloned, and using
//! one takes `&mut`.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

use dpdk_sys::rte_ring;

use crate::batch::MbufBatch;
use crate::eal::Eal;
use crate::errno::Errno;
use crate::label::{self, LabelError};
use crate::mempool::socket_id;

/// A ring that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// No packets, or more than DPDK can count.
    #[error("ring of {0} packets: 1 to {CAPACITY_MAX}")]
    Capacity(u32),
    /// DPDK refused for a reason that is not memory.
    #[error("ring of {capacity} packets refused: {errno}")]
    Create {
        /// Packets asked for.
        capacity: u32,
        /// Why.
        errno: Errno,
    },
    /// The label cannot be used.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// Not enough memory.
    #[error("no memory for a ring of {0} packets")]
    Memory(u32),
}

/// Largest ring: far above any use, far below DPDK's own limit.
pub const CAPACITY_MAX: u32 = 1 << 24;

#[derive(Debug)]
struct Ring {
    raw: NonNull<rte_ring>,
}

// SAFETY: the ring's own atomics order one producer and one consumer; `Producer` and `Consumer` are
// the only users and there is one of each.
unsafe impl Send for Ring {}
// SAFETY: as above.
unsafe impl Sync for Ring {}

impl Drop for Ring {
    fn drop(&mut self) {
        // Both halves are gone: this thread is the only consumer.
        let mut left = MbufBatch::new();
        while dequeue(self.raw, &mut left) > 0 {
            left.clear();
        }
        // SAFETY: a live ring that nobody else refers to.
        unsafe { dpdk_sys::rte_ring_free(self.raw.as_ptr()) }
    }
}

/// The writing half.
#[derive(Debug)]
pub struct Producer {
    ring: Arc<Ring>,
    one_thread: PhantomData<Cell<()>>,
}

/// The reading half.
#[derive(Debug)]
pub struct Consumer {
    ring: Arc<Ring>,
    one_thread: PhantomData<Cell<()>>,
}

/// Makes a ring for `capacity` packets on NUMA node `socket` (`None`: any). Packets left in it are
/// freed when its second half is dropped.
///
/// # Errors
/// [`RingError`].
pub fn mbuf_ring(
    _eal: Eal,
    label: &str,
    capacity: u32,
    socket: Option<u32>,
) -> Result<(Producer, Consumer), RingError> {
    if capacity == 0 || capacity > CAPACITY_MAX {
        return Err(RingError::Capacity(capacity));
    }
    let name = label::unique(label)?;
    let socket = socket_id(socket);
    let flags =
        dpdk_sys::PS_RING_F_SP_ENQ | dpdk_sys::PS_RING_F_SC_DEQ | dpdk_sys::PS_RING_F_EXACT_SZ;
    // SAFETY: EAL runs (`_eal`); the name is NUL-terminated and copied by the callee.
    let raw = unsafe { dpdk_sys::rte_ring_create(name.as_ptr(), capacity, socket, flags) };
    let raw = NonNull::new(raw).ok_or_else(|| match Errno::last_rte() {
        Errno::NO_MEMORY => RingError::Memory(capacity),
        errno => RingError::Create { capacity, errno },
    })?;
    let ring = Arc::new(Ring { raw });
    let producer = Producer {
        ring: Arc::clone(&ring),
        one_thread: PhantomData,
    };
    Ok((
        producer,
        Consumer {
            ring,
            one_thread: PhantomData,
        },
    ))
}

impl Producer {
    /// Moves packets of the batch, from its front, into the ring; those that do not fit stay in the
    /// batch in order. Returns how many were moved.
    #[inline]
    pub fn enqueue(&mut self, batch: &mut MbufBatch) -> usize {
        let (slots, count) = batch.filled();
        if count == 0 {
            return 0;
        }
        let (ring, objects) = (self.ring.raw.as_ptr(), slots.cast::<*mut libc::c_void>());
        // SAFETY: a live ring whose only producer this is (`&mut self`, not Clone, not Sync), and
        // `count` packets to read.
        let moved =
            unsafe { dpdk_sys::ps_rte_ring_sp_enqueue_burst(ring, objects, u32::from(count)) };
        let moved = usize::try_from(moved).unwrap_or(usize::MAX);
        // SAFETY: the ring owns the first `moved` packets now.
        unsafe { batch.forget_first(moved) };
        moved
    }

    /// How many packets fit at the moment, at least.
    #[must_use]
    pub fn room(&self) -> usize {
        // SAFETY: a live ring; the callee reads two counters.
        let room = unsafe { dpdk_sys::ps_rte_ring_free_count(self.ring.raw.as_ptr()) };
        usize::try_from(room).unwrap_or(usize::MAX)
    }

    /// Whether the other half still exists.
    #[must_use]
    pub fn has_consumer(&self) -> bool {
        Arc::strong_count(&self.ring) > 1
    }
}

impl Consumer {
    /// Moves packets from the ring to the end of the batch, as many as there are and fit. Returns
    /// how many.
    #[inline]
    pub fn dequeue(&mut self, batch: &mut MbufBatch) -> usize {
        dequeue(self.ring.raw, batch)
    }

    /// How many packets wait at the moment, at least.
    #[must_use]
    pub fn len(&self) -> usize {
        // SAFETY: a live ring; the callee reads two counters.
        let count = unsafe { dpdk_sys::ps_rte_ring_count(self.ring.raw.as_ptr()) };
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// Whether none waits at the moment.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the other half still exists.
    #[must_use]
    pub fn has_producer(&self) -> bool {
        Arc::strong_count(&self.ring) > 1
    }
}

/// Called by the ring's only consumer.
#[inline]
fn dequeue(ring: NonNull<rte_ring>, batch: &mut MbufBatch) -> usize {
    let (slots, room) = batch.spare(usize::MAX);
    if room == 0 {
        return 0;
    }
    let objects = slots.cast::<*mut libc::c_void>();
    // SAFETY: a live ring whose only consumer calls this, and `room` slots to write.
    let count =
        unsafe { dpdk_sys::ps_rte_ring_sc_dequeue_burst(ring.as_ptr(), objects, u32::from(room)) };
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: the callee filled `count` slots with packets that left the ring.
    unsafe { batch.grow(count) };
    count
}

// SPDX-License-Identifier: Apache-2.0
//! Where packets come from.

use std::ffi::CStr;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, PoisonError};

use dpdk_sys::{rte_mbuf, rte_mempool};

use crate::batch::{self, MbufBatch};
use crate::clock;
use crate::eal::Eal;
use crate::errno::Errno;
use crate::label::{self, LabelError};
use crate::mbuf::Mbuf;

/// Bytes in front of a new packet: DPDK's default, enough for an IPv6 tunnel header.
pub const HEADROOM: u16 = dpdk_sys::PS_PKTMBUF_HEADROOM;

/// Room for one packet buffer that takes a full frame of 1500 and a VLAN tag: DPDK's usual 2048 and
/// the headroom.
pub const DATA_ROOM_DEFAULT: u16 = 2048 + HEADROOM;

/// A pool that cannot be made, or has no packet to give.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MempoolError {
    /// DPDK refused for a reason that is not memory.
    #[error("pool of {count} packets refused: {errno}")]
    Create {
        /// Packets asked for.
        count: u32,
        /// Why.
        errno: Errno,
    },
    /// The per-thread cache is larger than DPDK allows, or than two thirds of the pool.
    #[error("cache of {cache} packets in a pool of {count}: at most {max}")]
    Cache {
        /// Cache asked for.
        cache: u32,
        /// Packets asked for.
        count: u32,
        /// The largest that would do.
        max: u32,
    },
    /// The pool is empty.
    #[error("no packet left in the pool")]
    Empty,
    /// The label cannot be used.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// Not enough memory for the pool.
    #[error("no memory for {count} packets of {data_room} bytes")]
    Memory {
        /// Packets asked for.
        count: u32,
        /// Bytes each.
        data_room: u16,
    },
    /// A frame is longer than one packet buffer.
    #[error("frame of {len} bytes, room for {room}")]
    TooLong {
        /// The frame.
        len: usize,
        /// The buffer.
        room: usize,
    },
}

/// A pool of packets; clones are handles of the same pool.
///
/// Packets may outlive their pool's last handle: the memory goes when they have come home.
#[derive(Debug, Clone)]
pub struct Mempool(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    raw: NonNull<rte_mempool>,
    count: u32,
    data_room: u16,
}

// SAFETY: the pool is made with DPDK's multi-producer, multi-consumer operations, so any thread may
// take from it and give back; the per-thread caches belong to registered threads only.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

impl Mempool {
    /// Makes a pool of `count` packets (2^n - 1 uses memory best) of `data_room` bytes each, the
    /// headroom included, with a cache of `cache` packets for each registered thread, on NUMA node
    /// `socket` (`None`: any).
    ///
    /// # Errors
    /// [`MempoolError`].
    pub fn new(
        eal: Eal,
        label: &str,
        count: u32,
        cache: u32,
        data_room: u16,
        socket: Option<u32>,
    ) -> Result<Self, MempoolError> {
        free_retired();
        let max = u32::from(dpdk_sys::PS_MEMPOOL_CACHE_MAX).min(count / 3 * 2);
        if cache > max {
            return Err(MempoolError::Cache { cache, count, max });
        }
        let name = label::unique(label)?;
        let socket = socket_id(socket);
        let raw = if eal.has_pci() {
            // SAFETY: EAL runs (`eal`); the name is NUL-terminated and copied by the callee.
            unsafe {
                dpdk_sys::rte_pktmbuf_pool_create(name.as_ptr(), count, cache, 0, data_room, socket)
            }
        } else {
            gapless(eal, &name, (count, cache), data_room, socket)
        };
        match NonNull::new(raw) {
            Some(raw) => Ok(Self(Arc::new(Pool {
                raw,
                count,
                data_room,
            }))),
            None => match Errno::last_rte() {
                // The second when memory runs out half-way.
                Errno::NO_MEMORY | Errno::NO_BUFFERS => {
                    Err(MempoolError::Memory { count, data_room })
                }
                errno => Err(MempoolError::Create { count, errno }),
            },
        }
    }

    /// How many packets it was made with.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.0.count
    }

    /// Bytes of each packet buffer, the headroom included.
    #[must_use]
    pub fn data_room(&self) -> u16 {
        self.0.data_room
    }

    /// Packets in the pool, those in threads' caches included. Walks all caches: not per packet.
    #[must_use]
    pub fn available(&self) -> u32 {
        // SAFETY: a live pool; the callee only reads counters.
        unsafe { dpdk_sys::rte_mempool_avail_count(self.0.raw.as_ptr()) }
    }

    /// Packets that somebody holds.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.0.count.saturating_sub(self.available())
    }

    /// An empty packet with the default headroom, or `None` when the pool is dry.
    #[inline]
    #[must_use]
    pub fn alloc(&self) -> Option<Mbuf> {
        // SAFETY: a live pool.
        let raw = unsafe { dpdk_sys::ps_rte_pktmbuf_alloc(self.0.raw.as_ptr()) };
        // SAFETY: a fresh mbuf of one segment that nobody else has, or null.
        unsafe { batch::packet(raw) }
    }

    /// Adds up to `count` empty packets to the batch, all or none; returns how many.
    pub fn alloc_bulk(&self, batch: &mut MbufBatch, count: usize) -> usize {
        let (slots, room) = batch.spare(count);
        if usize::from(room) < count || room == 0 {
            return 0;
        }
        let pool = self.0.raw.as_ptr();
        // SAFETY: a live pool, and `room` slots to write.
        if unsafe { dpdk_sys::ps_rte_pktmbuf_alloc_bulk(pool, slots, u32::from(room)) } != 0 {
            return 0;
        }
        // SAFETY: the callee filled all `room` slots with fresh mbufs.
        unsafe { batch.grow(usize::from(room)) };
        usize::from(room)
    }

    /// A packet of one segment with these bytes.
    ///
    /// # Errors
    /// [`MempoolError::Empty`], [`MempoolError::TooLong`].
    pub fn copy_from(&self, frame: &[u8]) -> Result<Mbuf, MempoolError> {
        let mut packet = self.alloc().ok_or(MempoolError::Empty)?;
        let room = packet.tailroom();
        let too_long = MempoolError::TooLong {
            len: frame.len(),
            room,
        };
        packet
            .append(frame.len())
            .map_err(|_| too_long)?
            .copy_from_slice(frame);
        Ok(packet)
    }

    pub(crate) fn raw(&self) -> *mut rte_mempool {
        self.0.raw.as_ptr()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let retired = Retired {
            raw: self.raw,
            count: self.count,
            full_since: None,
        };
        RETIRED
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(retired);
        free_retired();
    }
}

/// A pool without handles, kept until its packets are home.
struct Retired {
    raw: NonNull<rte_mempool>,
    count: u32,
    full_since: Option<u64>,
}

// SAFETY: as for `Pool`.
unsafe impl Send for Retired {}

static RETIRED: Mutex<Vec<Retired>> = Mutex::new(Vec::new());

/// How long a pool must have been seen full before its memory goes. A thread that frees the last
/// packet counts it in before it has finished writing to the pool; that takes nanoseconds unless
/// the thread is descheduled in between.
const FULL_NS_MIN: u64 = 1_000_000_000;

/// Frees retired pools that have been full for a while; runs when a pool is made or retired.
fn free_retired() {
    let now = clock::now();
    RETIRED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .retain_mut(|pool| {
            // SAFETY: a pool that is not freed yet; the callee only reads counters.
            let available = unsafe { dpdk_sys::rte_mempool_avail_count(pool.raw.as_ptr()) };
            if available < pool.count {
                pool.full_since = None;
                return true;
            }
            let since = *pool.full_since.get_or_insert(now);
            let keep = now.saturating_sub(since) < FULL_NS_MIN;
            if !keep {
                // SAFETY: no handle is left to take packets out, and all packets are home.
                unsafe { dpdk_sys::rte_mempool_free(pool.raw.as_ptr()) };
            }
            keep
        });
}

/// As `rte_pktmbuf_pool_create`, but packet behind packet, over the borders of pages; null with
/// `rte_errno` set if that fails.
///
/// Hardware needs packets that are whole in physical memory, which DPDK has by leaving gaps at the
/// ends of pages: with 4 KiB pages one packet to a page. Its `net_af_xdp` (22.11 and up to 24.03)
/// takes count times size for the length of it all, and the kernel silently drops what lies
/// beyond: measured, 38 % of the packets.
fn gapless(
    _eal: Eal,
    name: &CStr,
    (count, cache): (u32, u32),
    data_room: u16,
    socket: i32,
) -> *mut rte_mempool {
    let element = u32::try_from(size_of::<rte_mbuf>()).unwrap_or_default() + u32::from(data_room);
    let flags = dpdk_sys::PS_MEMPOOL_NO_IOVA_CONTIG;
    // SAFETY: EAL runs (`_eal`); the name is NUL-terminated and copied by the callee.
    let raw = unsafe {
        dpdk_sys::rte_mempool_create_empty(
            name.as_ptr(),
            count,
            element,
            cache,
            dpdk_sys::PS_MEMPOOL_PRIVATE_BYTES,
            socket,
            flags,
        )
    };
    if raw.is_null() {
        return raw;
    }
    // SAFETY: EAL runs; returns a static string.
    let operations = unsafe { dpdk_sys::rte_mbuf_best_mempool_ops() };
    // SAFETY: a pool without memory yet, and the name of operations.
    let chosen = unsafe { dpdk_sys::rte_mempool_set_ops_byname(raw, operations, ptr::null_mut()) };
    // SAFETY: the pool has room for the private structure; null means that all of an element but
    // its header is data room.
    unsafe { dpdk_sys::rte_pktmbuf_pool_init(raw, ptr::null_mut()) };
    // SAFETY: a pool with operations and without memory; not reached if it has none.
    if chosen != 0 || unsafe { dpdk_sys::rte_mempool_populate_default(raw) } < 0 {
        // SAFETY: nobody knows the pool yet.
        unsafe { dpdk_sys::rte_mempool_free(raw) };
        return ptr::null_mut();
    }
    // SAFETY: every object of the pool is a packet that nobody has yet.
    unsafe {
        dpdk_sys::rte_mempool_obj_iter(raw, Some(dpdk_sys::rte_pktmbuf_init), ptr::null_mut())
    };
    raw
}

/// DPDK's number for a NUMA node.
pub(crate) fn socket_id(socket: Option<u32>) -> i32 {
    socket
        .and_then(|socket| i32::try_from(socket).ok())
        .unwrap_or(dpdk_sys::PS_SOCKET_ID_ANY)
}

// A packet buffer is what the bindings say it is.
const _: () = assert!(size_of::<rte_mbuf>() == 128);

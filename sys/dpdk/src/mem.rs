// SPDX-License-Identifier: Apache-2.0
//! Memory for the tables of the packet path.
//!
//! From DPDK's huge pages when it has them; otherwise an anonymous mapping that the kernel is asked
//! to back with transparent huge pages. The mapping costs nothing until it is touched.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::slice;

use crate::eal::{Eal, MemoryKind};
use crate::errno::Errno;
use crate::mempool::socket_id;

/// The slice cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MemError {
    /// DPDK has not that many huge pages left.
    #[error("no huge pages left for {0} bytes")]
    HugePages(usize),
    /// The kernel refused the mapping.
    #[error("no mapping of {bytes} bytes: {errno}")]
    Map {
        /// Bytes asked for.
        bytes: usize,
        /// Why.
        errno: Errno,
    },
    /// More bytes than an address space has.
    #[error("a table of {len} entries of {entry_bytes} bytes")]
    TooLarge {
        /// Entries asked for.
        len: usize,
        /// Bytes of each.
        entry_bytes: usize,
    },
}

/// A type for which all bytes zero is a value.
///
/// # Safety
/// All bytes zero is a valid value of the type, its alignment is at most [`ALIGN_BYTES`], and it
/// needs no drop.
pub unsafe trait Zeroable {}

macro_rules! zeroable {
    ($($kind:ty),+) => {$(
        // SAFETY: an integer; zero is one.
        unsafe impl Zeroable for $kind {}
    )+};
}

zeroable!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize
);

/// Atomic integers: an integer in memory.
mod atomic {
    use super::Zeroable;
    use std::sync::atomic::{
        AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize,
    };

    zeroable!(
        AtomicBool,
        AtomicI64,
        AtomicU8,
        AtomicU16,
        AtomicU32,
        AtomicU64,
        AtomicUsize
    );
}

// SAFETY: zero bytes are zero elements.
unsafe impl<T: Zeroable, const N: usize> Zeroable for [T; N] {}

/// A cache line: what every slice starts on.
pub const ALIGN_BYTES: usize = 64;

/// `len` values of `T`, all zero at first.
pub struct HugeSlice<T: Zeroable> {
    // Invariant: `len` initialised values that this owns, or dangling when `len` is 0.
    start: NonNull<T>,
    len: usize,
    source: Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Empty,
    Dpdk,
    Map { bytes: usize },
}

// SAFETY: the slice owns its values, like a Vec.
unsafe impl<T: Zeroable + Send> Send for HugeSlice<T> {}
// SAFETY: as above.
unsafe impl<T: Zeroable + Sync> Sync for HugeSlice<T> {}

impl<T: Zeroable> HugeSlice<T> {
    /// `len` values on NUMA node `socket` (`None`: any). Works without a running EAL too, from
    /// normal memory.
    ///
    /// # Errors
    /// [`MemError`].
    pub fn new(len: usize, socket: Option<u32>) -> Result<Self, MemError> {
        const {
            assert!(align_of::<T>() <= ALIGN_BYTES);
            assert!(size_of::<T>() > 0);
            assert!(!std::mem::needs_drop::<T>());
        }
        let too_large = MemError::TooLarge {
            len,
            entry_bytes: size_of::<T>(),
        };
        let bytes = len.checked_mul(size_of::<T>()).ok_or(too_large)?;
        if bytes > isize::MAX.unsigned_abs() {
            return Err(too_large);
        }
        let (start, source) = match Eal::running().map(Eal::memory_kind) {
            _ if bytes == 0 => (NonNull::<T>::dangling().cast(), Source::Empty),
            Some(MemoryKind::Huge) => (dpdk_memory(bytes, socket)?, Source::Dpdk),
            Some(MemoryKind::Normal) | None => (map(bytes)?, Source::Map { bytes }),
        };
        Ok(Self {
            start: start.cast(),
            len,
            source,
        })
    }

    /// Whether DPDK's huge pages hold it.
    #[must_use]
    pub fn is_huge(&self) -> bool {
        self.source == Source::Dpdk
    }
}

impl<T: Zeroable> Deref for HugeSlice<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `len` values that this owns, zeroed when made.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T: Zeroable> DerefMut for HugeSlice<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: `len` values that this owns, zeroed when made.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T: Zeroable> Drop for HugeSlice<T> {
    fn drop(&mut self) {
        match self.source {
            Source::Empty => {}
            // SAFETY: from rte_zmalloc_socket, and unused from now on.
            Source::Dpdk => unsafe { dpdk_sys::rte_free(self.start.cast().as_ptr()) },
            Source::Map { bytes } => {
                // SAFETY: a mapping of this size, and unused from now on.
                let _code = unsafe { libc::munmap(self.start.cast().as_ptr(), bytes) };
            }
        }
    }
}

impl<T: Zeroable> fmt::Debug for HugeSlice<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HugeSlice")
            .field("len", &self.len)
            .field("entry_bytes", &size_of::<T>())
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

fn dpdk_memory(bytes: usize, socket: Option<u32>) -> Result<NonNull<u8>, MemError> {
    // As an unsigned int: 64.
    const ALIGN: u32 = 64;
    const _: () = assert!(ALIGN as usize == ALIGN_BYTES);
    let name = c"penstock".as_ptr();
    // SAFETY: EAL runs (the caller asked it for its memory kind).
    let start = unsafe { dpdk_sys::rte_zmalloc_socket(name, bytes, ALIGN, socket_id(socket)) };
    NonNull::new(start)
        .map(NonNull::cast)
        .ok_or(MemError::HugePages(bytes))
}

fn map(bytes: usize) -> Result<NonNull<u8>, MemError> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a fresh anonymous mapping, at an address that the kernel chooses.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(MemError::Map {
            bytes,
            errno: Errno::last_os(),
        });
    }
    let start = NonNull::new(start).ok_or_else(|| MemError::Map {
        bytes,
        errno: Errno::last_os(),
    })?;
    // SAFETY: advice about the mapping just made; a kernel without transparent huge pages says no.
    let _advice = unsafe { libc::madvise(start.as_ptr(), bytes, libc::MADV_HUGEPAGE) };
    Ok(start.cast())
}

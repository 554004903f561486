// SPDX-License-Identifier: Apache-2.0
//! A packet.
//!
//! ```text
//!   buf_addr        data_off                          buf_len
//!   | headroom      | data: the first segment | tailroom |  ──next──►  | headroom | data | …
//! ```
//!
//! Received packets may come in several segments; headers are expected in the first, and only the
//! first is handed out for writing. An [`Mbuf`] owns its whole chain.

use std::fmt;
use std::ptr::NonNull;
use std::slice;

use dpdk_sys::rte_mbuf;

use crate::field;

/// An operation that the packet has no room or no bytes for; the packet is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MbufError {
    /// A chain would get more segments than DPDK can count.
    #[error("too many segments in one packet")]
    Chain,
    /// Not enough bytes in front of the packet.
    #[error("{wanted} bytes of headroom wanted, {available} available")]
    Headroom {
        /// Bytes asked for.
        wanted: usize,
        /// Bytes there are.
        available: usize,
    },
    /// The packet does not fit one segment.
    #[error("the packet of {0} bytes does not fit its first segment")]
    Linearize(usize),
    /// Not enough bytes behind the packet's last segment.
    #[error("{wanted} bytes of tailroom wanted, {available} available")]
    Tailroom {
        /// Bytes asked for.
        wanted: usize,
        /// Bytes there are.
        available: usize,
    },
    /// The segment concerned is shorter than the bytes to remove.
    #[error("{wanted} bytes to remove, {available} in the segment")]
    TooShort {
        /// Bytes asked for.
        wanted: usize,
        /// Bytes there are.
        available: usize,
    },
}

/// A packet with one owner.
///
/// It is freed when dropped, and once: there is no way to copy one.
///
/// ```compile_fail,E0599
/// fn twice(packet: dpdk::Mbuf) -> (dpdk::Mbuf, dpdk::Mbuf) {
///     (packet.clone(), packet)
/// }
/// ```
///
/// It stays on its thread; a ring ([`crate::ring`]) takes it to another.
///
/// ```compile_fail,E0277
/// fn elsewhere(packet: dpdk::Mbuf) {
///     std::thread::spawn(move || drop(packet));
/// }
/// ```
#[must_use = "a packet that is not sent or kept is dropped"]
#[repr(transparent)]
pub struct Mbuf {
    // Invariant: the head of a live chain whose reference counts are 1 and that nothing else refers
    // to. This crate never clones one, and drivers give their packets away on receive.
    raw: NonNull<rte_mbuf>,
}

const _: () = assert!(size_of::<Mbuf>() == 8 && size_of::<Option<Mbuf>>() == 8);

impl Mbuf {
    /// Takes over a packet that DPDK gave.
    ///
    /// # Safety
    /// `raw` is the head of a live chain of mbufs, consistent (`nb_segs`, `pkt_len`, `next`), with
    /// reference counts of 1, and nothing else uses or frees it from now on.
    #[inline]
    pub unsafe fn from_raw(raw: NonNull<rte_mbuf>) -> Self {
        Self { raw }
    }

    /// Gives the packet away; whoever takes it frees it.
    #[inline]
    #[must_use = "the packet leaks unless the pointer is used"]
    pub fn into_raw(self) -> NonNull<rte_mbuf> {
        std::mem::ManuallyDrop::new(self).raw
    }

    /// The first segment, from the first octet of Ethernet.
    #[inline]
    #[must_use]
    pub fn data(&self) -> &[u8] {
        match data_range(self.raw) {
            // SAFETY: `data_range` lies inside the segment's buffer, which this packet owns.
            Some((start, len)) => unsafe { slice::from_raw_parts(start.as_ptr(), len) },
            None => &[],
        }
    }

    /// The first segment, writable.
    #[inline]
    #[must_use]
    pub fn data_mut(&mut self) -> &mut [u8] {
        match data_range(self.raw) {
            // SAFETY: `data_range` lies inside the segment's buffer, which this packet owns and
            // `&mut self` borrows alone.
            Some((start, len)) => unsafe { slice::from_raw_parts_mut(start.as_ptr(), len) },
            None => &mut [],
        }
    }

    /// Length of the whole packet in bytes.
    #[inline]
    #[must_use]
    pub fn pkt_len(&self) -> usize {
        // SAFETY: a live mbuf, owned.
        let len = unsafe { field::PKT_LEN.get(self.raw) };
        usize::try_from(len).unwrap_or(usize::MAX)
    }

    /// How many segments the packet has, at least 1.
    #[inline]
    #[must_use]
    pub fn segment_count(&self) -> usize {
        // SAFETY: a live mbuf, owned.
        usize::from(unsafe { field::NB_SEGS.get(self.raw) })
    }

    /// The data of each segment in order.
    #[must_use]
    pub fn segments(&self) -> Segments<'_> {
        Segments {
            next: Some(self.raw),
            left: self.segment_count(),
            packet: std::marker::PhantomData,
        }
    }

    /// The port that received the packet (`u16::MAX` for one that none did).
    #[inline]
    #[must_use]
    pub fn port(&self) -> u16 {
        // SAFETY: a live mbuf, owned.
        unsafe { field::PORT.get(self.raw) }
    }

    /// Sets the port that the packet counts as received by.
    #[inline]
    pub fn set_port(&mut self, port: u16) {
        // SAFETY: a live mbuf, owned; the field is informative.
        unsafe { field::PORT.set(self.raw, port) }
    }

    /// Bytes free in front of the packet.
    #[inline]
    #[must_use]
    pub fn headroom(&self) -> usize {
        // SAFETY: a live mbuf, owned.
        usize::from(unsafe { field::DATA_OFF.get(self.raw) })
    }

    /// Bytes free behind the packet's last segment.
    #[must_use]
    pub fn tailroom(&self) -> usize {
        let last = self.last_segment();
        // SAFETY: a live segment of this packet.
        let buf_len = unsafe { field::BUF_LEN.get(last) };
        // SAFETY: as above.
        let data_off = unsafe { field::DATA_OFF.get(last) };
        // SAFETY: as above.
        let data_len = unsafe { field::DATA_LEN.get(last) };
        usize::from(buf_len.saturating_sub(data_off).saturating_sub(data_len))
    }

    /// Grows the packet by `count` bytes at the front and returns them, content unspecified.
    ///
    /// # Errors
    /// [`MbufError::Headroom`].
    pub fn prepend(&mut self, count: usize) -> Result<&mut [u8], MbufError> {
        let error = MbufError::Headroom {
            wanted: count,
            available: self.headroom(),
        };
        let len = u16::try_from(count).map_err(|_| error)?;
        // SAFETY: a live mbuf, owned; the callee checks the headroom.
        let start = unsafe { dpdk_sys::ps_rte_pktmbuf_prepend(self.raw.as_ptr(), len) };
        let start = NonNull::new(start).ok_or(error)?;
        // SAFETY: the callee made `count` bytes at `start` part of this packet's buffer, and
        // `&mut self` borrows them alone.
        Ok(unsafe { slice::from_raw_parts_mut(start.cast::<u8>().as_ptr(), count) })
    }

    /// Grows the packet's last segment by `count` bytes and returns them, content unspecified.
    ///
    /// # Errors
    /// [`MbufError::Tailroom`].
    pub fn append(&mut self, count: usize) -> Result<&mut [u8], MbufError> {
        let error = MbufError::Tailroom {
            wanted: count,
            available: self.tailroom(),
        };
        let len = u16::try_from(count).map_err(|_| error)?;
        // SAFETY: a live mbuf, owned; the callee checks the tailroom.
        let start = unsafe { dpdk_sys::ps_rte_pktmbuf_append(self.raw.as_ptr(), len) };
        let start = NonNull::new(start).ok_or(error)?;
        // SAFETY: the callee made `count` bytes at `start` part of this packet's buffer, and
        // `&mut self` borrows them alone.
        Ok(unsafe { slice::from_raw_parts_mut(start.cast::<u8>().as_ptr(), count) })
    }

    /// Removes `count` bytes from the front of the first segment.
    ///
    /// # Errors
    /// [`MbufError::TooShort`].
    pub fn adj(&mut self, count: usize) -> Result<(), MbufError> {
        let error = MbufError::TooShort {
            wanted: count,
            available: self.data().len(),
        };
        let len = u16::try_from(count).map_err(|_| error)?;
        // SAFETY: a live mbuf, owned; the callee checks the length.
        let start = unsafe { dpdk_sys::ps_rte_pktmbuf_adj(self.raw.as_ptr(), len) };
        NonNull::new(start).map(|_| ()).ok_or(error)
    }

    /// Removes `count` bytes from the end of the last segment.
    ///
    /// # Errors
    /// [`MbufError::TooShort`].
    pub fn trim(&mut self, count: usize) -> Result<(), MbufError> {
        // SAFETY: a live segment of this packet.
        let available = usize::from(unsafe { field::DATA_LEN.get(self.last_segment()) });
        let error = MbufError::TooShort {
            wanted: count,
            available,
        };
        let len = u16::try_from(count).map_err(|_| error)?;
        // SAFETY: a live mbuf, owned; the callee checks the length.
        match unsafe { dpdk_sys::ps_rte_pktmbuf_trim(self.raw.as_ptr(), len) } {
            0 => Ok(()),
            _ => Err(error),
        }
    }

    /// Makes the whole packet at most `len` bytes long, freeing segments that are no longer needed.
    pub fn truncate(&mut self, len: usize) {
        if len >= self.pkt_len() {
            return;
        }
        let mut segment = self.raw;
        let mut kept = 1_u16;
        let mut left = len;
        let last_len = loop {
            // SAFETY: a live segment of this packet.
            let data_len = unsafe { field::DATA_LEN.get(segment) };
            match (
                left.checked_sub(usize::from(data_len)),
                next_segment(segment),
            ) {
                (Some(rest), Some(next)) if rest > 0 => {
                    left = rest;
                    kept = kept.saturating_add(1);
                    segment = next;
                }
                _ => break data_len.min(u16::try_from(left).unwrap_or(u16::MAX)),
            }
        };
        let tail = next_segment(segment);
        // SAFETY: the segments up to `segment` stay, the rest is freed below; lengths and count are
        // those of what stays, so the chain is consistent.
        unsafe { field::DATA_LEN.set(segment, last_len) };
        // SAFETY: as above.
        unsafe { field::NEXT.set(segment, std::ptr::null_mut()) };
        // SAFETY: as above.
        unsafe { field::NB_SEGS.set(self.raw, kept) };
        // SAFETY: as above; `len` is less than the former length, a u32.
        unsafe { field::PKT_LEN.set(self.raw, u32::try_from(len).unwrap_or(u32::MAX)) };
        if let Some(tail) = tail {
            // SAFETY: cut off above, so nothing refers to it; the callee follows `next` only.
            unsafe { dpdk_sys::ps_rte_pktmbuf_free(tail.as_ptr()) };
        }
    }

    /// Moves all bytes into the first segment.
    ///
    /// # Errors
    /// [`MbufError::Linearize`].
    pub fn linearize(&mut self) -> Result<(), MbufError> {
        // SAFETY: a live mbuf, owned; the callee checks the room.
        match unsafe { dpdk_sys::ps_rte_pktmbuf_linearize(self.raw.as_ptr()) } {
            0 => Ok(()),
            _ => Err(MbufError::Linearize(self.pkt_len())),
        }
    }

    /// Puts the segments of `tail` behind those of this packet.
    ///
    /// # Errors
    /// [`MbufError::Chain`] with the tail, unchanged.
    pub fn chain(&mut self, tail: Self) -> Result<(), (MbufError, Self)> {
        // SAFETY: two live chains, both owned; on success the head owns the tail's segments.
        match unsafe { dpdk_sys::ps_rte_pktmbuf_chain(self.raw.as_ptr(), tail.raw.as_ptr()) } {
            0 => {
                let _owned_by_the_head = tail.into_raw();
                Ok(())
            }
            _ => Err((MbufError::Chain, tail)),
        }
    }

    /// Copies up to `target.len()` bytes of the packet, from `offset` on, across segments; returns
    /// how many there were.
    pub fn copy_to(&self, offset: usize, target: &mut [u8]) -> usize {
        let mut skip = offset;
        let mut rest = target;
        let mut copied = 0_usize;
        for segment in self.segments() {
            let from = segment.get(skip..).unwrap_or_default();
            skip = skip.saturating_sub(segment.len());
            let count = from.len().min(rest.len());
            let (now, later) = std::mem::take(&mut rest).split_at_mut(count);
            now.copy_from_slice(from.get(..count).unwrap_or_default());
            rest = later;
            copied = copied.saturating_add(count);
            if rest.is_empty() {
                break;
            }
        }
        copied
    }

    pub(crate) fn raw(&self) -> NonNull<rte_mbuf> {
        self.raw
    }

    fn last_segment(&self) -> NonNull<rte_mbuf> {
        let mut segment = self.raw;
        while let Some(next) = next_segment(segment) {
            segment = next;
        }
        segment
    }
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: a live chain that only this value refers to.
        unsafe { dpdk_sys::ps_rte_pktmbuf_free(self.raw.as_ptr()) }
    }
}

impl fmt::Debug for Mbuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mbuf")
            .field("port", &self.port())
            .field("pkt_len", &self.pkt_len())
            .field("segments", &self.segment_count())
            .finish_non_exhaustive()
    }
}

/// Iterator of [`Mbuf::segments`].
#[derive(Debug, Clone)]
pub struct Segments<'packet> {
    next: Option<NonNull<rte_mbuf>>,
    // A bound besides the chain's own end, against a chain that a driver made circular.
    left: usize,
    packet: std::marker::PhantomData<&'packet Mbuf>,
}

impl<'packet> Iterator for Segments<'packet> {
    type Item = &'packet [u8];

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let segment = self.next?;
        self.next = next_segment(segment);
        Some(match data_range(segment) {
            // SAFETY: inside the buffer of a segment of the packet that `'packet` borrows.
            Some((start, len)) => unsafe { slice::from_raw_parts(start.as_ptr(), len) },
            None => &[],
        })
    }
}

/// The segment after this one; callers pass segments of a chain they own or borrow.
#[inline]
fn next_segment(segment: NonNull<rte_mbuf>) -> Option<NonNull<rte_mbuf>> {
    // SAFETY: every caller passes a live segment that it owns or borrows.
    NonNull::new(unsafe { field::NEXT.get(segment) })
}

/// Start and length of a segment's data; `None` when a driver left fields that point outside the
/// segment's buffer. Callers pass segments of a chain they own or borrow.
#[inline]
fn data_range(segment: NonNull<rte_mbuf>) -> Option<(NonNull<u8>, usize)> {
    // SAFETY: every caller passes a live segment that it owns or borrows.
    let start = NonNull::new(unsafe { field::BUF_ADDR.get(segment) })?;
    // SAFETY: as above.
    let buf_len = usize::from(unsafe { field::BUF_LEN.get(segment) });
    // SAFETY: as above.
    let offset = usize::from(unsafe { field::DATA_OFF.get(segment) });
    // SAFETY: as above.
    let len = usize::from(unsafe { field::DATA_LEN.get(segment) });
    if offset.saturating_add(len) > buf_len {
        return None;
    }
    // SAFETY: `offset` is within the buffer of `buf_len` bytes.
    Some((unsafe { start.add(offset) }, len))
}

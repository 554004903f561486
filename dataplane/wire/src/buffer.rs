// SPDX-License-Identifier: Apache-2.0
//! The packet buffer, as the engine sees it.
//!
//! ```text
//!   | headroom | first segment: headers, contiguous | tailroom |  + tail segments, carried along
//!              ^ bytes()[0] = first octet of Ethernet
//! ```
//!
//! The worker implements [`PacketBuf`] over an mbuf; tests use [`TestBuf`]. Only the first segment
//! can be read and written: headers live there, payload beyond it travels untouched.

use alloc::vec::Vec;

/// A buffer operation that did not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BufferError {
    /// Fewer bytes of headroom than asked for.
    Headroom,
    /// Fewer bytes of tailroom than asked for.
    Tailroom,
    /// The first segment is shorter than the bytes to remove.
    TooShort,
}

impl core::fmt::Display for BufferError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Headroom => "not enough headroom in front of the packet",
            Self::Tailroom => "not enough tailroom behind the packet",
            Self::TooShort => "the first segment is shorter than that",
        })
    }
}

impl core::error::Error for BufferError {}

/// A packet that its holder owns.
pub trait PacketBuf: Sized {
    /// The first segment, from the first octet of Ethernet.
    fn bytes(&self) -> &[u8];

    /// The first segment, writable.
    fn bytes_mut(&mut self) -> &mut [u8];

    /// Length of the whole packet in bytes, tail segments included.
    fn total_len(&self) -> usize;

    /// Grows the packet by `count` bytes at the front; their content is unspecified.
    ///
    /// # Errors
    /// [`BufferError::Headroom`]; the packet is unchanged.
    fn prepend(&mut self, count: usize) -> Result<(), BufferError>;

    /// Removes `count` bytes from the front.
    ///
    /// # Errors
    /// [`BufferError::TooShort`]; the packet is unchanged.
    fn trim_front(&mut self, count: usize) -> Result<(), BufferError>;

    /// Makes the whole packet `len` bytes long by cutting bytes off its end (tail segments first).
    /// A `len` of at least [`total_len`](Self::total_len) changes nothing.
    fn truncate(&mut self, len: usize);

    /// Grows the first segment of an unchained packet by `count` bytes at its end; their content is
    /// unspecified.
    ///
    /// # Errors
    /// [`BufferError::Tailroom`], also when tail segments follow; the packet is unchanged.
    fn append(&mut self, count: usize) -> Result<(), BufferError>;

    /// Copies up to `target.len()` bytes of the packet, from `offset` of the whole packet on,
    /// crossing segments; returns how many there were.
    fn copy_out(&self, offset: usize, target: &mut [u8]) -> usize;

    /// Puts the bytes of `tail` behind this packet's, as segments of its own.
    ///
    /// # Errors
    /// `tail`, when there would be too many segments; both packets are unchanged.
    fn join(&mut self, tail: Self) -> Result<(), Self>;
}

/// Where new packets (fragments, ICMP errors) come from.
pub trait PacketPool {
    /// The kind of packet this pool hands out.
    type Buf: PacketBuf;

    /// An empty packet (length 0, default headroom), or `None` when the pool is dry.
    fn alloc(&mut self) -> Option<Self::Buf>;
}

/// Bytes kept in front of a [`TestBuf`], as DPDK's default mbuf headroom.
pub const TEST_HEADROOM_BYTES: usize = 128;

/// A packet on the heap, for tests, the oracle and the fuzzers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestBuf {
    store: Vec<u8>,
    start: usize,
    tail: Vec<u8>,
}

impl TestBuf {
    /// A packet of one segment.
    #[must_use]
    pub fn new(frame: &[u8]) -> Self {
        let mut store = alloc::vec![0; TEST_HEADROOM_BYTES];
        store.extend_from_slice(frame);
        Self {
            store,
            start: TEST_HEADROOM_BYTES,
            tail: Vec::new(),
        }
    }

    /// A packet whose first segment ends after `first_len` bytes of `frame`.
    #[must_use]
    pub fn chained(frame: &[u8], first_len: usize) -> Self {
        let (first, tail) = frame.split_at(first_len.min(frame.len()));
        let mut packet = Self::new(first);
        packet.tail = tail.to_vec();
        packet
    }

    /// The whole frame, segments joined.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        let mut frame = self.bytes().to_vec();
        frame.extend_from_slice(&self.tail);
        frame
    }
}

impl PacketBuf for TestBuf {
    fn bytes(&self) -> &[u8] {
        self.store.get(self.start..).unwrap_or_default()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.store.get_mut(self.start..).unwrap_or_default()
    }

    fn total_len(&self) -> usize {
        self.bytes().len().saturating_add(self.tail.len())
    }

    fn prepend(&mut self, count: usize) -> Result<(), BufferError> {
        self.start = self.start.checked_sub(count).ok_or(BufferError::Headroom)?;
        Ok(())
    }

    fn trim_front(&mut self, count: usize) -> Result<(), BufferError> {
        if count > self.bytes().len() {
            return Err(BufferError::TooShort);
        }
        self.start = self.start.saturating_add(count);
        Ok(())
    }

    fn truncate(&mut self, len: usize) {
        let first = self.bytes().len();
        self.tail.truncate(len.saturating_sub(first));
        if len < first {
            self.store.truncate(self.start.saturating_add(len));
        }
    }

    fn append(&mut self, count: usize) -> Result<(), BufferError> {
        if !self.tail.is_empty() {
            return Err(BufferError::Tailroom);
        }
        self.store.resize(self.store.len().saturating_add(count), 0);
        Ok(())
    }

    fn copy_out(&self, offset: usize, target: &mut [u8]) -> usize {
        let whole = self.bytes().iter().chain(self.tail.iter()).skip(offset);
        target
            .iter_mut()
            .zip(whole)
            .map(|(to, from)| *to = *from)
            .count()
    }

    fn join(&mut self, tail: Self) -> Result<(), Self> {
        self.tail.extend_from_slice(tail.bytes());
        self.tail.extend_from_slice(&tail.tail);
        Ok(())
    }
}

/// A pool that is never dry, or dry after a set number of packets.
#[derive(Debug, Clone)]
pub struct TestPool {
    left: usize,
}

impl TestPool {
    /// A pool of `count` packets.
    #[must_use]
    pub const fn new(count: usize) -> Self {
        Self { left: count }
    }
}

impl Default for TestPool {
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl PacketPool for TestPool {
    type Buf = TestBuf;

    fn alloc(&mut self) -> Option<TestBuf> {
        self.left = self.left.checked_sub(1)?;
        Some(TestBuf::new(&[]))
    }
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: Apache-2.0
//! DPDK's packets and pools in the clothes the engine knows.

use dpdk::{Mbuf, Mempool};
use wire::buffer::{BufferError, PacketBuf, PacketPool};

/// A packet in an mbuf.
#[derive(Debug)]
#[repr(transparent)]
pub struct Packet(
    /// The mbuf.
    pub Mbuf,
);

impl PacketBuf for Packet {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.0.data()
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.data_mut()
    }

    #[inline]
    fn total_len(&self) -> usize {
        self.0.pkt_len()
    }

    fn prepend(&mut self, count: usize) -> Result<(), BufferError> {
        self.0
            .prepend(count)
            .map(|_| ())
            .map_err(|_| BufferError::Headroom)
    }

    fn trim_front(&mut self, count: usize) -> Result<(), BufferError> {
        self.0.adj(count).map_err(|_| BufferError::TooShort)
    }

    #[inline]
    fn truncate(&mut self, len: usize) {
        if len < self.0.pkt_len() {
            self.0.truncate(len);
        }
    }

    fn append(&mut self, count: usize) -> Result<(), BufferError> {
        if self.0.segment_count() > 1 {
            return Err(BufferError::Tailroom);
        }
        self.0
            .append(count)
            .map(|_| ())
            .map_err(|_| BufferError::Tailroom)
    }

    fn copy_out(&self, offset: usize, target: &mut [u8]) -> usize {
        self.0.copy_to(offset, target)
    }

    fn join(&mut self, tail: Self) -> Result<(), Self> {
        self.0.chain(tail.0).map_err(|(_, tail)| Self(tail))
    }
}

/// A pool of mbufs.
#[derive(Debug, Clone)]
pub struct Pool(
    /// The pool.
    pub Mempool,
);

impl PacketPool for Pool {
    type Buf = Packet;

    fn alloc(&mut self) -> Option<Packet> {
        self.0.alloc().map(Packet)
    }
}

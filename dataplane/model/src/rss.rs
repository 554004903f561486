// SPDX-License-Identifier: Apache-2.0
//! How the director's ports spread packets over workers by themselves (receive side scaling).
//!
//! ```text
//!   addresses, ports ──Toeplitz, key──► hash ──low bits──► table ──► queue = worker
//! ```
//!
//! One function for the whole director: every port is given the same key and a table that agrees.
//! A port that refuses them delivers packets to the wrong workers, which pass them on.

use alloc::vec::Vec;

use crate::ids::WorkerId;
use crate::service::Protocol;

/// Half bytes of the longest input: two IPv6 addresses and two ports.
pub const HALF_BYTES: usize = 72;
/// Entries of a table at most (`RTE_ETH_RSS_RETA_SIZE_512`).
pub const TABLE_MAX: usize = 512;

/// What a port hashes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RssInput {
    /// Both addresses, then both ports, source first.
    FourTuple,
    /// One address and its port: of packets from clients their source, of packets from servers
    /// their destination.
    OneEnd,
}

impl RssInput {
    /// Where in the input the port stands that a packet to the director's own address is sent to,
    /// in bytes.
    #[must_use]
    pub const fn local_port_at(self, is_v4: bool) -> usize {
        match (self, is_v4) {
            (Self::FourTuple, true) => 10,
            (Self::FourTuple, false) => 34,
            (Self::OneEnd, true) => 4,
            (Self::OneEnd, false) => 16,
        }
    }
}

/// What control knows of the ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RssFacts {
    /// What each value of each half byte of the input adds to the hash.
    pub sums: Vec<[u32; 16]>,
    /// Worker by the low bits of the hash.
    pub table: Vec<WorkerId>,
    /// What goes into the hash.
    pub input: RssInput,
    /// Protocols whose ports go into it.
    pub protocols: Vec<Protocol>,
    /// Workers that share the flows.
    pub workers: u16,
    /// Key of the hash of what the ports hash no ports of, random at boot.
    pub rest: [u64; 2],
}

/// Why packets cannot be told apart as the ports do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RssError {
    /// The key is short.
    #[error("the RSS key has less than 40 bytes")]
    Key,
    /// Some value of the destination port that would lead to a worker does not exist, so FullNAT
    /// would find no port there.
    #[error("with this RSS key, ports alone do not reach every entry of the table")]
    KeyRank,
    /// Not 2, 4, …, 512 entries, or one that names no worker.
    #[error("the redirection table must have a power of two entries, 512 at most, of workers")]
    Table,
    /// Nothing would ever reach this one.
    #[error("worker {0} has no entry in the redirection table")]
    WorkerWithoutEntry(WorkerId),
}

/// The function by which the ports choose a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rss {
    facts: RssFacts,
    mask: u32,
}

impl Rss {
    /// The function, if it leads to every worker, from everywhere.
    ///
    /// # Errors
    /// [`RssError`].
    pub fn new(facts: RssFacts) -> Result<Self, RssError> {
        if facts.sums.len() < HALF_BYTES {
            return Err(RssError::Key);
        }
        let len = facts.table.len();
        let known = |worker: &WorkerId| worker.0 < facts.workers;
        let mask = u32::try_from(len).unwrap_or_default().wrapping_sub(1);
        if !len.is_power_of_two() || len > TABLE_MAX || !facts.table.iter().all(known) {
            return Err(RssError::Table);
        }
        let missed = (0..facts.workers)
            .map(WorkerId)
            .find(|worker| !facts.table.contains(worker));
        if let Some(worker) = missed {
            return Err(RssError::WorkerWithoutEntry(worker));
        }
        let full = [true, false].iter().all(|is_v4| {
            let at = facts.input.local_port_at(*is_v4);
            reaches_all(facts.sums.get(2 * at..).unwrap_or_default(), mask)
        });
        if !full {
            return Err(RssError::KeyRank);
        }
        Ok(Self { facts, mask })
    }

    /// What each value of each half byte of the input adds to the hash.
    #[must_use]
    #[inline]
    pub fn sums(&self) -> &[[u32; 16]] {
        &self.facts.sums
    }

    /// What goes into the hash.
    #[must_use]
    #[inline]
    pub const fn input(&self) -> RssInput {
        self.facts.input
    }

    /// Bits of the hash that choose.
    #[must_use]
    #[inline]
    pub const fn mask(&self) -> u32 {
        self.mask
    }

    /// Workers that share the flows.
    #[must_use]
    #[inline]
    pub const fn workers(&self) -> u16 {
        self.facts.workers
    }

    /// Key of the hash of everything that the ports hash no ports of.
    #[must_use]
    #[inline]
    pub const fn rest(&self) -> [u64; 2] {
        self.facts.rest
    }

    /// Whether the ports of that protocol go into the hash.
    #[must_use]
    #[inline]
    pub fn hashes_ports_of(&self, protocol: u8) -> bool {
        self.facts
            .protocols
            .iter()
            .any(|known| *known as u8 == protocol)
    }

    /// The worker of a hash.
    #[must_use]
    #[inline]
    pub fn worker(&self, hash: u32) -> WorkerId {
        let entry = self.facts.table.get((hash & self.mask) as usize);
        entry.copied().unwrap_or_default()
    }
}

/// Whether the sixteen bits that the first four half bytes of `sums` stand for can change the hash
/// under `mask` to every other: whether what they add has full rank (Gauss, over bits).
fn reaches_all(sums: &[[u32; 16]], mask: u32) -> bool {
    let mut basis: Vec<u32> = Vec::new();
    for sums in sums.iter().take(4) {
        for bit in [1, 2, 4, 8] {
            let mut added = sums.get(bit).copied().unwrap_or_default() & mask;
            for member in &basis {
                added = added.min(added ^ member);
            }
            if added != 0 {
                basis.push(added);
            }
        }
    }
    basis.len() == mask.count_ones() as usize
}

#[cfg(test)]
mod tests;

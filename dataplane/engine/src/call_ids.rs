// SPDX-License-Identifier: Apache-2.0
//! The Call-IDs that templates of SIP services stand for.
//!
//! A Call-ID does not fit into a flow's key. The key has a digest of it and of the client in the
//! place of the client's address; here is what the digest is of, to be compared, because equal
//! digests prove nothing.

use alloc::vec::Vec;

use model::addr::Addr;
use model::fib::Hasher;
use wire::sip::CALL_ID_MAX;

/// Call-IDs that a worker remembers at most; each takes 280 bytes.
const CALL_IDS_MAX: usize = 1 << 18;
/// "No entry" in a link.
const NONE: u32 = u32::MAX;

/// A keyed hash of a Call-ID and a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest(pub(crate) u128);

#[derive(Debug, Clone)]
struct Entry {
    network: Addr,
    bytes: [u8; CALL_ID_MAX],
    length: u8,
    next: u32,
}

/// The Call-IDs of one worker's templates, by place; places count from 1.
#[derive(Debug)]
pub(crate) struct CallIds {
    hasher: Hasher,
    entries: Vec<Entry>,
    free: u32,
}

impl CallIds {
    /// None, and room for none.
    pub(crate) const fn new(hasher: Hasher) -> Self {
        Self {
            hasher,
            entries: Vec::new(),
            free: NONE,
        }
    }

    /// Makes room for the Call-IDs of a table of `flows` places; to be called between bursts. The
    /// memory is touched only when it is used.
    pub(crate) fn make_room(&mut self, flows: usize) {
        let wanted = flows.min(CALL_IDS_MAX);
        if self.entries.capacity() < wanted {
            self.entries.reserve_exact(wanted - self.entries.len());
        }
    }

    /// What a template's key has of it.
    pub(crate) fn digest(&self, network: Addr, call_id: &[u8]) -> Digest {
        let half = |which: u8| u128::from(self.hasher.hash_one((which, network, call_id)));
        Digest(half(0) << 64 | half(1))
    }

    /// Keeps a Call-ID; `None` if there is no room, or it is too long.
    pub(crate) fn remember(&mut self, network: Addr, call_id: &[u8]) -> Option<u32> {
        let mut entry = Entry {
            network,
            bytes: [0; CALL_ID_MAX],
            length: u8::try_from(call_id.len()).ok()?,
            next: NONE,
        };
        entry
            .bytes
            .get_mut(..call_id.len())?
            .copy_from_slice(call_id);
        let place = self.free;
        if let Some(free) = self.entries.get_mut(place as usize) {
            self.free = free.next;
            *free = entry;
            return Some(place + 1);
        }
        if self.entries.len() == self.entries.capacity() {
            return None;
        }
        self.entries.push(entry);
        u32::try_from(self.entries.len()).ok()
    }

    /// Whether that place has this Call-ID of this client.
    pub(crate) fn is(&self, place: u32, network: Addr, call_id: &[u8]) -> bool {
        self.entry(place).is_some_and(|entry| {
            entry.network == network
                && entry.bytes.get(..usize::from(entry.length)) == Some(call_id)
        })
    }

    /// The client that the Call-ID of that place is of.
    pub(crate) fn network(&self, place: u32) -> Option<Addr> {
        self.entry(place).map(|entry| entry.network)
    }

    /// Frees a place; 0 is none.
    pub(crate) fn forget(&mut self, place: u32) {
        let Some(index) = place.checked_sub(1) else {
            return;
        };
        if let Some(entry) = self.entries.get_mut(index as usize) {
            entry.length = 0;
            entry.next = self.free;
            self.free = index;
        }
    }

    fn entry(&self, place: u32) -> Option<&Entry> {
        let index = place.checked_sub(1)?;
        self.entries.get(index as usize)
    }
}

const _: () = assert!(size_of::<Entry>() <= 280);

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: Apache-2.0
//! The connections of one worker, found from either direction's key.
//!
//! ```text
//!  FlowKey ──hash──► bucket (64 B: 8 signatures, 8 references) ──► hot entry (64 B) ──► packet
//!                    or its one alternative                          cold entry (32 B)
//! ```
//!
//! A lookup touches one index line and one entry for nearly all known connections, one index line
//! for nearly all unknown ones, and never more than two index lines. A connection costs 64 + 32
//! octets and, with both directions in an index at its design load of 0.8, 20 more: 116 of the 128
//! allowed.
//!
//! Not stored: the real server's address and port. They are the same for all of a server's
//! connections, there are few servers, and their lines stay in cache; the caller hands in the way
//! from slot to address. A packet from the server reads it to confirm its key, a packet to the
//! server needs it anyway to be rewritten. Stored, they would overfill the cold half and cost every
//! outbound packet a second line; looked up, they cost it at most a tenth of the lookup.
//!
//! Ratio to hashbrown + ahash, lookups in bursts of 32 over 4 KiB pages, no prefetch instructions
//! (`examples/flow_table_cost.rs`, medians of four runs):
//!
//! | flows | to a map of one direction, entry inside | to a map of both, entries apart (NAT) |
//! |---|---|---|
//! | 4096 | 1.00 | 0.97 |
//! | 32 768 | 0.91 | 0.84 |
//! | 1 000 000 | 0.68 | 0.52 |

mod entry;
mod hash;
mod index;
mod memory;
#[cfg(test)]
pub(crate) mod tests;

use alloc::vec::Vec;

use model::addr::Addr;
use model::ids::{RealId, ServiceId};

pub use entry::{ColdEntry, FlowFlags, HotEntry, NO_HOP};
pub(crate) use entry::{NO_LINK, NOT_ON_WHEEL};
pub use hash::{Hash, HashKey};
pub use index::Bucket;
pub use memory::{FlowMemory, HeapMemory, Layout};

use index::{Lanes, Reference, Slot};

use crate::local_ports::Lease;

/// Which way a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Direction {
    /// From the client to the real server.
    Inbound = 0,
    /// From the real server to the client.
    Outbound = 1,
}

/// The five numbers that name a flow, as they stand in the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// IP protocol number.
    pub protocol: u8,
    /// Source address.
    pub source: Addr,
    /// Source port.
    pub source_port: u16,
    /// Destination address.
    pub destination: Addr,
    /// Destination port.
    pub destination_port: u16,
}

/// A connection of this table, as long as it is not removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub(crate) u32);

impl FlowId {
    /// The number as an index.
    #[must_use]
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What [`FlowTable::insert`] needs to know.
#[derive(Debug, Clone, Copy)]
pub struct NewFlow {
    /// Key of the client's packets.
    pub inbound: FlowKey,
    /// Key of the server's packets, if they pass the director: the address and port that the
    /// lookup of `real` gives as source, the client as destination.
    pub outbound: Option<FlowKey>,
    /// The real server.
    pub real: RealId,
    /// The virtual service.
    pub service: ServiceId,
    /// Mode and other flags.
    pub flags: FlowFlags,
    /// State number of the protocol's machine.
    pub state: u8,
    /// How long to remember the connection after its last packet, milliseconds.
    pub timeout_ms: u32,
    /// Now, milliseconds of a wrapping clock.
    pub now_ms: u32,
    /// The local port, if the mode needs one: the outbound key goes there.
    pub lease: Option<Lease>,
}

/// What the home bucket of a key has to offer: see [`FlowTable::candidates`].
#[derive(Debug, Clone, Copy)]
pub struct Candidates {
    home: u32,
    lanes: Lanes,
}

/// Why a connection was not inserted; the table is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InsertError {
    /// The inbound key is taken.
    #[error("the connection is known already")]
    Exists,
    /// Every entry holds a connection.
    #[error("the flow table is full")]
    Full,
    /// No lane of the index could be made free; does not happen up to the design load.
    #[error("the index of the flow table is full")]
    IndexFull,
    /// The slot is no [`ServiceId`] that control gives out.
    #[error("the service slot is out of range")]
    ServiceRange,
}

/// The connections of one worker.
#[derive(Debug)]
pub struct FlowTable<M> {
    memory: M,
    hash_key: HashKey,
    /// Head of the free list. Last in, first out: the entry freed last is the likeliest in cache.
    free: u32,
    /// Entries from here on were never used; they are taken when the free list is empty, so a new
    /// table touches no page it does not need.
    fresh: u32,
    live: u32,
    /// Local addresses by the block that a port is of, for the flows whose outbound key has one.
    locals: Vec<Addr>,
}

impl<M: FlowMemory> FlowTable<M> {
    /// An empty table over `memory`, which must be all zero.
    #[must_use]
    pub const fn new(memory: M, hash_key: HashKey) -> Self {
        Self {
            memory,
            hash_key,
            free: NO_LINK,
            fresh: 0,
            live: 0,
            locals: Vec::new(),
        }
    }

    /// Makes room for the addresses of so many blocks of local ports.
    pub(crate) fn reserve_locals(&mut self, blocks: usize) {
        if self.locals.len() < blocks {
            self.locals.resize(blocks, Addr::UNSPECIFIED);
        }
    }

    /// The local address and port of a flow that has one.
    #[must_use]
    #[inline]
    pub fn local_end(&self, flow: FlowId) -> Option<(Addr, u16)> {
        let (block, port) = self.leased(flow)?;
        Some((*self.locals.get(usize::from(block))?, port))
    }

    /// The block and the local port that a flow has to give back at its end.
    pub(crate) fn leased(&self, flow: FlowId) -> Option<(u16, u16)> {
        let entry = self.hot(flow)?;
        let leases = entry.flags().is_local() && !entry.flags().contains(FlowFlags::TEMPLATE);
        let local = self.memory.cold().get(flow.index())?.local;
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        let halves = ((local >> 16) as u16, local as u16);
        (leases && local != 0).then_some(halves)
    }

    fn is_answer(
        &self,
        flow: FlowId,
        key: &FlowKey,
        real: &impl Fn(RealId) -> Option<(Addr, u16)>,
    ) -> bool {
        let entry = self.memory.hot().get(flow.index());
        entry
            .zip(self.local_end(flow))
            .is_some_and(|(entry, local)| entry.is_answer(key, local, real))
    }

    /// Connections it can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.memory.hot().len().min(self.memory.cold().len())
    }

    /// Connections it holds.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.live as usize
    }

    /// Places that hold a connection or once held one: all that a search has to look at.
    #[must_use]
    pub const fn places(&self) -> u32 {
        self.fresh
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// The hash of `key`, for [`Self::find`] and [`Self::insert`].
    #[must_use]
    #[inline]
    pub fn hash(&self, key: &FlowKey) -> Hash {
        self.hash_key.hash(key)
    }

    /// The connection that `key`, whose hash is `hash`, is of, and the way the packet goes.
    /// `real` gives a server's address and port (0: the port the client chose).
    #[must_use]
    #[inline]
    pub fn find(
        &self,
        key: &FlowKey,
        hash: Hash,
        real: impl Fn(RealId) -> Option<(Addr, u16)>,
    ) -> Option<(FlowId, Direction)> {
        self.confirm(self.candidates(hash), key, hash, real)
    }

    /// Reads the home bucket of `hash`; the number means nothing.
    ///
    /// A burst is looked up in passes: all hashes, all home buckets touched, all
    /// [candidates](Self::candidates), their [entries touched](Self::touch_likeliest), all
    /// [confirmed](Self::confirm). A pass that only touches is so short that the cache misses of
    /// many packets are under way at once, instead of one after the other.
    #[must_use]
    #[inline]
    pub fn touch(&self, hash: Hash) -> u32 {
        let buckets = self.memory.buckets();
        match buckets.get(index::home(hash, buckets.len()) as usize) {
            Some(bucket) => bucket.touch(),
            None => 0,
        }
    }

    /// First half of [`Self::find`]: looks at the home bucket, and at no entry.
    #[must_use]
    #[inline]
    pub fn candidates(&self, hash: Hash) -> Candidates {
        let buckets = self.memory.buckets();
        let home = index::home(hash, buckets.len());
        let lanes = match buckets.get(home as usize) {
            Some(bucket) => bucket.lanes(hash.signature()),
            None => Lanes::default(),
        };
        Candidates { home, lanes }
    }

    /// Reads the entry that is most likely the one sought, if any; the number means nothing.
    #[must_use]
    #[inline]
    pub fn touch_likeliest(&self, candidates: Candidates) -> u32 {
        self.likeliest(candidates)
            .and_then(|flow| self.memory.hot().get(flow.index()))
            .map_or(0, |entry| entry.last_seen_ms)
    }

    fn likeliest(&self, candidates: Candidates) -> Option<FlowId> {
        let bucket = self.memory.buckets().get(candidates.home as usize)?;
        let mut lanes = candidates.lanes;
        Some(bucket.reference(lanes.next()?).flow())
    }

    /// Second half of [`Self::find`]: compares the key with the candidates' entries, and looks into
    /// the other bucket if none is it. The table must not have changed in between.
    #[must_use]
    #[inline]
    pub fn confirm(
        &self,
        candidates: Candidates,
        key: &FlowKey,
        hash: Hash,
        real: impl Fn(RealId) -> Option<(Addr, u16)>,
    ) -> Option<(FlowId, Direction)> {
        let bucket = self.memory.buckets().get(candidates.home as usize)?;
        let found = match self.pick(bucket, candidates.lanes, key, hash, &real) {
            Some(found) => found,
            None if bucket.has_none_astray() => return None,
            None => self.find_elsewhere(candidates.home, key, hash, &real)?,
        };
        Some((found.flow(), found.direction()))
    }

    #[inline]
    fn pick(
        &self,
        bucket: &Bucket,
        mut lanes: Lanes,
        key: &FlowKey,
        hash: Hash,
        real: &impl Fn(RealId) -> Option<(Addr, u16)>,
    ) -> Option<Reference> {
        lanes.find_map(|lane| {
            let reference = bucket.checked(lane, hash.signature())?;
            let entry = self.memory.hot().get(reference.flow().index())?;
            let is_it = match reference.direction() {
                Direction::Inbound => entry.is_inbound(key),
                Direction::Outbound if entry.flags().is_local() => {
                    self.is_answer(reference.flow(), key, real)
                }
                Direction::Outbound => {
                    let cold = self.memory.cold().get(reference.flow().index());
                    entry.is_outbound(key, cold, real)
                }
            };
            is_it.then_some(reference)
        })
    }

    /// The search in the other bucket, for keys whose home is or was full.
    #[inline(never)]
    fn find_elsewhere(
        &self,
        home: u32,
        key: &FlowKey,
        hash: Hash,
        real: &impl Fn(RealId) -> Option<(Addr, u16)>,
    ) -> Option<Reference> {
        let buckets = self.memory.buckets();
        let other = index::other(home, hash.signature(), buckets.len());
        let bucket = buckets.get(other as usize)?;
        self.pick(bucket, bucket.lanes(hash.signature()), key, hash, real)
    }

    /// Inserts a connection whose inbound key has the hash `hash`, all of it or nothing.
    ///
    /// If another connection has the same outbound key (two services that share a server, and one
    /// client port that talks to both), the newest takes it over, as in the kernel; the other keeps
    /// its inbound key.
    ///
    /// # Errors
    ///
    /// See [`InsertError`].
    pub fn insert(
        &mut self,
        new: &NewFlow,
        hash: Hash,
        real: impl Fn(RealId) -> Option<(Addr, u16)>,
    ) -> Result<FlowId, InsertError> {
        if self.find(&new.inbound, hash, &real).is_some() {
            return Err(InsertError::Exists);
        }
        let hot = HotEntry::new(new).ok_or(InsertError::ServiceRange)?;
        let flow = self.allocate().ok_or(InsertError::Full)?;
        if let Some(entry) = self.memory.hot_mut().get_mut(flow.index()) {
            *entry = hot;
        }
        if let Some(entry) = self.memory.cold_mut().get_mut(flow.index()) {
            *entry = ColdEntry::new();
            if let Some(lease) = new.lease {
                entry.local = u32::from(lease.block) << 16 | u32::from(lease.port);
            }
            if let Some(lease) = new.lease
                && let Some(addr) = self.locals.get_mut(usize::from(lease.block))
            {
                *addr = lease.addr;
            }
        }
        self.live += 1;
        let outbound = new.outbound.filter(|key| *key != new.inbound);
        let indexed = index::place(
            &mut self.memory,
            hash,
            Reference::new(flow, Direction::Inbound),
        )
        .and_then(|_| outbound.map_or(Some(()), |key| self.index_outbound(flow, &key, &real)));
        if indexed.is_none() {
            self.remove(flow);
            return Err(InsertError::IndexFull);
        }
        Ok(flow)
    }

    /// Files `flow` under its outbound key, taking it over from whoever has it.
    fn index_outbound(
        &mut self,
        flow: FlowId,
        key: &FlowKey,
        real: &impl Fn(RealId) -> Option<(Addr, u16)>,
    ) -> Option<()> {
        let hash = self.hash(key);
        let reference = Reference::new(flow, Direction::Outbound);
        if let Some((older, direction)) = self.find(key, hash, real) {
            let slot = self.take_slot(older, direction)?;
            index::replace(&mut self.memory, slot, reference);
        } else {
            index::place(&mut self.memory, hash, reference)?;
        }
        self.memory
            .hot_mut()
            .get_mut(flow.index())?
            .set_table_flag(FlowFlags::OUTBOUND_INDEXED, true);
        Some(())
    }

    /// Makes `flow` forget that it is in the index in `direction`.
    fn take_slot(&mut self, flow: FlowId, direction: Direction) -> Option<Slot> {
        let entry = self.memory.cold_mut().get_mut(flow.index())?;
        let slot = core::mem::replace(entry.slots.get_mut(direction as usize)?, Slot::NONE);
        if direction == Direction::Outbound
            && let Some(entry) = self.memory.hot_mut().get_mut(flow.index())
        {
            entry.set_table_flag(FlowFlags::OUTBOUND_INDEXED, false);
        }
        Some(slot)
    }

    /// Takes an entry out of the index: nobody finds it any more, and it lives on.
    pub(crate) fn unindex(&mut self, flow: FlowId) {
        for direction in [Direction::Inbound, Direction::Outbound] {
            if let Some(slot) = self.take_slot(flow, direction) {
                index::clear(&mut self.memory, slot);
            }
        }
    }

    /// Removes a connection; nothing happens if it is not there.
    ///
    /// Take it off the timer wheel first. An entry still on the wheel is not found any more, and
    /// becomes free when the wheel comes by.
    pub fn remove(&mut self, flow: FlowId) {
        if self.hot(flow).is_none() {
            return;
        }
        self.unindex(flow);
        if let Some(entry) = self.memory.hot_mut().get_mut(flow.index()) {
            entry.set_table_flag(FlowFlags::LIVE, false);
        }
        self.live = self.live.saturating_sub(1);
        self.release(flow);
    }

    /// Puts the entry of a removed connection on the free list, unless the wheel still links it.
    pub(crate) fn release(&mut self, flow: FlowId) {
        if let Some(entry) = self.memory.cold_mut().get_mut(flow.index())
            && entry.wheel_slot == NOT_ON_WHEEL
        {
            entry.next = self.free;
            self.free = flow.0;
        }
    }

    fn allocate(&mut self) -> Option<FlowId> {
        if let Some(entry) = self.memory.cold().get(self.free as usize) {
            let flow = FlowId(self.free);
            self.free = entry.next;
            return Some(flow);
        }
        let flow = FlowId(self.fresh);
        (flow.index() < self.capacity()).then(|| {
            self.fresh += 1;
            flow
        })
    }

    /// The hot half of a connection.
    #[must_use]
    #[inline]
    pub fn hot(&self, flow: FlowId) -> Option<&HotEntry> {
        self.memory
            .hot()
            .get(flow.index())
            .filter(|entry| entry.is_live())
    }

    /// The hot half, to change.
    #[must_use]
    #[inline]
    pub fn hot_mut(&mut self, flow: FlowId) -> Option<&mut HotEntry> {
        self.memory
            .hot_mut()
            .get_mut(flow.index())
            .filter(|entry| entry.is_live())
    }

    /// The cold half of a connection.
    #[must_use]
    pub fn cold(&self, flow: FlowId) -> Option<&ColdEntry> {
        self.hot(flow)?;
        self.memory.cold().get(flow.index())
    }

    /// The cold half, to change.
    #[must_use]
    pub fn cold_mut(&mut self, flow: FlowId) -> Option<&mut ColdEntry> {
        self.hot(flow)?;
        self.memory.cold_mut().get_mut(flow.index())
    }

    /// The timer links of an entry, whether or not its connection still lives.
    pub(crate) fn links_mut(&mut self, flow: FlowId) -> Option<&mut ColdEntry> {
        self.memory.cold_mut().get_mut(flow.index())
    }

    /// The connections among the next `max` entries from `cursor` (0 at first), and the cursor to
    /// go on with, or `None` at the end. A connection that lives through all calls is shown once.
    pub fn scan(
        &self,
        cursor: u32,
        max: u32,
    ) -> (impl Iterator<Item = FlowId> + use<'_, M>, Option<u32>) {
        let end = cursor.saturating_add(max).min(self.fresh);
        let flows = (cursor..end)
            .map(FlowId)
            .filter(|flow| self.hot(*flow).is_some());
        (flows, (end < self.fresh).then_some(end))
    }

    /// Lanes of the index in use.
    #[cfg(test)]
    fn index_lanes(&self) -> usize {
        let buckets = self.memory.buckets();
        assert!(index::counts_are_right(buckets));
        let free: usize = buckets.iter().map(|bucket| bucket.free().count()).sum();
        buckets.len() * index::LANES - free
    }
}

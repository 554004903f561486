// SPDX-License-Identifier: Apache-2.0
//! Which port of a local address a flow gets (FullNAT, SNAT).
//!
//! ```text
//!   server (protocol, RIP, rport) ─┐
//!   local address ─────────────────┴► block: a bit per port in use, a cursor ──► next free port
//!                                                          whose answers come to this worker
//! ```
//!
//! Every worker has blocks of its own and takes only *home ports*, those whose answers
//! [`affinity::owner`](crate::affinity::owner) gives to it; so two workers never take the same, and
//! no answer has to be passed on. The same port of an address serves every server at once.
//!
//! The cursor goes round, so a port rests as long as possible before it is used again: the server
//! may still have its last connection in TIME_WAIT. A block that nobody uses is kept for the same
//! reason, [`IDLE_MS`] long unless it is needed elsewhere.
//!
//! Destinations of the farm are unbounded, so behind SNAT 16 [groups](GROUPS) of them share a block
//! each: two connections of one group never share a port.
//!
//! Nothing is allocated while packets pass: blocks are made ready in [`LocalPorts::tick`].

mod home;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use hashbrown::HashMap;
use model::addr::Addr;
use model::fib::Hasher;
use model::ids::{LocalId, WorkerId};
use model::local::{LocalAddress, LocalUse};
use model::snapshot::Snapshot;

use home::{HomePorts, Own};

/// The first port that is given out; those below belong to services (RFC 6335 §6).
pub const PORT_FIRST: u16 = 1024;
/// Blocks of a worker at most, those kept ready included; each has about 8 KiB.
pub const BLOCKS_MAX: usize = 4096;
/// Blocks kept ready: as many new servers can be met between two ticks.
pub const SPARE: usize = 64;
/// How long a block without flows keeps its cursor, milliseconds: longer than the TIME_WAIT of
/// servers (60 s in Linux, 4 minutes at most by RFC 9293 §3.4.2).
pub const IDLE_MS: u32 = 240_000;
/// Blocks of a local address and a protocol behind SNAT.
pub const GROUPS: u64 = 16;

const _: () = assert!(BLOCKS_MAX <= 1 << 16, "a flow keeps its block in 16 bits");

/// Words of 64 ports.
const WORDS: usize = (65_536 - PORT_FIRST as usize) / 64;
/// Blocks that one tick makes or gives up at most.
const BLOCKS_A_TICK: usize = 16;
/// No block.
const NONE: u32 = u32::MAX;

/// Who answers to a local port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// IP protocol number.
    pub protocol: u8,
    /// The server, or where the farm's packet goes to.
    pub addr: Addr,
    /// Its port; 0 for protocols without.
    pub port: u16,
    /// Which of the two it is.
    pub used_for: LocalUse,
}

/// A local port that a flow has until it [releases](LocalPorts::release) it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The local address.
    pub addr: Addr,
    /// Its slot.
    pub local: LocalId,
    /// The port, or the identifier of an ICMP echo.
    pub port: u16,
    /// Where it came from. A block is of one local address as long as a port of it is leased.
    pub block: u16,
}

/// Why there is no port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPort {
    /// The pool has no address of the family.
    #[error("the pool has no address of this family")]
    NoAddress,
    /// All ports of all addresses are taken, as far as they are home.
    #[error("every local port towards this server is in use")]
    Exhausted,
    /// All blocks are in use for other servers.
    #[error("all blocks of local ports are in use")]
    NoBlock,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct BlockKey {
    peer: Addr,
    /// The server's port, or the group.
    port: u16,
    local: LocalId,
    protocol: u8,
    grouped: bool,
}

#[derive(Debug)]
struct Block {
    key: BlockKey,
    /// A bit per port in use; empty if the block is not in use.
    words: Box<[u64]>,
    live: u32,
    /// Where the next search begins, counted from [`PORT_FIRST`].
    cursor: u16,
    /// Searched without success since the last release.
    full: bool,
    idle_since_ms: u32,
    /// Neighbours among the idle blocks, or the next free place.
    older: u32,
    newer: u32,
}

/// The local ports of one worker.
#[derive(Debug)]
pub struct LocalPorts {
    home: HomePorts,
    hasher: Hasher,
    index: HashMap<BlockKey, u32, Hasher>,
    blocks: Vec<Block>,
    /// Unused places in `blocks`.
    free: u32,
    spare: Vec<Box<[u64]>>,
    /// Blocks without flows, the one that became so first and last.
    oldest: u32,
    newest: u32,
    /// Where the search among addresses and in new blocks begins.
    turn: u32,
    leases: usize,
    /// The time of the last tick.
    now_ms: u32,
}

impl LocalPorts {
    /// None yet.
    #[must_use]
    pub fn new(worker: WorkerId, hasher: Hasher, seed: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "any 32 bits will do")]
        let turn = seed as u32;
        Self {
            home: HomePorts::new(worker),
            index: HashMap::with_hasher(hasher.clone()),
            hasher,
            blocks: Vec::new(),
            free: NONE,
            spare: Vec::new(),
            oldest: NONE,
            newest: NONE,
            turn,
            leases: 0,
            now_ms: 0,
        }
    }

    /// Between bursts: takes over how packets are spread, keeps blocks ready while there are local
    /// addresses, gives up those that were idle long enough.
    pub fn tick(&mut self, snapshot: &Snapshot, now_ms: u32) {
        self.now_ms = now_ms;
        if self.home.sync(&snapshot.spread) {
            for block in &mut self.blocks {
                block.full = false;
            }
        }
        for _ in 0..BLOCKS_A_TICK {
            let Some(block) = self.blocks.get(self.oldest as usize) else {
                break;
            };
            if now_ms.wrapping_sub(block.idle_since_ms) < IDLE_MS {
                break;
            }
            let words = self.give_up_oldest();
            self.spare.extend(words);
        }
        let wanted = if snapshot.locals.is_empty() { 0 } else { SPARE };
        for _ in 0..BLOCKS_A_TICK {
            if self.spare.len() > wanted {
                self.spare.pop();
            } else if self.spare.len() < wanted && self.in_use() + self.spare.len() < BLOCKS_MAX {
                self.spare.push(vec![0; WORDS].into_boxed_slice());
            } else {
                break;
            }
        }
        if wanted > 0 {
            self.blocks.reserve(SPARE);
            if self.index.capacity() - self.index.len() < SPARE {
                self.index.reserve(SPARE);
            }
        }
    }

    /// A port of one of `addresses` for a flow to `peer`; they take turns.
    ///
    /// # Errors
    /// [`NoPort`].
    pub fn lease(&mut self, peer: &Peer, addresses: &[LocalAddress]) -> Result<Lease, NoPort> {
        let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        let first = self.turn.checked_rem(count).ok_or(NoPort::NoAddress)?;
        self.turn = self.turn.wrapping_add(1);
        let (before, after) = addresses.split_at(first as usize);
        let mut trouble = NoPort::Exhausted;
        for local in after.iter().chain(before) {
            match self.lease_of(peer, local) {
                Ok(lease) => return Ok(lease),
                Err(NoPort::NoBlock) => trouble = NoPort::NoBlock,
                Err(NoPort::Exhausted | NoPort::NoAddress) => {}
            }
        }
        Err(trouble)
    }

    fn lease_of(&mut self, peer: &Peer, local: &LocalAddress) -> Result<Lease, NoPort> {
        let place = self.block_for(self.key_of(peer, local.id))?;
        let own = self.home.own(peer, local.addr);
        let block = self.blocks.get_mut(place as usize).ok_or(NoPort::NoBlock)?;
        let port = block.take(&own).ok_or(NoPort::Exhausted)?;
        if block.live == 1 {
            self.unlink_idle(place);
        }
        self.leases += 1;
        Ok(Lease {
            addr: local.addr,
            local: local.id,
            port,
            block: u16::try_from(place).map_err(|_| NoPort::NoBlock)?,
        })
    }

    /// Gives a port back; the address it is of, or `None` if it was not leased.
    pub fn release(&mut self, block: u16, port: u16) -> Option<LocalId> {
        let block = u32::from(block);
        let leased_from = self.blocks.get_mut(block as usize)?;
        let local = leased_from.key.local;
        if !leased_from.give_back(port) {
            return None;
        }
        self.leases -= 1;
        if leased_from.live == 0 {
            leased_from.idle_since_ms = self.now_ms;
            self.link_idle(block);
        }
        Some(local)
    }

    /// Ports that are leased.
    #[must_use]
    pub const fn leases(&self) -> usize {
        self.leases
    }

    /// Blocks that have ports in use, or had.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.index.len()
    }

    fn key_of(&self, peer: &Peer, local: LocalId) -> BlockKey {
        let (addr, port) = match peer.used_for {
            LocalUse::Clients => (peer.addr, peer.port),
            LocalUse::Farm => {
                let hash = self.hasher.hash_one((peer.addr, peer.port));
                let group = u16::try_from(hash % GROUPS).unwrap_or(0);
                (Addr::UNSPECIFIED, group)
            }
        };
        BlockKey {
            peer: addr,
            port,
            local,
            protocol: peer.protocol,
            grouped: peer.used_for == LocalUse::Farm,
        }
    }

    /// The block of a key; a new one if there is none.
    fn block_for(&mut self, key: BlockKey) -> Result<u32, NoPort> {
        if let Some(place) = self.index.get(&key) {
            return Ok(*place);
        }
        let words = match self.spare.pop() {
            Some(words) => words,
            None => self.give_up_oldest().ok_or(NoPort::NoBlock)?,
        };
        #[expect(clippy::cast_possible_truncation, reason = "below the number of ports")]
        let cursor = (self.turn.wrapping_mul(0x9e37_79b1) % (WORDS as u32 * 64)) as u16;
        let block = Block {
            key,
            words,
            live: 0,
            cursor,
            full: false,
            idle_since_ms: 0,
            older: NONE,
            newer: NONE,
        };
        let place = match self.blocks.get_mut(self.free as usize) {
            Some(unused) => {
                let place = core::mem::replace(&mut self.free, unused.newer);
                *unused = block;
                place
            }
            None => {
                self.blocks.push(block);
                u32::try_from(self.blocks.len() - 1).map_err(|_| NoPort::NoBlock)?
            }
        };
        self.index.insert(key, place);
        self.link_idle(place);
        Ok(place)
    }

    /// Takes the block away that was idle longest; its words, all zero.
    fn give_up_oldest(&mut self) -> Option<Box<[u64]>> {
        let place = self.oldest;
        let key = self.blocks.get(place as usize)?.key;
        self.unlink_idle(place);
        self.index.remove(&key);
        let block = self.blocks.get_mut(place as usize)?;
        block.newer = core::mem::replace(&mut self.free, place);
        Some(core::mem::take(&mut block.words))
    }

    fn link_idle(&mut self, place: u32) {
        let older = core::mem::replace(&mut self.newest, place);
        if let Some(block) = self.blocks.get_mut(place as usize) {
            block.older = older;
            block.newer = NONE;
        }
        match self.blocks.get_mut(older as usize) {
            Some(block) => block.newer = place,
            None => self.oldest = place,
        }
    }

    fn unlink_idle(&mut self, place: u32) {
        let Some(block) = self.blocks.get(place as usize) else {
            return;
        };
        let (older, newer) = (block.older, block.newer);
        match self.blocks.get_mut(older as usize) {
            Some(block) => block.newer = newer,
            None => self.oldest = newer,
        }
        match self.blocks.get_mut(newer as usize) {
            Some(block) => block.older = older,
            None => self.newest = older,
        }
    }
}

impl Block {
    /// The next free port among a worker's own.
    fn take(&mut self, own: &Own<'_>) -> Option<u16> {
        if self.full {
            return None;
        }
        let start = usize::from(self.cursor / 64);
        let bit = u32::from(self.cursor % 64);
        // The word of the cursor comes twice: from the cursor on, and at last as a whole.
        let found = (start..WORDS)
            .chain(0..=start)
            .enumerate()
            .find_map(|(step, place)| {
                let used = *self.words.get(place)?;
                let behind = if step == 0 { u64::MAX << bit } else { u64::MAX };
                let free = !used & behind;
                if free == 0 {
                    return None;
                }
                let own = own.among(first_of(place)) & free;
                (own != 0).then(|| (place, own.trailing_zeros()))
            });
        let Some((place, bit)) = found else {
            // What is not home to this peer may be to another of its group.
            self.full = !self.key.grouped;
            return None;
        };
        *self.words.get_mut(place)? |= 1 << bit;
        self.live += 1;
        let port = first_of(place) + u16::try_from(bit).unwrap_or(0);
        self.cursor = port.checked_add(1).map_or(0, |next| next - PORT_FIRST);
        Some(port)
    }

    fn give_back(&mut self, port: u16) -> bool {
        let at = usize::from(port.wrapping_sub(PORT_FIRST));
        let bit = 1 << (at % 64);
        match self.words.get_mut(at / 64) {
            Some(word) if *word & bit != 0 => {
                *word &= !bit;
                self.live -= 1;
                self.full = false;
                true
            }
            _ => false,
        }
    }
}

/// The first port of a word.
fn first_of(place: usize) -> u16 {
    u16::try_from(place * 64 + usize::from(PORT_FIRST)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;

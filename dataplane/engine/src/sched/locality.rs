// SPDX-License-Identifier: Apache-2.0
//! lblc's and lblcr's memory: which servers have served a destination address
//! (`struct ip_vs_lblc_table`, `struct ip_vs_lblcr_table`).
//!
//! One table per service. It belongs to one worker: with several, a destination's home worker
//! (DESIGN decision 7) is to be asked; nothing here would change, because a table is only ever
//! reached through its service's [`super::state::Walk`].
//!
//! A pick never allocates: room is made between bursts ([`Locality::maintain`]), and a destination
//! that finds none is scheduled without being remembered, as in a kernel without memory.

use alloc::vec;
use alloc::vec::Vec;

use model::addr::Addr;
use model::ids::RealId;
use model::sched::hash::{fold, hash_32};
use model::service::RealServer;

/// Buckets: 2 to the power of this (`IP_VS_LBLC_TAB_BITS`).
const BITS: u32 = 10;
/// Entries beyond which idle ones are collected (`max_size`).
const ENTRIES_SOFT: usize = 16 << BITS;
/// Entries at most. The kernel has no such limit, between two checks.
const ENTRIES_MAX: usize = 4 * ENTRIES_SOFT;
/// Room that is kept free for the next burst.
const SPARE: usize = 1024;
/// `CHECK_EXPIRE_INTERVAL`.
const CHECK_MS: u64 = 60_000;
/// Idle for so long, an entry of a table that is too large goes (`ENTRY_TIMEOUT`).
const ENTRY_TIMEOUT_MS: u64 = 6 * 60_000;
/// Idle for so long, an entry goes; a set unchanged for so long loses its most loaded server
/// (`lblc_expiration`, `lblcr_expiration`).
const EXPIRATION_MS: u64 = 24 * 3_600_000;
/// Every so many checks look at the whole table (`COUNT_FOR_FULL_EXPIRATION`).
const CHECKS_TO_FULL: u32 = 30;
/// Buckets that one call of [`Locality::maintain`] looks at.
const BUCKETS_A_CALL: usize = 32;
/// The end of a chain.
const END: u32 = u32::MAX;

/// A server, and which tenant of its slot it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) real: RealId,
    pub(super) generation: u32,
}

impl Member {
    pub(super) const fn of(real: &RealServer) -> Self {
        Self {
            real: real.id,
            generation: real.generation,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    destination: Addr,
    last_use_ms: u64,
    last_change_ms: u64,
    /// First of its set, newest first.
    set: u32,
    size: u32,
    next: u32,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    member: Member,
    next: u32,
}

/// A check under way.
#[derive(Debug, Clone, Copy)]
struct Check {
    /// Entries last used before go.
    idle_ms: u64,
    /// Ends when so many are gone; `None` = looks at all buckets.
    goal: Option<usize>,
    buckets_left: usize,
}

/// The table of one service.
#[derive(Debug)]
pub(super) struct Locality {
    buckets: Vec<u32>,
    entries: Vec<Entry>,
    free_entries: u32,
    count: usize,
    nodes: Vec<Node>,
    free_nodes: u32,
    rover: usize,
    counter: u32,
    check_at_ms: u64,
    check: Option<Check>,
}

/// A place in the table, valid until the next [`Locality::maintain`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(u32);

impl Locality {
    pub(super) fn new(now_ms: u64) -> Self {
        Self {
            buckets: vec![END; 1 << BITS],
            entries: Vec::with_capacity(SPARE),
            free_entries: END,
            count: 0,
            nodes: Vec::with_capacity(SPARE),
            free_nodes: END,
            rover: 0,
            counter: 1,
            check_at_ms: now_ms + CHECK_MS,
            check: None,
        }
    }

    /// The entry of a destination, which is in use from now on.
    pub(super) fn find(&mut self, destination: Addr, now_ms: u64) -> Option<Place> {
        let mut at = *self.buckets.get(bucket_of(destination))?;
        while let Some(entry) = self.entries.get_mut(at as usize) {
            if entry.destination == destination {
                entry.last_use_ms = now_ms;
                return Some(Place(at));
            }
            at = entry.next;
        }
        None
    }

    /// The servers of an entry, newest first.
    pub(super) fn members(&self, place: Place) -> impl Iterator<Item = Member> {
        let mut at = self.entry(place).map_or(END, |entry| entry.set);
        core::iter::from_fn(move || {
            let node = self.nodes.get(at as usize)?;
            at = node.next;
            Some(node.member)
        })
    }

    /// How many servers an entry has, if its set has stayed as it is for so long that one should
    /// leave; else 0.
    pub(super) fn overripe(&self, place: Place, now_ms: u64) -> u32 {
        self.entry(place).map_or(0, |entry| {
            if now_ms > entry.last_change_ms + EXPIRATION_MS {
                entry.size
            } else {
                0
            }
        })
    }

    /// A new entry with one server.
    pub(super) fn create(&mut self, destination: Addr, member: Member, now_ms: u64) {
        if self.free_entries == END && self.entries.len() == self.entries.capacity()
            || !self.has_node()
        {
            return;
        }
        let Some(head) = self.buckets.get_mut(bucket_of(destination)) else {
            return;
        };
        let entry = Entry {
            destination,
            last_use_ms: now_ms,
            last_change_ms: now_ms,
            set: END,
            size: 0,
            next: *head,
        };
        let at = if let Some(free) = self.entries.get_mut(self.free_entries as usize) {
            let at = self.free_entries;
            self.free_entries = free.next;
            *free = entry;
            at
        } else {
            self.entries.push(entry);
            index(self.entries.len() - 1)
        };
        *head = at;
        self.count += 1;
        self.insert(Place(at), member, now_ms);
    }

    /// Adds a server to a set, unless it is in it (`ip_vs_dest_set_insert`).
    pub(super) fn insert(&mut self, place: Place, member: Member, now_ms: u64) {
        if !self.has_node() || self.members(place).any(|known| known == member) {
            return;
        }
        let Some(entry) = self.entries.get_mut(place.0 as usize) else {
            return;
        };
        let node = Node {
            member,
            next: entry.set,
        };
        let at = if let Some(free) = self.nodes.get_mut(self.free_nodes as usize) {
            let at = self.free_nodes;
            self.free_nodes = free.next;
            *free = node;
            at
        } else {
            self.nodes.push(node);
            index(self.nodes.len() - 1)
        };
        entry.set = at;
        entry.size += 1;
        entry.last_change_ms = now_ms;
    }

    /// Takes a server out of a set (`ip_vs_dest_set_erase`).
    pub(super) fn remove(&mut self, place: Place, member: Member, now_ms: u64) {
        let Some(entry) = self.entries.get_mut(place.0 as usize) else {
            return;
        };
        let (mut before, mut at) = (END, entry.set);
        while let Some(node) = self.nodes.get(at as usize).copied() {
            if node.member == member {
                entry.size -= 1;
                entry.last_change_ms = now_ms;
                match self.nodes.get_mut(before as usize) {
                    Some(previous) => previous.next = node.next,
                    None => entry.set = node.next,
                }
                self.free_node(at);
                return;
            }
            (before, at) = (at, node.next);
        }
    }

    /// Gives an entry another server in place of all it has (`ip_vs_lblc_new`).
    pub(super) fn replace(&mut self, place: Place, member: Member, now_ms: u64) {
        self.clear(place);
        self.insert(place, member, now_ms);
    }

    /// Between bursts: makes room, and collects what is old, a few buckets at a time
    /// (`ip_vs_lblc_check_expire`).
    pub(super) fn maintain(&mut self, now_ms: u64) {
        if self.entries.capacity() - self.entries.len() < SPARE / 2
            && self.free_entries == END
            && self.entries.len() < ENTRIES_MAX
        {
            self.entries.reserve(SPARE);
        }
        if self.nodes.capacity() - self.nodes.len() < SPARE / 2 && self.free_nodes == END {
            self.nodes.reserve(SPARE);
        }
        if self.check.is_none() && now_ms >= self.check_at_ms {
            self.check_at_ms = now_ms + CHECK_MS;
            self.check = self.next_check(now_ms);
        }
        for _ in 0..BUCKETS_A_CALL {
            let Some(check) = self.check else { return };
            self.check = self.check_bucket(check);
        }
    }

    fn next_check(&mut self, now_ms: u64) -> Option<Check> {
        let (timeout_ms, goal) = if self.counter.is_multiple_of(CHECKS_TO_FULL) {
            self.counter = 1;
            (EXPIRATION_MS, None)
        } else if self.count <= ENTRIES_SOFT {
            self.counter += 1;
            return None;
        } else {
            let goal = (self.count - ENTRIES_SOFT) * 4 / 3;
            (ENTRY_TIMEOUT_MS, Some(goal.min(ENTRIES_SOFT / 2)))
        };
        Some(Check {
            idle_ms: now_ms.checked_sub(timeout_ms)?,
            goal,
            buckets_left: self.buckets.len(),
        })
    }

    /// Looks at one bucket; what is left to do.
    fn check_bucket(&mut self, check: Check) -> Option<Check> {
        self.rover = (self.rover + 1) % self.buckets.len();
        let gone = self.sweep(self.rover, check.idle_ms);
        let goal = check.goal.map(|goal| goal.saturating_sub(gone));
        let buckets_left = check.buckets_left - 1;
        (goal != Some(0) && buckets_left > 0).then_some(Check {
            goal,
            buckets_left,
            ..check
        })
    }

    /// Forgets the entries of a bucket that were last used then or earlier.
    fn sweep(&mut self, bucket: usize, idle_ms: u64) -> usize {
        let (mut before, mut gone) = (END, 0);
        let mut at = self.buckets.get(bucket).copied().unwrap_or(END);
        while let Some(entry) = self.entries.get(at as usize).copied() {
            if entry.last_use_ms > idle_ms {
                (before, at) = (at, entry.next);
                continue;
            }
            self.clear(Place(at));
            match self.entries.get_mut(before as usize) {
                Some(previous) => previous.next = entry.next,
                None => {
                    if let Some(head) = self.buckets.get_mut(bucket) {
                        *head = entry.next;
                    }
                }
            }
            if let Some(free) = self.entries.get_mut(at as usize) {
                free.next = self.free_entries;
                self.free_entries = at;
            }
            self.count -= 1;
            gone += 1;
            at = entry.next;
        }
        gone
    }

    fn clear(&mut self, place: Place) {
        let Some(entry) = self.entries.get_mut(place.0 as usize) else {
            return;
        };
        entry.size = 0;
        let mut at = core::mem::replace(&mut entry.set, END);
        while let Some(node) = self.nodes.get(at as usize) {
            let next = node.next;
            self.free_node(at);
            at = next;
        }
    }

    fn free_node(&mut self, at: u32) {
        if let Some(node) = self.nodes.get_mut(at as usize) {
            node.next = self.free_nodes;
            self.free_nodes = at;
        }
    }

    fn has_node(&self) -> bool {
        self.free_nodes != END || self.nodes.len() < self.nodes.capacity()
    }

    fn entry(&self, place: Place) -> Option<&Entry> {
        self.entries.get(place.0 as usize)
    }
}

fn bucket_of(destination: Addr) -> usize {
    hash_32(fold(destination), BITS) as usize
}

fn index(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(END)
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: Apache-2.0
//! Local addresses (LIP): what servers see as the client under FullNAT, and what the world sees of
//! the farm behind SNAT.
//!
//! A local address has a stable slot, because every flow that uses it remembers the slot alone. One
//! that is taken out of its pool gets no new flow, and keeps its slot until its last flow has ended
//! in every worker.

use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::HashMap;

use crate::addr::{Addr, Prefix};
use crate::fib::Hasher;
use crate::ids::{IfaceId, LOCALS_MAX, LocalId};

/// Rules of the SNAT gateway at most: they are tried one after the other.
pub const SNAT_RULES_MAX: usize = 256;

/// What a pool's addresses stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LocalUse {
    /// For clients, towards servers (FullNAT).
    Clients,
    /// For the farm, towards the world (SNAT).
    Farm,
}

/// A local address, in its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalAddress {
    /// Its slot.
    pub id: LocalId,
    /// The address.
    pub addr: Addr,
    /// What it stands for.
    pub used_for: LocalUse,
    /// Whether it takes new flows; one that was removed waits for its last flow to end.
    pub live: bool,
}

/// What an operator says of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSpec {
    /// What services and SNAT rules call it.
    pub name: Arc<str>,
    /// What its addresses stand for.
    pub used_for: LocalUse,
    /// Its addresses, of either family, each in no other pool.
    pub addresses: Vec<Addr>,
}

/// A pool of local addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPool {
    /// Its name.
    pub name: Arc<str>,
    v4: Vec<LocalAddress>,
    v6: Vec<LocalAddress>,
}

impl LocalPool {
    /// Its addresses of a family.
    #[must_use]
    #[inline]
    pub fn of_family(&self, is_v4: bool) -> &[LocalAddress] {
        if is_v4 { &self.v4 } else { &self.v6 }
    }
}

/// Packets of the farm whose source is replaced on their way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnatRule {
    /// Name for people.
    pub name: Arc<str>,
    /// Where they come from; not empty.
    pub sources: Vec<Prefix>,
    /// Where they go to; empty = anywhere.
    pub destinations: Vec<Prefix>,
    /// The interface they leave by; `None` = any.
    pub egress: Option<IfaceId>,
    /// The pool of their new source.
    pub pool: Arc<str>,
}

impl SnatRule {
    /// Whether it is about packets from there to there.
    #[must_use]
    pub fn covers(&self, source: Addr, destination: Addr) -> bool {
        let of = |prefixes: &[Prefix], addr| prefixes.iter().any(|prefix| prefix.contains(addr));
        of(&self.sources, source)
            && (self.destinations.is_empty() || of(&self.destinations, destination))
    }
}

/// Why local addresses cannot be taken over; nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// There is no slot, those of removed addresses that still have flows included.
    #[error("at most {LOCALS_MAX} local addresses, removed ones with connections included")]
    TooMany,
    /// There are more rules than a packet can be compared with.
    #[error("at most {SNAT_RULES_MAX} SNAT rules")]
    TooManyRules,
}

/// All local addresses and the rules of the SNAT gateway.
#[derive(Debug, Clone)]
pub struct LocalPools {
    slots: Vec<Option<LocalAddress>>,
    by_address: HashMap<Addr, LocalId, Hasher>,
    pools: HashMap<Arc<str>, LocalPool, Hasher>,
    rules: Vec<SnatRule>,
}

impl LocalPools {
    pub(crate) fn new(hasher: Hasher) -> Self {
        Self {
            slots: Vec::new(),
            by_address: HashMap::with_hasher(hasher.clone()),
            pools: HashMap::with_hasher(hasher),
            rules: Vec::new(),
        }
    }

    /// Whether there is no local address at all.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The address in a slot, a removed one included.
    #[must_use]
    #[inline]
    pub fn get(&self, id: LocalId) -> Option<&LocalAddress> {
        self.slots.get(id.index())?.as_ref()
    }

    /// The local address with these octets, a removed one included.
    #[must_use]
    #[inline]
    pub fn find(&self, addr: Addr) -> Option<&LocalAddress> {
        self.get(*self.by_address.get(&addr)?)
    }

    /// The pool of a name.
    #[must_use]
    #[inline]
    pub fn pool(&self, name: &str) -> Option<&LocalPool> {
        self.pools.get(name)
    }

    /// The rules of the SNAT gateway, the first that covers a packet counts.
    #[must_use]
    #[inline]
    pub fn rules(&self) -> &[SnatRule] {
        &self.rules
    }

    /// Every slot in use, removed addresses included.
    pub fn addresses(&self) -> impl Iterator<Item = &LocalAddress> {
        self.slots.iter().flatten()
    }

    /// Takes over pools and rules; addresses keep their slots.
    pub(crate) fn replace(
        &mut self,
        pools: &[PoolSpec],
        rules: &[SnatRule],
    ) -> Result<(), LocalError> {
        if rules.len() > SNAT_RULES_MAX {
            return Err(LocalError::TooManyRules);
        }
        let before = self.slots.clone();
        for slot in self.slots.iter_mut().flatten() {
            slot.live = false;
        }
        let mut made = Vec::new();
        for spec in pools {
            match self.make_pool(spec) {
                Ok(pool) => made.push(pool),
                Err(error) => {
                    self.slots = before;
                    self.index();
                    return Err(error);
                }
            }
        }
        self.pools.clear();
        self.pools
            .extend(made.into_iter().map(|pool| (Arc::clone(&pool.name), pool)));
        self.rules = rules.to_vec();
        self.index();
        Ok(())
    }

    fn make_pool(&mut self, spec: &PoolSpec) -> Result<LocalPool, LocalError> {
        let mut pool = LocalPool {
            name: Arc::clone(&spec.name),
            v4: Vec::new(),
            v6: Vec::new(),
        };
        for addr in &spec.addresses {
            let id = self.slot_for(*addr)?;
            let local = LocalAddress {
                id,
                addr: *addr,
                used_for: spec.used_for,
                live: true,
            };
            if let Some(slot) = self.slots.get_mut(id.index()) {
                *slot = Some(local);
            }
            self.by_address.insert(*addr, id);
            let family = if addr.is_v4() {
                &mut pool.v4
            } else {
                &mut pool.v6
            };
            family.push(local);
        }
        Ok(pool)
    }

    fn slot_for(&mut self, addr: Addr) -> Result<LocalId, LocalError> {
        if let Some(id) = self.by_address.get(&addr) {
            return Ok(*id);
        }
        let free = self.slots.iter().position(Option::is_none);
        let place = free.unwrap_or(self.slots.len());
        if place >= LOCALS_MAX {
            return Err(LocalError::TooMany);
        }
        if free.is_none() {
            self.slots.push(None);
        }
        u16::try_from(place)
            .map(LocalId)
            .map_err(|_| LocalError::TooMany)
    }

    /// Frees the slot of a removed address. Returns whether anything changed.
    pub(crate) fn release(&mut self, id: LocalId) -> bool {
        let removed = self.get(id).is_some_and(|local| !local.live);
        if removed && let Some(slot) = self.slots.get_mut(id.index()) {
            *slot = None;
            self.index();
        }
        removed
    }

    fn index(&mut self) {
        while self.slots.last().is_some_and(Option::is_none) {
            self.slots.pop();
        }
        self.by_address.clear();
        let of_slot = |local: &LocalAddress| (local.addr, local.id);
        self.by_address
            .extend(self.slots.iter().flatten().map(of_slot));
    }
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: Apache-2.0
//! Linux's routes and neighbours, mirrored for workers (DESIGN decision 9).
//!
//! Longest prefix match over the lengths that really occur: a box has a handful of them, and a
//! flow remembers its next hop anyway ([`Fib::generation`] tells when to look again).

use alloc::vec::Vec;
use core::cmp::Reverse;
use core::sync::atomic::{AtomicBool, Ordering};

use hashbrown::HashMap;

use crate::addr::{Addr, Mac, Prefix, mask};
use crate::ids::IfaceId;

/// Hashing of control-built tables; seeded by control, so the packets cannot choose collisions.
pub type Hasher = ahash::RandomState;

/// Where a route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// An address of the director itself: Linux takes the packet.
    Local,
    /// Out of an interface, to the gateway or, without one, to the destination itself.
    Via {
        /// The interface.
        iface: IfaceId,
        /// The next router.
        gateway: Option<Addr>,
    },
    /// Linux answers these (`unreachable`, `prohibit`, or out of an interface that is not ours).
    Kernel,
    /// Dropped silently.
    Blackhole,
}

/// A neighbour whose MAC is known.
#[derive(Debug)]
pub struct NextHop {
    /// The interface it is on.
    pub iface: IfaceId,
    /// Its IP address.
    pub addr: Addr,
    /// Its MAC.
    pub mac: Mac,
    used: AtomicBool,
}

impl NextHop {
    /// Notes that a packet went there, so that control keeps the entry fresh in Linux's table.
    #[inline]
    pub fn mark_used(&self) {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a packet went there since the last call.
    pub fn take_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }
}

/// An index into [`Fib::next_hops`], valid within one [`Fib::generation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextHopId(pub u32);

/// What the table says of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// Send it there.
    Ready(NextHopId),
    /// The neighbour's MAC is not known yet: ask Linux for it.
    Resolve {
        /// The interface it is on.
        iface: IfaceId,
        /// Its IP address.
        addr: Addr,
    },
    /// An address of the director.
    Local,
    /// Linux answers.
    Kernel,
    /// Drop it.
    Blackhole,
    /// No route at all.
    None,
}

/// Routes and neighbours at one moment.
#[derive(Debug)]
pub struct Fib {
    /// Differs between any two tables of one run, never 0.
    pub generation: u32,
    lengths: Vec<u8>,
    routes: HashMap<(u8, Addr), Route, Hasher>,
    neighbours: HashMap<(IfaceId, Addr), NextHopId, Hasher>,
    next_hops: Vec<NextHop>,
}

impl Fib {
    /// The most specific route of `destination`.
    #[must_use]
    pub fn route(&self, destination: Addr) -> Option<Route> {
        let v4 = destination.is_v4();
        self.lengths
            .iter()
            .filter(|len| !v4 || **len >= 96)
            .find_map(|len| self.routes.get(&(*len, mask(destination, *len))))
            .copied()
    }

    /// Where a packet to `destination` goes next.
    #[must_use]
    pub fn hop(&self, destination: Addr) -> Hop {
        match self.route(destination) {
            Some(Route::Via { iface, gateway }) => {
                let addr = gateway.unwrap_or(destination);
                match self.neighbours.get(&(iface, addr)) {
                    Some(id) => Hop::Ready(*id),
                    None => Hop::Resolve { iface, addr },
                }
            }
            Some(Route::Local) => Hop::Local,
            Some(Route::Kernel) => Hop::Kernel,
            Some(Route::Blackhole) => Hop::Blackhole,
            None => Hop::None,
        }
    }

    /// The neighbour behind an index of this table.
    #[must_use]
    #[inline]
    pub fn next_hop(&self, id: NextHopId) -> Option<&NextHop> {
        self.next_hops.get(id.0 as usize)
    }

    /// The index of a neighbour, if its MAC is known.
    #[must_use]
    pub fn neighbour_id(&self, iface: IfaceId, addr: Addr) -> Option<NextHopId> {
        self.neighbours.get(&(iface, addr)).copied()
    }

    /// Every known neighbour.
    pub fn next_hops(&self) -> impl Iterator<Item = &NextHop> {
        self.next_hops.iter()
    }

    /// How many routes there are.
    #[must_use]
    pub fn route_count(&self) -> usize {
        self.routes.len()
    }
}

/// Collects routes and neighbours; [`build`](Self::build) makes the table.
#[derive(Debug, Clone)]
pub struct FibBuilder {
    hasher: Hasher,
    routes: HashMap<(u8, Addr), (u32, Route), Hasher>,
    neighbours: Vec<(IfaceId, Addr, Mac)>,
}

impl FibBuilder {
    /// An empty table; `hasher` is seeded by the caller.
    #[must_use]
    pub fn new(hasher: Hasher) -> Self {
        Self {
            routes: HashMap::with_hasher(hasher.clone()),
            hasher,
            neighbours: Vec::new(),
        }
    }

    /// Adds a route; of two for one prefix the one of the lower metric stays.
    pub fn route(&mut self, prefix: Prefix, metric: u32, route: Route) -> &mut Self {
        let key = (prefix.len_in_128(), prefix.network());
        let entry = self.routes.entry(key).or_insert((metric, route));
        if metric < entry.0 {
            *entry = (metric, route);
        }
        self
    }

    /// Adds a neighbour whose MAC is known; a later one of the same key replaces it.
    pub fn neighbour(&mut self, iface: IfaceId, addr: Addr, mac: Mac) -> &mut Self {
        self.neighbours.push((iface, addr, mac));
        self
    }

    /// The finished table, under a generation that the caller never gave before (not 0).
    #[must_use]
    pub fn build(&self, generation: u32) -> Fib {
        let mut routes = HashMap::with_hasher(self.hasher.clone());
        let mut lengths = Vec::new();
        for ((len, network), (_, route)) in &self.routes {
            routes.insert((*len, *network), *route);
            if !lengths.contains(len) {
                lengths.push(*len);
            }
        }
        lengths.sort_unstable_by_key(|len| Reverse(*len));
        let mut fib = Fib {
            generation,
            lengths,
            routes,
            neighbours: HashMap::with_hasher(self.hasher.clone()),
            next_hops: Vec::with_capacity(self.neighbours.len()),
        };
        for (iface, addr, mac) in &self.neighbours {
            let id = NextHopId(u32::try_from(fib.next_hops.len()).unwrap_or(u32::MAX));
            fib.neighbours.insert((*iface, *addr), id);
            fib.next_hops.push(NextHop {
                iface: *iface,
                addr: *addr,
                mac: *mac,
                used: AtomicBool::new(false),
            });
        }
        fib
    }
}

#[cfg(test)]
mod tests;

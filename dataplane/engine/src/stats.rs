// SPDX-License-Identifier: Apache-2.0
//! Reading the boards: sums over workers, per server and service, across the reuse of slots.
//!
//! Counters are never reset. A server that takes over a slot starts at the slot's values
//! (its base), and what a released server had done stays in its service's sum.

use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::HashMap;
use model::fib::Hasher;
use model::ids::{LocalId, RealId, ServiceId};
use model::service::RealServer;
use model::snapshot::ServiceSet;

use crate::counters::{Board, Counter, Load};

/// Traffic of a server or a service, summed over workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Connections opened.
    pub connections: u64,
    /// Packets towards servers.
    pub packets_in: u64,
    /// Packets from servers.
    pub packets_out: u64,
    /// Bytes towards servers.
    pub bytes_in: u64,
    /// Bytes from servers.
    pub bytes_out: u64,
}

impl Traffic {
    fn plus(self, other: Self) -> Self {
        self.each(other, u64::wrapping_add)
    }

    fn minus(self, other: Self) -> Self {
        self.each(other, u64::wrapping_sub)
    }

    fn each(self, other: Self, op: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            connections: op(self.connections, other.connections),
            packets_in: op(self.packets_in, other.packets_in),
            packets_out: op(self.packets_out, other.packets_out),
            bytes_in: op(self.bytes_in, other.bytes_in),
            bytes_out: op(self.bytes_out, other.bytes_out),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Tenant {
    generation: u32,
    /// The service's slot and generation.
    service: (ServiceId, u32),
    base: Traffic,
}

/// Sums of all workers' boards.
#[derive(Debug)]
pub struct Stats {
    boards: Vec<Arc<Board>>,
    tenants: HashMap<RealId, Tenant, Hasher>,
    /// Traffic of released servers, by service slot and generation.
    retired: HashMap<(ServiceId, u32), Traffic, Hasher>,
}

impl Stats {
    /// Over those boards, one per worker.
    #[must_use]
    pub fn new(boards: Vec<Arc<Board>>, hasher: Hasher) -> Self {
        Self {
            boards,
            tenants: HashMap::with_hasher(hasher.clone()),
            retired: HashMap::with_hasher(hasher),
        }
    }

    /// The boards, by worker.
    #[must_use]
    pub fn boards(&self) -> &[Arc<Board>] {
        &self.boards
    }

    /// Notes who sits in which slot. To be called after every change of the services, before
    /// traffic can reach a new tenant. A server whose service was deleted and added again is a new
    /// tenant too.
    pub fn observe(&mut self, set: &ServiceSet) {
        let owner = |real: &RealServer| {
            let generation = set.service(real.service).map_or(0, |s| s.generation);
            (real.service, generation)
        };
        let gone: Vec<RealId> = self
            .tenants
            .iter()
            .filter(|(id, tenant)| {
                set.real(**id).is_none_or(|real| {
                    real.generation != tenant.generation || owner(real) != tenant.service
                })
            })
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            if let Some(tenant) = self.tenants.remove(&id) {
                let done = self.slot(id).minus(tenant.base);
                let sum = self.retired.entry(tenant.service).or_default();
                *sum = sum.plus(done);
            }
        }
        self.retired.retain(|(id, generation), _| {
            set.service(*id)
                .is_some_and(|service| service.generation == *generation)
        });
        for real in set.reals() {
            if !self.tenants.contains_key(&real.id) {
                let base = self.slot(real.id);
                let tenant = Tenant {
                    generation: real.generation,
                    service: owner(real),
                    base,
                };
                self.tenants.insert(real.id, tenant);
            }
        }
    }

    /// What went to and from a server since it got its slot.
    #[must_use]
    pub fn real(&self, real: &RealServer) -> Traffic {
        let base = self
            .tenants
            .get(&real.id)
            .map(|tenant| tenant.base)
            .unwrap_or_default();
        self.slot(real.id).minus(base)
    }

    /// What went through a service, servers that are gone included.
    #[must_use]
    pub fn service(&self, set: &ServiceSet, id: ServiceId) -> Traffic {
        let generation = set.service(id).map_or(0, |service| service.generation);
        let retired = self
            .retired
            .get(&(id, generation))
            .copied()
            .unwrap_or_default();
        set.reals()
            .filter(|real| real.service == id)
            .fold(retired, |sum, real| sum.plus(self.real(real)))
    }

    /// The connections of a server now, over all workers.
    #[must_use]
    pub fn load(&self, id: RealId) -> Load {
        self.boards
            .iter()
            .filter_map(|board| board.real(id))
            .fold(Load::default(), |sum, counters| sum.plus(counters.load()))
    }

    /// Whether no worker has a connection to that server, nor a template that names it: its slot
    /// may be given to another one, if none can have got one since.
    #[must_use]
    pub fn is_idle(&self, id: RealId) -> bool {
        let counters = self.boards.iter().filter_map(|board| board.real(id));
        let templates = counters.map(|counters| counters.templates());
        self.load(id).flows() == 0 && templates.sum::<u32>() == 0
    }

    /// Connections that have a port of a local address, over all workers.
    #[must_use]
    pub fn local_flows(&self, id: LocalId) -> u64 {
        let gauges = self.boards.iter().filter_map(|board| board.local(id));
        gauges.map(Counter::get).sum()
    }

    fn slot(&self, id: RealId) -> Traffic {
        self.boards.iter().filter_map(|board| board.real(id)).fold(
            Traffic::default(),
            |sum, counters| {
                sum.plus(Traffic {
                    connections: counters.connections.get(),
                    packets_in: counters.packets_in.get(),
                    packets_out: counters.packets_out.get(),
                    bytes_in: counters.bytes_in.get(),
                    bytes_out: counters.bytes_out.get(),
                })
            },
        )
    }
}

#[cfg(test)]
mod tests;

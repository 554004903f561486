// SPDX-License-Identifier: Apache-2.0
//! Where everything is, so that no change has to search for it: thousands of services are
//! reloaded in milliseconds.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use hashbrown::HashMap;

use crate::fib::Hasher;
use crate::ids::{RealId, ServiceId};
use crate::sched::gcd;
use crate::service::{RealKey, ServiceKey};

/// Slots of one kind: which are free, and how often each has been given to somebody else.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots {
    generations: Vec<u32>,
    free: BTreeSet<u32>,
}

impl Slots {
    /// The lowest free slot, or one more than there were; `None` beyond `max`.
    pub(super) fn take(&mut self, max: usize) -> Option<u32> {
        if let Some(slot) = self.free.pop_first() {
            self.pass_on(slot);
            return Some(slot);
        }
        let slot = u32::try_from(self.generations.len()).ok()?;
        (self.generations.len() < max).then(|| {
            self.generations.push(0);
            slot
        })
    }

    /// A slot is empty.
    pub(super) fn give_back(&mut self, slot: u32) {
        self.free.insert(slot);
    }

    /// A slot gets another tenant.
    pub(super) fn pass_on(&mut self, slot: u32) {
        if let Some(generation) = self.generations.get_mut(slot as usize) {
            *generation = generation.wrapping_add(1);
        }
    }

    /// Which tenant a slot has.
    pub(super) fn generation(&self, slot: u32) -> u32 {
        self.generations.get(slot as usize).copied().unwrap_or(0)
    }
}

/// What is known of a service besides what is published.
#[derive(Debug, Clone, Default)]
struct Notes {
    /// Highest epoch ever given.
    epoch: u64,
    /// Server slots it has, those of deleted servers included.
    members: u32,
    /// Greatest weight and greatest common divisor of its list, unless something changed.
    weights: Option<(u32, u32)>,
}

/// Slots, and who has them.
#[derive(Debug, Clone)]
pub(super) struct Register {
    pub(super) services: Slots,
    pub(super) reals: Slots,
    /// By service slot.
    notes: Vec<Notes>,
    real_of: HashMap<(ServiceId, RealKey), RealId, Hasher>,
    /// Deleted services whose flows live on.
    deleted: HashMap<ServiceKey, ServiceId, Hasher>,
}

impl Register {
    pub(super) fn new(hasher: &Hasher) -> Self {
        Self {
            services: Slots::default(),
            reals: Slots::default(),
            notes: Vec::new(),
            real_of: HashMap::with_hasher(hasher.clone()),
            deleted: HashMap::with_hasher(hasher.clone()),
        }
    }

    fn notes(&mut self, service: ServiceId) -> Option<&mut Notes> {
        if self.notes.len() <= service.index() {
            self.notes.resize(service.index() + 1, Notes::default());
        }
        self.notes.get_mut(service.index())
    }

    pub(super) fn next_epoch(&mut self, service: ServiceId) -> u64 {
        self.notes(service).map_or(0, |notes| {
            notes.epoch = notes.epoch.saturating_add(1);
            notes.epoch
        })
    }

    pub(super) fn real(&self, service: ServiceId, key: RealKey) -> Option<RealId> {
        self.real_of.get(&(service, key)).copied()
    }

    /// A server has got a slot.
    pub(super) fn enter(&mut self, service: ServiceId, key: RealKey, real: RealId) {
        self.real_of.insert((service, key), real);
        if let Some(notes) = self.notes(service) {
            notes.members = notes.members.saturating_add(1);
        }
    }

    /// A server has lost its slot.
    pub(super) fn leave(&mut self, service: ServiceId, key: RealKey, real: RealId) {
        self.real_of.remove(&(service, key));
        self.reals.give_back(real.0);
        if let Some(notes) = self.notes(service) {
            notes.members = notes.members.saturating_sub(1);
        }
    }

    /// Whether no server has a slot of that service's.
    pub(super) fn is_empty(&mut self, service: ServiceId) -> bool {
        self.notes(service).is_none_or(|notes| notes.members == 0)
    }

    /// Takes a deleted service of that key back.
    pub(super) fn revive(&mut self, key: &ServiceKey) -> Option<ServiceId> {
        let id = self.deleted.remove(key)?;
        self.services.pass_on(id.0);
        Some(id)
    }

    /// A service was deleted, and still has servers' slots.
    pub(super) fn bury(&mut self, key: ServiceKey, service: ServiceId) {
        self.deleted.insert(key, service);
    }

    /// A deleted service has lost its slot.
    pub(super) fn forget(&mut self, key: &ServiceKey, service: ServiceId) {
        self.deleted.remove(key);
        self.services.give_back(service.0);
    }

    /// Greatest weight and greatest common divisor of a service's list, as last noted.
    pub(super) fn weights(&self, service: ServiceId) -> Option<(u32, u32)> {
        self.notes.get(service.index())?.weights
    }

    /// Notes them; `None` if they have to be looked for.
    pub(super) fn set_weights(&mut self, service: ServiceId, weights: Option<(u32, u32)>) {
        if let Some(notes) = self.notes(service) {
            notes.weights = weights;
        }
    }

    /// A server of that weight has joined a list.
    pub(super) fn joined(&mut self, service: ServiceId, weight: u32) {
        if let Some(notes) = self.notes(service) {
            notes.weights = notes
                .weights
                .map(|(max, divisor)| (max.max(weight), gcd(weight, divisor)));
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! `ip_vs_lblc.c`, `ip_vs_lblcr.c`.

use std::vec;
use std::vec::Vec;

use super::Svc;

/// Times are in hours; an entry not used for a day is gone.
#[derive(Debug)]
pub(super) struct Entry {
    set: Vec<u8>,
    last_use: u64,
    last_change: u64,
}

impl Svc {
    /// Hours pass.
    pub(in super::super) fn sleep(&mut self, hours: u64) {
        self.now += hours;
        let now = self.now;
        self.cache.retain(|_, entry| entry.last_use + 24 > now);
    }

    fn is_overloaded(&self, name: u8) -> bool {
        let dest = self.list.iter().find(|dest| dest.name == name);
        dest.is_some_and(|dest| dest.active > dest.weight)
            && self.list.iter().any(|dest| dest.active * 2 < dest.weight)
    }

    pub(super) fn lblc(&mut self, destination: u32) -> Option<u8> {
        let now = self.now;
        if let Some(entry) = self.cache.get_mut(&destination) {
            entry.last_use = now;
            let name = entry.set[0];
            let usable = self
                .list
                .iter()
                .any(|dest| dest.name == name && dest.weight > 0);
            if usable && !self.is_overloaded(name) {
                return Some(name);
            }
        }
        let name = self.wlc()?;
        let entry = Entry {
            set: vec![name],
            last_use: now,
            last_change: now,
        };
        self.cache.insert(destination, entry);
        Some(name)
    }

    pub(super) fn lblcr(&mut self, destination: u32) -> Option<u8> {
        let now = self.now;
        if let Some(entry) = self.cache.get_mut(&destination) {
            entry.last_use = now;
            let (set, ripe) = (entry.set.clone(), now > entry.last_change + 24);
            let least = self.set_min(&set);
            if set.len() > 1
                && ripe
                && let Some(most) = self.set_max(&set)
                && let Some(entry) = self.cache.get_mut(&destination)
            {
                entry.set.retain(|name| *name != most);
                entry.last_change = now;
            }
            if let Some(name) = least
                && !self.is_overloaded(name)
            {
                return Some(name);
            }
            let name = self.wlc()?;
            if let Some(entry) = self.cache.get_mut(&destination)
                && !entry.set.contains(&name)
            {
                entry.set.insert(0, name);
                entry.last_change = now;
            }
            return Some(name);
        }
        let name = self.wlc()?;
        let entry = Entry {
            set: vec![name],
            last_use: now,
            last_change: now,
        };
        self.cache.insert(destination, entry);
        Some(name)
    }

    fn set_min(&self, set: &[u8]) -> Option<u8> {
        let mut least: Option<&super::Dest> = None;
        for name in set {
            let Some(dest) = self.list.iter().find(|dest| dest.name == *name) else {
                continue;
            };
            if dest.unusable() {
                continue;
            }
            if least
                .is_none_or(|least| least.overhead() * dest.weight > dest.overhead() * least.weight)
            {
                least = Some(dest);
            }
        }
        least.map(|dest| dest.name)
    }

    fn set_max(&self, set: &[u8]) -> Option<u8> {
        let mut most: Option<&super::Dest> = None;
        for name in set {
            let mut all = self.list.iter().chain(&self.trash);
            let Some(dest) = all.find(|dest| dest.name == *name) else {
                continue;
            };
            if dest.weight == 0 {
                continue;
            }
            if most.is_none_or(|most| most.overhead() * dest.weight < dest.overhead() * most.weight)
            {
                most = Some(dest);
            }
        }
        most.map(|dest| dest.name)
    }
}

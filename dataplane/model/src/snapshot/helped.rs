// SPDX-License-Identifier: Apache-2.0
//! Services whose clients' connections have one owner: a helper reads in some of them what others
//! will look like.

use alloc::sync::Arc;

use hashbrown::HashSet;

use crate::addr::Addr;
use crate::fib::Hasher;
use crate::ids::ServiceId;
use crate::service::{RealKey, RealServer, VirtualService};

/// What such services are known by; empty where there is no helper.
#[derive(Debug, Clone)]
pub(super) struct Helped {
    /// VIPs of services with a helper, and their servers' addresses.
    pub(super) addresses: HashSet<Addr, Hasher>,
    /// Services with a helper, and those that share a server's address and port with one of these.
    pub(super) services: HashSet<ServiceId, Hasher>,
    /// Servers of these services.
    pub(super) reals: HashSet<RealKey, Hasher>,
}

impl Helped {
    pub(super) fn new(hasher: &Hasher) -> Self {
        Self {
            addresses: HashSet::with_hasher(hasher.clone()),
            services: HashSet::with_hasher(hasher.clone()),
            reals: HashSet::with_hasher(hasher.clone()),
        }
    }

    pub(super) fn index(
        &mut self,
        services: &[Option<Arc<VirtualService>>],
        reals: &[Option<RealServer>],
    ) {
        self.addresses.clear();
        self.services.clear();
        self.reals.clear();
        for service in services.iter().flatten() {
            if service.spec.helper.is_some() {
                self.services.insert(service.id);
                self.addresses.extend(service.key.virtual_ip());
            }
        }
        let own = |real: &&RealServer| self.services.contains(&real.service);
        let own = reals.iter().flatten().filter(own);
        self.addresses.extend(own.map(|real| real.key.real_ip));
        // A reply says its server's address and port and no more: who shares them shares the rule.
        let mut known = 0;
        while known < self.services.len() + self.reals.len() {
            known = self.services.len() + self.reals.len();
            for real in reals.iter().flatten() {
                if self.services.contains(&real.service) {
                    self.reals.insert(real.key);
                } else if self.reals.contains(&real.key) {
                    self.services.insert(real.service);
                }
            }
        }
    }
}

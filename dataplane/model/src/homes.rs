// SPDX-License-Identifier: Apache-2.0
//! What stands for a service in the hash that chooses a connection's worker.
//!
//! A port hashes both ends of a client's packet, the client's and the service's. The server's
//! answer carries only the client's; the service's is known by the server. If several services
//! share a server by masquerading, its answers do not tell them apart: they share one [`Home`], the
//! address and port of the one that was there first. A service keeps its home for life, because its
//! connections would not be found in another; so a server that is added to two services that have
//! homes already has both, and its answers are looked for in one after the other.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::slice;

use hashbrown::HashMap;

use crate::addr::Addr;
use crate::fib::Hasher;
use crate::ids::ServiceId;
use crate::service::{ForwardMode, Protocol, RealKey, RealServer, ServiceKey, VirtualService};

/// An address and port that packets to a service are hashed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Home {
    /// The VIP, or the first of several.
    pub address: Addr,
    /// The vport, or the first of several.
    pub port: u16,
}

/// The homes of the services that a server belongs to, each once; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RealHomes {
    One(Home),
    Several(Vec<Home>),
}

impl RealHomes {
    pub(crate) const fn as_slice(&self) -> &[Home] {
        match self {
            Self::One(home) => slice::from_ref(home),
            Self::Several(homes) => homes.as_slice(),
        }
    }

    fn add(&mut self, home: Home) {
        if self.as_slice().contains(&home) {
            return;
        }
        let mut homes = self.as_slice().to_vec();
        homes.push(home);
        *self = Self::Several(homes);
    }
}

/// Protocol (0 = any), address and port (0 = any) of a server.
type Place = (u8, RealKey);

/// The homes of all services and servers.
#[derive(Debug, Clone)]
pub(crate) struct Homes {
    /// By service slot, with the generation of the tenant.
    services: Vec<Option<(u32, Home)>>,
    reals: HashMap<Place, RealHomes, Hasher>,
    /// Whether there are servers on any port or of any protocol.
    wide: bool,
}

impl Homes {
    pub(crate) const fn new(hasher: Hasher) -> Self {
        Self {
            services: Vec::new(),
            reals: HashMap::with_hasher(hasher),
            wide: false,
        }
    }

    /// The home of a service.
    #[inline]
    pub(crate) fn of_service(&self, id: ServiceId) -> Option<&Home> {
        let (_, home) = self.services.get(id.index())?.as_ref()?;
        Some(home)
    }

    /// Where the answers of a server may be at home; empty if it is none.
    #[inline]
    pub(crate) fn of_real(&self, protocol: Protocol, real: RealKey) -> &[Home] {
        let place = (protocol as u8, real);
        let found = self.reals.get(&place).or_else(|| {
            let mut wider = wider(place).into_iter().filter(|_| self.wide);
            wider.find_map(|place| self.reals.get(&place))
        });
        found.map_or(&[], RealHomes::as_slice)
    }

    /// Gives new services a home and finds those of the servers.
    pub(crate) fn settle(
        &mut self,
        services: &[Option<Arc<VirtualService>>],
        reals: &[Option<RealServer>],
    ) {
        self.services.resize(services.len(), None);
        for (home, service) in self.services.iter_mut().zip(services) {
            let tenant = service.as_ref().map(|service| service.generation);
            *home = home.filter(|(generation, _)| Some(*generation) == tenant);
        }
        let place_of = |real: &RealServer| {
            let service = services.get(real.service.index())?.as_ref()?;
            let protocol = service.key.protocol();
            Some((
                protocol.map_or(0, |protocol| protocol as u8),
                real.reached(),
            ))
        };
        let mut shared: HashMap<Place, Home, Hasher> =
            HashMap::with_hasher(self.reals.hasher().clone());
        let masqueraded = || {
            let of_nat = |real: &&RealServer| real.spec.mode == ForwardMode::Nat;
            let place = |real: &RealServer| Some((real.service, place_of(real)?));
            reals.iter().flatten().filter(of_nat).filter_map(place)
        };
        for (service, place) in masqueraded() {
            if let Some(home) = self.of_service(service) {
                shared.entry(place).or_insert(*home);
            }
        }
        for (service, place) in masqueraded() {
            let Some(Some(tenant)) = services.get(service.index()) else {
                continue;
            };
            let known = self.of_service(service).copied();
            let home = known.or_else(|| shared.get(&place).copied());
            let home = home.unwrap_or_else(|| own(&tenant.key));
            shared.entry(place).or_insert(home);
            self.set(tenant, home);
        }
        for tenant in services.iter().flatten() {
            if self.of_service(tenant.id).is_none() {
                self.set(tenant, own(&tenant.key));
            }
        }
        self.index(reals, place_of);
    }

    fn set(&mut self, tenant: &VirtualService, home: Home) {
        if let Some(place) = self.services.get_mut(tenant.id.index()) {
            *place = Some((tenant.generation, home));
        }
    }

    /// Every method counts: a server edited from NAT to DR still answers its old flows through us.
    fn index(
        &mut self,
        reals: &[Option<RealServer>],
        place_of: impl Fn(&RealServer) -> Option<Place>,
    ) {
        self.reals.clear();
        self.wide = false;
        for real in reals.iter().flatten() {
            let home = self.of_service(real.service).copied();
            let (Some(place), Some(home)) = (place_of(real), home) else {
                continue;
            };
            let (protocol, RealKey { rport, .. }) = place;
            self.wide |= protocol == 0 || rport == 0;
            self.reals
                .entry(place)
                .and_modify(|homes| homes.add(home))
                .or_insert(RealHomes::One(home));
        }
        if self.wide {
            self.add_wider();
        }
    }

    /// An answer is looked up once, by the narrowest place it comes from: that has the homes of the
    /// wider ones too.
    fn add_wider(&mut self) {
        let homes_of = |reals: &HashMap<Place, RealHomes, Hasher>, place: Place| {
            let homes = wider(place).into_iter().filter(|wider| *wider != place);
            let homes = homes.filter_map(|wider| Some(reals.get(&wider)?.as_slice().to_vec()));
            homes.flatten().collect::<Vec<Home>>()
        };
        let more: Vec<(Place, Vec<Home>)> = self
            .reals
            .keys()
            .map(|place| (*place, homes_of(&self.reals, *place)))
            .collect();
        for (place, homes) in more {
            if let Some(known) = self.reals.get_mut(&place) {
                homes.into_iter().for_each(|home| known.add(home));
            }
        }
    }
}

/// The places that take answers from `place` too.
const fn wider((protocol, real): Place) -> [Place; 3] {
    let any_port = RealKey { rport: 0, ..real };
    [(protocol, any_port), (0, real), (0, any_port)]
}

/// The first address and port of a service; what has none is hashed with zeros.
fn own(key: &ServiceKey) -> Home {
    match key {
        ServiceKey::Listen(listen) => Home {
            address: listen.addresses.network(),
            port: listen.ports.first(),
        },
        ServiceKey::Mark(mark) => Home {
            address: if mark.is_v4 {
                Addr::from(Ipv4Addr::UNSPECIFIED)
            } else {
                Addr::UNSPECIFIED
            },
            port: 0,
        },
    }
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: Apache-2.0
//! The immutable configuration that workers read once per burst (DESIGN decision 6).

use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::{HashMap, HashSet};

use crate::addr::{Addr, Mac, Prefix};
use crate::fib::{Fib, Hasher};
use crate::ids::{IfaceId, PortId, RealId, ServiceId};
use crate::service::{Protocol, RealKey, RealServer, ServiceKey, VirtualService};
pub use crate::tunables::{PUNT_CLASSES, Tunables};

/// States of LVS's TCP machine, the number of timeouts it has.
pub const TCP_STATES: usize = 11;

/// How long an idle connection is kept, by state; milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// By the number of the TCP state (`include/net/ip_vs.h`, `IP_VS_TCP_S_*`).
    pub tcp_ms: [u32; TCP_STATES],
    /// UDP.
    pub udp_ms: u32,
}

/// Number of the TCP state ESTABLISHED.
pub const TCP_ESTABLISHED: usize = 1;
/// Number of the TCP state FIN_WAIT.
pub const TCP_FIN_WAIT: usize = 4;

impl Default for Timeouts {
    /// The kernel's (`ip_vs_proto_tcp.c` `tcp_timeouts`, `ip_vs_proto_udp.c` `udp_timeouts`).
    fn default() -> Self {
        Self {
            tcp_ms: [
                2_000, 900_000, 120_000, 60_000, 120_000, 120_000, 10_000, 60_000, 30_000, 120_000,
                120_000,
            ],
            udp_ms: 300_000,
        }
    }
}

/// A port, or one VLAN of a port: where addresses live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its number.
    pub id: IfaceId,
    /// The port it is on.
    pub port: PortId,
    /// The 802.1Q tag its frames carry on the wire.
    pub vlan: Option<u16>,
    /// Name of the kernel twin.
    pub name: Arc<str>,
    /// MAC of the port.
    pub mac: Mac,
    /// Largest IP packet, bytes.
    pub mtu: u32,
    /// Addresses of the twin, for the source of ICMP errors.
    pub addresses: Vec<Prefix>,
}

/// The interfaces of the director.
#[derive(Debug, Clone, Default)]
pub struct Interfaces {
    list: Vec<Interface>,
}

impl Interfaces {
    /// Interfaces in the order of their numbers.
    #[must_use]
    pub const fn new(list: Vec<Interface>) -> Self {
        Self { list }
    }

    /// The interface of that number.
    #[must_use]
    #[inline]
    pub fn get(&self, id: IfaceId) -> Option<&Interface> {
        self.list.get(id.index())
    }

    /// The interface that a frame of that tag on that port came in by. Tag 0 carries a priority and
    /// no VLAN (IEEE 802.1Q §6.9.1).
    #[must_use]
    #[inline]
    pub fn ingress(&self, port: PortId, vlan: Option<u16>) -> Option<&Interface> {
        let vlan = vlan.filter(|id| *id != 0);
        self.list
            .iter()
            .find(|iface| iface.port == port && iface.vlan == vlan)
    }

    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[Interface] {
        &self.list
    }
}

/// How packets are spread over workers (DESIGN decision 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spread {
    /// One worker has everything.
    Single,
    /// The NIC's hash is unknown or of no use: a keyed hash of the client's address and port.
    ClientHash {
        /// Random at boot.
        key: [u64; 2],
        /// Workers that share the flows, at least 1.
        workers: u16,
    },
}

/// Services and servers, in their slots and by their keys.
#[derive(Debug, Clone)]
pub struct ServiceSet {
    pub(crate) services: Vec<Option<Arc<VirtualService>>>,
    pub(crate) reals: Vec<Option<RealServer>>,
    pub(crate) by_key: HashMap<ServiceKey, ServiceId, Hasher>,
    pub(crate) by_real: HashSet<(Protocol, RealKey), Hasher>,
    pub(crate) addresses: HashSet<Addr, Hasher>,
    pub(crate) deletions: u64,
}

impl ServiceSet {
    pub(crate) fn new(hasher: Hasher) -> Self {
        Self {
            services: Vec::new(),
            reals: Vec::new(),
            by_key: HashMap::with_hasher(hasher.clone()),
            by_real: HashSet::with_hasher(hasher.clone()),
            addresses: HashSet::with_hasher(hasher),
            deletions: 0,
        }
    }

    /// The live service of a key.
    #[must_use]
    #[inline]
    pub fn find(&self, key: &ServiceKey) -> Option<&VirtualService> {
        self.service(*self.by_key.get(key)?)
    }

    /// The service in a slot, a deleted one included.
    #[must_use]
    #[inline]
    pub fn service(&self, id: ServiceId) -> Option<&VirtualService> {
        self.services.get(id.index())?.as_deref()
    }

    /// The server in a slot, a deleted one included.
    #[must_use]
    #[inline]
    pub fn real(&self, id: RealId) -> Option<&RealServer> {
        self.reals.get(id.index())?.as_ref()
    }

    /// Whether packets from there may be replies of a real server; deleted ones, which still have
    /// flows, included.
    #[must_use]
    #[inline]
    pub fn is_real(&self, protocol: Protocol, real: RealKey) -> bool {
        self.by_real.contains(&(protocol, real))
    }

    /// How often servers were deleted (`ipvsadm -d`, `-D`, `-C`): a worker that sees it change has
    /// to look for their connections if `expire_nodest_conn` is set.
    #[must_use]
    pub const fn deletions(&self) -> u64 {
        self.deletions
    }

    /// Slots there are, used or not: what per-worker tables are sized by.
    #[must_use]
    pub fn slot_counts(&self) -> (usize, usize) {
        (self.services.len(), self.reals.len())
    }

    /// Every slot in use, deleted services included.
    pub fn services(&self) -> impl Iterator<Item = &VirtualService> {
        self.services.iter().flatten().map(|service| &**service)
    }

    /// Every server slot in use, deleted ones included.
    pub fn reals(&self) -> impl Iterator<Item = &RealServer> {
        self.reals.iter().flatten()
    }

    /// Whether an address is a VIP or a RIP: what a fragment, which has no ports, is known by.
    #[must_use]
    pub fn is_service_address(&self, addr: Addr) -> bool {
        self.addresses.contains(&addr)
    }
}

/// Everything a worker reads that others write, at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Counts publications, from 1.
    pub generation: u64,
    /// Services and servers.
    pub services: Arc<ServiceSet>,
    /// Routes and neighbours.
    pub fib: Arc<Fib>,
    /// Ports and their VLANs.
    pub interfaces: Arc<Interfaces>,
    /// Timeouts by state.
    pub timeouts: Arc<Timeouts>,
    /// Switches.
    pub tunables: Arc<Tunables>,
    /// Who owns which flow.
    pub spread: Arc<Spread>,
}

#[cfg(test)]
mod tests;

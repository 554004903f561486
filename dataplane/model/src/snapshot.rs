// SPDX-License-Identifier: Apache-2.0
//! The immutable configuration that workers read once per burst (DESIGN decision 6).

use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::HashMap;

mod helped;

use crate::addr::{Addr, Mac, Prefix, mask};
use crate::classifier::Classifier;
use crate::fib::{Fib, Hasher};
use crate::homes::{Home, Homes};
use crate::ids::{IfaceId, PortId, RealId, ServiceId};
use crate::local::LocalPools;
use crate::rss::Rss;
use crate::service::{
    ForwardMode, Listen, Mark, PortRange, Protocol, QuicServerId, RealKey, RealServer, RealState,
    ServiceKey, ServiceTimeouts, VirtualService,
};
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
    /// As the ports do by themselves.
    Rss(Rss),
}

/// Services and servers, in their slots and by their keys.
#[derive(Debug, Clone)]
pub struct ServiceSet {
    pub(crate) services: Vec<Option<Arc<VirtualService>>>,
    pub(crate) reals: Vec<Option<RealServer>>,
    pub(crate) by_key: HashMap<ServiceKey, ServiceId, Hasher>,
    /// Services on one address and one port, which are nearly all.
    exact: HashMap<(Protocol, Addr, u16), ServiceId, Hasher>,
    /// The others but marks, longest prefix first.
    wide: Vec<Networks>,
    /// Where replies come from, and whether a server is there that they are translated for;
    /// protocol 0 = any.
    by_real: HashMap<(u8, RealKey), bool, Hasher>,
    /// Whether `by_real` has members with port 0 or protocol 0.
    has_wide_reals: bool,
    /// Servers by what names them in QUIC connection ids.
    by_quic_id: HashMap<(ServiceId, QuicServerId), RealId, Hasher>,
    /// VIPs and RIPs, and whether it is a VIP.
    addresses: HashMap<Addr, bool, Hasher>,
    helped: Helped,
    /// What stands for services in the hash of their packets.
    homes: Homes,
    pub(crate) deletions: u64,
}

/// Services on networks of one length of prefix, and on several ports of one address.
#[derive(Debug, Clone)]
struct Networks {
    /// Bits of the sixteen octets that are fixed.
    len: u8,
    /// Narrower ranges first.
    by_network: HashMap<(Protocol, Addr), Vec<(PortRange, ServiceId)>, Hasher>,
}

impl ServiceSet {
    pub(crate) fn new(hasher: Hasher) -> Self {
        Self {
            services: Vec::new(),
            reals: Vec::new(),
            by_key: HashMap::with_hasher(hasher.clone()),
            exact: HashMap::with_hasher(hasher.clone()),
            wide: Vec::new(),
            by_real: HashMap::with_hasher(hasher.clone()),
            has_wide_reals: false,
            helped: Helped::new(&hasher),
            by_quic_id: HashMap::with_hasher(hasher.clone()),
            addresses: HashMap::with_hasher(hasher.clone()),
            homes: Homes::new(hasher),
            deletions: 0,
        }
    }

    /// The live service of a key.
    #[must_use]
    #[inline]
    pub fn find(&self, key: &ServiceKey) -> Option<&VirtualService> {
        self.service(*self.by_key.get(key)?)
    }

    /// The live service that takes a packet of that mark (0 = none) to that address and port: by
    /// its mark, else by the longest prefix, and there by the fewest ports (`ip_vs_service_find`,
    /// which knows marks, one port and all ports).
    #[must_use]
    pub fn lookup(
        &self,
        mark: u32,
        protocol: Protocol,
        address: Addr,
        port: u16,
    ) -> Option<&VirtualService> {
        let marked = || {
            let is_v4 = address.is_v4();
            self.find(&ServiceKey::Mark(Mark { mark, is_v4 }))
        };
        if mark != 0
            && let Some(service) = marked()
        {
            return Some(service);
        }
        let id = match self.exact.get(&(protocol, address, port)) {
            Some(id) => *id,
            None => self.lookup_wide(protocol, address, port)?,
        };
        self.service(id)
    }

    fn lookup_wide(&self, protocol: Protocol, address: Addr, port: u16) -> Option<ServiceId> {
        self.wide.iter().find_map(|networks| {
            let network = mask(address, networks.len);
            let ranges = networks.by_network.get(&(protocol, network))?;
            let (_, id) = ranges.iter().find(|(range, _)| range.contains(port))?;
            Some(*id)
        })
    }

    /// Builds what [`Self::lookup`], [`Self::homes_of_real`] and [`Self::is_service_address`] look
    /// into.
    pub(crate) fn index(&mut self, hasher: &Hasher) {
        self.exact.clear();
        self.wide.clear();
        self.by_real.clear();
        self.has_wide_reals = false;
        self.by_quic_id.clear();
        self.addresses.clear();
        for (key, id) in &self.by_key {
            let ServiceKey::Listen(listen) = key else {
                continue;
            };
            match (listen.virtual_ip(), listen.ports.single()) {
                (Some(virtual_ip), Some(vport)) => {
                    self.exact.insert((listen.protocol, virtual_ip, vport), *id);
                    self.addresses.insert(virtual_ip, true);
                }
                _ => add_wide(&mut self.wide, listen, *id, hasher),
            }
        }
        for ranges in self.wide.iter_mut().flat_map(|n| n.by_network.values_mut()) {
            ranges.sort_unstable_by_key(|(range, _)| (range.span(), range.first()));
        }
        for real in self.reals.iter_mut().flatten() {
            self.addresses.entry(real.key.real_ip).or_insert(false);
            if let Some(id) = real
                .spec
                .quic_server_id
                .filter(|_| real.state != RealState::Deleted)
            {
                self.by_quic_id.insert((real.service, id), real.id);
            }
            if let Some(Some(service)) = self.services.get(real.service.index()) {
                real.keeps_port = service.spec.persistence.is_some() && service.key.vport() == 0;
                real.own_timeouts = service.spec.timeouts != ServiceTimeouts::default();
                let protocol = service.key.protocol().map_or(0, |protocol| protocol as u8);
                self.has_wide_reals |= protocol == 0 || real.reached().rport == 0;
                let known = self.by_real.entry((protocol, real.reached())).or_default();
                *known |= real.spec.mode == ForwardMode::Nat && real.state != RealState::Deleted;
            }
        }
        self.homes.settle(&self.services, &self.reals);
        self.helped.index(&self.services, &self.reals);
    }

    /// Whether an address is the VIP of a service with a helper, or one of its servers': TCP to or
    /// from any port of it may be a connection that another one announced.
    #[must_use]
    #[inline]
    pub fn is_helped(&self, addr: Addr) -> bool {
        !self.helped.addresses.is_empty() && self.helped.addresses.contains(&addr)
    }

    /// Whether all connections of a client to that service have one owner.
    #[must_use]
    pub fn keeps_clients_together(&self, service: ServiceId) -> bool {
        !self.helped.services.is_empty() && self.helped.services.contains(&service)
    }

    /// Whether all connections of a client to the services of that server have one owner.
    #[must_use]
    pub fn keeps_clients_of(&self, real: RealKey) -> bool {
        !self.helped.reals.is_empty() && self.helped.reals.contains(&real)
    }

    /// The server of a service that a QUIC connection id names, a draining one included.
    #[must_use]
    pub fn quic_server(&self, service: ServiceId, id: QuicServerId) -> Option<RealId> {
        self.by_quic_id.get(&(service, id)).copied()
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
        let number = protocol as u8;
        let any_port = RealKey { rport: 0, ..real };
        self.by_real.contains_key(&(number, real))
            || self.has_wide_reals
                && [(number, any_port), (0, real), (0, any_port)]
                    .iter()
                    .any(|known| self.by_real.contains_key(known))
    }

    /// Whether a NAT server listens there, deleted ones not included (`ip_vs_has_real_service`).
    #[must_use]
    pub fn is_nat_real(&self, protocol: Protocol, real: RealKey) -> bool {
        let of = |number| self.by_real.get(&(number, real)).copied().unwrap_or(false);
        of(protocol as u8) || of(0)
    }

    /// How often servers were deleted (`ipvsadm -d`, `-D`, `-C`): a worker that sees it change has
    /// to look for their connections if `expire_nodest_conn` is set.
    #[must_use]
    pub const fn deletions(&self) -> u64 {
        self.deletions
    }

    /// What stands for a service in the hash of its packets.
    #[must_use]
    #[inline]
    pub fn home(&self, id: ServiceId) -> Option<&Home> {
        self.homes.of_service(id)
    }

    /// What may stand for the service in the hash of a server's answers, likeliest first; empty if
    /// nobody there is a real server.
    #[must_use]
    #[inline]
    pub fn homes_of_real(&self, protocol: Protocol, real: RealKey) -> &[Home] {
        self.homes.of_real(protocol, real)
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
        self.addresses.contains_key(&addr) || self.is_in_network(addr)
    }

    /// Whether a live service, but for one by mark, is reached by an address.
    #[must_use]
    pub fn is_virtual(&self, addr: Addr) -> bool {
        self.addresses.get(&addr) == Some(&true) || self.is_in_network(addr)
    }

    fn is_in_network(&self, addr: Addr) -> bool {
        self.wide.iter().any(|networks| {
            let network = mask(addr, networks.len);
            Protocol::ALL
                .iter()
                .any(|protocol| networks.by_network.contains_key(&(*protocol, network)))
        })
    }
}

/// Files a service that listens on more than one address and port.
fn add_wide(wide: &mut Vec<Networks>, listen: &Listen, id: ServiceId, hasher: &Hasher) {
    let len = listen.addresses.len_in_128();
    let place = wide.partition_point(|networks| networks.len > len);
    if wide.get(place).is_none_or(|networks| networks.len != len) {
        let by_network = HashMap::with_hasher(hasher.clone());
        wide.insert(place, Networks { len, by_network });
    }
    if let Some(networks) = wide.get_mut(place) {
        let key = (listen.protocol, listen.addresses.network());
        let ranges = networks.by_network.entry(key).or_default();
        ranges.push((listen.ports, id));
    }
}

/// Everything a worker reads that others write, at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Counts publications, from 1.
    pub generation: u64,
    /// Services and servers.
    pub services: Arc<ServiceSet>,
    /// What gives packets a mark.
    pub classifier: Arc<Classifier>,
    /// Routes and neighbours.
    pub fib: Arc<Fib>,
    /// Ports and their VLANs.
    pub interfaces: Arc<Interfaces>,
    /// Timeouts by state.
    pub timeouts: Arc<Timeouts>,
    /// Switches.
    pub tunables: Arc<Tunables>,
    /// Local addresses of FullNAT and SNAT.
    pub locals: Arc<LocalPools>,
    /// Who owns which flow.
    pub spread: Arc<Spread>,
}

use helped::Helped;

#[cfg(test)]
mod tests;

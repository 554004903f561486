// SPDX-License-Identifier: Apache-2.0
//! A configuration that has passed every check. [`crate::parse`] is the only way to make one.

use std::path::PathBuf;
use std::sync::Arc;

use model::addr::{Addr, Prefix};
use model::classifier::{Classifier, MarkRule};
use model::ids::IfaceId;
use model::local::{LocalUse, PoolSpec, SnatRule};
use model::service::{
    ClientAddress, ForwardMode, Helper, Quic, QuicServerId, RealKey, RealSpec, SchedulerKind,
    ServiceKey, ServiceSpec,
};
use model::service::{Persistence, Protocol, SchedulerFlags, ServiceTimeouts, Thresholds, Weight};
use model::snapshot::{PUNT_CLASSES, Tunables};
use model::tunnel::Tunnel;

use crate::cpu_list::CpuList;
use crate::device::Device;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// `[director]`.
    pub director: Director,
    /// `[api]`.
    pub api: Api,
    /// `[timeouts]`.
    pub timeouts: Timeouts,
    /// `[limits]`.
    pub limits: Limits,
    /// `[lvs]`.
    pub lvs: Lvs,
    /// `[tunnels]`.
    pub tunnels: Tunnels,
    /// `[[port]]`, in the order of the file: a port's place is its `model::ids::PortId`.
    pub ports: Vec<Port>,
    /// `[[local_pool]]`.
    pub local_pools: Vec<PoolSpec>,
    /// `[[snat]]`, in the order of the file.
    pub snats: Vec<Snat>,
    /// `[[mark]]`, in the order of the file.
    pub marks: Vec<MarkRule>,
    /// `[[service]]`, in the order of the file.
    pub services: Vec<Service>,
}

impl Config {
    /// The switches of the packet path that this file sets; the rest at the kernel's defaults.
    #[must_use]
    pub fn tunables(&self) -> Tunables {
        Tunables {
            pmtu_disc: self.tunnels.pmtu_disc,
            new_flows_per_s: self.limits.new_flows_per_s,
            icmp_errors_per_s: self.limits.icmp_errors_per_s,
            icmp_echoes_per_s: self.limits.icmp_echoes_per_s,
            punt_pps: self.limits.punt_pps.by_class(),
            ..self.lvs.tunables()
        }
    }

    /// What gives packets their marks.
    #[must_use]
    pub fn classifier(&self) -> Classifier {
        Classifier::new(self.marks.clone())
    }

    /// All pools of local addresses: those of FullNAT by their names, and one for each rule of the
    /// SNAT gateway.
    #[must_use]
    pub fn pool_specs(&self) -> Vec<PoolSpec> {
        let farm = self.snats.iter().map(|rule| PoolSpec {
            name: rule.pool(),
            used_for: LocalUse::Farm,
            addresses: rule.addresses.clone(),
        });
        self.local_pools.iter().cloned().chain(farm).collect()
    }

    /// The rules of the SNAT gateway; `iface` knows interfaces by the names of their twins.
    #[must_use]
    pub fn snat_rules(&self, iface: impl Fn(&str) -> Option<IfaceId>) -> Vec<SnatRule> {
        let rule = |snat: &Snat| SnatRule {
            name: Arc::clone(&snat.name),
            sources: snat.sources.clone(),
            destinations: snat.destinations.clone(),
            egress: snat.port.as_deref().and_then(&iface),
            pool: snat.pool(),
        };
        self.snats.iter().map(rule).collect()
    }

    /// Seconds that the remaining connections of a server removed from `service` may last;
    /// `None` = until the last one ends.
    #[must_use]
    pub fn drain_s(&self, service: &ServiceKey) -> Option<u32> {
        let own = self.services.iter().find(|known| known.key == *service);
        let seconds = own
            .and_then(|service| service.drain_s)
            .unwrap_or(self.director.drain_s);
        (seconds > 0).then_some(seconds)
    }
}

/// `[director]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Director {
    /// Name of this director: 1 to 63 letters, digits, `.`, `-`, `_`.
    pub name: String,
    /// One worker per CPU, in this order; 1 to `model::ids::WORKERS_MAX` of them.
    pub workers: CpuList,
    /// Where the control side runs; `None` leaves it to the scheduler of the kernel.
    pub control_cpu: Option<CpuList>,
    /// What a worker does when there is nothing to do.
    pub idle: Idle,
    /// Connections in the flow tables of all workers together.
    pub flows_max: u32,
    /// Packet buffers, MiB; `None` = as many as the ports need.
    pub memory_mib: Option<u32>,
    /// Whether packet buffers and flow tables lie on huge pages.
    pub huge_pages: HugePages,
    /// Seconds until the connections of a removed server are cut; 0 = never.
    /// [`Config::drain_s`] knows the overrides.
    pub drain_s: u32,
}

/// What a worker does when there is nothing to do (DESIGN decision 12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// Polls on: least latency, a whole CPU.
    Poll,
    /// Sleeps after a run of empty polls.
    Adaptive,
}

impl Idle {
    /// The name in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Adaptive => "adaptive",
        }
    }
}

/// Whether memory lies on huge pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HugePages {
    /// If there are enough of them.
    Auto,
    /// Not even if there are.
    Never,
    /// Or do not start.
    Require,
}

impl HugePages {
    /// The name in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Never => "never",
            Self::Require => "require",
        }
    }
}

/// `[api]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// The unix socket of `penstock show` and its like; an absolute path.
    pub socket: PathBuf,
}

/// `[timeouts]`: how long an idle connection is kept, seconds (`ipvsadm --set`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP ESTABLISHED.
    pub tcp_s: u32,
    /// TCP FIN_WAIT.
    pub tcp_fin_s: u32,
    /// UDP.
    pub udp_s: u32,
}

/// `[limits]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// ICMP errors a worker makes per second at most; 0 = as many as it likes.
    pub icmp_errors_per_s: u32,
    /// Echo requests to virtual addresses that a worker answers per second at most; 0 = all.
    pub icmp_echoes_per_s: u32,
    /// Connections a worker opens per second at most; 0 = as many as it likes.
    pub new_flows_per_s: u32,
    /// What a worker hands to the kernel twin at most.
    pub punt_pps: PuntPps,
}

/// `[lvs]`: the kernel's sysctls, numbers as they have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lvs {
    /// Names without `net.ipv4.vs.`, in the order of the reference.
    pub sysctls: Vec<(&'static str, u32)>,
}

impl Lvs {
    /// The tunables that these are; the rest at their defaults.
    #[must_use]
    pub fn tunables(&self) -> Tunables {
        let mut tunables = Tunables::default();
        for (name, value) in &self.sysctls {
            // The schema has no others, and no values that are none of theirs.
            let _known = tunables.set_sysctl(name, *value);
        }
        tunables
    }
}

/// `[tunnels]`: what holds for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tunnels {
    /// Whether a sender is told what fits a tunnel, rather than the outer packet cut.
    pub pmtu_disc: bool,
}

/// Packets per second that one worker hands to the kernel twin at most, by class; at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PuntPps {
    /// ARP and neighbour discovery.
    pub arp_nd: u32,
    /// TCP and UDP to addresses of the director.
    pub local: u32,
    /// ICMP and ICMPv6 to addresses of the director.
    pub icmp: u32,
    /// Multicast and broadcast.
    pub multicast: u32,
    /// Transit packets without a route.
    pub unroutable: u32,
    /// All else.
    pub other: u32,
}

impl PuntPps {
    /// In the order of `model::snapshot::PUNT_CLASSES`.
    #[must_use]
    pub const fn by_class(&self) -> [u32; PUNT_CLASSES.len()] {
        [
            self.arp_nd,
            self.local,
            self.icmp,
            self.multicast,
            self.unroutable,
            self.other,
        ]
    }
}

/// `[[port]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Name of the port and of its kernel twin: a Linux interface name.
    pub name: String,
    /// What DPDK opens.
    pub device: Device,
    /// The devices it is made of, if they are several.
    pub bond: Option<Bond>,
    /// Receive queues, 1 to the number of workers.
    pub queues: u16,
    /// Addresses of the kernel twin.
    pub addresses: Vec<Prefix>,
    /// Largest IP packet, bytes.
    pub mtu: u32,
    /// Whether frames to foreign MAC addresses are received.
    pub promiscuous: bool,
    /// Tagged networks on the port.
    pub vlans: Vec<Vlan>,
}

/// `[port.bond]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bond {
    /// How the members are used.
    pub mode: BondMode,
    /// 1 to [`BOND_MEMBERS_MAX`](crate::BOND_MEMBERS_MAX), none twice.
    pub members: Vec<Device>,
}

/// How the members of a bonded port are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BondMode {
    /// One sends, another takes over.
    ActiveBackup,
    /// LACP, IEEE 802.1AX.
    Lacp,
}

impl BondMode {
    /// The name in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ActiveBackup => "active-backup",
            Self::Lacp => "802.3ad",
        }
    }
}

/// `[[port.vlan]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vlan {
    /// The 802.1Q tag, 1 to 4094.
    pub id: u16,
    /// Addresses of the VLAN's kernel twin.
    pub addresses: Vec<Prefix>,
    /// Largest IP packet, bytes; at most the port's.
    pub mtu: u32,
}

impl Port {
    /// What there is to attach: the members, or the device itself.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        let members = self.bond.as_ref().map(|bond| bond.members.as_slice());
        let one = || std::slice::from_ref(&self.device);
        members.unwrap_or_else(one).iter()
    }

    /// Name of the kernel twin of one of its VLANs: `PORT.ID`.
    #[must_use]
    pub fn vlan_name(&self, vlan: &Vlan) -> String {
        vlan_name(&self.name, vlan.id)
    }
}

pub(crate) fn vlan_name(port: &str, id: u16) -> String {
    format!("{port}.{id}")
}

/// `[[snat]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snat {
    /// Name for people, unique.
    pub name: Arc<str>,
    /// Where packets come from, at least one network.
    pub sources: Vec<Prefix>,
    /// Where they go to; none = anywhere.
    pub destinations: Vec<Prefix>,
    /// The port or VLAN they leave by; `None` = any.
    pub port: Option<String>,
    /// Their new sources, at least one.
    pub addresses: Vec<Addr>,
}

impl Snat {
    /// What its pool is called among those of `[[local_pool]]`, whose names have no blank in front.
    fn pool(&self) -> Arc<str> {
        Arc::from(format!(" snat {}", self.name))
    }
}

/// `[[service]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Name for people, unique.
    pub name: Arc<str>,
    /// Protocol, VIP and vport.
    pub key: ServiceKey,
    /// The scheduler.
    pub scheduler: SchedulerKind,
    /// Its switches.
    pub scheduler_flags: SchedulerFlags,
    /// How packets reach servers that do not say otherwise.
    pub forward: ForwardMode,
    /// How they are wrapped for servers with `forward = "tun"` that do not say otherwise.
    pub tunnel: Tunnel,
    /// The largest TCP segment that either side may announce in a SYN, in bytes.
    pub mss_clamp: Option<u16>,
    /// Whether a client's connections stay with one server.
    pub persistence: Option<Persistence>,
    /// How long its silent connections are kept, where that differs from `[timeouts]`.
    pub timeouts: ServiceTimeouts,
    /// Whether every datagram is scheduled by itself.
    pub one_packet: bool,
    /// How its servers learn who the client is.
    pub client_address: ClientAddress,
    /// What reads along in its connections.
    pub helper: Option<Helper>,
    /// How connection ids name its servers.
    pub quic: Option<Quic>,
    /// The pool of local addresses for servers with `forward = "fullnat"`.
    pub local_pool: Option<Arc<str>>,
    /// Its own `drain_s`; [`Config::drain_s`] combines it with the director's.
    pub drain_s: Option<u32>,
    /// Its servers, in the order of the file.
    pub servers: Vec<Server>,
}

impl Service {
    /// What an operation says of it.
    #[must_use]
    pub fn spec(&self) -> ServiceSpec {
        ServiceSpec {
            name: Arc::clone(&self.name),
            scheduler: self.scheduler,
            flags: self.scheduler_flags,
            mss_clamp: self.mss_clamp,
            persistence: self.persistence,
            timeouts: self.timeouts,
            one_packet: self.one_packet,
            client_address: self.client_address,
            helper: self.helper,
            quic: self.quic,
            local_pool: self.local_pool.clone(),
        }
    }

    /// Its transport; `None` = any.
    #[must_use]
    pub const fn protocol(&self) -> Option<Protocol> {
        self.key.protocol()
    }
}

/// `[[service.server]]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// RIP and rport.
    pub key: RealKey,
    /// Its share of new connections.
    pub weight: Weight,
    /// How packets reach it.
    pub forward: ForwardMode,
    /// How they are wrapped, if `forward` is TUN; the default otherwise.
    pub tunnel: Tunnel,
    /// Between how many connections it is overloaded.
    pub limits: Thresholds,
    /// What names it in QUIC connection ids.
    pub quic_server_id: Option<QuicServerId>,
}

impl Server {
    /// What an operation says of it.
    #[must_use]
    pub const fn spec(&self) -> RealSpec {
        RealSpec {
            mode: self.forward,
            weight: self.weight,
            tunnel: self.tunnel,
            limits: self.limits,
            quic_server_id: self.quic_server_id,
        }
    }
}

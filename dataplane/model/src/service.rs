// SPDX-License-Identifier: Apache-2.0
//! Virtual services and their real servers, as published to workers.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::addr::Addr;
use crate::ids::{RealId, ServiceId};
pub use crate::sched::kind::{SchedulerFlags, SchedulerKind};
use crate::sched::table::SchedTable;
use crate::sched::{SchedChange, SchedStart};
use crate::tunnel::Tunnel;

/// The transport of a virtual service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Protocol {
    /// RFC 9293.
    Tcp = 6,
    /// RFC 768.
    Udp = 17,
}

impl Protocol {
    /// From the number in the IP header.
    #[must_use]
    #[inline]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            _ => None,
        }
    }

    /// The name in lower case, as in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// What makes a virtual service: protocol, VIP and vport.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceKey {
    /// Transport.
    pub protocol: Protocol,
    /// VIP.
    pub virtual_ip: Addr,
    /// vport, host order.
    pub vport: u16,
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}",
            self.protocol.name(),
            Endpoint(self.virtual_ip, self.vport)
        )
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What makes a real server within its service: RIP and rport.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RealKey {
    /// RIP.
    pub real_ip: Addr,
    /// rport, host order.
    pub rport: u16,
}

impl fmt::Display for RealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Endpoint(self.real_ip, self.rport).fmt(f)
    }
}

impl fmt::Debug for RealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An address and a port, written `a.b.c.d:p` or `[v6]:p`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint(pub Addr, pub u16);

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        core::net::SocketAddr::new(self.0.to_ip(), self.1).fmt(f)
    }
}

/// How a packet reaches the real server (ipvsadm -m, -g, -i).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ForwardMode {
    /// Masquerading: destination rewritten inbound, source rewritten outbound.
    Nat,
    /// Direct routing: the frame is sent to the server's MAC, the packet is left alone.
    Dr,
    /// Tunnelling: the packet travels inside another one; [`RealSpec::tunnel`] says how.
    Tun,
}

impl ForwardMode {
    /// Whether the server answers its client itself: the director sees one direction, and the port
    /// cannot change (`IP_VS_CONN_F_NOOUTPUT`).
    #[must_use]
    pub const fn is_one_way(self) -> bool {
        match self {
            Self::Nat => false,
            Self::Dr | Self::Tun => true,
        }
    }

    /// The name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::Dr => "dr",
            Self::Tun => "tun",
        }
    }
}

/// What an operator sets of a virtual service besides its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSpec {
    /// Name for people; empty when there is none (ipvsadm).
    pub name: Arc<str>,
    /// The scheduler.
    pub scheduler: SchedulerKind,
    /// Its switches.
    pub flags: SchedulerFlags,
    /// The largest TCP segment that either side may announce in a SYN, in bytes; `None` leaves
    /// what they announce.
    pub mss_clamp: Option<u16>,
}

/// The share of new connections a real server gets; 0 = quiesced. At most [`Weight::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Weight(u32);

impl Weight {
    /// The largest weight ipvsadm takes.
    pub const MAX: u32 = 65_535;
    /// Existing connections live on, new ones go elsewhere.
    pub const QUIESCED: Self = Self(0);

    /// The weight, or `None` above [`Weight::MAX`].
    #[must_use]
    pub const fn new(weight: u32) -> Option<Self> {
        if weight <= Self::MAX {
            Some(Self(weight))
        } else {
            None
        }
    }

    /// The number.
    #[must_use]
    #[inline]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// What an operator sets of a real server besides its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RealSpec {
    /// How packets reach it.
    pub mode: ForwardMode,
    /// Its share.
    pub weight: Weight,
    /// How packets are wrapped, if the mode is TUN.
    pub tunnel: Tunnel,
    /// When it gets no more connections.
    pub limits: Thresholds,
}

/// Connections, active and inactive, between which a server is overloaded (`ipvsadm -x`, `-y`).
///
/// Overload begins when a connection brings them to `upper`, and ends when the end of one brings
/// them below `lower`, or, if that is 0, below three quarters of `upper`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Thresholds {
    /// 0 = no limit.
    pub upper: u32,
    /// At most `upper`.
    pub lower: u32,
}

impl Thresholds {
    /// No limit.
    pub const NONE: Self = Self { upper: 0, lower: 0 };

    /// Whether so many connections begin an overload (`ip_vs_bind_dest`).
    #[must_use]
    #[inline]
    pub const fn reached(self, flows: u32) -> bool {
        self.upper != 0 && flows >= self.upper
    }

    /// Whether an overload ends at so many connections (`ip_vs_unbind_dest`).
    #[must_use]
    #[inline]
    pub const fn relieved(self, flows: u32) -> bool {
        if self.lower != 0 {
            flows < self.lower
        } else {
            self.upper == 0 || (flows as u64) * 4 < (self.upper as u64) * 3
        }
    }
}

/// Where a real server is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RealState {
    /// In its service's list.
    Live,
    /// Taken out of the configuration: in the list with weight 0 until its last flow ends
    /// (DESIGN decision 16).
    Draining,
    /// Deleted as `ipvsadm -d` does: out of the list; client packets of its flows are dropped, its
    /// own are still translated, and adding it again revives them (kernel: the destination trash).
    Deleted,
}

/// A real server, in its slot.
#[derive(Debug, Clone)]
pub struct RealServer {
    /// Its slot.
    pub id: RealId,
    /// Counts how often the slot was given to another server.
    pub generation: u32,
    /// The service it belongs to.
    pub service: ServiceId,
    /// RIP and rport.
    pub key: RealKey,
    /// Method, weight and thresholds; the weight is 0 while draining.
    pub spec: RealSpec,
    /// Where it is in its life.
    pub state: RealState,
    /// The weight it was added with, or the last one since that was not 0
    /// (`__ip_vs_update_dest`): quiescing moves nobody else in mh's table.
    pub last_weight: Weight,
    /// How often a change has ended its overload, whatever its connections
    /// (`__ip_vs_update_dest`: no more upper threshold, or a higher one).
    pub reprieves: u32,
}

impl RealServer {
    /// What a worker marks an overload with: one that was marked before another tenant got the
    /// slot, or before a reprieve, is none. Never 0.
    #[must_use]
    #[inline]
    pub const fn overload_mark(&self) -> u64 {
        ((self.generation as u64) << 32 | self.reprieves as u64).wrapping_add(1)
    }
}

/// A virtual service, in its slot.
#[derive(Debug, Clone)]
pub struct VirtualService {
    /// Its slot.
    pub id: ServiceId,
    /// Counts how often the slot was given to another service.
    pub generation: u32,
    /// Protocol, VIP, vport.
    pub key: ServiceKey,
    /// Name and scheduler.
    pub spec: ServiceSpec,
    /// Whether it takes connections; a deleted one only keeps its flows' slot alive.
    pub deleted: bool,
    /// The list the scheduler walks: newest first, as the kernel's (`list_add_rcu` at the head).
    pub reals: Vec<RealId>,
    /// The epoch at which its scheduler was bound (at creation, or by an edit that changed it); a
    /// worker whose state is of another binding forgets it and takes `start`.
    pub bound: u64,
    /// Where a worker that meets the binding for the first time starts.
    pub start: SchedStart,
    /// Changes that a worker may not have seen yet, oldest first, each with its epoch.
    pub changes: Vec<SchedChange>,
    /// The table of dh, sh, mh and conhash, as of `start`; others have none.
    pub table: Option<Arc<SchedTable>>,
    /// The epoch that the table was filled at.
    pub(crate) table_epoch: u64,
}

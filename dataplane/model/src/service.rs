// SPDX-License-Identifier: Apache-2.0
//! Virtual services and their real servers, as published to workers.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::addr::Addr;
use crate::ids::{RealId, ServiceId};
use crate::sched::{SchedChange, SchedStart};

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

/// How a packet reaches the real server (ipvsadm -m, -g).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ForwardMode {
    /// Masquerading: destination rewritten inbound, source rewritten outbound.
    Nat,
    /// Direct routing: the frame is sent to the server's MAC, the packet is left alone.
    Dr,
}

impl ForwardMode {
    /// The name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::Dr => "dr",
        }
    }
}

/// Which rule picks the real server of a new connection; ipvsadm's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchedulerKind {
    /// Round robin.
    Rr,
    /// Weighted round robin.
    Wrr,
    /// Least connection.
    Lc,
    /// Weighted least connection.
    Wlc,
}

impl SchedulerKind {
    /// Every scheduler there is.
    pub const ALL: [Self; 4] = [Self::Rr, Self::Wrr, Self::Lc, Self::Wlc];

    /// ipvsadm's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rr => "rr",
            Self::Wrr => "wrr",
            Self::Lc => "lc",
            Self::Wlc => "wlc",
        }
    }

    /// The scheduler of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What an operator sets of a virtual service besides its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSpec {
    /// Name for people; empty when there is none (ipvsadm).
    pub name: Arc<str>,
    /// The scheduler.
    pub scheduler: SchedulerKind,
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
    /// Method and weight; the weight is 0 while draining.
    pub spec: RealSpec,
    /// Where it is in its life.
    pub state: RealState,
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
}

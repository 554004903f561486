// SPDX-License-Identifier: Apache-2.0
//! Virtual services and their real servers, as published to workers.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::ids::{RealId, ServiceId};
pub use crate::sched::kind::{SchedulerFlags, SchedulerKind};
use crate::sched::table::SchedTable;
use crate::sched::{SchedChange, SchedStart};

mod key;
mod quic;
mod spec;

pub use key::{Endpoint, Listen, Mark, PortRange, Protocol, RealKey, ServiceKey};
pub use quic::{Quic, QuicServerId};
pub use spec::{
    ClientAddress, ForwardMode, Helper, Persistence, PersistenceEngine, RealSpec, ServiceSpec,
    ServiceTimeouts, Thresholds, Weight,
};

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
    /// Whether its service keeps idle connections for times of its own, so that packets need not
    /// look the service up for that.
    pub own_timeouts: bool,
    /// Whether packets keep the port the client chose, even if the server's key names another: in
    /// persistent services on every port or by mark (`ip_vs_sched_persist`: "dport").
    pub keeps_port: bool,
}

impl RealServer {
    /// Where packets go to; port 0 = the port the client chose.
    #[must_use]
    #[inline]
    pub const fn reached(&self) -> RealKey {
        RealKey {
            real_ip: self.key.real_ip,
            rport: if self.keeps_port { 0 } else { self.key.rport },
        }
    }

    /// The port that packets to `vport` go to.
    #[must_use]
    #[inline]
    pub const fn port_of(&self, vport: u16) -> u16 {
        self.reached().port_of(vport)
    }

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
    /// Whether a server has a threshold: then all connections are counted in one place.
    pub has_limits: bool,
    /// The epoch that the table was filled at.
    pub(crate) table_epoch: u64,
}

// SPDX-License-Identifier: Apache-2.0
//! Home workers: where state wider than one flow lives (DESIGN decision 7).
//!
//! A flow belongs to its owner, but what decides where it goes may be shared by flows of many
//! owners: a server's threshold, a client's persistence, the memory of lblc. Each such state lives
//! at one worker, its home, which is asked once per connection:
//!
//! ```text
//!   owner: no flow, opens one ──Decide──► home: schedules, remembers ──Serve──► owner: opens it
//! ```
//!
//! The packet itself makes the round; nothing waits, and nothing is kept for it. With one worker,
//! or when the owner is home, there is no round.

use model::addr::Addr;
use model::ids::{RealId, ServiceId, WorkerId};
use model::service::{SchedulerKind, VirtualService};
use model::snapshot::Snapshot;
use wire::buffer::{PacketBuf, PacketPool};

use crate::affinity;
use crate::engine::{Context, Engine};
use crate::flow_table::{FlowKey, FlowMemory};
use crate::verdict::Note;

/// What names a state wider than one flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wide {
    /// The service it is of.
    pub service: ServiceId,
    /// The address it is about; unspecified if it is about none.
    pub addr: Addr,
    /// What else tells it from others; 0 if nothing does.
    pub number: u64,
}

/// Where a new connection goes, or who knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// To that server; this worker opens it.
    Real(RealId),
    /// The packet has to be passed on, with that note.
    Ask(WorkerId, Note),
    /// There is no server for it.
    Nobody,
}

/// The state that decides about a connection, if it is wider than the worker's own: thresholds
/// count all connections of a server, lblc and lblcr remember destinations.
fn wide(service: &VirtualService, key: &FlowKey) -> Option<Wide> {
    let of = |addr| Wide {
        service: service.id,
        addr,
        number: 0,
    };
    if service.has_limits {
        return Some(of(Addr::UNSPECIFIED));
    }
    let remembers = matches!(
        service.spec.scheduler,
        SchedulerKind::Lblc | SchedulerKind::Lblcr
    );
    remembers.then(|| of(key.destination))
}

impl<B: PacketBuf, M: FlowMemory> Engine<B, M> {
    /// Where a new connection goes, as far as this worker is to know.
    pub(crate) fn decide<P>(
        &mut self,
        service: &VirtualService,
        key: &FlowKey,
        note: Note,
        cx: &Context<'_, P>,
    ) -> Decision
    where
        P: PacketPool<Buf = B>,
    {
        if let Note::Serve { real, generation } = note {
            return served(real, generation, cx.snapshot);
        }
        let asked = matches!(note, Note::Decide { .. });
        if !asked
            && let Some(wide) = wide(service, key)
            && let Some(home) = affinity::home(&wide, cx.snapshot)
            && home != self.worker
        {
            let owner = self.worker;
            return Decision::Ask(home, Note::Decide { owner });
        }
        let Some(real) = self.schedule(service, key, cx) else {
            return Decision::Nobody;
        };
        match note {
            Note::Decide { owner } => {
                let Some(server) = cx.snapshot.services.real(real) else {
                    return Decision::Nobody;
                };
                self.sched.promised(server, cx.now);
                let generation = server.generation;
                Decision::Ask(owner, Note::Serve { real, generation })
            }
            Note::None | Note::Yours | Note::Serve { .. } => Decision::Real(real),
        }
    }
}

/// What home decided, unless the server is gone by now.
fn served(real: RealId, generation: u32, snapshot: &Snapshot) -> Decision {
    match snapshot.services.real(real) {
        Some(server) if server.generation == generation => Decision::Real(real),
        Some(_) | None => Decision::Nobody,
    }
}

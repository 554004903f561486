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
use wire::packet::Parsed;

use crate::affinity;
use crate::engine::{Context, Engine};
use crate::flow_table::{FlowKey, FlowMemory};
use crate::persistence::{Client, Control, Refusal, TemplateRef};
use crate::quic;
use crate::verdict::{DropReason, Note};

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
    /// To that server; this worker opens it, as a child of that template.
    Real(RealId, Option<Control>),
    /// The packet has to be passed on, with that note.
    Ask(WorkerId, Note),
    /// There is no server for it.
    Nobody,
    /// It is not opened at all.
    Drop(DropReason),
}

/// The state that decides about a connection, if it is wider than the worker's own: thresholds
/// count all connections of a server, templates bind a client's connections, lblc and lblcr
/// remember destinations.
fn wide(
    service: &VirtualService,
    key: &FlowKey,
    client: Option<&Client<'_>>,
    snapshot: &Snapshot,
) -> Option<Wide> {
    let of = |addr| Wide {
        service: service.id,
        addr,
        number: 0,
    };
    if service.has_limits {
        return Some(of(Addr::UNSPECIFIED));
    }
    if let Some(client) = client {
        let number = client
            .call_id
            .map_or(0, |call_id| affinity::digest(call_id, snapshot));
        return Some(Wide {
            number,
            ..of(client.network)
        });
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
        (bytes, parsed): (&[u8], &Parsed),
        note: Note,
        cx: &Context<'_, P>,
    ) -> Decision
    where
        P: PacketPool<Buf = B>,
    {
        if let Note::Serve { real, generation } = note {
            return served(real, generation, cx.snapshot);
        }
        if let Note::Bind {
            real,
            home,
            template,
        } = note
        {
            return Decision::Real(real, Some(Control { home, template }));
        }
        if let Some(real) = quic::named(service, bytes, parsed, cx.snapshot) {
            return Decision::Real(real, None);
        }
        let persistence = service.spec.persistence.as_ref();
        let client = persistence.map(|persistence| Client::of(persistence, key, bytes, parsed));
        let client = match client {
            Some(None) => return Decision::Drop(DropReason::NoCallId),
            Some(Some(client)) => Some(client),
            None => None,
        };
        let asked = matches!(note, Note::Decide { .. });
        if !asked
            && let Some(wide) = wide(service, key, client.as_ref(), cx.snapshot)
            && let Some(home) = affinity::home(&wide, cx.snapshot)
            && home != self.worker
        {
            let owner = self.worker;
            return Decision::Ask(home, Note::Decide { owner });
        }
        if let (Some(persistence), Some(client)) = (persistence, client) {
            return match self.persist(service, persistence, key, &client, cx) {
                Ok((real, template)) => self.bind(real, template, note, cx),
                Err(Refusal::Nobody) => Decision::Nobody,
                Err(Refusal::Drop(reason)) => Decision::Drop(reason),
            };
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
            Note::None
            | Note::Yours
            | Note::Serve { .. }
            | Note::Bind { .. }
            | Note::Remember { .. }
            | Note::Remembered => Decision::Real(real, None),
        }
    }

    /// Where a connection goes that a template of this worker's decided about.
    fn bind<P>(
        &mut self,
        real: RealId,
        template: TemplateRef,
        note: Note,
        cx: &Context<'_, P>,
    ) -> Decision
    where
        P: PacketPool<Buf = B>,
    {
        let home = self.worker;
        let Note::Decide { owner } = note else {
            return Decision::Real(real, Some(Control { home, template }));
        };
        if let Some(server) = cx.snapshot.services.real(real) {
            self.sched.promised(server, cx.now);
        }
        let note = Note::Bind {
            real,
            home,
            template,
        };
        Decision::Ask(owner, note)
    }
}

/// What home decided, unless the server is gone by now.
fn served(real: RealId, generation: u32, snapshot: &Snapshot) -> Decision {
    match snapshot.services.real(real) {
        Some(server) if server.generation == generation => Decision::Real(real, None),
        Some(_) | None => Decision::Nobody,
    }
}

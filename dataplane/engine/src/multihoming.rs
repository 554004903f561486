// SPDX-License-Identifier: Apache-2.0
//! SCTP associations of several paths: one server, whichever address of the client a packet is from
//! or to ([`crate::associations`]).
//!
//! ```text
//!   COOKIE ECHO or COOKIE ACK of a flow   owner ──Remember──► home ──Remembered──► owner
//!   packet of no flow, its tag not 0      owner ──Decide────► home ──Serve───────► owner
//! ```
//!
//! What a tag stands for is remembered by the home worker of tag and ports, so that it does not
//! matter which worker owns which path. A path that is found so is a flow of its own, by the
//! method of its server; from its first packet on nobody is asked about it.

use model::addr::Addr;
use model::ids::{RealId, ServiceId, WorkerId};
use model::service::{Protocol, RealKey, RealServer, RealState};
use model::snapshot::{ServiceSet, Snapshot};
use wire::buffer::{PacketBuf, PacketPool};
use wire::ipv4::IpProtocol;
use wire::packet::Parsed;
use wire::sctp::ChunkType;

use crate::affinity;
use crate::associations::{AssociationKey, Served};
use crate::connection::service_of;
use crate::engine::{Context, Engine};
use crate::flow_table::{Direction, FlowId, FlowKey, FlowMemory};
use crate::home::Wide;
use crate::state;
use crate::verdict::Note;

/// How a packet that has no flow goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Path {
    /// Along a flow that has been opened for it.
    Flow(FlowId, Direction),
    /// Through another worker, with that note.
    Ask(WorkerId, Note),
    /// Nowhere: there is no room for its flow.
    Full,
}

impl<B: PacketBuf, M: FlowMemory> Engine<B, M> {
    /// Remembers whose tag a packet of a flow carries, if it is one that establishes an
    /// association; who has to see it first, if that is another worker.
    #[inline]
    pub(crate) fn learn_association<P>(
        &mut self,
        (id, direction): (FlowId, Direction),
        (packet, parsed): (&B, &Parsed),
        note: Note,
        cx: &Context<'_, P>,
    ) -> Option<(WorkerId, Note)>
    where
        P: PacketPool<Buf = B>,
    {
        // One in pieces would have to be put together there too; the next one may be whole.
        if parsed.protocol != IpProtocol::SCTP || note == Note::Remembered || parsed.piece_len > 0 {
            return None;
        }
        let (kind, key) = association_of(packet.bytes(), parsed, direction)?;
        if !matches!(kind, ChunkType::COOKIE_ECHO | ChunkType::COOKIE_ACK) {
            return None;
        }
        let slot = self.flows.hot(id)?.real();
        let real = cx.snapshot.services.real(slot)?;
        let (real, generation) = (real.id, real.generation);
        match self.elsewhere(&key, cx.snapshot) {
            None => {
                self.remember(key, Served { real, generation });
                None
            }
            Some(home) => {
                let note = Note::Remember {
                    owner: self.worker,
                    outbound: direction == Direction::Outbound,
                    real,
                    generation,
                };
                Some((home, note))
            }
        }
    }

    /// The way of a packet without a flow, if it is of an association whose server is known, or may
    /// be known elsewhere.
    pub(crate) fn find_path<P>(
        &mut self,
        key: &FlowKey,
        (packet, parsed): (&B, &Parsed),
        note: Note,
        cx: &Context<'_, P>,
    ) -> Option<Path>
    where
        P: PacketPool<Buf = B>,
    {
        if parsed.protocol != IpProtocol::SCTP {
            return None;
        }
        if let Note::Remember {
            owner,
            outbound,
            real,
            generation,
        } = note
        {
            let direction = if outbound {
                Direction::Outbound
            } else {
                Direction::Inbound
            };
            if let Some((_, key)) = association_of(packet.bytes(), parsed, direction) {
                self.remember(key, Served { real, generation });
            }
            return Some(Path::Ask(owner, Note::Remembered));
        }
        let direction = direction_of(key, cx.snapshot)?;
        let (kind, association) = association_of(packet.bytes(), parsed, direction)?;
        if kind == ChunkType::INIT {
            return None;
        }
        let served = match note {
            Note::Serve { real, generation } => Some(Served { real, generation }),
            Note::Decide { .. } => self.associations.find(&association),
            Note::None | Note::Yours => match self.elsewhere(&association, cx.snapshot) {
                Some(home) => {
                    let owner = self.worker;
                    return Some(Path::Ask(home, Note::Decide { owner }));
                }
                None => self.associations.find(&association),
            },
            Note::Remember { .. } | Note::Remembered | Note::Bind { .. } => None,
        };
        let server = server_for(key, direction, served?, cx.snapshot)?;
        if let Note::Decide { owner } = note {
            let (real, generation) = (server.id, server.generation);
            return Some(Path::Ask(owner, Note::Serve { real, generation }));
        }
        let inbound = match direction {
            Direction::Inbound => *key,
            Direction::Outbound => inbound_of(key, server, &cx.snapshot.services)?,
        };
        let opened = self.open(&inbound, (server.id, None), (packet, parsed), cx);
        Some(opened.map_or(Path::Full, |id| Path::Flow(id, direction)))
    }

    /// Makes room for associations if there is a service that may have some.
    pub(crate) fn make_room_for_associations(&mut self, services: &ServiceSet) {
        let may_have = |protocol: Option<Protocol>| protocol.is_none_or(|p| p == Protocol::Sctp);
        if services
            .services()
            .any(|service| may_have(service.key.protocol()))
        {
            self.associations.make_room();
        }
    }

    fn remember(&mut self, key: AssociationKey, served: Served) {
        self.associations.learn(key, served);
        let tags = self.associations.len() as u64;
        self.board.worker.sctp_tags.set(tags);
    }

    /// The home of an association, unless it is here.
    fn elsewhere(&self, key: &AssociationKey, snapshot: &Snapshot) -> Option<WorkerId> {
        let ports = u64::from(key.near_port) << 16 | u64::from(key.cport);
        let wide = Wide {
            service: ServiceId::default(),
            addr: Addr::UNSPECIFIED,
            number: u64::from(key.tag) << 32 | ports,
        };
        affinity::home(&wide, snapshot).filter(|home| *home != self.worker)
    }
}

/// The first chunk of a packet, and what its tag and ports name.
fn association_of(
    bytes: &[u8],
    parsed: &Parsed,
    direction: Direction,
) -> Option<(ChunkType, AssociationKey)> {
    let packet = state::sctp(bytes, parsed)?;
    let kind = packet.first_chunk()?;
    let (near_port, cport) = match direction {
        Direction::Inbound => (parsed.destination_port, parsed.source_port),
        Direction::Outbound => (parsed.source_port, parsed.destination_port),
    };
    let tag = packet.verification_tag();
    let key = AssociationKey {
        near_port,
        cport,
        tag,
    };
    (tag != 0).then_some((kind, key))
}

/// Whether a packet goes to a service, or comes from a server.
fn direction_of(key: &FlowKey, snapshot: &Snapshot) -> Option<Direction> {
    if snapshot.locals.find(key.destination).is_some() {
        // It would name a client that is the director itself.
        return None;
    }
    if service_of(key, snapshot).is_some() {
        return Some(Direction::Inbound);
    }
    let real = RealKey {
        real_ip: key.source,
        rport: key.source_port,
    };
    snapshot
        .services
        .is_real(Protocol::Sctp, real)
        .then_some(Direction::Outbound)
}

/// The server of an association, as the service has it that the packet is for: the association may
/// have been opened at another address of the director. `None` if it is gone, or not the one that
/// the packet comes from.
fn server_for<'a>(
    key: &FlowKey,
    direction: Direction,
    served: Served,
    snapshot: &'a Snapshot,
) -> Option<&'a RealServer> {
    let services = &snapshot.services;
    let server = services.real(served.real)?;
    if server.generation != served.generation || server.state == RealState::Deleted {
        return None;
    }
    if direction == Direction::Outbound {
        return (server.key.real_ip == key.source).then_some(server);
    }
    let service = service_of(key, snapshot)?;
    if service.id == server.service {
        return Some(server);
    }
    let same = |id: &RealId| {
        let other = services.real(*id)?;
        (other.key.real_ip == server.key.real_ip).then_some(other)
    };
    service.reals.iter().find_map(same)
}

/// The key of a client's packet that a server's packet answers, if the service has one address and
/// one port.
fn inbound_of(key: &FlowKey, server: &RealServer, services: &ServiceSet) -> Option<FlowKey> {
    let service = services.service(server.service)?;
    let vport = service.key.vport();
    (vport != 0).then_some(FlowKey {
        protocol: key.protocol,
        source: key.destination,
        source_port: key.destination_port,
        destination: service.key.virtual_ip()?,
        destination_port: vport,
    })
}

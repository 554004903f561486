// SPDX-License-Identifier: Apache-2.0
//! Persistence: a client's connections stay with one server (`ip_vs_sched_persist`).
//!
//! What binds them is a *template*, an entry of the flow table that no packet finds:
//!
//! ```text
//!   service     template: protocol, client & mask, VIP, vport
//!   one port    tcp  10.0.0.0:0  10.0.0.100:80  -> 10.1.0.11:8080
//!   all ports   tcp  10.0.0.0:0  10.0.0.100:0   -> 10.1.0.11:0
//!   a mark      ip   10.0.0.0:0  0.0.0.5:0      -> 10.1.0.11:0
//! ```
//!
//! A connection that a template decided about is its child. A template lives as long as it has
//! children, and its timeout after the last new one. It lives at its home worker ([`crate::home`]);
//! children whose owner is another worker are told of by [`crate::post`], so that the count is
//! right (docs/decisions/0015-persistence.md).

use model::addr::{Addr, mask};
use model::ids::{RealId, WorkerId};
use model::service::{
    Persistence, PersistenceEngine, Protocol, RealServer, RealState, ServiceKey, VirtualService,
    Weight,
};
use model::snapshot::{ServiceSet, Snapshot};
use wire::buffer::{PacketBuf, PacketPool};
use wire::packet::Parsed;
use wire::{sip, udp};

use crate::call_ids::Digest;
use crate::connection::endpoint;
use crate::engine::{Context, Engine};
use crate::flow_table::{FlowFlags, FlowId, FlowKey, FlowMemory, NewFlow};
use crate::verdict::DropReason;

/// Protocol numbers of templates, which nobody has assigned: of marks, TCP, UDP, SCTP.
const TEMPLATES: [u8; 4] = [240, 241, 242, 243];
/// The vport of a template that binds nobody any more (`ip_vs_check_template`).
const SET_ASIDE: u16 = 0xffff;
/// FTP's data connections have other ports than its control connections, so its templates have
/// none (`FTPPORT`).
const FTP: u16 = 21;
/// How long a template whose time is up waits for its children to end (`ip_vs_conn_expire`).
pub(crate) const EXPIRE_LATER_MS: u32 = 60_000;

/// A template, as its children know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TemplateRef {
    /// Its place in the flow table of its home worker, less than 2²⁸.
    pub place: u32,
    /// Which tenant of that place.
    pub generation: u8,
}

/// Which template controls a connection, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) home: WorkerId,
    pub(crate) template: TemplateRef,
}

/// What a child's owner tells its template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Event {
    /// It was opened.
    Opened = 1,
    /// It has been answered: the client is no mere source of SYNs.
    Assured = 2,
    /// It ended.
    Ended = 3,
    /// It was ended to make room: a template that nobody answered ends with its last child.
    Dropped = 4,
    /// It ended with its server: so does its template, when the last child does.
    Swept = 5,
}

impl Event {
    const ALL: [Self; 5] = [
        Self::Opened,
        Self::Assured,
        Self::Ended,
        Self::Dropped,
        Self::Swept,
    ];

    fn letter(self, template: TemplateRef) -> u64 {
        u64::from(self as u8) << 40
            | u64::from(template.generation) << 32
            | u64::from(template.place)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the parts of the letter")]
    fn read(letter: u64) -> Option<(Self, TemplateRef)> {
        let number = (letter >> 40) as u8;
        let event = Self::ALL.into_iter().find(|event| *event as u8 == number)?;
        let template = TemplateRef {
            place: letter as u32,
            generation: (letter >> 32) as u8,
        };
        Some((event, template))
    }
}

/// Why persistence does not say where a connection goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No server takes it.
    Nobody,
    /// It is dropped.
    Drop(DropReason),
}

/// What a new connection is known by, besides its service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client<'a> {
    /// The client's network.
    pub(crate) network: Addr,
    /// The Call-ID, if the service wants it.
    pub(crate) call_id: Option<&'a [u8]>,
}

impl<'a> Client<'a> {
    /// Of a connection's first packet; `None` if the service wants a Call-ID and it has none.
    pub(crate) fn of(
        persistence: &Persistence,
        key: &FlowKey,
        bytes: &'a [u8],
        parsed: &Parsed,
    ) -> Option<Self> {
        let kept = match key.source.is_v4() {
            true => 96 + persistence.ipv4_mask,
            false => persistence.ipv6_prefix,
        };
        let is_udp = Protocol::from_number(parsed.protocol.0) == Some(Protocol::Udp);
        let call_id = match persistence.engine {
            Some(PersistenceEngine::Sip) if is_udp => Some(call_id(bytes, parsed)?),
            // What is no datagram persists by its client alone; the kernel drops it.
            Some(PersistenceEngine::Sip) | None => None,
        };
        Some(Self {
            network: mask(key.source, kept),
            call_id,
        })
    }
}

/// The Call-ID of a datagram.
fn call_id<'a>(bytes: &'a [u8], parsed: &Parsed) -> Option<&'a [u8]> {
    let end = usize::try_from(parsed.frame_len()).unwrap_or(usize::MAX);
    let message = usize::from(parsed.l4_offset) + udp::HEADER_LEN;
    sip::call_id(bytes.get(message..end.min(bytes.len()))?)
}

/// Whether a protocol number is a template's: a packet that carries it is of no connection.
#[inline]
pub(crate) const fn is_of_template(protocol: u8) -> bool {
    protocol & !0b11 == 240
}

/// The protocol number that a template is listed with; 0 for a mark's.
pub(crate) const fn listed_protocol(protocol: u8) -> u8 {
    match protocol {
        241 => Protocol::Tcp as u8,
        242 => Protocol::Udp as u8,
        243 => Protocol::Sctp as u8,
        _ => 0,
    }
}

/// The key of a service's template for a client (`ip_vs_conn_fill_param_persist`).
fn template_key(service: &VirtualService, network: Addr, key: &FlowKey) -> FlowKey {
    let [of_mark, tcp, udp, sctp] = TEMPLATES;
    let protocol = match Protocol::from_number(key.protocol) {
        Some(Protocol::Udp) => udp,
        Some(Protocol::Sctp) => sctp,
        Some(Protocol::Tcp) | None => tcp,
    };
    let (protocol, destination, destination_port) = match service.key {
        ServiceKey::Mark(mark) => (of_mark, address_of_mark(mark.mark, mark.is_v4), 0),
        ServiceKey::Listen(listen) => {
            let port = match listen.ports.single() {
                Some(port) if port == key.destination_port && port != FTP => port,
                Some(_) => 0,
                None => listen.ports.first(),
            };
            (protocol, key.destination, port)
        }
    };
    FlowKey {
        protocol,
        source: network,
        source_port: 0,
        destination,
        destination_port,
    }
}

/// A mark in the place of an address: its first four octets.
fn address_of_mark(mark: u32, is_v4: bool) -> Addr {
    if is_v4 {
        return core::net::Ipv4Addr::from(mark).into();
    }
    Addr::from_octets((u128::from(mark) << 96).to_be_bytes())
}

impl<B: PacketBuf, M: FlowMemory> Engine<B, M> {
    /// The server that a client's template names, or that the scheduler picks for it and a new
    /// template; and the template, which binds the client for its timeout from now on.
    pub(crate) fn persist<P>(
        &mut self,
        service: &VirtualService,
        persistence: &Persistence,
        key: &FlowKey,
        client: &Client<'_>,
        cx: &Context<'_, P>,
    ) -> Result<(RealId, TemplateRef), Refusal>
    where
        P: PacketPool<Buf = B>,
    {
        let mut template = template_key(service, client.network, key);
        let digest = client
            .call_id
            .map(|call_id| self.call_ids.digest(client.network, call_id));
        if let Some(Digest(digest)) = digest {
            template.source = Addr::from_octets(digest.to_be_bytes());
        }
        let found = self.template(&template, client, cx.snapshot);
        let (id, real) = match found {
            Some(found) => found,
            None => {
                let Some(real) = self.schedule(service, key, cx) else {
                    return Err(Refusal::Nobody);
                };
                let id = self.open_template(&template, real, persistence, client, cx);
                (id.ok_or(Refusal::Drop(DropReason::TableFull))?, real)
            }
        };
        if let Some(hot) = self.flows.hot_mut(id) {
            hot.stamp(cx.now_ms());
            // What `drop_entry` goes by where there are no children.
            hot.packets = hot.packets.wrapping_add(u32::from(service.spec.one_packet));
        }
        let generation = self.flows.cold(id).map_or(0, |cold| cold.generation);
        let place = id.0;
        Ok((real, TemplateRef { place, generation }))
    }

    /// The template of a key, and its server, if that may still be bound to
    /// (`ip_vs_ct_in_get`, `ip_vs_check_template`); one whose server may not is set aside.
    fn template(
        &mut self,
        key: &FlowKey,
        client: &Client<'_>,
        snapshot: &Snapshot,
    ) -> Option<(FlowId, RealId)> {
        let hash = self.flows.hash(key);
        let (id, _) = self.flows.find(key, hash, endpoint(&snapshot.services))?;
        if let Some(call_id) = client.call_id {
            let place = self.flows.cold(id)?.local;
            if !self.call_ids.is(place, client.network, call_id) {
                return None;
            }
        }
        let real = self.flows.hot(id)?.real();
        let quiesced = snapshot.tunables.expire_quiescent_template;
        let binds = |real: &RealServer| {
            real.state != RealState::Deleted && !(quiesced && real.spec.weight == Weight::QUIESCED)
        };
        if snapshot.services.real(real).is_some_and(binds) {
            return Some((id, real));
        }
        self.flows.unindex(id);
        if let Some(hot) = self.flows.hot_mut(id) {
            hot.set_vport(SET_ASIDE);
        }
        None
    }

    fn open_template<P>(
        &mut self,
        key: &FlowKey,
        real: RealId,
        persistence: &Persistence,
        client: &Client<'_>,
        cx: &Context<'_, P>,
    ) -> Option<FlowId>
    where
        P: PacketPool<Buf = B>,
    {
        let services = &cx.snapshot.services;
        let server = services.real(real)?;
        let remembered = match client.call_id {
            None => 0,
            Some(call_id) => self.call_ids.remember(client.network, call_id)?,
        };
        let new = NewFlow {
            inbound: *key,
            outbound: None,
            real,
            service: server.service,
            flags: FlowFlags::of_mode(server.spec.mode).with(FlowFlags::TEMPLATE),
            state: 0,
            timeout_ms: persistence.timeout_s.saturating_mul(1000),
            now_ms: cx.now_ms(),
            lease: None,
        };
        let hash = self.flows.hash(key);
        let Ok(id) = self.flows.insert(&new, hash, endpoint(services)) else {
            self.call_ids.forget(remembered);
            return None;
        };
        self.generation_of_templates = self.generation_of_templates.wrapping_add(1);
        if let Some(cold) = self.flows.cold_mut(id) {
            cold.local = remembered;
            cold.generation = self.generation_of_templates;
        }
        self.wheel.schedule(&mut self.flows, id, cx.now_ms());
        self.count_template(real, true);
        Some(id)
    }

    fn count_template(&mut self, real: RealId, entering: bool) {
        let change = |count: u32| match entering {
            true => count.wrapping_add(1),
            false => count.wrapping_sub(1),
        };
        if let Some(counters) = self.board.real(real) {
            counters.change_templates(change);
        }
        self.templates = change(self.templates);
        self.board.worker.templates.set(self.templates.into());
        self.board.worker.flows.set(self.flow_count() as u64);
    }

    /// Takes a template out of the table, whether or not it has children: they outlive it.
    pub(crate) fn forget_template(&mut self, id: FlowId) {
        let Some(real) = self.flows.hot(id).map(|hot| hot.real()) else {
            return;
        };
        let remembered = self.flows.cold(id).map_or(0, |cold| cold.local);
        self.call_ids.forget(remembered);
        self.wheel.cancel(&mut self.flows, id);
        self.flows.remove(id);
        self.count_template(real, false);
    }

    /// What becomes of a template whose time is up: nothing, as long as it has children.
    pub(crate) fn template_expired(&mut self, id: FlowId, now_ms: u32) {
        if self.flows.cold(id).is_none_or(|cold| cold.children == 0) {
            return self.forget_template(id);
        }
        if let Some(hot) = self.flows.hot_mut(id) {
            hot.stamp(now_ms);
            hot.timeout_ms = EXPIRE_LATER_MS;
        }
        self.wheel.schedule(&mut self.flows, id, now_ms);
    }

    /// Whether `drop_entry` ends a template it has come by: one without children that nobody
    /// answered, or, where each packet is a connection, that is idle (`ip_vs_random_dropentry`).
    pub(crate) fn ends_template(&mut self, id: FlowId, services: &ServiceSet, now_ms: u32) -> bool {
        let (Some(hot), Some(cold)) = (self.flows.hot(id), self.flows.cold(id)) else {
            return false;
        };
        if cold.children > 0 {
            return false;
        }
        let service = services.service(hot.service());
        if service.is_some_and(|service| service.spec.one_packet) {
            return self.defences.ends_idle(hot, now_ms);
        }
        hot.state == 0
    }

    /// Whether its template can be told that a connection begins or ends; nothing else may happen
    /// to it until then.
    #[inline]
    pub(crate) fn can_tell(&self, control: Option<Control>) -> bool {
        control.is_none_or(|control| {
            control.home == self.worker
                || self
                    .board
                    .mailbox(control.home)
                    .is_some_and(|mailbox| mailbox.has_room(1))
        })
    }

    /// The template that controls a connection.
    #[inline]
    pub(crate) fn control(&self, id: FlowId) -> Option<Control> {
        let hot = self.flows.hot(id)?;
        if !hot.flags().contains(FlowFlags::CONTROLLED) {
            return None;
        }
        let cold = self.flows.cold(id)?;
        Some(Control {
            home: WorkerId(cold.home.into()),
            template: TemplateRef {
                place: cold.children,
                generation: cold.generation,
            },
        })
    }

    /// Notes which template controls a connection, which has just been opened, and tells it.
    pub(crate) fn set_control(&mut self, id: FlowId, control: Control) {
        let Some(cold) = self.flows.cold_mut(id) else {
            return;
        };
        cold.children = control.template.place;
        cold.generation = control.template.generation;
        cold.home = u8::try_from(control.home.0).unwrap_or(u8::MAX);
        if let Some(hot) = self.flows.hot_mut(id) {
            hot.set_flags(hot.flags().with(FlowFlags::CONTROLLED));
        }
        self.tell(control, Event::Opened);
    }

    /// A connection has been answered; its template is told once (`ip_vs_control_assure_ct`).
    pub(crate) fn assure(&mut self, id: FlowId) {
        let Some(control) = self
            .control(id)
            .filter(|control| self.can_tell(Some(*control)))
        else {
            return;
        };
        if let Some(hot) = self.flows.hot_mut(id) {
            hot.set_flags(hot.flags().with(FlowFlags::ASSURED));
        }
        self.tell(control, Event::Assured);
    }

    /// Tells a template what happened to a child of it.
    pub(crate) fn tell(&mut self, control: Control, event: Event) {
        if control.home == self.worker {
            return self.hear(event, control.template);
        }
        if let Some(mailbox) = self.board.mailbox(control.home) {
            // There was room: whoever cannot tell does not act.
            let _sent = mailbox.send(event.letter(control.template));
        }
    }

    /// Reads what the other workers wrote.
    pub(crate) fn read_post(&mut self) {
        for place in 0..self.boards.len() {
            loop {
                let mailbox = self
                    .boards
                    .get(place)
                    .and_then(|board| board.mailbox(self.worker));
                let Some(letter) = mailbox.and_then(|mailbox| mailbox.receive()) else {
                    break;
                };
                if let Some((event, template)) = Event::read(letter) {
                    self.hear(event, template);
                }
            }
        }
    }

    /// Something happened to a child. A template that is gone, and whose place another one may
    /// have, hears nothing.
    fn hear(&mut self, event: Event, template: TemplateRef) {
        let id = FlowId(template.place);
        let is_it = self
            .flows
            .hot(id)
            .is_some_and(|hot| hot.flags().contains(FlowFlags::TEMPLATE));
        let Some(cold) = self.flows.cold_mut(id).filter(|_| is_it) else {
            return;
        };
        if cold.generation != template.generation {
            return;
        }
        match event {
            Event::Opened => cold.children = cold.children.saturating_add(1),
            Event::Ended | Event::Dropped | Event::Swept => {
                cold.children = cold.children.saturating_sub(1);
            }
            Event::Assured => {}
        }
        let childless = cold.children == 0;
        let Some(hot) = self.flows.hot_mut(id) else {
            return;
        };
        if event == Event::Assured {
            hot.state = 1;
        }
        let unanswered = hot.state == 0;
        let ends = event == Event::Swept || event == Event::Dropped && unanswered;
        if childless && ends {
            self.forget_template(id);
        }
    }
}

#[cfg(test)]
mod tests;

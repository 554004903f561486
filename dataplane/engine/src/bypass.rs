// SPDX-License-Identifier: Apache-2.0
//! Past the servers (sysctl `cache_bypass`; `ip_vs_leave`, `ip_vs_bypass_xmit`).
//!
//! A farm of transparent caches gets packets by their mark, whatever their destination. When none
//! of the caches takes a connection, it may go where its client sent it: an entry of the flow table
//! without a server keeps it on that way, also when a cache is there again. Its answers do not
//! pass the table.

use model::addr::Addr;
use model::fib::Hop;
use model::ids::RealId;
use model::service::{ForwardMode, ServiceKey, VirtualService};
use model::snapshot::Interface;
use wire::buffer::{PacketBuf, PacketPool};
use wire::ipv4::IpProtocol;
use wire::packet::Parsed;

use crate::engine::{Context, Engine};
use crate::flow_table::{FlowFlags, FlowId, FlowKey, FlowMemory, NewFlow};
use crate::forward::icmp_error::Trouble;
use crate::state::State;
use crate::tcp_state::Sight;
use crate::verdict::{DropReason, Note};

impl<B: PacketBuf, M: FlowMemory> Engine<B, M> {
    /// A packet that would open a connection of a service none of whose servers takes it: it goes
    /// past them, or its client is told (`ip_vs_leave`).
    pub(crate) fn leave<P>(
        &mut self,
        (packet, parsed): (B, &Parsed),
        ingress: &Interface,
        (service, key): (&VirtualService, &FlowKey),
        note: Note,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let destination = Addr::from_octets(parsed.destination);
        let goes_past = cx.snapshot.tunables.cache_bypass
            && matches!(service.key, ServiceKey::Mark(_))
            && cx.snapshot.fib.hop(destination) != Hop::Local;
        if !goes_past {
            let (trouble, from) = (Trouble::PortUnreachable, key.destination);
            self.complain(&packet, parsed, trouble, from, cx);
            return self.discard(packet, DropReason::NoRealServer, cx);
        }
        if let Note::Decide { owner } = note {
            // Home knows of no server; the flow is its owner's.
            let nobody = Note::Serve {
                real: RealId::NONE,
                generation: 0,
            };
            return self.pass_on(packet, parsed, owner, nobody, cx);
        }
        if service.spec.one_packet && parsed.protocol == IpProtocol::UDP {
            return self.route(packet, parsed, ingress, cx);
        }
        match self.open_past(service, key, cx) {
            Some(id) => self.follow_past(packet, parsed, ingress, id, cx),
            None => self.discard(packet, DropReason::TableFull, cx),
        }
    }

    fn open_past<P>(
        &mut self,
        service: &VirtualService,
        key: &FlowKey,
        cx: &Context<'_, P>,
    ) -> Option<FlowId>
    where
        P: PacketPool<Buf = B>,
    {
        let state = State::of(key.protocol, 0);
        let new = NewFlow {
            inbound: *key,
            outbound: None,
            real: RealId::NONE,
            service: service.id,
            flags: FlowFlags::of_mode(ForwardMode::Dr)
                .with(FlowFlags::BYPASS)
                .with(FlowFlags::NO_OUTPUT)
                .with(FlowFlags::INACTIVE),
            state: state.number(),
            timeout_ms: state.timeout_ms(&cx.snapshot.timeouts),
            now_ms: cx.now_ms(),
            lease: None,
        };
        let hash = self.flows.hash(key);
        let id = self.flows.insert(&new, hash, |_| None).ok()?;
        self.wheel.schedule(&mut self.flows, id, cx.now_ms());
        self.count_past(1);
        Some(id)
    }

    /// Takes a packet of a connection without a server along it: to its own destination, or, if it
    /// should have a server, nowhere.
    pub(crate) fn follow_past<P>(
        &mut self,
        packet: B,
        parsed: &Parsed,
        ingress: &Interface,
        id: FlowId,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        if !self.is_past(id) {
            return self.discard(packet, DropReason::RealDeleted, cx);
        }
        let (now_ms, secure) = (cx.now_ms(), self.defences.secure_tcp());
        if let Some(hot) = self.flows.hot_mut(id) {
            hot.stamp(now_ms);
            hot.packets = hot.packets.wrapping_add(1);
            let sight = Sight {
                one_way: true,
                secure,
            };
            let direction = crate::flow_table::Direction::Inbound;
            let old = State::of(hot.protocol(), hot.state);
            let state = old.advance(packet.bytes(), parsed, direction, sight);
            hot.state = state.number();
            let timeout_ms = state.timeout_ms(&cx.snapshot.timeouts);
            let before_ms = core::mem::replace(&mut hot.timeout_ms, timeout_ms);
            if timeout_ms < before_ms {
                self.wheel.rearm(&mut self.flows, id, now_ms);
            }
        }
        self.route(packet, parsed, ingress, cx);
    }

    /// Whether a connection goes past the servers.
    pub(crate) fn is_past(&self, id: FlowId) -> bool {
        let hot = self.flows.hot(id);
        hot.is_some_and(|hot| hot.flags().contains(FlowFlags::BYPASS))
    }

    /// Forgets a connection that went past the servers.
    pub(crate) fn forget_past(&mut self, id: FlowId) {
        self.wheel.cancel(&mut self.flows, id);
        self.flows.remove(id);
        self.board.worker.flows_expired.add(1);
        self.count_past(-1);
    }

    fn count_past(&mut self, change: i32) {
        self.past = self.past.saturating_add_signed(change);
        self.board.worker.flows_past.set(self.past.into());
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The farm's own packets on their way out: their source becomes an address of the director's, so
//! that the world has a way back (source NAT, RFC 3022 §2.2).
//!
//! ```text
//!   server:port > host:hport   becomes   LIP:lport  > host:hport
//!   host:hport > LIP:lport     becomes   host:hport > server:port
//! ```
//!
//! A rule says whose packets, where to and out of which interface ([`model::local::SnatRule`]). The
//! first packet of a connection is routed, meets a rule, and gets an entry of the flow table whose
//! client is the server and whose service is the host it talks to; it has no real server. Its
//! owner is the worker of (server, port), and the local port is such that answers come back there.
//! ICMP echoes have their identifier for a port; the world's ICMP errors find their connection
//! through the packet they quote, as all others.

use model::addr::Addr;
use model::fib::Hop;
use model::ids::{RealId, ServiceId};
use model::local::{LocalUse, SnatRule};
use model::service::ForwardMode;
use model::snapshot::{Interface, Snapshot};
use wire::buffer::{PacketBuf, PacketPool};
use wire::checksum::Delta;
use wire::ipv4::IpProtocol;
use wire::packet::{Kind, Parsed, Quote};

use crate::egress::egress;
use crate::engine::{Context, Engine};
use crate::flow_table::{Direction, FlowFlags, FlowId, FlowKey, FlowMemory, NewFlow};
use crate::forward::{icmp_translate, nat};
use crate::local_ports::{Lease, NoPort, Peer};
use crate::path::opens;
use crate::state::State;
use crate::tcp_state::Sight;
use crate::verdict::DropReason;

/// Whether packets between these addresses may be the farm's, whatever they leave by.
pub(crate) fn may_cover(source: Addr, destination: Addr, snapshot: &Snapshot) -> bool {
    let rules = snapshot.locals.rules();
    !rules.is_empty() && rules.iter().any(|rule| rule.covers(source, destination))
}

/// The rule for a packet that is routed by that hop.
fn rule_of<'a>(parsed: &Parsed, hop: Hop, snapshot: &'a Snapshot) -> Option<&'a SnatRule> {
    let rules = snapshot.locals.rules();
    if rules.is_empty() {
        return None;
    }
    let iface = egress(hop, snapshot)?.id;
    let source = Addr::from_octets(parsed.source);
    let destination = Addr::from_octets(parsed.destination);
    rules.iter().find(|rule| {
        rule.egress.is_none_or(|wanted| wanted == iface) && rule.covers(source, destination)
    })
}

/// The flow key of a packet; of an ICMP echo with its identifier as the asking side's port.
fn key_of(bytes: &[u8], parsed: &Parsed) -> Option<FlowKey> {
    let key = FlowKey::of(parsed);
    match parsed.protocol {
        IpProtocol::TCP | IpProtocol::UDP | IpProtocol::SCTP => Some(key),
        IpProtocol::ICMP | IpProtocol::ICMPV6 => {
            let (is_request, ident) = echo(bytes, parsed)?;
            let (source_port, destination_port) = if is_request { (ident, 0) } else { (0, ident) };
            Some(FlowKey {
                source_port,
                destination_port,
                ..key
            })
        }
        _ => None,
    }
}

/// Whether an ICMP message is an echo request (else a reply), and its identifier.
fn echo(bytes: &[u8], parsed: &Parsed) -> Option<(bool, u16)> {
    let at = usize::from(parsed.l4_offset);
    let message = bytes.get(at..at.checked_add(ECHO_LEN)?)?;
    let [kind, 0, _, _, high, low, ..] = message else {
        return None;
    };
    let is_request = match (parsed.kind, *kind) {
        (Kind::Ipv4, 8) | (Kind::Ipv6, 128) => true,
        (Kind::Ipv4, 0) | (Kind::Ipv6, 129) => false,
        _ => return None,
    };
    Some((is_request, u16::from_be_bytes([*high, *low])))
}

/// Bytes of an echo's header (RFC 792, RFC 4443 §4).
const ECHO_LEN: usize = 8;

impl<B: PacketBuf, M: FlowMemory> Engine<B, M> {
    /// Takes a packet that is to be routed, if it is the farm's or answers it; else gives it back.
    pub(crate) fn gateway<P>(
        &mut self,
        packet: B,
        parsed: &Parsed,
        ingress: &Interface,
        hop: Hop,
        cx: &mut Context<'_, P>,
    ) -> Option<B>
    where
        P: PacketPool<Buf = B>,
    {
        if cx.snapshot.locals.rules().is_empty() {
            return Some(packet);
        }
        if hop == Hop::Local {
            return self.answered_echo(packet, parsed, ingress, cx);
        }
        let Some(rule) = rule_of(parsed, hop, cx.snapshot) else {
            return Some(packet);
        };
        let opened = match key_of(packet.bytes(), parsed) {
            // A known one is found before; of echoes this is the first look.
            Some(key) => match self.find(&key, &cx.snapshot.services) {
                Some((id, Direction::Inbound)) => Ok(id),
                _ => self.open_farm(&packet, parsed, (&key, rule), cx),
            },
            // Nothing that could be told apart when it is answered may leave as it is.
            None => Err(DropReason::NoConnection),
        };
        match opened {
            Ok(id) => self.farm_out(packet, parsed, ingress, id, cx),
            Err(reason) => self.discard(packet, reason, cx),
        }
        None
    }

    /// An echo's answer comes to a local address, whose other packets are found by their ports.
    fn answered_echo<P>(
        &mut self,
        packet: B,
        parsed: &Parsed,
        ingress: &Interface,
        cx: &mut Context<'_, P>,
    ) -> Option<B>
    where
        P: PacketPool<Buf = B>,
    {
        if !matches!(parsed.protocol, IpProtocol::ICMP | IpProtocol::ICMPV6) {
            return Some(packet);
        }
        let found = key_of(packet.bytes(), parsed)
            .and_then(|key| self.find(&key, &cx.snapshot.services))
            .filter(|(id, direction)| *direction == Direction::Outbound && self.is_farms(*id));
        match found {
            Some((id, _)) => {
                self.farm_back(packet, parsed, ingress, id, cx);
                None
            }
            None => Some(packet),
        }
    }

    fn open_farm<P>(
        &mut self,
        packet: &B,
        parsed: &Parsed,
        (key, rule): (&FlowKey, &SnatRule),
        cx: &Context<'_, P>,
    ) -> Result<FlowId, DropReason>
    where
        P: PacketPool<Buf = B>,
    {
        if !opens(packet.bytes(), parsed, &cx.snapshot.tunables) {
            return Err(DropReason::NoConnection);
        }
        if let Some(reason) = self.refuses_to_open(cx) {
            return Err(reason);
        }
        let lease = self.lease_for_farm(key, rule, cx)?;
        let none = State::of(key.protocol, 0);
        let new = NewFlow {
            inbound: *key,
            outbound: Some(FlowKey {
                destination: lease.addr,
                destination_port: lease.port,
                ..key.reversed()
            }),
            real: RealId::NONE,
            service: ServiceId(0),
            flags: FlowFlags::of_mode(ForwardMode::FullNat)
                .with(FlowFlags::FARM)
                .with(FlowFlags::INACTIVE),
            state: none.number(),
            timeout_ms: none.timeout_ms(&cx.snapshot.timeouts),
            now_ms: cx.now_ms(),
            lease: Some(lease),
        };
        let hash = self.flows.hash(key);
        let Ok(id) = self.flows.insert(&new, hash, |_| None) else {
            self.release((lease.block, lease.port));
            return Err(DropReason::TableFull);
        };
        self.wheel.schedule(&mut self.flows, id, cx.now_ms());
        self.board.worker.snat_connections.add(1);
        self.count_farm(1);
        Ok(id)
    }

    fn lease_for_farm<P>(
        &mut self,
        key: &FlowKey,
        rule: &SnatRule,
        cx: &Context<'_, P>,
    ) -> Result<Lease, DropReason>
    where
        P: PacketPool<Buf = B>,
    {
        let pool = cx.snapshot.locals.pool(&rule.pool);
        let pool = pool.ok_or(DropReason::LocalPoolMissing)?;
        let peer = Peer {
            protocol: key.protocol,
            addr: key.destination,
            port: key.destination_port,
            used_for: LocalUse::Farm,
        };
        let addresses = pool.of_family(key.source.is_v4());
        let lease = match self.local_ports.lease(&peer, addresses) {
            Ok(lease) => lease,
            Err(NoPort::NoAddress) => return Err(DropReason::LocalPoolMissing),
            Err(NoPort::Exhausted | NoPort::NoBlock) => {
                return Err(DropReason::LocalPortsExhausted);
            }
        };
        if let Some(gauge) = self.board.local(lease.local) {
            gauge.add(1);
        }
        Ok(lease)
    }

    /// Whether a connection is the farm's own.
    pub(crate) fn is_farms(&self, id: FlowId) -> bool {
        let hot = self.flows.hot(id);
        hot.is_some_and(|hot| hot.flags().contains(FlowFlags::FARM))
    }

    /// Takes a packet of the farm's out.
    pub(crate) fn farm_out<P>(
        &mut self,
        packet: B,
        parsed: &Parsed,
        ingress: &Interface,
        id: FlowId,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let destination = Addr::from_octets(parsed.destination);
        let hop = self.hop(id, Direction::Inbound, destination, cx);
        let way = (hop, destination);
        let Some(mut packet) = self.let_travel(packet, parsed, ingress, way, cx) else {
            return;
        };
        self.keep_farm(id, Direction::Inbound, &packet, parsed, cx);
        let local = self.flows.local_end(id);
        if local.is_some_and(|local| rewrite(&mut packet, parsed, nat::End::Source, local)) {
            self.transmit(packet, parsed, hop, cx);
        } else {
            self.discard(packet, DropReason::RxMalformedL4, cx);
        }
    }

    /// Takes the world's answer to the farm.
    pub(crate) fn farm_back<P>(
        &mut self,
        packet: B,
        parsed: &Parsed,
        ingress: &Interface,
        id: FlowId,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let Some((addr, port)) = self.farm_end(id) else {
            return self.discard(packet, DropReason::LocalPortUnused, cx);
        };
        let hop = self.hop(id, Direction::Outbound, addr, cx);
        let Some(mut packet) = self.let_travel(packet, parsed, ingress, (hop, addr), cx) else {
            return;
        };
        self.keep_farm(id, Direction::Outbound, &packet, parsed, cx);
        if rewrite(&mut packet, parsed, nat::End::Destination, (addr, port)) {
            self.transmit(packet, parsed, hop, cx);
        } else {
            self.discard(packet, DropReason::RxMalformedL4, cx);
        }
    }

    /// Takes an ICMP error about a connection of the farm's along it. Whoever sent it stays its
    /// source towards the farm; towards the world the farm has no addresses but the local one.
    pub(crate) fn relay_farm<P>(
        &mut self,
        packet: B,
        parsed: &Parsed,
        ingress: &Interface,
        (quote, (id, direction)): (&Quote, (FlowId, Direction)),
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let (end, to, towards) = match direction {
            Direction::Inbound => {
                let towards = Addr::from_octets(parsed.destination);
                (nat::End::Source, self.flows.local_end(id), Some(towards))
            }
            Direction::Outbound => {
                let farm = self.farm_end(id);
                (nat::End::Destination, farm, farm.map(|(addr, _)| addr))
            }
        };
        let Some((to, towards)) = to.zip(towards) else {
            return self.discard(packet, DropReason::LocalPortUnused, cx);
        };
        let hop = cx.snapshot.fib.hop(towards);
        let way = (hop, towards);
        let Some(mut packet) = self.let_travel(packet, parsed, ingress, way, cx) else {
            return;
        };
        if !icmp_translate::checksum_ok(&packet, parsed) {
            self.discard(packet, DropReason::RxBadIcmpChecksum, cx);
        } else if icmp_translate::rewrite(&mut packet, parsed, quote, end, to) {
            self.transmit(packet, parsed, hop, cx);
        } else {
            self.discard(packet, DropReason::RxMalformedL4, cx);
        }
    }

    /// Address and port of the server whose connection it is.
    fn farm_end(&self, id: FlowId) -> Option<(Addr, u16)> {
        let hot = self.flows.hot(id)?;
        Some((hot.client_ip(), hot.cport()))
    }

    /// Stamps a connection of the farm's, and advances its state.
    fn keep_farm<P>(
        &mut self,
        id: FlowId,
        direction: Direction,
        packet: &B,
        parsed: &Parsed,
        cx: &Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let (now_ms, secure) = (cx.now_ms(), self.defences.secure_tcp());
        let Some(hot) = self.flows.hot_mut(id) else {
            return;
        };
        hot.stamp(now_ms);
        if direction == Direction::Inbound {
            hot.packets = hot.packets.wrapping_add(1);
        }
        let sight = Sight {
            one_way: false,
            secure,
        };
        let old = State::of(hot.protocol(), hot.state);
        let state = old.advance(packet.bytes(), parsed, direction, sight);
        hot.state = state.number();
        let timeout_ms = state.timeout_ms(&cx.snapshot.timeouts);
        let before_ms = core::mem::replace(&mut hot.timeout_ms, timeout_ms);
        if timeout_ms < before_ms {
            self.wheel.rearm(&mut self.flows, id, now_ms);
        }
    }

    /// Forgets a connection of the farm's.
    pub(crate) fn forget_farm(&mut self, id: FlowId) {
        if let Some(lease) = self.flows.leased(id) {
            self.release(lease);
        }
        self.wheel.cancel(&mut self.flows, id);
        self.flows.remove(id);
        self.board.worker.flows_expired.add(1);
        self.count_farm(-1);
    }

    fn count_farm(&mut self, change: i32) {
        self.farm = self.farm.saturating_add_signed(change);
        self.board.worker.flows_snat.set(self.farm.into());
    }
}

/// Gives one end of a packet an address and a port, or an echo's identifier. `false` if the headers
/// are not where the parse found them.
fn rewrite<B: PacketBuf>(
    packet: &mut B,
    parsed: &Parsed,
    end: nat::End,
    (addr, port): (Addr, u16),
) -> bool {
    if !matches!(parsed.protocol, IpProtocol::ICMP | IpProtocol::ICMPV6) {
        return nat::rewrite(packet, parsed, end, (addr, port));
    }
    let old = match end {
        nat::End::Source => &parsed.source,
        nat::End::Destination => &parsed.destination,
    };
    let addresses = Delta::new().address(old, addr.octets());
    let bytes = packet.bytes_mut();
    let Some((network, message)) = bytes.split_at_mut_checked(usize::from(parsed.l4_offset)) else {
        return false;
    };
    let Some(network) = network.get_mut(usize::from(parsed.l3_offset)..) else {
        return false;
    };
    let [_, _, sum_high, sum_low, high, low, ..] = message else {
        return false;
    };
    // ICMPv6 sums the addresses too (RFC 4443 §2.3).
    let delta = match parsed.kind {
        Kind::Ipv6 => addresses,
        Kind::Ipv4 | Kind::Arp | Kind::Other(_) => Delta::new(),
    };
    let delta = delta.word(u16::from_be_bytes([*high, *low]), port);
    let sum = delta.apply(u16::from_be_bytes([*sum_high, *sum_low]));
    ([*sum_high, *sum_low], [*high, *low]) = (sum.to_be_bytes(), port.to_be_bytes());
    nat::rewrite_network(network, parsed.kind, end, addr, addresses)
}

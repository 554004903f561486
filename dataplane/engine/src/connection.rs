// SPDX-License-Identifier: Apache-2.0
//! A connection's life: found, opened, reopened, accounted for.

use model::addr::Addr;
use model::classifier::Marked;
use model::fib::{Hop, NextHopId};
use model::ids::RealId;
use model::service::{ForwardMode, Protocol, RealServer, RealState, VirtualService, Weight};
use model::snapshot::{ServiceSet, Snapshot};
use wire::buffer::{PacketBuf, PacketPool};
use wire::ipv4::IpProtocol;
use wire::packet::Parsed;
use wire::sctp::ChunkType;

use crate::engine::{Context, Engine};
use crate::flow_table::{
    Direction, FlowFlags, FlowId, FlowKey, FlowMemory, HotEntry, NO_HOP, NewFlow,
};
use crate::ipsec;
use crate::local_ports::Lease;
use crate::persistence::{Control, is_of_template};
use crate::quic;
use crate::sched::Request;
use crate::sctp_state::SctpState;
use crate::state::{self, State};
use crate::tcp_state::{Sight, TcpState, flags};
use crate::verdict::DropReason;

/// What following a packet needs of its connection, copied out of the entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flow {
    pub(crate) client_ip: Addr,
    pub(crate) cport: u16,
    pub(crate) virtual_ip: Addr,
    pub(crate) vport: u16,
    pub(crate) mode: ForwardMode,
    /// Its stream is changed.
    pub(crate) adjusted: bool,
    /// The server's port.
    pub(crate) rport: u16,
    /// It is an FTP data connection.
    pub(crate) is_data: bool,
}

impl FlowKey {
    /// The key of a whole IP packet.
    #[must_use]
    #[inline]
    pub const fn of(parsed: &Parsed) -> Self {
        let ports = (parsed.source_port, parsed.destination_port);
        let (protocol, ports) = ipsec::flow_of(parsed.protocol, ports);
        let (source_port, destination_port) = ports;
        Self {
            protocol: protocol.0,
            source: Addr::from_octets(parsed.source),
            source_port,
            destination: Addr::from_octets(parsed.destination),
            destination_port,
        }
    }

    /// The key of the answer.
    #[must_use]
    pub const fn reversed(&self) -> Self {
        Self {
            protocol: self.protocol,
            source: self.destination,
            source_port: self.destination_port,
            destination: self.source,
            destination_port: self.source_port,
        }
    }
}

/// The way from a server's slot to its address, for the flow table.
pub(crate) fn endpoint(services: &ServiceSet) -> impl Fn(RealId) -> Option<(Addr, u16)> {
    |id| {
        services
            .real(id)
            .map(|real| (real.key.real_ip, real.reached().rport))
    }
}

/// The service a packet is for: that of its mark, else that of its destination.
pub(crate) fn service_of<'a>(key: &FlowKey, snapshot: &'a Snapshot) -> Option<&'a VirtualService> {
    let protocol = Protocol::from_number(key.protocol)?;
    let mark = snapshot.classifier.mark(&Marked {
        protocol,
        source: key.source,
        source_port: key.source_port,
        destination: key.destination,
        destination_port: key.destination_port,
    });
    let services = &snapshot.services;
    services.lookup(mark, protocol, key.destination, key.destination_port)
}

impl<B: PacketBuf, M: FlowMemory> Engine<B, M> {
    /// The connection of a packet.
    #[inline]
    pub(crate) fn find(&self, key: &FlowKey, services: &ServiceSet) -> Option<(FlowId, Direction)> {
        if is_of_template(key.protocol) {
            return None;
        }
        self.flows
            .find(key, self.flows.hash(key), endpoint(services))
    }

    /// The real server for a new connection.
    pub(crate) fn schedule<P>(
        &mut self,
        service: &VirtualService,
        key: &FlowKey,
        cx: &Context<'_, P>,
    ) -> Option<RealId>
    where
        P: PacketPool<Buf = B>,
    {
        let request = Request {
            client_ip: key.source,
            cport: key.source_port,
            destination: key.destination,
            now_ms: cx.now.as_millis(),
        };
        self.sched
            .pick(service, &cx.snapshot.services, &request, cx.now)
    }

    /// Opens a connection, or says what it lacks. It counts as inactive until its first
    /// packet has been accounted for (`ip_vs_bind_dest`). One of a single packet is a child of
    /// nobody, because it is over at once.
    pub(crate) fn open<P>(
        &mut self,
        key: &FlowKey,
        (real, control): (RealId, Option<Control>),
        (packet, parsed): (&B, &Parsed),
        cx: &Context<'_, P>,
    ) -> Result<FlowId, DropReason>
    where
        P: PacketPool<Buf = B>,
    {
        let services = &cx.snapshot.services;
        let server = services.real(real).ok_or(DropReason::NoRealServer)?;
        let mode = server.spec.mode;
        let mut flags = FlowFlags::of_mode(mode).with(FlowFlags::INACTIVE);
        let service = services.service(server.service);
        if service.is_some_and(|service| service.spec.quic.is_some()) {
            flags = flags.with(FlowFlags::QUIC);
        }
        let one_packet = parsed.protocol == IpProtocol::UDP
            && mode != ForwardMode::FullNat
            && service.is_some_and(|service| service.spec.one_packet);
        let control = control.filter(|_| !one_packet);
        if !self.can_tell(control) {
            return Err(DropReason::TableFull);
        }
        let lease = match mode {
            ForwardMode::FullNat => Some(self.lease(key, server, cx)?),
            ForwardMode::Nat | ForwardMode::Dr | ForwardMode::Tun => None,
        };
        let (flags, outbound) = match mode {
            // Nor are its answers translated (`ip_vs_conn_hash`).
            ForwardMode::Nat if one_packet => (flags, None),
            ForwardMode::Nat => (flags, Some(outbound_key(key, server))),
            ForwardMode::FullNat => (flags, lease.map(|lease| answer_key(key, server, lease))),
            ForwardMode::Dr | ForwardMode::Tun => (flags.with(FlowFlags::NO_OUTPUT), None),
        };
        let flags = if one_packet {
            flags.with(FlowFlags::ONE_PACKET)
        } else {
            flags
        };
        let sight = Sight {
            one_way: mode.is_one_way(),
            secure: self.defences.secure_tcp(),
        };
        let none = State::of(key.protocol, 0);
        let state = none.advance(packet.bytes(), parsed, Direction::Inbound, sight);
        let new = NewFlow {
            inbound: *key,
            outbound,
            real,
            service: server.service,
            flags,
            state: none.number(),
            timeout_ms: timeout_ms(state, server, cx.snapshot),
            now_ms: cx.now_ms(),
            lease,
        };
        let Some(id) = self.insert(&new, 0, server, cx) else {
            if let Some(lease) = lease {
                self.release((lease.block, lease.port));
            }
            return Err(DropReason::TableFull);
        };
        if let Some(counters) = self.board.real(real) {
            counters.connections.add(1);
        }
        self.board.worker.connections.add(1);
        if let Some(control) = control {
            self.set_control(id, control);
        }
        Ok(id)
    }

    /// Puts a connection into the table, onto the wheel and among those of its server, as inactive
    /// (`ip_vs_conn_new`). `rport` is the server's port if it is a data connection.
    pub(crate) fn insert<P>(
        &mut self,
        new: &NewFlow,
        rport: u16,
        server: &RealServer,
        cx: &Context<'_, P>,
    ) -> Option<FlowId>
    where
        P: PacketPool<Buf = B>,
    {
        let hash = self.flows.hash(&new.inbound);
        let real = endpoint(&cx.snapshot.services);
        let id = self.flows.insert(new, hash, real).ok()?;
        if let Some(cold) = self.flows.cold_mut(id) {
            cold.set_rport(rport);
        }
        self.wheel.schedule(&mut self.flows, id, cx.now_ms());
        if let Some(counters) = self.board.real(new.real) {
            counters.count(false, true);
        }
        self.sched.bound(server);
        self.board.worker.flows.set(self.flow_count() as u64);
        Some(id)
    }

    /// The server's port of a data connection.
    pub(crate) fn rport_of(&self, id: FlowId) -> u16 {
        self.flows
            .cold(id)
            .map_or(0, crate::flow_table::ColdEntry::rport)
    }

    /// Whether a packet finds a connection that has to give way, which is forgotten then: one that
    /// is over or whose server is quiesced, to a SYN or INIT (`is_new_conn_expected`, sysctls
    /// `conn_reuse_mode` and `expire_nodest_conn`), one whose server was deleted, to any packet;
    /// and any to a QUIC packet that names another server.
    pub(crate) fn reopens<P>(
        &mut self,
        (id, direction): (FlowId, Direction),
        (packet, parsed): (&B, &Parsed),
        cx: &Context<'_, P>,
    ) -> bool
    where
        P: PacketPool<Buf = B>,
    {
        let tunables = &cx.snapshot.tunables;
        let inbound = direction == Direction::Inbound;
        let starts = inbound && starts(packet.bytes(), parsed);
        let names_another = inbound
            && parsed.protocol == IpProtocol::UDP
            && self.names_another(id, packet.bytes(), parsed, cx.snapshot);
        if !starts && !names_another && !tunables.expire_nodest_conn {
            return false;
        }
        let Some(hot) = self.flows.hot(id) else {
            return false;
        };
        let over = tunables.expire_nodest_conn && self.is_nowhere(hot, direction, starts, cx)
            || starts && is_over(hot, tunables.conn_reuse_mode)
            || names_another;
        over && self.forget(id, Some(&cx.snapshot.services))
    }

    /// Whether a packet of a QUIC flow names another server than the flow's.
    fn names_another(
        &self,
        id: FlowId,
        bytes: &[u8],
        parsed: &Parsed,
        snapshot: &Snapshot,
    ) -> bool {
        let hot = self.flows.hot(id);
        let Some(hot) = hot.filter(|hot| hot.flags().contains(FlowFlags::QUIC)) else {
            return false;
        };
        let service = snapshot.services.service(hot.service());
        let named = service.and_then(|service| quic::named(service, bytes, parsed, snapshot));
        named.is_some_and(|named| named != hot.real())
    }

    /// Whether a packet's server takes no more connections, so that its connection ends with
    /// `expire_nodest_conn`. Answers of a deleted one are still translated by the kernel once it
    /// has looked for such connections.
    fn is_nowhere<P>(
        &self,
        hot: &HotEntry,
        direction: Direction,
        starts: bool,
        cx: &Context<'_, P>,
    ) -> bool
    where
        P: PacketPool<Buf = B>,
    {
        let Some(real) = cx.snapshot.services.real(hot.real()) else {
            return false;
        };
        let deleted = real.state == RealState::Deleted
            && (direction == Direction::Inbound || self.defences.is_sweeping());
        deleted || starts && real.spec.weight == Weight::QUIESCED
    }

    /// What a packet's connection says of its way.
    #[inline]
    pub(crate) fn flow_and_real<'a>(
        &self,
        id: FlowId,
        snapshot: &'a Snapshot,
    ) -> Option<(Flow, &'a RealServer)> {
        let hot = self.flows.hot(id)?;
        let real = snapshot.services.real(hot.real())?;
        let is_data = hot.flags().contains(FlowFlags::DATA);
        let flow = Flow {
            client_ip: hot.client_ip(),
            cport: hot.cport(),
            virtual_ip: hot.virtual_ip(),
            vport: hot.vport(),
            mode: hot.mode(),
            adjusted: hot.flags().contains(FlowFlags::ADJUSTED),
            is_data,
            rport: if is_data {
                self.rport_of(id)
            } else {
                real.port_of(hot.vport())
            },
        };
        Some((flow, real))
    }

    /// Counts a packet, advances the connection's state and stamps it. A deleted server's packets
    /// are not counted (`ip_vs_in_stats`, `ip_vs_out_stats`: only while `IP_VS_DEST_F_AVAILABLE`).
    pub(crate) fn account<P>(
        &mut self,
        id: FlowId,
        direction: Direction,
        server: &RealServer,
        (packet, parsed): (&B, &Parsed),
        cx: &Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let now_ms = cx.now_ms();
        let Some(hot) = self.flows.hot_mut(id) else {
            return;
        };
        hot.stamp(now_ms);
        let real = self.board.real(hot.real());
        if let Some(counters) = real.filter(|_| server.state != RealState::Deleted) {
            let bytes = u64::from(parsed.ip_len);
            match direction {
                Direction::Inbound => {
                    hot.packets = hot.packets.wrapping_add(1);
                    counters.packets_in.add(1);
                    counters.bytes_in.add(bytes);
                }
                Direction::Outbound => {
                    counters.packets_out.add(1);
                    counters.bytes_out.add(bytes);
                }
            }
        }
        let old = State::of(hot.protocol(), hot.state);
        let sight = Sight {
            one_way: hot.flags().contains(FlowFlags::NO_OUTPUT),
            secure: self.defences.secure_tcp(),
        };
        let state = old.advance(packet.bytes(), parsed, direction, sight);
        if state != old {
            hot.state = state.number();
            let was_inactive = hot.flags().contains(FlowFlags::INACTIVE);
            if was_inactive == state.is_active() {
                set_active(hot, state.is_active());
                if let Some(counters) = real {
                    counters.count(!was_inactive, false);
                    counters.count(was_inactive, true);
                }
                self.sched.shifted(server.id);
            }
        }
        let flags = hot.flags();
        let assures = flags.contains(FlowFlags::CONTROLLED)
            && !flags.contains(FlowFlags::ASSURED)
            && state.assures(old, direction);
        let timeout_ms = timeout_ms(state, server, cx.snapshot);
        let before_ms = core::mem::replace(&mut hot.timeout_ms, timeout_ms);
        if timeout_ms < before_ms {
            self.wheel.rearm(&mut self.flows, id, now_ms);
        }
        if assures {
            self.assure(id);
        }
    }

    /// Forgets a connection of a single packet, which has taken its way (`ip_vs_conn_put`).
    pub(crate) fn end_one_packet<P>(&mut self, id: FlowId, cx: &Context<'_, P>)
    where
        P: PacketPool<Buf = B>,
    {
        let is_one = |hot: &HotEntry| hot.flags().contains(FlowFlags::ONE_PACKET);
        if self.flows.hot(id).is_some_and(is_one) {
            self.forget(id, Some(&cx.snapshot.services));
        }
    }

    /// Where a packet of a flow goes next; the flow remembers it until routes or neighbours change.
    pub(crate) fn hop<P>(
        &mut self,
        id: FlowId,
        direction: Direction,
        destination: Addr,
        cx: &Context<'_, P>,
    ) -> Hop
    where
        P: PacketPool<Buf = B>,
    {
        let fib = &cx.snapshot.fib;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the stamp is the low 16 bits"
        )]
        let stamp = fib.generation as u16;
        let Some(hot) = self.flows.hot_mut(id) else {
            return Hop::None;
        };
        if hot.hop_stamp != stamp {
            hot.hop_stamp = stamp;
            hot.inbound_hop = NO_HOP;
            hot.outbound_hop = NO_HOP;
        }
        let place = match direction {
            Direction::Inbound => &mut hot.inbound_hop,
            Direction::Outbound => &mut hot.outbound_hop,
        };
        if *place != NO_HOP {
            return Hop::Ready(NextHopId(u32::from(*place)));
        }
        let hop = fib.hop(destination);
        if let Hop::Ready(NextHopId(number)) = hop {
            *place = u16::try_from(number).unwrap_or(NO_HOP);
        }
        hop
    }
}

/// Whether a SYN may find a connection over (`is_new_conn_expected`).
fn is_over(hot: &HotEntry, conn_reuse_mode: u8) -> bool {
    if hot.flags().contains(FlowFlags::CONTROLLED) {
        return false;
    }
    match State::of(hot.protocol(), hot.state) {
        State::Tcp(TcpState::TimeWait | TcpState::Close) | State::Sctp(SctpState::Closed) => {
            conn_reuse_mode != 0
        }
        State::Tcp(TcpState::FinWait) => {
            conn_reuse_mode & 2 != 0 && hot.flags().contains(FlowFlags::NO_OUTPUT)
        }
        State::Tcp(_) | State::Udp | State::Sctp(_) => false,
    }
}

/// How long an idle connection of a server is kept.
#[inline]
fn timeout_ms(state: State, server: &RealServer, snapshot: &Snapshot) -> u32 {
    let own = || {
        let service = snapshot.services.service(server.service)?;
        state.own_timeout_ms(&service.spec.timeouts)
    };
    let own = if server.own_timeouts { own() } else { None };
    own.unwrap_or_else(|| state.timeout_ms(&snapshot.timeouts))
}

fn set_active(hot: &mut HotEntry, active: bool) {
    let flags = hot.flags();
    hot.set_flags(if active {
        flags.without(FlowFlags::INACTIVE)
    } else {
        flags.with(FlowFlags::INACTIVE)
    });
}

/// The key of the answers to a connection's local port.
fn answer_key(inbound: &FlowKey, server: &RealServer, lease: Lease) -> FlowKey {
    FlowKey {
        destination: lease.addr,
        destination_port: lease.port,
        ..outbound_key(inbound, server)
    }
}

fn outbound_key(inbound: &FlowKey, server: &RealServer) -> FlowKey {
    FlowKey {
        protocol: inbound.protocol,
        source: server.key.real_ip,
        source_port: server.port_of(inbound.destination_port),
        destination: inbound.source,
        destination_port: inbound.source_port,
    }
}

/// Whether a packet only ever starts a connection (`is_new_conn`).
#[inline]
fn starts(bytes: &[u8], parsed: &Parsed) -> bool {
    if parsed.tcp_flags & flags::SYN != 0 {
        return true;
    }
    parsed.protocol == IpProtocol::SCTP
        && state::sctp(bytes, parsed)
            .is_some_and(|packet| packet.first_chunk() == Some(ChunkType::INIT))
}

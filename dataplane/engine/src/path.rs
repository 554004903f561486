// SPDX-License-Identifier: Apache-2.0
//! A packet's way through the director: the second of the two tour functions.
//!
//! Three speeds, tried by [`Engine::steer`] in this order:
//! 1. the packet's flow is in this worker's table: nothing else is looked up but the server's slot
//!    and the next hop, which the flow remembers;
//! 2. it is not: who owns it, is it for a service, which server gets it; once per connection;
//! 3. it is none of ours: routed as any router does, or handed to Linux.
//!
//! Everything written here belongs to this worker. No lock, no allocation, no log line, no clock.

use model::addr::{Addr, Mac};
use model::fib::Hop;
use model::ids::{PortId, WorkerId};
use model::service::{ForwardMode, RealServer, RealState};
use model::snapshot::{Interface, Snapshot, Tunables};
use wire::buffer::{PacketBuf, PacketPool};
use wire::ethernet::Ethernet;
use wire::icmpv6;
use wire::ipv4::IpProtocol;
use wire::packet::{Fragment, Kind, ParseError, Parsed, parse};
use wire::sctp::ChunkType;

use crate::affinity;
use crate::connection::{Flow, service_of};
use crate::defence;
use crate::echo;
use crate::egress::{egress_address, own_address, too_big};
use crate::engine::{Context, Engine};
use crate::flow_table::{Direction, FlowId, FlowKey, FlowMemory};
use crate::forward::icmp_error::Trouble;
use crate::forward::{lower_ttl, mss, nat, options};
use crate::home::Decision;
use crate::ipsec;
use crate::local_ports::PORT_FIRST;
use crate::multihoming::Path;
use crate::related::{self, Related};
use crate::snat;
use crate::state;
use crate::stream::Way;
use crate::verdict::{DropReason, Note, PuntClass, Verdict};

/// How a packet came to this worker.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// The port it was received on.
    pub port: PortId,
    /// What the worker said that passed it on; [`Note::None`] if it came from the port.
    pub note: Note,
}

impl<B: PacketBuf, M: FlowMemory> Engine<B, M> {
    /// Decides what becomes of one packet and puts it, and what else has to be sent, into `cx.out`.
    pub fn steer<P>(&mut self, packet: B, arrival: Arrival, cx: &mut Context<'_, P>)
    where
        P: PacketPool<Buf = B>,
    {
        let parsed = match parse(packet.bytes(), packet.total_len()) {
            Ok(parsed) => parsed,
            Err(error) => return self.discard(packet, reason_of(error), cx),
        };
        let snapshot = cx.snapshot;
        let Some(iface) = snapshot.interfaces.ingress(arrival.port, parsed.vlan) else {
            return self.discard(packet, DropReason::RxVlanUnknown, cx);
        };
        if let Some(reason) = refused(packet.bytes(), &parsed, iface) {
            return self.discard(packet, reason, cx);
        }
        if let Some(class) = linux_only(packet.bytes(), &parsed) {
            return self.punt(packet, &parsed, iface, class, cx);
        }
        if parsed.fragment == Fragment::None {
            return self.steer_whole(packet, &parsed, iface, arrival, cx);
        }
        if !of_a_service(&parsed, snapshot) {
            return self.route(packet, &parsed, iface, cx);
        }
        if let Some((packet, parsed, arrival)) = self.gather(packet, &parsed, arrival, cx) {
            self.steer_whole(packet, &parsed, iface, arrival, cx);
        }
    }

    /// Decides about a packet that is whole: the way of every packet but fragments that still wait.
    #[inline]
    fn steer_whole<P>(
        &mut self,
        packet: B,
        parsed: &Parsed,
        iface: &Interface,
        arrival: Arrival,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let snapshot = cx.snapshot;
        let key = FlowKey::of(parsed);
        if let Some(found) = self.find(&key, &snapshot.services)
            && !self.reopens(found, (&packet, parsed), cx)
        {
            let seen = (&packet, parsed);
            return match self.learn_association(found, seen, arrival.note, cx) {
                Some((worker, note)) => self.pass_on(packet, parsed, worker, note, cx),
                None => self.follow(packet, parsed, iface, found, cx),
            };
        }
        let related = related::of(packet.bytes(), parsed);
        if let Some(Related { quote, key, .. }) = &related
            && let Some(found) = self.find(key, &snapshot.services)
        {
            return self.relay(packet, parsed, iface, (quote, found), cx);
        }
        if let Some((quote, inside)) = related.as_ref().and_then(Related::tunnelled)
            && let Some((id, Direction::Inbound)) = self.find(&inside.key(), &snapshot.services)
        {
            return self.relay_from_tunnel(packet, parsed, iface, (quote, inside, id), cx);
        }
        if let Some(worker) = self.other_worker(&key, related.as_ref(), arrival.note, snapshot) {
            return self.pass_on(packet, parsed, worker, Note::Yours, cx);
        }
        if let Some(id) = self.expected(&key, parsed, cx) {
            return self.follow(packet, parsed, iface, (id, Direction::Inbound), cx);
        }
        match self.find_path(&key, (&packet, parsed), arrival.note, cx) {
            Some(Path::Flow(id, direction)) => {
                return self.follow(packet, parsed, iface, (id, direction), cx);
            }
            Some(Path::Ask(worker, note)) => {
                return self.pass_on(packet, parsed, worker, note, cx);
            }
            Some(Path::Full) => return self.discard(packet, DropReason::TableFull, cx),
            None => {}
        }
        self.begin(packet, parsed, iface, (&key, arrival.note), cx);
    }

    /// Opens a connection for a packet of none, if it is for a service; routes it otherwise.
    fn begin<P>(
        &mut self,
        packet: B,
        parsed: &Parsed,
        iface: &Interface,
        (key, note): (&FlowKey, Note),
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let snapshot = cx.snapshot;
        let service = service_of(key, snapshot);
        let Some(service) = service.filter(|_| !ipsec::is_of_ike(parsed.protocol)) else {
            return self.route(packet, parsed, iface, cx);
        };
        if parsed.protocol == IpProtocol::SCTP && parsed.l4_len() < SCTP_LEN_MIN {
            return self.discard(packet, DropReason::RxMalformedL4, cx);
        }
        if !opens(packet.bytes(), parsed, &snapshot.tunables) {
            // Not the start of a connection we know: Linux answers with a reset.
            return self.punt(packet, parsed, iface, PuntClass::Local, cx);
        }
        if note.is_fresh()
            && let Some(reason) = self.refuses_to_open(cx)
        {
            return self.discard(packet, reason, cx);
        }
        let seen = (packet.bytes(), parsed);
        let (real, control) = match self.decide(service, key, seen, note, cx) {
            Decision::Real(real, control) => (real, control),
            Decision::Ask(worker, note) => {
                return self.pass_on(packet, parsed, worker, note, cx);
            }
            Decision::Nobody => {
                let whose = (service, key);
                return self.leave((packet, parsed), iface, whose, note, cx);
            }
            Decision::Drop(reason) => return self.discard(packet, reason, cx),
        };
        match self.open(key, (real, control), (&packet, parsed), cx) {
            Ok(id) if self.attend(id, cx) => {
                self.follow(packet, parsed, iface, (id, Direction::Inbound), cx);
                self.end_one_packet(id, cx);
            }
            Ok(id) => {
                self.forget(id, Some(&snapshot.services));
                self.discard(packet, DropReason::StreamTableFull, cx);
            }
            Err(reason) => self.discard(packet, reason, cx),
        }
    }

    /// The worker to ask about a packet without a flow here, if it is not this one.
    fn other_worker(
        &self,
        key: &FlowKey,
        related: Option<&Related>,
        note: Note,
        snapshot: &Snapshot,
    ) -> Option<WorkerId> {
        match note {
            Note::None => match related {
                Some(related) => related.owner(snapshot),
                None => affinity::owner(key, snapshot),
            }
            .filter(|owner| *owner != self.worker),
            Note::Yours => {
                let key = related.map_or(key, |related| &related.key);
                affinity::next_owner(key, self.worker, snapshot)
            }
            Note::Decide { .. }
            | Note::Bind { .. }
            | Note::Serve { .. }
            | Note::Remember { .. }
            | Note::Remembered => None,
        }
    }

    /// Gives a packet to the worker that has to see it.
    pub(crate) fn pass_on<P>(
        &mut self,
        packet: B,
        parsed: &Parsed,
        worker: WorkerId,
        note: Note,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let verdict = Verdict::Redirect { worker, note };
        self.hand_over(packet, parsed.l3_offset, parsed, verdict, cx);
    }

    /// Takes a packet of a known flow along it.
    fn follow<P>(
        &mut self,
        packet: B,
        parsed: &Parsed,
        ingress: &Interface,
        (id, direction): (FlowId, Direction),
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        match direction {
            Direction::Inbound => self.follow_inbound(packet, parsed, ingress, id, cx),
            Direction::Outbound => self.follow_outbound(packet, parsed, ingress, id, cx),
        }
    }

    /// Client to server. Counted first, then judged, as `ip_vs_in_hook` does.
    fn follow_inbound<P>(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        ingress: &Interface,
        id: FlowId,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let Some((flow, real)) = self.flow_and_real(id, cx.snapshot) else {
            return self.follow_serverless(packet, parsed, ingress, id, cx);
        };
        if real.state == RealState::Deleted {
            return self.end_at_deleted(packet, parsed, ingress, real, cx);
        }
        self.account(id, Direction::Inbound, real, (&packet, parsed), cx);
        if flow.is_data {
            self.keep_control(id, cx.now_ms());
        }
        let virtual_ip = flow.virtual_ip;
        let hop = self.hop(id, Direction::Inbound, real.key.real_ip, cx);
        if hop == Hop::Local && flow.mode.is_one_way() {
            // The director is the server (`ip_vs_dr_xmit`, `local`): Linux has the VIP, and gets
            // the packet as it came.
            return self.punt(packet, parsed, ingress, local_class(parsed), cx);
        }
        if !lower_ttl(&mut packet, parsed) {
            self.complain(&packet, parsed, Trouble::TtlExceeded, virtual_ip, cx);
            return self.discard(packet, DropReason::TtlExpired, cx);
        }
        let too_big = match flow.mode {
            ForwardMode::Tun => {
                self.tunnel_too_big(&packet, parsed, real, hop, (cx.snapshot, cx.now))
            }
            ForwardMode::Nat | ForwardMode::Dr | ForwardMode::FullNat => {
                let to = (hop, real.key.real_ip);
                too_big(packet.bytes(), parsed, to, cx.snapshot)
            }
        };
        if let Some(mtu) = too_big {
            self.complain(&packet, parsed, Trouble::TooBig(mtu), virtual_ip, cx);
            return self.discard(packet, DropReason::MtuExceeded, cx);
        }
        if parsed.has_options && !options::record_route(&mut packet, parsed, virtual_ip) {
            return self.discard(packet, DropReason::RxMalformedIp, cx);
        }
        clamp_mss(&mut packet, parsed, real, cx.snapshot);
        let way = Way {
            id,
            flow,
            real,
            hop,
        };
        if flow.adjusted {
            self.pass_in(packet, parsed, &way, cx);
        } else {
            self.deliver(packet, parsed, &way, cx);
        }
    }

    /// The last part of a packet's way to its server.
    pub(crate) fn deliver<P>(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        way: &Way<'_>,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let Way {
            flow, real, hop, ..
        } = *way;
        let rewritten = match flow.mode {
            ForwardMode::Dr => true,
            ForwardMode::Tun => {
                return self.send_through(packet, parsed, real, hop, cx);
            }
            ForwardMode::Nat => {
                let real = (real.key.real_ip, flow.rport);
                nat::rewrite(&mut packet, parsed, nat::End::Destination, real)
            }
            ForwardMode::FullNat => {
                let real = (real.key.real_ip, flow.rport);
                return self.send_to_server(packet, parsed, (way.id, real), hop, cx);
            }
        };
        if !rewritten {
            return self.discard(packet, DropReason::RxMalformedL4, cx);
        }
        self.transmit(packet, parsed, hop, cx);
    }

    /// Takes a packet along a connection that has no real server.
    fn follow_serverless<P>(
        &mut self,
        packet: B,
        parsed: &Parsed,
        ingress: &Interface,
        id: FlowId,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        if self.is_farms(id) {
            self.farm_out(packet, parsed, ingress, id, cx);
        } else {
            self.follow_past(packet, parsed, ingress, id, cx);
        }
    }

    /// Server to client. Judged first, then counted: Linux forwards before IPVS sees it.
    fn follow_outbound<P>(
        &mut self,
        packet: B,
        parsed: &Parsed,
        ingress: &Interface,
        id: FlowId,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let Some((flow, real)) = self.flow_and_real(id, cx.snapshot) else {
            if self.is_farms(id) {
                return self.farm_back(packet, parsed, ingress, id, cx);
            }
            return self.discard(packet, DropReason::RealDeleted, cx);
        };
        let hop = self.hop(id, Direction::Outbound, flow.client_ip, cx);
        let to = (hop, flow.client_ip);
        let Some(mut packet) = self.let_travel(packet, parsed, ingress, to, cx) else {
            return;
        };
        self.account(id, Direction::Outbound, real, (&packet, parsed), cx);
        if flow.is_data {
            self.keep_control(id, cx.now_ms());
        }
        clamp_mss(&mut packet, parsed, real, cx.snapshot);
        let way = Way {
            id,
            flow,
            real,
            hop,
        };
        if flow.adjusted {
            self.pass_out(packet, parsed, &way, cx);
        } else {
            self.deliver_back(packet, parsed, &way, cx);
        }
    }

    /// The last part of a packet's way to its client.
    pub(crate) fn deliver_back<P>(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        way: &Way<'_>,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let Flow {
            client_ip, cport, ..
        } = way.flow;
        let service = (way.flow.virtual_ip, way.flow.vport);
        if way.flow.mode == ForwardMode::FullNat {
            let ends = (service, (client_ip, cport));
            return self.send_between(packet, parsed, ends, way.hop, cx);
        }
        if !nat::rewrite(&mut packet, parsed, nat::End::Source, service) {
            return self.discard(packet, DropReason::RxMalformedL4, cx);
        }
        self.transmit(packet, parsed, way.hop, cx);
    }

    /// Ends a client's packet whose server was deleted: silently, as the kernel does, because the
    /// server may be added again. If the service went with it, Linux tells the client.
    fn end_at_deleted<P>(
        &self,
        packet: B,
        parsed: &Parsed,
        ingress: &Interface,
        real: &RealServer,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let service = cx.snapshot.services.service(real.service);
        if service.is_some_and(|service| !service.deleted) {
            return self.discard(packet, DropReason::RealDeleted, cx);
        }
        self.punt(packet, parsed, ingress, local_class(parsed), cx);
    }

    /// Routes a packet that is not a service's, as the servers' gateway; Linux gets what is for it.
    pub(crate) fn route<P>(
        &mut self,
        packet: B,
        parsed: &Parsed,
        ingress: &Interface,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        if is_to_unused_port(parsed, cx.snapshot) {
            return self.discard(packet, DropReason::LocalPortUnused, cx);
        }
        let hop = cx.snapshot.fib.hop(Addr::from_octets(parsed.destination));
        let Some(packet) = self.gateway(packet, parsed, ingress, hop, cx) else {
            return;
        };
        if echo::is_ours(packet.bytes(), parsed, hop, cx.snapshot) {
            return self.answer_echo(packet, parsed, cx);
        }
        if let Some(class) = linux_takes(hop, parsed) {
            return self.punt(packet, parsed, ingress, class, cx);
        }
        if cx.snapshot.tunables.nat_icmp_send && defence::is_stray(packet.bytes(), parsed, cx) {
            return self.refuse_stray(packet, parsed, ingress, cx);
        }
        let to = (hop, Addr::from_octets(parsed.destination));
        if let Some(packet) = self.let_travel(packet, parsed, ingress, to, cx) {
            self.transmit(packet, parsed, hop, cx);
        }
    }

    /// Lowers the TTL and looks at the size, as Linux's `ip_forward`; answers and drops a packet
    /// that may not go on, by that hop, to that address.
    pub(crate) fn let_travel<P>(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        ingress: &Interface,
        (hop, to): (Hop, Addr),
        cx: &mut Context<'_, P>,
    ) -> Option<B>
    where
        P: PacketPool<Buf = B>,
    {
        let (trouble, reason) = if parsed.ttl <= 1 {
            (Trouble::TtlExceeded, DropReason::TtlExpired)
        } else if let Some(mtu) = too_big(packet.bytes(), parsed, (hop, to), cx.snapshot) {
            (Trouble::TooBig(mtu), DropReason::MtuExceeded)
        } else if lower_ttl(&mut packet, parsed) {
            let own = || egress_address(hop, Addr::from_octets(parsed.destination), cx.snapshot);
            if parsed.has_options && !options::record_route(&mut packet, parsed, own()) {
                self.discard(packet, DropReason::RxMalformedIp, cx);
                return None;
            }
            return Some(packet);
        } else {
            (Trouble::TtlExceeded, DropReason::TtlExpired)
        };
        let source = own_address(ingress, Addr::from_octets(parsed.source));
        self.complain(&packet, parsed, trouble, source, cx);
        self.discard(packet, reason, cx);
        None
    }
}

/// Bytes of an SCTP packet with the header of one chunk (`sctp_conn_schedule` drops less).
const SCTP_LEN_MIN: u32 = 16;

/// Lowers what a SYN announces to what its service allows; any other packet costs one comparison.
#[inline]
fn clamp_mss<B: PacketBuf>(
    packet: &mut B,
    parsed: &Parsed,
    real: &RealServer,
    snapshot: &Snapshot,
) {
    if parsed.tcp_flags & crate::tcp_state::flags::SYN == 0 {
        return;
    }
    let service = snapshot.services.service(real.service);
    if let Some(max) = service.and_then(|service| service.spec.mss_clamp) {
        mss::clamp(packet, parsed, max);
    }
}

/// Whether a packet to a local address has lost its connection, or never had one: nothing behind
/// these ports is for strangers, and what Linux has open there least of all.
fn is_to_unused_port(parsed: &Parsed, snapshot: &Snapshot) -> bool {
    !snapshot.locals.is_empty()
        && parsed.destination_port >= PORT_FIRST
        && parsed.fragment == Fragment::None
        && snapshot
            .locals
            .find(Addr::from_octets(parsed.destination))
            .is_some()
}

/// Whether a fragment, which has no ports, may be of a service's packet, either way.
fn of_a_service(parsed: &Parsed, snapshot: &Snapshot) -> bool {
    let source = Addr::from_octets(parsed.source);
    let destination = Addr::from_octets(parsed.destination);
    let services = &snapshot.services;
    services.is_service_address(destination)
        || services.is_service_address(source)
        || snapshot.classifier.may_mark(source, destination)
        || snapshot.locals.find(destination).is_some()
        || snat::may_cover(source, destination, snapshot)
}

/// Whether a packet may open a connection (`tcp_conn_schedule`, `udp_conn_schedule`,
/// `sctp_conn_schedule`).
pub(crate) fn opens(bytes: &[u8], parsed: &Parsed, tunables: &Tunables) -> bool {
    use crate::tcp_state::flags::{RST, SYN};
    match parsed.protocol {
        IpProtocol::TCP => {
            let (set, reset) = (parsed.tcp_flags & SYN != 0, parsed.tcp_flags & RST != 0);
            (set || tunables.sloppy_tcp) && !reset
        }
        IpProtocol::SCTP => match state::sctp(bytes, parsed).and_then(|sctp| sctp.first_chunk()) {
            Some(ChunkType::INIT) => true,
            Some(ChunkType::ABORT) | None => false,
            Some(_) => tunables.sloppy_sctp,
        },
        _ => true,
    }
}

/// Why a frame is none of this interface's business, or asks for what a router must not do.
fn refused(bytes: &[u8], parsed: &Parsed, iface: &Interface) -> Option<DropReason> {
    let frame = Ethernet::new_checked(bytes).ok()?;
    let destination = Mac(frame.destination().0);
    if Mac(frame.source().0) == iface.mac {
        Some(DropReason::RxOwnFrame)
    } else if !destination.is_group() && destination != iface.mac {
        Some(DropReason::RxWrongMac)
    } else if parsed.has_options && options::is_source_routed(bytes, parsed) {
        Some(DropReason::RxSourceRoute)
    } else {
        None
    }
}

/// The class of a packet that only Linux can make something of, whatever its addresses.
fn linux_only(bytes: &[u8], parsed: &Parsed) -> Option<PuntClass> {
    match parsed.kind {
        Kind::Arp => return Some(PuntClass::ArpNd),
        Kind::Other(_) => return Some(PuntClass::Other),
        Kind::Ipv4 | Kind::Ipv6 => {}
    }
    let message = bytes.get(usize::from(parsed.l4_offset)).copied();
    if parsed.protocol == IpProtocol::ICMPV6
        && parsed.fragment == Fragment::None
        && message.is_some_and(icmpv6::is_neighbour_discovery)
    {
        return Some(PuntClass::ArpNd);
    }
    let destination = Addr::from_octets(parsed.destination);
    let group = bytes.first().is_some_and(|octet| octet & 1 == 1);
    if group || destination.is_multicast_or_broadcast() {
        return Some(PuntClass::Multicast);
    }
    let source = Addr::from_octets(parsed.source);
    // Neither may be forwarded (RFC 3927 §2.7, RFC 4291 §2.5; RFC 1812 §5.3.7).
    let stays_here =
        destination.is_link_local() || source.is_link_local() || source.is_unspecified();
    stays_here.then(|| local_class(parsed))
}

/// The class of a packet that a route gives to Linux.
fn linux_takes(hop: Hop, parsed: &Parsed) -> Option<PuntClass> {
    match hop {
        Hop::Local => Some(local_class(parsed)),
        Hop::Kernel | Hop::None => Some(PuntClass::Unroutable),
        Hop::Ready(_) | Hop::Resolve { .. } | Hop::Blackhole => None,
    }
}

pub(crate) fn local_class(parsed: &Parsed) -> PuntClass {
    match parsed.protocol {
        IpProtocol::ICMP | IpProtocol::ICMPV6 => PuntClass::Icmp,
        _ => PuntClass::Local,
    }
}

/// The counter of a frame that the parser refuses.
fn reason_of(error: ParseError) -> DropReason {
    match error {
        ParseError::TruncatedEthernet | ParseError::TruncatedVlan | ParseError::TruncatedArp => {
            DropReason::RxMalformedL2
        }
        ParseError::VlanStacked => DropReason::RxVlanStacked,
        ParseError::Ipv4Checksum => DropReason::RxBadIpChecksum,
        ParseError::MartianSource | ParseError::MartianDestination => DropReason::RxMartian,
        ParseError::FragmentTooLong
        | ParseError::Ipv4BeyondPacket
        | ParseError::Ipv4HeaderLength
        | ParseError::Ipv4TotalLength
        | ParseError::Ipv4Version
        | ParseError::Ipv6BeyondPacket
        | ParseError::Ipv6ExtensionChain
        | ParseError::Ipv6ExtensionOrder
        | ParseError::Ipv6Jumbogram
        | ParseError::Ipv6RoutingType0
        | ParseError::Ipv6Version
        | ParseError::TruncatedFragment
        | ParseError::TruncatedIpv4
        | ParseError::TruncatedIpv6
        | ParseError::TruncatedIpv6Extension
        | ParseError::TruncatedQuote
        | ParseError::QuoteVersion => DropReason::RxMalformedIp,
        ParseError::TcpHeaderLength
        | ParseError::TruncatedIcmp
        | ParseError::TruncatedSctp
        | ParseError::TruncatedTcp
        | ParseError::TruncatedUdp
        | ParseError::UdpLength => DropReason::RxMalformedL4,
    }
}

#[cfg(test)]
pub(crate) mod tests;

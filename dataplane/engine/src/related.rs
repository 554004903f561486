// SPDX-License-Identifier: Apache-2.0
//! ICMP errors about connections: matched through the packet they quote, relayed to whoever sent it
//! (`ip_vs_in_icmp`, `ip_vs_out_icmp`, RFC 1812 §4.3.3, RFC 4443 §2.4).
//!
//! ```text
//!   from the client's side    quotes VIP:vport > client    its answer is the flow's inbound key
//!   from the server's side    quotes client > RIP:rport    its answer is the flow's outbound key
//! ```
//!
//! An error travels against the packet it is about, so the key of that packet's answer finds the
//! flow and the direction in one lookup, and names the worker whose flow it is. NAT translates both
//! headers ([`icmp_translate`]); DR and TUN pass the error on as it is. What has no flow goes the
//! way of any other packet.

use wire::buffer::{PacketBuf, PacketPool};
use wire::ipv4::IpProtocol;
use wire::packet::{Fragment, Kind, Parsed, Quote, parse_quote};
use wire::{icmp, icmpv6};

use model::addr::Addr;
use model::fib::Hop;
use model::ids::WorkerId;
use model::service::{ForwardMode, RealServer, RealState};
use model::snapshot::{Interface, Snapshot};

use crate::affinity;
use crate::egress::too_big;
use crate::engine::{Context, Engine};
use crate::flow_table::{Direction, FlowId, FlowKey, FlowMemory};
use crate::forward::icmp_error::Trouble;
use crate::forward::tun_icmp::{self, Inside};
use crate::forward::{icmp_translate, lower_ttl, nat, options};
use crate::ipsec;
use crate::path::local_class;
use crate::verdict::DropReason;

/// An ICMP error of a kind that is relayed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Related {
    /// The packet it is about, as far as it is quoted.
    pub(crate) quote: Quote,
    /// The key of a packet that answers that one: it goes where the error goes.
    pub(crate) key: FlowKey,
    /// If it may be a tunnel's, the packet inside.
    pub(crate) inside: Option<Inside>,
}

impl Related {
    /// The quoted packet and the one inside, if it may be a tunnel's.
    pub(crate) fn tunnelled(&self) -> Option<(&Quote, &Inside)> {
        self.inside.as_ref().map(|inside| (&self.quote, inside))
    }

    /// The worker whose flow it is about.
    pub(crate) fn owner(&self, snapshot: &Snapshot) -> Option<WorkerId> {
        affinity::owner(&self.key, snapshot)
            .or_else(|| affinity::owner(&self.inside?.key(), snapshot))
    }
}

/// What an ICMP error is about; `None` for every other packet, and for an error that quotes too
/// little, or a later fragment, which has no ports.
#[inline]
pub(crate) fn of(bytes: &[u8], parsed: &Parsed) -> Option<Related> {
    if !matches!(parsed.protocol, IpProtocol::ICMP | IpProtocol::ICMPV6) {
        return None;
    }
    let end = usize::try_from(parsed.frame_len()).unwrap_or(usize::MAX);
    let message = bytes.get(usize::from(parsed.l4_offset)..end.min(bytes.len()))?;
    if !is_relayed(parsed.kind, parsed.protocol, *message.first()?) {
        return None;
    }
    let quote = parse_quote(message.get(icmp::HEADER_LEN..)?).ok()?;
    if quote.kind != parsed.kind || quote.fragment == Fragment::Later {
        return None;
    }
    let ports = (quote.source_port, quote.destination_port);
    let (protocol, (source_port, destination_port)) = ipsec::flow_of(quote.protocol, ports);
    let cause = FlowKey {
        protocol: protocol.0,
        source: Addr::from_octets(quote.source),
        source_port,
        destination: Addr::from_octets(quote.destination),
        destination_port,
    };
    Some(Related {
        quote,
        key: cause.reversed(),
        inside: tun_icmp::inside(bytes, parsed, &quote),
    })
}

/// The kernel relays three types of ICMP and every error of `ICMPv6`
/// (`icmp6_type & ICMPV6_INFOMSG_MASK`).
const fn is_relayed(kind: Kind, protocol: IpProtocol, icmp_type: u8) -> bool {
    match (kind, protocol) {
        (Kind::Ipv4, IpProtocol::ICMP) => matches!(
            icmp_type,
            icmp::DESTINATION_UNREACHABLE | icmp::SOURCE_QUENCH | icmp::TIME_EXCEEDED
        ),
        (Kind::Ipv6, IpProtocol::ICMPV6) => icmpv6::is_error(icmp_type),
        _ => false,
    }
}

impl<B: PacketBuf, M: FlowMemory> Engine<B, M> {
    /// Takes an ICMP error along the flow it is about. It is counted as the flow's, but neither
    /// prolongs its life nor changes its state: anybody can send one.
    pub(crate) fn relay<P>(
        &mut self,
        packet: B,
        parsed: &Parsed,
        ingress: &Interface,
        (quote, (id, direction)): (&Quote, (FlowId, Direction)),
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        match direction {
            Direction::Inbound | Direction::Outbound if self.is_farms(id) => {
                self.relay_farm(packet, parsed, ingress, (quote, (id, direction)), cx);
            }
            Direction::Inbound if self.is_past(id) => self.route(packet, parsed, ingress, cx),
            Direction::Inbound => self.relay_inbound(packet, parsed, ingress, (quote, id), cx),
            Direction::Outbound => self.relay_outbound(packet, parsed, ingress, (quote, id), cx),
        }
    }

    /// To the server: `ip_vs_icmp_xmit`. An error is never answered by another, so one that may not
    /// go on ends silently.
    fn relay_inbound<P>(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        ingress: &Interface,
        (quote, id): (&Quote, FlowId),
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let Some((flow, real)) = self.flow_and_real(id, cx.snapshot) else {
            return self.discard(packet, DropReason::RealDeleted, cx);
        };
        let translated = matches!(flow.mode, ForwardMode::Nat | ForwardMode::FullNat);
        if translated && !icmp_translate::checksum_ok(&packet, parsed) {
            return self.discard(packet, DropReason::RxBadIcmpChecksum, cx);
        }
        self.count_related(id, Direction::Inbound, real, parsed);
        let hop = self.hop(id, Direction::Inbound, real.key.real_ip, cx);
        if hop == Hop::Local && flow.mode.is_one_way() {
            // The server is Linux here.
            return self.punt(packet, parsed, ingress, local_class(parsed), cx);
        }
        if !lower_ttl(&mut packet, parsed) {
            return self.discard(packet, DropReason::TtlExpired, cx);
        }
        let tunnelled = flow.mode == ForwardMode::Tun;
        let to = (hop, real.key.real_ip);
        if !tunnelled && too_big(packet.bytes(), parsed, to, cx.snapshot).is_some() {
            return self.discard(packet, DropReason::MtuExceeded, cx);
        }
        if parsed.has_options && !options::record_route(&mut packet, parsed, flow.virtual_ip) {
            return self.discard(packet, DropReason::RxMalformedIp, cx);
        }
        if tunnelled {
            return self.send_through(packet, parsed, real, hop, cx);
        }
        if flow.adjusted {
            self.renumber_quote(&mut packet, parsed, quote, (id, Direction::Inbound));
        }
        let to = (real.key.real_ip, flow.rport);
        let done = match flow.mode {
            ForwardMode::Nat => {
                icmp_translate::rewrite(&mut packet, parsed, quote, nat::End::Destination, to)
            }
            ForwardMode::FullNat => {
                let about = (quote, (id, to));
                return self.send_error_to_server(packet, parsed, about, (ingress, hop), cx);
            }
            ForwardMode::Dr | ForwardMode::Tun => true,
        };
        if !done {
            return self.discard(packet, DropReason::RxMalformedL4, cx);
        }
        self.transmit(packet, parsed, hop, cx);
    }

    /// To the client: `handle_response_icmp`. Whoever on the servers' side sent it, the client
    /// hears it from the VIP, the only address it knows.
    fn relay_outbound<P>(
        &mut self,
        packet: B,
        parsed: &Parsed,
        ingress: &Interface,
        (quote, id): (&Quote, FlowId),
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let Some((flow, real)) = self.flow_and_real(id, cx.snapshot) else {
            return self.discard(packet, DropReason::RealDeleted, cx);
        };
        let hop = cx.snapshot.fib.hop(flow.client_ip);
        let to = (hop, flow.client_ip);
        let Some(mut packet) = self.let_travel(packet, parsed, ingress, to, cx) else {
            return;
        };
        // Of the message alone: the TTL that was just lowered is not in its sum.
        if !icmp_translate::checksum_ok(&packet, parsed) {
            return self.discard(packet, DropReason::RxBadIcmpChecksum, cx);
        }
        self.count_related(id, Direction::Outbound, real, parsed);
        if flow.adjusted {
            self.renumber_quote(&mut packet, parsed, quote, (id, Direction::Outbound));
        }
        let service = (flow.virtual_ip, flow.vport);
        if flow.mode == ForwardMode::FullNat {
            let about = (quote, (service, (flow.client_ip, flow.cport)));
            return self.send_error_between(packet, parsed, about, (ingress, hop), cx);
        }
        if !icmp_translate::rewrite(&mut packet, parsed, quote, nat::End::Source, service) {
            return self.discard(packet, DropReason::RxMalformedL4, cx);
        }
        self.transmit(packet, parsed, hop, cx);
    }

    /// About what we had wrapped: the client hears of the packet inside, from the VIP
    /// (`ip_vs_in_icmp`: "Strip outer IP, ICMP and IPIP/UDP/GRE, go to IP header of client"). An
    /// error that is not what it says it is goes the way of any other packet.
    pub(crate) fn relay_from_tunnel<P>(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        ingress: &Interface,
        (quote, inside, id): (&Quote, &Inside, FlowId),
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let ours = self.flow_and_real(id, cx.snapshot).filter(|(flow, real)| {
            flow.mode == ForwardMode::Tun
                && *real.key.real_ip.octets() == quote.destination
                && parsed.destination == quote.source
        });
        let Some((flow, real)) = ours else {
            return self.route(packet, parsed, ingress, cx);
        };
        if !icmp_translate::checksum_ok(&packet, parsed) {
            return self.discard(packet, DropReason::RxBadIcmpChecksum, cx);
        }
        let trouble = match tun_icmp::told_mtu(packet.bytes(), parsed) {
            Some(mtu) => {
                let room = self.learn_path_mtu(real, mtu, cx.now);
                let told = inside.must_not_be_cut(packet.bytes());
                told.then_some(Trouble::TooBig(room))
            }
            None => tun_icmp::trouble(packet.bytes(), parsed, inside.quote.kind),
        };
        if let Some(trouble) = trouble {
            packet.truncate(usize::try_from(parsed.frame_len()).unwrap_or(usize::MAX));
            let about = inside.as_parsed(parsed);
            self.complain(&packet, &about, trouble, flow.virtual_ip, cx);
        }
        // It ends here, whatever became of it (`ignore_tunnel`: `NF_STOLEN`).
        self.board.worker.absorbed.add(1);
    }

    /// `ip_vs_in_stats` and `ip_vs_out_stats` of an error.
    fn count_related(
        &self,
        id: FlowId,
        direction: Direction,
        server: &RealServer,
        parsed: &Parsed,
    ) {
        let slot = self.flows.hot(id).map(|hot| hot.real());
        let counters = slot.and_then(|slot| self.board.real(slot));
        let Some(counters) = counters.filter(|_| server.state != RealState::Deleted) else {
            return;
        };
        let (packets, bytes) = match direction {
            Direction::Inbound => (&counters.packets_in, &counters.bytes_in),
            Direction::Outbound => (&counters.packets_out, &counters.bytes_out),
        };
        packets.add(1);
        bytes.add(u64::from(parsed.ip_len));
    }
}

#[cfg(test)]
mod tests;

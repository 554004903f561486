// SPDX-License-Identifier: Apache-2.0
//! The end of a packet's way: out of a port, to Linux, into a line, or nowhere.

use model::addr::Addr;
use model::fib::{Hop, NextHopId};
use model::ids::IfaceId;
use model::snapshot::{Interface, Snapshot};
use wire::buffer::{PacketBuf, PacketPool};
use wire::ethernet::EtherType;
use wire::ipv4::Ipv4;
use wire::packet::{Kind, Parsed, parse};

use crate::engine::{Context, Engine};
use crate::flow_table::{Direction, FlowKey, FlowMemory};
use crate::forward::icmp_error::{self, Trouble};
use crate::forward::{fragment, link, nat, xlat};
use crate::verdict::{DropReason, PuntClass, Verdict};
use crate::waiting::{Held, QueueFull, Resolve};

impl<B: PacketBuf, M: FlowMemory> Engine<B, M> {
    /// Drops a packet and counts why.
    pub(crate) fn discard<P>(&self, packet: B, reason: DropReason, cx: &mut Context<'_, P>)
    where
        P: PacketPool<Buf = B>,
    {
        self.board.count_drop(reason);
        cx.out.push(packet, Verdict::Drop(reason));
    }

    /// Hands a packet to Linux, without its VLAN tag: the twin belongs to the VLAN.
    pub(crate) fn punt<P>(
        &self,
        mut packet: B,
        parsed: &Parsed,
        ingress: &Interface,
        class: PuntClass,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let verdict = Verdict::Punt {
            iface: ingress.id,
            class,
        };
        match link::untag(&mut packet, parsed.l3_offset, ether_type(parsed.kind)) {
            Ok(()) => self.hand_over(packet, link::UNTAGGED_LEN, parsed, verdict, cx),
            Err(_) => self.discard(packet, DropReason::RxMalformedL2, cx),
        }
    }

    /// Sends a packet to its next hop, cut to pieces if the link wants it so.
    pub(crate) fn transmit<P>(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        hop: Hop,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        // Ethernet padding is not part of the packet, and the next link pads for itself.
        packet.truncate(usize::try_from(parsed.frame_len()).unwrap_or(usize::MAX));
        let mut mtu = egress(hop, cx.snapshot).map_or(u32::MAX, |iface| iface.mtu);
        let in_pieces = parsed.piece_len > 0;
        if in_pieces {
            // As it came: links behind the next one may be as small as its sender thought.
            mtu = mtu.min(parsed.piece_len.into());
        }
        if parsed.ip_len > mtu && (in_pieces || parsed.kind == Kind::Ipv4) {
            return self.transmit_pieces(packet, parsed, mtu, hop, cx);
        }
        self.send(packet, parsed.l3_offset, hop, cx);
    }

    pub(crate) fn transmit_pieces<P>(
        &mut self,
        packet: B,
        parsed: &Parsed,
        mtu: u32,
        hop: Hop,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let Context {
            snapshot,
            now,
            pool,
            out,
        } = cx;
        let whole = fragment::cut(&packet, parsed.l3_offset, parsed, mtu, *pool, |piece| {
            self.board.worker.generated.add(1);
            self.send_raw(piece, 0, hop, (snapshot, *now), out);
        });
        if whole {
            // What left are new packets; this one ends here.
            self.board.worker.absorbed.add(1);
        } else {
            self.discard(packet, DropReason::PoolEmpty, cx);
        }
    }

    /// Sends a packet whose network header starts at `l3_offset`.
    fn send<P>(&mut self, packet: B, l3_offset: u16, hop: Hop, cx: &mut Context<'_, P>)
    where
        P: PacketPool<Buf = B>,
    {
        self.send_raw(packet, l3_offset, hop, (cx.snapshot, cx.now), cx.out);
    }

    pub(crate) fn send_raw(
        &mut self,
        mut packet: B,
        l3_offset: u16,
        hop: Hop,
        (snapshot, now): (&Snapshot, model::time::Instant),
        out: &mut crate::verdict::Output<B>,
    ) {
        let reason = match hop {
            Hop::Ready(id) => match self.frame(&mut packet, l3_offset, id, snapshot) {
                Some(verdict) => return out.push(packet, verdict),
                None => DropReason::TxNoPort,
            },
            Hop::Resolve { iface, addr } => {
                match self
                    .waiting
                    .hold(Resolve { iface, addr }, packet, l3_offset, now)
                {
                    Ok(()) => return,
                    Err(QueueFull(refused)) => {
                        packet = refused;
                        DropReason::NeighbourQueueFull
                    }
                }
            }
            Hop::Blackhole => DropReason::Blackhole,
            Hop::Local | Hop::Kernel | Hop::None => DropReason::NoRoute,
        };
        self.board.count_drop(reason);
        out.push(packet, Verdict::Drop(reason));
    }

    /// Puts the Ethernet header of a next hop on a packet.
    fn frame(
        &self,
        packet: &mut B,
        l3_offset: u16,
        id: NextHopId,
        snapshot: &Snapshot,
    ) -> Option<Verdict> {
        let next = snapshot.fib.next_hop(id)?;
        let iface = snapshot.interfaces.get(next.iface)?;
        let version = packet.bytes().get(usize::from(l3_offset))? >> 4;
        let kind = if version == 4 {
            EtherType::IPV4
        } else {
            EtherType::IPV6
        };
        link::frame(packet, l3_offset, kind, iface, next.mac).ok()?;
        next.mark_used();
        Some(Verdict::Send { port: iface.port })
    }

    /// Sends an ICMP error about a packet to its sender, if that is allowed and within its rate.
    pub(crate) fn complain<P>(
        &mut self,
        packet: &B,
        parsed: &Parsed,
        trouble: Trouble,
        source: Addr,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let hop = cx.snapshot.fib.hop(Addr::from_octets(parsed.source));
        if !matches!(hop, Hop::Ready(_) | Hop::Resolve { .. })
            || !icmp_error::may_answer(packet.bytes(), parsed)
        {
            return;
        }
        let limit = cx.snapshot.tunables.icmp_errors_per_s;
        if !self.errors.allows(limit, cx.now) {
            self.board.worker.icmp_errors_suppressed.add(1);
            return;
        }
        self.ident = self.ident.wrapping_add(1);
        let ident = self.ident;
        if let Some(error) = icmp_error::make(packet, parsed, trouble, source, ident, cx.pool) {
            self.board.worker.generated.add(1);
            self.send(error, 0, hop, cx);
        }
    }

    /// Sends what waited for neighbours that are known now.
    pub(crate) fn release_resolved<P>(&mut self, cx: &mut Context<'_, P>)
    where
        P: PacketPool<Buf = B>,
    {
        for (held, id) in self.waiting.resolved(&cx.snapshot.fib) {
            self.send(held.packet, held.l3_offset, Hop::Ready(id), cx);
        }
    }

    /// Gives up on a neighbour that did not answer, and tells the sender as a router does.
    pub(crate) fn neighbour_failed<P>(&mut self, held: Held<B>, cx: &mut Context<'_, P>)
    where
        P: PacketPool<Buf = B>,
    {
        let Held {
            mut packet,
            l3_offset,
            ..
        } = held;
        // One without an Ethernet header was made here: an error, or a piece of a larger packet.
        if l3_offset > 0
            && let Ok(parsed) = parse(packet.bytes(), packet.total_len())
        {
            let to = Addr::from_octets(parsed.source);
            let source = self
                .untranslate(&mut packet, &parsed, cx.snapshot)
                .or_else(|| {
                    let iface = egress(cx.snapshot.fib.hop(to), cx.snapshot)?;
                    Some(own_address(iface, to))
                })
                .filter(|source| !source.is_unspecified());
            if let Some(source) = source {
                self.complain(&packet, &parsed, Trouble::HostUnreachable, source, cx);
            }
        }
        self.discard(packet, DropReason::NeighbourTimeout, cx);
    }

    /// Gives a packet that waits for a NAT server the destination back by which its client knows
    /// the connection, and returns the VIP; nothing is changed if it is no such packet.
    fn untranslate(&self, packet: &mut B, parsed: &Parsed, snapshot: &Snapshot) -> Option<Addr> {
        let answer = FlowKey::of(parsed).reversed();
        let (id, direction) = self.find(&answer, &snapshot.services)?;
        let (flow, _) = self.flow_and_real(id, snapshot)?;
        let known_as = (flow.virtual_ip, flow.vport);
        (direction == Direction::Outbound
            && nat::rewrite(packet, parsed, nat::End::Destination, known_as))
        .then_some(flow.virtual_ip)
    }
}

/// Whether a packet goes to an address of the other family, so that it has to be translated.
#[inline]
pub(crate) fn crosses(parsed: &Parsed, to: Addr) -> bool {
    to.is_v4() != (parsed.kind == Kind::Ipv4)
}

/// The interface a hop leaves by.
pub(crate) fn egress(hop: Hop, snapshot: &Snapshot) -> Option<&Interface> {
    let iface: IfaceId = match hop {
        Hop::Ready(id) => snapshot.fib.next_hop(id)?.iface,
        Hop::Resolve { iface, .. } => iface,
        Hop::Local | Hop::Kernel | Hop::Blackhole | Hop::None => return None,
    };
    snapshot.interfaces.get(iface)
}

/// The MTU to be told to the sender, if the packet is larger than the next link on its way to `to`
/// and must not be cut: IPv6, or IPv4 with DF.
pub(crate) fn too_big(
    bytes: &[u8],
    parsed: &Parsed,
    (hop, to): (Hop, Addr),
    snapshot: &Snapshot,
) -> Option<u32> {
    let mtu = egress(hop, snapshot)?.mtu;
    if crosses(parsed, to) {
        return xlat::too_big(bytes, parsed, mtu);
    }
    let longest = if parsed.piece_len > 0 {
        parsed.piece_len.into()
    } else {
        parsed.ip_len
    };
    if longest <= mtu {
        return None;
    }
    let header = bytes
        .get(usize::from(parsed.l3_offset)..)
        .unwrap_or_default();
    let may_cut = parsed.kind == Kind::Ipv4
        && Ipv4::new_checked(header).is_ok_and(|header| !header.dont_fragment());
    (!may_cut).then_some(mtu)
}

/// The address of an interface that a packet to `peer` carries as its source: of the subnet they
/// share, else any of the family; unspecified if there is none.
pub(crate) fn own_address(iface: &Interface, peer: Addr) -> Addr {
    let of_family = || {
        iface
            .addresses
            .iter()
            .filter(|own| own.addr.is_v4() == peer.is_v4())
    };
    of_family()
        .find(|own| own.contains(peer))
        .or_else(|| of_family().next())
        .map_or(Addr::UNSPECIFIED, |own| own.addr)
}

/// The address under which a packet to `destination` leaves; unspecified if there is none.
pub(crate) fn egress_address(hop: Hop, destination: Addr, snapshot: &Snapshot) -> Addr {
    egress(hop, snapshot).map_or(Addr::UNSPECIFIED, |iface| own_address(iface, destination))
}

const fn ether_type(kind: Kind) -> EtherType {
    match kind {
        Kind::Arp => EtherType::ARP,
        Kind::Ipv4 => EtherType::IPV4,
        Kind::Ipv6 => EtherType::IPV6,
        Kind::Other(other) => other,
    }
}

// SPDX-License-Identifier: Apache-2.0
//! FullNAT: the server sees a local address of the director in its client's place, so its answers
//! come back here whatever way its routes lead (DPVS's FNAT).
//!
//! ```text
//!   client:cport > VIP:vport   becomes   LIP:lport    > RIP:rport
//!   RIP:rport > LIP:lport      becomes   VIP:vport    > client:cport
//! ```
//!
//! The local port is such that its answers come to this worker ([`crate::local_ports`]). The local
//! address is of the server's family; if that is not the client's, packets are translated on their
//! way (NAT64 and its mirror, [`xlat`]).

use model::addr::Addr;
use model::fib::Hop;
use model::local::LocalUse;
use model::service::RealServer;
use model::snapshot::Interface;
use wire::buffer::{PacketBuf, PacketPool};
use wire::packet::{Kind, Parsed, Quote};

use crate::egress::{crosses, egress};
use crate::engine::{Context, Engine};
use crate::flow_table::{FlowId, FlowKey, FlowMemory};
use crate::forward::fullnat::{self, Ends};
use crate::forward::xlat;
use crate::forward::xlat::icmp::{Mtus, translate_error};
use crate::local_ports::{BLOCKS_MAX, Lease, NoPort, Peer};
use crate::verdict::DropReason;

impl<B: PacketBuf, M: FlowMemory> Engine<B, M> {
    /// Makes local ports ready for the next burst.
    pub(crate) fn maintain_local_ports<P>(&mut self, cx: &Context<'_, P>)
    where
        P: PacketPool<Buf = B>,
    {
        self.local_ports.tick(cx.snapshot, cx.now_ms());
        if !cx.snapshot.locals.is_empty() {
            self.flows.reserve_locals(BLOCKS_MAX);
        }
    }

    /// A local port for a connection to `server`.
    pub(crate) fn lease<P>(
        &mut self,
        key: &FlowKey,
        server: &RealServer,
        cx: &Context<'_, P>,
    ) -> Result<Lease, DropReason>
    where
        P: PacketPool<Buf = B>,
    {
        let snapshot = cx.snapshot;
        let service = snapshot.services.service(server.service);
        let pool = service
            .and_then(|service| service.spec.local_pool.as_deref())
            .and_then(|name| snapshot.locals.pool(name))
            .ok_or(DropReason::LocalPoolMissing)?;
        let peer = Peer {
            protocol: key.protocol,
            addr: server.key.real_ip,
            port: server.port_of(key.destination_port),
            used_for: LocalUse::Clients,
        };
        let addresses = pool.of_family(server.key.real_ip.is_v4());
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

    /// Gives a connection's local port back.
    pub(crate) fn release(&mut self, (block, port): (u16, u16)) {
        let local = self.local_ports.release(block, port);
        if let Some(gauge) = local.and_then(|local| self.board.local(local)) {
            gauge.set(gauge.get().saturating_sub(1));
        }
    }

    /// Sends a client's packet to the server as one of the director's.
    pub(crate) fn send_to_server<P>(
        &mut self,
        packet: B,
        parsed: &Parsed,
        (id, real): (FlowId, (Addr, u16)),
        hop: Hop,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        match self.flows.local_end(id) {
            Some(local) => self.send_between(packet, parsed, (local, real), hop, cx),
            None => self.discard(packet, DropReason::LocalPoolMissing, cx),
        }
    }

    /// The same of an ICMP error.
    pub(crate) fn send_error_to_server<P>(
        &mut self,
        packet: B,
        parsed: &Parsed,
        (quote, (id, real)): (&Quote, (FlowId, (Addr, u16))),
        way: (&Interface, Hop),
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        match self.flows.local_end(id) {
            Some(local) => self.send_error_between(packet, parsed, (quote, (local, real)), way, cx),
            None => self.discard(packet, DropReason::LocalPoolMissing, cx),
        }
    }

    /// Gives a packet both ends, in the family of these, and sends it.
    pub(crate) fn send_between<P>(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        ends: Ends,
        hop: Hop,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        if !crosses(parsed, ends.0.0) {
            if fullnat::rewrite(&mut packet, parsed, ends) {
                return self.transmit(packet, parsed, hop, cx);
            }
            return self.discard(packet, DropReason::RxMalformedL4, cx);
        }
        self.ident = self.ident.wrapping_add(1);
        match xlat::translate(&mut packet, parsed, &ends.into(), self.ident) {
            Ok(parsed) => self.transmit(packet, &parsed, hop, cx),
            Err(reason) => self.discard(packet, reason, cx),
        }
    }

    /// Gives an ICMP error both ends, and the packet it quotes the same in exchange, all in the
    /// family of these, and sends it on from one link to the next.
    pub(crate) fn send_error_between<P>(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        (quote, ends): (&Quote, Ends),
        (ingress, hop): (&Interface, Hop),
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        if !crosses(parsed, ends.0.0) {
            if fullnat::rewrite_error(&mut packet, parsed, quote, ends) {
                return self.transmit(packet, parsed, hop, cx);
            }
            return self.discard(packet, DropReason::RxMalformedL4, cx);
        }
        let next = egress(hop, cx.snapshot).map_or(u32::MAX, |iface| iface.mtu);
        let (v4, v6) = match parsed.kind {
            Kind::Ipv4 => (ingress.mtu, next),
            Kind::Ipv6 | Kind::Arp | Kind::Other(_) => (next, ingress.mtu),
        };
        let quoted = (ends.1, ends.0).into();
        let ends = (&ends.into(), &quoted);
        match translate_error(&mut packet, parsed, quote, ends, Mtus { v4, v6 }) {
            Ok(parsed) => self.transmit(packet, &parsed, hop, cx),
            Err(reason) => self.discard(packet, reason, cx),
        }
    }
}

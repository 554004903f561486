// SPDX-License-Identifier: Apache-2.0
//! FullNAT: the server sees a local address of the director in its client's place, so its answers
//! come back here whatever way its routes lead (DPVS's FNAT).
//!
//! ```text
//!   client:cport > VIP:vport   becomes   LIP:lport    > RIP:rport
//!   RIP:rport > LIP:lport      becomes   VIP:vport    > client:cport
//! ```
//!
//! The local port is such that its answers come to this worker ([`crate::local_ports`]).

use model::addr::Addr;
use model::local::LocalUse;
use model::service::RealServer;
use wire::buffer::{PacketBuf, PacketPool};
use wire::packet::{Parsed, Quote};

use crate::engine::{Context, Engine};
use crate::flow_table::{FlowId, FlowKey, FlowMemory};
use crate::forward::fullnat;
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
            port: server.key.port_of(key.destination_port),
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

    /// Makes a client's packet one of the director's to the server. `false` if it cannot be.
    pub(crate) fn to_server(
        &self,
        packet: &mut B,
        parsed: &Parsed,
        id: FlowId,
        real: (Addr, u16),
    ) -> bool {
        let local = self.flows.local_end(id);
        local.is_some_and(|local| fullnat::rewrite(packet, parsed, (local, real)))
    }

    /// The same of an ICMP error.
    pub(crate) fn error_to_server(
        &self,
        packet: &mut B,
        parsed: &Parsed,
        (quote, id): (&Quote, FlowId),
        real: (Addr, u16),
    ) -> bool {
        let local = self.flows.local_end(id);
        local.is_some_and(|local| fullnat::rewrite_error(packet, parsed, quote, (local, real)))
    }
}

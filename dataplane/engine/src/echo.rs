// SPDX-License-Identifier: Apache-2.0
//! Echo requests to a virtual address that Linux does not have: a network of them, or one that is
//! routed here and put on no interface. Nobody else would answer ([`crate::forward::echo`]).
//!
//! What Linux has stays Linux's: it answers, or does not, as the operator set it up
//! (`docs/decisions/0020-echo.md`).

use model::addr::Addr;
use model::fib::Hop;
use model::snapshot::Snapshot;
use wire::buffer::{PacketBuf, PacketPool};
use wire::packet::Parsed;

use crate::egress::too_big;
use crate::engine::{Context, Engine};
use crate::flow_table::FlowMemory;
use crate::forward::{echo, icmp_translate};
use crate::verdict::DropReason;

/// Whether the dataplane has to answer a packet that goes to `hop`.
pub(crate) fn is_ours(bytes: &[u8], parsed: &Parsed, hop: Hop, snapshot: &Snapshot) -> bool {
    hop != Hop::Local
        && echo::is_request(bytes, parsed)
        && snapshot
            .services
            .is_virtual(Addr::from_octets(parsed.destination))
}

impl<B: PacketBuf, M: FlowMemory> Engine<B, M> {
    /// Sends an echo request back as its reply.
    pub(crate) fn answer_echo<P>(&mut self, mut packet: B, parsed: &Parsed, cx: &mut Context<'_, P>)
    where
        P: PacketPool<Buf = B>,
    {
        if !icmp_translate::checksum_ok(&packet, parsed) {
            return self.discard(packet, DropReason::RxBadIcmpChecksum, cx);
        }
        let limit = cx.snapshot.tunables.icmp_echoes_per_s;
        if !self.echoes.allows(limit, cx.now) {
            return self.discard(packet, DropReason::EchoRate, cx);
        }
        let hop = cx.snapshot.fib.hop(Addr::from_octets(parsed.source));
        self.ident = self.ident.wrapping_add(1);
        let Some(reply) = echo::turn(&mut packet, parsed, self.ident) else {
            return self.discard(packet, DropReason::RxMalformedL4, cx);
        };
        if too_big(
            packet.bytes(),
            &reply,
            (hop, Addr::from_octets(reply.destination)),
            cx.snapshot,
        )
        .is_some()
        {
            return self.discard(packet, DropReason::MtuExceeded, cx);
        }
        self.board.worker.icmp_echoes.add(1);
        self.transmit(packet, &reply, hop, cx);
    }
}

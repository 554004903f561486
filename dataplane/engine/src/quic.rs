// SPDX-License-Identifier: Apache-2.0
//! QUIC services: the server that a connection id names gets the packet, from whatever address the
//! client sends it (RFC 9000 §9; [`wire::quic`]).
//!
//! A packet without a flow goes to the server it names, if it names one; Initial packets, and ids
//! that name nobody, are scheduled as any other. Either way there is a flow then, which takes the
//! rest. A flow gives way to a packet that names another server: the client's address has passed to
//! another client, or carries two connections.

use model::ids::RealId;
use model::service::{QuicServerId, VirtualService};
use model::snapshot::Snapshot;
use wire::ipv4::IpProtocol;
use wire::packet::Parsed;
use wire::quic::{Destination, destination, server_id};
use wire::udp::Udp;

/// The server of a QUIC service that a packet names.
pub(crate) fn named(
    service: &VirtualService,
    bytes: &[u8],
    parsed: &Parsed,
    snapshot: &Snapshot,
) -> Option<RealId> {
    let quic = service.spec.quic?;
    if parsed.protocol != IpProtocol::UDP {
        return None;
    }
    let end = usize::try_from(parsed.frame_len()).unwrap_or(usize::MAX);
    let datagram = bytes.get(usize::from(parsed.l4_offset)..end.min(bytes.len()))?;
    let payload = Udp::new_checked(datagram).ok()?.payload();
    let Destination::Server(connection_id) = destination(payload)? else {
        return None;
    };
    let id = server_id(connection_id, quic.config, quic.server_id_len)?;
    let id = QuicServerId::new(id)?;
    snapshot.services.quic_server(service.id, id)
}

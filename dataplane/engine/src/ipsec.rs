// SPDX-License-Identifier: Apache-2.0
//! ESP and AH, which have no ports, belong to the IKE exchange that set them up: the UDP flow
//! between port 500 of the same two addresses (`ip_vs_proto_ah_esp.c`; RFC 7296 §2).
//!
//! So they have its key: they go to its server, by its method, are owned by its owner, and keep it
//! alive. They open nothing; without such a flow they go the way of any other packet. NAT changes
//! their address alone: what ESP protects does not include it, what AH protects does (RFC 4302
//! §3.3.3.1.1.1), so AH needs DR or TUN. IKE that has found a NAT on its way wraps ESP in UDP, port
//! 4500 (RFC 3948): a flow like any other.

use wire::ipv4::IpProtocol;

/// The port of IKE (RFC 7296 §2).
const IKE_PORT: u16 = 500;

/// Whether packets of `protocol` belong to an IKE flow.
#[must_use]
#[inline]
pub const fn is_of_ike(protocol: IpProtocol) -> bool {
    matches!(protocol, IpProtocol::ESP | IpProtocol::AH)
}

/// The protocol and ports, source first, of the flow that packets with these belong to.
#[must_use]
#[inline]
pub const fn flow_of(protocol: IpProtocol, ports: (u16, u16)) -> (IpProtocol, (u16, u16)) {
    if is_of_ike(protocol) {
        (IpProtocol::UDP, (IKE_PORT, IKE_PORT))
    } else {
        (protocol, ports)
    }
}

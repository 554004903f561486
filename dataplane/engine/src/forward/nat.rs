// SPDX-License-Identifier: Apache-2.0
//! Masquerading: one end of the packet is replaced (`ip_vs_proto_{tcp,udp,sctp}.c`,
//! `*_dnat_handler`, `*_snat_handler`).
//!
//! Checksums are updated incrementally (RFC 1624), so a packet that came in damaged leaves damaged
//! and the receiver notices; the kernel computes SCTP's anew and makes a damaged packet look sound.
//! A UDP packet without checksum gets one, as in the kernel.

use model::addr::Addr;
use wire::buffer::PacketBuf;
pub(super) use wire::checksum::sum_of;
use wire::checksum::{self, Delta};
use wire::ipv4::{IpProtocol, Ipv4Mut};
use wire::ipv6::Ipv6Mut;
use wire::packet::{Kind, Parsed};
use wire::sctp::SctpMut;
use wire::tcp::TcpMut;
use wire::udp::{Udp, UdpMut};

/// Which end of the packet is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Towards the real server: VIP and vport become RIP and rport.
    Destination,
    /// Towards the client: RIP and rport become VIP and vport.
    Source,
}

/// Gives one end of a whole TCP, UDP or SCTP packet the address and port `to`. `false`, with
/// nothing changed, if the headers are not where the parse found them or the families differ.
#[must_use]
pub fn rewrite<B: PacketBuf>(packet: &mut B, parsed: &Parsed, end: End, to: (Addr, u16)) -> bool {
    let (old_addr, old_port) = match end {
        End::Destination => (&parsed.destination, parsed.destination_port),
        End::Source => (&parsed.source, parsed.source_port),
    };
    let (addr, port) = to;
    if addr.is_v4() != (parsed.kind == Kind::Ipv4) {
        return false;
    }
    let addresses = Delta::new().address(old_addr, addr.octets());
    let bytes = packet.bytes_mut();
    let Some((network, transport)) = bytes.split_at_mut_checked(usize::from(parsed.l4_offset))
    else {
        return false;
    };
    let Some(network) = network.get_mut(usize::from(parsed.l3_offset)..) else {
        return false;
    };
    let delta = addresses.word(old_port, port);
    let unsummed = parsed.protocol == IpProtocol::UDP
        && Udp::new_checked(transport).is_ok_and(|header| header.checksum() == 0);
    let rewritten = rewrite_transport(transport, parsed, end, port, delta)
        && rewrite_network(network, parsed.kind, end, addr, addresses);
    if rewritten && unsummed {
        let ends = match end {
            End::Destination => (&parsed.source, addr.octets()),
            End::Source => (addr.octets(), &parsed.destination),
        };
        fill_udp_checksum(packet, parsed, ends);
    }
    rewritten
}

/// `udp_dnat_handler`: "full checksum calculation", its branch for a checksum of 0.
/// Its addresses will be `ends`, source first.
pub(super) fn fill_udp_checksum<B: PacketBuf>(
    packet: &mut B,
    parsed: &Parsed,
    (source, destination): (&[u8; 16], &[u8; 16]),
) {
    let length = parsed.l4_len();
    let pseudo = checksum::pseudo_v6(source, destination, parsed.protocol, length);
    let from = usize::from(parsed.l4_offset);
    let to = from.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
    let sum = !checksum::add(pseudo, sum_of(packet, from, to));
    let transport = packet.bytes_mut().get_mut(from..).unwrap_or_default();
    if let Ok(mut header) = UdpMut::new_checked(transport) {
        header.set_checksum(checksum::udp_to_wire(sum));
    }
}

pub(crate) fn rewrite_network(
    bytes: &mut [u8],
    kind: Kind,
    end: End,
    addr: Addr,
    delta: Delta,
) -> bool {
    match kind {
        Kind::Ipv4 => {
            let Ok(mut header) = Ipv4Mut::new_checked(bytes) else {
                return false;
            };
            match end {
                End::Destination => header.set_destination(addr.v4_octets()),
                End::Source => header.set_source(addr.v4_octets()),
            }
            header.update_checksum(delta);
            true
        }
        Kind::Ipv6 => {
            let Ok(mut header) = Ipv6Mut::new_checked(bytes) else {
                return false;
            };
            match end {
                End::Destination => header.set_destination(*addr.octets()),
                End::Source => header.set_source(*addr.octets()),
            }
            true
        }
        Kind::Arp | Kind::Other(_) => false,
    }
}

pub(super) fn rewrite_transport(
    bytes: &mut [u8],
    parsed: &Parsed,
    end: End,
    port: u16,
    delta: Delta,
) -> bool {
    match parsed.protocol {
        IpProtocol::TCP => {
            let Ok(mut header) = TcpMut::new_checked(bytes) else {
                return false;
            };
            match end {
                End::Destination => header.set_destination_port(port),
                End::Source => header.set_source_port(port),
            }
            let checksum = delta.apply(header.checksum());
            header.set_checksum(checksum);
            true
        }
        IpProtocol::UDP => {
            let Ok(mut header) = UdpMut::new_checked(bytes) else {
                return false;
            };
            match end {
                End::Destination => header.set_destination_port(port),
                End::Source => header.set_source_port(port),
            }
            let checksum = delta.apply_udp(header.checksum());
            header.set_checksum(checksum);
            true
        }
        IpProtocol::SCTP => {
            let Ok(len) = u16::try_from(parsed.l4_len()) else {
                return false;
            };
            let Ok(mut header) = SctpMut::new_checked(bytes) else {
                return false;
            };
            match end {
                End::Destination => header.set_ports(parsed.source_port, port, len),
                End::Source => header.set_ports(port, parsed.destination_port, len),
            }
            true
        }
        // They have no ports, and what they protect is not ours to sum.
        IpProtocol::ESP | IpProtocol::AH => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;

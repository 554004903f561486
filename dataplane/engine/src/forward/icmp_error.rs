// SPDX-License-Identifier: Apache-2.0
//! The error messages a director sends on its own account, worded as Linux words them.

use model::addr::Addr;
use wire::buffer::{PacketBuf, PacketPool};
use wire::ipv4::IpProtocol;
use wire::packet::{Fragment, Kind, Parsed};
use wire::{icmp, icmpv6};

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No real server takes the connection (ICMP 3/3, ICMPv6 1/4).
    PortUnreachable,
    /// The neighbour does not answer (ICMP 3/1, ICMPv6 1/3).
    HostUnreachable,
    /// The TTL ran out (ICMP 11/0, ICMPv6 3/0).
    TtlExceeded,
    /// Larger than the next link's MTU, in bytes (ICMP 3/4, ICMPv6 2/0).
    TooBig(u32),
    /// What somebody further on said of a packet that we had wrapped.
    Relayed {
        /// The message's type, of the packet's family.
        icmp_type: u8,
        /// Its code.
        code: u8,
    },
}

/// Whether an error may be sent about that packet at all (RFC 1812 §4.3.2.7, RFC 4443 §2.4 (e)):
/// not about an error message, a later fragment, or a packet from or to a group.
#[must_use]
pub fn may_answer(bytes: &[u8], parsed: &Parsed) -> bool {
    let source = Addr::from_octets(parsed.source);
    let single = |addr: Addr| !addr.is_multicast_or_broadcast();
    if parsed.fragment == Fragment::Later
        || !single(source)
        || !single(Addr::from_octets(parsed.destination))
        || source.is_unspecified()
    {
        return false;
    }
    let message = bytes.get(usize::from(parsed.l4_offset)).copied();
    match parsed.protocol {
        IpProtocol::ICMP => message.is_some_and(|kind| !icmp::is_error(kind)),
        IpProtocol::ICMPV6 => message.is_some_and(|kind| !icmpv6::is_error(kind)),
        _ => true,
    }
}

/// Makes the error about `packet`, from `source` to the packet's sender: an IP packet without an
/// Ethernet header. `None` if no buffer was free or nothing can be quoted.
pub fn make<P: PacketPool>(
    packet: &P::Buf,
    parsed: &Parsed,
    trouble: Trouble,
    source: Addr,
    ident: u16,
    pool: &mut P,
) -> Option<P::Buf> {
    let quoted = packet.bytes().get(usize::from(parsed.l3_offset)..)?;
    let destination = Addr::from_octets(parsed.source);
    let mut error = pool.alloc()?;
    match parsed.kind {
        Kind::Ipv4 => {
            error.append(icmp::error_len(quoted)).ok()?;
            let message = match trouble {
                Trouble::PortUnreachable => {
                    icmp::ErrorMessage::unreachable(icmp::CODE_PORT_UNREACHABLE)
                }
                Trouble::HostUnreachable => {
                    icmp::ErrorMessage::unreachable(icmp::CODE_HOST_UNREACHABLE)
                }
                Trouble::TtlExceeded => icmp::ErrorMessage::ttl_exceeded(),
                Trouble::TooBig(mtu) => {
                    icmp::ErrorMessage::fragmentation_needed(u16::try_from(mtu).unwrap_or(u16::MAX))
                }
                Trouble::Relayed { icmp_type, code } => relayed(icmp_type, code),
            };
            icmp::write_error(
                error.bytes_mut(),
                message,
                source.v4_octets(),
                destination.v4_octets(),
                ident,
                quoted,
            )
            .ok()?;
        }
        Kind::Ipv6 => {
            error.append(icmpv6::error_len(quoted)).ok()?;
            let message = match trouble {
                Trouble::PortUnreachable => icmpv6::unreachable(icmpv6::CODE_PORT_UNREACHABLE),
                Trouble::HostUnreachable => icmpv6::unreachable(icmpv6::CODE_ADDRESS_UNREACHABLE),
                Trouble::TtlExceeded => icmpv6::hop_limit_exceeded(),
                Trouble::TooBig(mtu) => icmpv6::packet_too_big(mtu),
                Trouble::Relayed { icmp_type, code } => relayed(icmp_type, code),
            };
            icmpv6::write_error(
                error.bytes_mut(),
                message,
                *source.octets(),
                *destination.octets(),
                quoted,
            )
            .ok()?;
        }
        Kind::Arp | Kind::Other(_) => return None,
    }
    Some(error)
}

const fn relayed(icmp_type: u8, code: u8) -> icmp::ErrorMessage {
    icmp::ErrorMessage {
        icmp_type,
        code,
        rest: 0,
    }
}

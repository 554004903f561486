// SPDX-License-Identifier: Apache-2.0
//! `ICMPv6` (RFC 4443): types, error messages as Linux writes them. The header is that of
//! [`Icmp`].

pub use crate::icmp::{ErrorMessage, HEADER_LEN, Icmp, IcmpMut};

use crate::ipv4::IpProtocol;
use crate::ipv6::{self, Ipv6, Ipv6Mut};
use crate::{WireError, checksum, clamped, icmp};

/// Bytes of an error message, outer IP header included (RFC 4443 §2.4 c).
pub const ERROR_LEN_MAX: usize = ipv6::MTU_MIN;
/// Hop limit of a message written here, Linux's default.
pub const HOP_LIMIT: u8 = 64;

/// Type of "destination unreachable".
pub const DESTINATION_UNREACHABLE: u8 = 1;
/// Type of "packet too big".
pub const PACKET_TOO_BIG: u8 = 2;
/// Type of "time exceeded".
pub const TIME_EXCEEDED: u8 = 3;
/// Type of "parameter problem".
pub const PARAMETER_PROBLEM: u8 = 4;
/// Type of an echo request.
pub const ECHO_REQUEST: u8 = 128;
/// Type of an echo reply.
pub const ECHO_REPLY: u8 = 129;
/// Type of a router solicitation, RFC 4861.
pub const ROUTER_SOLICITATION: u8 = 133;
/// Type of a router advertisement, RFC 4861.
pub const ROUTER_ADVERTISEMENT: u8 = 134;
/// Type of a neighbour solicitation, RFC 4861.
pub const NEIGHBOUR_SOLICITATION: u8 = 135;
/// Type of a neighbour advertisement, RFC 4861.
pub const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// Type of a redirect, RFC 4861; informational by number, an order by meaning.
pub const REDIRECT: u8 = 137;

/// Destination unreachable: no route.
pub const CODE_NO_ROUTE: u8 = 0;
/// Destination unreachable: administratively prohibited.
pub const CODE_PROHIBITED: u8 = 1;
/// Destination unreachable: address.
pub const CODE_ADDRESS_UNREACHABLE: u8 = 3;
/// Destination unreachable: port.
pub const CODE_PORT_UNREACHABLE: u8 = 4;
/// Time exceeded: in transit.
pub const CODE_HOP_LIMIT_EXCEEDED: u8 = 0;
/// Time exceeded: in reassembly.
pub const CODE_REASSEMBLY_EXCEEDED: u8 = 1;

/// Whether a message of this type quotes the packet it is about: the high bit is clear
/// (RFC 4443 §2.1).
#[inline]
#[must_use]
pub const fn is_error(icmp_type: u8) -> bool {
    icmp_type < 0x80
}

/// Whether a message of this type is neighbour discovery (RFC 4861), which the kernel twin of a
/// port answers.
#[inline]
#[must_use]
pub const fn is_neighbour_discovery(icmp_type: u8) -> bool {
    matches!(icmp_type, ROUTER_SOLICITATION..=REDIRECT)
}

/// Destination unreachable, with one of its codes.
#[must_use]
pub const fn unreachable(code: u8) -> ErrorMessage {
    ErrorMessage {
        icmp_type: DESTINATION_UNREACHABLE,
        code,
        rest: 0,
    }
}

/// Packet too big; `mtu` is that of the next hop, in bytes.
#[must_use]
pub const fn packet_too_big(mtu: u32) -> ErrorMessage {
    ErrorMessage {
        icmp_type: PACKET_TOO_BIG,
        code: 0,
        rest: mtu,
    }
}

/// The hop limit ran out in transit.
#[must_use]
pub const fn hop_limit_exceeded() -> ErrorMessage {
    ErrorMessage {
        icmp_type: TIME_EXCEEDED,
        code: CODE_HOP_LIMIT_EXCEEDED,
        rest: 0,
    }
}

/// Bytes of the IP packet that [`write_error`] makes of `quoted`.
#[must_use]
pub fn error_len(quoted: &[u8]) -> usize {
    quote(quoted).len().saturating_add(OUTER_LEN)
}

/// Writes an error about the IPv6 packet `quoted` (from its IP header on) to `target`, IP header
/// included, as Linux does: traffic class and flow label 0, hop limit 64, as much of the quote as
/// fits [`ERROR_LEN_MAX`]. Returns the bytes written.
///
/// # Errors
/// [`WireError::Truncated`] when `quoted` has no whole IP header, [`WireError::NoRoom`] when
/// `target` is shorter than [`error_len`].
pub fn write_error(
    target: &mut [u8],
    error: ErrorMessage,
    source: [u8; 16],
    destination: [u8; 16],
    quoted: &[u8],
) -> Result<usize, WireError> {
    Ipv6::new_checked(quoted)?;
    let quote = quote(quoted);
    let len = quote.len().saturating_add(OUTER_LEN);
    let target = target.get_mut(..len).ok_or(WireError::NoRoom)?;
    let (header, message) = target
        .split_at_mut_checked(ipv6::HEADER_LEN)
        .ok_or(WireError::NoRoom)?;
    let message_len = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let mut ip = Ipv6Mut::new_checked(header)?;
    ip.set_class_and_label(0, 0);
    ip.set_payload_len(message_len);
    ip.set_next_header(IpProtocol::ICMPV6);
    ip.set_hop_limit(HOP_LIMIT);
    ip.set_source(source);
    ip.set_destination(destination);
    icmp::write_message(message, error, quote)?;
    let pseudo = checksum::pseudo_v6(
        &source,
        &destination,
        IpProtocol::ICMPV6,
        message_len.into(),
    );
    let checksum = checksum::transport(pseudo, message);
    IcmpMut::new_checked(message)?.set_checksum(checksum);
    Ok(len)
}

/// As much of the packet as an error carries: Ethernet padding is not part of it.
fn quote(quoted: &[u8]) -> &[u8] {
    let payload = Ipv6::new_checked(quoted).map_or(0, |ip| usize::from(ip.payload_len()));
    clamped(
        quoted,
        0,
        payload.saturating_add(ipv6::HEADER_LEN).min(QUOTE_LEN_MAX),
    )
}

const OUTER_LEN: usize = ipv6::HEADER_LEN + HEADER_LEN;
const QUOTE_LEN_MAX: usize = ERROR_LEN_MAX - OUTER_LEN;

#[cfg(test)]
mod tests;

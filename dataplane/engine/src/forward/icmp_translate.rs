// SPDX-License-Identifier: Apache-2.0
//! ICMP errors about masqueraded connections: the message and the packet it quotes are given the
//! address that its receiver knows (`ip_vs_nat_icmp`, `ip_vs_nat_icmp_v6`; RFC 5508 §4.2).
//!
//! ```text
//!   towards the server   to VIP,       quotes VIP:vport > client
//!              becomes   to RIP,       quotes RIP:rport > client
//!   towards the client   from anybody, quotes client > RIP:rport
//!              becomes   from VIP,     quotes client > VIP:vport
//! ```
//!
//! The kernel leaves the transport checksum inside the quote stale. Here it is brought up to date
//! if the quote is long enough to have one, so the receiver sees its own packet again.

use model::addr::Addr;
use wire::buffer::PacketBuf;
use wire::checksum::{self, Delta};
use wire::icmp::{self, Icmp, IcmpMut};
use wire::ipv4::{IpProtocol, Ipv4};
use wire::packet::{Kind, Parsed, Quote};
use wire::sctp::{Sctp, SctpMut};

use super::nat::{self, End};

/// Whether the checksum of an ICMP or `ICMPv6` message is right (RFC 792, RFC 4443 §2.3).
#[must_use]
pub fn checksum_ok<B: PacketBuf>(packet: &B, parsed: &Parsed) -> bool {
    let length = parsed.l4_len();
    let from = usize::from(parsed.l4_offset);
    let to = from.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
    let pseudo = if parsed.kind == Kind::Ipv6 {
        checksum::pseudo_v6(&parsed.source, &parsed.destination, parsed.protocol, length)
    } else {
        0
    };
    checksum::add(pseudo, nat::sum_of(packet, from, to)) == 0xffff
}

/// Gives one end of an ICMP error the address of `to`, and the other end of the packet it quotes
/// address and port. `false` if the headers are not where the parse found them or the families
/// differ; the packet is of no use then.
#[must_use]
pub fn rewrite<B: PacketBuf>(
    packet: &mut B,
    parsed: &Parsed,
    quote: &Quote,
    end: End,
    to: (Addr, u16),
) -> bool {
    let (addr, _) = to;
    if addr.is_v4() != (parsed.kind == Kind::Ipv4) || quote.kind != parsed.kind {
        return false;
    }
    let old = match end {
        End::Destination => &parsed.destination,
        End::Source => &parsed.source,
    };
    let outer = Delta::new().address(old, addr.octets());
    // Padding behind the message is nobody's.
    let message_len = usize::try_from(parsed.l4_len()).unwrap_or(usize::MAX);
    let bytes = packet.bytes_mut();
    let Some((network, message)) = bytes.split_at_mut_checked(usize::from(parsed.l4_offset)) else {
        return false;
    };
    let message_len = message_len.min(message.len());
    let (Some(network), Some((header, quoted))) = (
        network.get_mut(usize::from(parsed.l3_offset)..),
        message
            .get_mut(..message_len)
            .and_then(|message| message.split_at_mut_checked(icmp::HEADER_LEN)),
    ) else {
        return false;
    };
    let Some(inner) = rewrite_quote(quoted, quote, end, to) else {
        return false;
    };
    // Only ICMPv6 sums its pseudo header too.
    let delta = if parsed.kind == Kind::Ipv6 {
        inner.and(outer)
    } else {
        inner
    };
    update_checksum(header, delta) && nat::rewrite_network(network, parsed.kind, end, addr, outer)
}

/// Gives the TCP segment that an error quotes the sequence number by which its sender knows it.
/// Nothing happens if it is not there; the sender would take it for one out of its window then.
pub fn renumber<B: PacketBuf>(
    packet: &mut B,
    parsed: &Parsed,
    quote: &Quote,
    number: impl FnOnce(u32) -> u32,
) -> Option<()> {
    if quote.protocol != IpProtocol::TCP {
        return None;
    }
    let end = usize::try_from(parsed.frame_len()).ok()?;
    let bytes = packet.bytes_mut();
    let end = end.min(bytes.len());
    let message = bytes.get_mut(usize::from(parsed.l4_offset)..end)?;
    let (header, quoted) = message.split_at_mut_checked(icmp::HEADER_LEN)?;
    let transport = quoted.get_mut(usize::from(quote.l4_offset)..)?;
    let place = transport.get_mut(4..)?.first_chunk_mut::<4>()?;
    let old = u32::from_be_bytes(*place);
    let new = number(old);
    *place = new.to_be_bytes();
    let numbers = Delta::new().long(old, new);
    let sum = update_transport(transport, quote, numbers).unwrap_or_default();
    update_checksum(header, numbers.and(sum)).then_some(())
}

fn update_checksum(header: &mut [u8], delta: Delta) -> bool {
    let Ok(carried) = Icmp::new_checked(header).map(|header| header.checksum()) else {
        return false;
    };
    IcmpMut::new_checked(header)
        .map(|mut header| header.set_checksum(delta.apply(carried)))
        .is_ok()
}

/// Rewrites the quoted packet, whose other end it is: an error travels against its cause. Returns
/// what that does to a sum over the quote.
fn rewrite_quote(
    quoted: &mut [u8],
    quote: &Quote,
    outer_end: End,
    (addr, port): (Addr, u16),
) -> Option<Delta> {
    let (end, old_addr, old_port) = match outer_end {
        End::Destination => (End::Source, &quote.source, quote.source_port),
        End::Source => (End::Destination, &quote.destination, quote.destination_port),
    };
    let addresses = Delta::new().address(old_addr, addr.octets());
    let ends = addresses.word(old_port, port);
    let (network, transport) = quoted.split_at_mut_checked(usize::from(quote.l4_offset))?;
    let header_sum = |network: &[u8]| Ipv4::new_checked(network).map(|header| header.checksum());
    let before = header_sum(network).ok();
    if !nat::rewrite_network(network, quote.kind, end, addr, addresses) {
        return None;
    }
    let mut delta = addresses;
    if quote.kind == Kind::Ipv4 {
        delta = delta.word(before?, header_sum(network).ok()?);
    }
    if !has_ports(quote.protocol) {
        return Some(delta);
    }
    let place = match end {
        End::Source => transport.first_chunk_mut::<2>()?,
        End::Destination => transport.get_mut(2..)?.first_chunk_mut::<2>()?,
    };
    *place = port.to_be_bytes();
    let transport = update_transport(transport, quote, ends).unwrap_or_default();
    Some(delta.word(old_port, port).and(transport))
}

/// What a quoted ESP or AH packet has in their place belongs to its ends alone.
const fn has_ports(protocol: IpProtocol) -> bool {
    matches!(
        protocol,
        IpProtocol::TCP | IpProtocol::UDP | IpProtocol::SCTP
    )
}

/// Brings the transport checksum of a quote, whose port is the new one already, up to date, if it
/// is in there. `ends` is what changed; returned is what that does to a sum over the quote.
pub(super) fn update_transport(transport: &mut [u8], quote: &Quote, ends: Delta) -> Option<Delta> {
    let place = match quote.protocol {
        IpProtocol::TCP => transport.get_mut(TCP_CHECKSUM..)?,
        IpProtocol::UDP => transport.get_mut(UDP_CHECKSUM..)?,
        IpProtocol::SCTP => return update_sctp(transport, quote),
        _ => return None,
    };
    let place = place.first_chunk_mut::<2>()?;
    let old = u16::from_be_bytes(*place);
    let new = if quote.protocol == IpProtocol::UDP {
        ends.apply_udp(old)
    } else {
        ends.apply(old)
    };
    *place = new.to_be_bytes();
    Some(Delta::new().word(old, new))
}

/// The whole packet's length says what the CRC has behind the ports, though the quote is cut.
fn update_sctp(transport: &mut [u8], quote: &Quote) -> Option<Delta> {
    let len = quote.ip_len.saturating_sub(quote.l4_offset.into());
    let len = u16::try_from(len).ok()?;
    let new = Sctp::new_checked(transport).ok()?;
    let (source_port, destination_port) = (new.source_port(), new.destination_port());
    let before = new.checksum().swap_bytes();
    let mut header = SctpMut::new_checked(transport).ok()?;
    // With the old ports the checksum is what it was; then the new ones change it.
    header.set_source_port(quote.source_port);
    header.set_destination_port(quote.destination_port);
    header.set_ports(source_port, destination_port, len);
    let after = Sctp::new_checked(transport).ok()?.checksum().swap_bytes();
    Some(Delta::new().long(before, after))
}

/// Places of the checksums in their headers (RFC 9293 §3.1, RFC 768).
const TCP_CHECKSUM: usize = 16;
const UDP_CHECKSUM: usize = 6;

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: Apache-2.0
//! Turning an echo request into its reply (RFC 792; RFC 4443 §4.2: "the source address of an Echo
//! Reply sent in response to a unicast Echo Request message MUST be the same as the destination
//! address of that Echo Request").
//!
//! The message is the request's but for its type. The header in front of it is a new one: options
//! and extension headers were for the way here. An IPv6 message that came in pieces keeps its
//! fragment header, because it leaves in pieces too.

use wire::buffer::PacketBuf;
use wire::checksum;
use wire::icmp::{self, IcmpMut};
use wire::icmpv6;
use wire::ipv4::{self, IpProtocol, Ipv4Mut};
use wire::ipv6::{self, Ipv6Mut};
use wire::packet::{Fragment, Kind, Parsed};

/// Whether a whole packet is an echo request.
#[must_use]
pub fn is_request(bytes: &[u8], parsed: &Parsed) -> bool {
    let kind = match (parsed.kind, parsed.protocol) {
        (Kind::Ipv4, IpProtocol::ICMP) => icmp::ECHO_REQUEST,
        (Kind::Ipv6, IpProtocol::ICMPV6) => icmpv6::ECHO_REQUEST,
        _ => return false,
    };
    parsed.fragment == Fragment::None && bytes.get(usize::from(parsed.l4_offset)) == Some(&kind)
}

/// Makes the reply of a request: a packet without an Ethernet header, described by what is
/// returned. `ident` is its identification, if it is IPv4. `None` if the headers are not where the
/// parse found them; the packet is of no use then.
#[must_use]
pub fn turn<B: PacketBuf>(packet: &mut B, parsed: &Parsed, ident: u16) -> Option<Parsed> {
    packet.truncate(usize::try_from(parsed.frame_len()).ok()?);
    let in_pieces = parsed.piece_len > 0 && parsed.fragment_offset > 0;
    let header_len = match (parsed.kind, in_pieces) {
        (Kind::Ipv4, _) => ipv4::HEADER_LEN_MIN,
        (Kind::Ipv6, false) => ipv6::HEADER_LEN,
        (Kind::Ipv6, true) => ipv6::HEADER_LEN + ipv6::FRAGMENT_LEN,
        (Kind::Arp | Kind::Other(_), _) => return None,
    };
    packet
        .trim_front(usize::from(parsed.l4_offset).checked_sub(header_len)?)
        .ok()?;
    let header_bytes = u16::try_from(header_len).ok()?;
    let reply = Parsed {
        vlan: None,
        l3_offset: 0,
        l4_offset: header_bytes,
        ip_len: parsed.l4_len().checked_add(u32::from(header_bytes))?,
        source: parsed.destination,
        destination: parsed.source,
        fragment_offset: if in_pieces { FRAGMENT_PLACE } else { 0 },
        ttl: icmp::TTL,
        has_options: in_pieces,
        ..*parsed
    };
    let (header, message) = packet.bytes_mut().split_at_mut_checked(header_len)?;
    match parsed.kind {
        Kind::Ipv4 => write_v4(header, &reply, ident)?,
        Kind::Ipv6 => write_v6(header, &reply, in_pieces)?,
        Kind::Arp | Kind::Other(_) => return None,
    }
    answer(message, parsed.kind)?;
    Some(reply)
}

/// The pseudo header's sum is the same in both directions, so the type is all that changes.
fn answer(message: &mut [u8], kind: Kind) -> Option<()> {
    let reply_type = match kind {
        Kind::Ipv4 => icmp::ECHO_REPLY,
        Kind::Ipv6 => icmpv6::ECHO_REPLY,
        Kind::Arp | Kind::Other(_) => return None,
    };
    let [request_type, code, ..] = *message else {
        return None;
    };
    let mut header = IcmpMut::new_checked(message).ok()?;
    header.set_type(reply_type, code);
    let word = |icmp_type| u16::from_be_bytes([icmp_type, code]);
    let sum = checksum::update16(header.checksum(), word(request_type), word(reply_type));
    header.set_checksum(sum);
    Some(())
}

fn write_v4(header: &mut [u8], reply: &Parsed, ident: u16) -> Option<()> {
    let (source, destination) = (
        ipv4::from_mapped(&reply.source)?,
        ipv4::from_mapped(&reply.destination)?,
    );
    let mut header = Ipv4Mut::new_checked(header).ok()?;
    header.set_header_len(u8::try_from(ipv4::HEADER_LEN_MIN).ok()?);
    header.set_tos(reply.tos);
    header.set_total_len(u16::try_from(reply.ip_len).ok()?);
    header.set_ident(ident);
    header.set_flags_and_offset(0);
    header.set_ttl(reply.ttl);
    header.set_protocol(reply.protocol);
    header.set_source(source);
    header.set_destination(destination);
    header.fill_checksum();
    Some(())
}

fn write_v6(header: &mut [u8], reply: &Parsed, in_pieces: bool) -> Option<()> {
    let payload_len = reply.ip_len.checked_sub(u32::from(FRAGMENT_PLACE))?;
    let mut header = Ipv6Mut::new_checked(header).ok()?;
    header.set_class_and_label(reply.tos, 0);
    header.set_payload_len(u16::try_from(payload_len).ok()?);
    header.set_next_header(if in_pieces {
        IpProtocol::FRAGMENT
    } else {
        reply.protocol
    });
    header.set_hop_limit(reply.ttl);
    header.set_source(reply.source);
    header.set_destination(reply.destination);
    Some(())
}

/// Where a fragment header directly behind the fixed one is.
const FRAGMENT_PLACE: u16 = 40;
const _: () = assert!(FRAGMENT_PLACE as usize == ipv6::HEADER_LEN);

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: Apache-2.0
//! ICMP in the words of `ICMPv6` and back (RFC 7915 §4.2, §4.3, §5.2, §5.3): echoes, and errors
//! with the packet they quote, which their receiver must know as its own.

use wire::buffer::PacketBuf;
use wire::checksum::{self, Delta};
use wire::icmp::{self, ErrorMessage, Icmp, IcmpMut};
use wire::icmpv6;
use wire::ipv4::IpProtocol;
use wire::packet::{Fragment, Kind, Parsed, QUOTE_L4_LEN_MIN, Quote};

use super::header::Header;
use super::{Ends, FRAGMENT_HEADER, GROWTH, IPV6_MTU_MIN, counterpart, replace_front};
use crate::forward::{icmp_translate, nat};
use crate::verdict::DropReason;

/// MTUs of the links on the two sides, in bytes: a translated error does not tell more than them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mtus {
    /// Of the link on the IPv4 side.
    pub v4: u32,
    /// Of the link on the IPv6 side.
    pub v6: u32,
}

/// Makes an ICMP error one of the other family, from and to `ends` (their ports are of no meaning);
/// the packet it quotes gets the ends `quoted`. The message's checksum must have been judged: it is
/// computed anew. Returned is what a parse of the packet would find; it has no Ethernet header.
///
/// # Errors
/// Why it cannot be done; the packet is fit for nothing but a drop then.
pub fn translate_error<B: PacketBuf>(
    packet: &mut B,
    parsed: &Parsed,
    quote: &Quote,
    (ends, quoted): (&Ends, &Ends),
    mtus: Mtus,
) -> Result<Parsed, DropReason> {
    let apart = ends.differ_from(parsed.kind) && quoted.differ_from(quote.kind);
    if quote.kind != parsed.kind || quote.fragment == Fragment::Later || !apart {
        return Err(DropReason::Untranslatable);
    }
    let told = message(packet.bytes(), parsed)?;
    let inside = quoted_header(packet.bytes(), parsed, quote, quoted)?;
    let said = if parsed.kind == Kind::Ipv4 {
        to_v6(told, quote.ip_len, mtus)
    } else {
        to_v4(told, inside.fragment.is_some(), mtus)
    };
    let said = said.ok_or(DropReason::Untranslatable)?;
    let mut outside = outer_header(packet.bytes(), parsed, ends)?;
    let front = outside.len() + icmp::HEADER_LEN + inside.len();
    let place = usize::from(parsed.l4_offset) + icmp::HEADER_LEN + usize::from(quote.l4_offset);
    let rest = quoted_len(packet, parsed, (quote, told), (place, front))?;
    rewrite_quoted(packet, quote, (place, rest), quoted)?;
    packet.truncate(place + rest);
    replace_front(packet, place, front)?;
    let l4_len = icmp::HEADER_LEN + inside.len() + rest;
    outside.l4_len = u32::try_from(l4_len).map_err(|_| DropReason::Untranslatable)?;
    write(packet, &outside, said, &inside).ok_or(DropReason::NoHeadroom)?;
    Ok(outside.as_parsed())
}

/// Makes an echo one of the other family in place, checksum included; its IP header is another's.
///
/// # Errors
/// [`DropReason::Untranslatable`] for everything but an echo: all other queries are of their family
/// alone.
pub(super) fn rewrite_echo<B: PacketBuf>(
    packet: &mut B,
    parsed: &Parsed,
    ends: &Ends,
) -> Result<(), DropReason> {
    let old = message(packet.bytes(), parsed)?;
    let v4 = parsed.kind == Kind::Ipv4;
    let icmp_type = match (v4, old.icmp_type) {
        (true, icmp::ECHO_REQUEST) => icmpv6::ECHO_REQUEST,
        (true, icmp::ECHO_REPLY) => icmpv6::ECHO_REPLY,
        (false, icmpv6::ECHO_REQUEST) => icmp::ECHO_REQUEST,
        (false, icmpv6::ECHO_REPLY) => icmp::ECHO_REPLY,
        _ => return Err(DropReason::Untranslatable),
    };
    let length = parsed.l4_len();
    // Only ICMPv6 sums a pseudo header.
    let pseudo = if v4 {
        let (source, destination) = (ends.source.0, ends.destination.0);
        let (source, destination) = (source.octets(), destination.octets());
        let sum = checksum::pseudo_v6(source, destination, IpProtocol::ICMPV6, length);
        Delta::new().word(0, sum)
    } else {
        let (source, destination) = (&parsed.source, &parsed.destination);
        let sum = checksum::pseudo_v6(source, destination, IpProtocol::ICMPV6, length);
        Delta::new().word(sum, 0)
    };
    let kinds = |kind| u16::from_be_bytes([kind, old.code]);
    let delta = pseudo.word(kinds(old.icmp_type), kinds(icmp_type));
    let bytes = packet.bytes_mut().get_mut(parsed.l4_offset.into()..);
    let mut header =
        IcmpMut::new_checked(bytes.unwrap_or_default()).map_err(|_| DropReason::RxMalformedL4)?;
    header.set_type(icmp_type, old.code);
    let carried = header.checksum();
    header.set_checksum(delta.apply(carried));
    Ok(())
}

fn message(bytes: &[u8], parsed: &Parsed) -> Result<ErrorMessage, DropReason> {
    let bytes = bytes.get(parsed.l4_offset.into()..).unwrap_or_default();
    let header = Icmp::new_checked(bytes).map_err(|_| DropReason::RxMalformedL4)?;
    Ok(ErrorMessage {
        icmp_type: header.icmp_type(),
        code: header.code(),
        rest: header.rest(),
    })
}

fn outer_header(bytes: &[u8], parsed: &Parsed, ends: &Ends) -> Result<Header, DropReason> {
    let l3 = bytes.get(parsed.l3_offset.into()..parsed.l4_offset.into());
    let l3 = l3.ok_or(DropReason::RxMalformedIp)?;
    let header = Header::read(l3, parsed.kind, parsed.protocol, 0)?;
    Ok(Header {
        source: ends.source.0,
        destination: ends.destination.0,
        protocol: counterpart(header.protocol),
        // It is short enough to be one that may be cut.
        fragment: None,
        dont_fragment: false,
        ..header
    })
}

/// The IP header of the quote as it will be. What is quoted of the packet may be little, but its
/// header speaks of the whole.
fn quoted_header(
    bytes: &[u8],
    parsed: &Parsed,
    quote: &Quote,
    ends: &Ends,
) -> Result<Header, DropReason> {
    // No connection has any of the other ICMP; whose echo it was cannot be told.
    if matches!(quote.protocol, IpProtocol::ICMP | IpProtocol::ICMPV6) {
        return Err(DropReason::Untranslatable);
    }
    let start = usize::from(parsed.l4_offset) + icmp::HEADER_LEN;
    let l3 = bytes.get(start..start + usize::from(quote.l4_offset));
    let l3 = l3.ok_or(DropReason::RxMalformedL4)?;
    let l4_len = quote.ip_len.saturating_sub(quote.l4_offset.into());
    let mut header = Header::read(l3, quote.kind, quote.protocol, l4_len)?;
    header.source = ends.source.0;
    header.destination = ends.destination.0;
    if header.is_v4() {
        header.l4_len = l4_len.min(QUOTED_LEN_MAX);
        header.dont_fragment = header.fragment.is_none() && l4_len > QUOTED_CUT_MAX;
    }
    Ok(header)
}

/// How many bytes of the quoted packet, from its transport header on, go along: without the
/// extensions of RFC 4884, which speak of the old family, and no more than an error may have.
fn quoted_len<B: PacketBuf>(
    packet: &B,
    parsed: &Parsed,
    (quote, told): (&Quote, ErrorMessage),
    (place, front): (usize, usize),
) -> Result<usize, DropReason> {
    let end = usize::try_from(parsed.frame_len()).unwrap_or(usize::MAX);
    let mut rest = end.min(packet.total_len()).saturating_sub(place);
    if let Some(original) = original_len(parsed.kind, told) {
        rest = rest
            .min(original.saturating_sub(quote.l4_offset.into()))
            .min(usize::try_from(quote.ip_len.saturating_sub(quote.l4_offset.into())).unwrap_or(0));
    }
    let longest = match parsed.kind {
        Kind::Ipv4 => IPV6_MTU_MIN,
        Kind::Ipv6 | Kind::Arp | Kind::Other(_) => IPV6_MTU_MIN - GROWTH,
    };
    let longest = usize::try_from(longest).unwrap_or(usize::MAX);
    let rest = rest.min(longest.saturating_sub(front));
    if rest < QUOTE_L4_LEN_MIN {
        return Err(DropReason::RxMalformedL4);
    }
    Ok(rest)
}

/// Bytes of the quote in front of extensions, if the message says that it may have some
/// (RFC 4884 §4.1 to §4.5: in words of four bytes, or of eight in `ICMPv6`).
fn original_len(kind: Kind, told: ErrorMessage) -> Option<usize> {
    let [first, second, ..] = told.rest.to_be_bytes();
    let len = match (kind, told.icmp_type) {
        (
            Kind::Ipv4,
            icmp::DESTINATION_UNREACHABLE | icmp::TIME_EXCEEDED | icmp::PARAMETER_PROBLEM,
        ) => usize::from(second) * 4,
        (Kind::Ipv6, icmpv6::DESTINATION_UNREACHABLE | icmpv6::TIME_EXCEEDED) => {
            usize::from(first) * 8
        }
        _ => 0,
    };
    (len > 0).then_some(len)
}

/// Gives the quoted transport header, at `place`, its new ports, and its checksum, if it is in
/// there, both ends.
fn rewrite_quoted<B: PacketBuf>(
    packet: &mut B,
    quote: &Quote,
    (place, rest): (usize, usize),
    ends: &Ends,
) -> Result<(), DropReason> {
    let bytes = packet.bytes_mut();
    let end = place.saturating_add(rest).min(bytes.len());
    let transport = bytes.get_mut(place..end).unwrap_or_default();
    let ports = transport
        .first_chunk_mut::<4>()
        .ok_or(DropReason::RxMalformedL4)?;
    let [a, b] = ends.source.1.to_be_bytes();
    let [c, d] = ends.destination.1.to_be_bytes();
    *ports = [a, b, c, d];
    let delta = Delta::new()
        .address(&quote.source, ends.source.0.octets())
        .address(&quote.destination, ends.destination.0.octets())
        .word(quote.source_port, ends.source.1)
        .word(quote.destination_port, ends.destination.1);
    icmp_translate::update_transport(transport, quote, delta);
    Ok(())
}

/// Writes the headers in front of what is left of the quote, and the checksum over all of it.
fn write<B: PacketBuf>(
    packet: &mut B,
    outside: &Header,
    said: ErrorMessage,
    inside: &Header,
) -> Option<()> {
    let from = outside.len();
    let bytes = packet.bytes_mut();
    outside.write(bytes)?;
    inside.write(bytes.get_mut(from + icmp::HEADER_LEN..)?)?;
    let mut header = IcmpMut::new_checked(bytes.get_mut(from..)?).ok()?;
    header.set_type(said.icmp_type, said.code);
    header.set_checksum(0);
    header.set_rest(said.rest);
    let pseudo = if outside.is_v4() {
        0
    } else {
        let (source, destination) = (outside.source.octets(), outside.destination.octets());
        checksum::pseudo_v6(source, destination, outside.protocol, outside.l4_len)
    };
    let sum = !checksum::add(pseudo, nat::sum_of(packet, from, packet.total_len()));
    let bytes = packet.bytes_mut().get_mut(from..)?;
    IcmpMut::new_checked(bytes).ok()?.set_checksum(sum);
    Some(())
}

/// RFC 7915 §4.2; `None` if there is no counterpart.
fn to_v6(told: ErrorMessage, quoted_len: u32, mtus: Mtus) -> Option<ErrorMessage> {
    match (told.icmp_type, told.code) {
        // No route, no such host, source route failed, unknown, isolated, not for that service.
        (icmp::DESTINATION_UNREACHABLE, 0 | 1 | 5..=8 | 11 | 12) => {
            Some(icmpv6::unreachable(icmpv6::CODE_NO_ROUTE))
        }
        (icmp::DESTINATION_UNREACHABLE, icmp::CODE_PROTOCOL_UNREACHABLE) => Some(ErrorMessage {
            icmp_type: icmpv6::PARAMETER_PROBLEM,
            code: UNKNOWN_NEXT_HEADER,
            rest: NEXT_HEADER_FIELD,
        }),
        (icmp::DESTINATION_UNREACHABLE, icmp::CODE_PORT_UNREACHABLE) => {
            Some(icmpv6::unreachable(icmpv6::CODE_PORT_UNREACHABLE))
        }
        (icmp::DESTINATION_UNREACHABLE, icmp::CODE_FRAGMENTATION_NEEDED) => {
            let mtu = match told.rest & 0xffff {
                0 => plateau(quoted_len),
                mtu => mtu,
            };
            let mtu = (mtu + GROWTH).min(mtus.v6).min(mtus.v4 + GROWTH);
            Some(icmpv6::packet_too_big(mtu.max(IPV6_MTU_MIN)))
        }
        // Prohibited, in three wordings, and cut off by precedence.
        (icmp::DESTINATION_UNREACHABLE, 9 | 10 | 13 | 15) => {
            Some(icmpv6::unreachable(icmpv6::CODE_PROHIBITED))
        }
        (icmp::TIME_EXCEEDED, code) => Some(ErrorMessage {
            icmp_type: icmpv6::TIME_EXCEEDED,
            code,
            rest: 0,
        }),
        (icmp::PARAMETER_PROBLEM, 0 | 2) => {
            let [pointer, ..] = told.rest.to_be_bytes();
            Some(ErrorMessage {
                icmp_type: icmpv6::PARAMETER_PROBLEM,
                code: ERRONEOUS_FIELD,
                rest: pointer_to_v6(pointer)?.into(),
            })
        }
        _ => None,
    }
}

/// RFC 7915 §5.2; `fragment` tells whether the quoted packet has a fragment header.
fn to_v4(told: ErrorMessage, fragment: bool, mtus: Mtus) -> Option<ErrorMessage> {
    match (told.icmp_type, told.code) {
        // No route, beyond the source's scope, no such address.
        (icmpv6::DESTINATION_UNREACHABLE, 0 | 2 | 3) => {
            Some(ErrorMessage::unreachable(icmp::CODE_HOST_UNREACHABLE))
        }
        (icmpv6::DESTINATION_UNREACHABLE, icmpv6::CODE_PROHIBITED) => {
            Some(ErrorMessage::unreachable(HOST_PROHIBITED))
        }
        (icmpv6::DESTINATION_UNREACHABLE, icmpv6::CODE_PORT_UNREACHABLE) => {
            Some(ErrorMessage::unreachable(icmp::CODE_PORT_UNREACHABLE))
        }
        (icmpv6::PACKET_TOO_BIG, _) => {
            let less = GROWTH + if fragment { FRAGMENT_HEADER } else { 0 };
            let mtu = told.rest.saturating_sub(less);
            let mtu = mtu.min(mtus.v4).min(mtus.v6.saturating_sub(less));
            let mtu = u16::try_from(mtu.max(super::IPV4_MTU_MIN)).unwrap_or(u16::MAX);
            Some(ErrorMessage::fragmentation_needed(mtu))
        }
        (icmpv6::TIME_EXCEEDED, code) => Some(ErrorMessage {
            icmp_type: icmp::TIME_EXCEEDED,
            code,
            rest: 0,
        }),
        (icmpv6::PARAMETER_PROBLEM, ERRONEOUS_FIELD) => Some(ErrorMessage {
            icmp_type: icmp::PARAMETER_PROBLEM,
            code: 0,
            rest: u32::from(pointer_to_v4(told.rest)?) << 24,
        }),
        (icmpv6::PARAMETER_PROBLEM, UNKNOWN_NEXT_HEADER) => {
            Some(ErrorMessage::unreachable(icmp::CODE_PROTOCOL_UNREACHABLE))
        }
        _ => None,
    }
}

/// The MTU a router means that does not tell it (RFC 1191 §7): the greatest of the usual ones that
/// is less than the packet.
fn plateau(packet_len: u32) -> u32 {
    const USUAL: [u32; 10] = [32_000, 17_914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68];
    let less = USUAL.into_iter().find(|mtu| *mtu < packet_len);
    less.unwrap_or(super::IPV4_MTU_MIN)
}

/// RFC 7915 figure 3: the field of an IPv6 header that says what the IPv4 header says there.
const fn pointer_to_v6(pointer: u8) -> Option<u8> {
    Some(match pointer {
        0 => 0,
        1 => 1,
        2 | 3 => 4,
        8 => 7,
        9 => 6,
        12..=15 => 8,
        16..=19 => 24,
        _ => return None,
    })
}

/// RFC 7915 figure 6, the same the other way round.
const fn pointer_to_v4(pointer: u32) -> Option<u8> {
    Some(match pointer {
        0 => 0,
        1 => 1,
        4 | 5 => 2,
        6 => 9,
        7 => 8,
        8..=23 => 12,
        24..=39 => 16,
        _ => return None,
    })
}

/// Parameter problem: an erroneous field, an unknown next header (RFC 4443 §3.4).
const ERRONEOUS_FIELD: u8 = 0;
const UNKNOWN_NEXT_HEADER: u8 = 1;
/// Where the IPv6 header names what is next.
const NEXT_HEADER_FIELD: u32 = 6;
/// Destination unreachable: communication with that host is prohibited (RFC 1122 §3.2.2.1).
const HOST_PROHIBITED: u8 = 10;
/// Bytes behind a quoted IPv4 header: what it can say, and up to where it says "may be cut".
const QUOTED_LEN_MAX: u32 = super::IPV4_LEN_MAX - super::IPV4_HEADER;
const QUOTED_CUT_MAX: u32 = IPV6_MTU_MIN - GROWTH - super::IPV4_HEADER;

#[cfg(test)]
mod tests;

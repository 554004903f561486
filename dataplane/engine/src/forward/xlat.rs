// SPDX-License-Identifier: Apache-2.0
//! IP/ICMP translation (RFC 7915): an IPv6 packet becomes an IPv4 one, or the other way round, for
//! a connection whose client and server are of different families (NAT64 and its mirror).
//!
//! ```text
//!   | Ethernet | IPv6 + extension headers | TCP, UDP, SCTP …      as it came, TTL lowered
//!                                | IPv4   | TCP, UDP, SCTP …      as it leaves
//!
//!   | Ethernet | IPv4 + options | TCP, UDP, SCTP …               as it came, TTL lowered
//!         | IPv6 (+ fragment)   | TCP, UDP, SCTP …               as it leaves
//! ```
//!
//! Both ends get new addresses and ports, so this is a full NAT too. Transport checksums are
//! updated incrementally: addresses in their mapped form sum up to the pseudo header of either
//! family. Fragments were put together before; a packet that came in pieces leaves in pieces, no
//! longer than the ones it came in. What a packet says that the other family has no word for (IPv4
//! options, IPv6 extension headers, the flow label) is left out.

pub mod icmp;

mod header;

use model::addr::Addr;
use wire::buffer::PacketBuf;
use wire::checksum::Delta;
use wire::ipv4::{self, IpProtocol, Ipv4};
use wire::packet::{Kind, Parsed};
use wire::sctp::SctpMut;
use wire::udp::Udp;

use self::header::Header;
use super::fullnat;
use super::nat::{self, End};
use crate::verdict::DropReason;

/// Addresses and ports of a packet as it leaves; both of the family it did not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Where it comes from.
    pub source: (Addr, u16),
    /// Where it goes to.
    pub destination: (Addr, u16),
}

/// Bytes that an IPv6 header is longer than an IPv4 header.
pub const GROWTH: u32 = 20;

/// What the sender of a packet is to be told (the MTU, in its own family's terms), if what the
/// packet becomes is larger than the next link's `mtu` and must not be cut: RFC 7915 §4 and §5,
/// before their §4.1 and §5.1.
#[must_use]
pub fn too_big(bytes: &[u8], parsed: &Parsed, mtu: u32) -> Option<u32> {
    let longest = match (parsed.kind, parsed.piece_len) {
        (Kind::Ipv4, _) if !dont_fragment(bytes, parsed) => return None,
        (Kind::Ipv4, 0) => parsed.l4_len() + IPV6_HEADER,
        (Kind::Ipv4, longest) => u32::from(longest) + GROWTH + FRAGMENT_HEADER,
        (Kind::Ipv6, _) if may_be_cut_v4(parsed) => return None,
        (Kind::Ipv6, _) => parsed.l4_len() + IPV4_HEADER,
        (Kind::Arp | Kind::Other(_), _) => return None,
    };
    if longest <= mtu {
        return None;
    }
    Some(if parsed.kind == Kind::Ipv4 {
        mtu.saturating_sub(GROWTH).max(IPV4_MTU_MIN)
    } else {
        mtu.saturating_add(GROWTH).max(IPV6_MTU_MIN)
    })
}

/// Makes a whole packet one of the other family, from and to `ends`: a TCP, UDP or SCTP packet, or
/// an ICMP echo, whose "ports" are not looked at. `ident` is the identification of an IPv4 packet
/// that may be cut and brought none. What comes out has no Ethernet header; returned is what a
/// parse of it would find.
///
/// # Errors
/// Why it cannot be done; the packet is fit for nothing but a drop then.
pub fn translate<B: PacketBuf>(
    packet: &mut B,
    parsed: &Parsed,
    ends: &Ends,
    ident: u16,
) -> Result<Parsed, DropReason> {
    if !ends.differ_from(parsed.kind) {
        return Err(DropReason::Untranslatable);
    }
    let header = outer(packet.bytes(), parsed, ends, ident)?;
    if matches!(parsed.protocol, IpProtocol::ICMP | IpProtocol::ICMPV6) {
        icmp::rewrite_echo(packet, parsed, ends)?;
    } else if !rewrite_transport(packet, parsed, ends) {
        return Err(DropReason::RxMalformedL4);
    }
    // Ethernet padding is not part of the packet.
    packet.truncate(usize::try_from(parsed.frame_len()).unwrap_or(usize::MAX));
    replace_front(packet, parsed.l4_offset.into(), header.len())?;
    header
        .write(packet.bytes_mut())
        .ok_or(DropReason::NoHeadroom)?;
    let mut out = header.as_parsed();
    if header.protocol != IpProtocol::ICMP && header.protocol != IpProtocol::ICMPV6 {
        out.source_port = ends.source.1;
        out.destination_port = ends.destination.1;
    }
    out.tcp_flags = parsed.tcp_flags;
    out.piece_len = pieces_of(parsed, &header);
    Ok(out)
}

impl From<fullnat::Ends> for Ends {
    fn from((source, destination): fullnat::Ends) -> Self {
        Self {
            source,
            destination,
        }
    }
}

impl Ends {
    /// Whether they are of one family, and not of that one.
    fn differ_from(&self, kind: Kind) -> bool {
        let v4 = self.source.0.is_v4();
        v4 == self.destination.0.is_v4()
            && match kind {
                Kind::Ipv4 => !v4,
                Kind::Ipv6 => v4,
                Kind::Arp | Kind::Other(_) => false,
            }
    }
}

/// The new IP header of a packet.
fn outer(bytes: &[u8], parsed: &Parsed, ends: &Ends, ident: u16) -> Result<Header, DropReason> {
    let l3 = bytes.get(parsed.l3_offset.into()..parsed.l4_offset.into());
    let l3 = l3.ok_or(DropReason::RxMalformedIp)?;
    // TTL, too, is read again: it was lowered since the parse.
    let mut header = Header::read(l3, parsed.kind, parsed.protocol, parsed.l4_len())?;
    header.source = ends.source.0;
    header.destination = ends.destination.0;
    header.protocol = counterpart(header.protocol);
    if header.is_v4() {
        if header.fragment.is_none() {
            header.dont_fragment = !may_be_cut_v4(parsed);
            header.ident = if header.dont_fragment {
                0
            } else {
                ident.into()
            };
        }
        // In one piece: who cuts it says where the pieces belong.
        header.fragment = None;
        if parsed.l4_len() + IPV4_HEADER > IPV4_LEN_MAX {
            return Err(DropReason::Untranslatable);
        }
    } else {
        let whole = parsed.l4_len() + IPV6_HEADER;
        // RFC 7915 §4: a sender that lets its packets be cut does not look for the path's MTU, so
        // they have to fit every IPv6 path.
        let cut = parsed.piece_len > 0 || !header.dont_fragment && whole > IPV6_MTU_MIN;
        header.fragment = cut.then_some((0, false));
    }
    Ok(header)
}

/// ICMP has a number of its own in each family.
const fn counterpart(protocol: IpProtocol) -> IpProtocol {
    match protocol {
        IpProtocol::ICMP => IpProtocol::ICMPV6,
        IpProtocol::ICMPV6 => IpProtocol::ICMP,
        other => other,
    }
}

/// The longest piece that may leave of a packet: `Parsed::piece_len` of what it becomes.
fn pieces_of(parsed: &Parsed, header: &Header) -> u16 {
    let came = parsed.piece_len;
    let longer = came.saturating_add(PIECE_GROWTH);
    if header.is_v4() {
        return came.saturating_sub(PIECE_GROWTH);
    }
    match (header.fragment.is_some(), header.dont_fragment) {
        (false, _) => 0,
        (true, true) => longer,
        (true, false) if came > 0 => longer.min(PIECE_LEN_ANYWHERE),
        (true, false) => PIECE_LEN_ANYWHERE,
    }
}

/// Gives a transport header new ports, and its checksum both ends.
fn rewrite_transport<B: PacketBuf>(packet: &mut B, parsed: &Parsed, ends: &Ends) -> bool {
    let Some(transport) = packet.bytes_mut().get_mut(parsed.l4_offset.into()..) else {
        return false;
    };
    let (source, destination) = (ends.source, ends.destination);
    if parsed.protocol == IpProtocol::SCTP {
        return rewrite_sctp(transport, parsed, (source.1, destination.1)).is_some();
    }
    let unsummed = parsed.protocol == IpProtocol::UDP
        && Udp::new_checked(transport).is_ok_and(|header| header.checksum() == 0);
    let from = Delta::new()
        .address(&parsed.source, source.0.octets())
        .word(parsed.source_port, source.1);
    let to = Delta::new()
        .address(&parsed.destination, destination.0.octets())
        .word(parsed.destination_port, destination.1);
    let rewritten = nat::rewrite_transport(transport, parsed, End::Source, source.1, from)
        && nat::rewrite_transport(transport, parsed, End::Destination, destination.1, to);
    if rewritten && unsummed {
        // RFC 7915 §4.5; IPv6 demands a checksum.
        nat::fill_udp_checksum(packet, parsed, (source.0.octets(), destination.0.octets()));
    }
    rewritten
}

/// Its checksum knows no addresses (RFC 9260 §6.8).
fn rewrite_sctp(
    bytes: &mut [u8],
    parsed: &Parsed,
    (source, destination): (u16, u16),
) -> Option<()> {
    let len = u16::try_from(parsed.l4_len()).ok()?;
    let mut header = SctpMut::new_checked(bytes).ok()?;
    header.set_ports(source, destination, len);
    Some(())
}

/// Replaces the first `old` bytes of a packet by `new` bytes of unspecified content.
fn replace_front<B: PacketBuf>(packet: &mut B, old: usize, new: usize) -> Result<(), DropReason> {
    packet
        .trim_front(old)
        .map_err(|_| DropReason::RxMalformedIp)?;
    packet.prepend(new).map_err(|_| DropReason::NoHeadroom)
}

/// Whether an IPv6 packet becomes one of IPv4 that may be cut on its way. RFC 7915 §5.1: with a
/// fragment header, or up to 1260 bytes, which is what a sender sends that was told 1280.
fn may_be_cut_v4(parsed: &Parsed) -> bool {
    parsed.fragment_offset > 0
        || parsed.l4_len().saturating_add(IPV4_HEADER) <= IPV6_MTU_MIN - GROWTH
}

fn dont_fragment(bytes: &[u8], parsed: &Parsed) -> bool {
    let header = bytes.get(parsed.l3_offset.into()..).unwrap_or_default();
    Ipv4::new_checked(header).is_ok_and(|header| header.dont_fragment())
}

const IPV4_HEADER: u32 = 20;
const IPV6_HEADER: u32 = 40;
const FRAGMENT_HEADER: u32 = 8;
const _: () = assert!(IPV6_HEADER - IPV4_HEADER == GROWTH);
const _: () = assert!(IPV4_HEADER as usize == ipv4::HEADER_LEN_MIN);
/// What every link must carry: RFC 791 §3.2, RFC 8200 §5.
const IPV4_MTU_MIN: u32 = 68;
const IPV6_MTU_MIN: u32 = 1280;
const IPV4_LEN_MAX: u32 = 65_535;
/// What a fragment grows by, and may have so that every IPv6 path takes it.
const PIECE_GROWTH: u16 = 28;
const PIECE_LEN_ANYWHERE: u16 = 1280;
const _: () = assert!(PIECE_GROWTH as u32 == GROWTH + FRAGMENT_HEADER);
const _: () = assert!(PIECE_LEN_ANYWHERE as u32 == IPV6_MTU_MIN);

#[cfg(test)]
mod tests;

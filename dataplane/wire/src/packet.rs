// SPDX-License-Identifier: Apache-2.0
//! The one-pass parse: judges a frame once, so that everything behind it may believe the lengths.
//!
//! ```text
//!   | Ethernet | tag? | IPv4 + options             | TCP, UDP, SCTP, ICMP | ...
//!   |          |      | IPv6 + extension headers   |
//!   0                 l3_offset                    l4_offset       all within the first segment
//! ```
//!
//! Refused is what Linux would not forward, and what could make two readers see two different
//! packets. What Linux forwards though it is odd (a data offset beyond the segment, a UDP length
//! beyond the packet, a wrong transport checksum) passes.

mod error;
mod extension;
mod quote;

pub use error::ParseError;
pub use quote::{QUOTE_L4_LEN_MIN, Quote, parse_quote};

use crate::ethernet::{self, EtherType, Ethernet};
use crate::ipv4::{self, IpProtocol, Ipv4};
use crate::ipv6::{self, Ipv6};
use crate::tcp::Tcp;
use crate::udp::Udp;
use crate::vlan::{self, Vlan};
use crate::{arp, clamped, icmp, tcp, udp};

/// Extension headers walked before an IPv6 packet is refused. RFC 8200 §4.1 names seven places for
/// one; more are an attempt to spend our time.
pub const EXTENSIONS_MAX: u8 = 8;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// ARP, not looked into.
    Arp,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// Something else, or an IEEE 802.3 length.
    Other(EtherType),
}

/// Which part of an IP packet this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fragment {
    /// All of it; an IPv6 atomic fragment (RFC 6946) too.
    None,
    /// The first fragment: ports are there, the rest of the transport header may not be.
    First,
    /// A later fragment: no transport header.
    Later,
}

/// Where a fragment belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentPlace {
    /// Identification the fragments have in common; 16 bits in IPv4.
    pub ident: u32,
    /// Offset in bytes.
    pub offset: u16,
    /// Whether more fragments follow.
    pub more: bool,
}

/// The fields of a frame that the packet path needs. Addresses are IPv6, IPv4 in its mapped form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parsed {
    /// VLAN identifier of the tag, if there is one; 0 means "priority only".
    pub vlan: Option<u16>,
    /// Start of the network header, in bytes from the start of the frame.
    pub l3_offset: u16,
    /// What the frame carries; the fields below are zero unless it is IP.
    pub kind: Kind,
    /// Start of what follows the IP headers, in bytes from the start of the frame.
    pub l4_offset: u16,
    /// Bytes of the IP packet by its own account (IPv6: 40 + payload length), all of them there.
    pub ip_len: u32,
    /// Protocol behind the extension headers.
    pub protocol: IpProtocol,
    /// Source address.
    pub source: [u8; 16],
    /// Destination address.
    pub destination: [u8; 16],
    /// Source port; 0 without ports (ICMP, a later fragment).
    pub source_port: u16,
    /// Destination port; 0 without ports.
    pub destination_port: u16,
    /// TCP flags; 0 when it is not TCP or the first fragment ends before them.
    pub tcp_flags: u8,
    /// Which part of the packet this is.
    pub fragment: Fragment,
    /// Start of the IPv6 fragment header, in bytes from the start of the frame; 0 without one.
    pub fragment_offset: u16,
    /// Bytes of the longest fragment, IP headers included, that this packet was put together from;
    /// 0 for a packet that arrived whole. The parse leaves it 0.
    pub piece_len: u16,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Type of service or traffic class.
    pub tos: u8,
    /// IPv4 options or IPv6 extension headers are present.
    pub has_options: bool,
}

// One cache line: the path keeps a burst of these.
const _: () = assert!(size_of::<Parsed>() <= 64);

impl Parsed {
    /// Whether the frame is IPv4 or IPv6.
    #[inline]
    #[must_use]
    pub const fn is_ip(&self) -> bool {
        matches!(self.kind, Kind::Ipv4 | Kind::Ipv6)
    }

    /// Bytes of the IP packet behind its headers.
    #[inline]
    #[must_use]
    pub fn l4_len(&self) -> u32 {
        let headers = u32::from(self.l4_offset).saturating_sub(self.l3_offset.into());
        self.ip_len.saturating_sub(headers)
    }

    /// Bytes of the frame without Ethernet padding; those of an unknown kind are not known: 0.
    #[inline]
    #[must_use]
    pub fn frame_len(&self) -> u32 {
        if self.is_ip() {
            self.ip_len.saturating_add(self.l3_offset.into())
        } else {
            0
        }
    }

    /// Where the fragment belongs, read from the frame this was parsed from; `None` for a whole
    /// packet.
    #[must_use]
    pub fn fragment_place(&self, bytes: &[u8]) -> Option<FragmentPlace> {
        match (self.fragment, self.kind) {
            (Fragment::First | Fragment::Later, Kind::Ipv4) => {
                let ip = Ipv4::new_checked(bytes.get(usize::from(self.l3_offset)..)?).ok()?;
                Some(FragmentPlace {
                    ident: ip.ident().into(),
                    offset: ip.fragment_offset(),
                    more: ip.more_fragments(),
                })
            }
            (Fragment::First | Fragment::Later, Kind::Ipv6) => {
                let at = bytes.get(usize::from(self.fragment_offset)..)?;
                let header = ipv6::FragmentHeader::new_checked(at).ok()?;
                Some(FragmentPlace {
                    ident: header.ident(),
                    offset: header.offset(),
                    more: header.more(),
                })
            }
            (Fragment::None, _) | (_, Kind::Arp | Kind::Other(_)) => None,
        }
    }

    const fn empty(vlan: Option<u16>, l3_offset: u16, kind: Kind) -> Self {
        Self {
            vlan,
            l3_offset,
            kind,
            l4_offset: 0,
            ip_len: 0,
            protocol: IpProtocol(0),
            source: [0; 16],
            destination: [0; 16],
            source_port: 0,
            destination_port: 0,
            tcp_flags: 0,
            fragment: Fragment::None,
            fragment_offset: 0,
            piece_len: 0,
            ttl: 0,
            tos: 0,
            has_options: false,
        }
    }
}

/// Parses the first segment `bytes` of a packet that is `total_len` bytes long with its tail
/// segments. Every header up to the ports must be in the first segment.
///
/// # Errors
/// The first rule the frame breaks.
#[inline]
pub fn parse(bytes: &[u8], total_len: usize) -> Result<Parsed, ParseError> {
    let bytes = clamped(bytes, 0, total_len);
    let (vlan, ether_type, l3_offset) = parse_link(bytes)?;
    let l3 = clamped(bytes, usize::from(l3_offset), bytes.len());
    let l3_len = total_len.saturating_sub(l3_offset.into());
    let kind = match ether_type {
        EtherType::IPV4 => Kind::Ipv4,
        EtherType::IPV6 => Kind::Ipv6,
        EtherType::ARP => Kind::Arp,
        other => Kind::Other(other),
    };
    let mut parsed = Parsed::empty(vlan, l3_offset, kind);
    match kind {
        Kind::Ipv4 => parse_ipv4(l3, l3_len, &mut parsed)?,
        Kind::Ipv6 => parse_ipv6(l3, l3_len, &mut parsed)?,
        Kind::Arp if l3.len() < arp::PACKET_LEN => return Err(ParseError::TruncatedArp),
        Kind::Arp | Kind::Other(_) => {}
    }
    Ok(parsed)
}

#[inline]
fn parse_link(bytes: &[u8]) -> Result<(Option<u16>, EtherType, u16), ParseError> {
    let frame = Ethernet::new_checked(bytes).map_err(|_| ParseError::TruncatedEthernet)?;
    if !frame.ether_type().is_vlan() {
        return Ok((None, frame.ether_type(), UNTAGGED_LEN));
    }
    let tag = Vlan::new_checked(frame.payload()).map_err(|_| ParseError::TruncatedVlan)?;
    if tag.ether_type().is_vlan() {
        return Err(ParseError::VlanStacked);
    }
    Ok((Some(tag.id()), tag.ether_type(), TAGGED_LEN))
}

#[inline]
fn parse_ipv4(l3: &[u8], l3_len: usize, parsed: &mut Parsed) -> Result<(), ParseError> {
    let ip = Ipv4::new_checked(l3).map_err(|_| ParseError::TruncatedIpv4)?;
    let header_len = usize::from(ip.header_len());
    let total_len = usize::from(ip.total_len());
    if ip.version() != 4 {
        return Err(ParseError::Ipv4Version);
    }
    if header_len < ipv4::HEADER_LEN_MIN {
        return Err(ParseError::Ipv4HeaderLength);
    }
    if total_len < header_len {
        return Err(ParseError::Ipv4TotalLength);
    }
    if total_len > l3_len {
        return Err(ParseError::Ipv4BeyondPacket);
    }
    if header_len > l3.len() {
        return Err(ParseError::TruncatedIpv4);
    }
    if !ip.checksum_ok() {
        return Err(ParseError::Ipv4Checksum);
    }
    judge_ipv4_addresses(ip.source(), ip.destination())?;

    parsed.l4_offset = parsed.l3_offset.saturating_add(ip.header_len().into());
    parsed.ip_len = ip.total_len().into();
    parsed.protocol = ip.protocol();
    parsed.source = ipv4::to_mapped(ip.source());
    parsed.destination = ipv4::to_mapped(ip.destination());
    parsed.ttl = ip.ttl();
    parsed.tos = ip.tos();
    parsed.has_options = header_len > ipv4::HEADER_LEN_MIN;
    parsed.fragment = match (ip.fragment_offset(), ip.more_fragments()) {
        (0, false) => Fragment::None,
        (0, true) => Fragment::First,
        _ => Fragment::Later,
    };
    // What the fragments become is an IP packet too and has to fit its length field.
    if total_len.saturating_add(ip.fragment_offset().into()) > ipv4::PACKET_LEN_MAX {
        return Err(ParseError::FragmentTooLong);
    }
    parse_transport(ip.payload(), parsed)
}

#[inline]
fn parse_ipv6(l3: &[u8], l3_len: usize, parsed: &mut Parsed) -> Result<(), ParseError> {
    let ip = Ipv6::new_checked(l3).map_err(|_| ParseError::TruncatedIpv6)?;
    if ip.version() != 6 {
        return Err(ParseError::Ipv6Version);
    }
    // RFC 2675 §3: a jumbogram says 0 here and its length in a hop-by-hop option.
    if ip.payload_len() == 0 && ip.next_header() == IpProtocol::HOP_BY_HOP {
        return Err(ParseError::Ipv6Jumbogram);
    }
    let ip_len = ipv6::HEADER_LEN.saturating_add(ip.payload_len().into());
    if ip_len > l3_len {
        return Err(ParseError::Ipv6BeyondPacket);
    }
    judge_ipv6_addresses(&ip.source(), &ip.destination())?;

    let l3 = clamped(l3, 0, ip_len);
    let chain = extension::walk(l3, ip.next_header(), ip_len)?;
    parsed.l4_offset = parsed.l3_offset.saturating_add(chain.l4_offset);
    parsed.ip_len = u32::from(ip.payload_len()).saturating_add(IPV6_HEADER_LEN);
    parsed.protocol = chain.protocol;
    parsed.source = ip.source();
    parsed.destination = ip.destination();
    parsed.ttl = ip.hop_limit();
    parsed.tos = ip.traffic_class();
    parsed.has_options = chain.has_extensions;
    parsed.fragment = chain.fragment;
    parsed.fragment_offset = chain
        .fragment_header
        .map_or(0, |at| parsed.l3_offset.saturating_add(at));
    parse_transport(clamped(l3, chain.l4_offset.into(), l3.len()), parsed)
}

/// `segment` is what the first segment of the buffer has of the transport segment.
#[inline]
fn parse_transport(segment: &[u8], parsed: &mut Parsed) -> Result<(), ParseError> {
    match parsed.fragment {
        Fragment::None => {}
        Fragment::First => return parse_first_fragment(segment, parsed),
        Fragment::Later => return Ok(()),
    }
    match parsed.protocol {
        IpProtocol::TCP => {
            let tcp = Tcp::new_checked(segment).map_err(|_| ParseError::TruncatedTcp)?;
            if usize::from(tcp.header_len()) < tcp::HEADER_LEN_MIN {
                return Err(ParseError::TcpHeaderLength);
            }
            parsed.source_port = tcp.source_port();
            parsed.destination_port = tcp.destination_port();
            parsed.tcp_flags = tcp.flags();
        }
        IpProtocol::UDP => {
            let udp = Udp::new_checked(segment).map_err(|_| ParseError::TruncatedUdp)?;
            if usize::from(udp.length()) < udp::HEADER_LEN {
                return Err(ParseError::UdpLength);
            }
            parsed.source_port = udp.source_port();
            parsed.destination_port = udp.destination_port();
        }
        IpProtocol::SCTP => {
            let header = segment.first_chunk::<SCTP_HEADER_LEN>();
            let [a, b, c, d, ..] = *header.ok_or(ParseError::TruncatedSctp)?;
            parsed.source_port = u16::from_be_bytes([a, b]);
            parsed.destination_port = u16::from_be_bytes([c, d]);
        }
        IpProtocol::ICMP | IpProtocol::ICMPV6 if segment.len() < icmp::HEADER_LEN => {
            return Err(ParseError::TruncatedIcmp);
        }
        _ => {}
    }
    Ok(())
}

/// A first fragment may be as short as eight bytes (Linux reassembles those too): ports are read,
/// TCP flags if they are there.
fn parse_first_fragment(segment: &[u8], parsed: &mut Parsed) -> Result<(), ParseError> {
    let start = segment
        .first_chunk::<FRAGMENT_UNIT>()
        .ok_or(ParseError::TruncatedFragment)?;
    if has_ports(parsed.protocol) {
        let [a, b, c, d, ..] = *start;
        parsed.source_port = u16::from_be_bytes([a, b]);
        parsed.destination_port = u16::from_be_bytes([c, d]);
    }
    if parsed.protocol == IpProtocol::TCP {
        parsed.tcp_flags = Tcp::new_checked(segment).map_or(0, |tcp| tcp.flags());
    }
    Ok(())
}

#[inline]
const fn has_ports(protocol: IpProtocol) -> bool {
    matches!(
        protocol,
        IpProtocol::TCP | IpProtocol::UDP | IpProtocol::SCTP
    )
}

/// RFC 1812 §5.3.7. The source 0.0.0.0 passes: DHCP clients have no other yet.
#[inline]
const fn judge_ipv4_addresses(source: [u8; 4], destination: [u8; 4]) -> Result<(), ParseError> {
    match source {
        [127 | 224..=239, ..] | [255, 255, 255, 255] => return Err(ParseError::MartianSource),
        [0, b, c, d] if b | c | d != 0 => return Err(ParseError::MartianSource),
        _ => {}
    }
    match destination {
        [0 | 127, ..] => Err(ParseError::MartianDestination),
        _ => Ok(()),
    }
}

/// The source `::` passes: duplicate address detection has no other yet (RFC 4862 §5.4.2).
#[inline]
fn judge_ipv6_addresses(source: &[u8; 16], destination: &[u8; 16]) -> Result<(), ParseError> {
    if source[0] == 0xff || *source == IPV6_LOOPBACK || is_mapped(source) {
        return Err(ParseError::MartianSource);
    }
    if *destination == IPV6_LOOPBACK || *destination == [0; 16] || is_mapped(destination) {
        return Err(ParseError::MartianDestination);
    }
    Ok(())
}

/// An IPv4-mapped address on the wire would be taken for the IPv4 flow it spells.
#[inline]
fn is_mapped(address: &[u8; 16]) -> bool {
    address[0..12] == ipv4::MAPPED_PREFIX
}

const UNTAGGED_LEN: u16 = 14;
const TAGGED_LEN: u16 = 18;
const _: () = assert!(UNTAGGED_LEN as usize == ethernet::HEADER_LEN);
const _: () = assert!(TAGGED_LEN as usize == ethernet::HEADER_LEN + vlan::TAG_LEN);
const IPV6_HEADER_LEN: u32 = 40;
const IPV6_LOOPBACK: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
/// RFC 9260 §3.1.
const SCTP_HEADER_LEN: usize = 12;
/// Offsets count in these (RFC 791 §3.1), so a first fragment has at least as many bytes.
const FRAGMENT_UNIT: usize = 8;

#[cfg(test)]
mod tests;

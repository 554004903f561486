// SPDX-License-Identifier: Apache-2.0
//! The packet an ICMP error quotes (RFC 792, RFC 4443 §2.4 c): cut short, and seen by someone else.

use super::{Fragment, Kind, ParseError, extension, has_ports, is_mapped};
use crate::clamped;
use crate::ipv4::{self, IpProtocol, Ipv4};
use crate::ipv6::{self, Ipv6};

/// Bytes behind the quoted IP header without which an error cannot be assigned to a flow.
pub const QUOTE_L4_LEN_MIN: usize = 8;

/// The fields of a quoted packet. Addresses are IPv6, IPv4 in its mapped form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// IPv4 or IPv6.
    pub kind: Kind,
    /// Start of what follows the IP headers, in bytes from the start of the quote.
    pub l4_offset: u16,
    /// Bytes of the quoted packet by its own account; the quote usually has fewer.
    pub ip_len: u32,
    /// Protocol behind the extension headers.
    pub protocol: IpProtocol,
    /// Source address.
    pub source: [u8; 16],
    /// Destination address.
    pub destination: [u8; 16],
    /// Source port; 0 without ports.
    pub source_port: u16,
    /// Destination port; 0 without ports.
    pub destination_port: u16,
    /// Which part of the packet was quoted.
    pub fragment: Fragment,
    /// Time to live or hop limit it had left.
    pub ttl: u8,
}

/// Parses the packet quoted at `bytes`, the payload of an ICMP or `ICMPv6` error. Neither the
/// quote's checksums nor its total length are judged: routers get them wrong, and Linux relays the
/// error all the same.
///
/// # Errors
/// The first rule the quote breaks.
pub fn parse_quote(bytes: &[u8]) -> Result<Quote, ParseError> {
    match bytes.first().map(|first| first >> 4) {
        Some(4) => parse_quote_v4(bytes),
        Some(6) => parse_quote_v6(bytes),
        Some(_) => Err(ParseError::QuoteVersion),
        None => Err(ParseError::TruncatedQuote),
    }
}

fn parse_quote_v4(bytes: &[u8]) -> Result<Quote, ParseError> {
    let ip = Ipv4::new_checked(bytes).map_err(|_| ParseError::TruncatedIpv4)?;
    if usize::from(ip.header_len()) < ipv4::HEADER_LEN_MIN {
        return Err(ParseError::Ipv4HeaderLength);
    }
    let quote = Quote {
        kind: Kind::Ipv4,
        l4_offset: ip.header_len().into(),
        ip_len: ip.total_len().into(),
        protocol: ip.protocol(),
        source: ipv4::to_mapped(ip.source()),
        destination: ipv4::to_mapped(ip.destination()),
        source_port: 0,
        destination_port: 0,
        fragment: match (ip.fragment_offset(), ip.more_fragments()) {
            (0, false) => Fragment::None,
            (0, true) => Fragment::First,
            _ => Fragment::Later,
        },
        ttl: ip.ttl(),
    };
    read_ports(bytes, quote)
}

fn parse_quote_v6(bytes: &[u8]) -> Result<Quote, ParseError> {
    let ip = Ipv6::new_checked(bytes).map_err(|_| ParseError::TruncatedIpv6)?;
    // A mapped address would name an IPv4 flow that this error is not about.
    if is_mapped(&ip.source()) {
        return Err(ParseError::MartianSource);
    }
    if is_mapped(&ip.destination()) {
        return Err(ParseError::MartianDestination);
    }
    let ip_len = usize::from(ip.payload_len()).saturating_add(ipv6::HEADER_LEN);
    let chain = extension::walk(bytes, ip.next_header(), ip_len)?;
    let quote = Quote {
        kind: Kind::Ipv6,
        l4_offset: chain.l4_offset,
        ip_len: u32::from(ip.payload_len()).saturating_add(super::IPV6_HEADER_LEN),
        protocol: chain.protocol,
        source: ip.source(),
        destination: ip.destination(),
        source_port: 0,
        destination_port: 0,
        fragment: chain.fragment,
        ttl: ip.hop_limit(),
    };
    read_ports(bytes, quote)
}

fn read_ports(bytes: &[u8], mut quote: Quote) -> Result<Quote, ParseError> {
    let segment = clamped(bytes, quote.l4_offset.into(), bytes.len());
    let [a, b, c, d, ..] = *segment
        .first_chunk::<QUOTE_L4_LEN_MIN>()
        .ok_or(ParseError::TruncatedQuote)?;
    if quote.fragment != Fragment::Later && has_ports(quote.protocol) {
        quote.source_port = u16::from_be_bytes([a, b]);
        quote.destination_port = u16::from_be_bytes([c, d]);
    }
    Ok(quote)
}

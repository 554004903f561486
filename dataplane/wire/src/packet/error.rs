// SPDX-License-Identifier: Apache-2.0
//! Why a frame is refused.

use core::fmt;

/// The rule a frame breaks. "Cut" means: not wholly in the first segment of the buffer, or not
/// within the length its IP header gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ParseError {
    /// The fragment ends beyond what the whole packet could have (ping of death).
    FragmentTooLong,
    /// The IPv4 total length is more than the bytes that are there.
    Ipv4BeyondPacket,
    /// The IPv4 header checksum is wrong.
    Ipv4Checksum,
    /// The IPv4 header length field says less than 20 bytes.
    Ipv4HeaderLength,
    /// The IPv4 total length is less than the header.
    Ipv4TotalLength,
    /// An IPv4 frame whose packet says another version.
    Ipv4Version,
    /// The IPv6 payload length is more than the bytes that are there.
    Ipv6BeyondPacket,
    /// More extension headers than [`EXTENSIONS_MAX`](super::EXTENSIONS_MAX).
    Ipv6ExtensionChain,
    /// Hop-by-hop options elsewhere than first, or a second fragment header.
    Ipv6ExtensionOrder,
    /// Payload length 0 in front of hop-by-hop options: a jumbogram (RFC 2675), not supported.
    Ipv6Jumbogram,
    /// A routing header of type 0, deprecated by RFC 5095.
    Ipv6RoutingType0,
    /// An IPv6 frame whose packet says another version.
    Ipv6Version,
    /// A destination address no packet on a wire may have.
    MartianDestination,
    /// A source address no packet on a wire may have.
    MartianSource,
    /// An ICMP error quotes something that is not the IP version it runs over.
    QuoteVersion,
    /// The TCP data offset says less than 20 bytes.
    TcpHeaderLength,
    /// The ARP packet is cut.
    TruncatedArp,
    /// The Ethernet header is cut.
    TruncatedEthernet,
    /// The first fragment has less than eight bytes of payload.
    TruncatedFragment,
    /// The ICMP or `ICMPv6` header is cut.
    TruncatedIcmp,
    /// The IPv4 header, options included, is cut.
    TruncatedIpv4,
    /// The IPv6 header is cut.
    TruncatedIpv6,
    /// An IPv6 extension header is cut.
    TruncatedIpv6Extension,
    /// The packet quoted by an ICMP error has less than eight bytes behind its IP header.
    TruncatedQuote,
    /// The SCTP header is cut.
    TruncatedSctp,
    /// The TCP header is cut.
    TruncatedTcp,
    /// The UDP header is cut.
    TruncatedUdp,
    /// The VLAN tag is cut.
    TruncatedVlan,
    /// The UDP length is less than the UDP header.
    UdpLength,
    /// A VLAN tag behind a VLAN tag.
    VlanStacked,
}

impl ParseError {
    /// Every variant, in the order of its number.
    pub const ALL: [Self; 30] = [
        Self::FragmentTooLong,
        Self::Ipv4BeyondPacket,
        Self::Ipv4Checksum,
        Self::Ipv4HeaderLength,
        Self::Ipv4TotalLength,
        Self::Ipv4Version,
        Self::Ipv6BeyondPacket,
        Self::Ipv6ExtensionChain,
        Self::Ipv6ExtensionOrder,
        Self::Ipv6Jumbogram,
        Self::Ipv6RoutingType0,
        Self::Ipv6Version,
        Self::MartianDestination,
        Self::MartianSource,
        Self::QuoteVersion,
        Self::TcpHeaderLength,
        Self::TruncatedArp,
        Self::TruncatedEthernet,
        Self::TruncatedFragment,
        Self::TruncatedIcmp,
        Self::TruncatedIpv4,
        Self::TruncatedIpv6,
        Self::TruncatedIpv6Extension,
        Self::TruncatedQuote,
        Self::TruncatedSctp,
        Self::TruncatedTcp,
        Self::TruncatedUdp,
        Self::TruncatedVlan,
        Self::UdpLength,
        Self::VlanStacked,
    ];

    /// The variant's name as counters spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FragmentTooLong => "fragment_too_long",
            Self::Ipv4BeyondPacket => "ipv4_beyond_packet",
            Self::Ipv4Checksum => "ipv4_checksum",
            Self::Ipv4HeaderLength => "ipv4_header_length",
            Self::Ipv4TotalLength => "ipv4_total_length",
            Self::Ipv4Version => "ipv4_version",
            Self::Ipv6BeyondPacket => "ipv6_beyond_packet",
            Self::Ipv6ExtensionChain => "ipv6_extension_chain",
            Self::Ipv6ExtensionOrder => "ipv6_extension_order",
            Self::Ipv6Jumbogram => "ipv6_jumbogram",
            Self::Ipv6RoutingType0 => "ipv6_routing_type0",
            Self::Ipv6Version => "ipv6_version",
            Self::MartianDestination => "martian_destination",
            Self::MartianSource => "martian_source",
            Self::QuoteVersion => "quote_version",
            Self::TcpHeaderLength => "tcp_header_length",
            Self::TruncatedArp => "truncated_arp",
            Self::TruncatedEthernet => "truncated_ethernet",
            Self::TruncatedFragment => "truncated_fragment",
            Self::TruncatedIcmp => "truncated_icmp",
            Self::TruncatedIpv4 => "truncated_ipv4",
            Self::TruncatedIpv6 => "truncated_ipv6",
            Self::TruncatedIpv6Extension => "truncated_ipv6_extension",
            Self::TruncatedQuote => "truncated_quote",
            Self::TruncatedSctp => "truncated_sctp",
            Self::TruncatedTcp => "truncated_tcp",
            Self::TruncatedUdp => "truncated_udp",
            Self::TruncatedVlan => "truncated_vlan",
            Self::UdpLength => "udp_length",
            Self::VlanStacked => "vlan_stacked",
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl core::error::Error for ParseError {}

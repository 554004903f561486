// SPDX-License-Identifier: Apache-2.0
//! Frames for tests, written as one reads them; nothing of this runs on the packet path.
//!
//! ```
//! use penstock_wire::builder::{Frame, describe};
//! use penstock_wire::tcp::flags::SYN;
//!
//! let frame = Frame::tcp("10.0.0.1:1000", "10.0.0.100:80").flags(SYN).vlan(10).ttl(3).build();
//! assert_eq!(
//!     describe(&frame),
//!     "vlan 10 10.0.0.1:1000 > 10.0.0.100:80 tcp S seq 1 ack 0 ttl 3 len 40"
//! );
//! ```
//!
//! Lengths and checksums are right unless a setter says otherwise. Addresses are text, so that a
//! table of cases reads well; a malformed one is a mistake in the test and panics.

mod describe;
mod emit;

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

pub use describe::{Checksum, describe, ip_checksum, transport_checksum};

use crate::arp::{self, ArpRepr};
use crate::ethernet::{EtherType, FRAME_LEN_MIN, MacAddress};
use crate::ipv4::{IpProtocol, to_mapped};
use crate::sctp::ChunkType;
use crate::{icmp, icmpv6};

/// Hardware address a frame comes from unless told otherwise.
pub const SOURCE_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
/// Hardware address a frame goes to unless told otherwise.
pub const DESTINATION_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);

/// A frame under construction.
#[derive(Debug, Clone)]
#[must_use = "a frame is bytes only after `build`"]
pub struct Frame {
    source_mac: MacAddress,
    destination_mac: MacAddress,
    tags: Vec<(EtherType, u16)>,
    ether_type: Option<EtherType>,
    network: Network,
    transport: Transport,
    payload: Vec<u8>,
    trailer: Vec<u8>,
    padded: bool,
}

#[derive(Debug, Clone)]
enum Network {
    None,
    Ip(Ip),
}

#[derive(Debug, Clone)]
struct Ip {
    source: IpAddr,
    destination: IpAddr,
    protocol: IpProtocol,
    ttl: u8,
    tos: u8,
    ident: u32,
    flow_label: u32,
    dont_fragment: bool,
    fragment: Option<(u16, bool)>,
    options: Vec<u8>,
    extensions: Vec<(IpProtocol, Vec<u8>)>,
    version: Option<u8>,
    header_len: Option<u8>,
    length: Option<u16>,
    checksum: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TransportKind {
    Raw,
    Tcp,
    Udp,
    Sctp,
    Icmp,
}

#[derive(Debug, Clone)]
struct Transport {
    kind: TransportKind,
    source_port: u16,
    destination_port: u16,
    flags: u8,
    sequence: u32,
    acknowledgment: u32,
    window: u16,
    options: Vec<u8>,
    icmp_type: u8,
    icmp_code: u8,
    rest: u32,
    data_offset: Option<u8>,
    length: Option<u16>,
    checksum: Option<u16>,
}

/// Constructors. `source` and `destination` are `"10.0.0.1:80"`, `"[2001:db8::1]:80"` or, where
/// there are no ports, an address alone; both of one family.
impl Frame {
    /// A TCP segment: sequence number 1, no flags, window 65 535.
    pub fn tcp(source: &str, destination: &str) -> Self {
        Self::transport(source, destination, TransportKind::Tcp, IpProtocol::TCP)
    }

    /// A UDP datagram.
    pub fn udp(source: &str, destination: &str) -> Self {
        Self::transport(source, destination, TransportKind::Udp, IpProtocol::UDP)
    }

    /// An SCTP packet with this verification tag and these chunks, each `(type, value)`.
    pub fn sctp(source: &str, destination: &str, tag: u32, chunks: &[(ChunkType, &[u8])]) -> Self {
        let kind = TransportKind::Sctp;
        let mut frame = Self::transport(source, destination, kind, IpProtocol::SCTP);
        frame.transport.sequence = tag;
        frame.payload = emit::chunks(chunks);
        frame
    }

    /// An ICMP or `ICMPv6` message, by the family of the addresses.
    pub fn icmp(source: &str, destination: &str, icmp_type: u8, code: u8) -> Self {
        let protocol = if endpoint(source).is_ipv4() {
            IpProtocol::ICMP
        } else {
            IpProtocol::ICMPV6
        };
        let mut frame = Self::transport(source, destination, TransportKind::Icmp, protocol);
        frame.transport.icmp_type = icmp_type;
        frame.transport.icmp_code = code;
        frame
    }

    /// An echo request.
    pub fn echo(source: &str, destination: &str, ident: u16, sequence: u16) -> Self {
        let v4 = endpoint(source).is_ipv4();
        let icmp_type = if v4 {
            icmp::ECHO_REQUEST
        } else {
            icmpv6::ECHO_REQUEST
        };
        Self::icmp(source, destination, icmp_type, 0)
            .rest((u32::from(ident) << 16) | u32::from(sequence))
    }

    /// An IP packet of any protocol; what follows its header is the [`payload`](Self::payload).
    pub fn ip(source: &str, destination: &str, protocol: IpProtocol) -> Self {
        Self::transport(source, destination, TransportKind::Raw, protocol)
    }

    /// An ARP request, broadcast.
    pub fn arp_request(sender_mac: MacAddress, sender_ip: &str, target_ip: &str) -> Self {
        let repr = ArpRepr {
            operation: arp::Operation::REQUEST,
            sender_mac,
            sender_ip: ipv4_of(sender_ip),
            target_mac: MacAddress::ZERO,
            target_ip: ipv4_of(target_ip),
        };
        Self::arp(&repr).macs(sender_mac, MacAddress::BROADCAST)
    }

    /// An ARP packet.
    pub fn arp(repr: &ArpRepr) -> Self {
        let mut packet = [0; arp::PACKET_LEN];
        let written = repr.emit(&mut packet);
        debug_assert!(written.is_ok(), "the array is as long as an ARP packet");
        Self::ether(EtherType::ARP).payload(&packet)
    }

    /// A frame of any type; what follows its header is the [`payload`](Self::payload).
    pub fn ether(ether_type: EtherType) -> Self {
        Self {
            source_mac: SOURCE_MAC,
            destination_mac: DESTINATION_MAC,
            tags: Vec::new(),
            ether_type: Some(ether_type),
            network: Network::None,
            transport: Transport::new(TransportKind::Raw, 0, 0),
            payload: Vec::new(),
            trailer: Vec::new(),
            padded: false,
        }
    }

    fn transport(
        source: &str,
        destination: &str,
        kind: TransportKind,
        protocol: IpProtocol,
    ) -> Self {
        let (source, destination) = (endpoint(source), endpoint(destination));
        let ether_type = if source.is_ipv4() {
            EtherType::IPV4
        } else {
            EtherType::IPV6
        };
        let mut frame = Self::ether(ether_type);
        frame.network = Network::Ip(Ip::new(source.ip(), destination.ip(), protocol));
        frame.transport = Transport::new(kind, source.port(), destination.port());
        frame
    }
}

/// What the frame carries.
impl Frame {
    /// Hardware addresses.
    pub fn macs(mut self, source: MacAddress, destination: MacAddress) -> Self {
        self.source_mac = source;
        self.destination_mac = destination;
        self
    }

    /// An 802.1Q tag; a second call puts another one behind it.
    pub fn vlan(self, id: u16) -> Self {
        self.tag(EtherType::VLAN, id)
    }

    /// A tag of any kind, with its whole control word.
    pub fn tag(mut self, kind: EtherType, control: u16) -> Self {
        self.tags.push((kind, control));
        self
    }

    /// Bytes behind the innermost header.
    pub fn payload(mut self, bytes: &[u8]) -> Self {
        self.payload = bytes.to_vec();
        self
    }

    /// `len` bytes that count up, behind the innermost header.
    pub fn payload_len(mut self, len: usize) -> Self {
        self.payload = (0..=u8::MAX).cycle().take(len).collect();
        self
    }

    /// Time to live or hop limit; 64 by default.
    pub fn ttl(self, ttl: u8) -> Self {
        self.with_ip(|ip| ip.ttl = ttl)
    }

    /// Type of service or traffic class.
    pub fn tos(self, tos: u8) -> Self {
        self.with_ip(|ip| ip.tos = tos)
    }

    /// Identification; its low 16 bits in IPv4.
    pub fn ident(self, ident: u32) -> Self {
        self.with_ip(|ip| ip.ident = ident)
    }

    /// IPv6 flow label.
    pub fn flow_label(self, label: u32) -> Self {
        self.with_ip(|ip| ip.flow_label = label)
    }

    /// IPv4 "don't fragment".
    pub fn dont_fragment(self) -> Self {
        self.with_ip(|ip| ip.dont_fragment = true)
    }

    /// IPv4 options, padded to whole words.
    pub fn options(self, bytes: &[u8]) -> Self {
        self.with_ip(|ip| ip.options = padded_to_words(bytes))
    }

    /// An IPv6 extension header of this kind behind those already there. `body` is what follows
    /// its first two bytes, padded to a multiple of eight.
    pub fn extension(self, kind: IpProtocol, body: &[u8]) -> Self {
        self.with_ip(|ip| ip.extensions.push((kind, body.to_vec())))
    }

    /// Marks the packet as a fragment at `offset` bytes (a multiple of 8); in IPv6 that adds a
    /// fragment header behind the extension headers. The bytes are not cut: use
    /// [`Frame::ip`] for a later fragment, or [`fragments`](Self::fragments).
    pub fn fragment(self, offset: u16, more: bool) -> Self {
        self.with_ip(|ip| ip.fragment = Some((offset, more)))
    }

    /// TCP flags, see [`tcp::flags`](crate::tcp::flags).
    pub fn flags(mut self, flags: u8) -> Self {
        self.transport.flags = flags;
        self
    }

    /// TCP sequence number.
    pub fn seq(mut self, number: u32) -> Self {
        self.transport.sequence = number;
        self
    }

    /// TCP acknowledgment number.
    pub fn ack(mut self, number: u32) -> Self {
        self.transport.acknowledgment = number;
        self
    }

    /// TCP window.
    pub fn window(mut self, window: u16) -> Self {
        self.transport.window = window;
        self
    }

    /// TCP options, padded to whole words.
    pub fn tcp_options(mut self, bytes: &[u8]) -> Self {
        self.transport.options = padded_to_words(bytes);
        self
    }

    /// The four bytes behind the ICMP checksum.
    pub fn rest(mut self, rest: u32) -> Self {
        self.transport.rest = rest;
        self
    }

    /// Padding to the 60 bytes of the shortest Ethernet frame.
    pub fn padded(mut self) -> Self {
        self.padded = true;
        self
    }

    /// Bytes behind the IP packet.
    pub fn trailer(mut self, bytes: &[u8]) -> Self {
        self.trailer = bytes.to_vec();
        self
    }
}

/// What the frame gets wrong.
impl Frame {
    /// The type field of the Ethernet header, whatever follows.
    pub fn ether_type(mut self, ether_type: EtherType) -> Self {
        self.ether_type = Some(ether_type);
        self
    }

    /// The IP version field.
    pub fn version(self, version: u8) -> Self {
        self.with_ip(|ip| ip.version = Some(version))
    }

    /// The IPv4 header length field, in bytes.
    pub fn header_len(self, bytes: u8) -> Self {
        self.with_ip(|ip| ip.header_len = Some(bytes))
    }

    /// The IPv4 total length or IPv6 payload length field.
    pub fn ip_length(self, bytes: u16) -> Self {
        self.with_ip(|ip| ip.length = Some(bytes))
    }

    /// The IPv4 header checksum field.
    pub fn ip_checksum(self, checksum: u16) -> Self {
        self.with_ip(|ip| ip.checksum = Some(checksum))
    }

    /// The TCP data offset field, in bytes.
    pub fn data_offset(mut self, bytes: u8) -> Self {
        self.transport.data_offset = Some(bytes);
        self
    }

    /// The UDP length field.
    pub fn udp_length(mut self, bytes: u16) -> Self {
        self.transport.length = Some(bytes);
        self
    }

    /// The transport or ICMP checksum field.
    pub fn checksum(mut self, checksum: u16) -> Self {
        self.transport.checksum = Some(checksum);
        self
    }

    fn with_ip(mut self, change: impl FnOnce(&mut Ip)) -> Self {
        if let Network::Ip(ip) = &mut self.network {
            change(ip);
        }
        self
    }
}

/// Results.
impl Frame {
    /// The frame's bytes.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let mut bytes = self.link_header();
        bytes.extend_from_slice(&self.build_ip());
        self.finish(bytes)
    }

    /// The frame without its Ethernet header, tags, padding and trailer: what an ICMP error quotes.
    #[must_use]
    pub fn build_ip(&self) -> Vec<u8> {
        match &self.network {
            Network::None => self.payload.clone(),
            Network::Ip(ip) => emit::network(ip, &self.segment(ip)),
        }
    }

    /// The packet in fragments that carry at most `size` bytes each (a multiple of 8) behind the
    /// IP headers, in order.
    #[must_use]
    pub fn fragments(&self, size: usize) -> Vec<Vec<u8>> {
        let Network::Ip(ip) = &self.network else {
            return alloc::vec![self.build()];
        };
        let segment = self.segment(ip);
        let mut offset: u16 = 0;
        let mut frames = Vec::new();
        let mut chunks = segment.chunks(size.max(8)).peekable();
        while let Some(chunk) = chunks.next() {
            let mut piece = ip.clone();
            piece.fragment = Some((offset, chunks.peek().is_some()));
            let mut bytes = self.link_header();
            bytes.extend_from_slice(&emit::network(&piece, chunk));
            frames.push(self.finish(bytes));
            offset = offset.saturating_add(emit::len16(chunk));
        }
        frames
    }

    fn segment(&self, ip: &Ip) -> Vec<u8> {
        let ends = (mapped(ip.source), mapped(ip.destination));
        emit::transport(&self.transport, ends, ip.protocol, &self.payload)
    }

    fn link_header(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&self.destination_mac.0);
        bytes.extend_from_slice(&self.source_mac.0);
        for (kind, control) in &self.tags {
            bytes.extend_from_slice(&kind.0.to_be_bytes());
            bytes.extend_from_slice(&control.to_be_bytes());
        }
        let ether_type = self.ether_type.map_or(0, |ether_type| ether_type.0);
        bytes.extend_from_slice(&ether_type.to_be_bytes());
        bytes
    }

    fn finish(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.padded {
            bytes.resize(bytes.len().max(FRAME_LEN_MIN), 0);
        }
        bytes.extend_from_slice(&self.trailer);
        bytes
    }
}

impl Ip {
    const fn new(source: IpAddr, destination: IpAddr, protocol: IpProtocol) -> Self {
        Self {
            source,
            destination,
            protocol,
            ttl: 64,
            tos: 0,
            ident: 0,
            flow_label: 0,
            dont_fragment: false,
            fragment: None,
            options: Vec::new(),
            extensions: Vec::new(),
            version: None,
            header_len: None,
            length: None,
            checksum: None,
        }
    }
}

impl Transport {
    const fn new(kind: TransportKind, source_port: u16, destination_port: u16) -> Self {
        Self {
            kind,
            source_port,
            destination_port,
            flags: 0,
            sequence: 1,
            acknowledgment: 0,
            window: 65_535,
            options: Vec::new(),
            icmp_type: 0,
            icmp_code: 0,
            rest: 0,
            data_offset: None,
            length: None,
            checksum: None,
        }
    }
}

/// The address of `text`, IPv4 in its mapped form; for tests that compare with
/// [`Parsed`](crate::packet::Parsed).
#[must_use]
pub fn address(text: &str) -> [u8; 16] {
    mapped(endpoint(text).ip())
}

fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => to_mapped(v4.octets()),
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn ipv4_of(text: &str) -> [u8; 4] {
    let [.., a, b, c, d] = address(text);
    [a, b, c, d]
}

#[expect(
    clippy::panic,
    reason = "a malformed literal in a test is the programmer's error"
)]
fn endpoint(text: &str) -> SocketAddr {
    let alone = || text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0));
    match text.parse::<SocketAddr>().or_else(|_| alone()) {
        Ok(endpoint) => endpoint,
        Err(_) => panic!("not an address or address:port: {text}"),
    }
}

fn padded_to_words(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(4), 0);
    padded
}

#[cfg(test)]
mod tests;

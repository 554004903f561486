// SPDX-License-Identifier: Apache-2.0
//! Telling servers who their client is: the PROXY protocol and TOA
//! (`docs/decisions/0013-client-address.md` has the rules and why they are so).
//!
//! Pure rules: what a segment says goes in, what to do with its packet comes out.
//!
//! ```text
//!   client    SYN c        ACK c+1          data c+1           data further
//!   server    SYN c        header c+1       header + data      data + length of the header
//!                          (until the server has acknowledged the header)
//! ```

use model::service::ClientAddress;
use wire::packet::{Kind, Parsed};
use wire::proxy::{Header, Version};
use wire::tcp::{flags, option};

use crate::sequence::{Edit, Side};

use super::Segment;

/// What is remembered of a connection whose server is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Client {
    /// It is not.
    #[default]
    None,
    /// By a header in front of the stream.
    Proxy(Proxy),
    /// By an option.
    Toa(Toa),
}

/// The header's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Proxy {
    version: Version,
    phase: Phase,
    /// The client's first byte.
    start: u32,
    /// Bytes of the header.
    len: u8,
}

/// How far the header is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No SYN was seen: the stream is left alone.
    Unknown,
    /// The server has said nothing since that told us of a header.
    Unsent,
    /// It is on its way.
    Sent,
    /// The server acknowledged it: it is never sent again.
    Received,
}

/// What the client's acknowledgment has to be for the option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Toa {
    /// The server's first byte, once its SYN has passed.
    server_start: Option<u32>,
}

/// What to do with a client's packet.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// Nothing but to number it, on that side of the header.
    Number(Side),
    /// To take its payload out: a SYN's, which a server may leave to be sent again (RFC 7413 §4.2).
    Bare,
    /// To put the header in front of its payload.
    Header(Header),
    /// To send the header ahead in a segment of its own: both do not fit.
    Ahead(Header),
    /// To put that option in.
    Option(OptionBytes),
    /// To leave the option out: the packet is full.
    NoRoom,
    /// To drop it: it has bytes of both sides of the header's place.
    Refuse,
}

/// An option of TCP.
#[derive(Debug, Clone, Copy)]
pub(super) struct OptionBytes {
    bytes: [u8; TOA_V6_LEN],
    len: usize,
}

impl OptionBytes {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Client {
    /// Of a connection that opens.
    pub(super) const fn new(way: ClientAddress) -> Self {
        let version = match way {
            ClientAddress::None => return Self::None,
            ClientAddress::Toa => return Self::Toa(Toa { server_start: None }),
            ClientAddress::ProxyV1 => Version::V1,
            ClientAddress::ProxyV2 => Version::V2,
        };
        Self::Proxy(Proxy {
            version,
            phase: Phase::Unknown,
            start: 0,
            len: 0,
        })
    }

    /// After a SYN that opens the connection, or opens it again.
    pub(super) fn restarted(self, syn: &Segment, parsed: &Parsed) -> Self {
        match self {
            Self::None => Self::None,
            Self::Toa(_) => Self::Toa(Toa { server_start: None }),
            Self::Proxy(proxy) => Self::Proxy(Proxy {
                phase: Phase::Unsent,
                start: syn.sequence.wrapping_add(1),
                len: header(proxy.version, parsed).len(),
                ..proxy
            }),
        }
    }

    /// The change of the stream that it stands for.
    pub(super) const fn edit(&self) -> Option<Edit> {
        match self {
            Self::Proxy(proxy) if !matches!(proxy.phase, Phase::Unknown) => Some(Edit {
                at: proxy.start,
                old_len: 0,
                new_len: proxy.len as u16,
            }),
            Self::Proxy(_) | Self::Toa(_) | Self::None => None,
        }
    }

    /// What to do with a client's packet that may be `mtu` bytes long when it leaves.
    pub(super) fn inbound(&mut self, segment: &Segment, parsed: &Parsed, mtu: u32) -> Step {
        match self {
            Self::None => Step::Number(Side::Before),
            Self::Toa(toa) => toa.inbound(segment, parsed, mtu),
            Self::Proxy(proxy) => proxy.inbound(segment, parsed, mtu),
        }
    }

    /// Learns from a server's packet, whose numbers are still the server's.
    pub(super) fn outbound(&mut self, segment: &Segment) {
        match self {
            Self::None => {}
            Self::Toa(toa) => {
                if segment.has(flags::SYN) {
                    toa.server_start = Some(segment.sequence.wrapping_add(1));
                }
            }
            Self::Proxy(proxy) => proxy.outbound(segment),
        }
    }
}

impl Proxy {
    fn inbound(&mut self, segment: &Segment, parsed: &Parsed, mtu: u32) -> Step {
        if self.phase == Phase::Unknown {
            return Step::Number(Side::Before);
        }
        if segment.has(flags::SYN) {
            return if segment.len > 0 {
                Step::Bare
            } else {
                Step::Number(Side::Before)
            };
        }
        let offset = segment.sequence.wrapping_sub(self.start).cast_signed();
        let end = segment.sequence.wrapping_add(segment.len);
        if offset < 0 && end.wrapping_sub(self.start).cast_signed() > 0 {
            return Step::Refuse;
        }
        if offset != 0 || self.phase == Phase::Received {
            return Step::Number(Side::Behind);
        }
        if segment.has(flags::RST) {
            // It has to hit the number that the server waits for (RFC 5961 §3.2). If we err, the
            // server says so, and what it acknowledges puts us right.
            return Step::Number(match self.phase {
                Phase::Sent | Phase::Received => Side::Behind,
                Phase::Unsent | Phase::Unknown => Side::Before,
            });
        }
        self.phase = Phase::Sent;
        let header = header(self.version, parsed);
        let longer = parsed.ip_len.saturating_add(header.len().into());
        let fits = longer <= mtu || parsed.piece_len > 0;
        // An urgent pointer counts from the segment's number: it stays right behind the header.
        if segment.len > 0 && (!fits || segment.has(flags::URG)) {
            Step::Ahead(header)
        } else {
            Step::Header(header)
        }
    }

    fn outbound(&mut self, segment: &Segment) {
        if !segment.has(flags::ACK) || matches!(self.phase, Phase::Unknown | Phase::Received) {
            return;
        }
        let received = segment.ack.wrapping_sub(self.start).cast_signed();
        self.phase = if received >= i32::from(self.len) {
            Phase::Received
        } else {
            Phase::Unsent
        };
    }
}

impl Toa {
    /// DPVS's rule (`tcp_in_add_toa`): while the client acknowledges the server's SYN and no byte
    /// more.
    fn inbound(&self, segment: &Segment, parsed: &Parsed, mtu: u32) -> Step {
        let acknowledges = segment.has(flags::ACK) && Some(segment.ack) == self.server_start;
        if !acknowledges || segment.has(flags::SYN) || segment.has(flags::RST) {
            return Step::Number(Side::Before);
        }
        let option = toa(parsed);
        let grown = u32::try_from(option.len).map(|len| parsed.ip_len.saturating_add(len));
        if grown.is_ok_and(|grown| grown <= mtu || parsed.piece_len > 0) {
            Step::Option(option)
        } else {
            Step::NoRoom
        }
    }
}

/// The header of the connection that a client's packet is of.
fn header(version: Version, parsed: &Parsed) -> Header {
    let source = (parsed.source, parsed.source_port);
    let destination = (parsed.destination, parsed.destination_port);
    Header::new(version, &source, &destination)
}

/// The option: its kind, its length, port and address (`struct tcpopt_ip4_addr` of DPVS).
fn toa(parsed: &Parsed) -> OptionBytes {
    let (address, len) = match (parsed.kind, parsed.source) {
        (Kind::Ipv4, [.., a, b, c, d]) => {
            let mut address = [0; 16];
            address[..4].copy_from_slice(&[a, b, c, d]);
            (address, TOA_V4_LEN)
        }
        (_, address) => (address, TOA_V6_LEN),
    };
    let mut bytes = [0; TOA_V6_LEN];
    bytes[0] = option::TOA;
    bytes[1] = if len == TOA_V4_LEN { 8 } else { 20 };
    bytes[2..4].copy_from_slice(&parsed.source_port.to_be_bytes());
    bytes[4..].copy_from_slice(&address);
    OptionBytes { bytes, len }
}

const TOA_V4_LEN: usize = 8;
const TOA_V6_LEN: usize = 20;

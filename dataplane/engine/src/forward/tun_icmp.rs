// SPDX-License-Identifier: Apache-2.0
//! What a router between director and server says about a tunnel: an ICMP error that quotes the
//! outer packet (`ip_vs_in_icmp`, its branch for IPIP, GRE and GUE; RFC 2003 §4, RFC 2473 §8).
//!
//! ```text
//!   | IP | ICMP | outer IP | GRE or GUE | inner IP | 8 bytes or more …     to the outer source
//!                                       └─ what the client hears about, from the VIP
//! ```

use model::addr::Addr;
use wire::ipv4::Ipv4;
use wire::packet::{Fragment, Kind, Parsed, Quote, parse_quote};
use wire::tunnel;
use wire::{icmp, icmpv6};

use crate::flow_table::FlowKey;
use crate::forward::icmp_error::Trouble;

/// The packet inside a quoted one.
#[derive(Debug, Clone, Copy)]
pub struct Inside {
    /// Its headers.
    pub quote: Quote,
    /// Where it begins, in bytes from the start of the frame.
    pub offset: u16,
}

impl Inside {
    /// The key of its flow.
    #[must_use]
    pub const fn key(&self) -> FlowKey {
        FlowKey {
            protocol: self.quote.protocol.0,
            source: Addr::from_octets(self.quote.source),
            source_port: self.quote.source_port,
            destination: Addr::from_octets(self.quote.destination),
            destination_port: self.quote.destination_port,
        }
    }

    /// The packet as a parse would see it, if it had come in whole: what an error about it takes.
    #[must_use]
    pub fn as_parsed(&self, error: &Parsed) -> Parsed {
        let Quote {
            kind,
            l4_offset,
            ip_len,
            protocol,
            source,
            destination,
            source_port,
            destination_port,
            fragment,
            ttl,
        } = self.quote;
        Parsed {
            l3_offset: self.offset,
            l4_offset: self.offset.saturating_add(l4_offset),
            kind,
            ip_len,
            protocol,
            source,
            destination,
            source_port,
            destination_port,
            tcp_flags: 0,
            fragment,
            fragment_offset: 0,
            piece_len: 0,
            ttl,
            ..*error
        }
    }

    /// Whether its sender looks for the MTU of the way, and so has a use for being told.
    #[must_use]
    pub fn must_not_be_cut(&self, bytes: &[u8]) -> bool {
        let header = bytes.get(usize::from(self.offset)..).unwrap_or_default();
        self.quote.kind == Kind::Ipv6
            || Ipv4::new_checked(header).is_ok_and(|header| header.dont_fragment())
    }
}

/// The packet inside the one that an error quotes, if that is a tunnel's and enough of it is there.
#[must_use]
pub fn inside(bytes: &[u8], parsed: &Parsed, outer: &Quote) -> Option<Inside> {
    let end = usize::try_from(parsed.frame_len()).unwrap_or(usize::MAX);
    let bytes = bytes.get(..end.min(bytes.len()))?;
    let behind = usize::from(parsed.l4_offset) + icmp::HEADER_LEN + usize::from(outer.l4_offset);
    let shim = bytes.get(behind..)?;
    // Which ports GUE is spoken to is the servers' to say, once one is found.
    let found = tunnel::inner(outer.protocol, shim, |_| true)?;
    let offset = behind + found.shim_len;
    let quote = parse_quote(bytes.get(offset..)?).ok()?;
    (quote.kind == found.kind && quote.fragment != Fragment::Later).then_some(Inside {
        quote,
        offset: u16::try_from(offset).ok()?,
    })
}

/// The MTU that an error about a packet too large gives; `None` for any other error.
#[must_use]
pub fn told_mtu(bytes: &[u8], parsed: &Parsed) -> Option<u32> {
    let (icmp_type, code, rest) = message(bytes, parsed)?;
    match (parsed.kind, icmp_type, code) {
        (Kind::Ipv4, icmp::DESTINATION_UNREACHABLE, icmp::CODE_FRAGMENTATION_NEEDED) => {
            Some(rest & 0xffff)
        }
        (Kind::Ipv6, icmpv6::PACKET_TOO_BIG, _) => Some(rest),
        _ => None,
    }
}

/// What the client is told of an error about the outer packet, one about its size excepted: the
/// same, or, where the families differ, that the server is out of reach (RFC 2473 §8.2).
#[must_use]
pub fn trouble(bytes: &[u8], parsed: &Parsed, inside: Kind) -> Option<Trouble> {
    let (icmp_type, code, _) = message(bytes, parsed)?;
    Some(if parsed.kind == inside {
        Trouble::Relayed { icmp_type, code }
    } else {
        Trouble::HostUnreachable
    })
}

fn message(bytes: &[u8], parsed: &Parsed) -> Option<(u8, u8, u32)> {
    let message = icmp::Icmp::new_checked(bytes.get(usize::from(parsed.l4_offset)..)?).ok()?;
    Some((message.icmp_type(), message.code(), message.rest()))
}

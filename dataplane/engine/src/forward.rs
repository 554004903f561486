// SPDX-License-Identifier: Apache-2.0
//! What happens to a packet's bytes: rewriting, framing, fragmenting, error messages.

pub mod echo;
pub mod fragment;
pub mod fragment_v6;
pub mod fullnat;
pub mod icmp_error;
pub mod icmp_translate;
pub mod link;
pub mod mss;
pub mod nat;
pub mod options;
pub mod tun;
pub mod tun_icmp;
pub mod xlat;

use wire::buffer::PacketBuf;
use wire::packet::{Kind, Parsed};

/// Lowers the TTL or hop limit by one. `false`, with nothing changed, if the packet may not travel
/// further (RFC 1812 §5.3.1, RFC 8200 §3).
#[must_use]
pub fn lower_ttl<B: PacketBuf>(packet: &mut B, parsed: &Parsed) -> bool {
    if parsed.ttl <= 1 {
        return false;
    }
    let Some(header) = packet.bytes_mut().get_mut(usize::from(parsed.l3_offset)..) else {
        return false;
    };
    match parsed.kind {
        Kind::Ipv4 => wire::ipv4::decrement_ttl(header).is_some(),
        Kind::Ipv6 => wire::ipv6::decrement_hop_limit(header).is_some(),
        Kind::Arp | Kind::Other(_) => false,
    }
}

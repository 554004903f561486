// SPDX-License-Identifier: Apache-2.0
//! Both ends of a packet replaced at once: [`nat`] for one end, then for the other.
//!
//! A packet whose ends are of the other family is translated elsewhere ([`super::xlat`]); here it
//! is refused.

use model::addr::Addr;
use wire::buffer::PacketBuf;
use wire::packet::{Parsed, Quote};

use super::icmp_translate;
use super::nat::{self, End};

/// Address and port of the source, then of the destination.
pub type Ends = ((Addr, u16), (Addr, u16));

/// Gives a whole TCP, UDP or SCTP packet these ends. `false` if the headers are not where the parse
/// found them or the families differ; the packet is of no use then.
#[must_use]
pub fn rewrite<B: PacketBuf>(packet: &mut B, parsed: &Parsed, (source, destination): Ends) -> bool {
    let (addr, port) = source;
    let half_way = Parsed {
        source: *addr.octets(),
        source_port: port,
        ..*parsed
    };
    nat::rewrite(packet, parsed, End::Source, source)
        && nat::rewrite(packet, &half_way, End::Destination, destination)
}

/// Gives an ICMP error these ends, and the packet it quotes, which went the other way, the same
/// ends in exchange. `false` as of [`rewrite`].
#[must_use]
pub fn rewrite_error<B: PacketBuf>(
    packet: &mut B,
    parsed: &Parsed,
    quote: &Quote,
    (source, destination): Ends,
) -> bool {
    let (addr, port) = source;
    let half_way = Parsed {
        source: *addr.octets(),
        ..*parsed
    };
    let quote_half_way = Quote {
        destination: *addr.octets(),
        destination_port: port,
        ..*quote
    };
    icmp_translate::rewrite(packet, parsed, quote, End::Source, source)
        && icmp_translate::rewrite(
            packet,
            &half_way,
            &quote_half_way,
            End::Destination,
            destination,
        )
}

#[cfg(test)]
mod tests;

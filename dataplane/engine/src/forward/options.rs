// SPDX-License-Identifier: Apache-2.0
//! IPv4 options that a router has to do something about (`net/ipv4/ip_options.c`).
//!
//! Record route is filled in; a source route is refused, as by any Linux with its default
//! `accept_source_route = 0`. All others, timestamps included, pass as they are.

use model::addr::Addr;
use wire::buffer::PacketBuf;
use wire::ipv4::{self, Ipv4Mut};
use wire::packet::{Kind, Parsed};

/// RFC 791 §3.1: option types.
const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;
/// Offset of the pointer within a route option; it counts from 1, the first address is at 4.
const POINTER: usize = 2;
const FIRST_POINTER: u8 = 4;
const ADDRESS_LEN: u8 = 4;

/// Whether the packet chooses its own way.
#[must_use]
pub fn is_source_routed(bytes: &[u8], parsed: &Parsed) -> bool {
    let route = |kind| matches!(kind, LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE);
    parsed.kind == Kind::Ipv4
        && options_of(bytes, parsed).is_some_and(|options| find(options, route).is_some())
}

/// Writes `own` into the next free place of a record-route option, if there is one. `false`, with
/// nothing changed, if the option is impossible.
#[must_use]
pub fn record_route<B: PacketBuf>(packet: &mut B, parsed: &Parsed, own: Addr) -> bool {
    if !parsed.has_options || parsed.kind != Kind::Ipv4 || !own.is_v4() {
        return true;
    }
    let place = options_of(packet.bytes(), parsed)
        .and_then(|options| find(options, |kind| kind == RECORD_ROUTE));
    let Some((at, len)) = place else {
        return true;
    };
    let network = usize::from(parsed.l3_offset);
    let start = network + ipv4::HEADER_LEN_MIN + at;
    let bytes = packet.bytes_mut();
    let Some(option) = bytes.get_mut(start..start + len) else {
        return false;
    };
    // ip_options_compile: "if (optlen < 3) … if (optptr[2] < 4) … if (optptr[2] <= optlen) {
    // if (optptr[2]+3 > optlen) …": parameter problem.
    let Some(pointer) = option.get(POINTER).copied() else {
        return false;
    };
    if pointer < FIRST_POINTER {
        return false;
    }
    let target = usize::from(pointer) - 1;
    if target >= option.len() {
        return true;
    }
    let Some(place) = option.get_mut(target..target + usize::from(ADDRESS_LEN)) else {
        return false;
    };
    place.copy_from_slice(&own.v4_octets());
    if let Some(place) = option.get_mut(POINTER) {
        *place = pointer.saturating_add(ADDRESS_LEN);
    }
    let header = bytes.get_mut(network..).unwrap_or_default();
    if let Ok(mut header) = Ipv4Mut::new_checked(header) {
        header.fill_checksum();
    }
    true
}

/// The options of an IPv4 header that the parse has judged.
fn options_of<'a>(bytes: &'a [u8], parsed: &Parsed) -> Option<&'a [u8]> {
    let start = usize::from(parsed.l3_offset) + ipv4::HEADER_LEN_MIN;
    bytes.get(start..usize::from(parsed.l4_offset))
}

/// Place and length of the first option of a kind; a broken list ends where it breaks.
fn find(options: &[u8], wanted: impl Fn(u8) -> bool) -> Option<(usize, usize)> {
    let mut at = 0;
    loop {
        let rest = options.get(at..)?;
        let len = match rest {
            [] | [END, ..] => return None,
            [NO_OPERATION, ..] => 1,
            [_, len, ..] => usize::from(*len),
            [_] => return None,
        };
        if len == 0 || len > rest.len() {
            return None;
        }
        if wanted(*rest.first()?) {
            return Some((at, len));
        }
        at += len;
    }
}

#[cfg(test)]
mod tests;

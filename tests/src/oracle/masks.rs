// SPDX-License-Identifier: Apache-2.0
//! "Masked bytes are not compared, nor a checksum over them."

use wire::ipv4::IpProtocol;
use wire::packet::{Kind, Parsed, parse};

use super::case::Mask;

/// A frame with the masked bytes, and the checksums over them, set to zero; `index` is the frame's
/// place among the expected ones. Expected and actual frame are masked alike.
#[must_use]
pub fn masked(frame: &[u8], masks: &[Mask], index: usize) -> Vec<u8> {
    let mut result = frame.to_vec();
    for mask in masks.iter().filter(|mask| mask.frame == index) {
        let end = mask.offset.saturating_add(mask.len);
        blank(&mut result, mask.offset, end);
        let Ok(parsed) = parse(frame, frame.len()) else {
            continue;
        };
        let (network, transport) = (usize::from(parsed.l3_offset), usize::from(parsed.l4_offset));
        if parsed.kind == Kind::Ipv4 && mask.offset < transport && end > network {
            blank_at(&mut result, network + IPV4_CHECKSUM);
        }
        if let Some(at) = transport_checksum(&parsed)
            && (end > transport || touches_addresses(&parsed, mask.offset, end))
        {
            blank_at(&mut result, at);
        }
    }
    result
}

/// Where the transport checksum stands, if there is one we know.
pub(super) fn transport_checksum(parsed: &Parsed) -> Option<usize> {
    let offset = match parsed.protocol {
        IpProtocol::TCP => 16,
        IpProtocol::UDP => 6,
        IpProtocol::ICMP | IpProtocol::ICMPV6 => 2,
        _ => return None,
    };
    Some(usize::from(parsed.l4_offset) + offset)
}

/// Sets the two bytes of a checksum to zero.
pub(super) fn blank_at(bytes: &mut [u8], at: usize) {
    blank(bytes, at, at.saturating_add(2));
}

/// Sets bytes to zero, as far as they are there.
pub(super) fn blank(bytes: &mut [u8], from: usize, to: usize) {
    let to = to.min(bytes.len());
    if let Some(range) = bytes.get_mut(from.min(to)..to) {
        range.fill(0);
    }
}

/// The addresses are in the pseudo header of the transport checksum.
fn touches_addresses(parsed: &Parsed, from: usize, to: usize) -> bool {
    let network = usize::from(parsed.l3_offset);
    let (start, end) = match parsed.kind {
        Kind::Ipv4 => (network + 12, network + 20),
        Kind::Ipv6 => (network + 8, network + 40),
        Kind::Arp | Kind::Other(_) => return false,
    };
    parsed.protocol != IpProtocol::ICMP && from < end && to > start
}

/// Place of the header checksum in an IPv4 header.
pub(super) const IPV4_CHECKSUM: usize = 10;

#[cfg(test)]
mod tests;

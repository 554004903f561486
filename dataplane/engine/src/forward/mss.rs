// SPDX-License-Identifier: Apache-2.0
//! The largest segment that a SYN lets its receiver send (RFC 9293 §3.7.1), lowered.
//!
//! For services whose way to the server or back carries less than the ends believe, and where
//! "fragmentation needed" does not come through. A SYN without the option is left alone: its sender
//! takes 536 bytes (IPv6: 1220), which every way carries.

use wire::buffer::PacketBuf;
use wire::checksum::Delta;
use wire::ipv4::IpProtocol;
use wire::packet::Parsed;
use wire::tcp::{self, Tcp, TcpMut};

/// Lowers the announced maximum segment size to `max` bytes if it is larger, checksum included.
/// Returns whether it was. For a SYN or SYN+ACK; of other packets the option means nothing.
pub fn clamp<B: PacketBuf>(packet: &mut B, parsed: &Parsed, max: u16) -> bool {
    if parsed.protocol != IpProtocol::TCP {
        return false;
    }
    let end = usize::try_from(parsed.frame_len()).unwrap_or(usize::MAX);
    let bytes = packet.bytes_mut();
    let end = end.min(bytes.len());
    let Some(segment) = bytes.get_mut(usize::from(parsed.l4_offset)..end) else {
        return false;
    };
    clamp_segment(segment, max).is_some()
}

fn clamp_segment(segment: &mut [u8], max: u16) -> Option<()> {
    let header_len = usize::from(Tcp::new_checked(segment).ok()?.header_len());
    let options = segment.get(tcp::HEADER_LEN_MIN..header_len)?;
    let value = tcp::find_option(options, tcp::option::MSS).filter(|value| value.len() == 2)?;
    let at = tcp::HEADER_LEN_MIN + value.start;
    let place = segment.get_mut(at..)?.first_chunk_mut::<2>()?;
    let old = u16::from_be_bytes(*place);
    if old <= max {
        return None;
    }
    *place = max.to_be_bytes();
    // At an odd place its two bytes are of two words: the sum of swapped bytes is the swapped sum
    // (RFC 1071 §2, B).
    let delta = if at.is_multiple_of(2) {
        Delta::new().word(old, max)
    } else {
        Delta::new().word(old.swap_bytes(), max.swap_bytes())
    };
    let mut header = TcpMut::new_checked(segment).ok()?;
    let checksum = delta.apply(header.checksum());
    header.set_checksum(checksum);
    Some(())
}

#[cfg(test)]
mod tests;

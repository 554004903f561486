// SPDX-License-Identifier: Apache-2.0
//! Changes of a TCP segment that change its length: an option more, other bytes in the payload.
//!
//! ```text
//!   before    | Ethernet | IP | TCP | payload | replaced | rest |  + tail segments
//!   after  | Ethernet | IP | TCP | payload | the new bytes | rest |  + tail segments
//! ```
//!
//! What stands in front of the change moves towards the front of the buffer, so the rest of the
//! payload, which may lie in tail segments, stays where it is. Only if the headroom is too small
//! the rest moves instead. Lengths and checksums follow; the transport checksum incrementally, so a
//! segment that came in damaged leaves damaged by the same amount.
//!
//! Sequence numbers are somebody else's business.

use core::ops::Range;

use crate::buffer::PacketBuf;
use crate::checksum::{self, Delta};
use crate::ipv4::{IpProtocol, Ipv4Mut, PACKET_LEN_MAX};
use crate::ipv6::{self, Ipv6Mut};
use crate::packet::{Kind, Parsed};
use crate::tcp::{self, Tcp, TcpMut};

/// Why a segment was left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditError {
    /// Not TCP, or the bytes to change are not all in the first segment of the buffer.
    OutOfReach,
    /// The header has no room for that option: it would be longer than
    /// [`tcp::HEADER_LEN_MAX`].
    HeaderFull,
    /// The buffer has no room for so many bytes, neither in front nor behind.
    NoRoom,
    /// The IP packet would be longer than 65 535 bytes.
    TooLong,
}

impl core::fmt::Display for EditError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::OutOfReach => "no TCP, or its bytes are not in the first segment",
            Self::HeaderFull => "the TCP header has no room for the option",
            Self::NoRoom => "the buffer has no room for the new bytes",
            Self::TooLong => "the packet would be longer than IP can say",
        })
    }
}

impl core::error::Error for EditError {}

/// Puts `option`, a multiple of four bytes long, in front of the other options, where a list that
/// ends early cannot hide it. `parsed` is kept true.
///
/// # Errors
/// See [`EditError`]; the packet is unchanged.
pub fn insert_option<B: PacketBuf>(
    packet: &mut B,
    parsed: &mut Parsed,
    option: &[u8],
) -> Result<(), EditError> {
    let header_len = header_len(packet, parsed)?;
    let grown = header_len.saturating_add(option.len());
    let new_len = u8::try_from(grown).unwrap_or(u8::MAX);
    if grown > tcp::HEADER_LEN_MAX || !option.len().is_multiple_of(4) {
        return Err(EditError::HeaderFull);
    }
    let offset = usize::from(parsed.l4_offset);
    let at = offset.saturating_add(tcp::HEADER_LEN_MIN);
    splice(packet, parsed, at..at, option)?;
    let bytes = packet.bytes_mut().get_mut(offset..).unwrap_or_default();
    if let Ok(mut header) = TcpMut::new_checked(bytes) {
        let old = header.offset_and_flags();
        header.set_header_len(new_len);
        let delta = Delta::new().word(old, header.offset_and_flags());
        let checksum = delta.apply(header.checksum());
        header.set_checksum(checksum);
    }
    Ok(())
}

/// Replaces `range` of the payload, counted from its first byte, by `with`: an empty range inserts,
/// an empty `with` removes. `parsed` is kept true.
///
/// # Errors
/// See [`EditError`]; the packet is unchanged.
pub fn replace_payload<B: PacketBuf>(
    packet: &mut B,
    parsed: &mut Parsed,
    range: Range<usize>,
    with: &[u8],
) -> Result<(), EditError> {
    let payload = usize::from(parsed.l4_offset).saturating_add(header_len(packet, parsed)?);
    let range = payload.saturating_add(range.start)..payload.saturating_add(range.end);
    splice(packet, parsed, range, with)
}

/// Where the payload begins in the frame and how long it is, tail segments included; `None` if it
/// is not TCP or its header is not what it says.
#[must_use]
pub fn payload<B: PacketBuf>(packet: &B, parsed: &Parsed) -> Option<Range<usize>> {
    let start = usize::from(parsed.l4_offset).checked_add(header_len(packet, parsed).ok()?)?;
    Some(start..usize::try_from(parsed.frame_len()).ok()?)
}

/// The TCP header's own account of its length, believed only if that much is there.
fn header_len<B: PacketBuf>(packet: &B, parsed: &Parsed) -> Result<usize, EditError> {
    let bytes = packet.bytes().get(usize::from(parsed.l4_offset)..);
    let header = bytes
        .filter(|_| parsed.is_ip() && parsed.protocol == IpProtocol::TCP)
        .and_then(|bytes| Tcp::new_checked(bytes).ok())
        .ok_or(EditError::OutOfReach)?;
    let len = header.header_len();
    if usize::from(len) < tcp::HEADER_LEN_MIN || u32::from(len) > parsed.l4_len() {
        return Err(EditError::OutOfReach);
    }
    Ok(len.into())
}

/// Replaces a range of the frame behind the TCP header's fixed part.
fn splice<B: PacketBuf>(
    packet: &mut B,
    parsed: &mut Parsed,
    range: Range<usize>,
    with: &[u8],
) -> Result<(), EditError> {
    let frame_len = usize::try_from(parsed.frame_len()).unwrap_or(usize::MAX);
    let reach = packet.bytes().len().min(frame_len);
    if range.start > range.end || range.end > reach {
        return Err(EditError::OutOfReach);
    }
    let removed = range.end.saturating_sub(range.start);
    let l4_len = parsed.l4_len();
    let grown = |len: u32| {
        let len = usize::try_from(len).ok()?.checked_add(with.len())?;
        u32::try_from(len.checked_sub(removed)?).ok()
    };
    // An IPv6 packet counts without its header, but nothing that long is ever made here.
    let ip_len = grown(parsed.ip_len).filter(|len| *len <= LEN_MAX);
    let (Some(ip_len), Some(new_l4_len)) = (ip_len, grown(l4_len)) else {
        return Err(EditError::TooLong);
    };
    // Ethernet padding would count as payload once the packet is longer.
    packet.truncate(frame_len);
    let odd = removed.wrapping_sub(with.len()) & 1 == 1;
    // If what follows changes its place by an odd number of bytes, each of its words changes.
    let end = if odd { frame_len } else { range.end };
    let from = usize::from(parsed.l4_offset);
    let old = sum_at(packet, range.start..end, from);
    let (start, new_end) = make_room(packet, range, with.len())?;
    if let Some(place) = packet.bytes_mut().get_mut(start..new_end) {
        place.copy_from_slice(with);
    }
    let end = end.wrapping_sub(removed).wrapping_add(with.len());
    let new = sum_at(packet, start..end, from);
    let delta = Delta::new().word(old, new).long(l4_len, new_l4_len);
    let transport = packet.bytes_mut().get_mut(from..).unwrap_or_default();
    if let Ok(mut header) = TcpMut::new_checked(transport) {
        let checksum = delta.apply(header.checksum());
        header.set_checksum(checksum);
    }
    set_ip_len(packet, parsed, ip_len);
    parsed.ip_len = ip_len;
    Ok(())
}

/// Makes `range` of the frame `count` bytes long; where it is then. The frame still begins at
/// offset 0.
fn make_room<B: PacketBuf>(
    packet: &mut B,
    range: Range<usize>,
    count: usize,
) -> Result<(usize, usize), EditError> {
    let removed = range.end.saturating_sub(range.start);
    let end = range.start.saturating_add(count);
    if count <= removed {
        let less = removed.saturating_sub(count);
        if let Some(front) = packet
            .bytes_mut()
            .get_mut(..range.start.saturating_add(less))
        {
            front.copy_within(..range.start, less);
        }
        packet.trim_front(less).map_err(|_| EditError::OutOfReach)?;
        return Ok((range.start, end));
    }
    let more = count.saturating_sub(removed);
    if packet.prepend(more).is_ok() {
        let bytes = packet.bytes_mut();
        bytes.copy_within(more..more.saturating_add(range.start), 0);
        return Ok((range.start, end));
    }
    let len = packet.bytes().len();
    packet.append(more).map_err(|_| EditError::NoRoom)?;
    packet.bytes_mut().copy_within(range.end..len, end);
    Ok((range.start, end))
}

/// The sum of a range of the frame as it counts in a checksum that begins at `from`.
fn sum_at<B: PacketBuf>(packet: &B, range: Range<usize>, from: usize) -> u16 {
    let sum = checksum::sum_of(packet, range.start, range.end);
    if range.start.wrapping_sub(from) & 1 == 1 {
        // At an odd place its bytes are of two words: the sum of swapped bytes is the swapped sum
        // (RFC 1071 §2, B).
        sum.swap_bytes()
    } else {
        sum
    }
}

fn set_ip_len<B: PacketBuf>(packet: &mut B, parsed: &Parsed, ip_len: u32) {
    let network = packet.bytes_mut().get_mut(usize::from(parsed.l3_offset)..);
    let network = network.unwrap_or_default();
    match parsed.kind {
        Kind::Ipv4 => {
            let (old, new) = (parsed.ip_len, ip_len);
            if let Ok(mut header) = Ipv4Mut::new_checked(network) {
                header.set_total_len(u16::try_from(new).unwrap_or(u16::MAX));
                header.update_checksum(Delta::new().long(old, new));
            }
        }
        Kind::Ipv6 => {
            let len = ip_len.saturating_sub(IPV6_HEADER_LEN);
            if let Ok(mut header) = Ipv6Mut::new_checked(network) {
                header.set_payload_len(u16::try_from(len).unwrap_or(u16::MAX));
            }
        }
        Kind::Arp | Kind::Other(_) => {}
    }
}

const LEN_MAX: u32 = 0xffff;
const _: () = assert!(LEN_MAX as usize == PACKET_LEN_MAX);
const IPV6_HEADER_LEN: u32 = 40;
const _: () = assert!(IPV6_HEADER_LEN as usize == ipv6::HEADER_LEN);

#[cfg(test)]
mod tests;

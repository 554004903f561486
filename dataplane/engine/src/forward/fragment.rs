// SPDX-License-Identifier: Apache-2.0
//! Cutting a packet to pieces: one of IPv4 that is larger than the next link (RFC 791 §3.2; Linux
//! `ip_fragment`), and any that came in pieces (`ip6_fragment`, RFC 8200 §4.5).

use wire::buffer::{PacketBuf, PacketPool};
use wire::ipv4::{self, Ipv4, Ipv4Mut};
use wire::ipv6::{self, FragmentHeader, Ipv6, Ipv6Mut};
use wire::packet::{Kind, Parsed};

/// Bytes of fragment data counted by one unit of the offset field.
const UNIT: usize = 8;

/// As [`split`], for a packet of either family whose network header starts at `l3_offset`; an IPv6
/// packet must have a fragment header, as one has that was put together here.
pub fn cut<P: PacketPool>(
    packet: &P::Buf,
    l3_offset: u16,
    parsed: &Parsed,
    longest: u32,
    pool: &mut P,
    emit: impl FnMut(P::Buf),
) -> bool {
    if parsed.kind == Kind::Ipv4 {
        return split(packet, l3_offset, longest, pool, emit);
    }
    let place = parsed.fragment_offset.checked_sub(parsed.l3_offset);
    place.is_some_and(|place| {
        let places = (l3_offset.into(), place.into());
        split_v6(packet, places, longest, pool, emit).is_some()
    })
}

/// Cuts an IPv6 packet with a fragment header: what is before it, and it, go along with every
/// piece. `place` is where it is, in bytes behind `l3`, the start of the fixed header.
fn split_v6<P: PacketPool>(
    packet: &P::Buf,
    (l3, place): (usize, usize),
    longest: u32,
    pool: &mut P,
    mut emit: impl FnMut(P::Buf),
) -> Option<()> {
    let head_len = place + ipv6::FRAGMENT_LEN;
    let head = packet.bytes().get(l3..l3 + head_len)?;
    let end = usize::from(Ipv6::new_checked(head).ok()?.payload_len()) + ipv6::HEADER_LEN;
    let base = FragmentHeader::new_checked(head.get(place..)?)
        .ok()?
        .offset();
    let room = usize::try_from(longest).ok()?.checked_sub(head_len)?;
    let mut at = head_len;
    while at < end {
        let left = end - at;
        let take = if left <= room {
            left
        } else {
            room / UNIT * UNIT
        };
        if take == 0 {
            return None;
        }
        let mut piece = pool.alloc()?;
        piece.append(head_len + take).ok()?;
        let (header, data) = piece.bytes_mut().split_at_mut_checked(head_len)?;
        header.copy_from_slice(head);
        if packet.copy_out(l3 + at, data) != take {
            return None;
        }
        let mut fixed = Ipv6Mut::new_checked(header).ok()?;
        fixed.set_payload_len(u16::try_from(head_len + take - ipv6::HEADER_LEN).ok()?);
        let offset = base.checked_add(u16::try_from(at - head_len).ok()?)?;
        header
            .get_mut(place + 2..place + 4)?
            .copy_from_slice(&(offset | u16::from(take < left)).to_be_bytes());
        emit(piece);
        at += take;
    }
    Some(())
}

/// Cuts the IPv4 packet whose header starts at `l3_offset` into pieces of at most `mtu` bytes and
/// hands each to `emit`, in order; every piece starts with its IP header. `false` if a buffer or
/// the header failed; some pieces may have been handed over by then.
pub fn split<P: PacketPool>(
    packet: &P::Buf,
    l3_offset: u16,
    mtu: u32,
    pool: &mut P,
    mut emit: impl FnMut(P::Buf),
) -> bool {
    let l3 = usize::from(l3_offset);
    let Some(bytes) = packet.bytes().get(l3..) else {
        return false;
    };
    let Ok(header) = Ipv4::new_checked(bytes) else {
        return false;
    };
    let header_len = usize::from(header.header_len());
    let end = usize::from(header.total_len());
    let Some(first_header) = bytes.get(..header_len) else {
        return false;
    };
    let mut later_header = [0; ipv4::HEADER_LEN_MAX];
    let later_len = copied_options(first_header, &mut later_header);
    let place = header.flags_and_offset();
    let mtu = usize::try_from(mtu).unwrap_or(usize::MAX);

    let mut at = header_len;
    while at < end {
        let head = if at == header_len {
            first_header
        } else {
            later_header.get(..later_len).unwrap_or(&[])
        };
        let room = mtu.saturating_sub(head.len()) / UNIT * UNIT;
        let left = end - at;
        let all_of_it = left <= mtu.saturating_sub(head.len());
        let take = if all_of_it { left } else { room };
        if take == 0 {
            return false;
        }
        let more = !all_of_it || place & ipv4::FLAG_MORE_FRAGMENTS != 0;
        let offset = usize::from(place & ipv4::OFFSET_MASK) + (at - header_len) / UNIT;
        let Some(piece) = piece(packet, l3 + at, head, take, (offset, more), pool) else {
            return false;
        };
        emit(piece);
        at += take;
    }
    true
}

fn piece<P: PacketPool>(
    packet: &P::Buf,
    from: usize,
    head: &[u8],
    take: usize,
    (offset, more): (usize, bool),
    pool: &mut P,
) -> Option<P::Buf> {
    let mut piece = pool.alloc()?;
    piece.append(head.len() + take).ok()?;
    let (header, data) = piece.bytes_mut().split_at_mut_checked(head.len())?;
    header.copy_from_slice(head);
    if packet.copy_out(from, data) != take {
        return None;
    }
    // Of what came in pieces that were not to be cut (Linux: `IPSKB_FRAG_PMTU`).
    let kept = Ipv4::new_checked(header).ok()?.flags_and_offset() & ipv4::FLAG_DONT_FRAGMENT;
    let mut header = Ipv4Mut::new_checked(header).ok()?;
    header.set_header_len(u8::try_from(head.len()).ok()?);
    header.set_total_len(u16::try_from(head.len() + take).ok()?);
    let more = if more { ipv4::FLAG_MORE_FRAGMENTS } else { 0 };
    header.set_flags_and_offset(u16::try_from(offset).ok()? | more | kept);
    header.fill_checksum();
    Some(piece)
}

/// Writes the header of the later fragments: only options with the copied flag go along (RFC 791
/// §3.1), padded to a multiple of four. Returns its length.
fn copied_options(header: &[u8], target: &mut [u8; ipv4::HEADER_LEN_MAX]) -> usize {
    let (fixed, mut options) = header
        .split_at_checked(ipv4::HEADER_LEN_MIN)
        .unwrap_or((header, &[]));
    let mut kept = 0;
    let mut put = |bytes: &[u8]| {
        if let Some(place) = target.get_mut(kept..kept + bytes.len()) {
            place.copy_from_slice(bytes);
            kept += bytes.len();
        }
    };
    put(fixed);
    while let [kind, rest @ ..] = options {
        let len = match (kind, rest) {
            (0, _) => break,
            (1, _) => 1,
            (_, [len, ..]) => usize::from(*len),
            (_, []) => break,
        };
        if len == 0 || len > options.len() || (*kind != 1 && len < 2) {
            break;
        }
        let (option, after) = options.split_at_checked(len).unwrap_or((options, &[]));
        if kind & OPTION_COPIED != 0 {
            put(option);
        }
        options = after;
    }
    let padding = kept.next_multiple_of(4) - kept;
    if let Some(place) = target.get_mut(kept..kept + padding) {
        place.fill(0);
    }
    kept + padding
}

/// The copied flag of an option's type (RFC 791 §3.1).
const OPTION_COPIED: u8 = 0x80;

#[cfg(test)]
mod tests;

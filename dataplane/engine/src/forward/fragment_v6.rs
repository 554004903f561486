// SPDX-License-Identifier: Apache-2.0
//! Cutting an IPv6 packet of our own that is larger than its way (RFC 8200 §4.5; `ip6_fragment`).
//!
//! Only its source may do that, and the director is the source of what it tunnels.

use wire::buffer::{PacketBuf, PacketPool};
use wire::ipv4::IpProtocol;
use wire::ipv6::{self, Ipv6, Ipv6Mut};

/// Bytes of fragment data counted by one unit of the offset field.
const UNIT: usize = 8;
/// Bytes in front of the data of a piece.
const HEAD_LEN: usize = ipv6::HEADER_LEN + ipv6::FRAGMENT_LEN;

/// Cuts a packet that begins with its IPv6 header, without extension headers, into pieces of at
/// most `mtu` bytes and hands each to `emit`, in order. `false` if a buffer or the header failed;
/// some pieces may have been handed over by then.
pub fn split<P: PacketPool>(
    packet: &P::Buf,
    (mtu, ident): (u32, u32),
    pool: &mut P,
    mut emit: impl FnMut(P::Buf),
) -> bool {
    let Some(header) = packet.bytes().first_chunk::<{ ipv6::HEADER_LEN }>() else {
        return false;
    };
    let end = match Ipv6::new_checked(header) {
        Ok(view) => ipv6::HEADER_LEN + usize::from(view.payload_len()),
        Err(_) => return false,
    };
    let room = usize::try_from(mtu).unwrap_or(usize::MAX);
    let room = room.saturating_sub(HEAD_LEN) / UNIT * UNIT;
    if room == 0 {
        return false;
    }
    let mut at = ipv6::HEADER_LEN;
    while at < end {
        let take = room.min(end - at);
        let place = (at - ipv6::HEADER_LEN, at + take < end);
        let Some(piece) = piece(packet, (header, ident), (at, take), place, pool) else {
            return false;
        };
        emit(piece);
        at += take;
    }
    true
}

fn piece<P: PacketPool>(
    packet: &P::Buf,
    (header, ident): (&[u8; ipv6::HEADER_LEN], u32),
    (from, take): (usize, usize),
    (offset, more): (usize, bool),
    pool: &mut P,
) -> Option<P::Buf> {
    let mut piece = pool.alloc()?;
    piece.append(HEAD_LEN + take).ok()?;
    let (head, data) = piece.bytes_mut().split_at_mut_checked(HEAD_LEN)?;
    let (network, fragment) = head.split_at_mut_checked(ipv6::HEADER_LEN)?;
    if packet.copy_out(from, data) != take {
        return None;
    }
    network.copy_from_slice(header);
    let next = Ipv6::new_checked(header).ok()?.next_header();
    let mut network = Ipv6Mut::new_checked(network).ok()?;
    network.set_next_header(IpProtocol::FRAGMENT);
    network.set_payload_len(u16::try_from(ipv6::FRAGMENT_LEN + take).ok()?);
    let place = u16::try_from(offset).ok()? | u16::from(more);
    let [high, low] = place.to_be_bytes();
    let [a, b, c, d] = ident.to_be_bytes();
    fragment.copy_from_slice(&[next.0, 0, high, low, a, b, c, d]);
    Some(piece)
}

#[cfg(test)]
mod tests;

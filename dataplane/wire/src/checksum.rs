// SPDX-License-Identifier: Apache-2.0
//! The Internet checksum (RFC 1071), whole and incremental (RFC 1624).
//!
//! A *sum* is the folded one's complement sum, a *checksum* its complement, as carried in a header.
//! One's complement has two zeros; a sum of bytes that are not all zero is never 0x0000, so a
//! checksum computed here is never 0xffff, and incremental and whole agree to the bit.
//!
//! Incremental update works on the checksum as carried: a wrong checksum stays wrong by the same
//! amount, so a damaged segment is not made good by rewriting its addresses.

use crate::buffer::PacketBuf;
use crate::ipv4::IpProtocol;

/// One's complement sum of `bytes` as big-endian words; an odd last byte is padded with zero.
#[inline]
#[must_use]
pub fn sum(bytes: &[u8]) -> u16 {
    // Words may be added in any byte order and swapped once at the end (RFC 1071 §2, B). A u64
    // takes 2^32 additions of 32 bits before it could overflow; a packet has at most 2^14.
    let (words, rest) = bytes.as_chunks::<4>();
    let mut total = words.iter().fold(0u64, |acc, word| {
        acc.wrapping_add(u32::from_ne_bytes(*word).into())
    });
    let (pairs, odd) = rest.as_chunks::<2>();
    for pair in pairs {
        total = total.wrapping_add(u16::from_ne_bytes(*pair).into());
    }
    if let Some(last) = odd.first() {
        total = total.wrapping_add(u16::from_ne_bytes([*last, 0]).into());
    }
    u16::from_be_bytes(fold(total).to_ne_bytes())
}

/// Sum over a range of the whole packet, tail segments included.
#[must_use]
pub fn sum_of<B: PacketBuf>(packet: &B, mut from: usize, to: usize) -> u16 {
    // Even, so that words do not straddle two pieces.
    let mut piece = [0; 256];
    let mut total = 0;
    while from < to {
        let want = piece.len().min(to.saturating_sub(from));
        let (target, _) = piece.split_at_mut(want);
        let got = packet.copy_out(from, target);
        total = add(total, sum(target.get(..got).unwrap_or_default()));
        if got < want {
            break;
        }
        from = from.saturating_add(got);
    }
    total
}

/// One's complement sum of two sums.
#[inline]
#[must_use]
pub const fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum.wrapping_add(carry as u16)
}

/// Checksum of `bytes`, whose checksum field must be zero (IPv4 header, ICMP).
#[inline]
#[must_use]
pub fn of(bytes: &[u8]) -> u16 {
    !sum(bytes)
}

/// Sum of the IPv4 pseudo header (RFC 9293 §3.1); `length` is that of the segment in bytes.
#[must_use]
pub fn pseudo_v4(source: [u8; 4], destination: [u8; 4], protocol: IpProtocol, length: u16) -> u16 {
    let addresses = add(sum(&source), sum(&destination));
    add(add(addresses, u16::from(protocol.0)), length)
}

/// Sum of the IPv6 pseudo header (RFC 8200 §8.1); `length` is that of the segment in bytes.
///
/// For IPv4-mapped addresses it is the IPv4 pseudo header's: a mapped prefix adds 0xffff, which is
/// nothing in one's complement.
#[must_use]
pub fn pseudo_v6(
    source: &[u8; 16],
    destination: &[u8; 16],
    protocol: IpProtocol,
    length: u32,
) -> u16 {
    let addresses = add(sum(source), sum(destination));
    add(
        add(addresses, u16::from(protocol.0)),
        sum(&length.to_be_bytes()),
    )
}

/// Checksum of a transport segment, whose checksum field must be zero, behind a pseudo header.
#[inline]
#[must_use]
pub fn transport(pseudo: u16, segment: &[u8]) -> u16 {
    !add(pseudo, sum(segment))
}

/// How UDP sends a computed checksum: 0 would mean "none" and goes as 0xffff (RFC 768).
#[inline]
#[must_use]
pub const fn udp_to_wire(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}

/// `checksum` after the word `old` became `new`: RFC 1624 eqn 3, HC' = ~(~HC + ~m + m').
#[inline]
#[must_use]
pub const fn update16(checksum: u16, old: u16, new: u16) -> u16 {
    Delta::new().word(old, new).apply(checksum)
}

/// `checksum` after four bytes at an even offset changed.
#[inline]
#[must_use]
pub const fn update32(checksum: u16, old: u32, new: u32) -> u16 {
    Delta::new().long(old, new).apply(checksum)
}

/// `checksum` after an address, IPv4 in its mapped form, changed.
#[inline]
#[must_use]
pub fn update_address(checksum: u16, old: &[u8; 16], new: &[u8; 16]) -> u16 {
    Delta::new().address(old, new).apply(checksum)
}

/// Differences of several fields, collected once and applied to each checksum that covers them
/// (the address of a NAT rewrite is in the IPv4 header's and in the transport's).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "a delta changes nothing until it is applied"]
pub struct Delta(u64);

impl Delta {
    /// No difference.
    #[inline]
    pub const fn new() -> Self {
        Self(0)
    }

    /// A word `old` that becomes `new`.
    #[inline]
    pub const fn word(self, old: u16, new: u16) -> Self {
        Self(self.0.wrapping_add(!old as u64).wrapping_add(new as u64))
    }

    /// Four bytes at an even offset.
    #[inline]
    pub const fn long(self, old: u32, new: u32) -> Self {
        Self(self.0.wrapping_add(!old as u64).wrapping_add(new as u64))
    }

    /// An IPv6 address, or IPv4 addresses in their mapped form.
    #[inline]
    pub fn address(self, old: &[u8; 16], new: &[u8; 16]) -> Self {
        let (old, _) = old.as_chunks::<4>();
        let (new, _) = new.as_chunks::<4>();
        old.iter().zip(new).fold(self, |delta, (old, new)| {
            delta.long(u32::from_be_bytes(*old), u32::from_be_bytes(*new))
        })
    }

    /// The differences of `other` as well.
    #[inline]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// The checksum after the change.
    #[inline]
    #[must_use]
    pub const fn apply(self, checksum: u16) -> u16 {
        !fold(self.0.wrapping_add(!checksum as u64))
    }

    /// The UDP checksum after the change: "none" (0) stays none, a computed 0 goes as 0xffff.
    #[inline]
    #[must_use]
    pub const fn apply_udp(self, checksum: u16) -> u16 {
        if checksum == 0 {
            0
        } else {
            udp_to_wire(self.apply(checksum))
        }
    }
}

#[inline]
// Four folds leave at most 16 bits.
const fn fold(total: u64) -> u16 {
    let total = (total >> 32).wrapping_add(total & 0xffff_ffff);
    let total = (total >> 32).wrapping_add(total & 0xffff_ffff);
    let total = (total >> 16).wrapping_add(total & 0xffff);
    let total = (total >> 16).wrapping_add(total & 0xffff);
    total as u16
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: Apache-2.0
//! Views of packet headers, checksums and the packet buffer the engine works on.
//!
//! A *view* gives access to the bytes of one header and makes no judgement; the `parse` functions
//! judge. Nothing here allocates on the packet path, panics on any input, or knows of DPDK.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod arp;
pub mod buffer;
pub mod builder;
pub mod checksum;
pub mod crc32c;
pub mod ethernet;
pub mod ftp;
pub mod gre;
pub mod gue;
pub mod icmp;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;
pub mod packet;
pub mod proxy;
pub mod quic;
pub mod sctp;
pub mod segment;
pub mod sip;
pub mod tcp;
pub mod toeplitz;
pub mod tunnel;
pub mod udp;
pub mod vlan;

/// A view that could not be made, or a packet that could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireError {
    /// The target has fewer bytes than the packet to write.
    NoRoom,
    /// Fewer bytes than the header's minimum length.
    Truncated,
    /// A version or flags that nobody here understands, and that must not be guessed at.
    Unknown,
}

impl core::fmt::Display for WireError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NoRoom => "the target is too small for the packet",
            Self::Truncated => "fewer bytes than the header's minimum length",
            Self::Unknown => "a version or flags that are not understood",
        })
    }
}

impl core::error::Error for WireError {}

/// The bytes of a constant range, whose length the caller knows to be `N`.
#[inline]
pub(crate) fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0; N])
}

/// `bytes[from..to]`, cut to what is there.
#[inline]
pub(crate) fn clamped(bytes: &[u8], from: usize, to: usize) -> &[u8] {
    let to = to.min(bytes.len());
    bytes.get(from.min(to)..to).unwrap_or_default()
}

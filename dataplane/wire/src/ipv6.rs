// SPDX-License-Identifier: Apache-2.0
//! IPv6 (RFC 8200): header view, setters, the fragment header. The walk over extension headers is
//! part of [`packet`](crate::packet).

use crate::ipv4::IpProtocol;
use crate::{WireError, array, clamped};

/// Bytes of the fixed header.
pub const HEADER_LEN: usize = 40;
/// Bytes every link must carry (RFC 8200 §5).
pub const MTU_MIN: usize = 1280;
/// Bytes of a fragment header.
pub const FRAGMENT_LEN: usize = 8;

/// View of an IPv6 packet.
#[derive(Debug, Clone, Copy)]
pub struct Ipv6<'a> {
    header: &'a [u8; HEADER_LEN],
    bytes: &'a [u8],
}

impl<'a> Ipv6<'a> {
    /// A view of `bytes`.
    ///
    /// # Errors
    /// [`WireError::Truncated`] below [`HEADER_LEN`] bytes.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, WireError> {
        let header = bytes.first_chunk().ok_or(WireError::Truncated)?;
        Ok(Self { header, bytes })
    }

    /// IP version, 6.
    #[inline]
    #[must_use]
    pub const fn version(&self) -> u8 {
        self.header[0] >> 4
    }

    /// DSCP and ECN, as the IPv4 type of service.
    #[inline]
    #[must_use]
    pub const fn traffic_class(&self) -> u8 {
        (self.header[0] << 4) | (self.header[1] >> 4)
    }

    /// Flow label, 20 bits.
    #[inline]
    #[must_use]
    pub const fn flow_label(&self) -> u32 {
        u32::from_be_bytes([0, self.header[1] & 0x0f, self.header[2], self.header[3]])
    }

    /// Bytes behind the fixed header, by its own account.
    #[inline]
    #[must_use]
    pub const fn payload_len(&self) -> u16 {
        u16::from_be_bytes([self.header[4], self.header[5]])
    }

    /// First extension header or protocol.
    #[inline]
    #[must_use]
    pub const fn next_header(&self) -> IpProtocol {
        IpProtocol(self.header[6])
    }

    /// Hops left.
    #[inline]
    #[must_use]
    pub const fn hop_limit(&self) -> u8 {
        self.header[7]
    }

    /// Source address.
    #[inline]
    #[must_use]
    pub fn source(&self) -> [u8; 16] {
        array(&self.header[8..24])
    }

    /// Destination address.
    #[inline]
    #[must_use]
    pub fn destination(&self) -> [u8; 16] {
        array(&self.header[24..40])
    }

    /// Bytes behind the fixed header up to the payload length, cut to what is there.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        let end = HEADER_LEN.saturating_add(usize::from(self.payload_len()));
        clamped(self.bytes, HEADER_LEN, end)
    }
}

/// Writable view of an IPv6 header.
#[derive(Debug)]
pub struct Ipv6Mut<'a> {
    header: &'a mut [u8; HEADER_LEN],
}

impl<'a> Ipv6Mut<'a> {
    /// A writable view of `bytes`.
    ///
    /// # Errors
    /// [`WireError::Truncated`] below [`HEADER_LEN`] bytes.
    #[inline]
    pub fn new_checked(bytes: &'a mut [u8]) -> Result<Self, WireError> {
        Ok(Self {
            header: bytes.first_chunk_mut().ok_or(WireError::Truncated)?,
        })
    }

    /// Sets version 6, traffic class and flow label (its low 20 bits).
    #[inline]
    pub fn set_class_and_label(&mut self, traffic_class: u8, flow_label: u32) {
        let word = 0x6000_0000 | (u32::from(traffic_class) << 20) | (flow_label & 0x000f_ffff);
        self.header[0..4].copy_from_slice(&word.to_be_bytes());
    }

    /// Sets the bytes behind the fixed header.
    #[inline]
    pub fn set_payload_len(&mut self, len: u16) {
        self.header[4..6].copy_from_slice(&len.to_be_bytes());
    }

    /// Sets the first extension header or protocol.
    #[inline]
    pub fn set_next_header(&mut self, protocol: IpProtocol) {
        self.header[6] = protocol.0;
    }

    /// Sets the hops left.
    #[inline]
    pub fn set_hop_limit(&mut self, hops: u8) {
        self.header[7] = hops;
    }

    /// Sets the source address.
    #[inline]
    pub fn set_source(&mut self, address: [u8; 16]) {
        self.header[8..24].copy_from_slice(&address);
    }

    /// Sets the destination address.
    #[inline]
    pub fn set_destination(&mut self, address: [u8; 16]) {
        self.header[24..40].copy_from_slice(&address);
    }
}

/// Lowers the hop limit of the header at `bytes` by one. Returns the new value, or `None`, with
/// nothing changed, when it was 0 or the header is cut.
#[inline]
pub fn decrement_hop_limit(bytes: &mut [u8]) -> Option<u8> {
    let header: &mut [u8; HEADER_LEN] = bytes.first_chunk_mut()?;
    let hops = header[7].checked_sub(1)?;
    header[7] = hops;
    Some(hops)
}

/// View of a fragment header (RFC 8200 §4.5).
#[derive(Debug, Clone, Copy)]
pub struct FragmentHeader<'a> {
    header: &'a [u8; FRAGMENT_LEN],
}

impl<'a> FragmentHeader<'a> {
    /// A view of `bytes`.
    ///
    /// # Errors
    /// [`WireError::Truncated`] below [`FRAGMENT_LEN`] bytes.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, WireError> {
        Ok(Self {
            header: bytes.first_chunk().ok_or(WireError::Truncated)?,
        })
    }

    /// What the fragmentable part begins with.
    #[inline]
    #[must_use]
    pub const fn next_header(&self) -> IpProtocol {
        IpProtocol(self.header[0])
    }

    /// Offset in bytes from the start of the fragmentable part.
    #[inline]
    #[must_use]
    pub const fn offset(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]]) & 0xfff8
    }

    /// Whether more fragments follow.
    #[inline]
    #[must_use]
    pub const fn more(&self) -> bool {
        self.header[3] & 1 != 0
    }

    /// Identification the fragments have in common.
    #[inline]
    #[must_use]
    pub const fn ident(&self) -> u32 {
        u32::from_be_bytes([
            self.header[4],
            self.header[5],
            self.header[6],
            self.header[7],
        ])
    }
}

#[cfg(test)]
mod tests;

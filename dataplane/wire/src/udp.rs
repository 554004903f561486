// SPDX-License-Identifier: Apache-2.0
//! UDP (RFC 768): header view and setters.

use crate::{WireError, clamped};

/// Bytes of the header.
pub const HEADER_LEN: usize = 8;

/// View of a UDP datagram.
#[derive(Debug, Clone, Copy)]
pub struct Udp<'a> {
    header: &'a [u8; HEADER_LEN],
    bytes: &'a [u8],
}

impl<'a> Udp<'a> {
    /// A view of `bytes`.
    ///
    /// # Errors
    /// [`WireError::Truncated`] below [`HEADER_LEN`] bytes.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, WireError> {
        let header = bytes.first_chunk().ok_or(WireError::Truncated)?;
        Ok(Self { header, bytes })
    }

    /// Port it comes from.
    #[inline]
    #[must_use]
    pub const fn source_port(&self) -> u16 {
        u16::from_be_bytes([self.header[0], self.header[1]])
    }

    /// Port it goes to.
    #[inline]
    #[must_use]
    pub const fn destination_port(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    /// Bytes of header and payload by its own account.
    #[inline]
    #[must_use]
    pub const fn length(&self) -> u16 {
        u16::from_be_bytes([self.header[4], self.header[5]])
    }

    /// Checksum as carried; 0 over IPv4 means "none".
    #[inline]
    #[must_use]
    pub const fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.header[6], self.header[7]])
    }

    /// Bytes behind the header up to the length, cut to what is there.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        clamped(self.bytes, HEADER_LEN, usize::from(self.length()))
    }
}

/// Writable view of a UDP header; setters leave the checksum as it is.
#[derive(Debug)]
pub struct UdpMut<'a> {
    header: &'a mut [u8; HEADER_LEN],
}

impl<'a> UdpMut<'a> {
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

    /// Sets the port it comes from.
    #[inline]
    pub fn set_source_port(&mut self, port: u16) {
        self.header[0..2].copy_from_slice(&port.to_be_bytes());
    }

    /// Sets the port it goes to.
    #[inline]
    pub fn set_destination_port(&mut self, port: u16) {
        self.header[2..4].copy_from_slice(&port.to_be_bytes());
    }

    /// Sets the bytes of header and payload.
    #[inline]
    pub fn set_length(&mut self, length: u16) {
        self.header[4..6].copy_from_slice(&length.to_be_bytes());
    }

    /// Checksum as carried; 0 over IPv4 means "none".
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.header[6], self.header[7]])
    }

    /// Sets the checksum.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.header[6..8].copy_from_slice(&checksum.to_be_bytes());
    }
}

#[cfg(test)]
mod tests;

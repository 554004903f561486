// SPDX-License-Identifier: Apache-2.0
//! TCP (RFC 9293 §3.1): header view and setters.

use core::ops::Range;

use crate::checksum::Delta;
use crate::{WireError, clamped};

/// Bytes of a header without options.
pub const HEADER_LEN_MIN: usize = 20;

/// Bytes of the longest header: its length has four bits, in words of 32.
pub const HEADER_LEN_MAX: usize = 60;

/// Kinds of options that are looked for or written here.
pub mod option {
    /// The list ends here (RFC 9293 §3.1).
    pub const END: u8 = 0;
    /// Padding (RFC 9293 §3.1).
    pub const NO_OPERATION: u8 = 1;
    /// Maximum segment size (RFC 9293 §3.7.1).
    pub const MSS: u8 = 2;
    /// Selective acknowledgment: pairs of sequence numbers (RFC 2018 §3).
    pub const SACK: u8 = 5;
    /// "TCP option address": the client's address and port, for a server that cannot see it. No
    /// RFC; the number is the first one of RFC 6994's experiments, and what DPVS and its modules
    /// for servers use.
    pub const TOA: u8 = 254;
}

/// The flag bits of a header.
pub mod flags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronize sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgment field counts.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer counts.
    pub const URG: u8 = 0x20;
    /// Congestion experienced echo, RFC 3168.
    pub const ECE: u8 = 0x40;
    /// Congestion window reduced, RFC 3168.
    pub const CWR: u8 = 0x80;
}

/// View of a TCP segment.
#[derive(Debug, Clone, Copy)]
pub struct Tcp<'a> {
    header: &'a [u8; HEADER_LEN_MIN],
    bytes: &'a [u8],
}

impl<'a> Tcp<'a> {
    /// A view of `bytes`.
    ///
    /// # Errors
    /// [`WireError::Truncated`] below [`HEADER_LEN_MIN`] bytes.
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

    /// Sequence number.
    #[inline]
    #[must_use]
    pub const fn sequence(&self) -> u32 {
        u32::from_be_bytes([
            self.header[4],
            self.header[5],
            self.header[6],
            self.header[7],
        ])
    }

    /// Acknowledgment number.
    #[inline]
    #[must_use]
    pub const fn acknowledgment(&self) -> u32 {
        u32::from_be_bytes([
            self.header[8],
            self.header[9],
            self.header[10],
            self.header[11],
        ])
    }

    /// Bytes of the header by its own account (0 to 60).
    #[inline]
    #[must_use]
    pub const fn header_len(&self) -> u8 {
        (self.header[12] >> 4) << 2
    }

    /// The flag bits, see [`flags`].
    #[inline]
    #[must_use]
    pub const fn flags(&self) -> u8 {
        self.header[13]
    }

    /// Receive window, unscaled.
    #[inline]
    #[must_use]
    pub const fn window(&self) -> u16 {
        u16::from_be_bytes([self.header[14], self.header[15]])
    }

    /// Checksum as carried.
    #[inline]
    #[must_use]
    pub const fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.header[16], self.header[17]])
    }

    /// Bytes of options, cut to what is there.
    #[inline]
    #[must_use]
    pub fn options(&self) -> &'a [u8] {
        clamped(self.bytes, HEADER_LEN_MIN, usize::from(self.header_len()))
    }

    /// Bytes behind the header; empty when the data offset points beyond them.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        clamped(
            self.bytes,
            usize::from(self.header_len()).max(HEADER_LEN_MIN),
            self.bytes.len(),
        )
    }
}

/// Writable view of a TCP header; setters leave the checksum as it is.
#[derive(Debug)]
pub struct TcpMut<'a> {
    header: &'a mut [u8; HEADER_LEN_MIN],
}

impl<'a> TcpMut<'a> {
    /// A writable view of `bytes`.
    ///
    /// # Errors
    /// [`WireError::Truncated`] below [`HEADER_LEN_MIN`] bytes.
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

    /// Sets the sequence number.
    #[inline]
    pub fn set_sequence(&mut self, number: u32) {
        self.header[4..8].copy_from_slice(&number.to_be_bytes());
    }

    /// Sets the acknowledgment number.
    #[inline]
    pub fn set_acknowledgment(&mut self, number: u32) {
        self.header[8..12].copy_from_slice(&number.to_be_bytes());
    }

    /// Sets the header length in bytes (its multiple of 4).
    #[inline]
    pub fn set_header_len(&mut self, len: u8) {
        self.header[12] = (self.header[12] & 0x0f) | ((len >> 2) << 4);
    }

    /// The word that holds data offset and flags, for checksums.
    #[inline]
    #[must_use]
    pub fn offset_and_flags(&self) -> u16 {
        u16::from_be_bytes([self.header[12], self.header[13]])
    }

    /// Sets the flag bits.
    #[inline]
    pub fn set_flags(&mut self, flags: u8) {
        self.header[13] = flags;
    }

    /// Sets the flag bits, the checksum with them.
    pub fn update_flags(&mut self, flags: u8) {
        let old = self.offset_and_flags();
        self.set_flags(flags);
        let delta = Delta::new().word(old, self.offset_and_flags());
        self.set_checksum(delta.apply(self.checksum()));
    }

    /// Sets the receive window.
    #[inline]
    pub fn set_window(&mut self, window: u16) {
        self.header[14..16].copy_from_slice(&window.to_be_bytes());
    }

    /// Checksum as carried.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.header[16], self.header[17]])
    }

    /// Sets the checksum.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.header[16..18].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// Where the value of the first option of that `kind` lies in `options`; a broken list ends where
/// it breaks.
#[must_use]
pub fn find_option(options: &[u8], kind: u8) -> Option<Range<usize>> {
    let mut at = 0usize;
    loop {
        match options.get(at..)? {
            [] | [option::END, ..] => return None,
            [option::NO_OPERATION, ..] => at = at.saturating_add(1),
            // One byte says its length; below 2 it would never end.
            [found, len, ..] if *len >= 2 => {
                let end = at.saturating_add(usize::from(*len));
                if *found == kind {
                    let value = at.saturating_add(2)..end;
                    return (end <= options.len()).then_some(value);
                }
                at = end;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests;

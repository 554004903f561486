// SPDX-License-Identifier: Apache-2.0
//! Generic routing encapsulation (RFC 2784): header view and writer.
//!
//! ```text
//!   |C|  reserved 0  | version | protocol type |   checksum | reserved 1   (only with C)
//!    1      12            3           16             16           16         bits
//! ```
//!
//! Key and sequence number (RFC 2890) are stepped over and never written; the routing of RFC 1701
//! is not understood.

use crate::WireError;
use crate::checksum;
use crate::ethernet::EtherType;

/// Bytes of a header without checksum.
pub const HEADER_LEN: usize = 4;
/// Bytes of each optional field: checksum with its reserved half, key, sequence number.
pub const FIELD_LEN: usize = 4;

/// "A checksum is present" (RFC 2784 §2.1).
const CHECKSUM: u16 = 0x8000;
/// "Routing present" of RFC 1701; RFC 2784 §2.2: "a receiver MUST discard a packet where any of
/// bits 1-5 are non-zero, unless that receiver implements RFC 1701".
const ROUTING: u16 = 0x4000;
/// Key and sequence number, RFC 2890 §2.
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
/// The other bits of 1 to 5.
const REFUSED: u16 = 0x0c00 | ROUTING;
const VERSION: u16 = 0x0007;

/// View of a GRE packet whose header a receiver of today understands.
#[derive(Debug, Clone, Copy)]
pub struct Gre<'a> {
    header: &'a [u8; HEADER_LEN],
    bytes: &'a [u8],
}

impl<'a> Gre<'a> {
    /// A view of `bytes`.
    ///
    /// # Errors
    /// [`WireError::Truncated`] below the length that the flags ask for, [`WireError::Unknown`] for
    /// another version than 0 or flags that must be discarded.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, WireError> {
        let header = bytes.first_chunk().ok_or(WireError::Truncated)?;
        let view = Self { header, bytes };
        if view.flags() & (REFUSED | VERSION) != 0 {
            return Err(WireError::Unknown);
        }
        if bytes.len() < view.header_len() {
            return Err(WireError::Truncated);
        }
        Ok(view)
    }

    /// Bytes of the header, optional fields included.
    #[must_use]
    pub fn header_len(&self) -> usize {
        [CHECKSUM, KEY, SEQUENCE]
            .into_iter()
            .filter(|flag| self.flags() & flag != 0)
            .fold(HEADER_LEN, |len, _| len.saturating_add(FIELD_LEN))
    }

    /// What the payload is.
    #[must_use]
    pub const fn protocol(&self) -> EtherType {
        EtherType(u16::from_be_bytes([self.header[2], self.header[3]]))
    }

    /// Whether a checksum is carried.
    #[must_use]
    pub const fn has_checksum(&self) -> bool {
        self.flags() & CHECKSUM != 0
    }

    /// Whether the checksum, if there is one, agrees with header and payload, all of which must be
    /// in the view.
    #[must_use]
    pub fn checksum_ok(&self) -> bool {
        !self.has_checksum() || checksum::of(self.bytes) == 0
    }

    /// Bytes behind the header.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.bytes.get(self.header_len()..).unwrap_or_default()
    }

    const fn flags(&self) -> u16 {
        u16::from_be_bytes([self.header[0], self.header[1]])
    }
}

/// Writes a header to the start of `bytes`, with an empty checksum field if one is asked for;
/// returns its length.
///
/// # Errors
/// [`WireError::NoRoom`], with nothing written.
pub fn write(bytes: &mut [u8], protocol: EtherType, checksum: bool) -> Result<usize, WireError> {
    let [high, low] = protocol.0.to_be_bytes();
    if checksum {
        let header: &mut [u8; HEADER_LEN + FIELD_LEN] =
            bytes.first_chunk_mut().ok_or(WireError::NoRoom)?;
        *header = [CHECKSUM.to_be_bytes()[0], 0, high, low, 0, 0, 0, 0];
        Ok(header.len())
    } else {
        let header: &mut [u8; HEADER_LEN] = bytes.first_chunk_mut().ok_or(WireError::NoRoom)?;
        *header = [0, 0, high, low];
        Ok(header.len())
    }
}

/// Puts the checksum into a header that has a field for it.
///
/// # Errors
/// [`WireError::NoRoom`], with nothing written.
pub fn set_checksum(bytes: &mut [u8], checksum: u16) -> Result<(), WireError> {
    bytes
        .get_mut(HEADER_LEN..)
        .and_then(<[u8]>::first_chunk_mut)
        .map(|field| *field = checksum.to_be_bytes())
        .ok_or(WireError::NoRoom)
}

#[cfg(test)]
mod tests;

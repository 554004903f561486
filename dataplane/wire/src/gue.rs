// SPDX-License-Identifier: Apache-2.0
//! Generic UDP encapsulation, variant 0 as Linux writes it (`include/net/gue.h`,
//! draft-ietf-intarea-gue §3), and variant 1 for readers.
//!
//! ```text
//!   |variant|C| words | protocol | flags |   private fields …      behind the UDP header
//!      2     1   5         8        16       words × 32               bits
//! ```

use crate::WireError;
use crate::ipv4::IpProtocol;

/// Bytes of a header without fields.
pub const HEADER_LEN: usize = 4;

/// The two bits of the variant, in the first octet.
const VARIANT_SHIFT: u32 = 6;
/// "Control message": the protocol is a control type.
const CONTROL: u8 = 0x20;
/// Length of the fields, in units of four bytes.
const WORDS: u8 = 0x1f;

/// View of a GUE packet that carries data.
#[derive(Debug, Clone, Copy)]
pub struct Gue<'a> {
    bytes: &'a [u8],
    protocol: IpProtocol,
    header_len: usize,
}

impl<'a> Gue<'a> {
    /// A view of `bytes`, the payload of a UDP datagram.
    ///
    /// # Errors
    /// [`WireError::Truncated`] below the length that the header gives itself,
    /// [`WireError::Unknown`] for control messages and for variants 2 and 3.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, WireError> {
        let [first, ..] = bytes else {
            return Err(WireError::Truncated);
        };
        match (first >> VARIANT_SHIFT, first >> 4) {
            (0, _) => Self::variant_0(bytes),
            // "Direct encapsulation of IP": the version of the packet is the variant.
            (1, 4) => Ok(Self::direct(bytes, IpProtocol::IPIP)),
            (1, 6) => Ok(Self::direct(bytes, IpProtocol::IPV6)),
            _ => Err(WireError::Unknown),
        }
    }

    fn variant_0(bytes: &'a [u8]) -> Result<Self, WireError> {
        let [first, protocol, _, _]: &[u8; HEADER_LEN] =
            bytes.first_chunk().ok_or(WireError::Truncated)?;
        if first & CONTROL != 0 {
            return Err(WireError::Unknown);
        }
        let fields = usize::from((first & WORDS) << 2);
        let header_len = HEADER_LEN.saturating_add(fields);
        if bytes.len() < header_len {
            return Err(WireError::Truncated);
        }
        Ok(Self {
            bytes,
            protocol: IpProtocol(*protocol),
            header_len,
        })
    }

    const fn direct(bytes: &'a [u8], protocol: IpProtocol) -> Self {
        Self {
            bytes,
            protocol,
            header_len: 0,
        }
    }

    /// What the payload is.
    #[must_use]
    pub const fn protocol(&self) -> IpProtocol {
        self.protocol
    }

    /// Bytes of the header, fields included; 0 in variant 1.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        self.header_len
    }

    /// Bytes behind the header.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.bytes.get(self.header_len..).unwrap_or_default()
    }
}

/// Writes a header without fields to the start of `bytes`; returns its length.
///
/// # Errors
/// [`WireError::NoRoom`], with nothing written.
pub fn write(bytes: &mut [u8], protocol: IpProtocol) -> Result<usize, WireError> {
    let header: &mut [u8; HEADER_LEN] = bytes.first_chunk_mut().ok_or(WireError::NoRoom)?;
    *header = [0, protocol.0, 0, 0];
    Ok(HEADER_LEN)
}

#[cfg(test)]
mod tests;

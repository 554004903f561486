// SPDX-License-Identifier: Apache-2.0
//! The PROXY protocol: the header that tells a server who its client is
//! (`doc/proxy-protocol.txt` of HAProxy, versions 1 and 2).
//!
//! It stands in front of the first byte of a connection's stream. Version 1 is a line of text,
//! §2.1; version 2 is binary, §2.2, here without TLVs.

use core::fmt::Write;
use core::net::{Ipv4Addr, Ipv6Addr};

use crate::ipv4::from_mapped;

/// Bytes of the longest header there is: version 1 between IPv6 addresses written out, §2.1.
pub const HEADER_LEN_MAX: usize = 107;

/// Which of the two headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// Text.
    V1,
    /// Binary.
    V2,
}

/// An end of the connection: address, IPv4 in its mapped form, and port.
pub type End = ([u8; 16], u16);

/// A header, ready to be put in front of a stream.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    bytes: [u8; HEADER_LEN_MAX],
    len: u8,
}

impl Header {
    /// The header of a TCP connection from `source` to `destination`; both should be of one family,
    /// or the connection counts as one of IPv6.
    #[must_use]
    pub fn new(version: Version, source: &End, destination: &End) -> Self {
        let mut header = Self {
            bytes: [0; HEADER_LEN_MAX],
            len: 0,
        };
        match version {
            Version::V1 => header.write_text(source, destination),
            Version::V2 => header.write_binary(source, destination),
        }
        header
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// How many bytes it has.
    #[must_use]
    pub const fn len(&self) -> u8 {
        self.len
    }

    /// Whether it has none; it never is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn write_text(&mut self, (source, sport): &End, (destination, dport): &End) {
        // It cannot fail: the longest line fits.
        let _fits = match (from_mapped(source), from_mapped(destination)) {
            (Some(source), Some(destination)) => {
                let (source, destination) = (Ipv4Addr::from(source), Ipv4Addr::from(destination));
                write!(
                    self,
                    "PROXY TCP4 {source} {destination} {sport} {dport}\r\n"
                )
            }
            _ => {
                let (source, destination) = (Ipv6Addr::from(*source), Ipv6Addr::from(*destination));
                write!(
                    self,
                    "PROXY TCP6 {source} {destination} {sport} {dport}\r\n"
                )
            }
        };
    }

    fn write_binary(&mut self, (source, sport): &End, (destination, dport): &End) {
        self.push(&SIGNATURE);
        match (from_mapped(source), from_mapped(destination)) {
            (Some(source), Some(destination)) => {
                self.push(&[VERSION_2_PROXY, TCP_OVER_IPV4, 0, 12]);
                self.push(&source);
                self.push(&destination);
            }
            _ => {
                self.push(&[VERSION_2_PROXY, TCP_OVER_IPV6, 0, 36]);
                self.push(source);
                self.push(destination);
            }
        }
        self.push(&sport.to_be_bytes());
        self.push(&dport.to_be_bytes());
    }

    /// Adds what fits; says whether all of it did.
    fn push(&mut self, bytes: &[u8]) -> bool {
        let rest = self.bytes.get_mut(usize::from(self.len)..);
        let Some(place) = rest.and_then(|rest| rest.get_mut(..bytes.len())) else {
            return false;
        };
        place.copy_from_slice(bytes);
        let len = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
        self.len = self.len.saturating_add(len);
        true
    }
}

impl Write for Header {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        if self.push(text.as_bytes()) {
            Ok(())
        } else {
            Err(core::fmt::Error)
        }
    }
}

/// "\r\n\r\n\0\r\nQUIT\n": what no older protocol takes for a request (§2.2).
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2 in the high half, the command PROXY in the low one.
const VERSION_2_PROXY: u8 = 0x21;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;

#[cfg(test)]
mod tests;

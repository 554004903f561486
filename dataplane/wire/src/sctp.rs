// SPDX-License-Identifier: Apache-2.0
//! SCTP (RFC 9260 §3): common header, chunks, the parameters of INIT and INIT ACK.
//!
//! ```text
//!   | source port | destination port | verification tag | CRC-32C |  chunk  | chunk | ...
//!         16              16                  32             32
//!   chunk: | type 8 | flags 8 | length 16, header included | value | padded to 32 bits |
//! ```

use crate::crc32c;
use crate::ipv4;
use crate::{WireError, array, clamped};

/// Bytes of the common header.
pub const HEADER_LEN: usize = 12;
/// Bytes of a chunk's header.
pub const CHUNK_HEADER_LEN: usize = 4;
/// Chunks walked in one packet: more than fit into 1500 bytes of anything but empty chunks.
pub const CHUNKS_MAX: usize = 64;
/// Addresses read from one INIT: more than any host has paths.
pub const ADDRESSES_MAX: usize = 16;

/// Bytes of the fixed fields of INIT and INIT ACK, without the chunk header.
const INIT_LEN: usize = 16;
/// Parameter "IPv4 Address" (RFC 9260 §3.3.2.1.1).
const PARAMETER_IPV4: u16 = 5;
/// Parameter "IPv6 Address" (RFC 9260 §3.3.2.1.2).
const PARAMETER_IPV6: u16 = 6;

/// What a chunk is (RFC 9260 §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChunkType(pub u8);

impl ChunkType {
    /// Payload data.
    pub const DATA: Self = Self(0);
    /// Opens an association.
    pub const INIT: Self = Self(1);
    /// Answers an INIT.
    pub const INIT_ACK: Self = Self(2);
    /// Selective acknowledgement.
    pub const SACK: Self = Self(3);
    /// Probes a path.
    pub const HEARTBEAT: Self = Self(4);
    /// Answers a HEARTBEAT.
    pub const HEARTBEAT_ACK: Self = Self(5);
    /// Ends an association at once.
    pub const ABORT: Self = Self(6);
    /// Begins an orderly end.
    pub const SHUTDOWN: Self = Self(7);
    /// Answers a SHUTDOWN.
    pub const SHUTDOWN_ACK: Self = Self(8);
    /// Operation error.
    pub const ERROR: Self = Self(9);
    /// Returns the cookie of INIT ACK.
    pub const COOKIE_ECHO: Self = Self(10);
    /// Answers COOKIE ECHO; the association is established.
    pub const COOKIE_ACK: Self = Self(11);
    /// Explicit congestion notification echo.
    pub const ECNE: Self = Self(12);
    /// Congestion window reduced.
    pub const CWR: Self = Self(13);
    /// Ends an orderly end.
    pub const SHUTDOWN_COMPLETE: Self = Self(14);
}

/// View of an SCTP packet.
#[derive(Debug, Clone, Copy)]
pub struct Sctp<'a> {
    header: &'a [u8; HEADER_LEN],
    bytes: &'a [u8],
}

impl<'a> Sctp<'a> {
    /// A view of `bytes`, which end where the packet ends.
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

    /// The initiate tag of whom it goes to; 0 in a packet with an INIT (RFC 9260 §8.5.1).
    #[inline]
    #[must_use]
    pub fn verification_tag(&self) -> u32 {
        u32::from_be_bytes(array(&self.header[4..8]))
    }

    /// CRC-32C as carried. 0 may mean "none" (RFC 9653).
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u32 {
        u32::from_le_bytes(array(&self.header[8..12]))
    }

    /// Whether the CRC-32C agrees with the packet, all of which must be in the view.
    #[must_use]
    pub fn checksum_ok(&self) -> bool {
        let (ports_and_tag, _) = self.header.split_at(8);
        let body = self.bytes.get(HEADER_LEN..).unwrap_or_default();
        let crc = crc32c::Crc::new()
            .with(ports_and_tag)
            .with(&[0; 4])
            .with(body);
        crc.finish() == self.checksum()
    }

    /// The type of the first chunk; `None` if its header is cut. Its length is not judged.
    #[inline]
    #[must_use]
    pub fn first_chunk(&self) -> Option<ChunkType> {
        self.chunk_header(HEADER_LEN).map(|(kind, _)| kind)
    }

    /// The type of the chunk behind the first one; `None` if there is none, or if the first gives
    /// a length that no chunk has.
    #[must_use]
    pub fn second_chunk(&self) -> Option<ChunkType> {
        let (_, len) = self.chunk_header(HEADER_LEN)?;
        let len = usize::from(len);
        if len < CHUNK_HEADER_LEN {
            return None;
        }
        let at = HEADER_LEN.saturating_add(len.next_multiple_of(4));
        self.chunk_header(at).map(|(kind, _)| kind)
    }

    /// The chunks, at most [`CHUNKS_MAX`], up to the first whose length cannot be.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk<'a>> + use<'a> {
        let mut rest = self.bytes.get(HEADER_LEN..).unwrap_or_default();
        core::iter::from_fn(move || {
            let ([kind, flags, high, low], _) = rest.split_first_chunk()?;
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            let value = rest.get(CHUNK_HEADER_LEN..len)?;
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
            Some(Chunk {
                kind: ChunkType(*kind),
                flags: *flags,
                value,
            })
        })
        .take(CHUNKS_MAX)
    }

    fn chunk_header(&self, at: usize) -> Option<(ChunkType, u16)> {
        let [kind, _, high, low] = *self.bytes.get(at..)?.first_chunk()?;
        Some((ChunkType(kind), u16::from_be_bytes([high, low])))
    }
}

/// A chunk whose bytes are all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// What it is.
    pub kind: ChunkType,
    /// Flags; what they mean depends on the kind.
    pub flags: u8,
    /// The bytes behind the chunk's header, without padding.
    pub value: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// What an INIT or INIT ACK says; `None` for another chunk or one that is cut.
    #[must_use]
    pub fn init(&self) -> Option<Init<'a>> {
        if !matches!(self.kind, ChunkType::INIT | ChunkType::INIT_ACK) {
            return None;
        }
        let (fixed, parameters) = self.value.split_first_chunk::<INIT_LEN>()?;
        let [a, b, c, d, ..] = *fixed;
        Some(Init {
            initiate_tag: u32::from_be_bytes([a, b, c, d]),
            parameters,
        })
    }
}

/// An INIT or INIT ACK (RFC 9260 §3.3.2, §3.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Init<'a> {
    /// The verification tag of all packets to its sender; never 0 in a valid chunk.
    pub initiate_tag: u32,
    parameters: &'a [u8],
}

impl<'a> Init<'a> {
    /// The further addresses of its sender, at most [`ADDRESSES_MAX`]; IPv4 in its mapped form.
    pub fn addresses(&self) -> impl Iterator<Item = [u8; 16]> + use<'a> {
        let mut rest = self.parameters;
        let parameters = core::iter::from_fn(move || {
            let ([a, b, c, d], _) = rest.split_first_chunk()?;
            let len = usize::from(u16::from_be_bytes([*c, *d]));
            let value = rest.get(4..len)?;
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
            Some((u16::from_be_bytes([*a, *b]), value))
        });
        parameters
            .take(CHUNKS_MAX)
            .filter_map(|(kind, value)| match kind {
                PARAMETER_IPV4 => value.try_into().ok().map(ipv4::to_mapped),
                PARAMETER_IPV6 => value.try_into().ok(),
                _ => None,
            })
            .take(ADDRESSES_MAX)
    }
}

/// Writable view of an SCTP common header; setters leave the checksum as it is.
#[derive(Debug)]
pub struct SctpMut<'a> {
    header: &'a mut [u8; HEADER_LEN],
}

impl<'a> SctpMut<'a> {
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

    /// Sets the checksum.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u32) {
        self.header[8..12].copy_from_slice(&checksum.to_le_bytes());
    }

    /// Sets both ports and what the change means for the checksum of a packet of `packet_len`
    /// bytes. A wrong checksum stays wrong; 0, which may mean "none" (RFC 9653), stays 0.
    #[inline]
    pub fn set_ports(&mut self, source_port: u16, destination_port: u16, packet_len: u16) {
        let old: [u8; 4] = array(&self.header[0..4]);
        self.set_source_port(source_port);
        self.set_destination_port(destination_port);
        let checksum = u32::from_le_bytes(array(&self.header[8..12]));
        if checksum != 0 {
            let new = array(&self.header[0..4]);
            let behind = packet_len.saturating_sub(4);
            self.set_checksum(crc32c::update(checksum, old, new, behind));
        }
    }
}

/// The CRC-32C of the packet `bytes`, as if its checksum field were zero; `None` below
/// [`HEADER_LEN`] bytes.
#[must_use]
pub fn checksum_of(bytes: &[u8]) -> Option<u32> {
    let body = bytes.get(HEADER_LEN..)?;
    let crc = crc32c::Crc::new().with(clamped(bytes, 0, 8)).with(&[0; 4]);
    Some(crc.with(body).finish())
}

#[cfg(test)]
mod tests;

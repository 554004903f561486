// SPDX-License-Identifier: Apache-2.0
//! ICMP for IPv4 (RFC 792): header view, error messages as Linux writes them.

use crate::checksum;
use crate::ipv4::{self, IpProtocol, Ipv4, Ipv4Mut};
use crate::{WireError, clamped};

/// Bytes of the header: type, code, checksum and four bytes of their own.
pub const HEADER_LEN: usize = 8;
/// Bytes of an error message, outer IP header included (RFC 1812 §4.3.2.3).
pub const ERROR_LEN_MAX: usize = 576;
/// Time to live of a message written here, Linux's default.
pub const TTL: u8 = 64;

/// Type of an echo reply.
pub const ECHO_REPLY: u8 = 0;
/// Type of "destination unreachable".
pub const DESTINATION_UNREACHABLE: u8 = 3;
/// Type of "source quench", deprecated by RFC 6633 and still relayed.
pub const SOURCE_QUENCH: u8 = 4;
/// Type of "redirect".
pub const REDIRECT: u8 = 5;
/// Type of an echo request.
pub const ECHO_REQUEST: u8 = 8;
/// Type of "time exceeded".
pub const TIME_EXCEEDED: u8 = 11;
/// Type of "parameter problem".
pub const PARAMETER_PROBLEM: u8 = 12;

/// Destination unreachable: network.
pub const CODE_NET_UNREACHABLE: u8 = 0;
/// Destination unreachable: host.
pub const CODE_HOST_UNREACHABLE: u8 = 1;
/// Destination unreachable: protocol.
pub const CODE_PROTOCOL_UNREACHABLE: u8 = 2;
/// Destination unreachable: port.
pub const CODE_PORT_UNREACHABLE: u8 = 3;
/// Destination unreachable: fragmentation needed and DF set (RFC 1191).
pub const CODE_FRAGMENTATION_NEEDED: u8 = 4;
/// Destination unreachable: administratively prohibited (RFC 1812).
pub const CODE_PROHIBITED: u8 = 13;
/// Time exceeded: in transit.
pub const CODE_TTL_EXCEEDED: u8 = 0;
/// Time exceeded: in reassembly.
pub const CODE_REASSEMBLY_EXCEEDED: u8 = 1;

/// Whether a message of this type quotes the packet it is about, and is never answered by another
/// error (RFC 1122 §3.2.2).
#[inline]
#[must_use]
pub const fn is_error(icmp_type: u8) -> bool {
    matches!(
        icmp_type,
        DESTINATION_UNREACHABLE | SOURCE_QUENCH | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM
    )
}

/// View of an ICMP or `ICMPv6` message; the two have the same header.
#[derive(Debug, Clone, Copy)]
pub struct Icmp<'a> {
    header: &'a [u8; HEADER_LEN],
    bytes: &'a [u8],
}

impl<'a> Icmp<'a> {
    /// A view of `bytes`.
    ///
    /// # Errors
    /// [`WireError::Truncated`] below [`HEADER_LEN`] bytes.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, WireError> {
        let header = bytes.first_chunk().ok_or(WireError::Truncated)?;
        Ok(Self { header, bytes })
    }

    /// Type of the message; the two protocols number theirs differently.
    #[inline]
    #[must_use]
    pub const fn icmp_type(&self) -> u8 {
        self.header[0]
    }

    /// Code within the type.
    #[inline]
    #[must_use]
    pub const fn code(&self) -> u8 {
        self.header[1]
    }

    /// Checksum as carried.
    #[inline]
    #[must_use]
    pub const fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    /// The four bytes of the type's own: MTU, pointer, or identifier and sequence.
    #[inline]
    #[must_use]
    pub const fn rest(&self) -> u32 {
        u32::from_be_bytes([
            self.header[4],
            self.header[5],
            self.header[6],
            self.header[7],
        ])
    }

    /// Next-hop MTU of "fragmentation needed" (RFC 1191 §4).
    #[inline]
    #[must_use]
    pub const fn next_hop_mtu(&self) -> u16 {
        u16::from_be_bytes([self.header[6], self.header[7]])
    }

    /// Identifier of an echo.
    #[inline]
    #[must_use]
    pub const fn echo_ident(&self) -> u16 {
        u16::from_be_bytes([self.header[4], self.header[5]])
    }

    /// Sequence number of an echo.
    #[inline]
    #[must_use]
    pub const fn echo_sequence(&self) -> u16 {
        u16::from_be_bytes([self.header[6], self.header[7]])
    }

    /// Bytes behind the header: the quote of an error, the data of an echo.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        clamped(self.bytes, HEADER_LEN, self.bytes.len())
    }
}

/// Writable view of an ICMP or `ICMPv6` header; setters leave the checksum as it is.
#[derive(Debug)]
pub struct IcmpMut<'a> {
    header: &'a mut [u8; HEADER_LEN],
}

impl<'a> IcmpMut<'a> {
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

    /// Sets type and code.
    #[inline]
    pub fn set_type(&mut self, icmp_type: u8, code: u8) {
        self.header[0] = icmp_type;
        self.header[1] = code;
    }

    /// Checksum as carried.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    /// Sets the checksum.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.header[2..4].copy_from_slice(&checksum.to_be_bytes());
    }

    /// Sets the four bytes of the type's own.
    #[inline]
    pub fn set_rest(&mut self, rest: u32) {
        self.header[4..8].copy_from_slice(&rest.to_be_bytes());
    }
}

/// What an error message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorMessage {
    /// Type, one of those [`is_error`] names.
    pub icmp_type: u8,
    /// Code within the type.
    pub code: u8,
    /// The four bytes of the type's own.
    pub rest: u32,
}

impl ErrorMessage {
    /// Destination unreachable, with one of its codes.
    #[must_use]
    pub const fn unreachable(code: u8) -> Self {
        Self {
            icmp_type: DESTINATION_UNREACHABLE,
            code,
            rest: 0,
        }
    }

    /// Fragmentation needed and DF set; `mtu` is that of the next hop, in bytes.
    #[must_use]
    pub const fn fragmentation_needed(mtu: u16) -> Self {
        let [high, low] = mtu.to_be_bytes();
        Self {
            icmp_type: DESTINATION_UNREACHABLE,
            code: CODE_FRAGMENTATION_NEEDED,
            rest: u32::from_be_bytes([0, 0, high, low]),
        }
    }

    /// The time to live ran out in transit.
    #[must_use]
    pub const fn ttl_exceeded() -> Self {
        Self {
            icmp_type: TIME_EXCEEDED,
            code: CODE_TTL_EXCEEDED,
            rest: 0,
        }
    }
}

/// Bytes of the IP packet that [`write_error`] makes of `quoted`.
#[must_use]
pub fn error_len(quoted: &[u8]) -> usize {
    quote(quoted).len().saturating_add(OUTER_LEN)
}

/// Writes an error about the IPv4 packet `quoted` (from its IP header on) to `target`, IP header
/// included, as Linux does: precedence "internetwork control", time to live 64, DF clear, as much
/// of the quote as fits [`ERROR_LEN_MAX`]. Returns the bytes written.
///
/// When to be silent (an error about an error, a later fragment, a broadcast) is the caller's
/// to judge.
///
/// # Errors
/// [`WireError::Truncated`] when `quoted` has no whole IP header, [`WireError::NoRoom`] when
/// `target` is shorter than [`error_len`].
pub fn write_error(
    target: &mut [u8],
    error: ErrorMessage,
    source: [u8; 4],
    destination: [u8; 4],
    ident: u16,
    quoted: &[u8],
) -> Result<usize, WireError> {
    let tos = Ipv4::new_checked(quoted)?.tos();
    let quote = quote(quoted);
    let len = quote.len().saturating_add(OUTER_LEN);
    let target = target.get_mut(..len).ok_or(WireError::NoRoom)?;
    let (header, message) = target
        .split_at_mut_checked(ipv4::HEADER_LEN_MIN)
        .ok_or(WireError::NoRoom)?;
    header.fill(0);
    let mut ip = Ipv4Mut::new_checked(header)?;
    ip.set_header_len(20);
    ip.set_tos(TOS_INTERNET_CONTROL | (tos & TOS_KEPT));
    ip.set_total_len(u16::try_from(len).unwrap_or(u16::MAX));
    ip.set_ident(ident);
    ip.set_ttl(TTL);
    ip.set_protocol(IpProtocol::ICMP);
    ip.set_source(source);
    ip.set_destination(destination);
    ip.fill_checksum();
    write_message(message, error, quote)?;
    let checksum = checksum::of(message);
    IcmpMut::new_checked(message)?.set_checksum(checksum);
    Ok(len)
}

/// Header with a zero checksum, and quote.
pub(crate) fn write_message(
    target: &mut [u8],
    error: ErrorMessage,
    quote: &[u8],
) -> Result<(), WireError> {
    let mut icmp = IcmpMut::new_checked(target)?;
    icmp.set_type(error.icmp_type, error.code);
    icmp.set_checksum(0);
    icmp.set_rest(error.rest);
    let payload = target.get_mut(HEADER_LEN..).ok_or(WireError::NoRoom)?;
    payload
        .get_mut(..quote.len())
        .ok_or(WireError::NoRoom)?
        .copy_from_slice(quote);
    Ok(())
}

/// As much of the packet as an error carries: Ethernet padding is not part of it.
fn quote(quoted: &[u8]) -> &[u8] {
    let total = Ipv4::new_checked(quoted).map_or(0, |ip| usize::from(ip.total_len()));
    clamped(quoted, 0, total.clamp(ipv4::HEADER_LEN_MIN, QUOTE_LEN_MAX))
}

const OUTER_LEN: usize = ipv4::HEADER_LEN_MIN + HEADER_LEN;
const QUOTE_LEN_MAX: usize = ERROR_LEN_MAX - OUTER_LEN;
/// Precedence 6 (RFC 1812 §4.3.2.5).
const TOS_INTERNET_CONTROL: u8 = 0xc0;
/// The bits Linux takes over from the quoted packet.
const TOS_KEPT: u8 = 0x1e;

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: Apache-2.0
//! IPv4 (RFC 791): header view, setters, the mapped form of addresses, protocol numbers.

use core::fmt;

use crate::checksum::{self, Delta};
use crate::{WireError, array, clamped};

/// Bytes of a header without options.
pub const HEADER_LEN_MIN: usize = 20;
/// Bytes of the longest header, 15 words (RFC 791 §3.1).
pub const HEADER_LEN_MAX: usize = 60;
/// Largest total length, in bytes, of a packet and of what its fragments become.
pub const PACKET_LEN_MAX: usize = 65_535;
/// "Don't fragment" in the flags and offset word.
pub const FLAG_DONT_FRAGMENT: u16 = 0x4000;
/// "More fragments" in the flags and offset word.
pub const FLAG_MORE_FRAGMENTS: u16 = 0x2000;
/// The offset, in units of 8 bytes, in the flags and offset word.
pub const OFFSET_MASK: u16 = 0x1fff;
/// The first 12 bytes of an IPv4-mapped IPv6 address, RFC 4291 §2.5.5.2.
pub const MAPPED_PREFIX: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// Protocol of the payload: IPv4 "protocol" and IPv6 "next header" share one registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IpProtocol(pub u8);

impl IpProtocol {
    /// IPv6 hop-by-hop options, RFC 8200 §4.3.
    pub const HOP_BY_HOP: Self = Self(0);
    /// ICMP, RFC 792.
    pub const ICMP: Self = Self(1);
    /// IPv4 in IP, RFC 2003.
    pub const IPIP: Self = Self(4);
    /// TCP, RFC 9293.
    pub const TCP: Self = Self(6);
    /// UDP, RFC 768.
    pub const UDP: Self = Self(17);
    /// IPv6 in IP, RFC 2473.
    pub const IPV6: Self = Self(41);
    /// IPv6 routing header, RFC 8200 §4.4.
    pub const ROUTING: Self = Self(43);
    /// IPv6 fragment header, RFC 8200 §4.5.
    pub const FRAGMENT: Self = Self(44);
    /// GRE, RFC 2784.
    pub const GRE: Self = Self(47);
    /// IPsec encapsulating security payload, RFC 4303.
    pub const ESP: Self = Self(50);
    /// IPsec authentication header, RFC 4302.
    pub const AH: Self = Self(51);
    /// `ICMPv6`, RFC 4443.
    pub const ICMPV6: Self = Self(58);
    /// Nothing follows, RFC 8200 §4.7.
    pub const NO_NEXT_HEADER: Self = Self(59);
    /// IPv6 destination options, RFC 8200 §4.6.
    pub const DESTINATION_OPTIONS: Self = Self(60);
    /// VRRP, RFC 9568.
    pub const VRRP: Self = Self(112);
    /// SCTP, RFC 9260.
    pub const SCTP: Self = Self(132);
}

impl fmt::Display for IpProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ICMP => f.write_str("icmp"),
            Self::TCP => f.write_str("tcp"),
            Self::UDP => f.write_str("udp"),
            Self::ICMPV6 => f.write_str("icmpv6"),
            Self::SCTP => f.write_str("sctp"),
            Self(number) => write!(f, "protocol {number}"),
        }
    }
}

/// The IPv4-mapped form `::ffff:a.b.c.d` of an address, RFC 4291 §2.5.5.2.
#[inline]
#[must_use]
pub const fn to_mapped([a, b, c, d]: [u8; 4]) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
}

/// The IPv4 address in its mapped form, or `None` for any other IPv6 address.
#[inline]
#[must_use]
pub fn from_mapped(address: &[u8; 16]) -> Option<[u8; 4]> {
    (address[0..12] == MAPPED_PREFIX).then(|| array(&address[12..16]))
}

/// View of an IPv4 packet.
#[derive(Debug, Clone, Copy)]
pub struct Ipv4<'a> {
    header: &'a [u8; HEADER_LEN_MIN],
    bytes: &'a [u8],
}

impl<'a> Ipv4<'a> {
    /// A view of `bytes`.
    ///
    /// # Errors
    /// [`WireError::Truncated`] below [`HEADER_LEN_MIN`] bytes.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, WireError> {
        let header = bytes.first_chunk().ok_or(WireError::Truncated)?;
        Ok(Self { header, bytes })
    }

    /// IP version, 4.
    #[inline]
    #[must_use]
    pub const fn version(&self) -> u8 {
        self.header[0] >> 4
    }

    /// Bytes of the header by its own account (0 to 60).
    #[inline]
    #[must_use]
    pub const fn header_len(&self) -> u8 {
        (self.header[0] & 0x0f) << 2
    }

    /// Type of service: DSCP and ECN.
    #[inline]
    #[must_use]
    pub const fn tos(&self) -> u8 {
        self.header[1]
    }

    /// Bytes of the whole packet by its own account.
    #[inline]
    #[must_use]
    pub const fn total_len(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    /// Identification of the packet its fragments have in common.
    #[inline]
    #[must_use]
    pub const fn ident(&self) -> u16 {
        u16::from_be_bytes([self.header[4], self.header[5]])
    }

    /// The word of flags and fragment offset.
    #[inline]
    #[must_use]
    pub const fn flags_and_offset(&self) -> u16 {
        u16::from_be_bytes([self.header[6], self.header[7]])
    }

    /// "Don't fragment".
    #[inline]
    #[must_use]
    pub const fn dont_fragment(&self) -> bool {
        self.flags_and_offset() & FLAG_DONT_FRAGMENT != 0
    }

    /// "More fragments".
    #[inline]
    #[must_use]
    pub const fn more_fragments(&self) -> bool {
        self.flags_and_offset() & FLAG_MORE_FRAGMENTS != 0
    }

    /// Fragment offset in bytes.
    #[inline]
    #[must_use]
    pub const fn fragment_offset(&self) -> u16 {
        (self.flags_and_offset() & OFFSET_MASK) << 3
    }

    /// Time to live, in hops.
    #[inline]
    #[must_use]
    pub const fn ttl(&self) -> u8 {
        self.header[8]
    }

    /// Protocol of the payload.
    #[inline]
    #[must_use]
    pub const fn protocol(&self) -> IpProtocol {
        IpProtocol(self.header[9])
    }

    /// Header checksum as carried.
    #[inline]
    #[must_use]
    pub const fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.header[10], self.header[11]])
    }

    /// Source address.
    #[inline]
    #[must_use]
    pub fn source(&self) -> [u8; 4] {
        array(&self.header[12..16])
    }

    /// Destination address.
    #[inline]
    #[must_use]
    pub fn destination(&self) -> [u8; 4] {
        array(&self.header[16..20])
    }

    /// Bytes of options, cut to what is there.
    #[inline]
    #[must_use]
    pub fn options(&self) -> &'a [u8] {
        clamped(self.bytes, HEADER_LEN_MIN, usize::from(self.header_len()))
    }

    /// Bytes behind the header up to the total length, cut to what is there; padding is not in it.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        let from = usize::from(self.header_len()).max(HEADER_LEN_MIN);
        clamped(self.bytes, from, usize::from(self.total_len()))
    }

    /// Whether the header, options included, sums up (RFC 1071).
    #[inline]
    #[must_use]
    pub fn checksum_ok(&self) -> bool {
        let options = clamped(self.bytes, HEADER_LEN_MIN, usize::from(self.header_len()));
        checksum::add(checksum::sum(self.header), checksum::sum(options)) == 0xffff
    }
}

/// Writable view of an IPv4 header. A setter leaves the checksum as it is, unless it says more.
#[derive(Debug)]
pub struct Ipv4Mut<'a> {
    bytes: &'a mut [u8],
}

impl<'a> Ipv4Mut<'a> {
    /// A writable view of `bytes`.
    ///
    /// # Errors
    /// [`WireError::Truncated`] below [`HEADER_LEN_MIN`] bytes.
    #[inline]
    pub fn new_checked(bytes: &'a mut [u8]) -> Result<Self, WireError> {
        if bytes.len() < HEADER_LEN_MIN {
            return Err(WireError::Truncated);
        }
        Ok(Self { bytes })
    }

    /// Sets the header length in bytes (its multiple of 4) and version 4.
    #[inline]
    pub fn set_header_len(&mut self, len: u8) {
        self.put(0, [0x40 | ((len >> 2) & 0x0f)]);
    }

    /// Sets DSCP and ECN.
    #[inline]
    pub fn set_tos(&mut self, tos: u8) {
        self.put(1, [tos]);
    }

    /// Sets the bytes of the whole packet.
    #[inline]
    pub fn set_total_len(&mut self, len: u16) {
        self.put(2, len.to_be_bytes());
    }

    /// Sets the identification.
    #[inline]
    pub fn set_ident(&mut self, ident: u16) {
        self.put(4, ident.to_be_bytes());
    }

    /// Sets the word of flags and offset (offset in units of 8 bytes).
    #[inline]
    pub fn set_flags_and_offset(&mut self, word: u16) {
        self.put(6, word.to_be_bytes());
    }

    /// Sets the time to live.
    #[inline]
    pub fn set_ttl(&mut self, ttl: u8) {
        self.put(8, [ttl]);
    }

    /// Sets the protocol of the payload.
    #[inline]
    pub fn set_protocol(&mut self, protocol: IpProtocol) {
        self.put(9, [protocol.0]);
    }

    /// Sets the header checksum.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.put(10, checksum.to_be_bytes());
    }

    /// Sets the source address.
    #[inline]
    pub fn set_source(&mut self, address: [u8; 4]) {
        self.put(12, address);
    }

    /// Sets the destination address.
    #[inline]
    pub fn set_destination(&mut self, address: [u8; 4]) {
        self.put(16, address);
    }

    /// Applies `delta` to the header checksum.
    #[inline]
    pub fn update_checksum(&mut self, delta: Delta) {
        let [high, low] = self.read(10);
        self.set_checksum(delta.apply(u16::from_be_bytes([high, low])));
    }

    /// Computes the header checksum anew, options included.
    pub fn fill_checksum(&mut self) {
        self.set_checksum(0);
        let [first] = self.read(0);
        let len = usize::from((first & 0x0f) << 2);
        let sum = checksum::sum(clamped(self.bytes, 0, len));
        self.set_checksum(!sum);
    }

    #[inline]
    fn read<const N: usize>(&self, at: usize) -> [u8; N] {
        array(clamped(self.bytes, at, at.saturating_add(N)))
    }

    #[inline]
    fn put<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        if let Some(field) = self.bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *field = value;
        }
    }
}

/// Lowers the time to live of the header at `bytes` by one, checksum included (RFC 1812 §5.3.1).
/// Returns the new value, or `None`, with nothing changed, when it was 0 or the header is cut.
#[inline]
pub fn decrement_ttl(bytes: &mut [u8]) -> Option<u8> {
    let header: &mut [u8; HEADER_LEN_MIN] = bytes.first_chunk_mut()?;
    let ttl = header[8].checked_sub(1)?;
    let old = u16::from_be_bytes([header[8], header[9]]);
    let new = u16::from_be_bytes([ttl, header[9]]);
    let carried = u16::from_be_bytes([header[10], header[11]]);
    header[8] = ttl;
    header[10..12].copy_from_slice(&checksum::update16(carried, old, new).to_be_bytes());
    Some(ttl)
}

#[cfg(test)]
mod tests;

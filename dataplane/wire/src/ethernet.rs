// SPDX-License-Identifier: Apache-2.0
//! Ethernet II (IEEE 802.3 §3.2): destination, source, type.

use core::fmt;

use crate::{WireError, array};

/// Bytes of an untagged Ethernet header.
pub const HEADER_LEN: usize = 14;
/// Bytes of the shortest frame, frame check sequence not counted; shorter payloads are padded.
pub const FRAME_LEN_MIN: usize = 60;

/// The type field of a frame; values below 0x0600 are an IEEE 802.3 length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4, RFC 894.
    pub const IPV4: Self = Self(0x0800);
    /// ARP, RFC 826.
    pub const ARP: Self = Self(0x0806);
    /// Customer VLAN tag, IEEE 802.1Q.
    pub const VLAN: Self = Self(0x8100);
    /// IPv6, RFC 2464.
    pub const IPV6: Self = Self(0x86dd);
    /// Service VLAN tag, IEEE 802.1ad.
    pub const SERVICE_VLAN: Self = Self(0x88a8);
    /// Link Layer Discovery Protocol, IEEE 802.1AB.
    pub const LLDP: Self = Self(0x88cc);

    /// Whether a VLAN tag follows.
    #[inline]
    #[must_use]
    pub const fn is_vlan(self) -> bool {
        self.0 == Self::VLAN.0 || self.0 == Self::SERVICE_VLAN.0
    }
}

impl fmt::Display for EtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04x}", self.0)
    }
}

/// A hardware address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// All stations.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// No address.
    pub const ZERO: Self = Self([0; 6]);

    /// Group bit set: broadcast or multicast.
    #[inline]
    #[must_use]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// View of an Ethernet header and what follows it.
#[derive(Debug, Clone, Copy)]
pub struct Ethernet<'a> {
    header: &'a [u8; HEADER_LEN],
    payload: &'a [u8],
}

impl<'a> Ethernet<'a> {
    /// A view of `bytes`.
    ///
    /// # Errors
    /// [`WireError::Truncated`] below [`HEADER_LEN`] bytes.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, WireError> {
        let (header, payload) = bytes.split_first_chunk().ok_or(WireError::Truncated)?;
        Ok(Self { header, payload })
    }

    /// Station the frame is for.
    #[inline]
    #[must_use]
    pub fn destination(&self) -> MacAddress {
        MacAddress(array(&self.header[0..6]))
    }

    /// Station that sent it.
    #[inline]
    #[must_use]
    pub fn source(&self) -> MacAddress {
        MacAddress(array(&self.header[6..12]))
    }

    /// What follows.
    #[inline]
    #[must_use]
    pub const fn ether_type(&self) -> EtherType {
        EtherType(u16::from_be_bytes([self.header[12], self.header[13]]))
    }

    /// Bytes behind the header, padding included.
    #[inline]
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// Writable view of an Ethernet header.
#[derive(Debug)]
pub struct EthernetMut<'a> {
    header: &'a mut [u8; HEADER_LEN],
}

impl<'a> EthernetMut<'a> {
    /// A writable view of `bytes`.
    ///
    /// # Errors
    /// [`WireError::Truncated`] below [`HEADER_LEN`] bytes.
    #[inline]
    pub fn new_checked(bytes: &'a mut [u8]) -> Result<Self, WireError> {
        let header = bytes.first_chunk_mut().ok_or(WireError::Truncated)?;
        Ok(Self { header })
    }

    /// Sets the station the frame is for.
    #[inline]
    pub fn set_destination(&mut self, address: MacAddress) {
        self.header[0..6].copy_from_slice(&address.0);
    }

    /// Sets the station that sends it.
    #[inline]
    pub fn set_source(&mut self, address: MacAddress) {
        self.header[6..12].copy_from_slice(&address.0);
    }

    /// Sets what follows.
    #[inline]
    pub fn set_ether_type(&mut self, ether_type: EtherType) {
        self.header[12..14].copy_from_slice(&ether_type.0.to_be_bytes());
    }
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: Apache-2.0
//! ARP for IPv4 over Ethernet (RFC 826).

use crate::ethernet::{EtherType, MacAddress};
use crate::{WireError, array};

/// Bytes of an ARP packet for IPv4 over Ethernet.
pub const PACKET_LEN: usize = 28;
/// Hardware type of Ethernet.
pub const HARDWARE_ETHERNET: u16 = 1;

/// What an ARP packet wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation(pub u16);

impl Operation {
    /// Who has this address?
    pub const REQUEST: Self = Self(1);
    /// I have it.
    pub const REPLY: Self = Self(2);
}

/// View of an ARP packet.
#[derive(Debug, Clone, Copy)]
pub struct Arp<'a> {
    packet: &'a [u8; PACKET_LEN],
}

impl<'a> Arp<'a> {
    /// A view of `bytes`.
    ///
    /// # Errors
    /// [`WireError::Truncated`] below [`PACKET_LEN`] bytes.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, WireError> {
        Ok(Self {
            packet: bytes.first_chunk().ok_or(WireError::Truncated)?,
        })
    }

    /// Whether hardware and protocol are Ethernet and IPv4, with their lengths; the addresses mean
    /// nothing otherwise.
    #[inline]
    #[must_use]
    pub const fn is_ethernet_ipv4(&self) -> bool {
        let p = self.packet;
        u16::from_be_bytes([p[0], p[1]]) == HARDWARE_ETHERNET
            && u16::from_be_bytes([p[2], p[3]]) == EtherType::IPV4.0
            && p[4] == 6
            && p[5] == 4
    }

    /// What the packet wants.
    #[inline]
    #[must_use]
    pub const fn operation(&self) -> Operation {
        Operation(u16::from_be_bytes([self.packet[6], self.packet[7]]))
    }

    /// Hardware address of the sender.
    #[inline]
    #[must_use]
    pub fn sender_mac(&self) -> MacAddress {
        MacAddress(array(&self.packet[8..14]))
    }

    /// IPv4 address of the sender.
    #[inline]
    #[must_use]
    pub fn sender_ip(&self) -> [u8; 4] {
        array(&self.packet[14..18])
    }

    /// Hardware address of the target; meaningless in a request.
    #[inline]
    #[must_use]
    pub fn target_mac(&self) -> MacAddress {
        MacAddress(array(&self.packet[18..24]))
    }

    /// IPv4 address of the target.
    #[inline]
    #[must_use]
    pub fn target_ip(&self) -> [u8; 4] {
        array(&self.packet[24..28])
    }
}

/// An ARP packet as values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArpRepr {
    /// What the packet wants.
    pub operation: Operation,
    /// Hardware address of the sender.
    pub sender_mac: MacAddress,
    /// IPv4 address of the sender.
    pub sender_ip: [u8; 4],
    /// Hardware address of the target.
    pub target_mac: MacAddress,
    /// IPv4 address of the target.
    pub target_ip: [u8; 4],
}

impl ArpRepr {
    /// Writes the packet to the first [`PACKET_LEN`] bytes of `target`.
    ///
    /// # Errors
    /// [`WireError::NoRoom`]; `target` is unchanged.
    pub fn emit(&self, target: &mut [u8]) -> Result<(), WireError> {
        let p: &mut [u8; PACKET_LEN] = target.first_chunk_mut().ok_or(WireError::NoRoom)?;
        p[0..2].copy_from_slice(&HARDWARE_ETHERNET.to_be_bytes());
        p[2..4].copy_from_slice(&EtherType::IPV4.0.to_be_bytes());
        p[4] = 6;
        p[5] = 4;
        p[6..8].copy_from_slice(&self.operation.0.to_be_bytes());
        p[8..14].copy_from_slice(&self.sender_mac.0);
        p[14..18].copy_from_slice(&self.sender_ip);
        p[18..24].copy_from_slice(&self.target_mac.0);
        p[24..28].copy_from_slice(&self.target_ip);
        Ok(())
    }
}

#[cfg(test)]
mod tests;

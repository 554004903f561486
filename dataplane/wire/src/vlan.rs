// SPDX-License-Identifier: Apache-2.0
//! VLAN tag (IEEE 802.1Q §9.6): priority, drop eligibility, VLAN identifier, then the real type.

use crate::WireError;
use crate::ethernet::EtherType;

/// Bytes a tag adds to the Ethernet header.
pub const TAG_LEN: usize = 4;
/// The bits of a VLAN identifier.
pub const ID_MASK: u16 = 0x0fff;

/// View of the four bytes behind a VLAN `EtherType`, and what follows them.
#[derive(Debug, Clone, Copy)]
pub struct Vlan<'a> {
    tag: &'a [u8; TAG_LEN],
    payload: &'a [u8],
}

impl<'a> Vlan<'a> {
    /// A view of `bytes`, which begin behind the VLAN `EtherType`.
    ///
    /// # Errors
    /// [`WireError::Truncated`] below [`TAG_LEN`] bytes.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, WireError> {
        let (tag, payload) = bytes.split_first_chunk().ok_or(WireError::Truncated)?;
        Ok(Self { tag, payload })
    }

    /// VLAN identifier; 0 means "priority only, no VLAN".
    #[inline]
    #[must_use]
    pub const fn id(&self) -> u16 {
        u16::from_be_bytes([self.tag[0], self.tag[1]]) & ID_MASK
    }

    /// Priority code point, 0 to 7.
    #[inline]
    #[must_use]
    pub const fn priority(&self) -> u8 {
        self.tag[0] >> 5
    }

    /// Whether the frame may be dropped first when a queue is full.
    #[inline]
    #[must_use]
    pub const fn drop_eligible(&self) -> bool {
        self.tag[0] & 0x10 != 0
    }

    /// What follows the tag.
    #[inline]
    #[must_use]
    pub const fn ether_type(&self) -> EtherType {
        EtherType(u16::from_be_bytes([self.tag[2], self.tag[3]]))
    }

    /// Bytes behind the tag.
    #[inline]
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// Writable view of the four bytes behind a VLAN `EtherType`.
#[derive(Debug)]
pub struct VlanMut<'a> {
    tag: &'a mut [u8; TAG_LEN],
}

impl<'a> VlanMut<'a> {
    /// A writable view of `bytes`, which begin behind the VLAN `EtherType`.
    ///
    /// # Errors
    /// [`WireError::Truncated`] below [`TAG_LEN`] bytes.
    #[inline]
    pub fn new_checked(bytes: &'a mut [u8]) -> Result<Self, WireError> {
        Ok(Self {
            tag: bytes.first_chunk_mut().ok_or(WireError::Truncated)?,
        })
    }

    /// Sets the VLAN identifier (its low 12 bits); priority and drop eligibility stay.
    #[inline]
    pub fn set_id(&mut self, id: u16) {
        let old = u16::from_be_bytes([self.tag[0], self.tag[1]]);
        let new = (old & !ID_MASK) | (id & ID_MASK);
        self.tag[0..2].copy_from_slice(&new.to_be_bytes());
    }

    /// Sets what follows the tag.
    #[inline]
    pub fn set_ether_type(&mut self, ether_type: EtherType) {
        self.tag[2..4].copy_from_slice(&ether_type.0.to_be_bytes());
    }
}

#[cfg(test)]
mod tests;

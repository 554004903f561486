// SPDX-License-Identifier: Apache-2.0
//! Ethernet headers: put on when a packet leaves, 802.1Q tags included.

use core::cmp::Ordering;

use model::addr::Mac;
use model::snapshot::Interface;
use wire::buffer::{BufferError, PacketBuf};
use wire::ethernet::{self, EtherType, EthernetMut, MacAddress};
use wire::vlan::{self, VlanMut};

/// Bytes of a link header without a VLAN tag.
pub const UNTAGGED_LEN: u16 = 14;
const _: () = assert!(UNTAGGED_LEN as usize == ethernet::HEADER_LEN);

/// Replaces the first `l3_offset` bytes of a packet by an Ethernet header from `iface` to
/// `destination`, tagged if the interface is a VLAN.
///
/// # Errors
/// [`BufferError`] when the buffer has no room for the header.
pub fn frame<B: PacketBuf>(
    packet: &mut B,
    l3_offset: u16,
    ether_type: EtherType,
    iface: &Interface,
    destination: Mac,
) -> Result<(), BufferError> {
    let header_len = ethernet::HEADER_LEN
        + if iface.vlan.is_some() {
            vlan::TAG_LEN
        } else {
            0
        };
    resize_front(packet, usize::from(l3_offset), header_len)?;
    let bytes = packet.bytes_mut();
    if let Some(id) = iface.vlan {
        let tag = bytes
            .get_mut(ethernet::HEADER_LEN..)
            .ok_or(BufferError::TooShort)?;
        let mut tag = VlanMut::new_checked(tag).map_err(|_| BufferError::TooShort)?;
        tag.set_id(id);
        tag.set_ether_type(ether_type);
    }
    let mut header = EthernetMut::new_checked(bytes).map_err(|_| BufferError::TooShort)?;
    header.set_destination(MacAddress(destination.0));
    header.set_source(MacAddress(iface.mac.0));
    header.set_ether_type(if iface.vlan.is_some() {
        EtherType::VLAN
    } else {
        ether_type
    });
    Ok(())
}

/// Takes the tag off a frame whose network header starts at `l3_offset`.
///
/// # Errors
/// [`BufferError`] when the frame is shorter than that.
pub fn untag<B: PacketBuf>(
    packet: &mut B,
    l3_offset: u16,
    ether_type: EtherType,
) -> Result<(), BufferError> {
    if usize::from(l3_offset) <= ethernet::HEADER_LEN {
        return Ok(());
    }
    let addresses = packet
        .bytes()
        .first_chunk::<12>()
        .copied()
        .ok_or(BufferError::TooShort)?;
    packet.trim_front(usize::from(l3_offset) - ethernet::HEADER_LEN)?;
    let bytes = packet.bytes_mut();
    bytes
        .get_mut(..addresses.len())
        .ok_or(BufferError::TooShort)?
        .copy_from_slice(&addresses);
    EthernetMut::new_checked(bytes)
        .map_err(|_| BufferError::TooShort)?
        .set_ether_type(ether_type);
    Ok(())
}

/// Puts the tag of a VLAN on a frame that has none; nothing for an interface without VLAN.
///
/// # Errors
/// [`BufferError`] when there is no room, or no frame.
pub fn tag<B: PacketBuf>(packet: &mut B, vlan: Option<u16>) -> Result<(), BufferError> {
    let Some(id) = vlan else { return Ok(()) };
    let header: [u8; ethernet::HEADER_LEN] = packet
        .bytes()
        .first_chunk()
        .copied()
        .ok_or(BufferError::TooShort)?;
    let [addresses @ .., high, low] = header;
    packet.prepend(vlan::TAG_LEN)?;
    let bytes = packet.bytes_mut();
    bytes
        .get_mut(..addresses.len())
        .ok_or(BufferError::TooShort)?
        .copy_from_slice(&addresses);
    let mut frame = EthernetMut::new_checked(bytes).map_err(|_| BufferError::TooShort)?;
    frame.set_ether_type(EtherType::VLAN);
    let behind = bytes
        .get_mut(ethernet::HEADER_LEN..)
        .ok_or(BufferError::TooShort)?;
    let mut tag = VlanMut::new_checked(behind).map_err(|_| BufferError::TooShort)?;
    tag.set_id(id);
    tag.set_ether_type(EtherType(u16::from_be_bytes([high, low])));
    Ok(())
}

fn resize_front<B: PacketBuf>(packet: &mut B, from: usize, to: usize) -> Result<(), BufferError> {
    match to.cmp(&from) {
        Ordering::Greater => packet.prepend(to - from),
        // Nearly every packet; a call into DPDK saved.
        Ordering::Equal => Ok(()),
        Ordering::Less => packet.trim_front(from - to),
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What the NIC said about a received packet, and what it shall do with one to send.

use crate::field;
use crate::mbuf::Mbuf;

/// What the NIC found of a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RxChecksum {
    /// It did not look.
    Unknown,
    /// Wrong.
    Bad,
    /// Right.
    Good,
    /// Not right in the packet, but the data is intact (a host's own packet, not yet summed).
    None,
}

/// A VLAN tag as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RxVlan {
    /// Priority, DEI and VLAN id.
    pub tci: u16,
    /// Whether the tag was taken out of the frame. The af_packet driver reports a tag and leaves it
    /// in the frame: do not count it twice.
    pub stripped: bool,
}

/// The IP header of a packet to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TxIp {
    /// IPv4; the NIC fills in the header checksum when `checksum` is set.
    V4 {
        /// Whether to fill in the header checksum.
        checksum: bool,
    },
    /// IPv6.
    V6,
}

/// A transport checksum that the NIC fills in; for TCP and UDP the packet carries the sum of its
/// pseudo-header in that place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TxL4 {
    /// The packet carries its own.
    None,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// Checksum work for the NIC; ask [`crate::port::Capabilities`] what it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxChecksum {
    /// Bytes before the IP header.
    pub l2_len: u8,
    /// Bytes of the IP header with options or extension headers.
    pub l3_len: u16,
    /// The IP header.
    pub ip: TxIp,
    /// The transport header.
    pub l4: TxL4,
}

/// Flags that describe where the buffer lies, not the packet: never cleared.
const BUFFER_FLAGS: u64 = dpdk_sys::PS_MBUF_F_INDIRECT | dpdk_sys::PS_MBUF_F_EXTERNAL;

impl Mbuf {
    /// The VLAN tag that the driver reports.
    #[inline]
    #[must_use]
    pub fn rx_vlan(&self) -> Option<RxVlan> {
        let flags = self.flags();
        if flags & dpdk_sys::PS_MBUF_F_RX_VLAN == 0 {
            return None;
        }
        // SAFETY: a live mbuf, owned.
        let tci = unsafe { field::VLAN_TCI.get(self.raw()) };
        Some(RxVlan {
            tci,
            stripped: flags & dpdk_sys::PS_MBUF_F_RX_VLAN_STRIPPED != 0,
        })
    }

    /// What the NIC found of the IPv4 header checksum.
    #[inline]
    #[must_use]
    pub fn rx_ip_checksum(&self) -> RxChecksum {
        match self.flags() & dpdk_sys::PS_MBUF_F_RX_IP_CKSUM_MASK {
            dpdk_sys::PS_MBUF_F_RX_IP_CKSUM_BAD => RxChecksum::Bad,
            dpdk_sys::PS_MBUF_F_RX_IP_CKSUM_GOOD => RxChecksum::Good,
            dpdk_sys::PS_MBUF_F_RX_IP_CKSUM_NONE => RxChecksum::None,
            _ => RxChecksum::Unknown,
        }
    }

    /// What the NIC found of the TCP, UDP or SCTP checksum.
    #[inline]
    #[must_use]
    pub fn rx_l4_checksum(&self) -> RxChecksum {
        match self.flags() & dpdk_sys::PS_MBUF_F_RX_L4_CKSUM_MASK {
            dpdk_sys::PS_MBUF_F_RX_L4_CKSUM_BAD => RxChecksum::Bad,
            dpdk_sys::PS_MBUF_F_RX_L4_CKSUM_GOOD => RxChecksum::Good,
            dpdk_sys::PS_MBUF_F_RX_L4_CKSUM_NONE => RxChecksum::None,
            _ => RxChecksum::Unknown,
        }
    }

    /// The RSS hash by which the NIC chose the queue.
    #[inline]
    #[must_use]
    pub fn rss_hash(&self) -> Option<u32> {
        // SAFETY: a live mbuf, owned.
        (self.flags() & dpdk_sys::PS_MBUF_F_RX_RSS_HASH != 0)
            .then(|| unsafe { field::RSS_HASH.get(self.raw()) })
    }

    /// What [`Self::set_tag`] left; meaningless if nobody did since the packet was received.
    #[inline]
    #[must_use]
    pub fn tag(&self) -> u64 {
        // SAFETY: a live mbuf, owned.
        let [low, high] = unsafe { field::TAG.get(self.raw()) };
        u64::from(low) | u64::from(high) << 32
    }

    /// Attaches a number that travels with the packet from one thread to the next. It takes the
    /// place of the NIC's hash, which is gone then.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the two halves of the number"
    )]
    pub fn set_tag(&mut self, tag: u64) {
        self.set_flags(self.flags() & !dpdk_sys::PS_MBUF_F_RX_RSS_HASH);
        // SAFETY: a live mbuf, owned; its flags say that this is no hash.
        unsafe { field::TAG.set(self.raw(), [tag as u32, (tag >> 32) as u32]) }
    }

    /// Has the NIC fill in checksums on the way out; replaces what was asked before.
    #[inline]
    pub fn set_tx_checksum(&mut self, work: TxChecksum) {
        let ip = match work.ip {
            TxIp::V4 { checksum: true } => {
                dpdk_sys::PS_MBUF_F_TX_IPV4 | dpdk_sys::PS_MBUF_F_TX_IP_CKSUM
            }
            TxIp::V4 { checksum: false } => dpdk_sys::PS_MBUF_F_TX_IPV4,
            TxIp::V6 => dpdk_sys::PS_MBUF_F_TX_IPV6,
        };
        let l4 = match work.l4 {
            TxL4::None => 0,
            TxL4::Tcp => dpdk_sys::PS_MBUF_F_TX_TCP_CKSUM,
            TxL4::Udp => dpdk_sys::PS_MBUF_F_TX_UDP_CKSUM,
            TxL4::Sctp => dpdk_sys::PS_MBUF_F_TX_SCTP_CKSUM,
        };
        let vlan = self.flags() & dpdk_sys::PS_MBUF_F_TX_VLAN;
        self.set_flags(ip | l4 | vlan);
        let (l2_len, l3_len) = (u64::from(work.l2_len), u64::from(work.l3_len));
        // SAFETY: a live mbuf, owned; the callee writes one integer field.
        unsafe { dpdk_sys::ps_rte_mbuf_set_tx_lens(self.raw().as_ptr(), l2_len, l3_len, 0) };
    }

    /// Has the NIC insert a VLAN tag on the way out.
    #[inline]
    pub fn set_tx_vlan(&mut self, tci: u16) {
        // SAFETY: a live mbuf, owned.
        unsafe { field::VLAN_TCI.set(self.raw(), tci) };
        self.set_flags(self.flags() | dpdk_sys::PS_MBUF_F_TX_VLAN);
    }

    /// Forgets what the receiving NIC said and what the sending one was asked.
    #[inline]
    pub fn clear_offloads(&mut self) {
        self.set_flags(0);
    }

    #[inline]
    fn flags(&self) -> u64 {
        // SAFETY: a live mbuf, owned.
        unsafe { field::OL_FLAGS.get(self.raw()) }
    }

    #[inline]
    fn set_flags(&mut self, flags: u64) {
        let kept = self.flags() & BUFFER_FLAGS;
        // SAFETY: a live mbuf, owned; the flags about its buffer stay as they are.
        unsafe { field::OL_FLAGS.set(self.raw(), (flags & !BUFFER_FLAGS) | kept) }
    }
}

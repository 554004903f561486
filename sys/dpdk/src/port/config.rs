// SPDX-License-Identifier: Apache-2.0
//! What a port is asked for, and what it got.

use crate::rss::{Rss, RssConfig};

/// How to start a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortConfig {
    /// Receive queues, at least 1.
    pub rx_queues: u16,
    /// Transmit queues, at least 1.
    pub tx_queues: u16,
    /// Descriptors of each receive queue; the driver may round.
    pub rx_desc: u16,
    /// Descriptors of each transmit queue; the driver may round.
    pub tx_desc: u16,
    /// The MTU; `None`: what the device has.
    pub mtu: Option<u16>,
    /// Receive frames to any MAC address. A software port that takes all frames anyway may not know
    /// the word, and that is no error.
    pub promiscuous: bool,
    /// Have the NIC check the checksums of received packets, where it can.
    pub rx_checksum: bool,
    /// Have the NIC fill in checksums of packets that ask for it, where it can.
    pub tx_checksum: bool,
    /// Have the NIC take VLAN tags out of received frames and insert them into sent ones, where it
    /// can.
    pub vlan: bool,
    /// How to spread packets; used with more than one receive queue, where the NIC can.
    pub rss: RssConfig,
}

impl Default for PortConfig {
    fn default() -> Self {
        Self {
            rx_queues: 1,
            tx_queues: 1,
            // The usual ring of hardware drivers; about a tenth of a millisecond at 10 Mpps.
            rx_desc: 1024,
            tx_desc: 1024,
            mtu: None,
            promiscuous: false,
            rx_checksum: false,
            tx_checksum: false,
            vlan: false,
            rss: RssConfig::default(),
        }
    }
}

/// What is in force on a started port.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Enabled {
    /// Descriptors of each receive queue.
    pub rx_desc: u16,
    /// Descriptors of each transmit queue.
    pub tx_desc: u16,
    /// Received packets carry the NIC's verdict on all checksums.
    pub rx_checksum: bool,
    /// The NIC fills in IPv4, TCP and UDP checksums.
    pub tx_checksum: bool,
    /// The NIC takes VLAN tags out.
    pub vlan_strip: bool,
    /// The NIC inserts VLAN tags.
    pub vlan_insert: bool,
    /// Frames longer than a packet buffer arrive in several segments.
    pub scatter: bool,
    /// Packets of several segments can be sent.
    pub multi_segment: bool,
    /// How packets are spread; `None` with one queue, or when the driver cannot.
    pub rss: Option<Rss>,
}

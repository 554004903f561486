// SPDX-License-Identifier: Apache-2.0
//! How a port spreads packets over its receive queues.

use std::fmt;
use std::ops::BitOr;

/// A set of packet kinds and fields that a port can hash on.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct RssTypes(u64);

impl RssTypes {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// IPv4 addresses of packets whose ports are not used, fragments included.
    pub const IPV4: Self = Self(
        dpdk_sys::PS_RSS_IPV4 | dpdk_sys::PS_RSS_FRAG_IPV4 | dpdk_sys::PS_RSS_NONFRAG_IPV4_OTHER,
    );
    /// IPv4 addresses and TCP ports.
    pub const TCP4: Self = Self(dpdk_sys::PS_RSS_NONFRAG_IPV4_TCP);
    /// IPv4 addresses and UDP ports.
    pub const UDP4: Self = Self(dpdk_sys::PS_RSS_NONFRAG_IPV4_UDP);
    /// IPv4 addresses and SCTP ports.
    pub const SCTP4: Self = Self(dpdk_sys::PS_RSS_NONFRAG_IPV4_SCTP);
    /// IPv6 addresses of packets whose ports are not used, fragments included.
    pub const IPV6: Self = Self(
        dpdk_sys::PS_RSS_IPV6 | dpdk_sys::PS_RSS_FRAG_IPV6 | dpdk_sys::PS_RSS_NONFRAG_IPV6_OTHER,
    );
    /// IPv6 addresses and TCP ports.
    pub const TCP6: Self = Self(dpdk_sys::PS_RSS_NONFRAG_IPV6_TCP);
    /// IPv6 addresses and UDP ports.
    pub const UDP6: Self = Self(dpdk_sys::PS_RSS_NONFRAG_IPV6_UDP);
    /// IPv6 addresses and SCTP ports.
    pub const SCTP6: Self = Self(dpdk_sys::PS_RSS_NONFRAG_IPV6_SCTP);
    /// Of the addresses, the source alone.
    pub const L3_SOURCE_ONLY: Self = Self(1 << dpdk_sys::PS_RSS_L3_SRC_ONLY_BIT);
    /// Of the addresses, the destination alone.
    pub const L3_DESTINATION_ONLY: Self = Self(dpdk_sys::PS_RSS_L3_DST_ONLY);
    /// Of the ports, the source alone.
    pub const L4_SOURCE_ONLY: Self = Self(dpdk_sys::PS_RSS_L4_SRC_ONLY);
    /// Of the ports, the destination alone.
    pub const L4_DESTINATION_ONLY: Self = Self(dpdk_sys::PS_RSS_L4_DST_ONLY);
    /// Addresses and ports of every protocol that has them.
    pub const FIVE_TUPLE: Self = Self(
        Self::IPV4.0
            | Self::TCP4.0
            | Self::UDP4.0
            | Self::SCTP4.0
            | Self::IPV6.0
            | Self::TCP6.0
            | Self::UDP6.0
            | Self::SCTP6.0,
    );

    /// From DPDK's bits.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// DPDK's bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether all of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for RssTypes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for RssTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RssTypes({:#x})", self.0)
    }
}

/// How a port is asked to spread packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RssConfig {
    /// What to hash on; what the port cannot do is left out.
    pub types: RssTypes,
    /// The key, as long as the port wants it ([`crate::port::Capabilities::rss_key_bytes`]);
    /// `None`: the driver's own.
    pub key: Option<Vec<u8>>,
}

impl Default for RssConfig {
    fn default() -> Self {
        Self {
            types: RssTypes::FIVE_TUPLE,
            key: None,
        }
    }
}

/// How a port spreads packets, read back from the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rss {
    /// What it hashes on.
    pub types: RssTypes,
    /// Its key; empty when the driver does not tell.
    pub key: Vec<u8>,
    /// Its redirection table: a queue per hash bucket; empty when the driver does not tell.
    pub table: Vec<u16>,
}

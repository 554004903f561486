// SPDX-License-Identifier: Apache-2.0
//! How packets are wrapped on their way to a server behind a tunnel (`ipvsadm -i --tun-type …`).

use core::fmt;
use core::num::NonZeroU16;

use crate::addr::Prefix;

/// The tunnel to a real server; as good as nothing unless its forwarding mode is TUN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Tunnel {
    /// What stands between the outer and the inner IP header.
    pub kind: TunnelKind,
    /// Where outer sources are taken from, one per flow, so that the receiver's RSS, which sees
    /// nothing else of an IPIP or GRE packet, spreads them; `None` = the address of the route, for
    /// all.
    pub source: Option<Prefix>,
}

/// What stands between the outer and the inner IP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TunnelKind {
    /// Nothing (RFC 2003, RFC 2473, RFC 4213).
    #[default]
    Ipip,
    /// Generic routing encapsulation (RFC 2784).
    Gre {
        /// With a checksum over the inner packet.
        checksum: bool,
    },
    /// Generic UDP encapsulation, variant 0.
    Gue {
        /// UDP port that the server decapsulates on.
        port: NonZeroU16,
        /// The checksum of its UDP header.
        checksum: GueChecksum,
    },
}

/// What the UDP header of a GUE packet carries as checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum GueChecksum {
    /// None: 0, also over IPv6 (RFC 6935).
    #[default]
    None,
    /// One over the whole packet.
    Full,
    /// Remote checksum offload. A forwarded packet has its inner checksum already, so nothing is
    /// left to the remote: the same bytes as [`Self::Full`], as in the kernel.
    Remote,
}

impl TunnelKind {
    /// The name in the configuration and of `ipvsadm --tun-type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ipip => "ipip",
            Self::Gre { .. } => "gre",
            Self::Gue { .. } => "gue",
        }
    }

    /// Bytes between the outer and the inner IP header.
    #[must_use]
    pub const fn shim_len(self) -> u16 {
        match self {
            Self::Ipip => 0,
            Self::Gre { checksum: false } => 4,
            Self::Gre { checksum: true } => 8,
            Self::Gue { .. } => 12,
        }
    }
}

impl fmt::Display for TunnelKind {
    /// `ipip`, `gre`, `gre csum`, `gue 6080`, `gue 6080 csum`, `gue 6080 remcsum`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipip | Self::Gre { checksum: false } => f.write_str(self.name()),
            Self::Gre { checksum: true } => write!(f, "{} csum", self.name()),
            Self::Gue { port, checksum } => {
                let name = self.name();
                match checksum {
                    GueChecksum::None => write!(f, "{name} {port}"),
                    GueChecksum::Full => write!(f, "{name} {port} csum"),
                    GueChecksum::Remote => write!(f, "{name} {port} remcsum"),
                }
            }
        }
    }
}

impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        match self.source {
            Some(source) => write!(f, " from {source}"),
            None => Ok(()),
        }
    }
}

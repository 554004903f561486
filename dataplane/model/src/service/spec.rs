// SPDX-License-Identifier: Apache-2.0
//! What an operator sets of services and servers besides their keys.

use alloc::sync::Arc;

use crate::sched::kind::{SchedulerFlags, SchedulerKind};
use crate::service::quic::{Quic, QuicServerId};
use crate::tunnel::Tunnel;

/// How a packet reaches the real server (ipvsadm -m, -g, -i; FullNAT is DPVS's).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ForwardMode {
    /// Masquerading: destination rewritten inbound, source rewritten outbound.
    #[default]
    Nat,
    /// Direct routing: the frame is sent to the server's MAC, the packet is left alone.
    Dr,
    /// Tunnelling: the packet travels inside another one; [`RealSpec::tunnel`] says how.
    Tun,
    /// As masquerading, and the client is replaced by a local address of the director, so that
    /// answers come back here whatever way the servers' routes lead (DPVS's FNAT).
    FullNat,
}

impl ForwardMode {
    /// Whether the server answers its client itself: the director sees one direction, and the port
    /// cannot change (`IP_VS_CONN_F_NOOUTPUT`).
    #[must_use]
    pub const fn is_one_way(self) -> bool {
        match self {
            Self::Nat | Self::FullNat => false,
            Self::Dr | Self::Tun => true,
        }
    }

    /// The name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::Dr => "dr",
            Self::Tun => "tun",
            Self::FullNat => "fullnat",
        }
    }
}

/// What an operator sets of a virtual service besides its key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceSpec {
    /// Name for people; empty when there is none (ipvsadm).
    pub name: Arc<str>,
    /// The scheduler.
    pub scheduler: SchedulerKind,
    /// Its switches.
    pub flags: SchedulerFlags,
    /// The largest TCP segment that either side may announce in a SYN, in bytes; `None` leaves
    /// what they announce.
    pub mss_clamp: Option<u16>,
    /// Whether a client's connections stay with one server (`ipvsadm -p`).
    pub persistence: Option<Persistence>,
    /// Whether every datagram is scheduled by itself (`ipvsadm -o`).
    pub one_packet: bool,
    /// Its own timeouts.
    pub timeouts: ServiceTimeouts,
    /// How its servers learn who the client is.
    pub client_address: ClientAddress,
    /// What reads along in its connections.
    pub helper: Option<Helper>,
    /// Whether connection ids name its servers, and how; UDP alone.
    pub quic: Option<Quic>,
    /// The pool of local addresses for servers with FullNAT.
    pub local_pool: Option<Arc<str>>,
}

/// How a server is told its client's address and port, which it cannot see itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ClientAddress {
    /// Not at all.
    #[default]
    None,
    /// By a line of text in front of the stream (the PROXY protocol, version 1).
    ProxyV1,
    /// By a binary header in front of the stream (the PROXY protocol, version 2).
    ProxyV2,
    /// By an option of TCP in the client's first packets (TOA, as DPVS sends it).
    Toa,
}

impl ClientAddress {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::None, Self::ProxyV1, Self::ProxyV2, Self::Toa];

    /// The name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ProxyV1 => "proxy_v1",
            Self::ProxyV2 => "proxy_v2",
            Self::Toa => "toa",
        }
    }
}

/// A protocol whose connections announce others (LVS's application modules).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Helper {
    /// FTP's data connections (`ip_vs_ftp`).
    Ftp,
}

impl Helper {
    /// The name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ftp => "ftp",
        }
    }
}

/// Connections of one client, or of one network of clients, that stay with one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Persistence {
    /// How long the choice is remembered after the last new connection, seconds; not 0.
    pub timeout_s: u32,
    /// Bits of an IPv4 client's address that count, 1 to 32 (`ipvsadm -M`).
    pub ipv4_mask: u8,
    /// Bits of an IPv6 client's address that count, 1 to 128.
    pub ipv6_prefix: u8,
    /// What is compared besides the client (`ipvsadm --pe`).
    pub engine: Option<PersistenceEngine>,
}

impl Persistence {
    /// Of `ipvsadm -p` without a value (`IPVS_SVC_PERSISTENT_TIMEOUT` of ipvsadm), seconds.
    pub const TIMEOUT_S: u32 = 360;
}

/// What persistence looks at in the payload of a connection's first packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PersistenceEngine {
    /// The Call-ID of a SIP message over UDP (`ip_vs_pe_sip`, RFC 3261 §20.8).
    Sip,
}

/// How long idle connections of one service are kept, seconds; 0 = as all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ServiceTimeouts {
    /// TCP ESTABLISHED.
    pub tcp_s: u32,
    /// TCP FIN_WAIT.
    pub tcp_fin_s: u32,
    /// UDP.
    pub udp_s: u32,
}

impl ServiceTimeouts {
    /// A time in milliseconds; `None` if it is as all others.
    #[must_use]
    pub const fn own_ms(seconds: u32) -> Option<u32> {
        match seconds {
            0 => None,
            seconds => Some(seconds.saturating_mul(1000)),
        }
    }
}

/// The share of new connections a real server gets; 0 = quiesced. At most [`Weight::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Weight(u32);

impl Weight {
    /// The largest weight ipvsadm takes.
    pub const MAX: u32 = 65_535;
    /// Existing connections live on, new ones go elsewhere.
    pub const QUIESCED: Self = Self(0);
    /// What a server has if nothing is said.
    pub const ONE: Self = Self(1);

    /// The weight, or `None` above [`Weight::MAX`].
    #[must_use]
    pub const fn new(weight: u32) -> Option<Self> {
        if weight <= Self::MAX {
            Some(Self(weight))
        } else {
            None
        }
    }

    /// The number.
    #[must_use]
    #[inline]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// What an operator sets of a real server besides its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RealSpec {
    /// How packets reach it.
    pub mode: ForwardMode,
    /// Its share.
    pub weight: Weight,
    /// How packets are wrapped, if the mode is TUN.
    pub tunnel: Tunnel,
    /// When it gets no more connections.
    pub limits: Thresholds,
    /// What names it in connection ids, if its service is a QUIC one.
    pub quic_server_id: Option<QuicServerId>,
}

impl Default for RealSpec {
    /// NAT, of weight 1, without limits.
    fn default() -> Self {
        Self {
            mode: ForwardMode::Nat,
            weight: Weight::ONE,
            tunnel: Tunnel::default(),
            limits: Thresholds::NONE,
            quic_server_id: None,
        }
    }
}

/// Connections, active and inactive, between which a server is overloaded (`ipvsadm -x`, `-y`).
///
/// Overload begins when a connection brings them to `upper`, and ends when the end of one brings
/// them below `lower`, or, if that is 0, below three quarters of `upper`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Thresholds {
    /// 0 = no limit.
    pub upper: u32,
    /// At most `upper`.
    pub lower: u32,
}

impl Thresholds {
    /// No limit.
    pub const NONE: Self = Self { upper: 0, lower: 0 };

    /// Whether so many connections begin an overload (`ip_vs_bind_dest`).
    #[must_use]
    #[inline]
    pub const fn reached(self, flows: u32) -> bool {
        self.upper != 0 && flows >= self.upper
    }

    /// Whether an overload ends at so many connections (`ip_vs_unbind_dest`).
    #[must_use]
    #[inline]
    pub const fn relieved(self, flows: u32) -> bool {
        if self.lower != 0 {
            flows < self.lower
        } else {
            self.upper == 0 || (flows as u64) * 4 < (self.upper as u64) * 3
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What becomes of a packet, and why.

use alloc::vec::Vec;

use model::ids::{IfaceId, PortId, REALS_MAX, RealId, WORKERS_MAX, WorkerId};

use crate::persistence::TemplateRef;

/// What kind of packet is handed to Linux; each class has a rate of its own, so that strangers do
/// not starve the replies to our own sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PuntClass {
    /// ARP and neighbour discovery.
    ArpNd,
    /// TCP, UDP and other transports to an address of the director.
    Local,
    /// ICMP and ICMPv6 to an address of the director.
    Icmp,
    /// IP multicast and broadcast: VRRP, routing protocols, MLD, DHCP.
    Multicast,
    /// No route, or one that Linux must answer for.
    Unroutable,
    /// Other EtherTypes: LLDP, LACP.
    Other,
}

impl PuntClass {
    /// Every class.
    pub const ALL: [Self; 6] = [
        Self::ArpNd,
        Self::Local,
        Self::Icmp,
        Self::Multicast,
        Self::Unroutable,
        Self::Other,
    ];

    /// The name in configuration, counters and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ArpNd => "arp_nd",
            Self::Local => "local",
            Self::Icmp => "icmp",
            Self::Multicast => "multicast",
            Self::Unroutable => "unroutable",
            Self::Other => "other",
        }
    }

    /// The reason counted when this class is over its rate.
    #[must_use]
    pub const fn policed(self) -> DropReason {
        match self {
            Self::ArpNd => DropReason::PuntPolicedArpNd,
            Self::Local => DropReason::PuntPolicedLocal,
            Self::Icmp => DropReason::PuntPolicedIcmp,
            Self::Multicast => DropReason::PuntPolicedMulticast,
            Self::Unroutable => DropReason::PuntPolicedUnroutable,
            Self::Other => DropReason::PuntPolicedOther,
        }
    }
}

macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// Why a packet went nowhere. Every variant is a counter of that name (DESIGN decision 17).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum DropReason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl DropReason {
            /// Every reason, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name in counters, trace, metrics and docs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The sentence that explains it.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc,)+),)+
                }
            }
        }
    };
}

drop_reasons! {
    /// The Ethernet or VLAN header, or an ARP packet, is cut short.
    RxMalformedL2 = "rx_malformed_l2",
    /// The frame carries more than one VLAN tag.
    RxVlanStacked = "rx_vlan_stacked",
    /// The frame's VLAN is not configured on its port.
    RxVlanUnknown = "rx_vlan_unknown",
    /// The frame is addressed to somebody else's MAC.
    RxWrongMac = "rx_wrong_mac",
    /// The IP header is cut short, or its lengths, version or extension headers are impossible.
    RxMalformedIp = "rx_malformed_ip",
    /// The IPv4 header checksum is wrong.
    RxBadIpChecksum = "rx_bad_ip_checksum",
    /// The source or destination address must never appear on a wire.
    RxMartian = "rx_martian",
    /// The IPv4 packet asks for a way of its own (source route option, RFC 7126 §4.3).
    RxSourceRoute = "rx_source_route",
    /// The transport header is cut short or impossible.
    RxMalformedL4 = "rx_malformed_l4",
    /// An ICMP error about a NAT connection, or an echo request to a virtual address, whose
    /// checksum is wrong.
    RxBadIcmpChecksum = "rx_bad_icmp_checksum",
    /// A fragment that no packet can be made of: empty, cut at no multiple of eight bytes, of
    /// another mind than the rest about congestion marks, or of a packet that is malformed as a
    /// whole.
    FragmentMalformed = "fragment_malformed",
    /// A fragment that is there already.
    FragmentDuplicate = "fragment_duplicate",
    /// A fragment that overlaps another, and the rest of its packet with it.
    FragmentOverlap = "fragment_overlap",
    /// A fragment of a packet in too many pieces.
    FragmentTooMany = "fragment_too_many",
    /// A fragment that made room for newer ones.
    FragmentTableFull = "fragment_table_full",
    /// A fragment whose packet did not become complete in time.
    FragmentTimeout = "fragment_timeout",
    /// An echo request to a virtual address beyond the rate of replies.
    EchoRate = "echo_rate",
    /// The service has no real server that may take a new connection.
    NoRealServer = "no_real_server",
    /// The connection's real server was deleted.
    RealDeleted = "real_deleted",
    /// The service's connections are known by their Call-ID, and the datagram has none.
    NoCallId = "no_call_id",
    /// One of the packets that open connections which `drop_packet` drops.
    DropPacket = "drop_packet",
    /// The worker has opened as many connections in this second as it may.
    NewFlowRate = "new_flow_rate",
    /// A NAT server's packet that is of no connection, and was told so (`nat_icmp_send`); or one of
    /// the farm that neither is of a connection nor opens one, and would leave as it is (SNAT).
    NoConnection = "no_connection",
    /// Every local port towards the connection's server is in use.
    LocalPortsExhausted = "local_ports_exhausted",
    /// The service has no pool with local addresses of the server's family.
    LocalPoolMissing = "local_pool_missing",
    /// A packet to a local address and a port that no connection has.
    LocalPortUnused = "local_port_unused",
    /// The flow table is full.
    TableFull = "table_full",
    /// The TTL or hop limit ran out here.
    TtlExpired = "ttl_expired",
    /// There is no room in front of the packet for the headers it is to get.
    NoHeadroom = "no_headroom",
    /// No address of the director fits the server's family, so a tunnel to it has no beginning.
    NoTunnelSource = "no_tunnel_source",
    /// With the headers of its tunnel the packet is longer than IP can say.
    TunnelTooLong = "tunnel_too_long",
    /// Client and server are of different families, and the other one cannot say what the packet
    /// says: an IPv6 packet that chooses its own way, ICMP without a counterpart, or one longer
    /// than IPv4 can be (RFC 7915).
    Untranslatable = "untranslatable",
    /// There is no room to remember how the connection's stream is changed.
    StreamTableFull = "stream_table_full",
    /// The segment has only a part of what has to be changed in its stream.
    StreamCut = "stream_cut",
    /// The packet is larger than the next link and must not be fragmented.
    MtuExceeded = "mtu_exceeded",
    /// The route says so.
    Blackhole = "blackhole",
    /// There is no route to the real server or to the client.
    NoRoute = "no_route",
    /// The frame's source is the MAC of the port it came in by: one of our own came back.
    RxOwnFrame = "rx_own_frame",
    /// Too many packets wait for a neighbour's MAC.
    NeighbourQueueFull = "neighbour_queue_full",
    /// The neighbour did not answer in time.
    NeighbourTimeout = "neighbour_timeout",
    /// No packet buffer was free for a fragment or a copy.
    PoolEmpty = "pool_empty",
    /// ARP or neighbour discovery beyond its rate towards Linux.
    PuntPolicedArpNd = "punt_policed_arp_nd",
    /// Packets to the director's own addresses beyond their rate towards Linux.
    PuntPolicedLocal = "punt_policed_local",
    /// ICMP to the director's own addresses beyond its rate towards Linux.
    PuntPolicedIcmp = "punt_policed_icmp",
    /// Multicast beyond its rate towards Linux.
    PuntPolicedMulticast = "punt_policed_multicast",
    /// Packets without a route beyond their rate towards Linux.
    PuntPolicedUnroutable = "punt_policed_unroutable",
    /// Other EtherTypes beyond their rate towards Linux.
    PuntPolicedOther = "punt_policed_other",
    /// The ring towards Linux is full.
    PuntRingFull = "punt_ring_full",
    /// The ring towards the worker that owns the flow is full.
    RedirectRingFull = "redirect_ring_full",
    /// The port's transmit queue stayed full.
    TxRingFull = "tx_ring_full",
    /// The packet's port is not there, or not this worker's.
    TxNoPort = "tx_no_port",
    /// Still in a queue when the worker stopped.
    Shutdown = "shutdown",
}

/// How many reasons there are.
pub const DROP_REASONS: usize = DropReason::ALL.len();

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Transmit it on that port; its Ethernet header is ready.
    Send {
        /// The port.
        port: PortId,
    },
    /// Give it to Linux through the twin of that interface, untagged.
    Punt {
        /// The interface it came in by.
        iface: IfaceId,
        /// What it counts as.
        class: PuntClass,
    },
    /// Another worker has to see it.
    Redirect {
        /// Which.
        worker: WorkerId,
        /// What it is told.
        note: Note,
    },
    /// Free it.
    Drop(DropReason),
}

/// What a worker is told of a packet that another one passes on to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Note {
    /// Nothing: it came from a port.
    #[default]
    None,
    /// It is the receiver's, whoever the receiver thinks owns it.
    Yours,
    /// It opens a connection of `owner`'s, and the receiver is home to what decides where that
    /// goes ([`crate::home`]).
    Decide {
        /// Who gets it back, with [`Note::Serve`].
        owner: WorkerId,
    },
    /// It opens a connection of the receiver's, to the server that a template of the sender's
    /// names.
    Bind {
        /// Slot of the server.
        real: RealId,
        /// The sender.
        home: WorkerId,
        /// Which template.
        template: TemplateRef,
    },
    /// It opens a connection of the receiver's, to that server.
    Serve {
        /// Slot of the server.
        real: RealId,
        /// Which tenant of the slot.
        generation: u32,
    },
    /// It establishes an SCTP association of `owner`'s with that server, and the receiver is home
    /// to what remembers that.
    Remember {
        /// Who gets it back, with [`Note::Remembered`].
        owner: WorkerId,
        /// Whether it comes from the server.
        outbound: bool,
        /// Slot of the server.
        real: RealId,
        /// Which tenant of the slot.
        generation: u32,
    },
    /// It is the receiver's, and home has seen it.
    Remembered,
}

impl Note {
    /// Whether no worker has yet decided that the packet may open a connection.
    #[must_use]
    #[inline]
    pub const fn is_fresh(self) -> bool {
        matches!(self, Self::None | Self::Yours)
    }

    /// As a number that travels with the packet. A server's slot has room for 24 bits, beside a
    /// template for 16; a template's place for 28.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Yours => 1,
            Self::Decide { owner } => 2 | (owner.0 as u64) << 8,
            Self::Serve { real, generation } => {
                3 | (real.0 as u64 & 0x00ff_ffff) << 8 | (generation as u64) << 32
            }
            Self::Bind {
                real,
                home,
                template,
            } => {
                let place = template.place as u64 & 0x0fff_ffff;
                let what = 4 | (home.0 as u64 & 0x3f) << 4 | (real.0 as u64 & 0xffff) << 12;
                what | (template.generation as u64) << 28 | place << 36
            }
            Self::Remember {
                owner,
                outbound,
                real,
                generation,
            } => {
                let who = (owner.0 as u64 & 0x3f) << 8 | (outbound as u64) << 14;
                5 | who | (real.0 as u64 & 0xffff) << 16 | (generation as u64) << 32
            }
            Self::Remembered => 6,
        }
    }

    /// From the number; one that is none of [`Self::to_bits`]'s is [`Note::None`].
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the parts of the number")]
    pub const fn from_bits(bits: u64) -> Self {
        if bits & 0xf == 4 {
            return Self::Bind {
                real: RealId((bits >> 12) as u32 & 0xffff),
                home: WorkerId((bits >> 4) as u16 & 0x3f),
                template: TemplateRef {
                    place: (bits >> 36) as u32,
                    generation: (bits >> 28) as u8,
                },
            };
        }
        match bits & 0xff {
            1 => Self::Yours,
            2 => Self::Decide {
                owner: WorkerId((bits >> 8) as u16),
            },
            3 => Self::Serve {
                real: RealId((bits >> 8) as u32 & 0x00ff_ffff),
                generation: (bits >> 32) as u32,
            },
            5 => Self::Remember {
                owner: WorkerId((bits >> 8) as u16 & 0x3f),
                outbound: bits >> 14 & 1 == 1,
                real: RealId((bits >> 16) as u32 & 0xffff),
                generation: (bits >> 32) as u32,
            },
            6 => Self::Remembered,
            _ => Self::None,
        }
    }
}

const _: () = assert!(
    REALS_MAX <= 1 << 16 && WORKERS_MAX <= 1 << 6,
    "a note's room for a server and a worker"
);

/// Packets with their verdicts, in order. Kept over bursts, so that it allocates once.
#[derive(Debug)]
pub struct Output<B> {
    entries: Vec<(B, Verdict)>,
}

impl<B> Output<B> {
    /// Room for `capacity` packets before it has to grow.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            entries: Vec::with_capacity(capacity),
        }
    }

    /// Adds a packet.
    #[inline]
    pub fn push(&mut self, packet: B, verdict: Verdict) {
        self.entries.push((packet, verdict));
    }

    /// Takes all packets out, in order.
    pub fn drain(&mut self) -> alloc::vec::Drain<'_, (B, Verdict)> {
        self.entries.drain(..)
    }

    /// How many packets are inside.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests;

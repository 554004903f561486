// SPDX-License-Identifier: Apache-2.0
//! What is remembered of a connection: a hot half of one cache line, a cold half of half a line.

use model::addr::Addr;
use model::ids::{RealId, SERVICES_MAX, ServiceId, WORKERS_MAX};
use model::service::ForwardMode;

use super::FlowKey;
use super::index::{Bucket, LANES, Slot};

/// "No next hop cached."
pub const NO_HOP: u16 = u16::MAX;
/// "No entry" in a link.
pub(crate) const NO_LINK: u32 = u32::MAX;
/// "Not on the timer wheel."
pub(crate) const NOT_ON_WHEEL: u16 = u16::MAX;

/// Everything the table spends on a connection, both directions and timer included.
const FLOW_BYTES_MAX: usize = 128;
/// Two lanes, eight of which fill a bucket, at the design load of 0.8.
const INDEX_BYTES: usize = 2 * size_of::<Bucket>() * 5 / (LANES * 4);
const _: () = assert!(size_of::<HotEntry>() == 64 && align_of::<HotEntry>() == 64);
const _: () = assert!(size_of::<ColdEntry>() == 32 && align_of::<ColdEntry>() == 32);
const _: () =
    assert!(size_of::<HotEntry>() + size_of::<ColdEntry>() + INDEX_BYTES <= FLOW_BYTES_MAX);
// The hot half keeps the service's slot in 16 bits.
const _: () = assert!(SERVICES_MAX <= 1 << 16);

/// Flags of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct FlowFlags(u16);

impl FlowFlags {
    /// No flag: mode NAT.
    pub const NONE: Self = Self(0);
    /// The server's answers do not pass the director, or none has yet (`IP_VS_CONN_F_NOOUTPUT`).
    pub const NO_OUTPUT: Self = Self(1 << 3);
    /// Counted as inactive (`IP_VS_CONN_F_INACTIVE`).
    pub const INACTIVE: Self = Self(1 << 4);
    /// A persistence template, not a connection.
    pub const TEMPLATE: Self = Self(1 << 5);
    /// Forgotten after its packet (`ipvsadm --ops`).
    pub const ONE_PACKET: Self = Self(1 << 6);
    /// The director changes its stream: it has a place in the table of corrections.
    pub const ADJUSTED: Self = Self(1 << 7);
    /// A template decided where it goes (`ip_vs_conn::control`).
    pub const CONTROLLED: Self = Self(1 << 8);
    /// Its template knows that it has been answered.
    pub const ASSURED: Self = Self(1 << 9);
    /// A data connection that a control connection announced: the server's port is in its cold
    /// half.
    pub const DATA: Self = Self(1 << 10);
    /// Its packets may name another server by their QUIC connection id.
    pub const QUIC: Self = Self(1 << 11);
    /// It has no server and goes where its client sent it (`IP_VS_CONN_F_BYPASS`).
    pub const BYPASS: Self = Self(1 << 12);
    /// It is the farm's own, and its server is whoever it talks to (the SNAT gateway).
    pub const FARM: Self = Self(1 << 13);
    /// The outbound key is in the index; kept by the table.
    pub const OUTBOUND_INDEXED: Self = Self(1 << 14);
    /// The entry holds a connection; kept by the table.
    pub(super) const LIVE: Self = Self(1 << 15);

    /// Three bits of forwarding mode. Numbers as `IP_VS_CONN_F_FWD_MASK`, of which local is 1 and
    /// bypass 4; the kernel has no FullNAT.
    const MODE_MASK: u16 = 0b111;
    const MODE_NAT: u16 = 0;
    const MODE_TUN: u16 = 2;
    const MODE_DR: u16 = 3;
    const MODE_FULLNAT: u16 = 5;
    /// What only the table may change.
    const OF_TABLE: u16 = Self::OUTBOUND_INDEXED.0 | Self::LIVE.0;

    /// The flags that say `mode` and nothing else.
    #[must_use]
    pub const fn of_mode(mode: ForwardMode) -> Self {
        Self(match mode {
            ForwardMode::Nat => Self::MODE_NAT,
            ForwardMode::Dr => Self::MODE_DR,
            ForwardMode::Tun => Self::MODE_TUN,
            ForwardMode::FullNat => Self::MODE_FULLNAT,
        })
    }

    /// The forwarding mode.
    #[must_use]
    #[inline]
    pub const fn mode(self) -> ForwardMode {
        match self.0 & Self::MODE_MASK {
            Self::MODE_DR => ForwardMode::Dr,
            Self::MODE_TUN => ForwardMode::Tun,
            Self::MODE_FULLNAT => ForwardMode::FullNat,
            _ => ForwardMode::Nat,
        }
    }

    /// Whether a local address and port are part of the outbound key.
    #[must_use]
    #[inline]
    pub const fn is_local(self) -> bool {
        self.0 & Self::MODE_MASK == Self::MODE_FULLNAT
    }

    /// Whether all of `flags` are set.
    #[must_use]
    #[inline]
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// These and `flags`.
    #[must_use]
    #[inline]
    pub const fn with(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }

    /// These without `flags`.
    #[must_use]
    #[inline]
    pub const fn without(self, flags: Self) -> Self {
        Self(self.0 & !flags.0)
    }
}

/// The half that every packet of the connection touches: one cache line.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
pub struct HotEntry {
    client_ip: Addr,
    virtual_ip: Addr,
    cport: u16,
    vport: u16,
    real: u32,
    service: u16,
    flags: FlowFlags,
    /// When the last packet passed, milliseconds of a wrapping clock.
    pub last_seen_ms: u32,
    /// How long the connection is remembered after its last packet, milliseconds.
    pub timeout_ms: u32,
    /// Packets from the client, for sync thresholds and `drop_entry`; the owner decides how it
    /// counts.
    pub packets: u32,
    /// Next hop towards the real server, by its number in the forwarding table, or [`NO_HOP`].
    pub inbound_hop: u16,
    /// Next hop towards the client, or [`NO_HOP`].
    pub outbound_hop: u16,
    /// Which edition of the forwarding table the two hops are of.
    pub hop_stamp: u16,
    protocol: u8,
    /// State number of the protocol's machine.
    pub state: u8,
}

impl HotEntry {
    /// The connection of `new`, without hops; `None` if the service's slot is out of range.
    pub(super) fn new(new: &super::NewFlow) -> Option<Self> {
        Some(Self {
            client_ip: new.inbound.source,
            virtual_ip: new.inbound.destination,
            cport: new.inbound.source_port,
            vport: new.inbound.destination_port,
            real: new.real.0,
            service: u16::try_from(new.service.0).ok()?,
            flags: new
                .flags
                .without(FlowFlags(FlowFlags::OF_TABLE))
                .with(FlowFlags::LIVE),
            last_seen_ms: new.now_ms,
            timeout_ms: new.timeout_ms,
            packets: 0,
            inbound_hop: NO_HOP,
            outbound_hop: NO_HOP,
            hop_stamp: 0,
            protocol: new.inbound.protocol,
            state: new.state,
        })
    }

    /// The client's address.
    #[must_use]
    #[inline]
    pub const fn client_ip(&self) -> Addr {
        self.client_ip
    }

    /// The address the client talks to.
    #[must_use]
    #[inline]
    pub const fn virtual_ip(&self) -> Addr {
        self.virtual_ip
    }

    /// The client's port.
    #[must_use]
    #[inline]
    pub const fn cport(&self) -> u16 {
        self.cport
    }

    /// The port the client talks to.
    #[must_use]
    #[inline]
    pub const fn vport(&self) -> u16 {
        self.vport
    }

    /// The protocol number.
    #[must_use]
    #[inline]
    pub const fn protocol(&self) -> u8 {
        self.protocol
    }

    /// The real server's slot.
    #[must_use]
    #[inline]
    pub const fn real(&self) -> RealId {
        RealId(self.real)
    }

    /// The virtual service's slot.
    #[must_use]
    #[inline]
    pub const fn service(&self) -> ServiceId {
        ServiceId(self.service as u32)
    }

    /// The flags.
    #[must_use]
    #[inline]
    pub const fn flags(&self) -> FlowFlags {
        self.flags
    }

    /// The forwarding mode.
    #[must_use]
    #[inline]
    pub const fn mode(&self) -> ForwardMode {
        self.flags.mode()
    }

    /// Changes the vport of a template that is not in the index any more.
    pub(crate) const fn set_vport(&mut self, vport: u16) {
        self.vport = vport;
    }

    /// Replaces the flags; those kept by the table stay as they are.
    #[inline]
    pub const fn set_flags(&mut self, flags: FlowFlags) {
        let kept = self.flags.0 & FlowFlags::OF_TABLE;
        self.flags = FlowFlags(flags.0 & !FlowFlags::OF_TABLE | kept);
    }

    /// Notes that a packet passed at `now_ms`: all the timer wheel needs of it.
    #[inline]
    pub const fn stamp(&mut self, now_ms: u32) {
        self.last_seen_ms = now_ms;
    }

    /// The key of packets from the client.
    #[must_use]
    pub const fn inbound_key(&self) -> FlowKey {
        FlowKey {
            protocol: self.protocol,
            source: self.client_ip,
            source_port: self.cport,
            destination: self.virtual_ip,
            destination_port: self.vport,
        }
    }

    /// The key of packets from the real server at `real`; its port 0 means the client's choice was
    /// kept (a service on every port). Not of a data connection.
    #[must_use]
    pub const fn outbound_key(&self, real: (Addr, u16)) -> FlowKey {
        let (real_ip, rport) = real;
        FlowKey {
            protocol: self.protocol,
            source: real_ip,
            source_port: if rport == 0 { self.vport } else { rport },
            destination: self.client_ip,
            destination_port: self.cport,
        }
    }

    /// Whether `key` is of a packet from the client.
    #[inline]
    pub(super) fn is_inbound(&self, key: &FlowKey) -> bool {
        let ports = difference(
            self.cport,
            key.source_port,
            self.vport,
            key.destination_port,
        );
        same(
            [
                (self.client_ip, key.source),
                (self.virtual_ip, key.destination),
            ],
            ports | u32::from(self.protocol ^ key.protocol),
        )
    }

    /// Whether `key` is of a packet from the server.
    #[inline]
    pub(super) fn is_outbound(
        &self,
        key: &FlowKey,
        cold: Option<&ColdEntry>,
        real: impl FnOnce(RealId) -> Option<(Addr, u16)>,
    ) -> bool {
        let Some((real_ip, mut rport)) = real(self.real()) else {
            return false;
        };
        if self.flags.contains(FlowFlags::DATA) {
            rport = cold.map_or(0, ColdEntry::rport);
        }
        let rport = if rport == 0 { self.vport } else { rport };
        let ports = difference(rport, key.source_port, self.cport, key.destination_port);
        same(
            [(real_ip, key.source), (self.client_ip, key.destination)],
            ports | u32::from(self.protocol ^ key.protocol),
        )
    }

    /// Whether `key` is of a packet from the server to the flow's local address and port.
    pub(super) fn is_answer(
        &self,
        key: &FlowKey,
        (local_ip, lport): (Addr, u16),
        real: impl FnOnce(RealId) -> Option<(Addr, u16)>,
    ) -> bool {
        let real = if self.flags.contains(FlowFlags::FARM) {
            Some((self.virtual_ip, self.vport))
        } else {
            real(self.real())
        };
        let Some((real_ip, rport)) = real else {
            return false;
        };
        let rport = if rport == 0 { self.vport } else { rport };
        let ports = difference(rport, key.source_port, lport, key.destination_port);
        same(
            [(real_ip, key.source), (local_ip, key.destination)],
            ports | u32::from(self.protocol ^ key.protocol),
        )
    }

    #[inline]
    pub(super) const fn is_live(&self) -> bool {
        self.flags.contains(FlowFlags::LIVE)
    }

    pub(super) const fn set_table_flag(&mut self, flag: FlowFlags, on: bool) {
        self.flags = if on {
            self.flags.with(flag)
        } else {
            self.flags.without(flag)
        };
    }
}

/// Whether both pairs are equal and `difference` is none. All parts are compared before the one
/// branch: signatures agree by chance once in 65 536, so it nearly always goes the same way.
#[inline]
fn same([first, second]: [(Addr, Addr); 2], difference: u32) -> bool {
    let words =
        |(a, b): (Addr, Addr)| u128::from_le_bytes(*a.octets()) ^ u128::from_le_bytes(*b.octets());
    let differences = words(first) | words(second);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the two halves of the number"
    )]
    let folded = differences as u64 | (differences >> 64) as u64;
    folded | u64::from(difference) == 0
}

/// Not 0 if one of the two pairs of ports differs.
#[inline]
fn difference(a: u16, b: u16, c: u16, d: u16) -> u32 {
    (u32::from(a) | u32::from(c) << 16) ^ (u32::from(b) | u32::from(d) << 16)
}

/// The half that packets of a known connection leave alone.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(32))]
pub struct ColdEntry {
    /// Neighbours on the timer wheel; `next` is also the link of the free list.
    pub(crate) previous: u32,
    pub(crate) next: u32,
    /// Where the index refers to this entry: inbound, outbound. Displacement keeps them true, so
    /// that removal needs neither hash nor comparison and cannot hit another's slot.
    pub(super) slots: [Slot; 2],
    /// Place in the table of TCP sequence corrections (one-based; 0 = none); of a data connection,
    /// which has none, its server's port.
    pub sequence_adjust: u32,
    /// Of a flow with FullNAT its local port (low half) and the block it came from
    /// ([`Lease`](crate::local_ports::Lease)); of a template with a Call-ID the place of that; else
    /// 0.
    pub local: u32,
    /// Of a template the number of its children, of a child the place of its template,
    /// of a data connection that of its control connection (one-based; 0 = none).
    pub(crate) children: u32,
    pub(crate) wheel_slot: u16,
    /// Of a template which tenant of its place it is, of a child which one its template is.
    pub(crate) generation: u8,
    /// Of a child the worker that has its template.
    pub(crate) home: u8,
}

const _: () = assert!(WORKERS_MAX <= 1 << 8, "a worker's number in eight bits");

impl ColdEntry {
    /// The server's port of a data connection.
    pub(crate) fn rport(&self) -> u16 {
        u16::try_from(self.sequence_adjust).unwrap_or(0)
    }

    pub(crate) fn set_rport(&mut self, rport: u16) {
        self.sequence_adjust = rport.into();
    }

    /// A new connection, not yet in the index nor on the wheel.
    pub(super) const fn new() -> Self {
        Self {
            previous: NO_LINK,
            next: NO_LINK,
            slots: [Slot::NONE; 2],
            sequence_adjust: 0,
            local: 0,
            children: 0,
            wheel_slot: NOT_ON_WHEEL,
            generation: 0,
            home: 0,
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Switches of the packet path: the kernel's `net.ipv4.vs.*` under their own names and with its
//! defaults (`Documentation/networking/ipvs-sysctl.rst`), and a few that only a director in user
//! space needs.

/// Switches of the packet path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunables {
    /// Below so much free memory the automatic defences begin, in pages of 4 KiB. The memory is
    /// that of the flow tables, of all workers together; never more than a quarter of them counts.
    pub amemthresh: u32,
    /// With `drop_packet` = 3, one of so many packets that would open a connection is dropped.
    pub am_droprate: u32,
    /// Packets of a mark whose service has no server for them go on to their destination, unless
    /// that is the director.
    pub cache_bypass: bool,
    /// 0 never, 1 a SYN on TIME_WAIT or CLOSE opens a new connection; bit 2: one on FIN_WAIT too
    /// where answers do not pass the director.
    pub conn_reuse_mode: u8,
    /// Whether connections that are opening, or idle with few packets, are ended to make room.
    pub drop_entry: Defence,
    /// Whether packets that would open a connection are dropped.
    pub drop_packet: Defence,
    /// The connections of a deleted server end at once, and a SYN on a connection of a quiesced one
    /// opens a new one.
    pub expire_nodest_conn: bool,
    /// A template of a quiesced server binds nobody any more.
    pub expire_quiescent_template: bool,
    /// A NAT server whose packet is of no connection is told so by ICMP.
    pub nat_icmp_send: bool,
    /// A tunnelled packet keeps its "don't fragment", and its sender is told what fits; otherwise
    /// the outer packet is cut.
    pub pmtu_disc: bool,
    /// Whether TCP connections follow the table in which a client alone establishes nothing.
    pub secure_tcp: Defence,
    /// Any SCTP packet but an ABORT may open a connection.
    pub sloppy_sctp: bool,
    /// Any TCP segment but a reset may open a connection.
    pub sloppy_tcp: bool,
    /// Connections that a worker opens per second at most; 0 = as many as it likes.
    pub new_flows_per_s: u32,
    /// ICMP errors a worker makes per second at most; 0 = as many as it likes.
    pub icmp_errors_per_s: u32,
    /// Echo requests to virtual addresses that a worker answers per second at most; 0 = all.
    pub icmp_echoes_per_s: u32,
    /// Packets a worker hands to Linux per second at most, by class, in the order of
    /// [`PUNT_CLASSES`].
    pub punt_pps: [u32; PUNT_CLASSES.len()],
}

impl Tunables {
    /// Sets the tunable that has the name of a sysctl, without `net.ipv4.vs.`; whether there is
    /// one, and it takes the value.
    pub fn set_sysctl(&mut self, name: &str, value: u32) -> bool {
        let small = u8::try_from(value).ok();
        let on = value != 0;
        let set = |place: &mut Defence| {
            let level = small.and_then(Defence::from_number);
            *place = level.unwrap_or(*place);
            level.is_some()
        };
        match name {
            "am_droprate" => self.am_droprate = value,
            "amemthresh" => self.amemthresh = value,
            "cache_bypass" => self.cache_bypass = on,
            "conn_reuse_mode" => self.conn_reuse_mode = small.unwrap_or(u8::MAX),
            "drop_entry" => return set(&mut self.drop_entry),
            "drop_packet" => return set(&mut self.drop_packet),
            "expire_nodest_conn" => self.expire_nodest_conn = on,
            "expire_quiescent_template" => self.expire_quiescent_template = on,
            "nat_icmp_send" => self.nat_icmp_send = on,
            "pmtu_disc" => self.pmtu_disc = on,
            "secure_tcp" => return set(&mut self.secure_tcp),
            "sloppy_sctp" => self.sloppy_sctp = on,
            "sloppy_tcp" => self.sloppy_tcp = on,
            _ => return false,
        }
        true
    }
}

/// When a defence is in force: the values 0 to 3 of the kernel's `drop_entry`, `drop_packet` and
/// `secure_tcp` (`update_defense_level`).
///
/// The kernel's 1 and 2 are one automatic mode, which it moves between by itself to show whether
/// memory is short; either may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Defence {
    /// Never: 0.
    #[default]
    Off,
    /// While memory is short: 1 and 2.
    Auto,
    /// Always: 3.
    Always,
}

impl Defence {
    /// From the sysctl's value.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Off),
            1 | 2 => Some(Self::Auto),
            3 => Some(Self::Always),
            _ => None,
        }
    }

    /// Whether it is in force.
    #[must_use]
    #[inline]
    pub const fn holds(self, memory_is_short: bool) -> bool {
        match self {
            Self::Off => false,
            Self::Auto => memory_is_short,
            Self::Always => true,
        }
    }
}

/// Names of the classes of packets for Linux, in the order of their numbers.
pub const PUNT_CLASSES: [&str; 6] = [
    "arp_nd",
    "local",
    "icmp",
    "multicast",
    "unroutable",
    "other",
];

impl Default for Tunables {
    fn default() -> Self {
        Self {
            amemthresh: 1024,
            am_droprate: 10,
            cache_bypass: false,
            conn_reuse_mode: 1,
            drop_entry: Defence::Off,
            drop_packet: Defence::Off,
            expire_nodest_conn: false,
            expire_quiescent_template: false,
            nat_icmp_send: false,
            pmtu_disc: true,
            secure_tcp: Defence::Off,
            sloppy_sctp: false,
            sloppy_tcp: false,
            new_flows_per_s: 0,
            icmp_errors_per_s: 1000,
            icmp_echoes_per_s: 1000,
            punt_pps: [1000, 5000, 500, 500, 200, 200],
        }
    }
}

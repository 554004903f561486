// SPDX-License-Identifier: Apache-2.0
//! Every key there is, once: readers take ranges and defaults from here, `reference.toml` is
//! printed from here, and an unknown key is one that is not here.

mod local;
mod lvs;
mod quic;

use model::ids::WORKERS_MAX;
use model::service::{Persistence, SchedulerKind, Weight};

/// A table of the file.
#[derive(Debug)]
pub(crate) struct Table {
    /// As in its header, without brackets.
    pub(crate) title: &'static str,
    /// What it is for.
    pub(crate) doc: &'static str,
    pub(crate) keys: &'static [Key],
    /// Keys that DESIGN names and a later version brings.
    pub(crate) later: &'static [&'static str],
}

/// A key of a table.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) preset: Preset,
    pub(crate) change: Change,
    /// What it is for, unit included.
    pub(crate) doc: &'static str,
    /// A value for the reference, as TOML; empty for tables.
    pub(crate) example: &'static str,
}

/// What may stand behind a key.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A string; the text says of which form.
    Text(&'static str),
    /// One of some words.
    OneOf(&'static [&'static str]),
    /// A number of a range.
    Integer(u32, u32),
    /// `true` or `false`.
    Flag,
    /// A list of strings; the text says of which form.
    Texts(&'static str),
    /// `[key]` or `key = { }`.
    Table(&'static Table),
    /// `[[key]]`.
    Tables(&'static Table),
}

/// What holds if the key is not there.
#[derive(Debug)]
pub(crate) enum Preset {
    /// It has to be.
    Required,
    /// Something that is not a fixed value.
    Otherwise(&'static str),
    Integer(u32),
    Text(&'static str),
    Flag(bool),
}

/// When a change of the key takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// At the next start.
    Init,
    /// At once, connections kept.
    Live,
}

impl Change {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Live => "live",
        }
    }
}

impl Table {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// This table and all below it.
    pub(crate) fn walk(&'static self, visit: &mut dyn FnMut(&'static Self)) {
        visit(self);
        for key in self.keys {
            if let Kind::Table(table) | Kind::Tables(table) = &key.kind {
                table.walk(visit);
            }
        }
    }
}

/// Longest name of a director, bytes: a label of the DNS.
pub(crate) const DIRECTOR_NAME_MAX: usize = 63;
/// Longest name of a service, characters: it is a label of metrics and a column of tables.
pub(crate) const SERVICE_NAME_MAX: usize = 64;
/// Longest name of a Linux interface, bytes (`IFNAMSIZ` less the zero).
pub(crate) const INTERFACE_NAME_MAX: usize = 15;
/// Longest path of a unix socket, bytes (`sun_path` less the zero).
pub(crate) const SOCKET_PATH_MAX: usize = 107;
/// Ports at most: DPDK is built for 32 (`RTE_MAX_ETHPORTS`).
pub const PORTS_MAX: usize = 32;
/// Members of a bond at most: LACP's usual eight.
pub const BOND_MEMBERS_MAX: usize = 8;
/// Addresses of all interfaces together at most.
pub const ADDRESSES_MAX: usize = 1024;
/// The smallest MTU of a link that carries IPv6, bytes (RFC 8200 §5).
pub(crate) const MTU_IPV6_MIN: u32 = 1280;

/// The longest timeout, seconds: what `ipvsadm --set` takes where the kernel ticks at 1000 Hz.
const TIMEOUT_S_MAX: u32 = 2_147_483;
/// The longest drain, seconds: a week.
const DRAIN_S_MAX: u32 = 604_800;
/// Linux's smallest (`TCP_MIN_MSS`), and what the longest IPv4 packet carries.
const MSS_MIN: u32 = 88;
const MSS_MAX: u32 = 65_495;
/// The most packets per second that a policer lets through: beyond what a kernel twin can take.
const PUNT_PPS_MAX: u32 = 10_000_000;
/// Smallest and largest IP packet a port may be set to, bytes: RFC 791, and usual jumbo frames.
const MTU: Kind = Kind::Integer(576, 9216);
const _: () = assert!(WORKERS_MAX == 64, "the range of `queues` below");

/// The file.
pub(crate) static ROOT: Table = Table {
    title: "",
    doc: "",
    keys: &[
        section("director", Kind::Table(&DIRECTOR), Preset::Required),
        section("api", Kind::Table(&API), DEFAULTS),
        section("timeouts", Kind::Table(&TIMEOUTS), DEFAULTS),
        section("limits", Kind::Table(&LIMITS), DEFAULTS),
        section("lvs", Kind::Table(&lvs::LVS), DEFAULTS),
        section("tunnels", Kind::Table(&TUNNELS), DEFAULTS),
        section("port", Kind::Tables(&PORT), Preset::Otherwise("no port")),
        local::SECTION,
        section(
            "snat",
            Kind::Tables(&local::SNAT),
            Preset::Otherwise("no rules"),
        ),
        section("mark", Kind::Tables(&MARK), Preset::Otherwise("no marks")),
        section(
            "service",
            Kind::Tables(&SERVICE),
            Preset::Otherwise("no service"),
        ),
    ],
    later: &[],
};

static DIRECTOR: Table = Table {
    title: "director",
    doc: "The director itself.",
    keys: &[
        Key {
            name: "name",
            kind: Kind::Text("1 to 63 letters, digits, `.`, `-` or `_`"),
            preset: Preset::Required,
            change: Change::Init,
            doc: "Name of this director, in logs, metrics and the names of its files.",
            example: "\"lb1\"",
        },
        Key {
            name: "workers",
            kind: Kind::Text("a CPU list such as \"1-3,5\", at most 64 CPUs, none twice"),
            preset: Preset::Required,
            change: Change::Init,
            doc: "CPUs that forward packets, one worker on each. Leave one CPU to the rest.",
            example: "\"1-3\"",
        },
        Key {
            name: "control_cpu",
            kind: Kind::Text("a CPU list such as \"0\""),
            preset: Preset::Otherwise("the kernel chooses"),
            change: Change::Init,
            doc: "CPUs of the control side.",
            example: "\"0\"",
        },
        Key {
            name: "idle",
            kind: Kind::OneOf(&["poll", "adaptive"]),
            preset: Preset::Text("poll"),
            change: Change::Init,
            doc: "A worker without packets polls on (least latency) or sleeps soon (labs).",
            example: "",
        },
        Key {
            name: "flows_max",
            kind: Kind::Integer(1_000, 100_000_000),
            preset: Preset::Integer(1_000_000),
            change: Change::Init,
            doc: "Connections of all workers together; the memory is taken at start.",
            example: "",
        },
        Key {
            name: "memory_mib",
            kind: Kind::Integer(32, 65_536),
            preset: Preset::Otherwise("as much as the ports' queues need"),
            change: Change::Init,
            doc: "Memory for packet buffers, MiB.",
            example: "128",
        },
        Key {
            name: "huge_pages",
            kind: Kind::OneOf(&["auto", "never", "require"]),
            preset: Preset::Text("auto"),
            change: Change::Init,
            doc: "Huge pages: if there are enough, not at all, or refuse to start without.",
            example: "",
        },
        Key {
            name: "drain_s",
            kind: Kind::Integer(0, DRAIN_S_MAX),
            preset: Preset::Integer(0),
            change: Change::Live,
            doc: "Seconds after which a removed server's remaining connections are cut; 0 = never.",
            example: "",
        },
    ],
    later: &[],
};

static API: Table = Table {
    title: "api",
    doc: "How `penstock show` and its like reach the daemon.",
    keys: &[Key {
        name: "socket",
        kind: Kind::Text("an absolute path of at most 107 bytes"),
        preset: Preset::Text("/run/penstock/penstock.sock"),
        change: Change::Init,
        doc: "The unix socket.",
        example: "",
    }],
    later: &[],
};

static TIMEOUTS: Table = Table {
    title: "timeouts",
    doc: "How long a silent connection is kept, as `ipvsadm --set TCP TCPFIN UDP`.",
    keys: &[
        number("tcp_s", 1, TIMEOUT_S_MAX, 900, "TCP, established; seconds."),
        number(
            "tcp_fin_s",
            1,
            TIMEOUT_S_MAX,
            120,
            "TCP, after a FIN; seconds.",
        ),
        number("udp_s", 1, TIMEOUT_S_MAX, 300, "UDP; seconds."),
    ],
    later: &[],
};

static LIMITS: Table = Table {
    title: "limits",
    doc: "Guards of the director against floods.",
    keys: &[
        number(
            "icmp_errors_per_s",
            0,
            PUNT_PPS_MAX,
            1000,
            "ICMP errors that one worker sends per second; 0 = no limit.",
        ),
        number(
            "icmp_echoes_per_s",
            0,
            PUNT_PPS_MAX,
            1000,
            "Pings of addresses Linux has not that one worker answers per second; 0 = all.",
        ),
        number(
            "new_flows_per_s",
            0,
            PUNT_PPS_MAX,
            0,
            "Connections that one worker opens per second; 0 = no limit.",
        ),
        section("punt_pps", Kind::Table(&PUNT_PPS), DEFAULTS),
    ],
    later: &[],
};

static PUNT_PPS: Table = Table {
    title: "limits.punt_pps",
    doc: "Packets per second that one worker hands to the kernel twin of a port, by class.",
    keys: &[
        number(
            "arp_nd",
            1,
            PUNT_PPS_MAX,
            1000,
            "ARP and neighbour discovery.",
        ),
        number(
            "local",
            1,
            PUNT_PPS_MAX,
            5000,
            "TCP, UDP and others to the director itself.",
        ),
        number("icmp", 1, PUNT_PPS_MAX, 500, "ICMP to the director itself."),
        number(
            "multicast",
            1,
            PUNT_PPS_MAX,
            500,
            "Multicast and broadcast.",
        ),
        number(
            "unroutable",
            1,
            PUNT_PPS_MAX,
            200,
            "Transit packets without a route.",
        ),
        number("other", 1, PUNT_PPS_MAX, 200, "All else."),
    ],
    later: &[],
};

static TUNNELS: Table = Table {
    title: "tunnels",
    doc: "What holds for all servers with forward = \"tun\".",
    keys: &[Key {
        name: "pmtu_disc",
        kind: Kind::Flag,
        preset: Preset::Flag(true),
        change: Change::Live,
        doc: "Tell senders what fits a tunnel (else cut the outer packet), as sysctl pmtu_disc.",
        example: "",
    }],
    later: &[],
};

static PORT: Table = Table {
    title: "port",
    doc: "A DPDK port and its kernel twin, the Linux interface of the same name.",
    keys: &[
        Key {
            name: "name",
            kind: Kind::Text("a Linux interface name: 1 to 15 bytes, no `/`, `:` or blank"),
            preset: Preset::Required,
            change: Change::Init,
            doc: "Name of the port and of its kernel twin; unique, not `lo`.",
            example: "\"front\"",
        },
        Key {
            name: "device",
            kind: Kind::Text(
                "a PCI address as \"0000:3b:00.0\" or a DPDK device as \"net_tap0,iface=x\"",
            ),
            preset: Preset::Otherwise("required without `bond`, of no use with it"),
            change: Change::Init,
            doc: "What DPDK opens, its arguments behind a comma; unique.",
            example: "\"net_bonding0\"",
        },
        Key {
            name: "queues",
            kind: Kind::Integer(1, 64),
            preset: Preset::Otherwise("the number of workers"),
            change: Change::Init,
            doc: "Receive queues; each needs a worker, so at most as many as there are workers.",
            example: "3",
        },
        ADDRESSES,
        Key {
            name: "mtu",
            kind: MTU,
            preset: Preset::Integer(1500),
            change: Change::Init,
            doc: "Largest IP packet, bytes; at least 1280 with IPv6.",
            example: "",
        },
        Key {
            name: "promiscuous",
            kind: Kind::Flag,
            preset: Preset::Flag(false),
            change: Change::Init,
            doc: "Receive frames to foreign MAC addresses too.",
            example: "",
        },
        section("bond", Kind::Table(&BOND), Preset::Otherwise("one device")),
        section("vlan", Kind::Tables(&VLAN), Preset::Otherwise("no VLAN")),
    ],
    later: &[],
};

static BOND: Table = Table {
    title: "port.bond",
    doc: "Several devices as one port, in place of `device`.",
    keys: &[
        Key {
            name: "mode",
            kind: Kind::OneOf(&["active-backup", "802.3ad"]),
            preset: Preset::Required,
            change: Change::Init,
            doc: "One sends and another takes over; or all do, agreed with the switch (LACP).",
            example: "\"802.3ad\"",
        },
        Key {
            name: "members",
            kind: Kind::Texts("devices as `device` has them"),
            preset: Preset::Required,
            change: Change::Init,
            doc: "1 to 8 devices, in no other port; the first gives the port its MAC address.",
            example: "[\"0000:3b:00.0\", \"0000:3b:00.1\"]",
        },
    ],
    later: &[],
};

static VLAN: Table = Table {
    title: "port.vlan",
    doc: "A tagged network on the port above; its kernel twin is called PORT.ID.",
    keys: &[
        Key {
            name: "id",
            kind: Kind::Integer(1, 4094),
            preset: Preset::Required,
            change: Change::Init,
            doc: "The 802.1Q tag; unique on the port.",
            example: "100",
        },
        Key {
            name: "addresses",
            example: "[\"198.51.100.2/24\"]",
            ..ADDRESSES
        },
        Key {
            name: "mtu",
            kind: MTU,
            preset: Preset::Otherwise("the port's"),
            change: Change::Init,
            doc: "Largest IP packet, bytes; at most the port's, at least 1280 with IPv6.",
            example: "1500",
        },
    ],
    later: &[],
};

/// In the order of `SchedulerKind::ALL`.
const SCHEDULERS: [&str; SchedulerKind::ALL.len()] = {
    let mut names = [""; SchedulerKind::ALL.len()];
    let mut place = 0;
    while place < names.len() {
        names[place] = SchedulerKind::ALL[place].name();
        place += 1;
    }
    names
};

static SERVICE: Table = Table {
    title: "service",
    doc: "A virtual service.",
    keys: &[
        Key {
            name: "name",
            kind: Kind::Text("1 to 64 printable characters"),
            preset: Preset::Required,
            change: Change::Live,
            doc: "Name for people; unique.",
            example: "\"web\"",
        },
        Key {
            name: "listen",
            kind: Kind::Text(
                "\"tcp://ADDRESS:PORT\", udp or sctp, IPv6 in brackets; or \"mark://N\"",
            ),
            preset: Preset::Required,
            change: Change::Live,
            doc: "What clients connect to; also ADDRESS/LENGTH, ports 80-89, *, \"mark://5\".",
            example: "\"tcp://192.0.2.10:80\"",
        },
        Key {
            name: "scheduler",
            kind: Kind::OneOf(&SCHEDULERS),
            preset: Preset::Required,
            change: Change::Live,
            doc: "Who gets the next connection; ipvsadm's names, and conhash (a ring) and random.",
            example: "\"wlc\"",
        },
        Key {
            name: "scheduler_flags",
            kind: Kind::Texts("\"sh-port\", \"sh-fallback\", \"mh-port\" or \"mh-fallback\""),
            preset: Preset::Otherwise("none"),
            change: Change::Live,
            doc: "Port: the client's port counts too. Fallback: another for one that takes none.",
            example: "[]",
        },
        Key {
            name: "forward",
            kind: Kind::OneOf(&["nat", "dr", "tun", "fullnat"]),
            preset: Preset::Required,
            change: Change::Live,
            doc: "How servers are reached: translation of one or both ends, routing, tunnels.",
            example: "\"nat\"",
        },
        Key {
            name: "drain_s",
            kind: Kind::Integer(0, DRAIN_S_MAX),
            preset: Preset::Otherwise("the director's"),
            change: Change::Live,
            doc: "Seconds after which a removed server's remaining connections are cut; 0 = never.",
            example: "60",
        },
        Key {
            name: "mss_clamp",
            kind: Kind::Integer(MSS_MIN, MSS_MAX),
            preset: Preset::Otherwise("as announced"),
            change: Change::Live,
            doc: "Bytes of the largest TCP segment that either side may announce in its SYN.",
            example: "1400",
        },
        local::CLIENT_ADDRESS,
        Key {
            name: "helper",
            kind: Kind::OneOf(&["none", "ftp"]),
            preset: Preset::Text("none"),
            change: Change::Live,
            doc: "Follow what connections announce: FTP's data connections; TCP alone.",
            example: "",
        },
        local::SERVICE_POOL,
        section(
            "persistence",
            Kind::Table(&PERSISTENCE),
            Preset::Otherwise("none"),
        ),
        section(
            "timeouts",
            Kind::Table(&lvs::SERVICE_TIMEOUTS),
            Preset::Otherwise("those of [timeouts]"),
        ),
        Key {
            name: "one_packet",
            kind: Kind::Flag,
            preset: Preset::Flag(false),
            change: Change::Live,
            doc: "Schedule every datagram by itself (`ipvsadm --ops`); UDP alone.",
            example: "",
        },
        section("quic", Kind::Table(&quic::QUIC), Preset::Otherwise("none")),
        section(
            "tunnel",
            Kind::Table(&SERVICE_TUNNEL),
            Preset::Otherwise("type = \"ipip\""),
        ),
        section(
            "server",
            Kind::Tables(&SERVER),
            Preset::Otherwise("no server"),
        ),
    ],
    later: &["health"],
};

static PERSISTENCE: Table = Table {
    title: "service.persistence",
    doc: "Keeps a client's connections with one server (`ipvsadm -p`).",
    keys: &[
        number(
            "timeout_s",
            1,
            TIMEOUT_S_MAX,
            Persistence::TIMEOUT_S,
            "How long the choice is kept after the last new connection; seconds.",
        ),
        number(
            "ipv4_mask",
            1,
            32,
            32,
            "Bits of an IPv4 client's address that count: /24 keeps a network together.",
        ),
        number(
            "ipv6_prefix",
            1,
            128,
            128,
            "Bits of an IPv6 client's address that count.",
        ),
        Key {
            name: "engine",
            kind: Kind::OneOf(&["client", "sip"]),
            preset: Preset::Text("client"),
            change: Change::Live,
            doc: "What tells clients apart: their address, or the Call-ID of SIP over UDP.",
            example: "",
        },
    ],
    later: &[],
};

static MARK: Table = Table {
    title: "mark",
    doc: "Gives new connections a mark for a service that listens on it; the first that fits.",
    keys: &[
        Key {
            name: "mark",
            kind: Kind::Integer(0, u32::MAX),
            preset: Preset::Required,
            change: Change::Live,
            doc: "The mark; 0 = none, and no further rule is tried.",
            example: "5",
        },
        Key {
            name: "protocol",
            kind: Kind::OneOf(&["tcp", "udp", "sctp"]),
            preset: Preset::Otherwise("any"),
            change: Change::Live,
            doc: "Transport.",
            example: "\"tcp\"",
        },
        Key {
            name: "source",
            kind: Kind::Text("\"ADDRESS/LENGTH\""),
            preset: Preset::Otherwise("any"),
            change: Change::Live,
            doc: "Clients.",
            example: "\"198.51.100.0/24\"",
        },
        Key {
            name: "destination",
            kind: Kind::Text("\"ADDRESS/LENGTH\""),
            preset: Preset::Otherwise("any"),
            change: Change::Live,
            doc: "Where they connect to.",
            example: "\"192.0.2.0/24\"",
        },
        Key {
            name: "source_ports",
            kind: Kind::Text("\"PORT\" or \"FIRST-LAST\""),
            preset: Preset::Otherwise("any"),
            change: Change::Live,
            doc: "Ports of clients.",
            example: "\"1024-65535\"",
        },
        Key {
            name: "destination_ports",
            kind: Kind::Text("\"PORT\" or \"FIRST-LAST\""),
            preset: Preset::Otherwise("any"),
            change: Change::Live,
            doc: "Ports they connect to.",
            example: "\"80-443\"",
        },
    ],
    later: &[],
};

static SERVER: Table = Table {
    title: "service.server",
    doc: "A real server of the service above.",
    keys: &[
        Key {
            name: "address",
            kind: Kind::Text("\"ADDRESS:PORT\", or \"ADDRESS\" for the service's port"),
            preset: Preset::Required,
            change: Change::Live,
            doc: "Where it listens; with \"dr\" and \"tun\" the port has to be the service's.",
            example: "\"10.0.0.11\"",
        },
        Key {
            name: "weight",
            kind: Kind::Integer(0, Weight::MAX),
            preset: Preset::Integer(1),
            change: Change::Live,
            doc: "Its share of new connections; 0 = none, those it has live on.",
            example: "",
        },
        number(
            "connections_max",
            0,
            u32::MAX,
            0,
            "As many connections and it gets no more, until they are fewer again; 0 = no limit.",
        ),
        number(
            "connections_min",
            0,
            u32::MAX,
            0,
            "Below as many it gets new ones again; 0 = three quarters of connections_max.",
        ),
        Key {
            name: "forward",
            kind: Kind::OneOf(&["nat", "dr", "tun", "fullnat"]),
            preset: Preset::Otherwise("the service's"),
            change: Change::Live,
            doc: "How packets reach this one.",
            example: "\"tun\"",
        },
        section(
            "tunnel",
            Kind::Table(&SERVER_TUNNEL),
            Preset::Otherwise("the service's"),
        ),
        quic::SERVER_ID,
    ],
    later: &["health"],
};

static SERVICE_TUNNEL: Table = Table {
    title: "service.tunnel",
    doc: "How packets are wrapped for the service's servers with forward = \"tun\".",
    keys: TUNNEL,
    later: &[],
};

static SERVER_TUNNEL: Table = Table {
    title: "service.server.tunnel",
    doc: "How packets are wrapped for this server.",
    keys: TUNNEL,
    later: &[],
};

const TUNNEL: &[Key] = &[
    Key {
        name: "type",
        kind: Kind::OneOf(&["ipip", "gre", "gue"]),
        preset: Preset::Required,
        change: Change::Live,
        doc: "IP in IP, generic routing encapsulation, or generic UDP encapsulation.",
        example: "\"gue\"",
    },
    Key {
        name: "port",
        kind: Kind::Integer(1, 65_535),
        preset: Preset::Otherwise("none; \"gue\" needs it"),
        change: Change::Live,
        doc: "UDP port that the server decapsulates on.",
        example: "6080",
    },
    Key {
        name: "checksum",
        kind: Kind::Flag,
        preset: Preset::Flag(false),
        change: Change::Live,
        doc: "A checksum over the whole packet, for \"gre\" and \"gue\".",
        example: "",
    },
    Key {
        name: "remote_checksum",
        kind: Kind::Flag,
        preset: Preset::Flag(false),
        change: Change::Live,
        doc: "Remote checksum offload, for \"gue\"; the same bytes as `checksum`.",
        example: "",
    },
    Key {
        name: "source",
        kind: Kind::Text("\"ADDRESS/LENGTH\", of the server's family"),
        preset: Preset::Otherwise("the address of the port towards the server"),
        change: Change::Live,
        doc: "Outer sources, one per flow, so that the server's NIC spreads flows over its CPUs.",
        example: "\"172.16.0.0/16\"",
    },
];

const DEFAULTS: Preset = Preset::Otherwise("defaults");

const ADDRESSES: Key = Key {
    name: "addresses",
    kind: Kind::Texts("\"ADDRESS/LENGTH\""),
    preset: Preset::Otherwise("none"),
    change: Change::Init,
    doc: "Addresses of the kernel twin; none of them twice in the file.",
    example: "[\"192.0.2.2/24\", \"2001:db8::2/64\"]",
};

const fn section(name: &'static str, kind: Kind, preset: Preset) -> Key {
    Key {
        name,
        kind,
        preset,
        change: Change::Live,
        doc: "",
        example: "",
    }
}

const fn number(name: &'static str, min: u32, max: u32, preset: u32, doc: &'static str) -> Key {
    Key {
        name,
        kind: Kind::Integer(min, max),
        preset: Preset::Integer(preset),
        change: Change::Live,
        doc,
        example: "",
    }
}

// SPDX-License-Identifier: Apache-2.0
//! `[lvs]`: the kernel's sysctls `net.ipv4.vs.*` by their own names; a service's own timeouts.

use super::{Change, Key, Kind, Preset, TIMEOUT_S_MAX, Table, number};

/// The sysctls.
pub(super) static LVS: Table = Table {
    title: "lvs",
    doc: "The kernel's sysctls net.ipv4.vs.*, by their names and with its defaults.",
    keys: &[
        number(
            "amemthresh",
            0,
            u32::MAX,
            1024,
            "Below so many free pages (4 KiB, 32 connections each) memory is short.",
        ),
        number(
            "am_droprate",
            1,
            u32::MAX,
            10,
            "With drop_packet = 3, one of so many packets that open connections is dropped.",
        ),
        flag(
            "cache_bypass",
            "Connections of a mark that find no server go on to their destination.",
        ),
        number(
            "conn_reuse_mode",
            0,
            3,
            1,
            "A SYN starts anew: 0 never, 1 after TIME_WAIT or CLOSE; +2 FIN_WAIT (DR, TUN).",
        ),
        level(
            "drop_entry",
            "End opening and idle connections: 0 never, 1 while memory is short, 3 always.",
        ),
        level(
            "drop_packet",
            "Drop packets that open connections: 0 never, 1 while memory is short, 3 always.",
        ),
        flag(
            "expire_nodest_conn",
            "End the connections of a deleted server at once.",
        ),
        flag(
            "expire_quiescent_template",
            "Persistence binds nobody to a server of weight 0.",
        ),
        flag(
            "nat_icmp_send",
            "Tell a NAT server whose packet is of no connection, by ICMP.",
        ),
        level(
            "secure_tcp",
            "A client alone establishes nothing: 0 off, 1 while memory is short, 3 always.",
        ),
        flag(
            "sloppy_sctp",
            "Any SCTP packet but an ABORT opens an association.",
        ),
        flag(
            "sloppy_tcp",
            "Any TCP segment but a reset opens a connection.",
        ),
    ],
    later: &[],
};

/// A service's own times.
pub(super) static SERVICE_TIMEOUTS: Table = Table {
    title: "service.timeouts",
    doc: "How long this service's silent connections are kept; 0 = as [timeouts] says.",
    keys: &[
        number("tcp_s", 0, TIMEOUT_S_MAX, 0, "TCP, established; seconds."),
        number(
            "tcp_fin_s",
            0,
            TIMEOUT_S_MAX,
            0,
            "TCP, after a FIN; seconds.",
        ),
        number("udp_s", 0, TIMEOUT_S_MAX, 0, "UDP; seconds."),
    ],
    later: &[],
};

const fn flag(name: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        kind: Kind::Flag,
        preset: Preset::Flag(false),
        change: Change::Live,
        doc,
        example: "",
    }
}

/// The kernel's 2 is its 1 while memory is short.
const fn level(name: &'static str, doc: &'static str) -> Key {
    number(name, 0, 3, 0, doc)
}

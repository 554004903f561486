// SPDX-License-Identifier: Apache-2.0
use std::format;
use std::vec::Vec;

use super::flags::{ACK, FIN, RST, SYN};
use super::*;
use wire::tcp::flags::{CWR, ECE, PSH, URG};

/// `tcp_states` as it stands in `ip_vs_proto_tcp.c`.
const KERNEL: [(&str, [&str; 4]); 3] = [
    (
        "INPUT",
        [
            "sSR, sES, sES, sSR, sSR, sSR, sSR, sSR, sSR, sSR, sSR",
            "sCL, sCW, sSS, sTW, sTW, sTW, sCL, sCW, sLA, sLI, sTW",
            "sES, sES, sSS, sES, sFW, sTW, sCL, sCW, sCL, sLI, sES",
            "sCL, sCL, sCL, sSR, sCL, sCL, sCL, sCL, sLA, sLI, sSR",
        ],
    ),
    (
        "OUTPUT",
        [
            "sSS, sES, sSS, sSR, sSS, sSS, sSS, sSS, sSS, sLI, sSR",
            "sTW, sFW, sSS, sTW, sFW, sTW, sCL, sTW, sLA, sLI, sTW",
            "sES, sES, sSS, sES, sFW, sTW, sCL, sCW, sLA, sES, sES",
            "sCL, sCL, sSS, sCL, sCL, sTW, sCL, sCL, sCL, sCL, sCL",
        ],
    ),
    (
        "INPUT-ONLY",
        [
            "sSR, sES, sES, sSR, sSR, sSR, sSR, sSR, sSR, sSR, sSR",
            "sCL, sFW, sSS, sTW, sFW, sTW, sCL, sCW, sLA, sLI, sTW",
            "sES, sES, sSS, sES, sFW, sTW, sCL, sCW, sCL, sLI, sES",
            "sCL, sCL, sCL, sSR, sCL, sCL, sCL, sCL, sLA, sLI, sCL",
        ],
    ),
];

/// `tcp_states_dos`, as above.
const KERNEL_SECURE: [(&str, [&str; 4]); 3] = [
    (
        "INPUT",
        [
            "sSR, sES, sES, sSR, sSR, sSR, sSR, sSR, sSR, sSR, sSA",
            "sCL, sCW, sSS, sTW, sTW, sTW, sCL, sCW, sLA, sLI, sSA",
            "sES, sES, sSS, sSR, sFW, sTW, sCL, sCW, sCL, sLI, sSA",
            "sCL, sCL, sCL, sSR, sCL, sCL, sCL, sCL, sLA, sLI, sCL",
        ],
    ),
    (
        "OUTPUT",
        [
            "sSS, sES, sSS, sSA, sSS, sSS, sSS, sSS, sSS, sLI, sSA",
            "sTW, sFW, sSS, sTW, sFW, sTW, sCL, sTW, sLA, sLI, sTW",
            "sES, sES, sSS, sES, sFW, sTW, sCL, sCW, sLA, sES, sES",
            "sCL, sCL, sSS, sCL, sCL, sTW, sCL, sCL, sCL, sCL, sCL",
        ],
    ),
    (
        "INPUT-ONLY",
        [
            "sSA, sES, sES, sSR, sSA, sSA, sSA, sSA, sSA, sSA, sSA",
            "sCL, sFW, sSS, sTW, sFW, sTW, sCL, sCW, sLA, sLI, sTW",
            "sES, sES, sSS, sES, sFW, sTW, sCL, sCW, sCL, sLI, sES",
            "sCL, sCL, sCL, sSR, sCL, sCL, sCL, sCL, sLA, sLI, sCL",
        ],
    ),
];

/// Every pair of tables.
const SIGHTS: [Sight; 4] = {
    let (one_way, secure) = (true, true);
    [
        Sight {
            one_way: false,
            secure: false,
        },
        Sight {
            one_way,
            secure: false,
        },
        Sight {
            one_way: false,
            secure,
        },
        Sight { one_way, secure },
    ]
};

/// The kernel's short names, in the order of the states' numbers.
const SHORT: [&str; TCP_STATES] = [
    "sNO", "sES", "sSS", "sSR", "sFW", "sTW", "sCL", "sCW", "sLA", "sLI", "sSA",
];

#[test]
fn every_state_and_flag_in_every_direction_is_the_kernels() {
    let usual = KERNEL.map(|table| (table, false));
    let secure = KERNEL_SECURE.map(|table| (table, true));
    for ((table, rows), secure) in usual.into_iter().chain(secure) {
        let one_way = table == "INPUT-ONLY";
        let sight = Sight { one_way, secure };
        for (row, flag) in rows.iter().zip([SYN, FIN, ACK, RST]) {
            for (old, expected) in TcpState::ALL.iter().zip(row.split(", ")) {
                let direction = if table == "OUTPUT" {
                    Direction::Outbound
                } else {
                    Direction::Inbound
                };
                let new = old.advance(flag, direction, sight);
                assert_eq!(
                    SHORT[new as usize], expected,
                    "{table} {old:?} flag {flag:#x} secure {secure}"
                );
            }
        }
    }
}

#[test]
fn of_several_flags_rst_counts_first_then_syn_then_fin_then_ack() {
    for flags in 0..=u8::MAX {
        let decisive = [RST, SYN, FIN, ACK]
            .into_iter()
            .find(|flag| flags & flag != 0)
            .unwrap_or(0);
        for old in TcpState::ALL {
            for direction in [Direction::Inbound, Direction::Outbound] {
                for sight in SIGHTS {
                    assert_eq!(
                        old.advance(flags, direction, sight),
                        old.advance(decisive, direction, sight)
                    );
                }
            }
        }
    }
}

#[test]
fn a_segment_without_a_deciding_flag_closes_what_it_opens_and_changes_nothing_else() {
    for old in TcpState::ALL {
        let opened = old == TcpState::None;
        let new = if opened { TcpState::Close } else { old };
        for (flags, sight) in [0, PSH, URG, ECE | CWR].into_iter().zip(SIGHTS) {
            assert_eq!(old.advance(flags, Direction::Inbound, sight), new);
            assert_eq!(old.advance(flags, Direction::Outbound, sight), new);
        }
    }
}

#[test]
fn the_answering_direction_of_one_way_is_not_special() {
    for old in TcpState::ALL {
        for flags in [SYN, FIN, ACK, RST] {
            for secure in [false, true] {
                let seen = |one_way| {
                    let sight = Sight { one_way, secure };
                    old.advance(flags, Direction::Outbound, sight)
                };
                assert_eq!(seen(true), seen(false));
            }
        }
    }
}

#[test]
fn numbers_and_names_belong_together() {
    for (number, state) in (0u8..).zip(TcpState::ALL) {
        assert_eq!(state as u8, number);
        assert_eq!(TcpState::from_number(number), state);
    }
    assert_eq!(TcpState::from_number(11), TcpState::None);
    assert_eq!(TcpState::from_number(255), TcpState::None);
    let names: std::collections::BTreeSet<_> = TcpState::ALL.map(TcpState::name).into();
    assert_eq!(names.len(), TCP_STATES);
    assert_eq!(TcpState::SynRecv.name(), "SYN_RECV");
}

#[test]
fn active_are_established_and_the_opening_states() {
    let active: Vec<_> = TcpState::ALL
        .into_iter()
        .filter(|state| state.is_active())
        .map(|state| format!("{state:?}"))
        .collect();
    assert_eq!(active, ["Established", "SynSent", "SynRecv", "SynAck"]);
}

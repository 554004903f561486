// SPDX-License-Identifier: Apache-2.0
use std::vec::Vec;

use wire::builder::Frame;

use super::*;

/// `sctp_states` as it stands in `ip_vs_proto_sctp.c`; rows d, i, i_a, c_e, c_a, s, s_a, s_c, err,
/// ab.
const KERNEL: [(&str, [&str; EVENTS]); 3] = [
    (
        "INPUT",
        [
            "sES, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL",
            "sI1, sIN, sIN, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sIN, sIN",
            "sCW, sCW, sCW, sCS, sCR, sCO, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL",
            "sCR, sIN, sIN, sCR, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL",
            "sES, sI1, sIN, sCS, sCR, sCW, sCO, sES, sES, sSS, sSR, sSA, sRJ, sCL",
            "sSR, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sSR, sSS, sSR, sSA, sRJ, sCL",
            "sCL, sIN, sIN, sCS, sCR, sCW, sCO, sCE, sES, sCL, sSR, sCL, sRJ, sCL",
            "sCL, sCL, sCL, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sCL, sRJ, sCL",
            "sCL, sI1, sIN, sCS, sCR, sCW, sCO, sCL, sES, sSS, sSR, sSA, sRJ, sCL",
            "sCL, sCL, sCL, sCL, sCL, sRJ, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL",
        ],
    ),
    (
        "OUTPUT",
        [
            "sES, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL",
            "sCW, sCW, sCW, sCW, sCW, sCW, sCW, sCW, sES, sCW, sCW, sCW, sCW, sCW",
            "sCS, sCS, sCS, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL",
            "sCE, sCE, sCE, sCE, sCE, sCE, sCE, sCE, sES, sSS, sSR, sSA, sRJ, sCL",
            "sES, sES, sES, sES, sES, sES, sES, sES, sES, sSS, sSR, sSA, sRJ, sCL",
            "sSS, sSS, sSS, sSS, sSS, sSS, sSS, sSS, sSS, sSS, sSR, sSA, sRJ, sCL",
            "sSA, sSA, sSA, sSA, sSA, sCW, sCO, sCE, sES, sSA, sSA, sSA, sRJ, sCL",
            "sCL, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL",
            "sCL, sCL, sCL, sCL, sCL, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL",
            "sCL, sRJ, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL",
        ],
    ),
    (
        "INPUT-ONLY",
        [
            "sES, sI1, sIN, sCS, sCR, sES, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL",
            "sI1, sIN, sIN, sIN, sIN, sIN, sCO, sCE, sES, sSS, sSR, sSA, sIN, sIN",
            "sCE, sCE, sCE, sCE, sCE, sCE, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL",
            "sES, sES, sES, sES, sES, sES, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL",
            "sES, sI1, sIN, sES, sES, sCW, sES, sES, sES, sSS, sSR, sSA, sRJ, sCL",
            "sSR, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sSR, sSS, sSR, sSA, sRJ, sCL",
            "sCL, sIN, sIN, sCS, sCR, sCW, sCO, sCE, sCL, sCL, sSR, sCL, sRJ, sCL",
            "sCL, sCL, sCL, sCL, sCL, sCW, sCO, sCE, sES, sSS, sCL, sCL, sRJ, sCL",
            "sCL, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL",
            "sCL, sCL, sCL, sCL, sCL, sRJ, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL",
        ],
    ),
];

/// The kernel's short names, in the order of the states' numbers.
const SHORT: [&str; SCTP_STATES] = [
    "sNO", "sI1", "sIN", "sCS", "sCR", "sCW", "sCO", "sCE", "sES", "sSS", "sSR", "sSA", "sRJ",
    "sCL",
];

/// The chunk type of every row.
const ROWS: [ChunkType; EVENTS] = [
    ChunkType::DATA,
    ChunkType::INIT,
    ChunkType::INIT_ACK,
    ChunkType::COOKIE_ECHO,
    ChunkType::COOKIE_ACK,
    ChunkType::SHUTDOWN,
    ChunkType::SHUTDOWN_ACK,
    ChunkType::SHUTDOWN_COMPLETE,
    ChunkType::ERROR,
    ChunkType::ABORT,
];

/// The bytes of a packet with these chunks.
fn packet(chunks: &[ChunkType]) -> Vec<u8> {
    let chunks: Vec<(ChunkType, &[u8])> =
        chunks.iter().map(|kind| (*kind, &b"12345"[..])).collect();
    Frame::sctp("10.0.0.1:1", "10.0.0.2:2", 1, &chunks).build_ip()[20..].to_vec()
}

fn after(state: SctpState, bytes: &[u8], direction: Direction, one_way: bool) -> SctpState {
    state.advance(&Sctp::new_checked(bytes).unwrap(), direction, one_way)
}

#[test]
fn every_state_and_chunk_in_every_direction_is_the_kernels() {
    for (table, rows) in KERNEL {
        for (row, chunk) in rows.iter().zip(ROWS) {
            let bytes = packet(&[chunk]);
            for (old, expected) in SctpState::ALL.iter().zip(row.split(", ")) {
                let direction = if table == "OUTPUT" {
                    Direction::Outbound
                } else {
                    Direction::Inbound
                };
                let new = after(*old, &bytes, direction, table == "INPUT-ONLY");
                assert_eq!(SHORT[new as usize], expected, "{table} {old:?} {chunk:?}");
            }
        }
    }
}

#[test]
fn the_other_chunks_count_as_data() {
    let data = packet(&[ChunkType::DATA]);
    let others = [
        ChunkType::SACK,
        ChunkType::HEARTBEAT,
        ChunkType::HEARTBEAT_ACK,
        ChunkType::ECNE,
        ChunkType::CWR,
        ChunkType(15),
        ChunkType(0x81),
        ChunkType(255),
    ];
    for other in others {
        let bytes = packet(&[other]);
        for old in SctpState::ALL {
            for direction in [Direction::Inbound, Direction::Outbound] {
                assert_eq!(
                    after(old, &bytes, direction, false),
                    after(old, &data, direction, false)
                );
            }
        }
    }
}

#[test]
fn an_abort_counts_behind_a_cookie_and_behind_nothing_else() {
    for first in ROWS {
        let bundle = packet(&[first, ChunkType::ABORT]);
        let counts = matches!(
            first,
            ChunkType::COOKIE_ECHO | ChunkType::COOKIE_ACK | ChunkType::ABORT
        );
        let alone = packet(&[if counts { ChunkType::ABORT } else { first }]);
        for old in SctpState::ALL {
            assert_eq!(
                after(old, &bundle, Direction::Inbound, false),
                after(old, &alone, Direction::Inbound, false),
                "{old:?} {first:?}"
            );
        }
    }
}

#[test]
fn without_a_chunk_nothing_changes() {
    let bytes = packet(&[ChunkType::ABORT]);
    for old in SctpState::ALL {
        for len in 12..16 {
            assert_eq!(after(old, &bytes[..len], Direction::Inbound, false), old);
        }
        assert_ne!(
            after(
                SctpState::Established,
                &bytes[..16],
                Direction::Inbound,
                false
            ),
            SctpState::Established
        );
    }
}

#[test]
fn numbers_and_names_belong_together() {
    for (number, state) in (0u8..).zip(SctpState::ALL) {
        assert_eq!(state as u8, number);
        assert_eq!(SctpState::from_number(number), state);
    }
    assert_eq!(SctpState::from_number(14), SctpState::None);
    let names: std::collections::BTreeSet<_> = SctpState::ALL.map(SctpState::name).into();
    assert_eq!(names.len(), SCTP_STATES);
}

#[test]
fn active_is_established_alone() {
    for state in SctpState::ALL {
        assert_eq!(state.is_active(), state == SctpState::Established);
    }
}

#[test]
fn idle_times_are_the_kernels() {
    // `sctp_timeouts`, seconds, in the order of the states' numbers.
    let kernel = [2, 4, 61, 61, 61, 61, 61, 61, 900, 61, 61, 61, 4, 61];
    for (state, seconds) in SctpState::ALL.into_iter().zip(kernel) {
        assert_eq!(state.timeout_ms(), seconds * 1000, "{state:?}");
    }
}

// SPDX-License-Identifier: Apache-2.0
use std::collections::BTreeSet;
use std::vec::Vec;

use super::*;

#[test]
fn names_of_counters_and_reasons_are_unique_and_snake_case() {
    let counters = WorkerCounters::default();
    let names: Vec<&str> = counters
        .each()
        .map(|(name, _, _)| name)
        .chain(DropReason::ALL.iter().map(|reason| reason.name()))
        .collect();
    let unique: BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
    for name in names {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(name.chars().all(good), "{name}");
        assert!(!name.starts_with('_') && !name.ends_with('_'), "{name}");
    }
}

#[test]
fn every_counter_and_reason_is_explained_by_a_sentence() {
    let counters = WorkerCounters::default();
    let sentences = counters
        .each()
        .map(|(name, _, sentence)| (name, sentence))
        .chain(
            DropReason::ALL
                .iter()
                .map(|reason| (reason.name(), reason.explanation())),
        );
    for (name, sentence) in sentences {
        let sentence = sentence.trim();
        let start = sentence.chars().next().unwrap_or(' ');
        assert!(start.is_uppercase(), "{name}: {sentence:?}");
        assert!(sentence.ends_with('.'), "{name}: {sentence:?}");
        assert!(sentence.len() > 10, "{name}: {sentence:?}");
    }
}

#[test]
fn reasons_are_numbered_in_their_order() {
    for (number, reason) in (0u8..).zip(DropReason::ALL) {
        assert_eq!(*reason as u8, number);
    }
    assert_eq!(DROP_REASONS, DropReason::ALL.len());
}

#[test]
fn a_drop_counts_for_its_reason_and_in_the_sum() {
    let board = Board::new(0);
    for reason in DropReason::ALL {
        board.count_drop(*reason);
        assert_eq!(board.dropped(*reason), 1);
    }
    board.count_drop(DropReason::NoRoute);
    assert_eq!(board.dropped(DropReason::NoRoute), 2);
    assert_eq!(board.worker.dropped.get(), DROP_REASONS as u64 + 1);
}

#[test]
fn each_packet_counter_stands_on_its_side_of_the_identity() {
    type Field = fn(&WorkerCounters) -> &Counter;
    let counters: [(Field, (u64, u64)); 10] = [
        (|w| &w.rx, (1, 0)),
        (|w| &w.injected, (1, 0)),
        (|w| &w.redirected_in, (1, 0)),
        (|w| &w.generated, (1, 0)),
        (|w| &w.tx, (0, 1)),
        (|w| &w.dropped, (0, 1)),
        (|w| &w.punted, (0, 1)),
        (|w| &w.redirected_out, (0, 1)),
        (|w| &w.held, (0, 1)),
        (|w| &w.absorbed, (0, 1)),
    ];
    for (counter, expected) in counters {
        let board = Board::new(0);
        counter(&board.worker).add(1);
        assert_eq!(board.identity(), expected);
    }
}

#[test]
fn overhead_is_256_for_an_active_connection_and_does_not_overflow() {
    let load = Load {
        active: 3,
        inactive: 5,
    };
    assert_eq!(load.overhead(), 3 * 256 + 5);
    let full = Load {
        active: u32::MAX,
        inactive: u32::MAX,
    };
    assert_eq!(full.overhead(), u64::from(u32::MAX) * 257);
    assert_eq!(load.plus(load).flows(), 16);
}

#[test]
fn connections_are_counted_in_and_out_by_kind() {
    let counters = RealCounters::default();
    counters.count(true, true);
    counters.count(false, true);
    counters.count(false, true);
    counters.count(true, false);
    let load = counters.load();
    assert_eq!((load.active, load.inactive), (0, 2));
}

#[test]
fn a_slot_beyond_the_board_has_no_counters() {
    let board = Board::new(2);
    assert!(board.real(RealId(1)).is_some());
    assert!(board.real(RealId(2)).is_none());
}

#[test]
fn what_two_workers_write_does_not_share_a_cache_line() {
    assert_eq!(align_of::<WorkerCounters>() % 64, 0);
    assert_eq!(align_of::<RealCounters>() % 64, 0);
    assert_eq!(size_of::<RealCounters>(), 64);
}

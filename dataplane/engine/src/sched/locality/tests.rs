// SPDX-License-Identifier: Apache-2.0
//! What the table keeps, and what it lets go.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "the numbers of these tests are small"
)]

use core::net::Ipv4Addr;

use model::addr::Addr;
use model::ids::RealId;

use super::{ENTRIES_SOFT, Locality, Member};

const MINUTE: u64 = 60_000;

fn address(number: usize) -> Addr {
    Ipv4Addr::from(number as u32).into()
}

fn member(number: u32) -> Member {
    Member {
        real: RealId(number),
        generation: 0,
    }
}

/// As many destinations as that, remembered at `now_ms`.
fn fill(table: &mut Locality, from: usize, count: usize, now_ms: u64) {
    for number in from..from + count {
        table.create(address(number), member(1), now_ms);
        if number % 100 == 0 {
            table.maintain(now_ms);
        }
    }
    assert_eq!(table.count, from + count);
}

fn check(table: &mut Locality, now_ms: u64) {
    for _ in 0..64 {
        table.maintain(now_ms);
    }
}

#[test]
fn an_entry_is_found_by_its_address_alone() {
    let mut table = Locality::new(0);
    table.create(address(7), member(3), 0);
    let place = table.find(address(7), 1).unwrap();
    assert!(table.members(place).eq([member(3)]));
    assert!(table.find(address(8), 1).is_none());
}

#[test]
fn a_set_is_newest_first_and_has_nobody_twice() {
    let mut table = Locality::new(0);
    table.create(address(7), member(1), 0);
    let place = table.find(address(7), 0).unwrap();
    for number in [2, 3, 2] {
        table.insert(place, member(number), 0);
    }
    assert!(table.members(place).eq([3, 2, 1].map(member)));
    table.remove(place, member(2), 0);
    assert!(table.members(place).eq([3, 1].map(member)));
    table.replace(place, member(9), 0);
    assert!(table.members(place).eq([member(9)]));
}

#[test]
fn a_table_that_is_not_full_keeps_idle_entries_for_a_day() {
    let mut table = Locality::new(0);
    fill(&mut table, 0, 100, 0);
    for minute in 1..24 * 60 {
        check(&mut table, minute * MINUTE);
    }
    assert_eq!(table.count, 100);
    for minute in 24 * 60..24 * 60 + 31 {
        check(&mut table, minute * MINUTE);
    }
    assert_eq!(table.count, 0);
}

#[test]
fn a_full_table_loses_what_is_idle_for_six_minutes() {
    let mut table = Locality::new(0);
    fill(&mut table, 0, ENTRIES_SOFT, 0);
    fill(&mut table, ENTRIES_SOFT, 3000, 5 * MINUTE);
    check(&mut table, 6 * MINUTE + 1);
    let gone = ENTRIES_SOFT + 3000 - table.count;
    // Four thirds of what is too much, and the rest of the bucket.
    assert!((4000..4100).contains(&gone), "{gone}");
    for number in ENTRIES_SOFT..ENTRIES_SOFT + 3000 {
        assert!(table.find(address(number), 7 * MINUTE).is_some());
    }
}

#[test]
fn room_that_is_free_again_is_used_again() {
    let mut table = Locality::new(0);
    for round in 0..5 {
        let now = round * 25 * 60 * MINUTE;
        for number in 0..2000 {
            table.create(address(number), member(1), now);
            table.maintain(now);
        }
        for minute in 0..60 {
            check(&mut table, now + (24 * 60 + minute) * MINUTE);
        }
        assert_eq!(table.count, 0, "round {round}");
    }
    assert!(table.entries.len() <= 2000, "{}", table.entries.len());
}

// SPDX-License-Identifier: Apache-2.0
//! Who gets the next connection: known sequences, and any sequence against a model of the kernel.

mod histories;
mod kernel;
mod random;

use core::time::Duration;
use std::collections::BTreeMap;
use std::format;
use std::vec::Vec;

use wire::builder::Frame;

use crate::testing::Bench;
use crate::verdict::Verdict;

/// A director with one UDP service; its servers are lines `N WEIGHT` for 10.1.0.N.
fn bench(scheduler: &str, servers: &[(u8, u32)]) -> Bench {
    let mut bench = Bench::new(&format!("service udp 10.0.0.100:53 {scheduler}"));
    for (server, weight) in servers {
        bench.apply(&format!("real 10.1.0.{server}:53 nat {weight}"));
    }
    bench
}

/// Opens a connection from a port never used before; the last octet of its server, 0 for none.
fn open(bench: &mut Bench) -> u8 {
    let count = bench.board(0).worker.rx.get();
    let client = format!("10.0.0.9:{}", 1001 + count);
    let outcomes = bench.send(0, &Frame::udp(&client, "10.0.0.100:53").build());
    match outcomes.last() {
        Some(outcome) if matches!(outcome.verdict, Verdict::Send { .. }) => outcome.frame[33],
        _ => 0,
    }
}

fn open_many(bench: &mut Bench, count: usize) -> Vec<u8> {
    (0..count).map(|_| open(bench)).collect()
}

#[test]
fn rr_starts_with_the_server_added_last_and_goes_backwards() {
    let mut bench = bench("rr", &[(11, 1), (12, 1), (13, 1)]);
    assert_eq!(open_many(&mut bench, 7), [13, 12, 11, 13, 12, 11, 13]);
}

#[test]
fn rr_ignores_weights_but_zero() {
    let mut bench = bench("rr", &[(11, 100), (12, 0), (13, 1)]);
    assert_eq!(open_many(&mut bench, 4), [13, 11, 13, 11]);
}

#[test]
fn rr_with_one_server_takes_it_again_and_again() {
    let mut bench = bench("rr", &[(11, 1)]);
    assert_eq!(open_many(&mut bench, 3), [11, 11, 11]);
}

#[test]
fn nobody_is_scheduled_when_all_weights_are_zero() {
    for scheduler in ["rr", "wrr", "lc", "wlc"] {
        let mut bench = bench(scheduler, &[(11, 0), (12, 0)]);
        assert_eq!(open_many(&mut bench, 2), [0, 0], "{scheduler}");
        bench.apply("edit-real 10.1.0.11:53 nat 2");
        assert_eq!(open_many(&mut bench, 2), [11, 11], "{scheduler}");
        bench.apply("edit-real 10.1.0.11:53 nat 0");
        assert_eq!(open_many(&mut bench, 2), [0, 0], "{scheduler}");
    }
}

#[test]
fn rr_goes_on_behind_its_cursor_after_an_add() {
    let mut bench = bench("rr", &[(11, 1), (12, 1), (13, 1)]);
    assert_eq!(open_many(&mut bench, 2), [13, 12]);
    bench.apply("real 10.1.0.14:53");
    assert_eq!(open_many(&mut bench, 5), [11, 14, 13, 12, 11]);
}

#[test]
fn rr_steps_back_when_the_server_at_the_cursor_is_deleted() {
    let mut bench = bench("rr", &[(11, 1), (12, 1), (13, 1), (14, 1)]);
    assert_eq!(open_many(&mut bench, 2), [14, 13]);
    bench.apply("delete-real 10.1.0.13:53");
    assert_eq!(open_many(&mut bench, 4), [12, 11, 14, 12]);
}

#[test]
fn rr_starts_anew_when_the_head_is_deleted_at_the_cursor() {
    let mut bench = bench("rr", &[(11, 1), (12, 1), (13, 1)]);
    assert_eq!(open(&mut bench), 13);
    bench.apply("delete-real 10.1.0.13:53");
    assert_eq!(open_many(&mut bench, 3), [12, 11, 12]);
}

#[test]
fn rr_keeps_its_place_over_an_edit_and_a_drain() {
    let mut bench = bench("rr", &[(11, 1), (12, 1), (13, 1)]);
    assert_eq!(open(&mut bench), 13);
    bench.apply("edit-real 10.1.0.13:53 nat 7");
    assert_eq!(open(&mut bench), 12);
    bench.apply("drain-real 10.1.0.12:53");
    assert_eq!(open_many(&mut bench, 3), [11, 13, 11]);
    bench.apply("real 10.1.0.12:53");
    assert_eq!(open_many(&mut bench, 3), [13, 12, 11]);
}

#[test]
fn a_worker_catches_up_on_changes_that_it_slept_through() {
    // No connection comes between the changes, and each is acknowledged on its own.
    let mut bench = bench("rr", &[(11, 1), (12, 1), (13, 1), (14, 1)]);
    assert_eq!(open_many(&mut bench, 2), [14, 13]);
    bench.apply("delete-real 10.1.0.13:53");
    bench.apply("edit-real 10.1.0.11:53 nat 3");
    bench.apply("route 10.9.0.0/16 blackhole");
    assert_eq!(open_many(&mut bench, 3), [12, 11, 14]);
}

#[test]
fn wrr_catches_up_on_changes_that_it_slept_through() {
    let mut bench = bench("wrr", &[(11, 0), (12, 0)]);
    assert_eq!(open(&mut bench), 0);
    bench.apply("edit-real 10.1.0.11:53 nat 2");
    bench.apply("edit-real 10.1.0.12:53 nat 1");
    bench.apply("route 10.9.0.0/16 blackhole");
    assert_eq!(open_many(&mut bench, 3), [12, 11, 11]);
}

#[test]
fn wrr_starts_with_the_weight_of_the_first_server_as_the_kernel_does() {
    // kernel-behaviour.md 3: weights 1 to 5 added in that order, a first pass with cw = 1.
    let mut bench = bench("wrr", &[(11, 1), (12, 2), (13, 3), (14, 4), (15, 5)]);
    bench.apply("neighbour 1 10.1.0.15");
    assert_eq!(open_many(&mut bench, 5), [15, 14, 13, 12, 11]);
    assert_eq!(
        open_many(&mut bench, 15),
        [15, 15, 14, 15, 14, 13, 15, 14, 13, 12, 15, 14, 13, 12, 11]
    );
}

#[test]
fn wrr_falls_by_the_common_divisor() {
    let mut bench = bench("wrr", &[(11, 30), (12, 20), (13, 10)]);
    assert_eq!(
        open_many(&mut bench, 12),
        [13, 12, 11, 11, 12, 11, 13, 12, 11, 11, 12, 11]
    );
}

#[test]
fn wrr_starts_at_the_head_after_any_change() {
    let mut bench = bench("wrr", &[(11, 1), (12, 1), (13, 1)]);
    assert_eq!(open_many(&mut bench, 2), [13, 12]);
    bench.apply("edit-real 10.1.0.11:53 nat 1");
    assert_eq!(open_many(&mut bench, 2), [13, 12]);
    bench.apply("delete-real 10.1.0.11:53");
    assert_eq!(open_many(&mut bench, 3), [13, 12, 13]);
}

#[test]
fn lc_takes_the_fewest_connections_and_of_equals_the_newest() {
    let mut bench = bench("lc", &[(11, 1), (12, 100), (13, 1)]);
    assert_eq!(open_many(&mut bench, 6), [13, 12, 11, 13, 12, 11]);
    bench.apply("real 10.1.0.14:53");
    assert_eq!(
        open_many(&mut bench, 3),
        [14, 14, 14],
        "until it has as many"
    );
}

#[test]
fn wlc_divides_by_the_weight() {
    let mut bench = bench("wlc", &[(11, 3), (12, 2), (13, 1)]);
    // overhead/weight; a server without connections has 0, the newest of them first.
    assert_eq!(open_many(&mut bench, 6), [13, 12, 11, 11, 12, 11]);
}

#[test]
fn an_active_connection_weighs_256_inactive_ones() {
    let mut bench = Bench::new(
        "service tcp 10.0.0.100:80 lc
         real 10.1.0.11:80
         real 10.1.0.12:80",
    );
    let mut syn = |cport: u16| {
        let syn = Frame::tcp(&format!("10.0.0.9:{cport}"), "10.0.0.100:80").flags(2);
        bench.send(0, &syn.build())[0].frame[33]
    };
    assert_eq!([syn(1), syn(2)], [12, 11]);
    let reset = Frame::tcp("10.1.0.11:80", "10.0.0.9:2").flags(4);
    let server = wire::ethernet::MacAddress([2, 0, 0, 0, 1, 2]);
    let reset = reset.macs(wire::builder::SOURCE_MAC, server).build();
    bench.send(1, &reset);
    let mut syn = |cport: u16| {
        let syn = Frame::tcp(&format!("10.0.0.9:{cport}"), "10.0.0.100:80").flags(2);
        bench.send(0, &syn.build())[0].frame[33]
    };
    assert_eq!(syn(3), 11, "1 inactive against 1 active");
}

#[test]
fn another_scheduler_bound_by_an_edit_starts_fresh() {
    let mut bench = bench("rr", &[(11, 1), (12, 3)]);
    assert_eq!(open(&mut bench), 12);
    bench.apply("edit-service wrr");
    // ip_vs_wrr_init_svc: cw = mw = 3.
    assert_eq!(open_many(&mut bench, 4), [12, 12, 12, 11]);
    bench.apply("edit-service rr");
    assert_eq!(open_many(&mut bench, 2), [12, 11]);
    bench.apply("edit-service rr");
    assert_eq!(
        open_many(&mut bench, 2),
        [12, 11],
        "the same scheduler goes on"
    );
}

#[test]
fn a_service_made_anew_in_a_used_slot_starts_fresh() {
    let mut bench = bench("rr", &[(11, 1), (12, 1), (13, 1)]);
    assert_eq!(open_many(&mut bench, 2), [13, 12]);
    bench.apply("delete-service");
    bench.advance(Duration::from_secs(301));
    bench.release();
    bench.apply(
        "service udp 10.0.0.100:53 rr
         real 10.1.0.11:53
         real 10.1.0.12:53
         real 10.1.0.13:53",
    );
    assert_eq!(open_many(&mut bench, 3), [13, 12, 11]);
}

#[test]
fn least_connection_counts_the_connections_of_all_workers() {
    let mut bench = Bench::new(
        "workers 2
         service udp 10.0.0.100:53 lc
         real 10.1.0.11:53
         real 10.1.0.12:53
         real 10.1.0.13:53",
    );
    for cport in 1001..=1300 {
        let frame = Frame::udp(&format!("10.0.0.9:{cport}"), "10.0.0.100:53").build();
        bench.deliver(0, 0, &frame);
        // Others' counts may be 10 ms old.
        bench.advance(Duration::from_millis(10));
    }
    let loads = [11, 12, 13].map(|server| {
        let real = bench.real(&format!("10.1.0.{server}:53"));
        bench.load(real).flows()
    });
    assert_eq!(loads, [100; 3]);
}

#[test]
fn others_counts_are_read_again_within_ten_milliseconds_and_not_each_time() {
    let mut bench = Bench::new(
        "workers 2
         service udp 10.0.0.100:53 lc
         real 10.1.0.11:53
         real 10.1.0.12:53",
    );
    // A client port of each worker's own.
    let mut ports: BTreeMap<usize, Vec<u16>> = BTreeMap::new();
    let frame = |cport: u16| Frame::udp(&format!("10.0.0.9:{cport}"), "10.0.0.100:53").build();
    for cport in 1001..=1040 {
        let owner = owner_of(&bench, cport);
        ports.entry(owner).or_default().push(cport);
    }
    let (first, second) = (&ports[&0], &ports[&1]);
    let server = |outcome: (usize, Vec<crate::testing::Outcome>)| outcome.1[0].frame[33];
    assert_eq!(server(bench.deliver(0, 0, &frame(first[0]))), 12);
    assert_eq!(
        server(bench.deliver(1, 0, &frame(second[0]))),
        11,
        "sees the first's"
    );
    // The first read the second's counts before there were any, and goes by that for a while.
    assert_eq!(server(bench.deliver(0, 0, &frame(first[1]))), 11);
    assert_eq!(server(bench.deliver(0, 0, &frame(first[2]))), 12);
    bench.advance(Duration::from_millis(10));
    // 12 has two, 11 has two: the newest; and then the other.
    assert_eq!(server(bench.deliver(0, 0, &frame(first[3]))), 12);
    assert_eq!(server(bench.deliver(0, 0, &frame(first[4]))), 11);
}

fn owner_of(bench: &Bench, cport: u16) -> usize {
    let key = crate::flow_table::FlowKey {
        protocol: 17,
        source: "10.0.0.9".parse().unwrap(),
        source_port: cport,
        destination: "10.0.0.100".parse().unwrap(),
        destination_port: 53,
    };
    crate::affinity::owner(&key, bench.snapshot())
        .unwrap()
        .index()
}

// SPDX-License-Identifier: Apache-2.0
use core::time::Duration;
use std::format;

use wire::builder::Frame;

use super::*;
use crate::testing::Bench;

const SERVICE: &str = "
    service udp 10.0.0.100:53 rr
    real 10.1.0.11:53
";

fn stats(bench: &Bench) -> Stats {
    let mut stats = Stats::new(bench.boards(), Hasher::with_seeds(1, 2, 3, 4));
    stats.observe(&bench.snapshot().services);
    stats
}

/// Sends packets of `len` bytes, each of a client port of its own.
fn send(bench: &mut Bench, count: u16, len: usize) {
    for cport in 1001..=1000 + count {
        let client = format!("10.0.0.9:{cport}");
        let frame = Frame::udp(&client, "10.0.0.100:53").payload_len(len - 28);
        bench.deliver(0, 0, &frame.build());
    }
}

fn of_real(bench: &Bench, stats: &Stats, endpoint: &str) -> Traffic {
    let set = &bench.snapshot().services;
    stats.real(set.real(bench.real(endpoint)).unwrap())
}

fn of_service(bench: &Bench, stats: &Stats) -> Traffic {
    stats.service(&bench.snapshot().services, ServiceId(0))
}

fn inbound(connections: u64, packets: u64, bytes: u64) -> Traffic {
    Traffic {
        connections,
        packets_in: packets,
        bytes_in: bytes,
        ..Traffic::default()
    }
}

#[test]
fn a_server_has_what_all_workers_counted() {
    let mut bench = Bench::new(&format!("workers 3{SERVICE}"));
    let stats = stats(&bench);
    send(&mut bench, 30, 100);
    assert_eq!(
        of_real(&bench, &stats, "10.1.0.11:53"),
        inbound(30, 30, 3000)
    );
    assert_eq!(of_service(&bench, &stats), inbound(30, 30, 3000));
    assert_eq!(stats.load(bench.real("10.1.0.11:53")).flows(), 30);
    assert_eq!(stats.boards().len(), 3);
}

#[test]
fn a_new_tenant_of_a_slot_starts_at_zero_and_the_service_keeps_the_sum() {
    let mut bench = Bench::new(SERVICE);
    let mut stats = stats(&bench);
    let old = bench.real("10.1.0.11:53");
    send(&mut bench, 3, 100);
    bench.apply("delete-real 10.1.0.11:53");
    stats.observe(&bench.snapshot().services);
    assert_eq!(of_service(&bench, &stats), inbound(3, 3, 300), "deleted");
    bench.advance(Duration::from_secs(301));
    bench.release();
    stats.observe(&bench.snapshot().services);
    assert_eq!(of_service(&bench, &stats), inbound(3, 3, 300), "released");
    bench.apply("real 10.1.0.12:53");
    stats.observe(&bench.snapshot().services);
    assert_eq!(bench.real("10.1.0.12:53"), old);
    assert_eq!(of_real(&bench, &stats, "10.1.0.12:53"), Traffic::default());
    send(&mut bench, 2, 50);
    assert_eq!(of_real(&bench, &stats, "10.1.0.12:53"), inbound(2, 2, 100));
    assert_eq!(of_service(&bench, &stats), inbound(5, 5, 400));
}

#[test]
fn a_slot_that_changes_hands_between_two_looks_is_told_apart() {
    let mut bench = Bench::new(SERVICE);
    let mut stats = stats(&bench);
    send(&mut bench, 3, 100);
    bench.apply("delete-real 10.1.0.11:53");
    bench.advance(Duration::from_secs(301));
    bench.release();
    bench.apply("real 10.1.0.12:53");
    stats.observe(&bench.snapshot().services);
    assert_eq!(of_real(&bench, &stats, "10.1.0.12:53"), Traffic::default());
    assert_eq!(of_service(&bench, &stats), inbound(3, 3, 300));
}

#[test]
fn a_service_that_is_gone_leaves_nothing_to_its_successor() {
    for look_between in [true, false] {
        let mut bench = Bench::new(SERVICE);
        let mut stats = stats(&bench);
        send(&mut bench, 3, 100);
        bench.apply("delete-service");
        bench.advance(Duration::from_secs(301));
        bench.release();
        assert!(bench.snapshot().services.service(ServiceId(0)).is_none());
        if look_between {
            stats.observe(&bench.snapshot().services);
        }
        bench.apply("service udp 10.0.0.101:53 rr\nreal 10.1.0.13:53");
        stats.observe(&bench.snapshot().services);
        assert!(bench.snapshot().services.service(ServiceId(0)).is_some());
        assert_eq!(
            of_service(&bench, &stats),
            Traffic::default(),
            "looked between: {look_between}"
        );
    }
}

#[test]
fn a_service_deleted_and_added_again_starts_at_zero_though_its_connections_live() {
    let mut bench = Bench::new(SERVICE);
    let mut stats = stats(&bench);
    send(&mut bench, 3, 100);
    bench.apply("delete-service");
    bench.apply("service udp 10.0.0.100:53 rr\nreal 10.1.0.11:53");
    stats.observe(&bench.snapshot().services);
    assert_eq!(of_service(&bench, &stats), Traffic::default());
    send(&mut bench, 1, 100);
    assert_eq!(bench.board(0).worker.connections.get(), 3, "the same");
    assert_eq!(of_service(&bench, &stats), inbound(0, 1, 100));
}

#[test]
fn a_slot_nobody_has_counts_nothing() {
    let bench = Bench::new(SERVICE);
    let stats = stats(&bench);
    let set = &bench.snapshot().services;
    assert_eq!(stats.service(set, ServiceId(7)), Traffic::default());
    assert_eq!(stats.load(RealId(100_000)).flows(), 0);
}

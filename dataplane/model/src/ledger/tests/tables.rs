// SPDX-License-Identifier: Apache-2.0
//! Tables of the hashing schedulers, thresholds, and the weight that is remembered.

use std::collections::BTreeMap;

use super::*;
use crate::sched::table::MH_SIZE;

/// A service with servers 11, 12, … of those weights.
fn with_servers(scheduler: SchedulerKind, weights: &[u32]) -> Ledger {
    let mut ledger = ledger();
    let add_service = Op::AddService {
        key: web(),
        spec: spec(scheduler),
    };
    ledger.apply(&add_service).unwrap();
    for (host, weight) in (11..).zip(weights) {
        ledger.apply(&add(host, *weight)).unwrap();
    }
    ledger
}

fn table(ledger: &mut Ledger) -> Arc<SchedTable> {
    let snapshot = ledger.snapshot();
    let service = snapshot.services.find(&web()).unwrap();
    Arc::clone(service.table.as_ref().unwrap())
}

/// How many buckets each server has, by its slot.
fn buckets(table: &SchedTable) -> BTreeMap<u32, usize> {
    let SchedTable::Buckets(buckets) = table else {
        panic!("a ring");
    };
    let mut counts = BTreeMap::new();
    for id in buckets {
        *counts.entry(id.0).or_default() += 1;
    }
    counts
}

#[test]
fn only_hashing_schedulers_have_a_table() {
    for kind in SchedulerKind::ALL {
        let mut ledger = with_servers(kind, &[1, 1]);
        let snapshot = ledger.snapshot();
        let service = snapshot.services.find(&web()).unwrap();
        let name = kind.name();
        let hashing = ["dh", "sh", "mh", "conhash"].contains(&name);
        assert_eq!(service.table.is_some(), hashing, "{name}");
    }
}

#[test]
fn a_table_is_shared_until_its_list_changes() {
    let mut ledger = with_servers(SchedulerKind::Mh, &[1, 2]);
    let before = table(&mut ledger);
    assert!(Arc::ptr_eq(&before, &table(&mut ledger)));
    ledger.apply(&edit(11, 0)).unwrap();
    assert!(Arc::ptr_eq(&before, &table(&mut ledger)), "quiesced");
    ledger.apply(&add(13, 1)).unwrap();
    assert_ne!(before, table(&mut ledger));
    ledger.apply(&delete(13)).unwrap();
    assert_eq!(before, table(&mut ledger));
}

#[test]
fn a_server_of_weight_0_has_one_bucket_of_sh_and_no_place_of_mh() {
    let mut ledger = with_servers(SchedulerKind::Sh, &[3, 0]);
    // 12 is the head: one, then three of 11, and so on over 256.
    assert_eq!(
        buckets(&table(&mut ledger)),
        BTreeMap::from([(0, 192), (1, 64)])
    );
    let mut ledger = with_servers(SchedulerKind::Mh, &[3, 0]);
    let all = MH_SIZE as usize;
    assert_eq!(buckets(&table(&mut ledger)), BTreeMap::from([(0, all)]));
}

#[test]
fn an_empty_list_has_an_empty_table() {
    for kind in [SchedulerKind::Dh, SchedulerKind::Sh, SchedulerKind::Mh] {
        let mut ledger = with_servers(kind, &[]);
        assert!(buckets(&table(&mut ledger)).is_empty());
    }
    let mut ledger = with_servers(SchedulerKind::Conhash, &[]);
    let SchedTable::Ring(ring) = &*table(&mut ledger) else {
        panic!("no ring");
    };
    assert_eq!(ring.from(addr("10.0.0.9")).count(), 0);
}

/// The server of each of 20 000 clients.
fn owners(ledger: &mut Ledger) -> Vec<RealId> {
    let table = table(ledger);
    let SchedTable::Ring(ring) = &*table else {
        panic!("no ring");
    };
    let clients = (0..20_000u32).map(|n| core::net::Ipv4Addr::from(0x0a09_0000 + n * 7));
    clients
        .map(|client| ring.from(client.into()).next().unwrap())
        .collect()
}

#[test]
fn a_server_that_leaves_the_ring_moves_nobody_elses_clients() {
    let mut ledger = with_servers(SchedulerKind::Conhash, &[1, 1, 1, 1]);
    let before = owners(&mut ledger);
    let gone = slot(&ledger, 12).unwrap().id;
    ledger.apply(&delete(12)).unwrap();
    let after = owners(&mut ledger);
    let moved = before.iter().zip(&after).filter(|(b, a)| b != a);
    assert!(moved.clone().all(|(before, _)| *before == gone));
    assert_eq!(
        moved.count(),
        before.iter().filter(|owner| **owner == gone).count()
    );
    ledger.apply(&add(12, 1)).unwrap();
    assert_eq!(owners(&mut ledger), before, "and it gets them back");
}

#[test]
fn shares_of_the_ring_follow_the_weights() {
    let mut ledger = with_servers(SchedulerKind::Conhash, &[10, 20, 30, 40]);
    let owners = owners(&mut ledger);
    for (host, percent) in [(11, 10), (12, 20), (13, 30), (14, 40)] {
        let id = slot(&ledger, host).unwrap().id;
        let share = owners.iter().filter(|owner| **owner == id).count() / 200;
        assert!(share.abs_diff(percent) <= 4, "{host}: {share} %");
    }
}

#[test]
fn huge_weights_do_not_make_a_huge_ring() {
    let mut ledger = with_servers(SchedulerKind::Conhash, &[65_535, 65_534, 1]);
    let SchedTable::Ring(ring) = &*table(&mut ledger) else {
        panic!("no ring");
    };
    let points = ring.from(addr("10.0.0.9")).count();
    assert!(points <= 1 << 16, "{points}");
    let light = slot(&ledger, 13).unwrap().id;
    assert!(ring.from(addr("10.0.0.9")).any(|id| id == light));
}

#[test]
fn the_last_weight_is_the_last_that_was_not_0_unless_added_so() {
    let mut ledger = with_servers(SchedulerKind::Rr, &[5, 0]);
    let last = |ledger: &Ledger, host| slot(ledger, host).unwrap().last_weight.get();
    assert_eq!([last(&ledger, 11), last(&ledger, 12)], [5, 0]);
    ledger.apply(&edit(11, 0)).unwrap();
    assert_eq!(last(&ledger, 11), 5);
    ledger.apply(&edit(11, 7)).unwrap();
    ledger.apply(&drain(11)).unwrap();
    assert_eq!(last(&ledger, 11), 7);
    ledger.apply(&add(11, 0)).unwrap();
    assert_eq!(last(&ledger, 11), 0);
}

fn limited(upper: u32, lower: u32) -> Op {
    Op::EditReal {
        service: web(),
        real: server(11),
        spec: RealSpec {
            limits: Thresholds { upper, lower },
            ..weight(1)
        },
    }
}

#[test]
fn a_lower_threshold_above_the_upper_one_is_refused() {
    let mut ledger = with_servers(SchedulerKind::Rr, &[1]);
    assert!(matches!(
        ledger.apply(&limited(3, 4)),
        Err(OpError::Thresholds {
            upper: 3,
            lower: 4,
            ..
        })
    ));
    ledger.apply(&limited(4, 4)).unwrap();
}

#[test]
fn no_threshold_or_a_higher_one_ends_an_overload() {
    let mut ledger = with_servers(SchedulerKind::Rr, &[1]);
    let mark = |ledger: &Ledger| slot(ledger, 11).unwrap().overload_mark();
    ledger.apply(&limited(4, 0)).unwrap();
    let first = mark(&ledger);
    ledger.apply(&limited(4, 2)).unwrap();
    ledger.apply(&limited(3, 2)).unwrap();
    assert_eq!(mark(&ledger), first, "not by a lower one");
    ledger.apply(&limited(4, 2)).unwrap();
    let second = mark(&ledger);
    assert_ne!(second, first);
    ledger.apply(&limited(0, 0)).unwrap();
    assert_ne!(mark(&ledger), second);
}

#[test]
fn an_overload_ends_below_the_lower_threshold_or_three_quarters() {
    let limits = Thresholds { upper: 8, lower: 4 };
    assert!(!limits.reached(7) && limits.reached(8));
    assert!(!limits.relieved(4) && limits.relieved(3));
    let limits = Thresholds { upper: 8, lower: 0 };
    assert!(!limits.relieved(6) && limits.relieved(5));
    assert!(!Thresholds::NONE.reached(u32::MAX) && Thresholds::NONE.relieved(u32::MAX));
}

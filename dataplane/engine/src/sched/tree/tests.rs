// SPDX-License-Identifier: Apache-2.0
//! A tree answers as a scan does, whatever happened and however long the list.

use alloc::sync::Arc;
use core::net::Ipv4Addr;
use std::vec::Vec;

use model::fib::Hasher;
use model::ids::WorkerId;
use model::ledger::Ledger;
use model::op::Op;
use model::service::{
    ForwardMode, Protocol, RealKey, RealSpec, SchedulerKind, ServiceKey, ServiceSpec, Thresholds,
    Weight,
};
use model::snapshot::Snapshot;
use proptest::prelude::*;

use super::{Settled, Tree};
use crate::counters::Board;
use crate::sched::loads::Loads;
use crate::sched::roster::{Field, Roster, Scan};

/// Servers of those weights and upper thresholds, the last one at the head.
fn snapshot(kind: SchedulerKind, servers: &[(u32, u32)]) -> Snapshot {
    let mut ledger = Ledger::new(Hasher::with_seeds(1, 2, 3, 4));
    let key = ServiceKey::host(Protocol::Tcp, Ipv4Addr::new(10, 0, 0, 100).into(), 80);
    let spec = ServiceSpec {
        scheduler: kind,
        ..ServiceSpec::default()
    };
    ledger.apply(&Op::AddService { key, spec }).unwrap();
    for (host, (weight, upper)) in (0x0a01_0000u32..).zip(servers) {
        let real = RealKey {
            real_ip: Ipv4Addr::from(host).into(),
            rport: 80,
        };
        let spec = RealSpec {
            mode: ForwardMode::Nat,
            weight: Weight::new(*weight).unwrap(),
            tunnel: model::tunnel::Tunnel::default(),
            limits: Thresholds {
                upper: *upper,
                lower: 0,
            },
            ..RealSpec::default()
        };
        let service = key;
        ledger
            .apply(&Op::AddReal {
                service,
                real,
                spec,
            })
            .unwrap();
    }
    ledger.snapshot()
}

/// The schedulers that ask anything of the list.
fn with_tree() -> Vec<SchedulerKind> {
    let hashing = ["dh", "sh", "mh", "conhash"];
    let mut kinds = SchedulerKind::ALL.to_vec();
    kinds.retain(|kind| !hashing.contains(&kind.name()));
    kinds
}

/// A connection of a server opens, becomes active, or ends.
#[derive(Debug, Clone, Copy)]
enum Event {
    Open(usize),
    Activate(usize),
    Close(usize),
    Build,
}

fn event() -> impl Strategy<Value = Event> {
    let place = any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16));
    prop_oneof![
        4 => place.clone().prop_map(Event::Open),
        2 => place.clone().prop_map(Event::Activate),
        2 => place.prop_map(Event::Close),
        1 => Just(Event::Build),
    ]
}

fn same(kind: SchedulerKind, tree: &Tree, scan: &Scan<'_>, asked: usize) {
    let tree = Settled(tree);
    let name = kind.name();
    match kind {
        SchedulerKind::Rr | SchedulerKind::Wrr | SchedulerKind::Fo => {
            assert_eq!(tree.heaviest(), scan.heaviest(), "{name}");
            for weight in [1, 2, tree.heaviest(), tree.heaviest() + 1] {
                assert_eq!(tree.next(asked, weight), scan.next(asked, weight), "{name}");
            }
        }
        SchedulerKind::Twos | SchedulerKind::Random => {
            assert_eq!(tree.total(), scan.total(), "{name}");
            for sum in [0, 1, asked as u64, tree.total(), tree.total() + 1] {
                assert_eq!(tree.at_sum(sum), scan.at_sum(sum), "{name} {sum}");
            }
        }
        SchedulerKind::Lc
        | SchedulerKind::Wlc
        | SchedulerKind::Sed
        | SchedulerKind::Nq
        | SchedulerKind::Lblc
        | SchedulerKind::Lblcr
        | SchedulerKind::Ovf => {
            assert_eq!(tree.best(), scan.best(), "{name}");
            assert_eq!(tree.has_slack(), scan.has_slack(), "{name}");
        }
        SchedulerKind::Dh | SchedulerKind::Sh | SchedulerKind::Mh | SchedulerKind::Conhash => {}
    }
}

fn agree(kind: SchedulerKind, servers: &[(u32, u32)], events: &[Event]) {
    let snapshot = snapshot(kind, servers);
    let set = &snapshot.services;
    let service = set.services().next().unwrap();
    let board = Arc::new(Board::new(servers.len()));
    let mut loads = Loads::new(&[], Arc::clone(&board), WorkerId(0));
    let mut tree = Tree::default();
    tree.begin(service);
    let mut open: Vec<(usize, bool)> = Vec::new();
    for event in events {
        let touched = match *event {
            Event::Open(n) if !servers.is_empty() => {
                open.push((n % servers.len(), false));
                open.last().map(|(place, _)| (*place, false, Some(true)))
            }
            Event::Activate(n) if !open.is_empty() => {
                let count = open.len();
                let (place, active) = &mut open[n % count];
                *active = !*active;
                Some((*place, *active, None))
            }
            Event::Close(n) if !open.is_empty() => {
                let (place, active) = open.swap_remove(n % open.len());
                Some((place, active, Some(false)))
            }
            Event::Open(_) | Event::Activate(_) | Event::Close(_) | Event::Build => {
                let field = Field { set, loads: &loads };
                tree.advance(5, &field, |_, _| {});
                None
            }
        };
        if let Some((place, active, ends)) = touched {
            let real = set.real(service.reals[place]).unwrap();
            let counters = board.real(real.id).unwrap();
            match ends {
                Some(opens) => counters.count(active, opens),
                None => {
                    counters.count(!active, false);
                    counters.count(active, true);
                }
            }
            match ends {
                Some(true) => loads.bound(real),
                Some(false) => loads.unbound(real),
                None => {}
            }
            if tree.seats_at(real.id, place) {
                tree.touch(place, &loads);
                tree.reconsider(place, real, &loads);
            }
        }
        tree.settle(&loads);
        if tree.is_ready() {
            let field = Field { set, loads: &loads };
            let asked = touched.map_or(0, |(place, ..)| place);
            same(kind, &tree, &Scan::new(service, field), asked);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(10_000)
    })]

    #[test]
    fn a_tree_answers_as_a_scan_does(
        kind in prop::sample::select(with_tree()),
        servers in prop::collection::vec((0..7u32, 0..6u32), 0..40),
        events in prop::collection::vec(event(), 1..80),
    ) {
        agree(kind, &servers, &events);
    }
}

#[test]
fn a_tree_is_built_in_steps_and_says_when_it_is_ready() {
    let snapshot = snapshot(SchedulerKind::Wlc, &[(1, 0); 1000]);
    let set = &snapshot.services;
    let service = set.services().next().unwrap();
    let loads = Loads::new(&[], Arc::new(Board::new(1000)), WorkerId(0));
    let field = Field { set, loads: &loads };
    let mut tree = Tree::default();
    assert!(!tree.is_of(service));
    tree.begin(service);
    assert!(tree.is_of(service));
    let mut steps = 0;
    while !tree.is_ready() {
        tree.advance(100, &field, |_, _| {});
        steps += 1;
    }
    assert_eq!(steps, 21, "1000 seats and 1023 nodes");
    assert_eq!(Settled(&tree).best(), Some(0));
}

// SPDX-License-Identifier: Apache-2.0
use std::sync::Arc;

use engine::counters::Board;
use model::fib::Hasher;
use model::service::{RealKey, RealSpec};

use super::*;

const CONFIG: &str = r#"
[director]
name = "lb1"
workers = "1"

[[service]]
name = "web"
listen = "tcp://192.0.2.10:80"
scheduler = "rr"
forward = "nat"

  [[service.server]]
  address = "10.0.0.11:8080"
"#;

/// A director with one server, and what decides when that server is gone.
struct Scene {
    ledger: Ledger,
    stats: Stats,
    retirees: Retirees,
    service: ServiceKey,
    real: RealKey,
    spec: RealSpec,
}

impl Scene {
    fn new() -> Self {
        let hasher = Hasher::with_seeds(1, 2, 3, 4);
        let mut ledger = Ledger::new(hasher.clone());
        let config = config::parse(CONFIG).unwrap().config;
        ledger.apply_all(&config.ops()).unwrap();
        let _published = ledger.snapshot();
        let service = ledger.services().services().next().unwrap().key;
        let (real, spec) = ledger
            .services()
            .reals()
            .map(|real| (real.key, real.spec))
            .next()
            .unwrap();
        Self {
            stats: Stats::new(vec![Arc::new(Board::new(8))], hasher),
            retirees: Retirees::default(),
            ledger,
            service,
            real,
            spec,
        }
    }

    /// As a reload does; returns the generation that workers are told.
    fn change(&mut self, change: impl Fn(ServiceKey, RealKey, RealSpec) -> Op) -> u64 {
        let change = change(self.service, self.real, self.spec);
        self.ledger.apply(&change).unwrap();
        self.retirees.forget_returned(&self.ledger);
        self.ledger.snapshot().generation
    }

    fn remove(&mut self) -> u64 {
        self.change(|service, real, _| Op::DrainReal { service, real })
    }

    fn add(&mut self) -> u64 {
        self.change(|service, real, spec| Op::AddReal {
            service,
            real,
            spec,
        })
    }

    /// Whether the look released the server.
    fn look(&mut self, seen: u64) -> bool {
        let now = Instant::from_millis(1000);
        let (ledger, stats) = (&mut self.ledger, &self.stats);
        self.retirees
            .look(ledger, stats, seen, now, |_| None)
            .changed
    }
}

#[test]
fn a_server_goes_when_it_was_empty_twice() {
    let mut scene = Scene::new();
    let removed = scene.remove();
    assert!(!scene.look(removed), "a count may be half-way");
    assert!(scene.look(removed));
    assert_eq!(scene.ledger.services().reals().count(), 0);
}

#[test]
fn a_server_stays_while_a_worker_has_not_seen_that_it_leaves() {
    let mut scene = Scene::new();
    let removed = scene.remove();
    assert!(!scene.look(removed - 1) && !scene.look(removed - 1));
}

#[test]
fn a_server_that_came_back_and_leaves_again_between_two_looks_starts_anew() {
    let mut scene = Scene::new();
    let removed = scene.remove();
    assert!(!scene.look(removed));
    let back = scene.add();
    scene.remove();
    // Workers still give it connections.
    assert!(!scene.look(back) && !scene.look(back));
}

#[test]
fn a_removed_local_address_goes_with_its_last_connection() {
    let hasher = Hasher::with_seeds(1, 2, 3, 4);
    let mut ledger = Ledger::new(hasher.clone());
    let board = Arc::new(Board::new(8));
    let stats = Stats::new(vec![Arc::clone(&board)], hasher);
    let mut removed = RemovedLocals::default();
    let pool = model::local::PoolSpec {
        name: "inside".into(),
        used_for: model::local::LocalUse::Clients,
        addresses: vec!["10.0.0.200".parse().unwrap()],
    };
    ledger.set_locals(&[pool], &[]).unwrap();
    let id = ledger.locals().addresses().next().unwrap().id;
    board.local(id).unwrap().add(1);
    let generation = ledger.generation();
    assert!(!removed.look(&mut ledger, &stats, generation));
    ledger.set_locals(&[], &[]).unwrap();
    let generation = ledger.snapshot().generation;
    // A worker has not read it yet, then it has a connection.
    assert!(!removed.look(&mut ledger, &stats, generation - 1));
    assert!(!removed.look(&mut ledger, &stats, generation));
    board.local(id).unwrap().set(0);
    assert!(!removed.look(&mut ledger, &stats, generation - 1));
    assert!(removed.look(&mut ledger, &stats, generation));
    assert!(ledger.locals().is_empty());
}

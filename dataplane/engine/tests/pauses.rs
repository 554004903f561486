// SPDX-License-Identifier: Apache-2.0
//! No tick does more than a bounded piece of work, whatever became due or was published; counted,
//! not timed (`tests/examples/worker_pauses.rs` has the times).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a test does not expect fails it"
)]

use std::fmt::Write as _;
use std::sync::Arc;

use model::fib::Hasher;
use model::ids::{PortId, WorkerId};
use model::snapshot::Snapshot;
use model::time::{Duration, Instant};
use penstock_engine::counters::Board;
use penstock_engine::flow_table::{HashKey, HeapMemory};
use penstock_engine::path::Arrival;
use penstock_engine::testing::Bench;
use penstock_engine::verdict::{Note, Output};
use penstock_engine::{Context, Engine, EngineConfig};
use wire::buffer::{PacketBuf, TestBuf, TestPool};
use wire::builder::Frame;
use wire::packet::parse;

struct Worker {
    engine: Engine<TestBuf, HeapMemory>,
    now: Instant,
    out: Output<TestBuf>,
}

impl Worker {
    fn new() -> Self {
        let now = Instant::from_millis(5_000_000);
        let config = EngineConfig {
            worker: WorkerId(0),
            boards: vec![Arc::new(Board::new(4096))],
            flow_key: HashKey::from_seed(1),
            hasher: Hasher::with_seeds(1, 2, 3, 4),
            seed: 1,
        };
        Self {
            engine: Engine::new(config, HeapMemory::new(10_000), now),
            now,
            out: Output::with_capacity(8),
        }
    }

    /// Who gets the packet.
    fn receive(&mut self, frame: &[u8], snapshot: &Snapshot) -> Option<[u8; 16]> {
        let arrival = Arrival {
            port: PortId(0),
            note: Note::None,
        };
        let mut cx = Context {
            snapshot,
            now: self.now,
            pool: &mut TestPool::default(),
            out: &mut self.out,
        };
        self.engine.steer(TestBuf::new(frame), arrival, &mut cx);
        let (packet, _) = self.out.drain().next()?;
        let parsed = parse(packet.bytes(), packet.total_len()).ok()?;
        Some(parsed.destination)
    }

    fn tick(&mut self, budget: u32, snapshot: &Snapshot) {
        let mut cx = Context {
            snapshot,
            now: self.now,
            pool: &mut TestPool::default(),
            out: &mut self.out,
        };
        self.engine.tick(budget, &mut cx);
    }
}

#[test]
fn connections_that_are_due_at_once_end_a_few_per_tick() {
    let bench = Bench::new("service udp 10.0.0.100:53 rr\nreal 10.1.0.11:53");
    let snapshot = bench.snapshot();
    let mut worker = Worker::new();
    for cport in 1..=5000 {
        let query = Frame::udp(&format!("10.0.0.9:{cport}"), "10.0.0.100:53");
        worker.receive(&query.build(), snapshot).unwrap();
    }
    worker.now = worker.now + Duration::from_secs(3600);
    for left in (0..5000).rev().step_by(64) {
        let before = worker.engine.flow_count();
        worker.tick(64, snapshot);
        assert_eq!(
            before - worker.engine.flow_count(),
            64.min(before),
            "{left} left"
        );
    }
    assert_eq!(worker.engine.flow_count(), 0);
}

fn service(number: u16) -> String {
    let [a, b] = number.to_be_bytes();
    format!("10.200.{a}.{b}:80")
}

const SERVICES: u16 = 300;

/// Services of three servers each, and a connection to each of them.
fn many_services() -> (Bench, Worker) {
    let mut bench = Bench::new("");
    let mut text = String::new();
    for number in 0..SERVICES {
        let [a, b] = number.to_be_bytes();
        writeln!(text, "service tcp {} wrr", service(number)).unwrap();
        for host in 1..4 {
            writeln!(text, "real 10.{}.{a}.{b}:80 nat {host}", 100 + host).unwrap();
        }
    }
    bench.apply(&text);
    let mut worker = Worker::new();
    worker.tick(64, bench.snapshot());
    connect_to_all(&mut worker, bench.snapshot(), 1000);
    (bench, worker)
}

fn connect_to_all(worker: &mut Worker, snapshot: &Snapshot, cport: u16) -> Vec<[u8; 16]> {
    let connect = |number| {
        let syn = Frame::tcp(&format!("10.0.0.9:{cport}"), &service(number)).flags(2);
        worker.receive(&syn.build(), snapshot).unwrap()
    };
    (0..SERVICES).map(connect).collect()
}

fn change_all(bench: &mut Bench) {
    let mut text = String::new();
    for number in 0..SERVICES {
        let [a, b] = number.to_be_bytes();
        writeln!(text, "at tcp {}", service(number)).unwrap();
        writeln!(text, "edit-real 10.101.{a}.{b}:80 nat 5").unwrap();
        writeln!(text, "delete-real 10.102.{a}.{b}:80").unwrap();
    }
    bench.apply(&text);
}

#[test]
fn a_snapshot_of_many_services_is_taken_over_in_steps() {
    let (mut bench, mut worker) = many_services();
    assert!(worker.engine.is_in_step());
    change_all(&mut bench);
    let mut ticks = 0;
    loop {
        worker.tick(64, bench.snapshot());
        ticks += 1;
        if worker.engine.is_in_step() {
            break;
        }
    }
    assert_eq!(ticks, 10, "300 services, 32 at a time");
    // A change in the midst of it starts anew.
    change_all_back(&mut bench);
    worker.tick(64, bench.snapshot());
    assert!(!worker.engine.is_in_step());
    change_all(&mut bench);
    for tick in 1..=10 {
        worker.tick(64, bench.snapshot());
        assert_eq!(worker.engine.is_in_step(), tick == 10, "{tick}");
    }
}

fn change_all_back(bench: &mut Bench) {
    let mut text = String::new();
    for number in 0..SERVICES {
        let [a, b] = number.to_be_bytes();
        writeln!(text, "at tcp {}", service(number)).unwrap();
        writeln!(text, "edit-real 10.101.{a}.{b}:80 nat 1").unwrap();
        writeln!(text, "real 10.102.{a}.{b}:80 nat 2").unwrap();
    }
    bench.apply(&text);
}

/// Who connects before a service's turn has come gets whom he gets afterwards.
#[test]
fn a_service_that_is_connected_to_before_its_turn_catches_up() {
    let (mut bench, mut early) = many_services();
    let (_, mut late) = many_services();
    change_all(&mut bench);
    early.tick(64, bench.snapshot());
    assert!(!early.engine.is_in_step());
    while {
        late.tick(64, bench.snapshot());
        !late.engine.is_in_step()
    } {}
    for cport in 2000..2010 {
        assert_eq!(
            connect_to_all(&mut early, bench.snapshot(), cport),
            connect_to_all(&mut late, bench.snapshot(), cport)
        );
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The longest pauses of a worker: the CPU time of one `tick`, or of one slice of a job, when a
//! million connections idle out, when a snapshot of thousands of services is published, and when a
//! server is cut off.
//!
//! `cargo run --release -p penstock-tests --example worker_pauses`
//!
//! CPU time of the thread (`CLOCK_THREAD_CPUTIME_ID`), so that whoever shares the machine is not
//! counted; what reading the clock costs is measured first and taken off. An interrupt counts as
//! the thread's time all the same, but the n-th tick does the same work in every run: told is the
//! shortest of its times in some runs.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a program that is run by hand and prints a table"
)]

use std::sync::Arc;

use engine::counters::Board;
use engine::flow_table::{HashKey, HeapMemory};
use engine::path::Arrival;
use engine::testing::Bench;
use engine::verdict::{Note, Output};
use engine::{Context, Engine, EngineConfig};
use model::fib::Hasher;
use model::ids::{PortId, RealId, WorkerId};
use model::snapshot::Snapshot;
use model::time::{Duration, Instant};
use nix::time::{ClockId, clock_gettime};
use wire::buffer::{TestBuf, TestPool};
use wire::builder::Frame;

/// Connections in the table.
const FLOWS: u32 = 1_000_000;
/// As the worker: connections looked at per round, places of the table per slice of a job.
const EXPIRIES_PER_ROUND: u32 = 64;
const PLACES_PER_BURST: u32 = 256;
/// Services, and servers of each.
const SERVICES: u32 = 4096;
const SERVERS: u32 = 4;
/// Runs of everything.
const RUNS: usize = 5;
/// Server slots on the boards.
const REALS: usize = 32_768;

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let clock = clock_cost()?;
    println!("reading the clock: {clock} ns");
    println!(
        "{:<34} {:>9} {:>8} {:>8} {:>8} {:>8} {:>10}",
        "CPU time of a tick, µs", "ticks", "median", "99 %", "99.99 %", "longest", "total ms"
    );
    for (name, spread_ms) in [("all due at once", 0), ("due over five minutes", 300_000)] {
        let expire = || {
            let mut worker = filled(spread_ms)?;
            worker.now = worker.now + Duration::from_secs(900);
            let mut pauses = Pauses::new(clock);
            while worker.engine.flow_count() > 0 {
                pauses.time(|| worker.tick())?;
            }
            Ok(vec![pauses])
        };
        print(&[name.to_owned()], expire)?;
    }
    print(&["cut, a slice of 256 places".to_owned()], || cut(clock))?;
    for workers in [1, 8] {
        let published = |what| format!("{workers} workers, {what}");
        let names = [
            "nothing published",
            "one service changed",
            "every service changed",
            "and back",
        ];
        print(&names.map(published), || publish(clock, workers))?;
    }
    Ok(())
}

/// Runs it some times and prints the shortest time of each piece of work.
fn print(names: &[String], run: impl Fn() -> Result<Vec<Pauses>, Error>) -> Result<(), Error> {
    let mut shortest = run()?;
    for _ in 1..RUNS {
        for (shortest, again) in shortest.iter_mut().zip(run()?) {
            if shortest.all.len() != again.all.len() {
                return Err("two runs did different work".into());
            }
            for (before, now) in shortest.all.iter_mut().zip(again.all) {
                *before = now.min(*before);
            }
        }
    }
    for (pauses, name) in shortest.iter_mut().zip(names) {
        pauses.print(name);
    }
    Ok(())
}

/// What reading the clock twice costs, ns.
fn clock_cost() -> Result<u64, Error> {
    let mut pauses = Pauses::new(0);
    for _ in 0..100_000 {
        pauses.time(|| ())?;
    }
    pauses.all.sort_unstable();
    Ok(pauses.at(0.5))
}

fn thread_ns() -> Result<u64, Error> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(u64::try_from(time.tv_sec())? * 1_000_000_000 + u64::try_from(time.tv_nsec())?)
}

/// Measured pieces of work.
struct Pauses {
    clock: u64,
    all: Vec<u64>,
}

impl Pauses {
    const fn new(clock: u64) -> Self {
        Self {
            clock,
            all: Vec::new(),
        }
    }

    fn time<T>(&mut self, work: impl FnOnce() -> T) -> Result<T, Error> {
        let start = thread_ns()?;
        let done = work();
        let spent = thread_ns()? - start;
        self.all.push(spent.saturating_sub(self.clock));
        Ok(done)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a number of measurements"
    )]
    fn at(&self, share: f64) -> u64 {
        let place = (self.all.len().saturating_sub(1) as f64 * share) as usize;
        self.all.get(place).copied().unwrap_or(0)
    }

    #[expect(clippy::cast_precision_loss, reason = "times of less than hours")]
    fn print(&mut self, name: &str) {
        self.all.sort_unstable();
        let us = |ns: u64| ns as f64 / 1e3;
        println!(
            "{name:<34} {:>9} {:>8.1} {:>8.1} {:>8.1} {:>8.1} {:>10.1}",
            self.all.len(),
            us(self.at(0.5)),
            us(self.at(0.99)),
            us(self.at(0.9999)),
            us(self.at(1.0)),
            us(self.all.iter().sum()) / 1e3,
        );
    }
}

/// One worker with its world.
struct Worker {
    engine: Engine<TestBuf, HeapMemory>,
    snapshot: Snapshot,
    now: Instant,
    pool: TestPool,
    out: Output<TestBuf>,
}

impl Worker {
    fn new(snapshot: Snapshot, flows: u32, workers: usize) -> Result<Self, Error> {
        let now = Instant::from_millis(5_000_000);
        let config = EngineConfig {
            worker: WorkerId(0),
            boards: (0..workers).map(|_| Arc::new(Board::new(REALS))).collect(),
            flow_key: HashKey::from_seed(1),
            hasher: Hasher::with_seeds(1, 2, 3, 4),
            seed: 1,
        };
        let memory = HeapMemory::new(usize::try_from(flows)?);
        Ok(Self {
            engine: Engine::new(config, memory, now),
            snapshot,
            now,
            pool: TestPool::default(),
            out: Output::with_capacity(64),
        })
    }

    fn receive(&mut self, frame: &[u8]) {
        let arrival = Arrival {
            port: PortId(0),
            note: Note::None,
        };
        let mut cx = Context {
            snapshot: &self.snapshot,
            now: self.now,
            pool: &mut self.pool,
            out: &mut self.out,
        };
        self.engine.steer(TestBuf::new(frame), arrival, &mut cx);
        self.out.drain();
    }

    fn tick(&mut self) {
        let mut cx = Context {
            snapshot: &self.snapshot,
            now: self.now,
            pool: &mut self.pool,
            out: &mut self.out,
        };
        self.engine.tick(EXPIRIES_PER_ROUND, &mut cx);
        self.out.drain();
    }
}

/// A full table of a NAT service's connections, opened in no order over so many milliseconds.
fn filled(spread_ms: u64) -> Result<Worker, Error> {
    let bench = Bench::new(
        "service udp 10.0.0.100:53 wlc\nreal 10.1.0.11:53\nreal 10.1.0.12:53\nreal 10.1.0.13:53",
    );
    let mut worker = Worker::new(bench.snapshot().clone(), FLOWS, 1)?;
    let start = worker.now;
    let mut frame = Frame::udp("10.0.0.9:1", "10.0.0.100:53")
        .checksum(0)
        .build();
    for number in 0..FLOWS {
        worker.now =
            start + Duration::from_millis(spread_ms * u64::from(number) / u64::from(FLOWS));
        // An odd number times all of 2^20 is all of 2^20, shuffled.
        let client = 0x0b00_0000 + (number.wrapping_mul(0x9_e375) & 0xf_ffff);
        set_source(&mut frame, client);
        worker.receive(&frame);
    }
    let opened = u32::try_from(worker.engine.flow_count())?;
    if opened != FLOWS {
        return Err(format!("{opened} connections were opened").into());
    }
    Ok(worker)
}

/// Another source address; the header checksum is made anew.
fn set_source(frame: &mut [u8], address: u32) {
    if let Some(header) = frame.get_mut(14..)
        && let Ok(mut ip) = wire::ipv4::Ipv4Mut::new_checked(header)
    {
        ip.set_source(address.to_be_bytes());
        ip.fill_checksum();
    }
}

/// Control cuts a server off (`Job::Cut`).
fn cut(clock: u64) -> Result<Vec<Pauses>, Error> {
    let mut worker = filled(0)?;
    let mut pauses = Pauses::new(clock);
    for real in 0..3 {
        let mut cursor = Some(0);
        while let Some(from) = cursor {
            cursor = pauses.time(|| worker.engine.cut(RealId(real), from, PLACES_PER_BURST))?;
        }
    }
    Ok(vec![pauses])
}

fn service(number: u32) -> String {
    let [.., a, b] = number.to_be_bytes();
    format!("10.200.{a}.{b}:80")
}

/// Snapshots while every service has been connected to.
fn publish(clock: u64, workers: usize) -> Result<Vec<Pauses>, Error> {
    let mut text = String::new();
    for number in 0..SERVICES {
        text.push_str(&format!("service tcp {} wlc\n", service(number)));
        for server in 0..SERVERS {
            let [_, a, b, c] = (number * SERVERS + server).to_be_bytes();
            text.push_str(&format!("real 10.{}.{b}.{c}:80\n", 100 + a));
        }
    }
    let mut bench = Bench::new("");
    bench.apply(&text);
    let mut worker = Worker::new(bench.snapshot().clone(), 65_536, workers)?;
    worker.tick();
    for number in 0..SERVICES {
        let syn = Frame::tcp("10.0.0.9:1000", &service(number)).flags(2);
        worker.receive(&syn.build());
    }
    let mut all = vec![settle(&mut worker, clock)?];
    let changed = |numbers: std::ops::Range<u32>, scheduler| -> String {
        numbers
            .map(|number| format!("at tcp {}\nedit-service {scheduler}\n", service(number)))
            .collect()
    };
    for change in [
        changed(1..2, "sed"),
        changed(0..SERVICES, "wrr"),
        changed(0..SERVICES, "wlc"),
    ] {
        bench.apply(&change);
        worker.snapshot = bench.snapshot().clone();
        all.push(settle(&mut worker, clock)?);
    }
    Ok(all)
}

/// Rounds without packets after a snapshot.
fn settle(worker: &mut Worker, clock: u64) -> Result<Pauses, Error> {
    let mut pauses = Pauses::new(clock);
    for _ in 0..4000 {
        worker.now = worker.now + Duration::from_micros(10);
        pauses.time(|| worker.tick())?;
    }
    Ok(pauses)
}

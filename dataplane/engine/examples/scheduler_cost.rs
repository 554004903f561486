// SPDX-License-Identifier: Apache-2.0
//! What choosing a server costs, by scheduler and length of the list.
//!
//! `cargo run --release -p penstock-engine --example scheduler_cost`
//!
//! A round opens connections one after the other while the oldest ones end: each is chosen a
//! server, counted as inactive, becomes active, and ends. All of that is timed, because a
//! least-connection scheduler does its work when counts change. Clients and connections that end
//! are in no order. Rounds alternate between the lengths; the table shows medians, and what 1000
//! servers cost relative to 10.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a program that is run by hand, reads the clock and prints a table"
)]

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant as Clock;

use model::fib::Hasher;
use model::ids::{RealId, WorkerId};
use model::ledger::Ledger;
use model::op::Op;
use model::service::{
    ForwardMode, Protocol, RealKey, RealSpec, SchedulerKind, ServiceKey, ServiceSpec, Thresholds,
    Weight,
};
use model::snapshot::Snapshot;
use model::time::Instant;
use penstock_engine::counters::Board;
use penstock_engine::sched::{Request, Schedulers};

/// Servers of a service.
const LENGTHS: [u32; 3] = [10, 100, 1000];
/// Connections that are open at a time, for each server.
const OPEN: u32 = 3;
/// Connections that are opened in a round.
const ROUND: u32 = 200_000;
/// Rounds per figure.
const ROUNDS: usize = 5;

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    println!("ns per connection: choose, count in, make active, count out; median of {ROUNDS}");
    println!(
        "{:>8} {:>8} {:>8} {:>8} {:>8}",
        "", 10, 100, 1000, "1000/10"
    );
    for kind in SchedulerKind::ALL {
        let mut fixtures: Vec<Fixture> = LENGTHS
            .into_iter()
            .map(|length| Fixture::new(kind, length))
            .collect::<Result<_, Error>>()?;
        let mut figures = vec![Vec::new(); LENGTHS.len()];
        for _ in 0..ROUNDS {
            for (fixture, figures) in fixtures.iter_mut().zip(&mut figures) {
                figures.push(fixture.round()?);
            }
        }
        print!("{:>8}", kind.name());
        let medians: Vec<f64> = figures.iter_mut().map(|figures| median(figures)).collect();
        for median in &medians {
            print!(" {median:>8.1}");
        }
        if let [short, .., long] = medians.as_slice() {
            println!(" {:>8.2}", long / short);
        }
    }
    Ok(())
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A service with servers of weights 1 to 5 and its connections.
struct Fixture {
    schedulers: Schedulers,
    snapshot: Snapshot,
    board: Arc<Board>,
    key: ServiceKey,
    open: VecDeque<RealId>,
    client: u32,
}

impl Fixture {
    fn new(kind: SchedulerKind, length: u32) -> Result<Self, Error> {
        let virtual_ip = Ipv4Addr::new(10, 0, 0, 100).into();
        let key = ServiceKey::host(Protocol::Tcp, virtual_ip, 80);
        let mut ledger = Ledger::new(Hasher::with_seeds(1, 2, 3, 4));
        let spec = ServiceSpec {
            scheduler: kind,
            ..ServiceSpec::default()
        };
        ledger.apply(&Op::AddService { key, spec })?;
        for number in 0..length {
            let weight = number % 5 + 1;
            ledger.apply(&Op::AddReal {
                service: key,
                real: RealKey {
                    real_ip: Ipv4Addr::from(0x0a01_0000 + number).into(),
                    rport: 80,
                },
                spec: RealSpec {
                    mode: ForwardMode::Nat,
                    weight: Weight::new(weight).ok_or("a weight out of range")?,
                    tunnel: model::tunnel::Tunnel::default(),
                    limits: Thresholds::NONE,
                    ..RealSpec::default()
                },
            })?;
        }
        let board = Arc::new(Board::new(length as usize));
        let boards = [Arc::clone(&board)];
        let mut fixture = Self {
            schedulers: Schedulers::new(&boards, Arc::clone(&board), WorkerId(0), 1),
            snapshot: ledger.snapshot(),
            board,
            key,
            open: VecDeque::new(),
            client: 1,
        };
        for _ in 0..OPEN * length {
            fixture.open()?;
        }
        Ok(fixture)
    }

    /// Nanoseconds per connection.
    fn round(&mut self) -> Result<f64, Error> {
        let start = Clock::now();
        for _ in 0..ROUND {
            self.open()?;
            self.close()?;
        }
        Ok(start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUND))
    }

    fn open(&mut self) -> Result<(), Error> {
        self.client = self
            .client
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        let request = Request {
            client_ip: Ipv4Addr::from(self.client).into(),
            cport: 1024,
            destination: Ipv4Addr::from(0x0a32_0000 + self.client % 4096).into(),
            now_ms: 1000,
        };
        let services = &self.snapshot.services;
        let service = services.find(&self.key).ok_or("no service")?;
        let now = Instant::from_millis(1000);
        if self.client.is_multiple_of(32) {
            self.schedulers.tick(services, now);
        }
        let id = self.schedulers.pick(service, services, &request, now);
        let id = id.ok_or("no server was chosen")?;
        let real = services.real(id).ok_or("no such server")?;
        let counters = self.board.real(id).ok_or("no such slot")?;
        counters.count(false, true);
        self.schedulers.bound(real);
        counters.count(false, false);
        counters.count(true, true);
        self.schedulers.shifted(id);
        self.open.push_back(id);
        Ok(())
    }

    /// Ends one of the oldest connections.
    fn close(&mut self) -> Result<(), Error> {
        let which = self.client as usize % 8 % self.open.len().max(1);
        let id = self.open.remove(which).ok_or("nothing is open")?;
        self.board
            .real(id)
            .ok_or("no such slot")?
            .count(true, false);
        self.schedulers.unbound(id, self.snapshot.services.real(id));
        Ok(())
    }
}

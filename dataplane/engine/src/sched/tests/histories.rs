// SPDX-License-Identifier: Apache-2.0
//! Random lives of a service, ten thousand for each scheduler: connections that open, become active
//! and end, weights and thresholds that change, servers that leave and return. The scheduler and
//! the model of the kernel choose the same server each time.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "the numbers of these tests are small"
)]

use alloc::sync::Arc;
use core::net::Ipv4Addr;
use std::vec::Vec;
use std::{format, vec};

use model::fib::Hasher;
use model::ids::{RealId, WorkerId};
use model::ledger::Ledger;
use model::op::Op;
use model::service::{
    ForwardMode, Protocol, RealKey, RealSpec, RealState, SchedulerFlags, SchedulerKind, ServiceKey,
    ServiceSpec, Thresholds, Weight,
};
use model::snapshot::Snapshot;
use model::time::{Duration, Instant};

use super::kernel::{Packet, Svc, Tables};
use crate::counters::Board;
use crate::sched::{Random, Request, Schedulers};

const HISTORIES: u64 = 10_000;
/// Server slots.
const REALS: usize = 64;

/// Numbers that follow from a seed.
struct Dice(Random);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// A connection that is open.
struct Open {
    real: RealId,
    name: u8,
    active: bool,
}

/// Schedulers and model side by side.
struct World<'a> {
    ledger: Ledger,
    snapshot: Snapshot,
    schedulers: Schedulers,
    board: Arc<Board>,
    kernel: Svc,
    tables: &'a mut Tables,
    dice: Dice,
    open: Vec<Open>,
    now: Instant,
    /// Weights and servers there are.
    weights: &'static [u32],
    servers: usize,
}

impl<'a> World<'a> {
    fn new(kind: SchedulerKind, seed: u64, tables: &'a mut Tables) -> Self {
        let mut dice = Dice(Random::seeded(seed));
        let mut flags = SchedulerFlags::NONE;
        let mut kernel = Svc::new(kind.name());
        if dice.below(2) == 0 {
            flags = flags.with(SchedulerFlags::PORT);
            kernel.port = true;
        }
        if dice.below(2) == 0 {
            flags = flags.with(SchedulerFlags::FALLBACK);
            kernel.fallback = true;
        }
        let mut ledger = Ledger::new(Hasher::with_seeds(1, 2, 3, 4));
        let spec = ServiceSpec {
            scheduler: kind,
            flags,
            ..ServiceSpec::default()
        };
        ledger.apply(&Op::AddService { key: key(), spec }).unwrap();
        let has_table = matches!(kind, SchedulerKind::Mh | SchedulerKind::Conhash);
        let board = Arc::new(Board::new(REALS));
        let boards = [Arc::clone(&board)];
        Self {
            snapshot: ledger.snapshot(),
            ledger,
            schedulers: Schedulers::new(&boards, Arc::clone(&board), WorkerId(0), seed),
            board,
            kernel,
            tables,
            dice,
            open: Vec::new(),
            now: Instant::from_millis(1_000_000),
            weights: if has_table {
                &[0, 1, 1, 2]
            } else {
                &[0, 1, 2, 3, 4, 5, 6, 10, 65_535]
            },
            servers: if has_table { 4 } else { 7 },
        }
    }

    /// One thing happens.
    fn play(&mut self) {
        match self.dice.below(100) {
            0..14 => self.add(),
            14..20 => self.edit(),
            20..25 => self.delete(),
            25..27 => self.release(),
            27..62 => self.connect(),
            62..80 => self.shift(),
            80..96 => self.close(),
            96..98 => self.publish(),
            _ => self.sleep(),
        }
    }

    fn add(&mut self) {
        let name = self.name();
        if self.kernel.dest(name).is_some() {
            return;
        }
        let spec = self.spec();
        self.apply(&Op::AddReal {
            service: key(),
            real: real_key(name),
            spec,
        });
        let (weight, upper, lower) = figures(&spec);
        self.kernel.add(name, weight, upper, lower);
    }

    fn edit(&mut self) {
        let name = self.name();
        if self.kernel.dest(name).is_none() {
            return;
        }
        let spec = self.spec();
        self.apply(&Op::EditReal {
            service: key(),
            real: real_key(name),
            spec,
        });
        let (weight, upper, lower) = figures(&spec);
        self.kernel.edit(name, weight, upper, lower);
    }

    fn delete(&mut self) {
        let name = self.name();
        if self.kernel.delete(name) {
            self.apply(&Op::DeleteReal {
                service: key(),
                real: real_key(name),
            });
        }
    }

    /// The slots of deleted servers without connections are freed. lblc and lblcr would hold on to
    /// them in the kernel.
    fn release(&mut self) {
        if self.kernel.scheduler.starts_with("lblc") {
            return;
        }
        let idle: Vec<(RealId, u8)> = self
            .snapshot
            .services
            .reals()
            .filter(|real| real.state == RealState::Deleted)
            .map(|real| (real.id, real.key.real_ip.v4_octets()[3]))
            .filter(|(id, _)| self.open.iter().all(|open| open.real != *id))
            .collect();
        for (id, name) in idle {
            self.ledger.release_real(id);
            self.kernel.trash.retain(|dest| dest.name != name);
        }
        self.publish();
    }

    fn connect(&mut self) {
        let client = self.dice.below(1 << 16) as u32 | 0x0a09_0000;
        let packet = Packet {
            source: client,
            port: self.dice.below(65_535) as u16 + 1,
            destination: self.dice.one_of(&[0x0a32_0001, 0x0a32_0002, 0x0a32_0103]),
        };
        let request = Request {
            client_ip: Ipv4Addr::from(packet.source).into(),
            cport: packet.port,
            destination: Ipv4Addr::from(packet.destination).into(),
            now_ms: self.now.as_millis(),
        };
        self.draw();
        let expected = self.kernel.schedule(packet, self.tables);
        let services = &self.snapshot.services;
        let service = services.find(&key()).unwrap();
        let chosen = self.schedulers.pick(service, services, &request, self.now);
        let real = chosen.map(|id| services.real(id).unwrap());
        let name = real.map(|real| real.key.real_ip.v4_octets()[3]);
        assert_eq!(name, expected, "{packet:?} {:?}", self.kernel);
        if let Some(real) = real {
            self.board.real(real.id).unwrap().count(false, true);
            self.schedulers.bound(real);
            let name = name.unwrap();
            self.kernel.bind(name);
            let (real, active) = (real.id, false);
            self.open.push(Open { real, name, active });
        }
    }

    /// Both get the same lots.
    fn draw(&mut self) {
        let total = self.kernel.total_weight() as usize;
        self.kernel.draws = match self.kernel.scheduler {
            "twos" => [0; 2].map(|_| self.dice.below(total + 1) as i64),
            _ => [self.dice.below(total.max(1)) as i64; 2],
        };
        let draws = self.kernel.draws.map(|draw| draw as u64);
        self.schedulers.set_random(Random::recorded(&draws));
    }

    fn shift(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let which = self.dice.below(self.open.len());
        let open = &mut self.open[which];
        open.active = !open.active;
        let counters = self.board.real(open.real).unwrap();
        counters.count(!open.active, false);
        counters.count(open.active, true);
        self.schedulers.shifted(open.real);
        self.kernel.shift(open.name, open.active);
    }

    fn close(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let which = self.dice.below(self.open.len());
        let open = self.open.swap_remove(which);
        self.board
            .real(open.real)
            .unwrap()
            .count(open.active, false);
        let real = self.snapshot.services.real(open.real);
        self.schedulers.unbound(open.real, real);
        self.kernel.unbind(open.name, open.active);
    }

    /// Ten hours, minute by minute, if anybody minds.
    fn sleep(&mut self) {
        if !self.kernel.scheduler.starts_with("lblc") || self.dice.below(4) > 0 {
            return;
        }
        for _ in 0..600 {
            self.now = self.now + Duration::from_secs(60);
            self.schedulers.tick(&self.snapshot.services, self.now);
        }
        self.kernel.sleep(10);
    }

    fn apply(&mut self, op: &Op) {
        self.ledger.apply(op).unwrap();
        // Sometimes several changes come at once.
        if self.dice.below(4) > 0 {
            self.publish();
        } else {
            self.snapshot = self.ledger.snapshot();
        }
    }

    fn publish(&mut self) {
        self.snapshot = self.ledger.snapshot();
        self.schedulers.sync(&self.snapshot);
        self.schedulers.tick(&self.snapshot.services, self.now);
        self.ledger.acknowledged(self.snapshot.generation);
    }

    fn name(&mut self) -> u8 {
        11 + self.dice.below(self.servers) as u8
    }

    fn spec(&mut self) -> RealSpec {
        let weight = self.dice.one_of(self.weights);
        let upper = self.dice.one_of(&[0, 0, 1, 2, 4, 8]);
        let lower = self.dice.below(upper as usize + 1) as u32;
        RealSpec {
            mode: ForwardMode::Nat,
            weight: Weight::new(weight).unwrap(),
            tunnel: model::tunnel::Tunnel::default(),
            limits: Thresholds { upper, lower },
            ..RealSpec::default()
        }
    }
}

fn figures(spec: &RealSpec) -> (i64, i64, i64) {
    (
        spec.weight.get().into(),
        spec.limits.upper.into(),
        spec.limits.lower.into(),
    )
}

fn key() -> ServiceKey {
    ServiceKey::host(Protocol::Tcp, Ipv4Addr::new(10, 0, 0, 100).into(), 80)
}

fn real_key(name: u8) -> RealKey {
    RealKey {
        real_ip: Ipv4Addr::new(10, 1, 0, name).into(),
        rport: 80,
    }
}

fn agree(kind: SchedulerKind) {
    let mut tables = Tables::default();
    for seed in 0..HISTORIES {
        let mut world = World::new(kind, seed, &mut tables);
        let length = 20 + world.dice.below(60);
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (0..length).for_each(|_| world.play());
        }));
        assert!(told.is_ok(), "{} differs in history {seed}", kind.name());
    }
}

macro_rules! histories {
    ($($test:ident $kind:ident,)+) => {
        $(
            #[test]
            fn $test() {
                agree(SchedulerKind::$kind);
            }
        )+

        #[test]
        fn every_scheduler_has_its_histories() {
            let told = vec![$(SchedulerKind::$kind),+];
            assert_eq!(told, SchedulerKind::ALL, "{}", format!("{told:?}"));
        }
    };
}

histories! {
    rr_chooses_as_the_kernel Rr,
    wrr_chooses_as_the_kernel Wrr,
    lc_chooses_as_the_kernel Lc,
    wlc_chooses_as_the_kernel Wlc,
    sed_chooses_as_the_kernel Sed,
    nq_chooses_as_the_kernel Nq,
    lblc_chooses_as_the_kernel Lblc,
    lblcr_chooses_as_the_kernel Lblcr,
    dh_chooses_as_the_kernel Dh,
    sh_chooses_as_the_kernel Sh,
    mh_chooses_as_the_kernel Mh,
    fo_chooses_as_the_kernel Fo,
    ovf_chooses_as_the_kernel Ovf,
    twos_chooses_as_the_kernel Twos,
    conhash_chooses_as_its_ring_says Conhash,
    random_chooses_as_drawn Random,
}

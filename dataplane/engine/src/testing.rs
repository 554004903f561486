// SPDX-License-Identifier: Apache-2.0
//! A director in a few lines of text: the fixture of the engine's tests and fuzz targets.
//!
//! ```text
//!   clients                       director                      servers
//!   10.0.0.9, 2001:db8::9  ── port 0, 10.0.0.1/24      port 1, 10.1.0.1/24 ── 10.1.0.11 … .14
//!   10.0.0.254 = default       2001:db8::1/64          2001:db8:1::1/64       2001:db8:1::11 … 14
//! ```
//!
//! [`Bench::new`] starts from that picture and applies a text of lines to it (see
//! [`Bench::apply`]). Every packet sent through a [`Bench`] is checked against the identities of
//! DESIGN decision 17: it has exactly one fate, and the connections in the table are those that the
//! servers are counted to have.

mod script;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;

use model::addr::{Addr, Mac, Prefix};
use model::classifier::{Classifier, MarkRule};
use model::fib::{FibBuilder, Hasher, Route};
use model::ids::{IfaceId, LocalId, PortId, RealId, WorkerId};
use model::ledger::Ledger;
use model::local::{PoolSpec, SnatRule};
use model::op::{Op, OpError};
use model::service::{RealState, ServiceKey};
use model::snapshot::{Interface, Interfaces, Snapshot, Spread, Tunables};
use model::time::Instant;
use wire::buffer::{PacketBuf, TestBuf, TestPool};
use wire::builder::describe;
use wire::packet::{Fragment, parse};

use crate::counters::{Board, Counter, Load};
use crate::flow_table::{HashKey, HeapMemory};
use crate::path::Arrival;
use crate::stream::About;
use crate::verdict::{DropReason, Note, Output, Verdict};
use crate::waiting::Resolve;
use crate::{ConnectionView, Context, Engine, EngineConfig};

/// Server slots that a bench's boards have.
pub const BENCH_REALS_MAX: usize = 256;
/// Connections that a worker's table holds unless a line says otherwise.
const FLOWS: usize = 4096;
/// Entries that the timer wheel may look at after each packet.
const TICK_BUDGET: u32 = 256;

/// A packet that came out, and with which verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The whole frame.
    pub frame: Vec<u8>,
    /// The verdict.
    pub verdict: Verdict,
}

impl fmt::Display for Outcome {
    /// `send 1 to 10.1.0.11: …`, `punt 0 local: …`, `redirect 1: …` or `drop no_route: …`, and
    /// then the packet as [`describe`] words it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verdict {
            Verdict::Send { port } => write!(f, "send {port} to {}", who(&self.frame))?,
            Verdict::Punt { iface, class } => write!(f, "punt {iface} {}", class.name())?,
            Verdict::Redirect { worker, .. } => write!(f, "redirect {worker}")?,
            Verdict::Drop(reason) => write!(f, "drop {}", reason.name())?,
        }
        write!(f, ": {}", describe(&self.frame))
    }
}

/// The outcomes as lines of text, as tests compare them.
#[must_use]
pub fn lines(outcomes: &[Outcome]) -> Vec<String> {
    outcomes
        .iter()
        .map(|outcome| alloc::format!("{outcome}"))
        .collect()
}

/// The MAC of a neighbour in a bench: made of the last four octets of its address.
#[must_use]
pub fn mac_of(addr: Addr) -> Mac {
    let [.., a, b, c, d] = *addr.octets();
    Mac([2, if addr.is_v4() { 4 } else { 6 }, a, b, c, d])
}

/// Who has the destination MAC of a frame: the other way round than [`mac_of`].
fn who(frame: &[u8]) -> String {
    match frame {
        [2, 4, a, b, c, d, ..] => alloc::format!("{a}.{b}.{c}.{d}"),
        [2, 6, a, b, c, d, ..] => {
            let low = u128::from(u32::from_be_bytes([*a, *b, *c, *d]));
            alloc::format!("{}", core::net::Ipv6Addr::from(low))
        }
        _ => String::from("?"),
    }
}

/// One worker of a bench.
#[derive(Debug)]
struct Worker {
    engine: Engine<TestBuf, HeapMemory>,
    board: Arc<Board>,
    pool: TestPool,
    out: Output<TestBuf>,
}

/// A director under test.
#[derive(Debug)]
pub struct Bench {
    ledger: Ledger,
    snapshot: Snapshot,
    workers: Vec<Worker>,
    now: Instant,
    hasher: Hasher,
    interfaces: Vec<Interface>,
    routes: Vec<(Prefix, Route)>,
    neighbours: BTreeMap<(IfaceId, Addr), Mac>,
    tunables: Tunables,
    mark_rules: Vec<MarkRule>,
    fib_generation: u32,
    pools: Vec<PoolSpec>,
    snat_rules: Vec<SnatRule>,
    /// The service that lines about servers are about.
    current: Option<ServiceKey>,
}

impl Bench {
    /// The picture above, changed by the lines of `text`, with one worker unless a first line
    /// `workers N` or `flows N` says otherwise.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let number = |word: &str, default: usize| {
            text.lines()
                .filter_map(|line| line.trim().strip_prefix(word))
                .find_map(|rest| rest.trim().parse().ok())
                .unwrap_or(default)
        };
        let (workers, flows) = (number("workers ", 1), number("flows ", FLOWS));
        let hasher = Hasher::with_seeds(1, 2, 3, 4);
        let mut ledger = Ledger::new(hasher.clone());
        let now = Instant::from_millis(1_000_000);
        if workers > 1 {
            ledger.set_spread(Spread::ClientHash {
                key: [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210],
                workers: u16::try_from(workers).unwrap_or(u16::MAX),
            });
        }
        let mut bench = Self {
            snapshot: ledger.snapshot(),
            ledger,
            workers: new_workers(workers, flows, &hasher, now),
            now,
            hasher,
            interfaces: Vec::new(),
            routes: Vec::new(),
            neighbours: BTreeMap::new(),
            tunables: Tunables::default(),
            mark_rules: Vec::new(),
            fib_generation: 1,
            pools: Vec::new(),
            snat_rules: Vec::new(),
            current: None,
        };
        bench.apply(script::PICTURE);
        bench.apply(text);
        bench
    }

    /// Applies lines, one change each, and publishes the result (the grammar is that of
    /// `script::Line`; a line that cannot be understood or applied panics):
    ///
    /// ```text
    /// service tcp 10.0.0.100:80 rr         real 10.1.0.11:80 nat 1        delete-service
    /// at tcp 10.0.0.100:80                 edit-real 10.1.0.11:80 dr 5    edit-service wlc
    ///                                      drain-real 10.1.0.11:80        delete-real 10.1.0.11:80
    /// iface 2 port 1 vlan 10 mtu 1500 192.168.0.1/24
    /// route 10.9.0.0/16 via 1 10.1.0.11    route 10.9.0.0/16 blackhole    mtu 1 1400
    /// neighbour 1 10.1.0.20                no-neighbour 1 10.1.0.20       icmp-rate 10
    /// echo-rate 10                         service udp 10.0.0.100:443 rr quic=0/2
    ///                                      real 10.1.0.11:443 nat 1 0 0 quic=0a0b
    /// reuse 0                              timeouts 900 120 300           # comment
    /// service udp 10.0.0.100:5060 rr persist=300 mask=24 prefix=64 pe=sip ops
    /// new-flows 1000                       sysctl secure_tcp 3
    /// pool front 10.1.0.200 10.1.0.201     service tcp 10.0.0.100:80 rr pool=front
    /// pmtu-disc 0                          real 10.1.0.11:80 gue-csum:6080 1
    /// service udp 10.0.0.0/24:53 rr        service tcp 10.0.0.100:8000-8099 rr
    /// service tcp 10.0.0.100:0 rr          service mark 5 rr               service mark6 5 rr
    /// mark 5 tcp from 192.0.2.0/24 to 10.0.0.0/8 port 80-88
    /// ```
    pub fn apply(&mut self, text: &str) {
        for line in text.lines() {
            self.apply_line(line);
        }
        self.rebuild_fib();
        self.publish();
    }

    /// As [`Self::apply`]; a line that the ledger refuses changes nothing.
    pub fn try_apply(&mut self, text: &str) {
        for line in text.lines() {
            // What was refused is of no interest: the ledger's own tests look at that.
            let _refused = self.try_line(line).is_err();
        }
        self.rebuild_fib();
        self.publish();
    }

    /// Makes one change of the services, not yet published.
    ///
    /// # Errors
    /// As [`Ledger::apply`].
    pub fn change(&mut self, op: &Op) -> Result<(), OpError> {
        self.ledger.apply(op)?;
        if let Op::AddService { key, .. } = op {
            let local = key.addresses().map(|prefix| (prefix, Route::Local));
            self.routes.extend(local);
        }
        Ok(())
    }

    /// Builds routes and neighbours anew; to be published.
    pub fn rebuild_fib(&mut self) {
        let mut fib = FibBuilder::new(self.hasher.clone());
        for iface in &self.interfaces {
            for prefix in &iface.addresses {
                let via = Route::Via {
                    iface: iface.id,
                    gateway: None,
                };
                fib.route(*prefix, 10, via);
                if let Some(host) = Prefix::new(prefix.addr, prefix.addr.bits()) {
                    fib.route(host, 0, Route::Local);
                }
            }
        }
        for (prefix, route) in &self.routes {
            fib.route(*prefix, 1, *route);
        }
        for ((iface, addr), mac) in &self.neighbours {
            fib.neighbour(*iface, *addr, *mac);
        }
        self.fib_generation += 1;
        self.ledger.set_fib(fib.build(self.fib_generation));
    }

    /// Publishes what has changed: every worker passes the new snapshot, and the ledger is told.
    pub fn publish(&mut self) {
        self.ledger
            .set_interfaces(Interfaces::new(self.interfaces.clone()));
        self.ledger.set_tunables(self.tunables.clone());
        self.ledger
            .set_classifier(Classifier::new(self.mark_rules.clone()));
        self.snapshot = self.ledger.snapshot();
        let mut outcomes = self.tick();
        while !self.workers.iter().all(|one| one.engine.is_in_step()) {
            outcomes.extend(self.tick());
        }
        debug_assert!(
            !outcomes
                .iter()
                .any(|outcome| matches!(outcome.verdict, Verdict::Redirect { .. })),
            "a tick redirects nothing"
        );
        self.ledger.acknowledged(self.snapshot.generation);
    }

    /// Frees the slots of deleted and draining servers that no worker has a connection to.
    pub fn release(&mut self) {
        let idle: Vec<RealId> = self
            .ledger
            .services()
            .reals()
            .filter(|real| real.state != RealState::Live && self.is_idle(real.id))
            .map(|real| real.id)
            .collect();
        for id in idle {
            self.ledger.release_real(id);
        }
        self.publish();
    }

    /// Spreads packets over the workers as ports do whose hash is known.
    pub fn set_spread(&mut self, spread: Spread) {
        self.ledger.set_spread(spread);
        self.publish();
    }

    /// Local ports that connections have, over all workers.
    #[must_use]
    pub fn leases(&self) -> usize {
        let leases = |worker: &Worker| worker.engine.local_ports.leases();
        self.workers.iter().map(leases).sum()
    }

    /// The snapshot in force.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// How many workers there are.
    #[must_use]
    pub const fn worker_count(&self) -> usize {
        self.workers.len()
    }

    /// The counters of a worker.
    #[must_use]
    pub fn board(&self, worker: usize) -> &Arc<Board> {
        &self.workers[worker].board
    }

    /// The counters of all workers.
    #[must_use]
    pub fn boards(&self) -> Vec<Arc<Board>> {
        self.workers
            .iter()
            .map(|worker| Arc::clone(&worker.board))
            .collect()
    }

    /// Packets dropped for a reason, over all workers.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.workers.iter().map(|w| w.board.dropped(reason)).sum()
    }

    /// Connections of a server's slot, over all workers.
    #[must_use]
    pub fn load(&self, real: RealId) -> Load {
        self.workers
            .iter()
            .filter_map(|worker| worker.board.real(real))
            .fold(Load::default(), |sum, counters| sum.plus(counters.load()))
    }

    fn is_idle(&self, real: RealId) -> bool {
        let counters = self.workers.iter().filter_map(|w| w.board.real(real));
        let templates: u32 = counters.map(|counters| counters.templates()).sum();
        self.load(real).flows() == 0 && templates == 0
    }

    /// The slot of the server at `RIP:rport`, that of the newest service if several have it.
    #[must_use]
    pub fn real(&self, endpoint: &str) -> RealId {
        let key = script::real_key(endpoint);
        self.ledger
            .services()
            .reals()
            .filter(|real| real.key == key)
            .map(|real| real.id)
            .last()
            .unwrap_or_default()
    }

    /// Every connection of a worker.
    #[must_use]
    pub fn connections(&self, worker: usize) -> Vec<ConnectionView> {
        let mut all = Vec::new();
        let mut cursor = Some(0);
        while let Some(at) = cursor {
            cursor = self.workers[worker]
                .engine
                .scan(at, 64, self.now, |view| all.push(view));
        }
        all
    }

    /// A worker's engine.
    #[cfg(test)]
    pub(crate) fn engine_mut(&mut self, worker: usize) -> &mut Engine<TestBuf, HeapMemory> {
        &mut self.workers[worker].engine
    }

    /// Connections over all workers.
    #[must_use]
    pub fn flow_count(&self) -> usize {
        self.workers.iter().map(|w| w.engine.flow_count()).sum()
    }

    /// Packets that wait for a neighbour or for the rest of their datagram, over all workers.
    #[must_use]
    pub fn held_count(&self) -> usize {
        self.workers.iter().map(|w| w.engine.waiting_count()).sum()
    }

    /// Neighbours that the workers ask Linux for.
    pub fn requests(&mut self) -> Vec<Resolve> {
        self.workers
            .iter_mut()
            .flat_map(|worker| worker.engine.take_requests())
            .collect()
    }

    /// Leaves every worker's pool with `count` packets.
    pub fn set_pool(&mut self, count: usize) {
        for worker in &mut self.workers {
            worker.pool = TestPool::new(count);
        }
    }

    /// Leaves no worker room for another connection whose stream is changed.
    pub fn fill_streams(&mut self) {
        for worker in &mut self.workers {
            while worker.engine.sequences.insert(About::default()).is_some() {}
        }
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Lets time pass, in one go, and gives what came out by itself.
    pub fn advance(&mut self, span: Duration) -> Vec<Outcome> {
        self.now = self.now + span;
        self.tick()
    }

    /// Lets every worker do its housekeeping.
    pub fn tick(&mut self) -> Vec<Outcome> {
        let mut all = Vec::new();
        for index in 0..self.workers.len() {
            all.extend(self.tick_one(index));
            self.check(index);
        }
        all
    }

    fn tick_one(&mut self, index: usize) -> Vec<Outcome> {
        let worker = &mut self.workers[index];
        let mut cx = Context {
            snapshot: &self.snapshot,
            now: self.now,
            pool: &mut worker.pool,
            out: &mut worker.out,
        };
        worker.engine.tick(TICK_BUDGET, &mut cx);
        worker.collect()
    }

    /// Sends a frame into a port; the first worker receives it. Gives everything that came out.
    pub fn send(&mut self, port: u16, frame: &[u8]) -> Vec<Outcome> {
        self.send_packet(0, port, TestBuf::new(frame))
    }

    /// As [`Self::send`], worded as lines.
    pub fn say(&mut self, port: u16, frame: &[u8]) -> Vec<String> {
        lines(&self.send(port, frame))
    }

    /// Sends a packet into a port of a worker; redirects are not followed.
    pub fn send_packet(&mut self, worker: usize, port: u16, packet: TestBuf) -> Vec<Outcome> {
        let counters = &self.workers[worker].board.worker;
        counters.rx.add(1);
        counters.rx_bytes.add(packet.total_len() as u64);
        self.steer(worker, port, packet, Note::None)
    }

    /// Sends a frame into a port of a worker and follows redirects until all is decided. Gives the
    /// last worker that had it, and everything that came out.
    ///
    /// A packet is passed on once, and twice more if it opens what its home worker decides about; a
    /// fragment once more than that: to the worker that collects its datagram.
    pub fn deliver(&mut self, worker: usize, port: u16, frame: &[u8]) -> (usize, Vec<Outcome>) {
        let whole = parse(frame, frame.len()).is_ok_and(|p| p.fragment == Fragment::None);
        let hops_max = if whole { 3 } else { 4 };
        let mut last = worker;
        let mut decided = Vec::new();
        let mut moving = self.send_packet(worker, port, TestBuf::new(frame));
        for hop in 0..=hops_max {
            let from = last;
            for outcome in core::mem::take(&mut moving) {
                let Verdict::Redirect {
                    worker: owner,
                    note,
                } = outcome.verdict
                else {
                    decided.push(outcome);
                    continue;
                };
                assert!(hop < hops_max, "passed on too often");
                let owner = usize::from(owner.0);
                assert_ne!(owner, from, "a worker passes nothing to itself");
                moving.extend(self.hand_over_with(owner, port, &outcome.frame, note));
                last = owner;
            }
        }
        (last, decided)
    }

    /// Gives a worker a frame that another one took for its.
    pub fn hand_over(&mut self, worker: usize, port: u16, frame: &[u8]) -> Vec<Outcome> {
        self.hand_over_with(worker, port, frame, Note::Yours)
    }

    pub(crate) fn hand_over_with(
        &mut self,
        worker: usize,
        port: u16,
        frame: &[u8],
        note: Note,
    ) -> Vec<Outcome> {
        self.workers[worker].board.worker.redirected_in.add(1);
        self.steer(worker, port, TestBuf::new(frame), note)
    }

    fn steer(&mut self, index: usize, port: u16, packet: TestBuf, note: Note) -> Vec<Outcome> {
        let worker = &mut self.workers[index];
        let before = worker.fates();
        let mut cx = Context {
            snapshot: &self.snapshot,
            now: self.now,
            pool: &mut worker.pool,
            out: &mut worker.out,
        };
        let arrival = Arrival {
            port: PortId(port),
            note,
        };
        worker.engine.steer(packet, arrival, &mut cx);
        let after = worker.fates();
        assert_eq!(
            1 + after.generated - before.generated + before.held,
            after.out + after.absorbed - before.absorbed + after.held,
            "each packet, and each packet made, has one fate"
        );
        let mut outcomes = worker.collect();
        outcomes.extend(self.tick_one(index));
        self.check(index);
        outcomes
    }

    /// Ends a worker; gives what it still had.
    pub fn shut_down(&mut self, index: usize) -> Vec<Outcome> {
        let worker = &mut self.workers[index];
        worker.engine.shut_down(&mut worker.out);
        let outcomes = worker.collect();
        self.check(index);
        outcomes
    }

    /// The identities of DESIGN decision 17, for one worker.
    fn check(&self, index: usize) {
        let worker = &self.workers[index];
        let (came, went) = worker.board.identity();
        assert_eq!(came, went, "packets of worker {index}: came and went");
        let flows = worker.engine.flow_count();
        assert_eq!(worker.board.worker.flows.get(), flows as u64, "the gauge");
        let counted: usize = (0u32..)
            .map_while(|slot| worker.board.real(RealId(slot)))
            .map(|counters| counters.load())
            // Not `flows()`: a count below zero must not hide behind the other.
            .map(|load| load.active as usize + load.inactive as usize)
            .sum();
        let gauges = (0..).map_while(|slot| worker.board.local(LocalId(slot)));
        let leased: u64 = gauges.map(Counter::get).sum();
        let leases = worker.engine.local_ports.leases();
        assert_eq!(leased, leases as u64, "local ports of worker {index}");
        assert_eq!(flows, counted, "connections of worker {index}");
        let templates: u32 = (0u32..)
            .map_while(|slot| worker.board.real(RealId(slot)))
            .map(|counters| counters.templates())
            .sum();
        let gauge = worker.board.worker.templates.get();
        assert_eq!(gauge, u64::from(templates), "templates of worker {index}");
    }
}

/// What [`Bench::steer`] compares before and after a packet.
struct Fates {
    out: u64,
    held: u64,
    generated: u64,
    absorbed: u64,
}

impl Worker {
    fn fates(&self) -> Fates {
        Fates {
            out: self.out.len() as u64,
            held: self.engine.waiting_count() as u64,
            generated: self.board.worker.generated.get(),
            absorbed: self.board.worker.absorbed.get(),
        }
    }

    /// Does with the output what a worker does, and counts it.
    fn collect(&mut self) -> Vec<Outcome> {
        let counters = &self.board.worker;
        let mut outcomes = Vec::new();
        for (packet, verdict) in self.out.drain() {
            match verdict {
                Verdict::Send { .. } => {
                    counters.tx.add(1);
                    counters.tx_bytes.add(packet.total_len() as u64);
                }
                Verdict::Punt { .. } => counters.punted.add(1),
                Verdict::Redirect { .. } => counters.redirected_out.add(1),
                Verdict::Drop(_) => {}
            }
            outcomes.push(Outcome {
                frame: packet.frame(),
                verdict,
            });
        }
        outcomes
    }
}

fn new_workers(count: usize, flows: usize, hasher: &Hasher, now: Instant) -> Vec<Worker> {
    let boards: Vec<Arc<Board>> = (0..count)
        .map(|_| Arc::new(Board::for_workers(BENCH_REALS_MAX, count)))
        .collect();
    (0u16..)
        .zip(&boards)
        .map(|(index, board)| Worker {
            engine: Engine::new(
                EngineConfig {
                    worker: WorkerId(index),
                    boards: boards.clone(),
                    flow_key: HashKey::from_seed(u64::from(index) + 7),
                    hasher: hasher.clone(),
                    seed: 1000,
                },
                HeapMemory::new(flows),
                now,
            ),
            board: Arc::clone(board),
            pool: TestPool::default(),
            out: Output::with_capacity(64),
        })
        .collect()
}

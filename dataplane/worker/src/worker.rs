// SPDX-License-Identifier: Apache-2.0
//! The poll loop: the first of the two tour functions is [`Worker::poll_once`].
//!
//! No lock, no system call, no allocation, no log line. The clock is read once per round, the
//! snapshot pointer once per round.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use dpdk::thread::{Registration, ThreadError};
use dpdk::{BURST_MAX, Consumer, Eal, Mbuf, MbufBatch, Mempool, Producer, RxQueue, clock, thread};
use engine::counters::Board;
use engine::forward::link;
use engine::path::Arrival;
use engine::verdict::{DropReason, Note, Output, PuntClass, Verdict};
use engine::{Context, Engine, EngineConfig};
use model::ids::{IfaceId, PortId, WorkerId};
use model::snapshot::Snapshot;
use model::time::Instant;

use crate::job::{Event, Events, Jobs, PLACES_PER_BURST, Running};
use crate::memory::HugeFlowMemory;
use crate::packet::{Packet, Pool};
use crate::policer::Policer;
use crate::ring_mesh::{Inbox, Outbox, Outlets};
use crate::snapshot::Reader;
use crate::transmit::{Exit, Sent, TransmitPort};

/// Idle connections looked at per round: enough for a million expiries a second at 50 000 rounds.
const EXPIRIES_PER_ROUND: u32 = 64;
/// Empty rounds before an adaptive worker sleeps (measured: fewer costs latency, more costs CPU).
const IDLE_ROUNDS: u32 = 100;
/// How long it sleeps then, nanoseconds. With a timer slack of 1 ns this costs about 50 µs of
/// round-trip time on an idle box and four fifths less CPU than spinning.
const IDLE_SLEEP_NS: u64 = 50_000;

/// What a worker does when there is nothing to do (DESIGN decision 12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// Looks again at once.
    Poll,
    /// Sleeps after a run of empty rounds.
    Adaptive,
}

/// A receive queue and the port it is of.
#[derive(Debug)]
pub struct ReceivePort {
    /// The port.
    pub id: PortId,
    /// The queue.
    pub queue: RxQueue,
}

/// All that a worker is made of; moved to its thread.
#[derive(Debug)]
pub struct WorkerSetup {
    /// What its engine is told.
    pub engine: EngineConfig,
    /// The flow table's memory.
    pub memory: HugeFlowMemory,
    /// The CPU it is pinned to.
    pub cpu: usize,
    /// What it does when idle.
    pub idle: Idle,
    /// Its receive queues.
    pub receive: Vec<ReceivePort>,
    /// Every port, as it sends to it.
    pub transmit: Vec<(PortId, Exit)>,
    /// Packets for their owners, and from those who received ours.
    pub redirect: (Outlets, Inbox),
    /// Packets for the workers that have the queue, and for queues of ours.
    pub handoff: (Outlets, Inbox),
    /// Packets for Linux.
    pub punt: Producer,
    /// Packets from Linux.
    pub inject: Consumer,
    /// Where new packets come from.
    pub pool: Mempool,
    /// The configuration.
    pub snapshots: Reader<Snapshot>,
    /// What control wants.
    pub jobs: Jobs,
    /// What control is told.
    pub events: Events,
    /// Raised when it is to end.
    pub stop: Arc<AtomicBool>,
}

/// A worker, on its thread.
#[derive(Debug)]
pub struct Worker {
    engine: Engine<Packet, HugeFlowMemory>,
    board: Arc<Board>,
    receive: Vec<ReceivePort>,
    transmit: Vec<TransmitPort>,
    redirect_out: Outbox,
    redirect_in: Inbox,
    handoff_out: Outbox,
    handoff_in: Inbox,
    punt: Producer,
    punt_batch: MbufBatch,
    inject: Consumer,
    policer: Policer,
    pool: Pool,
    snapshots: Reader<Snapshot>,
    jobs: Jobs,
    events: Events,
    running: Option<Running>,
    out: Output<Packet>,
    burst: MbufBatch,
    sent: Sent,
}

/// Why a worker did not start.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Its thread could not be made.
    #[error("cannot start the thread of worker {worker}")]
    Spawn {
        /// Which worker.
        worker: WorkerId,
        /// Why.
        source: std::io::Error,
    },
    /// It cannot run where it should.
    #[error("worker {worker} cannot run on CPU {cpu}")]
    Thread {
        /// Which worker.
        worker: WorkerId,
        /// The CPU.
        cpu: usize,
        /// Why.
        source: ThreadError,
    },
}

/// Starts a worker on a thread of its own, pinned to its CPU; returns when it polls.
///
/// # Errors
/// [`WorkerError`].
pub fn spawn(eal: Eal, setup: WorkerSetup) -> Result<JoinHandle<()>, WorkerError> {
    let (worker, cpu) = (setup.engine.worker, setup.cpu);
    let (report, ready) = mpsc::sync_channel(1);
    let body = move || {
        let registration = match settle(eal, setup.cpu) {
            Ok(registration) => registration,
            Err(error) => {
                let _unheard = report.send(Err(error));
                return;
            }
        };
        let (idle, stop) = (setup.idle, Arc::clone(&setup.stop));
        let mut worker = Worker::new(setup, Instant::from_nanos(clock::now()));
        let _unheard = report.send(Ok(()));
        worker.run(idle, &stop);
        drop(worker);
        drop(registration);
    };
    let thread = std::thread::Builder::new().name(format!("worker-{worker}"));
    let handle = thread
        .spawn(body)
        .map_err(|source| WorkerError::Spawn { worker, source })?;
    match ready.recv() {
        Ok(Err(source)) => Err(WorkerError::Thread {
            worker,
            cpu,
            source,
        }),
        // A closed channel is a panic, which the join tells.
        Ok(Ok(())) | Err(_) => Ok(handle),
    }
}

/// Makes the calling thread a worker's.
fn settle(eal: Eal, cpu: usize) -> Result<Registration, ThreadError> {
    thread::pin(cpu)?;
    thread::set_timer_slack(1)?;
    thread::register(eal)
}

impl Worker {
    /// Builds the engine in its memory.
    #[must_use]
    pub fn new(setup: WorkerSetup, now: Instant) -> Self {
        let WorkerSetup {
            engine,
            memory,
            receive,
            transmit,
            ..
        } = setup;
        let (redirect_out, redirect_in) = setup.redirect;
        let (handoff_out, handoff_in) = setup.handoff;
        let id: WorkerId = engine.worker;
        let board = engine
            .boards
            .get(id.index())
            .cloned()
            .unwrap_or_else(|| Arc::new(Board::new(0)));
        Self {
            engine: Engine::new(engine, memory, now),
            board,
            receive,
            transmit: transmit
                .into_iter()
                .map(|(id, exit)| TransmitPort::new(id, exit, now))
                .collect(),
            redirect_out: Outbox::new(redirect_out),
            redirect_in,
            handoff_out: Outbox::new(handoff_out),
            handoff_in,
            punt: setup.punt,
            punt_batch: MbufBatch::new(),
            inject: setup.inject,
            policer: Policer::new(),
            pool: Pool(setup.pool),
            snapshots: setup.snapshots,
            jobs: setup.jobs,
            events: setup.events,
            running: None,
            out: Output::with_capacity(BURST_MAX * 8),
            burst: MbufBatch::new(),
            sent: Sent::default(),
        }
    }

    /// One round: takes what has come, decides, sends. Returns how many packets came.
    pub fn poll_once(&mut self, now: Instant) -> usize {
        let snapshot = self.snapshots.read();
        let mut cx = Context {
            snapshot: &snapshot,
            now,
            pool: &mut self.pool,
            out: &mut self.out,
        };
        let came = receive(
            &mut self.receive,
            &mut self.burst,
            &self.board,
            |packet, arrival| {
                self.engine.steer(packet, arrival, &mut cx);
            },
        ) + receive_redirected(
            &mut self.redirect_in,
            &mut self.burst,
            &self.board,
            |packet, arrival| self.engine.steer(packet, arrival, &mut cx),
        );
        self.engine.tick(EXPIRIES_PER_ROUND, &mut cx);
        let mut departure = Departure {
            board: &self.board,
            transmit: &mut self.transmit,
            redirect: &mut self.redirect_out,
            handoff: &mut self.handoff_out,
            punt: &mut self.punt,
            punt_batch: &mut self.punt_batch,
            policer: &mut self.policer,
            sent: &mut self.sent,
            snapshot: &snapshot,
            now,
        };
        let handed = departure.take_handoffs(&mut self.handoff_in, &mut self.burst)
            + departure.take_injected(&mut self.inject, &mut self.burst);
        for (packet, verdict) in self.out.drain() {
            departure.depart(packet.0, verdict);
        }
        departure.flush();
        drop(snapshot);
        if self.engine.is_in_step() {
            self.snapshots.passed();
        }
        self.report();
        self.work_on_job(now);
        came + handed
    }

    /// Polls until it is told to stop.
    fn run(&mut self, idle: Idle, stop: &AtomicBool) {
        let mut idle_rounds = 0u32;
        while !stop.load(Ordering::Relaxed) {
            let came = self.poll_once(Instant::from_nanos(clock::now()));
            let counters = &self.board.worker;
            counters.polls.add(1);
            if came > 0 || self.running.is_some() {
                idle_rounds = 0;
                continue;
            }
            counters.polls_idle.add(1);
            idle_rounds = idle_rounds.saturating_add(1);
            if idle == Idle::Adaptive && idle_rounds >= IDLE_ROUNDS {
                counters.sleeps.add(1);
                thread::sleep_ns(IDLE_SLEEP_NS);
            } else {
                std::hint::spin_loop();
            }
        }
        self.wind_down();
    }

    /// Brings the gauges up to date and passes on what the engine asks for.
    fn report(&mut self) {
        let counters = &self.board.worker;
        counters.tx.add(self.sent.packets);
        counters.tx_bytes.add(self.sent.bytes);
        self.sent = Sent::default();
        let backlog: usize = self.transmit.iter().map(|port| port.batch.len()).sum();
        counters
            .held
            .set((self.engine.waiting_count() + backlog) as u64);
        for request in self.engine.take_requests() {
            // A full mailbox loses nothing: the engine asks again while packets wait.
            drop(self.events.push(Event::Resolve(request)));
        }
    }

    /// A slice of what control wants.
    fn work_on_job(&mut self, now: Instant) {
        if self.running.is_none() {
            self.running = self.jobs.pop().map(Running::from);
        }
        match self.running.take() {
            None => {}
            Some(Running::List { cursor, mut buffer }) => {
                let room = buffer.capacity().saturating_sub(buffer.len());
                let places = u32::try_from(room)
                    .unwrap_or(u32::MAX)
                    .min(PLACES_PER_BURST);
                let next = self
                    .engine
                    .scan(cursor, places, now, |view| buffer.push(view));
                match next {
                    Some(cursor) if places > 0 && buffer.len() < buffer.capacity() => {
                        self.running = Some(Running::List { cursor, buffer });
                    }
                    next => {
                        let worker = self.engine.worker();
                        // Control waits with a deadline, so a full mailbox costs it a retry.
                        drop(self.events.push(Event::Listed {
                            worker,
                            next,
                            buffer,
                        }));
                    }
                }
            }
            Some(Running::Cut { cursor, real }) => {
                self.running = self
                    .engine
                    .cut(real, cursor, PLACES_PER_BURST)
                    .map(|cursor| Running::Cut { cursor, real });
            }
        }
    }

    /// Empties every line, so that all packets are accounted for.
    fn wind_down(&mut self) {
        self.engine.shut_down(&mut self.out);
        for (packet, _) in self.out.drain() {
            drop(packet);
        }
        for port in &mut self.transmit {
            port.flush(&mut self.sent);
            while let Some(packet) = port.batch.pop() {
                self.board.count_drop(DropReason::Shutdown);
                drop(packet);
            }
        }
        self.report();
    }
}

/// Receives from every queue once.
fn receive(
    ports: &mut [ReceivePort],
    burst: &mut MbufBatch,
    board: &Board,
    mut steer: impl FnMut(Packet, Arrival),
) -> usize {
    let mut came = 0;
    for port in ports {
        let count = port.queue.burst(burst);
        if count == 0 {
            continue;
        }
        came += count;
        board.worker.rx.add(count as u64);
        board
            .worker
            .rx_bytes
            .add(burst.iter().map(|packet| packet.pkt_len() as u64).sum());
        let arrival = Arrival {
            port: port.id,
            note: Note::None,
        };
        for mut packet in burst.drain() {
            // The configuration's number, which a redirect carries along, in place of DPDK's.
            packet.set_port(port.id.0);
            steer(Packet(packet), arrival);
        }
    }
    came
}

/// Takes what other workers received for us.
fn receive_redirected(
    inbox: &mut Inbox,
    burst: &mut MbufBatch,
    board: &Board,
    mut steer: impl FnMut(Packet, Arrival),
) -> usize {
    let mut came = 0;
    inbox.receive(burst, |batch| {
        came += batch.len();
        board.worker.redirected_in.add(batch.len() as u64);
        for packet in batch.drain() {
            let arrival = Arrival {
                port: PortId(packet.port()),
                note: Note::from_bits(packet.tag()),
            };
            steer(Packet(packet), arrival);
        }
    });
    came
}

/// The way out of a round, and the accounting of it.
struct Departure<'a> {
    board: &'a Board,
    transmit: &'a mut [TransmitPort],
    redirect: &'a mut Outbox,
    handoff: &'a mut Outbox,
    punt: &'a mut Producer,
    punt_batch: &'a mut MbufBatch,
    policer: &'a mut Policer,
    sent: &'a mut Sent,
    snapshot: &'a Snapshot,
    now: Instant,
}

impl Departure<'_> {
    fn depart(&mut self, packet: Mbuf, verdict: Verdict) {
        match verdict {
            Verdict::Send { port } => self.send(packet, port),
            Verdict::Punt { iface, class } => self.hand_to_linux(packet, iface, class),
            Verdict::Redirect { worker, note } => {
                let mut packet = packet;
                packet.set_tag(note.to_bits());
                if let Err(packet) = self.redirect.push(worker, packet) {
                    self.refuse(packet, DropReason::RedirectRingFull);
                }
            }
            // Counted where it was decided.
            Verdict::Drop(_) => drop(packet),
        }
    }

    fn send(&mut self, mut packet: Mbuf, id: PortId) {
        let Some(port) = self.transmit.get_mut(id.index()) else {
            return self.refuse(packet, DropReason::TxNoPort);
        };
        match port.exit {
            Exit::Queue(_) => {
                if let Err(packet) = port.push(packet, self.sent) {
                    self.refuse(packet, DropReason::TxRingFull);
                }
            }
            Exit::Worker(worker) => {
                packet.set_port(id.0);
                if let Err(packet) = self.handoff.push(worker, packet) {
                    self.refuse(packet, DropReason::RedirectRingFull);
                }
            }
        }
    }

    fn hand_to_linux(&mut self, mut packet: Mbuf, iface: IfaceId, class: PuntClass) {
        if !self
            .policer
            .admits(class, &self.snapshot.tunables.punt_pps, self.now)
        {
            return self.refuse(packet, class.policed());
        }
        // The twin finds its interface there.
        packet.set_port(iface.0);
        if self.punt_batch.is_full() {
            self.flush_punt();
        }
        if let Err(packet) = self.punt_batch.push(packet) {
            self.refuse(packet, DropReason::PuntRingFull);
        }
    }

    fn flush_punt(&mut self) {
        if self.punt_batch.is_empty() {
            return;
        }
        self.board
            .worker
            .punted
            .add(self.punt.enqueue(self.punt_batch) as u64);
        while let Some(packet) = self.punt_batch.pop() {
            self.refuse(packet, DropReason::PuntRingFull);
        }
    }

    /// Sends what other workers have for queues of ours.
    fn take_handoffs(&mut self, inbox: &mut Inbox, burst: &mut MbufBatch) -> usize {
        let mut came = 0;
        inbox.receive(burst, |batch| {
            came += batch.len();
            self.board.worker.redirected_in.add(batch.len() as u64);
            for packet in batch.drain() {
                let port = PortId(packet.port());
                self.send(packet, port);
            }
        });
        came
    }

    /// Sends what Linux has to send, tagged if its interface is a VLAN.
    fn take_injected(&mut self, inject: &mut Consumer, burst: &mut MbufBatch) -> usize {
        if inject.is_empty() {
            return 0;
        }
        let came = inject.dequeue(burst);
        self.board.worker.injected.add(came as u64);
        for packet in burst.drain() {
            let iface = self.snapshot.interfaces.get(IfaceId(packet.port()));
            let mut packet = Packet(packet);
            match iface.map(|iface| (iface.port, link::tag(&mut packet, iface.vlan))) {
                Some((port, Ok(()))) => self.send(packet.0, port),
                Some((_, Err(_))) | None => self.refuse(packet.0, DropReason::TxNoPort),
            }
        }
        came
    }

    /// Lets everything collected in this round go.
    fn flush(&mut self) {
        let board = self.board;
        let refused = |packet: Mbuf| {
            board.count_drop(DropReason::RedirectRingFull);
            drop(packet);
        };
        let moved = self.redirect.flush(refused) + self.handoff.flush(refused);
        board.worker.redirected_out.add(moved as u64);
        self.flush_punt();
        for port in &mut *self.transmit {
            port.flush(self.sent);
            port.keep_up(self.now);
        }
    }

    fn refuse(&self, packet: Mbuf, reason: DropReason) {
        self.board.count_drop(reason);
        drop(packet);
    }
}

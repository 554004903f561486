// SPDX-License-Identifier: Apache-2.0
//! The engine's state and its life: construction, timers, jobs that visit flows.

use alloc::sync::Arc;
use alloc::vec::Vec;

use model::addr::Addr;
use model::fib::Hasher;
use model::ids::{RealId, ServiceId, WorkerId};
use model::snapshot::{ServiceSet, Snapshot};
use model::time::Instant;
use wire::buffer::{PacketBuf, PacketPool};

use crate::counters::Board;
use crate::defence::Defences;
use crate::flow_table::{FlowFlags, FlowId, FlowMemory, FlowTable, HashKey};
use crate::fragments::Fragments;
use crate::rate::PerSecond;
use crate::sched::{Random, Schedulers};
use crate::sequence::Sequences;
use crate::state::State;
use crate::stream::About;
use crate::timer_wheel::TimerWheel;
use crate::tunnel::Tunnels;
use crate::verdict::{DropReason, Output, Verdict};
use crate::waiting::{Resolve, Waiting};

/// What an engine is told once.
#[derive(Debug)]
pub struct EngineConfig {
    /// Which worker it is.
    pub worker: WorkerId,
    /// The boards of all workers, its own at its place.
    pub boards: Vec<Arc<Board>>,
    /// Key of the flow table's hash, random at boot.
    pub flow_key: HashKey,
    /// Seeded hashing for the small tables.
    pub hasher: Hasher,
    /// A random number: start of the IP identifications it makes up.
    pub seed: u64,
}

/// What stays the same during one burst.
#[derive(Debug)]
pub struct Context<'a, P: PacketPool> {
    /// The configuration.
    pub snapshot: &'a Snapshot,
    /// The time.
    pub now: Instant,
    /// Where new packets come from.
    pub pool: &'a mut P,
    /// Where packets go with their verdicts.
    pub out: &'a mut Output<P::Buf>,
}

impl<P: PacketPool> Context<'_, P> {
    /// The time in the flow table's wrapping milliseconds.
    #[must_use]
    #[inline]
    pub fn now_ms(&self) -> u32 {
        wrapping_ms(self.now)
    }
}

/// Milliseconds modulo 2^32, as flows are stamped.
#[must_use]
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "wraps by design, compared modulo 2^32"
)]
pub(crate) fn wrapping_ms(now: Instant) -> u32 {
    now.as_millis() as u32
}

/// One worker's engine.
#[derive(Debug)]
pub struct Engine<B, M: FlowMemory> {
    pub(crate) worker: WorkerId,
    pub(crate) board: Arc<Board>,
    pub(crate) flows: FlowTable<M>,
    pub(crate) wheel: TimerWheel,
    pub(crate) sched: Schedulers,
    pub(crate) waiting: Waiting<B>,
    pub(crate) fragments: Fragments<B>,
    pub(crate) sequences: Sequences<About>,
    pub(crate) changes_streams: bool,
    pub(crate) ident: u16,
    pub(crate) tunnels: Tunnels,
    pub(crate) defences: Defences,
    /// ICMP errors.
    pub(crate) errors: PerSecond,
    /// Replies to echo requests.
    pub(crate) echoes: PerSecond,
    fib_generation: u32,
    /// The snapshot that the schedulers' states are of.
    generation: u64,
}

/// A connection, as `show connections` words it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionView {
    /// IP protocol number.
    pub protocol: u8,
    /// CIP.
    pub client_ip: Addr,
    /// cport.
    pub cport: u16,
    /// VIP.
    pub virtual_ip: Addr,
    /// vport.
    pub vport: u16,
    /// The service's slot.
    pub service: ServiceId,
    /// The server's slot.
    pub real: RealId,
    /// Its state.
    pub state: State,
    /// Milliseconds until it is forgotten if nothing more comes.
    pub expires_ms: u32,
    /// Packets from the client.
    pub packets: u32,
}

impl<B: PacketBuf, M: FlowMemory> Engine<B, M> {
    /// An engine with an empty table in `memory`. A worker whose board is missing gets one that
    /// nobody reads.
    #[must_use]
    pub fn new(config: EngineConfig, memory: M, now: Instant) -> Self {
        let EngineConfig {
            worker,
            boards,
            flow_key,
            hasher,
            seed,
        } = config;
        let board = boards
            .get(worker.index())
            .cloned()
            .unwrap_or_else(|| Arc::new(Board::new(0)));
        #[expect(clippy::cast_possible_truncation, reason = "any 16 bits will do")]
        let ident = seed as u16;
        let flows = FlowTable::new(memory, flow_key);
        let flows_max = u32::try_from(flows.capacity()).unwrap_or(u32::MAX);
        let sched = Schedulers::new(&boards, Arc::clone(&board), worker, seed);
        Self {
            worker,
            tunnels: Tunnels::new(seed, worker, boards.len()),
            defences: Defences::new(boards.len()),
            board,
            flows,
            wheel: TimerWheel::new(wrapping_ms(now)),
            sched,
            waiting: Waiting::new(hasher.clone()),
            fragments: Fragments::new(hasher),
            sequences: Sequences::new(flows_max),
            changes_streams: false,
            ident,
            errors: PerSecond::default(),
            echoes: PerSecond::default(),
            fib_generation: 0,
            generation: 0,
        }
    }

    /// Work that no packet asks for, once per burst: forgets at most `budget` idle connections,
    /// looks after packets that wait for a neighbour, and takes over what a new snapshot changed.
    ///
    /// A worker has read a snapshot (`Ledger::acknowledged`) when it [is in
    /// step](Self::is_in_step) with it, not before: changes of a service's list are carried until
    /// then.
    pub fn tick<P: PacketPool<Buf = B>>(&mut self, budget: u32, cx: &mut Context<'_, P>) {
        let mut timers = budget;
        while let Some(id) = self
            .wheel
            .next_expired(&mut self.flows, cx.now_ms(), &mut timers)
        {
            self.forget(id, Some(&cx.snapshot.services));
        }
        if self.generation != cx.snapshot.generation {
            self.generation = cx.snapshot.generation;
            self.sched.sync(cx.snapshot);
            self.sync_defences(cx);
            self.sync_streams(cx);
        }
        self.defend(budget, cx);
        self.maintain_streams();
        self.sched.tick(&cx.snapshot.services, cx.now);
        if self.fib_generation != cx.snapshot.fib.generation {
            self.fib_generation = cx.snapshot.fib.generation;
            self.release_resolved(cx);
        }
        for held in self.waiting.expired(cx.now) {
            self.neighbour_failed(held, cx);
        }
        self.expire_fragments(cx);
        self.board.worker.held.set(self.waiting_count() as u64);
    }

    /// Whether all that the snapshot of the last tick changed has been taken over; after one that
    /// changes much, that takes some ticks.
    #[must_use]
    pub const fn is_in_step(&self) -> bool {
        self.sched.is_in_step()
    }

    /// Which worker's it is.
    #[must_use]
    pub const fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Packets that wait here: for a neighbour's MAC, or for the rest of their datagram.
    #[must_use]
    pub const fn waiting_count(&self) -> usize {
        self.waiting.len() + self.fragments.len()
    }

    /// Neighbours that Linux has to be asked for.
    pub fn take_requests(&mut self) -> alloc::vec::Drain<'_, Resolve> {
        self.waiting.take_requests()
    }

    /// Drops what waits, at the end of the worker's life.
    pub fn shut_down(&mut self, out: &mut Output<B>) {
        for held in self.waiting.drain() {
            self.board.count_drop(DropReason::Shutdown);
            out.push(held.packet, Verdict::Drop(DropReason::Shutdown));
        }
        while let Some(fragment) = self.fragments.pop_oldest() {
            self.board.count_drop(DropReason::Shutdown);
            out.push(fragment, Verdict::Drop(DropReason::Shutdown));
        }
        self.board.worker.held.set(0);
    }

    /// Connections in the table.
    #[must_use]
    pub const fn flow_count(&self) -> usize {
        self.flows.len()
    }

    /// Shows connections to `visit`, from `cursor` on, looking at no more than `max` places;
    /// returns where to go on, or `None` at the end of the table.
    pub fn scan(
        &self,
        cursor: u32,
        max: u32,
        now: Instant,
        mut visit: impl FnMut(ConnectionView),
    ) -> Option<u32> {
        let now_ms = wrapping_ms(now);
        let (ids, next) = self.flows.scan(cursor, max);
        for id in ids {
            let Some(hot) = self.flows.hot(id) else {
                continue;
            };
            visit(ConnectionView {
                protocol: hot.protocol(),
                client_ip: hot.client_ip(),
                cport: hot.cport(),
                virtual_ip: hot.virtual_ip(),
                vport: hot.vport(),
                service: hot.service(),
                real: hot.real(),
                state: State::of(hot.protocol(), hot.state),
                expires_ms: hot
                    .timeout_ms
                    .saturating_sub(now_ms.wrapping_sub(hot.last_seen_ms)),
                packets: hot.packets,
            });
        }
        next
    }

    /// Lets schedulers that draw lots draw from there from now on.
    pub fn set_random(&mut self, random: Random) {
        self.sched.set_random(random);
    }

    /// Forgets the connections of a server, from `cursor` on, looking at no more than `max` places;
    /// returns where to go on, or `None` at the end of the table.
    pub fn cut(&mut self, real: RealId, cursor: u32, max: u32) -> Option<u32> {
        let (_, next) = self.flows.scan(cursor, max);
        for place in cursor..next.unwrap_or_else(|| cursor.saturating_add(max)) {
            let (ids, _) = self.flows.scan(place, 1);
            let doomed = ids
                .into_iter()
                .find(|id| self.flows.hot(*id).is_some_and(|hot| hot.real() == real));
            if let Some(id) = doomed {
                self.forget(id, None);
            }
        }
        next
    }

    /// Takes a connection out of the table and out of the counts. `services` knows what its server
    /// is now; `None` if that is on its way out.
    pub(crate) fn forget(&mut self, id: FlowId, services: Option<&ServiceSet>) {
        if let Some(hot) = self.flows.hot(id) {
            let (real, inactive) = (hot.real(), hot.flags().contains(FlowFlags::INACTIVE));
            if let Some(counters) = self.board.real(real) {
                counters.count(!inactive, false);
            }
            self.unattend(id);
            self.wheel.cancel(&mut self.flows, id);
            self.flows.remove(id);
            self.board.worker.flows_expired.add(1);
            self.board.worker.flows.set(self.flows.len() as u64);
            self.sched
                .unbound(real, services.and_then(|services| services.real(real)));
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The engine's state and its life: construction, timers, jobs that visit flows.

use alloc::sync::Arc;
use alloc::vec::Vec;

use model::addr::Addr;
use model::fib::Hasher;
use model::ids::{RealId, ServiceId, WorkerId};
use model::service::{Protocol, RealKey, VirtualService};
use model::snapshot::{ServiceSet, Snapshot};
use model::time::Instant;
use wire::buffer::{PacketBuf, PacketPool};

use crate::associations::Associations;
use crate::call_ids::CallIds;
use crate::counters::Board;
use crate::defence::Defences;
use crate::flow_table::{FlowFlags, FlowId, FlowMemory, FlowTable, HashKey, HotEntry};
use crate::fragments::Fragments;
use crate::local_ports::LocalPorts;
use crate::persistence::{self, Event};
use crate::rate::PerSecond;
use crate::sched::{Random, Schedulers};
use crate::sequence::Sequences;
use crate::state::State;
use crate::stream::About;
use crate::tcp_state::TcpState;
use crate::timer_wheel::TimerWheel;
use crate::tunnel::Tunnels;
use crate::verdict::{DropReason, Output, Verdict};
use crate::waiting::{Resolve, Waiting};

/// How much later a connection ends whose template cannot be told yet.
const RETRY_MS: u32 = 1000;

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
    /// Those of all workers, for their letters.
    pub(crate) boards: Vec<Arc<Board>>,
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
    pub(crate) associations: Associations,
    pub(crate) local_ports: LocalPorts,
    /// ICMP errors.
    pub(crate) errors: PerSecond,
    /// Replies to echo requests.
    pub(crate) echoes: PerSecond,
    pub(crate) call_ids: CallIds,
    /// Templates in the table.
    pub(crate) templates: u32,
    pub(crate) past: u32,
    /// Connections of the SNAT gateway.
    pub(crate) farm: u32,
    pub(crate) generation_of_templates: u8,
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
    /// If it is a template, whether a connection of the client's has been answered.
    pub template: Option<bool>,
    /// The server's port of a connection that another one announced.
    pub announced: Option<u16>,
}

impl ConnectionView {
    /// The server's port; 0 if a template names none.
    #[must_use]
    pub const fn rport(&self, real: &RealKey) -> u16 {
        if let Some(rport) = self.announced {
            return rport;
        }
        match (self.template, self.vport) {
            (None, vport) => real.port_of(vport),
            (Some(_), 0) => 0,
            (Some(_), u16::MAX) => u16::MAX,
            (Some(_), _) => real.rport,
        }
    }

    /// The state's name, as `ipvsadm -Lnc` prints it (`ip_vs_state_name`).
    #[must_use]
    pub const fn state_name(&self) -> &'static str {
        match self.template {
            None => self.state.name(),
            Some(false) => "NONE",
            Some(true) => "ASSURED",
        }
    }

    /// The protocol's name in lower case; a template of a mark, which has none, is of `ip`.
    #[must_use]
    pub const fn protocol_name(&self) -> Option<&'static str> {
        match (Protocol::from_number(self.protocol), self.template) {
            (Some(protocol), _) => Some(protocol.name()),
            (None, Some(_)) => Some("ip"),
            (None, None) => None,
        }
    }
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
            local_ports: LocalPorts::new(worker, hasher.clone(), seed),
            call_ids: CallIds::new(hasher.clone()),
            templates: 0,
            past: 0,
            farm: 0,
            generation_of_templates: 0,
            boards,
            board,
            flows,
            wheel: TimerWheel::new(wrapping_ms(now)),
            sched,
            waiting: Waiting::new(hasher.clone()),
            fragments: Fragments::new(hasher.clone()),
            sequences: Sequences::new(flows_max),
            changes_streams: false,
            ident,
            associations: Associations::new(hasher),
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
            self.expired(id, cx);
        }
        self.read_post();
        if self.generation != cx.snapshot.generation {
            self.generation = cx.snapshot.generation;
            self.sched.sync(cx.snapshot);
            self.sync_defences(cx);
            self.sync_streams(cx);
            self.make_room_for_call_ids(&cx.snapshot.services);
            self.make_room_for_associations(&cx.snapshot.services);
        }
        self.maintain_local_ports(cx);
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
        let apart = self.templates as usize + self.past as usize + self.farm as usize;
        self.flows.len() - apart
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
            let is_template = hot.flags().contains(FlowFlags::TEMPLATE);
            let call_id = self.flows.cold(id).filter(|_| is_template);
            let caller = call_id.and_then(|cold| self.call_ids.network(cold.local));
            visit(ConnectionView {
                protocol: if is_template {
                    persistence::listed_protocol(hot.protocol())
                } else {
                    hot.protocol()
                },
                template: is_template.then_some(hot.state != 0),
                announced: hot
                    .flags()
                    .contains(FlowFlags::DATA)
                    .then(|| self.rport_of(id)),
                client_ip: caller.unwrap_or_else(|| hot.client_ip()),
                cport: hot.cport(),
                virtual_ip: hot.virtual_ip(),
                vport: hot.vport(),
                service: hot.service(),
                real: hot.real(),
                state: if is_template {
                    State::Tcp(TcpState::None)
                } else {
                    State::of(hot.protocol(), hot.state)
                },
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
            if let Some(id) = doomed
                && !self.forget(id, None)
            {
                return Some(place);
            }
        }
        next
    }

    /// What becomes of an entry whose time is up.
    fn expired<P: PacketPool<Buf = B>>(&mut self, id: FlowId, cx: &Context<'_, P>) {
        let is_template = |hot: &HotEntry| hot.flags().contains(FlowFlags::TEMPLATE);
        if self.flows.hot(id).is_some_and(is_template) {
            return self.template_expired(id, cx.now_ms());
        }
        if !self.forget(id, Some(&cx.snapshot.services))
            && let Some(hot) = self.flows.hot_mut(id)
        {
            // Its template's worker is behind with its letters.
            hot.timeout_ms = hot.timeout_ms.saturating_add(RETRY_MS);
            self.wheel.schedule(&mut self.flows, id, cx.now_ms());
        }
    }

    fn make_room_for_call_ids(&mut self, services: &ServiceSet) {
        let wants = |service: &VirtualService| {
            let persistence = service.spec.persistence;
            persistence.is_some_and(|persistence| persistence.engine.is_some())
        };
        if services.services().any(wants) {
            self.call_ids.make_room(self.flows.capacity());
        }
    }

    /// Takes a connection out of the table and out of the counts; false, and nothing has happened,
    /// if its template cannot be told. `services` knows what its server is now; `None` if that is
    /// on its way out.
    pub(crate) fn forget(&mut self, id: FlowId, services: Option<&ServiceSet>) -> bool {
        self.forget_as(id, services, Event::Ended)
    }

    /// As [`Self::forget`], telling its template how it ended.
    pub(crate) fn forget_as(
        &mut self,
        id: FlowId,
        services: Option<&ServiceSet>,
        event: Event,
    ) -> bool {
        let Some(hot) = self.flows.hot(id) else {
            return true;
        };
        if hot.flags().contains(FlowFlags::TEMPLATE) {
            self.forget_template(id);
            return true;
        }
        if hot.flags().contains(FlowFlags::FARM) {
            self.forget_farm(id);
            return true;
        }
        if hot.flags().contains(FlowFlags::BYPASS) {
            self.forget_past(id);
            return true;
        }
        let (real, inactive) = (hot.real(), hot.flags().contains(FlowFlags::INACTIVE));
        let control = self.control(id);
        if !self.can_tell(control) {
            return false;
        }
        if let Some(counters) = self.board.real(real) {
            counters.count(!inactive, false);
        }
        self.unattend(id);
        if let Some(lease) = self.flows.leased(id) {
            self.release(lease);
        }
        self.wheel.cancel(&mut self.flows, id);
        self.flows.remove(id);
        self.board.worker.flows_expired.add(1);
        self.board.worker.flows.set(self.flow_count() as u64);
        self.sched
            .unbound(real, services.and_then(|services| services.real(real)));
        if let Some(control) = control {
            self.tell(control, event);
        }
        true
    }
}

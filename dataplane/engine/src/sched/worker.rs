// SPDX-License-Identifier: Apache-2.0
//! All schedulers of one worker.

use alloc::sync::Arc;
use alloc::vec::Vec;

use model::ids::{RealId, ServiceId, WorkerId};
use model::service::{RealServer, VirtualService};
use model::snapshot::{ServiceSet, Snapshot};
use model::time::{Duration, Instant};

use super::draw::Random;
use super::loads::Loads;
use super::roster::{Field, Scan};
use super::state::State;
use super::tree::Settled;
use super::{Request, choose};
use crate::counters::Board;

/// How old the other workers' counts get before they are read again between bursts.
const FOLD_AGAIN: Duration = Duration::from_millis(5);
/// How old they may be when a connection asks (DESIGN decision 8): a worker that slept reads them
/// then.
const FOLD_LATEST: Duration = Duration::from_millis(10);
/// Servers whose counts in other workers are read between two bursts.
const FOLDS_A_TICK: usize = 64;
/// Services that are brought up to a new snapshot between two bursts: 2 µs each where lblc's tables
/// come or go.
const SYNCS_A_TICK: usize = 32;
/// Places of trees that are built at a pick or between two bursts.
const PLACES_A_STEP: usize = 512;

/// What the engine asks for a server, and tells of its connections.
#[derive(Debug)]
pub struct Schedulers {
    /// By service slot.
    states: Vec<State>,
    /// By server slot: the service whose tree has it, and its place there.
    places: Vec<(ServiceId, usize)>,
    /// Where the taking over of a new snapshot is; `None` = it is done.
    sync_at: Option<usize>,
    /// Services whose trees are to be built.
    building: Vec<ServiceId>,
    /// Services that remember destinations.
    localities: Vec<ServiceId>,
    /// Where the reading of other workers' counts is; `None` = it waits for its time.
    fold_at: Option<(ServiceId, usize)>,
    fold_began: Instant,
    loads: Loads,
    random: Random,
}

impl Schedulers {
    /// Those of worker `me`, whose board is `own`; `boards` are all workers'.
    #[must_use]
    pub fn new(boards: &[Arc<Board>], own: Arc<Board>, me: WorkerId, seed: u64) -> Self {
        Self {
            states: Vec::new(),
            places: Vec::new(),
            sync_at: None,
            building: Vec::new(),
            localities: Vec::new(),
            fold_at: None,
            fold_began: Instant::default(),
            loads: Loads::new(boards, own, me),
            random: Random::seeded(seed),
        }
    }

    /// Draws from there from now on.
    pub fn set_random(&mut self, random: Random) {
        self.random = random;
    }

    /// The real server for a new connection, or `None` if none may take it.
    pub fn pick(
        &mut self,
        service: &VirtualService,
        set: &ServiceSet,
        request: &Request,
        now: Instant,
    ) -> Option<RealId> {
        self.welcome(service, set, now);
        let state = self.states.get_mut(service.id.index())?;
        state.tree.settle(&self.loads);
        let field = Field {
            set,
            loads: &self.loads,
        };
        let memory = (&mut state.walk, &mut self.random);
        if state.tree.is_ready() {
            choose(service, &field, &Settled(&state.tree), memory, request)
        } else {
            let scan = Scan::new(service, field);
            choose(service, &field, &scan, memory, request)
        }
    }

    /// A server has got a connection.
    pub fn bound(&mut self, real: &RealServer) {
        self.loads.bound(real);
        self.note(real.id, Some(real));
    }

    /// Another worker is told to open a connection of a server.
    pub fn promised(&mut self, real: &RealServer, now: Instant) {
        self.loads.promised(real, now);
        self.note(real.id, Some(real));
    }

    /// A connection of a server has become active or inactive.
    pub fn shifted(&mut self, id: RealId) {
        self.note(id, None);
    }

    /// A connection of a server has ended; `None` if nobody knows what the server is now.
    pub fn unbound(&mut self, id: RealId, real: Option<&RealServer>) {
        match real {
            Some(real) => self.loads.unbound(real),
            None => self.loads.pardon(id),
        }
        self.note(id, real);
    }

    /// Begins to take over what a new snapshot changed; [ticks](Self::tick) go on with it.
    pub fn sync(&mut self, snapshot: &Snapshot) {
        let (_, reals) = snapshot.services.slot_counts();
        self.loads.reserve(reals);
        if self.places.len() < reals {
            self.places.resize(reals, (ServiceId(0), usize::MAX));
        }
        self.sync_at = Some(0);
    }

    /// Whether nothing of the snapshot is left to be taken over.
    #[must_use]
    pub const fn is_in_step(&self) -> bool {
        self.sync_at.is_none()
    }

    /// Replays what happened to some services' lists, also of those that nobody connects to now. A
    /// service that is connected to before its turn comes catches up then.
    fn sync_some(&mut self, set: &ServiceSet, now: Instant) {
        let Some(from) = self.sync_at else {
            return;
        };
        let slots = from..self.states.len().min(from + SYNCS_A_TICK);
        self.sync_at = (slots.end < self.states.len()).then_some(slots.end);
        for slot in slots {
            let id = u32::try_from(slot).map(ServiceId);
            if let Ok(id) = id
                && let Some(service) = set.service(id)
                && let Some(state) = self.states.get_mut(slot)
                && state.is_bound()
            {
                state.sync(service, now);
                if !state.tree.is_of(service) {
                    state.tree.begin(service);
                    self.building.push(id);
                }
            }
        }
    }

    /// Work between bursts: takes over a new snapshot, builds trees, reads other workers' counts,
    /// lets go of old destinations, a little of each.
    pub fn tick(&mut self, set: &ServiceSet, now: Instant) {
        self.sync_some(set, now);
        let mut budget = PLACES_A_STEP;
        while budget > 0
            && let Some(id) = self.building.last()
        {
            budget = self.build(*id, set, budget);
            if budget > 0 {
                self.building.pop();
            }
        }
        if !self.loads.is_alone() {
            self.fold_some(set, now);
        }
        self.localities.retain(|id| {
            let Some(state) = self.states.get_mut(id.index()) else {
                return false;
            };
            match &mut state.walk.locality {
                Some(locality) => locality.maintain(now.as_millis()),
                None => state.is_tended = false,
            }
            state.is_tended
        });
    }

    /// Makes the state of a service ready for a pick.
    fn welcome(&mut self, service: &VirtualService, set: &ServiceSet, now: Instant) {
        let id = service.id;
        if self.states.len() <= id.index() {
            self.states.resize_with(id.index() + 1, State::default);
        }
        let Some(state) = self.states.get_mut(id.index()) else {
            return;
        };
        state.sync(service, now);
        if state.walk.locality.is_some() && !state.is_tended {
            state.is_tended = true;
            self.localities.push(id);
        }
        if !state.tree.is_of(service) {
            state.tree.begin(service);
        }
        let stale = |at| now.saturating_since(at) >= FOLD_LATEST;
        if !self.loads.is_alone() && state.folded_at.is_none_or(stale) {
            state.folded_at = Some(now);
            for id in &service.reals {
                self.fold(*id, set, now);
            }
        }
        let ready = self
            .states
            .get(id.index())
            .is_some_and(|s| s.tree.is_ready());
        if !ready {
            self.build(id, set, PLACES_A_STEP);
        }
    }

    /// Builds on at a service's tree; what is left of the budget.
    fn build(&mut self, id: ServiceId, set: &ServiceSet, budget: usize) -> usize {
        let Some(state) = self.states.get_mut(id.index()) else {
            return budget;
        };
        let field = Field {
            set,
            loads: &self.loads,
        };
        let places = &mut self.places;
        state.tree.advance(budget, &field, |real, place| {
            if places.len() <= real.index() {
                places.resize(real.index() + 1, (ServiceId(0), usize::MAX));
            }
            if let Some(known) = places.get_mut(real.index()) {
                *known = (id, place);
            }
        })
    }

    /// Tells the tree that has a server of its new counts, and, if `real` is given, of its new
    /// standing.
    fn note(&mut self, id: RealId, real: Option<&RealServer>) {
        let Some((service, place)) = self.places.get(id.index()).copied() else {
            return;
        };
        let Some(state) = self.states.get_mut(service.index()) else {
            return;
        };
        if state.tree.seats_at(id, place) {
            state.tree.touch(place, &self.loads);
            if let Some(real) = real {
                state.tree.reconsider(place, real, &self.loads);
            }
        }
    }

    /// Reads the other workers' counts of a server.
    fn fold(&mut self, id: RealId, set: &ServiceSet, now: Instant) {
        if let Some(real) = set.real(id)
            && self.loads.fold(real, now)
        {
            self.note(id, Some(real));
        }
    }

    /// Reads the other workers' counts of some servers, service by service.
    fn fold_some(&mut self, set: &ServiceSet, now: Instant) {
        if self.fold_at.is_none() && now.saturating_since(self.fold_began) >= FOLD_AGAIN {
            self.fold_began = now;
            self.fold_at = Some((ServiceId(0), 0));
        }
        let mut budget = FOLDS_A_TICK;
        while let Some((id, from)) = self.fold_at
            && budget > 0
        {
            let Some(state) = self.states.get_mut(id.index()) else {
                self.fold_at = None;
                return;
            };
            let list = set.service(id).filter(|_| state.is_bound());
            let list = list.map_or(&[][..], |service| &service.reals);
            let slice = list.get(from..).unwrap_or_default();
            let slice = slice.get(..budget).unwrap_or(slice);
            let reached = from + slice.len();
            if reached >= list.len() {
                // As of the beginning of the round, to be on the safe side.
                state.folded_at = Some(self.fold_began);
                self.fold_at = Some((ServiceId(id.0 + 1), 0));
            } else {
                self.fold_at = Some((id, reached));
            }
            budget -= slice.len().max(1);
            for id in slice {
                self.fold(*id, set, now);
            }
        }
    }
}

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
use super::{Request, choose};
use crate::counters::Board;

/// How old the other workers' counts may get before they are read again (DESIGN decision 8: at
/// most 10 ms).
const FOLD_AGAIN: Duration = Duration::from_millis(5);

/// What the engine asks for a server, and tells of its connections.
#[derive(Debug)]
pub(crate) struct Schedulers {
    /// By service slot.
    states: Vec<State>,
    loads: Loads,
    random: Random,
}

impl Schedulers {
    pub(crate) fn new(boards: &[Arc<Board>], own: Arc<Board>, me: WorkerId, seed: u64) -> Self {
        Self {
            states: Vec::new(),
            loads: Loads::new(boards, own, me),
            random: Random::seeded(seed),
        }
    }

    /// Draws from there from now on.
    pub(crate) fn set_random(&mut self, random: Random) {
        self.random = random;
    }

    /// The real server for a new connection, or `None` if none may take it.
    pub(crate) fn pick(
        &mut self,
        service: &VirtualService,
        set: &ServiceSet,
        request: &Request,
        now: Instant,
    ) -> Option<RealId> {
        self.fold_others(service, set, now);
        let state = Self::state(&mut self.states, service.id)?;
        state.sync(service, now);
        let field = Field {
            set,
            loads: &self.loads,
        };
        let scan = Scan::new(service, field);
        let memory = (&mut state.walk, &mut self.random);
        choose(service, &field, &scan, memory, request)
    }

    /// A server has got a connection.
    pub(crate) fn bound(&mut self, real: &RealServer) {
        self.loads.bound(real);
    }

    /// A connection of a server has become active or inactive.
    pub(crate) fn shifted(&mut self, _id: RealId) {}

    /// A connection of a server has ended; `None` if nobody knows what the server is now.
    pub(crate) fn unbound(&mut self, id: RealId, real: Option<&RealServer>) {
        match real {
            Some(real) => self.loads.unbound(real),
            None => self.loads.pardon(id),
        }
    }

    /// Takes over what a new snapshot changed: replays what happened to the services' lists, also
    /// of those that nobody connects to now.
    pub(crate) fn sync(&mut self, snapshot: &Snapshot, now: Instant) {
        let (_, reals) = snapshot.services.slot_counts();
        self.loads.reserve(reals);
        for (slot, state) in (0u32..).zip(&mut self.states) {
            if let Some(service) = snapshot.services.service(ServiceId(slot))
                && state.is_bound()
            {
                state.sync(service, now);
            }
        }
    }

    /// Work between bursts.
    pub(crate) fn tick(&mut self, now: Instant) {
        for state in &mut self.states {
            if let Some(locality) = &mut state.walk.locality {
                locality.maintain(now.as_millis());
            }
        }
    }

    /// Reads the other workers' counts of a service's servers, if what is known is too old.
    fn fold_others(&mut self, service: &VirtualService, set: &ServiceSet, now: Instant) {
        if self.loads.is_alone() {
            return;
        }
        let Some(state) = Self::state(&mut self.states, service.id) else {
            return;
        };
        let fresh = |at| now.saturating_since(at) < FOLD_AGAIN;
        if state.folded_at.is_some_and(fresh) {
            return;
        }
        state.folded_at = Some(now);
        for real in service.reals.iter().filter_map(|id| set.real(*id)) {
            self.loads.fold(real);
        }
    }

    fn state(states: &mut Vec<State>, service: ServiceId) -> Option<&mut State> {
        if states.len() <= service.index() {
            states.resize_with(service.index() + 1, State::default);
        }
        states.get_mut(service.index())
    }
}

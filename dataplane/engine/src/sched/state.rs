// SPDX-License-Identifier: Apache-2.0
//! One worker's running state of one service's scheduler.

use model::ids::RealId;
use model::sched::WrrMark;
use model::service::{SchedulerKind, VirtualService};
use model::time::Instant;

use super::locality::Locality;
use super::roster::Roster;
use super::tree::Tree;

/// What a scheduler remembers from one connection to the next.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The server chosen last; `None` = the head of the list.
    cursor: Option<RealId>,
    /// Its place in the list.
    place: Option<usize>,
    /// wrr's weights.
    pub(super) wrr: WrrMark,
    /// lblc's and lblcr's destinations.
    pub(super) locality: Option<Locality>,
}

impl Walk {
    /// Where the cursor is; `None` = at the head, before the first server.
    pub(super) const fn place(&self) -> Option<usize> {
        self.place
    }

    /// Where the scan goes on.
    pub(super) fn behind_cursor(&self) -> usize {
        self.place.map_or(0, |place| place + 1)
    }

    pub(super) const fn stand_at(&mut self, place: usize, real: Option<RealId>) {
        self.place = Some(place);
        self.cursor = real;
    }

    pub(super) const fn stand_at_head(&mut self) {
        self.place = None;
        self.cursor = None;
    }

    pub(super) fn stand_where(&mut self, place: Option<usize>, roster: &impl Roster) {
        self.place = place;
        self.cursor = place.and_then(|place| roster.real(place));
    }
}

/// The state, and up to which change of the list it is.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The binding the state is of; 0 = none yet.
    bound: u64,
    /// Changes up to this epoch are in it.
    epoch: u64,
    pub(super) walk: Walk,
    /// The list, as the scheduler asks of it.
    pub(super) tree: Tree,
    /// Whether the worker looks after its table of destinations.
    pub(super) is_tended: bool,
    /// When the other workers' counts were read.
    pub(super) folded_at: Option<Instant>,
}

impl State {
    /// Whether it is of any service yet.
    pub(super) const fn is_bound(&self) -> bool {
        self.bound != 0
    }

    /// Brings the state up to the service as published.
    pub(super) fn sync(&mut self, service: &VirtualService, now: Instant) {
        if self.bound != service.bound {
            let has_locality = matches!(
                service.spec.scheduler,
                SchedulerKind::Lblc | SchedulerKind::Lblcr
            );
            *self = Self {
                bound: service.bound,
                epoch: service.start.epoch,
                walk: Walk {
                    wrr: service.start.wrr,
                    locality: has_locality.then(|| Locality::new(now.as_millis())),
                    ..Walk::default()
                },
                tree: core::mem::take(&mut self.tree),
                is_tended: self.is_tended,
                folded_at: None,
            };
            return;
        }
        if self.epoch == service.start.epoch {
            return;
        }
        self.replay(service);
        self.epoch = service.start.epoch;
        self.walk.place = self
            .walk
            .cursor
            .and_then(|cursor| service.reals.iter().position(|real| *real == cursor));
    }

    /// What the changes since did to the cursor: only rr and wrr have one.
    fn replay(&mut self, service: &VirtualService) {
        let walk = &mut self.walk;
        let unseen = service
            .changes
            .iter()
            .filter(|change| change.epoch > self.epoch);
        for change in unseen {
            if service.spec.scheduler == SchedulerKind::Wrr {
                walk.cursor = None;
                walk.wrr.change(change.mw, change.di);
            } else if let Some((removed, before)) = change.removed
                && walk.cursor == Some(removed)
            {
                walk.cursor = before;
            }
        }
    }
}

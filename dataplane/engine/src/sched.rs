// SPDX-License-Identifier: Apache-2.0
//! Schedulers: which real server a new connection gets. One file each, the kernel's exact rules.
//!
//! All of them walk the service's list as the kernel does, newest server first, and skip weight 0.
//! A scheduler's running state belongs to one worker; [`SchedState::sync`] replays what happened to
//! the list since this worker last looked (see [`model::sched`]).

mod lc;
mod rr;
mod wlc;
mod wrr;

use model::ids::RealId;
use model::sched::WrrMark;
use model::service::{RealServer, SchedulerKind, VirtualService};
use model::snapshot::ServiceSet;

use crate::counters::Load;

/// One worker's running state of one service's scheduler.
#[derive(Debug, Clone, Copy, Default)]
pub struct SchedState {
    /// The binding the state is of; 0 = none yet.
    bound: u64,
    /// Changes up to this epoch are in it.
    epoch: u64,
    /// The server chosen last; `None` = the head of the list.
    cursor: Option<RealId>,
    /// Its place in the list, once looked up since the last change.
    place: Option<usize>,
    /// wrr's weights.
    wrr: WrrMark,
}

impl SchedState {
    /// Whether it is of any service yet.
    pub(crate) const fn is_bound(&self) -> bool {
        self.bound != 0
    }

    /// Brings the state up to the service as published.
    pub fn sync(&mut self, service: &VirtualService) {
        if self.bound != service.bound {
            *self = Self {
                bound: service.bound,
                epoch: service.start.epoch,
                wrr: service.start.wrr,
                ..Self::default()
            };
            return;
        }
        if self.epoch == service.start.epoch {
            return;
        }
        for change in service
            .changes
            .iter()
            .filter(|change| change.epoch > self.epoch)
        {
            match service.spec.scheduler {
                SchedulerKind::Rr => {
                    if let Some((removed, before)) = change.removed
                        && self.cursor == Some(removed)
                    {
                        self.cursor = before;
                    }
                }
                SchedulerKind::Wrr => {
                    self.cursor = None;
                    self.wrr.change(change.mw, change.di);
                }
                SchedulerKind::Lc | SchedulerKind::Wlc => {}
            }
        }
        self.epoch = service.start.epoch;
        self.place = self
            .cursor
            .and_then(|cursor| service.reals.iter().position(|real| *real == cursor));
    }

    /// Index in the list from which the scan goes on.
    fn next_place(&self) -> usize {
        self.place.map_or(0, |place| place.saturating_add(1))
    }

    fn choose(&mut self, place: usize, real: RealId) -> RealId {
        self.place = Some(place);
        self.cursor = Some(real);
        real
    }
}

/// The real server for a new connection, or `None` if none may take it. `state` is synced.
pub fn pick(
    service: &VirtualService,
    set: &ServiceSet,
    state: &mut SchedState,
    load: impl Fn(RealId) -> Load,
) -> Option<RealId> {
    match service.spec.scheduler {
        SchedulerKind::Rr => rr::pick(service, set, state),
        SchedulerKind::Wrr => wrr::pick(service, set, state),
        SchedulerKind::Lc => lc::pick(service, set, load),
        SchedulerKind::Wlc => wlc::pick(service, set, load),
    }
}

/// The servers of a service in list order.
fn listed<'a>(
    service: &'a VirtualService,
    set: &'a ServiceSet,
) -> impl Iterator<Item = &'a RealServer> {
    service.reals.iter().filter_map(|id| set.real(*id))
}

/// Those that may take a connection.
fn available<'a>(
    service: &'a VirtualService,
    set: &'a ServiceSet,
) -> impl Iterator<Item = &'a RealServer> {
    listed(service, set).filter(|real| real.spec.weight.get() > 0)
}

#[cfg(test)]
mod tests;

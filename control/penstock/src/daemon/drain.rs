// SPDX-License-Identifier: Apache-2.0
//! Servers on their way out: drained ones are deleted, and slots freed, when nobody needs them
//! (DESIGN decisions 6 and 16).

use std::collections::HashMap;

use engine::stats::Stats;
use model::ids::{LocalId, RealId};
use model::ledger::Ledger;
use model::op::Op;
use model::service::{RealState, ServiceKey};
use model::time::{Duration, Instant};

#[derive(Debug, Clone, Copy)]
struct Retiree {
    /// The first generation in which it took no new connection.
    generation: u64,
    since: Instant,
    cut: bool,
    /// The last look found no connection.
    empty: bool,
}

/// Servers that are draining or deleted.
#[derive(Debug, Default)]
pub(super) struct Retirees {
    known: HashMap<RealId, Retiree>,
}

/// What one look led to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Round {
    /// The ledger changed.
    pub(super) changed: bool,
    /// Servers whose connections are to be cut.
    pub(super) cut: Vec<RealId>,
}

impl Retirees {
    /// Forgets servers that are live again; to be called after each change, so that one that leaves
    /// once more before the next look starts anew.
    pub(super) fn forget_returned(&mut self, ledger: &Ledger) {
        let services = ledger.services();
        let leaving = |id: &RealId| services.real(*id).map(|real| real.state);
        self.known
            .retain(|id, _| leaving(id).is_some_and(|state| state != RealState::Live));
    }

    /// Looks at every server that is not live. `seen` is the generation that all workers have
    /// read; `drain_s` the seconds after which a service's removed server loses its connections.
    pub(super) fn look(
        &mut self,
        ledger: &mut Ledger,
        stats: &Stats,
        seen: u64,
        now: Instant,
        drain_s: impl Fn(&ServiceKey) -> Option<u32>,
    ) -> Round {
        let mut round = Round::default();
        let leaving: Vec<_> = ledger
            .services()
            .reals()
            .filter(|real| real.state != RealState::Live)
            .map(|real| (real.id, real.service, real.key, real.state))
            .collect();
        self.known
            .retain(|id, _| leaving.iter().any(|(leaving, ..)| leaving == id));
        let published = ledger.generation();
        for (id, service, key, state) in leaving {
            let retiree = self.known.entry(id).or_insert(Retiree {
                generation: published,
                since: now,
                cut: false,
                empty: false,
            });
            if seen < retiree.generation {
                continue;
            }
            if stats.is_idle(id) {
                // Twice: a worker that moves a connection from active to inactive counts it
                // nowhere for an instant.
                if std::mem::replace(&mut retiree.empty, true) {
                    round.changed |= ledger.release_real(id);
                }
                continue;
            }
            retiree.empty = false;
            let Some(owner) = ledger.services().service(service) else {
                continue;
            };
            let late = drain_s(&owner.key).is_some_and(|seconds| {
                now.saturating_since(retiree.since) >= Duration::from_secs(u64::from(seconds))
            });
            if state == RealState::Draining && late && !retiree.cut {
                retiree.cut = true;
                let delete = Op::DeleteReal {
                    service: owner.key,
                    real: key,
                };
                match ledger.apply(&delete) {
                    Ok(()) => {
                        round.changed = true;
                        round.cut.push(id);
                    }
                    Err(error) => log::error!("cannot end the drain of {key}: {error}"),
                }
            }
        }
        round
    }
}

/// Local addresses that are in no pool any more, but still have connections.
#[derive(Debug, Default)]
pub(super) struct RemovedLocals {
    /// The first generation in which each took no new one.
    known: HashMap<LocalId, u64>,
}

impl RemovedLocals {
    /// As [`Retirees::forget_returned`].
    pub(super) fn forget_returned(&mut self, ledger: &Ledger) {
        let removed = |id: &LocalId| ledger.locals().get(*id).is_some_and(|local| !local.live);
        self.known.retain(|id, _| removed(id));
    }

    /// Frees the slots of those that no worker has a connection on. `seen` is the generation that
    /// all workers have read. Returns whether the ledger changed.
    pub(super) fn look(&mut self, ledger: &mut Ledger, stats: &Stats, seen: u64) -> bool {
        let removed: Vec<LocalId> = ledger
            .locals()
            .addresses()
            .filter(|local| !local.live)
            .map(|local| local.id)
            .collect();
        self.known.retain(|id, _| removed.contains(id));
        let published = ledger.generation();
        let mut changed = false;
        for id in removed {
            let since = *self.known.entry(id).or_insert(published);
            if seen >= since && stats.local_flows(id) == 0 {
                changed |= ledger.release_local(id);
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: Apache-2.0
//! What schedulers ask of a service's list.

use model::ids::RealId;
use model::service::{RealServer, VirtualService};
use model::snapshot::ServiceSet;

use super::loads::Loads;
use super::order::{Order, Seat};

/// Servers as they are now: configuration, connections, overload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) set: &'a ServiceSet,
    pub(super) loads: &'a Loads,
}

impl Field<'_> {
    /// The seat of a server.
    #[inline]
    pub(super) fn seat(&self, real: &RealServer) -> Seat {
        let load = self.loads.load(real.id);
        let nominal = real.spec.weight.get();
        Seat {
            weight: if self.loads.is_overloaded(real) {
                0
            } else {
                nominal
            },
            nominal,
            active: load.active,
            inactive: load.inactive,
        }
    }

    /// Whether one server has a smaller overhead per weight than another; both are open.
    pub(super) fn prefers(&self, challenger: RealId, holder: RealId) -> bool {
        let seat = |id| self.set.real(id).map(|real| self.seat(real));
        let seats = seat(challenger).zip(seat(holder));
        seats.is_some_and(|(challenger, holder)| Order::Wlc.prefers(&challenger, &holder))
    }

    /// The server, if it takes connections (`is_unavailable` of `ip_vs_sh.c`, turned round).
    pub(super) fn available(&self, id: RealId) -> Option<RealId> {
        let real = self.set.real(id)?;
        (real.spec.weight.get() > 0 && !self.loads.is_overloaded(real)).then_some(id)
    }
}

/// A service's list, head first; the places of servers count from 0. "Open" servers are those that
/// take connections.
pub(super) trait Roster {
    /// The server at a place.
    fn real(&self, place: usize) -> Option<RealId>;

    /// The first open server at or behind `from` whose weight is at least `weight` (at least 1).
    fn next(&self, from: usize, weight: u32) -> Option<usize>;

    /// The greatest weight of an open server; 0 if there is none.
    fn heaviest(&self) -> u32;

    /// The first of the best in the scheduler's order.
    fn best(&self) -> Option<usize>;

    /// The sum of the weights of open servers.
    fn total(&self) -> u64;

    /// The first open server at which the sum of weights so far is at least `sum`.
    fn at_sum(&self, sum: u64) -> Option<usize>;

    /// Whether some server, open or not, has less than half of its weight in use.
    fn has_slack(&self) -> bool;
}

/// The answers from looking at every server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan<'a> {
    list: &'a [RealId],
    field: Field<'a>,
    order: Order,
}

impl<'a> Scan<'a> {
    pub(super) fn new(service: &'a VirtualService, field: Field<'a>) -> Self {
        Self {
            list: &service.reals,
            field,
            order: Order::of(service.spec.scheduler),
        }
    }

    fn seats(&self) -> impl Iterator<Item = (usize, Seat)> {
        let known = |(place, id): (usize, &RealId)| {
            let real = self.field.set.real(*id)?;
            Some((place, self.field.seat(real)))
        };
        self.list.iter().enumerate().filter_map(known)
    }
}

impl Roster for Scan<'_> {
    fn real(&self, place: usize) -> Option<RealId> {
        self.list.get(place).copied()
    }

    fn next(&self, from: usize, weight: u32) -> Option<usize> {
        self.seats()
            .skip(from)
            .find(|(_, seat)| seat.weight >= weight.max(1))
            .map(|(place, _)| place)
    }

    fn heaviest(&self) -> u32 {
        self.seats().map(|(_, seat)| seat.weight).max().unwrap_or(0)
    }

    fn best(&self) -> Option<usize> {
        let open = self.seats().filter(|(_, seat)| self.order.open(seat));
        let best = open.reduce(|least, candidate| {
            if self.order.prefers(&candidate.1, &least.1) {
                candidate
            } else {
                least
            }
        });
        best.map(|(place, _)| place)
    }

    fn total(&self) -> u64 {
        self.seats().map(|(_, seat)| u64::from(seat.weight)).sum()
    }

    fn at_sum(&self, sum: u64) -> Option<usize> {
        let mut so_far = 0;
        let mut open = self.seats().filter(|(_, seat)| seat.weight > 0);
        open.find(|(_, seat)| {
            so_far += u64::from(seat.weight);
            so_far >= sum
        })
        .map(|(place, _)| place)
    }

    fn has_slack(&self) -> bool {
        self.seats().any(|(_, seat)| seat.has_slack())
    }
}

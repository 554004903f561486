// SPDX-License-Identifier: Apache-2.0
//! A tournament over a service's list: what schedulers ask of it, in as many steps as its length
//! has bits, with the same answers as a [`super::roster::Scan`].
//!
//! ```text
//!                1              Node i is made of nodes 2i and 2i + 1; the leaves, from `size` on,
//!           2         3         are the seats in list order, so of equals the left one is the
//!         4   5     6   7       kernel's choice. What a node says depends on the scheduler: the
//!        s0  s1    s2  s3       greatest weight, the place of the best, or the sum of weights.
//! ```
//!
//! A count that changes is noted ([`Tree::touch`]) and climbs to the root before the next
//! question ([`Tree::settle`]); a change of the list builds the tree anew, some places at a time
//! ([`Tree::advance`]).

use alloc::vec::Vec;

use model::ids::RealId;
use model::service::{RealServer, SchedulerKind, VirtualService};

use super::loads::Loads;
use super::order::{Order, Seat};
use super::roster::{Field, Roster};

/// Places whose counts may have changed since the last question.
const TOUCHED_MAX: usize = 32;
/// The place of nobody.
const NOBODY: u64 = u32::MAX as u64;
/// Marks a node below which some server has less than half of its weight in use.
const SLACK: u64 = 1 << 32;

/// What the nodes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Aspect {
    /// Nothing: the scheduler looks at no list.
    #[default]
    None,
    /// The greatest weight: rr, wrr, fo.
    Heaviest,
    /// The place of the best, and [`SLACK`]: lc, wlc, sed, nq, ovf, lblc, lblcr.
    Best(Order),
    /// The sum of weights: twos, random.
    Sum,
}

impl Aspect {
    const fn of(kind: SchedulerKind) -> Self {
        match kind {
            SchedulerKind::Rr | SchedulerKind::Wrr | SchedulerKind::Fo => Self::Heaviest,
            SchedulerKind::Lc
            | SchedulerKind::Wlc
            | SchedulerKind::Sed
            | SchedulerKind::Nq
            | SchedulerKind::Ovf
            | SchedulerKind::Lblc
            | SchedulerKind::Lblcr => Self::Best(Order::of(kind)),
            SchedulerKind::Twos | SchedulerKind::Random => Self::Sum,
            SchedulerKind::Dh | SchedulerKind::Sh | SchedulerKind::Mh | SchedulerKind::Conhash => {
                Self::None
            }
        }
    }
}

/// The tree of one service in one worker.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The change of the list that it is of; 0 = none.
    epoch: u64,
    aspect: Aspect,
    reals: Vec<RealId>,
    /// As many as have been looked at.
    seats: Vec<Seat>,
    /// Inner nodes; the first is unused.
    nodes: Vec<u64>,
    /// Leaves, a power of two.
    size: usize,
    /// Inner nodes up to this one are not made yet.
    unmade: usize,
    touched: Vec<usize>,
}

impl Tree {
    /// Whether it is of the list as published.
    pub(super) const fn is_of(&self, service: &VirtualService) -> bool {
        self.epoch == service.start.epoch
    }

    /// Whether questions can be asked.
    pub(super) const fn is_ready(&self) -> bool {
        self.unmade == 0 && self.seats.len() == self.reals.len()
    }

    /// Starts anew. Grows what has to grow, so nothing does later.
    pub(super) fn begin(&mut self, service: &VirtualService) {
        self.epoch = service.start.epoch;
        self.aspect = Aspect::of(service.spec.scheduler);
        self.reals.clear();
        self.seats.clear();
        self.touched.clear();
        self.unmade = 0;
        if self.aspect == Aspect::None {
            return;
        }
        self.reals.extend_from_slice(&service.reals);
        self.seats.reserve(self.reals.len());
        self.touched.reserve(TOUCHED_MAX);
        self.size = self.reals.len().next_power_of_two();
        self.unmade = self.size - 1;
        self.nodes.resize(self.size, 0);
    }

    /// Builds on, at most `budget` places; returns what is left of that. `seated` hears of every
    /// server whose place is known now.
    pub(super) fn advance(
        &mut self,
        mut budget: usize,
        field: &Field<'_>,
        mut seated: impl FnMut(RealId, usize),
    ) -> usize {
        while budget > 0
            && let Some(id) = self.reals.get(self.seats.len())
        {
            seated(*id, self.seats.len());
            let real = field.set.real(*id);
            self.seats
                .push(real.map_or_else(Seat::default, |real| field.seat(real)));
            budget -= 1;
        }
        while budget > 0 && self.unmade > 0 {
            let node = self.merge(self.unmade);
            if let Some(place) = self.nodes.get_mut(self.unmade) {
                *place = node;
            }
            self.unmade -= 1;
            budget -= 1;
        }
        budget
    }

    /// Whether that server sits there.
    pub(super) fn seats_at(&self, real: RealId, place: usize) -> bool {
        place < self.seats.len() && self.reals.get(place) == Some(&real)
    }

    /// The counts of the server at a place may have changed.
    #[inline]
    pub(super) fn touch(&mut self, place: usize, loads: &Loads) {
        if !matches!(self.aspect, Aspect::Best(_)) || self.touched.last() == Some(&place) {
            return;
        }
        if self.touched.len() >= TOUCHED_MAX {
            self.settle(loads);
        }
        self.touched.push(place);
    }

    /// A server may have become overloaded, or be no more.
    pub(super) fn reconsider(&mut self, place: usize, real: &RealServer, loads: &Loads) {
        let weight = if loads.is_overloaded(real) {
            0
        } else {
            real.spec.weight.get()
        };
        if self
            .seats
            .get(place)
            .is_some_and(|seat| seat.weight != weight)
        {
            self.settle(loads);
            if let Some(seat) = self.seats.get_mut(place) {
                seat.weight = weight;
            }
            self.climb(place);
        }
    }

    /// Takes in what was touched.
    #[inline]
    pub(super) fn settle(&mut self, loads: &Loads) {
        while let Some(place) = self.touched.pop() {
            let Some((id, seat)) = self.reals.get(place).zip(self.seats.get_mut(place)) else {
                continue;
            };
            let load = loads.load(*id);
            if (seat.active, seat.inactive) != (load.active, load.inactive) {
                seat.active = load.active;
                seat.inactive = load.inactive;
                self.climb(place);
            }
        }
    }

    /// Makes the nodes above a seat that has changed. What the node below says is carried along,
    /// so that the siblings, whose places are known beforehand, are all that has to be loaded.
    fn climb(&mut self, place: usize) {
        let mut node = self.size + place;
        let mut made = self.node(node);
        while node / 2 > self.unmade {
            let sibling = self.node(node ^ 1);
            made = if node.is_multiple_of(2) {
                self.join(made, sibling)
            } else {
                self.join(sibling, made)
            };
            node /= 2;
            let Some(before) = self.nodes.get_mut(node) else {
                return;
            };
            let same = core::mem::replace(before, made) == made;
            // Above, a seat counts only through the node, and its figures only if it is the best.
            let is_best = matches!(self.aspect, Aspect::Best(_)) && made & NOBODY == place as u64;
            if same && !is_best {
                return;
            }
        }
    }

    fn merge(&self, node: usize) -> u64 {
        self.join(self.node(2 * node), self.node(2 * node + 1))
    }

    /// What the node above two others says.
    #[inline]
    fn join(&self, left: u64, right: u64) -> u64 {
        match self.aspect {
            Aspect::None => 0,
            Aspect::Heaviest => left.max(right),
            Aspect::Sum => left + right,
            Aspect::Best(order) => {
                let slack = (left | right) & SLACK;
                let (left, right) = (left & NOBODY, right & NOBODY);
                let winner = if right == NOBODY {
                    left
                } else if left == NOBODY || self.beats(order, right, left) {
                    right
                } else {
                    left
                };
                winner | slack
            }
        }
    }

    #[inline]
    fn beats(&self, order: Order, later: u64, earlier: u64) -> bool {
        let seat = |place: u64| self.seats.get(usize::try_from(place).ok()?);
        seat(later)
            .zip(seat(earlier))
            .is_some_and(|(later, earlier)| order.prefers(later, earlier))
    }

    /// An inner node or a leaf.
    #[inline]
    fn node(&self, node: usize) -> u64 {
        let Some(place) = node.checked_sub(self.size) else {
            return self.nodes.get(node).copied().unwrap_or(0);
        };
        let seat = self.seats.get(place);
        match self.aspect {
            Aspect::None => 0,
            Aspect::Heaviest | Aspect::Sum => seat.map_or(0, |seat| u64::from(seat.weight)),
            Aspect::Best(order) => seat.map_or(NOBODY, |seat| {
                let slack = if seat.has_slack() { SLACK } else { 0 };
                let place = if order.open(seat) {
                    place as u64
                } else {
                    NOBODY
                };
                place | slack
            }),
        }
    }

    fn root(&self) -> u64 {
        if self.seats.is_empty() {
            0
        } else {
            self.node(1)
        }
    }

    /// The leaf under `node` that `goes_right` leads to.
    fn descend(&self, mut node: usize, mut goes_right: impl FnMut(u64) -> bool) -> usize {
        while node < self.size {
            node *= 2;
            if goes_right(self.node(node)) {
                node += 1;
            }
        }
        node - self.size
    }
}

/// A ready tree into which everything that was touched has been taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settled<'a>(pub(super) &'a Tree);

impl Roster for Settled<'_> {
    fn real(&self, place: usize) -> Option<RealId> {
        self.0.reals.get(place).copied()
    }

    fn next(&self, from: usize, weight: u32) -> Option<usize> {
        let tree = self.0;
        let weight = u64::from(weight.max(1));
        if from >= tree.seats.len() {
            return None;
        }
        let mut node = tree.size + from;
        while tree.node(node) < weight {
            // To the right neighbour, or that of the nearest ancestor that has one.
            while node % 2 == 1 {
                node /= 2;
            }
            if node == 0 {
                return None;
            }
            node += 1;
        }
        Some(tree.descend(node, |left| left < weight))
    }

    fn heaviest(&self) -> u32 {
        u32::try_from(self.0.root()).unwrap_or(u32::MAX)
    }

    fn best(&self) -> Option<usize> {
        let place = self.0.root() & NOBODY;
        let someone = place != NOBODY && !self.0.seats.is_empty();
        someone.then(|| usize::try_from(place).ok()).flatten()
    }

    fn total(&self) -> u64 {
        self.0.root()
    }

    fn at_sum(&self, sum: u64) -> Option<usize> {
        let mut sum = sum.max(1);
        if self.0.root() < sum {
            return None;
        }
        Some(self.0.descend(1, |left| {
            let right = left < sum;
            if right {
                sum -= left;
            }
            right
        }))
    }

    fn has_slack(&self) -> bool {
        self.0.root() & SLACK != 0
    }
}

#[cfg(test)]
mod tests;

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
use core::hint::select_unpredictable;

use model::ids::RealId;
use model::service::{RealServer, SchedulerKind, VirtualService};

use super::loads::Loads;
use super::order::{Order, Seat, Share};
use super::roster::{Field, Roster};

/// Places whose counts may have changed since the last question.
const TOUCHED_MAX: usize = 32;
/// Marks a node below which some server has less than half of its weight in use.
const SLACK: u32 = 1 << 31;
/// The place of nobody.
const NOBODY: u32 = SLACK - 1;

/// What the nodes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Aspect {
    /// Nothing: the scheduler looks at no list.
    #[default]
    None,
    /// The greatest weight: rr, wrr, fo.
    Heaviest,
    /// The best, and [`SLACK`]: lc, wlc, sed, nq, ovf, lblc, lblcr.
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

/// The best below a node. Its share comes along with its place, so that a comparison loads nothing
/// but the nodes, and those of a path are known beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Best {
    /// Of its [`Share`], as is the weight.
    load: u64,
    weight: u32,
    /// And [`SLACK`].
    place: u32,
}

impl Best {
    const NOBODY: Self = Self::new(Share::NOBODY, NOBODY);

    const fn new(share: Share, place: u32) -> Self {
        Self {
            load: share.load,
            weight: share.weight,
            place,
        }
    }

    /// The better one, the left of equals, and the slack of either. Who that is, and who is left,
    /// nobody can foresee: there is no branch on it.
    #[inline]
    fn join(self, other: Self, other_is_left: bool) -> Self {
        let own = self.load * u64::from(other.weight);
        let others = other.load * u64::from(self.weight);
        let other_wins = own + u64::from(other_is_left) > others;
        let slack = (self.place | other.place) & SLACK;
        Self {
            load: select_unpredictable(other_wins, other.load, self.load),
            weight: select_unpredictable(other_wins, other.weight, self.weight),
            place: select_unpredictable(other_wins, other.place, self.place) | slack,
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
    /// Inner nodes of greatest weights or sums; the first is unused.
    nodes: Vec<u64>,
    /// Inner nodes of the best; either these or those.
    bests: Vec<Best>,
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
        match self.aspect {
            Aspect::None => {}
            Aspect::Heaviest | Aspect::Sum => self.nodes.resize(self.size, 0),
            Aspect::Best(_) => self.bests.resize(self.size, Best::NOBODY),
        }
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
            self.make(self.unmade);
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

    /// Makes the nodes above a seat that has changed.
    fn climb(&mut self, place: usize) {
        match self.aspect {
            Aspect::None => {}
            Aspect::Best(order) => self.climb_best(place, order),
            Aspect::Heaviest | Aspect::Sum => {
                let mut node = (self.size + place) / 2;
                while node > self.unmade {
                    self.make(node);
                    node /= 2;
                }
            }
        }
    }

    /// What the node below says is carried along, so the siblings are all that has to be loaded.
    fn climb_best(&mut self, place: usize, order: Order) {
        let mut made = self.seated(place, order);
        let mut node = self.size + place;
        let mut sibling = self.best_of(node ^ 1, order);
        while node / 2 > self.unmade {
            made = made.join(sibling, node % 2 == 1);
            node /= 2;
            match self.bests.get_mut(node) {
                Some(before) if *before != made => *before = made,
                // Above, a seat counts only through this node.
                _ => return,
            }
            sibling = self.bests.get(node ^ 1).copied().unwrap_or(Best::NOBODY);
        }
    }

    /// Makes an inner node of the two below.
    fn make(&mut self, node: usize) {
        let (left, right) = (2 * node, 2 * node + 1);
        if let Aspect::Best(order) = self.aspect {
            let made = self.best_of(left, order);
            let made = made.join(self.best_of(right, order), false);
            if let Some(place) = self.bests.get_mut(node) {
                *place = made;
            }
            return;
        }
        let (left, right) = (self.node(left), self.node(right));
        let made = match self.aspect {
            Aspect::Sum => left + right,
            Aspect::Heaviest | Aspect::None | Aspect::Best(_) => left.max(right),
        };
        if let Some(place) = self.nodes.get_mut(node) {
            *place = made;
        }
    }

    /// An inner node or a leaf of the best.
    #[inline]
    fn best_of(&self, node: usize, order: Order) -> Best {
        match node.checked_sub(self.size) {
            None => self.bests.get(node).copied().unwrap_or(Best::NOBODY),
            Some(place) => self.seated(place, order),
        }
    }

    /// What the leaf of a seat says.
    #[inline]
    fn seated(&self, place: usize, order: Order) -> Best {
        let Some(seat) = self.seats.get(place) else {
            return Best::NOBODY;
        };
        let slack = if seat.has_slack() { SLACK } else { 0 };
        let (share, place) = if order.open(seat) {
            (order.share(seat), u32::try_from(place).unwrap_or(NOBODY))
        } else {
            (Share::NOBODY, NOBODY)
        };
        Best::new(share, place | slack)
    }

    /// An inner node or a leaf, of greatest weights or sums.
    #[inline]
    fn node(&self, node: usize) -> u64 {
        match node.checked_sub(self.size) {
            None => self.nodes.get(node).copied().unwrap_or(0),
            Some(place) => self.seats.get(place).map_or(0, |seat| seat.weight.into()),
        }
    }

    fn root(&self) -> u64 {
        if self.seats.is_empty() {
            0
        } else {
            self.node(1)
        }
    }

    fn best_root(&self) -> Best {
        match self.aspect {
            Aspect::Best(order) if !self.seats.is_empty() => self.best_of(1, order),
            Aspect::None | Aspect::Heaviest | Aspect::Best(_) | Aspect::Sum => Best::NOBODY,
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
        let place = self.0.best_root().place & NOBODY;
        (place != NOBODY).then_some(place as usize)
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
        self.0.best_root().place & SLACK != 0
    }
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: Apache-2.0
//! Connections of every server over the whole director (DESIGN decision 8), and who has too many.

use alloc::sync::Arc;
use alloc::vec::Vec;

use model::ids::{RealId, WorkerId};
use model::service::RealServer;
use model::time::{Duration, Instant};

use crate::counters::{Board, Load, RealCounters};

/// How long a connection that another worker was told to open may take: its packet is in a ring.
const PROMISE: Duration = Duration::from_secs(1);

/// Connections that other workers were told to open, and that may not be among their counts yet.
#[derive(Debug, Clone, Copy, Default)]
struct Promises {
    given: u64,
    /// What the others had opened before the first of them.
    opened_before: u64,
    /// When the last one was given.
    at: Option<Instant>,
}

impl Promises {
    fn has_lapsed(&self, now: Instant) -> bool {
        self.at.is_none_or(|at| now.saturating_since(at) >= PROMISE)
    }
}

/// One worker's view of all workers' counts.
#[derive(Debug)]
pub(crate) struct Loads {
    /// Those of the other workers.
    others: Vec<Arc<Board>>,
    own: Arc<Board>,
    /// Connections that the other workers have on each server, as last read.
    folded: Vec<Load>,
    /// By server; empty until this worker is home to a service of another one's connections.
    promises: Vec<Promises>,
    /// [`RealServer::overload_mark`] of servers that are overloaded (`IP_VS_DEST_F_OVERLOAD`).
    ///
    /// Each worker keeps its own: set and cleared by the sum over all workers, at the ends and
    /// beginnings of its own connections and when it reads the others' counts.
    marks: Vec<u64>,
}

impl Loads {
    pub(super) fn new(boards: &[Arc<Board>], own: Arc<Board>, me: WorkerId) -> Self {
        let others = boards.iter().enumerate();
        Self {
            others: others
                .filter(|(worker, _)| *worker != me.index())
                .map(|(_, board)| Arc::clone(board))
                .collect(),
            own,
            folded: Vec::new(),
            promises: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// Whether there is nobody else.
    pub(super) const fn is_alone(&self) -> bool {
        self.others.is_empty()
    }

    /// The connections of a server over all workers; the others' as of the last [`Self::fold`].
    #[inline]
    pub(super) fn load(&self, real: RealId) -> Load {
        let own = self.own.real(real).map(RealCounters::load);
        let others = self.folded.get(real.index()).copied();
        own.unwrap_or_default().plus(others.unwrap_or_default())
    }

    /// Whether a server has too many connections.
    #[inline]
    pub(super) fn is_overloaded(&self, real: &RealServer) -> bool {
        self.marks
            .get(real.id.index())
            .is_some_and(|mark| *mark == real.overload_mark())
    }

    /// A server has got a connection (`ip_vs_bind_dest`).
    #[inline]
    pub(super) fn bound(&mut self, real: &RealServer) {
        if real.spec.limits.upper != 0 && real.spec.limits.reached(self.load(real.id).flows()) {
            self.mark(real.id, real.overload_mark());
        }
    }

    /// Another worker is told to open a connection of a server: it counts from now on, or a
    /// threshold would let more through than it should.
    pub(super) fn promised(&mut self, real: &RealServer, now: Instant) {
        let place = real.id.index();
        self.reserve(place + 1);
        if self.promises.len() <= place {
            self.promises.resize(self.folded.len(), Promises::default());
        }
        let opened = self.opened_by_others(real.id);
        if let Some(promises) = self.promises.get_mut(place) {
            if promises.has_lapsed(now) {
                promises.given = 0;
                promises.opened_before = opened;
            }
            promises.given += 1;
            promises.at = Some(now);
        }
        if let Some(load) = self.folded.get_mut(place) {
            load.inactive = load.inactive.wrapping_add(1);
        }
        self.bound(real);
    }

    fn opened_by_others(&self, real: RealId) -> u64 {
        let boards = self.others.iter().filter_map(|board| board.real(real));
        boards.fold(0, |sum, counters| {
            sum.wrapping_add(counters.connections.get())
        })
    }

    /// Promised connections that the others' counts do not have yet.
    fn outstanding(&self, real: RealId, now: Instant) -> u32 {
        let Some(promises) = self.promises.get(real.index()) else {
            return 0;
        };
        if promises.has_lapsed(now) {
            return 0;
        }
        let opened = self.opened_by_others(real);
        let opened = opened.wrapping_sub(promises.opened_before);
        u32::try_from(promises.given.saturating_sub(opened)).unwrap_or(u32::MAX)
    }

    /// A connection of a server has ended (`ip_vs_unbind_dest`).
    #[inline]
    pub(super) fn unbound(&mut self, real: &RealServer) {
        if self.is_overloaded(real) && real.spec.limits.relieved(self.load(real.id).flows()) {
            self.mark(real.id, 0);
        }
    }

    /// A server that is being cut off is not overloaded.
    pub(super) fn pardon(&mut self, real: RealId) {
        if self.marks.len() > real.index() {
            self.mark(real, 0);
        }
    }

    /// Makes room for slots below `reals`, so that nothing grows later.
    pub(super) fn reserve(&mut self, reals: usize) {
        if self.marks.len() < reals {
            self.marks.resize(reals, 0);
        }
        if !self.is_alone() && self.folded.len() < reals {
            self.folded.resize(reals, Load::default());
        }
    }

    /// Reads the other workers' counts of a server; whether they had changed.
    pub(super) fn fold(&mut self, real: &RealServer, now: Instant) -> bool {
        self.reserve(real.id.index() + 1);
        let boards = self.others.iter();
        let others = boards
            .filter_map(|board| board.real(real.id))
            .fold(Load::default(), |sum, counters| sum.plus(counters.load()));
        let others = others.plus(Load {
            active: 0,
            inactive: self.outstanding(real.id, now),
        });
        let Some(place) = self.folded.get_mut(real.id.index()) else {
            return false;
        };
        let before = core::mem::replace(place, others);
        if others.flows() > before.flows() {
            self.bound(real);
        } else if others.flows() < before.flows() {
            self.unbound(real);
        }
        before != others
    }

    fn mark(&mut self, real: RealId, mark: u64) {
        self.reserve(real.index() + 1);
        if let Some(place) = self.marks.get_mut(real.index()) {
            *place = mark;
        }
    }
}

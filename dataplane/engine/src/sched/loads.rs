// SPDX-License-Identifier: Apache-2.0
//! Connections of every server over the whole director (DESIGN decision 8), and who has too many.

use alloc::sync::Arc;
use alloc::vec::Vec;

use model::ids::{RealId, WorkerId};
use model::service::RealServer;

use crate::counters::{Board, Load, RealCounters};

/// One worker's view of all workers' counts.
#[derive(Debug)]
pub(crate) struct Loads {
    /// Those of the other workers.
    others: Vec<Arc<Board>>,
    own: Arc<Board>,
    /// Connections that the other workers have on each server, as last read.
    folded: Vec<Load>,
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
    pub(super) fn fold(&mut self, real: &RealServer) -> bool {
        self.reserve(real.id.index() + 1);
        let boards = self.others.iter();
        let others = boards
            .filter_map(|board| board.real(real.id))
            .fold(Load::default(), |sum, counters| sum.plus(counters.load()));
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

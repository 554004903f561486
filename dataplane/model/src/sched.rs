// SPDX-License-Identifier: Apache-2.0
//! How a scheduler's running state survives a change of its service.
//!
//! The kernel's schedulers react to every single add, edit and delete of a real server
//! (`ip_vs_wrr.c`, `ip_vs_rr.c`: `*_dest_changed`), while a worker sees only the snapshot that a
//! whole transaction led to. So the ledger numbers the changes of each service (*epochs*) and the
//! snapshot carries those that some worker may have missed; the worker replays them on its own
//! cursor. A worker that meets a service for the first time takes [`SchedStart`], which the ledger
//! computes as if no connection had come in between.

pub mod hash;
pub mod kind;
pub mod table;

use crate::ids::RealId;

/// wrr's running weight and the figures it moves by (`struct ip_vs_wrr_mark`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WrrMark {
    /// Current weight.
    pub cw: u32,
    /// Maximum weight less (di - 1).
    pub mw: u32,
    /// Greatest common divisor of the weights, at least 1.
    pub di: u32,
}

impl WrrMark {
    /// The mark of a service that has no real server yet (`ip_vs_wrr_init_svc`).
    pub const EMPTY: Self = Self {
        cw: 0,
        mw: 0,
        di: 1,
    };

    /// The kernel's reaction to any change of the list (`ip_vs_wrr_dest_changed`): the cursor goes
    /// to the head (the caller's business), `mw` and `di` are new, `cw` is clipped or aligned.
    pub fn change(&mut self, mw: u32, di: u32) {
        self.mw = mw;
        self.di = di;
        if self.cw > mw || self.cw == 0 {
            self.cw = mw;
        } else if di > 1 {
            self.cw = (self.cw / di) * di + 1;
        }
    }
}

/// What happened to a service's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchedChange {
    /// Number of the change within the service, from 1.
    pub epoch: u64,
    /// wrr's figures after it.
    pub mw: u32,
    /// wrr's figures after it.
    pub di: u32,
    /// The real server that left the list, and the one before it there (`None` = it was the head).
    pub removed: Option<(RealId, Option<RealId>)>,
}

/// Where a worker that never saw the service starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchedStart {
    /// The epoch these values hold at; changes up to it are included.
    pub epoch: u64,
    /// wrr's mark.
    pub wrr: WrrMark,
}

/// Greatest common divisor; `gcd(x, 0) = x`.
#[must_use]
pub const fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests;

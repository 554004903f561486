// SPDX-License-Identifier: Apache-2.0
//! Never queue (`net/netfilter/ipvs/ip_vs_nq.c`): the first server without an active connection;
//! if there is none, as sed.

use super::order::Seat;
use super::sed;

/// Idle beats busy; of two idle ones the earlier stays, whatever the weights.
#[inline]
pub(super) const fn prefers(later: &Seat, earlier: &Seat) -> bool {
    match (later.active == 0, earlier.active == 0) {
        (true, false) => true,
        (_, true) => false,
        (false, false) => sed::prefers(later, earlier),
    }
}

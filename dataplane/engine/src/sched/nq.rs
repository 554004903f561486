// SPDX-License-Identifier: Apache-2.0
//! Never queue (`net/netfilter/ipvs/ip_vs_nq.c`): the first server without an active connection;
//! if there is none, as sed.

use super::order::{Seat, Share};
use super::sed;

/// Nothing if it is idle, which beats busy; of two idle ones the earlier stays, whatever their
/// weights.
#[inline]
pub(super) const fn share(seat: &Seat) -> Share {
    if seat.active == 0 {
        Share { load: 0, weight: 1 }
    } else {
        sed::share(seat)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Least connection (`net/netfilter/ipvs/ip_vs_lc.c`): the smallest overhead, weights ignored.

use super::order::{Seat, Share};

/// The overhead, whatever the weight.
#[inline]
pub(super) const fn share(seat: &Seat) -> Share {
    Share {
        load: seat.overhead(),
        weight: 1,
    }
}

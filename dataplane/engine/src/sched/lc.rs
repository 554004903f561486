// SPDX-License-Identifier: Apache-2.0
//! Least connection (`net/netfilter/ipvs/ip_vs_lc.c`): the smallest overhead, weights ignored.

use super::order::Seat;

/// A smaller overhead.
#[inline]
pub(super) const fn prefers(later: &Seat, earlier: &Seat) -> bool {
    later.overhead() < earlier.overhead()
}

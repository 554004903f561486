// SPDX-License-Identifier: Apache-2.0
//! Shortest expected delay (`net/netfilter/ipvs/ip_vs_sed.c`): the smallest
//! `(active + 1) / weight`; inactive connections do not count.

use super::order::Seat;

/// A smaller expected delay.
#[inline]
pub(super) const fn prefers(later: &Seat, earlier: &Seat) -> bool {
    delay(earlier) * later.weight as u64 > delay(later) * earlier.weight as u64
}

/// `ip_vs_sed_dest_overhead`.
const fn delay(seat: &Seat) -> u64 {
    seat.active as u64 + 1
}

// SPDX-License-Identifier: Apache-2.0
//! Weighted overflow (`net/netfilter/ipvs/ip_vs_ovf.c`): the heaviest server whose active
//! connections are not more than its weight.

use super::order::Seat;

/// Whether a server takes another one.
#[inline]
pub(super) const fn has_room(seat: &Seat) -> bool {
    seat.active <= seat.weight
}

/// A greater weight.
#[inline]
pub(super) const fn prefers(later: &Seat, earlier: &Seat) -> bool {
    later.weight > earlier.weight
}

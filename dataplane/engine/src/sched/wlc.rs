// SPDX-License-Identifier: Apache-2.0
//! Weighted least connection (`net/netfilter/ipvs/ip_vs_wlc.c`): the smallest overhead per weight.

use super::order::Seat;

/// A smaller `overhead / weight`, compared without dividing.
#[inline]
pub(super) const fn prefers(later: &Seat, earlier: &Seat) -> bool {
    earlier.overhead() * later.weight as u64 > later.overhead() * earlier.weight as u64
}

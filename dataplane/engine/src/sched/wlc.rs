// SPDX-License-Identifier: Apache-2.0
//! Weighted least connection (`net/netfilter/ipvs/ip_vs_wlc.c`): the smallest overhead per weight.

use super::order::{Seat, Share};

/// `overhead / weight`.
#[inline]
pub(super) const fn share(seat: &Seat) -> Share {
    Share {
        load: seat.overhead(),
        weight: seat.weight,
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Shortest expected delay (`net/netfilter/ipvs/ip_vs_sed.c`): the smallest
//! `(active + 1) / weight`; inactive connections do not count.

use super::order::{Seat, Share};

/// The expected delay, `(active + 1) / weight` (`ip_vs_sed_dest_overhead`).
#[inline]
pub(super) const fn share(seat: &Seat) -> Share {
    Share {
        load: seat.active as u64 + 1,
        weight: seat.weight,
    }
}

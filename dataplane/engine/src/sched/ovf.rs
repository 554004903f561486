// SPDX-License-Identifier: Apache-2.0
//! Weighted overflow (`net/netfilter/ipvs/ip_vs_ovf.c`): the heaviest server whose active
//! connections are not more than its weight.

use super::order::{Seat, Share};

/// Whether a server takes another one.
#[inline]
pub(super) const fn has_room(seat: &Seat) -> bool {
    seat.active <= seat.weight
}

/// The same load for everybody, so the greatest weight wins.
#[inline]
pub(super) const fn share(seat: &Seat) -> Share {
    Share {
        load: 1,
        weight: seat.weight,
    }
}

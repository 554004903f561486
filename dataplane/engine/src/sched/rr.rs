// SPDX-License-Identifier: Apache-2.0
//! Round robin (`net/netfilter/ipvs/ip_vs_rr.c`): the next server after the last one chosen.

use super::roster::Roster;
use super::state::Walk;

/// Once around the list, starting behind the cursor.
pub(super) fn pick(roster: &impl Roster, walk: &mut Walk) -> Option<usize> {
    let place = roster
        .next(walk.behind_cursor(), 1)
        .or_else(|| roster.next(0, 1))?;
    walk.stand_at(place, roster.real(place));
    Some(place)
}

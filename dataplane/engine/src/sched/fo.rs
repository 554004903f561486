// SPDX-License-Identifier: Apache-2.0
//! Weighted failover (`net/netfilter/ipvs/ip_vs_fo.c`): everything to the heaviest server.

use super::roster::Roster;

/// Of equals the first in the list.
pub(super) fn pick(roster: &impl Roster) -> Option<usize> {
    roster.next(0, roster.heaviest())
}

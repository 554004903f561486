// SPDX-License-Identifier: Apache-2.0
//! By lot, in proportion to the weights. Not one of the kernel's.

use super::draw::Random;
use super::roster::Roster;

/// Every unit of weight has the same chance.
pub(super) fn pick(roster: &impl Roster, random: &mut Random) -> Option<usize> {
    let total = roster.total();
    if total == 0 {
        return None;
    }
    roster.at_sum(random.below(total) + 1)
}

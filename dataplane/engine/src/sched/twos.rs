// SPDX-License-Identifier: Apache-2.0
//! Power of two choices (`net/netfilter/ipvs/ip_vs_twos.c`): of two servers drawn by weight the one
//! with the smaller overhead per weight.

use super::draw::Random;
use super::roster::Roster;

/// Draws are from 0 to the sum of weights, both included, so the first server has one chance more.
pub(super) fn pick(roster: &impl Roster, random: &mut Random) -> Option<usize> {
    let bound = roster.total() + 1;
    let [first, second] = [random.below(bound), random.below(bound)];
    let [first, second] = [roster.at_sum(first)?, roster.at_sum(second)?];
    Some(if roster.prefers(second, first) {
        second
    } else {
        first
    })
}

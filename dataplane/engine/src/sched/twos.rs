// SPDX-License-Identifier: Apache-2.0
//! Power of two choices (`net/netfilter/ipvs/ip_vs_twos.c`): of two servers drawn by weight the one
//! with the smaller overhead per weight.

use model::ids::RealId;

use super::draw::Random;
use super::roster::{Field, Roster};

/// Draws are from 0 to the sum of weights, both included, so the first server has one chance more.
pub(super) fn pick(field: &Field<'_>, roster: &impl Roster, random: &mut Random) -> Option<RealId> {
    let bound = roster.total() + 1;
    if bound == 1 {
        return None;
    }
    let [first, second] = [random.below(bound), random.below(bound)];
    let first = roster.real(roster.at_sum(first)?)?;
    let second = roster.real(roster.at_sum(second)?)?;
    Some(if field.prefers(second, first) {
        second
    } else {
        first
    })
}

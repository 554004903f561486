// SPDX-License-Identifier: Apache-2.0
//! Weighted round robin (`net/netfilter/ipvs/ip_vs_wrr.c`).
//!
//! The list is walked again and again with a falling bar: a pass takes every server whose weight
//! reaches the current weight `cw`; at the end of the list `cw` falls by the weights' greatest
//! common divisor, and from the bottom back to the top.

use super::roster::Roster;
use super::state::Walk;

/// Goes on from the cursor. With overloaded servers nobody may reach any bar; the kernel then ends
/// when it has seen every server with the lowest bar: at the end of the list, or, if it started in
/// the middle, at the server it started behind (`stop`), and leaves its cursor there.
pub(super) fn pick(roster: &impl Roster, walk: &mut Walk) -> Option<usize> {
    if walk.wrr.mw == 0 {
        return None;
    }
    let last = walk.place();
    let mut from = walk.behind_cursor();
    let (mut stop, mut last_pass, mut restarted) = (None, false, false);
    loop {
        let found = roster.next(from, walk.wrr.cw);
        if let Some(place) = found
            && stop.is_none_or(|stop| place <= stop)
        {
            walk.stand_at(place, roster.real(place));
            return Some(place);
        }
        if stop.is_some() {
            walk.stand_where(last, roster);
            return None;
        }
        from = 0;
        if walk.wrr.cw > walk.wrr.di {
            lower(walk, roster.heaviest());
        } else {
            walk.wrr.cw = walk.wrr.mw;
            if last_pass || last.is_none() {
                walk.stand_at_head();
                return None;
            }
            restarted = true;
        }
        last_pass = walk.wrr.cw <= walk.wrr.di;
        if last_pass && restarted {
            stop = last;
        }
    }
}

/// The next lower bar that somebody reaches, or the lowest: passes in between, over the whole
/// list, would find nobody.
fn lower(walk: &mut Walk, heaviest: u32) {
    let mark = &mut walk.wrr;
    let steps_left = (mark.cw - 1) / mark.di;
    let steps = mark.cw.saturating_sub(heaviest).div_ceil(mark.di);
    mark.cw -= mark.di * steps.clamp(1, steps_left);
}

// SPDX-License-Identifier: Apache-2.0
//! Weighted round robin (`net/netfilter/ipvs/ip_vs_wrr.c`).
//!
//! The list is walked again and again with a falling bar: a pass takes every server whose weight
//! reaches the current weight `cw`; at the end of the list `cw` falls by the weights' greatest
//! common divisor, and from the bottom back to the top.

use model::ids::RealId;
use model::service::VirtualService;
use model::snapshot::ServiceSet;

use super::SchedState;

/// Goes on from the cursor; ends after a whole round of bars found nobody.
pub(super) fn pick(
    service: &VirtualService,
    set: &ServiceSet,
    state: &mut SchedState,
) -> Option<RealId> {
    if state.wrr.mw == 0 {
        return None;
    }
    let mut restarted = false;
    loop {
        let cw = state.wrr.cw.max(1);
        let found = service
            .reals
            .iter()
            .enumerate()
            .skip(state.next_place())
            .find(|(_, id)| {
                set.real(**id)
                    .is_some_and(|real| real.spec.weight.get() >= cw)
            });
        if let Some((place, real)) = found {
            return Some(state.choose(place, *real));
        }
        state.cursor = None;
        state.place = None;
        if state.wrr.cw > state.wrr.di {
            state.wrr.cw -= state.wrr.di;
        } else {
            state.wrr.cw = state.wrr.mw;
            if restarted {
                // The bar went from top to bottom without a taker.
                return None;
            }
            restarted = true;
        }
    }
}

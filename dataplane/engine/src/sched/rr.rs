// SPDX-License-Identifier: Apache-2.0
//! Round robin (`net/netfilter/ipvs/ip_vs_rr.c`): the next server after the last one chosen.

use model::ids::RealId;
use model::service::VirtualService;
use model::snapshot::ServiceSet;

use super::SchedState;

/// Scans once around the list, starting behind the cursor.
pub(super) fn pick(
    service: &VirtualService,
    set: &ServiceSet,
    state: &mut SchedState,
) -> Option<RealId> {
    let start = state.next_place();
    let after = service.reals.iter().enumerate().skip(start);
    let before = service.reals.iter().enumerate().take(start);
    let (place, real) = after.chain(before).find(|(_, id)| {
        set.real(**id)
            .is_some_and(|real| real.spec.weight.get() > 0)
    })?;
    Some(state.choose(place, *real))
}

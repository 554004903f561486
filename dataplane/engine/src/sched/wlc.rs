// SPDX-License-Identifier: Apache-2.0
//! Weighted least connection (`net/netfilter/ipvs/ip_vs_wlc.c`): the smallest overhead per weight.

use model::ids::RealId;
use model::service::VirtualService;
use model::snapshot::ServiceSet;

use super::available;
use crate::counters::Load;

/// Compares `overhead / weight` without dividing; of equals the first in the list wins.
pub(super) fn pick(
    service: &VirtualService,
    set: &ServiceSet,
    load: impl Fn(RealId) -> Load,
) -> Option<RealId> {
    let figures = available(service, set).map(|real| {
        (
            real.id,
            load(real.id).overhead(),
            u64::from(real.spec.weight.get()),
        )
    });
    let least = figures.reduce(|least, candidate| {
        let (_, least_overhead, least_weight) = least;
        let (_, overhead, weight) = candidate;
        if least_overhead * weight > overhead * least_weight {
            candidate
        } else {
            least
        }
    });
    least.map(|(id, _, _)| id)
}

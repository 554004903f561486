// SPDX-License-Identifier: Apache-2.0
//! Least connection (`net/netfilter/ipvs/ip_vs_lc.c`): the smallest overhead, weights ignored.

use model::ids::RealId;
use model::service::VirtualService;
use model::snapshot::ServiceSet;

use super::available;
use crate::counters::Load;

/// Of equals the first in the list wins.
pub(super) fn pick(
    service: &VirtualService,
    set: &ServiceSet,
    load: impl Fn(RealId) -> Load,
) -> Option<RealId> {
    available(service, set)
        .map(|real| real.id)
        .min_by_key(|id| load(*id).overhead())
}

// SPDX-License-Identifier: Apache-2.0
//! Maglev hashing (`net/netfilter/ipvs/ip_vs_mh.c`): as sh, with a table that barely changes when a
//! server comes or goes.

use model::ids::RealId;
use model::sched::hash::{MH_KEYS, mh_hash};
use model::sched::table::{MH_SIZE, SchedTable};
use model::service::{SchedulerFlags, VirtualService};

use super::Request;
use super::roster::Field;
use super::sh::pick_around;

/// The server of the client's place; with `mh-fallback` another if it takes no connections.
pub(super) fn pick(
    service: &VirtualService,
    field: &Field<'_>,
    request: &Request,
) -> Option<RealId> {
    let SchedTable::Buckets(buckets) = service.table.as_deref()? else {
        return None;
    };
    let port = if service.spec.flags.contains(SchedulerFlags::PORT) {
        request.cport
    } else {
        0
    };
    let [key, _] = MH_KEYS;
    pick_around(buckets, service.spec.flags, field, |offset| {
        mh_hash(request.client_ip, port, key, offset) % MH_SIZE
    })
}

// SPDX-License-Identifier: Apache-2.0
//! Destination hashing (`net/netfilter/ipvs/ip_vs_dh.c`): a table of buckets by the packet's
//! destination address. If its server takes no connections, nobody does.

use model::ids::RealId;
use model::sched::hash::{fold, hash_32};
use model::sched::table::{HASH_BITS, SchedTable};
use model::service::VirtualService;

use super::Request;
use super::roster::Field;

/// The server of the destination's bucket.
pub(super) fn pick(
    service: &VirtualService,
    field: &Field<'_>,
    request: &Request,
) -> Option<RealId> {
    let SchedTable::Buckets(buckets) = service.table.as_deref()? else {
        return None;
    };
    let bucket = hash_32(fold(request.destination), HASH_BITS);
    field.available(*buckets.get(bucket as usize)?)
}

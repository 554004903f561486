// SPDX-License-Identifier: Apache-2.0
//! Consistent hashing on a ring, by the client's address. Not one of the kernel's; DPVS has one of
//! that name, whose choices are others (its ring is of MD5 sums).

use model::ids::RealId;
use model::sched::table::SchedTable;
use model::service::VirtualService;

use super::Request;
use super::roster::Field;

/// Points that are looked at before giving up: with one server in a hundred alive, one connection
/// in 10^8 finds none.
const POINTS_MAX: usize = 2048;

/// The first server at or behind the client's place that takes connections: those of a server that
/// takes none are spread over all others.
pub(super) fn pick(
    service: &VirtualService,
    field: &Field<'_>,
    request: &Request,
) -> Option<RealId> {
    let SchedTable::Ring(ring) = service.table.as_deref()? else {
        return None;
    };
    ring.from(request.client_ip)
        .take(POINTS_MAX)
        .find_map(|real| field.available(real))
}

// SPDX-License-Identifier: Apache-2.0
//! Source hashing (`net/netfilter/ipvs/ip_vs_sh.c`): a table of buckets by the client's address,
//! with `sh-port` also by its port.

use model::ids::RealId;
use model::sched::hash::{fold, hash_32};
use model::sched::table::{HASH_BITS, SchedTable};
use model::service::{SchedulerFlags, VirtualService};

use super::Request;
use super::roster::Field;

/// The server of the client's bucket; with `sh-fallback` other buckets are tried if it takes no
/// connections.
pub(super) fn pick(
    service: &VirtualService,
    field: &Field<'_>,
    request: &Request,
) -> Option<RealId> {
    let SchedTable::Buckets(buckets) = service.table.as_deref()? else {
        return None;
    };
    let port = if service.spec.flags.contains(SchedulerFlags::PORT) {
        u32::from(request.cport)
    } else {
        0
    };
    let hash = hash_32(port.wrapping_add(fold(request.client_ip)), HASH_BITS);
    pick_around(buckets, service.spec.flags, field, |offset| {
        offset.wrapping_add(hash) % (1 << HASH_BITS)
    })
}

/// The bucket at `hash(0)`; with the fallback flag, and if its server takes no connections, those
/// at `hash(hash(0) + 0)`, `hash(hash(0) + 1)` and so on, as many as there are
/// (`ip_vs_sh_get_fallback`, `ip_vs_mh_get_fallback`).
pub(super) fn pick_around(
    buckets: &[RealId],
    flags: SchedulerFlags,
    field: &Field<'_>,
    hash: impl Fn(u32) -> u32,
) -> Option<RealId> {
    let first = hash(0);
    let real = field.available(*buckets.get(first as usize)?);
    if real.is_some() || !flags.contains(SchedulerFlags::FALLBACK) {
        return real;
    }
    let size = u32::try_from(buckets.len()).ok()?;
    (0..size).find_map(|offset| {
        let bucket = hash((offset + first) % size);
        field.available(*buckets.get(bucket as usize)?)
    })
}

// SPDX-License-Identifier: Apache-2.0
//! Locality-based least connection with replication (`net/netfilter/ipvs/ip_vs_lblcr.c`): as lblc,
//! with a set of servers per destination that grows under load and shrinks with time.

use model::ids::RealId;
use model::service::VirtualService;

use super::Request;
use super::lblc::{is_overloaded, listed};
use super::locality::{Locality, Member, Place};
use super::order::Order;
use super::roster::{Field, Roster};

/// The least loaded of the destination's servers; if that is overloaded, wlc's choice joins them.
pub(super) fn pick(
    service: &VirtualService,
    field: &Field<'_>,
    roster: &impl Roster,
    table: Option<&mut Locality>,
    request: &Request,
) -> Option<RealId> {
    let Some(table) = table else {
        return roster.real(roster.best()?);
    };
    let now_ms = request.now_ms;
    let entry = table.find(request.destination, now_ms);
    if let Some(entry) = entry {
        let least = least(table, entry, service, field);
        if table.overripe(entry, now_ms) > 1
            && let Some(most) = most(table, entry, field)
        {
            table.remove(entry, most, now_ms);
        }
        if let Some(real) = least.and_then(|id| field.set.real(id))
            && !is_overloaded(real, field, roster)
        {
            return Some(real.id);
        }
    }
    let chosen = roster.real(roster.best()?)?;
    if let Some(real) = field.set.real(chosen) {
        match entry {
            None => table.create(request.destination, Member::of(real), now_ms),
            Some(entry) => table.insert(entry, Member::of(real), now_ms),
        }
    }
    Some(chosen)
}

/// The first least loaded server of a set that takes connections (`ip_vs_dest_set_min`).
fn least(
    table: &Locality,
    entry: Place,
    service: &VirtualService,
    field: &Field<'_>,
) -> Option<RealId> {
    let seats = table.members(entry).filter_map(|member| {
        let real = listed(member, service, field)?;
        Some((real.id, field.seat(real)))
    });
    let open = seats.filter(|(_, seat)| seat.weight > 0);
    let least = open.reduce(|least, candidate| {
        if Order::Wlc.prefers(&candidate.1, &least.1) {
            candidate
        } else {
            least
        }
    });
    least.map(|(id, _)| id)
}

/// The first most loaded server of a set, overloaded or deleted ones included
/// (`ip_vs_dest_set_max`).
fn most(table: &Locality, entry: Place, field: &Field<'_>) -> Option<Member> {
    let seats = table.members(entry).filter_map(|member| {
        let real = field.set.real(member.real)?;
        let mut seat = field.seat(real);
        seat.weight = seat.nominal;
        (real.generation == member.generation && seat.weight > 0).then_some((member, seat))
    });
    let most = seats.reduce(|most, candidate| {
        if Order::Wlc.prefers(&most.1, &candidate.1) {
            candidate
        } else {
            most
        }
    });
    most.map(|(member, _)| member)
}

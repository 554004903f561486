// SPDX-License-Identifier: Apache-2.0
//! Locality-based least connection (`net/netfilter/ipvs/ip_vs_lblc.c`): a destination address keeps
//! its server while that may serve and is not overloaded beside an idle one; else wlc decides.

use model::ids::RealId;
use model::service::{RealServer, RealState, VirtualService};

use super::Request;
use super::locality::{Locality, Member};
use super::roster::{Field, Roster};

/// The server of the destination, or a new one, which is remembered.
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
    let entry = table.find(request.destination, request.now_ms);
    let kept = entry.and_then(|entry| table.members(entry).next());
    // The kernel does not ask whether it is overloaded by its thresholds.
    if let Some(real) = kept.and_then(|member| listed(member, service, field))
        && real.spec.weight.get() > 0
        && !is_overloaded(real, field, roster)
    {
        return Some(real.id);
    }
    let chosen = roster.real(roster.best()?)?;
    if let Some(real) = field.set.real(chosen) {
        let member = Member::of(real);
        match entry {
            None => table.create(request.destination, member, request.now_ms),
            Some(entry) if kept != Some(member) => table.replace(entry, member, request.now_ms),
            Some(_) => {}
        }
    }
    Some(chosen)
}

/// The server that a table remembers, if it is still in the list (`IP_VS_DEST_F_AVAILABLE`).
pub(super) fn listed<'a>(
    member: Member,
    service: &VirtualService,
    field: &Field<'a>,
) -> Option<&'a RealServer> {
    let real = field.set.real(member.real)?;
    let same = real.generation == member.generation && real.service == service.id;
    (same && real.state != RealState::Deleted).then_some(real)
}

/// More active connections than its weight, while another has less than half of its
/// (`is_overloaded`).
pub(super) fn is_overloaded(real: &RealServer, field: &Field<'_>, roster: &impl Roster) -> bool {
    field.loads.load(real.id).active > real.spec.weight.get() && roster.has_slack()
}

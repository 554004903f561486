// SPDX-License-Identifier: Apache-2.0
//! Schedulers: which real server a new connection gets. One file each, the kernel's exact rules.
//!
//! ```text
//!   Schedulers (one per worker) ─► State of the service ─► rr, wrr, lc, … ─► RealId
//!      ├ Loads   connections of each server over all workers; who is overloaded
//!      ├ Random  draws of twos and random
//!      └ State   cursor, wrr's weights, lblc's table, and the Tree over the list
//! ```
//!
//! All of them walk the service's list as the kernel does, newest server first, and skip weight 0
//! and overloaded servers. They do not walk it server by server: what they ask of the list (the
//! next one of at least that weight, the least loaded, the one at that place of the weights' sum)
//! is a `Roster`, which a `tree::Tree` answers in as many steps as the list's length has bits.
//! While a tree is being built after a change, a `roster::Scan` gives the same answers.
//!
//! A scheduler's running state belongs to one worker; `state::State::sync` replays what happened
//! to the list since this worker last looked (see `model::sched`).

mod conhash;
mod dh;
mod draw;
mod fo;
mod lblc;
mod lblcr;
mod lc;
mod loads;
mod locality;
mod mh;
mod nq;
mod order;
mod ovf;
mod random;
mod roster;
mod rr;
mod sed;
mod sh;
mod state;
mod tree;
mod twos;
mod wlc;
mod worker;
mod wrr;

use model::addr::Addr;
use model::ids::RealId;
use model::service::{SchedulerKind, VirtualService};

pub use draw::Random;
pub use worker::Schedulers;

use roster::{Field, Roster};
use state::Walk;

/// The connection that wants a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// CIP.
    pub client_ip: Addr,
    /// cport; 0 if the protocol has none.
    pub cport: u16,
    /// Where the packet goes: the VIP, or any address a mark service is fed with.
    pub destination: Addr,
    /// Milliseconds on the monotonic clock.
    pub now_ms: u64,
}

/// The real server for a new connection, or `None` if none may take it.
fn choose(
    service: &VirtualService,
    field: &Field<'_>,
    roster: &impl Roster,
    (walk, random): (&mut Walk, &mut Random),
    request: &Request,
) -> Option<RealId> {
    let place = match service.spec.scheduler {
        SchedulerKind::Rr => rr::pick(roster, walk),
        SchedulerKind::Wrr => wrr::pick(roster, walk),
        SchedulerKind::Fo => fo::pick(roster),
        SchedulerKind::Lc
        | SchedulerKind::Wlc
        | SchedulerKind::Sed
        | SchedulerKind::Nq
        | SchedulerKind::Ovf => roster.best(),
        SchedulerKind::Twos => return twos::pick(field, roster, random),
        SchedulerKind::Random => random::pick(roster, random),
        SchedulerKind::Lblc => {
            return lblc::pick(service, field, roster, walk.locality.as_mut(), request);
        }
        SchedulerKind::Lblcr => {
            return lblcr::pick(service, field, roster, walk.locality.as_mut(), request);
        }
        SchedulerKind::Dh => return dh::pick(service, field, request),
        SchedulerKind::Sh => return sh::pick(service, field, request),
        SchedulerKind::Mh => return mh::pick(service, field, request),
        SchedulerKind::Conhash => return conhash::pick(service, field, request),
    }?;
    roster.real(place)
}

#[cfg(test)]
mod tests;

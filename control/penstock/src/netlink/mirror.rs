// SPDX-License-Identifier: Apache-2.0
//! Follows Linux's tables and sends a picture whenever they changed.
//!
//! ```text
//!   subscribe ─► dump ─► publish ─► wait for a notification ─► (at most 20 ms later) ─┐
//!                 ▲         ▲                                                          │
//!                 │         └──────────────────── clear ───────────────────────────────┤
//!                 └──── unclear: overrun, link down, address gone, … ──────────────────┘
//! ```
//!
//! The subscription is older than any dump, so nothing falls between. Notifications that arrive
//! during a dump are applied after it; those that the dump knew already change nothing, or ask for
//! one dump more.

use std::convert::Infallible;
use std::time::Duration;

use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::neighbour::NeighbourMessage;
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::TwinLink;
use super::error::NetlinkError;
use super::events::Events;
use super::picture::Picture;
use super::request::Requests;
use super::state::{Change, Tables};

/// Between two pictures: a burst of changes costs the workers one new table, not thousands.
const QUIET: Duration = Duration::from_millis(20);
/// A picture that took long to make is made again only after so many times that long: with very
/// large tables mirroring takes at most this share of the control side's time.
const COST_FACTOR: u32 = 4;
/// But workers wait no longer than this for a change.
const QUIET_MAX: Duration = Duration::from_millis(200);
/// The kernel says when a dump may lack entries because others came and went meanwhile. So often
/// it is begun anew before what there is gets used, and asked again a little later.
const DUMP_TRIES: u32 = 8;

/// Mirrors until it fails.
pub(super) async fn run(
    requests: &Requests,
    twins: &[TwinLink],
    sender: &watch::Sender<Picture>,
) -> NetlinkError {
    match follow(requests, twins, sender).await {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

async fn follow(
    requests: &Requests,
    twins: &[TwinLink],
    sender: &watch::Sender<Picture>,
) -> Result<Infallible, NetlinkError> {
    // Load-bearing order: subscribed before anything is read.
    let mut events = Events::subscribe()?;
    let mut tables = Tables::new(twins);
    let mut todo = Change::Unclear;
    let mut gate = Instant::now();
    let mut first = true;
    loop {
        while todo == Change::Nothing {
            todo = events.next(&mut tables).await?;
        }
        // Reading on keeps the kernel's queue short while the gate is closed.
        while Instant::now() < gate {
            match timeout_at(gate, events.next(&mut tables)).await {
                Ok(change) => todo = todo.max(change?),
                Err(_) => break,
            }
        }
        let begin = Instant::now();
        if todo == Change::Unclear {
            events.discard()?;
            let whole;
            (tables, whole) = dump(requests, twins).await?;
            todo = if whole {
                Change::Nothing
            } else {
                Change::Unclear
            };
        } else {
            todo = Change::Nothing;
        }
        publish(sender, tables.picture(), first);
        first = false;
        let end = Instant::now();
        gate = end + ((end - begin) * COST_FACTOR).clamp(QUIET, QUIET_MAX);
    }
}

/// Reads everything; false if it changed meanwhile so that entries may be missing.
async fn dump(requests: &Requests, twins: &[TwinLink]) -> Result<(Tables, bool), NetlinkError> {
    let mut tables = Tables::new(twins);
    for _ in 1..DUMP_TRIES {
        if dump_once(requests, &mut tables).await? {
            return Ok((tables, true));
        }
        tables = Tables::new(twins);
    }
    let whole = dump_once(requests, &mut tables).await?;
    Ok((tables, whole))
}

async fn dump_once(requests: &Requests, tables: &mut Tables) -> Result<bool, NetlinkError> {
    let mut routes_v6 = RouteMessage::default();
    routes_v6.header.address_family = AddressFamily::Inet6;
    let mut routes_v4 = RouteMessage::default();
    routes_v4.header.address_family = AddressFamily::Inet;
    let questions = [
        (
            "links",
            RouteNetlinkMessage::GetLink(LinkMessage::default()),
        ),
        (
            "addresses",
            RouteNetlinkMessage::GetAddress(AddressMessage::default()),
        ),
        ("IPv4 routes", RouteNetlinkMessage::GetRoute(routes_v4)),
        ("IPv6 routes", RouteNetlinkMessage::GetRoute(routes_v6)),
        (
            "neighbours",
            RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default()),
        ),
    ];
    let mut whole = true;
    for (object, question) in questions {
        whole &= requests
            .dump(object, question, |message| tables.load(&message))
            .await?;
    }
    Ok(whole)
}

/// Wakes the receivers for the first picture, be it empty, and then for each that differs.
fn publish(sender: &watch::Sender<Picture>, picture: Picture, first: bool) {
    sender.send_if_modified(|last| {
        let differs = first || *last != picture;
        if differs {
            *last = picture;
        }
        differs
    });
}

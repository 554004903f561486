// SPDX-License-Identifier: Apache-2.0
//! Service addresses on the twins (DESIGN decision 9b).
//!
//! Linux must own them: it answers ARP and neighbour discovery for them, and pings. IPv6 ones are
//! deprecated from birth, so that Linux never picks one as the source of what it sends itself; for
//! IPv4 the subnet's own address, which is there first, has precedence.

use std::collections::BTreeMap;

use model::addr::{Addr, Prefix};

use super::error::NetlinkError;
use super::request::{self, Requests, Use};
use super::{Shared, Twin};

/// Makes the service addresses on the twins those that are wanted.
pub(super) async fn set(
    requests: &Requests,
    shared: &Shared,
    wanted: &[Addr],
) -> Result<(), NetlinkError> {
    let mut ours = shared.virtual_ips.lock().await;
    let twins: Vec<Twin> = shared.twins().values().cloned().collect();
    let mut places = BTreeMap::new();
    for addr in wanted {
        let Some(index) = place(*addr, &twins) else {
            return Err(NetlinkError::NoPlace { addr: *addr });
        };
        places.insert(*addr, index);
    }
    let present = request::addresses(requests).await?;
    let mut first_error = None;

    let gone: Vec<(Addr, u32)> = ours
        .iter()
        .filter(|(addr, index)| places.get(addr) != Some(index))
        .map(|(addr, index)| (*addr, *index))
        .collect();
    for (addr, index) in gone.iter().copied() {
        match request::remove_address(requests, index, host(addr)).await {
            Ok(()) => drop(ours.remove(&addr)),
            Err(error) => drop(first_error.get_or_insert(error)),
        }
    }
    for (addr, index) in places {
        let there = |(link, prefix): &(u32, Prefix)| *link == index && *prefix == host(addr);
        let satisfied = match ours.get(&addr) {
            // On another link only if it could not be removed there.
            Some(link) => *link != index || present.iter().any(there),
            None => present.iter().any(|(link, prefix)| {
                let removed = *prefix == host(addr) && gone.contains(&(addr, *link));
                prefix.addr == addr && !removed
            }),
        };
        if satisfied {
            continue;
        }
        match request::add_address(requests, index, host(addr), Use::Service).await {
            Ok(()) => drop(ours.insert(addr, index)),
            // Somebody was faster: it is theirs.
            Err(error) if error.says_exists() => {}
            Err(error) => drop(first_error.get_or_insert(error)),
        }
    }
    first_error.map_or(Ok(()), Err)
}

/// The index of the link that a service address belongs on: the twin with the narrowest subnet
/// around it, else the first.
fn place(addr: Addr, twins: &[Twin]) -> Option<u32> {
    let width = |twin: &Twin| {
        let around = twin
            .link
            .addresses
            .iter()
            .filter(|prefix| prefix.contains(addr));
        around.map(|prefix| prefix.len).max()
    };
    let narrowest = twins
        .iter()
        .filter_map(|twin| Some((width(twin)?, twin.index)))
        // The first of equals, which `max_by_key` would not be.
        .reduce(|best, next| if next.0 > best.0 { next } else { best });
    narrowest
        .map(|(_, index)| index)
        .or_else(|| twins.first().map(|twin| twin.index))
}

/// The address alone: /32 or /128.
fn host(addr: Addr) -> Prefix {
    Prefix {
        addr,
        len: addr.bits(),
    }
}

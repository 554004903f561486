// SPDX-License-Identifier: Apache-2.0
//! Linux's tables as netlink messages tell them; no socket, no clock.
//!
//! A dump [`load`](Tables::load)s them, notifications are [`apply`](Tables::apply)ed on top.
//! Notifications do not say everything: Linux removes IPv4 routes silently when a link goes down,
//! when their nexthop object goes or, before 6.6, when their preferred source address goes; and
//! where several routes share prefix and metric a notification does not say which of them it is
//! about. In these cases the answer is [`Change::Unclear`], and the caller dumps anew.

mod read;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use model::addr::{Addr, Prefix, mask};
use model::fib::Route;
use model::ids::IfaceId;
use netlink_packet_core::{NLM_F_REPLACE, NetlinkHeader};
use netlink_packet_route::RouteNetlinkMessage;

use super::TwinLink;
use super::picture::Picture;
use read::{Link, Neighbour};
pub(super) use read::{mac, read_address};

/// What a message meant for the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// The picture is as it was.
    Nothing,
    /// The picture may be another one.
    Picture,
    /// The message does not say enough: read everything anew.
    Unclear,
}

/// Links, addresses, routes and neighbours of the namespace, all of them: what is not a twin today
/// may be one after a rename.
#[derive(Debug, Clone, Default)]
pub(super) struct Tables {
    twins: BTreeMap<String, IfaceId>,
    links: BTreeMap<u32, Link>,
    addresses: BTreeSet<(u32, Prefix)>,
    routes: BTreeMap<RouteKey, Vec<Entry>>,
    neighbours: BTreeMap<(u32, Addr), Neighbour>,
}

impl Tables {
    /// Nothing known yet.
    pub(super) fn new(twins: &[TwinLink]) -> Self {
        Self {
            twins: twins
                .iter()
                .map(|twin| (twin.name.clone(), twin.iface))
                .collect(),
            ..Self::default()
        }
    }

    /// Takes one message of a dump.
    pub(super) fn load(&mut self, message: &RouteNetlinkMessage) {
        if let RouteNetlinkMessage::NewRoute(route) = message {
            if let Some((key, entry)) = read::route(route) {
                let entries = self.routes.entry(key).or_default();
                if !entries.iter().any(|known| known.same(&entry)) {
                    entries.push(entry);
                }
            }
        } else {
            self.apply(&NetlinkHeader::default(), message);
        }
    }

    /// Takes one notification.
    pub(super) fn apply(
        &mut self,
        header: &NetlinkHeader,
        message: &RouteNetlinkMessage,
    ) -> Change {
        if let RouteNetlinkMessage::NewRoute(route) = message {
            let replace = header.flags & NLM_F_REPLACE != 0;
            read::route(route).map_or(Change::Nothing, |(key, entry)| {
                self.add_route(key, entry, replace)
            })
        } else if let RouteNetlinkMessage::DelRoute(route) = message {
            read::route(route).map_or(Change::Nothing, |(key, entry)| {
                self.remove_route(key, &entry)
            })
        } else if let RouteNetlinkMessage::NewNeighbour(neighbour) = message {
            read::neighbour(neighbour).map_or(Change::Nothing, |(key, known)| {
                self.set_neighbour(key, known)
            })
        } else if let RouteNetlinkMessage::DelNeighbour(neighbour) = message {
            read::neighbour(neighbour)
                .map_or(Change::Nothing, |(key, _)| self.set_neighbour(key, None))
        } else if let RouteNetlinkMessage::NewAddress(address) = message {
            let new = read_address(address).is_some_and(|entry| self.addresses.insert(entry));
            if new {
                Change::Picture
            } else {
                Change::Nothing
            }
        } else if let RouteNetlinkMessage::DelAddress(address) = message {
            // Routes with that source address go silently.
            match read_address(address) {
                Some(entry) if self.addresses.remove(&entry) => Change::Unclear,
                Some(_) | None => Change::Nothing,
            }
        } else if let RouteNetlinkMessage::NewLink(link) = message {
            read::link(link).map_or(Change::Nothing, |(index, link)| self.set_link(index, link))
        } else if let RouteNetlinkMessage::DelLink(link) = message {
            match read::link(link) {
                Some((index, _)) if self.links.remove(&index).is_some() => Change::Unclear,
                Some(_) | None => Change::Nothing,
            }
        } else {
            Change::Nothing
        }
    }

    /// The tables in the words of the dataplane.
    pub(super) fn picture(&self) -> Picture {
        let mut picture = Picture {
            routes: self.visible_routes(),
            ..Picture::default()
        };
        for ((index, addr), neighbour) in &self.neighbours {
            let Some(iface) = self.twin(*index) else {
                continue;
            };
            picture.neighbours.push((iface, *addr, neighbour.mac));
            if neighbour.stale {
                picture.stale.push((iface, *addr));
            }
        }
        let addresses = self.addresses.iter();
        picture.addresses = addresses
            .filter_map(|(index, prefix)| Some((self.twin(*index)?, *prefix)))
            .collect();
        picture
    }

    fn add_route(&mut self, key: RouteKey, entry: Entry, replace: bool) -> Change {
        let entries = self.routes.entry(key).or_default();
        if replace && entries.len() > 1 {
            return Change::Unclear;
        }
        if let Some(known) = entries.iter_mut().find(|known| known.same(&entry)) {
            let before = std::mem::replace(known, entry);
            return if before == *known {
                Change::Nothing
            } else {
                Change::Picture
            };
        }
        match entries.as_mut_slice() {
            [] => entries.push(entry),
            // IPv6 replaces a route through a gateway by another such one, and else adds.
            [only] if replace && (key.network.is_v4() || only.gated() && entry.gated()) => {
                *only = entry;
            }
            // One per link, all saying the same: anycast and multicast of IPv6.
            all if entry.kind == Kind::Local && all.iter().all(|e| e.kind == Kind::Local) => {
                entries.push(entry);
                return Change::Nothing;
            }
            _ => return Change::Unclear,
        }
        Change::Picture
    }

    fn remove_route(&mut self, key: RouteKey, entry: &Entry) -> Change {
        let Some(entries) = self.routes.get_mut(&key) else {
            return Change::Nothing;
        };
        let Some(place) = entries.iter().position(|known| known.same(entry)) else {
            return Change::Unclear;
        };
        entries.remove(place);
        if entries.is_empty() {
            self.routes.remove(&key);
        }
        Change::Picture
    }

    fn set_neighbour(&mut self, key: (u32, Addr), neighbour: Option<Neighbour>) -> Change {
        let before = match neighbour {
            Some(neighbour) => self.neighbours.insert(key, neighbour),
            None => self.neighbours.remove(&key),
        };
        if before == neighbour || self.twin(key.0).is_none() {
            Change::Nothing
        } else {
            Change::Picture
        }
    }

    fn set_link(&mut self, index: u32, link: Link) -> Change {
        let before = self.links.insert(index, link.clone());
        match before {
            Some(before) if before == link => Change::Nothing,
            Some(before) if before.carries == link.carries => Change::Picture,
            // Whatever goes with a link that goes down goes silently.
            Some(_) => Change::Unclear,
            None => Change::Picture,
        }
    }

    /// The interface whose twin has this index.
    fn twin(&self, index: u32) -> Option<IfaceId> {
        self.twins.get(&self.links.get(&index)?.name).copied()
    }

    /// Routes as Linux finds them: the first table that has any match for a destination decides,
    /// be the match of a later table longer. Only `local` and `main` of IPv4 are searched as one
    /// (`fib_unmerge` in the kernel's `fib_frontend.c`), in which `local` precedes among equals.
    fn visible_routes(&self) -> Vec<(Prefix, u32, Route)> {
        let mut routes = Vec::with_capacity(self.routes.len());
        let mut earlier = Covered::default();
        let mut table = Table::Local;
        let mut of_table = Vec::new();
        for (key, entries) in &self.routes {
            if key.table != table {
                table = key.table;
                earlier.add(&of_table);
                of_table.clear();
            }
            let Some(entry) = entries.first() else {
                continue;
            };
            let merged = table == Table::Main && key.network.is_v4();
            if merged && earlier.has(key.len, key.network)
                || !merged && earlier.covers(key.len, key.network)
            {
                continue;
            }
            of_table.push((key.len, key.network));
            let len = if key.network.is_v4() {
                key.len.saturating_sub(96)
            } else {
                key.len
            };
            routes.push((
                Prefix {
                    addr: key.network,
                    len,
                },
                key.metric,
                self.route(entry),
            ));
        }
        routes
    }

    fn route(&self, entry: &Entry) -> Route {
        match entry.kind {
            Kind::Local => Route::Local,
            Kind::Blackhole => Route::Blackhole,
            Kind::Kernel => Route::Kernel,
            Kind::Unicast => entry
                .hops
                .iter()
                .filter(|hop| hop.usable)
                .find_map(|hop| {
                    let iface = self.twin(hop.index)?;
                    Some(Route::Via {
                        iface,
                        gateway: hop.gateway,
                    })
                })
                .unwrap_or(Route::Kernel),
        }
    }
}

/// The tables that are mirrored, in the order in which Linux asks them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Table {
    Local,
    Main,
    Default,
}

/// What routes of one prefix are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct RouteKey {
    table: Table,
    /// Counted over the sixteen octets of [`Addr`].
    len: u8,
    network: Addr,
    metric: u32,
}

/// One route of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    kind: Kind,
    hops: Vec<Hop>,
}

impl Entry {
    /// Whether both are the same route, usable at the moment or not.
    fn same(&self, other: &Self) -> bool {
        let place = |hop: &Hop| (hop.index, hop.gateway);
        self.kind == other.kind && self.hops.iter().map(place).eq(other.hops.iter().map(place))
    }

    /// Whether it leads to a gateway.
    fn gated(&self) -> bool {
        self.hops.iter().any(|hop| hop.gateway.is_some())
    }
}

/// What a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Local,
    Unicast,
    Kernel,
    Blackhole,
}

/// One way of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hop {
    /// The index of the link.
    index: u32,
    gateway: Option<Addr>,
    /// Not dead, and no encapsulation that only Linux can do.
    usable: bool,
}

/// Prefixes of the tables before the present one.
#[derive(Debug, Default)]
struct Covered {
    lengths: BTreeSet<u8>,
    prefixes: HashSet<(u8, Addr)>,
}

impl Covered {
    fn add(&mut self, prefixes: &[(u8, Addr)]) {
        self.lengths.extend(prefixes.iter().map(|(len, _)| *len));
        self.prefixes.extend(prefixes);
    }

    /// Whether an earlier table has this very prefix.
    fn has(&self, len: u8, network: Addr) -> bool {
        self.prefixes.contains(&(len, network))
    }

    /// Whether a prefix of an earlier table contains this one.
    fn covers(&self, len: u8, network: Addr) -> bool {
        // Shorter than 96 bits a prefix is of IPv6, whose numbers IPv4 must not meet.
        let shortest = if network.is_v4() { 96 } else { 0 };
        self.lengths
            .range(shortest..=len.max(shortest))
            .any(|shorter| self.prefixes.contains(&(*shorter, mask(network, *shorter))))
    }
}

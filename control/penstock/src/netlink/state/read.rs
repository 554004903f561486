// SPDX-License-Identifier: Apache-2.0
//! Netlink messages in our words; what the mirror does not follow reads as `None`.

use model::addr::{Addr, Mac, Prefix};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteNextHopFlags, RouteType, RouteVia,
};

use super::{Entry, Hop, Kind, RouteKey, Table};

/// A link, as far as routes and neighbours depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) name: String,
    /// Administratively up, and with a carrier.
    pub(super) carries: (bool, bool),
}

/// A neighbour whose MAC is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Neighbour {
    pub(super) mac: Mac,
    pub(super) stale: bool,
}

/// An Ethernet address, if these bytes are one.
pub(in super::super) fn mac(bytes: &[u8]) -> Option<Mac> {
    bytes.try_into().ok().map(Mac)
}

/// An address: the index of its link, and the prefix.
pub(in super::super) fn read_address(message: &AddressMessage) -> Option<(u32, Prefix)> {
    let (mut local, mut other) = (None, None);
    for attribute in &message.attributes {
        if let AddressAttribute::Local(ip) = attribute {
            local = Some(*ip);
        } else if let AddressAttribute::Address(ip) = attribute {
            // On a point-to-point link that is the peer's.
            other = Some(*ip);
        }
    }
    let prefix = Prefix::new(local.or(other)?.into(), message.header.prefix_len)?;
    Some((message.header.index, prefix))
}

/// A link; those of the bridge's own view of its ports are none.
pub(super) fn link(message: &LinkMessage) -> Option<(u32, Link)> {
    if message.header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let name = message.attributes.iter().find_map(|attribute| {
        if let LinkAttribute::IfName(name) = attribute {
            Some(name.clone())
        } else {
            None
        }
    })?;
    let flags = message.header.flags;
    let carries = (
        flags.contains(LinkFlags::Up),
        flags.contains(LinkFlags::LowerUp),
    );
    Some((message.header.index, Link { name, carries }))
}

/// A neighbour, with what is known of it.
///
/// Groups are left out: Linux lists their MACs as neighbours (`NUD_NOARP`), but they follow from
/// the address.
pub(super) fn neighbour(message: &NeighbourMessage) -> Option<((u32, Addr), Option<Neighbour>)> {
    if message.header.flags.contains(NeighbourFlags::Proxy) {
        return None;
    }
    let (mut addr, mut lladdr) = (None, None);
    for attribute in &message.attributes {
        if let NeighbourAttribute::Destination(destination) = attribute {
            addr = ip_of_neighbour(destination);
        } else if let NeighbourAttribute::LinkLayerAddress(bytes) = attribute {
            lladdr = mac(bytes);
        }
    }
    let addr = addr?;
    if addr.is_multicast_or_broadcast() || lladdr.is_some_and(|mac| mac.is_group()) {
        return None;
    }
    let usable = matches!(
        message.header.state,
        NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Permanent
            | NeighbourState::Noarp
    );
    let stale = message.header.state == NeighbourState::Stale;
    let known = lladdr
        .filter(|_| usable)
        .map(|mac| Neighbour { mac, stale });
    Some(((message.header.ifindex, addr), known))
}

fn ip_of_neighbour(address: &NeighbourAddress) -> Option<Addr> {
    if let NeighbourAddress::Inet(v4) = address {
        Some((*v4).into())
    } else if let NeighbourAddress::Inet6(v6) = address {
        Some((*v6).into())
    } else {
        None
    }
}

/// A route of a table that is mirrored, for every type of service and every source.
pub(super) fn route(message: &RouteMessage) -> Option<(RouteKey, Entry)> {
    let header = &message.header;
    let v4 = header.address_family == AddressFamily::Inet;
    if !v4 && header.address_family != AddressFamily::Inet6
        || header.tos != 0
        || header.source_prefix_length != 0
        || header.flags.contains(RouteFlags::Cloned)
    {
        return None;
    }
    let kind = kind(header.kind)?;
    let mut network = if v4 {
        Addr::from_octets(V4_ANY)
    } else {
        Addr::UNSPECIFIED
    };
    let mut table = u32::from(header.table);
    let mut metric = 0;
    for attribute in &message.attributes {
        if let RouteAttribute::Destination(destination) = attribute {
            network = ip_of_route(destination)?;
        } else if let RouteAttribute::Table(number) = attribute {
            table = *number;
        } else if let RouteAttribute::Priority(number) = attribute {
            metric = *number;
        }
    }
    // Link-local destinations are never routed, and there is one such prefix per link.
    if kind == Kind::Unicast && !v4 && network.is_link_local() {
        return None;
    }
    let prefix = Prefix::new(network, header.destination_prefix_length)?;
    let key = RouteKey {
        table: mirrored(table, v4)?,
        len: prefix.len_in_128(),
        network: prefix.network(),
        metric,
    };
    Some((
        key,
        Entry {
            kind,
            hops: hops(message),
        },
    ))
}

/// `0.0.0.0` as [`Addr`] keeps it.
const V4_ANY: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0];

/// Which table a number of `rtnetlink(7)` is; IPv6 never asks the table `default`.
fn mirrored(table: u32, v4: bool) -> Option<Table> {
    match table {
        255 => Some(Table::Local),
        254 => Some(Table::Main),
        253 if v4 => Some(Table::Default),
        _ => None,
    }
}

fn kind(kind: RouteType) -> Option<Kind> {
    if kind == RouteType::Unicast {
        Some(Kind::Unicast)
    } else if kind == RouteType::BlackHole {
        Some(Kind::Blackhole)
    } else if matches!(
        kind,
        RouteType::Unreachable | RouteType::Prohibit | RouteType::Throw
    ) {
        Some(Kind::Kernel)
    } else if matches!(
        kind,
        RouteType::Local | RouteType::Broadcast | RouteType::Anycast | RouteType::Multicast
    ) {
        Some(Kind::Local)
    } else {
        None
    }
}

/// The ways of a route, in Linux's order.
fn hops(message: &RouteMessage) -> Vec<Hop> {
    for attribute in &message.attributes {
        if let RouteAttribute::MultiPath(hops) = attribute {
            return hops
                .iter()
                .map(|hop| {
                    let dead = hop.flags.contains(RouteNextHopFlags::Dead);
                    way(hop.interface_index, dead, &hop.attributes)
                })
                .collect();
        }
    }
    let index = message.attributes.iter().find_map(|attribute| {
        if let RouteAttribute::Oif(index) = attribute {
            Some(*index)
        } else {
            None
        }
    });
    let dead = message.header.flags.contains(RouteFlags::Dead);
    index
        .map(|index| way(index, dead, &message.attributes))
        .into_iter()
        .collect()
}

fn way(index: u32, dead: bool, attributes: &[RouteAttribute]) -> Hop {
    let mut hop = Hop {
        index,
        gateway: None,
        usable: !dead,
    };
    for attribute in attributes {
        if let RouteAttribute::Gateway(gateway) = attribute {
            hop.gateway = ip_of_route(gateway);
        } else if let RouteAttribute::Via(RouteVia::Inet(v4)) = attribute {
            hop.gateway = Some((*v4).into());
        } else if let RouteAttribute::Via(RouteVia::Inet6(v6)) = attribute {
            hop.gateway = Some((*v6).into());
        } else if matches!(
            attribute,
            RouteAttribute::Encap(_) | RouteAttribute::EncapType(_)
        ) {
            hop.usable = false;
        }
    }
    hop
}

fn ip_of_route(address: &RouteAddress) -> Option<Addr> {
    if let RouteAddress::Inet(v4) = address {
        Some((*v4).into())
    } else if let RouteAddress::Inet6(v6) = address {
        Some((*v6).into())
    } else {
        None
    }
}

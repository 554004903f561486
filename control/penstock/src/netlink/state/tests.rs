// SPDX-License-Identifier: Apache-2.0
//! Constructed messages, no kernel.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::addr::Mac;
use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteNextHop, RouteNextHopFlags,
    RouteType, RouteVia,
};

use super::*;

const LO: u32 = 1;
const FRONT: u32 = 10;
const BACK: u32 = 11;
const OTHER: u32 = 12;
const FRONT_IFACE: IfaceId = IfaceId(0);
const BACK_IFACE: IfaceId = IfaceId(1);
const MAC: Mac = Mac([2, 0, 0, 0, 0, 9]);

fn twin(iface: IfaceId, name: &str) -> TwinLink {
    TwinLink {
        iface,
        name: name.to_owned(),
        mac: MAC,
        mtu: 1500,
        addresses: Vec::new(),
    }
}

fn tables() -> Tables {
    let mut tables = Tables::new(&[twin(FRONT_IFACE, "front"), twin(BACK_IFACE, "back")]);
    for (index, name) in [
        (LO, "lo"),
        (FRONT, "front"),
        (BACK, "back"),
        (OTHER, "eth9"),
    ] {
        tables.load(&RouteNetlinkMessage::NewLink(link(
            index,
            name,
            LinkFlags::Up,
        )));
    }
    tables
}

fn link(index: u32, name: &str, flags: LinkFlags) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.flags = flags;
    message
        .attributes
        .push(LinkAttribute::IfName(name.to_owned()));
    message
}

fn rtaddr(text: &str) -> RouteAddress {
    text.parse::<IpAddr>().unwrap().into()
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn addr(text: &str) -> Addr {
    text.parse().unwrap()
}

/// A unicast route of table `main`.
fn unicast(to: &str, index: u32, gateway: Option<&str>) -> RouteMessage {
    let to = prefix(to);
    let mut message = RouteMessage::default();
    message.header.address_family = if to.addr.is_v4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    message.header.destination_prefix_length = to.len;
    message.header.table = 254;
    message.header.kind = RouteType::Unicast;
    if to.len > 0 {
        message
            .attributes
            .push(RouteAttribute::Destination(to.addr.to_ip().into()));
    }
    message.attributes.push(RouteAttribute::Oif(index));
    if let Some(gateway) = gateway {
        message
            .attributes
            .push(RouteAttribute::Gateway(rtaddr(gateway)));
    }
    message
}

fn of_kind(mut message: RouteMessage, kind: RouteType, table: u8) -> RouteMessage {
    message.header.kind = kind;
    message.header.table = table;
    message
}

fn hop(index: u32, gateway: &str) -> RouteNextHop {
    let mut hop = RouteNextHop::default();
    hop.interface_index = index;
    hop.attributes
        .push(RouteAttribute::Gateway(rtaddr(gateway)));
    hop
}

fn add(tables: &mut Tables, message: RouteMessage, flags: u16) -> Change {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    tables.apply(&header, &RouteNetlinkMessage::NewRoute(message))
}

fn del(tables: &mut Tables, message: RouteMessage) -> Change {
    tables.apply(
        &NetlinkHeader::default(),
        &RouteNetlinkMessage::DelRoute(message),
    )
}

fn via(iface: IfaceId, gateway: &str) -> Route {
    Route::Via {
        iface,
        gateway: Some(addr(gateway)),
    }
}

fn neighbour(index: u32, to: &str, state: NeighbourState, mac: Option<Mac>) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.ifindex = index;
    message.header.state = state;
    let ip = addr(to).to_ip();
    message
        .attributes
        .push(NeighbourAttribute::Destination(ip.into()));
    if let Some(mac) = mac {
        message
            .attributes
            .push(NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()));
    }
    message
}

fn notify(tables: &mut Tables, message: RouteNetlinkMessage) -> Change {
    tables.apply(&NetlinkHeader::default(), &message)
}

#[test]
fn a_default_route_has_no_destination_attribute() {
    let mut tables = tables();
    add(
        &mut tables,
        unicast("0.0.0.0/0", FRONT, Some("192.0.2.1")),
        NLM_F_CREATE,
    );
    add(
        &mut tables,
        unicast("::/0", BACK, Some("fe80::1")),
        NLM_F_CREATE,
    );
    let routes = tables.picture().routes;
    assert!(routes.contains(&(prefix("0.0.0.0/0"), 0, via(FRONT_IFACE, "192.0.2.1"))));
    assert!(routes.contains(&(prefix("::/0"), 0, via(BACK_IFACE, "fe80::1"))));
}

#[test]
fn every_type_of_route_has_its_meaning() {
    for (kind, expected) in [
        (RouteType::Local, Some(Route::Local)),
        (RouteType::Broadcast, Some(Route::Local)),
        (RouteType::Anycast, Some(Route::Local)),
        (RouteType::Multicast, Some(Route::Local)),
        (RouteType::BlackHole, Some(Route::Blackhole)),
        (RouteType::Unreachable, Some(Route::Kernel)),
        (RouteType::Prohibit, Some(Route::Kernel)),
        (RouteType::Throw, Some(Route::Kernel)),
        (RouteType::Nat, None),
        (RouteType::Unspec, None),
    ] {
        let mut tables = tables();
        add(
            &mut tables,
            of_kind(unicast("10.9.0.0/16", FRONT, None), kind, 254),
            NLM_F_CREATE,
        );
        let found = tables.picture().routes.first().map(|(_, _, route)| *route);
        assert_eq!(found, expected, "{kind:?}");
    }
}

#[test]
fn a_route_through_another_link_is_linuxs_until_that_link_is_a_twin() {
    let mut tables = tables();
    add(
        &mut tables,
        unicast("10.9.0.0/16", OTHER, Some("172.16.0.1")),
        NLM_F_CREATE,
    );
    assert_eq!(tables.picture().routes[0].2, Route::Kernel);
    let gone = link(FRONT, "front", LinkFlags::Up);
    assert_eq!(
        notify(&mut tables, RouteNetlinkMessage::DelLink(gone)),
        Change::Unclear
    );
    let renamed = link(OTHER, "front", LinkFlags::Up);
    assert_eq!(
        notify(&mut tables, RouteNetlinkMessage::NewLink(renamed)),
        Change::Picture
    );
    assert_eq!(tables.picture().routes[0].2, via(FRONT_IFACE, "172.16.0.1"));
}

#[test]
fn dead_and_encapsulated_ways_are_passed_over() {
    let mut tables = tables();
    let mut message = unicast("10.9.0.0/16", FRONT, None);
    message
        .attributes
        .retain(|attribute| !matches!(attribute, RouteAttribute::Oif(_)));
    let mut dead = hop(FRONT, "192.0.2.1");
    dead.flags = RouteNextHopFlags::Dead;
    let mut encapsulated = hop(FRONT, "192.0.2.2");
    encapsulated.attributes.push(RouteAttribute::EncapType(
        netlink_packet_route::route::RouteLwEnCapType::Mpls,
    ));
    let hops = vec![
        dead,
        encapsulated,
        hop(OTHER, "172.16.0.1"),
        hop(BACK, "10.0.0.9"),
    ];
    message.attributes.push(RouteAttribute::MultiPath(hops));
    add(&mut tables, message, NLM_F_CREATE);
    assert_eq!(tables.picture().routes[0].2, via(BACK_IFACE, "10.0.0.9"));
}

#[test]
fn a_gateway_of_the_other_family_is_kept() {
    let mut tables = tables();
    let mut message = unicast("10.9.0.0/16", FRONT, None);
    let gateway: Ipv6Addr = "fe80::1".parse().unwrap();
    message
        .attributes
        .push(RouteAttribute::Via(RouteVia::Inet6(gateway)));
    add(&mut tables, message, NLM_F_CREATE);
    assert_eq!(tables.picture().routes[0].2, via(FRONT_IFACE, "fe80::1"));
}

#[test]
fn the_table_attribute_overrules_the_header() {
    let mut tables = tables();
    let mut message = unicast("10.9.0.0/16", FRONT, None);
    message.attributes.push(RouteAttribute::Table(1000));
    assert_eq!(add(&mut tables, message, NLM_F_CREATE), Change::Nothing);
    let mut message = of_kind(unicast("10.9.0.0/16", FRONT, None), RouteType::Unicast, 0);
    message.attributes.push(RouteAttribute::Table(254));
    assert_eq!(add(&mut tables, message, NLM_F_CREATE), Change::Picture);
}

#[test]
fn cloned_routes_other_families_and_nonsense_are_ignored() {
    let mut tables = tables();
    let mut cloned = unicast("2001:db8::1/128", FRONT, None);
    cloned.header.flags = RouteFlags::Cloned;
    let mut mpls = unicast("10.9.0.0/16", FRONT, None);
    mpls.header.address_family = AddressFamily::Mpls;
    let mut too_long = unicast("10.9.0.0/16", FRONT, None);
    too_long.header.destination_prefix_length = 40;
    let link_local = unicast("fe80::/64", FRONT, None);
    for message in [cloned, mpls, too_long, link_local] {
        assert_eq!(add(&mut tables, message, NLM_F_CREATE), Change::Nothing);
    }
    assert!(tables.picture().routes.is_empty());
}

#[test]
fn a_notification_that_says_what_is_known_changes_nothing() {
    let mut tables = tables();
    let message = unicast("10.9.0.0/16", FRONT, Some("192.0.2.1"));
    tables.load(&RouteNetlinkMessage::NewRoute(message.clone()));
    assert_eq!(
        add(&mut tables, message.clone(), NLM_F_CREATE),
        Change::Nothing
    );
    assert_eq!(del(&mut tables, message.clone()), Change::Picture);
    assert_eq!(del(&mut tables, message), Change::Nothing);
    assert_eq!(tables.picture(), Picture::default());
}

#[test]
fn what_a_notification_leaves_open_is_unclear() {
    let mut tables = tables();
    let first = unicast("10.9.0.0/16", FRONT, Some("192.0.2.1"));
    let second = unicast("10.9.0.0/16", BACK, Some("10.0.0.9"));
    add(&mut tables, first.clone(), NLM_F_CREATE);
    // Before it or behind it?
    assert_eq!(
        add(&mut tables, second.clone(), NLM_F_CREATE | NLM_F_APPEND),
        Change::Unclear
    );
    // Of a route that is not known like that.
    assert_eq!(del(&mut tables, second.clone()), Change::Unclear);
    // Of two which?
    tables.load(&RouteNetlinkMessage::NewRoute(second.clone()));
    assert_eq!(
        add(&mut tables, second, NLM_F_CREATE | NLM_F_REPLACE),
        Change::Unclear
    );
}

#[test]
fn a_replacement_of_the_only_route_is_clear() {
    let mut tables = tables();
    let flags = NLM_F_CREATE | NLM_F_REPLACE;
    add(
        &mut tables,
        unicast("10.9.0.0/16", FRONT, Some("192.0.2.1")),
        NLM_F_CREATE,
    );
    let new = unicast("10.9.0.0/16", BACK, Some("10.0.0.9"));
    assert_eq!(add(&mut tables, new, flags), Change::Picture);
    let routes = tables.picture().routes;
    assert_eq!(
        routes,
        [(prefix("10.9.0.0/16"), 0, via(BACK_IFACE, "10.0.0.9"))]
    );
    // IPv6 adds a route without a gateway beside one with.
    add(
        &mut tables,
        unicast("2001:db8::/32", FRONT, Some("fe80::1")),
        NLM_F_CREATE,
    );
    let beside = unicast("2001:db8::/32", BACK, None);
    assert_eq!(add(&mut tables, beside, flags), Change::Unclear);
}

#[test]
fn local_routes_of_several_links_are_one_until_the_last_goes() {
    let mut tables = tables();
    let group = |index| of_kind(unicast("ff00::/8", index, None), RouteType::Multicast, 255);
    assert_eq!(
        add(&mut tables, group(FRONT), NLM_F_CREATE),
        Change::Picture
    );
    assert_eq!(add(&mut tables, group(BACK), NLM_F_CREATE), Change::Nothing);
    del(&mut tables, group(FRONT));
    assert_eq!(
        tables.picture().routes,
        [(prefix("ff00::/8"), 0, Route::Local)]
    );
    del(&mut tables, group(BACK));
    assert!(tables.picture().routes.is_empty());
}

#[test]
fn an_ipv6_default_route_in_an_earlier_table_does_not_hide_ipv4() {
    let mut tables = tables();
    let all = of_kind(unicast("::/0", LO, None), RouteType::Local, 255);
    add(&mut tables, all, NLM_F_CREATE);
    add(
        &mut tables,
        unicast("10.9.0.0/16", FRONT, None),
        NLM_F_CREATE,
    );
    add(
        &mut tables,
        unicast("2001:db8::/32", FRONT, None),
        NLM_F_CREATE,
    );
    let prefixes: Vec<Prefix> = tables
        .picture()
        .routes
        .iter()
        .map(|route| route.0)
        .collect();
    assert_eq!(prefixes, [prefix("::/0"), prefix("10.9.0.0/16")]);
}

#[test]
fn neighbours_are_known_by_their_state() {
    for (state, known, stale) in [
        (NeighbourState::Reachable, true, false),
        (NeighbourState::Stale, true, true),
        (NeighbourState::Delay, true, false),
        (NeighbourState::Probe, true, false),
        (NeighbourState::Permanent, true, false),
        (NeighbourState::Noarp, true, false),
        (NeighbourState::Failed, false, false),
        (NeighbourState::Incomplete, false, false),
        (NeighbourState::None, false, false),
    ] {
        let mut tables = tables();
        let message = neighbour(FRONT, "192.0.2.9", state, Some(MAC));
        notify(&mut tables, RouteNetlinkMessage::NewNeighbour(message));
        let picture = tables.picture();
        let all = [(FRONT_IFACE, addr("192.0.2.9"), MAC)];
        assert_eq!(picture.neighbours, all[..usize::from(known)], "{state:?}");
        assert_eq!(!picture.stale.is_empty(), stale, "{state:?}");
    }
}

#[test]
fn a_neighbour_that_fails_is_forgotten() {
    let mut tables = tables();
    let known = neighbour(FRONT, "192.0.2.9", NeighbourState::Reachable, Some(MAC));
    let failed = neighbour(FRONT, "192.0.2.9", NeighbourState::Failed, None);
    let new = |tables: &mut Tables, message: &NeighbourMessage| {
        notify(tables, RouteNetlinkMessage::NewNeighbour(message.clone()))
    };
    assert_eq!(new(&mut tables, &known), Change::Picture);
    assert_eq!(new(&mut tables, &known), Change::Nothing);
    assert_eq!(new(&mut tables, &failed), Change::Picture);
    assert_eq!(tables.picture(), Picture::default());
    // On other links it is no business of ours.
    let elsewhere = neighbour(OTHER, "192.0.2.9", NeighbourState::Reachable, Some(MAC));
    assert_eq!(new(&mut tables, &elsewhere), Change::Nothing);
}

#[test]
fn groups_and_proxies_are_no_neighbours() {
    let mut tables = tables();
    let group = neighbour(FRONT, "ff02::16", NeighbourState::Noarp, Some(MAC));
    let broadcast = neighbour(
        FRONT,
        "192.0.2.255",
        NeighbourState::Noarp,
        Some(Mac([0xff; 6])),
    );
    let mut proxy = neighbour(FRONT, "192.0.2.9", NeighbourState::Permanent, Some(MAC));
    proxy.header.flags = NeighbourFlags::Proxy;
    let mut infiniband = neighbour(FRONT, "192.0.2.9", NeighbourState::Permanent, None);
    infiniband
        .attributes
        .push(NeighbourAttribute::LinkLayerAddress(vec![0; 20]));
    for message in [group, broadcast, proxy, infiniband] {
        let message = RouteNetlinkMessage::NewNeighbour(message);
        assert_eq!(notify(&mut tables, message), Change::Nothing);
    }
}

#[test]
fn the_local_address_counts_not_the_peers() {
    let mut tables = tables();
    let mut message = AddressMessage::default();
    message.header.index = FRONT;
    message.header.prefix_len = 32;
    let ip = |text: &str| IpAddr::V4(text.parse::<Ipv4Addr>().unwrap());
    message
        .attributes
        .push(AddressAttribute::Address(ip("10.0.0.2")));
    message
        .attributes
        .push(AddressAttribute::Local(ip("10.0.0.1")));
    let new = RouteNetlinkMessage::NewAddress(message.clone());
    assert_eq!(notify(&mut tables, new.clone()), Change::Picture);
    assert_eq!(notify(&mut tables, new), Change::Nothing);
    assert_eq!(
        tables.picture().addresses,
        [(FRONT_IFACE, prefix("10.0.0.1/32"))]
    );
    // Routes that had it as their source go without a word.
    let gone = RouteNetlinkMessage::DelAddress(message);
    assert_eq!(notify(&mut tables, gone.clone()), Change::Unclear);
    assert_eq!(notify(&mut tables, gone), Change::Nothing);
}

#[test]
fn only_what_matters_of_a_link_matters() {
    let mut tables = tables();
    let new = |flags| RouteNetlinkMessage::NewLink(link(FRONT, "front", flags));
    assert_eq!(notify(&mut tables, new(LinkFlags::Up)), Change::Nothing);
    assert_eq!(
        notify(&mut tables, new(LinkFlags::Up | LinkFlags::Promisc)),
        Change::Nothing
    );
    assert_eq!(
        notify(&mut tables, new(LinkFlags::empty())),
        Change::Unclear
    );
    // What a bridge says of its ports is another view of the same link.
    let mut port = link(FRONT, "front", LinkFlags::Up);
    port.header.interface_family = AddressFamily::Bridge;
    assert_eq!(
        notify(&mut tables, RouteNetlinkMessage::DelLink(port)),
        Change::Nothing
    );
}

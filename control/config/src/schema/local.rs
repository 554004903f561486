// SPDX-License-Identifier: Apache-2.0
//! `[[local_pool]]`: what servers see of clients under FullNAT.

use super::{Change, Key, Kind, Preset, Table, section};

/// The table in the file.
pub(super) const SECTION: Key = section(
    "local_pool",
    Kind::Tables(&LOCAL_POOL),
    Preset::Otherwise("no local addresses"),
);

/// The pools.
static LOCAL_POOL: Table = Table {
    title: "local_pool",
    doc: "Addresses of the director that servers with forward = \"fullnat\" see as their clients.",
    keys: &[
        Key {
            name: "name",
            kind: Kind::Text("1 to 64 printable characters"),
            preset: Preset::Required,
            change: Change::Live,
            doc: "What `local_pool` of a service names.",
            example: "\"inside\"",
        },
        Key {
            name: "addresses",
            kind: Kind::Texts("\"ADDRESS\", IPv4 or IPv6"),
            preset: Preset::Required,
            change: Change::Live,
            doc: "Each is good for 64512 connections to one server; Linux answers ARP for them.",
            example: "[\"10.0.0.200\", \"10.0.0.201\"]",
        },
    ],
    later: &[],
};

/// A service's pool.
pub(super) const SERVICE_POOL: Key = Key {
    name: "local_pool",
    kind: Kind::Text("the name of a [[local_pool]]"),
    preset: Preset::Otherwise("none"),
    change: Change::Live,
    doc: "Where the local addresses for servers with forward = \"fullnat\" come from.",
    example: "\"inside\"",
};

/// How servers learn who the client is.
pub(super) const CLIENT_ADDRESS: Key = Key {
    name: "client_address",
    kind: Kind::OneOf(&["none", "proxy_v1", "proxy_v2", "toa"]),
    preset: Preset::Text("none"),
    change: Change::Live,
    doc: "How servers are told who the client is: PROXY protocol or TCP option; TCP alone.",
    example: "",
};

/// The rules of the SNAT gateway.
pub(super) static SNAT: Table = Table {
    title: "snat",
    doc: "Replaces the source of the farm's own packets on their way out; the first that fits.",
    keys: &[
        Key {
            name: "name",
            kind: Kind::Text("1 to 64 printable characters"),
            preset: Preset::Required,
            change: Change::Live,
            doc: "Name for people; unique.",
            example: "\"outbound\"",
        },
        Key {
            name: "sources",
            kind: Kind::Texts("\"ADDRESS/LENGTH\""),
            preset: Preset::Required,
            change: Change::Live,
            doc: "Networks of the farm.",
            example: "[\"10.0.0.0/24\"]",
        },
        Key {
            name: "destinations",
            kind: Kind::Texts("\"ADDRESS/LENGTH\""),
            preset: Preset::Otherwise("anywhere"),
            change: Change::Live,
            doc: "Where they go to.",
            example: "[]",
        },
        Key {
            name: "port",
            kind: Kind::Text("the name of a port, or PORT.ID of a VLAN"),
            preset: Preset::Otherwise("any"),
            change: Change::Live,
            doc: "What they leave by; without it, traffic within the farm that is routed here too.",
            example: "\"front\"",
        },
        Key {
            name: "addresses",
            kind: Kind::Texts("\"ADDRESS\", IPv4 or IPv6"),
            preset: Preset::Required,
            change: Change::Live,
            doc: "Their new sources; addresses that nobody else has.",
            example: "[\"192.0.2.200\"]",
        },
    ],
    later: &[],
};

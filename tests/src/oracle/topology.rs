// SPDX-License-Identifier: Apache-2.0
//! The arrangement of links that every case was recorded in.
//!
//! ```text
//!   client router 02:00:00:00:c0:fe   10.0.0.254, 2001:db8:a::fe = default route
//!     │ side c   02:00:00:00:00:01   10.0.0.1/24, 2001:db8:a::1/64, VIPs …100
//!   director
//!     │ side s   02:00:00:00:00:02   10.1.0.1/24, 2001:db8:b::1/64
//!   real server 1..10   02:00:00:00:01:(10+i)   10.1.0.(10+i), 2001:db8:b::(0x10+i)
//! ```

use std::net::{Ipv4Addr, Ipv6Addr};

use model::addr::{Addr, Mac, Prefix};
use model::fib::{Fib, FibBuilder, Hasher, Route};
use model::ids::{IfaceId, PortId};
use model::snapshot::{Interface, Interfaces};

use super::case::Side;

/// Real servers that answer ARP.
const REALS: u8 = 10;
const ROUTER_MAC: Mac = Mac([2, 0, 0, 0, 0xc0, 0xfe]);
const V4_LEN: u8 = 24;
const V6_LEN: u8 = 64;

/// The port of a side.
#[must_use]
pub const fn port(side: Side) -> PortId {
    PortId(match side {
        Side::Client => 0,
        Side::Server => 1,
    })
}

/// The side of a port.
#[must_use]
pub const fn side(port: PortId) -> Option<Side> {
    match port.0 {
        0 => Some(Side::Client),
        1 => Some(Side::Server),
        _ => None,
    }
}

/// The real server whose MAC that is, in the family asked for.
#[must_use]
pub fn real_of_mac(mac: [u8; 6], v4: bool) -> Option<Addr> {
    match mac {
        [2, 0, 0, 0, 1, last] => (1..=REALS).find(|i| 10 + i == last).map(|i| real(i, v4)),
        _ => None,
    }
}

/// The two interfaces, with these MTUs.
#[must_use]
pub fn interfaces((client_mtu, server_mtu): (u32, u32)) -> Interfaces {
    let interface = |side: Side, name: &str, mtu| Interface {
        id: iface(side),
        port: port(side),
        vlan: None,
        name: name.into(),
        mac: Mac([2, 0, 0, 0, 0, if side == Side::Client { 1 } else { 2 }]),
        mtu,
        addresses: addresses(side),
    };
    Interfaces::new(vec![
        interface(Side::Client, "cli0", client_mtu),
        interface(Side::Server, "srv0", server_mtu),
    ])
}

/// Routes and neighbours, all known; `locals` are prefixes that are local besides.
#[must_use]
pub fn fib(hasher: Hasher, locals: &[Prefix]) -> Fib {
    let mut fib = FibBuilder::new(hasher);
    for side in [Side::Client, Side::Server] {
        for own in addresses(side) {
            let link = Route::Via {
                iface: iface(side),
                gateway: None,
            };
            if own.len != own.addr.bits() {
                fib.route(own, 0, link);
            }
            fib.route(host(own.addr), 0, Route::Local);
        }
    }
    for local in locals {
        fib.route(*local, 0, Route::Local);
    }
    for (any, router) in routers() {
        let way = Route::Via {
            iface: iface(Side::Client),
            gateway: Some(router),
        };
        fib.route(Prefix { addr: any, len: 0 }, 0, way);
        fib.neighbour(iface(Side::Client), router, ROUTER_MAC);
    }
    for i in 1..=REALS {
        for v4 in [true, false] {
            let mac = Mac([2, 0, 0, 0, 1, 10 + i]);
            fib.neighbour(iface(Side::Server), real(i, v4), mac);
        }
    }
    fib.build(1)
}

const fn iface(side: Side) -> IfaceId {
    IfaceId(port(side).0)
}

fn routers() -> [(Addr, Addr); 2] {
    let v4 = Ipv4Addr::new(10, 0, 0, 254);
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0xfe);
    [
        (Ipv4Addr::UNSPECIFIED.into(), v4.into()),
        (Ipv6Addr::UNSPECIFIED.into(), v6.into()),
    ]
}

fn real(i: u8, v4: bool) -> Addr {
    if v4 {
        Ipv4Addr::new(10, 1, 0, 10 + i).into()
    } else {
        Ipv6Addr::new(0x2001, 0xdb8, 0xb, 0, 0, 0, 0, 0x10 + u16::from(i)).into()
    }
}

/// What a side carries; the link's own addresses come first.
fn addresses(side: Side) -> Vec<Prefix> {
    let v4 = |a, b, len| Prefix {
        addr: Ipv4Addr::new(10, a, 0, b).into(),
        len,
    };
    let v6 = |net, last, len| Prefix {
        addr: Ipv6Addr::new(0x2001, 0xdb8, net, 0, 0, 0, 0, last).into(),
        len,
    };
    match side {
        Side::Client => vec![
            v4(0, 1, V4_LEN),
            v6(0xa, 1, V6_LEN),
            v4(0, 100, 32),
            v6(0xa, 0x100, 128),
        ],
        Side::Server => vec![v4(1, 1, V4_LEN), v6(0xb, 1, V6_LEN)],
    }
}

fn host(addr: Addr) -> Prefix {
    Prefix {
        addr,
        len: addr.bits(),
    }
}

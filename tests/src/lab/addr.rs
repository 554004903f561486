// SPDX-License-Identifier: Apache-2.0
//! The lab's address plan; the same in every topology, so that one config text serves them all.
//!
//! ```text
//! client network  10.10.0.0/24  2001:db8:10::/64  director .1  clients .2 .3 .4  VIPs .100 - .103
//! server network  10.20.0.0/24  2001:db8:20::/64  director .1  real servers .11 .12 .13 ...
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

/// IPv4 or IPv6, for tests that run in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, IPv4 first.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];
}

/// The two networks of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Where the clients and the VIPs are.
    Client,
    /// Where the real servers are.
    Server,
}

/// Client address number 0 to 2.
#[must_use]
pub fn client(family: Family, number: u8) -> IpAddr {
    host(
        family,
        Side::Client,
        2 + u16::from(number),
        2 + u16::from(number),
    )
}

/// Virtual address number 0 to 3; each is also on the loopback of every real server, for DR.
#[must_use]
pub fn vip(family: Family, number: u8) -> IpAddr {
    host(
        family,
        Side::Client,
        100 + u16::from(number),
        0x100 + u16::from(number),
    )
}

/// The address of a real server in the server network; the first has number 1.
#[must_use]
pub fn real(family: Family, number: u8) -> IpAddr {
    host(
        family,
        Side::Server,
        10 + u16::from(number),
        0x10 + u16::from(number),
    )
}

/// The address of a real server in the client network, in `TwoPort`: ARP and ND speak from it.
#[must_use]
pub fn real_on_front(family: Family, number: u8) -> IpAddr {
    host(
        family,
        Side::Client,
        10 + u16::from(number),
        0x10 + u16::from(number),
    )
}

/// The director's own address on one side; the first has number 1.
#[must_use]
pub fn director(family: Family, side: Side, number: u8) -> IpAddr {
    let last = if number == 1 {
        1
    } else {
        0xf0 + u16::from(number)
    };
    host(family, side, last, last)
}

/// The prefix of one side, as written in a route.
#[must_use]
pub fn network(family: Family, side: Side) -> &'static str {
    match (family, side) {
        (Family::V4, Side::Client) => "10.10.0.0/24",
        (Family::V4, Side::Server) => "10.20.0.0/24",
        (Family::V6, Side::Client) => "2001:db8:10::/64",
        (Family::V6, Side::Server) => "2001:db8:20::/64",
    }
}

/// An address with the length of its network's prefix, as interfaces carry it.
#[must_use]
pub fn with_prefix(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv4() { 24 } else { 64 })
}

fn host(family: Family, side: Side, v4: u16, v6: u16) -> IpAddr {
    let subnet: u8 = if side == Side::Client { 10 } else { 20 };
    match family {
        Family::V4 => {
            // The plan's numbers all fit; a number past it gives an address no one has.
            let last = u8::try_from(v4).unwrap_or(u8::MAX);
            IpAddr::V4(Ipv4Addr::new(10, subnet, 0, last))
        }
        // Written as in IPv4: the subnet is 0x10 or 0x20.
        Family::V6 => {
            let subnet = if side == Side::Client { 0x10 } else { 0x20 };
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, subnet, 0, 0, 0, 0, v6))
        }
    }
}

/// Client ports that the clients' kernel leaves alone, for loads that choose their own.
pub const OWN_PORTS: RangeInclusive<u16> = 40_000..=65_535;
/// How many client addresses there are.
pub const CLIENTS: u8 = 3;
/// How many virtual addresses there are.
pub const VIPS: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_reads_the_same_in_both_families() {
        assert_eq!(real(Family::V4, 1).to_string(), "10.20.0.11");
        assert_eq!(real(Family::V6, 1).to_string(), "2001:db8:20::11");
        assert_eq!(vip(Family::V4, 1).to_string(), "10.10.0.101");
        assert_eq!(vip(Family::V6, 1).to_string(), "2001:db8:10::101");
        assert_eq!(client(Family::V6, 0).to_string(), "2001:db8:10::2");
        assert_eq!(
            director(Family::V6, Side::Server, 1).to_string(),
            "2001:db8:20::1"
        );
    }
}

// SPDX-License-Identifier: Apache-2.0
//! A director made of plain kernel forwarding: what the lab's own tests balance with, so that a
//! fault of the lab is never taken for one of penstock, and a yardstick to measure beside it.

use std::net::IpAddr;

use super::Lab;
use super::addr::{self, Family};
use super::error::{LabError, LabResult};
use super::netns::Netns;
use super::topology::Shape;

/// Kernel forwarding in the first director's namespace of a lab.
#[derive(Debug)]
pub struct StandIn {
    place: Netns,
}

impl StandIn {
    /// Opens the guard, puts the director's addresses on the ports themselves and forwards.
    pub fn start(lab: &Lab) -> LabResult<Self> {
        let place = lab.directors().first();
        let place = place
            .ok_or_else(|| LabError::check("no director in the lab", ""))?
            .clone();
        place.nft("delete table netdev guard")?;
        let mut script = String::new();
        for port in lab.topology().ports() {
            let interface = port.interface;
            let quiet = format!("ipv6/conf/{interface}/disable_ipv6");
            place.sysctls(&[(&quiet, "0")])?;
            for (side, family) in port
                .sides
                .iter()
                .flat_map(|side| Family::BOTH.map(|family| (side, family)))
            {
                let address = addr::with_prefix(addr::director(family, *side, 1));
                let nodad = if family == Family::V6 { " nodad" } else { "" };
                script.push_str(&format!("addr add {address} dev {interface}{nodad}\n"));
            }
        }
        place.ip_batch(&script)?;
        place.sysctls(&[
            ("ipv4/ip_forward", "1"),
            ("ipv6/conf/all/forwarding", "1"),
            ("ipv4/conf/all/send_redirects", "0"),
            ("ipv4/conf/e0/send_redirects", "0"),
        ])?;
        Ok(Self { place })
    }

    /// Balances the VIP with this number by NAT: TCP port 80 to port 8080 in the proportion 3:2:1
    /// over the first three real servers, connection by connection, and UDP port 53 in turn.
    pub fn nat(&self, vip: u8) -> LabResult<()> {
        for family in Family::BOTH {
            let address = addr::vip(family, vip);
            let [r1, r2, r3] = [1, 2, 3].map(|number| addr::real(family, number));
            self.carry(address)?;
            let (table, ip) = nft_words(family);
            self.place.nft(&format!(
                "table {table} lab{vip} {{
                  chain pre {{ type nat hook prerouting priority -100;
                    {ip} daddr {address} tcp dport 80 dnat to numgen inc mod 6 map \
                      {{ 0: {r1}, 1: {r2}, 2: {r1}, 3: {r3}, 4: {r1}, 5: {r2} }} : 8080;
                    {ip} daddr {address} udp dport 53 dnat to numgen inc mod 3 map \
                      {{ 0: {r1}, 1: {r2}, 2: {r3} }};
                  }}
                }}"
            ))?;
        }
        Ok(())
    }

    /// Balances everything for the VIP with this number by DR over the first three real servers, by
    /// a hash of client and port.
    pub fn direct(&self, lab: &Lab, vip: u8) -> LabResult<()> {
        let back = if lab.topology().shape == Shape::TwoPort {
            "e1"
        } else {
            "e0"
        };
        let (mut script, mut clients) = (String::new(), String::new());
        for family in Family::BOTH {
            let address = addr::vip(family, vip);
            let (table, ip) = nft_words(family);
            let flag = if family == Family::V4 { "-4" } else { "-6" };
            self.place.nft(&format!(
                "table {table} direct{vip} {{
                  chain pre {{ type filter hook prerouting priority -150;
                    {ip} daddr {address} meta mark set jhash {ip} saddr . th sport mod 3 offset 1;
                  }}
                }}"
            ))?;
            for number in 1..=3 {
                let real = addr::real(family, number);
                let rule = format!("rule add fwmark {number} lookup 20{number}");
                self.place.run_ok("ip", &with_flag(flag, &rule))?;
                let route = format!("route add {address} via {real} dev {back} table 20{number}");
                script.push_str(&route);
                script.push('\n');
            }
            // Not an address of the kernel's, or it would keep what it should pass on; so it does
            // not answer for it either, and the client is told.
            clients.push_str(&format!("neigh replace {address} lladdr {MAC} dev e0\n"));
        }
        self.place.ip_batch(&script)?;
        lab.client().ip_batch(&clients)
    }

    fn carry(&self, vip: IpAddr) -> LabResult<()> {
        let length = if vip.is_ipv4() { "32" } else { "128 nodad" };
        let (address, rest) = length.split_once(' ').unwrap_or((length, ""));
        self.place
            .ip_batch(&format!("addr add {vip}/{address} dev e0 {rest}\n"))
    }
}

fn nft_words(family: Family) -> (&'static str, &'static str) {
    match family {
        Family::V4 => ("ip", "ip"),
        Family::V6 => ("ip6", "ip6"),
    }
}

fn with_flag<'a>(flag: &'a str, words: &'a str) -> Vec<&'a str> {
    std::iter::once(flag).chain(words.split(' ')).collect()
}

/// What the lab gives the first director's `e0`.
const MAC: &str = "02:00:00:00:d1:00";

// SPDX-License-Identifier: Apache-2.0
//! The services of the demo.

use std::net::{IpAddr, SocketAddr};

use penstock_tests::lab::{Family, addr};

/// The two ways of forwarding that the web is served by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Web {
    /// Address and port are rewritten; replies pass the director again.
    Nat,
    /// Only the Ethernet address is; replies go straight to the client.
    Dr,
}

impl Web {
    pub(crate) fn vip(self, family: Family) -> IpAddr {
        addr::vip(family, u8::from(self == Self::Dr))
    }

    /// What the real servers listen on: NAT shows that it changes the port.
    fn real_port(self) -> u16 {
        if self == Self::Nat { 8080 } else { 80 }
    }

    /// The name of the service in the config.
    pub(crate) fn service(self, family: Family) -> String {
        format!("web-{}{}", self.forward(), digit(family))
    }

    pub(crate) fn forward(self) -> &'static str {
        if self == Self::Nat { "nat" } else { "dr" }
    }
}

/// Every `[[service]]` of the demo's config.
pub(crate) fn text() -> String {
    let mut text = String::new();
    for family in Family::BOTH {
        for web in [Web::Nat, Web::Dr] {
            let listen = format!("tcp://{}", SocketAddr::new(web.vip(family), 80));
            let head = head(&web.service(family), &listen, "wrr", web.forward());
            text.push_str(&(head + &servers(family, web.real_port(), &WEIGHTS)));
        }
        let listen = format!("udp://{}", SocketAddr::new(addr::vip(family, 0), 53));
        let head = head(&dns(family), &listen, "rr", "nat");
        text.push_str(&(head + &servers(family, 53, &[("r1", 1), ("r2", 1), ("r3", 1)])));
    }
    text
}

/// The name of the DNS service.
pub(crate) fn dns(family: Family) -> String {
    format!("dns{}", digit(family))
}

fn head(name: &str, listen: &str, scheduler: &str, forward: &str) -> String {
    format!(
        "[[service]]\nname = \"{name}\"\nlisten = \"{listen}\"\nscheduler = \"{scheduler}\"\n\
         forward = \"{forward}\"\n\n"
    )
}

fn servers(family: Family, port: u16, weights: &[(&str, u64)]) -> String {
    let one = |(number, (_, weight)): (u8, &(&str, u64))| {
        let address = SocketAddr::new(addr::real(family, number), port);
        format!("  [[service.server]]\n  address = \"{address}\"\n  weight = {weight}\n\n")
    };
    (1..).zip(weights).map(one).collect()
}

fn digit(family: Family) -> &'static str {
    if family == Family::V6 { "6" } else { "" }
}

/// The web servers and their weights.
pub(crate) const WEIGHTS: [(&str, u64); 3] = [("r1", 3), ("r2", 2), ("r3", 1)];

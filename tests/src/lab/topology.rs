// SPDX-License-Identifier: Apache-2.0
//! The shapes a lab can have, and the commands that lay one out.
//!
//! ```text
//! TwoPort                                             OneArm
//!   client e0 ──┐                  ┌── e0 r1            client e0 ──┐          ┌── e0 r1
//!               ├─ front ─ e0 d1 e1 ─ back              d1 e0 ──────┼─ front ──┼── e0 r2
//!   r1..rN e1 ──┘                  └── e0 rN                        ┘          └── e0 rN
//! ```
//! The bridges stand in a namespace of their own. In `TwoPort` a real server's `e1` serves nothing
//! but the direct way back to the clients of DR; in `OneArm` its `e0` does both.

use super::addr::{self, Family, Side};
use super::error::LabResult;
use super::netns::Netns;

/// How many wires the director hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `e0` in the client network, `e1` in the server network.
    TwoPort,
    /// One `e0` in both networks, which share one wire.
    OneArm,
}

/// What a lab is to contain.
#[derive(Debug, Clone, Copy)]
pub struct Topology {
    /// The wires.
    pub shape: Shape,
    /// Real servers, 1 to 20.
    pub reals: u8,
    /// Directors, 1 or more; all on the same wires.
    pub directors: u8,
    /// Receive and transmit queues of each of a director's ports.
    pub queues: u8,
}

impl Default for Topology {
    fn default() -> Self {
        Self {
            shape: Shape::TwoPort,
            reals: 3,
            directors: 1,
            queues: 1,
        }
    }
}

impl Topology {
    /// One wire, three real servers, one director.
    #[must_use]
    pub fn one_arm() -> Self {
        Self {
            shape: Shape::OneArm,
            ..Self::default()
        }
    }

    /// The same with another number of queues on the director's ports.
    #[must_use]
    pub fn queues(self, queues: u8) -> Self {
        Self { queues, ..self }
    }

    /// The same with another number of real servers.
    #[must_use]
    pub fn reals(self, reals: u8) -> Self {
        Self { reals, ..self }
    }

    /// The director's data ports: interface, the name its config gives it, and its side's networks.
    #[must_use]
    pub fn ports(&self) -> Vec<Port> {
        match self.shape {
            Shape::TwoPort => vec![
                Port {
                    interface: "e0",
                    name: "front",
                    sides: &[Side::Client],
                },
                Port {
                    interface: "e1",
                    name: "back",
                    sides: &[Side::Server],
                },
            ],
            Shape::OneArm => {
                vec![Port {
                    interface: "e0",
                    name: "front",
                    sides: &[Side::Client, Side::Server],
                }]
            }
        }
    }
}

/// One data port of a director.
#[derive(Debug, Clone, Copy)]
pub struct Port {
    /// The veth end inside the director's namespace.
    pub interface: &'static str,
    /// The name of the port in the config, hence of its kernel twin.
    pub name: &'static str,
    /// The networks the twin has addresses in.
    pub sides: &'static [Side],
}

/// The namespaces of a lab.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) client: Netns,
    pub(super) switch: Netns,
    pub(super) directors: Vec<Netns>,
    pub(super) reals: Vec<Netns>,
}

impl Places {
    fn all(&self) -> impl Iterator<Item = &Netns> {
        [&self.client, &self.switch]
            .into_iter()
            .chain(&self.directors)
            .chain(&self.reals)
    }

    /// Makes everything: namespaces, then their sysctls (interfaces inherit them), then wires.
    pub(super) fn build(&self, topology: &Topology) -> LabResult<()> {
        let mut script = String::new();
        for place in self.all() {
            line(&mut script, format_args!("netns add {}", place.name()));
        }
        super::command::run_script("ip", &["-batch", "-"], &script)?;
        self.set_sysctls()?;
        super::command::run_script("ip", &["-batch", "-"], &self.wires(topology))?;
        self.configure_switch(topology)?;
        self.configure_client()?;
        for (place, number) in self.reals.iter().zip(1..) {
            configure_real(place, number, topology)?;
        }
        for place in &self.directors {
            configure_director(place, topology)?;
        }
        Ok(())
    }

    fn set_sysctls(&self) -> LabResult<()> {
        self.switch
            .sysctls(&[("ipv6/conf/default/disable_ipv6", "1")])?;
        self.client.sysctls(&HOST)?;
        self.client
            .sysctls(&[("ipv4/ip_local_port_range", KERNEL_PORTS)])?;
        for real in &self.reals {
            real.sysctls(&HOST)?;
            real.sysctls(&[
                ("ipv4/conf/all/arp_ignore", "1"),
                ("ipv4/conf/all/arp_announce", "2"),
                // Errors of the servers are counted: none is lost to a limit that other labs on
                // the machine use up.
                ("ipv4/icmp_ratemask", "0"),
                ("ipv6/icmp/ratemask", ""),
            ])?;
        }
        for director in &self.directors {
            director.sysctls(&HOST)?;
            director.sysctls(&[("ipv4/ip_forward", "0"), ("ipv6/conf/all/forwarding", "0")])?;
        }
        Ok(())
    }

    /// Every interface is made inside its namespace, both ends at once: nothing of a lab is ever
    /// seen in the machine's own namespace, and removing the namespaces removes it all.
    fn wires(&self, topology: &Topology) -> String {
        let mut script = String::new();
        let mut wire = |place: &Netns, mac: [u8; 2], queues: u8, end: String| {
            let (name, switch) = (place.name(), self.switch.name());
            let [role, port] = mac;
            let count = format!("numrxqueues {queues} numtxqueues {queues}");
            line(
                &mut script,
                format_args!(
                    "link add e{port} netns {name} address 02:00:00:00:{role:02x}:{port:02x} \
                     {count} type veth peer name {end} netns {switch} {count}"
                ),
            );
        };
        wire(&self.client, [0xc0, 0], 1, "c-e0".to_owned());
        for (place, number) in self.directors.iter().zip(1_u8..) {
            for port in (0_u8..).take(topology.ports().len()) {
                wire(
                    place,
                    [0xd0 + number, port],
                    topology.queues,
                    format!("d{number}-e{port}"),
                );
            }
        }
        for (place, number) in self.reals.iter().zip(1_u8..) {
            for port in (0_u8..).take(topology.ports().len()) {
                wire(place, [number, port], 1, format!("r{number}-e{port}"));
            }
        }
        script
    }

    fn configure_switch(&self, topology: &Topology) -> LabResult<()> {
        let mut script = String::new();
        let two_port = topology.shape == Shape::TwoPort;
        for bridge in if two_port {
            &["front", "back"][..]
        } else {
            &["front"]
        } {
            let snooping = "mcast_snooping 0 forward_delay 0";
            line(
                &mut script,
                format_args!("link add {bridge} type bridge {snooping}"),
            );
            line(&mut script, format_args!("link set {bridge} up"));
        }
        let mut plug = |end: String, bridge: &str| {
            line(
                &mut script,
                format_args!("link set {end} master {bridge} up"),
            );
        };
        plug("c-e0".to_owned(), "front");
        for (number, _) in (1..).zip(&self.directors) {
            plug(format!("d{number}-e0"), "front");
            if two_port {
                plug(format!("d{number}-e1"), "back");
            }
        }
        for (number, _) in (1..).zip(&self.reals) {
            plug(
                format!("r{number}-e0"),
                if two_port { "back" } else { "front" },
            );
            if two_port {
                plug(format!("r{number}-e1"), "front");
            }
        }
        self.switch.ip_batch(&script)?;
        for (number, _) in (1..).zip(&self.directors) {
            for port in topology.ports() {
                self.finish_sums(&format!("d{number}-{}", port.interface))?;
            }
        }
        Ok(())
    }

    /// Makes the wire towards a director carry what a wire carries: summed, segmented, tagged
    /// frames. Without it a poll-mode driver sees 64 kB frames with half-made checksums.
    fn finish_sums(&self, end: &str) -> LabResult<()> {
        let off = [
            "-K",
            end,
            "tx",
            "off",
            "tso",
            "off",
            "gso",
            "off",
            "tx-vlan-hw-insert",
            "off",
        ];
        self.switch.run_ok("ethtool", &off).map(drop)
    }

    /// One more wire between the first director and the switch.
    pub(super) fn wire_director(&self, interface: &str, bridge: Option<&str>) -> LabResult<String> {
        let end = format!("d1-{interface}");
        let (place, switch) = (&self.directors[0], &self.switch);
        let one = "numrxqueues 1 numtxqueues 1";
        let script = format!(
            "link add {interface} netns {} {one} type veth peer name {end} netns {} {one}\n",
            place.name(),
            switch.name()
        );
        super::command::run_script("ip", &["-batch", "-"], &script)?;
        self.finish_sums(&end)?;
        let plug = bridge.map_or_else(String::new, |bridge| format!("master {bridge} "));
        switch.ip_batch(&format!("link set {end} {plug}up\n"))?;
        keep_off(place, &[interface])?;
        Ok(end)
    }

    fn configure_client(&self) -> LabResult<()> {
        let mut script = String::from("link set lo up\nlink set e0 up\n");
        for family in Family::BOTH {
            for number in 0..addr::CLIENTS {
                let address = addr::with_prefix(addr::client(family, number));
                // The first is the one used unless asked otherwise, as it is in IPv4.
                let deprecated = family == Family::V6 && number > 0;
                let rank = if deprecated { " preferred_lft 0" } else { "" };
                let nodad = nodad(family);
                line(
                    &mut script,
                    format_args!("addr add {address} dev e0{nodad}{rank}"),
                );
            }
            let gateway = addr::director(family, Side::Client, 1);
            line(&mut script, format_args!("route add default via {gateway}"));
        }
        self.client.ip_batch(&script)
    }
}

/// A real server: default route through the director (NAT), every VIP on its loopback and a direct
/// way back for what it sends from a VIP (DR).
fn configure_real(place: &Netns, number: u8, topology: &Topology) -> LabResult<()> {
    let two_port = topology.shape == Shape::TwoPort;
    let way_back = if two_port { "e1" } else { "e0" };
    for family in Family::BOTH {
        let mut script = String::from("link set lo up\nlink set e0 up\n");
        let nodad = nodad(family);
        let address = addr::with_prefix(addr::real(family, number));
        line(
            &mut script,
            format_args!("addr add {address} dev e0{nodad}"),
        );
        if two_port {
            // For ARP and ND only: without a route of its own, NAT's replies do not leave here.
            let on_front = addr::with_prefix(addr::real_on_front(family, number));
            line(&mut script, format_args!("link set e1 up"));
            line(
                &mut script,
                format_args!("addr add {on_front} dev e1{nodad} noprefixroute"),
            );
        }
        for vip in 0..addr::VIPS {
            let length = if family == Family::V4 { 32 } else { 128 };
            let vip = addr::vip(family, vip);
            line(
                &mut script,
                format_args!("addr add {vip}/{length} dev lo{nodad}"),
            );
        }
        let (clients, gateway) = (
            addr::network(family, Side::Client),
            addr::director(family, Side::Server, 1),
        );
        line(&mut script, format_args!("route add default via {gateway}"));
        line(
            &mut script,
            format_args!("route add {clients} dev {way_back} table 100"),
        );
        line(
            &mut script,
            format_args!("rule add from {clients} lookup 100"),
        );
        let family_flag = if family == Family::V4 { "-4" } else { "-6" };
        let args = ["-n", place.name(), family_flag, "-batch", "-"];
        super::command::run_script("ip", &args, &script)?;
    }
    Ok(())
}

/// A director: bare ports that the kernel is kept away from. The addresses are the daemon's affair,
/// who puts them on the kernel twins.
fn configure_director(place: &Netns, topology: &Topology) -> LabResult<()> {
    place.ip_batch("link set lo up\n")?;
    place.nft("add table netdev guard\n")?;
    let interfaces: Vec<&str> = topology.ports().iter().map(|port| port.interface).collect();
    keep_off(place, &interfaces)
}

/// Sets interfaces up whose frames the kernel shall not answer.
fn keep_off(place: &Netns, interfaces: &[&str]) -> LabResult<()> {
    let mut script = String::new();
    let mut guard = String::new();
    let mut quiet = Vec::new();
    for interface in interfaces {
        line(&mut script, format_args!("link set {interface} up"));
        quiet.push(format!("ipv6/conf/{interface}/disable_ipv6"));
        line(
            &mut guard,
            format_args!(
                "add chain netdev guard {interface} {{ type filter hook ingress device \
                 {interface} priority -500; policy drop; }}\n\
                 add rule netdev guard {interface} counter drop"
            ),
        );
    }
    let quiet: Vec<(&str, &str)> = quiet.iter().map(|key| (key.as_str(), "1")).collect();
    place.sysctls(&quiet)?;
    place.nft(&guard)?;
    place.ip_batch(&script)
}

/// Duplicate address detection would cost two seconds per address.
fn nodad(family: Family) -> &'static str {
    if family == Family::V6 { " nodad" } else { "" }
}

fn line(script: &mut String, text: std::fmt::Arguments<'_>) {
    script.push_str(&std::fmt::format(text));
    script.push('\n');
}

/// All above the privileged ones that are not [`addr::OWN_PORTS`].
const KERNEL_PORTS: &str = "1024 39999";
/// What every host of the lab wants, whatever the machine's own defaults are.
const HOST: [(&str, &str); 9] = [
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/accept_redirects", "0"),
    ("ipv4/conf/default/accept_redirects", "0"),
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/accept_redirects", "0"),
    ("ipv6/conf/all/accept_redirects", "0"),
];

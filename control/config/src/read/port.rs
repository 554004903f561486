// SPDX-License-Identifier: Apache-2.0
//! `[[port]]` and `[[port.vlan]]`.

use std::collections::HashMap;

use model::addr::Prefix;
use model::ids::IFACES_MAX;

use crate::address;
use crate::device::{Device, DeviceError};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::findings::too_many;
use crate::read::bond::is_bonding;
use crate::read::{Reader, Seen};
use crate::schema::{ADDRESSES_MAX, INTERFACE_NAME_MAX, MTU_IPV6_MIN, PORTS_MAX};
use crate::section::{Item, Section};
use crate::types::{Port, Vlan, vlan_name};

impl Reader<'_, '_> {
    pub(super) fn ports(&mut self, root: &Section<'_>) -> Option<Vec<Port>> {
        let sections = root.tables(self.findings, "port", PORTS_MAX);
        if sections.is_empty() {
            let place = Place {
                key: "port".to_owned(),
                span: 0..0,
            };
            self.findings.add(
                Diagnostic::new(Code::NoPort, &place, "the file has no [[port]]")
                    .help("no packet can come in; add a [[port]] with a name and a device"),
            );
        }
        let ports: Vec<Option<Port>> = sections.iter().map(|section| self.port(section)).collect();
        if ports.iter().any(Option::is_none) {
            self.subnets = None;
        }
        ports.into_iter().collect()
    }

    fn port(&mut self, section: &Section<'_>) -> Option<Port> {
        let name = self.port_name(section);
        let bond = self.bond(section);
        let device = match &bond {
            Some(Some(_)) => self.bonded_device(section),
            Some(None) => self.device(section),
            None => None,
        };
        let queues = self.queues(section);
        let addresses = self.addresses(section);
        let mtu = section.integer(self.findings, "mtu");
        let mtu = mtu.and_then(|mtu| self.check_mtu(mtu, addresses.as_deref()));
        let promiscuous = section.flag(self.findings, "promiscuous");
        let vlans = self.vlans(section, name.as_deref(), mtu);
        Some(Port {
            name: name?,
            device: device?,
            bond: bond?,
            queues: queues?,
            addresses: addresses?,
            mtu: mtu?,
            promiscuous: promiscuous?,
            vlans: vlans?,
        })
    }

    fn port_name(&mut self, section: &Section<'_>) -> Option<String> {
        let Item { value, place } = section.text(self.findings, "name")?;
        let good = |c: char| !c.is_whitespace() && !c.is_control() && c != '/' && c != ':';
        let taken = matches!(value, "lo" | "." | "..");
        let fits = (1..=INTERFACE_NAME_MAX).contains(&value.len());
        if !fits || taken || !value.chars().all(good) {
            let message = format!("{} is no name for a port", self.seen(&place));
            let allowed = "1 to 15 bytes without `/`, `:` or blanks, and not \"lo\"";
            self.refuse(Code::BadName, &place, message, allowed);
            return None;
        }
        let name = value.to_owned();
        let what = format!("port \"{name}\"");
        self.first(
            |reader| &mut reader.interface_names,
            name.clone(),
            &place,
            Code::DuplicateName,
            &what,
        )
        .then_some(name)
    }

    fn device(&mut self, section: &Section<'_>) -> Option<Device> {
        if !section.has("device") {
            self.missing_device(section);
            return None;
        }
        let item = section.text(self.findings, "device")?;
        let device = self.unique_device(&item)?;
        if is_bonding(&device) {
            let message = format!("{} is made of members, and there is no `bond`", item.value);
            self.findings.add(
                Diagnostic::new(Code::BondMembers, &item.place, message)
                    .seen(item.value)
                    .help("add bond = { mode = \"active-backup\", members = [\"…\", \"…\"] }"),
            );
            return None;
        }
        Some(device)
    }

    fn missing_device(&mut self, section: &Section<'_>) {
        if section.is_misspelt("device") || section.is_misspelt("bond") {
            return;
        }
        let mut place = section.place.clone();
        place.key = section.path("device");
        self.findings.add(
            Diagnostic::new(Code::MissingKey, &place, "`device` is missing in [port]").help(
                "add a line such as: device = \"0000:3b:00.0\", or a `bond` of several devices",
            ),
        );
    }

    /// The device of this text, if it is one and no other port has it.
    pub(super) fn unique_device(&mut self, item: &Item<&str>) -> Option<Device> {
        let Item { value, place } = item;
        let device: Device = match value.parse() {
            Ok(device) => device,
            Err(error) => {
                self.bad_device(place, &error);
                return None;
            }
        };
        self.claim(device, place)
    }

    pub(super) fn claim(&mut self, device: Device, place: &Place) -> Option<Device> {
        let at = place.span.start;
        let earlier = *self.devices.entry(device.name().to_owned()).or_insert(at);
        if earlier == at {
            return Some(device);
        }
        let line = self.findings.line_of(earlier);
        let seen = self.seen(place);
        let help = match &device {
            Device::Pci(_) => format!("line {line} has it already; each port needs its own"),
            Device::Virtual(_) => format!(
                "line {line} has it already; number the devices: {0}0, {0}1 and so on",
                device.name().trim_end_matches(|c: char| c.is_ascii_digit())
            ),
        };
        let message = format!("device {} is in two ports", device.name());
        self.findings.add(
            Diagnostic::new(Code::DuplicateDevice, place, message)
                .seen(seen)
                .help(help),
        );
        None
    }

    fn bad_device(&mut self, place: &Place, error: &DeviceError) {
        let seen = self.seen(place);
        let message = format!("{seen} is no device: {error}");
        self.findings.add(
            Diagnostic::new(Code::BadDevice, place, message)
                .seen(seen)
                .allowed("\"dddd:bb:dd.f\" (PCI, hexadecimal) or \"net_…\" (a DPDK device)")
                .help("`dpdk-devbind.py --status` or `lspci -D` lists PCI addresses"),
        );
    }

    fn queues(&mut self, section: &Section<'_>) -> Option<u16> {
        if !section.has("queues") {
            // Without a worker list there is an error already.
            return u16::try_from(self.worker_count?).ok();
        }
        let Item { value, place } = section.integer(self.findings, "queues")?;
        if let Some(workers) = self.worker_count.filter(|workers| value > *workers) {
            let message = format!("{value} queues, and {workers} workers to poll them");
            self.findings.add(
                Diagnostic::new(Code::QueuesWithoutWorker, &place, message)
                    .seen(value.to_string())
                    .allowed(format!("1 to {workers}"))
                    .help("lower `queues`, or add CPUs to `workers` in [director]"),
            );
            return None;
        }
        u16::try_from(value).ok()
    }

    fn addresses(&mut self, section: &Section<'_>) -> Option<Vec<Prefix>> {
        let errors = self.findings.error_count();
        let mut addresses = Vec::new();
        for Item { value, place } in section.texts(self.findings, "addresses") {
            if self.addresses.len() >= ADDRESSES_MAX {
                too_many(self.findings, &place, "addresses of ports", ADDRESSES_MAX);
                break;
            }
            addresses.extend(self.interface_address(value, &place));
        }
        if self.findings.error_count() > errors {
            self.subnets = None;
            return None;
        }
        if let Some(subnets) = &mut self.subnets {
            subnets.extend(&addresses);
        }
        Some(addresses)
    }

    fn interface_address(&mut self, text: &str, place: &Place) -> Option<Prefix> {
        let prefix = match address::interface(text) {
            Ok(prefix) => prefix,
            Err(error) => {
                self.bad_address(place, error, "an address such as \"192.0.2.2/24\"");
                return None;
            }
        };
        let (addr, len) = (prefix.addr, prefix.len);
        // RFC 3021: the two addresses of a /31 are both hosts; so is the one of a /32.
        if addr.is_v4() && len < 31 && prefix.network() == addr {
            let message = format!("{prefix} is the address of the network itself");
            self.findings.add(
                Diagnostic::new(Code::NetworkAddress, place, message)
                    .seen(text)
                    .help("write the director's own address in that network"),
            );
        }
        let what = format!("address {addr}");
        self.first(
            |reader| &mut reader.addresses,
            addr,
            place,
            Code::DuplicateAddress,
            &what,
        )
        .then_some(prefix)
    }

    fn check_mtu(&mut self, mtu: Item<u32>, addresses: Option<&[Prefix]>) -> Option<u32> {
        let ipv6 = addresses?.iter().find(|prefix| !prefix.addr.is_v4());
        let (Some(ipv6), true) = (ipv6, mtu.value < MTU_IPV6_MIN) else {
            return Some(mtu.value);
        };
        let message = format!("an `mtu` of {} is too small for {ipv6}", mtu.value);
        self.findings.add(
            Diagnostic::new(Code::MtuBelowIpv6, &mtu.place, message)
                .seen(mtu.value.to_string())
                .allowed("1280 to 9216 with an IPv6 address")
                .help("raise `mtu` to 1280 or more, or remove the IPv6 addresses"),
        );
        None
    }

    fn vlans(
        &mut self,
        port: &Section<'_>,
        name: Option<&str>,
        mtu: Option<u32>,
    ) -> Option<Vec<Vlan>> {
        let mut ids = HashMap::new();
        let sections = port.tables(self.findings, "vlan", IFACES_MAX);
        let vlans: Vec<Option<Vlan>> = sections
            .iter()
            .map(|section| self.vlan(section, name, mtu, &mut ids))
            .collect();
        let vlans: Vec<Vlan> = vlans.into_iter().collect::<Option<_>>()?;
        // Each port is an interface too, and there are at most PORTS_MAX.
        if self.interface_names.len() > IFACES_MAX {
            too_many(self.findings, &port.place, "ports and VLANs", IFACES_MAX);
            return None;
        }
        Some(vlans)
    }

    fn vlan(
        &mut self,
        section: &Section<'_>,
        port: Option<&str>,
        port_mtu: Option<u32>,
        ids: &mut Seen<u16>,
    ) -> Option<Vlan> {
        let id = self.vlan_id(section, port, ids);
        let addresses = self.addresses(section);
        let mtu = if section.has("mtu") {
            section.integer(self.findings, "mtu")
        } else {
            port_mtu.map(|value| Item {
                value,
                place: section.place.clone(),
            })
        };
        let mtu = mtu.and_then(|mtu| self.check_vlan_mtu(mtu, port_mtu));
        let mtu = mtu.and_then(|mtu| self.check_mtu(mtu, addresses.as_deref()));
        Some(Vlan {
            id: id?,
            addresses: addresses?,
            mtu: mtu?,
        })
    }

    fn vlan_id(
        &mut self,
        section: &Section<'_>,
        port: Option<&str>,
        ids: &mut Seen<u16>,
    ) -> Option<u16> {
        let Item { value, place } = section.integer(self.findings, "id")?;
        let id = u16::try_from(value).ok()?;
        let at = place.span.start;
        let earlier = *ids.entry(id).or_insert(at);
        if earlier != at {
            self.duplicate(Code::DuplicateVlan, &place, &format!("vlan {id}"), earlier);
            return None;
        }
        let twin = vlan_name(port?, id);
        let too_long = twin.len() > INTERFACE_NAME_MAX;
        if !too_long {
            let earlier = *self.interface_names.entry(twin.clone()).or_insert(at);
            if earlier == at {
                return Some(id);
            }
        }
        let why = if too_long {
            "is longer than 15 bytes"
        } else {
            "is the name of a port"
        };
        self.findings.add(
            Diagnostic::new(
                Code::VlanName,
                &place,
                format!("\"{twin}\", the kernel twin of this VLAN, {why}"),
            )
            .seen(twin)
            .allowed("PORT.ID of at most 15 bytes, unique")
            .help("give the port a shorter or another name"),
        );
        None
    }

    fn check_vlan_mtu(&mut self, mtu: Item<u32>, port_mtu: Option<u32>) -> Option<Item<u32>> {
        let Some(port_mtu) = port_mtu.filter(|port_mtu| mtu.value > *port_mtu) else {
            return Some(mtu);
        };
        let message = format!("an `mtu` of {} is more than its port's", mtu.value);
        self.findings.add(
            Diagnostic::new(Code::VlanMtu, &mtu.place, message)
                .seen(mtu.value.to_string())
                .allowed(format!("at most {port_mtu}, the `mtu` of the port"))
                .help("lower it, or raise `mtu` in [[port]]"),
        );
        None
    }
}

// SPDX-License-Identifier: Apache-2.0
//! `[port.bond]`.

use crate::device::Device;
use crate::diagnostic::{Code, Diagnostic};
use crate::read::Reader;
use crate::schema::BOND_MEMBERS_MAX;
use crate::section::{Item, Section};
use crate::types::{Bond, BondMode};

/// DPDK's bonding driver; its devices are called so, with a number.
const BONDING: &str = "net_bonding";

pub(super) fn is_bonding(device: &Device) -> bool {
    device.name().starts_with(BONDING)
}

impl Reader<'_, '_> {
    /// The bonded device: what the file calls it, or by the port's place.
    pub(super) fn bonded_device(&mut self, section: &Section<'_>) -> Option<Device> {
        if !section.has("device") {
            let name = format!("{BONDING}{}", self.interface_names.len().saturating_sub(1));
            return self.claim(Device::Virtual(name), &section.place.clone());
        }
        let item = section.text(self.findings, "device")?;
        let device = self.unique_device(&item)?;
        let plain = device.as_str() == device.name();
        if is_bonding(&device) && plain {
            return Some(device);
        }
        let message = format!("{} beside the members of a `bond`", item.value);
        self.findings.add(
            Diagnostic::new(Code::BondMembers, &item.place, message)
                .seen(item.value)
                .allowed("no `device`, or a name such as \"net_bonding0\"")
                .help("leave `device` out; if it is one of several, it belongs to `members`"),
        );
        None
    }

    /// `None` if there was an error.
    pub(super) fn bond(&mut self, port: &Section<'_>) -> Option<Option<Bond>> {
        if !port.has("bond") {
            return Some(None);
        }
        let section = port.table(self.findings, "bond")?;
        let mode = section.word(self.findings, "mode");
        let errors = self.findings.error_count();
        let items = section.texts(self.findings, "members");
        if items.is_empty() && self.findings.error_count() == errors {
            let message = "a bond without members".to_owned();
            let allowed = "members = [\"0000:3b:00.0\", \"0000:3b:00.1\"]";
            self.refuse(Code::BondMembers, &section.place, message, allowed);
        }
        if let Some(item) = items.get(BOND_MEMBERS_MAX) {
            let message = format!("a bond of {} members", items.len());
            let allowed = format!("at most {BOND_MEMBERS_MAX}");
            self.refuse(Code::BondMembers, &item.place, message, &allowed);
        }
        let members = items.iter().map(|item| self.member(item)).collect();
        let members: Option<Vec<Device>> = members;
        if self.findings.error_count() > errors {
            return None;
        }
        let mode = match mode?.value {
            "802.3ad" => BondMode::Lacp,
            _ => BondMode::ActiveBackup,
        };
        let members = members?;
        Some(Some(Bond { mode, members }))
    }

    fn member(&mut self, item: &Item<&str>) -> Option<Device> {
        let device = self.unique_device(item)?;
        if is_bonding(&device) {
            let message = "a bond as a member of a bond".to_owned();
            self.refuse(Code::BondMembers, &item.place, message, "other devices");
            return None;
        }
        Some(device)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! `[[mark]]`: the rules of the classifier.

use model::addr::Prefix;
use model::classifier::{MARK_RULES_MAX, MarkRule};
use model::service::{PortRange, Protocol};

use crate::diagnostic::Code;
use crate::read::Reader;
use crate::section::{Item, Section};

impl Reader<'_, '_> {
    pub(super) fn marks(&mut self, root: &Section<'_>) -> Option<Vec<MarkRule>> {
        let sections = root.tables(self.findings, "mark", MARK_RULES_MAX);
        let rules: Vec<Option<MarkRule>> = sections
            .iter()
            .map(|section| self.mark_rule(section))
            .collect();
        rules.into_iter().collect()
    }

    fn mark_rule(&mut self, section: &Section<'_>) -> Option<MarkRule> {
        let mark = section.integer(self.findings, "mark");
        let protocol = if section.has("protocol") {
            Protocol::from_name(section.word(self.findings, "protocol")?.value)
        } else {
            None
        };
        let source = self.mark_prefix(section, "source");
        let destination = self.mark_prefix(section, "destination");
        let source_ports = self.mark_ports(section, "source_ports");
        let destination_ports = self.mark_ports(section, "destination_ports");
        let (source, destination) = (source?, destination?);
        if let (Some(from), Some(to)) = (source, destination)
            && from.addr.is_v4() != to.addr.is_v4()
        {
            let message = format!("no packet goes from {from} to {to}");
            let allowed = "`source` and `destination` of one address family";
            self.refuse(Code::MarkFamily, &section.place, message, allowed);
            return None;
        }
        Some(MarkRule {
            protocol,
            source,
            destination,
            source_ports: source_ports?,
            destination_ports: destination_ports?,
            mark: mark?.value,
        })
    }

    /// `None` if there was an error.
    fn mark_prefix(&mut self, section: &Section<'_>, name: &str) -> Option<Option<Prefix>> {
        if !section.has(name) {
            return Some(None);
        }
        let Item { value, place } = section.text(self.findings, name)?;
        let Ok(prefix) = value.parse::<Prefix>() else {
            let message = format!("{} is no network", self.seen(&place));
            let allowed = "an address and a length, such as \"192.0.2.0/24\"";
            self.refuse(Code::BadAddress, &place, message, allowed);
            return None;
        };
        Some(Some(prefix))
    }

    /// `None` if there was an error.
    fn mark_ports(&mut self, section: &Section<'_>, name: &str) -> Option<PortRange> {
        if !section.has(name) {
            return Some(PortRange::ANY);
        }
        let Item { value, place } = section.text(self.findings, name)?;
        let (first, last) = value.split_once('-').unwrap_or((value, value));
        let range = match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) => PortRange::new(first, last),
            _ => None,
        };
        if range.is_none() {
            let message = format!("{} is no port and no range of ports", self.seen(&place));
            let allowed = "ports such as \"80\" or \"8000-8099\"";
            self.refuse(Code::BadPorts, &place, message, allowed);
        }
        range
    }
}

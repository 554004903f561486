// SPDX-License-Identifier: Apache-2.0
//! `[[snat]]`: the farm's own packets on their way out.

use std::sync::Arc;

use model::addr::{Addr, Prefix};
use model::local::SNAT_RULES_MAX;

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::read::Reader;
use crate::section::{Item, Section};
use crate::types::Snat;

impl Reader<'_, '_> {
    pub(super) fn snats(&mut self, root: &Section<'_>) -> Option<Vec<Snat>> {
        let sections = root.tables(self.findings, "snat", SNAT_RULES_MAX);
        let rules: Vec<Option<Snat>> = sections.iter().map(|section| self.snat(section)).collect();
        rules.into_iter().collect()
    }

    fn snat(&mut self, section: &Section<'_>) -> Option<Snat> {
        let name = self.snat_name(section);
        let sources = self.prefixes(section, "sources");
        let destinations = self.prefixes(section, "destinations");
        let port = self.egress(section);
        let items = section.texts(self.findings, "addresses");
        let addresses: Option<Vec<Addr>> =
            items.iter().map(|item| self.local_address(item)).collect();
        for (key, empty) in [
            ("sources", sources.as_ref().is_some_and(Vec::is_empty)),
            ("addresses", items.is_empty()),
        ] {
            if empty && section.has(key) {
                let message = format!("a rule without `{key}` does nothing");
                let allowed = "at least one";
                self.refuse(Code::SnatRule, &section.place, message, allowed);
                return None;
            }
        }
        let rule = Snat {
            name: name?,
            sources: sources?,
            destinations: destinations?,
            port: port?,
            addresses: addresses.filter(|list| !list.is_empty())?,
        };
        self.check_snat_families(&section.place, &rule)?;
        Some(rule)
    }

    fn snat_name(&mut self, section: &Section<'_>) -> Option<Arc<str>> {
        let name = self.plain_name(section, "an SNAT rule")?;
        let what = format!("SNAT rule \"{}\"", name.value);
        let key = name.value.to_owned();
        let code = Code::DuplicateName;
        self.first(
            |reader| &mut reader.snat_names,
            key,
            &name.place,
            code,
            &what,
        )
        .then(|| Arc::from(name.value))
    }

    fn check_snat_families(&mut self, place: &Place, rule: &Snat) -> Option<()> {
        let has = |is_v4| rule.addresses.iter().any(|addr| addr.is_v4() == is_v4);
        let comes = |is_v4| rule.sources.iter().any(|from| from.addr.is_v4() == is_v4);
        let orphan = rule.sources.iter().find(|from| !has(from.addr.is_v4()));
        let stray = rule.destinations.iter().find(|to| !comes(to.addr.is_v4()));
        let found = match (orphan, stray) {
            (None, None) => return Some(()),
            (Some(source), _) => {
                let message = format!("no address of the rule is of the family of {source}");
                Diagnostic::new(Code::LocalPoolFamily, place, message)
                    .allowed("an address of each family of `sources`")
                    .help("add one to `addresses`, or leave those sources out")
            }
            (None, Some(destination)) => {
                let message = format!("no packet of `sources` goes to {destination}");
                Diagnostic::new(Code::SnatRule, place, message)
                    .allowed("destinations of the family of a source")
                    .help("leave it out")
            }
        };
        self.findings.add(found);
        None
    }

    /// `None` if there was an error.
    fn egress(&mut self, section: &Section<'_>) -> Option<Option<String>> {
        if !section.has("port") {
            return Some(None);
        }
        let Item { value, place } = section.text(self.findings, "port")?;
        if self.interface_names.contains_key(value) {
            return Some(Some(value.to_owned()));
        }
        let message = format!("there is no port {}", self.seen(&place));
        let allowed = "the name of a [[port]], or PORT.ID of one of its VLANs";
        self.refuse(Code::SnatRule, &place, message, allowed);
        None
    }

    /// `None` if there was an error.
    fn prefixes(&mut self, section: &Section<'_>, name: &str) -> Option<Vec<Prefix>> {
        let mut prefixes = Vec::new();
        for Item { value, place } in section.texts(self.findings, name) {
            let Ok(prefix) = value.parse::<Prefix>() else {
                let message = format!("{} is no network", self.seen(&place));
                let allowed = "an address and a length, such as \"10.1.0.0/24\"";
                self.refuse(Code::BadAddress, &place, message, allowed);
                return None;
            };
            prefixes.push(prefix);
        }
        Some(prefixes)
    }
}

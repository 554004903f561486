// SPDX-License-Identifier: Apache-2.0
//! `[[local_pool]]`, and `local_pool` of a service.

use std::sync::Arc;

use model::addr::Addr;
use model::ids::LOCALS_MAX;
use model::local::{LocalUse, PoolSpec};
use model::service::ForwardMode;

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::findings::too_many;
use crate::read::Reader;
use crate::schema::SERVICE_NAME_MAX;
use crate::section::{Item, Section};
use crate::types::{Server, Service};

const POOL: &str = "local_pool";

impl Reader<'_, '_> {
    pub(super) fn local_pools(&mut self, root: &Section<'_>) -> Option<Vec<PoolSpec>> {
        let sections = root.tables(self.findings, POOL, LOCALS_MAX);
        let pools: Vec<Option<PoolSpec>> = sections
            .iter()
            .map(|section| self.local_pool(section))
            .collect();
        let pools: Vec<PoolSpec> = pools.into_iter().collect::<Option<_>>()?;
        self.pools.clone_from(&pools);
        Some(pools)
    }

    fn local_pool(&mut self, section: &Section<'_>) -> Option<PoolSpec> {
        let name = self.pool_name(section);
        let items = section.texts(self.findings, "addresses");
        let addresses: Vec<Option<Addr>> =
            items.iter().map(|item| self.local_address(item)).collect();
        if items.is_empty() && section.has("addresses") {
            let message = "a pool without addresses".to_owned();
            let allowed = "at least one address, such as [\"10.0.0.200\"]";
            self.refuse(Code::BadAddress, &section.place, message, allowed);
            return None;
        }
        Some(PoolSpec {
            name: name?,
            used_for: LocalUse::Clients,
            addresses: addresses.into_iter().collect::<Option<_>>()?,
        })
    }

    fn pool_name(&mut self, section: &Section<'_>) -> Option<Arc<str>> {
        let Item { value, place } = self.plain_name(section, "a pool")?;
        let what = format!("pool \"{value}\"");
        self.first(
            |reader| &mut reader.pool_names,
            value.to_owned(),
            &place,
            Code::DuplicateName,
            &what,
        )
        .then(|| Arc::from(value))
    }

    /// A name for people.
    pub(super) fn plain_name<'a>(
        &mut self,
        section: &Section<'a>,
        kind: &str,
    ) -> Option<Item<&'a str>> {
        let Item { value, place } = section.text(self.findings, "name")?;
        let good = !value.is_empty()
            && value.len() <= SERVICE_NAME_MAX
            && value.trim() == value
            && !value.chars().any(char::is_control);
        if !good {
            let message = format!("{} is no name for {kind}", self.seen(&place));
            let allowed = "1 to 64 printable characters, no blank at either end";
            self.refuse(Code::BadName, &place, message, allowed);
            return None;
        }
        Some(Item { value, place })
    }

    pub(super) fn local_address(&mut self, Item { value, place }: &Item<&str>) -> Option<Addr> {
        let Ok(addr) = value.parse::<Addr>() else {
            let message = format!("{} is no address", self.seen(place));
            let allowed = "an address alone, such as \"10.0.0.200\" or \"2001:db8::200\"";
            self.refuse(Code::BadAddress, place, message, allowed);
            return None;
        };
        if self.local_addresses.len() >= LOCALS_MAX {
            too_many(self.findings, place, "local addresses", LOCALS_MAX);
            return None;
        }
        let unusable = addr.is_multicast_or_broadcast()
            || addr.is_unspecified()
            || addr.is_link_local()
            || addr.to_ip().is_loopback();
        if unusable {
            let message = format!("{addr} cannot be the source of connections");
            let allowed = "a unicast address that the servers have a route to";
            self.refuse(Code::BadAddress, place, message, allowed);
            return None;
        }
        let seen_as_port = self.addresses.get(&addr).copied();
        if seen_as_port.is_some() {
            self.doubly_used(place, addr, "the address of a port");
            return None;
        }
        let what = format!("local address {addr}");
        self.first(
            |reader| &mut reader.local_addresses,
            addr,
            place,
            Code::DuplicateAddress,
            &what,
        )
        .then_some(addr)
    }

    /// Refuses a local address that is `other` too.
    pub(super) fn doubly_used(&mut self, place: &Place, addr: Addr, other: &str) {
        let message = format!("{addr} is {other} and a local address");
        let seen = self.seen(place);
        self.findings.add(
            Diagnostic::new(Code::LocalAddress, place, message)
                .seen(seen)
                .allowed("an address that is nothing but a local address")
                .help("packets to a local address are answers of servers and nobody else's"),
        );
    }

    /// The pool of a service: there if it is named, and with addresses for its servers.
    pub(super) fn service_pool(&mut self, section: &Section<'_>) -> Option<Option<Arc<str>>> {
        if !section.has(POOL) {
            return Some(None);
        }
        let Item { value, place } = section.text(self.findings, POOL)?;
        if !self.pool_names.contains_key(value) {
            let names: Vec<String> = self
                .pools
                .iter()
                .map(|pool| format!("\"{}\"", pool.name))
                .collect();
            let message = format!("there is no [[local_pool]] named \"{value}\"");
            let allowed = if names.is_empty() {
                "no pool is defined in this file".to_owned()
            } else {
                names.join(", ")
            };
            self.refuse(Code::LocalPool, &place, message, &allowed);
            return None;
        }
        Some(Some(Arc::from(value)))
    }

    /// Whether servers with FullNAT get what they need.
    pub(super) fn check_pool(&mut self, section: &Section<'_>, service: &Service) -> Option<()> {
        let full_nat = |server: &&Server| server.forward == ForwardMode::FullNat;
        let first = service.servers.iter().find(full_nat);
        if first.is_none() && service.forward != ForwardMode::FullNat {
            return Some(());
        }
        let place = section.text(self.findings, "forward")?.place;
        let Some(name) = &service.local_pool else {
            let message = "forward = \"fullnat\" needs local addresses".to_owned();
            let seen = self.seen(&place);
            self.findings.add(
                Diagnostic::new(Code::LocalPool, &place, message)
                    .seen(seen)
                    .allowed("`local_pool` with the name of a [[local_pool]]")
                    .help(
                        "add a [[local_pool]] with addresses the servers have a route to, and \
                         local_pool = \"NAME\" to the service",
                    ),
            );
            return None;
        };
        let pool = self.pools.iter().find(|pool| pool.name == *name)?;
        let lacking = service.servers.iter().filter(full_nat).find(|server| {
            let is_v4 = server.key.real_ip.is_v4();
            pool.addresses.iter().all(|addr| addr.is_v4() != is_v4)
        });
        let Some(server) = lacking.map(|server| server.key) else {
            return Some(());
        };
        let family = if server.real_ip.is_v4() {
            "IPv4"
        } else {
            "IPv6"
        };
        let item = section.text(self.findings, POOL)?;
        let message = format!("pool \"{name}\" has no {family} address for server {server}");
        let allowed = format!("a pool with at least one {family} address");
        self.refuse(Code::LocalPoolFamily, &item.place, message, &allowed);
        None
    }
}

// SPDX-License-Identifier: Apache-2.0
//! `client_address` and `helper` of a service: what reads or writes in its streams.

use model::service::{ClientAddress, ForwardMode, Helper, Protocol, ServiceKey};

use crate::diagnostic::{Code, Diagnostic};
use crate::read::Reader;
use crate::section::{Item, Section};
use crate::types::Server;

/// The two keys.
const CLIENT_ADDRESS: &str = "client_address";
const HELPER: &str = "helper";

impl Reader<'_, '_> {
    /// `None` if there was an error.
    pub(super) fn client_address(
        &mut self,
        section: &Section<'_>,
        key: Option<ServiceKey>,
    ) -> Option<ClientAddress> {
        let Item { value, .. } = section.word(self.findings, CLIENT_ADDRESS)?;
        let found = ClientAddress::ALL
            .into_iter()
            .find(|known| known.name() == value)?;
        if found != ClientAddress::None {
            self.check_tcp(section, CLIENT_ADDRESS, key)?;
        }
        Some(found)
    }

    /// `None` if there was an error.
    pub(super) fn helper(
        &mut self,
        section: &Section<'_>,
        key: Option<ServiceKey>,
    ) -> Option<Option<Helper>> {
        let Item { value, .. } = section.word(self.findings, HELPER)?;
        let helper = (value == Helper::Ftp.name()).then_some(Helper::Ftp);
        if helper.is_some() {
            self.check_tcp(section, HELPER, key)?;
            self.check_one_port(section, key)?;
        }
        Some(helper)
    }

    fn check_tcp(
        &mut self,
        section: &Section<'_>,
        name: &str,
        key: Option<ServiceKey>,
    ) -> Option<()> {
        if key.is_none_or(|key| key.protocol() == Some(Protocol::Tcp)) {
            return Some(());
        }
        let place = section.text(self.findings, name)?.place;
        let message = format!("`{name}` is about streams of TCP");
        let allowed = format!("`{name}` with listen = \"tcp://ADDRESS:PORT\", or not at all");
        self.refuse(Code::TcpOnly, &place, message, &allowed);
        None
    }

    /// Announcements are of one address, that of the connection they stand in, and of a port that
    /// no service has.
    fn check_one_port(&mut self, section: &Section<'_>, key: Option<ServiceKey>) -> Option<()> {
        if key.is_none_or(|key| key.virtual_ip().is_some() && key.vport() != 0) {
            return Some(());
        }
        let place = section.text(self.findings, HELPER)?.place;
        let message = format!("`{HELPER}` is for one address and one port");
        let allowed = format!("`{HELPER}` with listen = \"tcp://ADDRESS:PORT\", or not at all");
        self.refuse(Code::HelperListen, &place, message, &allowed);
        None
    }

    /// Who changes a stream has to see both of its directions.
    pub(super) fn check_both_ways(&mut self, section: &Section<'_>, servers: &[Server]) {
        for name in [CLIENT_ADDRESS, HELPER] {
            // The helper translates announcements as NAT needs it.
            let fits = |server: &&Server| {
                server.forward == ForwardMode::Nat
                    || name == CLIENT_ADDRESS && !server.forward.is_one_way()
            };
            let Some(unfit) = servers.iter().find(|server| !fits(server)) else {
                continue;
            };
            let Some(item) = section.text(self.findings, name) else {
                continue;
            };
            if item.value == "none" {
                continue;
            }
            let (real, forward) = (unfit.key, unfit.forward.name());
            let message = if unfit.forward.is_one_way() {
                format!(
                    "`{name}` needs both directions, and server {real} (forward = \"{forward}\") \
                     answers its clients itself"
                )
            } else {
                format!("`{name}` is for NAT, and server {real} has forward = \"{forward}\"")
            };
            let help = if name == HELPER {
                "use forward = \"nat\"; or leave the helper out and let clients keep their server: \
                 a service on every port (\"tcp://ADDRESS:*\") or on a mark, with persistence"
            } else {
                "leave it out: with this method the server sees the client's address itself"
            };
            let seen = self.seen(&item.place);
            self.findings.add(
                Diagnostic::new(Code::NeedsBothWays, &item.place, message)
                    .seen(seen)
                    .allowed("servers with forward = \"nat\"")
                    .help(help),
            );
        }
    }
}

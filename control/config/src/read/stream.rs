// SPDX-License-Identifier: Apache-2.0
//! `client_address` and `helper` of a service: what reads or writes in its streams.

use model::service::{ClientAddress, Helper, Protocol, ServiceKey};

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
        let Some(one_way) = servers.iter().find(|server| server.forward.is_one_way()) else {
            return;
        };
        for name in [CLIENT_ADDRESS, HELPER] {
            let Some(item) = section.text(self.findings, name) else {
                continue;
            };
            if item.value == "none" {
                continue;
            }
            let (real, forward) = (one_way.key, one_way.forward.name());
            let message = format!(
                "`{name}` needs both directions, and server {real} (forward = \"{forward}\") \
                 answers its clients itself"
            );
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

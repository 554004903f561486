// SPDX-License-Identifier: Apache-2.0
//! `persistence`, `timeouts` and `one_packet` of a service.

use model::service::{Persistence, PersistenceEngine, Protocol, ServiceKey, ServiceTimeouts};

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::read::Reader;
use crate::section::Section;

impl Reader<'_, '_> {
    /// `None` if there was an error.
    pub(super) fn persistence(
        &mut self,
        parent: &Section<'_>,
        key: Option<ServiceKey>,
    ) -> Option<Option<Persistence>> {
        if !parent.has("persistence") {
            return Some(None);
        }
        let section = parent.table(self.findings, "persistence")?;
        let timeout = section.integer(self.findings, "timeout_s");
        let mask = section.integer(self.findings, "ipv4_mask");
        let prefix = section.integer(self.findings, "ipv6_prefix");
        let engine = section.word(self.findings, "engine")?;
        let engine = (engine.value == "sip").then_some(PersistenceEngine::Sip);
        if engine.is_some() {
            self.check_engine(&section.place, key);
        }
        Some(Some(Persistence {
            timeout_s: timeout?.value,
            ipv4_mask: u8::try_from(mask?.value).ok()?,
            ipv6_prefix: u8::try_from(prefix?.value).ok()?,
            engine,
        }))
    }

    /// `ip_vs_sip_fill_param`: "Only useful with UDP"; other services persist by the client alone.
    fn check_engine(&mut self, place: &Place, key: Option<ServiceKey>) {
        let protocol = key.and_then(|key| key.protocol());
        if protocol.is_none_or(|protocol| protocol == Protocol::Udp) {
            return;
        }
        let message = "a Call-ID is looked for in UDP alone".to_owned();
        self.findings.add(
            Diagnostic::new(Code::EngineUnused, place, message)
                .help("clients are told apart by their addresses; remove `engine`"),
        );
    }

    /// `None` if there was an error.
    pub(super) fn service_timeouts(&mut self, parent: &Section<'_>) -> Option<ServiceTimeouts> {
        let section = self.section_or_empty(parent, "timeouts")?;
        let tcp = section.integer(self.findings, "tcp_s");
        let tcp_fin = section.integer(self.findings, "tcp_fin_s");
        let udp = section.integer(self.findings, "udp_s");
        Some(ServiceTimeouts {
            tcp_s: tcp?.value,
            tcp_fin_s: tcp_fin?.value,
            udp_s: udp?.value,
        })
    }

    /// `None` if there was an error.
    pub(super) fn one_packet(
        &mut self,
        section: &Section<'_>,
        key: Option<ServiceKey>,
    ) -> Option<bool> {
        let one_packet = section.flag(self.findings, "one_packet")?;
        let protocol = key.and_then(|key| key.protocol());
        if one_packet && protocol.is_some_and(|protocol| protocol != Protocol::Udp) {
            let message = "only datagrams can be scheduled one by one".to_owned();
            let allowed = "`one_packet` with listen = \"udp://…\" or \"mark://…\", or not at all";
            self.refuse(Code::UdpOnly, &section.place, message, allowed);
            return None;
        }
        Some(one_packet)
    }
}

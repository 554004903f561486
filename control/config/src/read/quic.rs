// SPDX-License-Identifier: Apache-2.0
//! `[service.quic]` and what names a server in connection ids.

use model::service::{Protocol, Quic, QuicServerId, ServiceKey};

use crate::diagnostic::Code;
use crate::read::{Reader, Seen};
use crate::section::{Item, Section};

impl Reader<'_, '_> {
    /// `None` if there was an error.
    pub(super) fn quic(
        &mut self,
        parent: &Section<'_>,
        key: Option<ServiceKey>,
    ) -> Option<Option<Quic>> {
        if !parent.has("quic") {
            return Some(None);
        }
        let section = parent.table(self.findings, "quic")?;
        let config = section.integer(self.findings, "config");
        let server_id_len = section.integer(self.findings, "server_id_len")?.value;
        if server_id_len == 0 {
            return Some(None);
        }
        if key.is_some_and(|key| key.protocol() != Some(Protocol::Udp)) {
            let message = "QUIC runs over UDP".to_owned();
            let allowed = "`quic` with listen = \"udp://ADDRESS:PORT\", or not at all";
            self.refuse(Code::UdpOnly, &section.place, message, allowed);
            return None;
        }
        Some(Some(Quic {
            config: u8::try_from(config?.value).ok()?,
            server_id_len: u8::try_from(server_id_len).ok()?,
        }))
    }

    /// `None` if there was an error.
    pub(super) fn quic_server_id(
        &mut self,
        section: &Section<'_>,
        quic: Option<Quic>,
        ids: &mut Seen<QuicServerId>,
    ) -> Option<Option<QuicServerId>> {
        if !section.has("quic_server_id") {
            return Some(None);
        }
        let Item { value, place } = section.text(self.findings, "quic_server_id")?;
        if value.is_empty() {
            return Some(None);
        }
        let Some(Quic { server_id_len, .. }) = quic else {
            let message = "the service does not read connection ids".to_owned();
            let allowed =
                "`quic_server_id` with `quic.server_id_len` in the service, or not at all";
            self.refuse(Code::QuicServerId, &place, message, allowed);
            return None;
        };
        let id = bytes_of(value).and_then(|bytes| QuicServerId::new(&bytes));
        let Some(id) = id.filter(|id| id.as_bytes().len() == usize::from(server_id_len)) else {
            let seen = self.seen(&place);
            let digits = u32::from(server_id_len) * 2;
            let message = format!("{seen} is no server id of {server_id_len} bytes");
            let allowed = format!("{digits} hexadecimal digits");
            self.refuse(Code::QuicServerId, &place, message, &allowed);
            return None;
        };
        let at = place.span.start;
        let earlier = *ids.entry(id).or_insert(at);
        if earlier != at {
            let what = format!("server id {id}");
            self.duplicate(Code::DuplicateQuicServerId, &place, &what, earlier);
            return None;
        }
        Some(Some(id))
    }
}

/// The bytes that pairs of hexadecimal digits spell.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let digits = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|value| u8::try_from(value).ok())
        })
        .collect::<Option<Vec<u8>>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

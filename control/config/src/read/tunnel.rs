// SPDX-License-Identifier: Apache-2.0
//! `[tunnels]`, and the `tunnel` of a service or server.

use std::num::NonZeroU16;

use model::addr::{Addr, Prefix};
use model::service::{ForwardMode, ServiceKey};
use model::tunnel::{GueChecksum, Tunnel, TunnelKind};

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::read::Reader;
use crate::section::{Item, Section};
use crate::types::Tunnels;

impl Reader<'_, '_> {
    pub(super) fn tunnels(&mut self, root: &Section<'_>) -> Option<Tunnels> {
        let section = self.section_or_empty(root, "tunnels")?;
        Some(Tunnels {
            pmtu_disc: section.flag(self.findings, "pmtu_disc")?,
        })
    }

    /// The `tunnel` of a service or server, or `inherited` if it has none; `None` if there was an
    /// error.
    pub(super) fn tunnel(&mut self, parent: &Section<'_>, inherited: Tunnel) -> Option<Tunnel> {
        if !parent.has("tunnel") {
            return Some(inherited);
        }
        let section = parent.table(self.findings, "tunnel")?;
        let kind = self.tunnel_kind(&section);
        let source = if section.has("source") {
            let Item { value, place } = section.text(self.findings, "source")?;
            Some(self.outer_source(value, &place)?)
        } else {
            None
        };
        Some(Tunnel {
            kind: kind?,
            source,
        })
    }

    fn tunnel_kind(&mut self, section: &Section<'_>) -> Option<TunnelKind> {
        let kind = section.word(self.findings, "type");
        let port = if section.has("port") {
            Some(section.integer(self.findings, "port")?.value)
        } else {
            None
        };
        let port = port
            .and_then(|port| u16::try_from(port).ok())
            .and_then(NonZeroU16::new);
        let full = section.flag(self.findings, "checksum")?;
        let remote = section.flag(self.findings, "remote_checksum")?;
        match (kind?.value, port, full, remote) {
            ("ipip", None, false, false) => Some(TunnelKind::Ipip),
            ("gre", None, checksum, false) => Some(TunnelKind::Gre { checksum }),
            ("gue", Some(port), false, false) => Some(gue(port, GueChecksum::None)),
            ("gue", Some(port), true, false) => Some(gue(port, GueChecksum::Full)),
            ("gue", Some(port), false, true) => Some(gue(port, GueChecksum::Remote)),
            (kind, ..) => {
                let message =
                    format!("these options of the tunnel do not go with type = \"{kind}\"");
                let allowed = match kind {
                    "gue" => "`port`, which it needs, and `checksum` or `remote_checksum`",
                    "gre" => "`checksum`",
                    _ => "neither `port` nor a checksum",
                };
                self.refuse(Code::TunnelOptions, &section.place, message, allowed);
                None
            }
        }
    }

    fn outer_source(&mut self, text: &str, place: &Place) -> Option<Prefix> {
        let prefix = text.parse::<Prefix>().ok().filter(|prefix| {
            let addr = prefix.network();
            !addr.is_multicast_or_broadcast()
                && !addr.is_unspecified()
                && !addr.is_link_local()
                && !addr.to_ip().is_loopback()
        });
        if prefix.is_none() {
            let message = format!("{} is no prefix for outer sources", self.seen(place));
            let allowed = "an address and a length, such as \"172.16.0.0/16\"";
            self.refuse(Code::BadAddress, place, message, allowed);
        }
        prefix
    }

    /// Whether a tunnel of that service can reach that server at all.
    pub(super) fn check_tunnel(
        &mut self,
        place: &Place,
        real: Addr,
        tunnel: &Tunnel,
        service: ServiceKey,
    ) -> Option<()> {
        let family = |v4: bool| if v4 { "IPv4" } else { "IPv6" };
        let ours = family(real.is_v4());
        let seen = self.seen(place);
        let found = match (&tunnel.source, &self.subnets) {
            (Some(source), _) if source.addr.is_v4() != real.is_v4() => {
                let message = format!(
                    "server {real} is {ours}, the outer sources {source} of its tunnel are {}",
                    family(source.addr.is_v4())
                );
                Diagnostic::new(Code::TunnelFamily, place, message)
                    .allowed(format!("a server of the family of {source}"))
                    .help("give the server a tunnel with a source of its own family")
            }
            (None, Some(subnets))
                if !subnets.is_empty()
                    && !subnets.iter().any(|own| own.addr.is_v4() == real.is_v4()) =>
            {
                let message = format!(
                    "the tunnel from {service} to server {real} cannot be sent: no port has an \
                     {ours} address"
                );
                Diagnostic::new(Code::TunnelFamily, place, message)
                    .allowed("a server of a family that the ports have addresses of")
                    .help(format!(
                        "give the port towards the server an {ours} address, or the tunnel a source"
                    ))
            }
            _ => return Some(()),
        };
        self.findings.add(found.seen(seen));
        None
    }

    /// A server that says how to wrap its packets, though nobody wraps them.
    pub(super) fn check_tunnel_used(&mut self, section: &Section<'_>, forward: ForwardMode) {
        if forward == ForwardMode::Tun || !section.has("tunnel") {
            return;
        }
        let name = forward.name();
        let message = format!("a server with forward = \"{name}\" has no use for a `tunnel`");
        let allowed = "`tunnel` with forward = \"tun\"";
        self.refuse(Code::TunnelOptions, &section.place, message, allowed);
    }
}

const fn gue(port: NonZeroU16, checksum: GueChecksum) -> TunnelKind {
    TunnelKind::Gue { port, checksum }
}

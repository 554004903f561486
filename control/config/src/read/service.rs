// SPDX-License-Identifier: Apache-2.0
//! `[[service]]` and `[[service.server]]`.

use std::sync::Arc;

use model::addr::Addr;
use model::ids::{REALS_MAX, SERVICES_MAX};
use model::service::{
    ForwardMode, Protocol, Quic, QuicServerId, RealKey, SchedulerKind, ServiceKey, Weight,
};
use model::tunnel::Tunnel;

use crate::address::{self, AddressError};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::findings::too_many;
use crate::read::{Reader, Seen};
use crate::schema::SERVICE_NAME_MAX;
use crate::section::{Item, Section};
use crate::types::{Server, Service};

impl Reader<'_, '_> {
    pub(super) fn services(&mut self, root: &Section<'_>) -> Option<Vec<Service>> {
        let sections = root.tables(self.findings, "service", SERVICES_MAX);
        let mut services = Some(Vec::with_capacity(sections.len()));
        for section in &sections {
            match (self.service(section), &mut services) {
                (Some(service), Some(services)) => services.push(service),
                _ => services = None,
            }
            if self.server_count > REALS_MAX {
                return None;
            }
        }
        services
    }

    fn service(&mut self, section: &Section<'_>) -> Option<Service> {
        let name = self.service_name(section);
        let key = self.listen(section);
        let scheduler = section.word(self.findings, "scheduler");
        let scheduler = scheduler.and_then(|word| SchedulerKind::from_name(word.value));
        let flags = self.scheduler_flags(section, scheduler);
        let forward = self.forward(section);
        let tunnel = self.tunnel(section, Tunnel::default());
        let mss_clamp = self.mss_clamp(section, key);
        let persistence = self.persistence(section, key);
        let timeouts = self.service_timeouts(section);
        let one_packet = self.one_packet(section, key);
        let client_address = self.client_address(section, key);
        let helper = self.helper(section, key);
        let quic = self.quic(section, key);
        let local_pool = self.service_pool(section);
        let drain_s = section.integer(self.findings, "drain_s");
        let sections = section.tables(self.findings, "server", usize::MAX);
        self.server_count = self.server_count.saturating_add(sections.len());
        if self.server_count > REALS_MAX {
            too_many(self.findings, &section.place, "servers", REALS_MAX);
            return None;
        }
        self.check_table(section, scheduler, sections.len());
        let owner = Owner {
            key,
            forward,
            tunnel,
            quic: quic.flatten(),
        };
        let mut ids = Seen::new();
        let mut seen = Seen::new();
        let servers: Vec<Option<Server>> = sections
            .iter()
            .map(|section| self.server(section, &owner, &mut seen, &mut ids))
            .collect();
        let servers: Vec<Server> = servers.into_iter().collect::<Option<_>>()?;
        self.check_servers(section, name.as_deref(), &servers);
        self.check_both_ways(section, &servers);
        let service = Service {
            name: name?,
            key: key?,
            scheduler: scheduler?,
            scheduler_flags: flags?,
            forward: forward?,
            tunnel: tunnel?,
            mss_clamp,
            persistence: persistence?,
            timeouts: timeouts?,
            one_packet: one_packet?,
            client_address: client_address?,
            helper: helper?,
            quic: quic?,
            local_pool: local_pool?,
            drain_s: drain_s.map(|seconds| seconds.value),
            servers,
        };
        self.check_pool(section, &service)?;
        Some(service)
    }

    fn mss_clamp(&mut self, section: &Section<'_>, key: Option<ServiceKey>) -> Option<u16> {
        let Item { value, place } = section.integer(self.findings, "mss_clamp")?;
        if key.is_some_and(|key| key.protocol().is_some_and(|of| of != Protocol::Tcp)) {
            let message = "only TCP announces a segment size".to_owned();
            let allowed = "`mss_clamp` with listen = \"tcp://ADDRESS:PORT\", or not at all";
            self.refuse(Code::MssWithoutTcp, &place, message, allowed);
        }
        u16::try_from(value).ok()
    }

    fn service_name(&mut self, section: &Section<'_>) -> Option<Arc<str>> {
        let Item { value, place } = section.text(self.findings, "name")?;
        let length = value
            .chars()
            .take(SERVICE_NAME_MAX.saturating_add(1))
            .count();
        let blank = value.trim() != value || value.is_empty();
        if blank || length > SERVICE_NAME_MAX || value.chars().any(char::is_control) {
            let message = format!("{} is no name for a service", self.seen(&place));
            let allowed = "1 to 64 printable characters, no blank at either end";
            self.refuse(Code::BadName, &place, message, allowed);
            return None;
        }
        let what = format!("service \"{value}\"");
        self.first(
            |reader| &mut reader.service_names,
            value.to_owned(),
            &place,
            Code::DuplicateName,
            &what,
        )
        .then(|| Arc::from(value))
    }

    fn listen(&mut self, section: &Section<'_>) -> Option<ServiceKey> {
        let Item { value, place } = section.text(self.findings, "listen")?;
        let key = match address::listen(value) {
            Ok(key) => key,
            Err(error) => {
                let allowed = "\"tcp://192.0.2.10:80\" or \"udp://[2001:db8::10]:53\"";
                self.bad_address(&place, error, allowed);
                return None;
            }
        };
        if let Some(vip) = key.virtual_ip()
            && self.local_addresses.contains_key(&vip)
        {
            self.doubly_used(&place, vip, "a service's address");
            return None;
        }
        self.check_subnet(&place, key);
        let what = format!("service {key}");
        self.first(
            |reader| &mut reader.services,
            key,
            &place,
            Code::DuplicateService,
            &what,
        )
        .then_some(key)
    }

    fn check_subnet(&mut self, place: &Place, key: ServiceKey) {
        let Some(vip) = key.virtual_ip() else {
            return;
        };
        let off = |subnets: &Vec<_>| {
            !subnets.is_empty()
                && !subnets
                    .iter()
                    .any(|subnet: &model::addr::Prefix| subnet.contains(vip))
        };
        if !self.subnets.as_ref().is_some_and(off) {
            return;
        }
        let message = format!("the service address {vip} is in the subnet of no port");
        let seen = self.seen(place);
        self.findings.add(
            Diagnostic::new(Code::VipOffSubnet, place, message)
                .seen(seen)
                .help("the routers in front need a route for it to this director"),
        );
    }

    fn forward(&mut self, section: &Section<'_>) -> Option<ForwardMode> {
        let word = section.word(self.findings, "forward")?;
        [
            ForwardMode::Nat,
            ForwardMode::Dr,
            ForwardMode::Tun,
            ForwardMode::FullNat,
        ]
        .into_iter()
        .find(|mode| mode.name() == word.value)
    }

    fn server(
        &mut self,
        section: &Section<'_>,
        owner: &Owner,
        seen: &mut Seen<RealKey>,
        ids: &mut Seen<QuicServerId>,
    ) -> Option<Server> {
        let forward = if section.has("forward") {
            self.forward(section)
        } else {
            owner.forward
        };
        let weight = section.integer(self.findings, "weight");
        let limits = self.thresholds(section);
        let tunnel = match forward {
            Some(ForwardMode::Nat | ForwardMode::Dr | ForwardMode::FullNat) => {
                Some(Tunnel::default())
            }
            Some(ForwardMode::Tun) | None => owner.tunnel,
        };
        let own = self.tunnel(section, tunnel.unwrap_or_default());
        if let Some(forward) = forward {
            self.check_tunnel_used(section, forward);
        }
        let method = forward.zip(tunnel.and(own));
        let key = self.server_key(section, owner.key, method, seen);
        let quic_server_id = self.quic_server_id(section, owner.quic, ids);
        let (forward, tunnel) = method?;
        Some(Server {
            key: key?,
            weight: Weight::new(weight?.value)?,
            forward,
            tunnel,
            limits: limits?,
            quic_server_id: quic_server_id?,
        })
    }

    fn server_key(
        &mut self,
        section: &Section<'_>,
        service: Option<ServiceKey>,
        method: Option<(ForwardMode, Tunnel)>,
        seen: &mut Seen<RealKey>,
    ) -> Option<RealKey> {
        let Item { value, place } = section.text(self.findings, "address")?;
        let (real_ip, port) = match address::server(value) {
            Ok(parts) => parts,
            Err(error) => {
                let allowed = "\"10.0.0.11:8080\", \"10.0.0.11\" or \"[2001:db8::11]:8080\"";
                self.bad_address(&place, error, allowed);
                return None;
            }
        };
        let (service, (forward, tunnel)) = service.zip(method)?;
        if self.local_addresses.contains_key(&real_ip) {
            self.doubly_used(&place, real_ip, "a server");
            return None;
        }
        self.check_family(&place, real_ip, forward, service)?;
        if forward == ForwardMode::Tun {
            self.check_tunnel(&place, real_ip, &tunnel, service)?;
        }
        let rport = port.unwrap_or_else(|| service.vport());
        if forward.is_one_way() && rport != service.vport() {
            self.one_way_port(&place, rport, forward, service);
            return None;
        }
        let key = RealKey { real_ip, rport };
        let at = place.span.start;
        let earlier = *seen.entry(key).or_insert(at);
        if earlier != at {
            let what = format!("server {key} of {service}");
            self.duplicate(Code::DuplicateServer, &place, &what, earlier);
            return None;
        }
        Some(key)
    }

    fn check_family(
        &mut self,
        place: &Place,
        real: Addr,
        forward: ForwardMode,
        service: ServiceKey,
    ) -> Option<()> {
        let family = |is_v4| if is_v4 { "IPv4" } else { "IPv6" };
        let (real_v4, vip_v4) = (real.is_v4(), service.is_v4());
        // FullNAT translates, if its pool has an address of the server's family: see `local`.
        let carried = matches!(forward, ForwardMode::Tun | ForwardMode::FullNat);
        let mixed = real_v4 != vip_v4 && !carried;
        let found = if mixed {
            Diagnostic::new(
                Code::FamilyMismatch,
                place,
                format!(
                    "server {real} is {}, its service {service} is {}",
                    family(real_v4),
                    family(vip_v4)
                ),
            )
            .allowed(format!("an {} address", family(vip_v4)))
            .help(
                "put servers of the other family under a service of their own, behind a tunnel \
                 (forward = \"tun\"), or have packets translated (forward = \"fullnat\")",
            )
        } else if service.virtual_ip() == Some(real) {
            let message = format!("server {real} is the address of its own service {service}");
            Diagnostic::new(Code::ServerIsVip, place, message)
                .allowed("the server's own address")
                .help("packets to it would come back to this director; write another address")
        } else if !forward.is_one_way() && self.is_own(real) {
            let name = forward.name();
            let message = format!("server {real} is the director, and its answers are not seen");
            Diagnostic::new(Code::LocalServer, place, message)
                .allowed(format!("another address with forward = \"{name}\""))
                .help("set forward = \"dr\" and let the program listen on the service's address")
        } else {
            return Some(());
        };
        let seen = self.seen(place);
        self.findings.add(found.seen(seen));
        None
    }

    /// Whether an address is one of an interface of ours.
    fn is_own(&self, addr: Addr) -> bool {
        let own = self.subnets.as_ref();
        own.is_some_and(|own| own.iter().any(|prefix| prefix.addr == addr))
    }

    fn one_way_port(
        &mut self,
        place: &Place,
        rport: u16,
        forward: ForwardMode,
        service: ServiceKey,
    ) {
        let name = forward.name();
        let message =
            format!("port {rport} of a server with forward = \"{name}\" is not that of {service}");
        let allowed = match service.vport() {
            0 => "no port".to_owned(),
            vport => format!("port {vport}, or none"),
        };
        let seen = self.seen(place);
        self.findings.add(
            Diagnostic::new(Code::DrPort, place, message)
                .seen(seen)
                .allowed(allowed)
                .help("the method changes no port: leave it out, or set forward = \"nat\""),
        );
    }

    fn check_servers(&mut self, section: &Section<'_>, name: Option<&str>, servers: &[Server]) {
        let name = name.unwrap_or("");
        let found = if servers.is_empty() {
            let message = format!("service \"{name}\" has no server");
            Diagnostic::new(Code::NoServer, &section.place, message)
                .help("its connections will be refused; add a [[service.server]]")
        } else if servers
            .iter()
            .all(|server| server.weight == Weight::QUIESCED)
        {
            let message = format!("every server of service \"{name}\" has weight 0");
            Diagnostic::new(Code::AllQuiesced, &section.place, message)
                .help("new connections will be refused; give one server a weight")
        } else {
            return;
        };
        self.findings.add(found);
    }

    pub(super) fn bad_address(&mut self, place: &Place, error: AddressError, allowed: &str) {
        let seen = self.seen(place);
        let (code, message) = if error.is_unusable() {
            (
                Code::UnusableAddress,
                format!("{seen} cannot be used here: {error}"),
            )
        } else {
            (Code::BadAddress, format!("{seen} is no address: {error}"))
        };
        self.findings.add(
            Diagnostic::new(code, place, message)
                .seen(seen)
                .allowed(allowed)
                .help(format!("write {allowed}")),
        );
    }
}

/// What a server takes from its service; `None` = could not be read.
struct Owner {
    key: Option<ServiceKey>,
    forward: Option<ForwardMode>,
    tunnel: Option<Tunnel>,
    quic: Option<Quic>,
}

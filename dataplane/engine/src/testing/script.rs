// SPDX-License-Identifier: Apache-2.0
//! The lines that change a [`Bench`].
#![allow(
    clippy::panic,
    reason = "a line that makes no sense is a mistake in the test"
)]

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::str::FromStr;

use model::addr::{Addr, Mac, Prefix};
use model::classifier::MarkRule;
use model::fib::Route;
use model::ids::{IfaceId, PortId};
use model::local::{LocalUse, PoolSpec, SnatRule};
use model::op::{Op, OpError};
use model::service::{
    ClientAddress, ForwardMode, Helper, Listen, Mark, Persistence, PersistenceEngine, PortRange,
    Protocol, Quic, QuicServerId, RealKey, RealSpec, SchedulerFlags, SchedulerKind, ServiceKey,
    ServiceSpec, ServiceTimeouts, Thresholds, Weight,
};
use model::snapshot::Interface;
use model::tunnel::{GueChecksum, Tunnel, TunnelKind};

use super::{Bench, mac_of};

/// What every bench starts with.
pub(super) const PICTURE: &str = "
    iface 0 port 0 mtu 1500 10.0.0.1/24 2001:db8::1/64
    iface 1 port 1 mtu 1500 10.1.0.1/24 2001:db8:1::1/64
    route 0.0.0.0/0 via 0 10.0.0.254
    route ::/0 via 0 2001:db8::fe
    neighbour 0 10.0.0.9
    neighbour 0 10.0.0.254
    neighbour 0 2001:db8::9
    neighbour 0 2001:db8::fe
    neighbour 1 10.1.0.11
    neighbour 1 10.1.0.12
    neighbour 1 10.1.0.13
    neighbour 1 10.1.0.14
    neighbour 1 2001:db8:1::11
    neighbour 1 2001:db8:1::12
    neighbour 1 2001:db8:1::13
";

/// The MAC of a port in a bench: that of port 0 is the builder's default destination.
pub(super) const fn port_mac(port: u16) -> Mac {
    let [high, low] = port.to_be_bytes();
    Mac([2, 0, 0, high, low, 2])
}

/// One line, split at blanks.
struct Line<'a> {
    text: &'a str,
    words: Vec<&'a str>,
}

impl<'a> Line<'a> {
    fn refuse(&self, why: &str) -> ! {
        panic!("{why}: {:?}", self.text)
    }

    fn word(&self, place: usize) -> &'a str {
        match self.words.get(place) {
            Some(word) => word,
            None => self.refuse("a word is missing"),
        }
    }

    fn get<T: FromStr>(&self, place: usize) -> T {
        match self.word(place).parse() {
            Ok(value) => value,
            Err(_) => self.refuse("a word cannot be read"),
        }
    }

    /// `tcp 10.0.0.100:80`, `udp 10.0.0.0/24:53`, `tcp 10.0.0.100:8000-8099`, `sctp 10.0.0.100:0`,
    /// `mark 5`, `mark6 5`.
    fn service_key(&self, place: usize) -> ServiceKey {
        let word = self.word(place);
        if let "mark" | "mark6" = word {
            let (mark, is_v4) = (self.get(place + 1), word == "mark");
            return ServiceKey::Mark(Mark { mark, is_v4 });
        }
        let Some(protocol) = Protocol::from_name(word) else {
            self.refuse("no such protocol");
        };
        let Some((addr, ports)) = self.word(place + 1).rsplit_once(':') else {
            self.refuse("not address:port");
        };
        let addr = addr.trim_start_matches('[').trim_end_matches(']');
        let prefix = match (addr.parse::<Prefix>(), addr.parse::<Addr>()) {
            (Ok(prefix), _) => Some(prefix),
            (_, Ok(addr)) => Prefix::new(addr, addr.bits()),
            _ => None,
        };
        match prefix {
            Some(addresses) => ServiceKey::Listen(Listen {
                protocol,
                addresses,
                ports: self.ports(ports),
            }),
            None => self.refuse("no such address"),
        }
    }

    /// `80`, `8000-8099` or `0`.
    fn ports(&self, text: &str) -> PortRange {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let range = match (first.parse(), last.parse()) {
            (Ok(0), Ok(0)) => Some(PortRange::ANY),
            (Ok(first), Ok(last)) => PortRange::new(first, last),
            _ => None,
        };
        range.unwrap_or_else(|| self.refuse("no such ports"))
    }

    /// `mark 5 tcp from 192.0.2.0/24 to 10.0.0.0/8 port 80-88`, in parts or all of it.
    fn mark_rule(&self) -> MarkRule {
        let mut rule = MarkRule {
            protocol: None,
            source: None,
            destination: None,
            source_ports: PortRange::ANY,
            destination_ports: PortRange::ANY,
            mark: self.get(1),
        };
        let mut place = 2;
        while place < self.words.len() {
            match self.word(place) {
                "from" => rule.source = Some(self.get(place + 1)),
                "to" => rule.destination = Some(self.get(place + 1)),
                "port" => rule.destination_ports = self.ports(self.word(place + 1)),
                name => {
                    rule.protocol = Protocol::from_name(name);
                    place -= 1;
                }
            }
            place += 2;
        }
        rule
    }

    fn service_spec(&self, place: usize) -> ServiceSpec {
        let Some(scheduler) = SchedulerKind::from_name(self.word(place)) else {
            self.refuse("no such scheduler");
        };
        let words = self.words.iter().skip(place + 1);
        let mss_clamp = words.clone().find_map(|word| word.strip_prefix("mss="));
        let client_address = ClientAddress::ALL
            .into_iter()
            .find(|way| words.clone().any(|word| *word == way.name()))
            .unwrap_or_default();
        let helper = words.clone().find(|word| **word == "ftp");
        let helper = helper.map(|_| Helper::Ftp);
        let quic = words.clone().find_map(|word| word.strip_prefix("quic="));
        let local_pool = words.clone().find_map(|word| word.strip_prefix("pool="));
        let flags = words.filter_map(|word| SchedulerFlags::from_name(word));
        ServiceSpec {
            scheduler,
            flags: flags.fold(SchedulerFlags::NONE, SchedulerFlags::with),
            mss_clamp: mss_clamp.and_then(|bytes| bytes.parse().ok()),
            client_address,
            local_pool: local_pool.map(Arc::from),
            persistence: self.persistence(place + 1),
            timeouts: self.own_timeouts(place + 1),
            one_packet: self.words.iter().skip(place + 1).any(|word| *word == "ops"),
            helper,
            quic: quic.map(|text| self.quic(text)),
            ..ServiceSpec::default()
        }
    }

    /// `tcp=900`, `fin=120`, `udp=300`, those that are there.
    fn own_timeouts(&self, place: usize) -> ServiceTimeouts {
        let value = |name: &str| {
            let mut words = self.words.iter().skip(place);
            let found = words.find_map(|word| word.strip_prefix(name));
            found.and_then(|number| number.parse().ok()).unwrap_or(0)
        };
        ServiceTimeouts {
            tcp_s: value("tcp="),
            tcp_fin_s: value("fin="),
            udp_s: value("udp="),
        }
    }

    /// `persist=300`, and `mask=24`, `prefix=64`, `pe=sip` if they are there.
    fn persistence(&self, place: usize) -> Option<Persistence> {
        let value = |name: &str| {
            let mut words = self.words.iter().skip(place);
            words.find_map(|word| word.strip_prefix(name))
        };
        let number = |name: &str| value(name).and_then(|number| number.parse().ok());
        Some(Persistence {
            timeout_s: value("persist=")?.parse().ok()?,
            ipv4_mask: number("mask=").unwrap_or(32),
            ipv6_prefix: number("prefix=").unwrap_or(128),
            engine: value("pe=").map(|_| PersistenceEngine::Sip),
        })
    }

    fn real_spec(&self, place: usize) -> RealSpec {
        let mode = match self.words.get(place) {
            None | Some(&"nat") => ForwardMode::Nat,
            Some(&"dr") => ForwardMode::Dr,
            Some(&"fullnat") => ForwardMode::FullNat,
            Some(_) => ForwardMode::Tun,
        };
        let weight = if self.words.len() > place + 1 {
            self.get(place + 1)
        } else {
            1
        };
        let Some(weight) = Weight::new(weight) else {
            self.refuse("too large a weight");
        };
        let tunnel = match mode {
            ForwardMode::Tun => self.tunnel(place),
            ForwardMode::Nat | ForwardMode::Dr | ForwardMode::FullNat => Tunnel::default(),
        };
        let id = self
            .words
            .iter()
            .find_map(|word| word.strip_prefix("quic="));
        let limit = |at: usize| self.words.get(at).map_or(0, |_| self.get(at));
        RealSpec {
            mode,
            weight,
            tunnel,
            limits: Thresholds {
                upper: limit(place + 2),
                lower: limit(place + 3),
            },
            quic_server_id: id.map(|text| self.server_id(text)),
        }
    }

    /// Hexadecimal.
    fn server_id(&self, text: &str) -> QuicServerId {
        let bytes: Vec<u8> = (0..text.len() / 2)
            .filter_map(|place| u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok())
            .collect();
        match QuicServerId::new(&bytes) {
            Some(id) => id,
            None => self.refuse("no such server id"),
        }
    }

    /// `CONFIG/BYTES`.
    fn quic(&self, text: &str) -> Quic {
        let numbers = text.split_once('/');
        match numbers.map(|(config, len)| (config.parse(), len.parse())) {
            Some((Ok(config), Ok(server_id_len))) => Quic {
                config,
                server_id_len,
            },
            _ => self.refuse("no such connection ids"),
        }
    }

    /// `ipip`, `gre`, `gre-csum`, `gue:6080`, `gue-csum:6080`, `gue-remcsum:6080`; outer sources
    /// out of a prefix as `ipip@172.16.0.0/16`.
    fn tunnel(&self, place: usize) -> Tunnel {
        let (kind, source) = match self.word(place).split_once('@') {
            Some((kind, source)) => (kind, source.parse().ok()),
            None => (self.word(place), None),
        };
        let (name, port) = kind.split_once(':').unwrap_or((kind, "6080"));
        let gue = |checksum| match port.parse() {
            Ok(port) => TunnelKind::Gue { port, checksum },
            Err(_) => self.refuse("no such port"),
        };
        let kind = match name {
            "tun" | "ipip" => TunnelKind::Ipip,
            "gre" => TunnelKind::Gre { checksum: false },
            "gre-csum" => TunnelKind::Gre { checksum: true },
            "gue" => gue(GueChecksum::None),
            "gue-csum" => gue(GueChecksum::Full),
            "gue-remcsum" => gue(GueChecksum::Remote),
            _ => self.refuse("no such forwarding mode"),
        };
        Tunnel { kind, source }
    }

    fn route(&self) -> Route {
        match self.word(2) {
            "local" => Route::Local,
            "kernel" => Route::Kernel,
            "blackhole" => Route::Blackhole,
            "via" => Route::Via {
                iface: IfaceId(self.get(3)),
                gateway: self.words.get(4).map(|_| self.get(4)),
            },
            _ => self.refuse("no such route"),
        }
    }

    /// `iface 2 port 1 vlan 10 mtu 1500 192.168.0.1/24 …`
    fn interface(&self) -> Interface {
        let mut iface = Interface {
            id: IfaceId(self.get(1)),
            port: PortId(0),
            vlan: None,
            name: Arc::from(self.word(1)),
            mac: Mac::default(),
            mtu: 1500,
            addresses: Vec::new(),
        };
        let mut place = 2;
        while place < self.words.len() {
            match self.word(place) {
                "port" => iface.port = PortId(self.get(place + 1)),
                "vlan" => iface.vlan = Some(self.get(place + 1)),
                "mtu" => iface.mtu = self.get(place + 1),
                _ => {
                    iface.addresses.push(self.get(place));
                    place -= 1;
                }
            }
            place += 2;
        }
        iface.mac = port_mac(iface.port.0);
        iface
    }
}

impl Bench {
    pub(super) fn apply_line(&mut self, text: &str) {
        if let Err(error) = self.try_line(text) {
            panic!("{error}: {text:?}");
        }
    }

    pub(super) fn try_line(&mut self, text: &str) -> Result<(), OpError> {
        let text = text.split('#').next().unwrap_or_default().trim();
        let words: Vec<&str> = text.split_whitespace().collect();
        let line = Line { text, words };
        match line.words.first().copied() {
            None | Some("workers" | "flows") => {}
            Some("at") => self.current = Some(line.service_key(1)),
            Some("iface") => {
                let iface = line.interface();
                self.interfaces.retain(|known| known.id != iface.id);
                self.interfaces.push(iface);
                self.interfaces.sort_by_key(|iface| iface.id);
            }
            Some("mtu") => {
                let (id, mtu) = (IfaceId(line.get(1)), line.get(2));
                for iface in self.interfaces.iter_mut().filter(|iface| iface.id == id) {
                    iface.mtu = mtu;
                }
            }
            Some("route") => {
                let prefix: Prefix = line.get(1);
                self.routes.retain(|(known, _)| *known != prefix);
                self.routes.push((prefix, line.route()));
            }
            Some("neighbour") => {
                let (iface, addr): (u16, Addr) = (line.get(1), line.get(2));
                self.neighbours.insert((IfaceId(iface), addr), mac_of(addr));
            }
            Some("no-neighbour") => {
                self.neighbours
                    .remove(&(IfaceId(line.get(1)), line.get::<Addr>(2)));
            }
            Some("pool") => self.add_pool(&line, LocalUse::Clients),
            Some("snat") => self.add_snat(&line),
            Some("mark") => self.mark_rules.push(line.mark_rule()),
            Some("sysctl") => {
                if !self.tunables.set_sysctl(line.word(1), line.get(2)) {
                    line.refuse("no such sysctl, or no such value of it");
                }
            }
            Some("new-flows") => self.tunables.new_flows_per_s = line.get(1),
            Some("icmp-rate") => self.tunables.icmp_errors_per_s = line.get(1),
            Some("pmtu-disc") => self.tunables.pmtu_disc = line.get::<u8>(1) != 0,
            Some("echo-rate") => self.tunables.icmp_echoes_per_s = line.get(1),
            Some("reuse") => self.tunables.conn_reuse_mode = line.get(1),
            Some(verb) => return self.apply_service_line(verb, &line),
        }
        Ok(())
    }

    /// `pool NAME ADDRESS …`: these and no others.
    fn add_pool(&mut self, line: &Line<'_>, used_for: LocalUse) {
        let name = line.word(1);
        let words = line.words.iter().skip(2).copied();
        let words = words.take_while(|word| *word != "for");
        let addresses: Vec<Addr> = words.filter_map(|word| word.parse().ok()).collect();
        for addr in &addresses {
            let host = Prefix::new(*addr, addr.bits());
            self.routes.extend(host.map(|host| (host, Route::Local)));
        }
        self.pools.retain(|pool| *pool.name != *name);
        self.pools.push(PoolSpec {
            name: Arc::from(name),
            used_for,
            addresses,
        });
        self.set_locals(line);
    }

    /// `snat NAME ADDRESS … for SOURCE/LEN … [to DESTINATION/LEN …] [via IFACE]`.
    fn add_snat(&mut self, line: &Line<'_>) {
        self.add_pool(line, LocalUse::Farm);
        let part = |word: &str| {
            let words = line.words.iter().skip_while(move |known| **known != word);
            words.skip(1).map_while(|word| word.parse().ok()).collect()
        };
        let via = line.words.iter().position(|word| *word == "via");
        let name: Arc<str> = Arc::from(line.word(1));
        self.snat_rules.retain(|rule| rule.name != name);
        self.snat_rules.push(SnatRule {
            sources: part("for"),
            destinations: part("to"),
            egress: via.map(|place| IfaceId(line.get(place + 1))),
            pool: Arc::clone(&name),
            name,
        });
        self.set_locals(line);
    }

    fn set_locals(&mut self, line: &Line<'_>) {
        let taken = self.ledger.set_locals(&self.pools, &self.snat_rules);
        if taken.is_err() {
            line.refuse("too many local addresses");
        }
    }

    fn apply_service_line(&mut self, verb: &str, line: &Line<'_>) -> Result<(), OpError> {
        if verb == "service" {
            self.current = Some(line.service_key(1));
        }
        let service = || match self.current {
            Some(key) => key,
            None => line.refuse("no service was named before"),
        };
        let real = || real_key(line.word(1));
        let op = match verb {
            "service" => Op::AddService {
                key: service(),
                spec: line.service_spec(3),
            },
            "edit-service" => Op::EditService {
                key: service(),
                spec: line.service_spec(1),
            },
            "delete-service" => Op::DeleteService { key: service() },
            "real" => Op::AddReal {
                service: service(),
                real: real(),
                spec: line.real_spec(2),
            },
            "edit-real" => Op::EditReal {
                service: service(),
                real: real(),
                spec: line.real_spec(2),
            },
            "delete-real" => Op::DeleteReal {
                service: service(),
                real: real(),
            },
            "drain-real" => Op::DrainReal {
                service: service(),
                real: real(),
            },
            "timeouts" => Op::SetTimeouts {
                tcp_s: line.get(1),
                tcp_fin_s: line.get(2),
                udp_s: line.get(3),
            },
            _ => line.refuse("no such line"),
        };
        self.change(&op)
    }
}

/// The key of the server at `RIP:rport`.
pub(super) fn real_key(text: &str) -> RealKey {
    let (real_ip, rport) = endpoint(text);
    RealKey { real_ip, rport }
}

fn endpoint(text: &str) -> (Addr, u16) {
    match text.parse::<SocketAddr>() {
        Ok(endpoint) => (endpoint.ip().into(), endpoint.port()),
        Err(_) => panic!("not address:port: {text:?}"),
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What a change of the file means to a running director (DESIGN decision 16).
//!
//! A service is the same one while protocol, VIP and vport are; a server, while its service,
//! address and port are. Only what differs is touched: a server gone from the file drains, a
//! service gone is deleted, and the order of servers that stay is the order they were added in,
//! whatever the new file's.

use std::collections::{HashMap, HashSet};

use model::local::PoolSpec;
use model::op::Op;
use model::service::Helper;

use crate::device::Device;
use crate::types::{Bond, Config, Limits, Port, Server, Service};

/// How one configuration becomes another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diff {
    /// What to apply, in order, as one transaction.
    pub ops: Vec<Op>,
    /// Changes that only a restart can make, each as `KEY: OLD -> NEW`.
    pub restart: Vec<String>,
    /// Every live change for people, as `+ …`, `- …` or `~ …`.
    pub summary: Vec<String>,
}

impl Diff {
    /// Whether nothing changes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.restart.is_empty() && self.summary.is_empty()
    }
}

/// What makes `running` into `new`. Changes of `limits`, `mark` and `drain_s` have a line in the
/// summary and no operation: the caller takes them from the new configuration.
#[must_use]
pub fn diff(running: &Config, new: &Config) -> Diff {
    let mut diff = Diff {
        restart: restart(running, new),
        ..Diff::default()
    };
    diff.settings(running, new);
    diff.tunnels(running, new);
    diff.local_pools(running, new);
    diff.snats(running, new);
    diff.marks(running, new);
    diff.services(running, new);
    diff
}

impl Config {
    /// This configuration with all of `new` that can change without a restart: what runs once
    /// the operations of [`diff()`] have been applied.
    #[must_use]
    pub fn with_live_of(&self, new: &Self) -> Self {
        let mut director = self.director.clone();
        director.drain_s = new.director.drain_s;
        Self {
            director,
            api: self.api.clone(),
            timeouts: new.timeouts,
            limits: new.limits,
            lvs: new.lvs.clone(),
            tunnels: new.tunnels,
            ports: self.ports.clone(),
            local_pools: new.local_pools.clone(),
            snats: new.snats.clone(),
            marks: new.marks.clone(),
            services: new.services.clone(),
        }
    }
}

impl Diff {
    fn settings(&mut self, running: &Config, new: &Config) {
        if running.timeouts != new.timeouts {
            self.ops.push(new.timeouts.op());
        }
        for ((key, old), (_, new)) in live_values(running).into_iter().zip(live_values(new)) {
            if old != new {
                self.summary.push(format!("~ {key} {old} -> {new}"));
            }
        }
    }

    fn tunnels(&mut self, running: &Config, new: &Config) {
        let pmtu_disc = |config: &Config| config.tunnels.pmtu_disc.to_string();
        let change = change("tunnels.pmtu_disc", &pmtu_disc(running), &pmtu_disc(new));
        self.summary
            .extend(change.map(|change| format!("~ {change}")));
    }

    fn snats(&mut self, running: &Config, new: &Config) {
        if running.snats != new.snats {
            let (old, new) = (running.snats.len(), new.snats.len());
            self.summary
                .push(format!("~ snat: {old} rules -> {new} rules, not the same"));
        }
    }

    fn local_pools(&mut self, running: &Config, new: &Config) {
        let known = |config: &Config, pool: &PoolSpec| config.local_pools.contains(pool);
        for pool in running.local_pools.iter().filter(|pool| !known(new, pool)) {
            self.summary
                .push(format!("- local_pool {}", pool_line(pool)));
        }
        for pool in new.local_pools.iter().filter(|pool| !known(running, pool)) {
            self.summary
                .push(format!("+ local_pool {}", pool_line(pool)));
        }
    }

    fn marks(&mut self, running: &Config, new: &Config) {
        if running.marks != new.marks {
            let (old, new) = (running.marks.len(), new.marks.len());
            self.summary
                .push(format!("~ mark: {old} rules -> {new} rules, not the same"));
        }
    }

    fn services(&mut self, running: &Config, new: &Config) {
        let kept: HashSet<_> = new.services.iter().map(|service| service.key).collect();
        let known: HashMap<_, _> = running
            .services
            .iter()
            .map(|service| (service.key, service))
            .collect();
        // Deletions come first, so that their slots are free for what is added.
        for service in running.services.iter().filter(|s| !kept.contains(&s.key)) {
            self.ops.push(Op::DeleteService { key: service.key });
            let (name, key) = (&service.name, service.key);
            self.summary.push(format!("- service {name} {key}"));
        }
        for service in &new.services {
            match known.get(&service.key) {
                Some(old) => self.edit(old, service),
                None => self.add(service),
            }
        }
    }

    fn add(&mut self, service: &Service) {
        self.ops.extend(service.ops());
        let (name, key) = (&service.name, service.key);
        let (scheduler, forward) = (service.scheduler.name(), service.forward.name());
        self.summary
            .push(format!("+ service {name} {key} ({scheduler}, {forward})"));
        for server in &service.servers {
            self.summary.push(added(service, server));
        }
    }

    fn edit(&mut self, old: &Service, new: &Service) {
        if old.spec() != new.spec() {
            self.ops.push(Op::EditService {
                key: new.key,
                spec: new.spec(),
            });
        }
        let changes = [
            change("name", &old.name, &new.name),
            change("scheduler", old.scheduler.name(), new.scheduler.name()),
            change("scheduler_flags", &flags(old), &flags(new)),
            change("forward", old.forward.name(), new.forward.name()),
            change("tunnel", &old.tunnel.to_string(), &new.tunnel.to_string()),
            change("drain_s", &drain(old), &drain(new)),
            change("mss_clamp", &mss(old), &mss(new)),
            change("persistence", &persistence(old), &persistence(new)),
            change("timeouts", &timeouts(old), &timeouts(new)),
            change(
                "client_address",
                old.client_address.name(),
                new.client_address.name(),
            ),
            change("helper", helper(old), helper(new)),
            change("quic", &quic(old), &quic(new)),
            change("local_pool", pool(old), pool(new)),
            change(
                "one_packet",
                &old.one_packet.to_string(),
                &new.one_packet.to_string(),
            ),
        ];
        self.edited(format!("service {}", new.name), &changes);
        let kept: HashSet<_> = new.servers.iter().map(|server| server.key).collect();
        for server in old.servers.iter().filter(|s| !kept.contains(&s.key)) {
            self.ops.push(Op::DrainReal {
                service: new.key,
                real: server.key,
            });
            let (real, name) = (server.key, &new.name);
            self.summary
                .push(format!("- server {real} in {name} (drains)"));
        }
        let known: HashMap<_, _> = old.servers.iter().map(|s| (s.key, s)).collect();
        for server in &new.servers {
            match known.get(&server.key) {
                Some(before) => self.edit_server(new, before, server),
                None => {
                    self.ops.push(new.add(server));
                    self.summary.push(added(new, server));
                }
            }
        }
    }

    fn edit_server(&mut self, service: &Service, old: &Server, new: &Server) {
        if old == new {
            return;
        }
        self.ops.push(Op::EditReal {
            service: service.key,
            real: new.key,
            spec: new.spec(),
        });
        let limits = (
            old.limits.upper.to_string(),
            new.limits.upper.to_string(),
            old.limits.lower.to_string(),
            new.limits.lower.to_string(),
        );
        let weights = (old.weight.get().to_string(), new.weight.get().to_string());
        let changes = [
            change("weight", &weights.0, &weights.1),
            change("connections_max", &limits.0, &limits.1),
            change("connections_min", &limits.2, &limits.3),
            change("forward", old.forward.name(), new.forward.name()),
            change("tunnel", &old.tunnel.to_string(), &new.tunnel.to_string()),
            change("quic_server_id", &server_id(old), &server_id(new)),
        ];
        self.edited(format!("server {} in {}", new.key, service.name), &changes);
    }

    fn edited(&mut self, what: String, changes: &[Option<String>]) {
        let changes: Vec<&str> = changes.iter().flatten().map(String::as_str).collect();
        if !changes.is_empty() {
            self.summary
                .push(format!("~ {what}: {}", changes.join(", ")));
        }
    }
}

fn flags(service: &Service) -> String {
    let words = service.scheduler_flags.words(service.scheduler);
    if words.is_empty() {
        "none".to_owned()
    } else {
        words
    }
}

fn added(service: &Service, server: &Server) -> String {
    let (real, weight) = (server.key, server.weight.get());
    let forward = server.forward.name();
    format!(
        "+ server {real} in {} (weight {weight}, {forward})",
        service.name
    )
}

fn change(key: &str, old: &str, new: &str) -> Option<String> {
    (old != new).then(|| format!("{key} {old} -> {new}"))
}

fn drain(service: &Service) -> String {
    service
        .drain_s
        .map_or_else(|| "default".to_owned(), |seconds| seconds.to_string())
}

fn mss(service: &Service) -> String {
    service
        .mss_clamp
        .map_or_else(|| "as announced".to_owned(), |bytes| bytes.to_string())
}

fn pool(service: &Service) -> &str {
    service.local_pool.as_deref().unwrap_or("none")
}

fn pool_line(pool: &PoolSpec) -> String {
    let addresses: Vec<String> = pool.addresses.iter().map(ToString::to_string).collect();
    format!("{} {}", pool.name, addresses.join(" "))
}

fn helper(service: &Service) -> &'static str {
    service.helper.map_or("none", Helper::name)
}

/// Seconds of TCP, TCP after a FIN, and UDP, as `ipvsadm --set` has them.
fn timeouts(service: &Service) -> String {
    let of = service.timeouts;
    format!("{} {} {}", of.tcp_s, of.tcp_fin_s, of.udp_s)
}

fn server_id(server: &Server) -> String {
    let id = server.quic_server_id;
    id.map_or_else(|| "none".to_owned(), |id| id.to_string())
}

fn quic(service: &Service) -> String {
    service.quic.map_or_else(
        || "none".to_owned(),
        |quic| format!("config {} ids of {} bytes", quic.config, quic.server_id_len),
    )
}

fn persistence(service: &Service) -> String {
    match service.persistence {
        None => "none".to_owned(),
        Some(persistence) => format!(
            "{} s /{} /{}{}",
            persistence.timeout_s,
            persistence.ipv4_mask,
            persistence.ipv6_prefix,
            persistence.engine.map_or("", |_| " sip"),
        ),
    }
}

/// Settings outside services that change at once.
fn live_values(config: &Config) -> Vec<(String, u32)> {
    let Limits {
        icmp_errors_per_s,
        icmp_echoes_per_s,
        new_flows_per_s,
        punt_pps: punt,
    } = config.limits;
    let mut values: Vec<_> = [
        ("director.drain_s", config.director.drain_s),
        ("timeouts.tcp_s", config.timeouts.tcp_s),
        ("timeouts.tcp_fin_s", config.timeouts.tcp_fin_s),
        ("timeouts.udp_s", config.timeouts.udp_s),
        ("limits.icmp_errors_per_s", icmp_errors_per_s),
        ("limits.icmp_echoes_per_s", icmp_echoes_per_s),
        ("limits.new_flows_per_s", new_flows_per_s),
        ("limits.punt_pps.arp_nd", punt.arp_nd),
        ("limits.punt_pps.local", punt.local),
        ("limits.punt_pps.icmp", punt.icmp),
        ("limits.punt_pps.multicast", punt.multicast),
        ("limits.punt_pps.unroutable", punt.unroutable),
        ("limits.punt_pps.other", punt.other),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .to_vec();
    let sysctls = config.lvs.sysctls.iter();
    values.extend(sysctls.map(|(name, value)| (format!("lvs.{name}"), *value)));
    values
}

fn restart(running: &Config, new: &Config) -> Vec<String> {
    let mut lines = changed(&director_values(running), &director_values(new));
    let known: HashMap<_, _> = running.ports.iter().map(|p| (&p.name, p)).collect();
    let kept: HashSet<_> = new.ports.iter().map(|port| &port.name).collect();
    for port in running.ports.iter().filter(|p| !kept.contains(&p.name)) {
        lines.push(format!("port.{}: {} -> removed", port.name, port.device));
    }
    for port in &new.ports {
        match known.get(&port.name) {
            Some(old) => lines.extend(changed(&port_values(old), &port_values(port))),
            None => lines.push(format!("port.{}: none -> {}", port.name, port.device)),
        }
    }
    lines
}

/// `KEY: OLD -> NEW` of each value that differs; both sides have the same keys.
fn changed(old: &[(String, String)], new: &[(String, String)]) -> Vec<String> {
    old.iter()
        .zip(new)
        .filter(|((_, old), (_, new))| old != new)
        .map(|((key, old), (_, new))| format!("{key}: {old} -> {new}"))
        .collect()
}

fn director_values(config: &Config) -> Vec<(String, String)> {
    let director = &config.director;
    let control = director.control_cpu.as_ref().map(ToString::to_string);
    let memory = director.memory_mib.map(|mib| mib.to_string());
    [
        ("director.name", director.name.clone()),
        ("director.workers", director.workers.to_string()),
        ("director.control_cpu", control.unwrap_or_else(unset)),
        ("director.idle", director.idle.name().to_owned()),
        ("director.flows_max", director.flows_max.to_string()),
        ("director.memory_mib", memory.unwrap_or_else(unset)),
        ("director.huge_pages", director.huge_pages.name().to_owned()),
        ("api.socket", config.api.socket.display().to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .to_vec()
}

fn port_values(port: &Port) -> Vec<(String, String)> {
    let vlans = port.vlans.iter().map(|vlan| {
        let addresses = listed(&vlan.addresses);
        format!("{} {addresses} mtu {}", vlan.id, vlan.mtu)
    });
    let vlans: Vec<String> = vlans.collect();
    [
        ("device", port.device.to_string()),
        ("bond", port.bond.as_ref().map_or_else(unset, bonded)),
        ("queues", port.queues.to_string()),
        ("addresses", listed(&port.addresses)),
        ("mtu", port.mtu.to_string()),
        ("promiscuous", port.promiscuous.to_string()),
        ("vlan", format!("[{}]", vlans.join("; "))),
    ]
    .map(|(key, value)| (format!("port.{}.{key}", port.name), value))
    .to_vec()
}

fn bonded(bond: &Bond) -> String {
    let members: Vec<&str> = bond.members.iter().map(Device::as_str).collect();
    format!("{} [{}]", bond.mode.name(), members.join(", "))
}

fn listed(addresses: &[model::addr::Prefix]) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    format!("[{}]", addresses.join(", "))
}

fn unset() -> String {
    "unset".to_owned()
}

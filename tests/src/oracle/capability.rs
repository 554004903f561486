// SPDX-License-Identifier: Apache-2.0
//! What a case needs that the engine has not yet: found before anything is replayed, so that the
//! report names it. This list only shrinks.

use model::addr::{Addr, Prefix};
use model::classifier::MarkRule;
use model::service::{PortRange, Protocol};
use model::tunables::Tunables;
use wire::ipv4::IpProtocol;
use wire::packet::Parsed;

use super::case::{Case, Step};
use super::ipvsadm::{self, LineError};

/// Sysctls whose default is how the engine behaves, and that default
/// (`Documentation/networking/ipvs-sysctl.rst`).
const DEFAULTS: [(&str, &str); 7] = [
    ("net.ipv4.icmp_ratelimit", "0"),
    ("net.ipv4.icmp_ratemask", "0"),
    ("net.ipv4.ip_forward", "1"),
    ("net.ipv4.vs.backup_only", "0"),
    ("net.ipv4.vs.ignore_tunneled", "0"),
    ("net.ipv4.vs.schedule_icmp", "0"),
    ("net.ipv6.conf.all.forwarding", "1"),
];

/// What is missing for this case, each thing once, in the order in which the case asks for it; or
/// the first line that is none of ipvsadm's.
pub(super) fn missing(case: &Case) -> Result<Vec<String>, LineError> {
    let mut missing = Vec::new();
    let mut need = |what: String| {
        if !missing.contains(&what) {
            missing.push(what);
        }
    };
    if case.topology != "std" {
        need(format!("topology {}", case.topology));
    }
    for line in case.setup.iter().filter(|line| local_route(line).is_none()) {
        if mark_rule(line).is_none() {
            need(format!("setup {line:?}"));
        }
    }
    for (name, value) in case.all_settings() {
        if !is_default(name, value) {
            need(format!("{name} = {value}"));
        }
    }
    for line in case.control_lines() {
        match ipvsadm::parse(line) {
            Err(LineError::Unsupported(what)) => need(what),
            Err(malformed @ LineError::Malformed(..)) => return Err(malformed),
            Ok(_) => {}
        }
    }
    for step in &case.steps {
        match step {
            Step::Command { line, .. } if Command::parse(line).is_none() => {
                need(format!("command {line:?}"));
            }
            Step::Packet(_)
            | Step::Command { .. }
            | Step::Control(_)
            | Step::Sysctl(_)
            | Step::Sleep(..)
            | Step::Dump(_) => {}
        }
    }
    Ok(missing)
}

/// Sets the tunable that a sysctl is; whether it is one, and takes the value.
pub(super) fn set_tunable(tunables: &mut Tunables, name: &str, value: &str) -> bool {
    let (Some(name), Ok(value)) = (name.strip_prefix("net.ipv4.vs."), value.parse()) else {
        return false;
    };
    tunables.set_sysctl(name, value)
}

/// What the engine does whatever these say: it keeps no conntrack entries, reroutes every
/// translated answer, estimates always, and whose state is synchronised is not a case's matter.
const WITHOUT_EFFECT: [&str; 13] = [
    "conntrack",
    "run_estimation",
    "snat_reroute",
    "sync_persist_mode",
    "sync_ports",
    "sync_qlen_max",
    "sync_refresh_period",
    "sync_retries",
    "sync_sock_size",
    "sync_threshold",
    "sync_version",
    "est_cpulist",
    "est_nice",
];

fn is_default(name: &str, value: &str) -> bool {
    let short = name.strip_prefix("net.ipv4.vs.");
    set_tunable(&mut Tunables::default(), name, value)
        || DEFAULTS.contains(&(name, value))
        || short.is_some_and(|short| WITHOUT_EFFECT.contains(&short))
}

pub(super) fn is_icmp_error(parsed: &Parsed, frame: &[u8]) -> bool {
    let kind = frame.get(usize::from(parsed.l4_offset)).copied();
    match parsed.protocol {
        IpProtocol::ICMP => kind.is_some_and(wire::icmp::is_error),
        IpProtocol::ICMPV6 => kind.is_some_and(wire::icmpv6::is_error),
        _ => false,
    }
}

/// The prefix of a setup line that makes it local: `/sbin/ip route add local PREFIX dev lo`.
pub(super) fn local_route(line: &str) -> Option<Prefix> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [
            "ip" | "/sbin/ip",
            "route",
            "add",
            "local",
            prefix,
            "dev",
            "lo",
        ] => prefix.parse().ok(),
        _ => None,
    }
}

/// What the setup's lines of iptables mark. Marking does not end a table of iptables, so of several
/// rules the last one counts.
pub(super) fn mark_rules(case: &Case) -> Vec<MarkRule> {
    let lines = case.setup.iter().rev();
    lines.filter_map(|line| mark_rule(line)).collect()
}

/// `iptables -t mangle -A PREROUTING [-s PREFIX] [-d PREFIX] [-p PROTOCOL [-m PROTOCOL]]
/// [--sport PORTS] [--dport PORTS] -j MARK --set-mark N`.
fn mark_rule(line: &str) -> Option<MarkRule> {
    let mut words = line.split_whitespace();
    let family = words.next()?.trim_start_matches("/sbin/");
    if !matches!(family, "iptables" | "ip6tables") {
        return None;
    }
    let mut rule = MarkRule {
        protocol: None,
        source: None,
        destination: None,
        source_ports: PortRange::ANY,
        destination_ports: PortRange::ANY,
        mark: 0,
    };
    while let Some(option) = words.next() {
        let value = words.next()?;
        match (option, value) {
            ("-t", "mangle") | ("-A", "PREROUTING") | ("-j", "MARK") | ("-m", _) => {}
            ("-s", _) => rule.source = Some(network(value)?),
            ("-d", _) => rule.destination = Some(network(value)?),
            ("-p", _) => rule.protocol = Some(Protocol::from_name(value)?),
            ("--sport", _) => rule.source_ports = ports(value)?,
            ("--dport", _) => rule.destination_ports = ports(value)?,
            ("--set-mark" | "--set-xmark", _) => rule.mark = number(value)?,
            _ => return None,
        }
    }
    (rule.mark != 0).then_some(rule)
}

fn network(text: &str) -> Option<Prefix> {
    let host = || {
        let addr: Addr = text.parse().ok()?;
        Prefix::new(addr, addr.bits())
    };
    text.parse().ok().or_else(host)
}

fn ports(text: &str) -> Option<PortRange> {
    let (first, last) = text.split_once(':').unwrap_or((text, text));
    PortRange::new(first.parse().ok()?, last.parse().ok()?)
}

/// A mark, decimal or as iptables lists it: `0x5`, `0x5/0xffffffff`.
fn number(text: &str) -> Option<u32> {
    let text = text.split('/').next()?;
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The two commands that occur in cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    /// `ipvsadm --set TCP TCPFIN UDP`, seconds.
    Set([u32; 3]),
    /// `ipvsadm -Ln --timeout`.
    ShowTimeouts,
}

impl Command {
    pub(super) fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["ipvsadm", "--set", a, b, c] => Some(Self::Set([
                a.parse().ok()?,
                b.parse().ok()?,
                c.parse().ok()?,
            ])),
            ["ipvsadm", "-Ln", "--timeout"] => Some(Self::ShowTimeouts),
            _ => None,
        }
    }
}

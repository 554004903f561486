// SPDX-License-Identifier: Apache-2.0
//! A configuration file, enacted by an engine.

use std::fmt::Write;
use std::time::Duration;

use config::{Config, Port};
use engine::testing::{Bench, Outcome};
use engine::verdict::{DropReason, Verdict};
use model::addr::{Addr, Prefix};
use wire::builder::describe;

use super::Record;

/// Takes the frames through a director of that configuration; what came out, and the counters.
pub(super) fn run(text: &str, input: &[Record]) -> (Vec<Record>, String) {
    let config = match config::parse(text) {
        Ok(parsed) => parsed.config,
        Err(report) => panic!("{report:?}"),
    };
    let mut bench = Bench::new(&lines(&config));
    for op in config.ops() {
        bench.change(&op).unwrap();
    }
    bench.rebuild_fib();
    bench.publish();
    let mut output = Vec::new();
    let mut at_ms = 0;
    for record in input {
        let mut keep = |outcomes: Vec<Outcome>, at_ms, ingress| {
            output.extend(outcomes.into_iter().map(|o| of(o, at_ms, ingress)));
        };
        let span = Duration::from_millis(record.at_ms - at_ms);
        at_ms = record.at_ms;
        keep(bench.advance(span), at_ms, 0);
        keep(bench.send(record.port, &record.bytes), at_ms, record.port);
    }
    (output, counters(&bench))
}

fn of(outcome: Outcome, at_ms: u64, ingress: u16) -> Record {
    let (port, comment) = match outcome.verdict {
        Verdict::Send { port } => (port.0, format!("send {port}")),
        Verdict::Punt { iface, class } => (ingress, format!("punt {iface} {}", class.name())),
        Verdict::Redirect { worker, .. } => (ingress, format!("redirect {worker}")),
        Verdict::Drop(reason) => (ingress, format!("drop {}", reason.name())),
    };
    Record {
        port,
        at_ms,
        comment,
        bytes: outcome.frame,
    }
}

/// What a failed test shows.
pub(super) fn listing(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .map(|r| format!("{} ms, {}: {}", r.at_ms, r.comment, describe(&r.bytes)))
        .collect()
}

/// The file's ports as lines of the bench; every host of their networks is a known neighbour.
fn lines(config: &Config) -> String {
    let mut lines = format!("icmp-rate {}\n", config.limits.icmp_errors_per_s);
    let mut id = 0;
    for (place, port) in config.ports.iter().enumerate() {
        for (vlan, mtu, addresses) in interfaces(port) {
            write!(lines, "iface {id} port {place} mtu {mtu}").unwrap();
            if let Some(vlan) = vlan {
                write!(lines, " vlan {vlan}").unwrap();
            }
            for prefix in addresses {
                write!(lines, " {prefix}").unwrap();
            }
            lines.push('\n');
            for host in addresses.iter().flat_map(hosts) {
                writeln!(lines, "neighbour {id} {host}").unwrap();
            }
            id += 1;
        }
    }
    for pool in &config.local_pools {
        write!(lines, "pool {}", pool.name).unwrap();
        for address in &pool.addresses {
            write!(lines, " {address}").unwrap();
        }
        lines.push('\n');
    }
    for rule in &config.snats {
        write!(lines, "snat {}", rule.name).unwrap();
        for address in &rule.addresses {
            write!(lines, " {address}").unwrap();
        }
        for (word, prefixes) in [(" for", &rule.sources), (" to", &rule.destinations)] {
            lines.push_str(word);
            for prefix in prefixes {
                write!(lines, " {prefix}").unwrap();
            }
        }
        if let Some(name) = &rule.port {
            let place = config.ports.iter().position(|port| port.name == *name);
            write!(lines, " via {}", place.unwrap()).unwrap();
        }
        lines.push('\n');
    }
    lines
}

/// A port and its VLANs: tag, MTU, addresses.
fn interfaces(port: &Port) -> Vec<(Option<u16>, u32, &[Prefix])> {
    let own = (None, port.mtu, port.addresses.as_slice());
    let vlans = port
        .vlans
        .iter()
        .map(|vlan| (Some(vlan.id), vlan.mtu, vlan.addresses.as_slice()));
    std::iter::once(own).chain(vlans).collect()
}

/// The first 254 hosts of a network but the director.
fn hosts(prefix: &Prefix) -> impl Iterator<Item = Addr> + use<'_> {
    let network = u128::from_be_bytes(*prefix.network().octets());
    (1..255u128)
        .map(move |host| Addr::from_octets((network + host).to_be_bytes()))
        .filter(|host| *host != prefix.addr)
}

/// Every counter that is not 0.
fn counters(bench: &Bench) -> String {
    let mut text = String::from("[worker]\n");
    let board = bench.board(0);
    for (name, value, _) in board.worker.each().filter(|(_, value, _)| *value > 0) {
        writeln!(text, "{name} = {value}").unwrap();
    }
    text.push_str("\n[drops]\n");
    for reason in DropReason::ALL {
        let count = board.dropped(*reason);
        if count > 0 {
            writeln!(text, "{} = {count}", reason.name()).unwrap();
        }
    }
    let services = &bench.snapshot().services;
    for real in services.reals() {
        let service = services.service(real.service).unwrap().key;
        let Some(counters) = board.real(real.id) else {
            continue;
        };
        let load = counters.load();
        writeln!(
            text,
            "\n[[real]]\nservice = \"{service}\"\nreal = \"{}\"",
            real.key
        )
        .unwrap();
        for (name, value) in [
            ("connections", counters.connections.get()),
            ("packets_in", counters.packets_in.get()),
            ("packets_out", counters.packets_out.get()),
            ("bytes_in", counters.bytes_in.get()),
            ("bytes_out", counters.bytes_out.get()),
            ("active", load.active.into()),
            ("inactive", load.inactive.into()),
        ] {
            if value > 0 {
                writeln!(text, "{name} = {value}").unwrap();
            }
        }
    }
    text
}

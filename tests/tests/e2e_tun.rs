// SPDX-License-Identifier: Apache-2.0
//! HTTP through the daemon and a tunnel to each real server: IPIP, GRE and GUE, either family in
//! either. The servers answer their clients themselves.
#![forbid(unsafe_code)]

use std::net::SocketAddr;

use penstock_tests::lab::{
    Bookkeeping, Decapsulator, Director, DirectorConfig, Family, Lab, LabResult, Reals, TcpLoad,
    Topology, addr, ensure_equal, program, skip, skipped,
};

const GUE_PORT: u16 = 6080;
/// Requests per service: a connection each.
const REQUESTS: u64 = 300;

/// Options of the tunnels, one service each.
const KINDS: [(&str, &str); 6] = [
    ("ipip", "type = \"ipip\""),
    ("gre", "type = \"gre\""),
    ("gre_csum", "type = \"gre\", checksum = true"),
    ("gue", "type = \"gue\", port = 6080"),
    ("gue_csum", "type = \"gue\", port = 6080, checksum = true"),
    (
        "gue_remcsum",
        "type = \"gue\", port = 6080, remote_checksum = true",
    ),
];

/// One service after the other on one VIP: the same lab carries all kinds.
fn service(name: &str, tunnel: &str, inner: Family, outer: Family, reals: u8) -> String {
    let vip = SocketAddr::new(addr::vip(inner, 0), 80);
    let mut text = format!(
        "[[service]]\nname = \"{name}\"\nlisten = \"tcp://{vip}\"\nscheduler = \"rr\"\n\
         forward = \"tun\"\ntunnel = {{ {tunnel} }}\n"
    );
    for number in 1..=reals {
        let real = addr::real(outer, number);
        text += &format!("[[service.server]]\naddress = \"{real}\"\n");
    }
    text
}

fn through(tunnels: &[(String, String, Family)], reals: u8) -> LabResult<()> {
    let lab = Lab::new(Topology::default().reals(reals))?;
    let mut servers = Reals::start(&lab)?;
    let mut ends = Vec::new();
    for (place, number) in lab.reals().iter().zip(1..) {
        let own = Family::BOTH.map(|family| addr::real(family, number));
        ends.push(Decapsulator::start(place, &own, GUE_PORT)?);
    }
    let config = DirectorConfig::new(&lab, 1);
    for (name, text, inner) in tunnels {
        let director = Director::start(&lab, 1, &config.text(text))?;
        let before = ends.iter().map(Decapsulator::unwrapped).sum::<u64>();
        let start = Bookkeeping::at_rest(&director)?;
        let vip = SocketAddr::new(addr::vip(*inner, 0), 80);
        let report = TcpLoad::new(vip, REQUESTS).run(lab.client())?;
        report.check_none_failed()?;
        let shares = servers.shares(REQUESTS)?;
        ensure_equal("requests served", &shares.requests(), &REQUESTS)?;
        let unwrapped = ends.iter().map(Decapsulator::unwrapped).sum::<u64>() - before;
        assert!(unwrapped > 3 * REQUESTS, "{name}: {unwrapped} unwrapped");
        for (end, number) in ends.iter().zip(1..) {
            ensure_equal(&format!("{name}: bad at r{number}"), &end.bad(), &0)?;
        }
        Bookkeeping::settle(&director, &start)?;
        director.stop()?;
    }
    Ok(())
}

fn possible() -> bool {
    if skipped() {
        return false;
    }
    if let Err(error) = program() {
        skip(&error.to_string());
        return false;
    }
    true
}

#[test]
fn http_passes_every_kind_of_tunnel_in_both_families() -> LabResult<()> {
    if !possible() {
        return Ok(());
    }
    let mut tunnels = Vec::new();
    for family in Family::BOTH {
        for (kind, options) in KINDS {
            let name = format!("{kind}_{family:?}");
            let text = service(&name, options, family, family, 3);
            tunnels.push((name, text, family));
        }
    }
    through(&tunnels, 3)
}

#[test]
fn http_passes_a_tunnel_of_the_other_family() -> LabResult<()> {
    if !possible() {
        return Ok(());
    }
    let mut tunnels = Vec::new();
    for (inner, outer) in [(Family::V4, Family::V6), (Family::V6, Family::V4)] {
        for (kind, options) in [KINDS[0], KINDS[2], KINDS[4]] {
            let name = format!("{kind}_{inner:?}_in_{outer:?}");
            let text = service(&name, options, inner, outer, 2);
            tunnels.push((name, text, inner));
        }
    }
    through(&tunnels, 2)
}

#[test]
fn outer_sources_of_a_prefix_differ_by_flow_and_http_passes() -> LabResult<()> {
    if !possible() {
        return Ok(());
    }
    let options = "type = \"ipip\", source = \"172.16.0.0/16\"";
    let text = service("spread", options, Family::V4, Family::V4, 2);
    through(&[("spread".to_owned(), text, Family::V4)], 2)
}

// SPDX-License-Identifier: Apache-2.0
//! NAT and DR, TCP and UDP, IPv4 and IPv6, against the real daemon: one worker and two, two ports
//! and one arm.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use penstock_tests::lab::{
    Bookkeeping, Curl, Dig, DirectorConfig, Family, LabError, LabResult, TcpLoad, Topology,
    UdpEcho, UdpLoad, WHO, addr, ensure_equal, skipped,
};
use penstock_tests::scene::{Scene, ServiceText, clients, real_at, vip_of};

/// Connections of one load, a multiple of the three servers.
const CONNECTIONS: u64 = 300;
/// Requests on kept connections.
const REQUESTS: u64 = 600;
const KEPT: u64 = 12;
const QUESTIONS: u64 = 150;
const ECHO_PORT: u16 = 7;

#[test]
fn nat_forwards_everything_with_one_worker() -> LabResult<()> {
    all_forwarded(Topology::default(), "nat", "1")
}

#[test]
fn dr_forwards_everything_with_one_worker() -> LabResult<()> {
    all_forwarded(Topology::default(), "dr", "1")
}

#[test]
fn nat_forwards_everything_on_one_arm() -> LabResult<()> {
    all_forwarded(Topology::one_arm(), "nat", "1")
}

#[test]
fn dr_forwards_everything_on_one_arm() -> LabResult<()> {
    all_forwarded(Topology::one_arm(), "dr", "1")
}

#[test]
fn nat_forwards_everything_with_two_workers_and_two_queues() -> LabResult<()> {
    all_forwarded(Topology::default().queues(2), "nat", "0-1")
}

#[test]
fn dr_forwards_everything_with_two_workers_and_two_queues() -> LabResult<()> {
    all_forwarded(Topology::default().queues(2), "dr", "0-1")
}

#[test]
fn nat_forwards_everything_with_two_workers_on_one_queue() -> LabResult<()> {
    all_forwarded(Topology::default(), "nat", "0-1")
}

#[test]
fn dr_forwards_everything_with_two_workers_on_one_queue() -> LabResult<()> {
    all_forwarded(Topology::default(), "dr", "0-1")
}

#[test]
fn nat_forwards_everything_with_two_workers_on_one_arm() -> LabResult<()> {
    all_forwarded(Topology::one_arm().queues(2), "nat", "0-1")
}

#[test]
fn dr_forwards_everything_with_two_workers_on_one_arm() -> LabResult<()> {
    all_forwarded(Topology::one_arm().queues(2), "dr", "0-1")
}

fn all_forwarded(topology: Topology, forward: &'static str, workers: &str) -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let adjust = |config: &mut DirectorConfig| workers.clone_into(&mut config.workers);
    let services: Vec<ServiceText> = Family::BOTH
        .into_iter()
        .flat_map(|family| services(family, forward))
        .collect();
    let mut scene = Scene::new(topology, adjust, &services)?;
    let echoes = echoes(&scene, forward)?;
    for family in Family::BOTH {
        traffic(&mut scene, family, forward).map_err(|error| {
            LabError::check(format!("{family:?}, {forward}"), error.to_string())
        })?;
    }
    echoed_from_everywhere(&echoes)?;
    let books = scene.settle()?;
    no_packet_lost(&books)?;
    if workers == "0-1" {
        both_workers_at_work(&books)?;
    }
    scene.finish()
}

fn services(family: Family, forward: &'static str) -> [ServiceText; 3] {
    let name = |what: &str| format!("{what}-{family:?}");
    [
        ServiceText::new(&name("web"), "tcp", family, forward, 80),
        ServiceText::new(&name("dns"), "udp", family, forward, 53),
        ServiceText::new(&name("echo"), "udp", family, forward, ECHO_PORT),
    ]
}

/// Echo servers at the addresses that NAT and DR reach.
fn echoes(scene: &Scene, forward: &str) -> LabResult<Vec<UdpEcho>> {
    let one = |(number, place)| {
        let address = |family| match forward {
            "nat" => real_at(family, number, ECHO_PORT),
            _ => SocketAddr::new(vip_of(family, forward), ECHO_PORT),
        };
        UdpEcho::start(place, &Family::BOTH.map(address))
    };
    (1..).zip(scene.lab.reals()).map(one).collect()
}

fn traffic(scene: &mut Scene, family: Family, forward: &'static str) -> LabResult<()> {
    let vip = vip_of(family, forward);
    let web = SocketAddr::new(vip, 80);
    one_of_each(scene, family, web)?;

    scene.reals.settled()?;
    let load = TcpLoad::new(web, CONNECTIONS).sources(&clients(family));
    let counted = connections(scene, &format!("web-{family:?}"))?;
    load.run(scene.client())?.check_all_answered()?;
    let shares = scene.reals.shares(CONNECTIONS)?;
    ensure_equal("connections", &shares.connections(), &CONNECTIONS)?;
    // Each worker has a round of its own.
    shares.check_connections(&[("r1", 1), ("r2", 1), ("r3", 1)], 2.0)?;
    ensure_equal("clients seen", &shares.clients(), &clients(family).into())?;
    let counted = connections(scene, &format!("web-{family:?}"))? - counted;
    ensure_equal("connections counted", &counted, &CONNECTIONS)?;

    let load = TcpLoad::new(web, REQUESTS)
        .keep_alive(KEPT)
        .sources(&clients(family));
    load.run(scene.client())?.check_all_answered()?;
    let shares = scene.reals.shares(REQUESTS)?;
    ensure_equal("kept connections", &shares.connections(), &KEPT)?;

    let dns = UdpLoad::dns(SocketAddr::new(vip, 53), QUESTIONS).sources(&clients(family));
    let dns = dns.run(scene.client())?;
    dns.check_all_answered()?;
    ensure_equal("name servers", &dns.servers.len(), &3)?;
    let echo = SocketAddr::new(vip, ECHO_PORT);
    for bytes in [8, 64, 512, 1400] {
        let load = UdpLoad::echo(echo, 60, bytes).sources(&clients(family));
        load.run(scene.client())?.check_all_answered()?;
        let load = UdpLoad::echo(echo, 100, bytes).few_sockets();
        load.run(scene.client())?.check_all_answered()?;
    }
    packets_counted(&scene.books()?, family, forward)
}

/// What people do by hand, transfers of a megabyte in both directions among it.
fn one_of_each(scene: &Scene, family: Family, web: SocketAddr) -> LabResult<()> {
    let (client, place) = (addr::client(family, 0), scene.client());
    let url = |path: &str| format!("http://{web}{path}");
    let seen = Curl::new(&url("/src")).source(client).run(place)?.text();
    if !seen.starts_with(&format!("{client}:")) {
        return Err(LabError::check("the server saw another client", seen));
    }
    for _ in 0..3 {
        let down = Curl::new(&url("/1m")).source(client).run(place)?;
        let wanted: Vec<u8> = (0_u32..1 << 18).flat_map(u32::to_be_bytes).collect();
        ensure_equal("length of the file", &down.body.len(), &wanted.len())?;
        ensure_equal("the file is whole", &(down.body == wanted), &true)?;
        let up = Curl::new(&url("/upload")).source(client).upload(1 << 20);
        ensure_equal("status of the upload", &up.run(place)?.status, &200)?;
    }
    let dig = Dig::new(web.ip(), WHO, "TXT").source(client).run(place)?;
    ensure_equal("answers to dig", &dig.records.len(), &1)
}

fn connections(scene: &Scene, service: &str) -> LabResult<u64> {
    let books = scene.books()?;
    let service = books.service(service)?;
    Ok(service
        .counters
        .get("connections")
        .copied()
        .unwrap_or_default())
}

/// NAT sees both directions of a service, DR one; a service's sums are those of its servers.
fn packets_counted(books: &Bookkeeping, family: Family, forward: &str) -> LabResult<()> {
    for what in ["web", "dns", "echo"] {
        let name = format!("{what}-{family:?}");
        let service = books.service(&name)?;
        for key in [
            "connections",
            "packets_in",
            "packets_out",
            "bytes_in",
            "bytes_out",
        ] {
            let of =
                |counters: &BTreeMap<String, u64>| counters.get(key).copied().unwrap_or_default();
            let sum: u64 = service
                .servers
                .iter()
                .map(|server| of(&server.counters))
                .sum();
            ensure_equal(&format!("{key} of {name}"), &of(&service.counters), &sum)?;
            let none = forward == "dr" && key.ends_with("_out");
            ensure_equal(&format!("{key} of {name} are none"), &(sum == 0), &none)?;
        }
    }
    Ok(())
}

fn echoed_from_everywhere(echoes: &[UdpEcho]) -> LabResult<()> {
    for (number, echo) in (1..).zip(echoes) {
        let seen: BTreeSet<IpAddr> = echo.peers().keys().map(SocketAddr::ip).collect();
        let wanted: BTreeSet<IpAddr> = Family::BOTH.into_iter().flat_map(clients).collect();
        ensure_equal(&format!("clients of r{number}'s echo"), &seen, &wanted)?;
    }
    Ok(())
}

/// A bridge that does not know a MAC yet sends to everybody: what is for others is dropped.
fn no_packet_lost(books: &Bookkeeping) -> LabResult<()> {
    let lost: Vec<_> = books
        .drops
        .iter()
        .filter(|((_, reason), count)| **count > 0 && reason != "rx_wrong_mac")
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    Err(LabError::check("packets were dropped", format!("{lost:?}")))
}

/// Ports whose hash is not known: packets arrive anywhere, and each flow has one owner.
fn both_workers_at_work(books: &Bookkeeping) -> LabResult<()> {
    let (out, into) = (
        books.total("redirected_out")?,
        books.total("redirected_in")?,
    );
    ensure_equal("packets passed on, by both ends", &out, &into)?;
    for worker in &books.workers.workers {
        let of = |key: &str| worker.counters.get(key).copied().unwrap_or_default();
        let idle: Vec<&str> = ["flows", "connections", "redirected_in"]
            .into_iter()
            .filter(|key| of(key) == 0)
            .collect();
        if !idle.is_empty() {
            let what = format!("worker {} has no {}", worker.id, idle.join(", "));
            return Err(LabError::check(what, format!("{worker:?}")));
        }
    }
    Ok(())
}

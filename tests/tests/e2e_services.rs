// SPDX-License-Identifier: Apache-2.0
//! Services that are more than one address and port, against the real daemon: ranges, every port,
//! marks; thresholds and persistence, with one worker and with two.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use penstock_tests::lab::{
    DirectorConfig, Family, LabResult, TcpLoad, Topology, addr, ensure_equal, skipped,
};
use penstock_tests::scene::{Scene, clients};

const CONNECTIONS: u64 = 150;

/// A service whose three servers keep the port the client chose.
fn service(name: &str, listen: &str, lines: &str) -> String {
    let mut text = format!(
        "[[service]]\nname = \"{name}\"\nlisten = \"{listen}\"\nscheduler = \"rr\"\n\
         forward = \"nat\"\n{lines}\n"
    );
    for number in 1..=3 {
        let real = addr::real(Family::V4, number);
        text += &format!("[[service.server]]\naddress = \"{real}\"\n");
    }
    text
}

fn scene(workers: &str, queues: u8, text: &str) -> LabResult<Scene> {
    let adjust = |config: &mut DirectorConfig| {
        workers.clone_into(&mut config.workers);
        text.clone_into(&mut config.tables);
    };
    Scene::new(Topology::default().queues(queues), adjust, &[])
}

fn vip(number: u8) -> IpAddr {
    addr::vip(Family::V4, number)
}

fn ranges_and_marks(workers: &str, queues: u8) -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let (first, second) = (vip(0), vip(1));
    let text = [
        service("range", &format!("tcp://{first}:8080-8089"), ""),
        service("all", &format!("tcp://{second}:*"), ""),
        service("marked", "mark://7", ""),
        format!(
            "[[mark]]\nmark = 7\nprotocol = \"tcp\"\ndestination = \"{first}/32\"\n\
             destination_ports = \"80\"\n"
        ),
    ]
    .concat();
    let mut scene = scene(workers, queues, &text)?;
    for target in [(first, 8080), (second, 80), (second, 8080), (first, 80)] {
        let load = TcpLoad::new(SocketAddr::from(target), CONNECTIONS);
        let report = load.run(scene.client())?;
        report.check_none_failed()?;
        let shares = scene.reals.shares(CONNECTIONS)?;
        ensure_equal("requests served", &shares.requests(), &CONNECTIONS)?;
        if queues == 1 {
            shares.check_connections(&[("r1", 1), ("r2", 1), ("r3", 1)], 2.0)?;
        }
    }
    scene.finish()
}

#[test]
fn ranges_every_port_and_marks_serve_with_one_worker() -> LabResult<()> {
    ranges_and_marks("1", 1)
}

#[test]
fn ranges_every_port_and_marks_serve_with_two_workers() -> LabResult<()> {
    ranges_and_marks("0-1", 2)
}

/// Every client's connections go to one server, those of three clients to more than one.
fn persistence(workers: &str, queues: u8) -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let text = service(
        "sticky",
        &format!("tcp://{}:80", vip(0)),
        "persistence = { timeout_s = 60 }",
    );
    let mut scene = scene(workers, queues, &text)?;
    let mut servers = BTreeSet::new();
    for client in clients(Family::V4) {
        let load = TcpLoad::new(SocketAddr::new(vip(0), 80), CONNECTIONS).sources(&[client]);
        let report = load.run(scene.client())?;
        report.check_none_failed()?;
        let shares = scene.reals.shares(CONNECTIONS)?;
        let busy = shares.servers.iter().filter(|(_, one)| one.requests > 0);
        let busy: Vec<String> = busy.map(|(name, _)| name.clone()).collect();
        ensure_equal("servers of one client", &busy.len(), &1)?;
        servers.extend(busy);
    }
    // With several workers rr cycles in each by itself.
    if queues == 1 {
        ensure_equal("servers of three clients", &servers.len(), &3)?;
    }
    scene.finish()
}

#[test]
fn a_client_keeps_its_server_with_one_worker() -> LabResult<()> {
    persistence("1", 1)
}

#[test]
fn a_client_keeps_its_server_with_two_workers() -> LabResult<()> {
    persistence("0-1", 2)
}

// SPDX-License-Identifier: Apache-2.0
//! FullNAT against the real daemon: servers see local addresses, and answer them wherever their
//! routes lead; one worker and two, on ports whose hash nobody knows.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use penstock_tests::lab::{
    Curl, DirectorConfig, Family, LabError, LabResult, TcpLoad, Topology, UdpEcho, UdpLoad, addr,
    ensure_equal, skipped,
};
use penstock_tests::scene::{Scene, ServiceText, clients, real_at, vip_of};

const CONNECTIONS: u64 = 300;
const REQUESTS: u64 = 600;
const KEPT: u64 = 12;
const ECHO_PORT: u16 = 7;
const POOL: &str = "local_pool = \"inside\"";
/// For commands in a namespace.
const BOUND: Duration = Duration::from_secs(30);

/// What servers see in place of clients: of the servers' network, and nobody else's.
fn locals(family: Family) -> BTreeSet<IpAddr> {
    let texts = match family {
        Family::V4 => ["10.20.0.200", "10.20.0.201"],
        Family::V6 => ["2001:db8:20::200", "2001:db8:20::201"],
    };
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

fn services(family: Family) -> [ServiceText; 2] {
    let name = |what: &str| format!("{what}-{family:?}");
    [
        ServiceText::new(&name("web"), "tcp", family, "fullnat", 80).lines(POOL),
        ServiceText::new(&name("echo"), "udp", family, "fullnat", ECHO_PORT).lines(POOL),
    ]
}

fn all_forwarded(topology: Topology, workers: &str) -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let addresses: Vec<String> = Family::BOTH
        .into_iter()
        .flat_map(locals)
        .map(|local| local.to_string())
        .collect();
    let adjust = |config: &mut DirectorConfig| {
        workers.clone_into(&mut config.workers);
        config.tables = format!("[[local_pool]]\nname = \"inside\"\naddresses = {addresses:?}\n");
    };
    let services: Vec<ServiceText> = Family::BOTH.into_iter().flat_map(services).collect();
    let mut scene = Scene::new(topology, adjust, &services)?;
    let one = |(number, place)| {
        let address = |family| real_at(family, number, ECHO_PORT);
        UdpEcho::start(place, &Family::BOTH.map(address))
    };
    let echoes: Vec<UdpEcho> = (1..)
        .zip(scene.lab.reals())
        .map(one)
        .collect::<LabResult<_>>()?;
    for family in Family::BOTH {
        traffic(&mut scene, family)
            .map_err(|error| LabError::check(format!("{family:?}"), error.to_string()))?;
    }
    let peers = echoes.iter().flat_map(|echo| echo.peers().into_keys());
    let peers: BTreeSet<IpAddr> = peers.map(|peer| peer.ip()).collect();
    let known: BTreeSet<IpAddr> = Family::BOTH.into_iter().flat_map(locals).collect();
    ensure_equal("peers of the echo servers", &peers, &known)?;
    let books = scene.settle()?;
    if workers == "0-1" {
        let redirected = books.total("redirected_out")?;
        ensure_equal("packets were passed on", &(redirected > 0), &true)?;
    }
    scene.finish()
}

fn traffic(scene: &mut Scene, family: Family) -> LabResult<()> {
    let vip = vip_of(family, "fullnat");
    let web = SocketAddr::new(vip, 80);
    let url = |path: &str| format!("http://{web}{path}");
    let down = Curl::new(&url("/1m")).run(scene.client())?;
    let wanted: Vec<u8> = (0_u32..1 << 18).flat_map(u32::to_be_bytes).collect();
    ensure_equal("the file is whole", &(down.body == wanted), &true)?;
    let up = Curl::new(&url("/upload")).upload(1 << 20);
    ensure_equal("upload", &up.run(scene.client())?.status, &200)?;
    scene.reals.shares(2)?;

    let load = TcpLoad::new(web, CONNECTIONS).sources(&clients(family));
    load.run(scene.client())?.check_all_answered()?;
    let shares = scene.reals.shares(CONNECTIONS)?;
    ensure_equal("connections", &shares.connections(), &CONNECTIONS)?;
    ensure_equal("clients seen", &shares.clients(), &locals(family))?;
    shares.check_connections(&[("r1", 1), ("r2", 1), ("r3", 1)], 2.0)?;

    let load = TcpLoad::new(web, REQUESTS)
        .keep_alive(KEPT)
        .sources(&clients(family));
    load.run(scene.client())?.check_all_answered()?;
    scene.reals.shares(REQUESTS)?;

    let echo = SocketAddr::new(vip, ECHO_PORT);
    for bytes in [8, 512, 1400] {
        let load = UdpLoad::echo(echo, 150, bytes).sources(&clients(family));
        load.run(scene.client())?.check_all_answered()?;
    }
    Ok(())
}

#[test]
fn fullnat_forwards_everything_with_one_worker() -> LabResult<()> {
    all_forwarded(Topology::default(), "1")
}

#[test]
fn fullnat_forwards_everything_on_one_arm() -> LabResult<()> {
    all_forwarded(Topology::one_arm(), "1")
}

#[test]
fn fullnat_forwards_everything_with_two_workers_and_two_queues() -> LabResult<()> {
    all_forwarded(Topology::default().queues(2), "0-1")
}

#[test]
fn fullnat_forwards_everything_with_two_workers_on_one_queue() -> LabResult<()> {
    all_forwarded(Topology::default(), "0-1")
}

/// The servers' own addresses never come into it: a client of the servers' network is served too,
/// which NAT cannot do.
#[test]
fn a_server_is_served_by_its_own_farm() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let adjust = |config: &mut DirectorConfig| {
        config.tables =
            "[[local_pool]]\nname = \"inside\"\naddresses = [\"10.20.0.200\"]\n".to_owned();
    };
    let service = ServiceText::new("web", "tcp", Family::V4, "fullnat", 80).lines(POOL);
    let mut scene = Scene::new(Topology::default(), adjust, &[service])?;
    let web = SocketAddr::new(addr::vip(Family::V4, 0), 80);
    scene.reals.settled()?;
    // Real servers have the VIP themselves, for DR; the third asks for one that they have not.
    let place = scene.lab.reals().last().cloned();
    let Some(place) = place else { return Ok(()) };
    let vip = format!("{}/32", web.ip());
    place.run("ip", &["addr", "del", &vip, "dev", "lo"], BOUND)?;
    let seen = Curl::new(&format!("http://{web}/src")).run(&place)?.text();
    ensure_equal("the client seen", &seen.starts_with("10.20.0.200:"), &true)?;
    scene.finish()
}

/// The farm asks the world: its address is nowhere to be seen, and the answers come back.
fn snat(workers: &str, queues: u8) -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let outside = |family| match family {
        Family::V4 => "10.10.0.200",
        Family::V6 => "2001:db8:10::200",
    };
    let adjust = |config: &mut DirectorConfig| {
        workers.clone_into(&mut config.workers);
        let port = config.ports.first().map_or("", |port| &port.name);
        config.tables = format!(
            "[[snat]]\nname = \"outbound\"\nport = \"{port}\"\n\
             sources = [\"10.20.0.0/24\", \"2001:db8:20::/64\"]\n\
             addresses = [\"{}\", \"{}\"]\n",
            outside(Family::V4),
            outside(Family::V6)
        );
    };
    let scene = Scene::new(Topology::default().queues(queues), adjust, &[])?;
    let hosts = Family::BOTH.map(|family| SocketAddr::new(addr::client(family, 0), ECHO_PORT));
    let host = UdpEcho::start(scene.client(), &hosts)?;
    let Some(place) = scene.lab.reals().first().cloned() else {
        return Ok(());
    };
    for (family, target) in Family::BOTH.into_iter().zip(hosts) {
        for bytes in [8, 1400] {
            let load = UdpLoad::echo(target, 200, bytes);
            load.run(&place)?.check_all_answered()?;
        }
        let target = target.ip().to_string();
        let ping = place.run("ping", &["-c", "3", "-i", "0.2", "-W", "5", &target], BOUND)?;
        ensure_equal(&format!("ping {family:?}"), &ping.status.success(), &true)?;
    }
    let seen: BTreeSet<IpAddr> = host.peers().into_keys().map(|peer| peer.ip()).collect();
    let expected: BTreeSet<IpAddr> = Family::BOTH
        .into_iter()
        .filter_map(|family| outside(family).parse().ok())
        .collect();
    ensure_equal("who asked the world", &seen, &expected)?;
    let opened = scene.books()?.total("snat_connections")?;
    ensure_equal("connections of the farm", &(opened >= 6), &true)?;
    scene.finish()
}

#[test]
fn the_farm_reaches_the_world_behind_one_address_with_one_worker() -> LabResult<()> {
    snat("1", 1)
}

#[test]
fn the_farm_reaches_the_world_behind_one_address_with_two_workers() -> LabResult<()> {
    snat("0-1", 2)
}

/// Clients of IPv6, servers of IPv4, and the other way round.
#[test]
fn clients_of_one_family_are_served_by_servers_of_the_other() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let adjust = |config: &mut DirectorConfig| {
        config.tables = "[[local_pool]]\nname = \"inside\"\n\
                         addresses = [\"10.20.0.200\", \"2001:db8:20::200\"]\n"
            .to_owned();
    };
    let mixed = |client: Family, server: Family| {
        let name = format!("web-{client:?}");
        let mut service = ServiceText::new(&name, "tcp", client, "fullnat", 80).lines(POOL);
        for (place, number) in service.servers.iter_mut().zip(1..) {
            place.0 = real_at(server, number, 80);
        }
        service
    };
    let services = [mixed(Family::V6, Family::V4), mixed(Family::V4, Family::V6)];
    let mut scene = Scene::new(Topology::default(), adjust, &services)?;
    for family in Family::BOTH {
        let web = SocketAddr::new(vip_of(family, "fullnat"), 80);
        let url = |path: &str| format!("http://{web}{path}");
        let down = Curl::new(&url("/1m")).run(scene.client())?;
        let wanted: Vec<u8> = (0_u32..1 << 18).flat_map(u32::to_be_bytes).collect();
        ensure_equal("the file is whole", &(down.body == wanted), &true)?;
        let up = Curl::new(&url("/upload")).upload(1 << 20);
        ensure_equal("upload", &up.run(scene.client())?.status, &200)?;
        scene.reals.settled()?;
        let load = TcpLoad::new(web, CONNECTIONS).sources(&clients(family));
        load.run(scene.client())?.check_all_answered()?;
        let shares = scene.reals.shares(CONNECTIONS)?;
        shares.check_connections(&[("r1", 1), ("r2", 1), ("r3", 1)], 2.0)?;
    }
    scene.finish()
}

// SPDX-License-Identifier: Apache-2.0
//! SIGHUP while traffic flows: nothing fails, connections live on, removed servers drain.
#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use penstock_tests::lab::{
    DirectorConfig, Family, HttpConnection, LabError, LabResult, Look, Server, TcpLoad, Topology,
    UdpEcho, UdpLoad, Wrk, WrkReport, addr, ensure_equal, skipped, wait_for,
};
use penstock_tests::scene::{Scene, ServiceText, clients, note, real_at, text};

/// What issue and readme promise: so many reloads in a row under load.
const RELOADS: usize = 50;
/// Connections that must begin between two reloads, so that each meets traffic.
const BETWEEN: u64 = 20;
const STEP: Duration = Duration::from_secs(10);
const BOUND: Duration = Duration::from_secs(30);
/// No load of this file is ever all sent: it is stopped.
const ENDLESS: u64 = 100_000_000;

fn web() -> SocketAddr {
    SocketAddr::new(addr::vip(Family::V4, 0), 80)
}

/// A counter of a service; 0 if there is none of that name.
fn counter(scene: &Scene, service: &str, key: &str) -> LabResult<u64> {
    let books = scene.books()?;
    let service = books.service(service)?;
    Ok(service.counters.get(key).copied().unwrap_or_default())
}

fn server(scene: &Scene, service: &str, number: u8) -> LabResult<Option<Server>> {
    let address = addr::real(Family::V4, number).to_string();
    let books = scene.books()?;
    let servers = &books.service(service)?.servers;
    let found = servers
        .iter()
        .find(|server| server.address.starts_with(&format!("{address}:")));
    Ok(found.cloned())
}

fn wait_until(
    what: &str,
    mut look: impl FnMut() -> LabResult<Result<(), String>>,
) -> LabResult<()> {
    wait_for(what, BOUND, || {
        Ok(match look()? {
            Ok(()) => Look::Ready(()),
            Err(seen) => Look::NotYet(seen),
        })
    })
}

/// Waits until so many more connections have come to the service.
fn wait_for_traffic(scene: &Scene, more: u64) -> LabResult<()> {
    let wanted = counter(scene, "web", "connections")? + more;
    wait_until("connections to come", || {
        let now = counter(scene, "web", "connections")?;
        Ok(if now >= wanted {
            Ok(())
        } else {
            Err(format!("{now} of {wanted}"))
        })
    })
}

fn reload_often(scene: &mut Scene) -> LabResult<()> {
    let few = [ServiceText::web("nat").only(&[(1, 1), (2, 1)])];
    let many = [ServiceText::web("nat")];
    for number in 0..RELOADS {
        let services = if number % 2 == 0 { &few } else { &many };
        scene.reload(services)?;
        wait_for_traffic(scene, BETWEEN)?;
    }
    Ok(())
}

#[test]
fn fifty_reloads_under_load_fail_no_request() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let mut scene = Scene::new(Topology::default(), |_| {}, &[ServiceText::web("nat")])?;
    let client = scene.client().clone();
    let load = |requests| {
        TcpLoad::new(web(), requests)
            .sources(&clients(Family::V4))
            .step_bound(STEP)
    };
    let each = load(ENDLESS).threads(3).start(&client);
    let kept = load(ENDLESS).keep_alive(24).threads(2).start(&client);
    wait_for_traffic(&scene, BETWEEN)?;
    let begin = Instant::now();
    reload_often(&mut scene)?;
    let took = begin.elapsed();
    let (each, kept) = (each.stop()?, kept.stop()?);
    each.check_none_failed()?;
    kept.check_none_failed()?;
    ensure_equal("kept connections opened", &kept.connections, &24)?;
    note(format_args!(
        "{RELOADS} reloads in {} ms: {} connections of a request, {} requests on 24 kept ones, \
         0 failed, slowest {} ms",
        took.as_millis(),
        each.ok,
        kept.ok,
        each.slowest.max(kept.slowest).as_millis()
    ));
    let all_servers = each.servers.len();
    ensure_equal("servers that took part", &all_servers, &3)?;
    let counted = counter(&scene, "web", "connections")?;
    ensure_equal(
        "connections counted over all",
        &counted,
        &(each.connections + 24),
    )?;
    let snapshots = scene.director.show("workers")?["snapshots_retired"].clone();
    ensure_equal("snapshots still held", &snapshots.as_u64(), &Some(0))?;
    scene.finish()
}

#[test]
fn fifty_reloads_under_wrk_with_two_workers_fail_no_request() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let adjust = |config: &mut DirectorConfig| config.workers = "0-1".into();
    let topology = Topology::default().queues(2);
    let mut scene = Scene::new(topology, adjust, &[ServiceText::web("nat")])?;
    let client = scene.client().clone();
    let url = format!("http://{}/", web());
    let done = AtomicBool::new(false);
    let reports = thread::scope(|scope| -> LabResult<Vec<WrkReport>> {
        let wrk = scope.spawn(|| {
            let mut reports = Vec::new();
            while !done.load(Ordering::Relaxed) {
                reports.push(Wrk::new(&url).seconds(2).close().run(&client)?);
            }
            Ok(reports)
        });
        let reloaded = reload_often(&mut scene);
        done.store(true, Ordering::Relaxed);
        let reports = wrk
            .join()
            .unwrap_or_else(|cause| std::panic::resume_unwind(cause));
        reloaded.and(reports)
    })?;
    let errors: u64 = reports.iter().map(WrkReport::errors).sum();
    ensure_equal("errors of wrk", &errors, &0)?;
    let requests: u64 = reports.iter().map(|report| report.requests).sum();
    let slowest = reports.iter().map(|report| report.latency_max).max();
    note(format_args!(
        "{RELOADS} reloads under wrk, two workers: {requests} connections, 0 errors, slowest {} ms",
        slowest.unwrap_or_default().as_millis()
    ));
    scene.finish()
}

#[test]
fn a_removed_server_keeps_its_connections_and_may_come_back() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let all = [ServiceText::web("nat").lines("drain_s = 0\n")];
    let mut scene = Scene::new(Topology::default(), |_| {}, &all)?;
    let mut held = held_at(&scene, "r3")?;
    let before = counter(&scene, "web", "connections")?;
    let rest = [ServiceText::web("nat").only(&[(1, 1), (2, 1)])];
    scene.reload(&rest)?;
    let state = server(&scene, "web", 3)?.map(|server| server.state);
    ensure_equal("the removed server", &state.as_deref(), &Some("draining"))?;
    let load = TcpLoad::new(web(), 60).run(scene.client())?;
    load.check_all_answered()?;
    ensure_equal(
        "new connections go elsewhere",
        &load.servers.get("r3"),
        &None,
    )?;
    ensure_equal("the held one lives on", &ask(&mut held)?, &"r3".to_owned())?;
    let counted = counter(&scene, "web", "connections")?;
    ensure_equal("counters survive", &counted, &(before + 60))?;

    // Back again before it is gone: the same server, and its connection.
    scene.reload(&all)?;
    let state = server(&scene, "web", 3)?.map(|server| server.state);
    ensure_equal(
        "the server that came back",
        &state.as_deref(),
        &Some("live"),
    )?;
    ensure_equal("the held one lives on", &ask(&mut held)?, &"r3".to_owned())?;
    scene.reload(&rest)?;
    ensure_equal("the held one lives on", &ask(&mut held)?, &"r3".to_owned())?;

    scene.finish()
}

#[test]
fn a_drained_server_is_gone_soon_after_its_last_flow() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let tables = |config: &mut DirectorConfig| config.tables = "[timeouts]\nudp_s = 2\n".into();
    let all = [ServiceText::new("echo", "udp", Family::V4, "nat", 7)];
    let mut scene = Scene::new(Topology::default(), tables, &all)?;
    let echoes: Vec<UdpEcho> = (1..)
        .zip(scene.lab.reals())
        .map(|(number, place)| UdpEcho::start(place, &[real_at(Family::V4, number, 7)]))
        .collect::<LabResult<_>>()?;
    let flows = UdpLoad::echo(all[0].target, 300, 64)
        .few_sockets()
        .threads(3);
    flows.run(scene.client())?.check_all_answered()?;
    let before = echoes[2].count();
    scene.reload(&[all[0].clone().only(&[(1, 1), (2, 1)])])?;
    // New flows while the old one is remembered: none of them comes to the server that leaves.
    flows.run(scene.client())?.check_all_answered()?;
    ensure_equal(
        "datagrams of the draining server",
        &echoes[2].count(),
        &before,
    )?;
    wait_until("the drained server to go", || {
        Ok(match server(&scene, "echo", 3)? {
            None => Ok(()),
            Some(server) => Err(format!("{server:?}")),
        })
    })?;
    scene.finish()
}

#[test]
fn a_drain_that_takes_too_long_is_cut() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let drain = "drain_s = 1\n";
    let all = [ServiceText::web("nat").lines(drain)];
    let mut scene = Scene::new(Topology::default(), |_| {}, &all)?;
    let mut held = held_at(&scene, "r3")?;
    let mut other = held_at(&scene, "r1")?;
    let begin = Instant::now();
    scene.reload(&[ServiceText::web("nat").lines(drain).only(&[(1, 1), (2, 1)])])?;
    // It answers as long as the director has it, and not much longer than it may.
    wait_until("the drain to end", || {
        Ok(match server(&scene, "web", 3)? {
            None => Ok(()),
            Some(server) => Err(format!("{server:?}")),
        })
    })?;
    let took = begin.elapsed();
    if took < Duration::from_secs(1) {
        return Err(LabError::check(
            "the drain was cut early",
            format!("{took:?}"),
        ));
    }
    note(format_args!(
        "drain_s = 1 was cut after {} ms",
        took.as_millis()
    ));
    let cut = held.get("/").is_err();
    ensure_equal("the connection of the cut server", &cut, &true)?;
    ensure_equal(
        "another server's connection",
        &ask(&mut other)?,
        &"r1".to_owned(),
    )?;
    scene.finish()
}

#[test]
fn weights_services_and_schedulers_change_and_connections_live_on() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let first = ServiceText::web("nat").scheduler("wrr");
    let mut scene = Scene::new(Topology::default(), |_| {}, std::slice::from_ref(&first))?;
    let mut held = held_at(&scene, "r2")?;

    // Weights: from the next connection on.
    let weighted = first.clone().only(&[(1, 3), (2, 2), (3, 1)]);
    scene.reload(std::slice::from_ref(&weighted))?;
    scene.reals.settled()?;
    TcpLoad::new(web(), 120)
        .sources(&clients(Family::V4))
        .run(scene.client())?
        .check_all_answered()?;
    let shares = scene.reals.shares(120)?;
    shares.check_connections(&[("r1", 3), ("r2", 2), ("r3", 1)], 3.0)?;
    // Weight 0: no new connection, the old ones go on.
    scene.reload(&[first.clone().only(&[(1, 1), (2, 0), (3, 1)])])?;
    let load = TcpLoad::new(web(), 40).run(scene.client())?;
    load.check_all_answered()?;
    ensure_equal(
        "new connections of a quiesced server",
        &load.servers.get("r2"),
        &None,
    )?;
    ensure_equal("the held one lives on", &ask(&mut held)?, &"r2".to_owned())?;

    // A service more, reachable at once, its address at the twin; and gone again.
    let dns =
        ServiceText::new("dns", "udp", Family::V4, "nat", 53).at(addr::vip(Family::V4, 2), 53);
    scene.reload(&[weighted.clone(), dns.clone()])?;
    UdpLoad::dns(dns.target, 30)
        .run(scene.client())?
        .check_all_answered()?;
    ensure_equal("services", &scene.books()?.services.len(), &2)?;
    scene.reload(std::slice::from_ref(&weighted))?;
    ensure_equal("services", &scene.books()?.services.len(), &1)?;
    let gone = UdpLoad::dns(dns.target, 2).reply_bound(Duration::from_millis(500));
    ensure_equal(
        "answers of a service that is gone",
        &gone.run(scene.client())?.answered,
        &0,
    )?;

    // Another scheduler, then nothing at all.
    scene.reload(&[weighted.clone().scheduler("lc")])?;
    let before = counter(&scene, "web", "connections")?;
    let same = scene.config.text(&text(&[weighted.scheduler("lc")]));
    let said = scene.reload_text(&same, ": applied, ")?;
    ensure_equal("said", &said.contains("nothing changed"), &true)?;
    ensure_equal("the held one lives on", &ask(&mut held)?, &"r2".to_owned())?;
    let counted = counter(&scene, "web", "connections")?;
    ensure_equal("counters survive", &counted, &before)?;
    scene.finish()
}

#[test]
fn a_deleted_service_leaves_orphans_and_comes_back() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let services = [
        ServiceText::web("nat"),
        ServiceText::new("dns", "udp", Family::V4, "nat", 53),
    ];
    let tables = |config: &mut DirectorConfig| {
        config.tables = "[timeouts]\nudp_s = 2\n".into();
    };
    let mut scene = Scene::new(Topology::default(), tables, &services)?;
    UdpLoad::dns(services[1].target, 50)
        .run(scene.client())?
        .check_all_answered()?;
    scene.reload(&services[..1])?;
    let books = scene.settle()?;
    let orphans = books.total("flows_orphaned")?;
    if orphans == 0 {
        return Err(LabError::check(
            "a deleted service has no orphans",
            format!("{books:?}"),
        ));
    }
    scene.reload(&services)?;
    UdpLoad::dns(services[1].target, 50)
        .run(scene.client())?
        .check_all_answered()?;
    scene.reload(&services[..1])?;
    wait_until("the orphans to expire", || {
        let left = scene.books()?.total("flows")?;
        Ok(if left == 0 {
            Ok(())
        } else {
            Err(format!("{left} flows"))
        })
    })?;
    ensure_equal("orphans left", &scene.books()?.total("flows_orphaned")?, &0)?;
    scene.finish()
}

/// A connection that the given server answers.
fn held_at(scene: &Scene, name: &str) -> LabResult<HttpConnection> {
    for _ in 0..3 {
        let mut connection = HttpConnection::open(scene.client(), web(), Duration::from_secs(3))?;
        if ask(&mut connection)? == name {
            return Ok(connection);
        }
    }
    Err(LabError::check(
        "no connection",
        format!("three servers in turn, and not {name}"),
    ))
}

fn ask(connection: &mut HttpConnection) -> LabResult<String> {
    connection
        .get("/")
        .map_err(|failed| LabError::check("a held connection failed", failed.reason))
}

// SPDX-License-Identifier: Apache-2.0
//! Linux beside the workers: its addresses answer, its routes are followed, its neighbours are
//! known; and what strangers send does not starve it.
#![forbid(unsafe_code)]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use penstock_tests::lab::{
    DirectorConfig, Failure, Family, LabError, LabResult, Look, Netns, Side, TcpLoad, Topology,
    UdpLoad, addr, ensure_equal, skipped, wait_for,
};
use penstock_tests::scene::{Scene, ServiceText, clients, note, real_at};

const BOUND: Duration = Duration::from_secs(30);

/// Pings from a namespace; both streams of its output, whatever came of it.
fn ping(place: &Netns, target: IpAddr, options: &[&str]) -> LabResult<String> {
    let target = target.to_string();
    let args = [&["-n", "-W", "2"], options, &[target.as_str()]].concat();
    Ok(place.run("ping", &args, BOUND)?.all_text())
}

fn answered(text: &str, count: u32) -> LabResult<()> {
    if text.contains(&format!(" {count} received")) {
        return Ok(());
    }
    Err(LabError::check(
        format!("not {count} answers to ping"),
        text,
    ))
}

fn has(text: &str, word: &str) -> LabResult<()> {
    if text.contains(word) {
        return Ok(());
    }
    Err(LabError::check(format!("no {word:?}"), text))
}

/// One service for each family, NAT and DR, so that their VIPs are on the twin.
fn services() -> Vec<ServiceText> {
    let both = |family: Family| {
        ["nat", "dr"].map(|forward| {
            ServiceText::new(&format!("{forward}{family:?}"), "tcp", family, forward, 80)
        })
    };
    Family::BOTH.into_iter().flat_map(both).collect()
}

#[test]
fn linux_answers_for_the_director_and_for_the_vips() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    for topology in [Topology::default(), Topology::one_arm().queues(2)] {
        let adjust = |config: &mut DirectorConfig| {
            if topology.queues == 2 {
                config.workers = "0-1".into();
            }
        };
        let scene = Scene::new(topology, adjust, &services())?;
        for family in Family::BOTH {
            let own = addr::director(family, Side::Client, 1);
            for target in [own, addr::vip(family, 0), addr::vip(family, 1)] {
                answered(
                    &ping(scene.client(), target, &["-c", "5", "-i", "0.01"])?,
                    5,
                )?;
                // Bytes that need every checksum and length right.
                answered(
                    &ping(scene.client(), target, &["-c", "2", "-s", "1400"])?,
                    2,
                )?;
            }
            // Who wants the VIP learns the port's MAC, and one only.
            let neighbours =
                ["-o", "neigh", "show", &addr::vip(family, 0).to_string()].map(str::to_owned);
            let neighbours: Vec<&str> = neighbours.iter().map(String::as_str).collect();
            let known = scene.client().run_ok("ip", &neighbours)?.text();
            has(&known, "lladdr 02:00:00:00:d1:00")?;
            ensure_equal("neighbours for the VIP", &known.lines().count(), &1)?;
            // From the director outwards, as an operator's ping and ssh go.
            answered(
                &ping(
                    scene.place(),
                    addr::client(family, 0),
                    &["-c", "3", "-i", "0.01"],
                )?,
                3,
            )?;
            answered(
                &ping(
                    scene.place(),
                    addr::real(family, 2),
                    &["-c", "3", "-i", "0.01"],
                )?,
                3,
            )?;
        }
        let closed = SocketAddr::new(addr::vip(Family::V4, 0), 81);
        let refused = TcpLoad::new(closed, 10).run(scene.client())?;
        ensure_equal(
            "refused",
            &refused.failures,
            &[(Failure::Connect, 10)].into(),
        )?;
        has(&refused.examples.join("\n"), "refused")?;
        let closed = SocketAddr::new(addr::vip(Family::V6, 1), 81);
        let refused = TcpLoad::new(closed, 10).run(scene.client())?;
        ensure_equal(
            "refused",
            &refused.failures,
            &[(Failure::Connect, 10)].into(),
        )?;
        let closed = UdpLoad::dns(SocketAddr::new(addr::vip(Family::V4, 0), 54), 1);
        ensure_equal("refused over UDP", &closed.run(scene.client())?.refused, &1)?;
        scene.finish()?;
    }
    Ok(())
}

#[test]
fn transit_packets_follow_linux_routes() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let scene = Scene::new(Topology::default(), |_| {}, &services())?;
    for family in Family::BOTH {
        // The farm's own addresses, through the director both ways: one hop less.
        let real = addr::real(family, 1);
        let text = ping(scene.client(), real, &["-c", "3", "-i", "0.01"])?;
        answered(&text, 3)?;
        has(&text, "ttl=63")?;
        TcpLoad::new(real_at(family, 1, 80), 30)
            .run(scene.client())?
            .check_all_answered()?;
        // A packet that may go no further than here is answered from here.
        let text = ping(scene.client(), real, &["-c", "1", "-t", "1"])?;
        let own = addr::director(family, Side::Client, 1);
        has(&text.to_lowercase(), &format!("from {own} icmp_seq=1 time"))?;
        has(&text, "0 received")?;
    }
    let books = scene.books()?;
    ensure_equal("ended here", &books.drops_for("ttl_expired"), &2)?;
    // A network behind a real server, and only as long as Linux has the route.
    routes_come_and_go(&scene, "192.0.2.0/24", Family::V4, "192.0.2.1/32")?;
    routes_come_and_go(&scene, "2001:db8:99::/64", Family::V6, "2001:db8:99::1/128")?;
    // What a route forbids is counted by name.
    scene
        .place()
        .ip_batch("route add blackhole 198.51.100.0/24\n")?;
    let nowhere = IpAddr::from([198, 51, 100, 1]);
    wait_for("the black hole", BOUND, || {
        let text = ping(scene.client(), nowhere, &["-c", "1", "-W", "0.2"])?;
        has(&text, " 0 received")?;
        let drops = scene.books()?.drops_for("blackhole");
        Ok(if drops > 0 {
            Look::Ready(())
        } else {
            Look::NotYet(text)
        })
    })?;
    scene.finish()
}

fn routes_come_and_go(scene: &Scene, net: &str, family: Family, host: &str) -> LabResult<()> {
    let bare = host.split('/').next().unwrap_or_default();
    let target: IpAddr = bare
        .parse()
        .map_err(|error| LabError::check(format!("{host}: {error}"), String::new()))?;
    let via = addr::real(family, 2);
    scene.lab.reals()[1].ip_batch(&format!("addr add {host} dev lo\n"))?;
    scene
        .place()
        .ip_batch(&format!("route add {net} via {via}\n"))?;
    wait_for("the new route", BOUND, || {
        let text = ping(scene.client(), target, &["-c", "1"])?;
        Ok(if text.contains(" 1 received") {
            Look::Ready(())
        } else {
            Look::NotYet(text)
        })
    })?;
    answered(
        &ping(scene.client(), target, &["-c", "5", "-i", "0.01"])?,
        5,
    )?;
    scene
        .place()
        .ip_batch(&format!("route del {net} via {via}\n"))?;
    wait_for("the end of the route", BOUND, || {
        let text = ping(scene.client(), target, &["-c", "1"])?.to_lowercase();
        // Linux says so itself: it has no other route.
        let gone = text.contains("unreachable") || text.contains("no route");
        Ok(if gone {
            Look::Ready(())
        } else {
            Look::NotYet(text)
        })
    })
}

#[test]
fn the_first_connection_waits_for_its_neighbour_and_is_not_lost() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let scene = Scene::new(Topology::default(), |_| {}, &services())?;
    for family in Family::BOTH {
        for service in ["nat", "dr"] {
            let flag = if family == Family::V4 { "-4" } else { "-6" };
            scene
                .place()
                .run_ok("ip", &[flag, "neigh", "flush", "dev", "back"])?;
            scene
                .place()
                .run_ok("ip", &[flag, "neigh", "flush", "dev", "front"])?;
            let vip = addr::vip(family, u8::from(service == "dr"));
            let load = TcpLoad::new(SocketAddr::new(vip, 80), 12).sources(&clients(family));
            let report = load.threads(12).run(scene.client())?;
            report.check_all_answered()?;
            note(format_args!(
                "{family:?} {service}: 12 first connections to unknown neighbours, slowest {} ms",
                report.slowest.as_millis()
            ));
            // A SYN that was lost would have come again after a second.
            let patient = report.slowest < Duration::from_millis(900);
            ensure_equal("no SYN was sent twice", &patient, &true)?;
        }
    }
    let books = scene.books()?;
    for reason in ["neighbour_timeout", "neighbour_queue_full", "no_route"] {
        ensure_equal(reason, &books.drops_for(reason), &0)?;
    }
    scene.finish()
}

#[test]
fn an_absent_server_is_reported_as_unreachable() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let absent = |family: Family| {
        let mut service = ServiceText::new(&format!("absent{family:?}"), "tcp", family, "nat", 80);
        service.servers = vec![(real_at(family, 99, 8080), 1)];
        service
    };
    let services = Family::BOTH.map(absent);
    let scene = Scene::new(Topology::default(), |_| {}, &services)?;
    for service in &services {
        let load = TcpLoad::new(service.target, 3).threads(3).step_bound(BOUND);
        let report = load.run(scene.client())?;
        ensure_equal(
            "failures",
            &report.failures,
            &[(Failure::Connect, 3)].into(),
        )?;
        has(&report.examples.join("\n"), "No route to host")?;
        let soon = report.elapsed < Duration::from_secs(8);
        ensure_equal("told so by the director", &soon, &true)?;
    }
    let books = scene.settle()?;
    ensure_equal(
        "waited in vain",
        &(books.drops_for("neighbour_timeout") >= 6),
        &true,
    )?;
    scene.finish()
}

#[test]
fn a_service_without_a_usable_server_says_port_unreachable() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let mut services = Vec::new();
    for family in Family::BOTH {
        let name = |what: &str| format!("{what}{family:?}");
        let quiesced = ServiceText::new(&name("quiesced"), "udp", family, "nat", 53);
        services.push(quiesced.only(&[(1, 0), (2, 0), (3, 0)]));
        services.push(ServiceText::new(&name("tcp"), "tcp", family, "nat", 80).only(&[(1, 0)]));
    }
    let mut scene = Scene::new(Topology::default(), |_| {}, &services)?;
    // The daemon warns of such services at start, at some length.
    scene.expect_log("");
    for service in &services {
        if service.protocol == "udp" {
            let report = UdpLoad::dns(service.target, 20).run(scene.client())?;
            ensure_equal("refused", &report.refused, &20)?;
        } else {
            let report = TcpLoad::new(service.target, 20).run(scene.client())?;
            ensure_equal(
                "refused",
                &report.failures,
                &[(Failure::Connect, 20)].into(),
            )?;
            has(&report.examples.join("\n"), "refused")?;
        }
    }
    let books = scene.settle()?;
    ensure_equal("no_real_server", &books.drops_for("no_real_server"), &80)?;
    ensure_equal("generated", &books.total("generated")?, &80)?;
    scene.finish()
}

#[test]
fn neighbours_in_use_are_confirmed_again() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let scene = Scene::new(Topology::default(), |_| {}, &[ServiceText::web("nat")])?;
    let web = SocketAddr::new(addr::vip(Family::V4, 0), 80);
    TcpLoad::new(web, 3)
        .run(scene.client())?
        .check_all_answered()?;
    // As if half an hour passed: known neighbours are doubted after 0.1 s, and asked at once.
    scene.place().sysctls(&[
        ("ipv4/neigh/back/base_reachable_time_ms", "100"),
        ("ipv4/neigh/back/delay_first_probe_time", "0"),
    ])?;
    // What is known now was learnt under the old times.
    scene
        .place()
        .run_ok("ip", &["neigh", "flush", "dev", "back"])?;
    let load = TcpLoad::new(web, 100_000_000)
        .keep_alive(6)
        .threads(2)
        .start(scene.client());
    let real = addr::real(Family::V4, 1).to_string();
    let args = ["-o", "neigh", "show", &real, "dev", "back"];
    let mut stale = 0;
    wait_for("a stale neighbour that is confirmed, twice", BOUND, || {
        let state = scene.place().run_ok("ip", &args)?.text();
        let confirmed = state.contains("REACHABLE");
        stale += u32::from(stale % 2 == 0 && state.contains("STALE"));
        stale += u32::from(stale % 2 == 1 && confirmed);
        Ok(if stale >= 4 {
            Look::Ready(())
        } else {
            Look::NotYet(state)
        })
    })?;
    load.stop()?.check_none_failed()?;
    scene.finish()
}

#[test]
fn a_flood_of_pings_is_limited_and_leaves_arp_alone() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let adjust = |config: &mut DirectorConfig| {
        config.tables = "[limits.punt_pps]\nicmp = 50\n".into();
    };
    let scene = Scene::new(Topology::default(), adjust, &services())?;
    for family in Family::BOTH {
        let own = addr::director(family, Side::Client, 1);
        let flood = scene.client().clone();
        let before = scene.books()?.drops_for("punt_policed_icmp");
        let handle = std::thread::spawn(move || ping(&flood, own, &["-i", "0.001", "-c", "2000"]));
        let mut rounds = 0;
        // Meanwhile neighbours are found and services serve.
        while !handle.is_finished() || rounds == 0 {
            scene
                .client()
                .run_ok("ip", &["neigh", "flush", "dev", "e0"])?;
            let web = SocketAddr::new(addr::vip(family, 0), 80);
            let report = TcpLoad::new(web, 10).run(scene.client())?;
            report.check_all_answered()?;
            rounds += 1;
        }
        let text = handle
            .join()
            .unwrap_or_else(|cause| std::panic::resume_unwind(cause))?;
        let limited = scene.books()?.drops_for("punt_policed_icmp") - before;
        if limited < 1000 {
            return Err(LabError::check(
                format!("only {limited} were refused"),
                text,
            ));
        }
        note(format_args!(
            "{family:?}: of 2000 pings in two seconds {limited} were refused"
        ));
    }
    let books = scene.books()?;
    ensure_equal("ARP refused", &books.drops_for("punt_policed_arp_nd"), &0)?;
    ensure_equal("local refused", &books.drops_for("punt_policed_local"), &0)?;
    scene.finish()
}

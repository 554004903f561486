// SPDX-License-Identifier: Apache-2.0
//! Start, stop, crash, start again; a table that is full; what an instance takes.
#![forbid(unsafe_code)]

use std::fs::{self, Permissions};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use penstock_tests::lab::{
    Bookkeeping, Curl, Director, DirectorConfig, Family, HttpConnection, Lab, LabError, LabResult,
    Look, Netns, Process, RawSocket, Reals, TcpLoad, Topology, UdpLoad, addr, ensure_equal,
    program, skip, skipped, udp_frame, wait_for,
};
use penstock_tests::scene::{Scene, ServiceText, Turn, clients, note, text};

const BOUND: Duration = Duration::from_secs(60);
/// A million datagrams take ten seconds, and more on a machine that does other things.
const FLOOD_BOUND: Duration = Duration::from_secs(180);
const MIB: u64 = 1 << 20;
/// The MAC of the director's first port (the lab's address plan).
const DIRECTOR_MAC: &str = "02:00:00:00:d1:00";

fn web() -> SocketAddr {
    SocketAddr::new(addr::vip(Family::V4, 0), 80)
}

#[test]
fn a_stopped_daemon_leaves_nothing_and_starts_again() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let services = [
        ServiceText::web("nat"),
        ServiceText::new("dr", "tcp", Family::V6, "dr", 80),
    ];
    let mut scene = Scene::new(Topology::default(), |_| {}, &services)?;
    let config = scene.config.text(&text(&services));
    for _ in 0..3 {
        for service in &services {
            TcpLoad::new(service.target, 60)
                .run(scene.client())?
                .check_all_answered()?;
        }
        scene.settle()?;
        let (director, place) = (scene.director, scene.lab.directors()[0].clone());
        let socket = director.socket().to_owned();
        director.stop()?;
        ensure_equal("the socket", &socket.exists(), &false)?;
        let links = place.run_ok("ip", &["-o", "link"])?.text();
        for twin in [": front", ": back"] {
            ensure_equal(&format!("the link{twin}"), &links.contains(twin), &false)?;
        }
        scene.director = Director::start(&scene.lab, 1, &config)?;
        scene.start = Bookkeeping::at_rest(&scene.director)?;
    }
    scene.finish()
}

#[test]
fn a_daemon_under_load_stops_cleanly() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let services = [
        ServiceText::web("nat"),
        ServiceText::new("sink", "udp", Family::V4, "dr", 9),
    ];
    let adjust = |config: &mut DirectorConfig| config.workers = "0-1".into();
    let scene = Scene::new(Topology::default().queues(2), adjust, &services)?;
    silence(&scene.lab)?;
    let flood = Flood::new(&scene.lab)?;
    let load = TcpLoad::new(web(), 1_000_000).step_bound(Duration::from_millis(300));
    let load = load.threads(2).start(scene.client());
    let over = AtomicBool::new(false);
    thread::scope(|scope| -> LabResult<()> {
        let flooding = scope.spawn(|| -> LabResult<()> {
            while !over.load(Ordering::Relaxed) {
                flood.send(0..1000)?;
            }
            Ok(())
        });
        let stopped = wait_for("traffic", BOUND, || {
            let rx = Bookkeeping::read(&scene.director)?.total("rx")?;
            let enough = rx > 20_000;
            Ok(if enough {
                Look::Ready(())
            } else {
                Look::NotYet(format!("{rx} packets"))
            })
        })
        .and_then(|()| scene.director.stop());
        over.store(true, Ordering::Relaxed);
        let flooded = flooding.join();
        let flooded = flooded.unwrap_or_else(|cause| std::panic::resume_unwind(cause));
        stopped.and(flooded)
    })?;
    drop(load);
    Ok(())
}

/// What a service manager sends to a daemon that it has only just started.
#[test]
fn signals_that_come_during_the_start_wait_for_its_end() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let _turn = Turn::take();
    let lab = Lab::new(Topology::default())?;
    let text = DirectorConfig::new(&lab, 1).text(&text_of_web());
    let dir = lab.home().subdir("d1")?;
    let (config, socket) = (dir.join("early.toml"), dir.join("api.sock"));
    fs::write(&config, text).map_err(|error| LabError::path("write", &config, error))?;
    let (program, config) = (
        program()?.display().to_string(),
        config.display().to_string(),
    );
    for signal in [Signal::SIGHUP, Signal::SIGTERM] {
        let log = dir.join(format!("{signal}.log"));
        let args = ["run", "--config", &config];
        let mut process = Process::start(&lab.directors()[0], &program, &args, &log)?;
        // The first thing it makes, long before it is ready.
        process.wait_ready(BOUND, || Ok(socket.exists()))?;
        process.signal(signal)?;
        if signal == Signal::SIGHUP {
            process.wait_ready(BOUND, || {
                let log = fs::read_to_string(&log).unwrap_or_default();
                Ok(log.contains("applied, nothing changed"))
            })?;
            process.signal(Signal::SIGTERM)?;
        }
        let status = process.wait_end(BOUND)?;
        ensure_equal(&process.log_tail(), &status.code(), &Some(0))?;
        ensure_equal("the socket", &socket.exists(), &false)?;
    }
    Ok(())
}

#[test]
fn a_killed_daemon_starts_again_and_serves() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let services = [ServiceText::web("nat")];
    let mut scene = Scene::new(Topology::default(), |_| {}, &services)?;
    let config = scene.config.text(&text(&services));
    for _ in 0..2 {
        let load = TcpLoad::new(web(), 1_000_000).step_bound(Duration::from_millis(500));
        let load = load.threads(2).start(scene.client());
        wait_for("traffic", BOUND, || {
            let rx = Bookkeeping::read(&scene.director)?.total("rx")?;
            Ok(if rx > 1000 {
                Look::Ready(())
            } else {
                Look::NotYet(format!("{rx} packets"))
            })
        })?;
        let socket = scene.director.socket().to_owned();
        scene.director.kill()?;
        ensure_equal("the socket that a crash leaves", &socket.exists(), &true)?;
        scene.director = Director::start(&scene.lab, 1, &config)?;
        drop(load);
        TcpLoad::new(web(), 60)
            .run(scene.client())?
            .check_all_answered()?;
        scene.start = Bookkeeping::at_rest(&scene.director)?;
        // This driver keeps no buffer to itself.
        let held = scene.start.workers.mbufs_in_use;
        ensure_equal("buffers in use at rest", &held, &0)?;
    }
    scene.finish()
}

#[test]
fn two_labs_side_by_side_do_not_see_each_other() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let services = [ServiceText::web("nat")];
    let one = Scene::new(Topology::default(), |_| {}, &services)?;
    let two = Scene::new(Topology::one_arm(), |_| {}, &services)?;
    thread::scope(|scope| -> LabResult<()> {
        let load = |place: &Netns| {
            TcpLoad::new(web(), 600)
                .sources(&clients(Family::V4))
                .run(place)
        };
        let (first, second) = (one.client(), two.client());
        let first = scope.spawn(move || load(first));
        let second = scope.spawn(move || load(second));
        for load in [first, second] {
            let report = load
                .join()
                .unwrap_or_else(|cause| std::panic::resume_unwind(cause));
            report?.check_all_answered()?;
        }
        Ok(())
    })?;
    for scene in [one, two] {
        let counted = scene.books()?.service("web")?.counters["connections"];
        ensure_equal("connections of each lab", &counted, &600)?;
        scene.finish()?;
    }
    Ok(())
}

#[test]
fn a_full_table_refuses_by_name_and_recovers() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let services = [
        ServiceText::web("nat"),
        ServiceText::new("sink", "udp", Family::V4, "dr", 9),
    ];
    let adjust = |config: &mut DirectorConfig| {
        config.flows_max = 1000;
        config.tables = "[timeouts]\nudp_s = 3\n".into();
    };
    let scene = Scene::new(Topology::default(), adjust, &services)?;
    silence(&scene.lab)?;
    let mut held = HttpConnection::open(scene.client(), web(), Duration::from_secs(5))?;
    let room = scene.director.show("workers")?["workers"][0]["flows_max"].as_u64();
    let flood = Flood::new(&scene.lab)?;
    flood.send(0..3000)?;
    let full = wait_for("the table to be full", BOUND, || {
        let books = scene.books()?;
        let drops = books.drops_for("table_full");
        Ok(if drops > 0 && Some(books.total("flows")?) == room {
            Look::Ready(drops)
        } else {
            Look::NotYet(format!("{books:?}"))
        })
    })?;
    let refused = TcpLoad::new(web(), 4).step_bound(Duration::from_millis(300));
    let refused = refused.run(scene.client())?;
    // The flood's flows may begin to expire, so only few are sure to be refused: the counter says.
    held.get("/")
        .map_err(|failed| LabError::check("a connection from before", failed.reason))?;
    note(format_args!(
        "a table of {} flows: {full} packets refused, {} of 4 connections too",
        room.unwrap_or_default(),
        refused.failed()
    ));
    wait_for("the flows to expire", BOUND, || {
        let flows = scene.books()?.total("flows")?;
        Ok(if flows < 100 {
            Look::Ready(())
        } else {
            Look::NotYet(format!("{flows} flows"))
        })
    })?;
    let before = scene.settle()?.drops_for("table_full");
    TcpLoad::new(web(), 300)
        .sources(&clients(Family::V4))
        .run(scene.client())?
        .check_all_answered()?;
    held.get("/")
        .map_err(|failed| LabError::check("a connection from before", failed.reason))?;
    let after = scene.books()?.drops_for("table_full");
    ensure_equal("refused after that", &after, &before)?;
    scene.finish()
}

/// The promise is for the default of a million connections; this has them all, and they are real.
#[test]
fn a_million_connections_fit_into_256_mib() -> LabResult<()> {
    const FLOWS: u32 = 1_000_000;
    if skipped() {
        return Ok(());
    }
    let services = [
        ServiceText::web("nat"),
        ServiceText::new("sink", "udp", Family::V4, "dr", 9),
    ];
    let adjust = |config: &mut DirectorConfig| {
        config.flows_max = u64::from(FLOWS);
        // The driver's rings count as ours: this one is of the driver's default size.
        let back = &mut config.ports[1].device;
        *back = back.replace("framecnt=8192", "framecnt=512");
    };
    let scene = Scene::new(Topology::default(), adjust, &services)?;
    silence(&scene.lab)?;
    let empty = resident(scene.director.pid())?;
    let flood = Flood::new(&scene.lab)?;
    let begin = Instant::now();
    wait_for("a million connections", FLOOD_BOUND, || {
        let flows = scene.books()?.total("flows")?;
        if flows >= u64::from(FLOWS) {
            return Ok(Look::Ready(()));
        }
        flood.send(0..FLOWS)?;
        Ok(Look::NotYet(format!("{flows} flows")))
    })?;
    let full = resident(scene.director.pid())?;
    note(format_args!(
        "{FLOWS} connections in {} ms: {} MiB resident, {} MiB when empty",
        begin.elapsed().as_millis(),
        full / MIB,
        empty / MIB
    ));
    ensure_equal("at most 256 MiB", &(full <= 256 * MIB), &true)?;
    // And it still works.
    TcpLoad::new(web(), 100)
        .run(scene.client())?
        .check_all_answered()?;
    let drops = scene.books()?.drops_for("table_full");
    ensure_equal("refused for want of room", &drops, &0)?;
    scene.finish()
}

/// The director is ready when it forwards, not when it says so; with a default table.
#[test]
fn the_first_packet_is_forwarded_within_three_seconds_of_the_start() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let _turn = Turn::take();
    let lab = Lab::new(Topology::default())?;
    let reals = Reals::start(&lab)?;
    let mut config = DirectorConfig::new(&lab, 1);
    config.flows_max = 1_000_000;
    let services = [
        ServiceText::web("nat"),
        ServiceText::new("dns", "udp", Family::V4, "nat", 53),
    ];
    // So that the client does not wait for an answer to an ARP request of before the start.
    let vip = addr::vip(Family::V4, 0);
    let line = format!("neigh replace {vip} lladdr {DIRECTOR_MAC} nud permanent dev e0\n");
    lab.client().ip_batch(&line)?;
    let (sender, first) = mpsc::channel();
    let place = lab.client().clone();
    let begin = Instant::now();
    let client = thread::spawn(move || {
        let asked = UdpLoad::dns(SocketAddr::new(vip, 53), 1)
            .threads(1)
            .reply_bound(Duration::from_millis(20));
        while begin.elapsed() < BOUND {
            if asked.run(&place).is_ok_and(|report| report.answered == 1) {
                sender.send(begin.elapsed()).unwrap_or_default();
                break;
            }
        }
    });
    let director = Director::start(&lab, 1, &config.text(&text(&services)))?;
    let said = begin.elapsed();
    let took = first
        .recv_timeout(BOUND)
        .map_err(|error| LabError::check("no packet was forwarded", error.to_string()))?;
    client
        .join()
        .unwrap_or_else(|cause| std::panic::resume_unwind(cause));
    note(format_args!(
        "from start to the first answer: {} ms; it answers `show` after {} ms at most",
        took.as_millis(),
        said.as_millis()
    ));
    ensure_equal(
        "below three seconds",
        &(took < Duration::from_secs(3)),
        &true,
    )?;
    // The first TCP connection is as lucky as any.
    let answer = Curl::new(&format!("http://{}/", web())).run(lab.client())?;
    ensure_equal("status", &answer.status, &200)?;
    let mut start = Bookkeeping::at_rest(&director)?;
    start.workers.mbufs_in_use = 0;
    Bookkeeping::settle(&director, &start)?;
    director.stop()?;
    drop(reals);
    Ok(())
}

/// What DPDK is told about huge pages is true when it asks, and not any more when it takes them.
#[test]
fn huge_pages_that_vanish_during_the_start_are_done_without() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    if free_huge_pages() > 1000 {
        skip("so many huge pages are free that they do not run out");
        return Ok(());
    }
    let _turn = Turn::take();
    let lab = Lab::new(Topology::default())?;
    let reals = Reals::start(&lab)?;
    let dir = lab.home().subdir("hugepages/hugepages-2048kB")?;
    let write = |path: &Path, text: &str| {
        fs::write(path, text).map_err(|error| LabError::path("write", path, error))
    };
    for (file, pages) in [
        ("nr_hugepages", "100000"),
        ("free_hugepages", "100000"),
        ("nr_overcommit_hugepages", "0"),
        ("resv_hugepages", "0"),
        ("surplus_hugepages", "0"),
    ] {
        write(&dir.join(file), pages)?;
    }
    // `ip netns exec` gives `run` a mount namespace of its own.
    let script = lab.home().dir().join("penstock");
    let mounted = dir.parent().unwrap_or(&dir).display().to_string();
    let real = program()?.display().to_string();
    let text = format!(
        "#!/bin/sh\n[ \"$1\" = run ] && mount --bind {mounted} /sys/kernel/mm/hugepages\n\
         exec {real} \"$@\"\n"
    );
    write(&script, &text)?;
    fs::set_permissions(&script, Permissions::from_mode(0o755))
        .map_err(|error| LabError::path("make executable", &script, error))?;
    let mut config = DirectorConfig::new(&lab, 1);
    // More than there are.
    config.director_lines = "memory_mib = 2048\n".into();
    let services = text_of_web();
    let mut director = Director::start_program(&lab, 1, &config.text(&services), &script)?;
    let log = director.process().log()?;
    let said = log.contains("starting again without");
    ensure_equal("what it said of it", &said, &true)?;
    let huge = director.show("ports")?["huge_pages"].as_bool();
    ensure_equal("huge pages", &huge, &Some(false))?;
    TcpLoad::new(web(), 60)
        .run(lab.client())?
        .check_all_answered()?;
    director.stop()?;
    drop(reals);
    Ok(())
}

fn free_huge_pages() -> u64 {
    let file = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
    let text = fs::read_to_string(file).unwrap_or_default();
    text.trim().parse().unwrap_or_default()
}

fn text_of_web() -> String {
    text(&[ServiceText::web("nat")])
}

/// Datagrams of many clients to the service `sink`, which no server answers.
struct Flood {
    socket: RawSocket,
    macs: ([u8; 6], [u8; 6]),
    target: (Ipv4Addr, u16),
}

impl Flood {
    fn new(lab: &Lab) -> LabResult<Self> {
        let socket = RawSocket::open(lab.client(), "e0")?;
        let IpAddr::V4(vip) = addr::vip(Family::V4, 1) else {
            return Err(LabError::check("not an IPv4 address", String::new()));
        };
        let director = [0x02, 0, 0, 0, 0xd1, 0];
        Ok(Self {
            macs: (socket.mac(), director),
            socket,
            target: (vip, 9),
        })
    }

    /// One datagram from each client of a range; each has an address and port of its own.
    fn send(&self, clients: std::ops::Range<u32>) -> LabResult<()> {
        const PORTS: u32 = 50_000;
        for client in clients {
            let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 128, 0, 1)) + client / PORTS);
            let port = u16::try_from(1024 + client % PORTS).unwrap_or_default();
            let frame = udp_frame(self.macs, (address, port), self.target);
            // What finds no room is sent in the next round.
            self.socket.send(&frame)?;
        }
        Ok(())
    }
}

/// Has the real servers drop the flood unseen, so that they do not complain about it.
fn silence(lab: &Lab) -> LabResult<()> {
    for place in lab.reals() {
        place.nft(
            "add table netdev sink\n\
             add chain netdev sink in { type filter hook ingress device e0 priority 0; }\n\
             add rule netdev sink in udp dport 9 drop\n",
        )?;
    }
    Ok(())
}

/// Resident memory of a process, huge pages included, bytes.
fn resident(pid: u32) -> LabResult<u64> {
    let path = format!("/proc/{pid}/status");
    let status =
        fs::read_to_string(&path).map_err(|error| LabError::io(format!("read {path}"), error))?;
    let kib = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
    };
    let resident = kib("VmRSS:").ok_or_else(|| LabError::output("/proc", "no VmRSS", &status))?;
    Ok((resident + kib("HugetlbPages:").unwrap_or_default()) * 1024)
}

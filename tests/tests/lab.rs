// SPDX-License-Identifier: Apache-2.0
//! The lab itself: it goes up and down, stays apart from others, and its instruments count right.
#![forbid(unsafe_code)]

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use penstock_tests::lab::{
    Curl, Dig, Failure, Family, Lab, LabError, LabResult, Look, Nginx, Reals, Side, StandIn,
    TcpLoad, Topology, UdpEcho, UdpLoad, WHO, Wrk, addr, ensure_equal, kept, namespaces, remove,
    skipped, sweep, wait_for,
};

/// The weights the stand-in balances with.
const WEIGHTS: [(&str, u64); 3] = [("r1", 3), ("r2", 2), ("r3", 1)];

#[test]
fn a_lab_goes_up_and_comes_down() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let lab = Lab::new(Topology::default())?;
    let id = lab.id().to_owned();
    ensure_equal("namespaces", &namespaces(&id)?.len(), &6)?;
    let dir = lab.home().dir().to_owned();
    assert!(dir.exists());
    drop(lab);
    assert!(!dir.exists());
    ensure_equal("namespaces left", &namespaces(&id)?, &Vec::new())
}

#[test]
fn web_and_dns_pass_a_director_with_nat_and_dr() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    for topology in [Topology::default(), Topology::one_arm()] {
        let lab = Lab::new(topology)?;
        let mut reals = Reals::start(&lab)?;
        let stand_in = StandIn::start(&lab)?;
        stand_in.nat(0)?;
        stand_in.direct(&lab, 1)?;
        for family in Family::BOTH {
            for vip in [0, 1] {
                one_of_each(&lab, family, vip).map_err(|error| {
                    LabError::check(
                        format!("{topology:?} {family:?} vip {vip}"),
                        error.to_string(),
                    )
                })?;
            }
        }
        let shares = reals.settled()?;
        let client = |family| addr::client(family, 0);
        ensure_equal(
            "clients in the access logs",
            &shares.clients(),
            &Family::BOTH.map(client).into(),
        )?;
        ensure_equal("checksum errors", &lab.client().tcp_checksum_errors()?, &0)?;
    }
    Ok(())
}

fn one_of_each(lab: &Lab, family: Family, vip: u8) -> LabResult<()> {
    let vip = addr::vip(family, vip);
    let url = |path: &str| format!("http://{}{path}", SocketAddr::new(vip, 80));
    let client = addr::client(family, 0);
    let get = |path: &str| Curl::new(&url(path)).source(client).run(lab.client());
    let source = get("/src")?.text();
    assert!(
        source.contains(&client.to_string()),
        "the server saw {source}"
    );
    ensure_equal("bytes of the big file", &get("/1m")?.body.len(), &(1 << 20))?;
    let upload = Curl::new(&url("/upload"))
        .source(client)
        .upload(1 << 20)
        .run(lab.client())?;
    ensure_equal("status of the upload", &upload.status, &200)?;
    let answer = Dig::new(vip, WHO, "TXT").source(client).run(lab.client())?;
    ensure_equal("answers", &answer.records.len(), &1)?;
    let many = Wrk::new(&url("/")).seconds(1).run(lab.client())?;
    ensure_equal("errors of wrk", &many.errors(), &0)?;
    assert!(many.requests > 0);
    Ok(())
}

#[test]
fn shares_of_a_weighted_balance_are_read_from_the_access_logs() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let lab = Lab::new(Topology::default())?;
    let mut reals = Reals::start(&lab)?;
    StandIn::start(&lab)?.nat(0)?;
    let url = format!("http://{}/", addr::vip(Family::V4, 0));
    for _ in 0..12 {
        Curl::new(&url).run(lab.client())?;
    }
    let shares = reals.shares(12)?;
    shares.check_connections(&WEIGHTS, 0.0)
}

#[test]
fn load_helpers_count_every_request() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let lab = Lab::new(Topology::default())?;
    let mut reals = Reals::start(&lab)?;
    StandIn::start(&lab)?.nat(0)?;
    for family in Family::BOTH {
        let vip = addr::vip(family, 0);
        let sources = [0, 1, 2].map(|number| addr::client(family, number));
        let web = SocketAddr::new(vip, 80);
        let each = TcpLoad::new(web, 3000)
            .sources(&sources)
            .run(lab.client())?;
        each.check_all_answered()?;
        ensure_equal("connections", &each.connections, &3000)?;
        let shares = reals.shares(3000)?;
        shares.check_connections(&WEIGHTS, 0.0)?;
        ensure_equal("clients", &shares.clients(), &sources.into())?;

        let kept = TcpLoad::new(web, 3000).keep_alive(60).run(lab.client())?;
        kept.check_all_answered()?;
        let shares = reals.shares(3000)?;
        ensure_equal("connections", &shares.connections(), &60)?;
        shares.check_connections(&WEIGHTS, 0.0)?;

        let dns = SocketAddr::new(vip, 53);
        let asked = UdpLoad::dns(dns, 300).sources(&sources).run(lab.client())?;
        asked.check_all_answered()?;
        ensure_equal("servers that answered", &asked.servers.len(), &3)?;
        // Not exact: a port used again within the kernel's timeout is still the old flow.
        assert!(
            asked.servers.values().all(|count| count.abs_diff(100) < 15),
            "{asked:?}"
        );
    }
    Ok(())
}

#[test]
fn load_helpers_count_failures_exactly() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let lab = Lab::new(Topology::default())?;
    let mut reals = Reals::start(&lab)?;
    let stand_in = StandIn::start(&lab)?;
    stand_in.nat(0)?;
    let closed = SocketAddr::new(addr::director(Family::V4, Side::Client, 1), 81);
    let refused = TcpLoad::new(closed, 50).run(lab.client())?;
    ensure_equal(
        "refused",
        &refused.failures,
        &[(Failure::Connect, 50)].into(),
    )?;
    let refused = TcpLoad::new(closed, 50).keep_alive(10).run(lab.client())?;
    ensure_equal(
        "refused, kept alive",
        &refused.failures,
        &[(Failure::Connect, 50)].into(),
    )?;
    assert!(refused.check_none_failed().is_err());

    let nobody = SocketAddr::new(addr::director(Family::V4, Side::Client, 9), 80);
    let bound = Duration::from_millis(200);
    let silent = TcpLoad::new(nobody, 8)
        .step_bound(bound)
        .run(lab.client())?;
    ensure_equal(
        "timed out",
        &silent.failures,
        &[(Failure::ConnectTimeout, 8)].into(),
    )?;

    // One server of three dies: with 3:2:1, each sixth connection fails, no more and no less.
    reals
        .get(3)?
        .nginx
        .process()
        .terminate(Duration::from_secs(5))?;
    let vip = SocketAddr::new(addr::vip(Family::V4, 0), 80);
    let partly = TcpLoad::new(vip, 60).run(lab.client())?;
    ensure_equal(
        "refused by r3",
        &partly.failures,
        &[(Failure::Connect, 10)].into(),
    )?;
    ensure_equal("answered", &partly.ok, &50)?;
    let kept = TcpLoad::new(vip, 600)
        .keep_alive(6)
        .threads(1)
        .run(lab.client())?;
    // The one that fails is replaced; its replacement is the first of the next cycle.
    ensure_equal(
        "connections lost",
        &(kept.connections_failed, kept.failed()),
        &(1, 1),
    )
}

#[test]
fn udp_echo_returns_every_size_and_names_its_peers() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let lab = Lab::new(Topology::default())?;
    let _stand_in = StandIn::start(&lab)?;
    for family in Family::BOTH {
        let real = SocketAddr::new(addr::real(family, 1), 7);
        let echo = UdpEcho::start(&lab.reals()[0], &[real])?;
        for bytes in [8, 64, 1400, 4000] {
            UdpLoad::echo(real, 50, bytes)
                .few_sockets()
                .run(lab.client())?
                .check_all_answered()?;
        }
        ensure_equal("datagrams", &echo.count(), &200)?;
        let client = addr::client(family, 0);
        assert!(
            echo.peers().keys().all(|peer| peer.ip() == client),
            "{:?}",
            echo.peers()
        );
        drop(echo);
        // One: the kernel limits the rate of its ICMP errors.
        let gone = UdpLoad::echo(real, 1, 8).run(lab.client())?;
        ensure_equal("refused after the end", &(gone.sent, gone.refused), &(1, 1))?;
    }
    Ok(())
}

#[test]
fn a_load_in_the_background_can_be_stopped() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let lab = Lab::new(Topology::default())?;
    let mut reals = Reals::start(&lab)?;
    let _stand_in = StandIn::start(&lab)?;
    let real = SocketAddr::new(addr::real(Family::V4, 1), 80);
    let load = TcpLoad::new(real, 1 << 40)
        .keep_alive(4)
        .start(lab.client());
    wait_for("some requests", Duration::from_secs(10), || {
        let count = reals.so_far()?.requests();
        Ok(if count > 0 {
            Look::Ready(())
        } else {
            Look::NotYet(count.to_string())
        })
    })?;
    assert!(load.is_running());
    let report = load.stop()?;
    report.check_none_failed()?;
    ensure_equal(
        "all accounted for",
        &(report.ok + report.unsent),
        &(1 << 40),
    )
}

#[test]
fn the_guard_keeps_the_kernel_away_from_the_ports() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let lab = Lab::new(Topology::default())?;
    let director = &lab.directors()[0];
    director.ip_batch("addr add 10.10.0.1/24 dev e0\n")?;
    let load = TcpLoad::new(
        SocketAddr::new(addr::director(Family::V4, Side::Client, 1), 81),
        1,
    )
    .step_bound(Duration::from_millis(300));
    let guarded = load.run(lab.client())?;
    ensure_equal(
        "guarded",
        &guarded.failures,
        &[(Failure::ConnectTimeout, 1)].into(),
    )?;
    let rules = director
        .run_ok("nft", &["list", "chain", "netdev", "guard", "e0"])?
        .text();
    assert!(
        rules.contains("counter packets") && !rules.contains("counter packets 0"),
        "{rules}"
    );
    director.nft("delete table netdev guard")?;
    let open = load.step_bound(Duration::from_secs(5)).run(lab.client())?;
    ensure_equal(
        "unguarded: the kernel refuses",
        &open.failures,
        &[(Failure::Connect, 1)].into(),
    )
}

#[test]
fn two_labs_side_by_side_do_not_see_each_other() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let labs = [
        Lab::new(Topology::default())?,
        Lab::new(Topology::one_arm())?,
    ];
    assert_ne!(labs[0].id(), labs[1].id());
    let mut reals = [Reals::start(&labs[0])?, Reals::start(&labs[1])?];
    for lab in &labs {
        StandIn::start(lab)?.nat(0)?;
    }
    let web = SocketAddr::new(addr::vip(Family::V6, 0), 80);
    let loads = labs
        .each_ref()
        .map(|lab| TcpLoad::new(web, 600).start(lab.client()));
    for (load, reals) in loads.into_iter().zip(&mut reals) {
        load.join()?.check_all_answered()?;
        reals.shares(600)?.check_connections(&WEIGHTS, 0.0)?;
    }
    let [first, second] = labs;
    drop(first);
    let again = TcpLoad::new(web, 60).run(second.client())?;
    again.check_all_answered()
}

#[test]
fn a_lab_whose_owner_was_killed_is_swept() -> LabResult<()> {
    if skipped() || play_owner()? {
        return Ok(());
    }
    let stranger = format!("ps{}n0-stranger", u32::MAX);
    let made = Command::new("ip")
        .args(["netns", "add", &stranger])
        .status();
    assert!(made.is_ok_and(|status| status.success()));
    let (mut owner, id) = owner("hold", "a_lab_whose_owner_was_killed_is_swept")?;
    assert!(!namespaces(&id)?.is_empty());
    let pids = fs::read_to_string(format!("/run/penstock-lab/{id}/pids")).unwrap_or_default();
    assert_eq!(pids.lines().count(), 2, "nginx and its worker: {pids}");

    owner
        .kill()
        .and_then(|()| owner.wait())
        .map_err(|e| LabError::io("kill the owner", e))?;
    sweep()?;
    ensure_equal("namespaces left", &namespaces(&id)?, &Vec::new())?;
    assert!(!Path::new("/run/penstock-lab").join(&id).exists());
    for pid in pids.lines() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(
            stat.is_empty() || stat.contains(") Z "),
            "still there: {stat}"
        );
    }
    // What is called like a lab's but has no lab written down is not ours to remove.
    let removed = Command::new("ip")
        .args(["netns", "del", &stranger])
        .status();
    assert!(
        removed.is_ok_and(|status| status.success()),
        "the stranger is gone"
    );
    Ok(())
}

#[test]
fn a_kept_lab_outlives_its_owner_until_it_is_removed() -> LabResult<()> {
    if skipped() || play_owner()? {
        return Ok(());
    }
    let test = "a_kept_lab_outlives_its_owner_until_it_is_removed";
    let (mut owner, id) = owner("keep", test)?;
    let status = owner
        .wait()
        .map_err(|error| LabError::io("wait for the owner", error))?;
    assert!(status.success());
    sweep()?;
    assert!(kept()?.contains(&id));
    assert_eq!(namespaces(&id)?.len(), 6);
    remove(&id)?;
    ensure_equal("namespaces left", &namespaces(&id)?, &Vec::new())?;
    assert!(!kept()?.contains(&id));
    assert!(remove("prod").is_err(), "not a lab's id");
    Ok(())
}

/// Starts this test binary once more as the owner of a lab, and returns it with the lab's id.
fn owner(role: &str, test: &str) -> LabResult<(Child, String)> {
    let note = env::temp_dir().join(format!("penstock-owner-{}-{role}", std::process::id()));
    let failed = |error| LabError::io("start this test again", error);
    let child = Command::new(env::current_exe().map_err(failed)?)
        .args(["--exact", test])
        .env(OWNER_ROLE, role)
        .env(OWNER_NOTE, &note)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let id = wait_for("the owner's lab", Duration::from_secs(30), || {
        let id = fs::read_to_string(&note).unwrap_or_default();
        Ok(if id.is_empty() {
            Look::NotYet("no note".to_owned())
        } else {
            Look::Ready(id)
        })
    })?;
    fs::remove_file(&note).map_err(|error| LabError::path("remove", &note, error))?;
    Ok((child, id))
}

/// The other side of [`owner`]: makes a lab, says which, and waits to be killed or keeps it.
fn play_owner() -> LabResult<bool> {
    let (Ok(role), Some(note)) = (env::var(OWNER_ROLE), env::var_os(OWNER_NOTE)) else {
        return Ok(false);
    };
    let lab = Lab::new(Topology::default())?;
    let real = &lab.reals()[0];
    let address = addr::real(Family::V4, 1);
    let _nginx = Nginx::start(real, "r1", &[80], &[address])?;
    let pids: String = real.pids()?.iter().map(|pid| format!("{pid}\n")).collect();
    let write = |path: &Path, text: &str| {
        fs::write(path, text).map_err(|error| LabError::path("write", path, error))
    };
    write(&lab.home().dir().join("pids"), &pids)?;
    if role == "keep" {
        lab.keep()?;
    }
    let note = Path::new(&note);
    let fresh = note.with_extension("new");
    write(&fresh, lab.id())?;
    fs::rename(&fresh, note).map_err(|error| LabError::path("write", note, error))?;
    if role == "hold" {
        // Ends when the test that holds the other end does.
        let mut line = String::new();
        std::io::stdin()
            .read_line(&mut line)
            .map_err(|e| LabError::io("wait", e))?;
    }
    Ok(true)
}

const OWNER_ROLE: &str = "PENSTOCK_LAB_OWNER_ROLE";
const OWNER_NOTE: &str = "PENSTOCK_LAB_OWNER_NOTE";

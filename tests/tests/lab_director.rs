// SPDX-License-Identifier: Apache-2.0
//! How the lab handles the daemon, tried on a shell script that speaks its command line; and the
//! wires towards it, tried on a poll-mode driver with nothing of ours behind it.
#![forbid(unsafe_code)]

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use penstock_tests::lab::{
    Bookkeeping, Director, DirectorConfig, Family, Lab, LabError, LabResult, Look, Process, Side,
    Topology, UdpLoad, addr, ensure_equal, skip, skipped, wait_for,
};

/// What the lab needs of `penstock`, and no more.
const FAKE: &str = r#"#!/bin/sh
case "$1" in
run)
    config=$3
    code=$(sed -n 's/^# exit with //p' "$config")
    trap 'echo stopping; exit ${code:-0}' TERM
    trap 'echo "reloaded: $(grep name "$config")"' HUP
    if grep -q '^broken' "$config"; then echo "error: broken" >&2; exit 2; fi
    : >"$(sed -n 's/^socket = "\(.*\)"/\1/p' "$config")"
    while :; do sleep 1 & wait $!; done ;;
show)
    case "$2" in
    workers) echo '{"workers":[],"mbufs_in_use":7,"mbufs_total":9}' ;;
    services) echo '{"services":[]}' ;;
    drops) echo '{"drops":[]}' ;;
    *) echo "nothing called $2" >&2; exit 2 ;;
    esac ;;
esac
"#;

fn fake(lab: &Lab) -> LabResult<PathBuf> {
    let path = lab.home().dir().join("penstock");
    let written = fs::write(&path, FAKE)
        .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)));
    written.map_err(|error| LabError::path("write", &path, error))?;
    Ok(path)
}

#[test]
fn a_daemon_is_started_asked_reloaded_and_stopped() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let lab = Lab::new(Topology::default())?;
    let mut config = DirectorConfig::new(&lab, 1);
    let mut director = Director::start_program(&lab, 1, &config.text(""), &fake(&lab)?)?;
    let books = Bookkeeping::read(&director)?;
    ensure_equal("mbufs", &books.workers.mbufs_in_use, &7)?;
    Bookkeeping::settle(&director, &books)?;
    assert!(director.show("weather").is_err());
    let refused = director.cli(&["show", "weather"])?;
    ensure_equal("exit status", &refused.status.code(), &Some(2))?;

    config.name = "renamed".to_owned();
    director.reload(&config.text(""))?;
    wait_for("the reload", Duration::from_secs(10), || {
        let log = director.process().log()?;
        let seen = log.contains("reloaded: name = \"renamed\"");
        Ok(if seen {
            Look::Ready(())
        } else {
            Look::NotYet(log)
        })
    })?;
    director.stop()
}

#[test]
fn a_daemon_that_misbehaves_fails_its_test() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let lab = Lab::new(Topology::default())?;
    let config = DirectorConfig::new(&lab, 1).text("");
    let fake = fake(&lab)?;
    let text = |result: LabResult<Director>| result.map(drop).map_err(|error| error.to_string());

    let broken = Director::start_program(&lab, 1, &format!("{config}broken\n"), &fake);
    let message = text(broken).unwrap_err();
    assert!(
        message.contains("error: broken") && message.contains("exit status: 2"),
        "{message}"
    );

    let sulking = format!("{config}# exit with 3\n");
    let stopped = Director::start_program(&lab, 1, &sulking, &fake)?.stop();
    let message = stopped.map_err(|error| error.to_string()).unwrap_err();
    assert!(
        message.contains("exit status: 3") && message.contains("stopping"),
        "{message}"
    );

    Director::start_program(&lab, 1, &config, &fake)?.kill()?;
    assert!(
        Director::start_program(&lab, 2, &config, &fake).is_err(),
        "there is one director"
    );
    Ok(())
}

#[test]
fn the_config_follows_the_topology() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let lab = Lab::new(Topology::default().queues(2))?;
    let text = DirectorConfig::new(&lab, 1).text("[[service]]\n");
    for wanted in [
        "name = \"back\"",
        "device = \"net_af_packet1,iface=e1,qpairs=2,blocksz=65536,framesz=2048,framecnt=8192\"",
        "queues = 2",
        "addresses = [\"10.20.0.1/24\", \"2001:db8:20::1/64\"]",
    ] {
        assert!(text.contains(wanted), "no {wanted} in\n{text}");
    }
    assert!(text.contains(&format!(
        "[api]\nsocket = \"/run/penstock-lab/{}/d1/",
        lab.id()
    )));
    let queues = lab.directors()[0]
        .run_ok("ls", &["/sys/class/net/e0/queues"])?
        .text();
    ensure_equal("queues", &queues.split_whitespace().count(), &4)?;

    let lab = Lab::new(Topology::one_arm())?;
    let text = DirectorConfig::new(&lab, 1).text("");
    assert!(
        !text.contains("e1") && text.contains("\"10.10.0.1/24\"") && text.contains("10.20.0.1")
    );
    Ok(())
}

/// `testpmd` swaps MACs, addresses and ports of everything: a reflector made of DPDK alone. What
/// comes back has crossed the guard, the ring and the wire both ways, with checksums whole.
#[test]
fn frames_of_every_size_pass_a_poll_mode_driver_both_ways() -> LabResult<()> {
    const TESTPMD: &str = "/usr/bin/dpdk-testpmd";
    if skipped() {
        return Ok(());
    }
    if !Path::new(TESTPMD).exists() {
        skip("no dpdk-testpmd");
        return Ok(());
    }
    let lab = Lab::new(Topology::default())?;
    let device = DirectorConfig::new(&lab, 1).ports.swap_remove(0).device;
    let prefix = format!("--file-prefix={}", lab.id());
    let vdev = format!("--vdev={device}");
    let eal = [
        "-l",
        "0,1",
        "--no-huge",
        "-m",
        "128",
        "--no-pci",
        "--no-telemetry",
        &prefix,
        &vdev,
    ];
    let app = [
        "--",
        "--forward-mode=5tswap",
        "--total-num-mbufs=8192",
        "--auto-start",
    ];
    let args: Vec<&str> = eal
        .into_iter()
        .chain(app)
        .chain(["--stats-period=1"])
        .collect();
    let log = lab.home().dir().join("testpmd.log");
    let mut testpmd = Process::start(&lab.directors()[0], TESTPMD, &args, &log)?;
    testpmd.wait_ready(Duration::from_secs(30), || {
        Ok(fs::read_to_string(&log).is_ok_and(started))
    })?;
    for family in Family::BOTH {
        let nobody = addr::director(family, Side::Client, 9);
        let neighbour = format!("neigh replace {nobody} lladdr 02:00:00:00:d1:00 dev e0\n");
        lab.client().ip_batch(&neighbour)?;
        for bytes in [8, 64, 1400] {
            let target = SocketAddr::new(nobody, 7);
            UdpLoad::echo(target, 200, bytes)
                .run(lab.client())?
                .check_all_answered()?;
        }
    }
    ensure_equal("bad checksums", &lab.client().udp_checksum_errors()?, &0)?;

    // The other way round, so that this test is known to see it: a wire that leaves sums to a
    // network card which is not there.
    lab.switch()
        .run_ok("ethtool", &["-K", "d1-e0", "tx", "on"])?;
    let target = SocketAddr::new(addr::director(Family::V4, Side::Client, 9), 7);
    let bound = Duration::from_millis(300);
    let unsummed = UdpLoad::echo(target, 1, 64)
        .reply_bound(bound)
        .run(lab.client())?;
    ensure_equal("answered without sums", &unsummed.answered, &0)?;
    ensure_equal("bad checksums", &lab.client().udp_checksum_errors()?, &1)
}

fn started(log: String) -> bool {
    log.contains("NIC statistics")
}

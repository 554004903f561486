// SPDX-License-Identifier: Apache-2.0
//! The lab itself: it goes up and down, stays apart from other labs, and its instruments count right.
#![forbid(unsafe_code)]

use std::net::SocketAddr;

use penstock_tests::lab::{
    Curl, Dig, Family, Lab, LabError, LabResult, Reals, StandIn, Topology, WHO, Wrk, addr,
    ensure_equal, namespaces, skipped,
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

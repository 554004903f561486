// SPDX-License-Identifier: Apache-2.0
//! Bonded ports: a link that is pulled under HTTP traffic, and LACP with a switch of ours. A member
//! whose interface is removed is in `show`, and in the log.
#![forbid(unsafe_code)]

use std::time::Duration;

use penstock_tests::lab::{
    DirectorConfig, Family, Lab, LabError, LabResult, LacpSwitch, Look, TcpLoad, Topology,
    ensure_equal, skipped, wait_for,
};
use penstock_tests::scene::{Scene, ServiceText, clients, note};
use serde_json::Value;

const BOUND: Duration = Duration::from_secs(30);
const RING: &str = "blocksz=65536,framesz=2048,framecnt=8192";

/// Makes the first port a bond of `e0` and `e9`.
fn bond(config: &mut DirectorConfig, mode: &str) {
    let members = ["e0", "e9"].map(|end| {
        let number = &end[1..];
        format!("net_af_packet{number},iface={end},{RING}")
    });
    // Number 0 is the port's own in the lab's config; the member takes it over.
    config.ports[0].device = "net_bonding0".to_owned();
    config.ports[0].lines = format!("bond = {{ mode = \"{mode}\", members = {members:?} }}\n");
}

/// What `show ports` says of the bond.
fn shown(scene: &Scene) -> LabResult<Value> {
    Ok(scene.director.show("ports")?["ports"][0].clone())
}

/// Which members carry packets.
fn active(port: &Value) -> Vec<bool> {
    let members = port["members"].as_array().cloned().unwrap_or_default();
    let active = members.iter().map(|member| member["active"] == true);
    active.collect()
}

fn wait_active(scene: &Scene, wanted: &[bool]) -> LabResult<()> {
    wait_for("the active members", BOUND, || {
        let port = shown(scene)?;
        Ok(if active(&port) == wanted {
            Look::Ready(())
        } else {
            Look::NotYet(port["members"].to_string())
        })
    })
}

/// Waits until the director has received so many packets more.
fn wait_packets(scene: &Scene, more: u64) -> LabResult<()> {
    let start = scene.books()?.total("rx")?;
    wait_for("more packets", BOUND, || {
        let now = scene.books()?.total("rx")?;
        Ok(if now >= start + more {
            Look::Ready(())
        } else {
            Look::NotYet(format!("{} of {more}", now - start))
        })
    })
}

#[test]
fn a_pulled_link_costs_no_request() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let web = [ServiceText::web("nat"), ServiceText::web("dr")];
    let web = web.map(|service| {
        let name = format!("web_{}", service.forward);
        ServiceText { name, ..service }
    });
    let prepare = |lab: &Lab, config: &mut DirectorConfig| {
        bond(config, "active-backup");
        lab.wire_director("e9", Some("front"))
    };
    let (mut scene, spare) = Scene::prepared(Topology::default(), prepare, &web)?;
    scene.expect_log("port front: member");
    wait_active(&scene, &[true, false])?;
    let switch = scene.lab.switch().clone();
    let set = |end: &str, state: &str| switch.ip_batch(&format!("link set {end} {state}\n"));
    let loads = web.iter().map(|service| {
        TcpLoad::new(service.target, u64::MAX)
            .sources(&clients(Family::V4))
            .keep_alive(50)
            .step_bound(BOUND)
            .bound(Duration::from_secs(120))
            .start(scene.client())
    });
    let loads: Vec<_> = loads.collect();
    wait_packets(&scene, 2000)?;
    set("d1-e0", "down")?;
    wait_active(&scene, &[false, true])?;
    wait_packets(&scene, 2000)?;
    set("d1-e0", "up")?;
    // It stays where it is until there is a reason.
    wait_for("the first link", BOUND, || {
        let up = shown(&scene)?["members"][0]["link_up"] == true;
        Ok(if up {
            Look::Ready(())
        } else {
            Look::NotYet("down".to_owned())
        })
    })?;
    wait_active(&scene, &[false, true])?;
    set(&spare, "down")?;
    wait_active(&scene, &[true, false])?;
    wait_packets(&scene, 2000)?;
    for load in loads {
        let report = load.stop()?;
        report.check_none_failed()?;
        note(format_args!("answered: {report:?}"));
    }
    scene.finish()
}

#[test]
fn lacp_comes_up_and_both_members_carry() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let web = ServiceText::web("nat");
    let prepare = |lab: &Lab, config: &mut DirectorConfig| {
        bond(config, "802.3ad");
        let ends = ["d1-e0".to_owned(), lab.wire_director("e9", None)?];
        lab.switch().ip_batch("link set d1-e0 nomaster\n")?;
        LacpSwitch::start(lab.switch(), "front", &ends)
    };
    let (mut scene, switch) =
        Scene::prepared(Topology::default(), prepare, std::slice::from_ref(&web))?;
    // LACP's own frames are under way all the time.
    scene.buffers_come_late(8);
    scene.expect_log("port front: member");
    wait_active(&scene, &[true, true])?;
    wait_for("the switch to agree", BOUND, || {
        Ok(match switch.agreed() {
            2 => Look::Ready(()),
            count => Look::NotYet(count.to_string()),
        })
    })?;
    let members = shown(&scene)?["members"].clone();
    for place in [0, 1] {
        let partner = members[place]["partner"].as_str();
        ensure_equal("the partner", &partner, &Some("02:00:00:00:51:00"))?;
    }
    let load = TcpLoad::new(web.target, 2000).sources(&clients(Family::V4));
    load.run(scene.client())?.check_all_answered()?;
    let frames = switch.frames();
    for (from, to) in &frames {
        if *from < 1000 || *to < 1000 {
            return Err(LabError::check("frames by member", format!("{frames:?}")));
        }
    }
    note(format_args!("frames from and to the director: {frames:?}"));
    let table = scene.director.cli(&["show", "ports"])?.text();
    let told = table.contains("802.3ad") && table.contains("02:00:00:00:51:00");
    ensure_equal(&table, &told, &true)?;
    drop(switch);
    scene.finish()
}

// SPDX-License-Identifier: Apache-2.0
//! Ports of other kinds: with tagged networks, and on another driver.
#![forbid(unsafe_code)]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use penstock_tests::lab::{
    Curl, DirectorConfig, Family, Lab, LabError, LabResult, Look, Netns, Side, TcpLoad, Topology,
    UdpLoad, VlanHost, addr, ensure_equal, skipped, wait_for,
};
use penstock_tests::scene::{Scene, ServiceText, clients, note};

const VLAN: u16 = 100;
const BOUND: Duration = Duration::from_secs(20);

/// The director, a client and a VIP of the tagged network.
fn tagged(family: Family, last: u16) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from([10, 100, 0, u8::try_from(last).unwrap_or_default()]),
        Family::V6 => IpAddr::from([0x2001, 0xdb8, 0x64, 0, 0, 0, 0, last]),
    }
}

#[test]
fn clients_of_a_tagged_network_are_served() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let mut services = Vec::new();
    for family in Family::BOTH {
        let vip = tagged(family, 50);
        let web = ServiceText::new(&format!("web{family:?}"), "tcp", family, "nat", 80);
        let dns = ServiceText::new(&format!("dns{family:?}"), "udp", family, "nat", 53);
        services.extend([web.at(vip, 80), dns.at(vip, 53)]);
    }
    let untagged = ServiceText::web("nat");
    services.push(untagged.clone());
    let adjust = |config: &mut DirectorConfig| {
        let own = Family::BOTH.map(|family| addr::with_prefix(tagged(family, 1)));
        config.ports[0].lines = format!("  [[port.vlan]]\n  id = {VLAN}\n  addresses = {own:?}\n");
    };
    let mut scene = Scene::new(Topology::default(), adjust, &services)?;
    let own = Family::BOTH.map(|family| addr::with_prefix(tagged(family, 2)));
    let host = VlanHost::start(scene.client(), VLAN, &own)?;
    for family in Family::BOTH {
        for target in [1, 50].map(|last| tagged(family, last).to_string()) {
            let args = ["-n", "-c", "3", "-i", "0.01", "-W", "5", &target];
            let text = scene.client().run("ping", &args, BOUND)?.all_text();
            ensure_equal(&text, &text.contains(" 3 received"), &true)?;
        }
        let vip = tagged(family, 50);
        let url = format!("http://{}/src", SocketAddr::new(vip, 80));
        let seen = Curl::new(&url).run(scene.client())?.text();
        let client = tagged(family, 2);
        ensure_equal(&seen, &seen.starts_with(&format!("{client}:")), &true)?;
        let url = format!("http://{}/1m", SocketAddr::new(vip, 80));
        let file = Curl::new(&url).run(scene.client())?;
        ensure_equal("length of the file", &file.body.len(), &(1 << 20))?;
        let load = TcpLoad::new(SocketAddr::new(vip, 80), 200).sources(&[client]);
        load.run(scene.client())?.check_all_answered()?;
        let load = UdpLoad::dns(SocketAddr::new(vip, 53), 100).sources(&[client]);
        load.run(scene.client())?.check_all_answered()?;
    }
    // The same port without a tag, beside it.
    TcpLoad::new(untagged.target, 100)
        .sources(&clients(Family::V4))
        .run(scene.client())?
        .check_all_answered()?;
    let count = host.tagged()?;
    if count < 2000 {
        return Err(LabError::check(
            "few frames came with a tag",
            count.to_string(),
        ));
    }
    let twin = scene
        .place()
        .run_ok("ip", &["-o", "addr", "show", "front.100"])?;
    let has_vip = twin.text().contains(&tagged(Family::V4, 50).to_string());
    ensure_equal("the VIP is on the VLAN's twin", &has_vip, &true)?;
    drop(host);
    scene.reals.settled()?;
    scene.finish()
}

#[test]
fn frames_of_an_unknown_vlan_are_dropped_by_name() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let scene = Scene::new(Topology::default(), |_| {}, &[ServiceText::web("nat")])?;
    let host = VlanHost::start(scene.client(), VLAN, &["10.100.0.2/24".to_owned()])?;
    let args = ["-n", "-c", "2", "-i", "0.01", "-W", "0.5", "10.100.0.1"];
    let text = scene.client().run("ping", &args, BOUND)?.all_text();
    ensure_equal(&text, &text.contains(" 0 received"), &true)?;
    let books = scene.settle()?;
    ensure_equal("dropped", &(books.drops_for("rx_vlan_unknown") > 0), &true)?;
    ensure_equal("answers with a tag", &host.tagged()?, &0)?;
    drop(host);
    scene.finish()
}

/// The servers' tagged network, on the clients' wire.
const BACK_VLAN: u16 = 200;
/// Its MTU; the clients' is the port's.
const BACK_MTU: u32 = 1400;

fn in_back(family: Family, last: u16) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from([10, 200, 0, u8::try_from(last).unwrap_or_default()]),
        Family::V6 => IpAddr::from([0x2001, 0xdb8, 0xc8, 0, 0, 0, 0, last]),
    }
}

/// Sends a server's answers by its tagged network, as if the smaller link was further away.
fn answer_by_vlan(place: &Netns) -> LabResult<()> {
    place.ip_batch(&format!(
        "link set v0 mtu {BACK_MTU}\n\
         route replace default via {} dev v0 advmss 1460\n\
         route replace default via {} dev v0 advmss 1440\n",
        in_back(Family::V4, 1),
        in_back(Family::V6, 1)
    ))
}

/// A router on a stick: one wire, clients on one VLAN of it, servers on another.
#[test]
fn servers_on_another_vlan_of_the_same_trunk_serve() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let services = Family::BOTH.map(|family| {
        let web = ServiceText::new(&format!("web{family:?}"), "tcp", family, "nat", 80);
        let servers = (1..=3).map(|number| SocketAddr::new(in_back(family, 10 + number), 8080));
        let servers = servers.map(|server| (server, 1)).collect();
        let web = ServiceText { servers, ..web };
        web.at(tagged(family, 50), 80)
    });
    let prepare = |lab: &Lab, config: &mut DirectorConfig| {
        let own = |network: fn(Family, u16) -> IpAddr, last| {
            Family::BOTH.map(|family| addr::with_prefix(network(family, last)))
        };
        config.ports[0].lines = format!(
            "  [[port.vlan]]\n  id = {VLAN}\n  addresses = {:?}\n\
             \n  [[port.vlan]]\n  id = {BACK_VLAN}\n  addresses = {:?}\n  mtu = {BACK_MTU}\n",
            own(tagged, 1),
            own(in_back, 1)
        );
        let mut hosts = vec![VlanHost::start(lab.client(), VLAN, &own(tagged, 2))?];
        for (place, last) in lab.reals().iter().zip(11..) {
            hosts.push(VlanHost::start(place, BACK_VLAN, &own(in_back, last))?);
            answer_by_vlan(place)?;
        }
        let routes = Family::BOTH.map(|family| {
            let via = tagged(family, 1);
            format!("route replace default via {via} dev v0\n")
        });
        lab.client().ip_batch(&routes.concat())?;
        Ok(hosts)
    };
    let (mut scene, hosts) = Scene::prepared(Topology::one_arm(), prepare, &services)?;
    for (service, family) in services.iter().zip(Family::BOTH) {
        let client = [tagged(family, 2)];
        let load = TcpLoad::new(service.target, 600).sources(&client);
        load.run(scene.client())?.check_all_answered()?;
        let url = |path: &str| format!("http://{}{path}", service.target);
        let down = Curl::new(&url("/1m")).run(scene.client())?;
        ensure_equal("length of the file", &down.body.len(), &(1 << 20))?;
        // What the clients' VLAN carries and the servers' does not is told.
        let before = scene.books()?.drops_for("mtu_exceeded");
        let up = Curl::new(&url("/upload"))
            .upload(1 << 20)
            .run(scene.client())?;
        ensure_equal("status of the upload", &up.status, &200)?;
        let told = scene.books()?.drops_for("mtu_exceeded") - before;
        ensure_equal("told of the smaller VLAN", &(told > 0), &true)?;
    }
    for host in &hosts {
        let (sent, received) = (host.sent(), host.tagged()?);
        if sent < 400 || received < 400 {
            let text = format!("{sent} sent, {received} received");
            return Err(LabError::check("few frames had their tag", text));
        }
    }
    drop(hosts);
    scene.reals.settled()?;
    scene.finish()
}

/// An access port: what has no tag, or one with a priority only, is the port's own network.
#[test]
fn a_tag_with_a_priority_only_is_none() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let web = ServiceText::web("nat");
    let scene = Scene::new(Topology::default(), |_| {}, std::slice::from_ref(&web))?;
    let client = IpAddr::from([10, 10, 0, 60]);
    let host = VlanHost::start(scene.client(), 0, &[format!("{client}/32")])?;
    scene.client().ip_batch(&format!(
        "route add {} dev v0 table 77\nrule add from {client} lookup 77\n",
        addr::network(Family::V4, Side::Client)
    ))?;
    let load = TcpLoad::new(web.target, 200).sources(&[client]);
    load.run(scene.client())?.check_all_answered()?;
    ensure_equal("requests with a priority", &(host.sent() > 800), &true)?;
    drop(host);
    scene.finish()
}

#[test]
fn an_af_xdp_port_serves() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let mut services = Vec::new();
    for family in Family::BOTH {
        services.push(ServiceText::new(
            &format!("nat{family:?}"),
            "tcp",
            family,
            "nat",
            80,
        ));
        services.push(ServiceText::new(
            &format!("dr{family:?}"),
            "tcp",
            family,
            "dr",
            80,
        ));
        services.push(ServiceText::new(
            &format!("dns{family:?}"),
            "udp",
            family,
            "nat",
            53,
        ));
    }
    let adjust = |config: &mut DirectorConfig| {
        for (number, port) in (0..).zip(&mut config.ports) {
            port.device = format!("net_af_xdp{number},iface=e{number},busy_budget=0");
        }
    };
    let mut scene = Scene::new(Topology::default(), adjust, &services)?;
    // libbpf and libxdp speak at start; a burst per port waits to be taken back.
    scene.expect_log("lib");
    scene.buffers_come_late(2 * 32);
    for service in &services {
        let family = if service.target.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        };
        if service.protocol == "udp" {
            let load = UdpLoad::dns(service.target, 100).sources(&clients(family));
            load.run(scene.client())?.check_all_answered()?;
            continue;
        }
        let each = TcpLoad::new(service.target, 1000).sources(&clients(family));
        each.run(scene.client())?.check_all_answered()?;
        let kept = TcpLoad::new(service.target, 3000)
            .keep_alive(24)
            .sources(&clients(family));
        kept.run(scene.client())?.check_all_answered()?;
        let url = format!("http://{}/1m", service.target);
        let file = Curl::new(&url).run(scene.client())?;
        ensure_equal("length of the file", &file.body.len(), &(1 << 20))?;
    }
    let ports = scene.director.show("ports")?;
    ensure_equal(
        "driver",
        &ports["ports"][0]["driver"].as_str(),
        &Some("net_af_xdp"),
    )?;
    let held = scene.start.workers.mbufs_in_use;
    note(format_args!(
        "af_xdp: {held} buffers belong to the kernel's rings"
    ));
    scene.finish()
}

/// What is too large for the servers' network is told to those who sent it, and comes in pieces
/// that fit.
#[test]
fn a_smaller_link_behind_the_director_is_discovered_by_the_clients() -> LabResult<()> {
    const MTU: u32 = 1400;
    if skipped() {
        return Ok(());
    }
    let mut services = Vec::new();
    for family in Family::BOTH {
        for forward in ["nat", "dr"] {
            let name = format!("{forward}{family:?}");
            services.push(ServiceText::new(&name, "tcp", family, forward, 80));
        }
    }
    let adjust = |config: &mut DirectorConfig| config.ports[1].lines = format!("mtu = {MTU}\n");
    let scene = Scene::new(Topology::default(), adjust, &services)?;
    for place in scene.lab.reals() {
        // As if the small link was further away: they would take more than fits.
        let via = Family::BOTH.map(|family| addr::director(family, Side::Server, 1));
        place.ip_batch(&format!(
            "link set e0 mtu {MTU}\n\
             route replace default via {} advmss 1460\n\
             route replace default via {} advmss 1440\n",
            via[0], via[1]
        ))?;
    }
    for service in &services {
        let before = scene.books()?.drops_for("mtu_exceeded");
        // Through both: what the clients send is cut, what they get fits anyway (NAT) or never
        // sees that link (DR).
        let url = |path: &str| format!("http://{}{path}", service.target);
        let up = Curl::new(&url("/upload"))
            .upload(1 << 20)
            .run(scene.client())?;
        ensure_equal("status of the upload", &up.status, &200)?;
        let down = Curl::new(&url("/1m")).run(scene.client())?;
        ensure_equal("length of the file", &down.body.len(), &(1 << 20))?;
        let told = scene.books()?.drops_for("mtu_exceeded") - before;
        note(format_args!(
            "{}: told of the smaller link {told} times",
            service.name
        ));
        // Linux keeps what it learns for each address: NAT and DR have one each.
        ensure_equal("told so", &(told > 0), &true)?;
    }
    scene.finish()
}

/// The kernel takes a software port's interface away: nobody else would say so.
#[test]
fn an_interface_that_is_removed_is_in_show_and_in_the_log() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let web = ServiceText::web("nat");
    let mut scene = Scene::new(Topology::default(), |_| {}, std::slice::from_ref(&web))?;
    scene.expect_log("port back: ");
    let load = TcpLoad::new(web.target, 100).sources(&clients(Family::V4));
    load.run(scene.client())?.check_all_answered()?;
    let state = |scene: &Scene| -> LabResult<(bool, bool)> {
        let port = scene.director.show("ports")?["ports"][1].clone();
        Ok((port["link_up"] == true, port["gone"] == true))
    };
    ensure_equal("link, gone", &state(&scene)?, &(true, false))?;
    scene.lab.switch().ip_batch("link set d1-e1 down\n")?;
    let wait = |scene: &Scene, wanted: (bool, bool)| {
        wait_for("the state of the port", BOUND, || {
            let seen = state(scene)?;
            Ok(if seen == wanted {
                Look::Ready(())
            } else {
                Look::NotYet(format!("{seen:?}"))
            })
        })
    };
    wait(&scene, (false, false))?;
    scene.place().ip_batch("link del e1\n")?;
    wait(&scene, (false, true))?;
    wait_for("the log", BOUND, || {
        let log = scene.director.process().log()?;
        let said = log.contains("port back: its Linux interface is gone");
        Ok(if said {
            Look::Ready(())
        } else {
            Look::NotYet(log)
        })
    })?;
    let table = scene.director.cli(&["show", "ports"])?.text();
    let row = table.lines().find(|line| line.starts_with("back"));
    ensure_equal(
        &table,
        &row.is_some_and(|row| row.contains(" gone ")),
        &true,
    )?;
    scene.finish()
}

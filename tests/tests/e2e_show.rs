// SPDX-License-Identifier: Apache-2.0
//! `penstock show`, as people and as programs read it.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use penstock_tests::lab::{
    DirectorConfig, Family, HttpConnection, LabError, LabResult, Look, TcpLoad, Topology, UdpEcho,
    UdpLoad, addr, ensure_equal, skipped, wait_for,
};
use penstock_tests::scene::{Scene, ServiceText, real_at};
use serde_json::Value;

const BOUND: Duration = Duration::from_secs(10);

fn services() -> Vec<ServiceText> {
    vec![
        ServiceText::web("nat")
            .scheduler("wrr")
            .only(&[(1, 3), (2, 1)]),
        ServiceText::new("web6", "tcp", Family::V6, "dr", 80),
        ServiceText::new("echo", "udp", Family::V4, "nat", 7).only(&[(3, 1)]),
    ]
}

/// A scene with a held TCP connection over each family, and one UDP flow.
fn held() -> LabResult<(Scene, Vec<HttpConnection>)> {
    let services = services();
    let scene = Scene::new(Topology::default(), |_| {}, &services)?;
    let mut held = Vec::new();
    for service in &services[..2] {
        let mut connection = HttpConnection::open(scene.client(), service.target, BOUND)?;
        connection
            .get("/")
            .map_err(|failed| LabError::check("the held connection", failed.reason))?;
        held.push(connection);
    }
    let echo = UdpEcho::start(&scene.lab.reals()[2], &[real_at(Family::V4, 3, 7)])?;
    let load = UdpLoad::echo(services[2].target, 10, 64).few_sockets();
    load.threads(1).run(scene.client())?.check_all_answered()?;
    drop(echo);
    Ok((scene, held))
}

/// A table's cells, by its header's columns, which two blanks part.
fn table(text: &str) -> (Vec<String>, Vec<String>) {
    let mut lines = text.lines();
    let cells = |line: &str| -> Vec<String> {
        let cells = line.split("  ").map(str::trim);
        cells
            .filter(|cell| !cell.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let header = cells(lines.next().unwrap_or_default());
    (header, lines.map(str::to_owned).collect())
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .collect()
}

fn has_keys(what: &str, value: &Value, wanted: &[&str]) -> LabResult<()> {
    let keys = keys(value);
    let missing: Vec<&&str> = wanted.iter().filter(|key| !keys.contains(**key)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(LabError::check(
        format!("{what} lacks {missing:?}"),
        value.to_string(),
    ))
}

fn shown(scene: &Scene, what: &str) -> LabResult<String> {
    Ok(scene.director.cli(&["show", what])?.success()?.text())
}

/// The line of a table with all these words.
fn line_with<'a>(lines: &'a [String], words: &[&str]) -> LabResult<&'a str> {
    let found = lines
        .iter()
        .find(|line| words.iter().all(|word| line.contains(word)));
    found
        .map(String::as_str)
        .ok_or_else(|| LabError::check(format!("no line with {words:?}"), lines.join("\n")))
}

const TRAFFIC: [&str; 7] = [
    "connections",
    "packets_in",
    "packets_out",
    "bytes_in",
    "bytes_out",
    "active",
    "inactive",
];

#[test]
fn services_and_servers_are_shown() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let (scene, held) = held()?;
    let json = scene.director.show("services")?;
    let list = json["services"].as_array().cloned().unwrap_or_default();
    let names: Vec<Option<&str>> = list
        .iter()
        .map(|service| service["name"].as_str())
        .collect();
    ensure_equal(
        "the order of the file",
        &names,
        &vec![Some("web"), Some("web6"), Some("echo")],
    )?;
    for service in &list {
        has_keys("a service", service, &TRAFFIC)?;
        let fields = [
            "protocol",
            "address",
            "port",
            "scheduler",
            "forward",
            "flows",
            "servers",
        ];
        has_keys("a service", service, &fields)?;
    }
    ensure_equal("forward", &list[1]["forward"], &Value::from("dr"))?;
    ensure_equal("active", &list[0]["active"], &Value::from(1))?;
    ensure_equal(
        "UDP counts as inactive",
        &list[2]["inactive"],
        &Value::from(1),
    )?;
    let (header, lines) = table(&shown(&scene, "services")?);
    let wanted = [
        "service",
        "listen",
        "scheduler",
        "forward",
        "weight",
        "state",
        "active",
        "inactive",
        "connections",
        "packets in",
        "packets out",
        "bytes in",
        "bytes out",
    ];
    ensure_equal("columns", &header, &wanted.map(str::to_owned).to_vec())?;
    line_with(&lines, &["web ", "tcp://10.10.0.100:80", "wrr", "nat"])?;
    line_with(&lines, &["-> 10.20.0.11:8080", "nat", " 3 ", "live"])?;
    line_with(&lines, &["tcp://[2001:db8:10::101]:80", "dr"])?;

    servers_are_shown(&scene)?;
    drop(held);
    scene.finish()
}

fn servers_are_shown(scene: &Scene) -> LabResult<()> {
    let json = scene.director.show("servers")?;
    let list = json["servers"].as_array().cloned().unwrap_or_default();
    ensure_equal("servers", &list.len(), &6)?;
    for server in &list {
        has_keys("a server", server, &TRAFFIC)?;
        let fields = ["service", "address", "port", "forward", "weight", "state"];
        has_keys("a server", server, &fields)?;
    }
    let (header, lines) = table(&shown(scene, "servers")?);
    ensure_equal(
        "first columns",
        &header[..5].join(" "),
        &"service server forward weight state".to_owned(),
    )?;
    ensure_equal("a line each", &lines.len(), &6)?;
    line_with(&lines, &["web6", "[2001:db8:20::12]:80", "dr", "live"])?;
    Ok(())
}

#[test]
fn a_held_connection_is_listed_with_its_ends_and_state() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let (scene, held) = held()?;
    let json = scene.director.show("connections")?;
    ensure_equal("truncated", &json["truncated"], &Value::from(false))?;
    let list = json["connections"].as_array().cloned().unwrap_or_default();
    ensure_equal("connections", &list.len(), &3)?;
    let services = services();
    for (connection, service) in held.iter().zip(&services) {
        let client = connection
            .local()
            .map(|local| local.to_string())
            .unwrap_or_default();
        let seen = list
            .iter()
            .find(|seen| seen["client"].as_str() == Some(&client));
        let seen = seen.ok_or_else(|| LabError::check(format!("no {client}"), json.to_string()))?;
        let fields = [
            "protocol",
            "client",
            "virtual_service",
            "server",
            "state",
            "expires_s",
            "packets",
            "worker",
        ];
        ensure_equal("fields", &keys(seen), &fields.into())?;
        ensure_equal("state", &seen["state"], &Value::from("ESTABLISHED"))?;
        let target = service.target.to_string();
        ensure_equal(
            "service",
            &seen["virtual_service"].as_str(),
            &Some(target.as_str()),
        )?;
        let server = seen["server"].as_str().unwrap_or_default().to_owned();
        let known = service
            .servers
            .iter()
            .any(|(address, _)| address.to_string() == server);
        ensure_equal(&format!("{server} is a server"), &known, &true)?;
        let expires = seen["expires_s"].as_u64().unwrap_or_default();
        ensure_equal("900 s and counting", &(880..=900).contains(&expires), &true)?;
    }
    let udp = list.iter().find(|seen| seen["protocol"] == "udp");
    let udp = udp.ok_or_else(|| LabError::check("no UDP flow", json.to_string()))?;
    ensure_equal("UDP", &udp["state"], &Value::from("UDP"))?;
    ensure_equal("its packets", &udp["packets"], &Value::from(10))?;
    let (header, lines) = table(&shown(&scene, "connections")?);
    let wanted = "protocol expires s state client virtual service server packets worker";
    ensure_equal("columns", &header.join(" "), &wanted.to_owned())?;
    line_with(&lines, &["ESTABLISHED", "10.10.0.100:80"])?;
    // Closed by the client: it is over, and still remembered.
    drop(held);
    wait_for("the connections to end", BOUND, || {
        let text = shown(&scene, "connections")?;
        let over = !text.contains("ESTABLISHED");
        Ok(if over {
            Look::Ready(())
        } else {
            Look::NotYet(text)
        })
    })?;
    scene.finish()
}

#[test]
fn long_lists_of_connections_are_cut_where_asked() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let adjust = |config: &mut DirectorConfig| config.workers = "0-1".into();
    let topology = Topology::default().queues(2);
    let scene = Scene::new(topology, adjust, &[ServiceText::web("nat")])?;
    let web = SocketAddr::new(addr::vip(Family::V4, 0), 80);
    let sources = penstock_tests::scene::clients(Family::V4);
    let load = TcpLoad::new(web, 3000).sources(&sources);
    load.run(scene.client())?.check_all_answered()?;
    for (limit, wanted, truncated) in [
        ("10", 10, true),
        ("2999", 2999, true),
        ("3000", 3000, false),
    ] {
        let args = ["show", "connections", "--json", "--limit", limit];
        let text = scene.director.cli(&args)?.success()?.text();
        let json: Value = serde_json::from_str(&text)
            .map_err(|error| LabError::output("show connections", error, &text))?;
        let list = json["connections"].as_array().cloned().unwrap_or_default();
        ensure_equal(&format!("listed of at most {limit}"), &list.len(), &wanted)?;
        ensure_equal(
            &format!("cut at {limit}"),
            &json["truncated"].as_bool(),
            &Some(truncated),
        )?;
        let clients: BTreeSet<&str> = list
            .iter()
            .filter_map(|one| one["client"].as_str())
            .collect();
        ensure_equal("each once", &clients.len(), &wanted)?;
    }
    let text = scene
        .director
        .cli(&["show", "connections", "--limit", "5"])?
        .text();
    ensure_equal(
        "the hint",
        &text.contains("there are more; raise --limit"),
        &true,
    )?;
    scene.finish()
}

#[test]
fn workers_ports_and_drops_are_shown() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let (scene, held) = held()?;
    // One drop, of a reason that is certain: nothing answers for the TTL.
    let args = [
        "-n",
        "-c",
        "1",
        "-t",
        "1",
        "-W",
        "1",
        &addr::real(Family::V4, 1).to_string(),
    ]
    .map(str::to_owned);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    scene.client().run("ping", &args, BOUND)?;
    drops_are_shown(&scene)?;
    workers_are_shown(&scene)?;
    ports_are_shown(&scene)?;
    drop(held);
    scene.finish()
}

fn drops_are_shown(scene: &Scene) -> LabResult<()> {
    let json = scene.director.show("drops")?;
    let drops = json["drops"].as_array().cloned().unwrap_or_default();
    let one = drops.iter().find(|drop| drop["reason"] == "ttl_expired");
    let one = one.ok_or_else(|| LabError::check("no ttl_expired", json.to_string()))?;
    ensure_equal(
        "fields",
        &keys(one),
        &["worker", "reason", "count", "explanation"].into(),
    )?;
    ensure_equal("count", &one["count"], &Value::from(1))?;
    let (header, lines) = table(&shown(scene, "drops")?);
    ensure_equal(
        "columns",
        &header.join(" "),
        &"worker reason count meaning".to_owned(),
    )?;
    line_with(
        &lines,
        &["ttl_expired", "The TTL or hop limit ran out here."],
    )?;
    Ok(())
}

fn workers_are_shown(scene: &Scene) -> LabResult<()> {
    let json = scene.director.show("workers")?;
    let fields = [
        "workers",
        "mbufs_in_use",
        "mbufs_total",
        "snapshots_retired",
        "twin_delivered",
        "twin_refused",
        "twin_inject_dropped",
    ];
    ensure_equal("fields of workers", &keys(&json), &fields.into())?;
    let fields = [
        "id",
        "cpu",
        "flows",
        "flows_max",
        "flows_orphaned",
        "rx",
        "tx",
        "injected",
        "punted",
        "redirected_in",
        "redirected_out",
        "generated",
        "absorbed",
        "held",
        "dropped",
        "polls",
        "polls_idle",
        "sleeps",
        "connections",
    ];
    has_keys("a worker", &json["workers"][0], &fields)?;
    let text = shown(scene, "workers")?;
    for word in ["worker 0", "packet buffers: ", "twins: ", "flows_max"] {
        ensure_equal(word, &text.contains(word), &true)?;
    }
    Ok(())
}

fn ports_are_shown(scene: &Scene) -> LabResult<()> {
    let json = scene.director.show("ports")?;
    let fields = [
        "name",
        "device",
        "driver",
        "mac",
        "mtu",
        "link_up",
        "gone",
        "bond",
        "members",
        "rx_queues",
        "tx_queues",
        "rx_queues_max",
        "tx_queues_max",
        "spread",
        "rx_packets",
        "tx_packets",
        "rx_missed",
        "rx_no_mbuf",
        "rx_errors",
        "tx_errors",
    ];
    ensure_equal("fields of a port", &keys(&json["ports"][0]), &fields.into())?;
    ensure_equal(
        "driver",
        &json["ports"][0]["driver"],
        &Value::from("net_af_packet"),
    )?;
    ensure_equal(
        "MAC",
        &json["ports"][1]["mac"],
        &Value::from("02:00:00:00:d1:01"),
    )?;
    let drivers = json["drivers"].as_array().cloned().unwrap_or_default();
    for driver in [
        "net_af_packet",
        "net_af_xdp",
        "net_ixgbe",
        "net_ice",
        "net_virtio",
        "mlx5_eth",
    ] {
        ensure_equal(driver, &drivers.contains(&Value::from(driver)), &true)?;
    }
    let (_, lines) = table(&shown(scene, "ports")?);
    line_with(
        &lines,
        &["front", "net_af_packet0,iface=e0", "up", "1 of 1", "single"],
    )?;
    Ok(())
}

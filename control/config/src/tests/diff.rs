// SPDX-License-Identifier: Apache-2.0
//! From one file to the next.

use model::op::Op;

use super::{DIRECTOR, config};
use crate::diff;

/// `(name, listen, servers)`, each server `address` or `address weight`.
type Web<'a> = (&'a str, &'a str, &'a [&'a str]);

fn file(services: &[Web<'_>]) -> String {
    let mut text = DIRECTOR.to_owned();
    for (name, listen, servers) in services {
        text.push_str(&format!(
            "[[service]]\nname = \"{name}\"\nlisten = \"{listen}\"\nscheduler = \"rr\"\n\
             forward = \"nat\"\n"
        ));
        for server in *servers {
            let (address, weight) = server.split_once(' ').unwrap_or((server, "1"));
            text.push_str(&format!(
                "[[service.server]]\naddress = \"{address}\"\nweight = {weight}\n"
            ));
        }
    }
    text
}

/// Operations in short, and the summary.
fn changes(old: &str, new: &str) -> (Vec<String>, Vec<String>) {
    let diff = diff(&config(old), &config(new));
    assert_eq!(diff.restart, [""; 0]);
    (diff.ops.iter().map(short).collect(), diff.summary)
}

fn short(op: &Op) -> String {
    match op {
        Op::AddService { key, spec } => format!("add {key} {}", spec.scheduler.name()),
        Op::EditService { key, spec } => format!("edit {key} {}", spec.scheduler.name()),
        Op::DeleteService { key } => format!("delete {key}"),
        Op::AddReal { real, spec, .. } => {
            format!("add {real} {} {}", spec.mode.name(), spec.weight.get())
        }
        Op::EditReal { real, spec, .. } => {
            format!("edit {real} {} {}", spec.mode.name(), spec.weight.get())
        }
        Op::DeleteReal { real, .. } => format!("delete {real}"),
        Op::DrainReal { real, .. } => format!("drain {real}"),
        Op::SetTimeouts {
            tcp_s,
            tcp_fin_s,
            udp_s,
        } => format!("timeouts {tcp_s} {tcp_fin_s} {udp_s}"),
    }
}

#[track_caller]
fn expect(old: &str, new: &str, ops: &[&str], summary: &[&str]) {
    let found = changes(old, new);
    assert_eq!(found.0, ops);
    assert_eq!(found.1, summary);
}

const A: &str = "tcp://192.0.2.1:80";
const B: &str = "tcp://192.0.2.2:80";

#[test]
fn the_same_file_changes_nothing() {
    let text = file(&[("a", A, &["10.0.0.1", "10.0.0.2 3"]), ("b", B, &[])]);
    let config = config(&text);
    assert!(diff(&config, &config).is_empty());
}

#[test]
fn a_server_added_is_added() {
    expect(
        &file(&[("a", A, &["10.0.0.1"])]),
        &file(&[("a", A, &["10.0.0.1", "10.0.0.2:81 3"])]),
        &["add 10.0.0.2:81 nat 3"],
        &["+ server 10.0.0.2:81 in a (weight 3, nat)"],
    );
}

#[test]
fn a_server_removed_drains() {
    expect(
        &file(&[("a", A, &["10.0.0.1", "10.0.0.2"])]),
        &file(&[("a", A, &["10.0.0.2"])]),
        &["drain 10.0.0.1:80"],
        &["- server 10.0.0.1:80 in a (drains)"],
    );
}

#[test]
fn a_weight_changed_is_an_edit_of_that_server_alone() {
    expect(
        &file(&[("a", A, &["10.0.0.1 1", "10.0.0.2 2"])]),
        &file(&[("a", A, &["10.0.0.1 3", "10.0.0.2 2"])]),
        &["edit 10.0.0.1:80 nat 3"],
        &["~ server 10.0.0.1:80 in a: weight 1 -> 3"],
    );
}

#[test]
fn a_server_on_another_port_is_another_server() {
    expect(
        &file(&[("a", A, &["10.0.0.1:80"])]),
        &file(&[("a", A, &["10.0.0.1:81"])]),
        &["drain 10.0.0.1:80", "add 10.0.0.1:81 nat 1"],
        &[
            "- server 10.0.0.1:80 in a (drains)",
            "+ server 10.0.0.1:81 in a (weight 1, nat)",
        ],
    );
}

#[test]
fn servers_in_another_order_are_the_same_servers() {
    expect(
        &file(&[("a", A, &["10.0.0.1", "10.0.0.2"]), ("b", B, &[])]),
        &file(&[("b", B, &[]), ("a", A, &["10.0.0.2", "10.0.0.1"])]),
        &[],
        &[],
    );
}

#[test]
fn a_method_changed_is_an_edit_of_every_server_that_inherits_it() {
    let old = file(&[("a", A, &["10.0.0.1", "10.0.0.2"])]) + "forward = \"nat\"\n";
    let new = old.replacen("forward = \"nat\"", "forward = \"dr\"", 1);
    expect(
        &old,
        &new,
        &["edit 10.0.0.1:80 dr 1"],
        &[
            "~ service a: forward nat -> dr",
            "~ server 10.0.0.1:80 in a: forward nat -> dr",
        ],
    );
}

#[test]
fn a_scheduler_changed_is_an_edit_of_the_service() {
    let old = file(&[("a", A, &["10.0.0.1"])]);
    expect(
        &old,
        &old.replace("\"rr\"", "\"wlc\""),
        &["edit tcp://192.0.2.1:80 wlc"],
        &["~ service a: scheduler rr -> wlc"],
    );
}

#[test]
fn a_service_renamed_is_the_same_service() {
    expect(
        &file(&[("a", A, &["10.0.0.1"])]),
        &file(&[("z", A, &["10.0.0.1"])]),
        &["edit tcp://192.0.2.1:80 rr"],
        &["~ service z: name a -> z"],
    );
}

#[test]
fn a_service_on_another_address_is_another_service() {
    expect(
        &file(&[("a", A, &["10.0.0.1"])]),
        &file(&[("a", B, &["10.0.0.1"])]),
        &[
            "delete tcp://192.0.2.1:80",
            "add tcp://192.0.2.2:80 rr",
            "add 10.0.0.1:80 nat 1",
        ],
        &[
            "- service a tcp://192.0.2.1:80",
            "+ service a tcp://192.0.2.2:80 (rr, nat)",
            "+ server 10.0.0.1:80 in a (weight 1, nat)",
        ],
    );
}

#[test]
fn deletions_come_before_additions() {
    let old = file(&[("a", A, &["10.0.0.1"])]);
    let new = file(&[("n", B, &["10.0.0.1"]), ("m", "udp://192.0.2.1:53", &[])]);
    let (ops, _) = changes(&old, &new);
    assert_eq!(ops[0], "delete tcp://192.0.2.1:80");
    assert_eq!(ops.len(), 4);
}

#[test]
fn timeouts_changed_are_one_operation() {
    expect(
        DIRECTOR,
        &format!("{DIRECTOR}[timeouts]\ntcp_s = 60\nudp_s = 5\n"),
        &["timeouts 60 120 5"],
        &["~ timeouts.tcp_s 900 -> 60", "~ timeouts.udp_s 300 -> 5"],
    );
}

#[test]
fn limits_and_drains_have_lines_and_no_operations() {
    let old = file(&[("a", A, &["10.0.0.1"])]);
    let new = old.replace("name = \"a\"", "name = \"a\"\ndrain_s = 9");
    expect(&old, &new, &[], &["~ service a: drain_s default -> 9"]);
    let new = format!(
        "{DIRECTOR}drain_s = 3\n[limits]\nicmp_errors_per_s = 5\npunt_pps.icmp = 1\n\
                 [lvs]\nsecure_tcp = 3\nsloppy_tcp = true\n"
    );
    expect(
        DIRECTOR,
        &new,
        &[],
        &[
            "~ director.drain_s 0 -> 3",
            "~ limits.icmp_errors_per_s 1000 -> 5",
            "~ limits.punt_pps.icmp 500 -> 1",
            "~ lvs.secure_tcp 0 -> 3",
            "~ lvs.sloppy_tcp 0 -> 1",
        ],
    );
}

#[test]
fn keys_of_the_director_need_a_restart() {
    let new = "[director]\nname = \"lb2\"\nworkers = \"1-4\"\ncontrol_cpu = \"0\"\n\
               idle = \"adaptive\"\nflows_max = 2000\nmemory_mib = 64\nhuge_pages = \"never\"\n\
               [api]\nsocket = \"/tmp/s\"\n";
    let diff = diff(&config(DIRECTOR), &config(new));
    assert_eq!(
        diff.restart,
        [
            "director.name: lb1 -> lb2",
            "director.workers: 1-2 -> 1-4",
            "director.control_cpu: unset -> 0",
            "director.idle: poll -> adaptive",
            "director.flows_max: 1000000 -> 2000",
            "director.memory_mib: unset -> 64",
            "director.huge_pages: auto -> never",
            "api.socket: /run/penstock/penstock.sock -> /tmp/s",
        ]
    );
    assert!(diff.ops.is_empty() && diff.summary.is_empty());
}

#[test]
fn keys_of_ports_need_a_restart() {
    let old = format!(
        "{DIRECTOR}[[port]]\nname = \"a\"\ndevice = \"net_null0\"\n\
         [[port]]\nname = \"gone\"\ndevice = \"net_null1\"\n"
    );
    let new = format!(
        "{DIRECTOR}[[port]]\nname = \"new\"\ndevice = \"net_null2\"\n\
         [[port]]\nname = \"a\"\ndevice = \"net_tap0\"\nqueues = 1\nmtu = 1400\n\
         addresses = [\"10.0.0.1/8\"]\npromiscuous = true\nvlan = [{{ id = 5 }}]\n"
    );
    let diff = diff(&config(&old), &config(&new));
    assert_eq!(
        diff.restart,
        [
            "port.gone: net_null1 -> removed",
            "port.new: none -> net_null2",
            "port.a.device: net_null0 -> net_tap0",
            "port.a.queues: 2 -> 1",
            "port.a.addresses: [] -> [10.0.0.1/8]",
            "port.a.mtu: 1500 -> 1400",
            "port.a.promiscuous: false -> true",
            "port.a.vlan: [] -> [5 [] mtu 1400]",
        ]
    );
}

#[test]
fn what_needs_a_restart_is_still_to_do_after_the_rest_was_applied() {
    let old = config(&file(&[("a", A, &["10.0.0.1"])]));
    let text = file(&[("a", A, &["10.0.0.2"])]);
    let new = config(&text.replace("\"1-2\"", "\"1\"\ndrain_s = 4\n[timeouts]\ntcp_s = 5\n"));
    let running = old.with_live_of(&new);
    let again = diff(&running, &new);
    assert_eq!(again.restart, ["director.workers: 1-2 -> 1"]);
    assert!(again.ops.is_empty() && again.summary.is_empty());
}

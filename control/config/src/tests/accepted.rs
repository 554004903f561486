// SPDX-License-Identifier: Apache-2.0
//! Files that pass, and what they mean.

use std::path::Path;

use model::op::Op;
use model::service::{ForwardMode, Protocol, SchedulerKind};
use model::snapshot::{PUNT_CLASSES, TCP_ESTABLISHED, TCP_FIN_WAIT, Timeouts, Tunables};

use super::{DIRECTOR, PORT, SERVER, SERVICE, config, good};
use crate::{Device, HugePages, Idle};

#[test]
fn the_smallest_file_has_a_name_and_workers() {
    let config = config(DIRECTOR);
    assert_eq!(config.director.name, "lb1");
    assert_eq!(config.director.workers.as_slice(), [1, 2]);
    assert!(config.ports.is_empty() && config.services.is_empty());
}

#[test]
fn defaults_of_the_director_hold_without_their_keys() {
    let director = config(DIRECTOR).director;
    assert_eq!(director.idle, Idle::Poll);
    assert_eq!(director.huge_pages, HugePages::Auto);
    assert_eq!(director.flows_max, 1_000_000);
    assert_eq!(director.drain_s, 0);
    assert_eq!((director.control_cpu, director.memory_mib), (None, None));
}

#[test]
fn the_socket_has_a_default() {
    assert_eq!(
        config(DIRECTOR).api.socket,
        Path::new("/run/penstock/penstock.sock")
    );
}

#[test]
fn default_timeouts_are_those_of_the_kernel() {
    let timeouts = config(DIRECTOR).timeouts;
    let kernel = Timeouts::default();
    assert_eq!(timeouts.tcp_s * 1000, kernel.tcp_ms[TCP_ESTABLISHED]);
    assert_eq!(timeouts.tcp_fin_s * 1000, kernel.tcp_ms[TCP_FIN_WAIT]);
    assert_eq!(timeouts.udp_s * 1000, kernel.udp_ms);
}

#[test]
fn default_tunables_are_those_of_the_model() {
    assert_eq!(config(DIRECTOR).tunables(), Tunables::default());
}

#[test]
fn every_key_of_lvs_is_the_tunable_of_its_name() {
    let of = |line: &str| config(&format!("{DIRECTOR}[lvs]\n{line}\n")).tunables();
    for (line, name, value) in [
        ("amemthresh = 0", "amemthresh", 0),
        ("am_droprate = 7", "am_droprate", 7),
        ("conn_reuse_mode = 2", "conn_reuse_mode", 2),
        ("drop_entry = 1", "drop_entry", 1),
        ("drop_packet = 2", "drop_packet", 2),
        ("expire_nodest_conn = true", "expire_nodest_conn", 1),
        (
            "expire_quiescent_template = true",
            "expire_quiescent_template",
            1,
        ),
        ("nat_icmp_send = true", "nat_icmp_send", 1),
        ("secure_tcp = 3", "secure_tcp", 3),
        ("sloppy_sctp = true", "sloppy_sctp", 1),
        ("sloppy_tcp = true", "sloppy_tcp", 1),
    ] {
        let mut one = Tunables::default();
        assert!(one.set_sysctl(name, value));
        assert_ne!(one, Tunables::default(), "{line}");
        assert_eq!(of(line), one, "{line}");
    }
    let text = format!("{DIRECTOR}[limits]\nnew_flows_per_s = 9\n");
    assert_eq!(config(&text).tunables().new_flows_per_s, 9);
}

#[test]
fn default_punt_rates_hold_class_by_class() {
    let punt = config(DIRECTOR).limits.punt_pps;
    let rates = [punt.arp_nd, punt.local, punt.icmp];
    assert_eq!(rates, [1000, 5000, 500]);
    let rates = [punt.multicast, punt.unroutable, punt.other];
    assert_eq!(rates, [500, 200, 200]);
}

#[test]
fn punt_rates_reach_the_tunables_in_the_order_of_the_models_classes() {
    for (place, class) in PUNT_CLASSES.iter().enumerate() {
        let text = format!("{DIRECTOR}[limits.punt_pps]\n{class} = 7\n");
        let tunables = config(&text).tunables();
        assert_eq!(tunables.punt_pps[place], 7, "{class}");
    }
}

#[test]
fn punt_rates_can_be_an_inline_table() {
    let text = format!("{DIRECTOR}[limits]\npunt_pps = {{ icmp = 7, other = 9 }}\n");
    let punt = config(&text).limits.punt_pps;
    assert_eq!((punt.icmp, punt.other, punt.local), (7, 9, 5000));
}

#[test]
fn punt_rates_can_be_a_table_of_their_own() {
    let text = format!("{DIRECTOR}[limits.punt_pps]\narp_nd = 5\n");
    assert_eq!(config(&text).limits.punt_pps.arp_nd, 5);
}

#[test]
fn every_key_of_the_director_is_read() {
    let text = "[director]\nname = \"lb-2.example\"\nworkers = \"5,1-3\"\ncontrol_cpu = \"0\"\n\
                idle = \"adaptive\"\nflows_max = 1_000\nmemory_mib = 64\n\
                huge_pages = \"require\"\ndrain_s = 30\n[api]\nsocket = \"/tmp/x.sock\"\n\
                [timeouts]\ntcp_s = 1\ntcp_fin_s = 2\nudp_s = 3\n\
                [limits]\nicmp_errors_per_s = 0\n";
    let config = config(text);
    let director = &config.director;
    assert_eq!(director.workers.as_slice(), [5, 1, 2, 3]);
    assert_eq!(director.control_cpu.as_ref().unwrap().to_string(), "0");
    assert_eq!(director.idle, Idle::Adaptive);
    assert_eq!((director.flows_max, director.memory_mib), (1000, Some(64)));
    assert_eq!(director.huge_pages, HugePages::Require);
    assert_eq!(director.drain_s, 30);
    assert_eq!(config.api.socket, Path::new("/tmp/x.sock"));
    let timeouts = config.timeouts;
    assert_eq!(
        (timeouts.tcp_s, timeouts.tcp_fin_s, timeouts.udp_s),
        (1, 2, 3)
    );
    assert_eq!(config.tunables().icmp_errors_per_s, 0);
}

#[test]
fn a_port_has_a_queue_for_each_worker_unless_it_says_otherwise() {
    let text = format!("{DIRECTOR}[[port]]\nname = \"a\"\ndevice = \"net_null0\"\n");
    let port = config(&text).ports.remove(0);
    assert_eq!((port.queues, port.mtu, port.promiscuous), (2, 1500, false));
    assert_eq!(port.device, Device::Virtual("net_null0".to_owned()));
    assert!(port.addresses.is_empty() && port.vlans.is_empty());
}

#[test]
fn a_vlan_takes_the_mtu_of_its_port() {
    let text = format!(
        "{DIRECTOR}{PORT}mtu = 9000\n[[port.vlan]]\nid = 7\naddresses = [\"10.7.0.1/16\"]\n\
         [[port.vlan]]\nid = 8\nmtu = 1400\n"
    );
    let port = config(&text).ports.remove(0);
    let vlans: Vec<_> = port.vlans.iter().map(|v| (v.id, v.mtu)).collect();
    assert_eq!(vlans, [(7, 9000), (8, 1400)]);
    assert_eq!(port.vlan_name(&port.vlans[0]), "front.7");
}

#[test]
fn a_service_of_the_design_page_is_read() {
    let text = format!("{DIRECTOR}{PORT}{SERVICE}{SERVER}weight = 3\n");
    let parsed = good(&text);
    assert!(parsed.warnings.is_empty(), "{:?}", parsed.warnings);
    let service = &parsed.config.services[0];
    assert_eq!(service.key.to_string(), "tcp://192.0.2.10:80");
    assert_eq!(service.protocol(), Some(Protocol::Tcp));
    assert_eq!(service.scheduler, SchedulerKind::Wlc);
    assert_eq!(service.forward, ForwardMode::Nat);
    let server = &service.servers[0];
    assert_eq!(server.key.to_string(), "10.0.0.11:8080");
    assert_eq!((server.weight.get(), server.forward), (3, ForwardMode::Nat));
}

#[test]
fn services_on_networks_ranges_and_marks_are_read() {
    for listen in [
        "tcp://192.0.2.10:8000-8099",
        "tcp://192.0.2.10:*",
        "udp://192.0.2.0/24:53",
        "udp://192.0.2.0/24:*",
        "sctp://[2001:db8::10]:5060",
        "tcp://[2001:db8::/64]:80-81",
        "tcp://[2001:db8::10]:*",
        "mark://5",
        "mark6://4294967295",
    ] {
        let text = format!(
            "{DIRECTOR}[[service]]\nname = \"wide\"\nlisten = \"{listen}\"\n\
             scheduler = \"rr\"\nforward = \"nat\"\n"
        );
        let service = config(&text).services.remove(0);
        assert_eq!(service.key.to_string(), listen);
    }
}

#[test]
fn a_server_of_every_port_keeps_the_port() {
    let text = format!(
        "{DIRECTOR}[[service]]\nname = \"wide\"\nlisten = \"tcp://192.0.2.10:*\"\n\
         scheduler = \"rr\"\nforward = \"dr\"\n[[service.server]]\naddress = \"10.0.0.11\"\n"
    );
    assert_eq!(config(&text).services[0].servers[0].key.rport, 0);
}

#[test]
fn a_server_without_a_port_takes_that_of_its_service() {
    let text = format!("{DIRECTOR}{SERVICE}[[service.server]]\naddress = \"10.0.0.11\"\n");
    let server = config(&text).services[0].servers[0];
    assert_eq!((server.key.rport, server.weight.get()), (80, 1));
}

#[test]
fn ipv6_servers_are_written_with_and_without_brackets() {
    let text = format!(
        "{DIRECTOR}[[service]]\nname = \"dns\"\nlisten = \"udp://[2001:db8::10]:53\"\n\
         scheduler = \"rr\"\nforward = \"nat\"\n\
         [[service.server]]\naddress = \"2001:db8:1::1\"\n\
         [[service.server]]\naddress = \"[2001:db8:1::2]\"\n\
         [[service.server]]\naddress = \"[2001:db8:1::3]:5353\"\n"
    );
    let service = config(&text).services.remove(0);
    let servers = service.servers.iter().map(|s| s.key.to_string());
    let servers: Vec<String> = servers.collect();
    assert_eq!(service.protocol(), Some(Protocol::Udp));
    assert_eq!(
        servers,
        [
            "[2001:db8:1::1]:53",
            "[2001:db8:1::2]:53",
            "[2001:db8:1::3]:5353"
        ]
    );
}

#[test]
fn a_server_may_be_forwarded_to_in_another_way_than_its_service() {
    let text = format!(
        "{DIRECTOR}{SERVICE}{SERVER}[[service.server]]\naddress = \"10.0.0.12\"\nforward = \"dr\"\n"
    );
    let servers = config(&text).services.remove(0).servers;
    let modes: Vec<_> = servers.iter().map(|server| server.forward).collect();
    assert_eq!(modes, [ForwardMode::Nat, ForwardMode::Dr]);
}

#[test]
fn one_server_may_have_two_ports() {
    let text =
        format!("{DIRECTOR}{SERVICE}{SERVER}[[service.server]]\naddress = \"10.0.0.11:81\"\n");
    assert_eq!(config(&text).services[0].servers.len(), 2);
}

#[test]
fn one_address_and_port_may_serve_tcp_and_udp() {
    let text = format!(
        "{DIRECTOR}{SERVICE}{SERVER}[[service]]\nname = \"quic\"\n\
         listen = \"udp://192.0.2.10:80\"\nscheduler = \"rr\"\nforward = \"nat\"\n"
    );
    assert_eq!(config(&text).services.len(), 2);
}

#[test]
fn a_service_address_may_be_that_of_a_port() {
    let text = format!(
        "{DIRECTOR}{PORT}[[service]]\nname = \"web\"\nlisten = \"tcp://192.0.2.2:80\"\n\
         scheduler = \"rr\"\nforward = \"nat\"\n{SERVER}"
    );
    assert!(good(&text).warnings.is_empty());
}

#[test]
fn the_drain_of_a_service_overrides_the_directors() {
    let text = |own: &str| format!("{DIRECTOR}drain_s = 30\n{SERVICE}{own}{SERVER}");
    for (own, expected) in [
        ("", Some(30)),
        ("drain_s = 5\n", Some(5)),
        ("drain_s = 0\n", None),
    ] {
        let config = config(&text(own));
        let key = config.services[0].key;
        assert_eq!(config.drain_s(&key), expected, "{own}");
    }
}

#[test]
fn operations_follow_the_order_of_the_file() {
    let text = format!(
        "{DIRECTOR}{SERVICE}{SERVER}[[service.server]]\naddress = \"10.0.0.12\"\nweight = 2\n\
         [[service]]\nname = \"a\"\nlisten = \"tcp://192.0.2.10:443\"\nscheduler = \"rr\"\n\
         forward = \"dr\"\n"
    );
    let ops: Vec<String> = config(&text)
        .ops()
        .iter()
        .map(|op| match op {
            Op::SetTimeouts { tcp_s, .. } => format!("timeouts {tcp_s}"),
            Op::AddService { key, spec } => format!("service {key} {}", spec.scheduler.name()),
            Op::AddReal { real, spec, .. } => format!("server {real} {}", spec.weight.get()),
            Op::EditService { .. }
            | Op::DeleteService { .. }
            | Op::EditReal { .. }
            | Op::DeleteReal { .. }
            | Op::DrainReal { .. } => panic!("{op:?}"),
        })
        .collect();
    assert_eq!(
        ops,
        [
            "timeouts 900",
            "service tcp://192.0.2.10:80 wlc",
            "server 10.0.0.11:8080 1",
            "server 10.0.0.12:80 2",
            "service tcp://192.0.2.10:443 rr",
        ]
    );
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_taken() {
    let text = format!("\u{feff}{DIRECTOR}").replace('\n', "\r\n");
    assert_eq!(config(&text).director.name, "lb1");
}

#[test]
fn numbers_may_be_written_in_hexadecimal() {
    let text = format!("{DIRECTOR}flows_max = 0x10_000\n");
    assert_eq!(config(&text).director.flows_max, 0x1_0000);
}

#[test]
fn a_service_may_have_a_tunnel_and_its_servers_others() {
    let server =
        |address: &str, more: &str| format!("[[service.server]]\naddress = \"{address}\"\n{more}");
    let text = format!(
        "{DIRECTOR}[tunnels]\npmtu_disc = false\n[[service]]\nname = \"web\"\n\
         listen = \"tcp://192.0.2.10:80\"\nscheduler = \"rr\"\nforward = \"tun\"\n\
         tunnel = {{ type = \"gue\", port = 6080, checksum = true }}\n{}{}{}{}",
        server("10.0.0.11", ""),
        server(
            "2001:db8::11",
            "tunnel = { type = \"gre\", checksum = true }\n"
        ),
        server(
            "10.0.0.12",
            "tunnel = { type = \"ipip\", source = \"172.16.0.0/16\" }\n"
        ),
        server("10.0.0.13:8080", "forward = \"nat\"\n"),
    );
    let config = config(&text);
    assert!(!config.tunables().pmtu_disc);
    let servers: Vec<_> = config.services[0]
        .servers
        .iter()
        .map(|server| {
            let spec = server.spec();
            format!("{} {} {}", server.key, spec.mode.name(), spec.tunnel)
        })
        .collect();
    assert_eq!(
        servers,
        [
            "10.0.0.11:80 tun gue 6080 csum",
            "[2001:db8::11]:80 tun gre csum",
            "10.0.0.12:80 tun ipip from 172.16.0.0/16",
            "10.0.0.13:8080 nat ipip",
        ]
    );
}

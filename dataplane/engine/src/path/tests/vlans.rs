// SPDX-License-Identifier: Apache-2.0
//! Tagged frames.

use super::*;

/// Clients on VLAN 10 of port 0, servers on VLAN 20 of the same port.
const TRUNK: &str = "
    iface 2 port 0 vlan 10 mtu 1500 192.168.0.1/24
    iface 3 port 0 vlan 20 mtu 1500 192.168.1.1/24
    neighbour 2 192.168.0.9
    neighbour 3 192.168.1.11
    service tcp 192.168.0.100:80 rr
    real 192.168.1.11:80
    real 10.1.0.11:80
";

#[test]
fn a_tag_is_taken_off_put_on_and_changed() {
    let mut bench = Bench::new(TRUNK);
    let syn = |cport: u16| {
        Frame::tcp(&format!("192.168.0.9:{cport}"), "192.168.0.100:80")
            .flags(SYN)
            .vlan(10)
    };
    assert_eq!(
        only(bench.say(0, &syn(1).build())),
        "send 1 to 10.1.0.11: 192.168.0.9:1 > 10.1.0.11:80 tcp S seq 1 ack 0 ttl 63 len 40"
    );
    assert_eq!(
        only(bench.say(0, &syn(2).build())),
        "send 0 to 192.168.1.11: vlan 20 192.168.0.9:2 > 192.168.1.11:80 tcp S seq 1 ack 0 ttl 63 \
         len 40"
    );
    let answer = Frame::tcp("10.1.0.11:80", "192.168.0.9:1").flags(SYN | ACK);
    assert_eq!(
        only(bench.say(1, &from_server(answer))),
        "send 0 to 192.168.0.9: vlan 10 192.168.0.100:80 > 192.168.0.9:1 tcp SA seq 1 ack 0 ttl 63 \
         len 40"
    );
}

#[test]
fn an_unknown_vlan_is_dropped() {
    let mut bench = Bench::new(TRUNK);
    let syn = syn(1, "10.0.0.100:80").vlan(30).build();
    assert!(only(bench.say(0, &syn)).starts_with("drop rx_vlan_unknown"));
    let syn = Frame::tcp("10.0.0.9:1", "10.0.0.100:80").vlan(10);
    assert!(only(bench.say(1, &from_server(syn))).starts_with("drop rx_vlan_unknown"));
}

#[test]
fn a_frame_with_priority_only_is_untagged() {
    // IEEE 802.1Q §6.9.1: VID 0 carries a priority and no VLAN.
    let mut bench = Bench::new(SERVICES);
    let syn = syn(1000, "10.0.0.100:80").tag(EtherType::VLAN, 0xe000);
    assert_eq!(
        only(bench.say(0, &syn.build())),
        "send 1 to 10.1.0.11: 10.0.0.9:1000 > 10.1.0.11:8080 tcp S seq 1 ack 0 ttl 63 len 40"
    );
}

#[test]
fn a_stacked_tag_is_dropped() {
    let mut bench = Bench::new(TRUNK);
    let syn = syn(1, "10.0.0.100:80").vlan(10).vlan(20).build();
    assert!(only(bench.say(0, &syn)).starts_with("drop rx_vlan_stacked"));
}

#[test]
fn a_punted_frame_leaves_its_tag_behind() {
    let mut bench = Bench::new(TRUNK);
    let ping = Frame::echo("192.168.0.9", "192.168.0.1", 1, 1);
    let outcomes = bench.send(0, &ping.clone().vlan(10).build());
    assert_eq!(outcomes[0].frame, ping.build());
    let line = only(lines(&outcomes));
    assert!(line.starts_with("punt 2 icmp"), "{line}");
    let arp = Frame::arp_request(PEER, "192.168.1.11", "192.168.1.1");
    let outcomes = bench.send(0, &arp.clone().vlan(20).build());
    assert_eq!(outcomes[0].frame, arp.build());
    assert!(only(lines(&outcomes)).starts_with("punt 3 arp_nd"));
}

#[test]
fn an_icmp_error_leaves_by_the_vlan_of_its_receiver() {
    let mut bench = Bench::new(TRUNK);
    let late = Frame::udp("192.168.0.9:1", "10.9.0.1:1").vlan(10).ttl(1);
    let lines = bench.say(0, &late.build());
    assert!(
        lines[0].starts_with("send 0 to 192.168.0.9: vlan 10 192.168.0.1 > 192.168.0.9 icmp 11/0"),
        "{lines:?}"
    );
}

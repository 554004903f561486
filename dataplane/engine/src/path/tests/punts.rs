// SPDX-License-Identifier: Apache-2.0
//! What goes to Linux, and as which class.

use super::*;

#[track_caller]
fn punted_as(frame: &Frame, class: PuntClass) {
    let mut bench = Bench::new(SERVICES);
    let bytes = frame.build();
    let outcomes = bench.send(0, &bytes);
    let iface = model::ids::IfaceId(0);
    assert_eq!(outcomes.len(), 1, "{:?}", lines(&outcomes));
    assert_eq!(outcomes[0].verdict, Verdict::Punt { iface, class });
    assert_eq!(outcomes[0].frame, bytes, "as it came");
    assert_eq!(bench.board(0).worker.punted.get(), 1);
}

#[test]
fn arp_is_punted() {
    punted_as(
        &Frame::arp_request(PEER, "10.0.0.9", "10.0.0.1"),
        PuntClass::ArpNd,
    );
}

#[test]
fn neighbour_discovery_is_punted_as_such_unicast_or_not() {
    let solicitation = || {
        Frame::icmp("2001:db8::9", "2001:db8::1", 135, 0)
            .ttl(255)
            .payload_len(24)
    };
    punted_as(&solicitation(), PuntClass::ArpNd);
    let group = Frame::icmp("fe80::9", "ff02::1:ff00:1", 135, 0)
        .ttl(255)
        .payload_len(24)
        .macs(PEER, MacAddress([0x33, 0x33, 0xff, 0, 0, 1]));
    punted_as(&group, PuntClass::ArpNd);
    punted_as(
        &Frame::icmp("fe80::9", "fe80::1", 134, 0).payload_len(16),
        PuntClass::ArpNd,
    );
}

#[test]
fn packets_to_our_own_addresses_are_local() {
    punted_as(
        &Frame::tcp("10.0.0.9:1000", "10.0.0.1:22").flags(SYN),
        PuntClass::Local,
    );
    punted_as(
        &Frame::udp("[2001:db8::9]:1000", "[2001:db8::1]:161"),
        PuntClass::Local,
    );
    // Also with a TTL that would not let them travel.
    punted_as(
        &Frame::tcp("10.0.0.9:1000", "10.0.0.1:179").ttl(1),
        PuntClass::Local,
    );
    punted_as(
        &Frame::ip("10.0.0.9", "10.0.0.1", IpProtocol::GRE).payload_len(8),
        PuntClass::Local,
    );
}

#[test]
fn a_vip_without_a_service_on_that_port_is_local() {
    punted_as(
        &Frame::tcp("10.0.0.9:1000", "10.0.0.100:81").flags(SYN),
        PuntClass::Local,
    );
    punted_as(
        &Frame::udp("10.0.0.9:1000", "10.0.0.100:80"),
        PuntClass::Local,
    );
}

#[test]
fn icmp_to_our_own_addresses_and_vips_is_a_class_of_its_own() {
    punted_as(&Frame::echo("10.0.0.9", "10.0.0.1", 1, 1), PuntClass::Icmp);
    punted_as(
        &Frame::echo("10.0.0.9", "10.0.0.100", 1, 1),
        PuntClass::Icmp,
    );
    punted_as(
        &Frame::echo("2001:db8::9", "2001:db8::100", 1, 1),
        PuntClass::Icmp,
    );
}

#[test]
fn multicast_and_broadcast_are_punted() {
    let to = |frame: Frame, mac| frame.macs(PEER, mac);
    let vrrp = Frame::ip("10.0.0.9", "224.0.0.18", IpProtocol::VRRP).payload_len(20);
    punted_as(
        &to(vrrp, MacAddress([1, 0, 0x5e, 0, 0, 18])),
        PuntClass::Multicast,
    );
    let dhcp = Frame::udp("0.0.0.0:68", "255.255.255.255:67").payload_len(240);
    punted_as(&to(dhcp, MacAddress::BROADCAST), PuntClass::Multicast);
    let mld = Frame::icmp("fe80::9", "ff02::16", 143, 0).payload_len(20);
    punted_as(
        &to(mld, MacAddress([0x33, 0x33, 0, 0, 0, 0x16])),
        PuntClass::Multicast,
    );
    // A unicast packet in a broadcast frame is not forwarded (RFC 1812 §5.3.4).
    let odd = Frame::tcp("10.0.0.9:1000", "10.0.0.100:80").flags(SYN);
    punted_as(&to(odd, MacAddress::BROADCAST), PuntClass::Multicast);
}

#[test]
fn link_local_addresses_are_for_linux() {
    punted_as(
        &Frame::udp("169.254.1.1:1", "10.0.0.100:53"),
        PuntClass::Local,
    );
    punted_as(&Frame::echo("fe80::9", "fe80::1", 1, 1), PuntClass::Icmp);
    punted_as(
        &Frame::udp("[fe80::9]:1", "[fe80::2]:546"),
        PuntClass::Local,
    );
}

#[test]
fn nobody_routes_or_serves_the_unspecified_source() {
    // RFC 1812 §5.3.7, RFC 4291 §2.5.2: such a packet must not be forwarded.
    punted_as(&Frame::udp("0.0.0.0:68", "10.9.0.1:67"), PuntClass::Local);
    punted_as(&Frame::udp("0.0.0.0:68", "10.0.0.100:53"), PuntClass::Local);
    punted_as(
        &Frame::udp("[::]:68", "[2001:db8::100]:53"),
        PuntClass::Local,
    );
}

#[test]
fn what_linux_must_answer_for_is_unroutable() {
    let mut bench = Bench::new("route 10.9.0.0/16 kernel");
    let line = only(bench.say(0, &Frame::udp("10.0.0.9:1", "10.9.0.1:1").build()));
    assert!(line.starts_with("punt 0 unroutable"), "{line}");
}

#[test]
fn without_a_route_a_packet_is_unroutable() {
    let mut bench = Bench::new("route 0.0.0.0/0 kernel\nroute ::/0 kernel");
    let line = only(bench.say(
        0,
        &Frame::udp("[2001:db8::9]:1", "[2001:db8:9::1]:1").build(),
    ));
    assert!(line.starts_with("punt 0 unroutable"), "{line}");
}

#[test]
fn other_ether_types_are_other() {
    punted_as(
        &Frame::ether(EtherType::LLDP)
            .payload_len(50)
            .macs(PEER, MacAddress([1, 0x80, 0xc2, 0, 0, 0x0e])),
        PuntClass::Other,
    );
    punted_as(
        &Frame::ether(EtherType(38)).payload_len(38),
        PuntClass::Other,
    );
}

#[test]
fn every_class_has_a_name_and_a_reason_of_its_own() {
    let names: std::collections::BTreeSet<_> = PuntClass::ALL.iter().map(|c| c.name()).collect();
    assert_eq!(names.len(), PuntClass::ALL.len());
    for class in PuntClass::ALL {
        assert_eq!(
            class.policed().name(),
            format!("punt_policed_{}", class.name())
        );
    }
}

// SPDX-License-Identifier: Apache-2.0
//! `[[port]]` and `[[port.vlan]]`.

use super::{DIRECTOR, PORT, SERVER, SERVICE, bad, one_error, one_warning};
use crate::{ADDRESSES_MAX, Code, PORTS_MAX};

fn port(lines: &str) -> String {
    format!("{DIRECTOR}[[port]]\n{lines}\n")
}

#[test]
fn names_that_linux_would_not_take_are_refused() {
    for name in ["", "lo", ".", "a/b", "a b", "a:b", "sixteen_bytes_ab"] {
        let text = port(&format!("name = \"{name}\"\ndevice = \"net_null0\""));
        one_error(&text, Code::BadName, (5, 8), "1 to 15 bytes");
    }
}

#[test]
fn a_device_that_is_none_is_refused() {
    let text = port("name = \"a\"\ndevice = \"eth0\"");
    one_error(&text, Code::BadDevice, (6, 10), "neither a PCI address");
    let text = port("name = \"a\"\ndevice = \"3b:00.0\"");
    one_error(&text, Code::BadDevice, (6, 10), "write 0000:3b:00.0");
}

#[test]
fn two_ports_of_one_name_are_refused() {
    let text = format!("{DIRECTOR}{PORT}[[port]]\nname = \"front\"\ndevice = \"net_null0\"\n");
    one_error(
        &text,
        Code::DuplicateName,
        (10, 8),
        "the first is on line 5",
    );
}

#[test]
fn two_ports_of_one_device_are_refused() {
    let text = format!("{DIRECTOR}{PORT}[[port]]\nname = \"b\"\ndevice = \"0000:3B:00.0\"\n");
    one_error(
        &text,
        Code::DuplicateDevice,
        (11, 10),
        "line 6 has it already",
    );
}

#[test]
fn two_software_devices_of_one_name_are_refused() {
    let text = format!(
        "{DIRECTOR}[[port]]\nname = \"a\"\ndevice = \"net_tap,iface=x\"\n\
         [[port]]\nname = \"b\"\ndevice = \"net_tap,iface=y\"\n"
    );
    one_error(
        &text,
        Code::DuplicateDevice,
        (9, 10),
        "number the devices: net_tap0, net_tap1",
    );
}

#[test]
fn more_queues_than_workers_are_refused() {
    let text = port("name = \"a\"\ndevice = \"net_null0\"\nqueues = 3");
    one_error(
        &text,
        Code::QueuesWithoutWorker,
        (7, 10),
        "3 queues, and 2 workers to poll them",
    );
}

#[test]
fn queues_outside_their_range_are_refused() {
    for queues in ["0", "65"] {
        let text = port(&format!(
            "name = \"a\"\ndevice = \"net_null0\"\nqueues = {queues}"
        ));
        one_error(&text, Code::OutOfRange, (7, 10), "1 to 64");
    }
}

#[test]
fn addresses_of_ports_are_refused_with_their_mistake() {
    for (address, code, fragment) in [
        ("192.0.2.2", Code::BadAddress, "write ADDRESS/LENGTH"),
        ("192.0.2.2/33", Code::BadAddress, "0 to 32 for IPv4"),
        ("192.0.2.2/x", Code::BadAddress, "0 to 32 for IPv4"),
        ("front/24", Code::BadAddress, "not an IP address"),
        ("192.0.2.2/0", Code::UnusableAddress, "the whole internet"),
        ("127.0.0.1/8", Code::UnusableAddress, "loopback"),
        ("224.0.0.1/24", Code::UnusableAddress, "multicast"),
        ("0.0.0.0/8", Code::UnusableAddress, "unspecified"),
        (
            "::ffff:10.0.0.1/100",
            Code::UnusableAddress,
            "write it as IPv4",
        ),
    ] {
        let text = port(&format!(
            "name = \"a\"\ndevice = \"net_null0\"\naddresses = [\"{address}\"]"
        ));
        one_error(&text, code, (7, 14), fragment);
    }
}

#[test]
fn a_link_local_address_of_a_port_is_fine() {
    let text = port("name = \"a\"\ndevice = \"net_null0\"\naddresses = [\"fe80::1/64\"]");
    assert!(crate::parse(&text).is_ok());
}

#[test]
fn one_address_on_two_ports_is_refused_whatever_its_length() {
    let text = format!(
        "{DIRECTOR}{PORT}[[port]]\nname = \"b\"\ndevice = \"net_null0\"\n\
         addresses = [\"10.0.0.1/8\", \"192.0.2.2/32\"]\n"
    );
    one_error(
        &text,
        Code::DuplicateAddress,
        (12, 28),
        "the first is on line 8",
    );
}

#[test]
fn one_address_on_a_port_and_its_vlan_is_refused() {
    let text = format!("{DIRECTOR}{PORT}[[port.vlan]]\nid = 1\naddresses = [\"192.0.2.2/24\"]\n");
    one_error(&text, Code::DuplicateAddress, (11, 14), "address 192.0.2.2");
}

#[test]
fn the_address_of_a_network_is_a_warning() {
    let text = port("name = \"a\"\ndevice = \"net_null0\"\naddresses = [\"192.0.2.0/24\"]");
    one_warning(&text, Code::NetworkAddress, (7, 14), "192.0.2.0/24");
}

#[test]
fn both_addresses_of_a_point_to_point_link_are_hosts() {
    let text = port("name = \"a\"\ndevice = \"net_null0\"\naddresses = [\"192.0.2.0/31\"]");
    assert!(crate::parse(&text).expect("valid").warnings.is_empty());
}

#[test]
fn an_mtu_outside_its_range_is_refused() {
    for mtu in ["575", "9217"] {
        let text = port(&format!(
            "name = \"a\"\ndevice = \"net_null0\"\nmtu = {mtu}"
        ));
        one_error(&text, Code::OutOfRange, (7, 7), "576 to 9216");
    }
}

#[test]
fn an_mtu_below_1280_is_refused_with_ipv6_alone() {
    let lines = |address: &str| {
        port(&format!(
            "name = \"a\"\ndevice = \"net_null0\"\naddresses = [\"{address}\"]\nmtu = 1279"
        ))
    };
    one_error(
        &lines("2001:db8::1/64"),
        Code::MtuBelowIpv6,
        (8, 7),
        "too small for 2001:db8::1/64",
    );
    assert!(crate::parse(&lines("10.0.0.1/8")).is_ok());
}

#[test]
fn a_vlan_that_inherits_too_small_an_mtu_is_refused_at_its_header() {
    let text = port(
        "name = \"a\"\ndevice = \"net_null0\"\nmtu = 1000\n[[port.vlan]]\nid = 5\n\
         addresses = [\"2001:db8::1/64\"]",
    );
    one_error(&text, Code::MtuBelowIpv6, (8, 1), "too small");
}

#[test]
fn vlan_ids_outside_their_range_are_refused() {
    for id in ["0", "4095"] {
        let text = format!("{DIRECTOR}{PORT}[[port.vlan]]\nid = {id}\n");
        let error = one_error(&text, Code::OutOfRange, (10, 6), "1 to 4094");
        assert_eq!(error.key, "port.front.vlan[1].id");
    }
}

#[test]
fn a_vlan_twice_on_a_port_is_refused() {
    let text = format!("{DIRECTOR}{PORT}[[port.vlan]]\nid = 9\n[[port.vlan]]\nid = 9\n");
    one_error(
        &text,
        Code::DuplicateVlan,
        (12, 6),
        "the first is on line 10",
    );
}

#[test]
fn one_vlan_on_two_ports_is_fine() {
    let text = format!(
        "{DIRECTOR}{PORT}[[port.vlan]]\nid = 9\n[[port]]\nname = \"b\"\ndevice = \"net_null0\"\n\
         [[port.vlan]]\nid = 9\n"
    );
    assert!(crate::parse(&text).is_ok());
}

#[test]
fn a_vlan_with_a_larger_mtu_than_its_port_is_refused() {
    let text = format!("{DIRECTOR}{PORT}[[port.vlan]]\nid = 9\nmtu = 1501\n");
    one_error(&text, Code::VlanMtu, (11, 7), "at most 1500");
}

#[test]
fn a_vlan_whose_twin_has_too_long_a_name_is_refused() {
    let text = port("name = \"twelve_bytes\"\ndevice = \"net_null0\"\n[[port.vlan]]\nid = 100");
    one_error(&text, Code::VlanName, (8, 6), "\"twelve_bytes.100\"");
}

#[test]
fn a_vlan_whose_twin_has_the_name_of_a_port_is_refused() {
    let text = port(
        "name = \"a.5\"\ndevice = \"net_null0\"\n[[port]]\nname = \"a\"\n\
         device = \"net_null1\"\n[[port.vlan]]\nid = 5",
    );
    one_error(&text, Code::VlanName, (11, 6), "is the name of a port");
}

#[test]
fn ports_beyond_those_of_dpdk_are_one_error() {
    let mut text = DIRECTOR.to_owned();
    for number in 0..PORTS_MAX + 5 {
        text.push_str(&format!(
            "[[port]]\nname = \"p{number}\"\ndevice = \"net_null{number}\"\n"
        ));
    }
    one_error(
        &text,
        Code::TooMany,
        (4 + 3 * PORTS_MAX, 1),
        "more than 32 [[port]]",
    );
}

#[test]
fn addresses_beyond_the_limit_are_one_error() {
    let addresses: Vec<String> = (0..=ADDRESSES_MAX)
        .map(|number| format!("\"10.{}.{}.1/24\"", number / 256, number % 256))
        .collect();
    let list = addresses.join(",");
    let text = port(&format!(
        "name = \"a\"\ndevice = \"net_null0\"\naddresses = [{list}]"
    ));
    let report = bad(&text);
    let codes: Vec<_> = report.errors().map(|error| error.code).collect();
    assert_eq!(codes, [Code::TooMany]);
}

#[test]
fn a_service_address_in_the_subnet_of_no_port_is_a_warning() {
    let text = format!(
        "{DIRECTOR}[[port]]\nname = \"a\"\ndevice = \"net_null0\"\n\
         addresses = [\"10.0.0.1/8\"]\n{SERVICE}{SERVER}"
    );
    one_warning(&text, Code::VipOffSubnet, (10, 10), "192.0.2.10");
}

#[test]
fn the_subnet_of_a_vlan_counts() {
    let text = format!(
        "{DIRECTOR}[[port]]\nname = \"a\"\ndevice = \"net_null0\"\n[[port.vlan]]\nid = 2\n\
         addresses = [\"192.0.2.1/24\"]\n{SERVICE}{SERVER}"
    );
    assert!(crate::parse(&text).expect("valid").warnings.is_empty());
}

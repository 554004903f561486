// SPDX-License-Identifier: Apache-2.0
use std::vec;

use super::*;

fn iface(id: u16, port: u16, vlan: Option<u16>) -> Interface {
    Interface {
        id: IfaceId(id),
        port: PortId(port),
        vlan,
        name: Arc::from("p"),
        mac: Mac::default(),
        mtu: 1500,
        addresses: Vec::new(),
    }
}

#[test]
fn a_frame_comes_in_by_the_interface_of_its_port_and_tag() {
    let interfaces = Interfaces::new(vec![
        iface(0, 0, None),
        iface(1, 1, None),
        iface(2, 1, Some(10)),
        iface(3, 2, Some(10)),
    ]);
    let ingress = |port, vlan| interfaces.ingress(PortId(port), vlan).map(|i| i.id.0);
    assert_eq!(ingress(0, None), Some(0));
    assert_eq!(ingress(1, Some(10)), Some(2));
    assert_eq!(ingress(2, Some(10)), Some(3));
    assert_eq!(ingress(0, Some(10)), None);
    assert_eq!(ingress(2, None), None);
    assert_eq!(ingress(9, None), None);
    assert_eq!(ingress(1, Some(0)), Some(1), "priority only");
    assert_eq!(interfaces.get(IfaceId(3)).unwrap().port, PortId(2));
    assert!(interfaces.get(IfaceId(4)).is_none());
    assert_eq!(interfaces.as_slice().len(), 4);
}

#[test]
fn timeouts_are_the_kernels() {
    let timeouts = Timeouts::default();
    assert_eq!(timeouts.tcp_ms[TCP_ESTABLISHED], 15 * 60 * 1000);
    assert_eq!(timeouts.tcp_ms[TCP_FIN_WAIT], 2 * 60 * 1000);
    assert_eq!(timeouts.udp_ms, 5 * 60 * 1000);
}

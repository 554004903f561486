// SPDX-License-Identifier: Apache-2.0

use super::*;

fn real(real: RealId) -> Option<(Addr, u16)> {
    let [_, _, high, low] = real.0.to_be_bytes();
    Some((core::net::Ipv4Addr::new(10, 0, high, low).into(), 8080))
}

#[test]
fn a_nat_connection_is_found_from_both_sides() {
    let mut table = FlowTable::new(HeapMemory::new(16), HashKey::from_seed(1));
    let client = core::net::Ipv4Addr::new(192, 0, 2, 1).into();
    let inbound = FlowKey {
        protocol: 6,
        source: client,
        source_port: 1234,
        destination: core::net::Ipv4Addr::new(192, 0, 2, 10).into(),
        destination_port: 80,
    };
    let (real_ip, rport) = real(RealId(7)).unwrap();
    let outbound = FlowKey {
        protocol: 6,
        source: real_ip,
        source_port: rport,
        destination: client,
        destination_port: 1234,
    };
    let new = NewFlow {
        inbound,
        outbound: Some(outbound),
        real: RealId(7),
        service: ServiceId(3),
        flags: FlowFlags::of_mode(model::service::ForwardMode::Nat),
        state: 0,
        timeout_ms: 1000,
        now_ms: 0,
    };
    let flow = table.insert(&new, table.hash(&inbound), real).unwrap();
    let find = |key: &FlowKey| table.find(key, table.hash(key), real);
    assert_eq!(find(&inbound), Some((flow, Direction::Inbound)));
    assert_eq!(find(&outbound), Some((flow, Direction::Outbound)));
}

// SPDX-License-Identifier: Apache-2.0

mod against_model;
mod buckets;
mod hashing;
mod load;

use core::net::{Ipv4Addr, Ipv6Addr};
use std::vec::Vec;

use model::service::ForwardMode;

use super::*;

/// Servers of the tests: 10.0.x.y:8080; slot 999 is a service on every port, slot 1000 is unknown.
pub(crate) fn real(real: RealId) -> Option<(Addr, u16)> {
    let [_, _, high, low] = real.0.to_be_bytes();
    let address = Ipv4Addr::new(10, 0, high, low).into();
    match real.0 {
        1000 => None,
        999 => Some((address, 0)),
        _ => Some((address, 8080)),
    }
}

pub(crate) fn v4(number: u32) -> Addr {
    Ipv4Addr::from(number).into()
}

pub(crate) fn vip(last: u8) -> Addr {
    Ipv4Addr::new(192, 0, 2, last).into()
}

/// Client `client`, port `cport`, to VIP 192.0.2.10:80 over TCP.
pub(crate) fn inbound(client: u32, cport: u16) -> FlowKey {
    FlowKey {
        protocol: 6,
        source: v4(client),
        source_port: cport,
        destination: vip(10),
        destination_port: 80,
    }
}

fn outbound(inbound: &FlowKey, to: RealId) -> FlowKey {
    let (real_ip, rport) = real(to).unwrap();
    FlowKey {
        protocol: inbound.protocol,
        source: real_ip,
        source_port: if rport == 0 {
            inbound.destination_port
        } else {
            rport
        },
        destination: inbound.source,
        destination_port: inbound.source_port,
    }
}

pub(crate) fn nat(inbound: FlowKey, to: RealId) -> NewFlow {
    NewFlow {
        inbound,
        outbound: Some(outbound(&inbound, to)),
        real: to,
        service: ServiceId(3),
        flags: FlowFlags::of_mode(ForwardMode::Nat),
        state: 1,
        timeout_ms: 60_000,
        now_ms: 5,
        lease: None,
    }
}

fn dr(inbound: FlowKey, to: RealId) -> NewFlow {
    NewFlow {
        outbound: None,
        flags: FlowFlags::of_mode(ForwardMode::Dr),
        ..nat(inbound, to)
    }
}

pub(crate) type Table = FlowTable<HeapMemory>;

pub(crate) fn table(capacity: usize) -> Table {
    FlowTable::new(HeapMemory::new(capacity), HashKey::from_seed(1))
}

pub(crate) fn insert(table: &mut Table, new: &NewFlow) -> Result<FlowId, InsertError> {
    let hash = table.hash(&new.inbound);
    table.insert(new, hash, real)
}

pub(crate) fn find(table: &Table, key: &FlowKey) -> Option<(FlowId, Direction)> {
    table.find(key, table.hash(key), real)
}

fn all(table: &Table) -> Vec<FlowId> {
    let (flows, next) = table.scan(0, u32::MAX);
    assert_eq!(next, None);
    flows.collect()
}

#[test]
fn an_empty_table_finds_nothing() {
    let table = table(16);
    assert_eq!(find(&table, &inbound(1, 1)), None);
    assert!(table.is_empty());
    assert_eq!((table.len(), table.capacity()), (0, 16));
}

#[test]
fn a_nat_connection_is_found_from_both_sides() {
    let mut table = table(16);
    let new = nat(inbound(1, 1234), RealId(7));
    let flow = insert(&mut table, &new).unwrap();
    assert_eq!(find(&table, &new.inbound), Some((flow, Direction::Inbound)));
    assert_eq!(
        find(&table, &new.outbound.unwrap()),
        Some((flow, Direction::Outbound))
    );
    assert!(
        table
            .hot(flow)
            .unwrap()
            .flags()
            .contains(FlowFlags::OUTBOUND_INDEXED)
    );
}

#[test]
fn a_dr_connection_is_found_from_the_client_only() {
    let mut table = table(16);
    let new = dr(inbound(1, 1234), RealId(7));
    let flow = insert(&mut table, &new).unwrap();
    assert_eq!(find(&table, &new.inbound), Some((flow, Direction::Inbound)));
    assert_eq!(find(&table, &outbound(&new.inbound, RealId(7))), None);
    assert!(
        !table
            .hot(flow)
            .unwrap()
            .flags()
            .contains(FlowFlags::OUTBOUND_INDEXED)
    );
}

#[test]
fn an_ipv6_connection_is_found_from_both_sides() {
    let mut table = table(16);
    let ip = |last| Addr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last));
    let server = |_| Some((ip(3), 8080));
    let key = |source, source_port, destination, destination_port| FlowKey {
        protocol: 17,
        source,
        source_port,
        destination,
        destination_port,
    };
    let inbound = key(ip(1), 5000, ip(2), 53);
    let outbound = key(ip(3), 8080, ip(1), 5000);
    let new = NewFlow {
        inbound,
        outbound: Some(outbound),
        ..nat(inbound, RealId(0))
    };
    let flow = table.insert(&new, table.hash(&inbound), server).unwrap();
    let find = |key: &FlowKey| table.find(key, table.hash(key), server);
    assert_eq!(find(&inbound), Some((flow, Direction::Inbound)));
    assert_eq!(find(&outbound), Some((flow, Direction::Outbound)));
}

#[test]
fn every_part_of_the_key_counts() {
    let mut table = table(16);
    let key = inbound(1, 1234);
    insert(&mut table, &nat(key, RealId(7))).unwrap();
    let others = [
        FlowKey {
            protocol: 17,
            ..key
        },
        FlowKey {
            source: v4(2),
            ..key
        },
        FlowKey {
            source_port: 1235,
            ..key
        },
        FlowKey {
            destination: vip(11),
            ..key
        },
        FlowKey {
            destination_port: 81,
            ..key
        },
    ];
    for other in others {
        assert_eq!(find(&table, &other), None, "{other:?}");
    }
    let back = outbound(&key, RealId(7));
    let others = [
        FlowKey {
            protocol: 17,
            ..back
        },
        FlowKey {
            source: v4(2),
            ..back
        },
        FlowKey {
            source_port: 1235,
            ..back
        },
        FlowKey {
            destination: vip(11),
            ..back
        },
        FlowKey {
            destination_port: 81,
            ..back
        },
    ];
    for other in others {
        assert_eq!(find(&table, &other), None, "{other:?}");
    }
}

#[test]
fn no_part_of_a_key_is_believed_on_the_hash_alone() {
    let mut table = table(16);
    let key = inbound(1, 1234);
    insert(&mut table, &nat(key, RealId(7))).unwrap();
    // The hash of the known key with another key: a collision of the whole hash.
    let (hash, back_hash) = (table.hash(&key), table.hash(&outbound(&key, RealId(7))));
    let strangers = [
        FlowKey {
            protocol: 17,
            ..key
        },
        FlowKey {
            source: v4(2),
            ..key
        },
        FlowKey {
            source_port: 1,
            ..key
        },
        FlowKey {
            destination: vip(9),
            ..key
        },
        FlowKey {
            destination_port: 1,
            ..key
        },
    ];
    for stranger in strangers {
        assert_eq!(table.find(&stranger, hash, real), None, "{stranger:?}");
    }
    let back = outbound(&key, RealId(7));
    let strangers = [
        FlowKey {
            protocol: 17,
            ..back
        },
        FlowKey {
            source: v4(2),
            ..back
        },
        FlowKey {
            source_port: 1,
            ..back
        },
        FlowKey {
            destination: vip(9),
            ..back
        },
        FlowKey {
            destination_port: 1,
            ..back
        },
    ];
    for stranger in strangers {
        assert_eq!(table.find(&stranger, back_hash, real), None, "{stranger:?}");
    }
}

#[test]
fn a_server_on_every_port_answers_from_the_port_the_client_chose() {
    let mut table = table(16);
    let key = FlowKey {
        destination_port: 4321,
        ..inbound(1, 1234)
    };
    let new = nat(key, RealId(999));
    let flow = insert(&mut table, &new).unwrap();
    assert_eq!(new.outbound.unwrap().source_port, 4321);
    assert_eq!(
        find(&table, &new.outbound.unwrap()),
        Some((flow, Direction::Outbound))
    );
}

#[test]
fn a_server_whose_address_is_unknown_has_no_outbound_packets() {
    let mut table = table(16);
    let new = nat(inbound(1, 1234), RealId(7));
    insert(&mut table, &new).unwrap();
    let back = new.outbound.unwrap();
    assert_eq!(table.find(&back, table.hash(&back), |_| None), None);
}

#[test]
fn the_entry_holds_what_was_inserted() {
    let mut table = table(16);
    let new = nat(inbound(1, 1234), RealId(7));
    let flow = insert(&mut table, &new).unwrap();
    let hot = table.hot(flow).unwrap();
    assert_eq!((hot.client_ip(), hot.cport()), (v4(1), 1234));
    assert_eq!((hot.virtual_ip(), hot.vport()), (vip(10), 80));
    assert_eq!((hot.real(), hot.service()), (RealId(7), ServiceId(3)));
    assert_eq!((hot.protocol(), hot.state), (6, 1));
    assert_eq!(
        (hot.last_seen_ms, hot.timeout_ms, hot.packets),
        (5, 60_000, 0)
    );
    assert_eq!(
        (hot.inbound_hop, hot.outbound_hop, hot.hop_stamp),
        (NO_HOP, NO_HOP, 0)
    );
    assert_eq!(hot.inbound_key(), new.inbound);
    assert_eq!(
        hot.outbound_key(real(RealId(7)).unwrap()),
        new.outbound.unwrap()
    );
    let cold = table.cold(flow).unwrap();
    assert_eq!((cold.sequence_adjust, cold.local), (0, 0));
}

#[test]
fn a_change_of_the_entry_stays() {
    let mut table = table(16);
    let flow = insert(&mut table, &nat(inbound(1, 1), RealId(0))).unwrap();
    let hot = table.hot_mut(flow).unwrap();
    hot.state = 9;
    hot.inbound_hop = 3;
    hot.stamp(77);
    table.cold_mut(flow).unwrap().sequence_adjust = 4;
    assert_eq!(table.hot(flow).unwrap().state, 9);
    assert_eq!(table.hot(flow).unwrap().inbound_hop, 3);
    assert_eq!(table.hot(flow).unwrap().last_seen_ms, 77);
    assert_eq!(table.cold(flow).unwrap().sequence_adjust, 4);
}

#[test]
fn a_reused_entry_remembers_nothing() {
    let mut table = table(1);
    let flow = insert(&mut table, &nat(inbound(1, 1), RealId(0))).unwrap();
    let hot = table.hot_mut(flow).unwrap();
    hot.inbound_hop = 3;
    hot.packets = 9;
    hot.set_flags(FlowFlags::INACTIVE);
    table.cold_mut(flow).unwrap().sequence_adjust = 4;
    table.remove(flow);
    let again = insert(&mut table, &dr(inbound(2, 2), RealId(1))).unwrap();
    assert_eq!(again, flow);
    let hot = table.hot(again).unwrap();
    assert_eq!((hot.inbound_hop, hot.packets), (NO_HOP, 0));
    assert!(!hot.flags().contains(FlowFlags::INACTIVE));
    assert_eq!(table.cold(again).unwrap().sequence_adjust, 0);
}

#[test]
fn the_same_connection_twice_is_refused() {
    let mut table = table(16);
    let flow = insert(&mut table, &nat(inbound(1, 1), RealId(0))).unwrap();
    let again = nat(inbound(1, 1), RealId(5));
    assert_eq!(insert(&mut table, &again), Err(InsertError::Exists));
    assert_eq!(table.len(), 1);
    assert_eq!(
        find(&table, &inbound(1, 1)),
        Some((flow, Direction::Inbound))
    );
    assert_eq!(find(&table, &again.outbound.unwrap()), None);
}

#[test]
fn a_client_key_that_a_server_answers_with_is_refused() {
    let mut table = table(16);
    let new = nat(inbound(1, 1), RealId(0));
    insert(&mut table, &new).unwrap();
    let confused = dr(new.outbound.unwrap(), RealId(1));
    assert_eq!(insert(&mut table, &confused), Err(InsertError::Exists));
}

#[test]
fn a_full_table_refuses_and_stays_as_it_was() {
    let mut table = table(4);
    for client in 0..4 {
        insert(&mut table, &nat(inbound(client, 1), RealId(0))).unwrap();
    }
    let extra = nat(inbound(9, 1), RealId(0));
    assert_eq!(insert(&mut table, &extra), Err(InsertError::Full));
    assert_eq!(table.len(), 4);
    assert_eq!(find(&table, &extra.inbound), None);
    assert_eq!(find(&table, &extra.outbound.unwrap()), None);
    table.remove(find(&table, &inbound(2, 1)).unwrap().0);
    insert(&mut table, &extra).unwrap();
}

#[test]
fn a_table_of_no_entries_is_full() {
    let mut table = table(0);
    assert_eq!(
        insert(&mut table, &dr(inbound(1, 1), RealId(0))),
        Err(InsertError::Full)
    );
    assert_eq!(find(&table, &inbound(1, 1)), None);
}

#[test]
fn a_service_slot_out_of_range_is_refused() {
    let mut table = table(4);
    let new = NewFlow {
        service: ServiceId(65_536),
        ..dr(inbound(1, 1), RealId(0))
    };
    assert_eq!(insert(&mut table, &new), Err(InsertError::ServiceRange));
    assert!(table.is_empty());
    let new = NewFlow {
        service: ServiceId(65_535),
        ..new
    };
    let flow = insert(&mut table, &new).unwrap();
    assert_eq!(table.hot(flow).unwrap().service(), ServiceId(65_535));
}

#[test]
fn a_removed_connection_is_gone_from_both_sides() {
    let mut table = table(16);
    let new = nat(inbound(1, 1), RealId(0));
    let flow = insert(&mut table, &new).unwrap();
    table.remove(flow);
    assert_eq!(find(&table, &new.inbound), None);
    assert_eq!(find(&table, &new.outbound.unwrap()), None);
    assert!(table.hot(flow).is_none() && table.cold(flow).is_none());
    assert!(table.hot_mut(flow).is_none() && table.cold_mut(flow).is_none());
    assert!(table.is_empty());
}

#[test]
fn removing_twice_removes_once() {
    let mut table = table(16);
    let first = insert(&mut table, &nat(inbound(1, 1), RealId(0))).unwrap();
    insert(&mut table, &nat(inbound(2, 1), RealId(0))).unwrap();
    table.remove(first);
    table.remove(first);
    table.remove(FlowId(12));
    table.remove(FlowId(u32::MAX));
    assert_eq!(table.len(), 1);
    // The free list has the entry once.
    let one = insert(&mut table, &nat(inbound(3, 1), RealId(0))).unwrap();
    let other = insert(&mut table, &nat(inbound(4, 1), RealId(0))).unwrap();
    assert_eq!(one, first);
    assert_ne!(one, other);
}

#[test]
fn the_entry_freed_last_is_used_first() {
    let mut table = table(16);
    let flows: Vec<_> = (0..3)
        .map(|client| insert(&mut table, &dr(inbound(client, 1), RealId(0))).unwrap())
        .collect();
    table.remove(flows[0]);
    table.remove(flows[2]);
    assert_eq!(
        insert(&mut table, &dr(inbound(7, 1), RealId(0))).unwrap(),
        flows[2]
    );
    assert_eq!(
        insert(&mut table, &dr(inbound(8, 1), RealId(0))).unwrap(),
        flows[0]
    );
    assert_eq!(
        insert(&mut table, &dr(inbound(9, 1), RealId(0))).unwrap(),
        FlowId(3)
    );
}

/// Two services share server 7; one client port talks to both.
fn two_with_one_outbound_key(table: &mut Table) -> (FlowId, FlowId, FlowKey) {
    let first = nat(inbound(1, 1), RealId(7));
    let second = nat(
        FlowKey {
            destination: vip(11),
            ..first.inbound
        },
        RealId(7),
    );
    assert_eq!(first.outbound, second.outbound);
    let older = insert(table, &first).unwrap();
    let newer = insert(table, &second).unwrap();
    (older, newer, first.outbound.unwrap())
}

#[test]
fn the_newest_of_two_with_one_outbound_key_gets_the_answers() {
    let mut table = table(16);
    let (older, newer, back) = two_with_one_outbound_key(&mut table);
    assert_eq!(find(&table, &back), Some((newer, Direction::Outbound)));
    assert!(
        !table
            .hot(older)
            .unwrap()
            .flags()
            .contains(FlowFlags::OUTBOUND_INDEXED)
    );
    assert!(
        table
            .hot(newer)
            .unwrap()
            .flags()
            .contains(FlowFlags::OUTBOUND_INDEXED)
    );
    for flow in [older, newer] {
        let key = table.hot(flow).unwrap().inbound_key();
        assert_eq!(find(&table, &key), Some((flow, Direction::Inbound)));
    }
}

#[test]
fn removing_the_older_leaves_the_newer_its_outbound_key() {
    let mut table = table(16);
    let (older, newer, back) = two_with_one_outbound_key(&mut table);
    table.remove(older);
    assert_eq!(find(&table, &back), Some((newer, Direction::Outbound)));
    assert_eq!(table.len(), 1);
}

#[test]
fn removing_the_newer_leaves_the_older_its_inbound_key() {
    let mut table = table(16);
    let (older, newer, back) = two_with_one_outbound_key(&mut table);
    table.remove(newer);
    assert_eq!(find(&table, &back), None);
    assert_eq!(
        find(&table, &inbound(1, 1)),
        Some((older, Direction::Inbound))
    );
    table.remove(older);
    assert_eq!(find(&table, &inbound(1, 1)), None);
}

#[test]
fn an_outbound_key_taken_over_takes_no_second_lane() {
    let mut table = table(16);
    let before = table.index_lanes();
    two_with_one_outbound_key(&mut table);
    assert_eq!(table.index_lanes() - before, 3);
}

#[test]
fn answers_win_over_a_connection_with_the_same_key() {
    let mut table = table(16);
    let new = nat(inbound(1, 1), RealId(7));
    let older = insert(&mut table, &dr(new.outbound.unwrap(), RealId(1))).unwrap();
    let newer = insert(&mut table, &new).unwrap();
    assert_eq!(
        find(&table, &new.outbound.unwrap()),
        Some((newer, Direction::Outbound))
    );
    table.remove(older);
    assert_eq!(
        find(&table, &new.outbound.unwrap()),
        Some((newer, Direction::Outbound))
    );
    table.remove(newer);
    assert_eq!(table.index_lanes(), 0);
}

#[test]
fn a_connection_of_a_server_with_itself_is_inbound() {
    let mut table = table(16);
    let (real_ip, rport) = real(RealId(7)).unwrap();
    let key = FlowKey {
        protocol: 6,
        source: real_ip,
        source_port: rport,
        destination: real_ip,
        destination_port: rport,
    };
    let flow = insert(&mut table, &nat(key, RealId(7))).unwrap();
    assert_eq!(find(&table, &key), Some((flow, Direction::Inbound)));
    table.remove(flow);
    assert_eq!(table.index_lanes(), 0);
}

#[test]
fn candidates_and_confirm_make_a_find() {
    let mut table = table(16);
    let new = nat(inbound(1, 1), RealId(7));
    let flow = insert(&mut table, &new).unwrap();
    for key in [new.inbound, new.outbound.unwrap()] {
        let hash = table.hash(&key);
        let candidates = table.candidates(hash);
        assert_eq!(table.likeliest(candidates), Some(flow));
        let found = table.confirm(candidates, &key, hash, real);
        assert_eq!(found, table.find(&key, hash, real));
    }
    let stranger = inbound(2, 2);
    let hash = table.hash(&stranger);
    let candidates = table.candidates(hash);
    assert_eq!(table.likeliest(candidates), None);
    assert_eq!(table.confirm(candidates, &stranger, hash, real), None);
}

#[test]
fn a_scan_shows_every_connection_once_in_bounded_steps() {
    let mut table = table(100);
    for client in 0..50 {
        insert(&mut table, &nat(inbound(client, 1), RealId(0))).unwrap();
    }
    for client in (0..50).step_by(3) {
        table.remove(find(&table, &inbound(client, 1)).unwrap().0);
    }
    let mut seen = Vec::new();
    let mut cursor = Some(0);
    while let Some(at) = cursor {
        let (flows, next) = table.scan(at, 7);
        let flows: Vec<_> = flows.collect();
        assert!(flows.len() <= 7);
        seen.extend(flows);
        cursor = next;
    }
    assert_eq!(seen, all(&table));
    assert_eq!(seen.len(), table.len());
}

#[test]
fn a_scan_survives_removals_between_its_steps() {
    let mut table = table(100);
    for client in 0..30 {
        insert(&mut table, &nat(inbound(client, 1), RealId(0))).unwrap();
    }
    let (flows, next) = table.scan(0, 10);
    let flows: Vec<_> = flows.collect();
    assert_eq!((flows.len(), next), (10, Some(10)));
    for flow in flows {
        table.remove(flow);
    }
    table.remove(FlowId(12));
    let (flows, next) = table.scan(10, 100);
    assert_eq!((flows.count(), next), (19, None));
}

#[test]
fn a_scan_of_nothing_or_past_the_end_ends() {
    let table = table(10);
    let (flows, next) = table.scan(0, 100);
    assert_eq!((flows.count(), next), (0, None));
    let (flows, next) = table.scan(u32::MAX, u32::MAX);
    assert_eq!((flows.count(), next), (0, None));
}

#[test]
fn the_mode_is_in_the_flags() {
    for mode in [ForwardMode::Nat, ForwardMode::Dr] {
        assert_eq!(FlowFlags::of_mode(mode).mode(), mode);
        let flags = FlowFlags::of_mode(mode)
            .with(FlowFlags::INACTIVE)
            .with(FlowFlags::NO_OUTPUT);
        assert_eq!(flags.mode(), mode);
        assert_eq!(flags.without(FlowFlags::NO_OUTPUT).mode(), mode);
    }
}

#[test]
fn flags_are_set_and_cleared_one_by_one() {
    let flags = FlowFlags::NONE
        .with(FlowFlags::INACTIVE)
        .with(FlowFlags::TEMPLATE);
    assert!(flags.contains(FlowFlags::INACTIVE) && flags.contains(FlowFlags::TEMPLATE));
    let flags = flags.without(FlowFlags::INACTIVE);
    assert!(!flags.contains(FlowFlags::INACTIVE) && flags.contains(FlowFlags::TEMPLATE));
    assert!(!flags.contains(FlowFlags::INACTIVE.with(FlowFlags::TEMPLATE)));
}

#[test]
fn the_tables_own_flags_cannot_be_set_from_outside() {
    let mut table = table(16);
    let all_flags = FlowFlags::NONE
        .with(FlowFlags::OUTBOUND_INDEXED)
        .with(FlowFlags::LIVE)
        .with(FlowFlags::ONE_PACKET);
    let new = NewFlow {
        flags: all_flags,
        ..dr(inbound(1, 1), RealId(0))
    };
    let flow = insert(&mut table, &new).unwrap();
    assert!(
        !table
            .hot(flow)
            .unwrap()
            .flags()
            .contains(FlowFlags::OUTBOUND_INDEXED)
    );
    assert!(
        table
            .hot(flow)
            .unwrap()
            .flags()
            .contains(FlowFlags::ONE_PACKET)
    );
    table.hot_mut(flow).unwrap().set_flags(FlowFlags::NONE);
    assert!(table.hot(flow).is_some(), "still alive");
    table.hot_mut(flow).unwrap().set_flags(all_flags);
    assert!(
        !table
            .hot(flow)
            .unwrap()
            .flags()
            .contains(FlowFlags::OUTBOUND_INDEXED)
    );
}

#[test]
fn an_entry_and_its_share_of_the_index_take_at_most_128_octets() {
    let Layout { buckets, entries } = Layout::for_capacity(1_000_000);
    let bytes = Layout { buckets, entries }.bytes();
    assert!(bytes.div_ceil(1_000_000) <= 128, "{bytes}");
    assert_eq!(
        (
            size_of::<HotEntry>(),
            size_of::<ColdEntry>(),
            size_of::<Bucket>()
        ),
        (64, 32, 64)
    );
}

#[test]
fn a_share_of_one_and_a_quarter_million_takes_at_most_160_megabytes() {
    let layout = Layout::for_capacity(1_250_000);
    assert_eq!(layout.entries, 1_250_000);
    assert!(layout.bytes() <= 160_000_000, "{}", layout.bytes());
    // The design load: at most four fifths of the lanes are needed.
    assert!(layout.buckets * index::LANES * 4 >= 2 * layout.entries * 5);
}

#[test]
fn a_capacity_out_of_reach_is_cut() {
    let layout = Layout::for_capacity(usize::MAX);
    assert_eq!(layout.entries, 1 << 28);
}

#[test]
fn a_hash_key_is_not_printed() {
    assert_eq!(
        std::format!("{:?}", HashKey::new([7; 8])),
        "HashKey(secret)"
    );
}

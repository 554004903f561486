// SPDX-License-Identifier: Apache-2.0
//! Tables filled to the last entry.

use std::vec::Vec;

use super::*;

fn fill(table: &mut Table, keys: impl Iterator<Item = FlowKey>) -> Vec<(NewFlow, FlowId)> {
    keys.enumerate()
        .map(|(number, key)| {
            let new = nat(key, RealId(u32::try_from(number % 900).unwrap()));
            let flow = insert(table, &new)
                .unwrap_or_else(|error| panic!("{error} at {number} of {}", table.capacity()));
            (new, flow)
        })
        .collect()
}

fn assert_all_found(table: &Table, flows: &[(NewFlow, FlowId)]) {
    for (new, flow) in flows {
        assert_eq!(find(table, &new.inbound), Some((*flow, Direction::Inbound)));
        assert_eq!(
            find(table, &new.outbound.unwrap()),
            Some((*flow, Direction::Outbound))
        );
    }
}

#[test]
fn tables_of_every_small_size_take_all_they_promise() {
    for capacity in 1..200 {
        for seed in 0..20 {
            let mut table = FlowTable::new(HeapMemory::new(capacity), HashKey::from_seed(seed));
            let clients = 0..u32::try_from(capacity).unwrap();
            let flows = fill(&mut table, clients.map(|client| inbound(client, 1)));
            assert_all_found(&table, &flows);
        }
    }
}

#[test]
fn a_table_of_4096_takes_4096_for_many_secrets() {
    for seed in 0..200 {
        let mut table = FlowTable::new(HeapMemory::new(4096), HashKey::from_seed(seed));
        fill(&mut table, (0..4096).map(|client| inbound(client, 1)));
        assert_eq!(table.len(), 4096);
    }
}

#[test]
fn a_table_of_100_000_takes_100_000_and_finds_them() {
    for seed in 0..3 {
        let mut table = FlowTable::new(HeapMemory::new(100_000), HashKey::from_seed(seed));
        let keys = (0..100_000)
            .map(|number: u32| inbound(number >> 10, u16::try_from(number & 1023).unwrap()));
        let flows = fill(&mut table, keys);
        assert_all_found(&table, &flows);
        let extra = nat(inbound(u32::MAX, 1), RealId(0));
        assert_eq!(insert(&mut table, &extra), Err(InsertError::Full));
    }
}

#[test]
fn churn_at_the_brim_never_fills_the_index() {
    let mut table = table(2000);
    let mut flows = fill(&mut table, (0..2000).map(|client| inbound(client, 1)));
    for round in 0..100_000u32 {
        let victim = (round.wrapping_mul(2_654_435_761) >> 8) as usize % flows.len();
        let (_, flow) = flows.swap_remove(victim);
        table.remove(flow);
        let new = nat(inbound(10_000 + round, 1), RealId(round % 900));
        flows.push((new, insert(&mut table, &new).unwrap()));
    }
    assert_all_found(&table, &flows);
    assert_eq!(table.index_lanes(), 4000);
    for (_, flow) in flows {
        table.remove(flow);
    }
    assert_eq!((table.len(), table.index_lanes()), (0, 0));
}

#[test]
fn most_keys_are_found_in_their_home_bucket() {
    // (connections in the table, per cent found at home at least)
    for (count, at_home) in [(25_000, 99), (40_000, 95), (50_000, 85)] {
        let mut table = table(50_000);
        let flows = fill(&mut table, (0..count).map(|client| inbound(client, 1)));
        let found = flows
            .iter()
            .flat_map(|(new, flow)| [(new.inbound, *flow), (new.outbound.unwrap(), *flow)])
            .filter(|(key, flow)| table.likeliest(table.candidates(table.hash(key))) == Some(*flow))
            .count();
        let share = found * 100 / (2 * flows.len());
        assert!(share >= at_home, "{share} % at home of {count} of 50000");
    }
}

#[test]
fn a_hash_flood_ends_in_index_full_and_leaves_the_table_sound() {
    // The worst an attacker who knew the secret could do: every key in the same two buckets.
    let mut table = table(1000);
    let flood = table.hash(&inbound(0, 0));
    let mut flows = Vec::new();
    let mut refused = 0;
    for client in 0..100 {
        let new = dr(inbound(client, 1), RealId(0));
        match table.insert(&new, flood, real) {
            Ok(flow) => flows.push((new, flow)),
            Err(error) => {
                assert_eq!(error, InsertError::IndexFull);
                refused += 1;
            }
        }
    }
    assert_eq!((flows.len(), refused), (16, 84));
    assert_eq!((table.len(), table.index_lanes()), (16, 16));
    for (new, flow) in &flows {
        assert_eq!(
            table.find(&new.inbound, flood, real),
            Some((*flow, Direction::Inbound))
        );
    }
    // An honest key finds its way, and no entry was lost to the refusals.
    fill(&mut table, (1000..1984).map(|client| inbound(client, 1)));
    assert_eq!(table.len(), 1000);
}

#[test]
fn an_outbound_key_without_room_takes_the_whole_connection_back() {
    // A memory whose index has room for one lane more.
    let mut table = FlowTable::new(HeapMemory::with_lengths(1, 16), HashKey::from_seed(1));
    for client in 0..7 {
        insert(&mut table, &dr(inbound(client, 1), RealId(0))).unwrap();
    }
    let new = nat(inbound(100, 1), RealId(0));
    assert_eq!(insert(&mut table, &new), Err(InsertError::IndexFull));
    assert_eq!(find(&table, &new.inbound), None);
    assert_eq!((table.len(), table.index_lanes()), (7, 7));
    insert(&mut table, &dr(inbound(100, 1), RealId(0))).unwrap();
}

#[test]
fn a_memory_without_index_refuses() {
    let mut table = FlowTable::new(HeapMemory::with_lengths(0, 16), HashKey::from_seed(1));
    assert_eq!(
        insert(&mut table, &dr(inbound(1, 1), RealId(0))),
        Err(InsertError::IndexFull)
    );
    assert_eq!(find(&table, &inbound(1, 1)), None);
    assert!(table.is_empty());
}

// SPDX-License-Identifier: Apache-2.0
//! Random histories, compared with two maps.

use std::collections::{BTreeMap, HashMap};
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Client, port, VIP, server, and whether the answers pass the director.
    Insert(u32, u16, u8, u32, bool),
    /// Removes the n-th live connection, modulo their number.
    Remove(usize),
    /// Stamps the n-th live connection.
    Stamp(usize, u32),
}

/// Few values, so that keys meet often.
fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..6u32, 1..4u16, 10..13u8, 0..3u32, any::<bool>())
            .prop_map(|(c, p, v, r, nat)| Step::Insert(c, p, v, r, nat)),
        2 => any::<usize>().prop_map(Step::Remove),
        1 => (any::<usize>(), any::<u32>()).prop_map(|(n, now)| Step::Stamp(n, now)),
    ]
}

#[derive(Default)]
struct Model {
    keys: HashMap<FlowKey, (FlowId, Direction)>,
    flows: BTreeMap<FlowId, (NewFlow, u32)>,
}

impl Model {
    fn nth(&self, n: usize) -> Option<FlowId> {
        let count = self.flows.len();
        (count > 0).then(|| *self.flows.keys().nth(n % count).unwrap())
    }

    fn insert(&mut self, new: &NewFlow, flow: FlowId) {
        let outbound = new.outbound.map(|key| (key, (flow, Direction::Outbound)));
        self.keys.extend(outbound);
        self.keys.insert(new.inbound, (flow, Direction::Inbound));
        assert!(
            self.flows.insert(flow, (*new, new.now_ms)).is_none(),
            "{flow:?} given twice"
        );
    }

    fn remove(&mut self, flow: FlowId) {
        self.flows.remove(&flow);
        self.keys.retain(|_, (holder, _)| *holder != flow);
    }
}

fn apply(table: &mut Table, model: &mut Model, step: Step) {
    match step {
        Step::Insert(client, cport, last, to, is_nat) => {
            let key = FlowKey {
                destination: vip(last),
                ..inbound(client, cport)
            };
            let new = if is_nat {
                nat(key, RealId(to))
            } else {
                dr(key, RealId(to))
            };
            let expected = if model.keys.contains_key(&new.inbound) {
                Some(InsertError::Exists)
            } else if model.flows.len() == table.capacity() {
                Some(InsertError::Full)
            } else {
                None
            };
            let inserted = insert(table, &new);
            assert_eq!(inserted.err(), expected);
            if let Ok(flow) = inserted {
                model.insert(&new, flow);
            }
        }
        Step::Remove(n) => {
            if let Some(flow) = model.nth(n) {
                table.remove(flow);
                model.remove(flow);
            }
        }
        Step::Stamp(n, now_ms) => {
            if let Some(flow) = model.nth(n) {
                table.hot_mut(flow).unwrap().stamp(now_ms);
                model.flows.get_mut(&flow).unwrap().1 = now_ms;
            }
        }
    }
}

fn assert_same(table: &Table, model: &Model) {
    assert_eq!(table.len(), model.flows.len());
    assert_eq!(table.index_lanes(), model.keys.len());
    assert_eq!(all(table), model.flows.keys().copied().collect::<Vec<_>>());
    for (flow, (new, last_seen_ms)) in &model.flows {
        let hot = table.hot(*flow).unwrap();
        assert_eq!(hot.inbound_key(), new.inbound);
        assert_eq!((hot.real(), hot.last_seen_ms), (new.real, *last_seen_ms));
        let indexed = new.outbound.and_then(|key| model.keys.get(&key))
            == Some(&(*flow, Direction::Outbound));
        assert_eq!(hot.flags().contains(FlowFlags::OUTBOUND_INDEXED), indexed);
    }
    for client in 0..6 {
        for cport in 1..4 {
            for last in 10..13 {
                let key = FlowKey {
                    destination: vip(last),
                    ..inbound(client, cport)
                };
                assert_eq!(find(table, &key), model.keys.get(&key).copied());
            }
            for to in 0..3 {
                let key = outbound(&inbound(client, cport), RealId(to));
                assert_eq!(find(table, &key), model.keys.get(&key).copied());
            }
        }
    }
}

proptest! {
    #[test]
    fn random_histories_of_a_roomy_table_match_the_model(
        steps in prop::collection::vec(step(), 1..300),
        seed in any::<u64>(),
    ) {
        let mut table = FlowTable::new(HeapMemory::new(64), HashKey::from_seed(seed));
        let mut model = Model::default();
        for step in steps {
            apply(&mut table, &mut model, step);
        }
        assert_same(&table, &model);
    }

    #[test]
    fn random_histories_of_a_table_that_is_often_full_match_the_model(
        steps in prop::collection::vec(step(), 1..300),
        seed in any::<u64>(),
    ) {
        let mut table = FlowTable::new(HeapMemory::new(12), HashKey::from_seed(seed));
        let mut model = Model::default();
        for step in steps {
            apply(&mut table, &mut model, step);
        }
        assert_same(&table, &model);
    }

    #[test]
    fn every_step_of_a_short_history_matches_the_model(
        steps in prop::collection::vec(step(), 1..40),
        seed in any::<u64>(),
    ) {
        let mut table = FlowTable::new(HeapMemory::new(8), HashKey::from_seed(seed));
        let mut model = Model::default();
        for step in steps {
            apply(&mut table, &mut model, step);
            assert_same(&table, &model);
        }
    }

    #[test]
    fn a_scan_in_random_steps_shows_what_lives(
        steps in prop::collection::vec(step(), 1..100),
        strides in prop::collection::vec(1..9u32, 1..64),
    ) {
        let mut table = table(64);
        let mut model = Model::default();
        for step in steps {
            apply(&mut table, &mut model, step);
        }
        let mut seen = Vec::new();
        let mut cursor = Some(0);
        for stride in strides.iter().cycle() {
            let Some(at) = cursor else { break };
            let (flows, next) = table.scan(at, *stride);
            seen.extend(flows);
            cursor = next;
        }
        prop_assert_eq!(seen, model.flows.keys().copied().collect::<Vec<_>>());
    }

    #[test]
    fn two_tables_with_the_same_history_are_the_same(
        steps in prop::collection::vec(step(), 1..100),
    ) {
        let (mut one, mut other) = (table(32), table(32));
        let (mut first, mut second) = (Model::default(), Model::default());
        for step in steps {
            apply(&mut one, &mut first, step);
            apply(&mut other, &mut second, step);
        }
        prop_assert_eq!(all(&one), all(&other));
        prop_assert_eq!(first.keys, second.keys);
    }
}

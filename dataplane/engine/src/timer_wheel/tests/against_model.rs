// SPDX-License-Identifier: Apache-2.0
//! Random histories, compared with a sorted map of exact deadlines on a clock that never wraps.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A new connection with this timeout.
    Insert(u32),
    /// A packet of the n-th live connection, modulo their number.
    Stamp(usize),
    /// Another timeout for it.
    Timeout(usize, u32),
    /// It is killed, with or without being taken off the wheel.
    Remove(usize, bool),
    /// Time passes; the wheel may look at so many entries.
    Pass(u32, u32),
}

fn timeout_ms() -> impl Strategy<Value = u32> {
    prop_oneof![
        0..2_000u32,
        0..100_000u32,
        900_000..1_200_000u32,
        Just(2_678_400_000)
    ]
}

fn pass_ms() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..1_000u32, 4 => 0..60_000u32, 1 => 0..5_000_000u32]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => timeout_ms().prop_map(Step::Insert),
        3 => any::<usize>().prop_map(Step::Stamp),
        2 => (any::<usize>(), timeout_ms()).prop_map(|(n, ms)| Step::Timeout(n, ms)),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(n, cancel)| Step::Remove(n, cancel)),
        6 => (pass_ms(), prop_oneof![Just(u32::MAX), 0..4u32])
            .prop_map(|(ms, budget)| Step::Pass(ms, budget)),
    ]
}

#[derive(Debug, Clone, Copy)]
struct Flow {
    seen_ms: u64,
    timeout_ms: u32,
    /// When the timeout was set: a deadline that was past even then counts from here.
    set_ms: u64,
}

impl Flow {
    fn deadline_ms(&self) -> u64 {
        self.seen_ms + u64::from(self.timeout_ms)
    }
}

struct Model {
    fixture: Fixture,
    /// The clock that does not wrap.
    now_ms: u64,
    flows: BTreeMap<FlowId, Flow>,
}

impl Model {
    fn new(start_ms: u32) -> Self {
        Self {
            fixture: Fixture::new(start_ms),
            now_ms: u64::from(start_ms),
            flows: BTreeMap::new(),
        }
    }

    fn nth(&self, n: usize) -> Option<FlowId> {
        let count = self.flows.len();
        (count > 0).then(|| *self.flows.keys().nth(n % count).unwrap())
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Insert(timeout_ms) => {
                let flow = self.fixture.flow(timeout_ms);
                let now_ms = self.now_ms;
                let held = Flow {
                    seen_ms: now_ms,
                    timeout_ms,
                    set_ms: now_ms,
                };
                assert!(self.flows.insert(flow, held).is_none());
            }
            Step::Stamp(n) => {
                if let Some(flow) = self.nth(n) {
                    self.fixture.stamp(flow);
                    self.flows.get_mut(&flow).unwrap().seen_ms = self.now_ms;
                }
            }
            Step::Timeout(n, timeout_ms) => {
                if let Some(flow) = self.nth(n) {
                    let held = self.flows.get_mut(&flow).unwrap();
                    let shorter = timeout_ms < held.timeout_ms;
                    held.timeout_ms = timeout_ms;
                    held.set_ms = self.now_ms;
                    self.fixture.table.hot_mut(flow).unwrap().timeout_ms = timeout_ms;
                    if shorter {
                        let now_ms = self.fixture.now_ms;
                        self.fixture
                            .wheel
                            .rearm(&mut self.fixture.table, flow, now_ms);
                    }
                }
            }
            Step::Remove(n, cancel) => {
                if let Some(flow) = self.nth(n) {
                    if cancel {
                        self.fixture.wheel.cancel(&mut self.fixture.table, flow);
                    }
                    self.fixture.table.remove(flow);
                    self.flows.remove(&flow);
                }
            }
            Step::Pass(ms, budget) => self.pass(ms, budget),
        }
    }

    fn pass(&mut self, ms: u32, budget: u32) {
        self.now_ms += u64::from(ms);
        self.fixture.now_ms = self.fixture.now_ms.wrapping_add(ms);
        let (expired, left) = self.fixture.expire(budget);
        for flow in expired {
            let deadline_ms = self
                .flows
                .remove(&flow)
                .expect("reported twice, or dead")
                .deadline_ms();
            assert!(
                deadline_ms <= self.now_ms,
                "{} ms early",
                deadline_ms - self.now_ms
            );
        }
        if left > 0 {
            self.assert_none_is_late();
        }
    }

    /// With budget left over, nobody is more than a slot past his deadline.
    fn assert_none_is_late(&self) {
        for (flow, held) in &self.flows {
            let due_ms = held.deadline_ms().max(held.set_ms);
            assert!(
                due_ms + 256 > self.now_ms,
                "{flow:?}, due at {due_ms} ms, is late"
            );
        }
    }
}

fn start_ms() -> impl Strategy<Value = u32> {
    prop_oneof![any::<u32>(), u32::MAX - 100_000..=u32::MAX, Just(0)]
}

proptest! {
    #[test]
    fn the_wheel_is_never_early_and_hardly_late(
        start_ms in start_ms(),
        steps in prop::collection::vec(step(), 1..300),
    ) {
        let mut model = Model::new(start_ms);
        for step in steps {
            model.apply(step);
        }
        prop_assert_eq!(model.fixture.table.len(), model.flows.len());
    }

    #[test]
    fn everything_expires_in_the_end(
        start_ms in start_ms(),
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut model = Model::new(start_ms);
        for step in steps {
            model.apply(step);
        }
        // 31 days are the longest timeout; the wheel turns in steps of ten minutes.
        for _ in 0..31 * 24 * 6 + 2 {
            model.pass(600_000, u32::MAX);
        }
        prop_assert!(model.flows.is_empty());
        prop_assert!(model.fixture.table.is_empty());
        // No entry was lost: the table can be filled to the brim.
        let capacity = model.fixture.table.capacity();
        for _ in 0..capacity {
            model.fixture.flow(1_000);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

mod against_model;

use std::vec::Vec;

use model::ids::RealId;

use super::*;
use crate::flow_table::tests::{Table, inbound, insert, nat, table};

/// Starts close to the wrap of the clock, at the wrap, and anywhere.
const STARTS_MS: [u32; 6] = [0, 1, 255, 123_456_789, u32::MAX - 5_000, u32::MAX];

struct Fixture {
    table: Table,
    wheel: TimerWheel,
    now_ms: u32,
    clients: u32,
}

impl Fixture {
    fn new(now_ms: u32) -> Self {
        Self {
            table: table(4096),
            wheel: TimerWheel::new(now_ms),
            now_ms,
            clients: 0,
        }
    }

    /// A connection seen now.
    fn flow(&mut self, timeout_ms: u32) -> FlowId {
        self.clients += 1;
        let mut new = nat(inbound(self.clients, 1), RealId(0));
        new.now_ms = self.now_ms;
        new.timeout_ms = timeout_ms;
        let flow = insert(&mut self.table, &new).unwrap();
        self.wheel.schedule(&mut self.table, flow, self.now_ms);
        flow
    }

    fn stamp(&mut self, flow: FlowId) {
        self.table.hot_mut(flow).unwrap().stamp(self.now_ms);
    }

    /// Lets time pass and removes what expired at its end.
    fn after(&mut self, ms: u32) -> Vec<FlowId> {
        self.now_ms = self.now_ms.wrapping_add(ms);
        self.expire(u32::MAX).0
    }

    /// Removes what expired, looking at no more than `budget` entries; also what is left of it.
    fn expire(&mut self, mut budget: u32) -> (Vec<FlowId>, u32) {
        let mut expired = Vec::new();
        while let Some(flow) = self
            .wheel
            .next_expired(&mut self.table, self.now_ms, &mut budget)
        {
            self.table.remove(flow);
            expired.push(flow);
        }
        (expired, budget)
    }

    /// Steps of `step_ms` until `flow` expires; how long that took.
    fn time_until_expired(&mut self, flow: FlowId, step_ms: u32) -> u64 {
        let mut elapsed_ms = 0;
        loop {
            elapsed_ms += u64::from(step_ms);
            let expired = self.after(step_ms);
            if expired.contains(&flow) {
                return elapsed_ms;
            }
            assert!(elapsed_ms < 1 << 33, "never expired");
        }
    }
}

#[test]
fn an_empty_wheel_reports_nothing() {
    for start_ms in STARTS_MS {
        let mut fixture = Fixture::new(start_ms);
        for step_ms in [0, 1, 256, 100_000, 10_000_000, u32::MAX / 2] {
            assert_eq!(fixture.after(step_ms), []);
        }
    }
}

#[test]
fn a_connection_expires_once_its_timeout_has_passed_and_at_most_a_slot_later() {
    for start_ms in STARTS_MS {
        for timeout_ms in [0, 1, 2, 255, 256, 257, 1000, 10_000, 60_000, 900_000] {
            let mut fixture = Fixture::new(start_ms);
            let flow = fixture.flow(timeout_ms);
            let took_ms = fixture.time_until_expired(flow, 1);
            let timeout_ms = u64::from(timeout_ms);
            assert!(
                (timeout_ms..=timeout_ms.max(1) + 256).contains(&took_ms),
                "{timeout_ms} took {took_ms} from {start_ms}"
            );
            assert!(fixture.table.is_empty());
        }
    }
}

#[test]
fn a_timeout_beyond_the_horizon_is_kept() {
    for start_ms in STARTS_MS {
        // An hour, a day, and the 31 days that ipvsadm allows a template.
        for timeout_ms in [1_048_320, 1_048_576, 3_600_000, 86_400_000, 2_678_400_000] {
            let mut fixture = Fixture::new(start_ms);
            let flow = fixture.flow(timeout_ms);
            let took_ms = fixture.time_until_expired(flow, 50_000);
            let timeout_ms = u64::from(timeout_ms);
            assert!(
                (timeout_ms..timeout_ms + 256 + 50_000).contains(&took_ms),
                "{timeout_ms} took {took_ms} from {start_ms}"
            );
        }
    }
}

#[test]
fn packets_put_the_deadline_off() {
    for start_ms in STARTS_MS {
        let mut fixture = Fixture::new(start_ms);
        let flow = fixture.flow(10_000);
        for _ in 0..50 {
            assert_eq!(fixture.after(9_999), []);
            fixture.stamp(flow);
        }
        let took_ms = fixture.time_until_expired(flow, 10);
        assert!((10_000..=10_266).contains(&took_ms), "{took_ms}");
    }
}

#[test]
fn a_longer_timeout_needs_no_call() {
    let mut fixture = Fixture::new(7);
    let flow = fixture.flow(1_000);
    fixture.table.hot_mut(flow).unwrap().timeout_ms = 900_000;
    let took_ms = fixture.time_until_expired(flow, 100);
    assert!((900_000..=900_356).contains(&took_ms), "{took_ms}");
}

#[test]
fn a_shorter_timeout_counts_from_rearm_on() {
    for start_ms in STARTS_MS {
        let mut fixture = Fixture::new(start_ms);
        let flow = fixture.flow(900_000);
        fixture.after(5_000);
        fixture.stamp(flow);
        fixture.table.hot_mut(flow).unwrap().timeout_ms = 10_000;
        fixture
            .wheel
            .rearm(&mut fixture.table, flow, fixture.now_ms);
        let took_ms = fixture.time_until_expired(flow, 10);
        assert!((10_000..=10_266).contains(&took_ms), "{took_ms}");
    }
}

#[test]
fn rearm_leaves_an_earlier_visit_alone() {
    let mut fixture = Fixture::new(0);
    let flow = fixture.flow(1_000);
    let before = fixture.table.cold(flow).unwrap().wheel_slot;
    fixture.table.hot_mut(flow).unwrap().timeout_ms = 500_000;
    fixture.wheel.rearm(&mut fixture.table, flow, 0);
    assert_eq!(fixture.table.cold(flow).unwrap().wheel_slot, before);
}

#[test]
fn rearm_links_what_was_not_linked() {
    let mut fixture = Fixture::new(0);
    let flow = fixture.flow(1_000);
    fixture.wheel.cancel(&mut fixture.table, flow);
    assert_eq!(fixture.after(10_000), []);
    fixture
        .wheel
        .rearm(&mut fixture.table, flow, fixture.now_ms);
    assert_eq!(fixture.after(256), [flow]);
}

#[test]
fn schedule_twice_links_once() {
    let mut fixture = Fixture::new(0);
    let flow = fixture.flow(1_000);
    fixture.wheel.schedule(&mut fixture.table, flow, 0);
    fixture.wheel.schedule(&mut fixture.table, flow, 0);
    assert_eq!(fixture.after(2_000), [flow]);
    assert_eq!(fixture.after(2_000_000), []);
}

#[test]
fn a_deadline_in_the_past_is_reported_at_the_next_slot() {
    for start_ms in STARTS_MS {
        let mut fixture = Fixture::new(start_ms);
        fixture.after(700);
        let flow = fixture.flow(5_000);
        fixture.table.hot_mut(flow).unwrap().last_seen_ms = start_ms.wrapping_sub(50_000);
        fixture
            .wheel
            .rearm(&mut fixture.table, flow, fixture.now_ms);
        assert_eq!(fixture.after(256), [flow]);
    }
}

#[test]
fn a_cancelled_connection_is_not_reported() {
    let mut fixture = Fixture::new(0);
    let flows: Vec<_> = (0..3).map(|_| fixture.flow(1_000)).collect();
    fixture.wheel.cancel(&mut fixture.table, flows[1]);
    fixture.wheel.cancel(&mut fixture.table, flows[1]);
    let mut expired = fixture.after(2_000);
    expired.sort_unstable();
    assert_eq!(expired, [flows[0], flows[2]]);
    assert_eq!(fixture.table.len(), 1);
}

#[test]
fn each_of_three_neighbours_can_be_cancelled() {
    for victim in 0..3 {
        let mut fixture = Fixture::new(0);
        let mut flows: Vec<_> = (0..3).map(|_| fixture.flow(1_000)).collect();
        let flow = flows.remove(victim);
        fixture.wheel.cancel(&mut fixture.table, flow);
        fixture.table.remove(flow);
        let mut expired = fixture.after(2_000);
        expired.sort_unstable();
        assert_eq!(expired, flows);
    }
}

#[test]
fn a_connection_removed_without_cancel_is_freed_when_the_wheel_comes_by() {
    let mut fixture = Fixture {
        table: table(2),
        ..Fixture::new(0)
    };
    let flows = [fixture.flow(1_000), fixture.flow(1_000)];
    fixture.table.remove(flows[0]);
    let new = nat(inbound(77, 1), RealId(0));
    let refused = insert(&mut fixture.table, &new);
    assert_eq!(refused, Err(crate::flow_table::InsertError::Full));
    assert_eq!(fixture.after(2_000), [flows[1]]);
    assert!(insert(&mut fixture.table, &new).is_ok());
    assert!(insert(&mut fixture.table, &nat(inbound(78, 1), RealId(0))).is_ok());
    assert_eq!(fixture.table.len(), 2);
}

#[test]
fn what_is_not_in_the_table_is_not_linked() {
    let mut fixture = Fixture::new(0);
    let flow = fixture.flow(1_000);
    fixture.wheel.cancel(&mut fixture.table, flow);
    fixture.table.remove(flow);
    fixture.wheel.schedule(&mut fixture.table, flow, 0);
    fixture.wheel.rearm(&mut fixture.table, flow, 0);
    assert_eq!(fixture.after(2_000), []);
}

#[test]
fn an_expired_connection_may_be_kept_and_scheduled_again() {
    let mut fixture = Fixture::new(0);
    let flow = fixture.flow(1_000);
    fixture.now_ms = 1_500;
    let mut budget = 10;
    let expired = fixture
        .wheel
        .next_expired(&mut fixture.table, 1_500, &mut budget);
    assert_eq!((expired, budget), (Some(flow), 9));
    fixture.stamp(flow);
    fixture.wheel.schedule(&mut fixture.table, flow, 1_500);
    assert_eq!(fixture.after(999), []);
    assert_eq!(fixture.after(257), [flow]);
}

#[test]
fn the_budget_bounds_the_entries_looked_at() {
    let mut fixture = Fixture::new(0);
    let flows: Vec<_> = (0..100).map(|_| fixture.flow(1_000)).collect();
    fixture.now_ms = 5_000;
    let mut expired = Vec::new();
    for call in 0..10 {
        let (some, left) = fixture.expire(10);
        assert_eq!((some.len(), left), (10, 0), "call {call}");
        expired.extend(some);
    }
    assert_eq!(fixture.expire(10), (Vec::new(), 10));
    expired.sort_unstable();
    assert_eq!(expired, flows);
}

#[test]
fn entries_linked_again_cost_budget_too() {
    let mut fixture = Fixture::new(0);
    for _ in 0..100 {
        let flow = fixture.flow(1_000);
        fixture.table.hot_mut(flow).unwrap().timeout_ms = 60_000;
    }
    fixture.now_ms = 5_000;
    assert_eq!(fixture.expire(60), (Vec::new(), 0));
    assert_eq!(fixture.expire(60), (Vec::new(), 20));
    assert_eq!(fixture.after(60_000).len(), 100);
}

#[test]
fn no_budget_no_work() {
    let mut fixture = Fixture::new(0);
    let flow = fixture.flow(1_000);
    fixture.now_ms = 5_000;
    assert_eq!(fixture.expire(0), (Vec::new(), 0));
    assert_eq!(fixture.expire(1), (Vec::from([flow]), 0));
}

#[test]
fn nothing_due_costs_no_budget() {
    let mut fixture = Fixture::new(0);
    for _ in 0..100 {
        fixture.flow(60_000);
    }
    fixture.now_ms = 59_000;
    assert_eq!(fixture.expire(50), (Vec::new(), 50));
}

#[test]
fn a_starved_wheel_catches_up_and_skips_nobody() {
    for start_ms in STARTS_MS {
        let mut fixture = Fixture::new(start_ms);
        let mut flows: Vec<_> = (0..1000).map(|n| fixture.flow(1_000 + n * 2_000)).collect();
        // Three entries every 10 s, of 5 that become due in that time.
        let mut expired = Vec::new();
        for _ in 0..1000 {
            fixture.now_ms = fixture.now_ms.wrapping_add(10_000);
            expired.extend(fixture.expire(3).0);
        }
        expired.sort_unstable();
        flows.sort_unstable();
        assert_eq!(expired, flows);
    }
}

#[test]
fn a_long_pause_is_worked_off_in_one_turn() {
    for start_ms in STARTS_MS {
        for pause_ms in [
            1_048_576,
            5_000_000,
            86_400_000,
            2_000_000_000,
            4_000_000_000,
        ] {
            let mut fixture = Fixture::new(start_ms);
            let short: Vec<_> = (0..50).map(|n| fixture.flow(n * 17_000)).collect();
            fixture.now_ms = fixture.now_ms.wrapping_add(pause_ms);
            let young: Vec<_> = (0..50).map(|n| fixture.flow(20_000 + n * 17_000)).collect();
            // Each entry is looked at about once.
            let (mut expired, left) = fixture.expire(1000);
            expired.sort_unstable();
            assert_eq!(expired, short, "pause {pause_ms} from {start_ms}");
            assert!(left >= 1000 - 100, "{left}");
            let mut expired = fixture.after(900_000);
            expired.sort_unstable();
            assert_eq!(expired, young);
        }
    }
}

#[test]
fn a_stamp_a_little_ahead_of_the_clock_does_not_expire() {
    for start_ms in STARTS_MS {
        let mut fixture = Fixture::new(start_ms);
        let flow = fixture.flow(10_000);
        fixture.table.hot_mut(flow).unwrap().last_seen_ms = start_ms.wrapping_add(50);
        fixture.wheel.schedule(&mut fixture.table, flow, start_ms);
        assert_eq!(fixture.after(20), []);
        assert_eq!(fixture.after(9_970), []);
        assert_eq!(fixture.after(400), [flow]);
    }
}

#[test]
fn a_clock_that_steps_back_stops_the_wheel_and_breaks_nothing() {
    let mut fixture = Fixture::new(1_000_000);
    let flow = fixture.flow(10_000);
    assert_eq!(fixture.after(5_000), []);
    fixture.now_ms -= 4_000;
    assert_eq!(fixture.after(0), []);
    assert_eq!(fixture.after(9_500), [flow]);
}

#[test]
fn connections_of_many_timeouts_expire_in_order() {
    let mut fixture = Fixture::new(u32::MAX - 100_000);
    let flows: Vec<_> = (0..2000)
        .map(|n| fixture.flow((n * 7919) % 200_000))
        .collect();
    let timeouts: Vec<_> = flows
        .iter()
        .map(|flow| fixture.table.hot(*flow).unwrap().timeout_ms)
        .collect();
    let mut elapsed_ms = 0;
    let mut seen = 0;
    while !fixture.table.is_empty() {
        elapsed_ms += 128;
        for flow in fixture.after(128) {
            let timeout_ms = timeouts[flow.index()];
            assert!((timeout_ms..=timeout_ms + 256 + 128).contains(&elapsed_ms));
            seen += 1;
        }
    }
    assert_eq!(seen, 2000);
}

#[test]
fn a_quiet_wheel_visits_a_busy_connection_once_per_timeout() {
    let mut fixture = Fixture::new(0);
    let flow = fixture.flow(100_000);
    let mut visits = 0;
    for _ in 0..10_000 {
        fixture.now_ms += 100;
        fixture.stamp(flow);
        let (expired, left) = fixture.expire(10);
        assert_eq!(expired, []);
        visits += 10 - left;
    }
    assert!((9..=11).contains(&visits), "{visits} visits in 1000 s");
}

// SPDX-License-Identifier: Apache-2.0
//! When connections are forgotten.
//!
//! Lazy: a packet only stamps [`HotEntry::last_seen_ms`](crate::flow_table::HotEntry). The wheel
//! links a connection by the deadline it had when it was linked; when its slot comes by and packets
//! have moved the deadline on, it is linked again there, otherwise it has expired. Cost follows the
//! number of connections divided by their timeout, not the number of packets.
//!
//! ```text
//!   slot of time t = ceil(t / 256 ms) mod 4096          horizon 4095 slots, about 17 minutes
//!   ┌───┬───┬───┬───┬───┐
//!   │   │ ● │   │ ● │ … │   heads here, links in the cold entries; later deadlines wait at the
//!   └───┴─│─┴───┴─│─┴───┘   horizon and are looked at again
//! ```
//!
//! Never early; late by at most one slot, and by the time between two calls. A call steps over
//! empty slots without counting them, 4096 at most after a long pause.
//!
//! Times are milliseconds of a clock that wraps at 2³² (49.7 days); timeouts of up to 48 days are
//! kept.

use alloc::boxed::Box;

use crate::flow_table::{ColdEntry, FlowId, FlowMemory, FlowTable, NO_LINK, NOT_ON_WHEEL};

/// Slots of the wheel.
const SLOTS: u32 = 4096;
/// A slot is 2⁸ = 256 ms wide.
const SLOT_BITS: u32 = 8;
/// Slot numbers count on beyond a turn of the wheel: 24 bits, and wrap when the clock does.
const TICK_MASK: u32 = u32::MAX >> SLOT_BITS;
/// How far ahead a connection can be linked, in slots.
const HORIZON_TICKS: u32 = SLOTS - 1;
/// The same in milliseconds, one slot less for the rounding.
const HORIZON_MS: u32 = (HORIZON_TICKS - 1) << SLOT_BITS;
/// A stamp up to this far ahead of the clock (17 minutes) is taken for "just now", one further
/// ahead for one of the past: the clock wraps.
const AHEAD_MAX_MS: u32 = 1 << 20;

/// The deadlines of the connections of one table.
#[derive(Debug)]
pub struct TimerWheel {
    heads: Box<[u32]>,
    /// The next slot to be worked off, counted in ticks. All linked entries are in the
    /// `HORIZON_TICKS + 1` slots from here.
    next_tick: u32,
}

impl TimerWheel {
    /// An empty wheel that starts at `now_ms`.
    #[must_use]
    pub fn new(now_ms: u32) -> Self {
        Self {
            heads: alloc::vec![NO_LINK; SLOTS as usize].into_boxed_slice(),
            next_tick: tick_before(now_ms),
        }
    }

    /// Links a connection by its deadline, `last_seen_ms + timeout_ms`; moves it if it is linked.
    pub fn schedule<M: FlowMemory>(&mut self, table: &mut FlowTable<M>, flow: FlowId, now_ms: u32) {
        let Some(entry) = table.hot(flow) else { return };
        let left_ms = left_ms(entry.last_seen_ms, entry.timeout_ms, now_ms);
        self.unlink(table, flow);
        self.link(table, flow, self.distance(now_ms, left_ms));
    }

    /// Call it when a change made the deadline of a connection earlier (a shorter timeout); packets
    /// that only move it on need no call.
    pub fn rearm<M: FlowMemory>(&mut self, table: &mut FlowTable<M>, flow: FlowId, now_ms: u32) {
        let Some(entry) = table.hot(flow) else { return };
        let left_ms = left_ms(entry.last_seen_ms, entry.timeout_ms, now_ms);
        let wanted = self.distance(now_ms, left_ms);
        let linked = table
            .cold(flow)
            .filter(|entry| entry.wheel_slot != NOT_ON_WHEEL)
            .map(|entry| u32::from(entry.wheel_slot).wrapping_sub(self.next_tick) % SLOTS);
        if linked.is_none_or(|linked| wanted < linked) {
            self.unlink(table, flow);
            self.link(table, flow, wanted);
        }
    }

    /// Takes a connection off the wheel, before it is removed for another reason than its timeout.
    pub fn cancel<M: FlowMemory>(&mut self, table: &mut FlowTable<M>, flow: FlowId) {
        self.unlink(table, flow);
    }

    /// The next connection whose timeout has passed at `now_ms`, off the wheel and still in the
    /// table; the caller removes it, or changes it and calls [`Self::schedule`].
    ///
    /// Each entry looked at costs one of `budget`; at 0 the answer is `None` and the next call goes
    /// on where this one stopped.
    pub fn next_expired<M: FlowMemory>(
        &mut self,
        table: &mut FlowTable<M>,
        now_ms: u32,
        budget: &mut u32,
    ) -> Option<FlowId> {
        self.skip_turns(now_ms);
        while self.is_due(now_ms) {
            let head = self.heads.get((self.next_tick % SLOTS) as usize).copied();
            let Some(flow) = head.filter(|head| *head != NO_LINK).map(FlowId) else {
                self.next_tick = self.next_tick.wrapping_add(1) & TICK_MASK;
                continue;
            };
            *budget = budget.checked_sub(1)?;
            self.unlink(table, flow);
            let Some(entry) = table.hot(flow) else {
                // Removed without `cancel`.
                table.release(flow);
                continue;
            };
            let left_ms = left_ms(entry.last_seen_ms, entry.timeout_ms, now_ms);
            if left_ms == 0 {
                return Some(flow);
            }
            // More than 0 ms left: never the slot at hand, so every visit is progress.
            self.link(table, flow, self.distance(now_ms, left_ms));
        }
        None
    }

    /// Whether the slot at hand lies at or before `now_ms`.
    fn is_due(&self, now_ms: u32) -> bool {
        self.ticks_behind(now_ms).is_some()
    }

    /// How many slots before that of `now_ms` the slot at hand lies; `None` if it is ahead.
    fn ticks_behind(&self, now_ms: u32) -> Option<u32> {
        let behind = (now_ms >> SLOT_BITS).wrapping_sub(self.next_tick) & TICK_MASK;
        // Ahead by one slot when all is worked off; by more only if the clock stepped back.
        (behind <= TICK_MASK - SLOTS).then_some(behind)
    }

    /// After a pause of more than a turn: every entry lies within one turn, so one turn is enough.
    fn skip_turns(&mut self, now_ms: u32) {
        if self
            .ticks_behind(now_ms)
            .is_some_and(|behind| behind > HORIZON_TICKS)
        {
            self.next_tick = (now_ms >> SLOT_BITS).wrapping_sub(HORIZON_TICKS) & TICK_MASK;
        }
    }

    /// How many slots from the one at hand a deadline `left_ms` after `now_ms` belongs.
    fn distance(&self, now_ms: u32, left_ms: u32) -> u32 {
        let deadline_ms = now_ms.wrapping_add(left_ms.min(HORIZON_MS));
        let tick = deadline_ms.wrapping_add((1 << SLOT_BITS) - 1) >> SLOT_BITS;
        let distance = tick.wrapping_sub(self.next_tick) & TICK_MASK;
        if distance > TICK_MASK / 2 {
            0
        } else {
            distance.min(HORIZON_TICKS)
        }
    }

    fn link<M: FlowMemory>(&mut self, table: &mut FlowTable<M>, flow: FlowId, distance: u32) {
        let slot = self.next_tick.wrapping_add(distance) % SLOTS;
        let Some(head) = self.heads.get_mut(slot as usize) else {
            return;
        };
        let next = core::mem::replace(head, flow.0);
        if let Some(entry) = table.links_mut(flow) {
            entry.previous = NO_LINK;
            entry.next = next;
            entry.wheel_slot = u16::try_from(slot).unwrap_or(NOT_ON_WHEEL);
        }
        if let Some(entry) = table.links_mut(FlowId(next)) {
            entry.previous = flow.0;
        }
    }

    fn unlink<M: FlowMemory>(&mut self, table: &mut FlowTable<M>, flow: FlowId) {
        let Some(entry) = table.links_mut(flow) else {
            return;
        };
        let ColdEntry {
            previous,
            next,
            wheel_slot,
            ..
        } = *entry;
        if wheel_slot == NOT_ON_WHEEL {
            return;
        }
        entry.wheel_slot = NOT_ON_WHEEL;
        entry.next = NO_LINK;
        entry.previous = NO_LINK;
        if let Some(entry) = table.links_mut(FlowId(previous)) {
            entry.next = next;
        } else if let Some(head) = self.heads.get_mut(usize::from(wheel_slot)) {
            *head = next;
        }
        if let Some(entry) = table.links_mut(FlowId(next)) {
            entry.previous = previous;
        }
    }
}

/// The slot of `now_ms`, which is not over yet.
const fn tick_before(now_ms: u32) -> u32 {
    now_ms >> SLOT_BITS
}

/// How long a connection last seen at `last_seen_ms` still lives, 0 if its time is up.
const fn left_ms(last_seen_ms: u32, timeout_ms: u32, now_ms: u32) -> u32 {
    let idle_ms = now_ms.wrapping_sub(last_seen_ms);
    if idle_ms > u32::MAX - AHEAD_MAX_MS {
        // Stamped a little ahead of this clock reading.
        return timeout_ms;
    }
    timeout_ms.saturating_sub(idle_ms)
}

#[cfg(test)]
mod tests;

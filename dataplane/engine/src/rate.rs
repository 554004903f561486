// SPDX-License-Identifier: Apache-2.0
//! So many things per second.

use model::time::Instant;

/// What was done in the current second of the clock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PerSecond {
    second: u64,
    done: u32,
}

impl PerSecond {
    /// Whether one more may be done, and counts it; a `limit` of 0 is none.
    pub(crate) fn allows(&mut self, limit: u32, now: Instant) -> bool {
        let second = now.as_millis() / 1000;
        if second != self.second {
            *self = Self { second, done: 0 };
        }
        self.done = self.done.saturating_add(1);
        limit == 0 || self.done <= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_for_each_second_by_itself() {
        let mut rate = PerSecond::default();
        let mut allowed = |limit, ms| {
            let now = Instant::from_millis(ms);
            (0..10).filter(|_| rate.allows(limit, now)).count()
        };
        assert_eq!(allowed(3, 5000), 3);
        assert_eq!(allowed(3, 5999), 0);
        assert_eq!(allowed(3, 6000), 3);
        assert_eq!(allowed(0, 6000), 10);
    }
}

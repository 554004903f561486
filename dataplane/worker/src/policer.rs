// SPDX-License-Identifier: Apache-2.0
//! How many packets of each class a worker hands to Linux per second.
//!
//! A token bucket per class: strangers who ping or scan the director use up their own class and
//! leave ARP and the replies to our own sockets alone (DESIGN decision 9).

use engine::verdict::PuntClass;
use model::time::Instant;

/// One bucket: up to a second's worth of packets at once.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// Tokens left, in billionths of a packet, so that refilling needs no division.
    tokens_nano: u64,
    filled_at: u64,
}

const NANO: u64 = 1_000_000_000;

impl Bucket {
    fn take(&mut self, rate_pps: u32, now: Instant) -> bool {
        let full = u64::from(rate_pps).saturating_mul(NANO);
        let elapsed = now.as_nanos().saturating_sub(self.filled_at);
        self.filled_at = now.as_nanos();
        let earned = elapsed.saturating_mul(u64::from(rate_pps));
        self.tokens_nano = self.tokens_nano.saturating_add(earned).min(full);
        match self.tokens_nano.checked_sub(NANO) {
            Some(left) => {
                self.tokens_nano = left;
                true
            }
            None => false,
        }
    }
}

/// One worker's policer; its buckets are full at first, however long ago the clock started.
#[derive(Debug, Default)]
pub struct Policer {
    buckets: [Bucket; PuntClass::ALL.len()],
}

impl Policer {
    /// Buckets that were filled when the clock started.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether one more packet of that class may go; `rates` are the classes' packets per second.
    pub fn admits(
        &mut self,
        class: PuntClass,
        rates: &[u32; PuntClass::ALL.len()],
        now: Instant,
    ) -> bool {
        let rate = rates.get(class as usize).copied().unwrap_or(0);
        self.buckets
            .get_mut(class as usize)
            .is_some_and(|bucket| bucket.take(rate, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::snapshot::{PUNT_CLASSES, Tunables};

    fn admitted(policer: &mut Policer, class: PuntClass, offered: u32, at: Instant) -> usize {
        let rates = Tunables::default().punt_pps;
        (0..offered)
            .filter(|_| policer.admits(class, &rates, at))
            .count()
    }

    #[test]
    fn the_classes_are_in_the_order_of_the_model() {
        assert_eq!(PuntClass::ALL.map(PuntClass::name), PUNT_CLASSES);
    }

    #[test]
    fn a_class_over_its_rate_leaves_the_others_alone() {
        let start = Instant::from_millis(1000);
        let mut policer = Policer::new();
        assert_eq!(admitted(&mut policer, PuntClass::Icmp, 2000, start), 500);
        assert_eq!(admitted(&mut policer, PuntClass::ArpNd, 1, start), 1);
    }

    #[test]
    fn tokens_come_back_at_the_rate() {
        let start = Instant::from_millis(1000);
        let mut policer = Policer::new();
        assert_eq!(admitted(&mut policer, PuntClass::Other, 1000, start), 200);
        let later = Instant::from_millis(1500);
        assert_eq!(admitted(&mut policer, PuntClass::Other, 1000, later), 100);
    }

    #[test]
    fn a_rate_of_zero_admits_nothing() {
        let mut policer = Policer::new();
        let later = Instant::from_millis(9_000);
        assert!(!policer.admits(PuntClass::Local, &[0; 6], later));
    }

    #[test]
    fn a_long_silence_saves_up_one_second_at_most() {
        let mut policer = Policer::new();
        let later = Instant::from_millis(3_600_000);
        assert_eq!(admitted(&mut policer, PuntClass::ArpNd, 9000, later), 1000);
    }
}

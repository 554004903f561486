// SPDX-License-Identifier: Apache-2.0
//! How many packets of each class a worker hands to Linux per second.
//!
//! A token bucket per class: strangers who ping or scan the director use up their own class and
//! leave ARP and the replies to our own sockets alone (DESIGN decision 9).

use engine::verdict::PuntClass;
use model::time::Instant;

/// Rates by class, packets per second and worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PuntRates([u32; PuntClass::ALL.len()]);

impl PuntRates {
    /// Rates given by a function of the class.
    #[must_use]
    pub fn new(rate: impl Fn(PuntClass) -> u32) -> Self {
        Self(PuntClass::ALL.map(rate))
    }
}

impl Default for PuntRates {
    fn default() -> Self {
        Self::new(|class| match class {
            PuntClass::ArpNd => 1000,
            PuntClass::Local => 5000,
            PuntClass::Icmp | PuntClass::Multicast => 500,
            PuntClass::Unroutable | PuntClass::Other => 200,
        })
    }
}

/// One bucket: up to a second's worth of packets at once.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    rate_pps: u32,
    /// Tokens left, in billionths of a packet, so that refilling needs no division.
    tokens_nano: u64,
    filled_at: u64,
}

const NANO: u64 = 1_000_000_000;

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let full = u64::from(self.rate_pps).saturating_mul(NANO);
        let elapsed = now.as_nanos().saturating_sub(self.filled_at);
        self.filled_at = now.as_nanos();
        let earned = elapsed.saturating_mul(u64::from(self.rate_pps));
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

/// One worker's policer.
#[derive(Debug)]
pub struct Policer {
    buckets: [Bucket; PuntClass::ALL.len()],
}

impl Policer {
    /// Full buckets.
    #[must_use]
    pub fn new(rates: PuntRates, now: Instant) -> Self {
        Self {
            buckets: rates.0.map(|rate_pps| Bucket {
                rate_pps,
                tokens_nano: u64::from(rate_pps).saturating_mul(NANO),
                filled_at: now.as_nanos(),
            }),
        }
    }

    /// Whether one more packet of that class may go.
    pub fn admits(&mut self, class: PuntClass, now: Instant) -> bool {
        self.buckets.get_mut(class as usize).is_some_and(|bucket| bucket.take(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_over_its_rate_leaves_the_others_alone() {
        let start = Instant::from_millis(1000);
        let mut policer = Policer::new(PuntRates::default(), start);
        let admitted = (0..2000).filter(|_| policer.admits(PuntClass::Icmp, start)).count();
        assert_eq!(admitted, 500);
        assert!(policer.admits(PuntClass::ArpNd, start));
    }

    #[test]
    fn tokens_come_back_at_the_rate() {
        let start = Instant::from_millis(1000);
        let mut policer = Policer::new(PuntRates::default(), start);
        while policer.admits(PuntClass::Other, start) {}
        let later = Instant::from_millis(1500);
        let admitted = (0..1000).filter(|_| policer.admits(PuntClass::Other, later)).count();
        assert_eq!(admitted, 100);
    }

    #[test]
    fn a_rate_of_zero_admits_nothing() {
        let start = Instant::from_millis(1000);
        let mut policer = Policer::new(PuntRates::new(|_| 0), start);
        assert!(!policer.admits(PuntClass::Local, Instant::from_millis(9_000)));
    }

    #[test]
    fn a_long_silence_saves_up_one_second_at_most() {
        let start = Instant::from_millis(0);
        let mut policer = Policer::new(PuntRates::default(), start);
        let later = Instant::from_millis(3_600_000);
        let admitted = (0..9000).filter(|_| policer.admits(PuntClass::ArpNd, later)).count();
        assert_eq!(admitted, 1000);
    }
}

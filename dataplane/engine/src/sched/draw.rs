// SPDX-License-Identifier: Apache-2.0
//! Where schedulers that draw lots get their numbers from.

use alloc::vec::Vec;

/// A source of random numbers: `SplitMix64` from a seed, good enough to spread connections and
/// nothing else; or numbers that somebody else drew, to be given out again.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
    /// Last first.
    recorded: Vec<u64>,
}

impl Random {
    /// Numbers that follow from `seed`.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self {
            state: seed,
            recorded: Vec::new(),
        }
    }

    /// These results of [`Self::below`], in this order, and then those of seed 0.
    #[must_use]
    pub fn recorded(draws: &[u64]) -> Self {
        Self {
            state: 0,
            recorded: draws.iter().rev().copied().collect(),
        }
    }

    /// A number below `bound`, each as likely as the others (to 2^-32); 0 if there is none.
    pub fn below(&mut self, bound: u64) -> u64 {
        if let Some(draw) = self.recorded.pop() {
            return draw;
        }
        let scaled = (u128::from(self.next()) * u128::from(bound)) >> 64;
        scaled as u64
    }

    const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = self.state;
        let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

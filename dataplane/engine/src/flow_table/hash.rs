// SPDX-License-Identifier: Apache-2.0
//! The keyed hash of a [`FlowKey`].
//!
//! An attacker chooses addresses and ports; he must not be able to choose buckets. The sum of
//! 64 × 64 bit products below is NH of UMAC (Black et al., CRYPTO '99, §4): for a random secret,
//! two different keys meet with probability at most 2⁻⁶⁴, whoever picked them. A last folded
//! product spreads the sum over the bits that the index uses. Four multiplications, the last of
//! which waits for the others: about fifteen cycles, no table, no instruction that the baseline
//! CPU lacks.
//!
//! Ports and protocol could be added without a product of their own and keep the bound. Then the
//! ports of one client lie on a line of one multiplier each, and some clients' bunch together.

use super::FlowKey;
use super::index::Signature;

/// The secret behind the hash: random at boot, never shown.
#[derive(Clone, Copy)]
pub struct HashKey([u64; 8]);

impl HashKey {
    /// From eight random words.
    #[must_use]
    pub const fn new(words: [u64; 8]) -> Self {
        Self(words)
    }

    /// Eight words drawn out of one, for tests and benchmarks that must repeat (splitmix64).
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut state = seed;
        Self(core::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = state;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^ (word >> 31)
        }))
    }

    /// The hash of `key`; one function for both directions.
    #[must_use]
    #[inline]
    pub fn hash(&self, key: &FlowKey) -> Hash {
        let [k0, k1, k2, k3, k4, k5, k6, k7] = self.0;
        let (source_low, source_high) = halves(u128::from_le_bytes(*key.source.octets()));
        let (destination_low, destination_high) =
            halves(u128::from_le_bytes(*key.destination.octets()));
        let rest = u64::from(key.source_port)
            | u64::from(key.destination_port) << 16
            | u64::from(key.protocol) << 32;
        let source = product(source_low.wrapping_add(k0), source_high.wrapping_add(k1));
        let destination = product(
            destination_low.wrapping_add(k2),
            destination_high.wrapping_add(k3),
        );
        let rest = product(rest.wrapping_add(k4), k5);
        let sum = source.wrapping_add(destination).wrapping_add(rest);
        let (low, high) = halves(sum);
        let (low, high) = halves(product(low ^ k6, high ^ k7));
        Hash(low ^ high)
    }
}

impl core::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("HashKey(secret)")
    }
}

/// The hash of a key: computed once per packet, for the lookup and, if it fails, the insertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hash(u64);

impl Hash {
    /// All of it, for those who spread by it: never shown where it is the flow table's.
    #[must_use]
    #[inline]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// What the index keeps beside every reference.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "some bits of the hash")]
    pub(super) const fn signature(self) -> Signature {
        Signature::new(self.0 as u16)
    }

    /// The bits that choose the home bucket.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "some bits of the hash")]
    pub(super) const fn place(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

#[inline]
fn product(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}

#[inline]
#[allow(
    clippy::cast_possible_truncation,
    reason = "the two halves of the number"
)]
fn halves(wide: u128) -> (u64, u64) {
    (wide as u64, (wide >> 64) as u64)
}

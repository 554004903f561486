// SPDX-License-Identifier: Apache-2.0
//! The hash that receive side scaling uses to choose a queue ("Verifying the RSS hash calculation",
//! Microsoft NDIS documentation).
//!
//! The input is addresses then ports as they stand in the packet: source address, destination
//! address, source port, destination port, all big-endian.

use alloc::vec::Vec;

/// Bytes of a hash key: enough for 36 bytes of input, two IPv6 addresses and two ports.
pub const KEY_LEN: usize = 40;

/// The hash of `input` under `key`. The key has bits for 36 bytes of input; what is beyond them
/// adds nothing.
#[must_use]
pub fn toeplitz(key: &[u8; KEY_LEN], input: &[u8]) -> u32 {
    // Every set bit of the input adds the 32 bits of the key that begin at the same bit. Five key
    // bytes hold the eight windows that one input byte needs.
    key.windows(WINDOW_LEN)
        .zip(input)
        .fold(0, |hash, (window, byte)| {
            let window = window
                .iter()
                .fold(0u64, |bits, key_byte| (bits << 8) | u64::from(*key_byte));
            hash ^ add_byte(window, *byte)
        })
}

/// The sum of the windows that the set bits of `byte` choose from the 40 bits of `window`.
#[inline]
fn add_byte(window: u64, byte: u8) -> u32 {
    // The highest bit chooses the first 32 of the 40 bits, the lowest those one bit from the end.
    let window = window >> 1;
    (0..8).fold(0, |hash, bit| {
        let chosen = 0u32.wrapping_sub(u32::from((byte >> bit) & 1));
        hash ^ (low32(window >> bit) & chosen)
    })
}

#[inline]
const fn low32(bits: u64) -> u32 {
    (bits & 0xffff_ffff) as u32
}

const WINDOW_LEN: usize = 5;

/// What each value of each half byte of the input adds to the hash: a key, made ready for many
/// hashes. The hash is the sum of the parts of its input, so a part that stays the same is summed
/// once ([`add`]). Half bytes, because whole ones would fill a first-level cache.
pub type Sums = Vec<[u32; 16]>;

/// The sums of a key of 40 bytes, or of the first 40 of a longer one, of which some NICs have 52;
/// `None` of a shorter one.
#[must_use]
pub fn sums(key: &[u8]) -> Option<Sums> {
    let key: &[u8; KEY_LEN] = key.first_chunk()?;
    let sums = key.windows(WINDOW_LEN).flat_map(|window| {
        let window = window
            .iter()
            .fold(0u64, |bits, key_byte| (bits << 8) | u64::from(*key_byte));
        [4, 0].map(|shift| {
            let mut sums = [0; 16];
            for (value, sum) in (0u8..).zip(&mut sums) {
                *sum = add_byte(window, value << shift);
            }
            sums
        })
    });
    Some(sums.collect())
}

/// What `part` adds to the hash if it begins at the byte `at` of the input.
#[must_use]
#[inline]
pub fn add(sums: &[[u32; 16]], at: usize, part: &[u8]) -> u32 {
    let rest = sums.get(at.saturating_mul(2)..).unwrap_or_default();
    rest.chunks_exact(2)
        .zip(part)
        .fold(0, |hash, (halves, byte)| {
            let [high, low] = [usize::from(byte >> 4), usize::from(byte & 15)];
            let [highs, lows] = halves else { return hash };
            let of = |sums: &[u32; 16], half: usize| sums.get(half).copied().unwrap_or_default();
            hash ^ of(highs, high) ^ of(lows, low)
        })
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: Apache-2.0
//! The hash that receive side scaling uses to choose a queue ("Verifying the RSS hash calculation",
//! Microsoft NDIS documentation).
//!
//! The input is addresses then ports as they stand in the packet: source address, destination
//! address, source port, destination port, all big-endian.

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

#[cfg(test)]
mod tests;

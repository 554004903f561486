// SPDX-License-Identifier: Apache-2.0
//! CRC-32C (Castagnoli), the checksum of SCTP (RFC 9260 Appendix A), whole and incremental.
//!
//! A CRC is linear: the CRC of two texts of one length differ by the CRC of their difference, and
//! what lies behind the difference only multiplies it by a power of x. So [`update`] gives the CRC
//! after four bytes changed without looking at the rest of the packet, which may be in other
//! segments of the buffer, and a damaged packet stays damaged by the same amount.
//!
//! Polynomials are held with the lowest power in the highest bit, as the CRC's bytes are sent.

/// The Castagnoli polynomial without its highest power.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// The polynomial 1.
const ONE: u32 = 1 << 31;

/// A CRC under way; bytes may come in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a CRC is a number only after `finish`"]
pub struct Crc(u32);

impl Crc {
    /// Of no bytes.
    #[inline]
    pub const fn new() -> Self {
        Self(u32::MAX)
    }

    /// With `bytes` behind what came before.
    #[inline]
    pub fn with(self, bytes: &[u8]) -> Self {
        Self(feed(self.0, bytes))
    }

    /// The CRC. Its bytes travel lowest first.
    #[inline]
    #[must_use]
    pub const fn finish(self) -> u32 {
        !self.0
    }
}

impl Default for Crc {
    fn default() -> Self {
        Self::new()
    }
}

/// The CRC of `bytes`.
#[inline]
#[must_use]
pub fn of(bytes: &[u8]) -> u32 {
    Crc::new().with(bytes).finish()
}

/// `crc` of a text in which the four bytes `old`, with `behind` bytes following them, become `new`.
#[inline]
#[must_use]
pub fn update(crc: u32, old: [u8; 4], new: [u8; 4], behind: u16) -> u32 {
    let difference = u32::from_le_bytes(old) ^ u32::from_le_bytes(new);
    if difference == 0 {
        return crc;
    }
    let [high, low] = behind.to_be_bytes();
    let mut shifted = multiply(step4(difference), power(&BYTES, low));
    if high != 0 {
        shifted = multiply(shifted, power(&PAGES, high));
    }
    crc ^ shifted
}

/// Eight bytes a step (slicing), then one.
fn feed(mut crc: u32, bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<8>();
    for [a, b, c, d, e, f, g, h] in words {
        let [i, j, k, l] = (crc ^ u32::from_le_bytes([*a, *b, *c, *d])).to_le_bytes();
        let [t0, t1, t2, t3, t4, t5, t6, t7] = &TABLES;
        crc = power(t7, i)
            ^ power(t6, j)
            ^ power(t5, k)
            ^ power(t4, l)
            ^ power(t3, *e)
            ^ power(t2, *f)
            ^ power(t1, *g)
            ^ power(t0, *h);
    }
    let [table, ..] = &TABLES;
    for byte in rest {
        let [low, ..] = crc.to_le_bytes();
        crc = (crc >> 8) ^ power(table, low ^ byte);
    }
    crc
}

/// The register after four bytes that are already in it.
#[inline]
fn step4(register: u32) -> u32 {
    let [a, b, c, d] = register.to_le_bytes();
    let [t0, t1, t2, t3, ..] = &TABLES;
    power(t3, a) ^ power(t2, b) ^ power(t1, c) ^ power(t0, d)
}

/// An entry; there is one for every octet.
#[inline]
fn power(table: &[u32; 256], place: u8) -> u32 {
    table.get(usize::from(place)).copied().unwrap_or(0)
}

/// The product of two polynomials modulo the Castagnoli polynomial.
const fn multiply(a: u32, b: u32) -> u32 {
    let (mut product, mut term, mut rest) = (0, b, a);
    while rest != 0 {
        // All ones if the term counts.
        product ^= term & 0u32.wrapping_sub(rest >> 31);
        term = times_x(term);
        rest <<= 1;
    }
    product
}

const fn times_x(polynomial: u32) -> u32 {
    (polynomial >> 1) ^ (POLYNOMIAL & 0u32.wrapping_sub(polynomial & 1))
}

/// `TABLES[n][octet]`: the register after `octet` and `n` zero bytes.
static TABLES: [[u32; 256]; 8] = tables();
/// `BYTES[n]`: what `n` zero bytes multiply the register by.
static BYTES: [u32; 256] = powers(1);
/// `PAGES[n]`: what 256 `n` zero bytes multiply the register by.
static PAGES: [u32; 256] = powers(256);

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::arithmetic_side_effects,
    reason = "evaluated by the compiler alone, which would refuse"
)]
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut octet = 0;
    while octet < 256 {
        let mut register = octet as u32;
        let mut table = 0;
        while table < 8 {
            let mut bit = 0;
            while bit < 8 {
                register = times_x(register);
                bit += 1;
            }
            tables[table][octet] = register;
            table += 1;
        }
        octet += 1;
    }
    tables
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated by the compiler alone, which would refuse"
)]
const fn powers(bytes: u32) -> [u32; 256] {
    let mut unit = ONE;
    let mut bit = 0;
    while bit < bytes * 8 {
        unit = times_x(unit);
        bit += 1;
    }
    let mut powers = [ONE; 256];
    let mut place = 1;
    while place < 256 {
        powers[place] = multiply(powers[place - 1], unit);
        place += 1;
    }
    powers
}

#[cfg(test)]
mod tests;

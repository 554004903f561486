// SPDX-License-Identifier: Apache-2.0
//! The kernel's hashes of an address, for the schedulers that choose by it.

use crate::addr::Addr;

/// `GOLDEN_RATIO_32` (`include/linux/hash.h`).
const GOLDEN_RATIO_32: u32 = 0x61C8_8647;

/// An address in 32 bits, host order: IPv6 as the XOR of its words (`addr_fold`).
#[must_use]
#[inline]
pub fn fold(addr: Addr) -> u32 {
    let (words, _) = addr.octets().as_chunks::<4>();
    let word = |octets: &[u8; 4]| u32::from_be_bytes(*octets);
    if addr.is_v4() {
        words.last().map_or(0, word)
    } else {
        words.iter().map(word).fold(0, |sum, word| sum ^ word)
    }
}

/// `hash_32`: the top `bits` of a multiplication.
#[must_use]
#[inline]
pub const fn hash_32(value: u32, bits: u32) -> u32 {
    value.wrapping_mul(GOLDEN_RATIO_32) >> (32 - bits)
}

/// The keys of mh's two hashes (`ip_vs_mh.c`, `generate_hash_secret`).
pub const MH_KEYS: [u64; 2] = [2_654_435_761, 2_654_446_892];

/// mh's hash (`ip_vs_mh_hashkey`): `hsiphash` of one word, which is SipHash-1-3 cut to 32 bits on a
/// 64-bit kernel. Both halves of the key are the same.
#[must_use]
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "hsiphash is the low half")]
pub fn mh_hash(addr: Addr, port: u16, key: u64, offset: u32) -> u32 {
    let value = offset
        .wrapping_add(u32::from(port))
        .wrapping_add(fold(addr));
    sip13(key, 4 << 56 | u64::from(value)) as u32
}

/// SipHash-1-3 of one last block, key and key.
#[must_use]
#[inline]
pub const fn sip13(key: u64, block: u64) -> u64 {
    let mut v = [
        key ^ 0x736f_6d65_7073_6575,
        key ^ 0x646f_7261_6e64_6f6d,
        key ^ 0x6c79_6765_6e65_7261,
        key ^ 0x7465_6462_7974_6573,
    ];
    v[3] ^= block;
    v = round(v);
    v[0] ^= block;
    v[2] ^= 0xff;
    v = round(round(round(v)));
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

const fn round([mut a, mut b, mut c, mut d]: [u64; 4]) -> [u64; 4] {
    a = a.wrapping_add(b);
    b = b.rotate_left(13) ^ a;
    a = a.rotate_left(32);
    c = c.wrapping_add(d);
    d = d.rotate_left(16) ^ c;
    a = a.wrapping_add(d);
    d = d.rotate_left(21) ^ a;
    c = c.wrapping_add(b);
    b = b.rotate_left(17) ^ c;
    c = c.rotate_left(32);
    [a, b, c, d]
}

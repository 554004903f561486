// SPDX-License-Identifier: Apache-2.0
//! `ip_vs_dh.c`, `ip_vs_sh.c`, `ip_vs_mh.c`; and the ring, found by looking at every point.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "the numbers of these tests are small"
)]

use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

use super::{Packet, Svc, gcd};

/// Names and weights of a service's servers, in list order.
type Servers = Vec<(u8, i64)>;

/// Tables that were filled before.
#[derive(Debug, Default)]
pub(in super::super) struct Tables {
    mh: BTreeMap<Servers, Vec<u8>>,
    ring: BTreeMap<Servers, Vec<(u32, u8)>>,
}

/// Address and port of a server.
fn address(name: u8) -> u32 {
    u32::from_be_bytes([10, 1, 0, name])
}

const RPORT: u32 = 80;

impl Svc {
    fn usable(&self, name: u8) -> Option<u8> {
        let dest = self.list.iter().find(|dest| dest.name == name)?;
        (!dest.unusable()).then_some(name)
    }

    fn weights(&self) -> Vec<(u8, i64)> {
        let list = self.list.iter();
        list.map(|dest| (dest.name, dest.last_weight)).collect()
    }

    pub(super) fn dh(&self, packet: Packet) -> Option<u8> {
        let bucket = packet.destination.wrapping_mul(0x61C8_8647) >> 24;
        let dest = self.list.get(bucket as usize % self.list.len().max(1))?;
        self.usable(dest.name)
    }

    pub(super) fn sh(&self, packet: Packet) -> Option<u8> {
        if self.list.is_empty() {
            return None;
        }
        let mut table = Vec::new();
        let (mut at, mut count) = (0, 0);
        for _ in 0..256 {
            table.push(self.list[at].name);
            count += 1;
            if count >= self.list[at].weight {
                at = (at + 1) % self.list.len();
                count = 0;
            }
        }
        let port = if self.port { packet.port } else { 0 };
        let hash = |offset: u32| {
            let product = packet
                .source
                .wrapping_add(port.into())
                .wrapping_mul(0x61C8_8647);
            ((offset + (product >> 24)) & 255) as usize
        };
        self.around(&table, hash)
    }

    pub(super) fn mh(&self, packet: Packet, tables: &mut Tables) -> Option<u8> {
        let weights = self.weights();
        let table = tables.mh.entry(weights).or_insert_with_key(|w| mh_fill(w));
        let port = if self.port { packet.port } else { 0 };
        let hash = |offset: u32| {
            let value = offset.wrapping_add(port.into()).wrapping_add(packet.source);
            hsiphash(value, 2_654_435_761) as usize % 4093
        };
        self.around(table, hash)
    }

    fn around(&self, table: &[u8], hash: impl Fn(u32) -> usize) -> Option<u8> {
        let first = hash(0);
        let name = *table.get(first)?;
        if self.usable(name).is_some() || !self.fallback {
            return self.usable(name);
        }
        for offset in 0..table.len() {
            let again = u32::try_from((offset + first) % table.len()).expect("small");
            if let Some(name) = self.usable(table[hash(again)]) {
                return Some(name);
            }
        }
        None
    }

    /// The nearest point at or behind the client's whose server is usable.
    pub(super) fn conhash(&self, packet: Packet, tables: &mut Tables) -> Option<u8> {
        let weights = self.weights();
        let points = tables.ring.entry(weights).or_insert_with_key(|w| ring(w));
        let place = (seed(packet.source, 0) >> 32) as u32;
        let usable = points
            .iter()
            .filter(|(_, name)| self.usable(*name).is_some());
        usable
            .min_by_key(|(at, _)| at.wrapping_sub(place))
            .map(|(_, name)| *name)
    }
}

fn ring(weights: &[(u8, i64)]) -> Vec<(u32, u8)> {
    let divisor = weights.iter().fold(0, |sum, (_, w)| gcd(*w, sum)).max(1);
    let mut points = Vec::new();
    for (name, weight) in weights {
        let seed = seed(address(*name), 80);
        for n in 0..u64::try_from(160 * weight / divisor).expect("not negative") {
            points.push((
                (siphash(0x7065_6e73_746f_636b, seed ^ n, 0) >> 32) as u32,
                *name,
            ));
        }
    }
    points
}

/// Two rounds over the mapped address.
fn seed(address: u32, port: u64) -> u64 {
    let key = 0x7065_6e73_746f_636b;
    let once = siphash(key, port, 0);
    siphash(key, once ^ (0xffff_u64 << 32 | u64::from(address)), 0)
}

fn mh_fill(weights: &[(u8, i64)]) -> Vec<u8> {
    let divisor = weights.iter().fold(0, |sum, (_, w)| gcd(*w, sum));
    if divisor == 0 {
        return Vec::new();
    }
    let mut shift = 0;
    let max = weights.iter().map(|(_, w)| *w).max().unwrap_or(0) / divisor;
    while max >> shift >= 64 {
        shift += 1;
    }
    let mut table = vec![0; 4093];
    let mut steps: BTreeMap<u8, u32> = BTreeMap::new();
    let mut filled = 0;
    loop {
        for (name, weight) in weights {
            let mut turns = (weight / divisor) >> shift;
            if turns == 0 && *weight != 0 {
                turns = 1;
            }
            let offset = hsiphash(address(*name) + RPORT, 2_654_435_761) % 4093;
            let skip = hsiphash(address(*name) + RPORT, 2_654_446_892) % 4092 + 1;
            for _ in 0..turns {
                let step = steps.entry(*name).or_default();
                let place = loop {
                    let place = ((offset + *step * skip) % 4093) as usize;
                    if table[place] == 0 {
                        break place;
                    }
                    *step += 1;
                };
                table[place] = *name;
                filled += 1;
                if filled == 4093 {
                    return table;
                }
            }
        }
    }
}

/// The low half of SipHash-1-3 of four octets.
fn hsiphash(value: u32, key: u64) -> u32 {
    siphash(key, u64::from(value), 4) as u32
}

/// SipHash-1-3 of a last block of `length` octets, both halves of the key the same.
fn siphash(key: u64, block: u64, length: u64) -> u64 {
    let block = length << 56 | block;
    let mut v: [u64; 4] = [0; 4];
    for (v, letters) in v
        .iter_mut()
        .zip([b"somepseu", b"dorandom", b"lygenera", b"tedbytes"])
    {
        *v = u64::from_be_bytes(*letters) ^ key;
    }
    v[3] ^= block;
    for round in 0..4 {
        if round == 1 {
            v[0] ^= block;
            v[2] ^= 0xff;
        }
        for (a, b, turn) in [(0, 1, 13), (2, 3, 16), (0, 3, 21), (2, 1, 17)] {
            v[a] = v[a].wrapping_add(v[b]);
            v[b] = v[b].rotate_left(turn) ^ v[a];
            if turn == 13 || turn == 17 {
                v[a] = v[a].rotate_left(32);
            }
        }
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

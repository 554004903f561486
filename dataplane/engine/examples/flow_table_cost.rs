// SPDX-License-Identifier: Apache-2.0
//! What a lookup costs, beside hashbrown + ahash in the same minutes.
//!
//! `cargo run --release -p penstock-engine --example flow_table_cost`
//!
//! Connections are inserted in one shuffled order and looked up in another, or the hardware
//! prefetcher flatters the figures; the keys themselves are read in order. Every lookup stamps the
//! entry, as a packet does. Rounds alternate between the candidates; the table shows medians.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_macros,
    reason = "a program that is run by hand and prints a table"
)]

use std::hint::black_box;
use std::time::Instant;

use hashbrown::HashMap;
use model::addr::Addr;
use model::ids::{RealId, ServiceId};
use model::service::ForwardMode;
use penstock_engine::flow_table::{
    Direction, FlowFlags, FlowKey, FlowTable, HashKey, HeapMemory, NewFlow,
};

/// Flows per row.
const SIZES: [usize; 3] = [4096, 32_768, 1_000_000];
/// Packets looked at together by the batched pass.
const BURST: usize = 32;
/// Rounds per row; the median is shown.
const ROUNDS: usize = 7;
/// Lookups per round, at least.
const LOOKUPS_MIN: usize = 2_000_000;
/// Servers behind the service.
const REALS: u32 = 16;

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    println!("ns per lookup and stamp, median of {ROUNDS} rounds");
    println!(
        "{:>8} {:>9} {:>9} {:>9} {:>9} | {:>10} {:>10} | {:>7} {:>7}",
        "flows",
        "inbound",
        "outbound",
        "burst-in",
        "burst-out",
        "hb-inline",
        "hb-index",
        "vs",
        "vs"
    );
    for size in SIZES {
        let figures = Fixture::new(size)?.measure()?;
        let [inbound, outbound, burst_in, burst_out, inline, indexed] = figures;
        println!(
            "{size:>8} {inbound:>9.1} {outbound:>9.1} {burst_in:>9.1} {burst_out:>9.1} | \
             {inline:>10.1} {indexed:>10.1} | {:>7.2} {:>7.2}",
            burst_in / inline,
            burst_in / indexed,
        );
    }
    Ok(())
}

/// The same connections in our table and in two of hashbrown's.
struct Fixture {
    reals: Vec<(Addr, u16)>,
    inbound: Vec<FlowKey>,
    outbound: Vec<FlowKey>,
    table: FlowTable<HeapMemory>,
    /// One direction, the entry inside the map: the best case for hashbrown.
    inline: HashMap<FlowKey, [u32; 16], ahash::RandomState>,
    /// Both directions, entries apart: what NAT would need.
    indexed: HashMap<FlowKey, (u32, Direction), ahash::RandomState>,
    entries: Vec<[u32; 16]>,
}

impl Fixture {
    fn new(size: usize) -> Result<Self, Error> {
        let mut random = Random(0x5eed);
        let reals: Vec<(Addr, u16)> = (0..REALS)
            .map(|real| {
                (
                    Addr::from(std::net::Ipv4Addr::from(0x0a00_0000 + real)),
                    8080,
                )
            })
            .collect();
        let mut flows: Vec<(FlowKey, FlowKey, RealId)> = Vec::with_capacity(size);
        for number in 0..u32::try_from(size)? {
            let real = RealId(number % REALS);
            let client = Addr::from(std::net::Ipv4Addr::from(0x6440_0000 + number / 16));
            let cport = 1024 + u16::try_from(number % 16)?;
            let virtual_ip = Addr::from(std::net::Ipv4Addr::new(192, 0, 2, 10));
            let (real_ip, rport) = *reals.get(real.index()).ok_or("no such server")?;
            flows.push((
                key(client, cport, virtual_ip, 80),
                key(real_ip, rport, client, cport),
                real,
            ));
        }
        random.shuffle(&mut flows);
        let capacity = size + size / 4;
        let mut fixture = Self {
            reals,
            inbound: Vec::new(),
            outbound: Vec::new(),
            table: FlowTable::new(HeapMemory::new(capacity), HashKey::from_seed(1)),
            inline: HashMap::with_capacity_and_hasher(capacity, seeded()),
            indexed: HashMap::with_capacity_and_hasher(2 * capacity, seeded()),
            entries: vec![[0; 16]; size],
        };
        for (number, (inbound, outbound, real)) in flows.iter().enumerate() {
            fixture.insert(u32::try_from(number)?, inbound, outbound, *real)?;
        }
        random.shuffle(&mut flows);
        fixture.inbound = flows.iter().map(|(inbound, _, _)| *inbound).collect();
        fixture.outbound = flows.iter().map(|(_, outbound, _)| *outbound).collect();
        Ok(fixture)
    }

    fn insert(
        &mut self,
        number: u32,
        inbound: &FlowKey,
        outbound: &FlowKey,
        real: RealId,
    ) -> Result<(), Error> {
        let new = NewFlow {
            inbound: *inbound,
            outbound: Some(*outbound),
            real,
            service: ServiceId(0),
            flags: FlowFlags::of_mode(ForwardMode::Nat),
            state: 0,
            timeout_ms: 300_000,
            now_ms: 0,
            lease: None,
        };
        let hash = self.table.hash(inbound);
        self.table
            .insert(&new, hash, |real| self.reals.get(real.index()).copied())?;
        self.inline.insert(*inbound, [0; 16]);
        self.indexed.insert(*inbound, (number, Direction::Inbound));
        self.indexed
            .insert(*outbound, (number, Direction::Outbound));
        Ok(())
    }

    fn measure(&mut self) -> Result<[f64; 6], Error> {
        let mut rounds: [Vec<f64>; 6] = std::array::from_fn(|_| Vec::new());
        let passes = LOOKUPS_MIN.div_ceil(self.inbound.len());
        let lookups = f64::from(u32::try_from(passes * self.inbound.len())?);
        let inbound = std::mem::take(&mut self.inbound);
        let outbound = std::mem::take(&mut self.outbound);
        for _ in 0..ROUNDS {
            for (candidate, figures) in rounds.iter_mut().enumerate() {
                let start = Instant::now();
                let mut found = 0;
                for _ in 0..passes {
                    found += match candidate {
                        0 => self.one_by_one(&inbound),
                        1 => self.one_by_one(&outbound),
                        2 => self.in_bursts(&inbound),
                        3 => self.in_bursts(&outbound),
                        4 => self.hashbrown_inline(&inbound),
                        _ => self.hashbrown_indexed(&inbound),
                    };
                }
                let elapsed = start.elapsed();
                if found != passes * inbound.len() {
                    return Err("a flow was not found".into());
                }
                figures.push(elapsed.as_secs_f64() * 1e9 / lookups);
            }
        }
        Ok(rounds.map(median))
    }

    #[inline(never)]
    fn one_by_one(&mut self, keys: &[FlowKey]) -> usize {
        let mut found = 0;
        for key in keys {
            let hash = self.table.hash(key);
            let flow = self
                .table
                .find(key, hash, |real| self.reals.get(real.index()).copied());
            if let Some((flow, _)) = flow
                && let Some(entry) = self.table.hot_mut(flow)
            {
                entry.stamp(7);
                found += 1;
            }
        }
        found
    }

    /// As a worker can do it: candidates of the burst, a touch of its entries, then confirm.
    #[inline(never)]
    fn in_bursts(&mut self, keys: &[FlowKey]) -> usize {
        let mut found = 0;
        for burst in keys.chunks(BURST) {
            let mut hashes = [self.table.hash(&burst[0]); BURST];
            for (hash, key) in hashes.iter_mut().zip(burst) {
                *hash = self.table.hash(key);
            }
            let mut touched = 0;
            for hash in &hashes {
                touched ^= self.table.touch(*hash);
            }
            let mut hashed = hashes.map(|hash| (hash, self.table.candidates(hash)));
            for (_, candidates) in &mut hashed {
                touched ^= self.table.touch_likeliest(*candidates);
            }
            black_box(touched);
            for ((hash, candidates), key) in hashed.iter().zip(burst) {
                let real = |real: RealId| self.reals.get(real.index()).copied();
                if let Some((flow, _)) = self.table.confirm(*candidates, key, *hash, real)
                    && let Some(entry) = self.table.hot_mut(flow)
                {
                    entry.stamp(7);
                    found += 1;
                }
            }
        }
        found
    }

    #[inline(never)]
    fn hashbrown_inline(&mut self, keys: &[FlowKey]) -> usize {
        let mut found = 0;
        for key in keys {
            if let Some([stamp, ..]) = self.inline.get_mut(key) {
                *stamp = 7;
                found += 1;
            }
        }
        found
    }

    #[inline(never)]
    fn hashbrown_indexed(&mut self, keys: &[FlowKey]) -> usize {
        let mut found = 0;
        for key in keys {
            if let Some((entry, _)) = self.indexed.get(key)
                && let Some([stamp, ..]) = self.entries.get_mut(*entry as usize)
            {
                *stamp = 7;
                found += 1;
            }
        }
        found
    }
}

fn key(source: Addr, source_port: u16, destination: Addr, destination_port: u16) -> FlowKey {
    FlowKey {
        protocol: 17,
        source,
        source_port,
        destination,
        destination_port,
    }
}

fn seeded() -> ahash::RandomState {
    ahash::RandomState::with_seeds(1, 2, 3, 4)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// xorshift64: the shuffles must repeat.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (limit as u64)).unwrap_or(0)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Tables of the hashing schedulers: filled by control at every change of the list, read by
//! workers.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::gcd;
use super::hash::{MH_KEYS, mh_hash, sip13};
use super::kind::SchedulerKind;
use crate::addr::Addr;
use crate::ids::RealId;
use crate::service::RealServer;

/// Buckets of dh and sh: 2 to the power of this (`IP_VS_DH_TAB_BITS`, `IP_VS_SH_TAB_BITS`).
pub const HASH_BITS: u32 = 8;
/// Places of mh's table (`IP_VS_MH_TAB_SIZE` for the default index 12).
pub const MH_SIZE: u32 = 4093;
/// Bits of weight that count in mh's table (`IP_VS_MH_TAB_BITS`).
const MH_WEIGHT_BITS: u32 = 6;
/// Points on conhash's ring of a server of the smallest weight (DPVS has as many).
const RING_POINTS: u32 = 160;
/// Points of the whole ring at most, so that it stays in a core's cache; a server keeps one.
/// Beyond, all servers have proportionally fewer, and one that comes moves some of the others'.
const RING_POINTS_MAX: u64 = 1 << 16;
/// Key of the ring's points and of the clients on it.
const RING_KEY: u64 = 0x7065_6e73_746f_636b;

/// Who is where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchedTable {
    /// dh, sh, mh: the server of each bucket; empty when there is no server.
    Buckets(Box<[RealId]>),
    /// conhash.
    Ring(Ring),
}

impl SchedTable {
    /// The table of a list, head first; `None` if the scheduler has none.
    #[must_use]
    pub fn build(kind: SchedulerKind, list: &[&RealServer]) -> Option<Self> {
        match kind {
            SchedulerKind::Dh => Some(Self::Buckets(dh(list))),
            SchedulerKind::Sh => Some(Self::Buckets(sh(list))),
            SchedulerKind::Mh => Some(Self::Buckets(mh(list))),
            SchedulerKind::Conhash => Some(Self::Ring(Ring::build(list))),
            SchedulerKind::Rr
            | SchedulerKind::Wrr
            | SchedulerKind::Lc
            | SchedulerKind::Wlc
            | SchedulerKind::Sed
            | SchedulerKind::Nq
            | SchedulerKind::Lblc
            | SchedulerKind::Lblcr
            | SchedulerKind::Fo
            | SchedulerKind::Ovf
            | SchedulerKind::Twos
            | SchedulerKind::Random => None,
        }
    }
}

/// One bucket each in turn, weights ignored (`ip_vs_dh_reassign`).
fn dh(list: &[&RealServer]) -> Box<[RealId]> {
    let around = list.iter().cycle().map(|real| real.id);
    around.take(1 << HASH_BITS).collect()
}

/// As many buckets as the weight, each in turn; weight 0 gets one, because the kernel counts before
/// it compares (`ip_vs_sh_reassign`).
fn sh(list: &[&RealServer]) -> Box<[RealId]> {
    let runs = list.iter().cycle().flat_map(|real| {
        let count = real.spec.weight.get().max(1) as usize;
        core::iter::repeat_n(real.id, count)
    });
    runs.take(1 << HASH_BITS).collect()
}

/// A server's walk through mh's table (`struct ip_vs_mh_dest_setup`).
struct Walk {
    real: RealId,
    place: u32,
    skip: u32,
    turns: u32,
}

/// Maglev: each in turn takes its next free places, by `last_weight` (`ip_vs_mh_permutate`,
/// `ip_vs_mh_populate`).
fn mh(list: &[&RealServer]) -> Box<[RealId]> {
    let mut walks = mh_walks(list);
    walks.retain(|walk| walk.turns > 0);
    if walks.is_empty() {
        return Box::default();
    }
    let mut table: Vec<Option<RealId>> = vec![None; MH_SIZE as usize];
    let mut free = MH_SIZE;
    'full: loop {
        for walk in &mut walks {
            for _ in 0..walk.turns {
                while let Some(Some(_)) = table.get(walk.place as usize) {
                    walk.place = (walk.place + walk.skip) % MH_SIZE;
                }
                if let Some(place) = table.get_mut(walk.place as usize) {
                    *place = Some(walk.real);
                }
                free -= 1;
                if free == 0 {
                    break 'full;
                }
            }
        }
    }
    table.into_iter().flatten().collect()
}

fn mh_walks(list: &[&RealServer]) -> Vec<Walk> {
    let weights = || list.iter().map(|real| real.last_weight.get());
    let divisor = weights().fold(0, gcd);
    if divisor == 0 {
        return Vec::new();
    }
    // ip_vs_mh_shift_weight: large weights lose their low bits.
    let heaviest = weights().max().unwrap_or(0) / divisor;
    let shift = (u32::BITS - heaviest.leading_zeros()).saturating_sub(MH_WEIGHT_BITS);
    list.iter()
        .map(|real| {
            let hash = |key| mh_hash(real.key.real_ip, real.key.rport, key, 0);
            let weight = real.last_weight.get();
            Walk {
                real: real.id,
                place: hash(MH_KEYS[0]) % MH_SIZE,
                skip: hash(MH_KEYS[1]) % (MH_SIZE - 1) + 1,
                turns: ((weight / divisor) >> shift).max(u32::from(weight != 0)),
            }
        })
        .collect()
}

/// Servers on a circle of 2^32: a client belongs to the first point at or behind its own.
///
/// A server has `RING_POINTS` points for each unit of `last_weight` over the weights' common
/// divisor. Where they are depends on its address and port alone, so a server that comes or goes
/// moves only its own clients; quiescing it leaves the ring as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    /// Sorted.
    points: Box<[(u32, RealId)]>,
    /// For each value of a place's top bits, the first point at or behind it.
    index: Box<[u32]>,
    /// How many bits those are.
    bits: u32,
}

impl Ring {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "counts are at most RING_POINTS_MAX"
    )]
    fn build(list: &[&RealServer]) -> Self {
        let weights = || list.iter().map(|real| u64::from(real.last_weight.get()));
        let divisor = u64::from(list.iter().map(|r| r.last_weight.get()).fold(0, gcd).max(1));
        let wanted = weights().sum::<u64>() / divisor * u64::from(RING_POINTS);
        let mut points: Vec<(u32, RealId)> = Vec::new();
        for (real, weight) in list.iter().zip(weights()).filter(|(_, weight)| *weight > 0) {
            let count = weight / divisor * u64::from(RING_POINTS);
            let count = if wanted > RING_POINTS_MAX {
                (count.saturating_mul(RING_POINTS_MAX) / wanted).max(1)
            } else {
                count
            };
            let seed = ring_seed(real.key.real_ip, real.key.rport);
            points.extend((0..count).map(|n| ((sip13(RING_KEY, seed ^ n) >> 32) as u32, real.id)));
        }
        points.sort_by_key(|(place, _)| *place);
        // Of two at one place the one further up in the list stays, as the sort is stable.
        points.dedup_by_key(|(place, _)| *place);
        let bits = (points.len().max(2) as u32).ilog2();
        let mut index = vec![0; 1 << bits];
        let mut first = 0;
        for (top, start) in (0u32..).zip(&mut index) {
            let from = top << (u32::BITS - bits);
            while points.get(first).is_some_and(|(place, _)| *place < from) {
                first += 1;
            }
            *start = first as u32;
        }
        Self {
            points: points.into(),
            index: index.into(),
            bits,
        }
    }

    /// Servers from a client's place on, once around; the same server many times.
    pub fn from(&self, client: Addr) -> impl Iterator<Item = RealId> {
        let place = (ring_seed(client, 0) >> 32) as u32;
        let top = (place >> (u32::BITS - self.bits)) as usize;
        let start = self.index.get(top).copied().unwrap_or(0) as usize;
        let behind = self.points.iter().skip(start);
        let start = start + behind.take_while(|(at, _)| *at < place).count();
        let (before, after) = self.points.split_at(start.min(self.points.len()));
        after.iter().chain(before).map(|(_, real)| *real)
    }
}

/// 64 bits of an address and a port.
fn ring_seed(addr: Addr, port: u16) -> u64 {
    let (halves, _) = addr.octets().as_chunks::<8>();
    halves.iter().fold(u64::from(port), |sum, half| {
        sip13(RING_KEY, sum ^ u64::from_be_bytes(*half))
    })
}

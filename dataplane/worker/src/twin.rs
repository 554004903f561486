// SPDX-License-Identifier: Apache-2.0
//! The kernel twins of the ports, and the thread that serves them (DESIGN decision 9).
//!
//! ```text
//!   workers ──punt rings──► TwinService ──TAP──► Linux: ARP/ND, ping, ssh, BIRD, …
//!   worker 0 ◄─inject ring─ TwinService ◄─TAP─── Linux
//! ```
//!
//! Workers make no system calls; this thread makes them all. It never waits for a disk, a lock or a
//! peer: what a TAP does not take at once is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dpdk::{Consumer, Mbuf, MbufBatch, Mempool, Producer, thread};
use model::ids::IfaceId;

use crate::tap::Tap;

/// How long the thread sleeps when neither side has anything, nanoseconds: what an ARP reply or a
/// ping waits at most.
const NAP_NS: u64 = 200_000;
/// Frames taken from one TAP before the others get their turn.
const FRAMES_PER_TURN: usize = 32;

/// What the twins did; read by control.
#[derive(Debug, Default)]
pub struct TwinCounters {
    /// Frames given to Linux.
    pub delivered: AtomicU64,
    /// Frames that Linux did not take: the device is down or its queue full.
    pub refused: AtomicU64,
    /// Frames from Linux that found no buffer or no room in the ring.
    pub inject_dropped: AtomicU64,
}

/// All twins, and the rings to and from the workers.
#[derive(Debug)]
pub struct TwinService {
    /// By interface.
    pub twins: Vec<Option<Tap>>,
    /// From each worker.
    pub punts: Vec<Consumer>,
    /// To the worker that sends for Linux.
    pub inject: Producer,
    /// Where packets for Linux's frames come from.
    pub pool: Mempool,
    /// Largest frame that fits a packet buffer, bytes.
    pub frame_max: usize,
    /// What happened.
    pub counters: Arc<TwinCounters>,
}

impl TwinService {
    /// Serves until told to stop.
    pub fn run(mut self, stop: &AtomicBool) {
        let mut batch = MbufBatch::new();
        while !stop.load(Ordering::Relaxed) {
            let moved = self.deliver(&mut batch) + self.collect(&mut batch);
            if moved == 0 {
                thread::sleep_ns(NAP_NS);
            }
        }
        // What still lies in the rings is freed with them.
        self.deliver(&mut batch);
    }

    /// Workers to Linux.
    fn deliver(&mut self, batch: &mut MbufBatch) -> usize {
        let mut moved = 0;
        for ring in &mut self.punts {
            ring.dequeue(batch);
            for packet in batch.drain() {
                moved += 1;
                let tap = self
                    .twins
                    .get(IfaceId(packet.port()).index())
                    .and_then(Option::as_ref);
                let taken = tap.is_some_and(|tap| tap.send(&packet).is_ok());
                let counter = if taken {
                    &self.counters.delivered
                } else {
                    &self.counters.refused
                };
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
        moved
    }

    /// Linux to workers.
    fn collect(&mut self, batch: &mut MbufBatch) -> usize {
        let mut moved = 0;
        for (place, tap) in self.twins.iter().enumerate() {
            let Some(tap) = tap else { continue };
            let Ok(iface) = u16::try_from(place) else {
                continue;
            };
            for _ in 0..FRAMES_PER_TURN {
                if batch.is_full() {
                    break;
                }
                match self.read(tap, iface) {
                    Some(packet) => {
                        moved += 1;
                        // There is room: checked above.
                        drop(batch.push(packet));
                    }
                    None => break,
                }
            }
            self.inject.enqueue(batch);
            let lost = batch.len() as u64;
            self.counters
                .inject_dropped
                .fetch_add(lost, Ordering::Relaxed);
            batch.clear();
        }
        moved
    }

    fn read(&self, tap: &Tap, iface: u16) -> Option<Mbuf> {
        let Some(mut packet) = self.pool.alloc() else {
            self.discard_one(tap);
            return None;
        };
        let room = packet.append(self.frame_max).ok()?;
        match tap.receive(room) {
            Ok(Some(len)) => {
                packet.truncate(len);
                packet.set_port(iface);
                Some(packet)
            }
            Ok(None) | Err(_) => None,
        }
    }

    /// Without a buffer the frame is read and lost, so that Linux's queue does not go stale.
    fn discard_one(&self, tap: &Tap) {
        let mut scratch = [0; 64];
        if matches!(tap.receive(&mut scratch), Ok(Some(_))) {
            self.counters.inject_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Packets that wait for a neighbour's MAC.
//!
//! Linux does the asking (DESIGN decision 9); here a bounded number of packets waits for the
//! answer, as Linux's own `unres_qlen` does. Nothing waits longer than [`WAIT_MAX`].

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use hashbrown::HashMap;
use model::addr::Addr;
use model::fib::{Fib, Hasher, NextHopId};
use model::ids::IfaceId;
use model::time::Instant;

/// Packets that may wait in one worker: a quarter of a small box's mempool cache, 1 MiB at most.
pub const PACKETS_MAX: usize = 512;
/// Packets that may wait for one neighbour: a burst of SYNs to one server.
pub const PACKETS_PER_NEIGHBOUR_MAX: usize = 64;
/// Linux gives up after three probes, a second apart (`net.ipv4.neigh.*.ucast_solicit`).
pub const WAIT_MAX: Duration = Duration::from_secs(3);
/// How often Linux is asked again for one neighbour.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A packet that waits.
#[derive(Debug)]
pub struct Held<B> {
    /// The packet, ready but for its Ethernet header.
    pub packet: B,
    /// Where its network header starts.
    pub l3_offset: u16,
    since: Instant,
}

#[derive(Debug)]
struct Queue<B> {
    packets: VecDeque<Held<B>>,
    asked: Instant,
}

/// Somebody whose MAC is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolve {
    /// The interface it is on.
    pub iface: IfaceId,
    /// Its IP address.
    pub addr: Addr,
}

/// Why [`Waiting::hold`] gave a packet back.
#[derive(Debug)]
pub struct QueueFull<B>(
    /// The packet.
    pub B,
);

/// All packets that wait in one worker.
#[derive(Debug)]
pub struct Waiting<B> {
    queues: HashMap<(IfaceId, Addr), Queue<B>, Hasher>,
    count: usize,
    requests: Vec<Resolve>,
    next_sweep: Instant,
}

impl<B> Waiting<B> {
    /// Nothing waits.
    #[must_use]
    pub fn new(hasher: Hasher) -> Self {
        Self {
            queues: HashMap::with_hasher(hasher),
            count: 0,
            requests: Vec::new(),
            next_sweep: Instant::default(),
        }
    }

    /// How many packets wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether none waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Puts a packet in line and asks for the neighbour, if that was not done a moment ago.
    ///
    /// # Errors
    /// [`QueueFull`] with the packet, when the line or the room for all lines is full.
    pub fn hold(
        &mut self,
        wanted: Resolve,
        packet: B,
        l3_offset: u16,
        now: Instant,
    ) -> Result<(), QueueFull<B>> {
        if self.count >= PACKETS_MAX {
            return Err(QueueFull(packet));
        }
        let queue = self
            .queues
            .entry((wanted.iface, wanted.addr))
            .or_insert_with(|| {
                self.requests.push(wanted);
                Queue {
                    packets: VecDeque::new(),
                    asked: now,
                }
            });
        if now.saturating_since(queue.asked) >= ASK_AGAIN {
            queue.asked = now;
            self.requests.push(wanted);
        }
        if queue.packets.len() >= PACKETS_PER_NEIGHBOUR_MAX {
            return Err(QueueFull(packet));
        }
        queue.packets.push_back(Held {
            packet,
            l3_offset,
            since: now,
        });
        self.count += 1;
        Ok(())
    }

    /// Takes the neighbours to ask Linux for.
    pub fn take_requests(&mut self) -> alloc::vec::Drain<'_, Resolve> {
        self.requests.drain(..)
    }

    /// Takes out the packets whose neighbour is known now, with it.
    pub fn resolved(&mut self, fib: &Fib) -> Vec<(Held<B>, NextHopId)> {
        let mut ready = Vec::new();
        self.queues.retain(
            |(iface, addr), queue| match fib.neighbour_id(*iface, *addr) {
                Some(id) => {
                    ready.extend(queue.packets.drain(..).map(|held| (held, id)));
                    false
                }
                None => true,
            },
        );
        self.count -= ready.len();
        ready
    }

    /// Takes out the packets that waited too long; looks at most ten times a second.
    pub fn expired(&mut self, now: Instant) -> Vec<Held<B>> {
        let mut late = Vec::new();
        if self.count == 0 || now < self.next_sweep {
            return late;
        }
        self.next_sweep = now + Duration::from_millis(100);
        self.queues.retain(|_, queue| {
            while queue
                .packets
                .front()
                .is_some_and(|held| now.saturating_since(held.since) >= WAIT_MAX)
            {
                late.extend(queue.packets.pop_front());
            }
            !queue.packets.is_empty()
        });
        self.count -= late.len();
        late
    }

    /// Takes out everything, at the end.
    pub fn drain(&mut self) -> Vec<Held<B>> {
        self.count = 0;
        self.queues
            .drain()
            .flat_map(|(_, queue)| queue.packets)
            .collect()
    }
}

#[cfg(test)]
mod tests;

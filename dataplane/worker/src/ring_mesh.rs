// SPDX-License-Identifier: Apache-2.0
//! Rings from every worker to every other.

use dpdk::{Consumer, Eal, Mbuf, MbufBatch, Producer, RingError, mbuf_ring};
use model::ids::WorkerId;

/// A worker's ways to all others.
#[derive(Debug, Default)]
pub struct Outbox {
    /// By receiving worker; `None` at its own place.
    outlets: Vec<Option<Outlet>>,
    moved: usize,
}

#[derive(Debug)]
struct Outlet {
    ring: Producer,
    /// Collected during a burst, so that the ring is touched once.
    batch: MbufBatch,
}

/// The ways of all others to a worker.
#[derive(Debug, Default)]
pub struct Inbox {
    rings: Vec<Consumer>,
}

/// The writing ends of the rings to the other workers, by worker; `None` at one's own place.
pub type Outlets = Vec<Option<Producer>>;

/// Connects `workers` workers, each pair by a ring of `capacity` packets per direction; the ends by
/// worker.
///
/// # Errors
/// [`RingError`] when memory is short.
pub fn mesh(
    eal: Eal,
    label: &str,
    workers: u16,
    capacity: u32,
) -> Result<Vec<(Outlets, Inbox)>, RingError> {
    let mut ends: Vec<(Outlets, Inbox)> = (0..workers).map(|_| Default::default()).collect();
    for from in 0..workers {
        for to in 0..workers {
            let outlet = if from == to {
                None
            } else {
                let (ring, consumer) = mbuf_ring(eal, label, capacity, None)?;
                if let Some((_, inbox)) = ends.get_mut(usize::from(to)) {
                    inbox.rings.push(consumer);
                }
                Some(ring)
            };
            if let Some((outlets, _)) = ends.get_mut(usize::from(from)) {
                outlets.push(outlet);
            }
        }
    }
    Ok(ends)
}

impl Outbox {
    /// On the worker's own thread: packets do not travel with it.
    #[must_use]
    pub fn new(outlets: Outlets) -> Self {
        let outlets = outlets
            .into_iter()
            .map(|ring| {
                ring.map(|ring| Outlet {
                    ring,
                    batch: MbufBatch::new(),
                })
            })
            .collect();
        Self { outlets, moved: 0 }
    }

    /// Puts a packet into the batch for `worker`.
    ///
    /// # Errors
    /// The packet, when there is no such worker or its ring is full.
    pub fn push(&mut self, worker: WorkerId, packet: Mbuf) -> Result<(), Mbuf> {
        let Some(Some(outlet)) = self.outlets.get_mut(worker.index()) else {
            return Err(packet);
        };
        if outlet.batch.is_full() {
            self.moved += outlet.ring.enqueue(&mut outlet.batch);
        }
        outlet.batch.push(packet)
    }

    /// Moves the batches into their rings; what does not fit is handed to `refused`. Returns how
    /// many packets went into rings since the last flush.
    pub fn flush(&mut self, mut refused: impl FnMut(Mbuf)) -> usize {
        for outlet in self.outlets.iter_mut().flatten() {
            if outlet.batch.is_empty() {
                continue;
            }
            self.moved += outlet.ring.enqueue(&mut outlet.batch);
            while let Some(packet) = outlet.batch.pop() {
                refused(packet);
            }
        }
        std::mem::take(&mut self.moved)
    }
}

impl Inbox {
    /// Takes packets that other workers sent, up to a burst from each, and hands each burst to
    /// `take`.
    pub fn receive(&mut self, burst: &mut MbufBatch, mut take: impl FnMut(&mut MbufBatch)) {
        for ring in &mut self.rings {
            if ring.is_empty() {
                continue;
            }
            ring.dequeue(burst);
            take(burst);
            burst.clear();
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! A receive queue.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::batch::{BURST_MAX, MbufBatch};
use crate::port::Device;

/// A receive queue of a started port: handed out once, moved to the thread that polls it, used by
/// one thread at a time. The port stays started as long as the queue lives.
///
/// ```compile_fail,E0277
/// fn shared(queue: &dpdk::RxQueue) {
///     std::thread::scope(|scope| { scope.spawn(|| queue.index()); });
/// }
/// ```
#[derive(Debug)]
pub struct RxQueue {
    port: u16,
    queue: u16,
    device: Arc<Device>,
    one_thread: PhantomData<Cell<()>>,
}

impl RxQueue {
    pub(crate) fn new(device: Arc<Device>, queue: u16) -> Self {
        Self {
            port: device.id(),
            queue,
            device,
            one_thread: PhantomData,
        }
    }

    /// Receives packets into the free places of the batch; returns how many came.
    #[inline]
    pub fn burst(&mut self, batch: &mut MbufBatch) -> usize {
        self.burst_up_to(batch, BURST_MAX)
    }

    /// The same, at most `max` packets. Some drivers receive in steps of 4 or 8: less free places
    /// than that bring nothing.
    #[inline]
    pub fn burst_up_to(&mut self, batch: &mut MbufBatch, max: usize) -> usize {
        let (slots, room) = batch.spare(max);
        if room == 0 {
            return 0;
        }
        // SAFETY: the port is started (`device` is shared by its users and halts with the last of
        // them), the queue is set up, this is its only user
        // (`&mut self`, not Clone, not Sync), and there are `room` slots to write.
        let count = unsafe { dpdk_sys::ps_rte_eth_rx_burst(self.port, self.queue, slots, room) };
        let count = usize::from(count.min(room));
        // SAFETY: the driver filled `count` slots with packets that it gave away.
        unsafe { batch.grow(count) };
        count
    }

    /// Its port's number.
    #[must_use]
    pub fn port_id(&self) -> u16 {
        self.port
    }

    /// Its own number.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.queue
    }

    /// The NUMA node of the device, if it has one.
    #[must_use]
    pub fn socket(&self) -> Option<u32> {
        self.device.socket()
    }
}

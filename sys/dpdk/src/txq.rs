// SPDX-License-Identifier: Apache-2.0
//! A transmit queue.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::batch::MbufBatch;
use crate::port::{BondMode, Device};

/// A transmit queue of a started port: handed out once, moved to the thread that fills it, used by
/// one thread at a time. The port stays started as long as the queue lives.
#[derive(Debug)]
pub struct TxQueue {
    port: u16,
    queue: u16,
    device: Arc<Device>,
    one_thread: PhantomData<Cell<()>>,
}

impl TxQueue {
    pub(crate) fn new(device: Arc<Device>, queue: u16) -> Self {
        Self {
            port: device.id(),
            queue,
            device,
            one_thread: PhantomData,
        }
    }

    /// Sends packets of the batch, from its front; those that the device does not take stay in the
    /// batch in order. Returns how many were taken.
    #[inline]
    pub fn burst(&mut self, batch: &mut MbufBatch) -> usize {
        let (slots, count) = batch.filled();
        if count == 0 {
            return 0;
        }
        // SAFETY: the port is started (`device` is shared by its users and halts with the last of
        // them), the queue is set up, this is its only user
        // (`&mut self`, not Clone, not Sync), and there are `count` packets to read.
        let sent = unsafe { dpdk_sys::ps_rte_eth_tx_burst(self.port, self.queue, slots, count) };
        let sent = usize::from(sent.min(count));
        // SAFETY: the driver owns the first `sent` packets now.
        unsafe { batch.forget_first(sent) };
        sent
    }

    /// Whether the driver has frames of its own to send, and wants to be [kept
    /// up](Self::keep_up) for that.
    #[must_use]
    pub fn speaks(&self) -> bool {
        self.device.bond_mode() == Some(BondMode::Lacp)
    }

    /// Gives the driver a turn without a packet: a bonded port sends its LACP frames then.
    pub fn keep_up(&mut self) {
        let none = std::ptr::null_mut();
        // SAFETY: as for `burst`; there are no packets to read.
        let _none = unsafe { dpdk_sys::ps_rte_eth_tx_burst(self.port, self.queue, none, 0) };
    }

    /// Lets the driver check packets that ask for offloads, and complete what its hardware wants
    /// in them (Intel's: the pseudo-header sum); wanted before [`burst`](Self::burst) when offloads
    /// are used. Returns how many packets, from the front, can be sent: the one behind them is
    /// refused by the hardware.
    pub fn prepare(&mut self, batch: &mut MbufBatch) -> usize {
        let (slots, count) = batch.filled();
        if count == 0 {
            return 0;
        }
        // SAFETY: as for `burst`; the packets stay the batch's.
        let ready = unsafe { dpdk_sys::ps_rte_eth_tx_prepare(self.port, self.queue, slots, count) };
        usize::from(ready.min(count))
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

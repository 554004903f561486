// SPDX-License-Identifier: Apache-2.0
//! What a worker is about to send, port by port.

use std::time::Duration;

use dpdk::{Mbuf, MbufBatch, TxQueue};
use model::ids::{PortId, WorkerId};
use model::time::Instant;

/// How often a queue that speaks LACP gets its turn; at least every 100 ms, DPDK says.
const UPKEEP: Duration = Duration::from_millis(10);

/// How a worker reaches a port.
#[derive(Debug)]
pub enum Exit {
    /// By a queue of its own.
    Queue(TxQueue),
    /// By the worker that has one: the port has fewer queues than there are workers.
    Worker(WorkerId),
}

/// A port, as one worker sends to it.
#[derive(Debug)]
pub struct TransmitPort {
    /// The port.
    pub id: PortId,
    /// The way out.
    pub exit: Exit,
    /// Packets not yet taken by the queue.
    pub batch: MbufBatch,
    /// When the driver wants its next turn, packets or not; `None` if it wants none.
    upkeep: Option<Instant>,
}

/// What a flush did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Packets that left.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl TransmitPort {
    /// A port with nothing to send.
    #[must_use]
    pub fn new(id: PortId, exit: Exit, now: Instant) -> Self {
        // One queue's turns are enough, and every port has a first.
        let speaks = matches!(&exit, Exit::Queue(queue) if queue.speaks() && queue.index() == 0);
        Self {
            id,
            exit,
            batch: MbufBatch::new(),
            upkeep: speaks.then_some(now),
        }
    }

    /// Gives the driver its turn if it is due. What it sends then is counted nowhere: it came from
    /// nowhere either.
    pub fn keep_up(&mut self, now: Instant) {
        if let (Some(due), Exit::Queue(queue)) = (&mut self.upkeep, &mut self.exit)
            && now >= *due
        {
            queue.keep_up();
            *due = now + UPKEEP;
        }
    }

    /// Puts a packet in line.
    ///
    /// # Errors
    /// The packet, when the line is full and the queue takes nothing.
    pub fn push(&mut self, packet: Mbuf, sent: &mut Sent) -> Result<(), Mbuf> {
        if self.batch.is_full() {
            self.flush(sent);
        }
        self.batch.push(packet)
    }

    /// Offers the line to the queue once; what it does not take stays for the next round.
    pub fn flush(&mut self, sent: &mut Sent) {
        let Exit::Queue(queue) = &mut self.exit else {
            return;
        };
        if self.batch.is_empty() {
            return;
        }
        let before: u64 = bytes(&self.batch);
        sent.packets = sent
            .packets
            .saturating_add(queue.burst(&mut self.batch) as u64);
        sent.bytes = sent
            .bytes
            .saturating_add(before.saturating_sub(bytes(&self.batch)));
    }
}

fn bytes(batch: &MbufBatch) -> u64 {
    batch.iter().map(|packet| packet.pkt_len() as u64).sum()
}

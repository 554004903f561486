// SPDX-License-Identifier: Apache-2.0
//! Counters: written by one worker, read by anybody, at any time.
//!
//! A [`Board`] belongs to one worker. Control sums the boards; nothing is ever reset, who wants a
//! difference remembers the last value ([`crate::stats`]).

use alloc::boxed::Box;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use model::ids::{LOCALS_MAX, LocalId, RealId, WorkerId};

use crate::post::Mailbox;
use crate::verdict::{DROP_REASONS, DropReason};

/// A count that only its worker changes.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds; a plain load and store, because there is one writer.
    #[inline]
    pub fn add(&self, count: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(count),
            Ordering::Relaxed,
        );
    }

    /// Sets a gauge.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value now.
    #[must_use]
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! worker_counters {
    ($($(#[doc = $doc:literal])+ $field:ident,)+) => {
        /// What a worker did.
        #[derive(Debug, Default)]
        #[repr(align(64))]
        pub struct WorkerCounters {
            $($(#[doc = $doc])+ pub $field: Counter,)+
        }

        impl WorkerCounters {
            /// Every counter with its name and the sentence that explains it.
            pub fn each(&self) -> impl Iterator<Item = (&'static str, u64, &'static str)> {
                [$((stringify!($field), self.$field.get(), concat!($($doc,)+)),)+].into_iter()
            }
        }
    };
}

worker_counters! {
    /// Packets received from the worker's queues.
    rx,
    /// Bytes received from the worker's queues.
    rx_bytes,
    /// Packets from Linux, to be sent.
    injected,
    /// Packets handed over by other workers.
    redirected_in,
    /// Packets made here: ICMP errors and fragments.
    generated,
    /// Packets sent.
    tx,
    /// Bytes sent.
    tx_bytes,
    /// Packets dropped, over all reasons.
    dropped,
    /// Packets handed to Linux.
    punted,
    /// Packets handed to the worker that owns them.
    redirected_out,
    /// Packets waiting here now: for a neighbour's MAC, or for the rest of their datagram.
    held,
    /// Packets taken in for good: consumed without leaving a packet behind.
    absorbed,
    /// Connections opened.
    connections,
    /// Connections in the table now.
    flows,
    /// Templates of persistence in the table now, apart from `flows`.
    templates,
    /// Connections that go past the servers (`cache_bypass`) in the table now, apart from `flows`.
    flows_past,
    /// Connections of the SNAT gateway in the table now, apart from `flows`.
    flows_snat,
    /// Connections that the SNAT gateway opened.
    snat_connections,
    /// Connections that ended, by timeout or by reuse.
    flows_expired,
    /// Connections that `drop_entry` ended to make room; `flows_expired` has them too.
    flows_evicted,
    /// Rounds of the poll loop.
    polls,
    /// Rounds that found nothing to do.
    polls_idle,
    /// Times the worker slept.
    sleeps,
    /// Data connections that FTP's control connections announced.
    data_expected,
    /// Packets that had no room for the option with the client's address.
    toa_no_room,
    /// ICMP errors not sent because of their rate limit.
    icmp_errors_suppressed,
    /// Echo requests to virtual addresses that were answered here.
    icmp_echoes,
    /// Verification tags of SCTP associations remembered now.
    sctp_tags,
}

/// What a real server got and sent through one worker.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct RealCounters {
    /// Connections opened.
    pub connections: Counter,
    /// Packets towards the server.
    pub packets_in: Counter,
    /// Packets from the server.
    pub packets_out: Counter,
    /// Bytes towards the server, IP header included.
    pub bytes_in: Counter,
    /// Bytes from the server, IP header included.
    pub bytes_out: Counter,
    active: AtomicU32,
    inactive: AtomicU32,
    templates: AtomicU32,
}

/// Connections of a real server, as the least-connection schedulers count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// ESTABLISHED, SYN_SENT, SYN_RECV, SYNACK.
    pub active: u32,
    /// All others; every UDP flow.
    pub inactive: u32,
}

impl Load {
    /// What lc and wlc compare (`ip_vs_dest_conn_overhead`): an active connection weighs 256
    /// inactive ones.
    #[must_use]
    #[inline]
    pub const fn overhead(self) -> u64 {
        ((self.active as u64) << 8) + self.inactive as u64
    }

    /// The sum of two workers' connections.
    #[must_use]
    #[inline]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            active: self.active.wrapping_add(other.active),
            inactive: self.inactive.wrapping_add(other.inactive),
        }
    }

    /// All connections.
    #[must_use]
    #[inline]
    pub const fn flows(self) -> u32 {
        self.active.wrapping_add(self.inactive)
    }
}

impl RealCounters {
    /// The connections this worker has there.
    #[must_use]
    #[inline]
    pub fn load(&self) -> Load {
        Load {
            active: self.active.load(Ordering::Relaxed),
            inactive: self.inactive.load(Ordering::Relaxed),
        }
    }

    /// Templates that bind clients to the server: its slot is not free as long as there are any.
    #[must_use]
    pub fn templates(&self) -> u32 {
        self.templates.load(Ordering::Relaxed)
    }

    /// Counts templates.
    pub(crate) fn change_templates(&self, change: impl Fn(u32) -> u32) {
        let count = self.templates.load(Ordering::Relaxed);
        self.templates.store(change(count), Ordering::Relaxed);
    }

    /// Counts a connection in or out.
    #[inline]
    pub fn count(&self, active: bool, entering: bool) {
        let place = if active { &self.active } else { &self.inactive };
        let value = place.load(Ordering::Relaxed);
        let value = if entering {
            value.wrapping_add(1)
        } else {
            value.wrapping_sub(1)
        };
        place.store(value, Ordering::Relaxed);
    }
}

/// All counters of one worker.
#[derive(Debug)]
pub struct Board {
    /// The worker's own.
    pub worker: WorkerCounters,
    drops: [Counter; DROP_REASONS],
    reals: Box<[RealCounters]>,
    locals: Box<[Counter]>,
    mailboxes: Box<[Mailbox]>,
}

impl Board {
    /// A board for servers in slots below `reals_max`, of a worker that is alone.
    #[must_use]
    pub fn new(reals_max: usize) -> Self {
        Self::for_workers(reals_max, 0)
    }

    /// A board of one of so many workers.
    #[must_use]
    pub fn for_workers(reals_max: usize, workers: usize) -> Self {
        Self {
            mailboxes: (0..workers).map(|_| Mailbox::default()).collect(),
            worker: WorkerCounters::default(),
            drops: core::array::from_fn(|_| Counter::default()),
            reals: (0..reals_max).map(|_| RealCounters::default()).collect(),
            locals: (0..LOCALS_MAX).map(|_| Counter::default()).collect(),
        }
    }

    /// Counts a dropped packet.
    #[inline]
    pub fn count_drop(&self, reason: DropReason) {
        self.worker.dropped.add(1);
        if let Some(counter) = self.drops.get(reason as usize) {
            counter.add(1);
        }
    }

    /// Packets dropped for that reason.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops.get(reason as usize).map_or(0, Counter::get)
    }

    /// The counters of a server's slot.
    #[must_use]
    #[inline]
    pub fn real(&self, id: RealId) -> Option<&RealCounters> {
        self.reals.get(id.index())
    }

    /// The letters of this worker to another one.
    #[must_use]
    #[inline]
    pub fn mailbox(&self, to: WorkerId) -> Option<&Mailbox> {
        self.mailboxes.get(to.index())
    }

    /// Connections that have a port of a local address now.
    #[must_use]
    #[inline]
    pub fn local(&self, id: LocalId) -> Option<&Counter> {
        self.locals.get(id.index())
    }

    /// Both sides of this worker's packet identity (DESIGN decision 17); equal whenever it is
    /// between two bursts.
    #[must_use]
    pub fn identity(&self) -> (u64, u64) {
        let w = &self.worker;
        let came = [&w.rx, &w.injected, &w.redirected_in, &w.generated];
        let went = [
            &w.tx,
            &w.dropped,
            &w.punted,
            &w.redirected_out,
            &w.held,
            &w.absorbed,
        ];
        (
            came.iter().map(|c| c.get()).sum(),
            went.iter().map(|c| c.get()).sum(),
        )
    }
}

#[cfg(test)]
mod tests;

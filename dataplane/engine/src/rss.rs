// SPDX-License-Identifier: Apache-2.0
//! The ports' own hash, evaluated in software: what brings a packet to its worker under
//! [`Spread::Rss`](model::snapshot::Spread::Rss).
//!
//! The hash is linear: every bit of a packet adds a number of its own. So the part of the input
//! that stays the same is summed once, and the 64 ports of a word of [`crate::local_ports`] cost
//! one look into a table together.

use alloc::vec::Vec;

use model::addr::Addr;
use model::ids::WorkerId;
use model::local::LocalUse;
use model::rss::{Rss, RssError, RssFacts, RssInput};
use model::service::Protocol;
use wire::toeplitz;

use crate::flow_table::FlowKey;

/// What is told of the ports: all have this key, and tables that agree with this one.
#[derive(Debug, Clone)]
pub struct RssPorts<'a> {
    /// The hash key, 40 bytes or more; beyond 40 nothing counts.
    pub key: &'a [u8],
    /// Worker by the low bits of the hash.
    pub table: &'a [WorkerId],
    /// What goes into the hash.
    pub input: RssInput,
    /// Protocols whose ports go into it.
    pub protocols: &'a [Protocol],
    /// Workers that share the flows.
    pub workers: u16,
    /// Key of the hash of what the ports hash no ports of, random at boot.
    pub rest: [u64; 2],
}

impl RssPorts<'_> {
    /// The ports' function, made ready.
    ///
    /// # Errors
    /// [`RssError`]: packets are to be spread by
    /// [`Spread::ClientHash`](model::snapshot::Spread::ClientHash) then.
    pub fn function(&self) -> Result<Rss, RssError> {
        Rss::new(RssFacts {
            sums: toeplitz::sums(self.key).ok_or(RssError::Key)?,
            table: self.table.to_vec(),
            input: self.input,
            protocols: self.protocols.to_vec(),
            workers: self.workers,
            rest: self.rest,
        })
    }
}

/// The hash of a packet of a client to a service.
#[must_use]
pub(crate) fn of_client(rss: &Rss, client: (Addr, u16), service: (Addr, u16)) -> u32 {
    match rss.input() {
        RssInput::FourTuple => both(rss, client, service),
        RssInput::OneEnd => one(rss, client),
    }
}

/// The hash of a packet to a local address.
#[must_use]
pub(crate) fn of_reply(rss: &Rss, key: &FlowKey, used_for: LocalUse) -> u32 {
    let source = (key.source, key.source_port);
    let destination = (key.destination, key.destination_port);
    match (rss.input(), used_for) {
        (RssInput::FourTuple, _) => both(rss, source, destination),
        // It comes in by a port towards the servers, which hashes destinations,
        (RssInput::OneEnd, LocalUse::Clients) => one(rss, destination),
        // or by one towards the world, which hashes sources.
        (RssInput::OneEnd, LocalUse::Farm) => one(rss, source),
    }
}

/// The hash of a four-tuple.
fn both(rss: &Rss, source: (Addr, u16), destination: (Addr, u16)) -> u32 {
    let ((source, source_port), (destination, destination_port)) = (source, destination);
    let len = octets(&source).len();
    let [a, b] = source_port.to_be_bytes();
    let [c, d] = destination_port.to_be_bytes();
    toeplitz::add(rss.sums(), 0, octets(&source))
        ^ toeplitz::add(rss.sums(), len, octets(&destination))
        ^ toeplitz::add(rss.sums(), 2 * len, &[a, b, c, d])
}

/// The hash of an address and its port.
fn one(rss: &Rss, (addr, port): (Addr, u16)) -> u32 {
    let octets = octets(&addr);
    toeplitz::add(rss.sums(), 0, octets)
        ^ toeplitz::add(rss.sums(), octets.len(), &port.to_be_bytes())
}

/// The octets of an address as they stand in a packet.
fn octets(addr: &Addr) -> &[u8] {
    let octets = addr.octets().as_slice();
    let from = if addr.is_v4() { 12 } else { 0 };
    octets.get(from..).unwrap_or_default()
}

/// For one worker and one family: which of 64 local ports in a row are its own, by what the rest of
/// the packet and the upper bits of the port add to the hash.
#[derive(Debug, Default)]
pub(crate) struct PortMasks {
    masks: Vec<u64>,
    /// Where in the input the port stands, in bytes.
    at: usize,
}

impl PortMasks {
    pub(crate) fn new(rss: &Rss, worker: WorkerId, is_v4: bool) -> Self {
        let at = rss.input().local_port_at(is_v4);
        let lows: Vec<u32> = (0..64u16)
            .map(|low| toeplitz::add(rss.sums(), at, &low.to_be_bytes()))
            .collect();
        let masks = (0..=rss.mask()).map(|base| {
            lows.iter().rev().fold(0, |mask, low| {
                mask << 1 | u64::from(rss.worker(base ^ low) == worker)
            })
        });
        Self {
            masks: masks.collect(),
            at,
        }
    }

    /// The worker's ports among the 64 from `first`, a multiple of 64, on; `base` is the hash with
    /// port 0.
    #[inline]
    pub(crate) fn own(&self, rss: &Rss, base: u32, first: u16) -> u64 {
        let hash = base ^ toeplitz::add(rss.sums(), self.at, &first.to_be_bytes());
        let place = (hash & rss.mask()) as usize;
        self.masks.get(place).copied().unwrap_or_default()
    }
}

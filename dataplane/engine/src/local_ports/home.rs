// SPDX-License-Identifier: Apache-2.0
//! Which local ports are a worker's own: those whose answers are brought to it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use model::addr::Addr;
use model::ids::WorkerId;
use model::local::LocalUse;
use model::rss::{Rss, RssInput};
use model::snapshot::Spread;

use super::Peer;
use crate::affinity;
use crate::flow_table::FlowKey;
use crate::rss::{self, PortMasks};

/// What a worker needs to know its ports, made ready when packets are spread anew.
#[derive(Debug)]
pub(super) struct HomePorts {
    worker: WorkerId,
    spread: Arc<Spread>,
    /// Of 64 ports from one that leaves the remainder of the place when divided by the number of
    /// workers; empty if there is one worker.
    modulo: Vec<u64>,
    v4: PortMasks,
    v6: PortMasks,
}

impl HomePorts {
    pub(super) fn new(worker: WorkerId) -> Self {
        Self {
            worker,
            spread: Arc::new(Spread::Single),
            modulo: Vec::new(),
            v4: PortMasks::default(),
            v6: PortMasks::default(),
        }
    }

    /// Takes over how packets are spread; whether it has changed.
    pub(super) fn sync(&mut self, spread: &Arc<Spread>) -> bool {
        if Arc::ptr_eq(&self.spread, spread) {
            return false;
        }
        self.spread = Arc::clone(spread);
        let workers = match &**spread {
            Spread::Single => 0,
            Spread::ClientHash { workers, .. } => *workers,
            Spread::Rss(rss) => {
                self.v4 = PortMasks::new(rss, self.worker, true);
                self.v6 = PortMasks::new(rss, self.worker, false);
                rss.workers()
            }
        };
        let own = |port: u16| affinity::modulo(port, spread) == self.worker;
        let mask = |rest: u16| {
            let ports = (rest..rest.saturating_add(64)).rev();
            ports.fold(0, |mask, port| mask << 1 | u64::from(own(port)))
        };
        self.modulo = (0..workers).map(mask).collect();
        true
    }

    /// The worker's ports of a local address towards `peer`.
    pub(super) fn own(&self, peer: &Peer, local: Addr) -> Own<'_> {
        match &*self.spread {
            Spread::Single => Own::All,
            Spread::Rss(rss) if rss.hashes_ports_of(peer.protocol) => {
                if (rss.input(), peer.used_for) == (RssInput::OneEnd, LocalUse::Farm) {
                    // The remote end alone leads here, whatever the port.
                    return Own::All;
                }
                let answer = FlowKey {
                    protocol: peer.protocol,
                    source: peer.addr,
                    source_port: peer.port,
                    destination: local,
                    destination_port: 0,
                };
                Own::Hashed {
                    rss,
                    masks: if local.is_v4() { &self.v4 } else { &self.v6 },
                    base: rss::of_reply(rss, &answer, peer.used_for),
                }
            }
            Spread::ClientHash { .. } | Spread::Rss(_) => Own::Modulo(&self.modulo),
        }
    }
}

/// A worker's ports towards one peer.
#[derive(Debug)]
pub(super) enum Own<'a> {
    All,
    Modulo(&'a [u64]),
    Hashed {
        rss: &'a Rss,
        masks: &'a PortMasks,
        base: u32,
    },
}

impl Own<'_> {
    /// Those among the 64 from `first`, a multiple of 64, on.
    #[inline]
    pub(super) fn among(&self, first: u16) -> u64 {
        match self {
            Self::All => u64::MAX,
            Self::Modulo(masks) => usize::from(first)
                .checked_rem(masks.len())
                .and_then(|rest| masks.get(rest).copied())
                .unwrap_or(u64::MAX),
            Self::Hashed { rss, masks, base } => masks.own(rss, *base, first),
        }
    }
}

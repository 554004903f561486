// SPDX-License-Identifier: Apache-2.0
//! Linux's routes and neighbours at one moment, in the words of the dataplane.

use model::addr::{Addr, Mac, Prefix};
use model::fib::{Fib, FibBuilder, Hasher, Route};
use model::ids::IfaceId;

/// What Linux knows; sorted, so that two pictures of one state are equal.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Picture {
    /// Routes that Linux would use, with their metrics; of two for one prefix the lower metric
    /// counts, of two with one metric the first.
    pub(crate) routes: Vec<(Prefix, u32, Route)>,
    /// Neighbours on twins whose MAC is known.
    pub(crate) neighbours: Vec<(IfaceId, Addr, Mac)>,
    /// Addresses of twins.
    pub(crate) addresses: Vec<(IfaceId, Prefix)>,
    /// Neighbours that Linux has not heard of lately (`NUD_STALE`); control has those confirmed
    /// that workers use ([`Netlink::resolve`](super::Netlink::resolve)).
    pub(crate) stale: Vec<(IfaceId, Addr)>,
}

impl Picture {
    /// The table that workers read.
    pub(crate) fn to_fib(&self, hasher: Hasher, generation: u32) -> Fib {
        let mut builder = FibBuilder::new(hasher);
        for (prefix, metric, route) in &self.routes {
            builder.route(*prefix, *metric, *route);
        }
        for (iface, addr, mac) in &self.neighbours {
            builder.neighbour(*iface, *addr, *mac);
        }
        builder.build(generation)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The classifier: gives packets that open something a mark, by which a service may take them
//! ([`crate::service::Mark`]; what LVS users do with `iptables -j MARK`).
//!
//! It is asked once per connection, and for packets that belong to none; never for packets of a
//! known one.

use alloc::vec::Vec;

use crate::addr::{Addr, Prefix};
use crate::service::{PortRange, Protocol};

/// Rules at most: they are tried one after the other.
pub const MARK_RULES_MAX: usize = 256;

/// Which packets get a mark; what is `None` does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkRule {
    /// Transport.
    pub protocol: Option<Protocol>,
    /// Where they come from.
    pub source: Option<Prefix>,
    /// Where they go to.
    pub destination: Option<Prefix>,
    /// Source ports.
    pub source_ports: PortRange,
    /// Destination ports.
    pub destination_ports: PortRange,
    /// The mark; 0 = none, and no further rule is tried.
    pub mark: u32,
}

impl MarkRule {
    fn takes_addresses(&self, source: Addr, destination: Addr) -> bool {
        self.source.is_none_or(|prefix| prefix.contains(source))
            && self
                .destination
                .is_none_or(|prefix| prefix.contains(destination))
    }
}

/// What the classifier looks at.
#[derive(Debug, Clone, Copy)]
pub struct Marked {
    /// Transport.
    pub protocol: Protocol,
    /// Source address.
    pub source: Addr,
    /// Source port.
    pub source_port: u16,
    /// Destination address.
    pub destination: Addr,
    /// Destination port.
    pub destination_port: u16,
}

/// Rules, of which the first that fits counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Classifier {
    rules: Vec<MarkRule>,
}

impl Classifier {
    /// Those rules, in order.
    #[must_use]
    pub const fn new(rules: Vec<MarkRule>) -> Self {
        Self { rules }
    }

    /// The rules, in order.
    #[must_use]
    pub fn rules(&self) -> &[MarkRule] {
        &self.rules
    }

    /// The mark of a packet; 0 = none.
    #[must_use]
    pub fn mark(&self, packet: &Marked) -> u32 {
        self.rules
            .iter()
            .find(|rule| {
                rule.protocol.is_none_or(|wanted| wanted == packet.protocol)
                    && rule.source_ports.contains(packet.source_port)
                    && rule.destination_ports.contains(packet.destination_port)
                    && rule.takes_addresses(packet.source, packet.destination)
            })
            .map_or(0, |rule| rule.mark)
    }

    /// Whether a packet between these addresses may have a mark: what a fragment, which has no
    /// ports, is known by.
    #[must_use]
    pub fn may_mark(&self, source: Addr, destination: Addr) -> bool {
        self.rules
            .iter()
            .any(|rule| rule.mark != 0 && rule.takes_addresses(source, destination))
    }
}

#[cfg(test)]
mod tests;

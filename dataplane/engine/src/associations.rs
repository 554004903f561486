// SPDX-License-Identifier: Apache-2.0
//! SCTP associations of several paths (RFC 9260 §6.4): what tells that a packet from an address
//! nobody has seen belongs to an association that has its server already.
//!
//! ```text
//!   client A ──INIT, COOKIE ECHO──► VIP     tag of the server: learned from the COOKIE ECHO
//!   client B ──HEARTBEAT, DATA────► VIP     same ports, same tag: same server
//!   server   ──COOKIE ACK────► client A     tag of the client: learned from the COOKIE ACK
//!   server   ──HEARTBEAT─────► client B     same ports, same tag: known to be translated
//! ```
//!
//! A tag is 32 random bits that its receiver chose and that every packet to it carries
//! (RFC 9260 §8.5), so with the two ports it names the association from any address. There is room
//! for [`ASSOCIATIONS_MAX`] tags; the oldest goes first. An association that was forgotten only
//! loses the paths it has not used yet.

use alloc::collections::VecDeque;

use hashbrown::HashMap;
use model::fib::Hasher;
use model::ids::RealId;

/// Tags that a worker remembers: one of every association, two where answers pass the director.
pub const ASSOCIATIONS_MAX: usize = 32_768;

/// What names one direction of an association, from and to any of its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AssociationKey {
    /// The port of the end on our side: the vport in packets from the client, the rport in packets
    /// from the server.
    pub near_port: u16,
    /// The client's port.
    pub cport: u16,
    /// The verification tag of that direction; not 0.
    pub tag: u32,
}

/// The server of an association.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// Its slot.
    pub real: RealId,
    /// Which tenant of the slot.
    pub generation: u32,
}

/// The associations whose home this worker is.
#[derive(Debug)]
pub struct Associations {
    servers: HashMap<AssociationKey, Served, Hasher>,
    /// Oldest first.
    order: VecDeque<AssociationKey>,
}

impl Associations {
    /// None, and no room for any.
    #[must_use]
    pub fn new(hasher: Hasher) -> Self {
        Self {
            servers: HashMap::with_hasher(hasher),
            order: VecDeque::new(),
        }
    }

    /// Makes the room, once; not while packets wait.
    pub fn make_room(&mut self) {
        if self.order.capacity() == 0 {
            self.order.reserve_exact(ASSOCIATIONS_MAX);
            // Half empty even so: a table that is fuller has to move when keys come and go.
            self.servers.reserve(2 * ASSOCIATIONS_MAX);
        }
    }

    /// Remembers who serves an association. Nothing is remembered before there is room.
    pub fn learn(&mut self, key: AssociationKey, served: Served) {
        if self.order.capacity() < ASSOCIATIONS_MAX {
            return;
        }
        if let Some(known) = self.servers.get_mut(&key) {
            *known = served;
            return;
        }
        if self.order.len() >= ASSOCIATIONS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.servers.remove(&oldest);
        }
        self.order.push_back(key);
        self.servers.insert(key, served);
    }

    /// Who serves an association.
    #[must_use]
    pub fn find(&self, key: &AssociationKey) -> Option<Served> {
        self.servers.get(key).copied()
    }

    /// How many tags are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests;

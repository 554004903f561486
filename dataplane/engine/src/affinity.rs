// SPDX-License-Identifier: Apache-2.0
//! Which worker owns a packet (DESIGN decision 7).
//!
//! A pure function of the packet and the snapshot, so that every thread comes to the same answer.
//! It is computed on the client side of the flow: a packet to a service carries the client as its
//! source, a packet from a real server carries it as its destination. The client's address and port
//! are all that both directions share without looking the flow up, so they alone are hashed; two
//! services that share a server need no special case then.
//!
//! Where a helper reads along, connections announce others, whose ports nobody knows in advance:
//! of such services the client's address alone is hashed, and of every other TCP packet from or to
//! their addresses too, so that one worker has all connections of an FTP client.

use model::addr::Addr;
use model::ids::WorkerId;
use model::service::{Protocol, RealKey};
use model::snapshot::{Snapshot, Spread};

use crate::connection::service_of;
use crate::flow_table::FlowKey;
use crate::fragments::DatagramKey;
use crate::home::Wide;

/// The owner of a packet that is, or may become, part of a connection; `None` if any worker may
/// handle it.
#[must_use]
pub fn owner(key: &FlowKey, snapshot: &Snapshot) -> Option<WorkerId> {
    match &*snapshot.spread {
        Spread::Single => None,
        Spread::ClientHash {
            key: hash_key,
            workers,
        } => {
            let (client_ip, cport) = client_side(key, snapshot)?;
            Some(place(
                hash(*hash_key, key.protocol, client_ip, cport),
                *workers,
            ))
        }
    }
}

/// The worker that collects the fragments of a datagram, which have no ports to find its flow by;
/// `None` if any worker may. Once they are all there, [`owner`] says whose the datagram is.
#[must_use]
pub fn collector(key: &DatagramKey, snapshot: &Snapshot) -> Option<WorkerId> {
    match &*snapshot.spread {
        Spread::Single => None,
        Spread::ClientHash {
            key: hash_key,
            workers,
        } => {
            let [first, second] = *hash_key;
            let [a, b, c, d] = key.ident.to_be_bytes();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let source = hash([first, second], key.protocol, key.source, low);
            let both = [first ^ source, second];
            let both = hash(both, key.protocol, key.destination, high);
            Some(place(both, *workers))
        }
    }
}

/// The worker that is home to state wider than one flow; `None` if there is one worker.
#[must_use]
pub fn home(wide: &Wide, snapshot: &Snapshot) -> Option<WorkerId> {
    match &*snapshot.spread {
        Spread::Single => None,
        Spread::ClientHash {
            key: [first, second],
            workers,
        } => {
            let service = u64::from(wide.service.0).rotate_left(40);
            let key = [first ^ service, second ^ wide.number];
            Some(place(hash(key, 0, wide.addr, 0), *workers))
        }
    }
}

/// The client's address and port, if one end of the packet is a service or a real server.
fn client_side(key: &FlowKey, snapshot: &Snapshot) -> Option<(Addr, u16)> {
    let protocol = Protocol::from_number(key.protocol)?;
    let services = &snapshot.services;
    if let Some(service) = service_of(key, snapshot) {
        let cport = if services.keeps_clients_together(service.id) {
            0
        } else {
            key.source_port
        };
        return Some((key.source, cport));
    }
    let real = RealKey {
        real_ip: key.source,
        rport: key.source_port,
    };
    if services.is_real(protocol, real) {
        let cport = if services.keeps_clients_of(real) {
            0
        } else {
            key.destination_port
        };
        return Some((key.destination, cport));
    }
    if protocol != Protocol::Tcp {
        None
    } else if services.is_helped(key.destination) {
        Some((key.source, 0))
    } else {
        services
            .is_helped(key.source)
            .then_some((key.destination, 0))
    }
}

/// A keyed hash of the client; two rounds of a folded 64 × 64 bit product.
fn hash(key: [u64; 2], protocol: u8, client_ip: Addr, cport: u16) -> u64 {
    let address = u128::from_be_bytes(*client_ip.octets());
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the two halves of the address"
    )]
    let (high, low) = ((address >> 64) as u64, address as u64);
    let ports = u64::from(cport) << 8 | u64::from(protocol);
    let [first, second] = key;
    let round = fold(low ^ first, high ^ second ^ ports.rotate_left(17));
    fold(round ^ ports, first.rotate_left(32) | 1)
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the two halves of the product"
    )]
    let (high, low) = ((product >> 64) as u64, product as u64);
    high ^ low
}

/// A keyed hash of some bytes, the same at all workers.
pub(crate) fn digest(bytes: &[u8], snapshot: &Snapshot) -> u64 {
    let [first, second] = match &*snapshot.spread {
        Spread::Single => [0, 0],
        Spread::ClientHash { key, .. } => *key,
    };
    bytes.chunks(8).fold(first, |sum, chunk| {
        let mut word = [0; 8];
        if let Some(place) = word.get_mut(..chunk.len()) {
            place.copy_from_slice(chunk);
        }
        fold(sum ^ u64::from_le_bytes(word), second.rotate_left(21) | 1)
    })
}

/// Maps a hash evenly onto `workers` (multiply-shift, no division).
fn place(hash: u64, workers: u16) -> WorkerId {
    let place = (u128::from(hash) * u128::from(workers)) >> 64;
    WorkerId(u16::try_from(place).unwrap_or(0))
}

#[cfg(test)]
mod tests;

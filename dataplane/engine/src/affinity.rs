// SPDX-License-Identifier: Apache-2.0
//! Which worker owns a packet (DESIGN decision 7).
//!
//! A pure function of the packet and the snapshot, so that every thread comes to the same answer.
//! It is computed on the client side of the flow: a packet to a service carries the client as its
//! source, a packet from a real server carries it as its destination.
//!
//! | spread | hashed of a client's packet, and of its answer | of a packet to a local address |
//! |---|---|---|
//! | client hash | the client's address and port, with a key | its port alone |
//! | RSS, four-tuple | the client and the service's [`Home`] | both ends, as they stand |
//! | RSS, one end | the client's address and port | the local end; of the farm's, the remote one |
//!
//! Under RSS this is what the port has computed already, so most packets arrive at home
//! (decision 0012). What the ports hash no ports of, ICMP among it,
//! is spread as if they were software.
//!
//! Where a helper reads along, connections announce others, whose ports nobody knows in advance:
//! of such services the client's address alone is hashed, by software, and of every other TCP
//! packet from or to their addresses too, so that one worker has all connections of an FTP client.

use model::addr::Addr;
use model::homes::Home;
use model::ids::WorkerId;
use model::local::LocalUse;
use model::service::{Protocol, RealKey};
use model::snapshot::{Snapshot, Spread};

use crate::connection::service_of;
use crate::flow_table::FlowKey;
use crate::fragments::DatagramKey;
use crate::home::Wide;
use crate::rss;
use crate::snat;

/// The owner of a packet that is, or may become, part of a connection; `None` if any worker may
/// handle it.
#[must_use]
pub fn owner(key: &FlowKey, snapshot: &Snapshot) -> Option<WorkerId> {
    if matches!(*snapshot.spread, Spread::Single) {
        return None;
    }
    let owner = match sides(key, snapshot)? {
        Sides::Service { client, homes } => of_client(key, client, *homes.first()?, snapshot),
        Sides::Client(client) => software(key.protocol, client, 0, &snapshot.spread),
        Sides::Local(used_for) => of_reply(key, used_for, &snapshot.spread),
        Sides::Farm => of_farm(key, snapshot),
    };
    Some(owner)
}

/// Where to look for a packet's flow next, if the worker `after` was asked and has none; `None` if
/// there is no other place. Only answers of a server that belongs to services with several homes
/// have one; each worker passes such a packet to a later one, so it makes no circles.
#[must_use]
pub fn next_owner(key: &FlowKey, after: WorkerId, snapshot: &Snapshot) -> Option<WorkerId> {
    let Some(Sides::Service { client, homes }) = sides(key, snapshot) else {
        return None;
    };
    let [_, _, ..] = homes else { return None };
    let owners = || {
        homes
            .iter()
            .map(|home| of_client(key, client, *home, snapshot))
    };
    let place = owners().position(|owner| owner == after)?;
    // One that was asked before is not asked again.
    owners().enumerate().skip(place).find_map(|(at, owner)| {
        let is_new = owners().take(at).all(|before| before != owner);
        is_new.then_some(owner).filter(|owner| *owner != after)
    })
}

/// The worker that collects the fragments of a datagram, which have no ports to find its flow by;
/// `None` if any worker may. Once they are all there, [`owner`] says whose the datagram is.
#[must_use]
pub fn collector(key: &DatagramKey, snapshot: &Snapshot) -> Option<WorkerId> {
    let ([first, second], workers) = keyed(&snapshot.spread)?;
    let [a, b, c, d] = key.ident.to_be_bytes();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let source = hash([first, second], key.protocol, key.source, low);
    let both = [first ^ source, second];
    let both = hash(both, key.protocol, key.destination, high);
    Some(place(both, workers))
}

/// Key and workers of the hash that no port computes; `None` if there is one worker.
fn keyed(spread: &Spread) -> Option<([u64; 2], u16)> {
    match spread {
        Spread::Single => None,
        Spread::ClientHash { key, workers } => Some((*key, *workers)),
        Spread::Rss(rss) => Some((rss.rest(), rss.workers())),
    }
}

/// The worker that is home to state wider than one flow; `None` if there is one worker.
#[must_use]
pub fn home(wide: &Wide, snapshot: &Snapshot) -> Option<WorkerId> {
    let ([first, second], workers) = keyed(&snapshot.spread)?;
    let service = u64::from(wide.service.0).rotate_left(40);
    let key = [first ^ service, second ^ wide.number];
    Some(place(hash(key, 0, wide.addr, 0), workers))
}

/// What a packet's ends are to us.
enum Sides<'a> {
    /// One is a client, the other a service or a real server, with these homes.
    Service {
        client: (Addr, u16),
        homes: Homes<'a>,
    },
    /// All connections of this client have one owner.
    Client(Addr),
    /// The destination is a local address.
    Local(LocalUse),
    /// The source is of the farm, and leaves behind a local address.
    Farm,
}

type Homes<'a> = &'a [Home];

fn sides<'a>(key: &FlowKey, snapshot: &'a Snapshot) -> Option<Sides<'a>> {
    if let Some(local) = snapshot.locals.find(key.destination) {
        return Some(Sides::Local(local.used_for));
    }
    let farm = || snat::may_cover(key.source, key.destination, snapshot).then_some(Sides::Farm);
    let Some(protocol) = Protocol::from_number(key.protocol) else {
        return farm();
    };
    let services = &snapshot.services;
    if let Some(service) = service_of(key, snapshot) {
        if services.keeps_clients_together(service.id) {
            return Some(Sides::Client(key.source));
        }
        return Some(Sides::Service {
            client: (key.source, key.source_port),
            homes: core::slice::from_ref(services.home(service.id)?),
        });
    }
    let real = RealKey {
        real_ip: key.source,
        rport: key.source_port,
    };
    let homes = services.homes_of_real(protocol, real);
    if !homes.is_empty() {
        if services.keeps_clients_of(real) {
            return Some(Sides::Client(key.destination));
        }
        return Some(Sides::Service {
            client: (key.destination, key.destination_port),
            homes,
        });
    }
    if protocol == Protocol::Tcp {
        if services.is_helped(key.destination) {
            return Some(Sides::Client(key.source));
        }
        if services.is_helped(key.source) {
            return Some(Sides::Client(key.destination));
        }
    }
    farm()
}

/// The owner of a packet that leaves the farm. Echoes have no ports here: they, and what answers
/// them, are all one worker's.
fn of_farm(key: &FlowKey, snapshot: &Snapshot) -> WorkerId {
    if Protocol::from_number(key.protocol).is_none() {
        return modulo(0, &snapshot.spread);
    }
    let host = Home {
        address: key.destination,
        port: key.destination_port,
    };
    of_client(key, (key.source, key.source_port), host, snapshot)
}

/// The owner of a connection between `client` and a service with that home.
fn of_client(key: &FlowKey, client: (Addr, u16), home: Home, snapshot: &Snapshot) -> WorkerId {
    if let Spread::Rss(rss) = &*snapshot.spread
        && rss.hashes_ports_of(key.protocol)
    {
        return rss.worker(rss::of_client(rss, client, (home.address, home.port)));
    }
    let (addr, port) = client;
    software(key.protocol, addr, port, &snapshot.spread)
}

/// The owner of a packet to a local address.
fn of_reply(key: &FlowKey, used_for: LocalUse, spread: &Spread) -> WorkerId {
    match spread {
        Spread::Rss(rss) if rss.hashes_ports_of(key.protocol) => {
            rss.worker(rss::of_reply(rss, key, used_for))
        }
        Spread::Single | Spread::ClientHash { .. } | Spread::Rss(_) => {
            modulo(key.destination_port, spread)
        }
    }
}

/// The owner of what the ports do not spread in a way that helps.
fn software(protocol: u8, addr: Addr, port: u16, spread: &Spread) -> WorkerId {
    keyed(spread).map_or(WorkerId(0), |(key, workers)| {
        place(hash(key, protocol, addr, port), workers)
    })
}

/// The owner of a local port that no hash leads to: neighbouring ports are different workers'.
pub(crate) fn modulo(port: u16, spread: &Spread) -> WorkerId {
    keyed(spread).map_or(WorkerId(0), |(_, workers)| {
        WorkerId(port.checked_rem(workers).unwrap_or(0))
    })
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
    let [first, second] = keyed(&snapshot.spread).map_or([0, 0], |(key, _)| key);
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

// SPDX-License-Identifier: Apache-2.0
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

use model::ledger::Ledger;
use model::local::PoolSpec;
use model::rss::{RssError, RssInput};
use model::service::Protocol;
use model::snapshot::Spread;
use proptest::prelude::*;

use super::*;
use crate::affinity;
use crate::flow_table::FlowKey;
use crate::rss::RssPorts;

const PORTS: usize = WORDS * 64;

fn hasher() -> Hasher {
    Hasher::with_seeds(1, 2, 3, 4)
}

fn addr(text: &str) -> Addr {
    text.parse().unwrap()
}

/// A snapshot with these local addresses in the pool `p`.
fn snapshot(addresses: &[&str], used_for: LocalUse, spread: Spread) -> Snapshot {
    let mut ledger = Ledger::new(hasher());
    let pool = PoolSpec {
        name: "p".into(),
        used_for,
        addresses: addresses.iter().map(|text| addr(text)).collect(),
    };
    ledger.set_locals(&[pool], &[]).unwrap();
    ledger.set_spread(spread);
    ledger.snapshot()
}

fn pool(snapshot: &Snapshot, is_v4: bool) -> Vec<LocalAddress> {
    snapshot.locals.pool("p").unwrap().of_family(is_v4).to_vec()
}

/// The ports of worker `index`, with all blocks ready that a tick makes at most.
fn ports(index: u16, snapshot: &Snapshot) -> LocalPorts {
    let mut ports = LocalPorts::new(WorkerId(index), hasher(), 77);
    for _ in 0..SPARE / BLOCKS_A_TICK {
        ports.tick(snapshot, 0);
    }
    ports
}

fn server(text: &str, port: u16) -> Peer {
    Peer {
        protocol: 6,
        addr: addr(text),
        port,
        used_for: LocalUse::Clients,
    }
}

fn client_hash(workers: u16) -> Spread {
    let key = [5, 6];
    Spread::ClientHash { key, workers }
}

fn rss(key: &[u8], table: &[u16], workers: u16, input: RssInput) -> Result<Spread, RssError> {
    let table: Vec<WorkerId> = table.iter().copied().map(WorkerId).collect();
    let ports = RssPorts {
        key,
        table: &table,
        input,
        protocols: &[Protocol::Tcp, Protocol::Udp],
        workers,
        rest: [7, 8],
    };
    ports.function().map(Spread::Rss)
}

/// The key of the "Verifying the RSS hash calculation" page.
const KEY: [u8; 40] = [
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0,
    0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c,
    0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
];

/// Queues by turns, as drivers fill the table.
fn even(workers: u16, len: u16) -> Vec<u16> {
    (0..len).map(|entry| entry % workers).collect()
}

/// The key of the answer to a leased port.
const fn answer(peer: &Peer, lease: Lease) -> FlowKey {
    FlowKey {
        protocol: peer.protocol,
        source: peer.addr,
        source_port: peer.port,
        destination: lease.addr,
        destination_port: lease.port,
    }
}

#[test]
fn ports_of_one_address_go_round_and_rest() {
    let snapshot = snapshot(&["10.1.0.200"], LocalUse::Clients, Spread::Single);
    let addresses = pool(&snapshot, true);
    let mut ports = ports(0, &snapshot);
    let peer = server("10.1.0.11", 80);
    let first = ports.lease(&peer, &addresses).unwrap();
    ports.release(first.block, first.port);
    let mut seen = BTreeSet::from([first.port]);
    for _ in 1..PORTS {
        let lease = ports.lease(&peer, &addresses).unwrap();
        assert!(lease.port >= PORT_FIRST);
        assert!(seen.insert(lease.port), "{} has not rested", lease.port);
        ports.release(lease.block, lease.port);
    }
    assert_eq!(ports.lease(&peer, &addresses).unwrap().port, first.port);
}

#[test]
fn exhaustion_is_exact_and_ends_with_the_first_release() {
    let spreads = [
        (1, Spread::Single),
        (3, client_hash(3)),
        (4, rss(&KEY, &even(4, 128), 4, RssInput::FourTuple).unwrap()),
        (3, rss(&KEY, &even(3, 512), 3, RssInput::OneEnd).unwrap()),
    ];
    for (workers, spread) in spreads {
        let locals = ["10.1.0.200", "10.1.0.201"];
        let snapshot = snapshot(&locals, LocalUse::Clients, spread);
        let addresses = pool(&snapshot, true);
        let peer = server("10.1.0.11", 80);
        let mut seen = BTreeSet::new();
        for worker in 0..workers {
            let mut ports = ports(worker, &snapshot);
            let before = seen.len();
            let mut last = None;
            let trouble = loop {
                match ports.lease(&peer, &addresses) {
                    Ok(lease) => {
                        assert!(seen.insert((lease.addr, lease.port)), "leased twice");
                        last = Some(lease);
                    }
                    Err(trouble) => break trouble,
                }
            };
            assert_eq!(trouble, NoPort::Exhausted);
            assert_eq!(ports.leases(), seen.len() - before);
            // Another server has ports of its own.
            assert!(ports.lease(&server("10.1.0.11", 81), &addresses).is_ok());
            let last = last.unwrap();
            ports.release(last.block, last.port);
            assert_eq!(ports.lease(&peer, &addresses), Ok(last));
            assert_eq!(ports.lease(&peer, &addresses), Err(NoPort::Exhausted));
        }
        assert_eq!(seen.len(), 2 * PORTS, "{workers} workers have all of them");
    }
}

#[test]
fn sixty_thousand_connections_reach_one_server_from_two_addresses() {
    let peer = server("10.1.0.11", 80);
    let mut spreads = [1, 2, 4]
        .map(|workers| (workers, client_hash(workers)))
        .to_vec();
    spreads[0].1 = Spread::Single;
    for workers in [2, 4] {
        for input in [RssInput::FourTuple, RssInput::OneEnd] {
            spreads.push((
                workers,
                rss(&KEY, &even(workers, 128), workers, input).unwrap(),
            ));
        }
    }
    for (workers, spread) in spreads {
        let locals = ["10.1.0.200", "10.1.0.201"];
        let snapshot = snapshot(&locals, LocalUse::Clients, spread);
        let addresses = pool(&snapshot, true);
        let mut all: Vec<LocalPorts> = (0..workers).map(|w| ports(w, &snapshot)).collect();
        let mut seen = BTreeSet::new();
        for flow in 0..60_000 {
            let worker = flow % usize::from(workers);
            let lease = all[worker].lease(&peer, &addresses).unwrap();
            assert!(seen.insert((lease.addr, lease.port)));
            let owner = affinity::owner(&answer(&peer, lease), &snapshot);
            assert!(owner.is_none_or(|owner| owner.index() == worker));
        }
    }
}

#[test]
fn addresses_take_turns() {
    let locals = ["10.1.0.200", "10.1.0.201", "10.1.0.202"];
    let snapshot = snapshot(&locals, LocalUse::Clients, Spread::Single);
    let addresses = pool(&snapshot, true);
    let mut ports = ports(0, &snapshot);
    let mut counts = BTreeMap::new();
    for _ in 0..300 {
        let lease = ports.lease(&server("10.1.0.11", 80), &addresses).unwrap();
        *counts.entry(lease.addr).or_insert(0) += 1;
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [100, 100, 100]);
    let peer = server("2001:db8:1::11", 80);
    assert_eq!(
        ports.lease(&peer, &pool(&snapshot, false)),
        Err(NoPort::NoAddress)
    );
}

#[test]
fn blocks_are_bounded_and_the_idle_one_that_waited_longest_makes_room() {
    let snapshot = snapshot(&["10.1.0.200"], LocalUse::Clients, Spread::Single);
    let addresses = pool(&snapshot, true);
    let mut ports = ports(0, &snapshot);
    let peer = |number: usize| {
        let low = u32::try_from(number).unwrap();
        let addr = Addr::from(core::net::Ipv4Addr::from(0x0a02_0000 + low));
        Peer {
            addr,
            ..server("10.1.0.11", 80)
        }
    };
    let mut leases = Vec::new();
    for number in 0..BLOCKS_MAX {
        leases.push(ports.lease(&peer(number), &addresses).unwrap());
        ports.tick(&snapshot, 0);
    }
    assert_eq!(ports.in_use(), BLOCKS_MAX);
    assert_eq!(
        ports.lease(&peer(BLOCKS_MAX), &addresses),
        Err(NoPort::NoBlock)
    );
    for freed in [7, 5] {
        ports.release(leases[freed].block, leases[freed].port);
    }
    assert!(ports.lease(&peer(BLOCKS_MAX), &addresses).is_ok());
    // That took the place of 7; 5 goes on where it was.
    let next = ports.lease(&peer(5), &addresses).unwrap();
    assert_eq!(next.port, leases[5].port + 1);
    assert_eq!(ports.lease(&peer(7), &addresses), Err(NoPort::NoBlock));
    assert_eq!(ports.in_use(), BLOCKS_MAX);
}

#[test]
fn a_burst_of_new_servers_finds_blocks_ready() {
    let snapshot = snapshot(&["10.1.0.200"], LocalUse::Clients, Spread::Single);
    let mut ports = ports(0, &snapshot);
    for port in 0..SPARE {
        let peer = server("10.1.0.11", u16::try_from(port).unwrap());
        ports.lease(&peer, &pool(&snapshot, true)).unwrap();
    }
    let one_more = server("10.1.0.12", 80);
    let lease = ports.lease(&one_more, &pool(&snapshot, true));
    assert_eq!(lease, Err(NoPort::NoBlock), "nothing is allocated here");
    ports.tick(&snapshot, 0);
    assert!(ports.lease(&one_more, &pool(&snapshot, true)).is_ok());
}

#[test]
fn idle_blocks_are_given_back_after_a_while() {
    let with = snapshot(&["10.1.0.200"], LocalUse::Clients, Spread::Single);
    let without = snapshot(&[], LocalUse::Clients, Spread::Single);
    let mut ports = ports(0, &with);
    let lease = ports
        .lease(&server("10.1.0.11", 80), &pool(&with, true))
        .unwrap();
    // The clock wraps.
    let end_ms = u32::MAX - 1000;
    ports.tick(&with, end_ms);
    ports.release(lease.block, lease.port);
    ports.tick(&with, end_ms.wrapping_add(IDLE_MS - 1));
    assert_eq!(ports.in_use(), 1);
    ports.tick(&with, end_ms.wrapping_add(IDLE_MS));
    assert_eq!((ports.in_use(), ports.spare.len()), (0, SPARE));
    for _ in 0..SPARE {
        ports.tick(&without, 0);
    }
    assert_eq!(ports.spare.len(), 0);
}

#[test]
fn what_is_not_leased_cannot_be_released() {
    let snapshot = snapshot(&["10.1.0.200"], LocalUse::Clients, Spread::Single);
    let addresses = pool(&snapshot, true);
    let mut ports = ports(0, &snapshot);
    let lease = ports.lease(&server("10.1.0.11", 80), &addresses).unwrap();
    for (block, port) in [
        (lease.block, 1),
        (lease.block, lease.port + 1),
        (99, lease.port),
    ] {
        assert_eq!(ports.release(block, port), None);
        assert_eq!(ports.leases(), 1);
    }
    let released = ports.release(lease.block, lease.port);
    assert_eq!(released, Some(lease.local));
    assert_eq!(ports.release(lease.block, lease.port), None);
    assert_eq!(ports.leases(), 0);
}

#[test]
fn destinations_of_the_farm_share_sixteen_blocks() {
    let spread = rss(&KEY, &even(4, 128), 4, RssInput::FourTuple).unwrap();
    let snapshot = snapshot(&["192.0.2.1"], LocalUse::Farm, spread);
    let addresses = pool(&snapshot, true);
    let mut ports = ports(2, &snapshot);
    let mut seen = BTreeMap::new();
    for number in 0..20_000u32 {
        let peer = Peer {
            protocol: 17,
            addr: core::net::Ipv4Addr::from(0x0800_0000 + number * 7919).into(),
            port: 53,
            used_for: LocalUse::Farm,
        };
        let lease = ports.lease(&peer, &addresses).unwrap();
        let taken = seen.insert((lease.block, lease.port), peer);
        assert_eq!(taken, None, "two of one group");
        let owner = affinity::owner(&answer(&peer, lease), &snapshot);
        assert_eq!(owner, Some(WorkerId(2)));
    }
    assert_eq!(ports.in_use(), 16);
}

#[derive(Debug, Clone)]
enum Step {
    Lease {
        worker: u16,
        server: u8,
        is_v4: bool,
        used_for: LocalUse,
        protocol: u8,
    },
    Release {
        which: prop::sample::Index,
    },
    Tick {
        ms: u32,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let used_for = prop::sample::select(&[LocalUse::Clients, LocalUse::Farm][..]);
    let protocol = prop::sample::select(&[6u8, 17, 1][..]);
    prop_oneof![
        6 => (0..4u16, 0..5u8, any::<bool>(), used_for, protocol).prop_map(
            |(worker, server, is_v4, used_for, protocol)| Step::Lease {
                worker, server, is_v4, used_for, protocol,
            }
        ),
        3 => any::<prop::sample::Index>().prop_map(|which| Step::Release { which }),
        1 => (0..2 * IDLE_MS).prop_map(|ms| Step::Tick { ms }),
    ]
}

/// A table in which every worker has an entry, whatever the rest is.
fn table(workers: u16) -> impl Strategy<Value = Vec<u16>> {
    (2..=9u32).prop_flat_map(move |bits| {
        let len = 1usize << bits;
        let rest = proptest::collection::vec(0..workers, len - usize::from(workers));
        rest.prop_flat_map(move |rest| {
            let table = [(0..workers).collect::<Vec<_>>(), rest].concat();
            Just(table).prop_shuffle()
        })
    })
}

fn spread() -> impl Strategy<Value = (u16, Spread)> {
    let input = prop::sample::select(&[RssInput::FourTuple, RssInput::OneEnd][..]);
    let workers = prop::sample::select(&[2u16, 4][..]);
    let of_ports = workers.prop_flat_map(move |workers| {
        let key = proptest::collection::vec(any::<u8>(), 40..=52);
        (key, table(workers), input.clone())
            .prop_filter_map("ports reach every entry", move |(key, table, input)| {
                Some((workers, rss(&key, &table, workers, input).ok()?))
            })
    });
    prop_oneof![
        1 => (1..=4u16).prop_map(|workers| (workers, client_hash(workers))),
        4 => of_ports,
    ]
}

/// Everything that is leased, as the world tells flows apart.
type Flows = BTreeMap<(u8, Addr, u16, Addr, u16), (u16, Lease)>;

struct Case {
    clients: Snapshot,
    farm: Snapshot,
    /// Of each worker, towards servers and towards the world.
    workers: Vec<[LocalPorts; 2]>,
    flows: Flows,
}

impl Case {
    fn new(workers: u16, spread: &Spread) -> Self {
        let locals = ["10.1.0.200", "10.1.0.201", "2001:db8:1::200"];
        let clients = snapshot(&locals, LocalUse::Clients, spread.clone());
        let farm = snapshot(&locals, LocalUse::Farm, spread.clone());
        let of_worker = |worker| [ports(worker, &clients), ports(worker, &farm)];
        Self {
            workers: (0..workers).map(of_worker).collect(),
            clients,
            farm,
            flows: Flows::new(),
        }
    }

    fn lease(&mut self, worker: u16, peer: &Peer) {
        let (snapshot, which) = match peer.used_for {
            LocalUse::Clients => (&self.clients, 0),
            LocalUse::Farm => (&self.farm, 1),
        };
        let mut worker = worker % u16::try_from(self.workers.len()).unwrap();
        if peer.used_for == LocalUse::Farm {
            // The remote end may lead to one worker alone.
            let outward = self.home_of_farm(peer);
            worker = outward.unwrap_or(worker);
        }
        let ports = &mut self.workers[usize::from(worker)][which];
        let addresses = pool(snapshot, peer.addr.is_v4());
        let lease = ports.lease(peer, &addresses).unwrap();
        let key = answer(peer, lease);
        assert_eq!(
            affinity::owner(&key, snapshot),
            Some(WorkerId(worker)),
            "{key:?}"
        );
        let place = (
            key.protocol,
            key.source,
            key.source_port,
            key.destination,
            lease.port,
        );
        assert_eq!(
            self.flows.insert(place, (worker, lease)),
            None,
            "two flows alike"
        );
    }

    /// The worker that all answers from there lead to, if they do.
    fn home_of_farm(&self, peer: &Peer) -> Option<u16> {
        let owner = |port| {
            let key = FlowKey {
                protocol: peer.protocol,
                source: peer.addr,
                source_port: peer.port,
                destination: pool(&self.farm, peer.addr.is_v4())[0].addr,
                destination_port: port,
            };
            affinity::owner(&key, &self.farm).unwrap().0
        };
        let first = owner(PORT_FIRST);
        (PORT_FIRST..PORT_FIRST + 600)
            .all(|port| owner(port) == first)
            .then_some(first)
    }

    fn release(&mut self, at: usize) {
        let Some((place, (worker, lease))) = self.flows.iter().nth(at) else {
            return;
        };
        let (place, worker, lease) = (*place, usize::from(*worker), *lease);
        self.flows.remove(&place);
        let which = usize::from(place.2 == FARM_PORT);
        let ports = &mut self.workers[worker][which];
        let before = ports.leases();
        ports.release(lease.block, lease.port);
        assert_eq!(ports.leases() + 1, before);
    }
}

/// Remote port of everything behind SNAT here, and of no server.
const FARM_PORT: u16 = 443;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_two_flows_are_alike_and_answers_come_home(
        (workers, spread) in spread(),
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut case = Case::new(workers, &spread);
        let mut now_ms = 0u32;
        for step in steps {
            match step {
                Step::Lease { worker, server: number, is_v4, used_for, protocol } => {
                    let prefix = if is_v4 { "10.1.0.1" } else { "2001:db8:1::1" };
                    let port = match used_for {
                        LocalUse::Farm => FARM_PORT,
                        LocalUse::Clients => 80,
                    };
                    let peer = Peer {
                        protocol,
                        used_for,
                        ..server(&std::format!("{prefix}{number}"), port)
                    };
                    case.lease(worker, &peer);
                }
                Step::Release { which } => case.release(which.index(case.flows.len().max(1))),
                Step::Tick { ms } => {
                    now_ms = now_ms.wrapping_add(ms);
                    for [clients, farm] in &mut case.workers {
                        clients.tick(&case.clients, now_ms);
                        farm.tick(&case.farm, now_ms);
                    }
                }
            }
        }
        // Everything ends; then everything is as before.
        while !case.flows.is_empty() {
            case.release(0);
        }
        for [clients, farm] in &mut case.workers {
            for (ports, snapshot) in [(clients, &case.clients), (farm, &case.farm)] {
                prop_assert_eq!(ports.leases(), 0);
                prop_assert!(ports.blocks.iter().all(|b| b.words.iter().all(|word| *word == 0)));
                for _ in 0..=BLOCKS_MAX / BLOCKS_A_TICK {
                    ports.tick(snapshot, now_ms.wrapping_add(IDLE_MS));
                }
                prop_assert_eq!((ports.in_use(), ports.spare.len()), (0, SPARE));
            }
        }
    }
}

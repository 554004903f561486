// SPDX-License-Identifier: Apache-2.0
//! Owners where the ports' own hash is known.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::vec::Vec;

use model::fib::Hasher;
use model::ledger::Ledger;
use model::op::Op;
use model::rss::RssInput;
use model::service::{RealSpec, ServiceKey, ServiceSpec};
use proptest::prelude::*;
use wire::toeplitz::toeplitz;

use super::super::*;
use crate::rss::RssPorts;

fn spread(key: &[u8], table: &[u16], workers: u16, input: RssInput) -> Option<Spread> {
    let table: Vec<WorkerId> = table.iter().copied().map(WorkerId).collect();
    let ports = RssPorts {
        key,
        table: &table,
        input,
        protocols: &[Protocol::Tcp],
        workers,
        rest: [7, 8],
    };
    ports.function().ok().map(Spread::Rss)
}

fn octets(addr: Addr) -> Vec<u8> {
    match addr.to_ip() {
        core::net::IpAddr::V4(v4) => v4.octets().to_vec(),
        core::net::IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// What a NIC does with a packet, by the definition of the hash.
fn queue(key: &[u8], table: &[u16], parts: &[&[u8]]) -> WorkerId {
    let hash = toeplitz(key.first_chunk().unwrap(), &parts.concat());
    WorkerId(table[hash as usize % table.len()])
}

fn four_tuple(key: &[u8], table: &[u16], packet: &FlowKey) -> WorkerId {
    let ports = [
        packet.source_port.to_be_bytes(),
        packet.destination_port.to_be_bytes(),
    ];
    let [source, destination] = [octets(packet.source), octets(packet.destination)];
    queue(key, table, &[&source, &destination, &ports.concat()])
}

fn vip(number: u8, is_v4: bool) -> ServiceKey {
    let virtual_ip = if is_v4 {
        Addr::from(Ipv4Addr::new(10, 0, 0, 100 + number))
    } else {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 100 + u16::from(number)).into()
    };
    ServiceKey::host(Protocol::Tcp, virtual_ip, 80)
}

fn rip(number: u8, is_v4: bool) -> RealKey {
    let real_ip = if is_v4 {
        Addr::from(Ipv4Addr::new(10, 1, 0, 11 + number))
    } else {
        Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 11 + u16::from(number)).into()
    };
    RealKey {
        real_ip,
        rport: 8080,
    }
}

fn add_service(ledger: &mut Ledger, key: ServiceKey) {
    let spec = ServiceSpec::default();
    ledger.apply(&Op::AddService { key, spec }).unwrap();
}

/// Adds a server; nothing happens if it is there.
fn add_real(ledger: &mut Ledger, service: ServiceKey, real: RealKey) {
    let spec = RealSpec::default();
    let known = ledger
        .apply(&Op::AddReal {
            service,
            real,
            spec,
        })
        .is_err();
    debug_assert!(!known || ledger.services().find(&service).is_some());
}

fn inbound(client: (Addr, u16), service: ServiceKey) -> FlowKey {
    let (source, source_port) = client;
    FlowKey {
        protocol: 6,
        source,
        source_port,
        destination: service.virtual_ip().unwrap(),
        destination_port: service.vport(),
    }
}

fn answer(client: (Addr, u16), real: RealKey) -> FlowKey {
    let (destination, destination_port) = client;
    FlowKey {
        protocol: 6,
        source: real.real_ip,
        source_port: real.rport,
        destination,
        destination_port,
    }
}

fn input() -> impl Strategy<Value = RssInput> {
    prop::sample::select(&[RssInput::FourTuple, RssInput::OneEnd][..])
}

/// Key, table and workers of a port; every worker has a bucket.
fn port() -> impl Strategy<Value = (Vec<u8>, Vec<u16>, u16)> {
    let workers = 2..=5u16;
    workers.prop_flat_map(|workers| {
        let key = proptest::collection::vec(any::<u8>(), 40..=52);
        let table = proptest::collection::vec(0..workers, 128).prop_map(move |mut table| {
            for worker in 0..workers {
                table[usize::from(worker) * 20] = worker;
            }
            table
        });
        (key, table, Just(workers))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn both_directions_have_one_owner_whatever_is_shared(
        (key, table, workers) in port(),
        input in input(),
        is_v4 in any::<bool>(),
        members in proptest::collection::vec((0..4u8, 0..4u8), 1..12),
        publications in any::<u16>(),
        client in any::<u128>(),
        cports in proptest::collection::vec(any::<u16>(), 16),
    ) {
        let Some(spread) = spread(&key, &table, workers, input) else { return Ok(()) };
        let mut ledger = Ledger::new(Hasher::with_seeds(1, 2, 3, 4));
        ledger.set_spread(spread);
        for number in 0..4 {
            add_service(&mut ledger, vip(number, is_v4));
        }
        // Connections may be open whenever something was published.
        let mut opened = Vec::new();
        for (at, (service, real)) in members.iter().enumerate() {
            add_real(&mut ledger, vip(*service, is_v4), rip(*real, is_v4));
            if publications & (1 << at) == 0 {
                continue;
            }
            let snapshot = ledger.snapshot();
            for cport in &cports {
                let client = if is_v4 {
                    Addr::from(Ipv4Addr::from(u32::try_from(client & 0xffff_ffff).unwrap()))
                } else {
                    Ipv6Addr::from(client).into()
                };
                let packet = inbound((client, *cport), vip(*service, is_v4));
                let home = owner(&packet, &snapshot).unwrap();
                opened.push(((client, *cport), *service, *real, home));
            }
        }
        let snapshot = ledger.snapshot();
        for (client, service, real, home) in opened {
            let packet = inbound(client, vip(service, is_v4));
            prop_assert_eq!(owner(&packet, &snapshot), Some(home), "it stays where it was");
            let answer = answer(client, rip(real, is_v4));
            let mut at = owner(&answer, &snapshot);
            let mut asked = 1;
            while at != Some(home) {
                prop_assert!(at.is_some(), "its answers never get to {home:?}");
                prop_assert!(asked <= 4, "in circles");
                at = next_owner(&answer, at.unwrap(), &snapshot);
                asked += 1;
            }
            if snapshot.services.homes_of_real(Protocol::Tcp, rip(real, is_v4)).len() == 1 {
                prop_assert_eq!(asked, 1);
            }
        }
    }

    #[test]
    fn packets_of_clients_arrive_at_home(
        (key, table, workers) in port(),
        is_v4 in any::<bool>(),
        client in any::<u64>(),
        cport in any::<u16>(),
    ) {
        let [_, _, _, _, a, b, c, d] = client.to_be_bytes();
        let client = if is_v4 {
            Addr::from(Ipv4Addr::new(a, b, c, d))
        } else {
            Ipv6Addr::from((0x2001 << 112) + u128::from(client)).into()
        };
        let packet = inbound((client, cport), vip(0, is_v4));
        let reply = answer((client, cport), rip(0, is_v4));
        for input in [RssInput::FourTuple, RssInput::OneEnd] {
            let Some(spread) = spread(&key, &table, workers, input) else { return Ok(()) };
            let mut ledger = Ledger::new(Hasher::with_seeds(1, 2, 3, 4));
            ledger.set_spread(spread);
            add_service(&mut ledger, vip(0, is_v4));
            add_real(&mut ledger, vip(0, is_v4), rip(0, is_v4));
            let snapshot = ledger.snapshot();
            let one_end = [octets(client), cport.to_be_bytes().to_vec()].concat();
            let arrives = match input {
                RssInput::FourTuple => four_tuple(&key, &table, &packet),
                RssInput::OneEnd => queue(&key, &table, &[&one_end]),
            };
            prop_assert_eq!(owner(&packet, &snapshot), Some(arrives));
            // By destination, towards servers, the client is the same input.
            prop_assert_eq!(owner(&reply, &snapshot), Some(arrives));
            prop_assert_eq!(next_owner(&reply, arrives, &snapshot), None);
        }
    }
}

#[test]
fn protocols_whose_ports_the_nic_does_not_hash_are_spread_by_software() {
    let key: Vec<u8> = (0..40u8).map(|at| at.wrapping_mul(37) ^ 11).collect();
    let spread = spread(&key, &[0, 1, 2, 3], 4, RssInput::FourTuple).unwrap();
    let mut ledger = Ledger::new(Hasher::with_seeds(1, 2, 3, 4));
    ledger.set_spread(spread);
    let service = ServiceKey::host(Protocol::Udp, vip(0, true).virtual_ip().unwrap(), 80);
    add_service(&mut ledger, service);
    add_real(&mut ledger, service, rip(0, true));
    let snapshot = ledger.snapshot();
    let mut counts = [0; 4];
    for cport in 0..4000 {
        let client = (Addr::from(Ipv4Addr::new(203, 0, 113, 7)), cport);
        let packet = FlowKey {
            protocol: 17,
            ..inbound(client, service)
        };
        let reply = FlowKey {
            protocol: 17,
            ..answer(client, rip(0, true))
        };
        let home = owner(&packet, &snapshot).unwrap();
        assert_eq!(owner(&reply, &snapshot), Some(home));
        counts[home.index()] += 1;
    }
    assert!(
        counts.iter().all(|count| (800..1200).contains(count)),
        "{counts:?}"
    );
}

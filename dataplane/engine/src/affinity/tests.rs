// SPDX-License-Identifier: Apache-2.0
mod rss;

use std::format;
use std::vec::Vec;

use model::addr::Addr;

use super::*;
use crate::testing::Bench;

const SERVICES: &str = "
    service tcp 10.0.0.100:80 rr
    real 10.1.0.11:8080
    service tcp 10.0.0.101:443 rr
    real 10.1.0.11:8080
    service udp [2001:db8::100]:53 rr
    real [2001:db8:1::11]:53
";

fn bench(workers: usize) -> Bench {
    Bench::new(&format!("workers {workers}{SERVICES}"))
}

fn key(protocol: u8, source: (&str, u16), destination: (&str, u16)) -> FlowKey {
    let addr = |text: &str| text.parse::<Addr>().unwrap();
    FlowKey {
        protocol,
        source: addr(source.0),
        source_port: source.1,
        destination: addr(destination.0),
        destination_port: destination.1,
    }
}

#[test]
fn both_directions_of_a_connection_have_one_owner() {
    for workers in 1..=5 {
        let bench = bench(workers);
        for cport in 1..500 {
            let client = ("203.0.113.7", cport);
            let there = key(6, client, ("10.0.0.100", 80));
            let back = key(6, ("10.1.0.11", 8080), client);
            let owner_there = owner(&there, bench.snapshot());
            assert_eq!(owner_there, owner(&back, bench.snapshot()));
            assert_eq!(owner_there.is_none(), workers == 1);
            let client = ("2001:db8:9::7", cport);
            assert_eq!(
                owner(&key(17, client, ("2001:db8::100", 53)), bench.snapshot()),
                owner(&key(17, ("2001:db8:1::11", 53), client), bench.snapshot())
            );
        }
    }
}

#[test]
fn services_that_share_a_server_need_no_exception() {
    let bench = bench(4);
    for cport in 1..500 {
        let client = ("203.0.113.7", cport);
        let owners = [
            key(6, client, ("10.0.0.100", 80)),
            key(6, client, ("10.0.0.101", 443)),
            key(6, ("10.1.0.11", 8080), client),
        ]
        .map(|key| owner(&key, bench.snapshot()));
        assert_eq!(owners, [owners[0]; 3]);
    }
}

#[test]
fn what_no_service_knows_belongs_to_nobody() {
    let bench = bench(4);
    let client = ("203.0.113.7", 1000);
    for stranger in [
        key(6, client, ("10.0.0.100", 81)),
        key(17, client, ("10.0.0.100", 80)),
        key(6, ("10.1.0.11", 8081), client),
        key(17, ("10.1.0.11", 8080), client),
        key(1, client, ("10.0.0.100", 0)),
        key(132, client, ("10.0.0.100", 80)),
    ] {
        assert_eq!(owner(&stranger, bench.snapshot()), None, "{stranger:?}");
    }
}

#[test]
fn a_deleted_server_is_known_until_its_slot_is_free() {
    let mut bench = bench(4);
    let answer = key(17, ("2001:db8:1::11", 53), ("2001:db8::9", 5));
    let before = owner(&answer, bench.snapshot());
    assert!(before.is_some());
    bench.apply("delete-real [2001:db8:1::11]:53");
    assert_eq!(owner(&answer, bench.snapshot()), before);
    bench.release();
    assert_eq!(owner(&answer, bench.snapshot()), None);
}

/// The chi-square statistic of counts that should be equal.
fn chi_square(counts: &[u32]) -> f64 {
    let total: u32 = counts.iter().sum();
    let expected = f64::from(total) / f64::from(u32::try_from(counts.len()).unwrap());
    counts
        .iter()
        .map(|count| (f64::from(*count) - expected).powi(2) / expected)
        .sum()
}

#[test]
fn flows_are_spread_evenly() {
    // One client with many ports, many clients with one port, v6 clients that count up.
    let clients: [Vec<FlowKey>; 3] = [
        (1024..=61_023)
            .map(|port| key(6, ("203.0.113.7", port), ("10.0.0.100", 80)))
            .collect(),
        (0..60_000u32)
            .map(|i| {
                let ip = Addr::from(core::net::Ipv4Addr::from(0x0b00_0000 + i));
                FlowKey {
                    source: ip,
                    ..key(6, ("0.0.0.0", 40_000), ("10.0.0.100", 80))
                }
            })
            .collect(),
        (0..60_000u128)
            .map(|i| {
                let ip = Addr::from(core::net::Ipv6Addr::from((0x2001_0db8 << 96) + (i << 64)));
                FlowKey {
                    source: ip,
                    ..key(17, ("::1", 40_000), ("2001:db8::100", 53))
                }
            })
            .collect(),
    ];
    for workers in [2, 3, 4, 7, 16] {
        let bench = bench(workers);
        for keys in &clients {
            let mut counts = std::vec![0u32; workers];
            for key in keys {
                counts[owner(key, bench.snapshot()).unwrap().index()] += 1;
            }
            // 60 is beyond the 1e-6 quantile for 15 degrees of freedom.
            let statistic = chi_square(&counts);
            assert!(statistic < 60.0, "{workers} workers: {counts:?}");
        }
    }
}

#[test]
fn another_key_spreads_otherwise() {
    let ports = 1..=256u16;
    let of = |key: [u64; 2]| -> Vec<u64> {
        let addr = "203.0.113.7".parse().unwrap();
        ports.clone().map(|p| hash(key, 6, addr, p) >> 62).collect()
    };
    let (one, other) = (of([1, 2]), of([3, 4]));
    let same = one.iter().zip(&other).filter(|(a, b)| a == b).count();
    assert!((20..120).contains(&same), "{same} of 256, 64 expected");
}

#[test]
fn fragments_of_a_datagram_have_one_collector_and_spread_over_the_workers() {
    for workers in 1..=4u16 {
        let bench = bench(workers.into());
        let mut counts = std::vec![0u32; usize::from(workers)];
        for ident in 0..4000 {
            let key = DatagramKey {
                source: "203.0.113.7".parse().unwrap(),
                destination: "10.0.0.100".parse().unwrap(),
                ident,
                protocol: 17,
            };
            match collector(&key, bench.snapshot()) {
                None => assert_eq!(workers, 1),
                Some(worker) => counts[worker.index()] += 1,
            }
        }
        let share = 4000 / u32::from(workers);
        let even = counts.iter().all(|count| count.abs_diff(share) < share / 8);
        assert!(workers == 1 || even, "{counts:?}");
    }
}

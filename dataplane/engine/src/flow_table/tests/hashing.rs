// SPDX-License-Identifier: Apache-2.0
//! The hash against keys that somebody chose.

use std::vec;

use super::*;

const BINS: usize = 1024;

/// Counts per bin, and asserts that they look thrown at random: the statistic of Pearson has mean
/// 1023 and deviation 45 here, 6 deviations are allowed.
fn assert_even(what: &str, bins: impl Iterator<Item = usize>) {
    let mut counts = vec![0u32; BINS];
    let mut thrown = 0u32;
    for bin in bins {
        counts[bin] += 1;
        thrown += 1;
    }
    let expected = f64::from(thrown) / 1024.0;
    let statistic: f64 = counts
        .iter()
        .map(|count| (f64::from(*count) - expected).powi(2) / expected)
        .sum();
    assert!((750.0..1300.0).contains(&statistic), "{what}: {statistic}");
}

/// The n-th key of a series.
type Series = fn(u16) -> FlowKey;

/// Keys as a client farm, a scan, or an attacker would make them.
const STRUCTURED: [(&str, Series); 9] = [
    ("sequential ports", |n| inbound(1, n)),
    ("sequential clients", |n| inbound(n.into(), 1024)),
    ("clients 256 apart", |n| inbound(u32::from(n) << 8, 1024)),
    ("clients 65536 apart", |n| inbound(u32::from(n) << 16, 1024)),
    ("few clients, many ports", |n| {
        inbound((n >> 12).into(), n & 4095)
    }),
    ("both ends alike", |n| FlowKey {
        destination: v4(n.into()),
        ..inbound(n.into(), 1024)
    }),
    ("both ports alike", |n| FlowKey {
        destination_port: n,
        ..inbound(1, n)
    }),
    ("low end of IPv6", |n| FlowKey {
        source: v6([0x2001, 0, n]),
        ..inbound(1, 1024)
    }),
    ("high end of IPv6", |n| FlowKey {
        source: v6([n, 0, 1]),
        ..inbound(1, 1024)
    }),
];

fn v6([first, second, last]: [u16; 3]) -> Addr {
    Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, last).into()
}

/// For four secrets and each series of keys: what `bin` makes of their hashes is even.
fn assert_structured_keys_even(bin: impl Fn(Hash) -> usize) {
    for seed in 0..4 {
        let hash_key = HashKey::from_seed(seed);
        for (what, series) in STRUCTURED {
            let hashes = (0..=u16::MAX).map(|n| hash_key.hash(&series(n)));
            assert_even(what, hashes.map(&bin));
        }
    }
}

#[test]
fn structured_keys_spread_evenly_over_home_buckets() {
    assert_structured_keys_even(|hash| index::home(hash, BINS) as usize);
}

#[test]
fn structured_keys_spread_evenly_over_other_buckets() {
    assert_structured_keys_even(|hash| {
        index::other(index::home(hash, BINS), hash.signature(), BINS) as usize
    });
}

#[test]
fn structured_keys_spread_evenly_over_signatures() {
    assert_structured_keys_even(|hash| usize::from(hash.signature().bits() >> 6));
}

#[test]
fn another_hash_key_gives_another_order() {
    let (one, other) = (HashKey::from_seed(1), HashKey::from_seed(2));
    let same = (0..1000)
        .filter(|number| {
            let key = inbound(*number, 1);
            index::home(one.hash(&key), BINS) == index::home(other.hash(&key), BINS)
        })
        .count();
    assert!(same < 10, "{same} of 1000 in the same bucket");
}

#[test]
fn keys_that_meet_under_one_secret_part_under_another() {
    // What a flood would need: keys of one bucket, found for a secret that is not ours.
    let (known, ours) = (HashKey::from_seed(1), HashKey::from_seed(2));
    let mut counts = vec![0u32; BINS];
    let mut taken = 0;
    for number in 0..1_000_000 {
        let key = inbound(number, 1);
        if index::home(known.hash(&key), BINS) == 0 {
            counts[index::home(ours.hash(&key), BINS) as usize] += 1;
            taken += 1;
        }
    }
    assert!(taken > 800);
    assert!(counts.iter().all(|count| *count < 10));
}

#[test]
fn the_hash_repeats() {
    let key = inbound(1, 2);
    assert_eq!(
        HashKey::from_seed(1).hash(&key),
        HashKey::from_seed(1).hash(&key)
    );
}

#[test]
fn the_two_directions_of_a_connection_lie_apart() {
    let hash_key = HashKey::from_seed(1);
    let swapped = |key: FlowKey| FlowKey {
        source: key.destination,
        source_port: key.destination_port,
        destination: key.source,
        destination_port: key.source_port,
        ..key
    };
    let same = (0..1000)
        .filter(|number| {
            let key = inbound(*number, 1);
            hash_key.hash(&key) == hash_key.hash(&swapped(key))
        })
        .count();
    assert_eq!(same, 0);
}

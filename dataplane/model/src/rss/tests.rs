// SPDX-License-Identifier: Apache-2.0
use std::string::ToString;
use std::vec;

use super::*;

/// Sums in which every bit of the input adds one bit of the hash, by turns.
fn sums() -> Vec<[u32; 16]> {
    (0..HALF_BYTES)
        .map(|half| {
            let mut sums = [0u32; 16];
            for (value, sum) in (0u32..).zip(&mut sums) {
                *sum = value << (half % 4 * 4);
            }
            sums
        })
        .collect()
}

fn facts(table: &[u16], workers: u16) -> RssFacts {
    RssFacts {
        sums: sums(),
        table: table.iter().copied().map(WorkerId).collect(),
        input: RssInput::FourTuple,
        protocols: vec![Protocol::Tcp],
        workers,
        rest: [1, 2],
    }
}

#[test]
fn the_low_bits_of_a_hash_choose_the_worker() {
    let rss = Rss::new(facts(&[0, 1, 2, 1], 3)).unwrap();
    let workers = [0, 1, 2, 3, 4, 0xffff_fffe].map(|hash| rss.worker(hash).0);
    assert_eq!(workers, [0, 1, 2, 1, 0, 2]);
    assert!(rss.hashes_ports_of(6) && !rss.hashes_ports_of(17));
}

#[test]
fn what_does_not_lead_everywhere_is_refused() {
    let refused = |table: &[u16], workers| Rss::new(facts(table, workers)).unwrap_err();
    assert_eq!(refused(&[0, 1, 0], 2), RssError::Table);
    assert_eq!(refused(&[], 2), RssError::Table);
    assert_eq!(refused(&[0; 1024], 1), RssError::Table);
    assert_eq!(refused(&[0, 2], 2), RssError::Table);
    let lost = refused(&[0, 2, 0, 2], 3);
    assert_eq!(lost, RssError::WorkerWithoutEntry(WorkerId(1)));
    assert!(lost.to_string().contains("worker 1"));
    let mut short = facts(&[0, 1], 2);
    short.sums.pop();
    assert_eq!(Rss::new(short), Err(RssError::Key));
}

#[test]
fn a_key_under_which_ports_do_not_count_is_refused() {
    let mut flat = facts(&[0, 1], 2);
    flat.sums = vec![[0; 16]; HALF_BYTES];
    assert_eq!(Rss::new(flat.clone()), Err(RssError::KeyRank));
    // Ports of IPv4 count, those of IPv6 do not.
    flat.sums[20..24].copy_from_slice(&sums()[20..24]);
    assert_eq!(Rss::new(flat.clone()), Err(RssError::KeyRank));
    flat.sums[68..].copy_from_slice(&sums()[68..]);
    assert!(Rss::new(flat).is_ok());
}

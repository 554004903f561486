// SPDX-License-Identifier: Apache-2.0
//! State wider than one flow behaves the same with one worker and with several.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a test does not expect fails it"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use penstock_engine::testing::{Bench, Outcome};
use penstock_engine::verdict::{DropReason, Verdict};
use wire::builder::Frame;

fn syn(cport: u16, to: &str) -> Vec<u8> {
    Frame::tcp(&format!("10.0.0.9:{cport}"), to)
        .flags(2)
        .build()
}

/// The last octet of the MAC that a packet was sent to.
fn sent_to(outcomes: &[Outcome]) -> Option<u8> {
    outcomes
        .iter()
        .find(|outcome| matches!(outcome.verdict, Verdict::Send { port } if port.0 == 1))
        .map(|outcome| outcome.frame[5])
}

const LIMITED: &str = "
    service tcp 10.0.0.100:80 rr
    real 10.1.0.11:80 nat 1 10 5
    real 10.1.0.12:80 nat 1 7 0
    real 10.1.0.13:80 nat 1 3 2
";

#[test]
fn thresholds_let_no_more_through_with_four_workers_than_with_one() {
    for workers in [1, 2, 4] {
        let mut bench = Bench::new(&format!("workers {workers}\n{LIMITED}"));
        let mut served: BTreeMap<u8, u32> = BTreeMap::new();
        for cport in 1..=60u16 {
            let receiver = usize::from(cport) % workers;
            let (_, outcomes) = bench.deliver(receiver, 0, &syn(cport, "10.0.0.100:80"));
            if let Some(server) = sent_to(&outcomes) {
                *served.entry(server).or_default() += 1;
            }
        }
        let expected = BTreeMap::from([(11, 10), (12, 7), (13, 3)]);
        assert_eq!(served, expected, "{workers} workers");
        assert_eq!(bench.dropped(DropReason::NoRealServer), 40);
        // SYN_RECV lasts a minute; the tables are empty then, and the servers free again.
        for _ in 0..70 {
            bench.advance(Duration::from_secs(1));
        }
        assert_eq!(bench.flow_count(), 0);
        let (_, outcomes) = bench.deliver(0, 0, &syn(100, "10.0.0.100:80"));
        assert!(sent_to(&outcomes).is_some(), "{workers} workers");
    }
}

#[test]
fn lblc_sends_a_destination_to_one_server_whoever_owns_the_connections() {
    let text = "
        service mark 1 lblc
        real 10.1.0.11:0 dr 1000
        real 10.1.0.12:0 dr 1000
        real 10.1.0.13:0 dr 1000
        mark 1 to 10.50.0.0/16
        route 10.50.0.0/16 local
    ";
    for workers in [1, 4] {
        let mut bench = Bench::new(&format!("workers {workers}\n{text}"));
        let mut servers: BTreeMap<u16, u8> = BTreeMap::new();
        for cport in 1..=200u16 {
            let host = cport % 8;
            let receiver = usize::from(cport) % workers;
            let to = format!("10.50.0.{host}:80");
            let (_, outcomes) = bench.deliver(receiver, 0, &syn(cport, &to));
            let server = sent_to(&outcomes).unwrap();
            assert_eq!(*servers.entry(host).or_insert(server), server, "{workers}");
        }
    }
}

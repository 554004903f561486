// SPDX-License-Identifier: Apache-2.0
use std::vec;

use model::addr::Mac;
use model::fib::FibBuilder;

use super::*;

fn hasher() -> Hasher {
    Hasher::with_seeds(1, 2, 3, 4)
}

fn wanted(host: u8) -> Resolve {
    Resolve {
        iface: IfaceId(1),
        addr: Addr::from(core::net::Ipv4Addr::new(10, 1, 0, host)),
    }
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(1_000_000 + millis)
}

fn hold(waiting: &mut Waiting<u32>, host: u8, packet: u32, millis: u64) -> bool {
    match waiting.hold(wanted(host), packet, 14, at(millis)) {
        Ok(()) => true,
        Err(QueueFull(refused)) => {
            assert_eq!(refused, packet, "the packet comes back");
            false
        }
    }
}

fn asked(waiting: &mut Waiting<u32>) -> Vec<Resolve> {
    waiting.take_requests().collect()
}

/// A table that knows these hosts.
fn fib(hosts: &[u8]) -> Fib {
    let mut builder = FibBuilder::new(hasher());
    for host in hosts {
        builder.neighbour(IfaceId(1), wanted(*host).addr, Mac([2, 0, 0, 0, 0, *host]));
    }
    builder.build(2)
}

#[test]
fn one_neighbour_takes_its_share_and_no_more() {
    let mut waiting = Waiting::new(hasher());
    for packet in 0..70 {
        assert_eq!(hold(&mut waiting, 1, packet, 0), packet < 64, "{packet}");
    }
    assert_eq!(waiting.len(), PACKETS_PER_NEIGHBOUR_MAX);
    assert!(hold(&mut waiting, 2, 0, 0), "others are not affected");
}

#[test]
fn all_neighbours_together_have_a_bound() {
    let mut waiting = Waiting::new(hasher());
    let mut taken = 0;
    for host in 0..=255 {
        for packet in 0..4 {
            taken += usize::from(hold(&mut waiting, host, packet, 0));
        }
    }
    assert_eq!((taken, waiting.len()), (PACKETS_MAX, PACKETS_MAX));
    assert_eq!(
        asked(&mut waiting).len(),
        128,
        "nobody is asked for whom no packet waits"
    );
}

#[test]
fn linux_is_asked_once_and_again_each_second_while_packets_come() {
    let mut waiting = Waiting::new(hasher());
    hold(&mut waiting, 1, 0, 0);
    hold(&mut waiting, 1, 1, 0);
    assert_eq!(asked(&mut waiting), [wanted(1)]);
    hold(&mut waiting, 1, 2, 999);
    assert_eq!(asked(&mut waiting), []);
    hold(&mut waiting, 1, 3, 1000);
    assert_eq!(asked(&mut waiting), [wanted(1)]);
    hold(&mut waiting, 1, 4, 1001);
    assert_eq!(asked(&mut waiting), []);
}

#[test]
fn a_full_line_still_asks_again() {
    let mut waiting = Waiting::new(hasher());
    for packet in 0..64 {
        hold(&mut waiting, 1, packet, 0);
    }
    asked(&mut waiting);
    assert!(!hold(&mut waiting, 1, 64, 2000));
    assert_eq!(asked(&mut waiting), [wanted(1)]);
}

#[test]
fn packets_leave_in_order_when_their_neighbour_is_known() {
    let mut waiting = Waiting::new(hasher());
    for (host, packet) in [(1, 10), (2, 20), (1, 11), (1, 12)] {
        hold(&mut waiting, host, packet, 0);
    }
    assert!(waiting.resolved(&fib(&[3])).is_empty());
    let released: Vec<u32> = waiting
        .resolved(&fib(&[3, 1]))
        .into_iter()
        .map(|(held, id)| {
            assert_eq!(id, NextHopId(1), "the neighbour's place in the new table");
            held.packet
        })
        .collect();
    assert_eq!(released, [10, 11, 12]);
    assert_eq!(waiting.len(), 1);
}

#[test]
fn nothing_waits_longer_than_three_seconds() {
    let mut waiting = Waiting::new(hasher());
    hold(&mut waiting, 1, 1, 0);
    hold(&mut waiting, 1, 2, 500);
    hold(&mut waiting, 2, 3, 200);
    let late = |waiting: &mut Waiting<u32>, millis| {
        let mut late: Vec<u32> = waiting
            .expired(at(millis))
            .into_iter()
            .map(|held| held.packet)
            .collect();
        late.sort_unstable();
        late
    };
    assert_eq!(late(&mut waiting, 2999), []);
    assert_eq!(late(&mut waiting, 3000), [], "looked a moment ago");
    assert_eq!(late(&mut waiting, 3100), [1]);
    assert_eq!(late(&mut waiting, 3200), [3]);
    assert_eq!(waiting.len(), 1);
    assert_eq!(late(&mut waiting, 9000), [2]);
    assert!(waiting.is_empty());
}

#[test]
fn a_neighbour_that_was_given_up_is_asked_for_anew() {
    let mut waiting = Waiting::new(hasher());
    hold(&mut waiting, 1, 1, 0);
    asked(&mut waiting);
    waiting.expired(at(3000));
    hold(&mut waiting, 1, 2, 3001);
    assert_eq!(asked(&mut waiting), [wanted(1)]);
}

#[test]
fn room_comes_back_when_packets_leave() {
    let mut waiting = Waiting::new(hasher());
    for host in 0..8 {
        for packet in 0..64 {
            assert!(hold(&mut waiting, host, packet, 0));
        }
    }
    assert!(!hold(&mut waiting, 9, 0, 0));
    waiting.resolved(&fib(&[0]));
    assert!(hold(&mut waiting, 9, 0, 0));
    assert_eq!(waiting.drain().len(), 7 * 64 + 1);
    assert_eq!(waiting.len(), 0);
    assert_eq!(waiting.drain().len(), 0);
}

#[test]
fn the_same_address_on_two_interfaces_is_two_neighbours() {
    let mut waiting = Waiting::new(hasher());
    let other = Resolve {
        iface: IfaceId(2),
        ..wanted(1)
    };
    hold(&mut waiting, 1, 1, 0);
    waiting.hold(other, 2, 14, at(0)).unwrap();
    assert_eq!(asked(&mut waiting), vec![wanted(1), other]);
    assert_eq!(waiting.resolved(&fib(&[1])).len(), 1);
}

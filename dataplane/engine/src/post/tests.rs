// SPDX-License-Identifier: Apache-2.0
use std::vec::Vec;

use super::*;

#[test]
fn letters_arrive_once_in_order_and_the_box_has_an_end() {
    let mailbox = Mailbox::default();
    assert_eq!(mailbox.receive(), None);
    for round in 0..5u64 {
        let sent = (0..2000).take_while(|n| mailbox.send(round * 10_000 + n));
        assert_eq!(sent.count(), 1024);
        assert!(!mailbox.has_room(1));
        assert_eq!(mailbox.receive(), Some(round * 10_000));
        assert!(mailbox.has_room(1) && !mailbox.has_room(2));
        let rest: Vec<u64> = core::iter::from_fn(|| mailbox.receive()).collect();
        assert_eq!(rest.len(), 1023);
        assert!(rest.is_sorted());
    }
}

#[test]
fn positions_wrap() {
    let mailbox = Mailbox::default();
    let near = u32::MAX - 5;
    mailbox.written.0.store(near, Ordering::Relaxed);
    mailbox.read.0.store(near, Ordering::Relaxed);
    for n in 0..20 {
        assert!(mailbox.send(n));
    }
    let all: Vec<u64> = core::iter::from_fn(|| mailbox.receive()).collect();
    assert_eq!(all, (0..20).collect::<Vec<u64>>());
}

#[test]
fn two_threads_lose_nothing() {
    let mailbox = Mailbox::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..50_000u64 {
                while !mailbox.send(n) {
                    std::thread::yield_now();
                }
            }
        });
        for expected in 0..50_000u64 {
            let letter = loop {
                match mailbox.receive() {
                    Some(letter) => break letter,
                    None => std::thread::yield_now(),
                }
            };
            assert_eq!(letter, expected);
        }
    });
}

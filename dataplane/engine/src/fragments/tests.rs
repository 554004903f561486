// SPDX-License-Identifier: Apache-2.0
use core::time::Duration;
use std::vec::Vec;

use proptest::prelude::*;
use wire::builder::Frame;
use wire::packet::parse;

use super::*;

const KEY: DatagramKey = DatagramKey {
    source: Addr::UNSPECIFIED,
    destination: Addr::UNSPECIFIED,
    ident: 7,
    protocol: 17,
};

fn place(ident: u32, offset: u16, len: u16, more: bool) -> Place {
    Place {
        key: DatagramKey { ident, ..KEY },
        data_start: 34,
        offset,
        len,
        more,
        ip_len: len + 20,
        ecn: 0,
    }
}

fn fragments() -> Fragments<u32> {
    Fragments::new(Hasher::with_seeds(1, 2, 3, 4))
}

fn at(seconds: u64) -> Instant {
    Instant::from_millis(1_000_000 + seconds * 1000)
}

#[test]
fn a_datagram_is_complete_whatever_the_order() {
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let mut table = fragments();
        let places = [
            place(7, 0, 80, true),
            place(7, 80, 160, true),
            place(7, 240, 3, false),
        ];
        let mut complete = None;
        for index in order {
            assert!(complete.is_none());
            let packet = u32::try_from(index).unwrap();
            complete = table.insert(&places[index], packet, at(0)).unwrap();
        }
        let complete = complete.unwrap();
        let packets: Vec<u32> = complete.pieces.iter().map(|piece| piece.packet).collect();
        assert_eq!(packets, [0, 1, 2]);
        assert_eq!(complete.longest, 180);
        assert!(table.is_empty());
        assert_eq!(table.datagrams(), 0);
    }
}

#[test]
fn a_duplicate_is_refused_and_the_rest_waits_on() {
    let mut table = fragments();
    assert!(
        table
            .insert(&place(7, 0, 80, true), 0, at(0))
            .unwrap()
            .is_none()
    );
    let refused = table.insert(&place(7, 0, 80, true), 1, at(0)).unwrap_err();
    assert_eq!(refused, (1, Refusal::Duplicate));
    assert!(
        table
            .insert(&place(7, 80, 8, false), 2, at(0))
            .unwrap()
            .is_some()
    );
}

#[test]
fn whatever_overlaps_or_contradicts_is_refused() {
    // What is there: 80..160 and, in the second round, the end at 200.
    for (bad, with_end) in [
        (place(7, 72, 16, true), false),
        (place(7, 80, 88, true), false),
        (place(7, 80, 72, true), false),
        (place(7, 88, 8, true), false),
        (place(7, 152, 16, true), false),
        (place(7, 72, 96, true), false),
        (place(7, 0, 100, false), false),
        (place(7, 0, 80, false), false),
        (place(7, 160, 8, false), true),
        (place(7, 200, 8, true), true),
        (place(7, 160, 48, false), true),
        (place(7, 196, 4, false), true),
    ] {
        let mut table = fragments();
        assert!(
            table
                .insert(&place(7, 80, 80, true), 0, at(0))
                .unwrap()
                .is_none()
        );
        if with_end {
            assert!(
                table
                    .insert(&place(7, 192, 8, false), 1, at(0))
                    .unwrap()
                    .is_none()
            );
        }
        let (_, refusal) = table.insert(&bad, 2, at(0)).unwrap_err();
        assert_eq!(refusal, Refusal::Overlap, "{bad:?}");
        let mut given = 0;
        while table.pop_of(&bad.key).is_some() {
            given += 1;
        }
        assert_eq!(given, 1 + usize::from(with_end));
        assert!(table.is_empty());
    }
}

#[test]
fn room_is_bounded_in_every_direction_and_the_oldest_goes() {
    let mut table = fragments();
    let mut dropped = 0;
    for ident in 0..10_000u32 {
        let new = place(ident, 8, 8, true);
        while table.is_full_for(&new.key) {
            let oldest = usize::try_from(ident).unwrap() - DATAGRAMS_MAX;
            assert_eq!(table.pop_oldest(), u32::try_from(oldest).ok());
            dropped += 1;
        }
        assert!(table.insert(&new, ident, at(0)).unwrap().is_none());
        assert!(table.len() <= FRAGMENTS_MAX && table.datagrams() <= DATAGRAMS_MAX);
    }
    assert_eq!(dropped, 10_000 - DATAGRAMS_MAX);
    let mut table = fragments();
    let pieces_max = u16::try_from(PIECES_MAX).unwrap();
    for ident in 0..30 {
        for piece in 0..pieces_max {
            let new = place(ident, 8 + piece * 8, 8, true);
            while table.is_full_for(&new.key) {
                assert!(table.pop_oldest().is_some());
            }
            assert!(table.insert(&new, 0, at(0)).unwrap().is_none());
            assert!(table.len() <= FRAGMENTS_MAX);
        }
        let one_more = place(ident, 8 + pieces_max * 8, 8, true);
        if !table.is_full_for(&one_more.key) {
            let (_, refusal) = table.insert(&one_more, 0, at(0)).unwrap_err();
            assert_eq!(refusal, Refusal::TooMany);
        }
    }
}

#[test]
fn what_waits_too_long_goes_in_the_order_it_came() {
    let mut table = fragments();
    for ident in 0..3 {
        let first = place(ident, 0, 8, true);
        assert!(
            table
                .insert(&first, ident, at(ident.into()))
                .unwrap()
                .is_none()
        );
    }
    assert_eq!(table.pop_expired(at(29)), None);
    assert_eq!(table.pop_expired(at(30)), Some(0));
    assert_eq!(table.pop_expired(at(30)), None);
    assert_eq!(table.pop_expired(at(32)), Some(1));
    assert_eq!(table.pop_expired(at(32)), Some(2));
    assert!(table.is_empty());
    assert_eq!(WAIT_MAX, Duration::from_secs(30));
}

#[test]
fn ipv6_fragments_are_one_datagram_whatever_their_next_header_says() {
    let key_of = |frame: &[u8]| {
        Place::of(frame, &parse(frame, frame.len()).unwrap())
            .unwrap()
            .key
    };
    let v6 = Frame::udp("[2001:db8::9]:1", "[2001:db8::100]:53")
        .ident(9)
        .payload_len(100);
    let pieces = v6.fragments(48);
    assert_eq!(key_of(&pieces[0]), key_of(&pieces[1]));
    assert_eq!(key_of(&pieces[0]).ident, 9);
    let v4 = Frame::udp("10.0.0.9:1", "10.0.0.100:53")
        .ident(9)
        .payload_len(100);
    assert_eq!(key_of(&v4.fragments(48)[1]).protocol, 17);
}

#[test]
fn a_fragment_that_cannot_be_placed_has_no_place() {
    let of = |frame: &[u8]| Place::of(frame, &parse(frame, frame.len()).unwrap());
    let udp = || Frame::ip("10.0.0.9", "10.0.0.100", wire::ipv4::IpProtocol::UDP);
    assert_eq!(of(&udp().payload_len(20).build()), None);
    assert_eq!(of(&udp().fragment(8, false).build()), None);
    assert_eq!(of(&udp().fragment(8, true).payload_len(12).build()), None);
    assert!(of(&udp().fragment(8, false).payload_len(12).build()).is_some());
    // Ethernet padding is not part of it.
    let padded = udp().fragment(8, false).payload_len(3).padded().build();
    assert_eq!(of(&padded).unwrap().len, 3);
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(300)
    })]

    /// Whatever comes, the bounds hold, nothing is lost, and what is given out is whole.
    #[test]
    fn random_fragments_never_overflow_or_vanish(
        events in proptest::collection::vec(
            (0..4u32, 0..24u16, 1..12u16, any::<bool>(), 0..3u64), 1..400),
    ) {
        let mut table = fragments();
        let (mut inside, mut now) = (0usize, 0);
        for (ident, offset, len, more, wait) in events {
            now += wait;
            while table.pop_expired(at(now)).is_some() {
                inside -= 1;
            }
            let new = place(ident, offset * 8, len * 8, more);
            match table.insert(&new, ident, at(now)) {
                Ok(None) => inside += 1,
                Ok(Some(complete)) => {
                    inside -= complete.pieces.len() - 1;
                    let mut end = 0;
                    for piece in &complete.pieces {
                        prop_assert_eq!(piece.offset, end, "no gap, no overlap");
                        end += piece.len;
                    }
                    table.recycle(Vec::new());
                }
                Err((_, Refusal::Duplicate)) => {}
                Err(_) => while table.pop_of(&new.key).is_some() {
                    inside -= 1;
                },
            }
            prop_assert_eq!(table.len(), inside);
            prop_assert!(table.datagrams() <= inside);
        }
    }
}

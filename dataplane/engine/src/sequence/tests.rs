// SPDX-License-Identifier: Apache-2.0
use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

use proptest::collection::vec as many;
use proptest::prelude::*;
use wire::builder::{Checksum, Frame, transport_checksum};

use super::*;

fn insertion(at: u32, new_len: u16) -> Edit {
    Edit {
        at,
        old_len: 0,
        new_len,
    }
}

fn stream(edits: &[Edit]) -> Stream {
    let mut stream = Stream::UNCHANGED;
    for edit in edits {
        assert!(stream.record(*edit));
    }
    stream
}

#[test]
fn an_insertion_shifts_what_is_behind_it() {
    let stream = stream(&[insertion(100, 28)]);
    assert_eq!(stream.forward(99, Side::Before), 99);
    assert_eq!(stream.forward(100, Side::Before), 100);
    assert_eq!(stream.forward(100, Side::Behind), 128);
    assert_eq!(stream.forward(101, Side::Before), 129);
}

#[test]
fn an_acknowledgment_from_inside_an_insertion_acknowledges_what_is_in_front() {
    let stream = stream(&[insertion(100, 28)]);
    for (number, sender) in [
        (99, 99),
        (100, 100),
        (101, 100),
        (127, 100),
        (128, 100),
        (129, 101),
    ] {
        assert_eq!(stream.back(number), sender, "{number}");
    }
}

#[test]
fn a_removal_counts_as_received_with_what_is_in_front_of_it() {
    let removed = Edit {
        at: 100,
        old_len: 10,
        new_len: 0,
    };
    let stream = stream(&[removed]);
    assert_eq!(stream.forward(100, Side::Before), 100);
    assert_eq!(stream.forward(110, Side::Before), 100);
    assert_eq!(stream.forward(105, Side::Before), 100);
    assert_eq!(stream.back(99), 99);
    assert_eq!(stream.back(100), 110);
    assert_eq!(stream.back(101), 111);
}

#[test]
fn numbers_wrap() {
    let start = u32::MAX - 5;
    let stream = stream(&[insertion(start, 10)]);
    assert_eq!(stream.forward(start.wrapping_add(1), Side::Before), 5);
    assert_eq!(stream.forward(3, Side::Before), 13);
    assert_eq!(stream.back(13), 3);
    assert_eq!(stream.back(2), start);
}

#[test]
fn a_change_is_noted_once_and_never_in_front_of_another() {
    let mut stream = stream(&[insertion(100, 5)]);
    assert!(stream.record(insertion(100, 5)));
    assert!(!stream.record(insertion(100, 6)));
    assert!(!stream.record(insertion(99, 5)));
    assert_eq!(stream.forward(101, Side::Before), 106);
}

#[test]
fn the_oldest_of_too_many_changes_is_folded_into_the_shift() {
    let mut stream = Stream::UNCHANGED;
    for n in 0..20 {
        assert!(stream.record(insertion(n * 100, 3)));
    }
    assert_eq!(stream.forward(1901, Side::Before), 1901 + 60);
    assert_eq!(stream.back(1901 + 60), 1901);
    assert_eq!(stream.back(1601 + 51), 1601);
}

#[test]
fn a_segment_holds_a_replaced_range_whole_or_in_part() {
    let edit = Edit {
        at: 100,
        old_len: 10,
        new_len: 12,
    };
    let one = stream(&[insertion(50, 4), edit]);
    assert_eq!(one.meets(40, 30), Meets::None);
    assert_eq!(one.meets(90, 10), Meets::None);
    assert_eq!(one.meets(110, 10), Meets::None);
    assert_eq!(one.meets(100, 10), Meets::Whole(edit));
    assert_eq!(one.meets(90, 100), Meets::Whole(edit));
    assert_eq!(one.meets(101, 10), Meets::Part);
    assert_eq!(one.meets(91, 18), Meets::Part);
    let two = stream(&[edit, Edit { at: 200, ..edit }]);
    assert_eq!(two.meets(90, 150), Meets::Part);
}

fn options_of(frame: &[u8]) -> &[u8] {
    Tcp::new_checked(&frame[34..]).unwrap().options()
}

fn sack(nops: usize, blocks: &[[u32; 2]]) -> Vec<u8> {
    let mut option = vec![1; nops];
    option.extend([5, u8::try_from(2 + blocks.len() * 8).unwrap()]);
    for edge in blocks.iter().flatten() {
        option.extend(edge.to_be_bytes());
    }
    option.resize(option.len().next_multiple_of(4), 0);
    option
}

#[test]
fn selective_acknowledgments_are_corrected_at_any_place() {
    let inserted = stream(&[insertion(100, 28)]);
    // Behind the insertion, across it, from within, all within.
    let received = [[140, 150], [90, 130]];
    let sent_back = [[112, 122], [90, 102]];
    let within = [[110, 140], [101, 128]];
    let of_within = [[100, 112], [100, 100]];
    for nops in 0..4 {
        for (received, sent_back) in [(&received, &sent_back), (&within, &of_within)] {
            let mut frame = Frame::tcp("10.1.0.11:80", "10.0.0.1:1000")
                .flags(flags::ACK)
                .ack(90)
                .tcp_options(&sack(nops, received))
                .payload(b"abc")
                .build();
            renumber(
                &mut frame[34..],
                &Stream::UNCHANGED,
                Side::Before,
                &inserted,
            );
            assert_eq!(options_of(&frame), sack(nops, sent_back));
            assert_eq!(transport_checksum(&frame), Checksum::Good);
        }
    }
}

#[test]
fn what_acknowledges_nothing_keeps_its_zero() {
    let inserted = stream(&[insertion(0xffff_fff0, 28)]);
    let mut frame = Frame::tcp("10.1.0.11:80", "10.0.0.1:1000")
        .flags(flags::RST)
        .ack(12)
        .build();
    let before = frame.clone();
    renumber(
        &mut frame[34..],
        &Stream::UNCHANGED,
        Side::Before,
        &inserted,
    );
    assert_eq!(frame, before);
}

#[test]
fn a_cut_header_or_option_list_is_left_as_it_is() {
    let inserted = stream(&[insertion(10, 28)]);
    let mut short = [0xff; 19];
    renumber(&mut short, &inserted, Side::Before, &inserted);
    assert_eq!(short, [0xff; 19]);
    let frame = Frame::tcp("10.1.0.11:80", "10.0.0.1:1000")
        .flags(flags::ACK)
        .ack(90)
        .tcp_options(&[5, 200, 0, 0])
        .build();
    let mut renumbered = frame.clone();
    renumber(
        &mut renumbered[34..],
        &Stream::UNCHANGED,
        Side::Before,
        &inserted,
    );
    assert_eq!(options_of(&frame), options_of(&renumbered));
    assert_eq!(transport_checksum(&renumbered), Checksum::Good);
}

/// A stream as two texts: what the sender numbers and what the receiver numbers.
#[derive(Debug)]
struct Texts {
    start: u32,
    old: Vec<u8>,
    new: Vec<u8>,
    /// For each boundary of the old text, the boundary of the new one; none inside what was
    /// replaced.
    boundaries: BTreeMap<usize, usize>,
    edits: Vec<Edit>,
}

impl Texts {
    /// Gaps of plain text and replacements alternate.
    fn new(start: u32, pieces: &[(u16, u16, u16)]) -> Self {
        let mut texts = Self {
            start,
            old: Vec::new(),
            new: Vec::new(),
            boundaries: BTreeMap::from([(0, 0)]),
            edits: Vec::new(),
        };
        for (index, &(gap, old_len, new_len)) in pieces.iter().enumerate() {
            let mark = u8::try_from(index).unwrap();
            for _ in 0..gap {
                texts.old.push(mark);
                texts.new.push(mark);
                texts.boundaries.insert(texts.old.len(), texts.new.len());
            }
            let at = start.wrapping_add(u32::try_from(texts.old.len()).unwrap());
            texts.edits.push(Edit {
                at,
                old_len,
                new_len,
            });
            texts.old.extend(vec![b'o'; old_len.into()]);
            texts.new.extend(vec![b'n'; new_len.into()]);
            // Behind the change; in front of it the boundary stands already.
            if old_len > 0 {
                texts.boundaries.insert(texts.old.len(), texts.new.len());
            }
        }
        texts
    }

    fn stream(&self, upto: usize) -> Stream {
        stream(&self.edits[..upto])
    }

    fn number(&self, offset: usize) -> u32 {
        self.start.wrapping_add(u32::try_from(offset).unwrap())
    }

    /// What the sender may believe when the receiver has the first `got` bytes: as much of its text
    /// as has its counterpart in front of there.
    fn acknowledged(&self, got: usize) -> usize {
        let known = self.boundaries.iter().rev();
        known
            .filter(|(_, new)| **new <= got)
            .map(|(old, _)| *old)
            .max()
            .unwrap()
    }
}

fn pieces() -> impl Strategy<Value = Vec<(u16, u16, u16)>> {
    many((1u16..40, 0u16..30, 0u16..30), 1..=EDITS_MAX)
}

proptest! {
    /// Whatever is sent in whatever order, it comes to lie where it belongs; whatever the receiver
    /// has, the sender believes exactly that.
    #[test]
    fn both_directions_of_the_map_agree_with_the_texts(
        start in prop_oneof![any::<u32>(), (0u32..300).prop_map(|n| 0u32.wrapping_sub(n))],
        pieces in pieces(),
    ) {
        let texts = Texts::new(start, &pieces);
        let stream = texts.stream(texts.edits.len());
        for (old, new) in &texts.boundaries {
            let insertion = texts.edits.iter().any(|edit| {
                edit.at == texts.number(*old) && edit.old_len == 0
            });
            let sequence = texts.number(*old);
            prop_assert_eq!(stream.forward(sequence, Side::Before), texts.number(*new));
            if !insertion {
                prop_assert_eq!(stream.forward(sequence, Side::Behind), texts.number(*new));
            }
        }
        for got in 0..=texts.new.len() {
            let believed = stream.back(texts.number(got));
            let right = texts.number(texts.acknowledged(got));
            prop_assert_eq!(believed, right, "the receiver has {} bytes", got);
        }
    }

    /// A change that is made later moves nothing in front of it: a retransmission is numbered as
    /// the first time.
    #[test]
    fn a_retransmission_is_numbered_as_the_first_time(
        start in any::<u32>(),
        pieces in pieces(),
    ) {
        let texts = Texts::new(start, &pieces);
        for upto in 1..texts.edits.len() {
            let (then, now) = (texts.stream(upto), texts.stream(texts.edits.len()));
            let next = texts.edits[upto].at;
            for offset in 0..=next.wrapping_sub(start) {
                let sequence = start.wrapping_add(offset);
                let expected = then.forward(sequence, Side::Before);
                prop_assert_eq!(now.forward(sequence, Side::Before), expected);
                // At its place a removal is acknowledged with what is in front of it.
                if sequence != next {
                    prop_assert_eq!(now.back(expected), then.back(expected));
                }
            }
        }
    }

    /// SACK never tells a sender that a byte was received whose counterpart was not.
    #[test]
    fn no_block_claims_what_was_not_received(
        start in any::<u32>(),
        pieces in pieces(),
        (a, b) in (any::<u16>(), any::<u16>()),
    ) {
        let texts = Texts::new(start, &pieces);
        let stream = texts.stream(texts.edits.len());
        let len = texts.new.len() + 1;
        let (a, b) = (usize::from(a) % len, usize::from(b) % len);
        let (left, right) = (a.min(b), a.max(b));
        let claimed = stream.back_left(texts.number(left))..stream.back(texts.number(right));
        let claimed = claimed.start.wrapping_sub(start)..claimed.end.wrapping_sub(start);
        for (old, byte) in texts.old.iter().enumerate() {
            let offset = u32::try_from(old).unwrap();
            if *byte == b'o' || !claimed.contains(&offset) {
                continue;
            }
            let new = texts.boundaries[&old];
            // An insertion at that boundary stands in front of the byte.
            let inserted = texts.edits.iter().find(|edit| {
                edit.at == texts.number(old) && edit.old_len == 0
            });
            let new = new + inserted.map_or(0, |edit| edit.new_len.into());
            prop_assert!((left..right).contains(&new), "byte {old} was not received");
        }
    }

    /// Places are given out once, keep what is put there, and come back.
    #[test]
    fn every_place_has_one_holder(steps in many((any::<bool>(), any::<u16>()), 0..400)) {
        let mut sequences = Sequences::new(1024);
        sequences.maintain();
        let mut held: Vec<(u32, u16)> = Vec::new();
        for (take, value) in steps {
            if take {
                let number = sequences.insert(value).unwrap();
                prop_assert!(number != 0 && held.iter().all(|(other, _)| *other != number));
                held.push((number, value));
            } else if !held.is_empty() {
                let (number, _) = held.swap_remove(usize::from(value) % held.len());
                sequences.remove(number);
            }
            prop_assert_eq!(sequences.len(), held.len());
            for (number, value) in &held {
                prop_assert_eq!(sequences.at(*number).unwrap().about, *value);
            }
        }
    }
}

#[test]
fn room_is_made_between_bursts_and_bounded() {
    let mut sequences = Sequences::new(1025);
    assert_eq!(sequences.insert(()), None);
    sequences.maintain();
    let first: Vec<u32> = (0..CHUNK).map(|_| sequences.insert(()).unwrap()).collect();
    assert_eq!(sequences.insert(()), None);
    for _ in 0..3 {
        sequences.maintain();
    }
    for _ in 0..CHUNK {
        sequences.insert(()).unwrap();
    }
    sequences.maintain();
    assert_eq!(sequences.insert(()), None, "two chunks are the most");
    assert_eq!(sequences.len(), 2 * CHUNK);
    sequences.remove(first[7]);
    assert_eq!(sequences.insert(()), Some(first[7]));
    sequences.remove(0);
    assert!(sequences.at(0).is_none());
    assert!(!sequences.is_empty());
}

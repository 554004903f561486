// SPDX-License-Identifier: Apache-2.0
use wire::builder;

use super::*;

fn step(input: Vec<u8>, out: Vec<Vec<u8>>) -> PacketStep {
    let frame = |bytes, side| Frame { side, bytes };
    PacketStep {
        input: frame(input, Side::Client),
        flow: None,
        note: None,
        out: out
            .into_iter()
            .map(|bytes| frame(bytes, Side::Server))
            .collect(),
        masks: Vec::new(),
        host: Vec::new(),
        routed: Vec::new(),
    }
}

fn pieces(ident: u32, size: usize) -> Vec<Vec<u8>> {
    builder::Frame::udp("10.0.0.9:7", "10.0.0.100:53")
        .ident(ident)
        .payload_len(100)
        .fragments(size)
}

/// The kernel's frames against the engine's, after one fragmented frame.
fn judged(kernel: Vec<Vec<u8>>, engine: Vec<Vec<u8>>) -> Option<String> {
    let mut datagrams = Datagrams::default();
    let step = step(pieces(1, 40).remove(0), kernel);
    let engine: Vec<Frame> = engine
        .into_iter()
        .map(|bytes| Frame {
            side: Side::Server,
            bytes,
        })
        .collect();
    datagrams.note(&step, &engine.iter().collect::<Vec<_>>());
    datagrams.difference()
}

#[test]
fn other_pieces_in_another_order_are_the_same_datagram() {
    let reversed = |mut frames: Vec<Vec<u8>>| {
        frames.reverse();
        frames
    };
    assert_eq!(judged(pieces(1, 40), reversed(pieces(1, 8))), None);
    assert_eq!(judged(pieces(1, 40), pieces(1, 400)), None);
}

#[test]
fn a_missing_an_extra_and_a_changed_datagram_are_noticed() {
    let says = |difference: Option<String>, what: &str| {
        assert!(difference.unwrap_or_default().starts_with(what));
    };
    says(judged(pieces(1, 40), vec![]), "the engine did not send");
    says(judged(vec![], pieces(1, 40)), "only the engine sent");
    let twice = [pieces(1, 40), pieces(1, 40)].concat();
    says(judged(pieces(1, 40), twice), "only the engine sent");
    for place in 0..6 {
        let mut changed = pieces(1, 40);
        changed[0][place] ^= 1;
        says(judged(pieces(1, 40), changed), "the engine did not send");
    }
    let mut changed = pieces(1, 40);
    *changed[2].last_mut().unwrap() ^= 1;
    says(judged(pieces(1, 40), changed), "the engine did not send");
}

#[test]
fn an_incomplete_datagram_is_none() {
    let mut incomplete = pieces(1, 40);
    incomplete.remove(1);
    assert_eq!(judged(vec![], incomplete), None);
}

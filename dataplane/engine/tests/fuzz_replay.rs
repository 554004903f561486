// SPDX-License-Identifier: Apache-2.0
//! The fuzz target of this crate on the stable toolchain: committed corpus and seeded mutations
//! (`dataplane/fuzz/README.md`).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a test does not expect fails it"
)]

extern crate wire as penstock_wire;

#[path = "../../fuzz/src/engine_targets.rs"]
mod engine_targets;
#[path = "../../fuzz/src/replay.rs"]
mod replay;

use std::fs;

const SEED: u64 = 0x7374_6565_7200;
const RUNS: u32 = 60_000;

#[test]
fn the_steer_corpus_holds() {
    replay::replay("steer", engine_targets::steer);
}

#[test]
fn mutations_of_the_steer_corpus_hold() {
    replay::mutate("steer", SEED, RUNS, engine_targets::steer);
}

#[test]
fn the_tunnel_error_corpus_holds() {
    replay::replay("tunnel_error", engine_targets::tunnel_error);
}

#[test]
fn mutations_of_the_tunnel_error_corpus_hold() {
    replay::mutate("tunnel_error", SEED, RUNS, engine_targets::tunnel_error);
}

#[test]
fn the_committed_seeds_are_those_listed_here() {
    committed("steer", &seeds());
    committed("tunnel_error", &tunnel_error_seeds());
}

fn committed(target: &str, seeds: &[(&'static str, Vec<u8>)]) {
    let dir = replay::corpus_dir(target);
    for (name, bytes) in seeds {
        if std::env::var_os("UPDATE_FUZZ_SEEDS").is_some() {
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join(name), bytes).unwrap();
        }
        let committed = fs::read(dir.join(name)).unwrap_or_default();
        assert_eq!(committed, *bytes, "{name}: UPDATE_FUZZ_SEEDS=1 writes it");
    }
    for (name, _) in replay::corpus(target) {
        let found = name.starts_with("crash-") || name.starts_with("found-");
        assert!(
            found || seeds.iter().any(|(seed, _)| *seed == name),
            "{name}"
        );
    }
}

/// Kind of tunnel, service, and errors: type, code, eighth of the MTU, bytes quoted, changes.
fn tunnel_error_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let names = ["ipip", "gre", "gre-csum", "gue", "gue-csum", "gue-remcsum"];
    let lives = names.into_iter().zip(0..).map(|(name, kind)| {
        let errors = [
            [0, 4, 175, 255, 0],
            [1, 0, 160, 255, 0],
            [2, 1, 0, 96, 0],
            [3, 3, 0, 60, 0],
        ];
        // Each kind with a service of its own, so that all families are there.
        (
            name,
            [&[kind, kind & 3][..], errors.as_flattened()].concat(),
        )
    });
    let mut seeds: Vec<_> = lives.collect();
    seeds.push(("changed", vec![3, 0, 0, 4, 175, 255, 2, 28, 0x40, 20, 0xff]));
    seeds.push((
        "other-family",
        vec![1, 2, 1, 4, 160, 200, 0, 0, 4, 150, 128, 0],
    ));
    seeds
}

/// A frame as `engine_targets::made` reads it.
const fn frame(kind: u8, host: u8, flags: u8) -> [u8; 5] {
    [1, kind, host, flags, 0]
}

/// A line of `engine_targets::CHANGES`.
const fn change(which: u8, number: u8) -> [u8; 3] {
    [6, which, number]
}

const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 0x10;

/// Pieces of one datagram, by their numbers, each to the next worker.
fn pieces(host: u8, flags: u8, numbers: impl Iterator<Item = u8>) -> Vec<u8> {
    numbers
        .flat_map(|number| [((number % 3) << 4) | 1, 15, host, flags, number])
        .collect()
}

/// Lives with fragments and ICMP errors.
fn related_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let life = |steps: &[&[u8]]| steps.concat();
    vec![
        (
            "icmp-errors",
            life(&[
                &[2],
                &frame(0, 1, SYN),
                &frame(14, 0x01, 80),
                &frame(14, 0x41, 80),
                &frame(14, 0x11, 36),
                &frame(14, 0x21, 48),
                &frame(14, 0x31, 80),
            ]),
        ),
        (
            "fragments-shuffled",
            life(&[
                &[2],
                &pieces(1, 0x30, [3, 0, 9, 1, 8, 2, 7, 4, 6, 5].into_iter()),
            ]),
        ),
        (
            "fragments-ipv6",
            life(&[&[2], &pieces(0x81, 0x30, (0..10).rev())]),
        ),
        (
            "fragments-of-eight-bytes",
            life(&[&[1], &pieces(2, 0, 0..60)]),
        ),
        (
            "fragments-overlapping",
            life(&[
                &[1],
                &pieces(1, 0x30, 0..2),
                &pieces(1, 0x86, 1..2),
                &pieces(1, 0x30, 2..3),
                &pieces(1, 0x87, 3..4),
                &[5, 35],
                &pieces(1, 0x30, 3..4),
            ]),
        ),
    ]
}

/// Lives worth starting from; the first byte is the number of workers less one.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = plain_seeds();
    all.extend(related_seeds());
    all
}

fn plain_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let life = |steps: &[&[u8]]| steps.concat();
    let mut seeds = vec![
        ("empty", Vec::new()),
        (
            "three-workers",
            life(&[
                &[2],
                &frame(0, 1, SYN),
                &frame(3, 2, SYN),
                &frame(4, 3, 0),
                &frame(8, 2, ACK),
            ]),
        ),
        (
            "waiting",
            life(&[
                &[0],
                &frame(2, 1, 0),
                &frame(2, 2, 0),
                &frame(11, 1, 0),
                &[5, 22],
                &change(16, 0),
            ]),
        ),
        (
            "pieces",
            life(&[
                &[0],
                &change(12, 0),
                &[1, 0, 1, SYN, 5],
                &[1, 0, 1, SYN | 0x80, 5],
                &[7, 1, 1],
                &[1, 11, 1, 0, 5],
            ]),
        ),
    ];
    seeds.extend(connections());
    seeds.extend(odd_lives());
    seeds
}

fn connections() -> Vec<(&'static str, Vec<u8>)> {
    let life = |steps: &[&[u8]]| steps.concat();
    let (syn, ack) = (frame(0, 1, SYN), frame(0, 1, ACK));
    vec![
        (
            "tcp-nat",
            life(&[
                &[0],
                &syn,
                &frame(5, 1, SYN | ACK),
                &ack,
                &frame(0, 1, RST),
                &syn,
            ]),
        ),
        (
            "delete-and-return",
            life(&[&[1], &syn, &change(3, 0), &ack, &change(5, 1), &ack]),
        ),
        (
            "service-goes",
            life(&[
                &[0],
                &syn,
                &change(10, 0),
                &ack,
                &[7, 0],
                &[5, 27],
                &[7, 0],
                &change(11, 0),
                &change(5, 3),
                &syn,
            ]),
        ),
    ]
}

fn odd_lives() -> Vec<(&'static str, Vec<u8>)> {
    let life = |steps: &[&[u8]]| steps.concat();
    let of_16 =
        |kind, flags| -> Vec<u8> { (0..16).flat_map(|host| frame(kind, host, flags)).collect() };
    vec![
        (
            "ttl",
            life(&[
                &[0],
                &frame(0, 1, SYN | 0x40),
                &frame(11, 1, 0x40),
                &frame(14, 1, 0x40),
            ]),
        ),
        ("full-table", life(&[&[0], &of_16(0, SYN), &of_16(2, 0)])),
        (
            "odd-frames",
            life(&[
                &[0],
                &frame(10, 1, SYN),
                &frame(12, 1, 0),
                &frame(13, 1, SYN),
                &frame(15, 1, 0),
                &[0x38, 1, 2, 3],
                &[1, 0, 1, SYN, 0x38, 14, 3, 20, 9, 30, 7],
            ]),
        ),
    ]
}

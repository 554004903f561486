// SPDX-License-Identifier: Apache-2.0
//! Replays a target on the stable toolchain: its committed corpus, past crashes, and seeded random
//! mutations of both. Included by path into `tests/fuzz_replay.rs` of the crate that owns a target.
#![allow(
    unreachable_pub,
    reason = "public in the fuzz crate, included by path in tests"
)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// Where the corpus of `target` is committed; the crates of `dataplane/` are all its neighbours.
pub fn corpus_dir(target: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus")).join(target)
}

/// The files of the corpus, by name.
pub fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(corpus_dir(target))
        .into_iter()
        .flatten()
        .flatten();
    let mut files: Vec<(String, Vec<u8>)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((name, fs::read(entry.path()).ok()?))
        })
        .collect();
    files.sort();
    files
}

/// Runs `body` on every file of the corpus; the message of a failure names the file.
pub fn replay(target: &str, body: fn(&[u8])) {
    let files = corpus(target);
    assert!(
        !files.is_empty(),
        "no corpus for {target} in {}",
        corpus_dir(target).display()
    );
    for (name, data) in files {
        let result = catch_unwind(AssertUnwindSafe(|| body(&data)));
        assert!(result.is_ok(), "{target} fails on corpus file {name}");
    }
}

/// Runs `body` on `runs` inputs drawn from `seed`: files of the corpus with bytes flipped, cut,
/// grown or spliced, and one in eight of noise. The message of a failure holds the input.
pub fn mutate(target: &str, seed: u64, runs: u32, body: fn(&[u8])) {
    let files = corpus(target);
    let mut random = Random(seed);
    for run in 0..runs {
        let data = draw(&mut random, &files);
        let result = catch_unwind(AssertUnwindSafe(|| body(&data)));
        assert!(
            result.is_ok(),
            "{target} fails, seed {seed} run {run}: {data:02x?}"
        );
    }
}

fn draw(random: &mut Random, files: &[(String, Vec<u8>)]) -> Vec<u8> {
    if files.is_empty() || random.below(8) == 0 {
        return (0..random.below(128)).map(|_| random.byte()).collect();
    }
    let mut data = files[random.below(files.len())].1.clone();
    for _ in 0..random.below(5) {
        if data.is_empty() {
            break;
        }
        let at = random.below(data.len());
        match random.below(8) {
            0 => data.truncate(at),
            1 => data.insert(at, random.byte()),
            2 => data.extend((0..at).map(|_| 0)),
            3 => data[at] ^= 1 << random.below(8),
            4 => {
                let other = &files[random.below(files.len())].1;
                data.truncate(at);
                data.extend_from_slice(other.get(at..).unwrap_or_default());
            }
            5 => data[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            _ => data[at] = random.byte(),
        }
    }
    data
}

/// Xorshift64*: enough to spread inputs, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or(0) % limit.max(1)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}

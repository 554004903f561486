// SPDX-License-Identifier: Apache-2.0
//! One EAL per test binary, shared by its tests: without huge pages, PCI, or anything shared with
//! other processes, so that it runs anywhere and beside itself.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests"
)]

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dpdk::{Eal, EalOptions, HugePages, MbufBatch, Mempool, RxQueue};

/// Options of every test's EAL.
pub(crate) fn options() -> EalOptions {
    EalOptions {
        file_prefix: format!("penstock-test-{}", std::process::id()),
        memory_mib: 128,
        huge_pages: HugePages::Never,
        ..EalOptions::default()
    }
}

/// The EAL of this binary.
pub(crate) fn eal() -> Eal {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    Eal::running().unwrap_or_else(|| Eal::init(options()).expect("EAL starts"))
}

/// A pool of 511 packets without a cache, so that counts are exact.
pub(crate) fn pool() -> Mempool {
    Mempool::new(
        eal(),
        "test",
        511,
        0,
        dpdk::mempool::DATA_ROOM_DEFAULT,
        None,
    )
    .unwrap()
}

/// A frame whose bytes tell where they are.
pub(crate) fn frame(len: usize, seed: u8) -> Vec<u8> {
    (0..len)
        .map(|at| u8::try_from(at % 251).unwrap().wrapping_add(seed))
        .collect()
}

/// Receives until the batch holds `wanted` packets, or two seconds have passed.
pub(crate) fn receive(queue: &mut RxQueue, batch: &mut MbufBatch, wanted: usize) {
    let end = Instant::now() + Duration::from_secs(2);
    while batch.len() < wanted && Instant::now() < end {
        if queue.burst(batch) == 0 {
            dpdk::thread::sleep_ns(100_000);
        }
    }
}

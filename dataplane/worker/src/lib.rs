// SPDX-License-Identifier: Apache-2.0
//! Poll-mode workers around the engine.
//!
//! ```text
//!   NIC queues ─► receive ─► steer ─► dispatch ─► transmit buffers ─► NIC queues
//!   other workers' rings ─┘               ├► redirect rings ─► other workers
//!   Linux (injected) ─────────────────────┴► punt ring ─► twins ─► Linux
//! ```
//!
//! One thread per worker, pinned, running [`worker::Worker::poll_once`] for ever: the first of the
//! two tour functions. One more thread, [`twin`], stands between the workers and Linux.
#![deny(clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, reason = "a test may fail by panic")
)]

pub mod job;
pub mod memory;
pub mod packet;
pub mod policer;
pub mod ring_mesh;
pub mod snapshot;
mod sync;
pub mod tap;
pub mod transmit;
pub mod twin;
pub mod worker;

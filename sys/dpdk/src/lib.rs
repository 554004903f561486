// SPDX-License-Identifier: Apache-2.0
//! The safe face of DPDK: the only crate that calls it.
//!
//! ```text
//!   Eal::init ──► Mempool ──► Mbuf ◄──► MbufBatch
//!       │             │                  ▲    │
//!       └──► Port::attach ──► start ──► RxQueue  TxQueue      (moved to the worker's thread)
//!                     │                  │    ▲
//!                     │                  ▼    │
//!                     └── StartedPort   ring::{Producer, Consumer}   (between two threads)
//! ```
//!
//! What the types promise, so that no caller needs to know DPDK's rules:
//!
//! - An [`Eal`] is proof that DPDK runs; whatever needs DPDK takes it, or was made from it.
//! - An [`Mbuf`] is a packet with one owner; it is freed exactly once and never leaves its thread
//!   except through a ring or a queue.
//! - A queue is used by one thread at a time; a port stays started until its last queue is gone.
//! - Error codes become typed errors here; nothing in this crate panics.
#![deny(clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, reason = "a test may fail by panic")
)]
#![allow(
    unsafe_code,
    reason = "this crate is the boundary to DPDK; each block says why it holds"
)]

pub mod clock;
pub mod eal;
pub mod errno;
mod field;
mod label;
pub mod mbuf;
pub mod mem;
pub mod mempool;
pub mod offload;
pub mod port;
pub mod ring;
pub mod rss;
pub mod rxq;
pub mod thread;
pub mod txq;
pub mod version;

mod batch;

pub use batch::{BURST_MAX, Drain, MbufBatch};
pub use eal::{Eal, EalError, EalOptions, HugePages, LogLevel, MemoryKind, PciDevices};
pub use errno::Errno;
pub use label::LabelError;
pub use mbuf::{Mbuf, MbufError};
pub use mem::{HugeSlice, MemError, Zeroable};
pub use mempool::{Mempool, MempoolError};
pub use port::{Port, PortConfig, PortError, StartedPort};
pub use ring::{Consumer, Producer, RingError, mbuf_ring};
pub use rxq::RxQueue;
pub use txq::TxQueue;

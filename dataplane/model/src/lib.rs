// SPDX-License-Identifier: Apache-2.0
//! What both planes share.
//!
//! Control turns every change (file, API, ipvsadm) into [`op::Op`]s, applies them to the one
//! [`ledger::Ledger`] and publishes the [`snapshot::Snapshot`] that results; workers read it once
//! per burst. Nothing here does I/O, knows a clock or depends on another crate of the project.
//!
//! ```text
//!   TOML, API, ipvsadm ─► Op ─► Ledger ─► Snapshot ─► every worker
//!   netlink ───────────────► Fib ───────────┘
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod addr;
pub mod classifier;
pub mod fib;
pub mod homes;
pub mod ids;
pub mod ledger;
pub mod local;
pub mod op;
pub mod rss;
pub mod sched;
pub mod service;
pub mod snapshot;
pub mod time;
pub mod tunables;
pub mod tunnel;

/// Raised by every change to [`snapshot::Snapshot`] that a reader could notice.
pub const MODEL_VERSION: u32 = 1;

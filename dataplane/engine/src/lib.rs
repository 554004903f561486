// SPDX-License-Identifier: Apache-2.0
//! The pure packet engine: packets, a snapshot and a time in; packets with verdicts out.
//!
//! ```text
//!   steer ─► parse ─► find flow ──────────────────────────► follow ─► rewrite ─► next hop ─► Send
//!                        └► owner? ─► service? ─► scheduler ─► insert ┘              └► hold
//!                             │          └► route, or Punt to Linux
//!                             └► Redirect
//! ```
//!
//! One [`Engine`] per worker; it shares nothing that is written per packet. Memory, time, keys and
//! randomness are handed in, so every rule is tested without DPDK, root or a clock. The tour starts
//! at [`path`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "testing"))]
extern crate std;

pub mod affinity;
pub mod associations;
mod bypass;
mod call_ids;
mod connection;
pub mod counters;
mod defence;
mod echo;
mod egress;
mod engine;
pub mod flow_table;
pub mod forward;
pub mod fragments;
mod full_nat;
mod gather;
pub mod home;
pub mod ipsec;
pub mod local_ports;
mod multihoming;
pub mod path;
pub mod persistence;
pub mod post;
mod quic;
mod rate;
mod related;
pub mod rss;
pub mod sched;
pub mod sctp_state;
pub mod sequence;
mod snat;
pub mod state;
pub mod stats;
mod stream;
pub mod tcp_state;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod timer_wheel;
mod tunnel;
pub mod verdict;
pub mod waiting;

pub use engine::{ConnectionView, Context, Engine, EngineConfig};

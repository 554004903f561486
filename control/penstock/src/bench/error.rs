// SPDX-License-Identifier: Apache-2.0
//! What can stop a benchmark.

use std::path::PathBuf;

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// The CPU is not there.
    #[error("CPU {cpu} is not there or not allowed; allowed are {allowed:?}")]
    Cpu {
        /// The CPU.
        cpu: usize,
        /// Those that this process may use.
        allowed: Vec<usize>,
    },
    /// DPDK did not start.
    #[error("cannot start DPDK")]
    Eal(#[from] dpdk::EalError),
    /// No memory for the flow table.
    #[error("no memory for the flow table")]
    Flows(#[from] dpdk::MemError),
    /// The other program failed.
    #[error("{program} failed: {told}")]
    Failed {
        /// Which.
        program: &'static str,
        /// What it said last.
        told: String,
    },
    /// A file.
    #[error("cannot write {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Ctrl-C or SIGTERM.
    #[error("interrupted")]
    Interrupted,
    /// An mbuf is too small for a frame.
    #[error("a packet buffer is too small for a frame")]
    Mbuf(#[from] dpdk::MbufError),
    /// Not every packet of the window was a hit that was sent: the figure would be of something
    /// else.
    #[error("not a steady state, the figure would mean nothing: {0}")]
    NotSteady(String),
    /// The pool of local addresses of the rig.
    #[error("cannot apply the benchmark's configuration: {0}")]
    Locals(#[from] model::local::LocalError),
    /// A change of the configuration was refused.
    #[error("cannot set up the service")]
    Op(#[from] model::op::OpError),
    /// No packet pool.
    #[error("no memory for packet buffers")]
    Pool(#[from] dpdk::MempoolError),
    /// The port could not be used.
    #[error("cannot use the port")]
    Port(#[from] dpdk::PortError),
    /// What to measure, or what was measured, cannot be read.
    #[error("cannot read {what}: {text:?}")]
    Read {
        /// What.
        what: &'static str,
        /// As it came.
        text: String,
    },
    /// No ring.
    #[error("no memory for a ring")]
    Ring(#[from] dpdk::RingError),
    /// A program could not be started.
    #[error("cannot start {program}{hint}")]
    Start {
        /// Which.
        program: String,
        /// What to do about it.
        hint: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The worker's thread cannot be set up.
    #[error("cannot set up the worker's thread")]
    Thread(#[from] dpdk::thread::ThreadError),
    /// The worker's thread ended by itself.
    #[error("the worker's thread panicked")]
    Worker,
}

// SPDX-License-Identifier: Apache-2.0
//! The load balancer: `penstock run` is the daemon, the other verbs are its tools.
//!
//! ```text
//!   cli ─► run ─► daemon::boot (EAL, ports, workers, twins) ─► daemon::Control, one task:
//!                   signals · netlink pictures · workers' events · requests of the API
//!   cli ─► show ─► unix socket ─► daemon::server ─► Control
//! ```
#![forbid(unsafe_code)]

mod bench;
mod cli;
mod daemon;
mod netlink;

fn main() -> std::process::ExitCode {
    cli::main()
}

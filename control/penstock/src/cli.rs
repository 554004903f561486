// SPDX-License-Identifier: Apache-2.0
//! The command line.

mod bench;
mod check;
pub(crate) mod output;
mod run;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

/// Exit code: warnings, where they were asked to count.
const EXIT_WARNINGS: u8 = 1;
/// Exit code: errors.
const EXIT_ERRORS: u8 = 2;

/// Where the daemon answers if nobody says otherwise.
const SOCKET_DEFAULT: &str = "/run/penstock/penstock.sock";

#[derive(Debug, Parser)]
#[command(
    name = "penstock",
    version,
    about = "Load balancer on DPDK poll-mode workers"
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the daemon. SIGHUP applies the file again, SIGTERM stops cleanly.
    Run {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Check a configuration file: every error with its place, the value seen and what is allowed.
    Check {
        /// The configuration file.
        file: PathBuf,
        /// Also attach the ports: are the devices there, have they the queues.
        #[arg(long)]
        probe: bool,
        /// Exit with 1 when there are warnings.
        #[arg(long)]
        strict: bool,
    },
    /// Measure what a packet costs here, beside DPDK's own testpmd. Needs no NIC.
    Bench(bench::Arguments),
    /// Show the state of the running daemon.
    Show {
        /// What to show.
        what: What,
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
        /// The daemon's socket.
        #[arg(long, value_name = "PATH", default_value = SOCKET_DEFAULT)]
        socket: PathBuf,
        /// Connections to show at most.
        #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
        limit: u32,
    },
}

/// What `penstock show` can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Virtual services and their real servers.
    Services,
    /// Real servers, a line each.
    Servers,
    /// Connections.
    Connections,
    /// Workers and their counters.
    Workers,
    /// Ports, and the drivers compiled in.
    Ports,
    /// Dropped packets by reason.
    Drops,
}

/// Reads the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help goes to stdout, misuse to stderr; a closed pipe is nobody's error.
            let _unread = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(EXIT_ERRORS));
        }
    };
    match arguments.verb {
        Verb::Run { config } => run::run(&config),
        Verb::Check {
            file,
            probe,
            strict,
        } => check::check(&file, probe, strict),
        Verb::Bench(arguments) => bench::bench(arguments),
        Verb::Show {
            what,
            json,
            socket,
            limit,
        } => show::show(what, json, &socket, limit),
    }
}

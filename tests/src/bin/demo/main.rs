// SPDX-License-Identifier: Apache-2.0
//! `make demo`: penstock balances real HTTP and DNS between real servers, and everyone's figures
//! are compared: the clients', the servers' access logs and the director's own.
//!
//! `KEEP=1` in the environment leaves the lab up; `demo clean` takes such labs down. Exit status 0
//! means that every request was answered and every figure is right.
#![forbid(unsafe_code)]

mod services;
mod table;
mod traffic;

use std::env;
use std::fmt;
use std::io::{self, Write as _};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Instant;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use penstock_tests::lab::{
    Bookkeeping, Director, DirectorConfig, Family, Lab, LabError, LabResult, Reals, Topology, addr,
    kept, program, remove, sweep, unavailable,
};

use traffic::Traffic;

fn main() -> ExitCode {
    let done = match env::args().nth(1).as_deref() {
        None => supervise(),
        Some(PLAY) => unblock_signals()
            .and_then(|()| demo())
            .map(|()| ExitCode::SUCCESS),
        Some("clean") => clean().map(|()| ExitCode::SUCCESS),
        Some(other) => Err(LabError::check(
            "usage: demo [clean]",
            format!("  got: {other}"),
        )),
    };
    done.unwrap_or_else(|error| {
        say(format_args!("\nFAILED: {error}"));
        ExitCode::FAILURE
    })
}

/// Runs the demo as a child, so that someone is left to take the lab down when a signal or anything
/// else ends it: what a dead process made, the sweep removes.
fn supervise() -> LabResult<ExitCode> {
    if let Some(reason) = unavailable() {
        return Err(LabError::check("no demo here", reason));
    }
    signals()
        .thread_block()
        .map_err(|errno| LabError::errno("block signals", errno))?;
    let failed = |error| LabError::io("start the demo", error);
    let program = env::current_exe().map_err(failed)?;
    let mut child = Command::new(program).arg(PLAY).spawn().map_err(failed)?;
    let pid = i32::try_from(child.id()).map(Pid::from_raw).ok();
    thread::spawn(move || {
        // From a terminal the child got it, too; one that is gone already needs no second.
        if let (Ok(signal), Some(pid)) = (signals().wait(), pid) {
            kill(pid, signal).unwrap_or_default();
        }
    });
    let status = child
        .wait()
        .map_err(|error| LabError::io("wait for the demo", error))?;
    match status.code() {
        Some(0) => Ok(ExitCode::SUCCESS),
        // It has said why.
        Some(_) => Ok(ExitCode::FAILURE),
        None => {
            sweep()?;
            Err(LabError::check(
                "the demo was ended and its lab is removed",
                status.to_string(),
            ))
        }
    }
}

/// What ends a demo early.
fn signals() -> SigSet {
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]
        .into_iter()
        .collect()
}

/// Children inherit what is blocked, and daemons that cannot hear SIGTERM are no use.
fn unblock_signals() -> LabResult<()> {
    signals()
        .thread_unblock()
        .map_err(|errno| LabError::errno("unblock signals", errno))
}

fn demo() -> LabResult<()> {
    let start = Instant::now();
    let keep = env::var_os("KEEP").is_some_and(|value| !value.is_empty() && value != "0");
    let binary = program()?;
    let lab = Lab::new(Topology::default())?;
    if keep {
        // From the start: a failure is worth a look, too.
        lab.keep()?;
    }
    say(format_args!("{PICTURE}"));
    let reals = Reals::start(&lab)?;
    let config = DirectorConfig {
        name: "demo".to_owned(),
        ..DirectorConfig::new(&lab, 1)
    };
    let begin = Instant::now();
    let director = Director::start_program(&lab, 1, &config.text(&services::text()), &binary)?;
    say(format_args!(
        "lab {}: {} up, penstock answered after {} ms\n",
        lab.id(),
        "3 nginx, 3 knotd",
        begin.elapsed().as_millis()
    ));
    let shown = play(&lab, reals, &director);
    if keep {
        say(format_args!(
            "{}",
            how_to_play(&lab, &director, &binary.display())
        ));
        return shown;
    }
    shown?;
    director.stop()?;
    say(format_args!(
        "penstock stopped cleanly; {} s in all",
        start.elapsed().as_secs()
    ));
    Ok(())
}

fn play(lab: &Lab, reals: Reals, director: &Director) -> LabResult<()> {
    let before = Bookkeeping::at_rest(director)?;
    let mut traffic = Traffic::new(lab, reals, director);
    traffic.web(services::Web::Nat)?;
    traffic.web(services::Web::Dr)?;
    traffic.dns()?;
    let after = Bookkeeping::settle(director, &before)?;
    for place in [lab.client()].into_iter().chain(lab.reals()) {
        let errors = place.tcp_checksum_errors()? + place.udp_checksum_errors()?;
        if errors > 0 {
            let what = format!(
                "{errors} segments with a bad checksum reached {}",
                place.name()
            );
            return Err(LabError::check(what, ""));
        }
    }
    say(format_args!("\n{}", table::services(&after)));
    say(format_args!("{}", table::workers(&after)?));
    say(format_args!(
        "books balance: every packet in is accounted for, no buffer is missing"
    ));
    Ok(())
}

fn clean() -> LabResult<()> {
    let stale = sweep()?;
    let left = kept()?;
    left.iter().try_for_each(|id| remove(id))?;
    let all: Vec<String> = stale.into_iter().chain(left).collect();
    say(format_args!(
        "removed: {}",
        if all.is_empty() {
            "none".into()
        } else {
            all.join(", ")
        }
    ));
    Ok(())
}

fn how_to_play(lab: &Lab, director: &Director, binary: &impl fmt::Display) -> String {
    let (client, place) = (lab.client().name(), director.place().name());
    let (socket, config) = (director.socket().display(), director.config().display());
    let (nat, dr) = (addr::vip(Family::V4, 0), addr::vip(Family::V4, 1));
    let demo =
        env::current_exe().map_or_else(|_| "demo".to_owned(), |path| path.display().to_string());
    format!(
        "
The lab is left up (KEEP=1).
  ask:       ip netns exec {client} curl http://{nat}/src
             ip netns exec {client} curl http://{dr}/src
             ip netns exec {client} dig @{nat} who.example.test TXT
  look:      {binary} show services --socket {socket}
             {binary} show workers --socket {socket}
             ip netns exec {place} ip address
  change:    edit {config}, then
             kill -HUP {pid}
  clean up:  {demo} clean
",
        pid = director.pid()
    )
}

/// Prints a line; a closed standard output does not stop the demo.
fn say(line: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .unwrap_or_default();
}

/// The argument of the child that does the work.
const PLAY: &str = "play";
const PICTURE: &str = "
  clients 10.10.0.2 - .4            director                real servers (nginx, knotd)
  2001:db8:10::2 - ::4        ┌─── penstock ───┐           r1 10.20.0.11  weight 3
        └──── 10.10.0.0/24 ───┤ e0          e1 ├── 10.20.0.0/24 ─┤
                              └────────────────┘           r2 10.20.0.12  weight 2
  NAT http://10.10.0.100  DR http://10.10.0.101            r3 10.20.0.13  weight 1
";

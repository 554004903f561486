// SPDX-License-Identifier: Apache-2.0
//! `penstock run` in the director's namespace.

use std::env;
use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::Lab;
use super::command::{self, Finished};
use super::director_config;
use super::error::{LabError, LabResult};
use super::netns::Netns;
use super::process::Process;

/// A running daemon. One that is dropped without [`Director::stop`] or [`Director::kill`] writes
/// the end of its log to standard error: its test has failed.
#[derive(Debug)]
pub struct Director {
    process: Process,
    place: Netns,
    program: PathBuf,
    config: PathBuf,
    socket: PathBuf,
    stopped: bool,
}

impl Director {
    /// Starts director `number` (from 1) with the given config text, which must name the socket
    /// that [`DirectorConfig`](super::DirectorConfig) names, and waits until it answers there.
    pub fn start(lab: &Lab, number: u8, config: &str) -> LabResult<Self> {
        Self::start_program(lab, number, config, &program()?)
    }

    /// The same with a binary of the caller's choice.
    pub fn start_program(lab: &Lab, number: u8, text: &str, program: &Path) -> LabResult<Self> {
        let index = usize::from(number).checked_sub(1);
        let place = index.and_then(|index| lab.directors().get(index));
        let place = place.ok_or_else(|| LabError::check("no such director", number.to_string()))?;
        let dir = lab.home().subdir(&format!("d{number}"))?;
        let config = dir.join("penstock.toml");
        write(&config, text)?;
        let socket = director_config::socket(lab, number);
        let (name, path) = (program.display().to_string(), config.display().to_string());
        let args = ["run", "--config", &path];
        let mut process = Process::start(place, &name, &args, &dir.join("penstock.log"))?;
        let ready = process.wait_ready(READY_BOUND, || {
            Ok(socket.exists() && show(program, &socket, "workers").is_ok())
        });
        if let Err(error) = ready {
            // The error carries the log.
            process.kill()?;
            return Err(error);
        }
        let (place, program) = (place.clone(), program.to_owned());
        Ok(Self {
            process,
            place,
            program,
            config,
            socket,
            stopped: false,
        })
    }

    /// Where the daemon lives.
    #[must_use]
    pub fn place(&self) -> &Netns {
        &self.place
    }

    /// The daemon's API socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The daemon's config file.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The process: its log, and whether it still runs.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The daemon's pid.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What `penstock show WHAT --json` says.
    pub fn show(&self, what: &str) -> LabResult<Value> {
        show(&self.program, &self.socket, what)
    }

    /// Runs the command line against this daemon (`--socket` is added); any exit status.
    pub fn cli(&self, args: &[&str]) -> LabResult<Finished> {
        let mut command = Command::new(&self.program);
        command.args(args).arg("--socket").arg(&self.socket);
        command::run(&mut command, "", SHOW_BOUND)
    }

    /// Puts another text in the config file and sends `SIGHUP`. The daemon applies it soon after:
    /// wait for what must change, or for a line in the log, with [`wait_for`](super::wait_for).
    pub fn reload(&self, text: &str) -> LabResult<()> {
        write(&self.config, text)?;
        self.process.signal(Signal::SIGHUP)
    }

    /// `SIGTERM`; anything but exit status 0 in time is an error with the log's end.
    pub fn stop(mut self) -> LabResult<()> {
        let status = self.process.terminate(STOP_BOUND)?;
        self.stopped = true;
        if status.success() {
            return Ok(());
        }
        Err(LabError::Command {
            command: "penstock run, sent SIGTERM".to_owned(),
            status: status.to_string(),
            output: self.process.log_tail(),
        })
    }

    /// `kill -9`, as a crash would be. Ending before that is an error.
    pub fn kill(mut self) -> LabResult<()> {
        let status = self.process.kill()?;
        self.stopped = true;
        if status.signal() == Some(9) {
            return Ok(());
        }
        Err(LabError::Command {
            command: "penstock run".to_owned(),
            status: format!("ended before it was killed: {status}"),
            output: self.process.log_tail(),
        })
    }
}

impl Drop for Director {
    fn drop(&mut self) {
        if self.stopped || self.place.home().is_kept() {
            return;
        }
        let (name, tail) = (self.place.name(), self.process.log_tail());
        // A closed standard error is no reason to fail.
        writeln!(
            std::io::stderr(),
            "--- log of {name}, dropped unstopped ---\n{tail}\n---"
        )
        .unwrap_or_default();
    }
}

/// The daemon's binary: `PENSTOCK_BIN`, or the release build of this workspace.
pub fn program() -> LabResult<PathBuf> {
    if let Some(path) = env::var_os("PENSTOCK_BIN") {
        return Ok(PathBuf::from(path));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/penstock");
    path.canonicalize().map_err(|source| {
        let what = format!(
            "find {} (cargo build --release -p penstock)",
            path.display()
        );
        LabError::io(what, source)
    })
}

fn show(program: &Path, socket: &Path, what: &str) -> LabResult<Value> {
    let mut command = Command::new(program);
    command
        .args(["show", what, "--json", "--socket"])
        .arg(socket);
    let text = command::run(&mut command, "", SHOW_BOUND)?
        .success()?
        .text();
    let called = format!("penstock show {what} --json");
    serde_json::from_str(&text).map_err(|error| LabError::output(&called, error, &text))
}

/// The daemon reads old or new text, never half of one.
fn write(path: &Path, text: &str) -> LabResult<()> {
    let fresh = path.with_extension("new");
    fs::write(&fresh, text).map_err(|source| LabError::path("write", &fresh, source))?;
    fs::rename(&fresh, path).map_err(|source| LabError::path("write", path, source))
}

/// Ten times what the daemon promises, for machines under load.
const READY_BOUND: Duration = Duration::from_secs(30);
/// A worker is descheduled for up to a second on a busy machine of two cores.
const SHOW_BOUND: Duration = Duration::from_secs(10);
/// Workers must leave their loops and ports must close.
const STOP_BOUND: Duration = Duration::from_secs(15);

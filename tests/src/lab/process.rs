// SPDX-License-Identifier: Apache-2.0
//! A long-running program inside a namespace, as a child of the test runner.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::error::{LabError, LabResult};
use super::netns::Netns;
use super::wait::{Look, wait_for};

/// A running child; it is ended and reaped when this drops, unless its lab is kept.
#[derive(Debug)]
pub struct Process {
    what: String,
    child: Child,
    log: PathBuf,
    place: Netns,
}

impl Process {
    /// Starts a program; both its output streams go to the file `log`.
    pub fn start(place: &Netns, program: &str, args: &[&str], log: &Path) -> LabResult<Self> {
        let what = format!("{program} in {}", place.name());
        let open = |source| LabError::path("open", log, source);
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .map_err(open)?;
        let copy = file.try_clone().map_err(open)?;
        let child = place
            .command(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(copy)
            .spawn()
            .map_err(|source| LabError::io(format!("start {what}"), source))?;
        Ok(Self {
            what,
            child,
            log: log.to_owned(),
            place: place.clone(),
        })
    }

    /// The program's pid.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, once it has ended.
    pub fn ended(&mut self) -> LabResult<Option<ExitStatus>> {
        let what = &self.what;
        self.child
            .try_wait()
            .map_err(|source| LabError::io(format!("wait for {what}"), source))
    }

    /// Fails with the log's end if the program has ended.
    pub fn expect_running(&mut self) -> LabResult<()> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => Err(LabError::Command {
                command: self.what.clone(),
                status: format!("ended early: {status}"),
                output: self.log_tail(),
            }),
        }
    }

    /// Waits until `ready` holds; the program ending first is an error.
    pub fn wait_ready(
        &mut self,
        bound: Duration,
        mut ready: impl FnMut() -> LabResult<bool>,
    ) -> LabResult<()> {
        let what = format!("{} to be ready", self.what);
        let waited: LabResult<()> = wait_for(&what, bound, || {
            self.expect_running()?;
            Ok(if ready()? {
                Look::Ready(())
            } else {
                Look::NotYet("not ready".to_owned())
            })
        });
        let Err(LabError::Timeout { what, bound, .. }) = waited else {
            return waited;
        };
        Err(LabError::Timeout {
            what,
            bound,
            last: self.log_tail(),
        })
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> LabResult<()> {
        // A pid that does not fit is no pid; -1 would mean every process.
        let pid = i32::try_from(self.child.id())
            .map_err(|_| LabError::check("not a pid", self.child.id().to_string()))?;
        kill(Pid::from_raw(pid), signal)
            .map_err(|errno| LabError::errno(&format!("{signal} to {}", self.what), errno))
    }

    /// Waits for the program to end by itself.
    pub fn wait_end(&mut self, bound: Duration) -> LabResult<ExitStatus> {
        let what = format!("{} to end", self.what);
        wait_for(&what, bound, || {
            Ok(match self.ended()? {
                Some(status) => Look::Ready(status),
                None => Look::NotYet("running".to_owned()),
            })
        })
    }

    /// `SIGTERM`, then the exit status.
    pub fn terminate(&mut self, bound: Duration) -> LabResult<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        self.signal(Signal::SIGTERM)?;
        self.wait_end(bound)
    }

    /// `kill -9`, and reaps it.
    pub fn kill(&mut self) -> LabResult<ExitStatus> {
        let what = &self.what;
        self.child
            .kill()
            .map_err(|source| LabError::io(format!("kill {what}"), source))?;
        self.child
            .wait()
            .map_err(|source| LabError::io(format!("reap {what}"), source))
    }

    /// Everything the program has printed.
    pub fn log(&self) -> LabResult<String> {
        match fs::read(&self.log) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            read => {
                let bytes = read.map_err(|source| LabError::path("read", &self.log, source))?;
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
        }
    }

    /// The end of what it has printed, for messages.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = self.log().unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.place.home().is_kept() {
            return;
        }
        // A program that does not leave in time is killed; errors here have no one to go to.
        if self.terminate(STOP_BOUND).is_err() {
            drop(self.kill());
        }
    }
}

/// Enough to see why a program gave up.
const TAIL_LINES: usize = 60;
/// Servers of the lab stop within milliseconds.
const STOP_BOUND: Duration = Duration::from_secs(3);

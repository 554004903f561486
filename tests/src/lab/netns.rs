// SPDX-License-Identifier: Apache-2.0
//! One network namespace: commands, threads, sysctls and counters inside it.

use std::fs::{self, File};
use std::panic;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use super::command::{self, Finished};
use super::error::{LabError, LabResult};
use super::home::Home;

/// A handle on a namespace of a lab; cheap to clone. The lab removes the namespace, not the handle.
#[derive(Debug, Clone)]
pub struct Netns {
    name: String,
    home: Arc<Home>,
}

impl Netns {
    pub(super) fn new(home: &Arc<Home>, role: &str) -> Self {
        Self {
            name: format!("{}-{role}", home.id()),
            home: Arc::clone(home),
        }
    }

    /// The name `ip netns` knows it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The lab's run directory and life.
    #[must_use]
    pub fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// A command that will run inside; the child's pid is the program's own, for `ip` execs it.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        // A runner that ignores SIGHUP (nohup) would hand that down, and no shell can undo it.
        let clean = ["env", "--default-signal=HUP", program];
        command.args(["netns", "exec", &self.name]).args(clean);
        command
    }

    /// Runs a program inside to its end, whatever its exit status.
    pub fn run(&self, program: &str, args: &[&str], bound: Duration) -> LabResult<Finished> {
        command::run(self.command(program).args(args), "", bound)
    }

    /// Runs a program inside, wanting exit status 0.
    pub fn run_ok(&self, program: &str, args: &[&str]) -> LabResult<Finished> {
        self.run(program, args, command::COMMAND_BOUND)?.success()
    }

    /// Runs `ip` commands inside, one per line.
    pub fn ip_batch(&self, script: &str) -> LabResult<()> {
        command::run_script("ip", &["-n", &self.name, "-batch", "-"], script).map(drop)
    }

    /// Loads an nft script inside.
    pub fn nft(&self, script: &str) -> LabResult<()> {
        let args = ["netns", "exec", &self.name, "nft", "-f", "-"];
        command::run_script("ip", &args, script).map(drop)
    }

    /// Runs a closure on a thread that lives inside the namespace; sockets it opens stay there.
    ///
    /// A panic of the closure (a failed assertion) goes on in the caller.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> LabResult<T> + Send) -> LabResult<T> {
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                self.enter()?;
                work()
            });
            worker
                .join()
                .unwrap_or_else(|cause| panic::resume_unwind(cause))
        })
    }

    /// Moves the calling thread into the namespace for good: for threads made for that purpose.
    pub fn enter(&self) -> LabResult<()> {
        let path = PathBuf::from("/run/netns").join(&self.name);
        let file = File::open(&path).map_err(|source| LabError::path("open", &path, source))?;
        setns(file, CloneFlags::CLONE_NEWNET)
            .map_err(|errno| LabError::errno(&format!("enter namespace {}", self.name), errno))
    }

    /// Sets sysctls, keys written as paths below `/proc/sys/net` (`ipv4/ip_forward`).
    pub fn sysctls(&self, settings: &[(&str, &str)]) -> LabResult<()> {
        self.inside(|| {
            for (key, value) in settings {
                let path = PathBuf::from("/proc/sys/net").join(key);
                fs::write(&path, value).map_err(|source| {
                    LabError::io(format!("set net/{key} to {value} in {}", self.name), source)
                })?;
            }
            Ok(())
        })
    }

    /// Segments with a bad TCP checksum that this namespace has received: 0 is the oracle that
    /// everything the director sent was summed right.
    pub fn tcp_checksum_errors(&self) -> LabResult<u64> {
        self.snmp("Tcp", "InCsumErrors")
    }

    /// Datagrams with a bad UDP checksum that this namespace has received.
    pub fn udp_checksum_errors(&self) -> LabResult<u64> {
        self.snmp("Udp", "InCsumErrors")
    }

    /// One counter of the namespace's `/proc/net/snmp`.
    pub fn snmp(&self, table: &str, counter: &str) -> LabResult<u64> {
        let text = self.inside(|| {
            let path = "/proc/thread-self/net/snmp";
            fs::read_to_string(path).map_err(|source| LabError::io(format!("read {path}"), source))
        })?;
        let prefix = format!("{table}:");
        let mut rows = text.lines().filter(|line| line.starts_with(&prefix));
        let (names, values) = (
            rows.next().unwrap_or_default(),
            rows.next().unwrap_or_default(),
        );
        let mut pairs = names.split_whitespace().zip(values.split_whitespace());
        let value = pairs
            .find(|(name, _)| *name == counter)
            .and_then(|(_, v)| v.parse().ok());
        value.ok_or_else(|| {
            LabError::output("/proc/net/snmp", format!("no {table} {counter}"), &text)
        })
    }

    /// Pids of the processes inside.
    pub fn pids(&self) -> LabResult<Vec<i32>> {
        let done = command::run_ok("ip", &["netns", "pids", &self.name])?;
        Ok(done
            .text()
            .lines()
            .filter_map(|line| line.trim().parse().ok())
            .collect())
    }
}

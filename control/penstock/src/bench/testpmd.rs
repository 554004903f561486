// SPDX-License-Identifier: Apache-2.0
//! The floor: DPDK's own testpmd on the same port and capture.
//!
//! It has an lcore that does nothing but forward between the commands `start` and `stop`, and
//! sleeps otherwise. So the lcore's CPU time between two sleeps, as the kernel counts it, belongs
//! to exactly the packets that testpmd counts between the two commands. Its standard output is only
//! read when it has ended, because it is not written line by line.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::error::BenchError;
use super::point::{CACHE_PACKETS, DATA_ROOM, DESCRIPTORS, Point, SPARE_PACKETS, memory_mib};

/// How long it may take to read a capture of millions of packets.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often its lcore is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// CPU time that it forwards before anything is measured, at least.
const WARM_NS: u64 = 200_000_000;
/// How much of what it said is shown when it fails.
const TOLD_LINES: usize = 8;

/// Nanoseconds of CPU per packet that testpmd needs on the capture of `point`, and its DPDK
/// version.
///
/// # Errors
/// [`BenchError`].
pub(super) fn measure(
    program: &Path,
    point: &Point,
    dir: &Path,
    interrupted: &dyn Fn() -> bool,
) -> Result<(f64, String), BenchError> {
    let log = dir.join("testpmd.log");
    let mut testpmd = Testpmd::start(program, point, &log)?;
    testpmd.say("start")?;
    testpmd.wait(interrupted, |lcore| lcore.cpu_ns > WARM_NS)?;
    let before = testpmd.stop(interrupted)?;
    testpmd.say("start")?;
    let enough = before.cpu_ns + u64::from(point.window_ms) * 1_000_000;
    testpmd.wait(interrupted, |lcore| lcore.cpu_ns > enough)?;
    let after = testpmd.stop(interrupted)?;
    let text = testpmd.quit()?;
    let (received, sent) = counts(&text).ok_or_else(|| failed(&text))?;
    if received == 0 || received != sent {
        let told = format!("{received} packets received, {sent} sent");
        return Err(BenchError::NotSteady(format!("testpmd: {told}")));
    }
    let cpu_ns = after.cpu_ns.saturating_sub(before.cpu_ns);
    Ok((cpu_ns as f64 / received as f64, version(&text)))
}

/// A testpmd that is killed when this is dropped.
#[derive(Debug)]
struct Testpmd {
    child: Child,
    log: PathBuf,
}

/// The state of its forwarding thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lcore {
    cpu_ns: u64,
    asleep: bool,
}

impl Testpmd {
    fn start(program: &Path, point: &Point, log: &Path) -> Result<Self, BenchError> {
        let wrong = |source| BenchError::File {
            path: log.to_owned(),
            source,
        };
        let out = File::create(log).map_err(wrong)?;
        let err = out.try_clone().map_err(wrong)?;
        let child = Command::new(program)
            .args(arguments(point))
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|source| {
                let missing = source.kind() == std::io::ErrorKind::NotFound;
                let hint = if missing {
                    "; it is in Debian's package dpdk"
                } else {
                    ""
                };
                BenchError::Start {
                    program: program.display().to_string(),
                    hint,
                    source,
                }
            })?;
        Ok(Self {
            child,
            log: log.to_owned(),
        })
    }

    fn say(&mut self, command: &str) -> Result<(), BenchError> {
        let line = format!("{command}\n");
        let written = self
            .child
            .stdin
            .as_mut()
            .map(|stdin| stdin.write_all(line.as_bytes()));
        match written {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(failed(&self.told())),
        }
    }

    /// Waits until its lcore is as wanted.
    fn wait(
        &mut self,
        interrupted: &dyn Fn() -> bool,
        wanted: impl Fn(Lcore) -> bool,
    ) -> Result<Lcore, BenchError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(lcore) = lcore(self.child.id()).filter(|lcore| wanted(*lcore)) {
                return Ok(lcore);
            }
            if interrupted() {
                return Err(BenchError::Interrupted);
            }
            if !matches!(self.child.try_wait(), Ok(None)) || Instant::now() > deadline {
                return Err(failed(&self.told()));
            }
            std::thread::sleep(LOOK);
        }
    }

    fn stop(&mut self, interrupted: &dyn Fn() -> bool) -> Result<Lcore, BenchError> {
        self.say("stop")?;
        self.wait(interrupted, |lcore| lcore.asleep)
    }

    /// Ends it; returns all that it said.
    fn quit(mut self) -> Result<String, BenchError> {
        self.say("quit")?;
        drop(self.child.stdin.take());
        match self.child.wait() {
            Ok(status) if status.success() => Ok(self.told()),
            Ok(_) | Err(_) => Err(failed(&self.told())),
        }
    }

    fn told(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Testpmd {
    fn drop(&mut self) {
        // Both fail when it has ended and was waited for.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

fn failed(text: &str) -> BenchError {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines.len().saturating_sub(TOLD_LINES);
    let told = lines.get(last..).unwrap_or_default().join("\n  ");
    BenchError::Failed {
        program: "dpdk-testpmd",
        told,
    }
}

/// The same memory, packet buffers and port as penstock's.
fn arguments(point: &Point) -> Vec<String> {
    let control: Vec<String> = point.control_cpus.iter().map(ToString::to_string).collect();
    let capture = point.capture.as_deref().unwrap_or_else(|| Path::new(""));
    let mut arguments = vec![
        format!("--lcores=0@({}),1@{}", control.join(","), point.cpu),
        format!(
            "--file-prefix=penstock-bench-testpmd-{}",
            std::process::id()
        ),
        format!("-m{}", memory_mib(point.flows)),
        "--no-telemetry".to_owned(),
        "--no-pci".to_owned(),
        "-v".to_owned(),
    ];
    let memory: &[&str] = if point.huge_pages {
        &["--in-memory"]
    } else {
        &["--no-huge", "--no-shconf", "--iova-mode=va"]
    };
    arguments.extend(memory.iter().map(ToString::to_string));
    arguments.extend([
        format!(
            "--vdev=net_pcap0,rx_pcap={},infinite_rx=1",
            capture.display()
        ),
        "--".to_owned(),
        "--interactive".to_owned(),
        "--forward-mode=5tswap".to_owned(),
        "--port-topology=loop".to_owned(),
        "--nb-cores=1".to_owned(),
        // It would take packets until none comes.
        "--no-flush-rx".to_owned(),
        format!("--rxd={DESCRIPTORS}"),
        format!("--txd={DESCRIPTORS}"),
        format!("--total-num-mbufs={}", point.flows + SPARE_PACKETS),
        format!("--mbuf-size={DATA_ROOM}"),
        format!("--mbcache={CACHE_PACKETS}"),
    ]);
    arguments
}

/// The forwarding thread of a testpmd, once it is there.
fn lcore(pid: u32) -> Option<Lcore> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let read = |task: &Path, file: &str| std::fs::read_to_string(task.join(file)).ok();
    let task = tasks
        .filter_map(|task| Some(task.ok()?.path()))
        .find(|task| read(task, "comm").is_some_and(|name| name.contains("worker")))?;
    // The state first: what sleeps has its CPU time written down.
    let asleep = is_asleep(&read(&task, "stat")?)?;
    let cpu_ns = read(&task, "schedstat")?
        .split_ascii_whitespace()
        .next()?
        .parse()
        .ok()?;
    Some(Lcore { cpu_ns, asleep })
}

/// Field 3 of `/proc/PID/stat`, behind a name that may hold anything.
fn is_asleep(stat: &str) -> Option<bool> {
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.trim_start().starts_with('S'))
}

/// Packets received and sent, by the last statistics of a log.
fn counts(text: &str) -> Option<(u64, u64)> {
    let (_, statistics) = text.rsplit_once("Accumulated forward statistics")?;
    let after = |label: &str| {
        let (_, rest) = statistics.split_once(label)?;
        rest.split_ascii_whitespace().next()?.parse().ok()
    };
    Some((after("RX-packets:")?, after("TX-packets:")?))
}

fn version(text: &str) -> String {
    let quoted = text
        .split_once("RTE Version: '")
        .and_then(|(_, rest)| rest.split_once('\''));
    quoted.map_or_else(|| "unknown".to_owned(), |(version, _)| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "EAL: RTE Version: 'DPDK 22.11.11'\n\
        +++ Accumulated forward statistics for all ports+++\n\
        RX-packets: 11  RX-dropped: 0  RX-total: 11\n\
        TX-packets: 11  TX-dropped: 0  TX-total: 11\n\
        +++ Accumulated forward statistics for all ports+++\n\
        RX-packets: 82183360       RX-dropped: 0             RX-total: 82183360\n\
        TX-packets: 82183361       TX-dropped: 0             TX-total: 82183361\n";

    #[test]
    fn the_last_statistics_count() {
        assert_eq!(counts(LOG), Some((82_183_360, 82_183_361)));
        assert_eq!(counts("nothing"), None);
    }

    #[test]
    fn the_version_is_found_or_unknown() {
        assert_eq!(version(LOG), "DPDK 22.11.11");
        assert_eq!(version(""), "unknown");
    }

    #[test]
    fn a_thread_sleeps_whatever_its_name() {
        assert_eq!(is_asleep("31 (rte-worker-1) S 30 31"), Some(true));
        assert_eq!(is_asleep("31 (a) S b) R 30 31"), Some(false));
        assert_eq!(is_asleep(""), None);
    }

    #[test]
    fn a_missing_program_is_told_with_its_package() {
        let dir = std::env::temp_dir();
        let point = super::super::tests::point();
        let program = Path::new("/no/such/testpmd");
        let log = dir.join(format!("penstock-testpmd-{}.log", std::process::id()));
        let error = Testpmd::start(program, &point, &log).unwrap_err();
        std::fs::remove_file(&log).unwrap();
        assert!(error.to_string().contains("package dpdk"), "{error}");
    }

    #[test]
    fn both_programs_get_as_many_packet_buffers_of_one_size() {
        let arguments = arguments(&super::super::tests::point());
        assert!(arguments.contains(&"--total-num-mbufs=12288".to_owned()));
        assert!(arguments.contains(&"--mbuf-size=256".to_owned()));
        assert!(arguments.contains(&"--no-huge".to_owned()));
    }
}

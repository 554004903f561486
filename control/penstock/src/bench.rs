// SPDX-License-Identifier: Apache-2.0
//! `penstock bench`: what a packet costs, beside DPDK's own testpmd (DESIGN §4).
//!
//! ```text
//!   bench ─ writes ─► capture: N flows, shuffled
//!     │                  │ net_pcap0,rx_pcap=…,infinite_rx=1
//!     ├─ dpdk-testpmd --forward-mode=5tswap   CPU time of its lcore ÷ packets     the floor
//!     ├─ bench --point, capture               CPU time of the worker ÷ packets    the cost
//!     └─ bench --point, synthetic             with the director − without         director_ns
//! ```
//!
//! Everything is measured in alternation, as often as asked, and told as medians and as ratios of
//! one run. `perf/README.md` has the method and what it does not show.

mod capture;
mod error;
mod figures;
mod machine;
mod plot;
mod point;
mod rig;
mod testpmd;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::service::ForwardMode;
use serde::{Deserialize, Serialize};

pub(crate) use capture::FLOWS_MAX;
pub(crate) use error::BenchError;
pub(crate) use figures::{Row, table};
pub(crate) use machine::Machine;

use figures::Run;
use point::{CAPTURE_SEED, Measured, Point, memory_mib};

/// How packets reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub(crate) enum Mode {
    /// Direct routing.
    Dr,
    /// Masquerading.
    Nat,
    /// Tunnelling, IP in IP.
    Tun,
    /// Both ends replaced.
    FullNat,
}

impl Mode {
    /// The name in tables and files.
    pub(crate) const fn name(self) -> &'static str {
        self.forward().name()
    }

    const fn forward(self) -> ForwardMode {
        match self {
            Self::Dr => ForwardMode::Dr,
            Self::Nat => ForwardMode::Nat,
            Self::Tun => ForwardMode::Tun,
            Self::FullNat => ForwardMode::FullNat,
        }
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What to measure, and how.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Forwarding modes.
    pub(crate) modes: Vec<Mode>,
    /// Flow counts.
    pub(crate) flows: Vec<u32>,
    /// How often each is measured.
    pub(crate) runs: u32,
    /// CPU time of one measurement.
    pub(crate) window_ms: u32,
    /// Where the worker runs; `None`: on the last CPU.
    pub(crate) cpu: Option<usize>,
    /// Memory of both programs.
    pub(crate) huge_pages: dpdk::HugePages,
    /// testpmd's program.
    pub(crate) testpmd: PathBuf,
    /// Where `bench.json` and `bench.svg` go.
    pub(crate) out: Option<PathBuf>,
}

/// What came out.
#[derive(Debug)]
pub(crate) struct Report {
    /// On what.
    pub(crate) machine: Machine,
    /// The figures.
    pub(crate) rows: Vec<Row>,
}

/// Measures all of a plan; `progress` gets a line after each step.
///
/// # Errors
/// [`BenchError`]. Whatever happens, no file and no process is left behind.
pub(crate) fn run(plan: &Plan, progress: &dyn Fn(&str)) -> Result<Report, BenchError> {
    let (cpu, control_cpus) = choose_cpus(plan.cpu, &dpdk::thread::affinity())?;
    let bench = Bench {
        plan,
        cpu,
        control_cpus,
        huge_pages: choose_memory(plan)?,
        interrupted: watch_signals(),
        dir: Scratch::new()?,
    };
    let mut rows: Vec<Row> = Vec::new();
    let mut version = String::new();
    for flows in &plan.flows {
        rows.append(&mut bench.of_flow_count(*flows, &mut version, progress)?);
    }
    rows.sort_by_key(|row| (row.mode.name(), row.flows));
    let report = Report {
        machine: Machine::of_this(bench.huge_pages, version),
        rows,
    };
    if let Some(out) = &plan.out {
        write_all(out, &report)?;
    }
    Ok(report)
}

/// A plan under way.
#[derive(Debug)]
struct Bench<'a> {
    plan: &'a Plan,
    cpu: usize,
    control_cpus: Vec<usize>,
    huge_pages: bool,
    interrupted: Arc<AtomicBool>,
    dir: Scratch,
}

impl Bench<'_> {
    /// Measures every mode and the floor, in alternation.
    fn of_flow_count(
        &self,
        flows: u32,
        version: &mut String,
        progress: &dyn Fn(&str),
    ) -> Result<Vec<Row>, BenchError> {
        let capture = self.dir.0.join(format!("{flows}.pcap"));
        capture::write(&capture, &capture::shuffled(flows, CAPTURE_SEED)).map_err(|source| {
            BenchError::File {
                path: capture.clone(),
                source,
            }
        })?;
        let new_row = |mode: &Mode| Row {
            mode: *mode,
            flows,
            runs: Vec::new(),
        };
        let mut rows: Vec<Row> = self.plan.modes.iter().map(new_row).collect();
        for number in 1..=self.plan.runs {
            let floor = self.floor(&self.point(flows, Mode::Dr, Some(&capture)), version)?;
            let runs = self.plan.runs;
            let mut told = format!("{flows} flows, run {number} of {runs}: testpmd {floor:.1}");
            for row in &mut rows {
                let on_port = self.child(&self.point(flows, row.mode, Some(&capture)))?;
                let alone = self.child(&self.point(flows, row.mode, None))?;
                let run = Run {
                    ns: on_port.ns_per_packet,
                    floor_ns: floor,
                    with_source_ns: alone.ns_per_packet,
                    source_ns: alone.source_ns,
                };
                told.push_str(&format!(", {} {:.1}", row.mode, run.ns));
                row.runs.push(run);
            }
            progress(&told);
        }
        // The next one may be large.
        let _kept = std::fs::remove_file(&capture);
        Ok(rows)
    }

    fn point(&self, flows: u32, mode: Mode, capture: Option<&PathBuf>) -> Point {
        Point {
            capture: capture.cloned(),
            mode,
            flows,
            cpu: self.cpu,
            control_cpus: self.control_cpus.clone(),
            huge_pages: self.huge_pages,
            window_ms: self.plan.window_ms,
        }
    }

    /// What testpmd needs per packet, nanoseconds.
    fn floor(&self, point: &Point, version: &mut String) -> Result<f64, BenchError> {
        let interrupted = || self.interrupted.load(Ordering::Relaxed);
        let (ns, told) = testpmd::measure(&self.plan.testpmd, point, &self.dir.0, &interrupted)?;
        *version = told;
        Ok(ns)
    }

    /// Measures a point in a process of its own.
    fn child(&self, point: &Point) -> Result<Measured, BenchError> {
        let program = "penstock bench --point";
        let start = |source| BenchError::Start {
            program: program.to_owned(),
            hint: "",
            source,
        };
        let own = std::env::current_exe().map_err(start)?;
        let text = serde_json::to_string(point).unwrap_or_default();
        let output = Command::new(own).args(["bench", "--point", &text]).output();
        let output = output.map_err(start)?;
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(BenchError::Interrupted);
        }
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(BenchError::Failed { program, told });
        }
        serde_json::from_str(said.trim()).map_err(|_| BenchError::Read {
            what: "what was measured",
            text: said.to_string(),
        })
    }
}

/// The process behind `--point`: measures one thing, and returns it as a line of JSON.
///
/// # Errors
/// [`BenchError`].
pub(crate) fn run_point(text: &str) -> Result<String, BenchError> {
    let wrong = |_| BenchError::Read {
        what: "the point to measure",
        text: text.to_owned(),
    };
    let measured = point::measure(&serde_json::from_str(text).map_err(wrong)?)?;
    // Three numbers: cannot fail.
    Ok(serde_json::to_string(&measured).unwrap_or_default())
}

/// The worker's CPU, and those of everything else: another one, where there is one.
fn choose_cpus(
    wanted: Option<usize>,
    allowed: &[usize],
) -> Result<(usize, Vec<usize>), BenchError> {
    let last = allowed.last().copied().unwrap_or(0);
    let cpu = wanted.unwrap_or(last);
    if !allowed.contains(&cpu) {
        return Err(BenchError::Cpu {
            cpu,
            allowed: allowed.to_vec(),
        });
    }
    let others: Vec<usize> = allowed
        .iter()
        .copied()
        .filter(|other| *other != cpu)
        .collect();
    Ok((cpu, if others.is_empty() { vec![cpu] } else { others }))
}

/// Whether there are huge pages for the largest of the measurements: one kind of memory for all.
fn choose_memory(plan: &Plan) -> Result<bool, BenchError> {
    let needed_mib = memory_mib(plan.flows.iter().copied().max().unwrap_or(0));
    let free_mib = dpdk::eal::free_huge_mib();
    let enough = free_mib >= u64::from(needed_mib);
    match plan.huge_pages {
        dpdk::HugePages::Never => Ok(false),
        dpdk::HugePages::Auto => Ok(enough),
        dpdk::HugePages::Require if enough => Ok(true),
        dpdk::HugePages::Require => Err(dpdk::EalError::NoHugePages {
            needed_mib,
            free_mib,
        }
        .into()),
    }
}

/// MiB of huge pages that a plan of so many flows wants.
pub(crate) fn needed_mib(flows: u32) -> u32 {
    memory_mib(flows)
}

/// Raised by Ctrl-C and SIGTERM; looked at between measurements, so that everything is cleaned up.
fn watch_signals() -> Arc<AtomicBool> {
    let raised = Arc::new(AtomicBool::new(false));
    let raise = Arc::clone(&raised);
    std::thread::spawn(move || {
        use tokio::signal::unix::{SignalKind, signal};
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        // Without it a signal ends the process at once, as any other.
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            let (interrupt, terminate) = (
                signal(SignalKind::interrupt()),
                signal(SignalKind::terminate()),
            );
            if let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                raise.store(true, Ordering::Relaxed);
            }
        });
    });
    raised
}

/// A folder for captures, gone when this is dropped.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, BenchError> {
        let path = std::env::temp_dir().join(format!("{SCRATCH}{}", std::process::id()));
        sweep(&std::env::temp_dir());
        std::fs::create_dir_all(&path).map_err(|source| BenchError::File {
            path: path.clone(),
            source,
        })?;
        Ok(Self(path))
    }
}

/// What a scratch folder's name begins with; its process follows.
const SCRATCH: &str = "penstock-bench-";

/// Removes the folders of benchmarks that were killed.
fn sweep(temp_dir: &Path) {
    let entries = std::fs::read_dir(temp_dir).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(SCRATCH));
        let dead = owner
            .filter(|pid| !pid.is_empty() && pid.bytes().all(|digit| digit.is_ascii_digit()))
            .is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        if dead {
            // Another user's, perhaps: then it stays.
            let _kept = std::fs::remove_dir_all(entry.path());
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _kept = std::fs::remove_dir_all(&self.0);
    }
}

fn write_all(out: &Path, report: &Report) -> Result<(), BenchError> {
    let Report { machine, rows } = report;
    std::fs::create_dir_all(out).map_err(|source| BenchError::File {
        path: out.to_owned(),
        source,
    })?;
    write_file(&out.join("bench.json"), &figures::json(machine, rows))?;
    write_file(&out.join("bench.svg"), &plot::svg(machine, rows))
}

/// The old file or the new one, never half of it (DESIGN decision 19).
fn write_file(path: &Path, text: &str) -> Result<(), BenchError> {
    let write = || {
        let temporary = path.with_extension("new");
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|source| BenchError::File {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small one, on the port.
    pub(super) fn point() -> Point {
        Point {
            capture: Some(PathBuf::from("/tmp/4096.pcap")),
            mode: Mode::Nat,
            flows: 4096,
            cpu: 1,
            control_cpus: vec![0],
            huge_pages: false,
            window_ms: 100,
        }
    }

    #[test]
    fn the_worker_gets_the_last_cpu_and_the_rest_another() {
        assert_eq!(choose_cpus(None, &[0, 1, 2]).unwrap(), (2, vec![0, 1]));
        assert_eq!(choose_cpus(Some(0), &[0, 1]).unwrap(), (0, vec![1]));
        assert_eq!(choose_cpus(None, &[3]).unwrap(), (3, vec![3]));
        let error = choose_cpus(Some(9), &[0, 1]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "CPU 9 is not there or not allowed; allowed are [0, 1]"
        );
    }

    #[test]
    fn a_point_that_cannot_be_read_is_refused() {
        let error = run_point("{\"mode\":\"bridge\"}").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot read the point to measure"),
            "{error}"
        );
    }

    #[test]
    fn a_scratch_folder_goes_with_its_owner_and_those_of_the_dead_too() {
        let scratch = Scratch::new().unwrap();
        let path = scratch.0.clone();
        assert!(path.is_dir());
        let base = path.join("sweep");
        let dead = base.join(format!("{SCRATCH}999999999"));
        let alive = base.join(format!("{SCRATCH}{}", std::process::id()));
        std::fs::create_dir_all(&dead).unwrap();
        std::fs::create_dir_all(&alive).unwrap();
        sweep(&base);
        assert!(!dead.exists() && alive.exists());
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn a_report_becomes_two_files_and_leaves_no_third() {
        let scratch =
            Scratch(std::env::temp_dir().join(format!("bench-out-{}", std::process::id())));
        let machine = Machine::of_this(false, "DPDK".to_owned());
        let report = Report {
            machine,
            rows: vec![figures::tests::row(Mode::Dr, 4096)],
        };
        write_all(&scratch.0, &report).unwrap();
        let mut names: Vec<_> = std::fs::read_dir(&scratch.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["bench.json", "bench.svg"]);
    }
}

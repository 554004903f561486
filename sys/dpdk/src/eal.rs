// SPDX-License-Identifier: Apache-2.0
//! Starting DPDK: once per process.
//!
//! Two kinds of memory, because a box may have no huge pages reserved:
//!
//! - with huge pages, EAL runs `--in-memory`: pages come anonymously from the kernel, so no
//!   hugetlbfs mount is needed, nothing is left behind by `kill -9`, and instances do not meet;
//! - without, it runs `--no-huge`: software ports work, hardware NICs need huge pages or an IOMMU,
//!   and every table pays for TLB misses. [`Eal::memory_kind`] says which one it is.

use std::ffi::{CStr, CString};
use std::fs;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::errno::Errno;
use crate::thread;

/// DPDK could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EalError {
    /// It was started before in this process, or a start failed: it cannot be started again.
    #[error("DPDK was started before in this process")]
    AlreadyStarted,
    /// An option holds a NUL byte.
    #[error("option {0:?} holds a NUL byte")]
    Nul(String),
    /// The file prefix is empty or holds other characters than letters, digits, `-`, `_`, `.`.
    #[error("file prefix {0:?} is empty or holds other characters than letters, digits, - _ .")]
    FilePrefix(String),
    /// Huge pages are required, and too few are free.
    #[error(
        "{needed_mib} MiB of huge pages needed, {free_mib} MiB free: reserve pages in \
         /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
    )]
    NoHugePages {
        /// What the options ask for.
        needed_mib: u32,
        /// What the kernel has.
        free_mib: u64,
    },
    /// EAL refused to start; its log (see [`LogLevel`]) says more.
    #[error("DPDK's EAL does not start with {arguments:?}")]
    Start {
        /// The arguments it was given.
        arguments: Vec<String>,
        /// What it set `rte_errno` to.
        #[source]
        source: StartCode,
    },
}

/// The error number with which EAL refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StartCode(pub Errno);

/// Whether to use huge pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HugePages {
    /// When enough of them are free.
    #[default]
    Auto,
    /// Not even when they are there.
    Never,
    /// Refuse to start without.
    Require,
}

/// What memory DPDK got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryKind {
    /// Huge pages.
    Huge,
    /// Pages of 4 KiB: software ports only, and slower tables.
    Normal,
}

/// Which PCI devices DPDK may touch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PciDevices {
    /// None; the PCI bus is not even looked at.
    #[default]
    None,
    /// These (`0000:3b:00.0`) at start, and those attached later. Without a list DPDK would take
    /// every NIC that is bound to one of its drivers.
    Allowed(Vec<String>),
}

/// How much DPDK logs on standard error (and syslog).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// What makes the system unusable.
    Emergency,
    /// What must be acted on at once.
    Alert,
    /// Critical conditions: quiet in practice.
    #[default]
    Critical,
    /// Errors; some drivers report features of the kernel here that are merely absent.
    Error,
    /// Warnings.
    Warning,
    /// Notices.
    Notice,
    /// DPDK's own default.
    Info,
    /// Everything.
    Debug,
}

impl LogLevel {
    fn name(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::Alert => "alert",
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// How to start DPDK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EalOptions {
    /// Tells instances apart; unique per running process.
    pub file_prefix: String,
    /// CPUs that the calling thread, DPDK's main lcore, may run on; empty: those it has now.
    pub cpus: Vec<usize>,
    /// Memory to reserve at start. With huge pages it grows on demand; without, it is all there is,
    /// though a page costs nothing until it is touched.
    pub memory_mib: u32,
    /// Whether to use huge pages.
    pub huge_pages: HugePages,
    /// Which PCI devices to touch.
    pub pci: PciDevices,
    /// How much DPDK logs.
    pub log_level: LogLevel,
}

impl Default for EalOptions {
    fn default() -> Self {
        Self {
            file_prefix: format!("penstock-{}", std::process::id()),
            cpus: Vec::new(),
            memory_mib: 256,
            huge_pages: HugePages::Auto,
            pci: PciDevices::None,
            log_level: LogLevel::Critical,
        }
    }
}

/// Proof that DPDK runs in this process; it does until the process ends.
#[derive(Debug, Clone, Copy)]
pub struct Eal(());

const NEVER: u8 = 0;
const TRIED: u8 = 1;
const UP: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(NEVER);
static ARGUMENTS: OnceLock<Vec<String>> = OnceLock::new();

impl Eal {
    /// Starts DPDK. The calling thread becomes DPDK's main lcore and is pinned to the CPUs of the
    /// options.
    ///
    /// # Errors
    /// [`EalError`]. Options are checked first; once EAL itself has refused, it cannot be tried
    /// again in this process.
    pub fn init(options: EalOptions) -> Result<Self, EalError> {
        let huge = decide_huge_pages(&options)?;
        let arguments = arguments(&options, huge)?;
        let mut argv = Vec::with_capacity(arguments.len().saturating_add(1));
        for argument in &arguments {
            let text = CString::new(argument.as_str());
            argv.push(text.map_err(|_| EalError::Nul(argument.clone()))?);
        }
        if STATE
            .compare_exchange(NEVER, TRIED, Ordering::SeqCst, Ordering::SeqCst)
            .is_err()
        {
            return Err(EalError::AlreadyStarted);
        }
        // EAL keeps pointers into its arguments, and getopt may reorder the array: both are leaked.
        let pointers: Vec<_> = argv
            .into_iter()
            .map(CString::into_raw)
            .chain([std::ptr::null_mut()])
            .collect();
        let pointers = Vec::leak(pointers);
        let count = i32::try_from(arguments.len()).unwrap_or(i32::MAX);
        // SAFETY: first call in this process (STATE), with a NULL-terminated array of `count`
        // writable strings that live for ever.
        if unsafe { dpdk_sys::rte_eal_init(count, pointers.as_mut_ptr()) } < 0 {
            return Err(EalError::Start {
                arguments,
                source: StartCode(Errno::last_rte()),
            });
        }
        STATE.store(UP, Ordering::SeqCst);
        let _first = ARGUMENTS.set(arguments);
        remove_runtime_dir();
        Ok(Self(()))
    }

    /// The proof, when DPDK runs already.
    #[must_use]
    pub fn running() -> Option<Self> {
        (STATE.load(Ordering::SeqCst) == UP).then_some(Self(()))
    }

    /// What memory DPDK got.
    #[must_use]
    pub fn memory_kind(self) -> MemoryKind {
        // SAFETY: reads EAL's configuration, which stands since the start.
        match unsafe { dpdk_sys::rte_eal_has_hugepages() } {
            0 => MemoryKind::Normal,
            _ => MemoryKind::Huge,
        }
    }

    /// Whether PCI devices can be attached.
    #[must_use]
    pub fn has_pci(self) -> bool {
        // SAFETY: reads EAL's configuration, which stands since the start.
        unsafe { dpdk_sys::rte_eal_has_pci() != 0 }
    }

    /// What EAL was started with, for a log line.
    #[must_use]
    pub fn arguments(self) -> &'static [String] {
        ARGUMENTS.get().map_or(&[], Vec::as_slice)
    }
}

/// A driver that is linked in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// Its name, `net_ice`.
    pub name: String,
    /// The PCI devices it serves, `(vendor, device)`; empty for software drivers.
    pub pci_ids: Vec<(u16, u16)>,
    /// The device arguments it documents, `iface=<string> …`; empty when it documents none.
    pub parameters: String,
}

/// Names of the drivers that are linked in, sorted; DPDK need not run.
#[must_use]
pub fn drivers() -> Vec<String> {
    driver_table()
        .into_iter()
        .map(|driver| driver.name)
        .collect()
}

/// The drivers that are linked in, sorted by name; DPDK need not run.
#[must_use]
pub fn driver_table() -> Vec<Driver> {
    let mut drivers: Vec<Driver> = dpdk_sys::driver_infos()
        .into_iter()
        .filter_map(|info| {
            // SAFETY: a NUL-terminated constant of the driver.
            let text = unsafe { CStr::from_ptr(info) };
            parse_driver(text.to_str().ok()?)
        })
        .collect();
    drivers.sort_by(|a, b| a.name.cmp(&b.name));
    drivers
}

/// Reads `PMD_INFO_STRING= {"name": "…", "params": "…", "pci_ids": [[1,2,3,4], …]}`, which DPDK's
/// build writes in exactly this form.
fn parse_driver(text: &str) -> Option<Driver> {
    let field = |key: &str| {
        let (_, rest) = text.split_once(&format!("\"{key}\": \""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let ids = text
        .split_once("\"pci_ids\": [")
        .map_or("", |(_, rest)| rest);
    let pci_ids = ids
        .split('[')
        .filter_map(|quad| {
            let mut numbers = quad
                .split([',', ']'])
                .map(|number| number.trim().parse::<u16>());
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
        .collect();
    Some(Driver {
        name: field("name")?,
        pci_ids,
        parameters: field("params").unwrap_or_default(),
    })
}

fn decide_huge_pages(options: &EalOptions) -> Result<bool, EalError> {
    let free_mib = free_huge_mib();
    let enough = free_mib >= u64::from(options.memory_mib);
    match options.huge_pages {
        HugePages::Never => Ok(false),
        HugePages::Auto => Ok(enough && free_mib > 0),
        HugePages::Require if enough && free_mib > 0 => Ok(true),
        HugePages::Require => Err(EalError::NoHugePages {
            needed_mib: options.memory_mib,
            free_mib,
        }),
    }
}

/// Free huge pages of all sizes in MiB, as the kernel counts them.
#[must_use]
pub fn free_huge_mib() -> u64 {
    let Ok(sizes) = fs::read_dir("/sys/kernel/mm/hugepages") else {
        return 0;
    };
    sizes
        .filter_map(|size| {
            let size = size.ok()?;
            let name = size.file_name();
            let page_kib = name
                .to_str()?
                .strip_prefix("hugepages-")?
                .strip_suffix("kB")?;
            let free = fs::read_to_string(size.path().join("free_hugepages")).ok()?;
            let kib = page_kib
                .parse::<u64>()
                .ok()?
                .saturating_mul(free.trim().parse().ok()?);
            Some(kib / 1024)
        })
        .sum()
}

fn arguments(options: &EalOptions, huge: bool) -> Result<Vec<String>, EalError> {
    let prefix = &options.file_prefix;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if prefix.is_empty() || !prefix.chars().all(plain) {
        return Err(EalError::FilePrefix(prefix.clone()));
    }
    let cpus = match options.cpus.as_slice() {
        [] => thread::affinity(),
        cpus => cpus.to_vec(),
    };
    let cpus: Vec<String> = cpus.iter().map(ToString::to_string).collect();
    let mut arguments = vec![
        "penstock".to_owned(),
        format!("--file-prefix={prefix}"),
        format!("--lcores=0@({})", cpus.join(",")),
        format!("--log-level={}", options.log_level.name()),
        format!("-m{}", options.memory_mib.max(1)),
        "--no-telemetry".to_owned(),
        // Pools whose users do not wait for each other: with DPDK's usual ones, a real-time thread
        // that interrupts a worker in the middle of a pool's step spins until the kernel throttles
        // it, 950 ms (measured), and the worker's CPU stands still.
        "--mbuf-pool-ops-name=ring_mt_rts".to_owned(),
    ];
    if huge {
        arguments.push("--in-memory".to_owned());
        if options.pci == PciDevices::None {
            // No device reads physical addresses, and virtual ones are contiguous.
            arguments.push("--iova-mode=va".to_owned());
        }
    } else {
        // With 4 KiB pages there are no stable physical addresses to give to a device.
        arguments.extend(["--no-huge", "--no-shconf", "--iova-mode=va"].map(str::to_owned));
    }
    match &options.pci {
        PciDevices::None => arguments.push("--no-pci".to_owned()),
        // The host bridge, which no driver takes: an allow-list that allows nothing.
        PciDevices::Allowed(devices) if devices.is_empty() => {
            arguments.push("--allow=0000:00:00.0".to_owned());
        }
        PciDevices::Allowed(devices) => {
            arguments.extend(devices.iter().map(|device| format!("--allow={device}")));
        }
    }
    Ok(arguments)
}

/// EAL makes a folder for files that this configuration never writes; the empty folder goes.
fn remove_runtime_dir() {
    // SAFETY: EAL runs; the callee returns a static buffer.
    let path = unsafe { dpdk_sys::rte_eal_get_runtime_dir() };
    if path.is_null() {
        return;
    }
    // SAFETY: NUL-terminated, static.
    let path = unsafe { CStr::from_ptr(path) };
    if let Ok(path) = path.to_str() {
        // Not empty or not ours to remove: it stays.
        let _kept = fs::remove_dir(path);
    }
}

#[cfg(test)]
mod tests;

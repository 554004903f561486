// SPDX-License-Identifier: Apache-2.0
//! What a figure was measured on.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// The `machine` of `bench.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Machine {
    /// Model of the CPU.
    pub(super) cpu: String,
    /// CPUs that this process may use.
    pub(super) cores: usize,
    /// Version of Linux.
    pub(super) kernel: String,
    /// DPDK in penstock.
    pub(super) dpdk: String,
    /// DPDK in testpmd.
    pub(super) testpmd: String,
    /// Whether both programs had huge pages.
    pub(super) huge_pages: bool,
    /// What penstock's flow table lay on.
    pub(super) flow_table: &'static str,
    /// Day of the measurement, UTC.
    pub(super) date: String,
}

impl Machine {
    /// This one.
    pub(super) fn of_this(huge_pages: bool, testpmd: String) -> Self {
        Self {
            cpu: cpu_model(),
            cores: dpdk::thread::affinity().len(),
            kernel: first_line("/proc/sys/kernel/osrelease"),
            dpdk: dpdk::version::version().to_owned(),
            testpmd,
            huge_pages,
            flow_table: flow_table_pages(huge_pages),
            date: today(),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let memory = if self.huge_pages {
            "huge pages"
        } else {
            "4 KiB pages"
        };
        write!(
            f,
            "{}, {} cores, Linux {}, {} (testpmd: {}), {}\n\
             packet buffers of both programs on {memory}, flow table on {}",
            self.cpu, self.cores, self.kernel, self.dpdk, self.testpmd, self.date, self.flow_table
        )
    }
}

/// Without huge pages of its own, the table asks the kernel for transparent ones.
fn flow_table_pages(huge_pages: bool) -> &'static str {
    let transparent = first_line("/sys/kernel/mm/transparent_hugepage/enabled");
    if huge_pages {
        "huge pages"
    } else if transparent.is_empty() || transparent.contains("[never]") {
        "4 KiB pages"
    } else {
        "transparent huge pages"
    }
}

fn cpu_model() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map(|rest| rest.trim_start_matches([' ', '\t', ':']).trim().to_owned());
    model.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

fn first_line(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or_default().trim().to_owned()
}

fn today() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    let (year, month, day) = civil(seconds / 86_400);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Year, month and day of a day since 1970-01-01: years of 365.2425 days that begin in March.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(11_017), (2000, 3, 1));
        assert_eq!(civil(20_777), (2026, 11, 20));
    }

    #[test]
    fn this_machine_has_a_name() {
        let machine = Machine::of_this(true, "DPDK".to_owned());
        assert!(!machine.cpu.is_empty() && !machine.kernel.is_empty() && machine.cores > 0);
        assert_eq!(machine.flow_table, "huge pages");
    }
}

// SPDX-License-Identifier: Apache-2.0
//! CPU lists as the kernel writes them: `1-3,5`.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

/// CPUs, in the order they were written, none twice, at least one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CpuList(Vec<u16>);

/// The highest CPU number: what the kernel's `cpu_set_t` holds.
pub const CPU_MAX: u16 = 1023;

impl CpuList {
    /// The CPUs.
    #[must_use]
    pub fn as_slice(&self) -> &[u16] {
        &self.0
    }

    /// How many; never 0.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a list is never empty")]
    pub const fn len(&self) -> usize {
        self.0.len()
    }
}

impl FromStr for CpuList {
    type Err = CpuListError;

    fn from_str(text: &str) -> Result<Self, CpuListError> {
        if text.trim().is_empty() {
            return Err(CpuListError::Empty);
        }
        let mut cpus = Vec::new();
        let mut seen = HashSet::new();
        for part in text.split(',') {
            let part = part.trim();
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (cpu(first)?, cpu(last)?);
            if first > last {
                return Err(CpuListError::Reversed { first, last });
            }
            for cpu in first..=last {
                if !seen.insert(cpu) {
                    return Err(CpuListError::Twice(cpu));
                }
                cpus.push(cpu);
            }
        }
        Ok(Self(cpus))
    }
}

fn cpu(text: &str) -> Result<u16, CpuListError> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(CpuListError::NoNumber(text.chars().take(20).collect()));
    }
    text.parse()
        .ok()
        .filter(|cpu| *cpu <= CPU_MAX)
        .ok_or_else(|| CpuListError::TooHigh(text.chars().take(20).collect()))
}

impl fmt::Display for CpuList {
    /// With runs of CPUs as ranges.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_slice();
        let mut comma = "";
        while let Some(&first) = rest.first() {
            let run = rest
                .iter()
                .zip(first..=CPU_MAX)
                .take_while(|(cpu, expected)| *cpu == expected)
                .count();
            let (head, tail) = rest.split_at(run.max(1));
            let last = head.last().copied().unwrap_or(first);
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
            comma = ",";
            rest = tail;
        }
        Ok(())
    }
}

/// What is wrong with a CPU list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CpuListError {
    /// Nothing in it.
    #[error("the list names no CPU")]
    Empty,
    /// Not a number where one belongs.
    #[error("`{0}` is not a CPU number")]
    NoNumber(String),
    /// A range that runs backwards.
    #[error("the range {first}-{last} runs backwards")]
    Reversed {
        /// Its first CPU.
        first: u16,
        /// Its last CPU.
        last: u16,
    },
    /// Beyond [`CPU_MAX`].
    #[error("CPU {0} is beyond {max}", max = CPU_MAX)]
    TooHigh(String),
    /// A CPU twice.
    #[error("CPU {0} is named twice")]
    Twice(u16),
}

// SPDX-License-Identifier: Apache-2.0
//! The configuration file: schema, checks, differences.
//!
//! Text goes in, and either a [`Config`] whose every value has been checked or a [`Report`] with
//! all the errors comes out; nothing here touches a file, a device or a clock. What a
//! configuration means to the dataplane is a list of [`model::op::Op`]s, and what a change of the
//! file means is the shorter list that [`diff()`] finds.
//!
//! ```text
//!            toml            schema, checks
//!   text ─────────► tables ─────────────────► Config ──ops──────────► Op, Op, … ─► Ledger
//!                      │          │              │
//!                      └──────────┴─► Report     └──diff(running)───► Op, … + restart + summary
//! ```
#![forbid(unsafe_code)]

mod address;
mod cpu_list;
mod device;
mod diagnostic;
mod diff;
mod findings;
mod ops;
mod read;
mod reference;
mod render;
mod schema;
mod section;
mod suggest;
mod syntax;
mod types;

use toml::de::DeTable;

pub use cpu_list::{CPU_MAX, CpuList, CpuListError};
pub use device::{DEVICE_LEN_MAX, Device, DeviceError};
pub use diagnostic::{Code, Diagnostic, Report, Severity};
pub use diff::{Diff, diff};
pub use reference::reference;
pub use schema::{ADDRESSES_MAX, BOND_MEMBERS_MAX, PORTS_MAX};
pub use types::{
    Api, Bond, BondMode, Config, Director, HugePages, Idle, Limits, Lvs, Port, PuntPps, Server,
    Service, Snat, Timeouts, Tunnels, Vlan,
};

use crate::diagnostic::Place;
use crate::findings::Findings;

/// Largest file, bytes: four times what `REALS_MAX` servers take when written out.
pub const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Diagnostics that are kept; nobody reads more, and a hostile file has millions.
pub const DIAGNOSTICS_MAX: usize = 256;

/// A file that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// What it says.
    pub config: Config,
    /// What it probably does not mean to say; warnings only.
    pub warnings: Report,
}

/// Reads a file.
///
/// # Errors
/// A [`Report`] of every error and warning in the text, by place.
pub fn parse(text: &str) -> Result<Parsed, Report> {
    if text.len() > FILE_BYTES_MAX {
        return Err(too_large(text.len()));
    }
    let mut findings = Findings::new(text);
    let patched = syntax::check(&mut findings);
    let document = DeTable::parse_recoverable(patched.as_deref().unwrap_or(text)).0;
    let config = read::config(&mut findings, document.get_ref());
    let failed = findings.error_count() > 0;
    let report = findings.into_report();
    match config {
        Some(config) if !failed => Ok(Parsed {
            config,
            warnings: report,
        }),
        _ => Err(report),
    }
}

fn too_large(len: usize) -> Report {
    let place = Place {
        key: String::new(),
        span: 0..0,
    };
    let mut findings = Findings::new("");
    findings.add(
        Diagnostic::new(
            Code::FileTooLarge,
            &place,
            format!("the file is {len} bytes long"),
        )
        .seen(len.to_string())
        .allowed(format!("at most {FILE_BYTES_MAX} bytes"))
        .help("is this the right file?"),
    );
    findings.into_report()
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: Apache-2.0
//! The oracle: stories told to the real kernel's IPVS, with its answers, told again to the engine.
//!
//! ```text
//!   case file ─► case ─► replay (director: engine + ledger + virtual time) ─► answers
//!                  └──────────────────────► compare ◄─────────────────────────┘
//! ```
//!
//! No DPDK, no root, no clock. `make oracle` is [`run`] over a folder; `tests/tests/oracle.rs`
//! asserts the committed list of cases that must pass.

pub mod capability;
pub mod case;
pub mod compare;
pub mod datagrams;
pub mod director;
pub mod folder;
pub mod ipvsadm;
pub mod masks;
mod read;
pub mod replay;
pub mod soft;
pub mod tables;
pub mod topology;
mod write;

use std::panic::{AssertUnwindSafe, catch_unwind};

use case::Case;
pub use read::CaseError;
pub use write::with_answers;

/// What came of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The first difference, or why it could not be told; `None` if all is as the kernel has it.
    pub difference: Option<String>,
    /// The case with the engine's answers in place of the kernel's, if it was told to its end.
    pub answered: Option<serde_json::Value>,
}

impl Outcome {
    const fn failed(difference: String) -> Self {
        Self {
            difference: Some(difference),
            answered: None,
        }
    }

    /// The line of the report.
    #[must_use]
    pub fn line(&self, name: &str) -> String {
        match &self.difference {
            None => format!("ok {name}"),
            Some(difference) => format!("FAIL {name}: {}", difference.replace('\n', " ")),
        }
    }
}

/// Replays the text of a case file and compares. Whatever is wrong with it ends in an outcome.
#[must_use]
pub fn run(text: &[u8]) -> Outcome {
    let case = match Case::parse(text) {
        Ok(case) => case,
        Err(error) => return Outcome::failed(error.to_string()),
    };
    match catch_unwind(AssertUnwindSafe(|| judge(&case))) {
        Ok(outcome) => outcome,
        Err(_) => Outcome::failed("the engine panicked".into()),
    }
}

fn judge(case: &Case) -> Outcome {
    match replay::replay(case) {
        Ok(answers) => Outcome {
            difference: compare::first_difference(case, &answers),
            answered: Some(with_answers(case, &answers)),
        },
        Err(error) => Outcome::failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests;

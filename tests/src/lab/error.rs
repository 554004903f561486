// SPDX-License-Identifier: Apache-2.0
//! What can go wrong while a lab is built or used.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Result of everything in the lab.
pub type LabResult<T> = Result<T, LabError>;

/// A failure of the lab, told so that it can be read straight from a failed test.
#[derive(thiserror::Error)]
pub enum LabError {
    /// Something counted or printed is not what the caller asked to be true.
    #[error("{what}\n{details}")]
    Check {
        /// The statement that does not hold.
        what: String,
        /// The values seen.
        details: String,
    },
    /// A program ran and said no.
    #[error("`{command}` failed ({status})\n{output}")]
    Command {
        /// The command line.
        command: String,
        /// Its exit status in words.
        status: String,
        /// What it wrote, both streams.
        output: String,
    },
    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// The thing tried, with the path or name.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A program printed something this library does not understand.
    #[error("cannot read the output of {what}: {reason}\n{output}")]
    Output {
        /// The program.
        what: String,
        /// What is missing from it.
        reason: String,
        /// The output itself.
        output: String,
    },
    /// A condition did not come true in time.
    #[error("waited {} ms for {what}; last seen: {last}", bound.as_millis())]
    Timeout {
        /// The condition.
        what: String,
        /// The bound.
        bound: Duration,
        /// What the last look at it said.
        last: String,
    },
}

/// A test prints the `Debug` form of the error it returns, so that is the readable one.
impl fmt::Debug for LabError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl LabError {
    /// An I/O error with the thing that was tried.
    pub fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            what: what.into(),
            source,
        }
    }

    /// An I/O error about a path.
    #[must_use]
    pub fn path(verb: &str, path: &Path, source: io::Error) -> Self {
        Self::io(format!("{verb} {}", path.display()), source)
    }

    /// An error number from a system call.
    #[must_use]
    pub fn errno(what: &str, errno: nix::Error) -> Self {
        Self::io(what, errno.into())
    }

    /// A statement that does not hold.
    pub fn check(what: impl Into<String>, details: impl Into<String>) -> Self {
        Self::Check {
            what: what.into(),
            details: details.into(),
        }
    }

    /// Output that cannot be read.
    pub fn output(what: &str, reason: impl fmt::Display, output: &str) -> Self {
        Self::Output {
            what: what.to_owned(),
            reason: reason.to_string(),
            output: output.to_owned(),
        }
    }
}

/// Fails with the two values unless they are equal: `assert_eq!` for code that returns errors.
pub fn ensure_equal<T: PartialEq + fmt::Debug>(what: &str, seen: &T, wanted: &T) -> LabResult<()> {
    if seen == wanted {
        return Ok(());
    }
    Err(LabError::check(
        what,
        format!("  seen:   {seen:?}\n  wanted: {wanted:?}"),
    ))
}

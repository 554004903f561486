// SPDX-License-Identifier: Apache-2.0
//! Waiting for conditions, always with a bound; nothing in the lab sleeps for a fixed time.

use std::thread;
use std::time::{Duration, Instant};

use super::error::{LabError, LabResult};

/// One look at a condition.
#[derive(Debug)]
pub enum Look<T> {
    /// It holds, and this is what came of it.
    Ready(T),
    /// Not yet; the text says what was seen instead.
    NotYet(String),
}

/// Looks until the condition holds, or fails with the last thing seen once `bound` has passed.
///
/// An error ends the wait at once: use it for what can no longer become true.
pub fn wait_for<T>(
    what: &str,
    bound: Duration,
    mut look: impl FnMut() -> LabResult<Look<T>>,
) -> LabResult<T> {
    let start = Instant::now();
    let mut pause = PAUSE_MIN;
    loop {
        let last = match look()? {
            Look::Ready(value) => return Ok(value),
            Look::NotYet(last) => last,
        };
        if start.elapsed() >= bound {
            return Err(LabError::Timeout {
                what: what.to_owned(),
                bound,
                last,
            });
        }
        thread::sleep(pause);
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Short first pauses: most conditions hold within a few milliseconds.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// Long enough not to steal the core of whom we wait for.
const PAUSE_MAX: Duration = Duration::from_millis(40);

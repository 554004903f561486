// SPDX-License-Identifier: Apache-2.0
//! The signals that the daemon answers. Their handlers stand before DPDK starts, so that one sent
//! during the boot is answered after it instead of killing the process.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::boot::BootError;

/// The streams of the three signals.
#[derive(Debug)]
pub(super) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGHUP: apply the file again.
    Reload,
    /// SIGTERM, SIGINT: stop cleanly.
    Stop,
}

impl Signals {
    /// Takes the signals; inside a runtime only.
    ///
    /// # Errors
    /// [`BootError::Runtime`].
    pub(super) fn listen() -> Result<Self, BootError> {
        let take = |kind| signal(kind).map_err(|source| BootError::Runtime { source });
        Ok(Self {
            hangup: take(SignalKind::hangup())?,
            terminate: take(SignalKind::terminate())?,
            interrupt: take(SignalKind::interrupt())?,
        })
    }

    /// The next signal; cancel-safe.
    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
}

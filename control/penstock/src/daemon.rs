// SPDX-License-Identifier: Apache-2.0
//! The daemon: boot, the control task, shutdown.

pub(crate) mod boot;
mod control;
mod drain;
mod links;
mod listing;
mod server;
mod view;

use std::path::Path;

use boot::BootError;
use config::Config;

/// Boots, serves until told to stop, and takes everything down in order.
///
/// # Errors
/// Why it could not boot; nothing runs then.
pub(crate) fn run(config: Config, file: &Path) -> Result<(), Vec<BootError>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| vec![BootError::Runtime { source }])?;
    let signals = {
        let _inside = runtime.enter();
        control::Signals::listen().map_err(|error| vec![error])?
    };
    // Before the boot: a second daemon must not touch the first one's ports.
    let listener = server::Listener::take(&config.api.socket).map_err(|error| vec![error])?;
    let director = boot::boot(&config)?;
    let outcome = runtime.block_on(control::serve(config, file, director, (signals, listener)));
    outcome.map_err(|error| vec![error])
}

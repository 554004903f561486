// SPDX-License-Identifier: Apache-2.0
//! `penstock run`.

use std::path::Path;
use std::process::ExitCode;

use super::{EXIT_ERRORS, check, output};
use crate::daemon;

/// Runs the daemon in the foreground until SIGTERM or SIGINT.
pub(super) fn run(file: &Path) -> ExitCode {
    let environment = env_logger::Env::default().default_filter_or("info");
    env_logger::Builder::from_env(environment)
        .format(line)
        .init();
    let Some((config, _)) = check::load(file) else {
        return ExitCode::from(EXIT_ERRORS);
    };
    match daemon::run(config, file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(errors) => {
            for error in &errors {
                output::err(&format!("error: {}", output::chain(error)));
            }
            ExitCode::from(EXIT_ERRORS)
        }
    }
}

/// One line of the log: systemd's journal adds the time.
fn line(buffer: &mut env_logger::fmt::Formatter, record: &log::Record<'_>) -> std::io::Result<()> {
    use std::io::Write as _;
    let level = record.level().as_str().to_ascii_lowercase();
    writeln!(buffer, "penstock {level}: {}", record.args())
}

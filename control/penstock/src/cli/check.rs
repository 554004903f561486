// SPDX-License-Identifier: Apache-2.0
//! `penstock check`.

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;

use super::{EXIT_ERRORS, EXIT_WARNINGS, output};
use crate::daemon::boot;

/// Checks a file; with `probe` also whether this machine has what it asks for.
pub(super) fn check(file: &Path, probe: bool, strict: bool) -> ExitCode {
    let Some((config, warned)) = load(file) else {
        return ExitCode::from(EXIT_ERRORS);
    };
    if probe {
        let problems = boot::probe(&config);
        for problem in &problems {
            output::err(&format!("error: {}", output::chain(problem)));
        }
        if !problems.is_empty() {
            return ExitCode::from(EXIT_ERRORS);
        }
    }
    output::out(&format!(
        "{}: {} services, {} servers, {} ports: ok",
        file.display(),
        config.services.len(),
        config
            .services
            .iter()
            .map(|service| service.servers.len())
            .sum::<usize>(),
        config.ports.len(),
    ));
    if strict && warned {
        ExitCode::from(EXIT_WARNINGS)
    } else {
        ExitCode::SUCCESS
    }
}

/// Reads and parses a file, printing what is wrong with it. `None` if it cannot be used; else the
/// configuration, and whether there were warnings.
pub(super) fn load(file: &Path) -> Option<(config::Config, bool)> {
    let name = file.display().to_string();
    let color = std::io::stderr().is_terminal();
    match read(file) {
        Err(error) => {
            output::err(&error);
            None
        }
        Ok(text) => match config::parse(&text) {
            Ok(parsed) => {
                let warned = !parsed.warnings.is_empty();
                if warned {
                    output::err(&parsed.warnings.render(&name, &text, color));
                }
                Some((parsed.config, warned))
            }
            Err(report) => {
                output::err(&report.render(&name, &text, color));
                None
            }
        },
    }
}

fn read(file: &Path) -> Result<String, String> {
    let name = file.display();
    let bytes =
        std::fs::read(file).map_err(|error| format!("error: cannot read {name}: {error}"))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("error: {name} is not UTF-8: the byte at offset {at} is none of a character")
    })
}

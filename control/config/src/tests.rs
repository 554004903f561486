// SPDX-License-Identifier: Apache-2.0
//! Tests of the whole crate, by what they are about.

mod accepted;
mod bonds;
mod configs;
mod diff;
mod errors;
mod hostile;
mod local;
mod marks;
mod ports;
mod quic;
mod render;
mod services;
mod values;

use crate::{Code, Config, Diagnostic, Parsed, Report, Severity, parse};

/// Lines 1 to 3 of most test files.
const DIRECTOR: &str = "[director]\nname = \"lb1\"\nworkers = \"1-2\"\n";

/// Five lines more.
const PORT: &str = "[[port]]\nname = \"front\"\ndevice = \"0000:3b:00.0\"\nqueues = 1\n\
                    addresses = [\"192.0.2.2/24\"]\n";

/// Five lines more.
const SERVICE: &str = "[[service]]\nname = \"web\"\nlisten = \"tcp://192.0.2.10:80\"\n\
                       scheduler = \"wlc\"\nforward = \"nat\"\n";

/// Two lines more.
const SERVER: &str = "[[service.server]]\naddress = \"10.0.0.11:8080\"\n";

/// What stands in the file.
#[track_caller]
fn good(text: &str) -> Parsed {
    parse(text).unwrap_or_else(|report| panic!("{}", report.render("lb.toml", text, false)))
}

#[track_caller]
fn config(text: &str) -> Config {
    good(text).config
}

/// What is wrong with the file.
#[track_caller]
fn bad(text: &str) -> Report {
    parse(text).expect_err("the file should not pass")
}

/// The file has this one error, there, with `fragment` in its message or help.
#[track_caller]
fn one_error(text: &str, code: Code, at: (usize, usize), fragment: &str) -> Diagnostic {
    let report = bad(text);
    let errors: Vec<&Diagnostic> = report.errors().collect();
    let [error] = errors.as_slice() else {
        panic!("{}", report.render("lb.toml", text, false));
    };
    found(error, code, at, fragment);
    (*error).clone()
}

/// The file passes with this one warning.
#[track_caller]
fn one_warning(text: &str, code: Code, at: (usize, usize), fragment: &str) {
    let warnings = good(text).warnings;
    let [warning] = warnings.diagnostics.as_slice() else {
        panic!("{}", warnings.render("lb.toml", text, false));
    };
    assert_eq!(warning.severity, Severity::Warning);
    found(warning, code, at, fragment);
}

#[track_caller]
fn found(diagnostic: &Diagnostic, code: Code, at: (usize, usize), fragment: &str) {
    let text = format!(
        "{} | {} | {}",
        diagnostic.message,
        diagnostic.help.as_deref().unwrap_or(""),
        diagnostic.allowed.as_deref().unwrap_or("")
    );
    assert_eq!(diagnostic.code, code, "{text}");
    assert_eq!((diagnostic.line, diagnostic.column), at, "{text}");
    assert!(text.contains(fragment), "{fragment:?} is not in {text:?}");
}

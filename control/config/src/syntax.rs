// SPDX-License-Identifier: Apache-2.0
//! TOML, and what to say where a text is none.
//!
//! The parser goes on after most mistakes, and stops at some; so lines that it could not read are
//! blanked out and the rest is read once more, every byte in its place. What the file says in
//! its other lines is then checked as usual.

use std::ops::Range;

use toml::de::{DeTable, Error};

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::findings::{Broken, Findings, is_header};

/// Reports every syntax error. If there are any, returns a text to read in place of the first.
pub(crate) fn check(findings: &mut Findings<'_>, errors: &[Error]) -> Option<String> {
    if errors.is_empty() {
        return None;
    }
    let mut sorted: Vec<_> = errors
        .iter()
        .map(|error| (error.span().unwrap_or(0..0), error.message()))
        .collect();
    sorted.sort_by_key(|(span, _)| (span.start, span.end));
    let mut broken = Broken::default();
    for (span, message) in sorted {
        let line = findings.line_of(span.start);
        // The first error of a line is the cause of the others, and a list that is not closed
        // that of everything up to the end of the file.
        let again = broken.lines.last() == Some(&line);
        if !again && !broken.rest_is_lost {
            let found = describe(findings, span, message);
            findings.add(found);
        }
        if !again && !is_duplicate(message) {
            broken.lines.push(line);
        }
        broken.rest_is_lost |= message.starts_with(NO_COMMA);
    }
    let patched = patch(findings, &broken);
    findings.set_broken(broken);
    patched
}

/// The text without its broken lines, if it is TOML then.
fn patch(findings: &Findings<'_>, broken: &Broken) -> Option<String> {
    let text = findings.text();
    if broken.lines.is_empty() || broken.rest_is_lost {
        return None;
    }
    let mut patched = String::with_capacity(text.len());
    for line in &broken.lines {
        let span = findings.line_span(*line);
        // Keys of a table whose header is lost would count as keys of the table before it.
        if is_header(text.get(span.clone())?) {
            return None;
        }
        patched.push_str(text.get(patched.len()..span.start)?);
        patched.push_str(&" ".repeat(span.len()));
    }
    patched.push_str(text.get(patched.len()..)?);
    let (_, errors) = DeTable::parse_recoverable(&patched);
    errors
        .iter()
        .all(|error| is_duplicate(error.message()))
        .then_some(patched)
}

fn describe(findings: &Findings<'_>, span: Range<usize>, message: &str) -> Diagnostic {
    let unquoted = NOT_A_VALUE.iter().any(|start| message.starts_with(start));
    let span = match bare_value(findings, &span) {
        Some(value) if unquoted => value,
        _ => span,
    };
    let seen = findings.source(&span);
    let (message, help) = if unquoted && seen.is_empty() {
        ("a value is missing", "put a value behind `=`".to_owned())
    } else if unquoted {
        let help = format!("if this is text, put it in quotes: \"{seen}\"");
        (message, help)
    } else if is_duplicate(message) {
        let help = "each key and each [table] stands once; more of a kind are [[tables]]";
        (message, help.to_owned())
    } else if message.starts_with(NO_COMMA) {
        let help = "separate the entries by `,`, and close the list with `]`";
        (message, help.to_owned())
    } else {
        (message, "see https://toml.io for the syntax".to_owned())
    };
    let place = Place {
        key: String::new(),
        span,
    };
    Diagnostic::new(Code::Syntax, &place, message)
        .seen(seen)
        .help(help)
}

/// The whole of what stands behind the `=` of a line, if it is one word without quotes.
fn bare_value(findings: &Findings<'_>, at: &Range<usize>) -> Option<Range<usize>> {
    let line = findings.line_span(findings.line_of(at.start));
    let text = findings.text().get(line.clone())?;
    let (key, value) = text.split_once('=')?;
    let value = value.split('#').next()?;
    let word = value.trim();
    if word.is_empty() || word.contains(['"', '\'', '[', ']', '{', '}', ',', ' ']) {
        return None;
    }
    let blanks = value.len().saturating_sub(value.trim_start().len());
    let start = line.start.saturating_add(key.len()).saturating_add(1);
    let start = start.saturating_add(blanks);
    Some(start..start.saturating_add(word.len()))
}

fn is_duplicate(message: &str) -> bool {
    message.starts_with("duplicate key")
}

/// How the parser's message begins where a list goes on without a comma.
const NO_COMMA: &str = "missing comma between array elements";

/// How the parser's messages begin where a value is text without quotes.
const NOT_A_VALUE: [&str; 5] = [
    "string values must be quoted",
    "invalid date",
    "invalid float",
    "invalid integer",
    "invalid boolean",
];

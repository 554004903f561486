// SPDX-License-Identifier: Apache-2.0
//! TOML, and what to say where a text is none.
//!
//! The parser goes on after some mistakes and stops at others. So the lines that it could not
//! read are blanked out and the rest is read again, every byte in its place, until what is left
//! is TOML; that is then checked as usual, and a file's errors come all at once.

use std::ops::Range;

use toml::de::{DeTable, Error};

use crate::DIAGNOSTICS_MAX;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::findings::{Broken, Findings, is_header};

/// Reports every syntax error. If lines had to be left out, returns the text without them.
pub(crate) fn check(findings: &mut Findings<'_>) -> Option<String> {
    let mut broken = Broken::default();
    let mut patched = None;
    let whole = findings.text();
    for _ in 0..ROUNDS_MAX {
        let text = patched.as_deref().unwrap_or(whole);
        let errors = sorted(&DeTable::parse_recoverable(text).1);
        let known = broken.lines.len();
        if errors.iter().all(|(_, message)| is_duplicate(message)) {
            for (span, message) in errors {
                findings.add(describe(findings, span, &message));
            }
            findings.set_broken(broken);
            return patched;
        }
        round(findings, &mut broken, errors);
        // A text with more broken lines than are reported is no configuration file.
        if broken.lines.len() == known || broken.lines.len() > LINES_MAX {
            break;
        }
        patched = Some(blank(findings, &broken));
    }
    broken.rest_is_lost = true;
    findings.set_broken(broken);
    patched
}

/// How often a text is read at most: mistakes that hide each other are rarely nested deeper.
const ROUNDS_MAX: usize = 8;

/// Lines that are left out at most.
const LINES_MAX: usize = 16 * DIAGNOSTICS_MAX;

fn sorted(errors: &[Error]) -> Vec<(Range<usize>, String)> {
    let mut sorted: Vec<_> = errors
        .iter()
        .map(|error| (error.span().unwrap_or(0..0), error.message().to_owned()))
        .collect();
    sorted.sort_by_key(|(span, _)| (span.start, span.end));
    sorted
}

/// Reports the errors of one reading, and notes the lines that the next one leaves out. Keys that
/// seem to be there twice wait for the last reading: a lost header makes many of them.
fn round(findings: &mut Findings<'_>, broken: &mut Broken, errors: Vec<(Range<usize>, String)>) {
    let mut lines = std::mem::take(&mut broken.lines);
    let known = lines.clone();
    for (span, message) in errors {
        let line = findings.line_of(span.start);
        // The first error of a line is the cause of the others.
        let again = lines.last() == Some(&line) || known.binary_search(&line).is_ok();
        if again || is_duplicate(&message) {
            continue;
        }
        let header = is_header(line_text(findings, line));
        if header && message.starts_with(NO_COMMA) {
            // A list that is not closed has swallowed the header, and all behind it.
            let opened = list_before(findings, line);
            report_open_list(findings, opened);
            lines.extend(opened..line);
            break;
        }
        if !findings.count_only() {
            findings.add(describe(findings, span, &message));
        }
        if header {
            lines.extend(table(findings, line));
        } else {
            lines.push(line);
        }
    }
    lines.sort_unstable();
    lines.dedup();
    broken.lines = lines;
}

fn line_text<'t>(findings: &Findings<'t>, line: usize) -> &'t str {
    findings
        .text()
        .get(findings.line_span(line))
        .unwrap_or_default()
}

/// The line in front of a header where the list begins that it stands in.
fn list_before(findings: &Findings<'_>, header: usize) -> usize {
    (1..header)
        .rev()
        .find(|line| line_text(findings, *line).contains('='))
        .unwrap_or(1)
}

fn report_open_list(findings: &mut Findings<'_>, line: usize) {
    let span = findings.line_span(line);
    let text = line_text(findings, line);
    let start = text.find('[').unwrap_or(0);
    let place = Place {
        key: String::new(),
        span: span.start.saturating_add(start)..span.end,
    };
    let found = Diagnostic::new(Code::Syntax, &place, "the list is not closed");
    findings.add(
        found
            .seen(findings.source(&place.span))
            .help("close the list with `]`"),
    );
}

/// The lines of a table with a broken header, and of the tables below it: their keys would count
/// as keys of the table before.
fn table(findings: &Findings<'_>, header: usize) -> Range<usize> {
    let name = header_name(line_text(findings, header));
    let below = format!("{name}.");
    let mut end = header.saturating_add(1);
    while end <= findings.line_count() {
        let text = line_text(findings, end);
        if is_header(text) && !header_name(text).starts_with(&below) {
            break;
        }
        end = end.saturating_add(1);
    }
    header..end
}

fn header_name(line: &str) -> &str {
    let line = line.split('#').next().unwrap_or_default();
    line.trim_matches(['[', ']', ' ', '\t', '\r'])
}

/// The text with blanks in place of the broken lines.
fn blank(findings: &Findings<'_>, broken: &Broken) -> String {
    let text = findings.text();
    let mut patched = String::with_capacity(text.len());
    for line in &broken.lines {
        let span = findings.line_span(*line);
        patched.push_str(text.get(patched.len()..span.start).unwrap_or_default());
        patched.push_str(&" ".repeat(span.len()));
    }
    patched.push_str(text.get(patched.len()..).unwrap_or_default());
    patched
}

fn describe(findings: &Findings<'_>, span: Range<usize>, message: &str) -> Diagnostic {
    let unquoted = NOT_A_VALUE.iter().any(|start| message.starts_with(start));
    let span = match bare_value(findings, &span) {
        Some(value) if unquoted => value,
        _ => span,
    };
    let seen = findings.source(&span);
    let (message, help) = if unquoted && seen.is_empty() {
        let message = "a value is missing".to_owned();
        (message, "put a value behind `=`".to_owned())
    } else if unquoted {
        let message = format!("`{seen}` is neither a number nor text in quotes");
        let help = format!("if this is text, put it in quotes: \"{seen}\"");
        (message, help)
    } else if is_duplicate(message) {
        let help = "each key and each [table] stands once; more of a kind are [[tables]]";
        (message.to_owned(), help.to_owned())
    } else if message.starts_with(NO_COMMA) {
        let help = "separate the entries by `,`, and close the list with `]`";
        (message.to_owned(), help.to_owned())
    } else if message.starts_with("key with no value") {
        (message.to_owned(), "write KEY = VALUE".to_owned())
    } else if message.starts_with("unclosed") {
        (message.to_owned(), "close what was opened".to_owned())
    } else {
        (
            message.to_owned(),
            "see https://toml.io for the syntax".to_owned(),
        )
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

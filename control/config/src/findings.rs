// SPDX-License-Identifier: Apache-2.0
//! Collects what is wrong with a text, and knows lines and columns.

use std::ops::Range;

use crate::DIAGNOSTICS_MAX;
use crate::diagnostic::{Code, Diagnostic, Place, Report, Severity};

/// The text and what was found in it.
#[derive(Debug)]
pub(crate) struct Findings<'t> {
    text: &'t str,
    /// Offset of the first byte of each line.
    lines: Vec<usize>,
    report: Report,
    /// Lines with syntax errors, ascending: what TOML made of them is not worth a second error.
    broken_lines: Vec<usize>,
    error_count: usize,
}

impl<'t> Findings<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let newlines = text.match_indices('\n').map(|(at, _)| at.saturating_add(1));
        Self {
            text,
            lines: std::iter::once(0).chain(newlines).collect(),
            report: Report::default(),
            broken_lines: Vec::new(),
            error_count: 0,
        }
    }

    pub(crate) fn add(&mut self, mut found: Diagnostic) {
        let (line, column) = self.position(found.span.start);
        let broken = self.broken_lines.binary_search(&line).is_ok();
        let doubtful = found.code == Code::MissingKey || found.severity == Severity::Warning;
        if broken || (doubtful && !self.broken_lines.is_empty()) {
            return;
        }
        if found.severity == Severity::Error {
            self.error_count = self.error_count.saturating_add(1);
        }
        if self.report.diagnostics.len() >= DIAGNOSTICS_MAX {
            if found.severity == Severity::Error {
                self.report.hidden_count = self.report.hidden_count.saturating_add(1);
            }
            return;
        }
        (found.line, found.column) = (line, column);
        self.report.diagnostics.push(found);
    }

    /// Adds what is wrong with the TOML itself, all of it before anything else.
    pub(crate) fn add_syntax(&mut self, errors: &[toml::de::Error]) {
        let mut errors: Vec<_> = errors
            .iter()
            .map(|error| (error.span().unwrap_or(0..0), error.message()))
            .collect();
        errors.sort_by_key(|(span, _)| (span.start, span.end));
        let mut broken = Vec::new();
        let mut open_list = false;
        for (span, message) in errors {
            let line = self.line_of(span.start);
            // The first error of a line is the cause of the others, and a list that is not
            // closed that of everything up to the end of the file.
            let consequence = open_list || broken.last() == Some(&line);
            if broken.last() != Some(&line) {
                broken.push(line);
            }
            open_list |= message.starts_with("missing comma between array elements");
            if !consequence {
                self.add(self.syntax(span, message));
            }
        }
        self.broken_lines = broken;
    }

    fn syntax(&self, span: Range<usize>, message: &str) -> Diagnostic {
        let seen = self.source(&span);
        let no_value = seen.is_empty() && message.starts_with("string values must be quoted");
        let unquoted = [
            "string values",
            "invalid date",
            "invalid float",
            "invalid integer",
        ]
        .iter()
        .chain(&["invalid boolean"])
        .any(|start| message.starts_with(start));
        let help = if message.starts_with("duplicate key") {
            "each key and each [table] stands once; more of a kind are [[tables]]".to_owned()
        } else if message.starts_with("missing comma between array elements") {
            "separate the entries by `,`, and close the list with `]`".to_owned()
        } else if no_value {
            "put a value behind `=`".to_owned()
        } else if unquoted && !seen.is_empty() {
            format!("if this is text, put it in quotes: \"{seen}\"")
        } else {
            "see https://toml.io for the syntax".to_owned()
        };
        let message = match no_value {
            true => "a value is missing".to_owned(),
            false => message.to_owned(),
        };
        let place = Place {
            key: String::new(),
            span,
        };
        Diagnostic::new(Code::Syntax, &place, message)
            .seen(seen)
            .help(help)
    }

    /// The text of a value, shortened.
    pub(crate) fn source(&self, span: &Range<usize>) -> String {
        let text = self.text.get(span.clone()).unwrap_or("");
        let line = text.lines().next().unwrap_or("");
        let mut shown: String = line.chars().take(SEEN_CHARS).collect();
        if shown.len() < text.len() {
            shown.push_str("...");
        }
        shown
    }

    pub(crate) fn line_of(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at)
    }

    pub(crate) const fn error_count(&self) -> usize {
        self.error_count
    }

    /// By place; errors of one place in the order they were found.
    pub(crate) fn into_report(mut self) -> Report {
        self.report
            .diagnostics
            .sort_by_key(|found| (found.line, found.column));
        self.report
    }

    /// Line and column, both from 1, the column in characters.
    fn position(&self, at: usize) -> (usize, usize) {
        let line = self.line_of(at);
        let start = line
            .checked_sub(1)
            .and_then(|index| self.lines.get(index))
            .copied()
            .unwrap_or(0);
        let before = self.text.get(start..at).unwrap_or("");
        // The mark that some editors put in front of a file is no character of it.
        let before = before.trim_start_matches('\u{feff}');
        (line, before.chars().count().saturating_add(1))
    }
}

/// Characters of a value that are repeated in its error.
pub(crate) const SEEN_CHARS: usize = 60;

/// Reports a list that is longer than there is room for.
pub(crate) fn too_many(findings: &mut Findings<'_>, place: &Place, what: &str, max: usize) {
    findings.add(
        Diagnostic::new(
            Code::TooMany,
            place,
            format!("more than {max} {what}; the rest was not read"),
        )
        .allowed(format!("at most {max}"))
        .help("remove some, or give them to a second director"),
    );
}

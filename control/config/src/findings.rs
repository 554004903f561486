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
    broken: Broken,
    error_count: usize,
    warning_count: usize,
}

impl<'t> Findings<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let newlines = text.match_indices('\n').map(|(at, _)| at.saturating_add(1));
        Self {
            text,
            lines: std::iter::once(0).chain(newlines).collect(),
            report: Report::default(),
            broken: Broken::default(),
            error_count: 0,
            warning_count: 0,
        }
    }

    pub(crate) fn add(&mut self, mut found: Diagnostic) {
        if self.is_consequence(&found) {
            return;
        }
        let count = match found.severity {
            Severity::Error => &mut self.error_count,
            Severity::Warning => &mut self.warning_count,
        };
        *count = count.saturating_add(1);
        if *count <= DIAGNOSTICS_MAX {
            (found.line, found.column) = self.position(found.span.start);
            self.report.diagnostics.push(found);
        }
    }

    /// Counts an error that is one too many to be kept; false if it would be kept.
    pub(crate) fn count_only(&mut self) -> bool {
        let full = self.error_count >= DIAGNOSTICS_MAX;
        if full {
            self.error_count = self.error_count.saturating_add(1);
        }
        full
    }

    /// What is broken about the text; to be known before anything but syntax errors is added.
    pub(crate) fn set_broken(&mut self, broken: Broken) {
        self.broken = broken;
    }

    /// Whether a syntax error may be the reason of what was found.
    fn is_consequence(&self, found: &Diagnostic) -> bool {
        if self.broken.lines.is_empty() || found.code == Code::Syntax {
            return false;
        }
        if found.severity == Severity::Warning {
            return true;
        }
        let line = self.line_of(found.span.start);
        if found.code != Code::MissingKey {
            return self.broken.lines.binary_search(&line).is_ok();
        }
        if self.broken.rest_is_lost || found.span.is_empty() {
            return true;
        }
        // The key may stand in a broken line of its table: from its header to the next one.
        let table_end = self
            .lines
            .iter()
            .zip(1_usize..)
            .skip(line)
            .find(|(start, _)| is_header(self.text.get(**start..).unwrap_or("")))
            .map_or(usize::MAX, |(_, next)| next);
        let next = self.broken.lines.partition_point(|broken| *broken < line);
        let broken = self.broken.lines.get(next);
        broken.is_some_and(|broken| *broken < table_end)
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

    /// Where a line stands, from its first byte to the end of the line, exclusive.
    pub(crate) fn line_span(&self, line: usize) -> Range<usize> {
        let start = line.checked_sub(1).and_then(|index| self.lines.get(index));
        let start = start.copied().unwrap_or(self.text.len());
        let rest = self.text.get(start..).unwrap_or("");
        let len = rest.find('\n').unwrap_or(rest.len());
        start..start.saturating_add(len)
    }

    pub(crate) const fn line_count(&self) -> usize {
        self.lines.len()
    }

    pub(crate) const fn text(&self) -> &'t str {
        self.text
    }

    pub(crate) fn line_of(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at)
    }

    pub(crate) const fn error_count(&self) -> usize {
        self.error_count
    }

    /// By place; errors of one place in the order they were found.
    pub(crate) fn into_report(mut self) -> Report {
        self.report.hidden_error_count = self.error_count.saturating_sub(DIAGNOSTICS_MAX);
        self.report.hidden_warning_count = self.warning_count.saturating_sub(DIAGNOSTICS_MAX);
        self.report
            .diagnostics
            .sort_by_key(|found| (found.line, found.column));
        self.report
    }

    /// Line and column, both from 1, the column in characters.
    fn position(&self, at: usize) -> (usize, usize) {
        let line = self.line_of(at);
        let start = self.line_span(line).start;
        let before = self.text.get(start..at).unwrap_or("");
        // The mark that some editors put in front of a file is no character of it.
        let before = before.trim_start_matches('\u{feff}');
        (line, before.chars().count().saturating_add(1))
    }
}

/// What syntax errors make of a file.
#[derive(Debug, Default)]
pub(crate) struct Broken {
    /// Lines with syntax errors, ascending: what TOML made of them is not worth a second error.
    pub(crate) lines: Vec<usize>,
    /// Not even without those lines the text is TOML, and nobody knows what is missing.
    pub(crate) rest_is_lost: bool,
}

/// Whether a line opens a table.
pub(crate) fn is_header(line: &str) -> bool {
    line.trim_start_matches([' ', '\t']).starts_with('[')
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

// SPDX-License-Identifier: Apache-2.0
//! Diagnostics for the terminal, in the shape rustc made familiar.

use std::fmt::Write;

use crate::diagnostic::{Diagnostic, Report, Severity};

impl Report {
    /// Everything that was found, each with its source line, and the counts in the last line.
    /// `file` is the name to print, `text` what was parsed, `color` asks for ANSI colours.
    #[must_use]
    pub fn render(&self, file: &str, text: &str, color: bool) -> String {
        let paint = Paint { color };
        let mut out = String::new();
        for diagnostic in &self.diagnostics {
            // Writing to a String cannot fail.
            one(&mut out, diagnostic, file, text, &paint).unwrap_or_default();
            out.push('\n');
        }
        for (count, name) in [
            (self.hidden_error_count, "errors"),
            (self.hidden_warning_count, "warnings"),
        ] {
            if count > 0 {
                out.push_str(&format!("and {count} more {name}, not shown\n\n"));
            }
        }
        if !self.is_empty() {
            out.push_str(&format!("{}: {self}\n", printable(file)));
        }
        out
    }
}

fn one(
    out: &mut String,
    found: &Diagnostic,
    file: &str,
    text: &str,
    paint: &Paint,
) -> std::fmt::Result {
    let Diagnostic {
        severity,
        code,
        message,
        line,
        column,
        ..
    } = found;
    let hue = match severity {
        Severity::Error => Paint::RED,
        Severity::Warning => Paint::YELLOW,
    };
    let head = paint.on(hue, &format!("{}[{code}]", severity.name()));
    writeln!(out, "{head}: {}", printable(message))?;
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let arrow = paint.on(Paint::BLUE, "-->");
    writeln!(out, "{margin}{arrow} {}:{line}:{column}", printable(file))?;
    let bar = paint.on(Paint::BLUE, "|");
    let window = Window::around(found, text);
    let carets = paint.on(hue, &"^".repeat(window.width));
    let note = found.help.as_deref().or(found.allowed.as_deref());
    let note = paint.on(hue, &printable(note.unwrap_or("")));
    let number = paint.on(Paint::BLUE, &number);
    writeln!(out, "{margin} {bar}")?;
    writeln!(out, "{number} {bar} {}", window.text)?;
    let underline = format!("{}{carets} {note}", " ".repeat(window.before));
    writeln!(out, "{margin} {bar} {}", underline.trim_end())?;
    let equals = paint.on(Paint::BLUE, "=");
    if !found.key.is_empty() {
        writeln!(out, "{margin} {equals} key: {}", printable(&found.key))?;
    }
    if let (Some(help), Some(allowed)) = (&found.help, &found.allowed)
        && !help.contains(allowed)
    {
        writeln!(out, "{margin} {equals} allowed: {}", printable(allowed))?;
    }
    Ok(())
}

/// The part of a source line that is shown, and where to underline it.
struct Window {
    text: String,
    before: usize,
    width: usize,
}

/// Characters of a source line that are shown at most: one line of a wide terminal.
const WINDOW: usize = 120;
/// Characters kept in front of the place in a longer line.
const LEAD: usize = 40;

impl Window {
    fn around(found: &Diagnostic, text: &str) -> Self {
        let start = floor(text, found.span.start);
        let end = floor(text, found.span.end).max(start);
        let head = text.get(..start).unwrap_or("");
        let line_start = head.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let lead = text.get(line_start..start).unwrap_or("");
        let before = lead.chars().count();
        let (skip, dots) = if before > WINDOW.saturating_sub(LEAD) {
            (before.saturating_sub(LEAD), "...")
        } else {
            (0, "")
        };
        let kept = lead.chars().skip(skip).map(visible);
        let rest = text.get(start..).unwrap_or("");
        let rest = rest.split('\n').next().unwrap_or("").trim_end();
        let room = WINDOW.saturating_sub(before.saturating_sub(skip));
        let shown: String = kept.chain(rest.chars().map(visible).take(room)).collect();
        let before = before.saturating_sub(skip).saturating_add(dots.len());
        let spanned = text.get(start..end).unwrap_or("");
        let spanned = spanned.split('\n').next().unwrap_or("").trim_end();
        Self {
            text: format!("{dots}{shown}").trim_end().to_owned(),
            before,
            width: spanned.chars().take(room).count().max(1),
        }
    }
}

/// The last character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at)
        .rev()
        .find(|place| text.is_char_boundary(*place))
        .unwrap_or(0)
}

/// A file may contain anything; a terminal must not obey it.
fn printable(text: &str) -> String {
    text.chars().map(visible).collect()
}

fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() || is_invisible(c) => '\u{fffd}',
        c => c,
    }
}

/// Characters that reorder or hide what stands beside them.
const fn is_invisible(c: char) -> bool {
    let space = matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}');
    space || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
}

struct Paint {
    color: bool,
}

impl Paint {
    const RED: &'static str = "1;31";
    const YELLOW: &'static str = "1;33";
    const BLUE: &'static str = "1;34";

    fn on(&self, code: &str, text: &str) -> String {
        if self.color && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

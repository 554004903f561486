// SPDX-License-Identifier: Apache-2.0
//! The files of the repository, and what is wrong with them.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of text.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// From the repository's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// One that is not there, for tests of the checks.
    pub(crate) fn made_up(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub(crate) fn is_markdown(&self) -> bool {
        self.path.ends_with(".md")
    }

    /// Whether it holds nothing but tests.
    pub(crate) fn is_test(&self) -> bool {
        let path = self.path.as_str();
        let of_the_tests_crate = ["tests/tests/", "tests/loom/"];
        path.ends_with("/tests.rs")
            || path.contains("/tests/") && !path.starts_with("tests/src/")
            || of_the_tests_crate
                .iter()
                .any(|folder| path.starts_with(folder))
    }

    pub(crate) fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding {
            place: format!("{}:{line}", self.path),
            what: what.into(),
        }
    }
}

/// Something to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) place: String,
    pub(crate) what: String,
}

impl Finding {
    pub(crate) fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Fails with all findings.
#[track_caller]
pub(crate) fn none(findings: impl IntoIterator<Item = Finding>) {
    let lines: Vec<String> = findings.into_iter().map(|f| format!("  {f}\n")).collect();
    assert!(
        lines.is_empty(),
        "{} to mend:\n{}",
        lines.len(),
        lines.concat()
    );
}

/// Fails unless something was found whose text contains `wanted`.
#[track_caller]
pub(crate) fn some(findings: impl IntoIterator<Item = Finding>, wanted: &str) {
    let lines: Vec<String> = findings.into_iter().map(|f| f.to_string()).collect();
    assert!(
        lines.iter().any(|line| line.contains(wanted)),
        "nothing about {wanted:?} in {lines:?}"
    );
}

pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(Path::to_path_buf).unwrap()
}

/// Every file of text that belongs to the repository.
pub(crate) fn files() -> Vec<File> {
    let root = root();
    let listed = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(&root)
        .output()
        .ok()
        .filter(|output| output.status.success() && !output.stdout.is_empty());
    let paths = match listed {
        Some(output) => String::from_utf8(output.stdout)
            .unwrap()
            .split_terminator('\0')
            .map(str::to_owned)
            .collect(),
        // Unpacked from an archive.
        None => walk(&root, ""),
    };
    let read = |path: String| {
        // Deleted and not yet committed, or not text.
        let text = fs::read_to_string(root.join(&path)).ok()?;
        Some(File { path, text })
    };
    let files: Vec<File> = paths.into_iter().filter_map(read).collect();
    assert!(files.len() > 100, "this is not the repository");
    files
}

fn walk(root: &Path, under: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(root.join(under)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if under.is_empty() {
            name.clone()
        } else {
            format!("{under}/{name}")
        };
        if !entry.file_type().unwrap().is_dir() {
            paths.push(path);
        } else if !["target", ".git"].contains(&name.as_str()) {
            paths.extend(walk(root, &path));
        }
    }
    paths
}

/// Every file that is Rust.
pub(crate) fn rust() -> Vec<File> {
    files().into_iter().filter(File::is_rust).collect()
}

/// Rust without comments, and without what is in quotes, line by line: `"` and what follows a
/// `//` are gone, the quotes stay. Enough for code that rustfmt has laid out.
pub(crate) fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '/', '\'']) {
        out.push_str(&rest[..at]);
        let tail = &rest[at..];
        let (skipped, kept) = if tail.starts_with("//") {
            (tail.find('\n').unwrap_or(tail.len()), "")
        } else if tail.starts_with("/*") {
            (tail.find("*/").map_or(tail.len(), |end| end + 2), "")
        } else if tail.starts_with('"') {
            let hashes = out.len() - out.trim_end_matches('#').len();
            let raw = out.trim_end_matches('#').ends_with('r');
            (string_len(tail, raw.then_some(hashes)), "\"\"")
        } else if tail.starts_with('\'') {
            char_len(tail)
        } else {
            (1, "/")
        };
        out.push_str(kept);
        out.extend(tail[..skipped].matches('\n'));
        rest = &tail[skipped..];
    }
    out.push_str(rest);
    out
}

/// The length of the string literal that `text` begins with; `hashes` if it is a raw one.
fn string_len(text: &str, hashes: Option<usize>) -> usize {
    if let Some(hashes) = hashes {
        let end = format!("\"{}", "#".repeat(hashes));
        return text[1..]
            .find(&end)
            .map_or(text.len(), |at| at + 1 + end.len());
    }
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the character literal that `text` begins with, or of a lifetime's tick.
fn char_len(text: &str) -> (usize, &'static str) {
    let mut letters = text.char_indices().skip(1);
    match letters.next() {
        Some((_, '\\')) => {
            let end = text[2..].find('\'').filter(|at| *at < 12);
            // `'\''`
            let end = if text[2..].starts_with('\'') {
                Some(1)
            } else {
                end
            };
            (end.map_or(1, |at| at + 3), "' '")
        }
        Some(_) => match letters.next() {
            Some((at, '\'')) => (at + 1, "' '"),
            _ => (1, "'"),
        },
        None => (1, "'"),
    }
}

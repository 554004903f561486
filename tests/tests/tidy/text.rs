// SPDX-License-Identifier: Apache-2.0
//! Lines, headers, notes to oneself.

use crate::repo::{File, Finding, code, files, none, some};

const COLUMNS_MAX: usize = 100;
const LINES_MAX: usize = 800;
const LICENCE: &str = "SPDX-License-Identifier: Apache-2.0";

fn is_code(file: &File) -> bool {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    matches!(extension, Some("rs" | "c" | "h" | "sh" | "awk" | "build"))
        || name == "Makefile"
        || file.path == ".ci/run"
}

fn too_long_lines(file: &File) -> Vec<Finding> {
    if !is_code(file) {
        return Vec::new();
    }
    file.lines()
        .map(|(number, line)| (number, line.chars().count()))
        .filter(|(_, columns)| *columns > COLUMNS_MAX)
        .map(|(number, columns)| file.finding(number, format!("{columns} columns")))
        .collect()
}

#[test]
fn lines_have_at_most_100_columns() {
    none(files().iter().flat_map(too_long_lines));
}

#[test]
fn a_line_of_101_columns_is_reported() {
    let lines = format!("{}\n{}\n", "x".repeat(100), "ä".repeat(101));
    let findings = too_long_lines(&File::made_up("a.rs", &lines));
    assert_eq!(findings, [Finding::new("a.rs:2", "101 columns")]);
}

fn too_long(file: &File) -> Option<Finding> {
    let lines = file.text.lines().count();
    let counts = file.is_rust() && !file.is_test() && lines > LINES_MAX;
    counts.then(|| file.finding(lines, format!("more than {LINES_MAX} lines")))
}

#[test]
fn files_have_at_most_800_lines() {
    none(files().iter().filter_map(too_long));
}

#[test]
fn a_file_of_801_lines_is_reported() {
    let file = |path, lines| File::made_up(path, &"x\n".repeat(lines));
    some(too_long(&file("a/src/b.rs", 801)), "800 lines");
    none(too_long(&file("a/src/b.rs", 800)));
    none(too_long(&file("a/src/b/tests.rs", 2000)));
}

fn without_licence(file: &File) -> Option<Finding> {
    let mut first = file.text.lines().filter(|line| !line.starts_with("#!/"));
    let has = first.next().is_some_and(|line| line.contains(LICENCE));
    (is_code(file) && !has).then(|| file.finding(1, format!("no {LICENCE}")))
}

#[test]
fn every_file_of_code_begins_with_its_licence() {
    none(files().iter().filter_map(without_licence));
}

#[test]
fn a_file_without_a_licence_is_reported() {
    some(without_licence(&File::made_up("a.rs", "//! x\n")), "SPDX");
    some(
        without_licence(&File::made_up("a.sh", "#!/bin/sh\nset -e\n")),
        "SPDX",
    );
    let script = format!("#!/bin/sh\n# {LICENCE}\n");
    none(without_licence(&File::made_up(".ci/run", &script)));
}

/// Words that say that something is not finished, and those that need somebody's name behind them.
const NOTES: [&str; 2] = [concat!("FIX", "ME"), concat!("XX", "X")];
const OWNED: &str = concat!("TO", "DO");

fn notes(file: &File) -> Vec<Finding> {
    if !is_code(file) && !file.is_markdown() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        let words = || line.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        if let Some(note) = NOTES.iter().find(|note| words().any(|word| word == **note)) {
            findings.push(file.finding(number, *note));
        }
        for (at, _) in line.match_indices(OWNED) {
            let tail = &line[at + OWNED.len()..];
            let owned = tail.starts_with('(') || tail.starts_with('-') && tail.contains('(');
            if !owned && words().any(|word| word == OWNED) {
                findings.push(file.finding(number, format!("{OWNED} without an owner")));
            }
        }
    }
    findings
}

#[test]
fn nothing_is_left_to_be_fixed_and_every_todo_has_an_owner() {
    // The style guide names them to forbid them, and quotes other projects' notes.
    let guide = std::path::Path::new("docs/STYLE.md");
    none(
        files()
            .iter()
            .filter(|file| std::path::Path::new(&file.path) != guide)
            .flat_map(notes),
    );
}

#[test]
fn notes_to_oneself_are_reported() {
    let said = |text: &str| notes(&File::made_up("a.rs", text));
    some(said(&format!("// {}: broken", NOTES[0])), NOTES[0]);
    some(said(&format!("// {} is this right", NOTES[1])), NOTES[1]);
    some(said(&format!("// {OWNED}: later")), "without an owner");
    none(said(&format!("// {OWNED}(ha): later")));
    none(said(&format!("// {OWNED}-rfc(9568 §6.4.2): later")));
    none(said("mktemp /tmp/aXXXXXX"));
}

fn white_space(file: &File) -> Vec<Finding> {
    let mut findings: Vec<Finding> = file
        .lines()
        .filter(|(_, line)| line.ends_with([' ', '\t', '\r']))
        .map(|(number, _)| file.finding(number, "blanks at the end of the line"))
        .collect();
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        findings.push(file.finding(file.text.lines().count(), "no newline at the end"));
    }
    findings
}

fn written_by_hand(file: &File) -> bool {
    is_code(file) || file.is_markdown() || file.path.ends_with(".toml")
}

#[test]
fn lines_end_cleanly() {
    none(
        files()
            .iter()
            .filter(|file| written_by_hand(file))
            .flat_map(white_space),
    );
}

#[test]
fn blanks_at_the_end_of_a_line_are_reported() {
    some(
        white_space(&File::made_up("a.md", "x \ny\n")),
        "a.md:1: blanks",
    );
    some(white_space(&File::made_up("a.md", "x\ny")), "no newline");
}

#[test]
fn code_has_no_comments_and_no_strings() {
    for (text, bare) in [
        ("let a = \"x // \\\" y\"; // z\nb", "let a = \"\"; \nb"),
        ("r#\"q \" q\"# /* c */ d", "r#\"\"  d"),
        ("&'a u8 == '\"' && '\\'' / 2", "&'a u8 == ' ' && ' ' / 2"),
    ] {
        assert_eq!(code(text), bare, "{text}");
    }
}

#[test]
fn files_are_known_to_be_tests_or_not() {
    for path in [
        "dataplane/engine/src/path/tests.rs",
        "dataplane/engine/src/path/tests/drops.rs",
        "sys/dpdk/tests/ports.rs",
        "tests/tests/lab.rs",
    ] {
        assert!(File::made_up(path, "").is_test(), "{path}");
    }
    for path in ["dataplane/engine/src/testing.rs", "tests/src/lab/mod.rs"] {
        assert!(!File::made_up(path, "").is_test(), "{path}");
    }
}

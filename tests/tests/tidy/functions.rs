// SPDX-License-Identifier: Apache-2.0
//! How long functions are.

use crate::repo::{File, Finding, none, rust, some};

const LINES_MAX: usize = 70;

/// Functions by their layout: rustfmt puts the closing brace under the line that begins with the
/// function's first word.
fn too_long(file: &File) -> Vec<Finding> {
    let lines: Vec<&str> = file.text.lines().collect();
    let mut findings = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = name(line) else {
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let closing = format!("{}}}", " ".repeat(indent));
        let rest = &lines[start..];
        if line.ends_with('}') || line.ends_with(';') {
            continue;
        }
        let Some(end) = rest.iter().position(|line| *line == closing) else {
            continue;
        };
        let open = rest.iter().position(|line| line.ends_with('{'));
        let Some(open) = open.filter(|open| *open < end) else {
            continue;
        };
        let body = end - open - 1;
        if body > LINES_MAX {
            findings.push(file.finding(start + 1, format!("{name} has {body} lines")));
        }
    }
    findings
}

/// The name of the function that begins on this line.
fn name(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let before = [
        "pub",
        "pub(crate)",
        "pub(super)",
        "const",
        "async",
        "unsafe",
        "extern",
        "\"C\"",
    ];
    let keyword = words.find(|word| !before.contains(word))?;
    let name = words.next()?;
    (keyword == "fn").then(|| name.split(['(', '<']).next().unwrap_or(name))
}

#[test]
fn functions_have_at_most_70_lines() {
    none(
        rust()
            .iter()
            .filter(|file| !file.is_test())
            .flat_map(too_long),
    );
}

#[test]
fn a_function_of_71_lines_is_reported() {
    let function = |lines: usize| {
        let body = "        x();\n".repeat(lines);
        File::made_up(
            "a.rs",
            &format!(
                "impl A {{\n    pub const fn long<T>(\n        a: T,\n    ) {{\n{body}    }}\n}}\n"
            ),
        )
    };
    assert_eq!(
        too_long(&function(71)),
        [Finding::new("a.rs:2", "long has 71 lines")]
    );
    none(too_long(&function(70)));
    some(
        too_long(&File::made_up(
            "a.rs",
            &format!("fn f() {{\n{}}}\n", "    x\n".repeat(90)),
        )),
        "f has 90",
    );
}

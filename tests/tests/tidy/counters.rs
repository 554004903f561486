// SPDX-License-Identifier: Apache-2.0
//! Every counter is in docs/operating/counters.md under its name and with its sentence, and nothing
//! else is: the tables there are written from the code by `UPDATE_DOCS=1`.

use std::env;
use std::fs;

use engine::counters::WorkerCounters;
use engine::verdict::{DropReason, PuntClass};

use crate::repo::{Finding, none, root, some};

const PATH: &str = "docs/operating/counters.md";

/// A table's title in its marker, and its text.
fn tables() -> [(&'static str, String); 3] {
    let counters = WorkerCounters::default();
    let workers = counters
        .each()
        .map(|(name, _, sentence)| (name, sentence.to_owned()));
    let drops = DropReason::ALL
        .iter()
        .map(|reason| (reason.name(), reason.explanation().to_owned()));
    let classes = PuntClass::ALL.map(|class| {
        (
            class.name(),
            format!(
                "`limits.punt_pps.{}`, `{}`",
                class.name(),
                class.policed().name()
            ),
        )
    });
    [
        (
            "counters of a worker",
            table(["counter", "counts"], workers),
        ),
        ("reasons of drops", table(["reason", "meaning"], drops)),
        (
            "classes of punted packets",
            table(["class", "limit, reason"], classes.into_iter()),
        ),
    ]
}

fn table<'a>(head: [&str; 2], rows: impl Iterator<Item = (&'a str, String)>) -> String {
    let mut text = format!("| {} | {} |\n|---|---|\n", head[0], head[1]);
    for (name, meaning) in rows {
        text.push_str(&format!("| `{name}` | {} |\n", meaning.trim()));
    }
    text
}

/// Where the table of that title is, between its markers.
fn place(page: &str, title: &str) -> Option<(usize, usize)> {
    let begin = format!("<!-- generated: {title} -->\n");
    let start = page.find(&begin)? + begin.len();
    let end = page[start..].find("<!-- end -->")?;
    Some((start, start + end))
}

fn differences(page: &str, tables: &[(&str, String)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (title, wanted) in tables {
        let Some((start, end)) = place(page, title) else {
            findings.push(Finding::new(PATH, format!("has no table of {title:?}")));
            continue;
        };
        let is = &page[start..end];
        let missing = wanted
            .lines()
            .filter(|line| !is.lines().any(|row| row == *line));
        findings.extend(missing.map(|line| Finding::new(PATH, format!("lacks {line}"))));
        let foreign = is
            .lines()
            .filter(|row| !wanted.lines().any(|line| line == *row));
        findings.extend(foreign.map(|row| Finding::new(PATH, format!("has {row}"))));
        if is != wanted && findings.is_empty() {
            findings.push(Finding::new(
                PATH,
                format!("the order of {title:?} is not the code's"),
            ));
        }
    }
    findings
}

fn updated(page: &str, tables: &[(&str, String)]) -> String {
    let mut page = page.to_owned();
    for (title, text) in tables {
        if let Some((start, end)) = place(&page, title) {
            page.replace_range(start..end, text);
        }
    }
    page
}

#[test]
fn every_counter_and_every_reason_is_documented_and_nothing_else() {
    let path = root().join(PATH);
    let page = fs::read_to_string(&path).unwrap();
    let tables = tables();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, updated(&page, &tables)).unwrap();
        return;
    }
    none(differences(&page, &tables));
}

#[test]
fn counters_that_are_not_documented_are_reported() {
    let tables = [(
        "x",
        table(["a", "b"], [("one", " First. ".to_owned())].into_iter()),
    )];
    let page = "text\n<!-- generated: x -->\n| `two` | Second. |\n<!-- end -->\nrest\n";
    some(differences(page, &tables), "lacks | `one` | First. |");
    some(differences(page, &tables), "has | `two` | Second. |");
    some(differences("", &tables), "no table of");
    let page = updated(page, &tables);
    none(differences(&page, &tables));
    assert!(page.starts_with("text\n") && page.ends_with("rest\n"));
}

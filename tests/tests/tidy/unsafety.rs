// SPDX-License-Identifier: Apache-2.0
//! Where unsafe code may be, and that the pure crates are pure.

use crate::repo::{File, Finding, code, files, none, rust, some};
use crate::workspace;

/// Crates with unsafe code: DPDK's bindings and their face, and what the workers need beyond it.
const UNSAFE_CRATES: [&str; 4] = [
    "sys/dpdk-sys/src/lib.rs",
    "sys/dpdk/src/lib.rs",
    "dataplane/worker/src/lib.rs",
    "tests/loom/src/lib.rs",
];

/// Files that allow it to themselves; each module outside `sys` has a decision record.
const UNSAFE_FILES: [&str; 11] = [
    "dataplane/engine/tests/allocation.rs",
    "dataplane/worker/src/memory.rs",
    "dataplane/worker/src/snapshot.rs",
    "dataplane/worker/src/tap.rs",
    "sys/dpdk-sys/src/lib.rs",
    "sys/dpdk/src/lib.rs",
    "sys/dpdk/tests/packets.rs",
    "sys/dpdk/tests/veth.rs",
    "tests/loom/src/broken.rs",
    "tests/loom/src/kept.rs",
    "tests/loom/src/value.rs",
];

/// Longest module outside `sys` that has unsafe code, lines.
const UNSAFE_LINES_MAX: usize = 220;

const FORBID: &str = "#![forbid(unsafe_code)]";
const PURE: [&str; 3] = [
    "dataplane/engine/src/lib.rs",
    "dataplane/model/src/lib.rs",
    "dataplane/wire/src/lib.rs",
];

/// The first file of a crate must forbid what its crate does not need.
fn not_forbidden(file: &File) -> Option<Finding> {
    let forbids = file.lines().any(|(_, line)| line == FORBID);
    let may = UNSAFE_CRATES.contains(&file.path.as_str());
    (!forbids && !may).then(|| file.finding(1, format!("no {FORBID}")))
}

/// Only the listed files lift the workspace's lint.
fn allowed(file: &File) -> Vec<Finding> {
    let text = code(&file.text);
    let allows = text.match_indices("allow").any(|(at, _)| {
        let list = text[at..].split(')').next().unwrap_or_default();
        list.contains("unsafe_code")
    });
    let listed = UNSAFE_FILES.contains(&file.path.as_str());
    let mut findings = Vec::new();
    if allows && !listed {
        findings.push(file.finding(1, "allows unsafe code and is not in the list"));
    }
    if listed && !allows {
        findings.push(file.finding(1, "is in the list and has no unsafe code"));
    }
    if listed && file.path.starts_with("dataplane/") && !file.is_test() {
        if !file.text.contains("reason = \"docs/decisions/") {
            findings.push(file.finding(1, "names no decision record as its reason"));
        }
        if file.text.lines().count() > UNSAFE_LINES_MAX {
            let what = format!("more than {UNSAFE_LINES_MAX} lines with unsafe code");
            findings.push(file.finding(1, what));
        }
    }
    findings
}

/// Decision records that code names and nobody wrote.
fn without_record(file: &File, records: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for (at, prefix) in line.match_indices("docs/decisions/") {
            let rest = line[at + prefix.len()..].chars();
            let record: String = rest.take_while(char::is_ascii_digit).collect();
            let path = format!("{prefix}{record}-");
            if !record.is_empty() && !records.iter().any(|known| known.starts_with(&path)) {
                findings.push(file.finding(number, format!("there is no {prefix}{record}")));
            }
        }
    }
    findings
}

fn with_std(file: &File) -> Option<Finding> {
    let has = file.lines().any(|(_, line)| line == "#![no_std]");
    let pure = PURE.contains(&file.path.as_str());
    (pure && !has).then(|| file.finding(1, "no #![no_std]"))
}

fn roots() -> Vec<File> {
    let roots: Vec<String> = workspace::read()
        .packages
        .iter()
        .flat_map(|package| &package.targets)
        .filter(|target| ["lib", "bin"].contains(&target.kind.as_str()))
        .map(|target| target.path.clone())
        .collect();
    rust()
        .into_iter()
        .filter(|file| roots.contains(&file.path))
        .collect()
}

#[test]
fn every_crate_without_unsafe_code_forbids_it() {
    none(roots().iter().filter_map(not_forbidden));
}

#[test]
fn unsafe_code_is_in_the_listed_files_only() {
    let files = rust();
    none(files.iter().flat_map(allowed));
    let missing = UNSAFE_FILES
        .iter()
        .filter(|path| !files.iter().any(|file| file.path == **path));
    none(missing.map(|path| Finding::new(*path, "is in the list and does not exist")));
}

#[test]
fn every_decision_that_is_named_is_written_down() {
    let files = files();
    let records: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    none(files.iter().flat_map(|file| without_record(file, &records)));
}

#[test]
fn the_pure_crates_have_no_standard_library() {
    let roots = roots();
    assert_eq!(
        roots
            .iter()
            .filter(|file| PURE.contains(&file.path.as_str()))
            .count(),
        3
    );
    none(roots.iter().filter_map(with_std));
}

#[test]
fn unsafe_code_elsewhere_is_reported() {
    some(
        not_forbidden(&File::made_up("a/src/lib.rs", "//! x\n")),
        "forbid",
    );
    none(not_forbidden(&File::made_up(
        "a/src/lib.rs",
        &format!("{FORBID}\n"),
    )));
    let allows = "#![allow(\n    clippy::x,\n    unsafe_code,\n    reason = \"y\"\n)]\n";
    some(
        allowed(&File::made_up("a/src/b.rs", allows)),
        "not in the list",
    );
    none(allowed(&File::made_up(
        "a/src/b.rs",
        "// allow(unsafe_code)\n",
    )));
    some(
        allowed(&File::made_up(UNSAFE_FILES[1], allows)),
        "no decision record",
    );
    some(
        allowed(&File::made_up(UNSAFE_FILES[1], "\n")),
        "has no unsafe code",
    );
}

#[test]
fn missing_records_and_pure_crates_with_std_are_reported() {
    let record = ["docs/decisions", "0099"].join("/");
    let file = File::made_up("a.rs", &format!("// {record} says so\n"));
    some(without_record(&file, &["docs/decisions/0001-x.md"]), "0099");
    none(without_record(&file, &[&format!("{record}-x.md")]));
    some(
        with_std(&File::made_up(PURE[0], "#![forbid(unsafe_code)]\n")),
        "no_std",
    );
    none(with_std(&File::made_up(PURE[0], "#![no_std]\n")));
}

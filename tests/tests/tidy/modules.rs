// SPDX-License-Identifier: Apache-2.0
//! Files that no crate contains.

use std::collections::{BTreeMap, BTreeSet};

use crate::repo::{File, Finding, none, rust, some};
use crate::workspace::{self, Workspace};

/// Rust files that are not reached from `roots` by `mod` and `#[path]`.
fn orphans(files: &[File], roots: impl IntoIterator<Item = String>) -> Vec<Finding> {
    let by_path: BTreeMap<&str, &File> = files.iter().map(|f| (f.path.as_str(), f)).collect();
    let mut reached = BTreeSet::new();
    let mut open: Vec<(String, bool)> = roots.into_iter().map(|root| (root, true)).collect();
    while let Some((path, is_root)) = open.pop() {
        if let Some(file) = by_path.get(path.as_str())
            && reached.insert(path)
        {
            open.extend(
                children(file, is_root)
                    .into_iter()
                    .map(|path| (path, false)),
            );
        }
    }
    let lost = files.iter().filter(|file| !reached.contains(&file.path));
    lost.map(|file| file.finding(1, "is in no crate")).collect()
}

/// The files in which the modules of `file` may be.
fn children(file: &File, is_root: bool) -> Vec<String> {
    let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let stem = name.trim_end_matches(".rs");
    let below = if is_root || stem == "mod" {
        folder.to_owned()
    } else {
        format!("{folder}/{stem}")
    };
    let mut found = Vec::new();
    let mut given = None;
    for (_, line) in file.lines() {
        let line = line.trim();
        if let Some(path) = line.strip_prefix("#[path = \"") {
            given = path.strip_suffix("\"]");
        } else if let Some(name) = module(line) {
            match given.take() {
                Some(path) => found.push(normal(&format!("{folder}/{path}"))),
                None => {
                    found.push(format!("{below}/{name}.rs"));
                    found.push(format!("{below}/{name}/mod.rs"));
                }
            }
        }
    }
    found
}

fn module(line: &str) -> Option<&str> {
    let line = line.strip_suffix(';')?;
    let line = ["pub ", "pub(crate) ", "pub(super) "]
        .into_iter()
        .find_map(|prefix| line.strip_prefix(prefix))
        .unwrap_or(line);
    line.strip_prefix("mod ")
}

fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// The first files of all crates; the fuzz targets are a workspace of their own.
fn roots(workspace: &Workspace, files: &[File]) -> Vec<String> {
    let fuzz = files.iter().map(|file| file.path.clone());
    let fuzz = fuzz.filter(|path| {
        path.starts_with("dataplane/fuzz/fuzz_targets/") || path == "dataplane/fuzz/src/lib.rs"
    });
    workspace.roots().chain(fuzz).collect()
}

#[test]
fn every_rust_file_is_in_a_crate() {
    let files = rust();
    none(orphans(&files, roots(workspace::read(), &files)));
}

#[test]
fn a_file_that_no_module_names_is_reported() {
    let files = [
        File::made_up(
            "a/src/lib.rs",
            "pub mod b;\n#[path = \"../../x/y.rs\"]\nmod z;\n",
        ),
        File::made_up("a/src/b.rs", "mod c;\n"),
        File::made_up("a/src/b/c.rs", ""),
        File::made_up("a/src/c.rs", ""),
        File::made_up("x/y.rs", ""),
    ];
    let findings = orphans(&files, ["a/src/lib.rs".to_owned()]);
    assert_eq!(findings, [Finding::new("a/src/c.rs:1", "is in no crate")]);
    some(orphans(&files, []), "a/src/lib.rs");
}

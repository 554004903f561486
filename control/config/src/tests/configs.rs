// SPDX-License-Identifier: Apache-2.0
//! The files of `configs/` at the top of the repository.

use std::fs;
use std::path::{Path, PathBuf};

use model::ledger::Ledger;

use super::good;
use crate::schema::{Kind, ROOT};
use crate::{Config, parse, reference};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs")
}

/// Name and text of each file.
fn files() -> Vec<(String, String)> {
    let entries = fs::read_dir(folder()).expect("configs/ is there");
    let mut files: Vec<(String, String)> = entries
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "toml"))
        .map(|path| {
            let name = path
                .file_name()
                .expect("has a name")
                .to_string_lossy()
                .into_owned();
            (name, fs::read_to_string(&path).expect("readable"))
        })
        .collect();
    files.sort();
    files
}

pub(super) fn ledger(config: &Config) -> Ledger {
    let mut ledger = Ledger::new(ahash::RandomState::with_seeds(1, 2, 3, 4));
    ledger
        .apply_all(&config.ops())
        .expect("every operation of a valid file applies");
    ledger
}

#[test]
fn every_example_parses_without_a_warning_and_applies() {
    let files = files();
    assert!(files.len() >= 6, "{}", files.len());
    for (name, text) in files {
        let parsed =
            parse(&text).unwrap_or_else(|report| panic!("{}", report.render(&name, &text, false)));
        let warnings = parsed.warnings.render(&name, &text, false);
        assert!(parsed.warnings.is_empty(), "{warnings}");
        let ledger = ledger(&parsed.config);
        let services = ledger.services();
        assert_eq!(
            services.services().count(),
            parsed.config.services.len(),
            "{name}"
        );
        let servers: usize = parsed.config.services.iter().map(|s| s.servers.len()).sum();
        assert_eq!(services.reals().count(), servers, "{name}");
    }
}

#[test]
fn the_smallest_example_has_at_most_thirteen_lines() {
    let text = fs::read_to_string(folder().join("minimal.toml")).expect("readable");
    let lines = text.lines().filter(|line| !line.starts_with('#')).count();
    assert!(lines <= 13, "{lines}");
}

#[test]
fn the_committed_reference_is_the_generated_one() {
    let path = folder().join("reference.toml");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(&path, reference()).expect("writable");
    }
    let committed = fs::read_to_string(&path).expect("readable");
    assert!(
        committed == reference(),
        "configs/reference.toml is old: UPDATE_REFERENCE=1 cargo test -p penstock-config"
    );
}

#[test]
fn the_reference_has_every_key() {
    let text = reference();
    good(&text);
    let mut keys = 0;
    ROOT.walk(&mut |table| {
        for key in table.keys {
            let line = match key.kind {
                Kind::Table(table) => format!("[{}]", table.title),
                Kind::Tables(table) => format!("[[{}]]", table.title),
                Kind::Text(_)
                | Kind::OneOf(_)
                | Kind::Integer(..)
                | Kind::Flag
                | Kind::Texts(_) => format!("{} = ", key.name),
            };
            assert!(text.contains(&format!("\n{line}")), "{line}");
            keys += 1;
        }
    });
    assert!(keys > 30, "{keys}");
}

#[test]
fn the_reference_says_of_every_key_whether_it_needs_a_restart() {
    let text = reference();
    let values = text
        .lines()
        .filter(|line| line.contains(" = ") && !line.starts_with('#'));
    let marks = text.lines().filter(|line| {
        line.starts_with("#   ") && (line.ends_with("; init") || line.ends_with("; live"))
    });
    assert_eq!(values.count(), marks.count());
}

#[test]
fn the_name_of_every_example_is_in_the_readme() {
    let readme = fs::read_to_string(folder().join("README.md")).expect("readable");
    for (name, _) in files() {
        assert!(readme.contains(&name), "{name}");
    }
}

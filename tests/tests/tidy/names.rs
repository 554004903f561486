// SPDX-License-Identifier: Apache-2.0
//! One word for one thing: identifiers that docs/glossary.md replaces by others.

use crate::repo::{File, Finding, code, none, rust, some};

/// A part of an identifier, and what to write instead.
const BANNED: &[(&str, &str)] = &[
    ("backend", "real server: `real`"),
    ("backends", "real servers: `reals`"),
    ("upstream", "real server: `real`"),
    ("frontend", "virtual service: `VirtualService`"),
    ("vserver", "virtual service: `VirtualService`"),
    ("loadbalancer", "director"),
    ("dest_ip", "`real_ip`, `virtual_ip` or `destination`"),
    ("dst_ip", "`real_ip`, `virtual_ip` or `destination`"),
    ("src_ip", "`client_ip` or `source`"),
    ("dip", "`director_ip`"),
    ("master", "`Active`"),
    ("slave", "`Backup`"),
    ("blacklist", "say what it does"),
    ("whitelist", "say what it does"),
    ("utils", "give each thing its home"),
    ("util", "give each thing its home"),
];

/// Crates of other people, whose names are as they are.
const FOREIGN: [&str; 3] = ["hyper_util", "futures_util", "http_body_util"];

fn banned(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(code(&file.text).lines()) {
        for identifier in line.split(|letter: char| !letter.is_alphanumeric() && letter != '_') {
            if FOREIGN.contains(&identifier) {
                continue;
            }
            let parts = format!("_{}_", snake(identifier));
            let found = BANNED
                .iter()
                .find(|(word, _)| parts.contains(&format!("_{word}_")));
            if let Some((_, instead)) = found {
                findings.push(file.finding(number, format!("{identifier}: {instead}")));
            }
        }
        if let Some((_, name)) = line.split_once("fn get_") {
            let name = name.split(['(', '<']).next().unwrap_or(name);
            findings.push(file.finding(number, format!("get_{name}: {name}")));
        }
    }
    findings
}

/// `BackendPool` and `BACKEND_POOL` are `backend_pool`.
fn snake(identifier: &str) -> String {
    let mut out = String::new();
    let mut was_lower = false;
    for letter in identifier.chars() {
        if letter.is_uppercase() && was_lower {
            out.push('_');
        }
        was_lower = letter.is_lowercase();
        out.extend(letter.to_lowercase());
    }
    out
}

fn homeless(file: &File) -> Option<Finding> {
    let name = |name: &str| {
        file.path.ends_with(&format!("/{name}.rs")) || file.path.contains(&format!("/{name}/"))
    };
    // `tests/common/mod.rs` is where cargo wants what several test binaries share.
    let homeless = ["util", "utils", "helper", "helpers", "misc", "common"];
    let found = homeless.into_iter().find(|word| name(word))?;
    let shared_by_tests = found == "common" && file.path.contains("/tests/common/");
    (!shared_by_tests).then(|| file.finding(1, format!("a module called {found}")))
}

#[test]
fn identifiers_are_words_of_the_glossary() {
    none(rust().iter().flat_map(banned));
}

#[test]
fn banned_words_are_reported() {
    let said = |text: &str| banned(&File::made_up("a.rs", text));
    some(said("let backend = 1;"), "a.rs:1: backend: real server");
    some(said("\nstruct BackendPool;"), "a.rs:2: BackendPool");
    some(said("const DEST_IP: u8 = 1;"), "DEST_IP");
    some(said("mod utils;"), "utils");
    some(said("fn get_mut_thing<T>()"), "get_mut_thing: mut_thing");
    none(said(
        "// backend\nlet text = \"backend\"; slice.get_mut(1); feedback_end();",
    ));
}

#[test]
fn every_module_has_a_name_of_its_own() {
    none(rust().iter().filter_map(homeless));
}

#[test]
fn modules_without_a_name_of_their_own_are_reported() {
    some(
        homeless(&File::made_up("a/src/utils.rs", "")),
        "called utils",
    );
    some(
        homeless(&File::made_up("a/src/common/mod.rs", "")),
        "called common",
    );
    none(homeless(&File::made_up("a/tests/common/mod.rs", "")));
}

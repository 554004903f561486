// SPDX-License-Identifier: Apache-2.0
//! The policy of deny.toml on other people's crates, for machines without cargo-deny: licences,
//! bans and sources. Known advisories need cargo-deny.

use std::collections::BTreeMap;

use toml::Table;

use crate::repo::{File, Finding, files, none, root, some};
use crate::workspace::{self, Foreign};

#[derive(Debug, Default)]
struct Policy {
    licences: Vec<String>,
    /// Further licences of one crate.
    exceptions: BTreeMap<String, Vec<String>>,
    banned: Vec<String>,
}

const SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn policy(text: &str) -> Policy {
    let table: Table = text.parse().unwrap();
    let words = |value: &toml::Value| -> Vec<String> {
        let list = value.as_array().unwrap().iter();
        list.map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let list = |value: &toml::Value| value.as_array().cloned().unwrap_or_default();
    let exceptions = list(&table["licenses"]["exceptions"]);
    let banned = list(&table["bans"]["deny"]);
    Policy {
        licences: words(&table["licenses"]["allow"]),
        exceptions: exceptions
            .iter()
            .map(|one| {
                (
                    one["crate"].as_str().unwrap().to_owned(),
                    words(&one["allow"]),
                )
            })
            .collect(),
        banned: banned
            .iter()
            .map(|one| one["crate"].as_str().unwrap().to_owned())
            .collect(),
    }
}

fn refused(package: &Foreign, policy: &Policy) -> Vec<Finding> {
    let place = format!("{} {}", package.name, package.version);
    let mut findings = Vec::new();
    let own = policy.exceptions.get(&package.name);
    let allowed = |name: &str| {
        policy
            .licences
            .iter()
            .chain(own.into_iter().flatten())
            .any(|licence| licence == name)
    };
    match &package.licence {
        None => findings.push(Finding::new(&place, "names no licence")),
        Some(licence) if !permits(licence, &allowed) => {
            findings.push(Finding::new(&place, format!("licence {licence}")));
        }
        Some(_) => {}
    }
    if package.source.as_deref() != Some(SOURCE) {
        findings.push(Finding::new(
            &place,
            format!("comes from {:?}", package.source),
        ));
    }
    if policy.banned.contains(&package.name) {
        findings.push(Finding::new(&place, "is banned"));
    }
    findings
}

/// Whether an SPDX expression can be met by the allowed licences; `/` is an old way to write OR.
fn permits(expression: &str, allowed: &impl Fn(&str) -> bool) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let permitted = any(&mut words, allowed);
    permitted && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>, allowed: &impl Fn(&str) -> bool) -> bool {
    let mut permitted = all(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        permitted |= all(words, allowed);
    }
    permitted
}

fn all(words: &mut Words<'_>, allowed: &impl Fn(&str) -> bool) -> bool {
    let mut permitted = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        permitted &= one(words, allowed);
    }
    permitted
}

fn one(words: &mut Words<'_>, allowed: &impl Fn(&str) -> bool) -> bool {
    match words.next() {
        Some("(") => {
            let permitted = any(words, allowed);
            permitted && words.next() == Some(")")
        }
        Some(name) => match words.next_if_eq(&"WITH") {
            Some(_) => allowed(&format!("{name} WITH {}", words.next().unwrap_or_default())),
            None => allowed(name),
        },
        None => false,
    }
}

/// Other people's crates stand in the root's Cargo.toml, each under a line that says why.
fn without_reason(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut inside = false;
    let mut explained = false;
    for (number, line) in file.lines() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        } else if line.starts_with('#') {
            explained = true;
        } else if line.is_empty() {
            explained = false;
        } else if inside && !explained && !line.contains("path = ") {
            findings.push(file.finding(number, "a crate without a reason above it"));
        }
    }
    findings
}

/// A member takes its crates from there.
fn not_inherited(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut inside = false;
    for (number, line) in file.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if inside && line.contains(" = ") && !line.contains("workspace = true") {
            findings.push(file.finding(number, "not from [workspace.dependencies]"));
        }
    }
    findings
}

fn is_members_manifest(file: &&File) -> bool {
    // The fuzz targets are a workspace of their own.
    file.path.ends_with("/Cargo.toml") && file.path != "dataplane/fuzz/Cargo.toml"
}

#[test]
fn policy_on_licences_sources_and_bans_is_kept() {
    let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let policy = policy(&text);
    none(
        workspace::read()
            .foreign
            .iter()
            .flat_map(|package| refused(package, &policy)),
    );
}

#[test]
fn policy_on_dependencies_is_kept_by_every_manifest() {
    let files = files();
    none(
        files
            .iter()
            .filter(|file| file.path == "Cargo.toml")
            .flat_map(without_reason),
    );
    none(
        files
            .iter()
            .filter(is_members_manifest)
            .flat_map(not_inherited),
    );
}

#[test]
fn policy_refuses_licences_sources_and_bans() {
    let text = "[licenses]\nallow = [\"MIT\", \"Apache-2.0 WITH LLVM-exception\"]\n\
                exceptions = [{ crate = \"odd\", allow = [\"Zlib\"] }]\n\
                [bans]\ndeny = [{ crate = \"bad\" }]\n";
    let policy = policy(text);
    let package = |name: &str, licence: Option<&str>| Foreign {
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        licence: licence.map(str::to_owned),
        source: Some(SOURCE.to_owned()),
    };
    none(refused(&package("a", Some("MIT OR GPL-3.0")), &policy));
    none(refused(&package("a", Some("GPL-3.0/MIT")), &policy));
    none(refused(
        &package("a", Some("(MIT OR X) AND Apache-2.0 WITH LLVM-exception")),
        &policy,
    ));
    none(refused(&package("odd", Some("Zlib")), &policy));
    some(
        refused(&package("a", Some("Zlib")), &policy),
        "licence Zlib",
    );
    some(
        refused(&package("a", Some("MIT AND GPL-3.0")), &policy),
        "a 1.0.0: licence MIT AND",
    );
    some(
        refused(&package("a", Some("(MIT OR X")), &policy),
        "licence",
    );
    some(refused(&package("a", None), &policy), "names no licence");
    some(refused(&package("bad", Some("MIT")), &policy), "is banned");
    let git = Foreign {
        source: Some("git+ssh".to_owned()),
        ..package("a", Some("MIT"))
    };
    some(refused(&git, &policy), "comes from");
}

#[test]
fn policy_refuses_manifests_that_go_their_own_way() {
    let root = "[workspace.dependencies]\n# Why.\na = \"1\"\nb = \"1\"\n\nc = \"1\"\n";
    let findings = without_reason(&File::made_up("Cargo.toml", root));
    assert_eq!(
        findings,
        [Finding::new(
            "Cargo.toml:6",
            "a crate without a reason above it"
        )]
    );
    let member = "[dependencies]\na = { workspace = true }\nb = \"1\"\n";
    some(
        not_inherited(&File::made_up("a/Cargo.toml", member)),
        "a/Cargo.toml:3",
    );
}

// SPDX-License-Identifier: Apache-2.0
//! Nothing of the machine it was written on: its paths, its registry, its hosts.

use crate::repo::{File, Finding, files, none, some};

/// Folders of somebody's machine. In two parts, so that this file does not contain them.
const FOLDERS: [(&str, &str); 7] = [
    ("/home", "/"),
    ("/root", "/"),
    ("/Users", "/"),
    ("/work", "/"),
    ("/workspace", "/"),
    ("/mnt", "/"),
    ("C:", "\\"),
];

/// Hosts that text may name: those the project points its readers to.
const HOSTS: &[&str] = &[
    "blog.netfilter.org",
    "core.dpdk.org",
    "doc.dpdk.org",
    "docs.kernel.org",
    "docs.rs",
    "github.com",
    "json-schema.org",
    "keepachangelog.com",
    "rustup.rs",
    "semver.org",
    "toml.io",
    "www.apache.org",
    "www.kernel.org",
    "www.rfc-editor.org",
    "www.w3.org",
];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn folders(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for (one, two) in FOLDERS {
            let folder = format!("{one}{two}");
            // A path begins there: not inside another path.
            let begins = |at: usize| {
                let before = line[..at].chars().next_back();
                !before.is_some_and(|letter| letter.is_alphanumeric() || "._-}$)*".contains(letter))
            };
            if line.match_indices(&folder).any(|(at, _)| begins(at)) {
                findings.push(file.finding(number, format!("{folder} is on one machine only")));
            }
        }
    }
    findings
}

fn hosts(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for (at, scheme) in line.match_indices("://") {
            let before = &line[..at];
            if !before.ends_with("http") && !before.ends_with("https") {
                continue;
            }
            let rest = &line[at + scheme.len()..];
            let end = |letter: char| !letter.is_ascii_alphanumeric() && !"-.".contains(letter);
            let host = rest.split(end).next().unwrap_or(rest).trim_end_matches('.');
            let is_number = host
                .chars()
                .all(|letter| letter.is_ascii_digit() || letter == '.');
            let is_example =
                ["localhost", "penstock", "example"].contains(&host) || host.ends_with(".example");
            if !is_number && !is_example && !HOSTS.contains(&host) {
                findings.push(file.finding(number, format!("{host} is no host of ours")));
            }
        }
    }
    findings
}

/// Every crate comes from crates.io, whatever mirror stood in between.
fn sources(file: &File) -> Vec<Finding> {
    if !file.path.ends_with("Cargo.lock") {
        return Vec::new();
    }
    let wanted = format!("source = \"{CRATES_IO}\"");
    let sources = file
        .lines()
        .filter(|(_, line)| line.starts_with("source = "));
    let other = sources.filter(|(_, line)| *line != wanted);
    other
        .map(|(number, line)| file.finding(number, line))
        .collect()
}

fn registries(file: &File) -> Option<Finding> {
    let is_cargo = file.path.contains(".cargo/") || file.path.ends_with("Cargo.toml");
    let other = |line: &str| {
        let line = line.trim_start();
        line.starts_with("[source")
            || line.starts_with("[registries")
            || line.contains("registry =")
    };
    let (number, line) = file.lines().find(|(_, line)| is_cargo && other(line))?;
    Some(file.finding(number, line))
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    none(files().iter().flat_map(folders));
}

#[test]
fn no_file_names_a_host_that_is_not_the_projects() {
    none(files().iter().flat_map(hosts));
}

#[test]
fn crates_come_from_one_registry() {
    none(files().iter().flat_map(sources));
    none(files().iter().filter_map(registries));
}

#[test]
fn folders_of_a_machine_are_reported() {
    let [(home, slash), ..] = FOLDERS;
    let said = |text: String| folders(&File::made_up("a.md", &text));
    some(said(format!("cd {home}{slash}me")), "one machine");
    some(said(format!("(`{home}{slash}me`)")), "one machine");
    none(said(format!(
        "${{PWD}}{home}{slash}me and sub{home}{slash}me"
    )));
}

#[test]
fn foreign_hosts_and_registries_are_reported() {
    let url = |host: &str| File::made_up("a.md", &format!("see https{}{host}/x", "://"));
    some(hosts(&url("mirror.corp")), "mirror.corp");
    none(hosts(&url("docs.rs")));
    none(hosts(&url("192.0.2.10:80")));
    let lock = File::made_up("x/Cargo.lock", "name = \"a\"\nsource = \"git+x\"\n");
    some(sources(&lock), "x/Cargo.lock:2");
    let config = File::made_up(".cargo/config.toml", "[source.crates-io]\n");
    some(registries(&config), ".cargo/config.toml:1");
}

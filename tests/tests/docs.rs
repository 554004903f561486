// SPDX-License-Identifier: Apache-2.0
//! What the documents show: configurations that are accepted, links that lead somewhere, commands
//! that exist.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

#[allow(dead_code, reason = "the other checks use the rest")]
#[path = "tidy/repo.rs"]
mod repo;

use std::fs;

use repo::{File, Finding, files, none, root, some};

/// A block of code: its language, its first line's number, its text.
struct Block<'a> {
    language: &'a str,
    line: usize,
    text: String,
}

fn blocks(file: &File) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut inside = false;
    for (number, line) in file.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            inside = !inside;
            if inside {
                blocks.push(Block {
                    language,
                    line: number + 1,
                    text: String::new(),
                });
            }
        } else if inside && let Some(block) = blocks.last_mut() {
            block.text.push_str(line);
            block.text.push('\n');
        }
    }
    blocks
}

fn refused_examples(file: &File) -> Vec<Finding> {
    let examples = blocks(file)
        .into_iter()
        .filter(|block| block.language == "toml");
    let refused = examples.filter_map(|block| {
        let report = config::parse(&block.text).err()?;
        Some(file.finding(block.line, report.render(&file.path, &block.text, false)))
    });
    refused.collect()
}

/// Links to files of ours that are not there.
fn broken_links(file: &File, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for (at, open) in line.match_indices("](") {
            let target = &line[at + open.len()..];
            let target = target.split([')', '#']).next().unwrap_or(target);
            let elsewhere = target.contains("://") || target.is_empty();
            let path = if folder.is_empty() {
                target.to_owned()
            } else {
                format!("{folder}/{target}")
            };
            if !elsewhere && !exists(&path) {
                findings.push(file.finding(number, format!("{target} is not there")));
            }
        }
    }
    findings
}

/// What stands in code: blocks without a language or of a shell, and between backquotes.
fn commands(file: &File) -> Vec<(usize, String)> {
    let mut commands = Vec::new();
    for block in blocks(file) {
        if ["", "sh", "console"].contains(&block.language) {
            let lines = (block.line..).zip(block.text.lines());
            commands.extend(lines.map(|(number, line)| (number, line.to_owned())));
        }
    }
    for (number, line) in file.lines().filter(|(_, line)| !line.starts_with("```")) {
        let spans = line.split('`').skip(1).step_by(2);
        commands.extend(spans.map(|span| (number, span.to_owned())));
    }
    commands
}

/// Calls of `make` and `penstock` with a verb that there is not.
fn unknown_verbs(file: &File, makes: &[String], verbs: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, command) in commands(file) {
        let words: Vec<&str> = command.split_whitespace().collect();
        let (known, verb, called) = match words.as_slice() {
            ["make", verb, ..] => (makes, verb, "make"),
            ["penstock" | "target/release/penstock", verb, ..] => (verbs, verb, "penstock"),
            _ => continue,
        };
        let is_word = verb
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter == '-');
        if is_word && !known.iter().any(|known| known == verb) {
            findings.push(file.finding(number, format!("there is no `{called} {verb}`")));
        }
        if let ["show", what, ..] = words.get(1..).unwrap_or_default()
            && let Some(finding) = unknown_show(file, number, what)
        {
            findings.push(finding);
        }
    }
    findings
}

fn unknown_show(file: &File, number: usize, what: &str) -> Option<Finding> {
    const SHOWN: [&str; 6] = [
        "services",
        "servers",
        "connections",
        "workers",
        "ports",
        "drops",
    ];
    let mut asked = what.split(['|', ',']);
    let unknown = asked.find(|what| {
        what.chars().all(|letter| letter.is_ascii_lowercase()) && !SHOWN.contains(what)
    })?;
    Some(file.finding(number, format!("there is no `show {unknown}`")))
}

/// Targets of the Makefile.
fn makes() -> Vec<String> {
    let text = fs::read_to_string(root().join("Makefile")).unwrap();
    let heads = text
        .lines()
        .filter(|line| !line.starts_with(['\t', '#', '.', ' ']));
    let targets = heads.filter_map(|line| line.split_once(':'));
    targets.map(|(target, _)| target.to_owned()).collect()
}

/// Verbs of the command line, read where clap reads them.
fn verbs() -> Vec<String> {
    let text = fs::read_to_string(root().join("control/penstock/src/cli.rs")).unwrap();
    let body = text.split("enum Verb {\n").nth(1).unwrap();
    let body = body.split("\n}\n").next().unwrap();
    let variants = body.lines().filter_map(|line| line.strip_prefix("    "));
    let variants = variants.filter(|line| line.starts_with(|letter: char| letter.is_uppercase()));
    let names = variants.filter_map(|line| line.split([' ', '(', '{', ',']).next());
    names.map(str::to_lowercase).collect()
}

fn documents() -> Vec<File> {
    files().into_iter().filter(File::is_markdown).collect()
}

#[test]
fn every_configuration_in_the_documents_is_accepted() {
    let documents = documents();
    let examples = documents
        .iter()
        .flat_map(blocks)
        .filter(|block| block.language == "toml");
    assert!(examples.count() >= 3, "the documents show configurations");
    none(documents.iter().flat_map(refused_examples));
}

#[test]
fn a_configuration_with_an_error_is_reported() {
    let text = "# x\n\n```toml\n[director]\nname = \"a\"\nworkers = \"1\"\nwrong = 1\n```\n";
    some(refused_examples(&File::made_up("a.md", text)), "wrong");
    none(refused_examples(&File::made_up(
        "a.md",
        &text.replace("toml", "ini"),
    )));
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let exists = |path: &str| root().join(path).exists();
    none(
        documents()
            .iter()
            .flat_map(|file| broken_links(file, exists)),
    );
}

#[test]
fn a_link_to_nowhere_is_reported() {
    let file = File::made_up(
        "a/b.md",
        "[x](c.md#part) [y](https://docs.rs/y) [z](../d/)\n",
    );
    let links =
        |known: &'static [&'static str]| broken_links(&file, move |path| known.contains(&path));
    none(links(&["a/c.md", "a/../d/"]));
    some(links(&["a/../d/"]), "a/b.md:1: c.md is not there");
}

#[test]
fn every_verb_in_the_documents_exists() {
    let (makes, verbs) = (makes(), verbs());
    assert!(makes.iter().any(|target| target == "demo"), "{makes:?}");
    assert!(verbs.iter().any(|verb| verb == "run"), "{verbs:?}");
    none(
        documents()
            .iter()
            .flat_map(|file| unknown_verbs(file, &makes, &verbs)),
    );
}

#[test]
fn verbs_that_do_not_exist_are_reported() {
    let known = ["demo".to_owned(), "show".to_owned()];
    let said = |text: &str| unknown_verbs(&File::made_up("a.md", text), &known, &known);
    some(
        said("use `make coffee` now"),
        "a.md:1: there is no `make coffee`",
    );
    some(
        said("```sh\nmake demo\nmake tea  # x\n```\n"),
        "a.md:3: there is no `make tea`",
    );
    some(said("`penstock fly --high`"), "no `penstock fly`");
    some(said("`penstock show weather`"), "no `show weather`");
    none(said(
        "`make demo KEEP=1`, `penstock show ports`, `penstock …`, make it so",
    ));
}

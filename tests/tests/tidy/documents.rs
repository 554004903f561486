// SPDX-License-Identifier: Apache-2.0
//! Every folder says what it is, and every verb is short.

use crate::repo::{File, Finding, files, none, some};
use crate::workspace;

const README_LINES_MAX: usize = 60;
const RECORD_LINES_MAX: usize = 60;
const RECIPE_LINES_MAX: usize = 5;

/// Folders that must have a README: the top ones and those of crates.
fn folders(files: &[File]) -> Vec<String> {
    let top = files.iter().filter_map(|file| file.path.split_once('/'));
    let top = top
        .map(|(folder, _)| folder)
        .filter(|folder| !folder.starts_with('.'));
    let mut folders: Vec<String> = top.map(str::to_owned).collect();
    folders.extend(
        workspace::read()
            .packages
            .iter()
            .map(|package| package.folder.clone()),
    );
    folders.sort();
    folders.dedup();
    folders
}

fn without_readme(folders: &[String], files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in folders {
        let path = format!("{folder}/README.md");
        match files.iter().find(|file| file.path == path) {
            None => findings.push(Finding::new(&path, "is missing")),
            Some(file) => findings.extend(too_long(file, README_LINES_MAX)),
        }
    }
    findings
}

fn too_long(file: &File, lines_max: usize) -> Option<Finding> {
    let lines = file.text.lines().count();
    (lines > lines_max).then(|| file.finding(lines, format!("more than {lines_max} lines")))
}

/// A record has a number nobody else has, and says what else there was and what it costs.
fn records(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut numbers = Vec::new();
    for file in files {
        let Some(name) = file.path.strip_prefix("docs/decisions/") else {
            continue;
        };
        if name == "README.md" {
            continue;
        }
        let number = name.split('-').next().unwrap_or_default();
        let is_number = number.len() == 4 && number.parse::<u16>().is_ok();
        if !is_number || numbers.contains(&number) {
            findings.push(file.finding(1, format!("{number:?} is no number, or another's")));
        }
        numbers.push(number);
        for part in ["**Context.**", "**Choice.**", "**Rejected.**", "**Cost.**"] {
            if !file.lines().any(|(_, line)| line.starts_with(part)) {
                findings.push(file.finding(1, format!("has no {part:?}")));
            }
        }
        findings.extend(too_long(file, RECORD_LINES_MAX));
    }
    findings
}

fn long_recipes(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut recipe = (0, "");
    for (number, line) in file.lines() {
        if line.starts_with('\t') {
            recipe.0 += 1;
            if recipe.0 == RECIPE_LINES_MAX + 1 {
                let what = format!("{:?} has more than {RECIPE_LINES_MAX} lines", recipe.1);
                findings.push(file.finding(number, what));
            }
        } else {
            recipe = (0, line);
        }
    }
    findings
}

#[test]
fn every_crate_and_every_top_folder_has_a_short_readme() {
    let files = files();
    none(without_readme(&folders(&files), &files));
}

#[test]
fn a_folder_without_readme_or_with_a_long_one_is_reported() {
    let files = [File::made_up("a/README.md", &"x\n".repeat(61))];
    let folders = ["a".to_owned(), "b/c".to_owned()];
    some(
        without_readme(&folders, &files),
        "a/README.md:61: more than 60",
    );
    some(
        without_readme(&folders, &files),
        "b/c/README.md: is missing",
    );
}

#[test]
fn every_decision_record_has_its_parts() {
    none(records(&files()));
}

#[test]
fn incomplete_records_are_reported() {
    let record = |name: &str, text: &str| File::made_up(&format!("docs/decisions/{name}"), text);
    let whole = "**Context.** a\n**Choice.** b\n**Rejected.** c\n**Cost.** d\n";
    some(
        records(&[record("0001-a.md", "**Context.** a\n")]),
        "Rejected",
    );
    some(records(&[record("a.md", whole)]), "is no number");
    some(
        records(&[record("0001-a.md", whole), record("0001-b.md", whole)]),
        "another's",
    );
    some(
        records(&[record("0001-a.md", &whole.repeat(16))]),
        "more than 60",
    );
    none(records(&[record("0001-a.md", whole)]));
}

#[test]
fn recipes_of_the_makefile_have_at_most_five_lines() {
    none(
        files()
            .iter()
            .filter(|file| file.path == "Makefile")
            .flat_map(long_recipes),
    );
}

#[test]
fn a_recipe_of_six_lines_is_reported() {
    let makefile = |lines| File::made_up("Makefile", &format!("a:\n{}", "\tx\n".repeat(lines)));
    some(long_recipes(&makefile(6)), "\"a:\" has more than 5");
    none(long_recipes(&makefile(5)));
}

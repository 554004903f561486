// SPDX-License-Identifier: Apache-2.0
//! What `cargo metadata` says.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::repo::root;

/// A package of ours.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// From the repository's root.
    pub(crate) folder: String,
    pub(crate) targets: Vec<Target>,
    pub(crate) needs: Vec<Need>,
}

#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// `lib`, `bin`, `test`, `example`, `custom-build`, …
    pub(crate) kind: String,
    /// From the repository's root.
    pub(crate) path: String,
}

/// A line of a package's dependencies.
#[derive(Debug, Clone)]
pub(crate) struct Need {
    /// The package's own name.
    pub(crate) name: String,
    /// Neither for tests nor for build scripts.
    pub(crate) is_normal: bool,
}

/// A package of somebody else's.
#[derive(Debug, Clone)]
pub(crate) struct Foreign {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) licence: Option<String>,
    pub(crate) source: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
    pub(crate) foreign: Vec<Foreign>,
    /// Names of the packages that each package of ours is built from, by name.
    pub(crate) built_from: BTreeMap<String, BTreeSet<String>>,
}

impl Workspace {
    pub(crate) fn roots(&self) -> impl Iterator<Item = String> + '_ {
        let targets = self.packages.iter().flat_map(|package| &package.targets);
        targets.map(|target| target.path.clone())
    }
}

/// The workspace, asked once.
pub(crate) fn read() -> &'static Workspace {
    static ONE: OnceLock<Workspace> = OnceLock::new();
    ONE.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--locked", "--offline"])
            .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
            .current_dir(root())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cargo metadata: {errors}");
        understand(&serde_json::from_slice(&output.stdout).unwrap())
    })
}

fn understand(metadata: &Value) -> Workspace {
    let ours: BTreeSet<&str> = list(&metadata["workspace_members"])
        .filter_map(Value::as_str)
        .collect();
    let is_ours = |package: &&Value| ours.contains(word(&package["id"]));
    let packages = list(&metadata["packages"]).filter(is_ours);
    let foreign = list(&metadata["packages"]).filter(|package| !is_ours(package));
    Workspace {
        packages: packages.map(package).collect(),
        foreign: foreign
            .map(|package| Foreign {
                name: text(&package["name"]),
                version: text(&package["version"]),
                licence: package["license"].as_str().map(str::to_owned),
                source: package["source"].as_str().map(str::to_owned),
            })
            .collect(),
        built_from: built_from(metadata, &ours),
    }
}

fn package(package: &Value) -> Package {
    let manifest = from_root(&package["manifest_path"]);
    Package {
        name: text(&package["name"]),
        folder: manifest.trim_end_matches("/Cargo.toml").to_owned(),
        targets: list(&package["targets"])
            .map(|target| Target {
                kind: text(&target["kind"][0]),
                path: from_root(&target["src_path"]),
            })
            .collect(),
        needs: list(&package["dependencies"])
            .map(|need| Need {
                name: text(&need["name"]),
                is_normal: need["kind"].is_null(),
            })
            .collect(),
    }
}

/// Follows the normal dependencies as far as they go.
fn built_from(metadata: &Value, ours: &BTreeSet<&str>) -> BTreeMap<String, BTreeSet<String>> {
    let names: BTreeMap<&str, &str> = list(&metadata["packages"])
        .map(|package| (word(&package["id"]), word(&package["name"])))
        .collect();
    let next: BTreeMap<&str, Vec<&str>> = list(&metadata["resolve"]["nodes"])
        .map(|node| (word(&node["id"]), normal_dependencies(node)))
        .collect();
    ours.iter()
        .map(|id| {
            let mut found = BTreeSet::new();
            let mut open = next[id].clone();
            while let Some(id) = open.pop() {
                if found.insert(names[id].to_owned()) {
                    open.extend(&next[id]);
                }
            }
            (names[id].to_owned(), found)
        })
        .collect()
}

fn normal_dependencies(node: &Value) -> Vec<&str> {
    let is_normal =
        |dependency: &&Value| list(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null());
    let dependencies = list(&node["deps"]).filter(is_normal);
    dependencies
        .map(|dependency| word(&dependency["pkg"]))
        .collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().unwrap().iter()
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn text(value: &Value) -> String {
    word(value).to_owned()
}

fn from_root(path: &Value) -> String {
    let root = root().canonicalize().unwrap();
    let path = word(path);
    let inside = std::path::Path::new(path).strip_prefix(root);
    inside.map_or_else(|_| path.to_owned(), |path| path.display().to_string())
}

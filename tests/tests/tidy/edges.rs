// SPDX-License-Identifier: Apache-2.0
//! Who may use whom.
//!
//! ```text
//! penstock ──► worker ──► engine ──► wire
//!    │            │          └─────► model ◄── config ◄── penstock
//!    │            └────► dpdk ──► dpdk-sys
//!    └──► api ──► model
//! ```

use crate::repo::{Finding, none, some};
use crate::workspace::{self, Need, Package, Workspace};

/// Every package of ours and those of ours that it may use, for tests too.
const MAY_USE: &[(&str, &[&str])] = &[
    ("penstock-model", &[]),
    ("penstock-wire", &[]),
    ("penstock-engine", &["penstock-model", "penstock-wire"]),
    ("penstock-config", &["penstock-model"]),
    ("penstock-api", &["penstock-model"]),
    ("penstock-dpdk-sys", &[]),
    ("penstock-dpdk", &["penstock-dpdk-sys"]),
    (
        "penstock-worker",
        &[
            "penstock-engine",
            "penstock-model",
            "penstock-wire",
            "penstock-dpdk",
        ],
    ),
    (
        "penstock",
        &[
            "penstock-api",
            "penstock-config",
            "penstock-dpdk",
            "penstock-engine",
            "penstock-model",
            "penstock-wire",
            "penstock-worker",
        ],
    ),
    // Starts the daemon as a process; builds without DPDK.
    (
        "penstock-tests",
        &[
            "penstock-config",
            "penstock-engine",
            "penstock-model",
            "penstock-wire",
        ],
    ),
    // Compiles one file by its path.
    ("penstock-loom", &[]),
];

/// Packages that see no socket, clock, thread, environment or DPDK, and what would let them.
const PURE: [&str; 4] = [
    "penstock-config",
    "penstock-engine",
    "penstock-model",
    "penstock-wire",
];
const IMPURE: [&str; 14] = [
    "axum",
    "crossbeam-queue",
    "env_logger",
    "hyper",
    "libc",
    "log",
    "mio",
    "nix",
    "penstock-dpdk",
    "penstock-dpdk-sys",
    "rtnetlink",
    "rustix",
    "socket2",
    "tokio",
];

fn forbidden(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_ours = |name: &str| {
        workspace
            .packages
            .iter()
            .any(|package| package.name == name)
    };
    for Package { name, needs, .. } in &workspace.packages {
        let Some((_, may_use)) = MAY_USE.iter().find(|(package, _)| package == name) else {
            findings.push(Finding::new(
                name,
                "is not in the picture of tests/tests/tidy/edges.rs",
            ));
            continue;
        };
        for Need { name: used, .. } in needs {
            // A crate may use itself with other features in its tests.
            if is_ours(used) && used != name && !may_use.contains(&used.as_str()) {
                findings.push(Finding::new(name, format!("may not use {used}")));
            }
        }
    }
    findings
}

fn impure(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in PURE {
        let direct = workspace
            .packages
            .iter()
            .filter(|package| package.name == name);
        let direct = direct
            .flat_map(|package| &package.needs)
            .filter(|need| need.is_normal);
        let mut used: Vec<&str> = direct.map(|need| need.name.as_str()).collect();
        used.extend(
            workspace
                .built_from
                .get(name)
                .into_iter()
                .flatten()
                .map(String::as_str),
        );
        used.sort_unstable();
        used.dedup();
        for used in used.into_iter().filter(|used| IMPURE.contains(used)) {
            findings.push(Finding::new(name, format!("is built from {used}")));
        }
    }
    findings
}

#[test]
fn packages_use_only_those_that_the_picture_allows() {
    let workspace = workspace::read();
    assert_eq!(
        workspace.packages.len(),
        MAY_USE.len(),
        "the picture shows what is not there"
    );
    none(forbidden(workspace));
}

#[test]
fn the_pure_packages_see_no_dpdk_sockets_threads_or_log() {
    none(impure(workspace::read()));
}

fn made_up(edges: &[(&str, &[(&str, bool)])]) -> Workspace {
    let package = |(name, needs): &(&str, &[(&str, bool)])| Package {
        name: (*name).to_owned(),
        folder: String::new(),
        targets: Vec::new(),
        needs: needs
            .iter()
            .map(|(name, is_normal)| Need {
                name: (*name).to_owned(),
                is_normal: *is_normal,
            })
            .collect(),
    };
    let mut packages: Vec<Package> = edges.iter().map(package).collect();
    for (name, _) in MAY_USE {
        if !packages.iter().any(|package| package.name == *name) {
            packages.push(package(&(name, &[])));
        }
    }
    Workspace {
        packages,
        foreign: Vec::new(),
        built_from: [("penstock-model".to_owned(), ["libc".to_owned()].into())].into(),
    }
}

#[test]
fn every_kind_of_forbidden_edge_is_reported() {
    for (from, to) in [
        ("penstock-model", "penstock-wire"),
        ("penstock-wire", "penstock-model"),
        ("penstock-engine", "penstock-worker"),
        ("penstock-engine", "penstock-dpdk"),
        ("penstock-config", "penstock-engine"),
        ("penstock-api", "penstock-config"),
        ("penstock-dpdk", "penstock-model"),
        ("penstock-worker", "penstock"),
        ("penstock-tests", "penstock"),
        ("penstock-tests", "penstock-dpdk"),
    ] {
        let wanted = format!("{from}: may not use {to}");
        for is_normal in [true, false] {
            some(forbidden(&made_up(&[(from, &[(to, is_normal)])])), &wanted);
        }
    }
    some(
        forbidden(&made_up(&[("penstock-new", &[])])),
        "not in the picture",
    );
    none(forbidden(&made_up(&[(
        "penstock-worker",
        &[("penstock-dpdk", true), ("libc", true)],
    )])));
}

#[test]
fn a_pure_package_that_sees_the_world_is_reported() {
    let workspace = made_up(&[("penstock-engine", &[("tokio", true), ("nix", false)])]);
    let findings = impure(&workspace);
    some(findings.clone(), "penstock-engine: is built from tokio");
    some(findings.clone(), "penstock-model: is built from libc");
    assert_eq!(findings.len(), 2, "what tests use is their own business");
}

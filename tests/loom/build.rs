// SPDX-License-Identifier: Apache-2.0
//! Writes broken copies of `dataplane/worker/src/snapshot.rs`, which the models must refuse.
//!
//! The copies are made from the file as it is now, so they never go stale: a text that is not
//! found any more fails the build.
#![allow(
    clippy::disallowed_macros,
    clippy::print_stdout,
    reason = "how cargo is told"
)]

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

const SOURCE: &str = "../../dataplane/worker/src/snapshot.rs";

/// Name of the copy, and what is replaced by what.
const BROKEN: &[(&str, &[(&str, &str)])] = &[
    // What it is compared with: nothing but the box that is not freed.
    ("intact", &[]),
    (
        "loads_before_it_announces",
        &[
            ("        slot.epoch.store(epoch, Ordering::SeqCst);\n", ""),
            (
                "        let current = shared.current.load(Ordering::SeqCst);\n",
                "        let current = shared.current.load(Ordering::SeqCst);\n        \
                 slot.epoch.store(epoch, Ordering::SeqCst);\n",
            ),
        ],
    ),
    (
        "no_fence_in_the_reader",
        &[(
            "slot.epoch.store(epoch, Ordering::SeqCst);\n        fence(Ordering::SeqCst);\n",
            "slot.epoch.store(epoch, Ordering::Release);\n",
        )],
    ),
    (
        "no_fence_in_the_publisher",
        &[(
            "&mut self) -> usize {\n        fence(Ordering::SeqCst);\n",
            "&mut self) -> usize {\n",
        )],
    ),
    (
        "raises_the_epoch_before_it_swaps",
        &[
            (
                "let old = self.shared.current.swap(new, Ordering::SeqCst);\n",
                "let raised = self.shared.epoch.fetch_add(1, Ordering::SeqCst);\n        \
             let old = self.shared.current.swap(new, Ordering::SeqCst);\n",
            ),
            (
                "let epoch = self\n            .shared\n            .epoch\n            \
             .fetch_add(1, Ordering::SeqCst)\n            .saturating_add(1);\n",
                "let epoch = raised.saturating_add(1);\n",
            ),
        ],
    ),
    (
        "leaves_without_release",
        &[(
            "self.slot.epoch.store(OFFLINE, Ordering::Release)",
            "self.slot.epoch.store(OFFLINE, Ordering::Relaxed)",
        )],
    ),
    (
        "publishes_without_release",
        &[(
            "self.shared.current.swap(new, Ordering::SeqCst)",
            "self.shared.current.swap(new, Ordering::Relaxed)",
        )],
    ),
    (
        "frees_one_epoch_too_early",
        &[(
            "|(epoch, _)| *epoch > oldest",
            "|(epoch, _)| *epoch - 1 > oldest",
        )],
    ),
    (
        "claims_to_have_seen_before_it_has",
        &[(
            "slot.seen.store(self.newest, ",
            "slot.seen.store(self.newest + 1, ",
        )],
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={SOURCE}");
    let source = fs::read_to_string(SOURCE)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for (name, changes) in BROKEN {
        // Included inside a module, where the file's own first lines are not allowed any more.
        let begin = source
            .find("use crate::sync")
            .ok_or("no use of crate::sync")?;
        let mut text = source[begin..].to_owned();
        for (from, to) in *changes {
            if text.matches(from).count() != 1 {
                return Err(format!("{SOURCE} has not exactly one {from:?}, for {name}").into());
            }
            text = text.replace(from, to);
        }
        fs::write(out.join(format!("{name}.rs")), text)?;
    }
    Ok(())
}

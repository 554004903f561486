// SPDX-License-Identifier: Apache-2.0
//! The style that can be checked, checked: every rule is a test, and every rule has a test that it
//! can fail.
//!
//! ```text
//!   git's list of files ─► repo ─► text, functions, modules, names, places, documents, unsafety
//!   cargo metadata ──────► workspace ─► edges, policy
//!   engine's own tables ─► counters ─► docs/operating/counters.md (UPDATE_DOCS=1 writes it)
//!   made-up output ──────► runner ─► tests/run.awk
//! ```
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

mod counters;
mod documents;
mod edges;
mod functions;
mod modules;
mod names;
mod places;
mod policy;
mod repo;
mod runner;
mod text;
mod unsafety;
mod workspace;

// SPDX-License-Identifier: Apache-2.0
//! Model checking of how snapshots reach the workers: tests only.
//!
//! `snapshot` is the worker's own file, compiled with loom's atomics; loom runs a model once for
//! every order in which the threads' steps, and the values that their loads may return, can fall.
//! `build.rs` makes broken copies of the same file, and the models must refuse each of them.
#![cfg(test)]

pub mod broken;
pub mod kept;
mod models;
#[path = "../../../dataplane/worker/src/snapshot.rs"]
pub mod snapshot;
mod subject;
pub mod sync;
mod value;

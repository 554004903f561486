// SPDX-License-Identifier: Apache-2.0
//! loom's atomics under the names that `snapshot.rs` uses.

pub(crate) use loom::sync::Arc;
pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU64, Ordering, fence};

// SPDX-License-Identifier: Apache-2.0
//! The atomics of [`crate::snapshot`]; the model checker compiles that module with its own.

pub(crate) use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering, fence};
pub(crate) use std::sync::Arc;

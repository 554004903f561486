// SPDX-License-Identifier: Apache-2.0
//! Tests that need more than one crate, and the lab they run in.
#![forbid(unsafe_code)]

pub mod lab;
pub mod oracle;
pub mod scene;

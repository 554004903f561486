// SPDX-License-Identifier: Apache-2.0
//! The demo (to be written).
#![forbid(unsafe_code)]

fn main() {}

// SPDX-License-Identifier: Apache-2.0
//! Bodies of the fuzz targets, one plain function each. The libfuzzer programs in `fuzz_targets/`
//! call them; tests of the product include the same files by path and replay the corpus
//! (README.md says how to add one).
#![forbid(unsafe_code)]

pub mod engine_targets;
pub mod tunnel_targets;
pub mod wire_targets;

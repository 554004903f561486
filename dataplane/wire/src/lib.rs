// SPDX-License-Identifier: Apache-2.0
//! Views of packet headers, checksums and the packet buffer the engine works on.
//!
//! A *view* gives access to the bytes of one header and makes no judgement; the `parse` functions
//! judge. Nothing here allocates on the packet path, panics on any input, or knows of DPDK.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod buffer;

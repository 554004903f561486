// SPDX-License-Identifier: Apache-2.0
//! Raw bindings to DPDK, generated at build time; nothing here is written by hand.
//!
//! `build.rs` finds the distribution's DPDK with pkg-config, has meson build the shim of inline
//! functions (`meson-build/`), lets bindgen translate an allow-list of both, and links DPDK with
//! the chosen drivers statically. `sys/dpdk` is the only crate that uses this one: everything here
//! is unsafe and none of it is documented beyond DPDK's own manual.
#![no_std]

/// What bindgen makes of `meson-build/shim/penstock_shim.h` and the DPDK headers it includes.
#[allow(
    unsafe_code,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unnameable_types,
    unused_qualifications,
    trivial_numeric_casts,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    dead_code,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    clippy::missing_safety_doc,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::ptr_as_ptr,
    clippy::use_self,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

/// The drivers linked in, as their own build described them.
#[allow(
    unsafe_code,
    non_upper_case_globals,
    missing_docs,
    reason = "generated code"
)]
mod drivers {
    include!(concat!(env!("OUT_DIR"), "/drivers.rs"));
}

pub use bindings::*;
pub use drivers::driver_infos;

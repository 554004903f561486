// SPDX-License-Identifier: Apache-2.0
//! Which DPDK this is.

use std::ffi::CStr;

/// The version string of the DPDK linked in, `"DPDK 22.11.11"`.
#[must_use]
pub fn version() -> &'static str {
    // SAFETY: takes nothing, and formats into a static buffer on its first call.
    let text = unsafe { dpdk_sys::rte_version() };
    // SAFETY: that buffer is NUL-terminated and lives as long as the process.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().unwrap_or("DPDK, unknown version")
}

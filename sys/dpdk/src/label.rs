// SPDX-License-Identifier: Apache-2.0
//! Names of pools and rings.
//!
//! DPDK wants them unique in the process and short. The caller's label is only a label: a number
//! is added, so that a new pool may carry the label of one that is still draining.

use std::ffi::CString;
use std::sync::atomic::{AtomicU32, Ordering};

/// Longest label, so that label, dot, eight hexadecimal digits and NUL fit DPDK's names (26 bytes).
pub(crate) const LABEL_BYTES_MAX: usize = 16;

const _: () = assert!(LABEL_BYTES_MAX + 10 <= dpdk_sys::PS_MEMPOOL_NAME_BYTES as usize);
const _: () = assert!(LABEL_BYTES_MAX + 10 <= dpdk_sys::PS_RING_NAME_BYTES as usize);

/// A label that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// It holds a NUL byte.
    #[error("label {0:?} holds a NUL byte")]
    Nul(String),
    /// It is too long.
    #[error("label {0:?} is longer than {LABEL_BYTES_MAX} bytes")]
    TooLong(String),
}

/// `label` with a number that no other name of this process has.
pub(crate) fn unique(label: &str) -> Result<CString, LabelError> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    if label.len() > LABEL_BYTES_MAX {
        return Err(LabelError::TooLong(label.to_owned()));
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    CString::new(format!("{label}.{number:x}")).map_err(|_| LabelError::Nul(label.to_owned()))
}

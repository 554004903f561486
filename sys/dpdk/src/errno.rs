// SPDX-License-Identifier: Apache-2.0
//! Error codes of DPDK and of the kernel.

use std::fmt;
use std::io;

/// An error number, as DPDK and libc return them; always positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(i32);

impl Errno {
    /// The device or file exists already.
    pub const EXISTS: Self = Self(libc::EEXIST);
    /// No room for all of what was asked for.
    pub const NO_BUFFERS: Self = Self(libc::ENOBUFS);
    /// No such device.
    pub const NO_DEVICE: Self = Self(libc::ENODEV);
    /// Out of memory.
    pub const NO_MEMORY: Self = Self(libc::ENOMEM);
    /// The driver does not have this operation.
    pub const NOT_SUPPORTED: Self = Self(libc::ENOTSUP);
    /// Not permitted.
    pub const NOT_PERMITTED: Self = Self(libc::EPERM);

    /// From a return code, `-ENODEV` or `ENODEV`; zero and `i32::MIN` have no meaning and become
    /// [`Errno::NOT_PERMITTED`], which is also what DPDK's bare `-1` reads as.
    #[must_use]
    pub fn from_code(code: i32) -> Self {
        match code.checked_abs() {
            Some(0) | None => Self::NOT_PERMITTED,
            Some(number) => Self(number),
        }
    }

    /// `rte_errno` of this thread.
    pub(crate) fn last_rte() -> Self {
        // SAFETY: reads a thread-local integer.
        Self::from_code(unsafe { dpdk_sys::ps_rte_errno() })
    }

    /// `errno` of this thread.
    pub(crate) fn last_os() -> Self {
        Self::from_code(
            io::Error::last_os_error()
                .raw_os_error()
                .unwrap_or(libc::EPERM),
        )
    }

    /// The number itself.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

/// `Ok` of a call that returns a negative error number or a value.
pub(crate) fn check(code: i32) -> Result<u32, Errno> {
    u32::try_from(code).map_err(|_| Errno::from_code(code))
}

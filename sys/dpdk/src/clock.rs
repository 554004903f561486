// SPDX-License-Identifier: Apache-2.0
//! The clock of the packet path: CLOCK_MONOTONIC, read once per burst.
//!
//! The kernel's vDSO reads the TSC and scales it (about 20 ns here), which per burst is below what
//! can be measured, and it stays right through suspends and migrations; a calibration of our own
//! would not.

/// Nanoseconds since an arbitrary start (boot); never goes back.
#[must_use]
pub fn now() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds on a clock of the kernel's; 0 when the kernel does not have it.
pub(crate) fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a timespec that the call may write.
    let _rc = unsafe { libc::clock_gettime(clock, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds
        .wrapping_mul(1_000_000_000)
        .wrapping_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

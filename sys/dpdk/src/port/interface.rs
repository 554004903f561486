// SPDX-License-Identifier: Apache-2.0
//! The kernel's interface below a software port: its drivers tell nothing of its link.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// State of the kernel's interface below a software port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// It passes packets.
    Up,
    /// It is down, or has no carrier.
    Down,
    /// It is not there any more, or not in this thread's network namespace.
    Gone,
}

/// The state of the interface with this index, in this thread's network namespace; `None` when the
/// kernel does not tell.
pub(super) fn state(index: u32) -> Option<Interface> {
    // SAFETY: integers and arrays of them, for which zero is a value.
    let mut request: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: an array of IF_NAMESIZE bytes, which is what the callee writes at most.
    if unsafe { libc::if_indextoname(index, request.ifr_name.as_mut_ptr()) }.is_null() {
        return Some(Interface::Gone);
    }
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: takes integers.
    let fd: c_int = unsafe { libc::socket(libc::AF_INET, kind, 0) };
    if fd < 0 {
        return None;
    }
    // SAFETY: a descriptor that nobody else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: a request with a name, whose flags the callee fills in.
    let code = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request) };
    if code < 0 {
        // It went between the two calls.
        return Some(Interface::Gone);
    }
    // SAFETY: the member that SIOCGIFFLAGS writes.
    let flags = c_int::from(unsafe { request.ifr_ifru.ifru_flags });
    let wanted = libc::IFF_UP | libc::IFF_RUNNING;
    Some(if flags & wanted == wanted {
        Interface::Up
    } else {
        Interface::Down
    })
}

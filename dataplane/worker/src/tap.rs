// SPDX-License-Identifier: Apache-2.0
//! A TAP device: the kernel's end of a port (`Documentation/networking/tuntap.rst`).
//!
//! A plain file descriptor instead of DPDK's `net_tap`: no SIGIO in the whole process, and an empty
//! read costs the HA thread, not a worker.
#![allow(
    unsafe_code,
    reason = "docs/decisions/0005: two system calls that no safe crate wraps"
)]

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use dpdk::Mbuf;

/// Why there is no TAP device.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// The name is empty, longer than 15 bytes or has a NUL in it.
    #[error("{name:?} is not a name for a network interface (1 to 15 bytes)")]
    Name {
        /// The name.
        name: String,
    },
    /// The kernel's TUN driver is not there, or we may not use it.
    #[error("cannot open /dev/net/tun; is the tun module loaded and have we CAP_NET_ADMIN?")]
    Open {
        /// Why.
        source: io::Error,
    },
    /// The device could not be made.
    #[error("cannot make the TAP device {name}; does another interface have that name?")]
    Create {
        /// The name.
        name: String,
        /// Why.
        source: io::Error,
    },
}

/// A TAP device, gone when dropped.
#[derive(Debug)]
pub struct Tap {
    file: File,
    name: String,
}

impl Tap {
    /// Makes the device `name` in the calling thread's network namespace.
    ///
    /// # Errors
    /// [`TapError`].
    pub fn create(name: &str) -> Result<Self, TapError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open("/dev/net/tun")
            .map_err(|source| TapError::Open { source })?;
        let bytes = name.as_bytes();
        if bytes.is_empty() || bytes.len() >= libc::IFNAMSIZ || bytes.contains(&0) {
            return Err(TapError::Name {
                name: name.to_owned(),
            });
        }
        // SAFETY: a C structure of integers and arrays of them, of which all zero is a value.
        let mut request: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
        for (place, byte) in request.ifr_name.iter_mut().zip(bytes) {
            *place = i8::from_ne_bytes([*byte]);
        }
        request.ifr_ifru.ifru_flags =
            i16::try_from(libc::IFF_TAP | libc::IFF_NO_PI).unwrap_or_default();
        // SAFETY: TUNSETIFF reads and writes one `ifreq`, which lives here, of an open descriptor.
        let code = unsafe {
            libc::ioctl(
                file.as_raw_fd(),
                libc::TUNSETIFF,
                std::ptr::from_mut(&mut request),
            )
        };
        if code < 0 {
            let source = io::Error::last_os_error();
            return Err(TapError::Create {
                name: name.to_owned(),
                source,
            });
        }
        Ok(Self {
            file,
            name: name.to_owned(),
        })
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads one frame that the kernel sends into `target`; `None` if there is none.
    ///
    /// # Errors
    /// What the kernel says, other than "none".
    pub fn receive(&self, target: &mut [u8]) -> io::Result<Option<usize>> {
        match (&self.file).read(target) {
            Ok(len) => Ok(Some(len)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives a frame to the kernel, all its segments.
    ///
    /// # Errors
    /// What the kernel says; the device may be down, or its queue full.
    pub fn send(&self, packet: &Mbuf) -> io::Result<()> {
        let slices: Vec<io::IoSlice<'_>> = packet.segments().map(io::IoSlice::new).collect();
        io::Write::write_vectored(&mut &self.file, &slices).map(|_| ())
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

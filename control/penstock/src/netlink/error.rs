// SPDX-License-Identifier: Apache-2.0
//! What can go wrong between penstock and Linux's routing socket.

use std::io;

use model::addr::Addr;
use model::ids::IfaceId;
use netlink_packet_core::ErrorMessage;

/// `ENODEV` of every Linux architecture; `io::ErrorKind` has no name for it.
const ENODEV: i32 = 19;
/// `EOPNOTSUPP` on x86 and Arm, where penstock runs.
const EOPNOTSUPP: i32 = 95;
/// Bytes of a netlink header, which an error message quotes.
const QUOTED_HEADER_BYTES: usize = 16;
/// The attribute of an extended acknowledgement that holds a sentence of the kernel's.
const NLMSGERR_ATTR_MSG: u16 = 1;

/// Why something could not be read from or changed in Linux.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetlinkError {
    /// The task that serves the socket has ended.
    #[error("{object}: cannot {attempt}: the netlink connection is closed; restart penstock")]
    Closed {
        /// What it was about.
        object: String,
        /// What was tried.
        attempt: &'static str,
    },
    /// Linux refused.
    #[error("{object}: cannot {attempt}: {errno}{detail}{hint}")]
    Kernel {
        /// What it was about.
        object: String,
        /// What was tried.
        attempt: &'static str,
        /// The kernel's own words, if it gave any.
        detail: String,
        /// What to do about it.
        hint: &'static str,
        /// The error number.
        errno: io::Error,
    },
    /// A service address without any twin to put it on.
    #[error("{addr}: cannot add the service address: no port has a kernel twin yet")]
    NoPlace {
        /// The address.
        addr: Addr,
    },
    /// The interface has no twin that was configured.
    #[error("interface {iface} has no kernel twin; only interfaces of the configuration have one")]
    NoTwin {
        /// The interface.
        iface: IfaceId,
    },
    /// No answer came.
    #[error(
        "{object}: cannot {attempt}: no answer from the kernel in {seconds} s; is the machine \
             overloaded?"
    )]
    Silent {
        /// What it was about.
        object: String,
        /// What was tried.
        attempt: &'static str,
        /// How long was waited.
        seconds: u64,
    },
    /// The socket itself.
    #[error("cannot {attempt}: {errno}{hint}")]
    Socket {
        /// What was tried.
        attempt: &'static str,
        /// What to do about it.
        hint: &'static str,
        /// Why.
        errno: io::Error,
    },
}

impl NetlinkError {
    /// From what the kernel answered.
    pub(super) fn kernel(object: &str, attempt: &'static str, answer: &ErrorMessage) -> Self {
        let errno = io::Error::from_raw_os_error(answer.raw_code().saturating_abs());
        let detail = sentence(&answer.header)
            .map(|text| format!(": {text}"))
            .unwrap_or_default();
        Self::Kernel {
            object: object.to_owned(),
            attempt,
            detail,
            hint: hint(&errno),
            errno,
        }
    }

    /// From a system call on a socket.
    pub(super) fn socket(attempt: &'static str, errno: io::Error) -> Self {
        Self::Socket {
            attempt,
            hint: hint(&errno),
            errno,
        }
    }

    /// Whether the kernel says that there is no such device.
    pub(super) fn says_no_device(&self) -> bool {
        self.errno()
            .is_some_and(|errno| errno.raw_os_error() == Some(ENODEV))
    }

    /// Whether the kernel says that it is there already.
    pub(super) fn says_exists(&self) -> bool {
        self.errno()
            .is_some_and(|errno| errno.kind() == io::ErrorKind::AlreadyExists)
    }

    /// Whether the kernel says that the address is not there.
    pub(super) fn says_no_address(&self) -> bool {
        self.errno()
            .is_some_and(|errno| errno.kind() == io::ErrorKind::AddrNotAvailable)
    }

    fn errno(&self) -> Option<&io::Error> {
        match self {
            Self::Kernel { errno, .. } | Self::Socket { errno, .. } => Some(errno),
            Self::Closed { .. }
            | Self::NoPlace { .. }
            | Self::NoTwin { .. }
            | Self::Silent { .. } => None,
        }
    }
}

/// The next step for somebody who reads the error.
fn hint(errno: &io::Error) -> &'static str {
    match (errno.kind(), errno.raw_os_error()) {
        (io::ErrorKind::PermissionDenied, Some(1)) => "; penstock needs CAP_NET_ADMIN",
        (io::ErrorKind::PermissionDenied, _) => {
            "; is IPv6 switched off there (sysctl net.ipv6.conf.<name>.disable_ipv6)?"
        }
        (_, Some(ENODEV)) => "; the device is gone: another program removed or renamed it",
        (_, Some(EOPNOTSUPP)) => "; this kernel was built without it",
        (io::ErrorKind::InvalidInput, _) => "; look at the value in the configuration file",
        (io::ErrorKind::NetworkDown, _) => "; set the link up: ip link set <name> up",
        _ => "",
    }
}

/// The kernel's sentence in an extended acknowledgement: attributes behind the quoted header.
fn sentence(quote: &[u8]) -> Option<String> {
    let mut rest = quote.get(QUOTED_HEADER_BYTES..)?;
    while let [a, b, c, d, ..] = rest {
        let len = usize::from(u16::from_ne_bytes([*a, *b]));
        let value = rest.get(4..len)?;
        if u16::from_ne_bytes([*c, *d]) == NLMSGERR_ATTR_MSG {
            let text = value.split(|byte| *byte == 0).next()?;
            return Some(String::from_utf8_lossy(text).into_owned());
        }
        rest = rest.get(len.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroI32;

    use super::*;

    fn refused(code: i32, quote: Vec<u8>) -> NetlinkError {
        let mut answer = ErrorMessage::default();
        answer.code = NonZeroI32::new(-code);
        answer.header = quote;
        NetlinkError::kernel("front", "set the MAC", &answer)
    }

    #[test]
    fn an_error_says_object_attempt_errno_and_hint() {
        assert_eq!(
            refused(1, Vec::new()).to_string(),
            "front: cannot set the MAC: Operation not permitted (os error 1); penstock needs \
             CAP_NET_ADMIN"
        );
        assert!(refused(19, Vec::new()).says_no_device());
        assert!(refused(17, Vec::new()).says_exists());
        assert!(refused(99, Vec::new()).says_no_address());
    }

    #[test]
    fn the_kernels_sentence_is_found_behind_other_attributes() {
        let mut quote = vec![0; QUOTED_HEADER_BYTES];
        quote.extend([8, 0, 2, 0, 1, 2, 3, 4]);
        quote.extend([9, 0, 1, 0]);
        quote.extend(b"Why?\0\0\0\0");
        let text = refused(22, quote.clone()).to_string();
        assert!(
            text.contains("Invalid argument (os error 22): Why?;"),
            "{text}"
        );
        // Whatever else is there, it is no reason to fail.
        for len in 0..quote.len() {
            refused(22, quote[..len].to_vec());
        }
        refused(22, [quote, vec![0; 8]].concat());
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The way into an IP tunnel: where the inner packet begins.
//!
//! ```text
//!   outer IP │ inner IP                          protocol 4 or 41 (RFC 2003, RFC 2473, RFC 4213)
//!   outer IP │ GRE │ inner IP                    protocol 47      (RFC 2784)
//!   outer IP │ UDP │ GUE │ inner IP              protocol 17, to a port that is known
//! ```

use crate::ethernet::EtherType;
use crate::gre::Gre;
use crate::gue::Gue;
use crate::ipv4::IpProtocol;
use crate::packet::Kind;
use crate::udp::{self, Udp};

/// An inner packet, as far as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inner {
    /// Bytes between the outer IP headers and it.
    pub shim_len: usize,
    /// Its family: [`Kind::Ipv4`] or [`Kind::Ipv6`].
    pub kind: Kind,
}

/// Finds the inner packet behind the outer IP headers: `bytes` begins there, `protocol` says with
/// what. `is_gue` tells whether a UDP port is one of ours.
#[must_use]
pub fn inner(protocol: IpProtocol, bytes: &[u8], is_gue: impl Fn(u16) -> bool) -> Option<Inner> {
    let (shim_len, kind) = match protocol {
        IpProtocol::GRE => {
            let gre = Gre::new_checked(bytes).ok()?;
            (gre.header_len(), of_ether_type(gre.protocol())?)
        }
        IpProtocol::UDP => {
            let port = Udp::new_checked(bytes).ok()?.destination_port();
            let gue = Gue::new_checked(bytes.get(udp::HEADER_LEN..)?).ok()?;
            let len = udp::HEADER_LEN.saturating_add(gue.header_len());
            (is_gue(port).then_some(len)?, of_protocol(gue.protocol())?)
        }
        _ => (0, of_protocol(protocol)?),
    };
    let version = bytes.get(shim_len)? >> 4;
    let right = version == if kind == Kind::Ipv4 { 4 } else { 6 };
    right.then_some(Inner { shim_len, kind })
}

const fn of_ether_type(ether_type: EtherType) -> Option<Kind> {
    match ether_type {
        EtherType::IPV4 => Some(Kind::Ipv4),
        EtherType::IPV6 => Some(Kind::Ipv6),
        _ => None,
    }
}

const fn of_protocol(protocol: IpProtocol) -> Option<Kind> {
    match protocol {
        IpProtocol::IPIP => Some(Kind::Ipv4),
        IpProtocol::IPV6 => Some(Kind::Ipv6),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

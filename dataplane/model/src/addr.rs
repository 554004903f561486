// SPDX-License-Identifier: Apache-2.0
//! One address type for both families.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

/// The first twelve octets of an IPv4 address in IPv6 clothes (RFC 4291 §2.5.5.2).
const V4_MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// An IP address; IPv4 is kept as `::ffff:a.b.c.d`, so every table has one key type.
///
/// The parser refuses IPv6 packets that carry a mapped address, so the two never meet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Addr([u8; 16]);

impl Addr {
    /// `::`.
    pub const UNSPECIFIED: Self = Self([0; 16]);

    /// From sixteen octets in network order, IPv4 already mapped.
    #[must_use]
    #[inline]
    pub const fn from_octets(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// The sixteen octets in network order.
    #[must_use]
    #[inline]
    pub const fn octets(&self) -> &[u8; 16] {
        &self.0
    }

    /// Whether this is an IPv4 address.
    #[must_use]
    #[inline]
    pub fn is_v4(&self) -> bool {
        self.0.starts_with(&V4_MAPPED)
    }

    /// The four octets of an IPv4 address (the last four of an IPv6 one).
    #[must_use]
    #[inline]
    pub const fn v4_octets(&self) -> [u8; 4] {
        let [.., a, b, c, d] = self.0;
        [a, b, c, d]
    }

    /// As the standard library's type.
    #[must_use]
    pub fn to_ip(self) -> IpAddr {
        if self.is_v4() {
            IpAddr::V4(Ipv4Addr::from(self.v4_octets()))
        } else {
            IpAddr::V6(Ipv6Addr::from(self.0))
        }
    }

    /// Bits of the address that a prefix can fix: 32 or 128.
    #[must_use]
    pub fn bits(&self) -> u8 {
        if self.is_v4() { 32 } else { 128 }
    }

    /// Whether packets to it go to a group: 224.0.0.0/4, 255.255.255.255 or ff00::/8.
    #[must_use]
    pub fn is_multicast_or_broadcast(&self) -> bool {
        match self.to_ip() {
            IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast(),
            IpAddr::V6(v6) => v6.is_multicast(),
        }
    }

    /// Whether it is 0.0.0.0 or `::`, the address of somebody who has none yet.
    #[must_use]
    #[inline]
    pub fn is_unspecified(&self) -> bool {
        *self == Self::UNSPECIFIED || self.is_v4() && self.v4_octets() == [0; 4]
    }

    /// Whether it is of link scope (169.254.0.0/16 or fe80::/10), never routed.
    #[must_use]
    pub fn is_link_local(&self) -> bool {
        match self.to_ip() {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        }
    }
}

impl From<IpAddr> for Addr {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(v4) => v4.into(),
            IpAddr::V6(v6) => v6.into(),
        }
    }
}

impl From<Ipv4Addr> for Addr {
    fn from(v4: Ipv4Addr) -> Self {
        Self(v4.to_ipv6_mapped().octets())
    }
}

impl From<Ipv6Addr> for Addr {
    fn from(v6: Ipv6Addr) -> Self {
        Self(v6.octets())
    }
}

impl FromStr for Addr {
    type Err = core::net::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<IpAddr>().map(Self::from)
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_ip().fmt(f)
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An address and a length of prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    /// The address as given, host bits kept.
    pub addr: Addr,
    /// Bits that are fixed, 0..=32 for IPv4, 0..=128 for IPv6.
    pub len: u8,
}

impl Prefix {
    /// The prefix, or `None` if `len` is more than the family has.
    #[must_use]
    pub fn new(addr: Addr, len: u8) -> Option<Self> {
        (len <= addr.bits()).then_some(Self { addr, len })
    }

    /// The address with the host bits cleared.
    #[must_use]
    pub fn network(&self) -> Addr {
        mask(self.addr, self.len_in_128())
    }

    /// Whether `addr` is of this prefix (and so of its family).
    #[must_use]
    pub fn contains(&self, addr: Addr) -> bool {
        addr.is_v4() == self.addr.is_v4() && mask(addr, self.len_in_128()) == self.network()
    }

    /// The length counted over the sixteen octets of [`Addr`].
    #[must_use]
    pub fn len_in_128(&self) -> u8 {
        if self.addr.is_v4() {
            self.len.saturating_add(96)
        } else {
            self.len
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.len)
    }
}

/// What is wrong with the text of a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// The part before the slash.
    #[error("not an IP address")]
    Addr,
    /// The part behind the slash.
    #[error("the prefix length must be 0 to 32 for IPv4, 0 to 128 for IPv6")]
    Len,
    /// There is no slash.
    #[error("a prefix length is missing: write ADDRESS/LENGTH")]
    NoLen,
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let (addr, len) = text.split_once('/').ok_or(PrefixError::NoLen)?;
        let addr = addr.parse().map_err(|_| PrefixError::Addr)?;
        let len = len.parse().map_err(|_| PrefixError::Len)?;
        Self::new(addr, len).ok_or(PrefixError::Len)
    }
}

/// `addr` with all but the first `len` of its 128 bits cleared.
#[must_use]
#[inline]
pub fn mask(addr: Addr, len: u8) -> Addr {
    let bits = u128::from_be_bytes(addr.0);
    let keep = u128::MAX
        .checked_shl(128u32.saturating_sub(u32::from(len)))
        .unwrap_or(0);
    Addr((bits & keep).to_be_bytes())
}

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The group bit: multicast and broadcast.
    #[must_use]
    #[inline]
    pub const fn is_group(&self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;

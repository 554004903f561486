// SPDX-License-Identifier: Apache-2.0
//! What names a virtual service, and what names a real server within it.

use core::fmt;

use crate::addr::{Addr, Prefix};

/// The transport of a virtual service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Protocol {
    /// RFC 9293.
    Tcp = 6,
    /// RFC 768.
    Udp = 17,
    /// RFC 9260.
    Sctp = 132,
}

impl Protocol {
    /// Every transport that a service can have.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// From the number in the IP header.
    #[must_use]
    #[inline]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            _ => None,
        }
    }

    /// The name in lower case, as in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }

    /// From its name in lower case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.name() == name)
    }
}

/// Ports from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// Every port: what ipvsadm calls port 0.
    pub const ANY: Self = Self {
        first: 0,
        last: u16::MAX,
    };

    /// One port; 0 is [`Self::ANY`].
    #[must_use]
    pub const fn one(port: u16) -> Self {
        if port == 0 {
            Self::ANY
        } else {
            Self {
                first: port,
                last: port,
            }
        }
    }

    /// From `first` to `last`; `None` if that is no port at all.
    #[must_use]
    pub const fn new(first: u16, last: u16) -> Option<Self> {
        if first <= last {
            Some(Self { first, last })
        } else {
            None
        }
    }

    /// The lowest port.
    #[must_use]
    pub const fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    #[must_use]
    pub const fn last(self) -> u16 {
        self.last
    }

    /// Whether it is one port, and which.
    #[must_use]
    #[inline]
    pub const fn single(self) -> Option<u16> {
        if self.first == self.last {
            Some(self.first)
        } else {
            None
        }
    }

    /// Whether `port` is among them.
    #[must_use]
    #[inline]
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    /// How many ports there are besides the first: narrower ranges are looked at before wider ones.
    #[must_use]
    pub const fn span(self) -> u16 {
        self.last - self.first
    }
}

impl fmt::Display for PortRange {
    /// `80`, `8000-8099` or `*`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.single() {
            Some(port) => port.fmt(f),
            None if *self == Self::ANY => f.write_str("*"),
            None => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// A service by protocol, addresses and ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Listen {
    /// Transport.
    pub protocol: Protocol,
    /// The VIP, or all addresses of a network; host bits are zero.
    pub addresses: Prefix,
    /// The vport or vports.
    pub ports: PortRange,
}

impl Listen {
    /// The one address, if it is no network.
    #[must_use]
    pub fn virtual_ip(&self) -> Option<Addr> {
        (self.addresses.len == self.addresses.addr.bits()).then_some(self.addresses.addr)
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            protocol,
            addresses,
            ports,
        } = self;
        write!(f, "{}://", protocol.name())?;
        let len = self.virtual_ip().is_none().then_some(addresses.len);
        match (addresses.addr.is_v4(), len) {
            (true, None) => write!(f, "{}:{ports}", addresses.addr),
            (true, Some(_)) => write!(f, "{addresses}:{ports}"),
            (false, None) => write!(f, "[{}]:{ports}", addresses.addr),
            (false, Some(_)) => write!(f, "[{addresses}]:{ports}"),
        }
    }
}

/// A service by what the classifier says of a packet ([`crate::classifier`]; LVS's fwmark).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark {
    /// Not 0.
    pub mark: u32,
    /// Whether it takes the IPv4 packets of that mark, or the IPv6 ones (`ipvsadm -f N [-6]`).
    pub is_v4: bool,
}

/// What makes a virtual service.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServiceKey {
    /// Packets to an address and port.
    Listen(Listen),
    /// Packets of a mark, whatever their protocol, address and port.
    Mark(Mark),
}

impl ServiceKey {
    /// A service on one address; vport 0 is every port.
    #[must_use]
    pub fn host(protocol: Protocol, virtual_ip: Addr, vport: u16) -> Self {
        Self::Listen(Listen {
            protocol,
            addresses: Prefix {
                addr: virtual_ip,
                len: virtual_ip.bits(),
            },
            ports: PortRange::one(vport),
        })
    }

    /// The family of its clients.
    #[must_use]
    pub fn is_v4(&self) -> bool {
        match self {
            Self::Listen(listen) => listen.addresses.addr.is_v4(),
            Self::Mark(mark) => mark.is_v4,
        }
    }

    /// Its transport; `None` = any.
    #[must_use]
    pub const fn protocol(&self) -> Option<Protocol> {
        match self {
            Self::Listen(listen) => Some(listen.protocol),
            Self::Mark(_) => None,
        }
    }

    /// The addresses it is reached by; `None` = whichever the marked packets have.
    #[must_use]
    pub const fn addresses(&self) -> Option<Prefix> {
        match self {
            Self::Listen(listen) => Some(listen.addresses),
            Self::Mark(_) => None,
        }
    }

    /// Its one address, if it has just one.
    #[must_use]
    pub fn virtual_ip(&self) -> Option<Addr> {
        match self {
            Self::Listen(listen) => listen.virtual_ip(),
            Self::Mark(_) => None,
        }
    }

    /// Its one port; 0 if it has several: as ipvsadm shows it, and the rport of a server that names
    /// none.
    #[must_use]
    pub fn vport(&self) -> u16 {
        match self {
            Self::Listen(listen) => listen.ports.single().unwrap_or(0),
            Self::Mark(_) => 0,
        }
    }
}

impl fmt::Display for ServiceKey {
    /// As in the configuration: `tcp://192.0.2.10:80`, `udp://[2001:db8::/64]:*`, `mark://5`,
    /// `mark6://5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(listen) => listen.fmt(f),
            Self::Mark(Mark { mark, is_v4: true }) => write!(f, "mark://{mark}"),
            Self::Mark(Mark { mark, is_v4: false }) => write!(f, "mark6://{mark}"),
        }
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What makes a real server within its service: RIP and rport.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RealKey {
    /// RIP.
    pub real_ip: Addr,
    /// rport, host order; 0 = the port the client chose.
    pub rport: u16,
}

impl RealKey {
    /// The port that packets to `vport` go to.
    #[must_use]
    #[inline]
    pub const fn port_of(&self, vport: u16) -> u16 {
        if self.rport == 0 { vport } else { self.rport }
    }
}

impl fmt::Display for RealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Endpoint(self.real_ip, self.rport).fmt(f)
    }
}

impl fmt::Debug for RealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An address and a port, written `a.b.c.d:p` or `[v6]:p`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint(pub Addr, pub u16);

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        core::net::SocketAddr::new(self.0.to_ip(), self.1).fmt(f)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Addresses as they are written in the file.

use std::net::{IpAddr, SocketAddr};

use model::addr::{Addr, Prefix, PrefixError};
use model::service::{Listen, Mark, PortRange, Protocol, ServiceKey};

/// `tcp://ADDR:PORT` or `udp://[v6]:PORT`; networks as `tcp://ADDR/LEN:PORT` or
/// `tcp://[v6/LEN]:PORT`, ports as `80`, `8000-8099` or `*`; and `mark://N`, `mark6://N`.
pub(crate) fn listen(text: &str) -> Result<ServiceKey, AddressError> {
    let (scheme, rest) = text.split_once("://").ok_or(AddressError::NoScheme)?;
    if let "mark" | "mark6" = scheme {
        let mark = rest.parse().ok().filter(|mark| *mark != 0);
        let mark = mark.ok_or(AddressError::Mark)?;
        let is_v4 = scheme == "mark";
        return Ok(ServiceKey::Mark(Mark { mark, is_v4 }));
    }
    let protocol = Protocol::from_name(scheme).ok_or(AddressError::Scheme)?;
    let Some((host, ports)) = rest.rsplit_once(':').and_then(|(host, ports)| {
        let ports = if ports == "*" {
            PortRange::ANY
        } else {
            let (first, last) = ports.split_once('-')?;
            PortRange::new(first.parse().ok()?, last.parse().ok()?)
                .filter(|range| range.first() != 0)?
        };
        Some((host, ports))
    }) else {
        return one_port(protocol, rest);
    };
    Ok(ServiceKey::Listen(Listen {
        protocol,
        addresses: addresses(host)?,
        ports,
    }))
}

fn one_port(protocol: Protocol, text: &str) -> Result<ServiceKey, AddressError> {
    if !text.contains('/') {
        let (virtual_ip, port) = server(text)?;
        let vport = port.ok_or(AddressError::NoPort)?;
        return Ok(ServiceKey::host(protocol, virtual_ip, vport));
    }
    let (host, port) = text.rsplit_once(':').ok_or(AddressError::NoPort)?;
    let addresses = addresses(host)?;
    let port = port.parse().ok().filter(|port| *port != 0);
    Ok(ServiceKey::Listen(Listen {
        protocol,
        addresses,
        ports: PortRange::one(port.ok_or(AddressError::Port)?),
    }))
}

/// `ADDR` or `ADDR/LEN`, IPv6 in brackets, without host bits.
fn addresses(text: &str) -> Result<Prefix, AddressError> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    if text.contains(':') && bare == text {
        return Err(AddressError::NotAnAddress);
    }
    let prefix = if bare.contains('/') {
        interface(bare)?
    } else {
        let (addr, _) = server(bare)?;
        Prefix {
            addr,
            len: addr.bits(),
        }
    };
    if prefix.addr != prefix.network() {
        return Err(AddressError::HostBits);
    }
    Ok(prefix)
}

/// `ADDR:PORT` or `ADDR`, IPv6 with a port in brackets.
pub(crate) fn server(text: &str) -> Result<(Addr, Option<u16>), AddressError> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .filter(|inner| inner.contains(':'))
        .unwrap_or(text);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok((unicast(ip)?, None));
    }
    if text.contains('%') {
        return Err(AddressError::Zone);
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        let ip = unicast(socket.ip())?;
        return match socket.port() {
            0 => Err(AddressError::Port),
            port => Ok((ip, Some(port))),
        };
    }
    Err(why_not(text))
}

/// `ADDR/LEN` of an interface.
pub(crate) fn interface(text: &str) -> Result<Prefix, AddressError> {
    let (addr, _) = text.split_once('/').ok_or(PrefixError::NoLen)?;
    let ip = addr.parse().map_err(|_| AddressError::NotAnAddress)?;
    refuse(ip)?;
    let prefix: Prefix = text.parse()?;
    if prefix.len == 0 {
        return Err(AddressError::WholeWorld);
    }
    Ok(prefix)
}

/// The most likely mistake in a text that is no endpoint.
fn why_not(text: &str) -> AddressError {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.parse::<IpAddr>().is_ok() {
        return if port.is_empty() {
            AddressError::NoPort
        } else {
            AddressError::Port
        };
    }
    let like_a_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
    let letters = host.chars().any(|c| c.is_ascii_alphabetic());
    if letters && host.chars().all(like_a_name) {
        return AddressError::HostName;
    }
    AddressError::NotAnAddress
}

/// An address that connections can go to.
fn unicast(ip: IpAddr) -> Result<Addr, AddressError> {
    refuse(ip)?;
    let link_local = matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
    if link_local {
        return Err(AddressError::LinkLocal);
    }
    Ok(Addr::from(ip))
}

fn refuse(ip: IpAddr) -> Result<(), AddressError> {
    let mapped = match ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => v6.to_ipv4_mapped().is_some(),
    };
    if mapped {
        Err(AddressError::Mapped)
    } else if ip.is_unspecified() {
        Err(AddressError::Unspecified)
    } else if ip.is_loopback() {
        Err(AddressError::Loopback)
    } else if Addr::from(ip).is_multicast_or_broadcast() {
        Err(AddressError::Multicast)
    } else {
        Ok(())
    }
}

/// What is wrong with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    #[error("bits of the address are set behind the prefix length")]
    HostBits,
    #[error("host names are not resolved: write the IP address")]
    HostName,
    #[error("a link-local address means another host on each link")]
    LinkLocal,
    #[error("a loopback address never leaves its host")]
    Loopback,
    #[error("an IPv4 address in IPv6 form: write it as IPv4")]
    Mapped,
    #[error("the mark must be 1 to 4294967295")]
    Mark,
    #[error("a multicast or broadcast address is not one host")]
    Multicast,
    #[error("the port is missing")]
    NoPort,
    #[error("the protocol is missing")]
    NoScheme,
    #[error("not an IP address")]
    NotAnAddress,
    #[error("the port must be 1 to 65535")]
    Port,
    #[error(transparent)]
    Prefix(#[from] PrefixError),
    #[error("the protocol must be tcp, udp, sctp, mark or mark6")]
    Scheme,
    #[error("the unspecified address is no address")]
    Unspecified,
    #[error("a prefix of length 0 is the whole internet")]
    WholeWorld,
    #[error("an address with a zone (%) has no meaning here")]
    Zone,
}

impl AddressError {
    /// Whether the text was understood and the address itself is of no use.
    pub(crate) const fn is_unusable(self) -> bool {
        matches!(
            self,
            Self::LinkLocal
                | Self::Loopback
                | Self::Mapped
                | Self::Multicast
                | Self::Unspecified
                | Self::WholeWorld
        )
    }
}

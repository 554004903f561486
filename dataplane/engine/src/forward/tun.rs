// SPDX-License-Identifier: Apache-2.0
//! Tunnelling: the packet travels to its server inside another one (`ip_vs_tunnel_xmit`,
//! `ip_vs_tunnel_xmit_v6`; RFC 2003, RFC 2473, RFC 4213, RFC 2784).
//!
//! ```text
//!   | Ethernet                | IPv4 or IPv6 | payload …          as it came, TTL lowered
//!   | outer IP | GRE or GUE | IPv4 or IPv6 | payload …            as it leaves, any family in any
//! ```
//!
//! TTL and TOS are copied, ECN as RFC 3168 §9.1.1 has it, "don't fragment" of an IPv4 packet too.
//! Inner checksums are not looked at: the server does.

use model::addr::Addr;
use model::tunnel::{GueChecksum, Tunnel, TunnelKind};
use wire::buffer::PacketBuf;
use wire::checksum;
use wire::ethernet::EtherType;
use wire::ipv4::{self, IpProtocol, Ipv4, Ipv4Mut};
use wire::ipv6::{self, Ipv6, Ipv6Mut};
use wire::packet::{Fragment, Kind, Parsed};
use wire::udp::{self, UdpMut};
use wire::{gre, gue};

use crate::forward::nat;
use crate::verdict::DropReason;

/// What an outer header says besides what it copies from the packet inside.
#[derive(Debug, Clone, Copy)]
pub struct Outer {
    /// Its source; of the server's family.
    pub source: Addr,
    /// The server.
    pub destination: Addr,
    /// What stands between the two IP headers.
    pub kind: TunnelKind,
    /// Whether "don't fragment" is copied (`net.ipv4.vs.pmtu_disc`).
    pub copy_dont_fragment: bool,
    /// Identification of an IPv4 header that may be cut.
    pub ident: u16,
    /// The same for all packets of a flow, and different for many of them.
    pub entropy: u64,
}

/// Bytes that a tunnel of that kind to that server puts in front of a packet.
#[must_use]
pub fn overhead(kind: TunnelKind, server: Addr) -> u32 {
    ip_header_len(server) + u32::from(kind.shim_len())
}

/// The largest packet that may be sent through a tunnel on a link of `mtu`, if this one is larger
/// and must not be cut.
///
/// An IPv6 packet of 1280 bytes is never refused, the outer one is cut instead: RFC 2473 §7.1 (b).
#[must_use]
pub fn too_big(bytes: &[u8], parsed: &Parsed, room: u32, pmtu_disc: bool) -> Option<u32> {
    let limit = match parsed.kind {
        Kind::Ipv6 => room.max(IPV6_MTU_MIN),
        Kind::Ipv4 if pmtu_disc && dont_fragment(bytes, parsed) => room.max(IPV4_MTU_MIN),
        Kind::Ipv4 | Kind::Arp | Kind::Other(_) => return None,
    };
    // What came in pieces leaves in pieces; that they fitted does not mean that they still do.
    let longest = match parsed.piece_len {
        0 => parsed.ip_len,
        longest => longest.into(),
    };
    (longest > limit).then_some(limit)
}

/// The outer source of a flow: out of the tunnel's own prefix, else the address of the route.
#[must_use]
pub fn source(tunnel: &Tunnel, entropy: u64, of_route: Addr) -> Addr {
    let Some(prefix) = tunnel.source else {
        return of_route;
    };
    // Half of an IPv6 address is more than any receiver has queues for.
    let free = u32::from(prefix.addr.bits().saturating_sub(prefix.len)).min(u64::BITS);
    // Neither the first address of a subnet, nor, in IPv4, its last (RFC 4291 §2.6.1, RFC 1812
    // §4.2.3.1); subnets of one and two addresses have neither (RFC 3021).
    let reserved: u128 = match (free, prefix.addr.is_v4()) {
        (0 | 1, _) => 0,
        (_, true) => 2,
        (_, false) => 1,
    };
    let hosts = (1u128 << free).saturating_sub(reserved);
    let host = (u128::from(entropy).wrapping_mul(hosts) >> u64::BITS) + reserved.min(1);
    let network = u128::from_be_bytes(*prefix.network().octets());
    Addr::from_octets((network | host).to_be_bytes())
}

/// Wraps a packet: what comes out has no Ethernet header. Returns what a parse of it would.
///
/// # Errors
/// Why it cannot be done; the packet is fit for nothing but a drop then.
pub fn encapsulate<B: PacketBuf>(
    packet: &mut B,
    parsed: &Parsed,
    outer: &Outer,
) -> Result<Parsed, DropReason> {
    let header = outer_header(packet.bytes(), parsed, outer)?;
    let dont_fragment = outer.copy_dont_fragment && dont_fragment(packet.bytes(), parsed);
    // Ethernet padding is not part of the packet.
    packet.truncate(usize::try_from(parsed.frame_len()).unwrap_or(usize::MAX));
    packet
        .trim_front(usize::from(parsed.l3_offset))
        .map_err(|_| DropReason::RxMalformedIp)?;
    let added = header.ip_len.saturating_sub(parsed.ip_len);
    packet
        .prepend(usize::try_from(added).unwrap_or(usize::MAX))
        .map_err(|_| DropReason::NoHeadroom)?;
    write_ip(packet.bytes_mut(), &header, outer, dont_fragment)
        .and_then(|()| write_shim(packet, &header, parsed.kind, outer.kind))
        .map(|()| header)
        .ok_or(DropReason::NoHeadroom)
}

/// The outer packet, as a parse would see it.
fn outer_header(bytes: &[u8], parsed: &Parsed, outer: &Outer) -> Result<Parsed, DropReason> {
    let ip_len = parsed.ip_len + overhead(outer.kind, outer.destination);
    let v4 = outer.destination.is_v4();
    // The payload length of IPv6 does not count its own header.
    let counted = ip_len
        - if v4 {
            0
        } else {
            ip_header_len(outer.destination)
        };
    if u16::try_from(counted).is_err() {
        return Err(DropReason::TunnelTooLong);
    }
    // The TTL is read again: it was lowered since the parse.
    let (ttl, tos) = hops_and_class(bytes, parsed).ok_or(DropReason::RxMalformedIp)?;
    let (source_port, destination_port) = match outer.kind {
        TunnelKind::Gue { port, .. } => (source_port(outer.entropy), port.get()),
        TunnelKind::Ipip | TunnelKind::Gre { .. } => (0, 0),
    };
    Ok(Parsed {
        vlan: None,
        l3_offset: 0,
        kind: if v4 { Kind::Ipv4 } else { Kind::Ipv6 },
        l4_offset: if v4 { IPV4_HEADER } else { IPV6_HEADER },
        ip_len,
        protocol: match outer.kind {
            TunnelKind::Ipip => inner_protocol(parsed.kind),
            TunnelKind::Gre { .. } => IpProtocol::GRE,
            TunnelKind::Gue { .. } => IpProtocol::UDP,
        },
        source: *outer.source.octets(),
        destination: *outer.destination.octets(),
        source_port,
        destination_port,
        tcp_flags: 0,
        fragment: Fragment::None,
        fragment_offset: 0,
        piece_len: 0,
        ttl,
        tos: outer_tos(tos),
        has_options: false,
    })
}

fn write_ip(bytes: &mut [u8], header: &Parsed, outer: &Outer, dont_fragment: bool) -> Option<()> {
    match header.kind {
        Kind::Ipv4 => {
            let mut ip = Ipv4Mut::new_checked(bytes).ok()?;
            ip.set_header_len(u8::try_from(ipv4::HEADER_LEN_MIN).ok()?);
            ip.set_tos(header.tos);
            ip.set_total_len(u16::try_from(header.ip_len).ok()?);
            // RFC 6864 §4.1: the identification of what is never cut means nothing; Linux writes 0.
            let (flags, ident) = if dont_fragment {
                (ipv4::FLAG_DONT_FRAGMENT, 0)
            } else {
                (0, outer.ident)
            };
            ip.set_ident(ident);
            ip.set_flags_and_offset(flags);
            ip.set_ttl(header.ttl);
            ip.set_protocol(header.protocol);
            ip.set_source(outer.source.v4_octets());
            ip.set_destination(outer.destination.v4_octets());
            ip.fill_checksum();
        }
        Kind::Ipv6 => {
            let mut ip = Ipv6Mut::new_checked(bytes).ok()?;
            ip.set_class_and_label(header.tos, 0);
            ip.set_payload_len(u16::try_from(l4_len(header)).ok()?);
            ip.set_next_header(header.protocol);
            ip.set_hop_limit(header.ttl);
            ip.set_source(header.source);
            ip.set_destination(header.destination);
        }
        Kind::Arp | Kind::Other(_) => return None,
    }
    Some(())
}

/// Writes what stands between the IP headers, checksums over the whole packet included.
fn write_shim<B: PacketBuf>(
    packet: &mut B,
    header: &Parsed,
    inner: Kind,
    kind: TunnelKind,
) -> Option<()> {
    let from = usize::from(header.l4_offset);
    match kind {
        TunnelKind::Ipip => {}
        TunnelKind::Gre { checksum } => {
            let protocol = match inner {
                Kind::Ipv6 => EtherType::IPV6,
                Kind::Ipv4 | Kind::Arp | Kind::Other(_) => EtherType::IPV4,
            };
            gre::write(packet.bytes_mut().get_mut(from..)?, protocol, checksum).ok()?;
            if checksum {
                let sum = !sum_from(packet, from);
                gre::set_checksum(packet.bytes_mut().get_mut(from..)?, sum).ok()?;
            }
        }
        TunnelKind::Gue { checksum, .. } => {
            let shim = packet.bytes_mut().get_mut(from..)?;
            gue::write(shim.get_mut(udp::HEADER_LEN..)?, inner_protocol(inner)).ok()?;
            let mut datagram = UdpMut::new_checked(shim).ok()?;
            datagram.set_source_port(header.source_port);
            datagram.set_destination_port(header.destination_port);
            datagram.set_length(u16::try_from(l4_len(header)).ok()?);
            datagram.set_checksum(0);
            match checksum {
                GueChecksum::None => {}
                GueChecksum::Full | GueChecksum::Remote => {
                    let sum = !checksum::add(pseudo(header), sum_from(packet, from));
                    let shim = packet.bytes_mut().get_mut(from..)?;
                    let mut datagram = UdpMut::new_checked(shim).ok()?;
                    datagram.set_checksum(checksum::udp_to_wire(sum));
                }
            }
        }
    }
    Some(())
}

/// Mapped addresses give the sum of the IPv4 pseudo header.
fn pseudo(header: &Parsed) -> u16 {
    let length = l4_len(header);
    checksum::pseudo_v6(&header.source, &header.destination, header.protocol, length)
}

/// Sum over a packet from `from` to its end, tail segments included.
fn sum_from<B: PacketBuf>(packet: &B, from: usize) -> u16 {
    let first = packet.bytes().get(from..).unwrap_or_default();
    if packet.total_len() == packet.bytes().len() {
        return checksum::sum(first);
    }
    // What follows a first segment of odd length would be added the wrong way round.
    let (even, _) = first.split_at(first.len() & !1);
    let rest = nat::sum_of(packet, from + even.len(), packet.total_len());
    checksum::add(checksum::sum(even), rest)
}

/// TTL and TOS of the packet inside, as they are now.
fn hops_and_class(bytes: &[u8], parsed: &Parsed) -> Option<(u8, u8)> {
    let header = bytes.get(usize::from(parsed.l3_offset)..)?;
    match parsed.kind {
        Kind::Ipv4 => Ipv4::new_checked(header)
            .ok()
            .map(|ip| (ip.ttl(), ip.tos())),
        Kind::Ipv6 => Ipv6::new_checked(header)
            .ok()
            .map(|ip| (ip.hop_limit(), ip.traffic_class())),
        Kind::Arp | Kind::Other(_) => None,
    }
}

/// `INET_ECN_encapsulate`: "congestion experienced" stays inside, outside the packet is capable
/// (RFC 3168 §9.1.1, full functionality).
const fn outer_tos(inner: u8) -> u8 {
    if inner & ECN_MASK == ECN_CE {
        inner & !ECN_MASK | ECN_ECT_0
    } else {
        inner
    }
}

fn dont_fragment(bytes: &[u8], parsed: &Parsed) -> bool {
    let header = bytes
        .get(usize::from(parsed.l3_offset)..)
        .unwrap_or_default();
    parsed.kind == Kind::Ipv4
        && Ipv4::new_checked(header).is_ok_and(|header| header.dont_fragment())
}

const fn inner_protocol(inner: Kind) -> IpProtocol {
    match inner {
        Kind::Ipv6 => IpProtocol::IPV6,
        Kind::Ipv4 | Kind::Arp | Kind::Other(_) => IpProtocol::IPIP,
    }
}

/// The UDP source port of a flow: 32768 to 65535, of which Linux uses its own local range
/// (`udp_flow_src_port`).
const fn source_port(entropy: u64) -> u16 {
    GUE_PORT_MIN | (entropy >> 49) as u16
}

fn l4_len(header: &Parsed) -> u32 {
    header.ip_len.saturating_sub(header.l4_offset.into())
}

fn ip_header_len(server: Addr) -> u32 {
    u32::from(if server.is_v4() {
        IPV4_HEADER
    } else {
        IPV6_HEADER
    })
}

/// RFC 3168 §5: the two bits of ECN, and two of their four values.
const ECN_MASK: u8 = 3;
const ECN_ECT_0: u8 = 2;
const ECN_CE: u8 = 3;
/// What every link must carry: RFC 791 §3.2, RFC 8200 §5.
const IPV4_MTU_MIN: u32 = 68;
const IPV6_MTU_MIN: u32 = 1280;
const GUE_PORT_MIN: u16 = 0x8000;
const IPV4_HEADER: u16 = 20;
const IPV6_HEADER: u16 = 40;
const _: () = assert!(IPV4_HEADER as usize == ipv4::HEADER_LEN_MIN);
const _: () = assert!(IPV6_HEADER as usize == ipv6::HEADER_LEN);

#[cfg(test)]
mod tests;

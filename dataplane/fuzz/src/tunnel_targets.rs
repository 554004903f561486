// SPDX-License-Identifier: Apache-2.0
//! The target of GRE, GUE and what is found inside: parsers of the wire crate that routers' errors
//! and strangers reach, and the writers beside them.
#![allow(
    unreachable_pub,
    reason = "public in the fuzz crate, included by path in tests"
)]

use penstock_wire::checksum;
use penstock_wire::ethernet::EtherType;
use penstock_wire::gre::{self, Gre};
use penstock_wire::gue::{self, Gue};
use penstock_wire::ipv4::IpProtocol;
use penstock_wire::packet::Kind;
use penstock_wire::tunnel;
use penstock_wire::udp;

/// `data` is a byte that names the protocol, and what stands behind the outer IP headers.
pub fn tunnel(data: &[u8]) {
    let Some((first, shim)) = data.split_first() else {
        return;
    };
    check_gre(shim);
    check_gue(shim);
    check_inner(of_byte(*first), shim);
    check_written(*first, shim);
}

/// One of the protocols of tunnels, or any other.
const fn of_byte(byte: u8) -> IpProtocol {
    match byte & 7 {
        0 | 1 => IpProtocol::GRE,
        2 | 3 => IpProtocol::UDP,
        4 => IpProtocol::IPIP,
        5 => IpProtocol::IPV6,
        _ => IpProtocol(byte),
    }
}

/// The header is as long as it says, and no shorter view is taken.
fn check_gre(shim: &[u8]) {
    let Ok(view) = Gre::new_checked(shim) else {
        return;
    };
    let len = view.header_len();
    assert!((gre::HEADER_LEN..=16).contains(&len));
    assert_eq!(view.payload(), &shim[len..]);
    assert!(Gre::new_checked(&shim[..len]).is_ok(), "{len}");
    assert!(Gre::new_checked(&shim[..len - 1]).is_err(), "{len}");
    if view.has_checksum() {
        assert_eq!(view.checksum_ok(), checksum::of(shim) == 0);
    } else {
        assert!(view.checksum_ok());
    }
}

fn check_gue(shim: &[u8]) {
    let Ok(view) = Gue::new_checked(shim) else {
        return;
    };
    let len = view.header_len();
    assert_eq!(view.payload(), &shim[len..]);
    if len == 0 {
        // Variant 1: the packet itself.
        let version = if view.protocol() == IpProtocol::IPIP {
            4
        } else {
            6
        };
        assert_eq!(shim[0] >> 4, version);
    } else {
        assert!((gue::HEADER_LEN..=gue::HEADER_LEN + 124).contains(&len));
        assert!(Gue::new_checked(&shim[..len]).is_ok(), "{len}");
        assert!(Gue::new_checked(&shim[..len - 1]).is_err(), "{len}");
    }
}

/// What is found is there, and of the version it is said to be; one GUE port is like another.
fn check_inner(protocol: IpProtocol, shim: &[u8]) {
    let found = tunnel::inner(protocol, shim, |_| true);
    let Some(inner) = found else {
        return;
    };
    assert!(inner.shim_len < shim.len());
    let version = if inner.kind == Kind::Ipv4 { 4 } else { 6 };
    assert_eq!(shim[inner.shim_len] >> 4, version);
    let needed = &shim[..=inner.shim_len];
    assert_eq!(
        tunnel::inner(protocol, needed, |_| true),
        found,
        "more was read"
    );
    let before = &shim[..inner.shim_len];
    assert_eq!(
        tunnel::inner(protocol, before, |_| true),
        None,
        "less was enough"
    );
    let nobody = tunnel::inner(protocol, shim, |_| false);
    assert_eq!(nobody.is_none(), protocol == IpProtocol::UDP);
}

/// What the writers write, the parsers read back.
fn check_written(byte: u8, payload: &[u8]) {
    let (with_sum, v4) = (byte & 0x10 != 0, byte & 0x20 != 0);
    let (ether_type, protocol) = if v4 {
        (EtherType::IPV4, IpProtocol::IPIP)
    } else {
        (EtherType::IPV6, IpProtocol::IPV6)
    };
    let mut room = [0; gre::HEADER_LEN + gre::FIELD_LEN];
    let written = gre::write(&mut room, ether_type, with_sum).unwrap_or_default();
    let mut packet = room[..written].to_vec();
    packet.extend_from_slice(payload);
    if with_sum {
        let sum = checksum::of(&packet);
        assert!(gre::set_checksum(&mut packet, sum).is_ok());
    }
    let read = Gre::new_checked(&packet).map(|view| {
        let whole = view.payload() == payload && view.checksum_ok();
        (view.protocol(), whole)
    });
    assert_eq!(read, Ok((ether_type, true)));
    assert!(gre::write(&mut room[..written - 1], ether_type, with_sum).is_err());

    let mut header = [0; gue::HEADER_LEN];
    assert_eq!(gue::write(&mut header, protocol), Ok(gue::HEADER_LEN));
    let mut packet = vec![0; udp::HEADER_LEN];
    packet.extend_from_slice(&header);
    packet.extend_from_slice(payload);
    let shim_len = udp::HEADER_LEN + gue::HEADER_LEN;
    let found = tunnel::inner(IpProtocol::UDP, &packet, |_| true);
    let right = payload.first().map(|first| first >> 4) == Some(if v4 { 4 } else { 6 });
    assert_eq!(found.map(|inner| inner.shim_len), right.then_some(shim_len));
    assert!(gue::write(&mut header[..gue::HEADER_LEN - 1], protocol).is_err());
}

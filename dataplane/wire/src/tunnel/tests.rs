// SPDX-License-Identifier: Apache-2.0
use super::*;

const GUE_PORT: u16 = 6080;

fn found(protocol: IpProtocol, bytes: &[u8]) -> Option<Inner> {
    inner(protocol, bytes, |port| port == GUE_PORT)
}

#[test]
fn the_inner_packet_is_found_behind_every_shim() {
    let [high, low] = GUE_PORT.to_be_bytes();
    let v4 = |shim_len| {
        Some(Inner {
            shim_len,
            kind: Kind::Ipv4,
        })
    };
    let v6 = |shim_len| {
        Some(Inner {
            shim_len,
            kind: Kind::Ipv6,
        })
    };
    for (protocol, bytes, expected) in [
        (IpProtocol::IPIP, &[0x45][..], v4(0)),
        (IpProtocol::IPV6, &[0x60], v6(0)),
        (IpProtocol::GRE, &[0, 0, 8, 0, 0x45], v4(4)),
        (
            IpProtocol::GRE,
            &[0x80, 0, 0x86, 0xdd, 1, 2, 0, 0, 0x60],
            v6(8),
        ),
        (
            IpProtocol::UDP,
            &[0x80, 0, high, low, 0, 13, 0, 0, 0, 4, 0, 0, 0x45],
            v4(12),
        ),
        (
            IpProtocol::UDP,
            &[0x80, 0, high, low, 0, 13, 0, 0, 0, 41, 0, 0, 0x60],
            v6(12),
        ),
        (
            IpProtocol::UDP,
            &[0x80, 0, high, low, 0, 9, 0, 0, 0x45],
            v4(8),
        ),
    ] {
        assert_eq!(found(protocol, bytes), expected, "{protocol} {bytes:x?}");
    }
}

#[test]
fn what_is_no_tunnel_has_no_inner_packet() {
    for (protocol, bytes) in [
        (IpProtocol::TCP, &[0x45][..]),
        (IpProtocol::IPIP, &[]),
        (IpProtocol::IPIP, &[0x60]),
        (IpProtocol::IPV6, &[0x45]),
        (IpProtocol::GRE, &[0, 0, 8, 6, 0x45]),
        (IpProtocol::GRE, &[0, 0, 8, 0]),
        (
            IpProtocol::UDP,
            &[0x80, 0, 0, 53, 0, 13, 0, 0, 0, 4, 0, 0, 0x45],
        ),
        (
            IpProtocol::UDP,
            &[0x80, 0, 0x17, 0xc0, 0, 13, 0, 0, 0, 6, 0, 0, 0x45],
        ),
        (IpProtocol::UDP, &[0x80, 0, 0x17, 0xc0, 0, 13, 0, 0]),
    ] {
        assert_eq!(found(protocol, bytes), None, "{protocol} {bytes:x?}");
    }
}

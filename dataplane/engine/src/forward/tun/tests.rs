// SPDX-License-Identifier: Apache-2.0
use core::num::NonZeroU16;
use std::format;
use std::string::String;
use std::vec::Vec;

use model::addr::Prefix;
use wire::buffer::TestBuf;
use wire::builder::Frame;
use wire::packet::parse;

use super::*;

const IPIP: TunnelKind = TunnelKind::Ipip;
const GRE: TunnelKind = TunnelKind::Gre { checksum: false };
const GRE_CSUM: TunnelKind = TunnelKind::Gre { checksum: true };

fn gue(checksum: GueChecksum) -> TunnelKind {
    let port = NonZeroU16::new(6080).unwrap();
    TunnelKind::Gue { port, checksum }
}

fn outer(kind: TunnelKind, v4: bool) -> Outer {
    let addr = |v4_text: &str, v6_text: &str| if v4 { v4_text } else { v6_text }.parse().unwrap();
    Outer {
        source: addr("10.1.0.1", "2001:db8:1::1"),
        destination: addr("10.1.0.11", "2001:db8:1::11"),
        kind,
        copy_dont_fragment: true,
        ident: 0x1234,
        entropy: 0xabcd_0000_0000_0000,
    }
}

fn inner(v4: bool) -> Frame {
    if v4 {
        Frame::udp("10.0.0.9:1000", "10.0.0.100:53")
    } else {
        Frame::udp("[2001:db8::9]:1000", "[2001:db8::100]:53")
    }
}

fn wrapped(frame: &[u8], outer: &Outer) -> Vec<u8> {
    let mut packet = TestBuf::new(frame);
    let parsed = parse(frame, frame.len()).unwrap();
    encapsulate(&mut packet, &parsed, outer).unwrap();
    packet.frame()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every kind in both outer families: what stands in front of the inner packet, byte by byte.
/// IPv4 in IPv4 and IPv6 in IPv6 are as recorded from the kernel (`tests/data/oracle/tun_*`).
#[test]
fn golden_headers_of_each_kind_and_family() {
    // A UDP datagram of 8 bytes in IPv4 (28 bytes) or IPv6 (48), TTL 64.
    for (kind, outer_v4, inner_v4, expected) in [
        (IPIP, true, true, "4500003012340000400454900a0100010a01000b"),
        (IPIP, true, false, "45000044123400004029545700000000"),
        (IPIP, false, true, "60000000001c0440"),
        (IPIP, false, false, "6000000000302940"),
        (GRE, true, true, "450000341234000040"),
        (GRE, false, false, "6000000000342f40"),
        (GRE_CSUM, true, true, "450000381234000040"),
        (GRE_CSUM, false, true, "6000000000242f40"),
        (gue(GueChecksum::None), true, true, "4500003c1234000040"),
        (gue(GueChecksum::Full), false, false, "60000000003c1140"),
        (gue(GueChecksum::Remote), false, true, "6000000000281140"),
    ] {
        let frame = inner(inner_v4).build();
        let bytes = wrapped(&frame, &outer(kind, outer_v4));
        let got = hex(&bytes[..expected.len() / 2]);
        // The header checksum of the second is not spelt out.
        let (got, expected) = if outer_v4 {
            (&got[..18], &expected[..18])
        } else {
            (&got[..], expected)
        };
        assert_eq!(got, expected, "{kind} {outer_v4} {inner_v4}");
        let header_len = if outer_v4 { 20 } else { 40 };
        let shim = match (kind, inner_v4) {
            (TunnelKind::Ipip, _) => "",
            (TunnelKind::Gre { checksum: false }, true) => "00000800",
            (TunnelKind::Gre { checksum: false }, false) => "000086dd",
            (TunnelKind::Gre { checksum: true }, true) => "80000800",
            (TunnelKind::Gre { checksum: true }, false) => "800086dd",
            // 0x8000 and the upper bits of the entropy; 6080.
            (TunnelKind::Gue { .. }, _) => "d5e617c0",
        };
        let got = hex(&bytes[header_len..header_len + shim.len() / 2]);
        assert_eq!(got, shim, "{kind} {outer_v4} {inner_v4}");
        if matches!(kind, TunnelKind::Gue { .. }) {
            let gue = hex(&bytes[header_len + 8..header_len + 12]);
            assert_eq!(gue, if inner_v4 { "00040000" } else { "00290000" });
        }
        assert_eq!(
            bytes[header_len + usize::from(kind.shim_len())..],
            frame[14..]
        );
    }
}

#[test]
fn a_gue_checksum_is_the_one_the_kernel_computes() {
    // tests/data/oracle/tun_gue_csum, its first packet; entropy chosen for the kernel's port.
    let port_bits = u64::from(0xa820u16 & 0x7fff) << 49;
    let outer = Outer {
        source: "10.1.0.1".parse().unwrap(),
        destination: "10.1.0.12".parse().unwrap(),
        entropy: port_bits,
        ..outer(gue(GueChecksum::Full), true)
    };
    let inner = "4500003c006540003f06222b0ac804010a000064a4100050000003e800000000a002ffff86810000\
                 020405b40402080a0000000a0000000001030307";
    let mut frame = alloc::vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    let digit = |at: usize| u8::from_str_radix(&inner[at..at + 2], 16).unwrap();
    frame.extend((0..inner.len()).step_by(2).map(digit));
    let bytes = wrapped(&frame, &outer);
    assert_eq!(
        hex(&bytes[..32]),
        "4500005c000040003f1127830a0100010a01000ca82017c0004844c600040000"
    );
}

#[test]
fn ecn_is_kept_outside_but_for_congestion_experienced() {
    for (tos, expected) in [
        (0x28, 0x28),
        (1, 1),
        (2, 2),
        (3, 2),
        (0xbb, 0xba),
        (0xff, 0xfe),
    ] {
        for (outer_v4, inner_v4) in [(true, true), (true, false), (false, true), (false, false)] {
            let bytes = wrapped(&inner(inner_v4).tos(tos).build(), &outer(IPIP, outer_v4));
            let outer_tos = if outer_v4 {
                bytes[1]
            } else {
                bytes[0] << 4 | bytes[1] >> 4
            };
            assert_eq!(outer_tos, expected, "{tos:#x} {outer_v4} {inner_v4}");
        }
    }
}

#[test]
fn dont_fragment_is_copied_from_ipv4_if_asked_and_takes_the_identification() {
    let place = |inner: Frame, copy_dont_fragment| {
        let outer = Outer {
            copy_dont_fragment,
            ..outer(IPIP, true)
        };
        hex(&wrapped(&inner.build(), &outer)[4..8])
    };
    assert_eq!(place(inner(true), true), "12340000");
    assert_eq!(place(inner(true).dont_fragment(), true), "00004000");
    assert_eq!(place(inner(true).dont_fragment(), false), "12340000");
    assert_eq!(place(inner(false), true), "12340000");
}

#[test]
fn the_largest_inner_packets_are_the_kernels() {
    for (kind, v4, v6) in [
        (IPIP, 1480, 1460),
        (GRE, 1476, 1456),
        (GRE_CSUM, 1472, 1452),
        (gue(GueChecksum::None), 1468, 1448),
    ] {
        let room = |server: &str| 1500 - overhead(kind, server.parse().unwrap());
        assert_eq!((room("10.1.0.11"), room("2001:db8::1")), (v4, v6), "{kind}");
    }
}

#[test]
fn what_is_too_big_depends_on_family_df_and_pmtu_disc() {
    let judge = |frame: Frame, room, pmtu_disc| {
        let frame = frame.build();
        let parsed = parse(&frame, frame.len()).unwrap();
        too_big(&frame, &parsed, room, pmtu_disc)
    };
    // 28 and 48 bytes of headers.
    let v4 = |len: usize| inner(true).payload_len(len - 28).dont_fragment();
    let v6 = |len: usize| inner(false).payload_len(len - 48);
    assert_eq!(judge(v4(1480), 1480, true), None);
    assert_eq!(judge(v4(1481), 1480, true), Some(1480));
    assert_eq!(judge(v4(1481), 1480, false), None);
    assert_eq!(judge(inner(true).payload_len(1500), 1480, true), None);
    assert_eq!(judge(v6(1461), 1460, true), Some(1460));
    assert_eq!(judge(v6(1461), 1460, false), Some(1460));
    assert_eq!(judge(v6(1460), 1460, false), None);
    assert_eq!(judge(v6(1280), 1000, true), None, "the outer one is cut");
    assert_eq!(judge(v6(1281), 1000, true), Some(1280));
}

#[test]
fn an_outer_packet_too_long_for_ip_is_refused() {
    let frame = inner(true).payload_len(65_500).build();
    let parsed = parse(&frame, frame.len()).unwrap();
    for (outer_v4, fits) in [(true, false), (false, true)] {
        let mut packet = TestBuf::new(&frame);
        let done = encapsulate(&mut packet, &parsed, &outer(IPIP, outer_v4));
        assert_eq!(done.is_ok(), fits, "65528 + 20 > 65535, + 40 - 40 is not");
    }
}

#[test]
fn a_sum_over_segments_of_odd_length_is_that_of_one_segment() {
    let frame = inner(true).payload_len(333).build();
    let parsed = parse(&frame, frame.len()).unwrap();
    for kind in [GRE_CSUM, gue(GueChecksum::Full)] {
        let outer = outer(kind, true);
        let whole = wrapped(&frame, &outer);
        for first_len in [42, 43, 44, 101, 200, frame.len() - 1] {
            let mut packet = TestBuf::chained(&frame, first_len);
            encapsulate(&mut packet, &parsed, &outer).unwrap();
            assert_eq!(packet.frame(), whole, "{kind} {first_len}");
        }
    }
}

#[test]
fn ethernet_padding_stays_outside() {
    let bare = wrapped(&inner(true).build(), &outer(gue(GueChecksum::Full), true));
    let padded = wrapped(
        &inner(true).padded().build(),
        &outer(gue(GueChecksum::Full), true),
    );
    assert_eq!(bare, padded);
}

#[test]
fn outer_sources_lie_in_their_prefix_and_use_all_of_it() {
    let of_route: Addr = "10.1.0.1".parse().unwrap();
    let all = |prefix: &str| {
        let prefix: Prefix = prefix.parse().unwrap();
        let tunnel = Tunnel {
            kind: IPIP,
            source: Some(prefix),
        };
        let mut seen: Vec<Addr> = (0..4096u64)
            .map(|n| source(&tunnel, n.wrapping_mul(0x9e37_79b9_7f4a_7c15), of_route))
            .collect();
        seen.extend([0, u64::MAX].map(|entropy| source(&tunnel, entropy, of_route)));
        assert!(seen.iter().all(|addr| prefix.contains(*addr)), "{prefix}");
        seen.sort();
        seen.dedup();
        seen
    };
    let texts =
        |prefix: &str| -> Vec<String> { all(prefix).iter().map(|a| format!("{a}")).collect() };
    assert_eq!(texts("172.16.0.5/32"), ["172.16.0.5"]);
    assert_eq!(texts("172.16.0.4/31"), ["172.16.0.4", "172.16.0.5"]);
    assert_eq!(
        texts("172.16.0.4/30"),
        ["172.16.0.5", "172.16.0.6"],
        "no network, no broadcast"
    );
    assert_eq!(
        texts("2001:db8::4/126"),
        ["2001:db8::5", "2001:db8::6", "2001:db8::7"]
    );
    assert!(all("172.16.0.0/16").len() > 3900);
    assert!(all("2001:db8::/32").len() > 4000);
    assert_eq!(source(&Tunnel::default(), 7, of_route), of_route);
}

// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::tcp::flags::{ACK, PSH, SYN};
use crate::udp::Udp;

#[test]
fn a_segment_has_the_bytes_computed_by_hand() {
    let frame = Frame::tcp("192.168.0.1:4660", "192.168.0.2:80")
        .ident(0x1234)
        .dont_fragment()
        .flags(SYN)
        .seq(0x0102_0304)
        .window(0x2000)
        .build();
    assert_eq!(
        frame,
        [
            2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, // Ethernet
            0x45, 0, 0, 40, 0x12, 0x34, 0x40, 0, 64, 6, 0xa7, 0x48, // IPv4
            192, 168, 0, 1, 192, 168, 0, 2, //
            0x12, 0x34, 0, 80, 1, 2, 3, 4, 0, 0, 0, 0, 0x50, 2, 0x20, 0, 0xf8, 0x04, 0, 0,
        ]
    );
}

#[test]
fn lines_describe_what_matters() {
    let quoted = Frame::udp("10.0.0.1:1000", "10.0.0.100:53")
        .ttl(1)
        .payload(b"abc")
        .build_ip();
    let cases = [
        (
            Frame::tcp("10.0.0.1:1000", "10.0.0.100:80")
                .flags(SYN | ACK)
                .seq(1)
                .ack(2),
            "10.0.0.1:1000 > 10.0.0.100:80 tcp SA seq 1 ack 2 ttl 64 len 40",
        ),
        (
            Frame::tcp("[2001:db8::1]:1", "[2001:db8::2]:2")
                .flags(PSH)
                .checksum(0)
                .tos(4),
            "[2001:db8::1]:1 > [2001:db8::2]:2 tcp P seq 1 ack 0 ttl 64 tos 0x04 len 60 \
             BAD tcp checksum",
        ),
        (
            Frame::sctp(
                "10.0.0.1:1",
                "10.0.0.2:2",
                0xab,
                &[(ChunkType::COOKIE_ECHO, b"abcde"), (ChunkType::DATA, b"")],
            ),
            "10.0.0.1:1 > 10.0.0.2:2 sctp tag 0xab chunks 10 0 ttl 64 len 48",
        ),
        (
            Frame::sctp("10.0.0.1:1", "10.0.0.2:2", 0, &[]).checksum(7),
            "10.0.0.1:1 > 10.0.0.2:2 sctp tag 0x0 chunks ttl 64 len 32 BAD sctp checksum",
        ),
        (
            Frame::udp("10.0.0.1:1", "10.0.0.2:2")
                .vlan(7)
                .ident(9)
                .dont_fragment(),
            "vlan 7 10.0.0.1:1 > 10.0.0.2:2 udp ttl 64 id 9 df len 28",
        ),
        (
            Frame::ip("10.0.0.1", "10.0.0.2", IpProtocol::UDP)
                .ident(9)
                .fragment(16, true),
            "10.0.0.1 > 10.0.0.2 udp ttl 64 id 9 fragment 9@16+ len 20",
        ),
        (
            Frame::icmp("10.0.0.100", "10.0.0.1", 11, 0).payload(&quoted),
            "10.0.0.100 > 10.0.0.1 icmp 11/0 rest 0x0 about \
             [10.0.0.1:1000 > 10.0.0.100:53 udp ttl 1 len 31] ttl 64 len 59",
        ),
        (
            Frame::arp_request(SOURCE_MAC, "10.0.0.1", "10.0.0.2"),
            "arp who has 10.0.0.2 tell 10.0.0.1",
        ),
        (
            Frame::ether(EtherType::LLDP).payload(&[0; 3]),
            "ether type 0x88cc len 3",
        ),
        (
            Frame::ether(EtherType::IPV4).payload(&[0x45]),
            "refused: truncated_ipv4 (15 bytes: 020000000002020000000001080045)",
        ),
    ];
    for (frame, line) in cases {
        assert_eq!(describe(&frame.build()), line);
    }
}

#[test]
fn checksums_are_right_unless_a_setter_breaks_them() {
    for (source, destination) in [
        ("10.0.0.1:1", "10.0.0.2:2"),
        ("[2001:db8::1]:1", "[2001:db8::2]:2"),
    ] {
        for len in [0, 1, 2, 3, 1000, 1001] {
            let frames = [
                Frame::tcp(source, destination),
                Frame::udp(source, destination),
                Frame::echo(source, destination, 1, 2),
            ];
            for frame in frames {
                let good = frame.clone().payload_len(len).build();
                assert_eq!(
                    transport_checksum(&good),
                    Checksum::Good,
                    "{}",
                    describe(&good)
                );
                let bad = frame.payload_len(len).checksum(0xfefe).build();
                assert_eq!(
                    transport_checksum(&bad),
                    Checksum::Bad,
                    "{}",
                    describe(&bad)
                );
            }
        }
    }
}

#[test]
fn checksums_that_cannot_be_known_are_absent() {
    let unchecked = Frame::udp("10.0.0.1:1", "10.0.0.2:2").checksum(0).build();
    assert_eq!(transport_checksum(&unchecked), Checksum::Absent);
    let fragment = Frame::udp("10.0.0.1:1", "10.0.0.2:2")
        .fragment(0, true)
        .build();
    assert_eq!(transport_checksum(&fragment), Checksum::Absent);
    assert_eq!(transport_checksum(&[]), Checksum::Absent);
    assert_eq!(ip_checksum(&[]), Checksum::Absent);
    assert_eq!(
        ip_checksum(&Frame::udp("[::2]:1", "[::3]:2").build()),
        Checksum::Absent
    );
}

#[test]
fn the_header_checksum_is_judged_behind_a_tag_too() {
    let frame = Frame::udp("10.0.0.1:1", "10.0.0.2:2").vlan(3);
    assert_eq!(ip_checksum(&frame.build()), Checksum::Good);
    assert_eq!(ip_checksum(&frame.ip_checksum(7).build()), Checksum::Bad);
}

#[test]
fn fragments_put_together_are_the_segment() {
    let frame = Frame::udp("10.0.0.1:1", "10.0.0.2:2").payload_len(100);
    let whole = frame.build_ip().split_off(20);
    let pieces: Vec<u8> = frame
        .fragments(32)
        .iter()
        .flat_map(|piece| piece[34..].to_vec())
        .collect();
    assert_eq!(pieces, whole);
}

#[test]
fn extension_headers_are_chained_and_padded_to_eight_bytes() {
    let packet = Frame::udp("[2001:db8::1]:1", "[2001:db8::2]:2")
        .extension(IpProtocol::HOP_BY_HOP, &[1; 7])
        .extension(IpProtocol::DESTINATION_OPTIONS, &[])
        .build_ip();
    assert_eq!(packet[6], 0);
    assert_eq!(
        packet[40..58],
        [60, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 17, 0]
    );
    assert_eq!(
        Udp::new_checked(&packet[64..]).unwrap().destination_port(),
        2
    );
}

#[test]
#[should_panic(expected = "not an address or address:port: 10.0.0.300")]
fn a_malformed_address_is_the_tests_mistake() {
    drop(Frame::udp("10.0.0.300", "10.0.0.1:1"));
}

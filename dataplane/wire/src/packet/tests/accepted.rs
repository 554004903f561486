// SPDX-License-Identifier: Apache-2.0
use super::*;
use crate::builder::{Frame, SOURCE_MAC, address};
use crate::tcp::flags::{ACK, FIN, SYN};

const CLIENT: &str = "10.0.0.1:1000";
const VIP: &str = "10.0.0.100:80";
const CLIENT6: &str = "[2001:db8::1]:1000";
const VIP6: &str = "[2001:db8::100]:80";

#[test]
fn a_tcp_segment_over_ipv4_gives_every_field() {
    let frame = Frame::tcp(CLIENT, VIP)
        .flags(SYN)
        .ttl(3)
        .tos(0x10)
        .payload(b"abc")
        .build();
    let expected = Parsed {
        vlan: None,
        l3_offset: 14,
        kind: Kind::Ipv4,
        l4_offset: 34,
        ip_len: 43,
        protocol: IpProtocol::TCP,
        source: address("10.0.0.1"),
        destination: address("10.0.0.100"),
        source_port: 1000,
        destination_port: 80,
        tcp_flags: SYN,
        fragment: Fragment::None,
        fragment_offset: 0,
        piece_len: 0,
        ttl: 3,
        tos: 0x10,
        has_options: false,
    };
    assert_eq!(parsed(&frame), expected);
    assert_eq!((expected.l4_len(), expected.frame_len()), (23, 57));
}

#[test]
fn a_udp_datagram_over_ipv6_gives_every_field() {
    let frame = Frame::udp(CLIENT6, VIP6)
        .ttl(9)
        .tos(0xb8)
        .payload(b"abc")
        .build();
    let expected = Parsed {
        vlan: None,
        l3_offset: 14,
        kind: Kind::Ipv6,
        l4_offset: 54,
        ip_len: 51,
        protocol: IpProtocol::UDP,
        source: address("2001:db8::1"),
        destination: address("2001:db8::100"),
        source_port: 1000,
        destination_port: 80,
        tcp_flags: 0,
        fragment: Fragment::None,
        fragment_offset: 0,
        piece_len: 0,
        ttl: 9,
        tos: 0xb8,
        has_options: false,
    };
    assert_eq!(parsed(&frame), expected);
    assert_eq!((expected.l4_len(), expected.frame_len()), (11, 65));
}

#[test]
fn one_tag_of_either_kind_moves_everything_by_four_bytes() {
    for kind in [EtherType::VLAN, EtherType::SERVICE_VLAN] {
        for (source, destination) in [(CLIENT, VIP), (CLIENT6, VIP6)] {
            let plain = parsed(&Frame::tcp(source, destination).build());
            let tagged = parsed(&Frame::tcp(source, destination).tag(kind, 0xe00a).build());
            assert_eq!(
                tagged.vlan,
                Some(10),
                "priority bits are not part of the identifier"
            );
            assert_eq!(tagged.l3_offset, 18);
            assert_eq!(tagged.l4_offset, plain.l4_offset + 4);
            assert_eq!(tagged.source_port, 1000);
        }
    }
}

#[test]
fn ipv4_options_move_the_transport_header() {
    let frame = Frame::tcp(CLIENT, VIP)
        .options(&[7, 7, 4, 0, 0, 0, 0])
        .build();
    let parsed = parsed(&frame);
    assert_eq!((parsed.l4_offset, parsed.has_options), (42, true));
    assert_eq!(parsed.destination_port, 80);
}

#[test]
fn sixty_bytes_of_ipv4_header_are_accepted() {
    let frame = Frame::udp(CLIENT, VIP).options(&[1; 40]).build();
    assert_eq!(parsed(&frame).l4_offset, 74);
}

#[test]
fn ethernet_padding_is_not_part_of_the_packet() {
    let frame = Frame::tcp(CLIENT, VIP).flags(ACK).padded().build();
    assert_eq!(frame.len(), 60);
    assert_eq!(parsed(&frame).ip_len, 40);
    assert_eq!(parsed(&frame).frame_len(), 54);
}

#[test]
fn padding_does_not_stand_in_for_a_missing_transport_header() {
    let frame = Frame::ip("10.0.0.1", "10.0.0.2", IpProtocol::TCP)
        .payload(&[1; 10])
        .padded();
    let frame = frame.build();
    assert_eq!(parse(&frame, frame.len()), Err(ParseError::TruncatedTcp));
}

#[test]
fn payload_in_tail_segments_counts_as_there() {
    let frame = Frame::tcp(CLIENT, VIP).payload_len(1400).build();
    let parsed = parse(&frame[..54], frame.len()).unwrap();
    assert_eq!(parsed.ip_len, 1440);
    assert_eq!(
        parse(&frame[..54], frame.len() - 1),
        Err(ParseError::Ipv4BeyondPacket)
    );
}

#[test]
fn bytes_beyond_the_total_length_are_not_believed() {
    let frame = Frame::tcp(CLIENT, VIP).build();
    assert_eq!(parse(&frame, 53), Err(ParseError::Ipv4BeyondPacket));
    assert_eq!(parse(&frame, 0), Err(ParseError::TruncatedEthernet));
}

#[test]
fn arp_is_recognised_and_not_looked_into() {
    let frame = Frame::arp_request(SOURCE_MAC, "10.0.0.1", "10.0.0.2").build();
    let parsed = parsed(&frame);
    assert_eq!(parsed.kind, Kind::Arp);
    assert!(!parsed.is_ip());
    assert_eq!(
        (parsed.l3_offset, parsed.l4_offset, parsed.frame_len()),
        (14, 0, 0)
    );
}

#[test]
fn other_types_and_lengths_are_named() {
    let lldp = Frame::ether(EtherType::LLDP).payload(&[0; 46]).build();
    assert_eq!(parsed(&lldp).kind, Kind::Other(EtherType::LLDP));
    let stp = Frame::ether(EtherType(38)).payload(&[0x42; 46]).build();
    assert_eq!(parsed(&stp).kind, Kind::Other(EtherType(38)));
    let empty = Frame::ether(EtherType::LLDP).vlan(1).build();
    assert_eq!(parsed(&empty).l3_offset, 18);
}

#[test]
fn icmp_has_no_ports() {
    for (source, destination, protocol) in [
        ("10.0.0.1", "10.0.0.2", IpProtocol::ICMP),
        ("fe80::1", "ff02::1", IpProtocol::ICMPV6),
    ] {
        let parsed = parsed(&Frame::echo(source, destination, 0x1234, 1).build());
        assert_eq!(parsed.protocol, protocol);
        assert_eq!((parsed.source_port, parsed.destination_port), (0, 0));
    }
}

#[test]
fn sctp_has_ports() {
    let frame = Frame::ip("10.0.0.1", "10.0.0.2", IpProtocol::SCTP)
        .payload(&[0x0b, 0x59, 0x0b, 0x5a, 0, 0, 0, 0, 0, 0, 0, 0])
        .build();
    let parsed = parsed(&frame);
    assert_eq!((parsed.source_port, parsed.destination_port), (2905, 2906));
}

#[test]
fn a_protocol_without_ports_may_be_empty() {
    let frame = Frame::ip("10.0.0.1", "224.0.0.18", IpProtocol::VRRP).build();
    assert_eq!(parsed(&frame).protocol, IpProtocol::VRRP);
    assert_eq!(parsed(&frame).l4_len(), 0);
}

#[test]
fn a_udp_flow_behind_extension_headers_is_still_udp() {
    let frame = Frame::udp(CLIENT6, VIP6)
        .extension(IpProtocol::HOP_BY_HOP, &[5, 2, 0, 0, 1, 0])
        .extension(IpProtocol::DESTINATION_OPTIONS, &[1, 4, 0, 0, 0, 0])
        .extension(IpProtocol::ROUTING, &[4, 0, 0, 0, 0, 0])
        .extension(IpProtocol::DESTINATION_OPTIONS, &[0; 20])
        .build();
    let parsed = parsed(&frame);
    assert_eq!(parsed.protocol, IpProtocol::UDP);
    assert_eq!(parsed.l4_offset, 54 + 8 + 8 + 8 + 24);
    assert_eq!((parsed.source_port, parsed.destination_port), (1000, 80));
    assert!(parsed.has_options);
}

#[test]
fn eight_extension_headers_are_walked() {
    let mut frame = Frame::tcp(CLIENT6, VIP6);
    for _ in 0..EXTENSIONS_MAX {
        frame = frame.extension(IpProtocol::DESTINATION_OPTIONS, &[0; 6]);
    }
    assert_eq!(parsed(&frame.build()).protocol, IpProtocol::TCP);
}

#[test]
fn the_longest_extension_headers_do_not_overflow_the_offset() {
    let mut frame = Frame::tcp(CLIENT6, VIP6).flags(FIN);
    for _ in 0..EXTENSIONS_MAX {
        frame = frame.extension(IpProtocol::DESTINATION_OPTIONS, &[0; 2046]);
    }
    let parsed = parsed(&frame.build());
    assert_eq!(parsed.l4_offset, 54 + 8 * 2048);
    assert_eq!(parsed.tcp_flags, FIN);
}

#[test]
fn ipsec_and_no_next_header_end_the_walk() {
    for protocol in [IpProtocol::AH, IpProtocol::ESP, IpProtocol::NO_NEXT_HEADER] {
        let frame = Frame::ip("2001:db8::1", "2001:db8::2", protocol)
            .extension(IpProtocol::DESTINATION_OPTIONS, &[0; 6])
            .payload(&[6, 4, 0, 0])
            .build();
        let parsed = parsed(&frame);
        assert_eq!((parsed.protocol, parsed.l4_offset), (protocol, 62));
        assert_eq!((parsed.source_port, parsed.tcp_flags), (0, 0));
    }
}

#[test]
fn fragments_of_ipv4_have_their_place_and_only_the_first_has_ports() {
    let frames = Frame::udp(CLIENT, VIP)
        .ident(0xbeef)
        .payload_len(40)
        .fragments(16);
    assert_eq!(frames.len(), 3);
    let expected = [
        (Fragment::First, 1000, 0, true),
        (Fragment::Later, 0, 16, true),
        (Fragment::Later, 0, 32, false),
    ];
    for (frame, (fragment, source_port, offset, more)) in frames.iter().zip(expected) {
        let parsed = parsed(frame);
        assert_eq!(
            (parsed.fragment, parsed.source_port),
            (fragment, source_port)
        );
        let place = FragmentPlace {
            ident: 0xbeef,
            offset,
            more,
        };
        assert_eq!(parsed.fragment_place(frame), Some(place));
        assert_eq!(parsed.l4_len(), 16);
    }
}

#[test]
fn fragments_of_ipv6_have_their_place_and_only_the_first_has_ports() {
    let frames = Frame::tcp(CLIENT6, VIP6)
        .extension(IpProtocol::HOP_BY_HOP, &[0; 6])
        .vlan(7)
        .flags(SYN)
        .ident(0xdead_beef)
        .payload_len(12)
        .fragments(24);
    let expected = [
        (Fragment::First, 1000, SYN, 0, true),
        (Fragment::Later, 0, 0, 24, false),
    ];
    assert_eq!(frames.len(), 2);
    for (frame, (fragment, source_port, flags, offset, more)) in frames.iter().zip(expected) {
        let parsed = parsed(frame);
        assert_eq!(
            (parsed.fragment, parsed.source_port),
            (fragment, source_port)
        );
        assert_eq!(
            (parsed.tcp_flags, parsed.protocol),
            (flags, IpProtocol::TCP)
        );
        assert_eq!((parsed.fragment_offset, parsed.l4_offset), (66, 74));
        let place = FragmentPlace {
            ident: 0xdead_beef,
            offset,
            more,
        };
        assert_eq!(parsed.fragment_place(frame), Some(place));
    }
}

#[test]
fn a_first_fragment_of_eight_bytes_gives_ports_without_flags() {
    for (source, destination) in [(CLIENT, VIP), (CLIENT6, VIP6)] {
        let frames = Frame::tcp(source, destination).flags(SYN).fragments(8);
        let first = parsed(&frames[0]);
        assert_eq!(
            (first.source_port, first.destination_port, first.tcp_flags),
            (1000, 80, 0)
        );
    }
}

#[test]
fn an_atomic_fragment_is_a_whole_packet() {
    let frame = Frame::udp(CLIENT6, VIP6).fragment(0, false).build();
    let parsed = parsed(&frame);
    assert_eq!(parsed.fragment, Fragment::None);
    assert_eq!((parsed.source_port, parsed.fragment_offset), (1000, 54));
    assert_eq!(parsed.fragment_place(&frame), None);
}

#[test]
fn the_reserved_byte_of_a_fragment_header_is_not_a_length() {
    let mut frame = Frame::udp(CLIENT6, VIP6)
        .fragment(0, true)
        .payload_len(24)
        .build();
    frame[55] = 3;
    assert_eq!(parsed(&frame).l4_offset, 62);
    assert_eq!(parsed(&frame).source_port, 1000);
}

#[test]
fn a_later_fragment_does_not_take_its_payload_for_extension_headers() {
    let frame = Frame::ip(
        "2001:db8::1",
        "2001:db8::2",
        IpProtocol::DESTINATION_OPTIONS,
    )
    .fragment(1448, false)
    .payload(&[0xff; 8])
    .build();
    let parsed = parsed(&frame);
    assert_eq!(parsed.protocol, IpProtocol::DESTINATION_OPTIONS);
    assert_eq!(parsed.fragment, Fragment::Later);
}

#[test]
fn a_fragment_up_to_the_last_possible_byte_is_accepted() {
    let frame = Frame::ip("10.0.0.1", "10.0.0.2", IpProtocol::UDP)
        .fragment(65_504, false)
        .payload_len(11)
        .build();
    assert_eq!(parsed(&frame).fragment, Fragment::Later);
}

#[test]
fn the_addresses_of_hosts_that_have_none_yet_pass() {
    let dhcp = Frame::udp("0.0.0.0:68", "255.255.255.255:67").build();
    assert_eq!(parsed(&dhcp).source, address("0.0.0.0"));
    let detection = Frame::icmp("::", "ff02::1:ff00:1", 135, 0).build();
    assert_eq!(parsed(&detection).source, [0; 16]);
}

#[test]
fn what_linux_forwards_though_it_is_odd_passes() {
    let odd = [
        (
            "a data offset beyond the segment",
            Frame::tcp(CLIENT, VIP).data_offset(60),
        ),
        (
            "a wrong tcp checksum",
            Frame::tcp(CLIENT, VIP).checksum(0x1234),
        ),
        ("no udp checksum", Frame::udp(CLIENT, VIP).checksum(0)),
        (
            "a udp length beyond the packet",
            Frame::udp(CLIENT, VIP).udp_length(9000),
        ),
        (
            "a udp length short of the packet",
            Frame::udp(CLIENT, VIP).payload(b"abc").udp_length(8),
        ),
        ("all flags", Frame::tcp(CLIENT, VIP).flags(0xff)),
        ("ports of zero", Frame::tcp("10.0.0.1:0", "10.0.0.2:0")),
        ("a time to live of zero", Frame::tcp(CLIENT, VIP).ttl(0)),
        ("source and destination alike", Frame::tcp(VIP, VIP)),
        ("class E source", Frame::tcp("240.0.0.1:1", VIP)),
        (
            "bytes behind the packet",
            Frame::tcp(CLIENT6, VIP6).trailer(&[0xaa; 100]),
        ),
    ];
    for (what, frame) in odd {
        let frame = frame.build();
        assert!(parse(&frame, frame.len()).is_ok(), "{what}");
    }
}

#[test]
fn a_frame_of_any_length_that_has_its_headers_parses_and_any_shorter_one_does_not() {
    let frame = Frame::tcp(CLIENT6, VIP6)
        .vlan(5)
        .extension(IpProtocol::HOP_BY_HOP, &[0; 6])
        .payload_len(100)
        .build();
    let headers = 14 + 4 + 40 + 8 + 20;
    for len in 0..=frame.len() {
        let result = parse(&frame[..len], frame.len());
        assert_eq!(result.is_ok(), len >= headers, "{len} bytes: {result:?}");
    }
}

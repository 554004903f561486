// SPDX-License-Identifier: Apache-2.0
use std::collections::HashSet;
use std::string::ToString;
use std::vec::Vec;

use super::*;
use crate::builder::Frame;

const CLIENT: &str = "10.0.0.1:1000";
const VIP: &str = "10.0.0.100:80";
const CLIENT6: &str = "[2001:db8::1]:1000";
const VIP6: &str = "[2001:db8::100]:80";

fn refused(error: ParseError, cases: &[(&str, Vec<u8>)]) {
    for (what, frame) in cases {
        assert_eq!(parse(frame, frame.len()), Err(error), "{what}");
    }
}

fn tcp() -> Frame {
    Frame::tcp(CLIENT, VIP)
}

fn tcp6() -> Frame {
    Frame::tcp(CLIENT6, VIP6)
}

fn raw(protocol: IpProtocol, payload: &[u8]) -> Frame {
    Frame::ip("10.0.0.1", "10.0.0.2", protocol).payload(payload)
}

fn raw6(protocol: IpProtocol, payload: &[u8]) -> Frame {
    Frame::ip("2001:db8::1", "2001:db8::2", protocol).payload(payload)
}

fn cut(frame: Frame, len: usize) -> Vec<u8> {
    let mut bytes = frame.build();
    bytes.truncate(len);
    bytes
}

#[test]
fn a_cut_ethernet_header() {
    refused(
        ParseError::TruncatedEthernet,
        &[("empty", Vec::new()), ("13 bytes", cut(tcp(), 13))],
    );
}

#[test]
fn a_cut_vlan_tag() {
    refused(
        ParseError::TruncatedVlan,
        &[
            ("no tag", cut(tcp().vlan(1), 14)),
            ("3 bytes of tag", cut(tcp().vlan(1), 17)),
        ],
    );
}

#[test]
fn a_tag_behind_a_tag() {
    refused(
        ParseError::VlanStacked,
        &[
            ("802.1Q twice", tcp().vlan(1).vlan(2).build()),
            (
                "802.1ad then 802.1Q",
                tcp().tag(EtherType::SERVICE_VLAN, 1).vlan(2).build(),
            ),
        ],
    );
}

#[test]
fn a_cut_arp_packet() {
    let arp = Frame::ether(EtherType::ARP);
    refused(
        ParseError::TruncatedArp,
        &[
            ("nothing", arp.build()),
            ("27 bytes", arp.clone().payload(&[0; 27]).build()),
            (
                "27 bytes behind a tag",
                arp.vlan(1).payload(&[0; 27]).build(),
            ),
        ],
    );
}

#[test]
fn a_cut_ipv4_header() {
    refused(
        ParseError::TruncatedIpv4,
        &[("nothing", cut(tcp(), 14)), ("19 bytes", cut(tcp(), 33))],
    );
    let frame = tcp().options(&[1; 12]).build();
    let result = parse(&frame[..40], frame.len());
    assert_eq!(
        result,
        Err(ParseError::TruncatedIpv4),
        "options in the second segment"
    );
}

#[test]
fn another_version_in_ipv4() {
    refused(
        ParseError::Ipv4Version,
        &[
            ("0", tcp().version(0).build()),
            ("6", tcp().version(6).build()),
            ("an ipv6 packet", tcp6().ether_type(EtherType::IPV4).build()),
        ],
    );
}

#[test]
fn an_ipv4_header_length_below_twenty() {
    refused(
        ParseError::Ipv4HeaderLength,
        &[
            ("0", tcp().header_len(0).build()),
            ("16", tcp().header_len(16).build()),
        ],
    );
}

#[test]
fn an_ipv4_total_length_below_the_header() {
    refused(
        ParseError::Ipv4TotalLength,
        &[
            ("0", tcp().ip_length(0).build()),
            ("19", tcp().ip_length(19).build()),
            (
                "below options",
                tcp().options(&[1; 4]).ip_length(23).build(),
            ),
        ],
    );
}

#[test]
fn an_ipv4_total_length_beyond_the_frame() {
    refused(
        ParseError::Ipv4BeyondPacket,
        &[
            ("by one", tcp().ip_length(41).build()),
            ("by much", tcp().ip_length(65_535).build()),
            ("cut by one", cut(tcp(), 53)),
            ("options beyond", tcp().header_len(60).ip_length(60).build()),
        ],
    );
}

#[test]
fn a_wrong_ipv4_header_checksum() {
    refused(
        ParseError::Ipv4Checksum,
        &[
            ("zero", tcp().ip_checksum(0).build()),
            (
                "of the header without its options",
                tcp()
                    .header_len(24)
                    .payload(&[9; 9])
                    .ip_checksum(0x1234)
                    .build(),
            ),
        ],
    );
}

#[test]
fn a_cut_ipv6_header() {
    refused(
        ParseError::TruncatedIpv6,
        &[("nothing", cut(tcp6(), 14)), ("39 bytes", cut(tcp6(), 53))],
    );
}

#[test]
fn another_version_in_ipv6() {
    let long = tcp().payload_len(40).ether_type(EtherType::IPV6);
    refused(
        ParseError::Ipv6Version,
        &[
            ("4", tcp6().version(4).build()),
            ("an ipv4 packet", long.build()),
        ],
    );
}

#[test]
fn an_ipv6_payload_length_beyond_the_frame() {
    refused(
        ParseError::Ipv6BeyondPacket,
        &[
            ("by one", tcp6().ip_length(21).build()),
            ("by much", tcp6().ip_length(65_535).build()),
            ("cut by one", cut(tcp6(), 73)),
        ],
    );
}

#[test]
fn a_jumbogram() {
    let jumbo = tcp6()
        .extension(IpProtocol::HOP_BY_HOP, &[0xc2, 4, 0, 1, 0, 0])
        .ip_length(0);
    refused(
        ParseError::Ipv6Jumbogram,
        &[("payload length 0", jumbo.build())],
    );
}

#[test]
fn a_cut_extension_header() {
    let destination = IpProtocol::DESTINATION_OPTIONS;
    refused(
        ParseError::TruncatedIpv6Extension,
        &[
            ("none of it", raw6(destination, &[]).build()),
            (
                "7 bytes",
                raw6(destination, &[59, 0, 0, 0, 0, 0, 0]).build(),
            ),
            (
                "shorter than it says",
                raw6(destination, &[59, 1, 0, 0, 0, 0, 0, 0, 0, 0]).build(),
            ),
            (
                "a cut fragment header",
                raw6(IpProtocol::FRAGMENT, &[17, 0, 0, 1]).build(),
            ),
            (
                "the longest, cut",
                raw6(IpProtocol::HOP_BY_HOP, &[59, 255, 0, 0, 0, 0, 0, 0]).build(),
            ),
        ],
    );
    let frame = tcp6().extension(destination, &[0; 30]).build();
    let result = parse(&frame[..60], frame.len());
    assert_eq!(
        result,
        Err(ParseError::TruncatedIpv6Extension),
        "in the second segment"
    );
}

#[test]
fn extension_headers_out_of_order() {
    let hop_by_hop = IpProtocol::HOP_BY_HOP;
    refused(
        ParseError::Ipv6ExtensionOrder,
        &[
            (
                "hop-by-hop twice",
                tcp6()
                    .extension(hop_by_hop, &[])
                    .extension(hop_by_hop, &[])
                    .build(),
            ),
            (
                "hop-by-hop second",
                tcp6()
                    .extension(IpProtocol::DESTINATION_OPTIONS, &[])
                    .extension(hop_by_hop, &[])
                    .build(),
            ),
            (
                "hop-by-hop behind a fragment header",
                raw6(hop_by_hop, &[59, 0, 0, 0, 0, 0, 0, 0])
                    .fragment(0, true)
                    .build(),
            ),
            (
                "two fragment headers",
                raw6(IpProtocol::FRAGMENT, &[17, 0, 0, 1, 0, 0, 0, 0, 0, 0])
                    .fragment(0, true)
                    .build(),
            ),
        ],
    );
}

#[test]
fn more_extension_headers_than_the_limit() {
    let mut frame = tcp6();
    for _ in 0..=EXTENSIONS_MAX {
        frame = frame.extension(IpProtocol::DESTINATION_OPTIONS, &[0; 6]);
    }
    refused(ParseError::Ipv6ExtensionChain, &[("nine", frame.build())]);
}

#[test]
fn a_routing_header_of_type_0() {
    let frame = tcp6().extension(IpProtocol::ROUTING, &[0, 1, 0, 0, 0, 0]);
    refused(ParseError::Ipv6RoutingType0, &[("one hop", frame.build())]);
}

#[test]
fn sources_no_packet_on_a_wire_may_have() {
    let from = |source: &str| {
        let to = if source.starts_with('[') { VIP6 } else { VIP };
        Frame::tcp(source, to).build()
    };
    for source in [
        "127.0.0.1:1",
        "127.255.255.255:1",
        "224.0.0.1:1",
        "239.255.255.255:1",
        "255.255.255.255:1",
        "0.0.0.1:1",
        "0.255.0.0:1",
        "[ff02::1]:1",
        "[ff0e::1]:1",
        "[::1]:1",
        "[::ffff:10.0.0.1]:1",
    ] {
        refused(ParseError::MartianSource, &[(source, from(source))]);
    }
}

#[test]
fn destinations_no_packet_on_a_wire_may_have() {
    let to = |destination: &str| {
        let from = if destination.starts_with('[') {
            CLIENT6
        } else {
            CLIENT
        };
        Frame::tcp(from, destination).build()
    };
    for destination in [
        "127.0.0.1:1",
        "0.0.0.0:1",
        "0.0.0.9:1",
        "[::]:1",
        "[::1]:1",
        "[::ffff:10.0.0.100]:80",
    ] {
        refused(
            ParseError::MartianDestination,
            &[(destination, to(destination))],
        );
    }
}

#[test]
fn a_fragment_beyond_the_longest_packet() {
    let udp = IpProtocol::UDP;
    refused(
        ParseError::FragmentTooLong,
        &[
            (
                "ipv4 by one",
                raw(udp, &[0; 12]).fragment(65_504, false).build(),
            ),
            (
                "ipv4 at the last offset",
                raw(udp, &[0; 100]).fragment(65_528, true).build(),
            ),
            (
                "ipv6 by one",
                raw6(udp, &[0; 8]).fragment(65_528, false).build(),
            ),
        ],
    );
}

#[test]
fn a_first_fragment_below_eight_bytes() {
    refused(
        ParseError::TruncatedFragment,
        &[
            (
                "ipv4, empty",
                raw(IpProtocol::TCP, &[]).fragment(0, true).build(),
            ),
            (
                "ipv4, 7 bytes",
                raw(IpProtocol::TCP, &[0; 7]).fragment(0, true).build(),
            ),
            (
                "ipv6, 7 bytes",
                raw6(IpProtocol::UDP, &[0; 7]).fragment(0, true).build(),
            ),
        ],
    );
}

#[test]
fn cut_transport_headers() {
    for (protocol, header_len, error) in [
        (IpProtocol::TCP, 20, ParseError::TruncatedTcp),
        (IpProtocol::UDP, 8, ParseError::TruncatedUdp),
        (IpProtocol::SCTP, 12, ParseError::TruncatedSctp),
        (IpProtocol::ICMP, 8, ParseError::TruncatedIcmp),
        (IpProtocol::ICMPV6, 8, ParseError::TruncatedIcmp),
    ] {
        for len in 0..header_len {
            let payload = std::vec![0x50; len];
            refused(
                error,
                &[
                    ("ipv4", raw(protocol, &payload).build()),
                    ("ipv4, padded", raw(protocol, &payload).padded().build()),
                    ("ipv6", raw6(protocol, &payload).build()),
                ],
            );
        }
        let frame = raw(protocol, &[0x50; 20]).build();
        let result = parse(&frame[..34 + header_len - 1], frame.len());
        assert_eq!(result, Err(error), "in the second segment");
    }
}

#[test]
fn a_tcp_data_offset_below_twenty() {
    refused(
        ParseError::TcpHeaderLength,
        &[
            ("0", tcp().data_offset(0).build()),
            ("16", tcp6().data_offset(16).build()),
        ],
    );
}

#[test]
fn a_udp_length_below_eight() {
    let udp = Frame::udp(CLIENT, VIP);
    refused(
        ParseError::UdpLength,
        &[
            ("0", udp.clone().udp_length(0).build()),
            ("7", udp.udp_length(7).build()),
        ],
    );
}

#[test]
fn every_error_has_a_number_and_a_name_of_its_own() {
    for (number, error) in ParseError::ALL.iter().enumerate() {
        assert_eq!(*error as usize, number, "{error}");
    }
    let names: HashSet<&str> = ParseError::ALL.iter().map(|error| error.name()).collect();
    assert_eq!(names.len(), ParseError::ALL.len());
    assert_eq!(ParseError::UdpLength.to_string(), "udp_length");
}

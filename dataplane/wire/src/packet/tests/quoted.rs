// SPDX-License-Identifier: Apache-2.0
use super::*;
use crate::builder::{Frame, address};

const CLIENT: &str = "10.0.0.1:1000";
const VIP: &str = "10.0.0.100:80";
const CLIENT6: &str = "[2001:db8::1]:1000";
const VIP6: &str = "[2001:db8::100]:80";

#[test]
fn a_quoted_ipv4_packet_gives_every_field() {
    let bytes = Frame::tcp(CLIENT, VIP).ttl(1).payload_len(500).build_ip();
    let expected = Quote {
        kind: Kind::Ipv4,
        l4_offset: 20,
        ip_len: 540,
        protocol: IpProtocol::TCP,
        source: address("10.0.0.1"),
        destination: address("10.0.0.100"),
        source_port: 1000,
        destination_port: 80,
        fragment: Fragment::None,
        ttl: 1,
    };
    assert_eq!(parse_quote(&bytes), Ok(expected));
    assert_eq!(
        parse_quote(&bytes[..28]),
        Ok(expected),
        "eight bytes of TCP are enough"
    );
}

#[test]
fn a_quoted_ipv6_packet_gives_every_field() {
    let bytes = Frame::udp(CLIENT6, VIP6)
        .extension(IpProtocol::DESTINATION_OPTIONS, &[0; 6])
        .ttl(1)
        .payload_len(500)
        .build_ip();
    let expected = Quote {
        kind: Kind::Ipv6,
        l4_offset: 48,
        ip_len: 556,
        protocol: IpProtocol::UDP,
        source: address("2001:db8::1"),
        destination: address("2001:db8::100"),
        source_port: 1000,
        destination_port: 80,
        fragment: Fragment::None,
        ttl: 1,
    };
    assert_eq!(parse_quote(&bytes), Ok(expected));
    assert_eq!(
        parse_quote(&bytes[..56]),
        Ok(expected),
        "eight bytes of UDP are enough"
    );
}

#[test]
fn a_quote_with_less_than_eight_bytes_behind_its_headers_is_refused() {
    let v4 = Frame::tcp(CLIENT, VIP).build_ip();
    let v6 = Frame::tcp(CLIENT6, VIP6).build_ip();
    for missing in 1..=8 {
        assert_eq!(
            parse_quote(&v4[..28 - missing]),
            Err(ParseError::TruncatedQuote)
        );
        assert_eq!(
            parse_quote(&v6[..48 - missing]),
            Err(ParseError::TruncatedQuote)
        );
    }
    assert_eq!(parse_quote(&[]), Err(ParseError::TruncatedQuote));
}

#[test]
fn a_quote_with_a_cut_ip_header_is_refused() {
    assert_eq!(parse_quote(&[0x45; 19]), Err(ParseError::TruncatedIpv4));
    assert_eq!(parse_quote(&[0x60; 39]), Err(ParseError::TruncatedIpv6));
}

#[test]
fn a_quote_of_another_version_is_refused() {
    for version in [0, 5, 7, 15] {
        assert_eq!(
            parse_quote(&[version << 4; 60]),
            Err(ParseError::QuoteVersion)
        );
    }
}

#[test]
fn quoted_options_move_the_ports() {
    let bytes = Frame::tcp(CLIENT, VIP).options(&[1; 8]).build_ip();
    let quote = parse_quote(&bytes).unwrap();
    assert_eq!((quote.l4_offset, quote.source_port), (28, 1000));
    assert_eq!(parse_quote(&bytes[..27]), Err(ParseError::TruncatedQuote));
}

#[test]
fn a_quoted_header_length_below_twenty_is_refused() {
    let bytes = Frame::tcp(CLIENT, VIP).header_len(16).build_ip();
    assert_eq!(parse_quote(&bytes), Err(ParseError::Ipv4HeaderLength));
}

#[test]
fn what_routers_get_wrong_in_a_quote_is_accepted() {
    let odd = [
        Frame::tcp(CLIENT, VIP).ip_checksum(0x1234),
        Frame::tcp(CLIENT, VIP).ip_length(0),
        Frame::tcp(CLIENT, VIP).ip_length(9000),
        Frame::tcp(CLIENT, VIP).ttl(0),
        Frame::udp(CLIENT, VIP).udp_length(0),
    ];
    for frame in odd {
        let quote = parse_quote(&frame.build_ip()).unwrap();
        assert_eq!((quote.source_port, quote.destination_port), (1000, 80));
    }
}

#[test]
fn a_quoted_later_fragment_has_no_ports() {
    let v4 = Frame::ip("10.0.0.1", "10.0.0.2", IpProtocol::UDP).fragment(8, false);
    let v6 = Frame::ip("2001:db8::1", "2001:db8::2", IpProtocol::UDP).fragment(8, false);
    for frame in [v4, v6] {
        let quote = parse_quote(&frame.payload(&[0xff; 8]).build_ip()).unwrap();
        assert_eq!(quote.fragment, Fragment::Later);
        assert_eq!((quote.source_port, quote.destination_port), (0, 0));
    }
}

#[test]
fn a_quoted_first_fragment_has_ports() {
    let bytes = Frame::udp(CLIENT, VIP).fragment(0, true).build_ip();
    let quote = parse_quote(&bytes).unwrap();
    assert_eq!((quote.fragment, quote.source_port), (Fragment::First, 1000));
}

#[test]
fn a_quoted_echo_has_no_ports() {
    let quote = parse_quote(&Frame::echo("10.0.0.1", "10.0.0.2", 7, 8).build_ip()).unwrap();
    assert_eq!(quote.protocol, IpProtocol::ICMP);
    assert_eq!((quote.source_port, quote.destination_port), (0, 0));
}

#[test]
fn a_quoted_ipv6_packet_cannot_name_an_ipv4_flow() {
    let source = Frame::tcp("[::ffff:10.0.0.1]:1000", VIP6).build_ip();
    assert_eq!(parse_quote(&source), Err(ParseError::MartianSource));
    let destination = Frame::tcp(CLIENT6, "[::ffff:10.0.0.100]:80").build_ip();
    assert_eq!(
        parse_quote(&destination),
        Err(ParseError::MartianDestination)
    );
}

#[test]
fn a_quoted_chain_of_extension_headers_is_bounded_too() {
    let mut frame = Frame::tcp(CLIENT6, VIP6);
    for _ in 0..=EXTENSIONS_MAX {
        frame = frame.extension(IpProtocol::DESTINATION_OPTIONS, &[]);
    }
    assert_eq!(
        parse_quote(&frame.build_ip()),
        Err(ParseError::Ipv6ExtensionChain)
    );
}

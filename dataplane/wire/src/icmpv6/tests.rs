// SPDX-License-Identifier: Apache-2.0
use std::vec;
use std::vec::Vec;

use super::*;
use crate::builder::{Checksum, Frame, address, transport_checksum};
use crate::ethernet::EtherType;
use crate::packet::{parse, parse_quote};

fn quoted(payload_len: usize) -> Vec<u8> {
    Frame::tcp("[2001:db8::1]:1000", "[2001:db8::100]:80")
        .ttl(1)
        .tos(0xb8)
        .payload_len(payload_len)
        .build_ip()
}

fn written(error: ErrorMessage, quoted: &[u8]) -> Vec<u8> {
    let mut target = vec![0xee; 2000];
    let (router, client) = (address("2001:db8::100"), address("2001:db8::1"));
    let len = write_error(&mut target, error, router, client, quoted).unwrap();
    assert_eq!(len, error_len(quoted));
    assert!(
        target[len..].iter().all(|byte| *byte == 0xee),
        "wrote beyond its length"
    );
    target.truncate(len);
    target
}

fn framed(ip: &[u8]) -> Vec<u8> {
    Frame::ether(EtherType::IPV6).payload(ip).build()
}

#[test]
fn errors_are_the_types_below_128() {
    assert!(is_error(DESTINATION_UNREACHABLE) && is_error(PACKET_TOO_BIG) && is_error(127));
    assert!(!is_error(ECHO_REQUEST) && !is_error(REDIRECT));
}

#[test]
fn neighbour_discovery_is_133_to_137() {
    let types: Vec<u8> = (0..=255)
        .filter(|number| is_neighbour_discovery(*number))
        .collect();
    assert_eq!(types, [133, 134, 135, 136, 137]);
}

#[test]
fn an_error_has_the_header_linux_gives_it() {
    let bytes = written(hop_limit_exceeded(), &quoted(4));
    let ip = Ipv6::new_checked(&bytes).unwrap();
    assert_eq!(
        (ip.version(), ip.traffic_class(), ip.flow_label()),
        (6, 0, 0)
    );
    assert_eq!((ip.hop_limit(), ip.next_header()), (64, IpProtocol::ICMPV6));
    assert_eq!(usize::from(ip.payload_len()), bytes.len() - 40);
    assert_eq!(ip.source(), address("2001:db8::100"));
    assert_eq!(ip.destination(), address("2001:db8::1"));
}

#[test]
fn each_kind_of_error_has_its_type_code_and_rest() {
    let cases = [
        (unreachable(CODE_PORT_UNREACHABLE), [1, 4, 0, 0, 0, 0]),
        (packet_too_big(1400), [2, 0, 0, 0, 0x05, 0x78]),
        (hop_limit_exceeded(), [3, 0, 0, 0, 0, 0]),
    ];
    for (error, [icmp_type, code, rest @ ..]) in cases {
        let bytes = written(error, &quoted(4));
        assert_eq!(bytes[40..42], [icmp_type, code], "{error:?}");
        assert_eq!(bytes[44..48], rest, "{error:?}");
        assert_eq!(
            transport_checksum(&framed(&bytes)),
            Checksum::Good,
            "{error:?}"
        );
    }
}

#[test]
fn a_short_packet_is_quoted_whole_and_without_padding() {
    let packet = quoted(5);
    let mut padded = packet.clone();
    padded.extend_from_slice(&[0; 3]);
    assert_eq!(written(hop_limit_exceeded(), &padded)[48..], packet);
}

#[test]
fn a_long_packet_is_quoted_up_to_1280_bytes_in_all() {
    let packet = quoted(1401);
    let bytes = written(packet_too_big(1400), &packet);
    assert_eq!(bytes.len(), ERROR_LEN_MAX);
    assert_eq!(bytes[48..], packet[..1232]);
    assert_eq!(transport_checksum(&framed(&bytes)), Checksum::Good);
}

#[test]
fn the_message_parses_and_its_quote_names_the_flow() {
    let bytes = written(hop_limit_exceeded(), &quoted(100));
    let frame = framed(&bytes);
    assert_eq!(
        parse(&frame, frame.len()).unwrap().protocol,
        IpProtocol::ICMPV6
    );
    let quote = parse_quote(&bytes[48..]).unwrap();
    assert_eq!(
        (quote.source_port, quote.destination_port, quote.ttl),
        (1000, 80, 1)
    );
}

#[test]
fn too_small_a_target_is_refused_and_so_is_a_quote_without_header() {
    let packet = quoted(4);
    let (router, client) = ([1; 16], [2; 16]);
    let mut target = vec![0; error_len(&packet) - 1];
    let result = write_error(&mut target, hop_limit_exceeded(), router, client, &packet);
    assert_eq!(result, Err(WireError::NoRoom));
    let result = write_error(
        &mut [0; 200],
        hop_limit_exceeded(),
        router,
        client,
        &packet[..39],
    );
    assert_eq!(result, Err(WireError::Truncated));
}

// SPDX-License-Identifier: Apache-2.0
use std::vec;
use std::vec::Vec;

use super::*;
use crate::builder::{Checksum, Frame, transport_checksum};
use crate::ethernet::EtherType;
use crate::packet::{parse, parse_quote};

const ROUTER: [u8; 4] = [10, 0, 0, 100];
const CLIENT: [u8; 4] = [10, 0, 0, 1];

fn quoted(payload_len: usize) -> Vec<u8> {
    Frame::udp("10.0.0.1:1000", "10.0.0.100:53")
        .tos(0xff)
        .ttl(1)
        .dont_fragment()
        .payload_len(payload_len)
        .build_ip()
}

fn written(error: ErrorMessage, quoted: &[u8]) -> Vec<u8> {
    let mut target = vec![0xee; 2000];
    let len = write_error(&mut target, error, ROUTER, CLIENT, 0x4242, quoted).unwrap();
    assert_eq!(len, error_len(quoted));
    assert!(
        target[len..].iter().all(|byte| *byte == 0xee),
        "wrote beyond its length"
    );
    target.truncate(len);
    target
}

/// As a frame, so that the parser and the checksums can be asked.
fn framed(ip: &[u8]) -> Vec<u8> {
    Frame::ether(EtherType::IPV4).payload(ip).build()
}

#[test]
fn the_fields_of_a_message_are_read() {
    let bytes = [3, 4, 0xab, 0xcd, 0, 0, 0x05, 0xb4, 0x45];
    let view = Icmp::new_checked(&bytes).unwrap();
    assert_eq!(
        (view.icmp_type(), view.code()),
        (DESTINATION_UNREACHABLE, 4)
    );
    assert_eq!(view.checksum(), 0xabcd);
    assert_eq!(view.rest(), 1460);
    assert_eq!(view.next_hop_mtu(), 1460);
    assert_eq!(view.payload(), [0x45]);
}

#[test]
fn an_echo_has_identifier_and_sequence() {
    let bytes = Frame::echo("10.0.0.1", "10.0.0.2", 0x1234, 7)
        .payload(b"ping")
        .build_ip();
    let view = Icmp::new_checked(&bytes[20..]).unwrap();
    assert_eq!((view.icmp_type(), view.code()), (ECHO_REQUEST, 0));
    assert_eq!((view.echo_ident(), view.echo_sequence()), (0x1234, 7));
    assert_eq!(view.payload(), b"ping");
}

#[test]
fn seven_bytes_are_no_message() {
    assert_eq!(
        Icmp::new_checked(&[0; 7]).unwrap_err(),
        WireError::Truncated
    );
    assert_eq!(
        IcmpMut::new_checked(&mut [0; 7]).unwrap_err(),
        WireError::Truncated
    );
}

#[test]
fn what_is_set_is_read_back() {
    let mut bytes = [0; 8];
    let mut header = IcmpMut::new_checked(&mut bytes).unwrap();
    header.set_type(TIME_EXCEEDED, 1);
    header.set_checksum(0xabcd);
    header.set_rest(0x0102_0304);
    assert_eq!(header.checksum(), 0xabcd);
    assert_eq!(bytes, [11, 1, 0xab, 0xcd, 1, 2, 3, 4]);
}

#[test]
fn errors_are_the_types_linux_never_answers_with_errors() {
    let errors: Vec<u8> = (0..=255).filter(|number| is_error(*number)).collect();
    assert_eq!(errors, [3, 4, 5, 11, 12]);
}

#[test]
fn an_error_has_the_header_linux_gives_it() {
    let bytes = written(ErrorMessage::ttl_exceeded(), &quoted(4));
    let ip = Ipv4::new_checked(&bytes).unwrap();
    assert_eq!(
        ip.tos(),
        0xde,
        "precedence 6 and the four bits of the quoted packet's tos"
    );
    assert_eq!(
        (ip.ttl(), ip.ident(), ip.flags_and_offset()),
        (64, 0x4242, 0)
    );
    assert_eq!((ip.source(), ip.destination()), (ROUTER, CLIENT));
    assert_eq!(usize::from(ip.total_len()), bytes.len());
    assert!(ip.checksum_ok());
}

#[test]
fn each_kind_of_error_has_its_type_code_and_rest() {
    let cases = [
        (
            ErrorMessage::unreachable(CODE_PORT_UNREACHABLE),
            [3, 3, 0, 0, 0, 0],
        ),
        (
            ErrorMessage::unreachable(CODE_HOST_UNREACHABLE),
            [3, 1, 0, 0, 0, 0],
        ),
        (
            ErrorMessage::fragmentation_needed(1480),
            [3, 4, 0, 0, 0x05, 0xc8],
        ),
        (ErrorMessage::ttl_exceeded(), [11, 0, 0, 0, 0, 0]),
    ];
    for (error, [icmp_type, code, rest @ ..]) in cases {
        let bytes = written(error, &quoted(4));
        assert_eq!(bytes[20..22], [icmp_type, code], "{error:?}");
        assert_eq!(bytes[24..28], rest, "{error:?}");
        assert_eq!(
            transport_checksum(&framed(&bytes)),
            Checksum::Good,
            "{error:?}"
        );
    }
}

#[test]
fn a_short_packet_is_quoted_whole_and_without_padding() {
    let packet = quoted(4);
    let mut padded = packet.clone();
    padded.extend_from_slice(&[0; 14]);
    let bytes = written(ErrorMessage::ttl_exceeded(), &padded);
    assert_eq!(bytes[28..], packet);
}

#[test]
fn a_long_packet_is_quoted_up_to_576_bytes_in_all() {
    let packet = quoted(1400);
    let bytes = written(ErrorMessage::ttl_exceeded(), &packet);
    assert_eq!(bytes.len(), ERROR_LEN_MAX);
    assert_eq!(bytes[28..], packet[..548]);
    assert_eq!(transport_checksum(&framed(&bytes)), Checksum::Good);
}

#[test]
fn the_message_parses_and_its_quote_names_the_flow() {
    let bytes = written(
        ErrorMessage::unreachable(CODE_PORT_UNREACHABLE),
        &quoted(100),
    );
    let frame = framed(&bytes);
    let parsed = parse(&frame, frame.len()).unwrap();
    assert_eq!(parsed.protocol, IpProtocol::ICMP);
    let quote = parse_quote(&bytes[28..]).unwrap();
    assert_eq!(
        (quote.source_port, quote.destination_port, quote.ttl),
        (1000, 53, 1)
    );
}

#[test]
fn too_small_a_target_is_refused_and_so_is_a_quote_without_header() {
    let packet = quoted(4);
    let mut target = vec![0; error_len(&packet) - 1];
    let error = ErrorMessage::ttl_exceeded();
    let result = write_error(&mut target, error, ROUTER, CLIENT, 0, &packet);
    assert_eq!(result, Err(WireError::NoRoom));
    let result = write_error(&mut [0; 100], error, ROUTER, CLIENT, 0, &packet[..19]);
    assert_eq!(result, Err(WireError::Truncated));
    let result = write_error(&mut [], error, ROUTER, CLIENT, 0, &packet);
    assert_eq!(result, Err(WireError::NoRoom));
}

#[test]
fn a_quoted_length_of_zero_still_quotes_the_header() {
    let packet = Frame::udp("10.0.0.1:1", "10.0.0.2:2")
        .ip_length(0)
        .build_ip();
    let bytes = written(ErrorMessage::ttl_exceeded(), &packet);
    assert_eq!(bytes.len(), 28 + 20);
}

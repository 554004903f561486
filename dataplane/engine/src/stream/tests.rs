// SPDX-License-Identifier: Apache-2.0
//! The client's address, segment by segment, and over lossy ways to both sides.

mod ftp;
mod lossy;

use std::borrow::ToOwned;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use wire::builder::{Checksum, Frame, transport_checksum};
use wire::packet::parse;
use wire::tcp::Tcp;
use wire::tcp::flags::{ACK, FIN, PSH, RST, SYN, URG};

use crate::path::tests::from_server;
use crate::testing::{Bench, Outcome};
use crate::verdict::{DropReason, Verdict};

const V1: &[u8] = b"PROXY TCP4 10.0.0.9 10.0.0.100 1000 80\r\n";
/// Its length.
const H: u32 = 40;
/// Sequence numbers of the client's and the server's SYN.
const C: u32 = 0xffff_fff0;
const S: u32 = 5000;

fn bench(way: &str) -> Bench {
    Bench::new(&format!(
        "service tcp 10.0.0.100:80 rr {way}
         real 10.1.0.11:8080 nat
         service tcp [2001:db8::100]:80 rr {way}
         real [2001:db8:1::11]:8080 nat"
    ))
}

fn client(seq: u32, flags: u8) -> Frame {
    Frame::tcp("10.0.0.9:1000", "10.0.0.100:80")
        .seq(seq)
        .flags(flags)
}

fn server(seq: u32, flags: u8) -> Frame {
    Frame::tcp("10.1.0.11:8080", "10.0.0.9:1000")
        .seq(seq)
        .flags(flags)
}

/// A segment that came out: numbers, flags, options and payload; its checksums are right.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sent {
    seq: u32,
    ack: u32,
    flags: u8,
    options: Vec<u8>,
    payload: Vec<u8>,
}

fn sent(outcome: &Outcome) -> Sent {
    assert!(matches!(outcome.verdict, Verdict::Send { .. }), "{outcome}");
    assert_eq!(transport_checksum(&outcome.frame), Checksum::Good);
    let parsed = parse(&outcome.frame, outcome.frame.len()).unwrap();
    assert_eq!(parsed.frame_len() as usize, outcome.frame.len());
    let tcp = Tcp::new_checked(&outcome.frame[usize::from(parsed.l4_offset)..]).unwrap();
    Sent {
        seq: tcp.sequence(),
        ack: tcp.acknowledgment(),
        flags: tcp.flags(),
        options: tcp.options().to_vec(),
        payload: tcp.payload().to_vec(),
    }
}

/// What the server gets of a client's segment.
#[track_caller]
fn to_server(bench: &mut Bench, frame: &Frame) -> Vec<Sent> {
    bench.send(0, &frame.build()).iter().map(sent).collect()
}

/// What the client gets of a server's segment.
#[track_caller]
fn to_client(bench: &mut Bench, frame: Frame) -> Sent {
    let outcomes = bench.send(1, &from_server(frame));
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    sent(&outcomes[0])
}

/// The server gets a segment with that number and payload, and no other.
#[track_caller]
fn gets(bench: &mut Bench, frame: &Frame, seq: u32, payload: &[u8]) {
    let sent = to_server(bench, frame);
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!((sent[0].seq, &sent[0].payload[..]), (seq, payload));
}

/// SYN and SYN+ACK have passed, unchanged.
fn opened(way: &str) -> Bench {
    let mut bench = bench(way);
    gets(&mut bench, &client(C, SYN), C, b"");
    let back = to_client(&mut bench, server(S, SYN | ACK).ack(C.wrapping_add(1)));
    assert_eq!((back.seq, back.ack), (S, C.wrapping_add(1)));
    bench
}

fn at(offset: u32) -> u32 {
    C.wrapping_add(1).wrapping_add(offset)
}

fn with_header(payload: &[u8]) -> Vec<u8> {
    [V1, payload].concat()
}

#[test]
fn the_handshakes_last_segment_brings_the_header() {
    assert_eq!(V1.len(), H as usize);
    let mut bench = opened("proxy_v1");
    gets(&mut bench, &client(at(0), ACK).ack(S + 1), at(0), V1);
    // The server has it: it greets, and its acknowledgment is of nothing the client sent.
    let back = to_client(
        &mut bench,
        server(S + 1, ACK | PSH).ack(at(H)).payload(b"220"),
    );
    assert_eq!((back.ack, &back.payload[..]), (at(0), &b"220"[..]));
    gets(&mut bench, &client(at(0), ACK).ack(S + 4), at(H), b"");
    gets(
        &mut bench,
        &client(at(0), ACK).payload(b"EHLO"),
        at(H),
        b"EHLO",
    );
    gets(
        &mut bench,
        &client(at(4), ACK | FIN).ack(S + 4),
        at(H + 4),
        b"",
    );
    let back = to_client(&mut bench, server(S + 4, ACK).ack(at(H + 5)));
    assert_eq!(back.ack, at(5));
}

#[test]
fn version_2_is_binary_and_of_either_family() {
    let mut bench = opened("proxy_v2");
    let sent = to_server(&mut bench, &client(at(0), ACK).payload(b"x"));
    assert_eq!(sent[0].payload.len(), 28 + 1);
    assert_eq!(sent[0].payload[16..24], [10, 0, 0, 9, 10, 0, 0, 100]);
    let client = |seq, flags| {
        let frame = Frame::tcp("[2001:db8::9]:1000", "[2001:db8::100]:80");
        frame.seq(seq).flags(flags)
    };
    to_server(&mut bench, &client(7, SYN));
    let sent = to_server(&mut bench, &client(8, ACK).payload(b"x"));
    assert_eq!((sent[0].seq, sent[0].payload.len()), (8, 52 + 1));
    assert!(
        sent[0]
            .payload
            .starts_with(b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24")
    );
    assert_eq!(sent[0].payload[48..], [0x03, 0xe8, 0, 80, b'x']);
}

#[test]
fn the_header_comes_again_until_the_server_has_it() {
    let mut bench = opened("proxy_v1");
    gets(&mut bench, &client(at(0), ACK), at(0), V1);
    // It was lost: the server repeats its SYN, the client its answer.
    to_client(&mut bench, server(S, SYN | ACK).ack(at(0)));
    gets(&mut bench, &client(at(0), ACK), at(0), V1);
    // Lost again; data come, and come once more.
    for _ in 0..2 {
        gets(
            &mut bench,
            &client(at(0), ACK).payload(b"GET"),
            at(0),
            &with_header(b"GET"),
        );
    }
    // Half of it is acknowledged.
    let back = to_client(&mut bench, server(S + 1, ACK).ack(at(H / 2)));
    assert_eq!(back.ack, at(0));
    gets(
        &mut bench,
        &client(at(0), ACK).payload(b"GET"),
        at(0),
        &with_header(b"GET"),
    );
    let back = to_client(&mut bench, server(S + 1, ACK).ack(at(H + 1)));
    assert_eq!(back.ack, at(1));
    gets(
        &mut bench,
        &client(at(0), ACK).payload(b"GET"),
        at(H),
        b"GET",
    );
}

#[test]
fn later_data_overtake_the_header() {
    let mut bench = opened("proxy_v1");
    gets(
        &mut bench,
        &client(at(3), ACK).payload(b" /"),
        at(H + 3),
        b" /",
    );
    gets(
        &mut bench,
        &client(at(0), ACK).payload(b"GET"),
        at(0),
        &with_header(b"GET"),
    );
    // A probe of the idle client stands in front of its last byte.
    to_client(&mut bench, server(S + 1, ACK).ack(at(H + 5)));
    gets(&mut bench, &client(at(4), ACK), at(H + 4), b"");
}

#[test]
fn the_servers_sack_is_told_in_the_clients_numbers() {
    let mut bench = opened("proxy_v1");
    gets(&mut bench, &client(at(0), ACK), at(0), V1);
    let edges = [at(H + 10), at(H + 20)].map(u32::to_be_bytes).concat();
    let option = [&[1, 1, 5, 10], &edges[..]].concat();
    let ack = server(S + 1, ACK).ack(at(H)).tcp_options(&option);
    let back = to_client(&mut bench, ack);
    let edges = [at(10), at(20)].map(u32::to_be_bytes).concat();
    assert_eq!(back.options[4..], edges);
}

#[test]
fn a_full_segment_follows_its_header() {
    for (flags, len) in [(ACK, 1460), (ACK | FIN, 1421), (ACK | URG, 1)] {
        let mut bench = opened("proxy_v1");
        let data = vec![b'd'; len];
        let sent = to_server(&mut bench, &client(at(0), flags).ack(S + 1).payload(&data));
        assert_eq!(sent.len(), 2);
        assert_eq!((sent[0].seq, &sent[0].payload[..]), (at(0), V1));
        assert_eq!((sent[0].ack, sent[0].flags), (S + 1, ACK));
        assert_eq!((sent[1].seq, &sent[1].payload), (at(H), &data));
        assert_eq!((sent[1].ack, sent[1].flags), (S + 1, flags));
    }
    let mut bench = opened("proxy_v1");
    let fits = vec![b'd'; 1420];
    gets(
        &mut bench,
        &client(at(0), ACK).payload(&fits),
        at(0),
        &with_header(&fits),
    );
}

#[test]
fn without_a_buffer_for_the_header_the_segment_is_dropped() {
    let mut bench = opened("proxy_v1");
    bench.set_pool(0);
    let full = client(at(0), ACK).payload(&[0; 1460]).build();
    let outcomes = bench.send(0, &full);
    assert_eq!(outcomes[0].verdict, Verdict::Drop(DropReason::NoHeadroom));
}

#[test]
fn a_reset_hits_the_number_that_the_server_waits_for() {
    // Nothing sent, header sent, header known to be lost, header there.
    let mut bench = opened("proxy_v1");
    gets(&mut bench, &client(at(0), RST), at(0), b"");
    let mut bench = opened("proxy_v1");
    gets(&mut bench, &client(at(0), ACK), at(0), V1);
    gets(&mut bench, &client(at(0), RST), at(H), b"");
    let mut bench = opened("proxy_v1");
    gets(&mut bench, &client(at(0), ACK), at(0), V1);
    to_client(&mut bench, server(S + 1, ACK).ack(at(0)));
    gets(&mut bench, &client(at(0), RST), at(0), b"");
    let mut bench = opened("proxy_v1");
    gets(&mut bench, &client(at(0), ACK), at(0), V1);
    to_client(&mut bench, server(S + 1, ACK).ack(at(H)));
    gets(&mut bench, &client(at(0), RST), at(H), b"");
}

#[test]
fn a_new_syn_begins_anew() {
    let mut bench = opened("proxy_v1");
    // Its answer never came: the client tries with another number.
    gets(&mut bench, &client(100, SYN), 100, b"");
    gets(&mut bench, &client(101, ACK), 101, V1);
}

#[test]
fn data_in_a_syn_are_left_to_be_sent_again() {
    let mut bench = bench("proxy_v1");
    let cookie = [34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1];
    let syn = client(C, SYN).tcp_options(&cookie).payload(b"GET");
    let sent = to_server(&mut bench, &syn);
    assert_eq!(
        (&sent[0].payload[..], &sent[0].options[..]),
        (&b""[..], &cookie[..])
    );
    gets(
        &mut bench,
        &client(at(0), ACK).payload(b"GET"),
        at(0),
        &with_header(b"GET"),
    );
    // Bytes from both sides of the header's place are nobody's.
    let across = client(C, ACK).payload(b"xG").build();
    let outcomes = bench.send(0, &across);
    assert_eq!(outcomes[0].verdict, Verdict::Drop(DropReason::StreamCut));
}

#[test]
fn places_are_freed_with_their_connections() {
    let mut bench = Bench::new(
        "flows 1024
         service tcp 10.0.0.100:80 rr proxy_v1
         real 10.1.0.11:8080 nat",
    );
    for round in 0..3 {
        for port in 1..1000 {
            let from = format!("10.0.0.9:{port}");
            let syn = Frame::tcp(&from, "10.0.0.100:80").flags(SYN).build();
            let outcomes = bench.send(0, &syn);
            assert!(
                matches!(outcomes[0].verdict, Verdict::Send { .. }),
                "round {round}, port {port}: {outcomes:?}"
            );
        }
        bench.advance(core::time::Duration::from_secs(200));
        for _ in 0..100 {
            bench.tick();
        }
        assert_eq!(bench.flow_count(), 0);
    }
}

#[test]
fn toa_stands_in_segments_that_acknowledge_the_syn_alone() {
    const OPTION: [u8; 8] = [254, 8, 0x03, 0xe8, 10, 0, 0, 9];
    let mut bench = opened("toa");
    let has = |sent: &[Sent]| sent[0].options.starts_with(&OPTION);
    // Before the server's number is known it would be a guess, in a SYN it must not be.
    let sent = to_server(&mut bench, &client(at(0), ACK).ack(S + 1));
    assert!(has(&sent), "{sent:?}");
    assert_eq!((sent[0].seq, sent[0].ack), (at(0), S + 1));
    let data = client(at(0), ACK | PSH).ack(S + 1).tcp_options(&[1; 12]);
    let sent = to_server(&mut bench, &data.payload(b"GET"));
    assert!(has(&sent) && sent[0].options[8..] == [1; 12], "{sent:?}");
    assert_eq!((sent[0].seq, &sent[0].payload[..]), (at(0), &b"GET"[..]));
    // The server's data come, and are acknowledged.
    let back = to_client(&mut bench, server(S + 1, ACK).ack(at(3)).payload(b"200"));
    assert_eq!((back.seq, back.ack), (S + 1, at(3)));
    let sent = to_server(&mut bench, &client(at(3), ACK).ack(S + 4));
    assert!(sent[0].options.is_empty());
    let sent = to_server(&mut bench, &client(at(3), RST | ACK).ack(S + 1));
    assert!(sent[0].options.is_empty());
}

#[test]
fn toa_is_left_out_where_there_is_no_room() {
    let mut bench = opened("toa");
    for frame in [
        client(at(0), ACK).payload(&[0; 1453]),
        client(at(0), ACK).tcp_options(&[1; 36]),
    ] {
        let sent = to_server(&mut bench, &frame.ack(S + 1));
        assert!(!sent[0].options.starts_with(&[254]), "{sent:?}");
    }
    assert_eq!(bench.board(0).worker.toa_no_room.get(), 2);
    let frame = client(at(0), ACK).payload(&[0; 1452]).ack(S + 1);
    assert!(
        to_server(&mut bench, &frame)[0]
            .options
            .starts_with(&[254, 8])
    );
    assert_eq!(bench.board(0).worker.toa_no_room.get(), 2);
}

#[test]
fn toa_over_ipv6_has_twenty_bytes() {
    let mut bench = bench("toa");
    let client = |seq, flags| {
        let frame = Frame::tcp("[2001:db8::9]:1000", "[2001:db8::100]:80");
        frame.seq(seq).flags(flags)
    };
    to_server(&mut bench, &client(7, SYN));
    let answer = Frame::tcp("[2001:db8:1::11]:8080", "[2001:db8::9]:1000");
    to_client(&mut bench, answer.flags(SYN | ACK).seq(S).ack(8));
    let sent = to_server(&mut bench, &client(8, ACK).ack(S + 1));
    let mut expected = vec![254, 20, 0x03, 0xe8];
    expected.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    assert_eq!(sent[0].options, expected);
}

#[test]
fn an_error_tells_each_sender_its_own_number() {
    let number = |frame: &[u8]| {
        let parsed = parse(frame, frame.len()).unwrap();
        let quoted = &frame[usize::from(parsed.l4_offset) + 8..];
        let ihl = usize::from(quoted[0] & 15) * 4;
        assert_eq!(
            wire::checksum::of(&frame[usize::from(parsed.l4_offset)..]),
            0
        );
        u32::from_be_bytes(quoted[ihl + 4..ihl + 8].try_into().unwrap())
    };
    let mut bench = opened("proxy_v1");
    gets(
        &mut bench,
        &client(at(0), ACK).payload(b"GET"),
        at(0),
        &with_header(b"GET"),
    );
    // A router behind the director cannot pass on what the client sent behind the header.
    for (offset, told) in [(0, 0), (H, 0), (H + 1460, 1460)] {
        let segment = Frame::tcp("10.0.0.9:1000", "10.1.0.11:8080").seq(at(offset));
        let error = Frame::icmp("10.1.0.254", "10.0.0.9", 3, 4).payload(&segment.build_ip());
        let outcomes = bench.send(1, &from_server(error));
        assert!(
            matches!(outcomes[0].verdict, Verdict::Send { .. }),
            "{outcomes:?}"
        );
        assert_eq!(number(&outcomes[0].frame), at(told));
    }
    // What the server sent has its own numbers on both sides.
    let segment = Frame::tcp("10.0.0.100:80", "10.0.0.9:1000").seq(S + 7);
    let error = Frame::icmp("10.0.0.254", "10.0.0.100", 3, 4).payload(&segment.build_ip());
    let outcomes = bench.send(0, &error.build());
    assert!(
        matches!(outcomes[0].verdict, Verdict::Send { .. }),
        "{outcomes:?}"
    );
    assert_eq!(number(&outcomes[0].frame), S + 7);
}

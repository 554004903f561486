// SPDX-License-Identifier: Apache-2.0
//! SCTP services.

use wire::builder::{Checksum, transport_checksum};
use wire::sctp::ChunkType;

use super::*;
use crate::sctp_state::SctpState;
use crate::state::State;

const SCTP: &str = "
    service sctp 10.0.0.100:132 rr
    real 10.1.0.11:1132 nat
    real 10.1.0.12:1132 nat
    service sctp 10.0.0.101:132 rr
    real 10.1.0.12:132 dr
    service sctp [2001:db8::100]:132 rr
    real [2001:db8:1::11]:1132 nat
";
const CLIENT: &str = "10.0.0.9:5000";
const VIP: &str = "10.0.0.100:132";
const SERVER: &str = "10.1.0.12:1132";

fn chunk(source: &str, destination: &str, kind: ChunkType) -> Frame {
    Frame::sctp(source, destination, 7, &[(kind, &[0xaa; 16])])
}

fn state(bench: &Bench) -> State {
    bench.connections(0)[0].state
}

#[test]
fn an_association_through_nat_from_init_to_its_end() {
    let mut bench = Bench::new(SCTP);
    let real = bench.real(SERVER);
    // Who sends what, the state after it (as in the kernel's recorded case) and how long it lasts.
    let story = [
        (true, ChunkType::INIT, SctpState::Init1, 4),
        (false, ChunkType::INIT_ACK, SctpState::CookieSent, 61),
        (true, ChunkType::COOKIE_ECHO, SctpState::CookieReplied, 61),
        (false, ChunkType::COOKIE_ACK, SctpState::Established, 900),
        (true, ChunkType::DATA, SctpState::Established, 900),
        (false, ChunkType::SACK, SctpState::Established, 900),
        (true, ChunkType::SHUTDOWN, SctpState::ShutdownReceived, 61),
        (
            false,
            ChunkType::SHUTDOWN_ACK,
            SctpState::ShutdownAckSent,
            61,
        ),
        (true, ChunkType::SHUTDOWN_COMPLETE, SctpState::Closed, 61),
    ];
    for (from_client, kind, after, seconds) in story {
        let (out, expected) = if from_client {
            let out = bench.send(0, &chunk(CLIENT, VIP, kind).build());
            (out, format!("{CLIENT} > {SERVER} sctp"))
        } else {
            let out = bench.send(1, &from_server(chunk(SERVER, CLIENT, kind)));
            (out, format!("{VIP} > {CLIENT} sctp"))
        };
        assert_eq!(out.len(), 1);
        assert!(describe(&out[0].frame).starts_with(&expected), "{}", out[0]);
        assert_eq!(transport_checksum(&out[0].frame), Checksum::Good);
        assert_eq!(state(&bench), State::Sctp(after), "{kind:?}");
        assert_eq!(bench.connections(0)[0].expires_ms, seconds * 1000);
        let load = bench.load(real);
        let active = u32::from(after == SctpState::Established);
        assert_eq!((load.active, load.inactive), (active, 1 - active));
    }
}

#[test]
fn nobodys_packets_go_to_linux_unless_sloppy() {
    for kind in 0..16 {
        let kind = ChunkType(kind);
        let mut bench = Bench::new(SCTP);
        let frame = chunk(CLIENT, VIP, kind).build();
        let line = only(bench.say(0, &frame));
        let opens = kind == ChunkType::INIT;
        let fate = if opens { "send 1" } else { "punt 0 local" };
        assert!(line.starts_with(fate), "{kind:?}: {line}");
        bench.apply("sysctl sloppy_sctp 1");
        let line = only(bench.say(0, &frame));
        let stays = kind == ChunkType::ABORT;
        let fate = if stays { "punt 0 local" } else { "send 1" };
        assert!(line.starts_with(fate), "{kind:?}, sloppy: {line}");
    }
}

#[test]
fn a_packet_without_a_chunk_opens_nothing() {
    for sloppy in [0, 1] {
        let mut bench = Bench::new(SCTP);
        bench.apply(&format!("sysctl sloppy_sctp {sloppy}"));
        let line = only(bench.say(0, &Frame::sctp(CLIENT, VIP, 0, &[]).build()));
        assert!(line.starts_with("drop rx_malformed_l4"), "{line}");
        assert_eq!(bench.flow_count(), 0);
    }
}

#[test]
fn one_without_a_chunk_follows_its_association_and_changes_nothing() {
    let mut bench = Bench::new(SCTP);
    bench.send(0, &chunk(CLIENT, VIP, ChunkType::INIT).build());
    let line = only(bench.say(0, &Frame::sctp(CLIENT, VIP, 0, &[]).build()));
    assert!(line.starts_with("send 1"), "{line}");
    assert_eq!(state(&bench), State::Sctp(SctpState::Init1));
}

#[test]
fn where_answers_do_not_pass_the_cookie_establishes() {
    let mut bench = Bench::new(SCTP);
    let vip = "10.0.0.101:132";
    bench.send(0, &chunk(CLIENT, vip, ChunkType::INIT).build());
    let line = only(bench.say(0, &chunk(CLIENT, vip, ChunkType::COOKIE_ECHO).build()));
    assert!(line.starts_with("send 1 to 10.1.0.12"), "{line}");
    assert_eq!(state(&bench), State::Sctp(SctpState::Established));
}

#[test]
fn an_init_on_a_closed_association_is_scheduled_anew() {
    for (mode, connections) in [(1, 2), (0, 1)] {
        let mut bench = Bench::new(SCTP);
        bench.apply(&format!("sysctl conn_reuse_mode {mode}"));
        bench.send(0, &chunk(CLIENT, VIP, ChunkType::INIT).build());
        bench.send(0, &chunk(CLIENT, VIP, ChunkType::INIT).build());
        assert_eq!(bench.board(0).worker.connections.get(), 1, "not over yet");
        bench.send(0, &chunk(CLIENT, VIP, ChunkType::ABORT).build());
        assert_eq!(state(&bench), State::Sctp(SctpState::Closed));
        bench.send(0, &chunk(CLIENT, VIP, ChunkType::DATA).build());
        bench.send(0, &chunk(CLIENT, VIP, ChunkType::INIT).build());
        assert_eq!(bench.board(0).worker.connections.get(), connections);
        assert_eq!(bench.flow_count(), 1);
    }
}

#[test]
fn ipv6_associations_are_translated_too() {
    let mut bench = Bench::new(SCTP);
    let init = chunk("[2001:db8::9]:5000", "[2001:db8::100]:132", ChunkType::INIT);
    let out = bench.send(0, &init.build());
    let line = describe(&out[0].frame);
    let expected = "[2001:db8::9]:5000 > [2001:db8:1::11]:1132 sctp tag 0x7 chunks 1";
    assert!(line.starts_with(expected), "{line}");
    assert_eq!(transport_checksum(&out[0].frame), Checksum::Good);
}

#[test]
fn icmp_errors_about_an_association_are_translated() {
    let mut bench = Bench::new(SCTP);
    bench.send(0, &chunk(CLIENT, VIP, ChunkType::INIT).build());
    let cause = chunk(CLIENT, SERVER, ChunkType::INIT).build_ip();
    let error = Frame::icmp("10.1.0.12", "10.0.0.9", 3, 2).payload(&cause);
    let out = bench.send(1, &from_server(error));
    let quoted = chunk(CLIENT, VIP, ChunkType::INIT).build_ip();
    let expected = Frame::icmp("10.0.0.100", "10.0.0.9", 3, 2)
        .payload(&quoted)
        .ttl(63)
        .build_ip();
    assert_eq!(out[0].frame[14..], expected, "{}", out[0]);
    let from_client = Frame::icmp("10.0.0.9", "10.0.0.100", 3, 1)
        .payload(&chunk(VIP, CLIENT, ChunkType::INIT_ACK).build_ip()[..28]);
    let line = only(bench.say(0, &from_client.build()));
    assert!(line.starts_with("send 1 to 10.1.0.12"), "{line}");
    assert!(
        line.contains("about [10.1.0.12:1132 > 10.0.0.9:5000"),
        "{line}"
    );
}

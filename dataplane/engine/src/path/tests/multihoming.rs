// SPDX-License-Identifier: Apache-2.0
//! SCTP associations of several paths.

use wire::builder::{Checksum, transport_checksum};
use wire::sctp::ChunkType;

use super::*;
use crate::testing::Outcome;

const SCTP: &str = "
    service sctp 10.0.0.100:132 rr
    real 10.1.0.11:1132 nat
    real 10.1.0.12:1132 nat
    real 10.1.0.13:1132 nat
    service sctp 10.0.0.101:132 rr
    real 10.1.0.11:132 dr
    real 10.1.0.12:132 dr
    real 10.1.0.13:132 dr
    service sctp 10.0.0.102:132 rr
    real 10.1.0.11:132 dr
    real 10.1.0.12:132 dr
    real 10.1.0.13:132 dr
    service sctp 10.0.0.103:132 rr
    real 10.1.0.11:132 ipip
    real 10.1.0.12:132 ipip
    real 10.1.0.13:132 ipip
";
/// The tags that the two ends of an association chose.
const OF_SERVER: u32 = 0x5e5e_0000;
const OF_CLIENT: u32 = 0xc1c1_0000;

/// An association of the client `host`, which has the addresses 192.0.2.`host` and
/// 198.51.100.`host`.
#[derive(Debug, Clone, Copy)]
struct Association {
    host: u16,
    vip: u16,
}

impl Association {
    fn cport(self) -> u16 {
        // Two clients have the same port, as signalling does.
        3000 + self.host % 2
    }

    fn tag(self, base: u32) -> u32 {
        base + u32::from(self.host)
    }

    fn client_says(self, net: &str, kind: ChunkType) -> Vec<u8> {
        let tag = if kind == ChunkType::INIT {
            0
        } else {
            self.tag(OF_SERVER)
        };
        let source = format!("{net}.{}:{}", self.host, self.cport());
        let vip = format!("10.0.0.{}:132", self.vip);
        Frame::sctp(&source, &vip, tag, &[(kind, b"0123456789abcdef")]).build()
    }

    fn server_says(self, server: u8, net: &str, kind: ChunkType) -> Vec<u8> {
        let source = format!("10.1.0.{server}:1132");
        let to = format!("{net}.{}:{}", self.host, self.cport());
        let chunks: [(ChunkType, &[u8]); 1] = [(kind, b"0123456789abcdef")];
        from_server(Frame::sctp(&source, &to, self.tag(OF_CLIENT), &chunks))
    }

    /// Establishes it over the first path; gives the last octet of its server.
    fn establish(self, bench: &mut Bench, receiver: usize) -> u8 {
        let init = self.client_says("192.0.2", ChunkType::INIT);
        let server = served(&bench.deliver(receiver, 0, &init).1);
        if self.vip == 100 {
            let answer = self.server_says(server, "192.0.2", ChunkType::INIT_ACK);
            bench.deliver(receiver, 1, &answer);
        }
        let cookie = self.client_says("192.0.2", ChunkType::COOKIE_ECHO);
        assert_eq!(served(&bench.deliver(receiver, 0, &cookie).1), server);
        if self.vip == 100 {
            let answer = self.server_says(server, "192.0.2", ChunkType::COOKIE_ACK);
            translated(&bench.deliver(receiver, 1, &answer).1);
        }
        server
    }
}

/// The last octet of the server that a packet was sent to.
#[track_caller]
fn served(out: &[Outcome]) -> u8 {
    assert_eq!(out.len(), 1, "{:#?}", lines(out));
    assert!(
        matches!(out[0].verdict, Verdict::Send { port } if port.0 == 1),
        "{}",
        out[0]
    );
    out[0].frame[5]
}

/// A packet went to the client from the VIP.
#[track_caller]
fn translated(out: &[Outcome]) {
    assert_eq!(out.len(), 1, "{:#?}", lines(out));
    let line = describe(&out[0].frame);
    assert!(line.starts_with("10.0.0.100:132 > "), "{}", out[0]);
    assert_eq!(transport_checksum(&out[0].frame), Checksum::Good);
}

#[test]
fn the_other_address_of_a_client_reaches_the_same_server() {
    for workers in [1, 4] {
        for vip in [100, 101, 103] {
            let mut bench = Bench::new(&format!("workers {workers}\n{SCTP}"));
            let all: Vec<(Association, u8)> = (1..=24u16)
                .map(|host| Association { host, vip })
                .map(|one| {
                    (
                        one,
                        one.establish(&mut bench, usize::from(one.host) % workers),
                    )
                })
                .collect();
            assert_eq!(bench.flow_count(), 24);
            for (one, server) in &all {
                let receiver = usize::from(one.host * 3) % workers;
                for kind in [ChunkType::HEARTBEAT, ChunkType::DATA] {
                    let frame = one.client_says("198.51.100", kind);
                    let (_, out) = bench.deliver(receiver, 0, &frame);
                    assert_eq!(served(&out), *server, "{workers} workers, {one:?}");
                }
            }
            assert_eq!(bench.flow_count(), 48, "each path has its flow");
            for view in (0..workers).flat_map(|worker| bench.connections(worker)) {
                assert_eq!(view.state.name(), "ESTABLISHED", "{view:?}");
            }
        }
    }
}

#[test]
fn a_server_that_speaks_to_the_other_address_first_is_translated() {
    for workers in [1, 4] {
        let mut bench = Bench::new(&format!("workers {workers}\n{SCTP}"));
        for host in 1..=24u16 {
            let one = Association { host, vip: 100 };
            let receiver = usize::from(host) % workers;
            let server = one.establish(&mut bench, receiver);
            let probe = one.server_says(server, "198.51.100", ChunkType::HEARTBEAT);
            translated(&bench.deliver(receiver, 1, &probe).1);
            let answer = one.client_says("198.51.100", ChunkType::HEARTBEAT_ACK);
            assert_eq!(served(&bench.deliver(receiver, 0, &answer).1), server);
        }
        assert_eq!(bench.flow_count(), 48);
    }
}

#[test]
fn another_address_of_the_director_leads_to_the_same_server() {
    for workers in [1, 4] {
        let mut bench = Bench::new(&format!("workers {workers}\n{SCTP}"));
        for host in 1..=12u16 {
            let one = Association { host, vip: 101 };
            let server = one.establish(&mut bench, 0);
            let other = Association { host, vip: 102 };
            let frame = other.client_says("198.51.100", ChunkType::DATA);
            assert_eq!(served(&bench.deliver(0, 0, &frame).1), server);
        }
    }
}

#[test]
fn a_guess_finds_nothing() {
    for workers in [1, 4] {
        let mut bench = Bench::new(&format!("workers {workers}\n{SCTP}"));
        let one = Association { host: 1, vip: 100 };
        let server = one.establish(&mut bench, 0);
        let to = "10.0.0.100:132";
        let right = one.tag(OF_SERVER);
        for (source, tag) in [
            ("198.51.100.1:3001", right ^ 1),
            ("198.51.100.1:3001", 0),
            ("198.51.100.1:3002", right),
        ] {
            let frame = Frame::sctp(source, to, tag, &[(ChunkType::DATA, b"x")]).build();
            let (_, out) = bench.deliver(0, 0, &frame);
            assert!(matches!(out[0].verdict, Verdict::Punt { .. }), "{}", out[0]);
        }
        // Nor does a server that is not the association's, or another chunk of nobody's.
        for other in (11..=13).filter(|other| *other != server) {
            let frame = one.server_says(other, "198.51.100", ChunkType::HEARTBEAT);
            let (_, out) = bench.deliver(0, 1, &frame);
            assert!(describe(&out[0].frame).starts_with("10.1.0."), "{}", out[0]);
        }
        assert_eq!(bench.flow_count(), 1);
    }
}

#[test]
fn a_new_association_from_the_other_address_is_scheduled() {
    let mut bench = Bench::new(SCTP);
    let one = Association { host: 1, vip: 100 };
    let server = one.establish(&mut bench, 0);
    let init = one.client_says("198.51.100", ChunkType::INIT);
    assert_ne!(served(&bench.deliver(0, 0, &init).1), server, "round robin");
}

#[test]
fn a_deleted_server_is_not_resumed_and_its_slots_next_tenant_neither() {
    for workers in [1, 4] {
        let mut bench = Bench::new(&format!("workers {workers}\n{SCTP}"));
        let one = Association { host: 1, vip: 101 };
        let server = one.establish(&mut bench, 0);
        bench.apply(&format!(
            "at sctp 10.0.0.101:132\ndelete-real 10.1.0.{server}:132"
        ));
        let frame = one.client_says("198.51.100", ChunkType::DATA);
        let (_, out) = bench.deliver(0, 0, &frame);
        assert!(matches!(out[0].verdict, Verdict::Punt { .. }), "{}", out[0]);
        bench.advance(Duration::from_secs(1000));
        for _ in 0..4 {
            bench.advance(Duration::from_secs(1));
        }
        bench.release();
        bench.apply("at sctp 10.0.0.101:132\nreal 10.1.0.14:132 dr");
        let (_, out) = bench.deliver(0, 0, &frame);
        assert!(matches!(out[0].verdict, Verdict::Punt { .. }), "{}", out[0]);
    }
}

#[test]
fn the_path_is_known_after_its_flow_has_ended() {
    let mut bench = Bench::new(&format!("workers 4\n{SCTP}"));
    let one = Association { host: 1, vip: 100 };
    let server = one.establish(&mut bench, 0);
    bench.advance(Duration::from_secs(901));
    for _ in 0..4 {
        bench.advance(Duration::from_secs(1));
    }
    assert_eq!(bench.flow_count(), 0);
    let frame = one.client_says("192.0.2", ChunkType::DATA);
    assert_eq!(served(&bench.deliver(0, 0, &frame).1), server);
}

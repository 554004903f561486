// SPDX-License-Identifier: Apache-2.0
//! QUIC services: connection ids name servers.

use super::*;
use crate::testing::Outcome;

const QUIC: &str = "
    service udp 10.0.0.100:443 rr quic=2/2
    real 10.1.0.11:443 nat 1 0 0 quic=0a0b
    real 10.1.0.12:443 nat 1 0 0 quic=0a0c
    real 10.1.0.13:443 dr 1 0 0 quic=0a0d
    real 10.1.0.14:443
    service udp 10.0.0.101:443 rr
    real 10.1.0.14:443
";
const VIP: &str = "10.0.0.100:443";

/// A connection id of config 2 that names a server.
fn id_of(server: [u8; 2]) -> [u8; 8] {
    let [a, b] = server;
    [0x40 | 0x11, a, b, 1, 2, 3, 4, 5]
}

fn short(id: &[u8]) -> Vec<u8> {
    [&[0x41], id, &[0xee; 30]].concat()
}

fn long(first: u8, id: &[u8]) -> Vec<u8> {
    let len = u8::try_from(id.len()).expect("a short id");
    [&[first, 0, 0, 0, 1, len], id, &[0; 40]].concat()
}

fn datagram(client: &str, payload: &[u8]) -> Vec<u8> {
    Frame::udp(client, VIP).payload(payload).build()
}

/// The last octet of the server that a packet was sent to.
fn served(out: &[Outcome]) -> u8 {
    assert_eq!(out.len(), 1, "{:#?}", lines(out));
    assert!(matches!(out[0].verdict, Verdict::Send { port } if port.0 == 1));
    out[0].frame[5]
}

#[test]
fn a_client_that_changes_address_keeps_its_server() {
    for workers in [1, 4] {
        let mut bench = Bench::new(&format!("workers {workers}\n{QUIC}"));
        for (server, octet) in [([0x0a, 0x0b], 11), ([0x0a, 0x0c], 12), ([0x0a, 0x0d], 13)] {
            for host in 1..=12u16 {
                let receiver = usize::from(host) % workers;
                let client = format!("192.0.2.{host}:{}", 1000 + u16::from(octet));
                for payload in [short(&id_of(server)), long(0xe0, &id_of(server))] {
                    let (_, out) = bench.deliver(receiver, 0, &datagram(&client, &payload));
                    assert_eq!(served(&out), octet, "{workers} workers, {client}");
                }
            }
        }
        assert_eq!(bench.flow_count(), 36, "each has its flow");
    }
}

#[test]
fn the_flow_takes_what_names_nobody() {
    let mut bench = Bench::new(QUIC);
    let client = "192.0.2.1:5000";
    let out = bench.send(0, &datagram(client, &short(&id_of([0x0a, 0x0c]))));
    assert_eq!(served(&out), 12);
    for payload in [
        long(0xc0, &[9; 8]),
        short(&[0; 8]),
        short(&[]),
        Vec::from(*b"x"),
        Vec::new(),
    ] {
        assert_eq!(served(&bench.send(0, &datagram(client, &payload))), 12);
    }
    let answer = Frame::udp("10.1.0.12:443", client).payload(b"answer");
    let out = bench.send(1, &from_server(answer));
    assert!(describe(&out[0].frame).starts_with("10.0.0.100:443 > 192.0.2.1:5000 udp"));
    assert_eq!(bench.flow_count(), 1);
}

#[test]
fn initial_packets_and_ids_of_nobody_are_scheduled() {
    let payloads = [
        // A client's invention that looks like a server's id.
        long(0xc0, &id_of([0x0a, 0x0b])),
        long(0xd0, &id_of([0x0a, 0x0b])),
        // Another config, "unroutable", a server that is not there, too short an id.
        short(&[0x20, 0x0a, 0x0b, 0, 0, 0]),
        short(&[0xe0, 0x0a, 0x0b, 0, 0, 0]),
        short(&id_of([0xff, 0xff])),
        vec![0x41, 0x40, 0x0a],
        // No QUIC at all.
        vec![],
        vec![0xc0, 0, 0],
    ];
    let mut bench = Bench::new(QUIC);
    let mut order = Vec::new();
    for (cport, payload) in (1000..).zip(&payloads) {
        let client = format!("192.0.2.1:{cport}");
        order.push(served(&bench.send(0, &datagram(&client, payload))));
    }
    assert_eq!(order, [14, 13, 12, 11, 14, 13, 12, 11], "round robin");
}

#[test]
fn a_packet_that_names_another_server_moves_the_flow() {
    let mut bench = Bench::new(QUIC);
    let client = "192.0.2.1:5000";
    for (server, octet) in [([0x0a, 0x0b], 11), ([0x0a, 0x0c], 12), ([0x0a, 0x0b], 11)] {
        let out = bench.send(0, &datagram(client, &short(&id_of(server))));
        assert_eq!(served(&out), octet);
        assert_eq!(bench.flow_count(), 1);
    }
    // In a service without ids the same bytes mean nothing.
    for server in [[0x0a, 0x0b], [0x0a, 0x0c]] {
        let frame = Frame::udp(client, "10.0.0.101:443").payload(&short(&id_of(server)));
        assert_eq!(served(&bench.send(0, &frame.build())), 14);
    }
}

#[test]
fn quiesced_and_draining_servers_keep_their_clients_and_deleted_ones_do_not() {
    let mut bench = Bench::new(QUIC);
    let to_12 = |client| datagram(client, &short(&id_of([0x0a, 0x0c])));
    bench.apply(&format!(
        "at udp {VIP}\nedit-real 10.1.0.12:443 nat 0 0 0 quic=0a0c"
    ));
    assert_eq!(served(&bench.send(0, &to_12("192.0.2.1:1"))), 12);
    bench.apply("drain-real 10.1.0.12:443");
    assert_eq!(served(&bench.send(0, &to_12("192.0.2.1:2"))), 12);
    bench.apply("delete-real 10.1.0.12:443");
    assert_ne!(served(&bench.send(0, &to_12("192.0.2.1:3"))), 12);
    // Another one takes over its name.
    bench.apply("edit-real 10.1.0.14:443 nat 1 0 0 quic=0a0c");
    assert_eq!(served(&bench.send(0, &to_12("192.0.2.1:4"))), 14);
}

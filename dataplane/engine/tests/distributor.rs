// SPDX-License-Identifier: Apache-2.0
//! FullNAT behind ports whose hash is known: a software distributor hands every packet to the
//! worker that a NIC would, by a real Toeplitz key and table. No packet may have to be passed on.
//!
//! `cargo test --release -p penstock-engine --test distributor` sends a million connections.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "integration tests are built without cfg(test)"
)]

use model::ids::WorkerId;
use model::rss::RssInput;
use model::service::Protocol;
use model::snapshot::Spread;
use penstock_engine::flow_table::FlowKey;
use penstock_engine::rss::RssPorts;
use penstock_engine::testing::Bench;
use penstock_engine::verdict::Verdict;
use wire::buffer::TestBuf;
use wire::builder::Frame;
use wire::ethernet::MacAddress;
use wire::ipv4::from_mapped;
use wire::packet::{Parsed, parse};
use wire::tcp::flags::{ACK, SYN};
use wire::toeplitz::toeplitz;

const CONNECTIONS: u32 = if cfg!(debug_assertions) {
    20_000
} else {
    1_000_000
};

const DIRECTOR: &str = "
    pool p 10.1.0.200 10.1.0.201 10.1.0.202 10.1.0.203 2001:db8:1::200 2001:db8:1::201
    service tcp 10.0.0.100:80 rr pool=p
    real 10.1.0.11:80 fullnat
    real 10.1.0.12:80 fullnat
    real 10.1.0.13:80 fullnat
    real 10.1.0.14:80 fullnat
    service udp [2001:db8::100]:53 rr pool=p
    real [2001:db8:1::11]:53 fullnat
    real [2001:db8:1::12]:53 fullnat
    real [2001:db8:1::13]:53 fullnat
    route 2001:db8::/32 via 0 2001:db8::fe
    route 11.0.0.0/8 via 0 10.0.0.254
";

/// The key of the "Verifying the RSS hash calculation" page.
const KEY: [u8; 40] = [
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0,
    0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c,
    0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
];
/// Entries of the redirection table, as igb has.
const TABLE_LEN: u32 = 128;

/// What stands between the wire and the workers.
struct Distributor {
    workers: u32,
    input: RssInput,
}

impl Distributor {
    fn worker(&self, entry: u32) -> u32 {
        entry % self.workers
    }

    fn spread(&self) -> Spread {
        let worker = |entry| WorkerId(u16::try_from(self.worker(entry)).expect("few workers"));
        let table: Vec<WorkerId> = (0..TABLE_LEN).map(worker).collect();
        let ports = RssPorts {
            key: &KEY,
            table: &table,
            input: self.input,
            protocols: &[Protocol::Tcp, Protocol::Udp],
            workers: u16::try_from(self.workers).expect("few workers"),
            rest: [1, 2],
        };
        Spread::Rss(ports.function().expect("a good key and table"))
    }

    /// The queue that a packet comes out of, of the port towards clients (0) or servers (1).
    fn queue(&self, port: u16, packet: &Parsed) -> usize {
        let end = |address: &[u8; 16], port: u16| {
            let octets = from_mapped(address).map_or_else(|| address.to_vec(), |v4| v4.to_vec());
            (octets, port.to_be_bytes())
        };
        let (source, source_port) = end(&packet.source, packet.source_port);
        let (destination, destination_port) = end(&packet.destination, packet.destination_port);
        let input = match (self.input, port) {
            (RssInput::FourTuple, _) => [
                source,
                destination,
                source_port.into(),
                destination_port.into(),
            ]
            .concat(),
            (RssInput::OneEnd, 0) => [source, source_port.into()].concat(),
            (RssInput::OneEnd, _) => [destination, destination_port.into()].concat(),
        };
        let entry = toeplitz(&KEY, &input) % TABLE_LEN;
        self.worker(entry) as usize
    }

    /// What a frame that comes in by `port` becomes, and the worker that says so.
    fn send(&self, bench: &mut Bench, port: u16, frame: &[u8]) -> (usize, FlowKey) {
        let packet = parse(frame, frame.len()).expect("a sound frame");
        let worker = self.queue(port, &packet);
        let outcomes = bench.send_packet(worker, port, TestBuf::new(frame));
        let [outcome] = outcomes.as_slice() else {
            panic!("{outcomes:?}");
        };
        assert!(matches!(outcome.verdict, Verdict::Send { .. }), "{outcome}");
        let sent = parse(&outcome.frame, outcome.frame.len()).expect("a sound frame");
        (worker, FlowKey::of(&sent))
    }
}

fn endpoint(addr: model::addr::Addr, port: u16) -> String {
    core::net::SocketAddr::new(addr.to_ip(), port).to_string()
}

/// A client's first packet; every eighth is of IPv6 and UDP.
fn first_packet(number: u32) -> Frame {
    let mixed = number.wrapping_mul(0x9e37_79b1);
    let port = 1024 + mixed % 60_000;
    if number.is_multiple_of(8) {
        let (high, low) = (number >> 16, number & 0xffff);
        let client = format!("[2001:db8:9:{:x}::{high:x}:{low:x}]:{port}", mixed >> 16);
        return Frame::udp(&client, "[2001:db8::100]:53").payload(b"query");
    }
    let [_, a, b, c] = number.to_be_bytes();
    Frame::tcp(&format!("11.{a}.{b}.{c}:{port}"), "10.0.0.100:80").flags(SYN)
}

fn run(workers: u32, input: RssInput, connections: u32) {
    let distributor = Distributor { workers, input };
    let flows = connections / workers * 5 / 4 + 1000;
    let mut bench = Bench::new(&format!("workers {workers}\nflows {flows}\n{DIRECTOR}"));
    bench.set_spread(distributor.spread());
    for number in 0..connections {
        let (owner, there) = distributor.send(&mut bench, 0, &first_packet(number).build());
        let server = endpoint(there.destination, there.destination_port);
        let local = endpoint(there.source, there.source_port);
        let answer = if there.protocol == 17 {
            Frame::udp(&server, &local).payload(b"answer")
        } else {
            Frame::tcp(&server, &local).flags(SYN | ACK)
        };
        let macs = (
            MacAddress([2, 0, 0, 0, 0, 1]),
            MacAddress([2, 0, 0, 0, 1, 2]),
        );
        let answer = answer.macs(macs.0, macs.1).build();
        let (worker, back) = distributor.send(&mut bench, 1, &answer);
        assert_eq!(worker, owner);
        let asked = first_packet(number).build();
        let asked = parse(&asked, asked.len()).expect("a sound frame");
        assert_eq!(back, FlowKey::of(&asked).reversed());
    }
    let total = |count: fn(&penstock_engine::counters::WorkerCounters) -> u64| -> u64 {
        bench
            .boards()
            .iter()
            .map(|board| count(&board.worker))
            .sum()
    };
    assert_eq!(
        total(|worker| worker.redirected_out.get()),
        0,
        "packets passed on"
    );
    assert_eq!(total(|worker| worker.dropped.get()), 0);
    assert_eq!(total(|worker| worker.tx.get()), u64::from(connections) * 2);
    assert_eq!(bench.flow_count(), connections as usize);
    assert_eq!(bench.leases(), connections as usize);
    let least = bench
        .boards()
        .iter()
        .map(|board| board.worker.flows.get())
        .min();
    assert!(
        least > Some(u64::from(connections / workers / 2)),
        "a worker has little to do"
    );
}

#[test]
fn no_packet_of_a_million_connections_is_passed_on_by_four_workers() {
    run(4, RssInput::FourTuple, CONNECTIONS);
}

#[test]
fn nor_by_two() {
    run(2, RssInput::FourTuple, CONNECTIONS);
}

#[test]
fn nor_where_ports_hash_the_clients_end_alone() {
    run(4, RssInput::OneEnd, CONNECTIONS / 10);
}

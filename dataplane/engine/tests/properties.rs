// SPDX-License-Identifier: Apache-2.0
//! What holds for any packet of a connection: translated there and back it is what it was, and its
//! checksums say so.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a test does not expect fails it"
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use model::addr::Addr;
use penstock_engine::forward::nat::{End, rewrite};
use penstock_engine::testing::{Bench, mac_of};
use penstock_engine::verdict::Verdict;
use proptest::collection::vec;
use proptest::prelude::*;
use wire::buffer::TestBuf;
use wire::builder::{Checksum, Frame, SOURCE_MAC, ip_checksum, transport_checksum};
use wire::ethernet::MacAddress;
use wire::ipv4::{IpProtocol, Ipv4Mut};
use wire::packet::parse;

/// A packet of a client.
#[derive(Debug, Clone)]
struct Packet {
    v4: bool,
    tcp: bool,
    client: (u32, u16),
    flags: u8,
    tos: u8,
    ttl: u8,
    ident: u16,
    options: Vec<u8>,
    payload: Vec<u8>,
    vlan: Option<u16>,
    cut: usize,
}

fn packet() -> impl Strategy<Value = Packet> {
    let options = prop::sample::select(vec![vec![], vec![1, 1, 1, 0], vec![148, 4, 0, 0]]);
    let head = (any::<bool>(), any::<bool>(), (0..1u32 << 16, 1..=u16::MAX));
    let bits = (any::<u8>(), any::<u8>(), 2..=255u8, any::<u16>());
    let body = (
        vec(any::<u8>(), 0..200),
        prop::option::of(1..4095u16),
        0..200usize,
    );
    (head, bits, options, body).prop_map(
        |((v4, tcp, client), (flags, tos, ttl, ident), options, (payload, vlan, cut))| Packet {
            v4,
            tcp,
            client,
            flags,
            tos,
            ttl,
            ident,
            options,
            payload,
            vlan,
            cut,
        },
    )
}

impl Packet {
    fn client(&self) -> SocketAddr {
        let (host, port) = self.client;
        let ip = if self.v4 {
            IpAddr::V4(Ipv4Addr::from(0xcb00_0000 | host))
        } else {
            IpAddr::V6(Ipv6Addr::from(
                (0x2001_0db8_0009u128 << 80) | u128::from(host),
            ))
        };
        SocketAddr::new(ip, port)
    }

    const fn service(&self) -> &'static str {
        match (self.v4, self.tcp) {
            (true, true) => "10.0.0.100:80",
            (true, false) => "10.0.0.100:53",
            (false, true) => "[2001:db8::100]:80",
            (false, false) => "[2001:db8::100]:53",
        }
    }

    const fn server(&self) -> &'static str {
        match (self.v4, self.tcp) {
            (true, true) => "10.1.0.11:8080",
            (true, false) => "10.1.0.11:5353",
            (false, true) => "[2001:db8:1::11]:8080",
            (false, false) => "[2001:db8:1::11]:5353",
        }
    }

    fn frame(&self, source: &str, destination: &str) -> Frame {
        let frame = if self.tcp {
            Frame::tcp(source, destination).flags(self.flags)
        } else {
            Frame::udp(source, destination)
        };
        let frame = if self.v4 {
            frame.options(&self.options).ident(self.ident.into())
        } else if self.options.is_empty() {
            frame
        } else {
            frame.extension(IpProtocol::DESTINATION_OPTIONS, &[1, 4, 0, 0, 0, 0])
        };
        frame.tos(self.tos).ttl(self.ttl).payload(&self.payload)
    }

    fn tagged(&self, frame: Frame) -> Frame {
        match self.vlan {
            Some(id) => frame.vlan(id),
            None => frame,
        }
    }
}

fn endpoint(text: &str) -> (Addr, u16) {
    let end: SocketAddr = text.parse().unwrap();
    (end.ip().into(), end.port())
}

const SERVICES: &str = "
    service tcp 10.0.0.100:80 rr
    real 10.1.0.11:8080
    service udp 10.0.0.100:53 rr
    real 10.1.0.11:5353
    service tcp [2001:db8::100]:80 rr
    real [2001:db8:1::11]:8080
    service udp [2001:db8::100]:53 rr
    real [2001:db8:1::11]:5353
";

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(500)
    })]

    /// One end replaced and put back, in a chained packet too.
    #[test]
    fn a_rewrite_undone_is_identity(packet in packet(), end in any::<bool>()) {
        let client = packet.client().to_string();
        let original = packet.tagged(packet.frame(&client, packet.service())).build();
        let parsed = parse(&original, original.len()).unwrap();
        // The whole header stays in the first segment.
        let first = usize::from(parsed.l4_offset) + 20 + packet.cut;
        let mut buffer = TestBuf::chained(&original, first);
        let (end, old) = if end {
            (End::Destination, endpoint(packet.service()))
        } else {
            (End::Source, endpoint(&client))
        };
        prop_assert!(rewrite(&mut buffer, &parsed, end, endpoint(packet.server())));
        let there = buffer.frame();
        prop_assert_eq!(transport_checksum(&there), Checksum::Good);
        prop_assert_ne!(ip_checksum(&there), Checksum::Bad);
        let parsed = parse(&there, there.len()).unwrap();
        prop_assert!(rewrite(&mut buffer, &parsed, end, old));
        prop_assert_eq!(buffer.frame(), original);
    }

    /// Incremental is the same as whole, to the bit.
    #[test]
    fn a_rewritten_packet_has_the_bytes_of_one_built_so(packet in packet()) {
        let client = packet.client().to_string();
        let original = packet.tagged(packet.frame(&client, packet.service()));
        let mut buffer = TestBuf::new(&original.build());
        let parsed = parse(&buffer.frame(), buffer.frame().len()).unwrap();
        prop_assert!(rewrite(&mut buffer, &parsed, End::Destination, endpoint(packet.server())));
        let expected = packet.tagged(packet.frame(&client, packet.server()));
        prop_assert_eq!(buffer.frame(), expected.build());
        let parsed = parse(&buffer.frame(), buffer.frame().len()).unwrap();
        prop_assert!(rewrite(&mut buffer, &parsed, End::Source, endpoint(packet.server())));
        let expected = packet.tagged(packet.frame(packet.server(), packet.server()));
        prop_assert_eq!(buffer.frame(), expected.build());
    }

    /// A damage done before is there afterwards.
    #[test]
    fn a_damaged_packet_stays_damaged(packet in packet(), bit in 0..8usize) {
        prop_assume!(!packet.payload.is_empty());
        let client = packet.client().to_string();
        let mut bytes = packet.frame(&client, packet.service()).build();
        let last = bytes.len() - 1;
        bytes[last] ^= 1 << bit;
        let parsed = parse(&bytes, bytes.len()).unwrap();
        let mut buffer = TestBuf::new(&bytes);
        prop_assert!(rewrite(&mut buffer, &parsed, End::Destination, endpoint(packet.server())));
        prop_assert_eq!(transport_checksum(&buffer.frame()), Checksum::Bad);
    }

    /// The whole engine: request and answer through a NAT service.
    #[test]
    fn a_connection_through_the_director_sees_the_service_only(packet in packet()) {
        let mut bench = Bench::new(SERVICES);
        let client = packet.client().to_string();
        let mut request = packet.clone();
        request.flags = 2;
        let outcomes = bench.send(0, &request.frame(&client, packet.service()).build());
        let mac = |addr: &str| MacAddress(mac_of(addr.parse().unwrap()).0);
        let (server, gateway) = if packet.v4 {
            (mac("10.1.0.11"), mac("10.0.0.254"))
        } else {
            (mac("2001:db8:1::11"), mac("2001:db8::fe"))
        };
        let port = MacAddress([2, 0, 0, 0, 1, 2]);
        let expected = request
            .frame(&client, packet.server())
            .ttl(packet.ttl - 1)
            .macs(port, server);
        prop_assert_eq!(&outcomes[0].frame, &expected.build());

        let answer = packet.frame(packet.server(), &client).macs(SOURCE_MAC, port);
        let outcomes = bench.send(1, &answer.build());
        let sent = matches!(outcomes[0].verdict, Verdict::Send { .. });
        prop_assert!(sent);
        let expected = packet
            .frame(packet.service(), &client)
            .ttl(packet.ttl - 1)
            .macs(MacAddress([2, 0, 0, 0, 0, 2]), gateway);
        prop_assert_eq!(&outcomes[0].frame, &expected.build());
    }

    /// Frames with any bytes wrong in them break nothing (the bench checks the identities).
    #[test]
    fn mutated_frames_have_one_fate_each(
        packets in vec((packet(), vec((0..90usize, any::<u8>()), 0..4), any::<bool>()), 1..20),
    ) {
        let mut bench = Bench::new(SERVICES);
        for (packet, changes, repaired) in packets {
            let client = packet.client().to_string();
            let mut bytes = packet.frame(&client, packet.service()).build();
            for (place, value) in changes {
                let place = place % bytes.len();
                bytes[place] = value;
            }
            if repaired && let Ok(mut ip) = Ipv4Mut::new_checked(&mut bytes[14..]) {
                ip.fill_checksum();
            }
            bench.send(0, &bytes);
        }
    }
}

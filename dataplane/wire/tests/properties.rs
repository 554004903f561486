// SPDX-License-Identifier: Apache-2.0
//! Properties of parse, builders and checksums over arbitrary frames; etherparse is the second
//! opinion.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use penstock_wire::builder::{Checksum, Frame, address, describe, transport_checksum};
use penstock_wire::checksum::Delta;
use penstock_wire::ipv4::{IpProtocol, Ipv4, Ipv4Mut};
use penstock_wire::packet::{Fragment, Kind, parse, parse_quote};
use penstock_wire::tcp::{Tcp, TcpMut};
use penstock_wire::udp::UdpMut;
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Tcp,
    Udp,
    Echo,
}

/// Everything a valid frame is made of.
#[derive(Debug, Clone)]
struct Parts {
    source: SocketAddr,
    destination: SocketAddr,
    transport: Transport,
    vlan: Option<u16>,
    ttl: u8,
    tos: u8,
    flags: u8,
    options: Vec<u8>,
    extensions: Vec<Vec<u8>>,
    payload: Vec<u8>,
    padded: bool,
}

impl Parts {
    fn frame(&self) -> Frame {
        let (source, destination) = (self.source.to_string(), self.destination.to_string());
        let mut frame = match self.transport {
            Transport::Tcp => Frame::tcp(&source, &destination).flags(self.flags),
            Transport::Udp => Frame::udp(&source, &destination),
            Transport::Echo => Frame::echo(&source, &destination, 1, 2),
        };
        if let Some(id) = self.vlan {
            frame = frame.vlan(id);
        }
        if self.source.is_ipv4() {
            frame = frame.options(&self.options);
        } else {
            for body in &self.extensions {
                frame = frame.extension(IpProtocol::DESTINATION_OPTIONS, body);
            }
        }
        if self.padded {
            frame = frame.padded();
        }
        frame.ttl(self.ttl).tos(self.tos).payload(&self.payload)
    }

    fn protocol(&self) -> IpProtocol {
        match (self.transport, self.source.is_ipv4()) {
            (Transport::Tcp, _) => IpProtocol::TCP,
            (Transport::Udp, _) => IpProtocol::UDP,
            (Transport::Echo, true) => IpProtocol::ICMP,
            (Transport::Echo, false) => IpProtocol::ICMPV6,
        }
    }
}

fn unicast_v4() -> impl Strategy<Value = IpAddr> {
    (prop_oneof![1u8..=126, 128u8..=223], any::<[u8; 3]>())
        .prop_map(|(a, [b, c, d])| Ipv4Addr::new(a, b, c, d).into())
}

fn unicast_v6() -> impl Strategy<Value = IpAddr> {
    (0x2000u16..=0x3fff, any::<[u16; 7]>())
        .prop_map(|(a, [b, c, d, e, f, g, h])| Ipv6Addr::new(a, b, c, d, e, f, g, h).into())
}

fn ends() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    let ports = any::<(u16, u16)>();
    let addresses = prop_oneof![(unicast_v4(), unicast_v4()), (unicast_v6(), unicast_v6())];
    (addresses, ports).prop_map(|((source, destination), (sport, dport))| {
        (
            SocketAddr::new(source, sport),
            SocketAddr::new(destination, dport),
        )
    })
}

fn parts() -> impl Strategy<Value = Parts> {
    let transport = prop_oneof![
        3 => Just(Transport::Tcp),
        2 => Just(Transport::Udp),
        1 => Just(Transport::Echo),
    ];
    let header = (
        proptest::option::of(0u16..4096),
        any::<(u8, u8, u8)>(),
        any::<bool>(),
    );
    let content = (
        vec(Just(1u8), 0..=40), // no-operation options
        vec(vec(Just(0u8), 0..=40), 0..=3),
        vec(any::<u8>(), 0..=200),
    );
    (ends(), transport, header, content).prop_map(
        |(
            (source, destination),
            transport,
            (vlan, (ttl, tos, flags), padded),
            (options, extensions, payload),
        )| Parts {
            source,
            destination,
            transport,
            vlan,
            ttl,
            tos,
            flags,
            options,
            extensions,
            payload,
            padded,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parse_gives_back_what_the_builder_was_given(parts in parts()) {
        let frame = parts.frame().build();
        let parsed = parse(&frame, frame.len());
        prop_assert!(parsed.is_ok(), "{}", describe(&frame));
        let parsed = parsed.unwrap();
        prop_assert_eq!(parsed.vlan, parts.vlan);
        prop_assert_eq!(parsed.kind == Kind::Ipv4, parts.source.is_ipv4());
        prop_assert_eq!(parsed.protocol, parts.protocol());
        prop_assert_eq!(parsed.source, address(&parts.source.ip().to_string()));
        prop_assert_eq!(parsed.destination, address(&parts.destination.ip().to_string()));
        prop_assert_eq!((parsed.ttl, parsed.tos), (parts.ttl, parts.tos));
        prop_assert_eq!(parsed.fragment, Fragment::None);
        let ports = match parts.transport {
            Transport::Tcp | Transport::Udp => (parts.source.port(), parts.destination.port()),
            Transport::Echo => (0, 0),
        };
        prop_assert_eq!((parsed.source_port, parsed.destination_port), ports);
        let flags = if parts.transport == Transport::Tcp { parts.flags } else { 0 };
        prop_assert_eq!(parsed.tcp_flags, flags);
        let options = if parts.source.is_ipv4() {
            !parts.options.is_empty()
        } else {
            !parts.extensions.is_empty()
        };
        prop_assert_eq!(parsed.has_options, options);
        let header = if parts.transport == Transport::Tcp { 20 } else { 8 };
        prop_assert_eq!(parsed.l4_len() as usize, header + parts.payload.len());
        prop_assert_eq!(transport_checksum(&frame), Checksum::Good);
    }

    #[test]
    fn etherparse_reads_the_same(parts in parts()) {
        let frame = parts.frame().build();
        let parsed = parse(&frame, frame.len()).unwrap();
        let sliced = SlicedPacket::from_ethernet(&frame);
        prop_assert!(sliced.is_ok(), "{:?}: {}", sliced, describe(&frame));
        let sliced = sliced.unwrap();
        let vlan = sliced.vlan_ids().first().map(|id| id.value());
        prop_assert_eq!(parsed.vlan, vlan);
        match sliced.net.as_ref() {
            Some(NetSlice::Ipv4(ip)) => {
                let header = ip.header();
                prop_assert_eq!(parsed.kind, Kind::Ipv4);
                prop_assert_eq!(parsed.ip_len, u32::from(header.total_len()));
                let source = address(&header.source_addr().to_string());
                prop_assert_eq!(parsed.source, source);
                let destination = address(&header.destination_addr().to_string());
                prop_assert_eq!(parsed.destination, destination);
                prop_assert_eq!(parsed.ttl, header.ttl());
                let checksum = header.to_header().calc_header_checksum();
                prop_assert_eq!(header.header_checksum(), checksum);
            }
            Some(NetSlice::Ipv6(ip)) => {
                let header = ip.header();
                prop_assert_eq!(parsed.kind, Kind::Ipv6);
                prop_assert_eq!(parsed.ip_len, 40 + u32::from(header.payload_length()));
                prop_assert_eq!(parsed.source, header.source());
                prop_assert_eq!(parsed.destination, header.destination());
                prop_assert_eq!(parsed.ttl, header.hop_limit());
                prop_assert_eq!(parsed.tos, header.traffic_class());
            }
            other => prop_assert!(false, "{:?}", other),
        }
        let payload = sliced.ip_payload().unwrap();
        prop_assert_eq!(parsed.protocol.0, payload.ip_number.0);
        prop_assert_eq!(parsed.l4_len() as usize, payload.payload.len());
        let l4_offset = payload.payload.as_ptr() as usize - frame.as_ptr() as usize;
        prop_assert_eq!(usize::from(parsed.l4_offset), l4_offset);
        let (source_port, destination_port) = match &sliced.transport {
            Some(TransportSlice::Tcp(tcp)) => (tcp.source_port(), tcp.destination_port()),
            Some(TransportSlice::Udp(udp)) => (udp.source_port(), udp.destination_port()),
            Some(TransportSlice::Icmpv4(_) | TransportSlice::Icmpv6(_)) => (0, 0),
            Some(TransportSlice::Igmp(_)) | None => {
                return Err(TestCaseError::fail("no transport"));
            }
        };
        prop_assert_eq!(parsed.source_port, source_port);
        prop_assert_eq!(parsed.destination_port, destination_port);
    }

    #[test]
    fn etherparse_computes_the_same_transport_checksums(parts in parts()) {
        let frame = parts.frame().build();
        let sliced = SlicedPacket::from_ethernet(&frame).unwrap();
        let (Some(net), Some(TransportSlice::Tcp(tcp))) = (&sliced.net, &sliced.transport) else {
            return Ok(());
        };
        let computed = match net {
            NetSlice::Ipv4(ip) => {
                tcp.calc_checksum_ipv4(ip.header().source(), ip.header().destination()).unwrap()
            }
            NetSlice::Ipv6(ip) => {
                tcp.calc_checksum_ipv6(ip.header().source(), ip.header().destination()).unwrap()
            }
            NetSlice::Arp(_) => return Err(TestCaseError::fail("arp")),
        };
        prop_assert_eq!(tcp.checksum(), computed);
    }

    #[test]
    fn any_bytes_are_judged_without_panic(bytes in vec(any::<u8>(), 0..200), total: u16) {
        let _unjudged = (parse(&bytes, bytes.len()), parse(&bytes, total.into()));
        let _unjudged = parse_quote(&bytes);
        prop_assert!(!describe(&bytes).is_empty());
    }

    #[test]
    fn a_damaged_frame_is_judged_without_panic_or_belief_in_lengths(
        parts in parts(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut frame = parts.frame().build();
        for (at, value) in damage {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        frame.truncate(1 + cut.index(frame.len()));
        if let Ok(parsed) = parse(&frame, frame.len()) {
            prop_assert!(parsed.frame_len() as usize <= frame.len());
            prop_assert!(usize::from(parsed.l4_offset) <= frame.len());
        }
    }

    #[test]
    fn a_frame_split_anywhere_behind_its_headers_parses_the_same(
        parts in parts(), at in any::<prop::sample::Index>(),
    ) {
        let frame = parts.frame().build();
        let whole = parse(&frame, frame.len()).unwrap();
        let at = at.index(frame.len() + 1);
        match parse(&frame[..at], frame.len()) {
            Ok(split) => prop_assert_eq!(split, whole),
            Err(_) => prop_assert!(at < usize::from(whole.l4_offset) + 20),
        }
    }

    #[test]
    fn what_an_icmp_error_quotes_of_a_frame_names_its_flow(parts in parts()) {
        let frame = parts.frame();
        let (bytes, packet) = (frame.build(), frame.build_ip());
        let parsed = parse(&bytes, bytes.len()).unwrap();
        let needed = usize::from(parsed.l4_offset - parsed.l3_offset) + 8;
        let quote = parse_quote(&packet[..needed]).unwrap();
        prop_assert_eq!((quote.source, quote.source_port), (parsed.source, parsed.source_port));
        prop_assert_eq!(quote.destination, parsed.destination);
        prop_assert_eq!(quote.destination_port, parsed.destination_port);
        prop_assert_eq!((quote.protocol, quote.ttl), (parsed.protocol, parsed.ttl));
        prop_assert_eq!(quote.l4_offset, parsed.l4_offset - parsed.l3_offset);
    }

    #[test]
    fn a_rewrite_with_incremental_checksums_is_the_frame_built_so(
        parts in parts(), port: u16, v4 in unicast_v4(), v6 in unicast_v6(),
    ) {
        let mut bytes = parts.frame().build();
        let parsed = parse(&bytes, bytes.len()).unwrap();
        let ip = if parts.source.is_ipv4() { v4 } else { v6 };
        let delta = Delta::new()
            .address(&parsed.destination, &address(&ip.to_string()))
            .word(parsed.destination_port, port);
        let (network, transport) = bytes.split_at_mut(parsed.l4_offset.into());
        match parts.transport {
            Transport::Tcp => {
                let mut tcp = TcpMut::new_checked(transport).unwrap();
                tcp.set_destination_port(port);
                tcp.set_checksum(delta.apply(tcp.checksum()));
            }
            Transport::Udp => {
                let mut udp = UdpMut::new_checked(transport).unwrap();
                udp.set_destination_port(port);
                udp.set_checksum(delta.apply_udp(udp.checksum()));
            }
            Transport::Echo => return Ok(()),
        }
        let network = &mut network[usize::from(parsed.l3_offset)..];
        match ip {
            IpAddr::V4(ip) => {
                let mut header = Ipv4Mut::new_checked(network).unwrap();
                header.set_destination(ip.octets());
                header.fill_checksum();
            }
            IpAddr::V6(ip) => network[24..40].copy_from_slice(&ip.octets()),
        }
        let expected = Parts { destination: SocketAddr::new(ip, port), ..parts }.frame().build();
        prop_assert_eq!(describe(&bytes), describe(&expected));
        prop_assert_eq!(bytes, expected);
    }

    #[test]
    fn fragments_cover_the_packet_once_and_in_order(parts in parts(), units in 1usize..20) {
        let frame = parts.frame();
        let whole = frame.build();
        let parsed = parse(&whole, whole.len()).unwrap();
        let mut expected_offset = 0;
        let pieces = frame.fragments(units * 8);
        for (index, piece) in pieces.iter().enumerate() {
            let part = parse(piece, piece.len()).unwrap();
            prop_assert_eq!(part.protocol, parsed.protocol);
            if pieces.len() == 1 {
                prop_assert_eq!(part.fragment, Fragment::None);
                continue;
            }
            let place = part.fragment_place(piece).unwrap();
            prop_assert_eq!(u32::from(place.offset), expected_offset);
            prop_assert_eq!(place.more, index + 1 < pieces.len());
            let ports = if index == 0 { parsed.source_port } else { 0 };
            prop_assert_eq!(part.source_port, ports);
            expected_offset += part.l4_len();
        }
        prop_assert!(pieces.len() == 1 || expected_offset == parsed.l4_len());
    }

    #[test]
    fn views_and_parse_agree(parts in parts()) {
        let frame = parts.frame().build();
        let parsed = parse(&frame, frame.len()).unwrap();
        if let Ok(ip) = Ipv4::new_checked(&frame[usize::from(parsed.l3_offset)..])
            && parsed.kind == Kind::Ipv4
        {
            prop_assert_eq!(parsed.l4_len() as usize, ip.payload().len());
            prop_assert!(ip.checksum_ok());
        }
        if parts.transport == Transport::Tcp {
            let tcp = Tcp::new_checked(&frame[usize::from(parsed.l4_offset)..]).unwrap();
            prop_assert_eq!(tcp.flags(), parsed.tcp_flags);
        }
    }
}

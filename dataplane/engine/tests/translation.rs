// SPDX-License-Identifier: Apache-2.0
//! What holds for any packet that goes from one family into the other: there and back it carries
//! what it carried, every checksum is what a whole computation gives, and no bytes break it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a test does not expect fails it"
)]

use std::net::SocketAddr;

use model::addr::Addr;
use penstock_engine::forward::xlat::icmp::{Mtus, translate_error};
use penstock_engine::forward::xlat::{Ends, too_big, translate};
use proptest::collection::vec;
use proptest::prelude::*;
use wire::buffer::{PacketBuf, TestBuf};
use wire::builder::{Checksum, Frame, ip_checksum, transport_checksum};
use wire::ethernet::EtherType;
use wire::ipv4::{IpProtocol, Ipv4Mut};
use wire::packet::{Kind, Parsed, parse, parse_quote};
use wire::sctp::ChunkType;

const CLIENT6: &str = "[2001:db8:9::9]:1000";
const VIP6: &str = "[2001:db8::100]:80";
const LOCAL4: &str = "10.1.0.5:5001";
const REAL4: &str = "10.1.0.11:8080";
const MTUS: Mtus = Mtus { v4: 1500, v6: 1500 };

#[derive(Debug, Clone)]
struct Packet {
    v4: bool,
    /// TCP, UDP, UDP without checksum, SCTP, or an echo.
    transport: u8,
    ports: (u16, u16),
    head: (u8, u8, u16, bool),
    options: usize,
    payload: Vec<u8>,
    cut: usize,
}

fn packet() -> impl Strategy<Value = Packet> {
    let body = (0..4usize, vec(any::<u8>(), 0..1500), 0..1500usize);
    let head = any::<(u8, u8, u16, bool)>();
    let kind = (any::<bool>(), 0..5u8, any::<(u16, u16)>());
    (kind, head, body).prop_map(
        |((v4, transport, ports), head, (options, payload, cut))| Packet {
            v4,
            transport,
            ports,
            head,
            options,
            payload,
            cut,
        },
    )
}

impl Packet {
    fn ends(&self, v4: bool) -> (SocketAddr, SocketAddr) {
        let (from, to) = if v4 { (LOCAL4, REAL4) } else { (CLIENT6, VIP6) };
        let (mut from, mut to): (SocketAddr, SocketAddr) =
            (from.parse().unwrap(), to.parse().unwrap());
        let (first, second) = self.ports;
        from.set_port(first.rotate_left(v4.into()));
        to.set_port(second.rotate_left(v4.into()));
        (from, to)
    }

    fn frame(&self) -> Frame {
        let (from, to) = self.ends(self.v4);
        let (from, to) = (from.to_string(), to.to_string());
        let (ttl, tos, ident, df) = self.head;
        let frame = match self.transport {
            0 => Frame::tcp(&from, &to).flags(tos),
            1 => Frame::udp(&from, &to),
            2 if self.v4 => Frame::udp(&from, &to).checksum(0),
            2 => Frame::udp(&from, &to),
            3 => Frame::sctp(&from, &to, 5, &[(ChunkType::DATA, &self.payload)]),
            _ => Frame::echo(&from, &to, 5, ident),
        };
        let frame = match self.transport {
            3 => frame.ttl(ttl).tos(tos),
            _ => frame.ttl(ttl).tos(tos).payload(&self.payload),
        };
        if self.v4 {
            let frame = frame
                .ident(ident.into())
                .options(&[1; 12][..self.options * 4]);
            return if df { frame.dont_fragment() } else { frame };
        }
        (0..self.options).fold(frame, |frame, _| {
            frame.extension(IpProtocol::DESTINATION_OPTIONS, &[1, 4, 0, 0, 0, 0])
        })
    }
}

fn ends((from, to): (SocketAddr, SocketAddr)) -> Ends {
    let end = |end: SocketAddr| -> (Addr, u16) { (end.ip().into(), end.port()) };
    Ends {
        source: end(from),
        destination: end(to),
    }
}

fn framed(packet: &[u8]) -> Vec<u8> {
    let kind = match packet[0] >> 4 {
        4 => EtherType::IPV4,
        _ => EtherType::IPV6,
    };
    Frame::ether(kind).payload(packet).build()
}

fn segment<'a>(frame: &'a [u8], parsed: &Parsed) -> &'a [u8] {
    &frame[usize::from(parsed.l4_offset)..usize::try_from(parsed.frame_len()).unwrap()]
}

/// With the fields that a translation changes made equal: ports, checksum, type of an echo.
fn unchanged(frame: &[u8], parsed: &Parsed) -> Vec<u8> {
    let mut bytes = segment(frame, parsed).to_vec();
    let changed: &[usize] = match parsed.protocol {
        IpProtocol::TCP => &[0, 1, 2, 3, 16, 17],
        IpProtocol::UDP => &[0, 1, 2, 3, 6, 7],
        IpProtocol::SCTP => &[0, 1, 2, 3, 8, 9, 10, 11],
        _ => &[0, 2, 3],
    };
    for place in changed {
        bytes[*place] = 0;
    }
    bytes
}

/// Any of the two functions, as the engine calls them; what comes out is a packet or nothing.
fn any_translation(bytes: &[u8], first: usize, piece_len: u16, ident: u16) {
    let Ok(mut parsed) = parse(bytes, bytes.len()) else {
        return;
    };
    if !parsed.is_ip() || parsed.fragment != wire::packet::Fragment::None {
        return;
    }
    if parsed.kind == Kind::Ipv4 || parsed.fragment_offset > 0 {
        parsed.piece_len = piece_len;
    }
    let (six, four) = ((CLIENT6, VIP6), (LOCAL4, REAL4));
    let to = if parsed.kind == Kind::Ipv4 { six } else { four };
    let to = ends((to.0.parse().unwrap(), to.1.parse().unwrap()));
    let told = too_big(bytes, &parsed, 1280);
    assert!(told.is_none_or(|mtu| (1260..=1300).contains(&mtu)));
    let first = first.max(usize::from(parsed.l4_offset) + 8);
    let Ok(whole) = parse(&bytes[..first.min(bytes.len())], bytes.len()) else {
        return;
    };
    let mut packet = TestBuf::chained(bytes, first);
    if let Ok(said) = translate(&mut packet, &parsed, &to, ident) {
        judge(&packet.frame(), &said);
    }
    let message = bytes.get(usize::from(whole.l4_offset) + 8..first.min(bytes.len()));
    if let Ok(quote) = parse_quote(message.unwrap_or_default()) {
        let mut packet = TestBuf::chained(bytes, first);
        if let Ok(said) = translate_error(&mut packet, &parsed, &quote, (&to, &to), MTUS) {
            assert!(said.ip_len <= 1280 && said.piece_len == 0);
            judge(&packet.frame(), &said);
        }
    }
}

/// What came out is received again, and is what was said of it.
fn judge(packet: &[u8], said: &Parsed) {
    assert_eq!(u32::try_from(packet.len()).unwrap(), said.ip_len);
    let frame = framed(packet);
    let found = parse(&frame, frame.len());
    // A transport header may be impossible and pass, as it may through any router.
    if let Ok(found) = found {
        assert_eq!(found.kind, said.kind);
        assert_eq!(found.ip_len, said.ip_len);
        assert_eq!(found.l4_offset, said.l4_offset + 14);
        assert_eq!(found.protocol, said.protocol);
        assert_eq!((found.ttl, found.tos), (said.ttl, said.tos));
    }
    assert_ne!(ip_checksum(&frame), Checksum::Bad);
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(1000)
    })]

    #[test]
    fn there_and_back_it_carries_what_it_carried(packet in packet()) {
        let original = packet.frame().build();
        let parsed = parse(&original, original.len()).unwrap();
        let first = usize::from(parsed.l4_offset) + 20 + packet.cut;
        let mut buffer = TestBuf::chained(&original, first);
        let said = translate(&mut buffer, &parsed, &ends(packet.ends(!packet.v4)), 7).unwrap();
        prop_assert_eq!(usize::try_from(said.ip_len).unwrap(), buffer.total_len());
        let there = framed(&buffer.frame());
        prop_assert_eq!(transport_checksum(&there), Checksum::Good);
        prop_assert_ne!(ip_checksum(&there), Checksum::Bad);
        let seen = parse(&there, there.len()).unwrap();
        prop_assert_eq!(unchanged(&there, &seen), unchanged(&original, &parsed));
        prop_assert_eq!((seen.ttl, seen.tos), (parsed.ttl, parsed.tos));
        prop_assert_eq!(said.source_port, seen.source_port);
        prop_assert_eq!(said.destination_port, seen.destination_port);

        let mut buffer = TestBuf::new(&there);
        translate(&mut buffer, &seen, &ends(packet.ends(packet.v4)), 7).unwrap();
        let back = framed(&buffer.frame());
        let again = parse(&back, back.len()).unwrap();
        prop_assert_eq!(transport_checksum(&back), Checksum::Good);
        prop_assert_eq!((again.source, again.destination), (parsed.source, parsed.destination));
        if packet.transport != 2 {
            prop_assert_eq!(segment(&back, &again), segment(&original, &parsed));
        }
    }

    /// The same for an error and the packet it quotes.
    #[test]
    fn an_error_there_and_back_is_about_the_same_packet(
        packet in packet(),
        quoted in 8..1190usize,
    ) {
        let mut packet = packet;
        packet.transport %= 4;
        packet.options = 0;
        let cause = packet.frame().build_ip();
        let head = if packet.v4 { 20 } else { 40 };
        let quoted = &cause[..cause.len().min(head + quoted)];
        let (from, to) = packet.ends(packet.v4);
        // Time exceeded in reassembly, from where the packet went.
        let kind = if packet.v4 { 11 } else { 3 };
        let (to, from) = (to.ip().to_string(), from.ip().to_string());
        let error = Frame::icmp(&to, &from, kind, 1).payload(quoted).build();
        let there = error_translated(&error, &packet, !packet.v4);
        let back = error_translated(&there, &packet, packet.v4);
        let parsed = parse(&error, error.len()).unwrap();
        let again = parse(&back, back.len()).unwrap();
        let (was, is) = (segment(&error, &parsed), segment(&back, &again));
        // All but the IP header's identification and flags, its checksum and the message's.
        let skipped = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            bytes[2..4].fill(0);
            if packet.v4 {
                bytes[12..16].fill(0);
                bytes[18..20].fill(0);
            }
            bytes
        };
        prop_assert_eq!(skipped(is), skipped(was));
    }

    #[test]
    fn no_bytes_break_it(
        packet in packet(),
        error in proptest::option::of((any::<(u8, u8, u32)>(), 0..80usize)),
        changes in vec((0..110usize, any::<u8>()), 0..6),
        (first, piece_len, ident) in (0..200usize, any::<u16>(), any::<u16>()),
    ) {
        let frame = packet.frame();
        let mut bytes = match error {
            None => frame.build(),
            Some(((kind, code, rest), quoted)) => {
                let (from, to) = packet.ends(packet.v4);
                let cause = frame.build_ip();
                Frame::icmp(&to.ip().to_string(), &from.ip().to_string(), kind % 16, code % 16)
                    .rest(rest)
                    .payload(&cause[..cause.len().min(20 + quoted)])
                    .build()
            }
        };
        for (place, value) in changes {
            let place = 14 + place % (bytes.len() - 14);
            bytes[place] = value;
        }
        if packet.v4 && let Ok(mut ip) = Ipv4Mut::new_checked(&mut bytes[14..]) {
            ip.fill_checksum();
        }
        any_translation(&bytes, first, piece_len, ident);
    }
}

/// An error about the packet, from the side it went to, as the other side sees it.
fn error_translated(frame: &[u8], packet: &Packet, v4: bool) -> Vec<u8> {
    let parsed = parse(frame, frame.len()).unwrap();
    let quote = parse_quote(&frame[usize::from(parsed.l4_offset) + 8..]).unwrap();
    let quoted = ends(packet.ends(v4));
    let outer = Ends {
        source: quoted.destination,
        destination: quoted.source,
    };
    let mut buffer = TestBuf::new(frame);
    translate_error(&mut buffer, &parsed, &quote, (&outer, &quoted), MTUS).unwrap();
    let out = framed(&buffer.frame());
    assert_eq!(transport_checksum(&out), Checksum::Good);
    out
}

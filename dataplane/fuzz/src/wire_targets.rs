// SPDX-License-Identifier: Apache-2.0
//! Targets of the wire crate: each takes any bytes, must return, and asserts what must hold.
#![allow(
    unreachable_pub,
    reason = "public in the fuzz crate, included by path in tests"
)]

use penstock_wire::buffer::{PacketBuf, TestBuf};
use penstock_wire::builder::{self, Checksum};
use penstock_wire::checksum::{self as sums, Delta};
use penstock_wire::ethernet::{EtherType, Ethernet};
use penstock_wire::ftp::{self, Family, Passive};
use penstock_wire::icmp::{self, ErrorMessage, Icmp};
use penstock_wire::ipv4::{self, IpProtocol, Ipv4, Ipv4Mut};
use penstock_wire::ipv6::{self, FragmentHeader, Ipv6, Ipv6Mut};
use penstock_wire::packet::{self, Fragment, Kind, Parsed};
use penstock_wire::quic::{self, Destination};
use penstock_wire::sctp::{self, Sctp, SctpMut};
use penstock_wire::segment;
use penstock_wire::tcp::{Tcp, TcpMut};
use penstock_wire::toeplitz::{KEY_LEN, toeplitz};
use penstock_wire::udp::{Udp, UdpMut};
use penstock_wire::{arp::Arp, icmpv6, vlan::Vlan};

/// `data` is a frame, read whole, cut and with a tail segment; once more with its IPv4 header
/// checksum put right, so that other changes to the header get past it.
pub fn parse(data: &[u8]) {
    check_frame(data);
    let mut repaired = data.to_vec();
    let l3 = if repaired.get(12..14) == Some(&[8, 0]) {
        14
    } else {
        18
    };
    if let Ok(mut ip) = Ipv4Mut::new_checked(repaired.get_mut(l3..).unwrap_or_default()) {
        ip.fill_checksum();
        check_frame(&repaired);
    }
}

fn check_frame(data: &[u8]) {
    for total_len in [
        data.len(),
        data.len().saturating_sub(1),
        data.len().saturating_add(1500),
    ] {
        check_parse(data, total_len);
    }
    check_parse(&data[..data.len() / 2], data.len());
    touch_views(data);
    assert!(!builder::describe(data).is_empty());
    if let Ok(parsed) = packet::parse(data, data.len()) {
        check_cut(data, &parsed);
        check_hop(data, &parsed);
        check_rewrite(data, &parsed);
        check_error(data, &parsed);
        check_lengths(data, &parsed);
    }
}

/// `data` is what an ICMP error quotes.
pub fn parse_quote(data: &[u8]) {
    touch_views(data);
    let Ok(quote) = packet::parse_quote(data) else {
        return;
    };
    let needed = usize::from(quote.l4_offset) + packet::QUOTE_L4_LEN_MIN;
    assert!(needed <= data.len());
    assert_eq!(
        packet::parse_quote(&data[..needed]),
        Ok(quote),
        "more than the minimum was read"
    );
    assert!(
        packet::parse_quote(&data[..needed - 1]).is_err(),
        "less than the minimum was enough"
    );
    assert_eq!(
        quote.kind == Kind::Ipv4,
        ipv4::from_mapped(&quote.source).is_some()
    );
    assert_eq!(
        quote.kind == Kind::Ipv4,
        ipv4::from_mapped(&quote.destination).is_some()
    );
    if quote.fragment == Fragment::Later {
        assert_eq!((quote.source_port, quote.destination_port), (0, 0));
    }
}

/// `data` is two bytes of prefix, then changes of four bytes each: offset, new word, and how.
/// The rest is the covered text.
pub fn checksum(data: &[u8]) {
    let (changes, text) = data.split_at(data.len() / 3);
    let mut text = text.to_vec();
    // Text that is all zero has the other zero for a sum; a header never is.
    text.extend_from_slice(&[0; 16]);
    text.insert(0, 0x45);
    text.insert(0, 0x45);
    let mut carried = sums::of(&text);
    let mut delta = Delta::new();
    let before = carried;
    for change in changes.chunks_exact(4) {
        let words = (text.len() - 2) / 2;
        let at = 2 + usize::from(change[0]) % words * 2;
        let old = u16::from_be_bytes([text[at], text[at + 1]]);
        let new = u16::from_be_bytes([change[2], change[3]]);
        text[at..at + 2].copy_from_slice(&new.to_be_bytes());
        carried = sums::update16(carried, old, new);
        delta = delta.word(old, new);
        assert_eq!(carried, sums::of(&text), "incremental and whole differ");
    }
    if delta != Delta::new() {
        assert_eq!(
            delta.apply(before),
            carried,
            "at once and one by one differ"
        );
    }
    check_toeplitz(data);
}

fn check_parse(data: &[u8], total_len: usize) {
    let Ok(parsed) = packet::parse(data, total_len) else {
        return;
    };
    assert!(matches!(parsed.l3_offset, 14 | 18));
    assert_eq!(parsed.vlan.is_some(), parsed.l3_offset == 18);
    assert!(usize::from(parsed.l3_offset) <= data.len());
    assert!(parsed.vlan.is_none_or(|id| id < 4096));
    if !parsed.is_ip() {
        assert_eq!(
            (parsed.l4_offset, parsed.ip_len, parsed.frame_len()),
            (0, 0, 0)
        );
        return;
    }
    let end = usize::try_from(parsed.frame_len()).unwrap_or(usize::MAX);
    assert!(end <= total_len, "believed a length beyond the packet");
    assert!(usize::from(parsed.l4_offset) <= end.min(data.len()));
    let mapped = ipv4::from_mapped(&parsed.source).is_some();
    assert_eq!(mapped, ipv4::from_mapped(&parsed.destination).is_some());
    assert_eq!(
        mapped,
        parsed.kind == Kind::Ipv4,
        "an address of one family names the other"
    );
    assert_eq!(
        parsed.fragment != Fragment::None,
        parsed.fragment_place(data).is_some()
    );
    if parsed.fragment == Fragment::Later {
        assert_eq!(
            (
                parsed.source_port,
                parsed.destination_port,
                parsed.tcp_flags
            ),
            (0, 0, 0)
        );
    }
}

/// The headers are all that the parse needs to see.
fn check_cut(data: &[u8], parsed: &Parsed) {
    let header = match (parsed.protocol, parsed.fragment) {
        _ if !parsed.is_ip() => return,
        (_, Fragment::Later) => 0,
        (_, Fragment::First) => return, // flags are read when they are there
        (IpProtocol::TCP, _) => 20,
        (IpProtocol::SCTP, _) => 12,
        (IpProtocol::UDP | IpProtocol::ICMP | IpProtocol::ICMPV6, _) => 8,
        _ => 0,
    };
    let needed = usize::from(parsed.l4_offset) + header;
    assert_eq!(packet::parse(&data[..needed], data.len()), Ok(*parsed));
    assert!(needed == 0 || packet::parse(&data[..needed - 1], data.len()).is_err());
}

/// One hop further the frame is still good.
fn check_hop(data: &[u8], parsed: &Parsed) {
    let mut frame = data.to_vec();
    let l3 = &mut frame[usize::from(parsed.l3_offset)..];
    let left = match parsed.kind {
        Kind::Ipv4 => ipv4::decrement_ttl(l3),
        Kind::Ipv6 => ipv6::decrement_hop_limit(l3),
        Kind::Arp | Kind::Other(_) => return,
    };
    assert_eq!(left, parsed.ttl.checked_sub(1));
    let expected = Parsed {
        ttl: left.unwrap_or(0),
        ..*parsed
    };
    assert_eq!(packet::parse(&frame, frame.len()), Ok(expected));
}

/// Rewriting the destination with incremental checksums keeps good ones good.
fn check_rewrite(data: &[u8], parsed: &Parsed) {
    if builder::transport_checksum(data) != Checksum::Good {
        return;
    }
    let mut frame = data.to_vec();
    let l3 = &mut frame[usize::from(parsed.l3_offset)..];
    let (v4, v6) = ([192, 0, 2, 77], [0x2a; 16]);
    let target = if parsed.kind == Kind::Ipv4 {
        ipv4::to_mapped(v4)
    } else {
        v6
    };
    let mut delta = Delta::new().address(&parsed.destination, &target);
    if let (Kind::Ipv4, Ok(mut ip)) = (parsed.kind, Ipv4Mut::new_checked(l3)) {
        ip.set_destination(v4);
        ip.update_checksum(delta);
    } else if let Ok(mut ip) = Ipv6Mut::new_checked(l3) {
        ip.set_destination(v6);
    }
    delta = delta.word(parsed.destination_port, 8080);
    let l4 = &mut frame[usize::from(parsed.l4_offset)..];
    match parsed.protocol {
        IpProtocol::TCP => {
            if let Ok(mut tcp) = TcpMut::new_checked(l4) {
                tcp.set_destination_port(8080);
                tcp.set_checksum(delta.apply(tcp.checksum()));
            }
        }
        IpProtocol::UDP => {
            if let Ok(mut udp) = UdpMut::new_checked(l4) {
                udp.set_destination_port(8080);
                udp.set_checksum(delta.apply_udp(udp.checksum()));
            }
        }
        IpProtocol::SCTP => {
            let len = u16::try_from(parsed.l4_len()).unwrap_or(u16::MAX);
            if let Ok(mut sctp) = SctpMut::new_checked(l4) {
                sctp.set_ports(parsed.source_port, 8080, len);
            }
        }
        _ => return,
    }
    let rewritten = packet::parse(&frame, frame.len());
    let expected = Parsed {
        destination: target,
        destination_port: 8080,
        ..*parsed
    };
    assert_eq!(rewritten, Ok(expected));
    // One SCTP packet in 2^32 has no checksum afterwards.
    assert_ne!(builder::transport_checksum(&frame), Checksum::Bad);
}

/// A segment made longer and shorter again is what it was; in between it is whole, and its sums are
/// as good as they were.
fn check_lengths(data: &[u8], parsed: &Parsed) {
    let frame_len = parsed.frame_len() as usize;
    let (mut packet, mut about) = (TestBuf::new(data), *parsed);
    let before = builder::transport_checksum(data);
    let changed = segment::replace_payload(&mut packet, &mut about, 0..0, b"PROXY");
    if changed.is_err() {
        assert_eq!(packet.frame()[..frame_len], data[..frame_len]);
        return;
    }
    assert_eq!(packet::parse(packet.bytes(), packet.total_len()), Ok(about));
    assert_eq!(builder::transport_checksum(packet.bytes()), before);
    let back = segment::replace_payload(&mut packet, &mut about, 0..5, b"");
    assert_eq!(back, Ok(()));
    assert_eq!(about, *parsed);
    let mut frame = packet.frame();
    // One's complement has two zeros: a damaged sum of 0xffff may come back as 0.
    let sum = usize::from(parsed.l4_offset) + 16..usize::from(parsed.l4_offset) + 18;
    if frame[sum.clone()] == [0, 0] {
        frame[sum.clone()].copy_from_slice(&data[sum]);
    }
    assert_eq!(frame, data[..frame_len]);
    let option = [254, 8, 1, 2, 3, 4, 5, 6];
    if segment::insert_option(&mut packet, &mut about, &option).is_ok() {
        assert_eq!(packet::parse(packet.bytes(), packet.total_len()), Ok(about));
        assert_eq!(builder::transport_checksum(packet.bytes()), before);
    }
    for (mode, family) in [(Passive::Pasv, Family::V4), (Passive::Epsv, Family::V6)] {
        let asked = match ftp::request(data, family) {
            Some(ftp::Request::Active(found)) => Some(found),
            Some(ftp::Request::Passive(_)) | None => None,
        };
        for found in [asked, ftp::reply(data, mode, family)].iter().flatten() {
            assert!(found.range().end <= data.len());
        }
    }
}

/// An error about the frame is a good packet that quotes it.
fn check_error(data: &[u8], parsed: &Parsed) {
    let l3 = &data[usize::from(parsed.l3_offset)..];
    let mut message = [0; ipv6::MTU_MIN];
    let (written, ether_type) = match parsed.kind {
        Kind::Ipv4 => {
            let error = ErrorMessage::fragmentation_needed(1400);
            let (from, to) = ([10, 0, 0, 1], [10, 0, 0, 2]);
            (
                icmp::write_error(&mut message, error, from, to, 1, l3),
                EtherType::IPV4,
            )
        }
        Kind::Ipv6 => {
            let error = icmpv6::packet_too_big(1400);
            let (from, to) = ([0x20; 16], [0x21; 16]);
            (
                icmpv6::write_error(&mut message, error, from, to, l3),
                EtherType::IPV6,
            )
        }
        Kind::Arp | Kind::Other(_) => return,
    };
    let len = written.unwrap_or(0);
    let limit = if parsed.kind == Kind::Ipv4 {
        icmp::ERROR_LEN_MAX
    } else {
        ipv6::MTU_MIN
    };
    assert!(len >= 48 && len <= limit);
    let frame = builder::Frame::ether(ether_type)
        .payload(&message[..len])
        .build();
    assert!(packet::parse(&frame, frame.len()).is_ok());
    assert_eq!(builder::transport_checksum(&frame), Checksum::Good);
    assert!(l3.starts_with(&message[if parsed.kind == Kind::Ipv4 { 28 } else { 48 }..len]));
}

/// The hash is linear: that of a sum is the sum of the hashes.
fn check_toeplitz(data: &[u8]) {
    let mut key = [0x5a; KEY_LEN];
    key.iter_mut()
        .zip(data)
        .for_each(|(key, byte)| *key ^= byte);
    let (a, b) = data.split_at(data.len() / 2);
    let sum: Vec<u8> = a.iter().zip(b).map(|(a, b)| a ^ b).collect();
    let (a, b) = (&a[..sum.len()], &b[..sum.len()]);
    assert_eq!(toeplitz(&key, &sum), toeplitz(&key, a) ^ toeplitz(&key, b));
}

/// Every accessor of every view, wherever it may be put.
fn touch_views(data: &[u8]) {
    for at in [0, 14, 18, 34, 54] {
        let bytes = data.get(at..).unwrap_or_default();
        let mut seen = 0usize;
        if let Ok(view) = Ethernet::new_checked(bytes) {
            seen += view.payload().len();
        }
        if let Ok(view) = Vlan::new_checked(bytes) {
            seen += view.payload().len() + usize::from(view.id());
        }
        if let Ok(view) = Arp::new_checked(bytes) {
            seen += usize::from(view.is_ethernet_ipv4());
        }
        if let Ok(view) = Ipv4::new_checked(bytes) {
            seen += view.payload().len() + view.options().len() + usize::from(view.checksum_ok());
        }
        if let Ok(view) = Ipv6::new_checked(bytes) {
            seen += view.payload().len();
        }
        if let Ok(view) = FragmentHeader::new_checked(bytes) {
            seen += usize::from(view.offset());
        }
        if let Ok(view) = Tcp::new_checked(bytes) {
            seen += view.payload().len() + view.options().len();
        }
        if let Ok(view) = Udp::new_checked(bytes) {
            seen += view.payload().len();
        }
        if let Ok(view) = Sctp::new_checked(bytes) {
            seen += view.chunks().map(|chunk| chunk.value.len()).sum::<usize>();
            let inits = view.chunks().filter_map(|chunk| chunk.init());
            for init in inits {
                assert!(init.addresses().count() <= sctp::ADDRESSES_MAX);
            }
            let first = view.chunks().next().map(|chunk| chunk.kind);
            assert!(first.is_none() || first == view.first_chunk());
            let second = view.chunks().nth(1).map(|chunk| chunk.kind);
            assert!(second.is_none() || second == view.second_chunk());
        }
        if let Some(Destination::Server(id)) = quic::destination(bytes) {
            let id = quic::server_id(id, bytes[0] & 7, 4);
            seen += id.map_or(0, <[u8]>::len);
        }
        if let Ok(view) = Icmp::new_checked(bytes) {
            seen += view.payload().len();
        }
        assert!(seen <= 10 * bytes.len() + 0x2_0000);
    }
}

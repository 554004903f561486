// SPDX-License-Identifier: Apache-2.0
//! Bytes of the network and transport headers of a [`Frame`](super::Frame).

use alloc::vec::Vec;
use core::net::IpAddr;

use super::{Ip, Transport, TransportKind};
use crate::checksum;
use crate::ipv4::{self, IpProtocol};
use crate::sctp::{self, ChunkType, SctpMut};

/// The IP packet around `segment`.
pub(super) fn network(ip: &Ip, segment: &[u8]) -> Vec<u8> {
    match (ip.source, ip.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            network_v4(ip, source.octets(), destination.octets(), segment)
        }
        (source, destination) => network_v6(
            ip,
            super::mapped(source),
            super::mapped(destination),
            segment,
        ),
    }
}

fn network_v4(ip: &Ip, source: [u8; 4], destination: [u8; 4], segment: &[u8]) -> Vec<u8> {
    let header_len = 20u8.saturating_add(len8(&ip.options));
    let total = len16(segment).saturating_add(header_len.into());
    let (offset, more) = ip.fragment.unwrap_or((0, false));
    let flags = if ip.dont_fragment {
        ipv4::FLAG_DONT_FRAGMENT
    } else {
        0
    } | if more { ipv4::FLAG_MORE_FRAGMENTS } else { 0 };
    let [.., ident_high, ident_low] = ip.ident.to_be_bytes();

    let mut bytes = Vec::new();
    let header_words = ip.header_len.unwrap_or(header_len) >> 2;
    bytes.push((ip.version.unwrap_or(4) << 4) | (header_words & 0x0f));
    bytes.push(ip.tos);
    bytes.extend_from_slice(&ip.length.unwrap_or(total).to_be_bytes());
    bytes.extend_from_slice(&[ident_high, ident_low]);
    bytes.extend_from_slice(&(flags | (offset >> 3)).to_be_bytes());
    bytes.extend_from_slice(&[ip.ttl, ip.protocol.0]);
    let checksum_at = bytes.len();
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(&source);
    bytes.extend_from_slice(&destination);
    bytes.extend_from_slice(&ip.options);
    let checksum = ip.checksum.unwrap_or_else(|| checksum::of(&bytes));
    put(&mut bytes, checksum_at, checksum);
    bytes.extend_from_slice(segment);
    bytes
}

fn network_v6(ip: &Ip, source: [u8; 16], destination: [u8; 16], segment: &[u8]) -> Vec<u8> {
    let mut kinds: Vec<IpProtocol> = ip.extensions.iter().map(|(kind, _)| *kind).collect();
    if ip.fragment.is_some() {
        kinds.push(IpProtocol::FRAGMENT);
    }
    kinds.push(ip.protocol);
    let mut kinds = kinds.into_iter().map(|kind| kind.0);
    let mut next = || kinds.next().unwrap_or(IpProtocol::NO_NEXT_HEADER.0);

    let first = next();
    let mut body = Vec::new();
    for (_, content) in &ip.extensions {
        let len = content.len().saturating_add(2).next_multiple_of(8);
        let units = u8::try_from((len / 8).saturating_sub(1)).unwrap_or(u8::MAX);
        let end = body.len().saturating_add(len);
        body.extend_from_slice(&[next(), units]);
        body.extend_from_slice(content);
        body.resize(end, 0);
    }
    if let Some((offset, more)) = ip.fragment {
        body.extend_from_slice(&[next(), 0]);
        body.extend_from_slice(&((offset & 0xfff8) | u16::from(more)).to_be_bytes());
        body.extend_from_slice(&ip.ident.to_be_bytes());
    }
    body.extend_from_slice(segment);

    let version = u32::from(ip.version.unwrap_or(6)) << 28;
    let word = version | (u32::from(ip.tos) << 20) | (ip.flow_label & 0x000f_ffff);
    let mut bytes = word.to_be_bytes().to_vec();
    bytes.extend_from_slice(&ip.length.unwrap_or_else(|| len16(&body)).to_be_bytes());
    bytes.extend_from_slice(&[first, ip.ttl]);
    bytes.extend_from_slice(&source);
    bytes.extend_from_slice(&destination);
    bytes.extend_from_slice(&body);
    bytes
}

/// The transport segment between the two addresses.
pub(super) fn transport(
    transport: &Transport,
    (source, destination): ([u8; 16], [u8; 16]),
    protocol: IpProtocol,
    payload: &[u8],
) -> Vec<u8> {
    let (mut bytes, checksum_at) = match transport.kind {
        TransportKind::Raw => return payload.to_vec(),
        TransportKind::Tcp => (tcp(transport), 16),
        TransportKind::Udp => (udp(transport, payload), 6),
        TransportKind::Sctp => return sctp(transport, payload),
        TransportKind::Icmp => (icmp(transport), 2),
    };
    bytes.extend_from_slice(payload);
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let pseudo = match protocol {
        IpProtocol::ICMP => 0,
        _ => checksum::pseudo_v6(&source, &destination, protocol, length),
    };
    let computed = checksum::transport(pseudo, &bytes);
    let computed = match transport.kind {
        TransportKind::Udp => checksum::udp_to_wire(computed),
        TransportKind::Raw | TransportKind::Tcp | TransportKind::Sctp | TransportKind::Icmp => {
            computed
        }
    };
    put(
        &mut bytes,
        checksum_at,
        transport.checksum.unwrap_or(computed),
    );
    bytes
}

fn tcp(tcp: &Transport) -> Vec<u8> {
    let header_len = 20u8.saturating_add(len8(&tcp.options));
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&tcp.source_port.to_be_bytes());
    bytes.extend_from_slice(&tcp.destination_port.to_be_bytes());
    bytes.extend_from_slice(&tcp.sequence.to_be_bytes());
    bytes.extend_from_slice(&tcp.acknowledgment.to_be_bytes());
    bytes.push((tcp.data_offset.unwrap_or(header_len) >> 2) << 4);
    bytes.push(tcp.flags);
    bytes.extend_from_slice(&tcp.window.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&tcp.options);
    bytes
}

fn udp(udp: &Transport, payload: &[u8]) -> Vec<u8> {
    let length = udp
        .length
        .unwrap_or_else(|| len16(payload).saturating_add(8));
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&udp.source_port.to_be_bytes());
    bytes.extend_from_slice(&udp.destination_port.to_be_bytes());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes
}

/// A 16-bit checksum set by hand fills both halves of SCTP's.
fn sctp(sctp: &Transport, chunks: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&sctp.source_port.to_be_bytes());
    bytes.extend_from_slice(&sctp.destination_port.to_be_bytes());
    bytes.extend_from_slice(&sctp.sequence.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(chunks);
    let by_hand = sctp.checksum.map(|half| u32::from(half) * 0x1_0001);
    let checksum = by_hand.or_else(|| sctp::checksum_of(&bytes));
    if let (Some(checksum), Ok(mut header)) = (checksum, SctpMut::new_checked(&mut bytes)) {
        header.set_checksum(checksum);
    }
    bytes
}

/// Chunks without flags, each padded to a whole word.
pub(super) fn chunks(chunks: &[(ChunkType, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, value) in chunks {
        let len = len16(value).saturating_add(4);
        bytes.extend_from_slice(&[kind.0, 0]);
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

fn icmp(icmp: &Transport) -> Vec<u8> {
    let mut bytes = alloc::vec![icmp.icmp_type, icmp.icmp_code, 0, 0];
    bytes.extend_from_slice(&icmp.rest.to_be_bytes());
    bytes
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(field) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *field = value.to_be_bytes();
    }
}

pub(super) fn len16(bytes: &[u8]) -> u16 {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX)
}

fn len8(bytes: &[u8]) -> u8 {
    u8::try_from(bytes.len()).unwrap_or(u8::MAX)
}

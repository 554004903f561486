// SPDX-License-Identifier: Apache-2.0
//! The packets of a benchmark: one flow, one frame; and a capture of them for `net_pcap`.
//!
//! Frame: 60 bytes (64 on the wire) of UDP over IPv4 to one service, with right checksums. Clients
//! are 100.64.0.0/10, 16 ports each.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;

/// Bytes of a frame without its checksum: the smallest that Ethernet allows.
pub(super) const FRAME_LEN: usize = 60;
/// Flows that can be told apart: the clients' addresses times their ports.
pub(crate) const FLOWS_MAX: u32 = 4_000_000;
/// The service.
pub(super) const VIRTUAL_IP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// Its port.
pub(super) const VPORT: u16 = 80;
/// The MAC that the frames are sent to.
pub(super) const DIRECTOR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// The MAC that they come from: the clients' router.
pub(super) const ROUTER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

const CLIENTS: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 0);
const PORTS_PER_CLIENT: u32 = 16;
const FIRST_CPORT: u32 = 1024;
const ETHERNET_LEN: usize = 14;
const IPV4_LEN: usize = 20;
const PROTOCOL_UDP: u8 = 17;

/// The frame of flow number `flow`.
pub(super) fn frame(flow: u32) -> [u8; FRAME_LEN] {
    let client = Ipv4Addr::from(u32::from(CLIENTS) + flow / PORTS_PER_CLIENT);
    let [port_high, port_low] = port_of(flow).to_be_bytes();
    let [vport_high, vport_low] = VPORT.to_be_bytes();
    let mut frame = [0; FRAME_LEN];
    let (ethernet, packet) = frame.split_at_mut(ETHERNET_LEN);
    let (network, transport) = packet.split_at_mut(IPV4_LEN);
    put(
        ethernet,
        [DIRECTOR_MAC, ROUTER_MAC].as_flattened(),
        &[0x08, 0x00],
    );
    let total = FRAME_LEN - ETHERNET_LEN;
    let [_, ip_len] = be16(total);
    let [_, udp_len] = be16(total - IPV4_LEN);
    let addresses = [client.octets(), VIRTUAL_IP.octets()];
    let addresses = addresses.as_flattened();
    put(
        network,
        &[0x45, 0, 0, ip_len, 0, 0, 0x40, 0, 64, PROTOCOL_UDP, 0, 0],
        addresses,
    );
    put(
        transport,
        &[port_high, port_low, vport_high, vport_low, 0, udp_len],
        &[],
    );
    let pseudo = sum(addresses) + u32::from(PROTOCOL_UDP) + u32::from(udp_len);
    let checksums = [
        (10, !fold(sum(network))),
        (6, !fold(pseudo + sum(transport))),
    ];
    for (header, (at, checksum)) in [network, transport].into_iter().zip(checksums) {
        if let Some(place) = header.get_mut(at..at + 2) {
            place.copy_from_slice(&checksum.to_be_bytes());
        }
    }
    frame
}

/// The flow numbers below `flows` in an order that `seed` chooses.
pub(super) fn shuffled(flows: u32, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..flows).collect();
    let mut state = seed | 1;
    for last in (1..order.len()).rev() {
        // xorshift64: the same order on every machine.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let other = state % (last as u64 + 1);
        order.swap(last, usize::try_from(other).unwrap_or(last));
    }
    order
}

/// Writes the frames of these flows, in this order, as a capture file.
///
/// # Errors
/// The disk's.
pub(super) fn write(path: &Path, flows: &[u32]) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    // libpcap's classic header: magic, version 2.4, zone, accuracy, longest frame, Ethernet.
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        file.write_all(&word.to_le_bytes())?;
    }
    let length = u32::try_from(FRAME_LEN).unwrap_or(0);
    for flow in flows {
        for word in [0, 0, length, length] {
            file.write_all(&word.to_le_bytes())?;
        }
        file.write_all(&frame(*flow))?;
    }
    file.into_inner()
        .map_err(|error| error.into_error())?
        .sync_all()
}

fn port_of(flow: u32) -> u16 {
    u16::try_from(FIRST_CPORT + flow % PORTS_PER_CLIENT).unwrap_or(0)
}

fn be16(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(0).to_be_bytes()
}

/// Writes two pieces to the front of a header.
fn put(header: &mut [u8], first: &[u8], second: &[u8]) {
    for (place, octet) in header.iter_mut().zip(first.iter().chain(second)) {
        *place = *octet;
    }
}

/// Sum of 16-bit words, not folded.
fn sum(bytes: &[u8]) -> u32 {
    let (words, _) = bytes.as_chunks::<2>();
    words
        .iter()
        .map(|word| u32::from(u16::from_be_bytes(*word)))
        .sum()
}

fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_checksums_of_a_frame_are_right() {
        for flow in [0, 15, 16, 65_537, FLOWS_MAX - 1] {
            let frame = frame(flow);
            let (network, transport) = frame[ETHERNET_LEN..].split_at(IPV4_LEN);
            assert_eq!(fold(sum(network)), 0xffff, "IPv4 of flow {flow}");
            let pseudo = sum(&network[12..]) + 17 + u32::try_from(transport.len()).unwrap();
            assert_eq!(fold(pseudo + sum(transport)), 0xffff, "UDP of flow {flow}");
        }
    }

    #[test]
    fn every_flow_has_an_address_and_port_of_its_own() {
        let ends: std::collections::HashSet<[u8; 6]> = (0..100_000)
            .map(|flow| {
                let frame = frame(flow);
                let mut end = [0; 6];
                end[..4].copy_from_slice(&frame[26..30]);
                end[4..].copy_from_slice(&frame[34..36]);
                end
            })
            .collect();
        assert_eq!(ends.len(), 100_000);
    }

    #[test]
    fn a_shuffle_keeps_every_flow_and_depends_on_its_seed() {
        let mut first = shuffled(1000, 7);
        assert_ne!(first, shuffled(1000, 8));
        assert_eq!(first, shuffled(1000, 7));
        first.sort_unstable();
        assert_eq!(first, (0..1000).collect::<Vec<u32>>());
    }

    #[test]
    fn a_capture_has_a_header_and_a_record_for_each_frame() {
        let path = std::env::temp_dir().join(format!("penstock-capture-{}", std::process::id()));
        write(&path, &[3, 1]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(bytes.len(), 24 + 2 * (16 + FRAME_LEN));
        assert_eq!(bytes[..4], [0xd4, 0xc3, 0xb2, 0xa1]);
        assert_eq!(bytes[24 + 8..24 + 12], [60, 0, 0, 0]);
        assert_eq!(bytes[40..40 + FRAME_LEN], frame(3));
    }
}

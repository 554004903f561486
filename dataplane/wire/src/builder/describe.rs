// SPDX-License-Identifier: Apache-2.0
//! A frame as one line of text, for the message of a failed test.

use alloc::format;
use alloc::string::String;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::arp::{Arp, Operation};
use crate::ethernet::{EtherType, Ethernet};
use crate::icmp::{self, Icmp};
use crate::ipv4::{IpProtocol, Ipv4, from_mapped};
use crate::packet::{Fragment, Kind, Parsed, Quote, parse, parse_quote};
use crate::sctp::Sctp;
use crate::tcp::{self, Tcp};
use crate::udp::Udp;
use crate::vlan::Vlan;
use crate::{checksum, clamped, icmpv6};

/// What a checksum turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// There is none in this frame, or not all it covers is there.
    Absent,
    /// It does not sum up.
    Bad,
    /// It sums up.
    Good,
}

/// The frame as one line, e.g. `10.0.0.1:1000 > 10.0.0.100:80 tcp SA seq 1 ack 2 ttl 64 len 40`.
/// Wrong checksums are named; what is right or zero is left out.
#[must_use]
pub fn describe(frame: &[u8]) -> String {
    let parsed = match parse(frame, frame.len()) {
        Ok(parsed) => parsed,
        Err(error) => return format!("refused: {error} ({} bytes: {})", frame.len(), hex(frame)),
    };
    let mut text = parsed
        .vlan
        .map_or_else(String::new, |id| format!("vlan {id} "));
    let rest = clamped(frame, parsed.l3_offset.into(), frame.len());
    match parsed.kind {
        Kind::Arp => text.push_str(&describe_arp(rest)),
        Kind::Other(ether_type) => {
            text.push_str(&format!("ether type {ether_type} len {}", rest.len()));
        }
        Kind::Ipv4 | Kind::Ipv6 => text.push_str(&describe_ip(frame, &parsed)),
    }
    text
}

/// The state of the IPv4 header checksum, also of a frame that `parse` refuses.
#[must_use]
pub fn ip_checksum(frame: &[u8]) -> Checksum {
    let Ok(link) = Ethernet::new_checked(frame) else {
        return Checksum::Absent;
    };
    let tagged = Vlan::new_checked(link.payload())
        .ok()
        .filter(|_| link.ether_type().is_vlan());
    let (ether_type, packet) = tagged.map_or_else(
        || (link.ether_type(), link.payload()),
        |tag| (tag.ether_type(), tag.payload()),
    );
    match Ipv4::new_checked(packet) {
        Ok(ip) if ether_type == EtherType::IPV4 && ip.checksum_ok() => Checksum::Good,
        Ok(_) if ether_type == EtherType::IPV4 => Checksum::Bad,
        Ok(_) | Err(_) => Checksum::Absent,
    }
}

/// The state of the TCP, UDP, SCTP, ICMP or `ICMPv6` checksum; that of a fragment cannot be known.
#[must_use]
pub fn transport_checksum(frame: &[u8]) -> Checksum {
    let Ok(parsed) = parse(frame, frame.len()) else {
        return Checksum::Absent;
    };
    if !parsed.is_ip() || parsed.fragment != Fragment::None {
        return Checksum::Absent;
    }
    let segment = segment(frame, &parsed);
    let pseudo = match parsed.protocol {
        IpProtocol::ICMP => 0,
        IpProtocol::SCTP => return sctp_checksum(segment),
        IpProtocol::UDP if Udp::new_checked(segment).is_ok_and(|udp| udp.checksum() == 0) => {
            return Checksum::Absent;
        }
        IpProtocol::TCP | IpProtocol::UDP | IpProtocol::ICMPV6 => checksum::pseudo_v6(
            &parsed.source,
            &parsed.destination,
            parsed.protocol,
            parsed.l4_len(),
        ),
        _ => return Checksum::Absent,
    };
    match checksum::transport(pseudo, segment) {
        0 => Checksum::Good,
        _ => Checksum::Bad,
    }
}

fn sctp_checksum(segment: &[u8]) -> Checksum {
    match Sctp::new_checked(segment) {
        Ok(sctp) if sctp.checksum() == 0 => Checksum::Absent,
        Ok(sctp) if sctp.checksum_ok() => Checksum::Good,
        Ok(_) => Checksum::Bad,
        Err(_) => Checksum::Absent,
    }
}

fn describe_arp(packet: &[u8]) -> String {
    let Ok(arp) = Arp::new_checked(packet) else {
        return String::from("arp");
    };
    let (sender, target) = (
        Ipv4Addr::from(arp.sender_ip()),
        Ipv4Addr::from(arp.target_ip()),
    );
    match arp.operation() {
        Operation::REQUEST => format!("arp who has {target} tell {sender}"),
        Operation::REPLY => format!("arp {sender} is at {}", arp.sender_mac()),
        Operation(number) => format!("arp operation {number}"),
    }
}

fn describe_ip(frame: &[u8], parsed: &Parsed) -> String {
    let segment = segment(frame, parsed);
    let mut text = format!(
        "{} > {} ",
        end(parsed.source, parsed.source_port),
        end(parsed.destination, parsed.destination_port)
    );
    text.push_str(&describe_transport(segment, parsed));
    text.push_str(&format!(" ttl {}", parsed.ttl));
    if parsed.tos != 0 {
        text.push_str(&format!(" tos 0x{:02x}", parsed.tos));
    }
    if parsed.has_options {
        text.push_str(" options");
    }
    if let Kind::Ipv4 = parsed.kind
        && let Ok(ip) = Ipv4::new_checked(clamped(frame, parsed.l3_offset.into(), frame.len()))
    {
        if ip.ident() != 0 {
            text.push_str(&format!(" id {}", ip.ident()));
        }
        if ip.dont_fragment() {
            text.push_str(" df");
        }
    }
    if let Some(place) = parsed.fragment_place(frame) {
        let more = if place.more { "+" } else { "" };
        text.push_str(&format!(" fragment {}@{}{more}", place.ident, place.offset));
    }
    text.push_str(&format!(" len {}", parsed.ip_len));
    if transport_checksum(frame) == Checksum::Bad {
        text.push_str(&format!(" BAD {} checksum", parsed.protocol));
    }
    text
}

fn describe_transport(segment: &[u8], parsed: &Parsed) -> String {
    if parsed.fragment == Fragment::Later {
        return format!("{}", parsed.protocol);
    }
    match parsed.protocol {
        IpProtocol::TCP => Tcp::new_checked(segment).map_or_else(
            |_| String::from("tcp"),
            |tcp| {
                let flags = flag_letters(tcp.flags());
                format!(
                    "tcp {flags} seq {} ack {}",
                    tcp.sequence(),
                    tcp.acknowledgment()
                )
            },
        ),
        IpProtocol::ICMP | IpProtocol::ICMPV6 => describe_icmp(segment, parsed.protocol),
        IpProtocol::SCTP => describe_sctp(segment),
        other => format!("{other}"),
    }
}

fn describe_sctp(segment: &[u8]) -> String {
    let Ok(sctp) = Sctp::new_checked(segment) else {
        return String::from("sctp");
    };
    let mut text = format!("sctp tag 0x{:x} chunks", sctp.verification_tag());
    for chunk in sctp.chunks() {
        text.push_str(&format!(" {}", chunk.kind.0));
    }
    text
}

fn describe_icmp(segment: &[u8], protocol: IpProtocol) -> String {
    let Ok(message) = Icmp::new_checked(segment) else {
        return format!("{protocol}");
    };
    let kind = message.icmp_type();
    let mut text = format!(
        "{protocol} {kind}/{} rest 0x{:x}",
        message.code(),
        message.rest()
    );
    let is_error = match protocol {
        IpProtocol::ICMP => icmp::is_error(kind),
        _ => icmpv6::is_error(kind),
    };
    if is_error {
        let quoted = match parse_quote(message.payload()) {
            Ok(quote) => describe_quote(&quote),
            Err(error) => format!("refused: {error}"),
        };
        text.push_str(&format!(" about [{quoted}]"));
    }
    text
}

fn describe_quote(quote: &Quote) -> String {
    let source = end(quote.source, quote.source_port);
    let destination = end(quote.destination, quote.destination_port);
    format!(
        "{source} > {destination} {} ttl {} len {}",
        quote.protocol, quote.ttl, quote.ip_len
    )
}

fn segment<'a>(frame: &'a [u8], parsed: &Parsed) -> &'a [u8] {
    let end = usize::try_from(parsed.frame_len()).unwrap_or(usize::MAX);
    clamped(frame, parsed.l4_offset.into(), end)
}

fn end(address: [u8; 16], port: u16) -> String {
    let ip = from_mapped(&address).map_or_else(
        || IpAddr::V6(Ipv6Addr::from(address)),
        |v4| IpAddr::V4(Ipv4Addr::from(v4)),
    );
    match (ip, port) {
        (ip, 0) => format!("{ip}"),
        (IpAddr::V4(ip), port) => format!("{ip}:{port}"),
        (IpAddr::V6(ip), port) => format!("[{ip}]:{port}"),
    }
}

fn flag_letters(flags: u8) -> String {
    let letters: String = FLAG_LETTERS
        .iter()
        .filter(|(bit, _)| flags & bit != 0)
        .map(|(_, letter)| *letter)
        .collect();
    if letters.is_empty() {
        String::from("-")
    } else {
        letters
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .take(HEX_LEN_MAX)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// In the order tcpdump's users know: SYN, FIN, RST, PSH first, ACK after.
const FLAG_LETTERS: [(u8, char); 8] = [
    (tcp::flags::SYN, 'S'),
    (tcp::flags::FIN, 'F'),
    (tcp::flags::RST, 'R'),
    (tcp::flags::PSH, 'P'),
    (tcp::flags::ACK, 'A'),
    (tcp::flags::URG, 'U'),
    (tcp::flags::ECE, 'E'),
    (tcp::flags::CWR, 'W'),
];
/// Enough for the headers of a refused frame.
const HEX_LEN_MAX: usize = 64;

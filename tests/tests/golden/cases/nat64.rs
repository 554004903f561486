// SPDX-License-Identifier: Apache-2.0
//! NAT64 and its mirror: servers of the other family than their service.

use wire::builder::Frame;
use wire::tcp::flags::{ACK, FIN, SYN};

use super::{Build, CLIENT, CLIENT6, VIP, VIP6, case};

const POOL: &str = "\n[[local_pool]]\nname = \"inside\"\n\
                    addresses = [\"10.1.0.200\", \"2001:db8:1::200\"]\n";
/// The port that the first connection of a fixture gets, and its server's.
const LOCAL: &str = "10.1.0.200:7449";
const LOCAL6: &str = "[2001:db8:1::200]:7449";
const REAL: &str = "10.1.0.11:8080";
const REAL6: &str = "[2001:db8:1::11]:8080";

fn service(name: &str, sentence: &str, listen: &str, server: &str) -> Build {
    case(name, sentence).config(&format!(
        "{POOL}\n[[service]]\nname = \"web\"\nlisten = \"{listen}\"\nscheduler = \"rr\"\n\
         forward = \"fullnat\"\nlocal_pool = \"inside\"\n\n  [[service.server]]\n  \
         address = \"{server}\"\n"
    ))
}

/// A connection from its beginning to its end.
fn talk(build: Build, [client, vip, local, real]: [&str; 4]) -> Build {
    build
        .front(Frame::tcp(client, vip).flags(SYN))
        .farm(Frame::tcp(real, local).flags(SYN | ACK).dont_fragment())
        .front(
            Frame::tcp(client, vip)
                .flags(ACK)
                .payload(b"request")
                .tos(8),
        )
        .farm(Frame::tcp(real, local).flags(ACK).payload(b"answer").ttl(9))
        .after(20)
        .front(Frame::tcp(client, vip).flags(FIN | ACK))
        .farm(Frame::tcp(real, local).flags(FIN | ACK))
}

pub(super) fn all() -> Vec<Build> {
    let query = |from, to| Frame::udp(from, to).payload(b"question");
    vec![
        talk(
            service(
                "nat64_tcp",
                "A client of IPv6 and a server of IPv4.",
                "tcp://[2001:db8::100]:80",
                REAL,
            ),
            [CLIENT6, VIP6, LOCAL, REAL],
        ),
        talk(
            service(
                "nat46_tcp",
                "A client of IPv4 and a server of IPv6.",
                "tcp://10.0.0.100:80",
                REAL6,
            ),
            [CLIENT, VIP, LOCAL6, REAL6],
        ),
        service(
            "nat64_udp",
            "Datagrams without checksum get one; large ones leave in pieces.",
            "udp://[2001:db8::100]:80",
            REAL,
        )
        .front(query(CLIENT6, VIP6))
        .farm(query(REAL, LOCAL).checksum(0))
        .farm(query(REAL, LOCAL).payload_len(1400).ident(7))
        .front(
            query(CLIENT6, VIP6).extension(wire::ipv4::IpProtocol::ROUTING, &[3, 1, 0, 0, 0, 0]),
        ),
        service(
            "nat64_errors",
            "Errors about a connection are told in the terms of whoever is told.",
            "tcp://[2001:db8::100]:80",
            REAL,
        )
        .front(Frame::tcp(CLIENT6, VIP6).flags(SYN))
        .farm(
            Frame::icmp("10.1.0.77", "10.1.0.200", 3, 4)
                .rest(1400)
                .payload(&Frame::tcp(LOCAL, REAL).flags(ACK).payload_len(8).build_ip()),
        )
        .front(
            Frame::icmp("2001:db8::77", "2001:db8::100", 2, 0)
                .rest(1280)
                .payload(
                    &Frame::tcp(VIP6, CLIENT6)
                        .flags(ACK)
                        .payload_len(8)
                        .build_ip(),
                ),
        )
        .farm(
            Frame::tcp(REAL, LOCAL)
                .flags(ACK)
                .payload_len(1460)
                .dont_fragment(),
        )
        .front(Frame::tcp(CLIENT6, VIP6).flags(ACK).ttl(1)),
    ]
}

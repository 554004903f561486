// SPDX-License-Identifier: Apache-2.0
//! Every forwarding method with every family and transport: the same stories told to each.
//!
//! A case is called METHOD_TRANSPORT_FAMILY_STORY.

use wire::builder::{Checksum, address, transport_checksum};
use wire::packet::{Fragment, parse};

use super::*;

const POOL: &str = "\n[[local_pool]]\nname = \"inside\"\n\
                    addresses = [\"10.1.0.200\", \"2001:db8:1::200\"]\n";
/// The address and port that the first connection of a fixture gets.
const LOCAL: &str = "10.1.0.200:7449";
const LOCAL6: &str = "[2001:db8:1::200]:7449";

/// A forwarding method, as the cases name it.
#[derive(Clone, Copy)]
struct Method {
    name: &'static str,
    forward: &'static str,
    /// More lines of the service.
    lines: &'static str,
    /// Bytes that it puts in front of a packet, over IPv4 and IPv6.
    adds: (usize, usize),
}

const METHODS: [Method; 6] = [
    Method {
        name: "fullnat",
        forward: "fullnat",
        lines: "local_pool = \"inside\"\n",
        adds: (0, 0),
    },
    Method {
        name: "nat",
        forward: "nat",
        lines: "",
        adds: (0, 0),
    },
    Method {
        name: "dr",
        forward: "dr",
        lines: "",
        adds: (0, 0),
    },
    Method {
        name: "ipip",
        forward: "tun",
        lines: "",
        adds: (20, 40),
    },
    Method {
        name: "gre",
        forward: "tun",
        lines: "tunnel = { type = \"gre\", checksum = true }\n",
        adds: (28, 48),
    },
    Method {
        name: "gue",
        forward: "tun",
        lines: "tunnel = { type = \"gue\", port = 6080 }\n",
        adds: (32, 52),
    },
];

#[derive(Clone, Copy, PartialEq)]
enum Transport {
    Tcp,
    Udp,
}

/// One place of the matrix.
#[derive(Clone, Copy)]
struct Spot {
    method: Method,
    transport: Transport,
    v6: bool,
}

impl Spot {
    fn name(self, story: &str) -> String {
        let transport = match self.transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        };
        let family = if self.v6 { "v6" } else { "v4" };
        format!("{}_{transport}_{family}_{story}", self.method.name)
    }

    /// A case with the service and two servers.
    fn case(self, story: &str, sentence: &str) -> Build {
        let scheme = match self.transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        };
        let pool = if self.method.forward == "fullnat" {
            POOL
        } else {
            ""
        };
        let mut build = case(&self.name(story), sentence)
            .config(pool)
            .config(&format!(
                "\n[[service]]\nname = \"matrix\"\nlisten = \"{scheme}://{}\"\n\
             scheduler = \"rr\"\nforward = \"{}\"\n{}",
                self.vip(),
                self.method.forward,
                self.method.lines
            ));
        for server in [12, 11] {
            let address = self.server(server);
            build = build.config(&format!(
                "\n  [[service.server]]\n  address = \"{address}\"\n"
            ));
        }
        build
    }

    const fn vip(self) -> &'static str {
        if self.v6 { VIP6 } else { VIP }
    }

    const fn client(self) -> &'static str {
        if self.v6 { CLIENT6 } else { CLIENT }
    }

    /// Address and port of a server; only NAT changes the port.
    fn server(self, number: u8) -> String {
        let port = match self.method.forward {
            "nat" | "fullnat" => 8080,
            _ => 80,
        };
        if self.v6 {
            format!("[2001:db8:1::{number}]:{port}")
        } else {
            format!("10.1.0.{number}:{port}")
        }
    }

    fn frame(self, from: &str, to: &str, flags: u8) -> Frame {
        match self.transport {
            Transport::Tcp => Frame::tcp(from, to).flags(flags),
            Transport::Udp => Frame::udp(from, to),
        }
    }

    /// From the client.
    fn asks(self, flags: u8) -> Frame {
        self.frame(self.client(), self.vip(), flags)
    }

    /// From the first server, to the client, or to the local address that stands for it.
    fn answers(self, flags: u8) -> Frame {
        self.frame(&self.server(11), self.seen_as(), flags)
    }

    /// The client as the first server sees it.
    const fn seen_as(self) -> &'static str {
        match (self.method.forward.as_bytes(), self.v6) {
            (b"fullnat", false) => LOCAL,
            (b"fullnat", true) => LOCAL6,
            _ => self.client(),
        }
    }
}

fn host(endpoint: &str) -> &str {
    let host = endpoint.rsplit_once(':').map_or(endpoint, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

pub(super) fn all() -> Vec<Build> {
    let mut all = Vec::new();
    for method in METHODS {
        for transport in [Transport::Tcp, Transport::Udp] {
            for v6 in [false, true] {
                let spot = Spot {
                    method,
                    transport,
                    v6,
                };
                all.extend([talk(spot), ttl(spot), big(spot), errors(spot), gone(spot)]);
            }
        }
    }
    all
}

/// The names of all cases of the matrix.
pub(in super::super) fn names() -> Vec<String> {
    all().into_iter().map(|build| build.case.name).collect()
}

/// Whether a packet that was sent has right checksums and the addresses that its method gives it.
pub(in super::super) fn check(name: &str, record: &Record) {
    let frame = &record.bytes;
    let parsed = parse(frame, frame.len()).unwrap();
    if parsed.fragment == Fragment::None {
        let sum = transport_checksum(frame);
        assert!(
            matches!(sum, Checksum::Good | Checksum::Absent),
            "{name}: {sum:?}"
        );
    }
    let (source, destination) = (parsed.source, parsed.destination);
    let v6 = name.contains("_v6_");
    let (vip, client) = if v6 { (VIP6, CLIENT6) } else { (VIP, CLIENT) };
    let server = if v6 { "2001:db8:1::11" } else { "10.1.0.11" };
    let other = if v6 { "2001:db8:1::12" } else { "10.1.0.12" };
    let (vip, client) = (address(host(vip)), address(host(client)));
    let to_server = [server, other].map(address).contains(&destination);
    let is_error = matches!(parsed.protocol, IpProtocol::ICMP | IpProtocol::ICMPV6);
    match (record.port, name.split('_').next()) {
        (1, Some("nat")) => assert!(to_server, "{name}"),
        (1, Some("fullnat")) => assert!(to_server && source != client, "{name}"),
        (1, Some("dr")) => assert!(destination == vip || is_error && to_server, "{name}"),
        // The director's own errors to the server it will not forward for are not in a tunnel.
        (1, _) => assert!(to_server && (is_error || source != client), "{name}"),
        // To the client: from the VIP with NAT; with the others its own answers are routed.
        (_, Some("nat" | "fullnat")) if !is_error => assert_eq!(source, vip, "{name}"),
        _ => assert_ne!(source, client, "{name}"),
    }
}

/// Opened, answered, used, closed; a second client gets the other server.
fn talk(spot: Spot) -> Build {
    let other = spot.client().replace(":1000", ":1001");
    spot.case("talk", "A connection opened, used and closed, and another.")
        .front(spot.asks(SYN).tos(0x2c))
        .farm(spot.answers(SYN | ACK))
        .after(10)
        .front(spot.asks(PSH | ACK).payload(b"question").dont_fragment())
        .farm(spot.answers(PSH | ACK).payload(b"answer"))
        .front(spot.frame(&other, spot.vip(), SYN))
        .front(spot.asks(FIN | ACK).padded())
        .farm(spot.answers(FIN | ACK))
        .front(spot.asks(ACK))
}

/// Hop limits run out, on the way there and back.
fn ttl(spot: Spot) -> Build {
    spot.case(
        "ttl",
        "Packets whose TTL or hop limit ends here, and one that just passes.",
    )
    .front(spot.asks(SYN).ttl(2))
    .front(spot.asks(ACK).ttl(1))
    .farm(spot.answers(ACK).ttl(1))
}

/// The largest packet that fits, and one byte more.
fn big(spot: Spot) -> Build {
    let (v4, v6) = spot.method.adds;
    let headers = match (spot.transport, spot.v6) {
        (Transport::Tcp, false) => 40,
        (Transport::Tcp, true) => 60,
        (Transport::Udp, false) => 28,
        (Transport::Udp, true) => 48,
    };
    let room = 1500 - headers - if spot.v6 { v6 } else { v4 };
    let data = |len| spot.asks(PSH | ACK).payload_len(len).dont_fragment();
    let build = spot
        .case(
            "big",
            "The largest packet that fits the way to the server, and larger ones.",
        )
        .front(spot.asks(SYN))
        .front(data(room))
        .front(data(room + 1));
    if spot.v6 {
        build
    } else {
        build.front(spot.asks(PSH | ACK).payload_len(room + 1).ident(7))
    }
}

/// Errors about the connection, from both sides.
fn errors(spot: Spot) -> Build {
    let (too_big, unreachable) = if spot.v6 {
        ((2, 0), (1, 4))
    } else {
        ((3, 4), (3, 3))
    };
    let reply = spot.frame(spot.vip(), spot.client(), ACK);
    let server = spot.server(11);
    let request = spot.frame(spot.seen_as(), &server, ACK);
    let error = |from: &str, to: &str, (kind, code): (u8, u8), cause: &Frame| {
        Frame::icmp(from, to, kind, code).payload(&cause.build_ip())
    };
    let router = if spot.v6 { "2001:db8::77" } else { "10.0.0.77" };
    spot.case(
        "errors",
        "ICMP errors about the connection, from either side.",
    )
    .front(spot.asks(SYN))
    .front(error(router, host(spot.vip()), too_big, &reply).rest(1300))
    .front(error(
        host(spot.client()),
        host(spot.vip()),
        unreachable,
        &reply,
    ))
    .farm(error(
        host(&server),
        host(spot.seen_as()),
        unreachable,
        &request,
    ))
}

/// The service has no server that takes connections, then time takes the old one.
fn gone(spot: Spot) -> Build {
    spot.case(
        "idle",
        "A connection is forgotten when nothing came for long enough.",
    )
    .front(spot.asks(SYN))
    .after(59_000)
    .front(spot.asks(if spot.transport == Transport::Tcp {
        ACK
    } else {
        SYN
    }))
    .after(400_000)
    .front(spot.asks(PSH | ACK))
    .after(1_000_000)
    .front(spot.asks(PSH | ACK))
}

// SPDX-License-Identifier: Apache-2.0
//! The cases: what goes in.

use wire::builder::{Frame, SOURCE_MAC};
use wire::ethernet::{EtherType, MacAddress};
use wire::ipv4::IpProtocol;
use wire::tcp::flags::{ACK, FIN, PSH, RST, SYN};

use super::Record;

pub(super) mod matrix;
mod nat64;
mod related;
mod sctp;
mod snat;

/// A case as its files are written from.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) config: String,
    pub(super) input: Vec<Record>,
}

const CLIENT: &str = "10.0.0.9:1000";
const VIP: &str = "10.0.0.100:80";
const CLIENT6: &str = "[2001:db8::9]:1000";
const VIP6: &str = "[2001:db8::100]:80";
const FARM_MAC: MacAddress = MacAddress([2, 0, 0, 0, 1, 2]);

const PORTS: &str = r#"[director]
name = "golden"
workers = "1"

[[port]]
name = "front"
device = "net_ring0"
addresses = ["10.0.0.1/24", "2001:db8::1/64"]

[[port]]
name = "farm"
device = "net_ring1"
addresses = ["10.1.0.1/24", "2001:db8:1::1/64"]
"#;

/// A case under construction.
struct Build {
    case: Case,
    at_ms: u64,
}

fn case(name: &str, sentence: &str) -> Build {
    Build {
        case: Case {
            name: name.to_owned(),
            config: format!("# {sentence}\n{PORTS}"),
            input: Vec::new(),
        },
        at_ms: 0,
    }
}

impl Build {
    /// Lines behind those of the ports; the last port is `farm`.
    fn config(mut self, text: &str) -> Self {
        self.case.config.push_str(text);
        self
    }

    /// A service and its servers, `ADDRESS:PORT` or `ADDRESS:PORT WEIGHT`.
    fn service(self, listen: &str, scheduler: &str, forward: &str, servers: &[&str]) -> Self {
        let mut text = format!(
            "\n[[service]]\nname = \"{listen}\"\nlisten = \"{listen}\"\n\
             scheduler = \"{scheduler}\"\nforward = \"{forward}\"\n"
        );
        for server in servers {
            let (address, weight) = server.split_once(' ').unwrap_or((server, "1"));
            text.push_str(&format!(
                "\n  [[service.server]]\n  address = \"{address}\"\n  weight = {weight}\n"
            ));
        }
        self.config(&text)
    }

    fn after(mut self, millis: u64) -> Self {
        self.at_ms += millis;
        self
    }

    fn bytes(mut self, port: u16, bytes: Vec<u8>) -> Self {
        self.case.input.push(Record {
            port,
            at_ms: self.at_ms,
            comment: String::new(),
            bytes,
        });
        self
    }

    /// A frame into the clients' port.
    fn front(self, frame: Frame) -> Self {
        self.bytes(0, frame.build())
    }

    /// A frame into the servers' port.
    fn farm(self, frame: Frame) -> Self {
        self.bytes(1, frame.macs(SOURCE_MAC, FARM_MAC).build())
    }
}

fn tcp(flags: u8) -> Frame {
    Frame::tcp(CLIENT, VIP).flags(flags)
}

fn tcp6(flags: u8) -> Frame {
    Frame::tcp(CLIENT6, VIP6).flags(flags)
}

fn query() -> Frame {
    Frame::udp(CLIENT, "10.0.0.100:53").payload(b"question")
}

fn query6() -> Frame {
    Frame::udp(CLIENT6, "[2001:db8::100]:53").payload(b"question")
}

/// All of them.
pub(super) fn all() -> Vec<Case> {
    [
        nat(),
        nat_more(),
        dr(),
        schedulers(),
        transit(),
        limits(),
        vlans(),
        linux(),
        related::all(),
        matrix::all(),
        sctp::all(),
        snat::all(),
        nat64::all(),
    ]
    .into_iter()
    .flatten()
    .map(|build| build.case)
    .collect()
}

fn nat() -> Vec<Build> {
    let web = |name, text| {
        case(name, text).service("tcp://10.0.0.100:80", "rr", "nat", &["10.1.0.11:8080"])
    };
    let answer = |flags| Frame::tcp("10.1.0.11:8080", CLIENT).flags(flags);
    vec![
        web(
            "nat_tcp_v4",
            "A TCP connection through NAT, opened, used and closed.",
        )
        .front(tcp(SYN).tcp_options(&[2, 4, 5, 0xb4]).dont_fragment())
        .farm(answer(SYN | ACK).tcp_options(&[2, 4, 5, 0xb4]))
        .front(tcp(ACK).padded())
        .after(10)
        .front(tcp(PSH | ACK).payload(b"GET / HTTP/1.1\r\n\r\n"))
        .farm(answer(PSH | ACK).payload(b"HTTP/1.1 200 OK\r\n\r\n"))
        .front(tcp(FIN | ACK))
        .farm(answer(FIN | ACK))
        .front(tcp(ACK)),
        case("nat_tcp_v6", "A TCP connection over IPv6 through NAT.")
            .service(
                "tcp://[2001:db8::100]:80",
                "rr",
                "nat",
                &["[2001:db8:1::11]:8080"],
            )
            .front(tcp6(SYN))
            .farm(Frame::tcp("[2001:db8:1::11]:8080", CLIENT6).flags(SYN | ACK))
            .front(tcp6(ACK).payload(b"x")),
        case(
            "nat_udp_v4",
            "A question and its answer over UDP through NAT.",
        )
        .service("udp://10.0.0.100:53", "rr", "nat", &["10.1.0.11:5353"])
        .front(query())
        .farm(Frame::udp("10.1.0.11:5353", CLIENT).payload(b"answer")),
        case(
            "nat_udp_v6",
            "A question and its answer over UDP and IPv6 through NAT.",
        )
        .service(
            "udp://[2001:db8::100]:53",
            "rr",
            "nat",
            &["[2001:db8:1::11]:5353"],
        )
        .front(query6())
        .farm(Frame::udp("[2001:db8:1::11]:5353", CLIENT6).payload(b"answer")),
    ]
}

fn nat_more() -> Vec<Build> {
    let web = |name, text| {
        case(name, text).service("tcp://10.0.0.100:80", "rr", "nat", &["10.1.0.11:8080"])
    };
    let answer = |flags| Frame::tcp("10.1.0.11:8080", CLIENT).flags(flags);
    vec![
        case(
            "nat_udp_no_checksum",
            "A datagram without checksum gets one by NAT.",
        )
        .service("udp://10.0.0.100:53", "rr", "nat", &["10.1.0.11:53"])
        .front(query().checksum(0)),
        web(
            "nat_options_and_tos",
            "TOS, identification and IP options pass NAT.",
        )
        .front(tcp(SYN).tos(0xb8).ident(4711).options(&[148, 4, 0, 0])),
        web(
            "nat_reset_and_again",
            "A reset ends a connection and the next SYN opens a new one.",
        )
        .front(tcp(SYN))
        .farm(answer(RST | ACK))
        .front(tcp(SYN).seq(77)),
        web(
            "timeout_and_stray",
            "A connection is forgotten, and what comes late is a stranger.",
        )
        .front(tcp(SYN))
        .after(61_000)
        .front(tcp(ACK))
        .farm(answer(SYN | ACK)),
        web(
            "unknown_segments",
            "Segments without a connection are Linux's to refuse.",
        )
        .front(tcp(ACK))
        .front(tcp(RST))
        .front(tcp(FIN | ACK))
        .front(tcp(SYN | RST)),
        web(
            "ttl_runs_out",
            "A TTL of one is told to the sender, from the service or the port.",
        )
        .front(tcp(SYN).ttl(1))
        .front(tcp(SYN))
        .farm(answer(SYN | ACK).ttl(1))
        .farm(Frame::udp("10.1.0.11:5000", "203.0.113.1:123").ttl(1)),
        web(
            "fragments_of_a_service",
            "A SYN in two fragments is one packet, and leaves in two.",
        )
        .bytes(
            0,
            tcp(SYN).payload_len(100).ident(5).fragments(64).remove(0),
        )
        .bytes(
            0,
            tcp(SYN).payload_len(100).ident(5).fragments(64).remove(1),
        ),
    ]
}

fn dr() -> Vec<Build> {
    vec![
        case(
            "dr_tcp_v4",
            "A TCP connection by direct routing: the server's MAC, the TTL, no more.",
        )
        .service("tcp://10.0.0.100:80", "rr", "dr", &["10.1.0.11:80"])
        .front(tcp(SYN).ident(1).options(&[148, 4, 0, 0]))
        .front(tcp(ACK).ident(2))
        .front(tcp(FIN | ACK).ident(3)),
        case("dr_tcp_v6", "A TCP connection over IPv6 by direct routing.")
            .service(
                "tcp://[2001:db8::100]:80",
                "rr",
                "dr",
                &["[2001:db8:1::11]:80"],
            )
            .front(tcp6(SYN).flow_label(0x12345))
            .front(tcp6(ACK).flow_label(0x12345)),
        case(
            "dr_udp_v4",
            "A datagram by direct routing, also without checksum.",
        )
        .service("udp://10.0.0.100:53", "rr", "dr", &["10.1.0.11:53"])
        .front(query())
        .front(query().checksum(0)),
        case("dr_udp_v6", "A datagram over IPv6 by direct routing.")
            .service(
                "udp://[2001:db8::100]:53",
                "rr",
                "dr",
                &["[2001:db8:1::11]:53"],
            )
            .front(query6()),
    ]
}

fn schedulers() -> Vec<Build> {
    let syn = |cport: u16| Frame::tcp(&format!("10.0.0.9:{cport}"), VIP).flags(SYN);
    let open =
        |build: Build, count: u16| (1..=count).fold(build, |build, cport| build.front(syn(cport)));
    let rr = ["10.1.0.11:80", "10.1.0.12:80", "10.1.0.13:80"];
    let wrr = ["10.1.0.11:80 3", "10.1.0.12:80 2", "10.1.0.13:80 1"];
    vec![
        open(
            case(
                "rr_three_servers",
                "Round robin starts with the server added last.",
            )
            .service("tcp://10.0.0.100:80", "rr", "nat", &rr),
            4,
        ),
        open(
            case(
                "wrr_shares",
                "Weighted round robin: weights 3, 2 and 1, two cycles.",
            )
            .service("tcp://10.0.0.100:80", "wrr", "dr", &wrr),
            12,
        ),
        case(
            "no_server_v4",
            "A service without servers answers port unreachable.",
        )
        .service("tcp://10.0.0.100:80", "rr", "nat", &["10.1.0.11:80 0"])
        .service("udp://10.0.0.100:53", "wlc", "nat", &["10.1.0.11:53 0"])
        .front(tcp(SYN))
        .front(query())
        .front(tcp(ACK)),
        case(
            "no_server_v6",
            "A service over IPv6 without servers answers port unreachable.",
        )
        .service(
            "tcp://[2001:db8::100]:80",
            "lc",
            "nat",
            &["[2001:db8:1::11]:80 0"],
        )
        .service(
            "udp://[2001:db8::100]:53",
            "wrr",
            "dr",
            &["[2001:db8:1::11]:53 0"],
        )
        .front(tcp6(SYN))
        .front(query6()),
    ]
}

fn transit() -> Vec<Build> {
    vec![
        case(
            "transit_v4",
            "Packets of no service are routed, fragments and other protocols too.",
        )
        .farm(Frame::udp("10.1.0.11:5000", "203.0.113.1:123").payload(b"ntp"))
        .front(Frame::echo("10.0.0.9", "10.1.0.12", 1, 1).payload(b"ping"))
        .front(Frame::ip("10.0.0.9", "10.1.0.12", IpProtocol::ESP).payload_len(40))
        .front(
            Frame::ip("10.0.0.9", "10.1.0.12", IpProtocol::UDP)
                .fragment(1480, false)
                .payload_len(40),
        ),
        case("transit_v6", "Packets of no service over IPv6 are routed.")
            .farm(Frame::tcp("[2001:db8:1::11]:5000", "[2001:db8:9::1]:443").flags(SYN))
            .front(
                Frame::udp("[2001:db8::9]:1", "[2001:db8:1::12]:2")
                    .extension(IpProtocol::DESTINATION_OPTIONS, &[1, 4, 0, 0, 0, 0])
                    .payload(b"x"),
            ),
    ]
}

fn limits() -> Vec<Build> {
    let narrow = "mtu = 1400\n";
    let big = |frame: Frame| frame.payload_len(1400);
    vec![
        case(
            "mtu_df_told",
            "What is too large and must not be cut is told, with the MTU.",
        )
        .config(narrow)
        .service("udp://10.0.0.100:53", "rr", "nat", &["10.1.0.11:53"])
        .front(big(query()).dont_fragment())
        .front(big(Frame::udp(CLIENT, "10.1.0.12:9")).dont_fragment()),
        case(
            "mtu_in_pieces",
            "What is too large and may be cut goes in pieces.",
        )
        .config(narrow)
        .service("udp://10.0.0.100:53", "rr", "nat", &["10.1.0.11:53"])
        .front(big(query()).ident(7).options(&[148, 4, 0, 0])),
        case(
            "mtu_v6_told",
            "What is too large over IPv6 is told, with the MTU.",
        )
        .config(narrow)
        .service(
            "udp://[2001:db8::100]:53",
            "rr",
            "dr",
            &["[2001:db8:1::11]:53"],
        )
        .front(big(query6())),
    ]
}

fn vlans() -> Vec<Build> {
    let vlan = |id: u16, addresses: &str| {
        format!("\n  [[port.vlan]]\n  id = {id}\n  addresses = [{addresses}]\n")
    };
    vec![
        case(
            "vlan_servers",
            "Clients untagged, servers on a VLAN: tags are put on and taken off.",
        )
        .config(&vlan(20, "\"10.2.0.1/24\""))
        .service("tcp://10.0.0.100:80", "rr", "nat", &["10.2.0.11:80"])
        .front(tcp(SYN))
        .farm(Frame::tcp("10.2.0.11:80", CLIENT).flags(SYN | ACK).vlan(20))
        .front(tcp(SYN).tag(EtherType::VLAN, 0xa000)),
        case(
            "vlan_trunk",
            "Clients and servers on VLANs of one port; unknown tags are dropped.",
        )
        .config(&vlan(10, "\"10.3.0.1/24\""))
        .config(&vlan(20, "\"10.2.0.1/24\""))
        .service("tcp://10.3.0.100:80", "rr", "nat", &["10.2.0.11:80"])
        .farm(
            Frame::tcp("10.3.0.9:1000", "10.3.0.100:80")
                .flags(SYN)
                .vlan(10),
        )
        .farm(
            Frame::tcp("10.2.0.11:80", "10.3.0.9:1000")
                .flags(SYN | ACK)
                .vlan(20),
        )
        .farm(
            Frame::tcp("10.3.0.9:1000", "10.3.0.100:80")
                .flags(ACK)
                .vlan(30),
        )
        .farm(Frame::echo("10.3.0.9", "10.3.0.1", 1, 1).vlan(10)),
    ]
}

fn linux() -> Vec<Build> {
    let group = |frame: Frame, mac| frame.macs(SOURCE_MAC, mac);
    let vrrp = Frame::ip("10.0.0.9", "224.0.0.18", IpProtocol::VRRP).payload_len(20);
    let solicitation = Frame::icmp("fe80::9", "ff02::1:ff00:1", 135, 0)
        .ttl(255)
        .payload_len(24);
    let web = |build: Build| build.service("tcp://10.0.0.100:80", "rr", "nat", &["10.1.0.11:80"]);
    vec![
        web(case(
            "punt_classes",
            "What Linux gets, one packet of each kind.",
        ))
        .front(Frame::arp_request(SOURCE_MAC, "10.0.0.9", "10.0.0.1").padded())
        .front(group(solicitation, MacAddress([0x33, 0x33, 0xff, 0, 0, 1])))
        .front(Frame::tcp("10.0.0.9:1000", "10.0.0.1:22").flags(SYN))
        .front(Frame::tcp("10.0.0.9:1000", "10.0.0.100:81").flags(SYN))
        .front(Frame::echo("10.0.0.9", "10.0.0.100", 1, 1))
        .front(group(vrrp, MacAddress([1, 0, 0x5e, 0, 0, 18])))
        .front(group(
            Frame::ether(EtherType::LLDP).payload_len(46),
            MacAddress([1, 0x80, 0xc2, 0, 0, 0x0e]),
        )),
        web(case(
            "odd_frames",
            "Frames that nobody should send are dropped, each for its reason.",
        ))
        .bytes(0, vec![0; 12])
        .front(tcp(SYN).vlan(1).vlan(2))
        .front(tcp(SYN).vlan(99))
        .front(tcp(SYN).macs(SOURCE_MAC, MacAddress([2, 9, 9, 9, 9, 9])))
        .front(tcp(SYN).version(5))
        .front(tcp(SYN).ip_checksum(1))
        .front(Frame::tcp("127.0.0.1:1", VIP).flags(SYN))
        .front(tcp(SYN).data_offset(16)),
    ]
}

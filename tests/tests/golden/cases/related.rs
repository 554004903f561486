// SPDX-License-Identifier: Apache-2.0
//! ICMP errors about connections, fragments, and segment sizes.

use super::*;

const ROUTER: &str = "10.0.0.77";
const ROUTER6: &str = "2001:db8::77";

/// An error that quotes a packet, all of it.
fn error(from: &str, to: &str, (kind, code): (u8, u8), cause: &Frame) -> Frame {
    Frame::icmp(from, to, kind, code).payload(&cause.build_ip())
}

impl Build {
    fn fragments(self, port: u16, frame: &Frame, order: &[usize]) -> Self {
        let frame = if port == 1 {
            frame.clone().macs(SOURCE_MAC, FARM_MAC)
        } else {
            frame.clone()
        };
        let fragments = frame.fragments(48);
        order.iter().fold(self, |build, index| {
            build.bytes(port, fragments[*index].clone())
        })
    }
}

pub(super) fn all() -> Vec<Build> {
    let mut all = errors();
    all.extend(fragmented());
    all.extend([
        case(
            "mss_clamp_nat",
            "Both ends announce no more than the service allows.",
        )
        .service("tcp://10.0.0.100:80", "rr", "nat", &[])
        .config("mss_clamp = 1300\n\n  [[service.server]]\n  address = \"10.1.0.11:8080\"\n")
        .front(tcp(SYN).tcp_options(&[2, 4, 5, 0xb4]))
        .farm(
            Frame::tcp("10.1.0.11:8080", CLIENT)
                .flags(SYN | ACK)
                .tcp_options(&[1, 2, 4, 35, 40, 1, 3, 3, 7, 0, 0, 0]),
        ),
        case(
            "mss_clamp_dr_v6",
            "The one side that is seen announces no more.",
        )
        .service("tcp://[2001:db8::100]:80", "rr", "dr", &[])
        .config("mss_clamp = 1220\n\n  [[service.server]]\n  address = \"2001:db8:1::11\"\n")
        .front(tcp6(SYN).tcp_options(&[2, 4, 5, 0xa0]))
        .front(tcp6(SYN).tcp_options(&[2, 4, 4, 0])),
    ]);
    all
}

fn errors() -> Vec<Build> {
    let back = |to| Frame::tcp(VIP, to).flags(ACK);
    let back6 = |to| Frame::tcp(VIP6, to).flags(ACK);
    vec![
        case(
            "icmp_errors_nat_v4",
            "Errors about a NAT connection, both ways; a redirect is not relayed.",
        )
        .service("tcp://10.0.0.100:80", "rr", "nat", &["10.1.0.11:8080"])
        .front(tcp(SYN))
        .front(error(ROUTER, "10.0.0.100", (3, 4), &back(CLIENT)).rest(1400))
        .front(error(ROUTER, "10.0.0.100", (11, 0), &back(CLIENT)))
        .front(error(ROUTER, "10.0.0.100", (5, 1), &back(CLIENT)))
        .front(error(ROUTER, "10.0.0.100", (3, 1), &back(CLIENT)).checksum(1))
        .front(error(ROUTER, "10.0.0.100", (3, 1), &back("10.0.0.9:1001")))
        .farm(error(
            "10.1.0.99",
            "10.0.0.9",
            (3, 1),
            &Frame::tcp(CLIENT, "10.1.0.11:8080"),
        )),
        case(
            "icmp_errors_nat_v6",
            "ICMPv6 errors about a NAT connection, both ways.",
        )
        .service(
            "tcp://[2001:db8::100]:80",
            "rr",
            "nat",
            &["[2001:db8:1::11]:8080"],
        )
        .front(tcp6(SYN))
        .front(error(ROUTER6, "2001:db8::100", (2, 0), &back6(CLIENT6)).rest(1280))
        .front(error(ROUTER6, "2001:db8::100", (4, 1), &back6(CLIENT6)))
        .farm(error(
            "2001:db8:1::99",
            "2001:db8::9",
            (1, 3),
            &Frame::tcp(CLIENT6, "[2001:db8:1::11]:8080"),
        )),
        case(
            "icmp_errors_dr_v4",
            "Errors about a DR connection go to its server as they are.",
        )
        .service("tcp://10.0.0.100:80", "rr", "dr", &["10.1.0.11"])
        .front(tcp(SYN))
        .front(error(ROUTER, "10.0.0.100", (3, 4), &back(CLIENT)).rest(1400))
        .front(error(ROUTER, "10.0.0.100", (3, 1), &back(CLIENT)).checksum(1)),
        case(
            "icmp_errors_dr_v6",
            "ICMPv6 errors about a DR connection go to its server.",
        )
        .service("tcp://[2001:db8::100]:80", "rr", "dr", &["2001:db8:1::11"])
        .front(tcp6(SYN))
        .front(error(ROUTER6, "2001:db8::100", (2, 0), &back6(CLIENT6)).rest(1280)),
    ]
}

fn fragmented() -> Vec<Build> {
    let dns = |forward, server| {
        move |name, sentence| {
            case(name, sentence).service("udp://10.0.0.100:53", "rr", forward, &[server])
        }
    };
    let dns6 = |forward, server| {
        move |name, sentence| {
            case(name, sentence).service("udp://[2001:db8::100]:53", "rr", forward, &[server])
        }
    };
    let long = query().payload_len(110).ident(7);
    let long6 = query6().payload_len(110).ident(7);
    let answer = Frame::udp("10.1.0.11:53", CLIENT).payload_len(110).ident(9);
    let answer6 = Frame::udp("[2001:db8:1::11]:53", CLIENT6)
        .payload_len(110)
        .ident(9);
    vec![
        dns("nat", "10.1.0.11:53")(
            "fragments_nat_v4",
            "A datagram in fragments, and its answer.",
        )
        .fragments(0, &long, &[0, 1, 2])
        .fragments(1, &answer, &[2, 0, 1]),
        dns6("nat", "[2001:db8:1::11]:53")("fragments_nat_v6", "The same over IPv6.")
            .fragments(0, &long6, &[1, 2, 0])
            .fragments(1, &answer6, &[2, 1, 0]),
        dns("dr", "10.1.0.11")(
            "fragments_dr_v4",
            "A datagram in fragments by direct routing.",
        )
        .fragments(0, &long, &[2, 1, 0]),
        dns6("dr", "2001:db8:1::11")("fragments_dr_v6", "The same over IPv6.").fragments(
            0,
            &long6,
            &[0, 2, 1],
        ),
        dns("nat", "10.1.0.11:53")(
            "fragments_refused",
            "A duplicate, an overlap, one that is empty, and one that waits in vain.",
        )
        .fragments(0, &long, &[1, 1])
        .bytes(
            0,
            Frame::ip("10.0.0.9", "10.0.0.100", IpProtocol::UDP)
                .ident(7)
                .fragment(56, true)
                .payload_len(16)
                .build(),
        )
        .bytes(
            0,
            Frame::ip("10.0.0.9", "10.0.0.100", IpProtocol::UDP)
                .ident(8)
                .fragment(8, false)
                .build(),
        )
        .fragments(0, &long, &[0])
        .after(31_000)
        .fragments(0, &long, &[2]),
    ]
}

// SPDX-License-Identifier: Apache-2.0
//! The farm's own packets on their way out, and what the world answers.

use wire::builder::Frame;
use wire::sctp::ChunkType;
use wire::tcp::flags::{ACK, FIN, SYN};

use super::{Build, case};

const RULE: &str = "\n[[snat]]\nname = \"outbound\"\nport = \"front\"\n\
                    sources = [\"10.1.0.0/24\", \"2001:db8:1::/64\"]\n\
                    addresses = [\"10.0.0.200\", \"2001:db8::200\"]\n";
/// The port that the first connection of a fixture gets.
const LPORT: u16 = 7449;

struct Way {
    family: &'static str,
    server: &'static str,
    host: &'static str,
    local: String,
}

fn with_port(addr: &str, port: u16) -> String {
    if addr.contains(':') {
        format!("[{addr}]:{port}")
    } else {
        format!("{addr}:{port}")
    }
}

pub(super) fn all() -> Vec<Build> {
    let mut all = Vec::new();
    for (family, server, host, local) in [
        ("v4", "10.1.0.11", "10.0.0.9", "10.0.0.200"),
        ("v6", "2001:db8:1::11", "2001:db8::9", "2001:db8::200"),
    ] {
        let way = Way {
            family,
            server,
            host,
            local: local.to_owned(),
        };
        all.extend([tcp(&way), udp(&way), sctp(&way), echo(&way), errors(&way)]);
    }
    all
}

fn build(way: &Way, story: &str, sentence: &str) -> Build {
    case(&format!("snat_{story}_{}", way.family), sentence).config(RULE)
}

fn tcp(way: &Way) -> Build {
    let (server, host) = (with_port(way.server, 5000), with_port(way.host, 80));
    let local = with_port(&way.local, LPORT);
    build(
        way,
        "tcp",
        "A server opens a connection to the world, uses and closes it.",
    )
    .farm(Frame::tcp(&server, &host).flags(SYN))
    .front(Frame::tcp(&host, &local).flags(SYN | ACK))
    .farm(Frame::tcp(&server, &host).flags(ACK).payload(b"GET /"))
    .front(Frame::tcp(&host, &local).flags(ACK).payload(b"200"))
    .farm(Frame::tcp(&server, &host).flags(FIN | ACK))
    .front(Frame::tcp(&host, &local).flags(FIN | ACK))
    .front(Frame::tcp(&host, &with_port(&way.local, LPORT + 1)).flags(SYN))
    .farm(Frame::tcp(&with_port(way.server, 5001), &host).flags(ACK))
}

fn udp(way: &Way) -> Build {
    let (server, host) = (with_port(way.server, 5000), with_port(way.host, 53));
    let local = with_port(&way.local, LPORT);
    build(
        way,
        "udp",
        "Two servers ask the world, and a long time later one asks again.",
    )
    .farm(Frame::udp(&server, &host).payload(b"question"))
    .front(Frame::udp(&host, &local).payload(b"answer"))
    .farm(Frame::udp(&server.replace("11", "12"), &host).payload(b"question"))
    .after(400_000)
    .front(Frame::udp(&host, &local).payload(b"late"))
    .farm(Frame::udp(&server, &host).payload(b"question"))
}

fn sctp(way: &Way) -> Build {
    let (server, host) = (with_port(way.server, 5000), with_port(way.host, 36412));
    let local = with_port(&way.local, LPORT);
    let init = [0, 0, 0, 7, 0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 1];
    build(way, "sctp", "A server opens an association to the world.")
        .farm(Frame::sctp(&server, &host, 0, &[(ChunkType::INIT, &init)]))
        .front(Frame::sctp(
            &host,
            &local,
            7,
            &[(ChunkType::INIT_ACK, &init)],
        ))
        .farm(Frame::sctp(
            &server,
            &host,
            7,
            &[(ChunkType::COOKIE_ECHO, b"c")],
        ))
}

fn echo(way: &Way) -> Build {
    let reply = if way.family == "v4" { 0 } else { 129 };
    let pong = Frame::icmp(way.host, &way.local, reply, 0);
    build(
        way,
        "echo",
        "A server pings the world; a stray answer is Linux's.",
    )
    .farm(Frame::echo(way.server, way.host, 77, 1).payload(b"ping"))
    .front(
        pong.clone()
            .rest(u32::from(LPORT) << 16 | 1)
            .payload(b"ping"),
    )
    .front(pong.rest(1))
}

fn errors(way: &Way) -> Build {
    let (server, host) = (with_port(way.server, 5000), with_port(way.host, 80));
    let local = with_port(&way.local, LPORT);
    let (kind, code) = if way.family == "v4" { (3, 3) } else { (1, 4) };
    let asked = Frame::tcp(&local, &host).flags(SYN).build_ip();
    let answered = Frame::tcp(&host, &server).flags(ACK).build_ip();
    build(
        way,
        "errors",
        "ICMP errors about a connection of the farm, from either side.",
    )
    .farm(Frame::tcp(&server, &host).flags(SYN))
    .front(Frame::icmp(way.host, &way.local, kind, code).payload(&asked))
    .farm(Frame::icmp(way.server, way.host, kind, code).payload(&answered))
}

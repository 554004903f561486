// SPDX-License-Identifier: Apache-2.0
//! SCTP associations by every method and family.

use wire::builder::Frame;
use wire::sctp::ChunkType;

use super::{Build, CLIENT, CLIENT6, VIP, VIP6, case};

/// A method's `forward`, its lines, the server's port, and the client as the server sees it.
const METHODS: [(&str, &str, u16, [&str; 2]); 4] = [
    ("nat", "", 8080, [CLIENT, CLIENT6]),
    ("dr", "", 80, [CLIENT, CLIENT6]),
    ("tun", "", 80, [CLIENT, CLIENT6]),
    (
        "fullnat",
        "local_pool = \"inside\"\n",
        8080,
        ["10.1.0.200:7449", "[2001:db8:1::200]:7449"],
    ),
];
const POOL: &str = "\n[[local_pool]]\nname = \"inside\"\n\
                    addresses = [\"10.1.0.200\", \"2001:db8:1::200\"]\n";
/// Initiate tags of the client and of the server.
const OURS: u32 = 0x0a0b_0c0d;
const THEIRS: u32 = 0x0102_0304;

/// The fixed part of INIT and INIT ACK (RFC 9260 §3.3.2).
fn init(tag: u32) -> Vec<u8> {
    let mut value = tag.to_be_bytes().to_vec();
    value.extend([0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 1]);
    value
}

pub(super) fn all() -> Vec<Build> {
    let mut all = Vec::new();
    for (forward, lines, rport, seen_as) in METHODS {
        for (family, client, vip, seen_as) in [
            ("v4", CLIENT, VIP, seen_as[0]),
            ("v6", CLIENT6, VIP6, seen_as[1]),
        ] {
            let server = match family {
                "v4" => format!("10.1.0.11:{rport}"),
                _ => format!("[2001:db8:1::11]:{rport}"),
            };
            let pool = if forward == "fullnat" { POOL } else { "" };
            let build = |story: &str, sentence: &str| {
                case(&format!("{forward}_sctp_{family}_{story}"), sentence).config(&format!(
                    "{pool}\n[[service]]\nname = \"sigtran\"\nlisten = \"sctp://{vip}\"\n\
                     scheduler = \"rr\"\nforward = \"{forward}\"\n{lines}\n  \
                     [[service.server]]\n  address = \"{server}\"\n"
                ))
            };
            let ends = Ends {
                client,
                vip,
                server: &server,
                seen_as,
            };
            all.push(talk(
                build("talk", "An association from INIT to its end."),
                &ends,
            ));
            all.push(ttl(build("ttl", "Chunks whose TTL ends here."), &ends));
        }
    }
    all
}

struct Ends<'a> {
    client: &'a str,
    vip: &'a str,
    server: &'a str,
    seen_as: &'a str,
}

impl Ends<'_> {
    fn asks(&self, tag: u32, kind: ChunkType, value: &[u8]) -> Frame {
        Frame::sctp(self.client, self.vip, tag, &[(kind, value)])
    }

    fn answers(&self, tag: u32, kind: ChunkType, value: &[u8]) -> Frame {
        Frame::sctp(self.server, self.seen_as, tag, &[(kind, value)])
    }
}

fn talk(build: Build, ends: &Ends<'_>) -> Build {
    let data = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, b'h', b'i'];
    build
        .front(ends.asks(0, ChunkType::INIT, &init(OURS)))
        .farm(ends.answers(OURS, ChunkType::INIT_ACK, &init(THEIRS)))
        .front(ends.asks(THEIRS, ChunkType::COOKIE_ECHO, b"cookie"))
        .farm(ends.answers(OURS, ChunkType::COOKIE_ACK, b""))
        .after(10)
        .front(ends.asks(THEIRS, ChunkType::DATA, &data))
        .farm(ends.answers(OURS, ChunkType::SACK, &[0; 12]))
        .front(ends.asks(THEIRS, ChunkType::SHUTDOWN, &[0, 0, 0, 1]))
        .farm(ends.answers(OURS, ChunkType::SHUTDOWN_ACK, b""))
        .front(ends.asks(THEIRS, ChunkType::SHUTDOWN_COMPLETE, b""))
}

fn ttl(build: Build, ends: &Ends<'_>) -> Build {
    build
        .front(ends.asks(0, ChunkType::INIT, &init(OURS)).ttl(2))
        .front(ends.asks(THEIRS, ChunkType::COOKIE_ECHO, b"cookie").ttl(1))
        .farm(
            ends.answers(OURS, ChunkType::INIT_ACK, &init(THEIRS))
                .ttl(1),
        )
}

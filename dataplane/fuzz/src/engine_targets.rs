// SPDX-License-Identifier: Apache-2.0
//! Targets of the engine.
#![allow(
    unreachable_pub,
    reason = "public in the fuzz crate, included by path in tests"
)]

use std::time::Duration;

use penstock_engine::testing::{Bench, Outcome};
use penstock_engine::verdict::Verdict;
use penstock_wire::buffer::TestBuf;
use penstock_wire::builder::{Frame, SOURCE_MAC};
use penstock_wire::ethernet::MacAddress;
use penstock_wire::ipv4::{IpProtocol, Ipv4Mut};
use penstock_wire::packet::parse;
use penstock_wire::sctp::ChunkType;

/// Commands in one input; more add time and no new ways.
const COMMANDS_MAX: usize = 64;

/// The director at the start: every method, both families, a VLAN, two schedulers of each kind.
const START: &str = "
    flows 24
    iface 2 port 0 vlan 10 mtu 1400 192.168.0.1/24
    neighbour 2 192.168.0.9
    service tcp 10.0.0.100:80 wrr proxy_v1 ftp
    real 10.1.0.11:80 nat 2
    real 10.1.0.12:80 dr 1
    real 10.1.0.13:80 nat 0
    service udp 10.0.0.100:53 lc
    real 10.1.0.11:53
    real 10.1.0.77:53
    service tcp [2001:db8::100]:80 rr toa ftp
    real [2001:db8:1::11]:80 nat
    real [2001:db8:1::12]:80 dr
    service udp [2001:db8::100]:53 wlc
    real [2001:db8:1::11]:53 nat 3
    real [2001:db8:1::12]:53 dr 1
    service sctp 10.0.0.100:132 rr
    real 10.1.0.11:132 nat
    real 10.1.0.12:132 dr
    service sctp 192.0.2.0/28:132 rr
    real 10.1.0.11:132 dr
    route 192.0.2.0/28 blackhole
    service udp 10.0.0.100:500 rr
    real 10.1.0.11:500 nat
    service udp 10.0.0.100:443 rr quic=0/1
    real 10.1.0.11:443 nat 1 0 0 quic=0b
    real 10.1.0.12:443 dr 1 0 0 quic=0c
    service udp 10.0.0.101:53 rr
";

/// Lines that change it; `N` becomes a number of 0 to 3.
const CHANGES: [&str; 36] = [
    "edit-real 10.1.0.11:80 nat N",
    "edit-real 10.1.0.11:80 dr N",
    "edit-real 10.1.0.12:80 nat N",
    "delete-real 10.1.0.11:80",
    "drain-real 10.1.0.12:80",
    "real 10.1.0.11:80 nat N",
    "real 10.1.0.12:80 dr N",
    "real 10.1.0.14:80 nat N",
    "edit-service rr",
    "edit-service wlc",
    "delete-service",
    "service tcp 10.0.0.100:80 wrr proxy_v2",
    "mtu 1 500",
    "mtu 1 1500",
    "no-neighbour 1 10.1.0.11",
    "neighbour 1 10.1.0.11",
    "neighbour 1 10.1.0.77",
    "route 10.1.0.11/32 blackhole",
    "route 10.1.0.11/32 via 1",
    "reuse N",
    "edit-service rr persist=30 mask=24",
    "edit-service wlc persist=N",
    "service tcp 10.0.0.100:80 rr persist=2",
    "at udp 10.0.0.100:53\nedit-service lc ops",
    "at udp 10.0.0.100:53\nedit-service rr persist=5 ops",
    "at udp 10.0.0.100:53\nedit-service rr persist=5 pe=sip",
    "at udp [2001:db8::100]:53\nedit-service wlc persist=5 prefix=64 udp=2",
    "sysctl conn_reuse_mode N",
    "sysctl drop_entry N",
    "sysctl drop_packet N",
    "sysctl expire_nodest_conn N",
    "sysctl expire_quiescent_template N",
    "sysctl nat_icmp_send N",
    "sysctl secure_tcp N",
    "sysctl sloppy_tcp N",
    "new-flows N",
];

/// What FTP's control connections say of data connections.
const LINES: [&str; 7] = [
    "PASV\r\n",
    "EPSV\r\n",
    "PORT 10,0,0,9,4,1\r\n",
    "EPRT |2|2001:db8::9|1025|\r\n",
    "227 Entering Passive Mode (10,1,0,11,4,1)\r\n",
    "227 10,0,0,100,0,80\r\n",
    "229 Entering Extended Passive Mode (|||1025|)\r\n",
];

/// `data` is a life of a director: frames made and raw, time that passes, changes that come. The
/// bench itself checks after each step that every packet has one fate and every connection is
/// counted.
pub fn steer(data: &[u8]) {
    let mut input = Input(data);
    let workers = 1 + input.byte() % 3;
    let mut bench = Bench::new(&format!("workers {workers}\n{START}"));
    for _ in 0..COMMANDS_MAX {
        if input.0.is_empty() {
            break;
        }
        step(&mut bench, &mut input);
    }
    for worker in 0..bench.worker_count() {
        bench.shut_down(worker);
    }
    assert_eq!(bench.held_count(), 0, "nothing is kept at the end");
}

/// Methods of the servers of `tunnel_error`, in the order of [`TUNNELS`].
const KINDS: [&str; 6] = ["ipip", "gre", "gre-csum", "gue", "gue-csum", "gue-remcsum"];

/// Client and service: either family in either.
const TUNNELS: [(&str, &str); 4] = [
    ("10.0.0.9:1000", "10.0.0.100:80"),
    ("[2001:db8::9]:1000", "[2001:db8::100]:80"),
    ("10.0.0.9:1000", "10.0.0.101:80"),
    ("[2001:db8::9]:1000", "[2001:db8::101]:80"),
];

/// `data` is the kind of a tunnel, which of the services, and errors about what the director sent
/// through it: type and code, how much is quoted, and up to three bytes changed. Whatever a router
/// says, what the client is told can be read and fits; the connection stays.
pub fn tunnel_error(data: &[u8]) {
    let mut input = Input(data);
    let kind = KINDS[usize::from(input.byte()) % KINDS.len()];
    let (client, service) = TUNNELS[usize::from(input.byte()) % TUNNELS.len()];
    let mut bench = Bench::new(&format!(
        "service tcp 10.0.0.100:80 rr\nreal 10.1.0.11:80 {kind}\n\
         service tcp [2001:db8::100]:80 rr\nreal [2001:db8:1::11]:80 {kind}\n\
         service tcp 10.0.0.101:80 rr\nreal [2001:db8:1::12]:80 {kind}\n\
         service tcp [2001:db8::101]:80 rr\nreal 10.1.0.12:80 {kind}\n"
    ));
    let syn = Frame::tcp(client, service).flags(2).dont_fragment();
    let sent = bench.send(0, &syn.payload_len(200).build());
    let outer = sent
        .iter()
        .find(|out| matches!(out.verdict, Verdict::Send { .. }));
    let Some(outer) = outer.map(|out| out.frame[14..].to_vec()) else {
        panic!("{kind} to {service}: {sent:?}");
    };
    for _ in 0..COMMANDS_MAX {
        if input.0.is_empty() {
            break;
        }
        let frame = error_about_outer(&outer, &mut input);
        let outcomes = bench.send(1, &frame);
        judge(&outcomes);
        assert!(outcomes.len() <= 2, "one error, one answer at most");
        assert_eq!(bench.flow_count(), 1, "an error ends no connection");
    }
}

fn error_about_outer(outer: &[u8], input: &mut Input<'_>) -> Vec<u8> {
    let (icmp_type, code) = (input.byte(), input.byte() & 15);
    let (rest, len, changes) = (input.byte(), input.byte(), input.byte());
    let v4 = outer.first().is_some_and(|first| first >> 4 == 4);
    let (router, to, types) = if v4 {
        ("10.1.0.200", "10.1.0.1", [3, 4, 11, 12])
    } else {
        ("2001:db8:1::200", "2001:db8:1::1", [1, 2, 3, 4])
    };
    let icmp_type = types[usize::from(icmp_type) % types.len()];
    let mut quoted = outer[..usize::from(len).min(outer.len())].to_vec();
    for _ in 0..changes & 3 {
        let (place, bits) = (usize::from(input.byte()), input.byte());
        if let Some(byte) = quoted.get_mut(place) {
            *byte ^= bits;
        }
    }
    Frame::icmp(router, to, icmp_type, code)
        .rest(u32::from(rest) * 8)
        .payload(&quoted)
        .macs(SOURCE_MAC, MacAddress([2, 0, 0, 0, 1, 2]))
        .build()
}

fn step(bench: &mut Bench, input: &mut Input<'_>) {
    let command = input.byte();
    let worker = usize::from(command >> 4) % bench.worker_count();
    match command & 7 {
        0 => {
            let frame = input.take(usize::from(command >> 4) * 8);
            judge(&bench.send_packet(worker, u16::from(command >> 3 & 1), TestBuf::new(frame)));
        }
        1..=4 => {
            let (port, frame) = made(input);
            judge(&bench.deliver(worker, port, &frame).1);
        }
        5 => {
            let micros = 1u64 << (input.byte() % 42);
            judge(&bench.advance(Duration::from_micros(micros)));
        }
        6 => {
            let (which, number) = (usize::from(input.byte()), input.byte() % 4);
            let line = CHANGES[which % CHANGES.len()].replace('N', &number.to_string());
            bench.try_apply(&format!("at tcp 10.0.0.100:80\n{line}"));
        }
        _ => match input.byte() % 3 {
            0 => bench.release(),
            1 => bench.set_pool(usize::from(input.byte() % 4)),
            _ => bench.set_pool(usize::MAX),
        },
    }
}

/// Everything that is sent can be received.
fn judge(outcomes: &[Outcome]) {
    for outcome in outcomes {
        if let Verdict::Send { .. } = outcome.verdict {
            let parsed = parse(&outcome.frame, outcome.frame.len());
            assert!(parsed.is_ok(), "{parsed:?}: {:02x?}", outcome.frame);
        }
    }
}

/// A frame that makes sense, and then up to three bytes changed; and its port.
fn made(input: &mut Input<'_>) -> (u16, Vec<u8>) {
    let (kind, host, flags, changes) = (input.byte(), input.byte(), input.byte(), input.byte());
    let cport = 1000 + u16::from(host & 15);
    let client = format!("10.0.0.9:{cport}");
    let client6 = format!("[2001:db8::9]:{cport}");
    let len = usize::from(changes & 7) * 250;
    let seq = 1 + u32::from(host >> 6);
    let tcp = |from: &str, to: &str| Frame::tcp(from, to).flags(flags).seq(seq);
    if kind % 20 > 15 {
        return other(kind % 20, host, flags, changes);
    }
    let (port, frame) = match kind % 20 {
        0 | 1 => (0, tcp(&client, "10.0.0.100:80")),
        2 => (0, Frame::udp(&client, "10.0.0.100:53")),
        3 => (0, tcp(&client6, "[2001:db8::100]:80")),
        4 => (0, Frame::udp(&client6, "[2001:db8::100]:53")),
        5 | 6 => (1, tcp("10.1.0.11:80", &client)),
        7 => (1, Frame::udp("10.1.0.77:53", &client)),
        8 => (1, tcp("[2001:db8:1::11]:80", &client6)),
        9 => (0, Frame::udp(&client, "10.0.0.101:53")),
        10 => (0, tcp("192.168.0.9:1", "10.0.0.100:80").vlan(10)),
        11 => (0, Frame::udp(&client, "10.1.0.99:9")),
        12 => (0, Frame::echo("10.0.0.9", "10.0.0.100", 1, 1)),
        13 => (
            0,
            tcp(&client, "10.0.0.100:80").options(&[7, 7, 4, 0, 0, 0, 0]),
        ),
        14 => error_about(&client, host, flags),
        _ => return (0, piece_of(host, flags, changes)),
    };
    if kind % 20 == 14 {
        return (port, frame.build());
    }
    let ttl = if flags & 0x40 == 0 { 64 } else { host & 3 };
    let mut frame = frame.ttl(ttl).payload_len(len);
    if changes & 0xc0 == 0xc0 {
        let line = LINES[usize::from(host >> 4) % LINES.len()];
        frame = frame.payload(line.as_bytes());
    }
    if flags & 0x80 != 0 {
        frame = frame.dont_fragment();
    }
    if port == 1 {
        frame = frame.macs(SOURCE_MAC, MacAddress([2, 0, 0, 0, 1, 2]));
    }
    let mut bytes = frame.build();
    for _ in 0..changes >> 3 & 3 {
        let place = usize::from(input.byte()) % bytes.len().min(96);
        bytes[place] ^= input.byte();
    }
    if changes & 0x20 != 0
        && let Some(header) = bytes.get_mut(14..)
        && let Ok(mut ip) = Ipv4Mut::new_checked(header)
    {
        ip.fill_checksum();
    }
    (port, bytes)
}

/// SCTP from one of two addresses of a client or from a server, ESP and IKE, QUIC, pings.
fn other(kind: u8, host: u8, flags: u8, changes: u8) -> (u16, Vec<u8>) {
    let client = format!("10.0.{}.9:{}", host & 1, 1000 + u16::from(host >> 4));
    let chunks: [(ChunkType, &[u8]); 2] = [
        (ChunkType(flags & 15), &[0; 20]),
        (ChunkType(flags >> 4), b""),
    ];
    let tag = u32::from(changes & 3);
    let (port, frame) = match (kind, changes >> 6) {
        (16, 0) => (
            1,
            Frame::sctp("10.1.0.11:132", &client, tag, &chunks)
                .macs(SOURCE_MAC, MacAddress([2, 0, 0, 0, 1, 2])),
        ),
        (16, 1) => (0, Frame::sctp(&client, "192.0.2.3:132", tag, &chunks[..1])),
        (16, _) => (0, Frame::sctp(&client, "10.0.0.100:132", tag, &chunks)),
        (17, 0) => (0, Frame::udp("10.0.0.9:500", "10.0.0.100:500")),
        (17, 1) => (0, Frame::ip("10.0.0.9", "10.0.0.100", IpProtocol::AH)),
        (17, _) => (0, Frame::ip("10.0.0.9", "10.0.0.100", IpProtocol::ESP)),
        (18, 0) => (0, Frame::udp(&client, "10.0.0.100:443").payload(&[flags])),
        (18, 1) => {
            let long = [flags, 0, 0, 0, 1, 3, 0, changes & 15, 9, 9];
            (0, Frame::udp(&client, "10.0.0.100:443").payload(&long))
        }
        (18, _) => {
            let short = [0x40, 0, changes & 15, 9, 9];
            (0, Frame::udp(&client, "10.0.0.100:443").payload(&short))
        }
        _ => {
            let ping = Frame::echo("10.0.0.9", "192.0.2.5", 1, 1).payload_len(flags.into());
            (
                0,
                if changes & 1 == 0 {
                    ping
                } else {
                    ping.options(&[7, 4, 4, 0])
                },
            )
        }
    };
    (port, frame.build())
}

/// An ICMP error about one of the connections, from either side, quoting more or less of it.
fn error_about(client: &str, host: u8, flags: u8) -> (u16, Frame) {
    let icmp_type = [3, 4, 11, 5][usize::from(host >> 4 & 3)];
    let (port, to, cause) = if host & 0x40 == 0 {
        (0, "10.0.0.100", Frame::tcp("10.0.0.100:80", client))
    } else {
        (1, "10.0.0.9", Frame::tcp(client, "10.1.0.11:80"))
    };
    let cause = cause.payload_len(40).build_ip();
    let quoted = usize::from(flags).min(cause.len());
    let error = Frame::icmp("10.0.0.77", to, icmp_type, flags & 15).payload(&cause[..quoted]);
    if port == 1 {
        return (port, error.macs(SOURCE_MAC, MacAddress([2, 0, 0, 0, 1, 2])));
    }
    (port, error)
}

/// A fragment: of a datagram to a service, one of its pieces; or placed anywhere.
fn piece_of(host: u8, flags: u8, changes: u8) -> Vec<u8> {
    let (client, service) = if host & 0x80 == 0 {
        (format!("10.0.0.9:{}", host & 7), "10.0.0.100:53")
    } else {
        (format!("[2001:db8::9]:{}", host & 7), "[2001:db8::100]:53")
    };
    let ident = u32::from(host & 3);
    if flags & 0x80 == 0 {
        let datagram = Frame::udp(&client, service).ident(ident).payload_len(600);
        let mut pieces = datagram.fragments(8 << (flags >> 4 & 7));
        let index = usize::from(changes) % pieces.len();
        return pieces.swap_remove(index);
    }
    let offset = u16::from(changes) * 8;
    Frame::ip("10.0.0.9", "10.0.0.100", IpProtocol::UDP)
        .ident(ident)
        .fragment(offset, flags & 1 == 0)
        .payload_len(usize::from(flags & 0x7e) * 4)
        .build()
}

/// The bytes not yet used; zeros when there are no more.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

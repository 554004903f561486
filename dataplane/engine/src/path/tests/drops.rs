// SPDX-License-Identifier: Apache-2.0
//! Every reason for which the engine drops a packet, each made by a frame.

use super::*;
use wire::buffer::{PacketBuf, TestBuf};
use wire::ethernet::FRAME_LEN_MIN;

/// The reasons that the engine itself never gives: the worker's queues and policers do.
const OF_THE_WORKER: [DropReason; 9] = [
    DropReason::PuntPolicedArpNd,
    DropReason::PuntPolicedLocal,
    DropReason::PuntPolicedIcmp,
    DropReason::PuntPolicedMulticast,
    DropReason::PuntPolicedUnroutable,
    DropReason::PuntPolicedOther,
    DropReason::PuntRingFull,
    DropReason::RedirectRingFull,
    DropReason::TxRingFull,
];

/// The reasons that end several packets at once; see `fragments`.
const OF_SEVERAL: [DropReason; 2] = [DropReason::FragmentOverlap, DropReason::FragmentTooMany];

/// Frames that are dropped for what they are.
fn bad_frames() -> Vec<(Vec<u8>, DropReason)> {
    let syn = || syn(1000, "10.0.0.100:80");
    let udp = || Frame::udp("10.0.0.9:1", "10.0.0.100:53");
    vec![
        (vec![0; 13], DropReason::RxMalformedL2),
        (
            Frame::ether(EtherType::ARP).payload_len(20).build(),
            DropReason::RxMalformedL2,
        ),
        (
            Frame::ether(EtherType::VLAN).payload_len(3).build(),
            DropReason::RxMalformedL2,
        ),
        (syn().vlan(1).vlan(2).build(), DropReason::RxVlanStacked),
        (syn().vlan(7).build(), DropReason::RxVlanUnknown),
        (
            syn().macs(PEER, MacAddress([2, 0, 0, 0, 9, 9])).build(),
            DropReason::RxWrongMac,
        ),
        (
            syn()
                .macs(wire::builder::DESTINATION_MAC, MacAddress::BROADCAST)
                .build(),
            DropReason::RxOwnFrame,
        ),
        (syn().version(5).build(), DropReason::RxMalformedIp),
        (syn().ip_length(2000).build(), DropReason::RxMalformedIp),
        (
            Frame::ether(EtherType::IPV6).payload_len(39).build(),
            DropReason::RxMalformedIp,
        ),
        (syn().ip_checksum(1).build(), DropReason::RxBadIpChecksum),
        (
            Frame::udp("127.0.0.1:1", "10.0.0.100:53").build(),
            DropReason::RxMartian,
        ),
        (
            Frame::udp("[2001:db8::9]:1", "[::1]:53").build(),
            DropReason::RxMartian,
        ),
        (
            syn().options(&[131, 7, 4, 10, 1, 0, 12]).build(),
            DropReason::RxSourceRoute,
        ),
        (syn().data_offset(16).build(), DropReason::RxMalformedL4),
        (udp().udp_length(7).build(), DropReason::RxMalformedL4),
        (
            Frame::ip("10.0.0.9", "10.0.0.1", IpProtocol::ICMP)
                .payload_len(7)
                .build(),
            DropReason::RxMalformedL4,
        ),
        (
            Frame::ip("10.0.0.9", "10.0.0.100", IpProtocol::UDP)
                .fragment(8, true)
                .payload_len(12)
                .build(),
            DropReason::FragmentMalformed,
        ),
    ]
}

#[test]
fn a_bad_frame_is_dropped_with_its_reason_and_answered_by_nothing() {
    for (frame, reason) in bad_frames() {
        let mut bench = Bench::new(SERVICES);
        let outcomes = bench.send(0, &frame);
        assert_eq!(outcomes.len(), 1, "{:?}", lines(&outcomes));
        assert_eq!(
            outcomes[0].verdict,
            Verdict::Drop(reason),
            "{}",
            describe(&frame)
        );
        assert_eq!(outcomes[0].frame, frame, "dropped as it came");
        assert_eq!(bench.dropped(reason), 1);
        assert_eq!(bench.board(0).worker.dropped.get(), 1);
    }
}

/// A reason, the lines of a bench, and what happens.
type Case<'a> = dyn FnMut(DropReason, &str, &dyn Fn(&mut Bench)) + 'a;

/// Those of fragments and ICMP errors.
fn fragment_situations(case: &mut Case<'_>) {
    let piece = |ident: u32, offset: u16, len: usize| {
        Frame::ip("10.0.0.9", "10.0.0.100", IpProtocol::UDP)
            .ident(ident)
            .fragment(offset, true)
            .payload_len(len)
            .build()
    };
    let error = Frame::icmp("10.0.0.77", "10.0.0.100", 3, 1)
        .payload(&Frame::tcp("10.0.0.100:80", "10.0.0.9:1").build_ip())
        .checksum(1);
    case(DropReason::RxBadIcmpChecksum, SERVICES, &|bench| {
        bench.send(0, &syn(1, "10.0.0.100:80").build());
        bench.send(0, &error.build());
    });
    case(DropReason::FragmentDuplicate, SERVICES, &|bench| {
        bench.send(0, &piece(1, 8, 8));
        bench.send(0, &piece(1, 8, 8));
        assert_eq!(bench.held_count(), 1);
    });
    case(DropReason::FragmentTimeout, SERVICES, &|bench| {
        bench.send(0, &piece(1, 8, 8));
        bench.advance(crate::fragments::WAIT_MAX);
    });
    case(DropReason::FragmentTableFull, SERVICES, &|bench| {
        for ident in 0..=crate::fragments::DATAGRAMS_MAX {
            bench.send(0, &piece(u32::try_from(ident).unwrap(), 8, 8));
        }
    });
}

/// Situations that make the engine drop a good frame.
fn situations() -> Vec<(DropReason, Bench)> {
    let mut all = Vec::new();
    let mut case = |reason, text: &str, run: &dyn Fn(&mut Bench)| {
        let mut bench = Bench::new(text);
        run(&mut bench);
        all.push((reason, bench));
    };
    let to = |addr: &'static str| Frame::udp("10.0.0.9:1", addr);
    case(
        DropReason::NoRealServer,
        "service tcp 10.0.0.100:80 rr",
        &|bench| drop(bench.send(0, &syn(1, "10.0.0.100:80").build())),
    );
    case(DropReason::RealDeleted, SERVICES, &|bench| {
        bench.send(0, &syn(1, "10.0.0.100:80").build());
        bench.apply("at tcp 10.0.0.100:80\ndelete-real 10.1.0.11:8080");
        bench.send(0, &syn(1, "10.0.0.100:80").build());
    });
    let small = format!("flows 2\n{SERVICES}");
    case(DropReason::TableFull, &small, &|bench| {
        for cport in 1..=3 {
            bench.send(0, &syn(cport, "10.0.0.100:80").build());
        }
    });
    case(DropReason::TtlExpired, SERVICES, &|bench| {
        bench.send(0, &syn(1, "10.0.0.100:80").ttl(1).build());
    });
    case(DropReason::MtuExceeded, "mtu 1 500", &|bench| {
        let big = to("10.1.0.12:1").payload_len(600).dont_fragment();
        bench.send(0, &big.build());
    });
    case(
        DropReason::Blackhole,
        "route 10.9.0.0/16 blackhole",
        &|bench| drop(bench.send(0, &to("10.9.0.1:1").build())),
    );
    let no_route = format!("{SERVICES}\nroute 10.1.0.11/32 kernel");
    case(DropReason::NoRoute, &no_route, &|bench| {
        bench.send(0, &syn(1, "10.0.0.100:80").build());
    });
    case(DropReason::NeighbourQueueFull, "", &|bench| {
        for _ in 0..=crate::waiting::PACKETS_PER_NEIGHBOUR_MAX {
            bench.send(0, &to("10.1.0.77:1").build());
        }
    });
    case(DropReason::NeighbourTimeout, "", &|bench| {
        bench.send(0, &to("10.1.0.77:1").build());
        bench.advance(crate::waiting::WAIT_MAX);
    });
    case(DropReason::PoolEmpty, "mtu 1 500", &|bench| {
        bench.set_pool(1);
        bench.send(0, &to("10.1.0.12:1").payload_len(1400).build());
    });
    case(
        DropReason::TxNoPort,
        "neighbour 9 10.1.0.77\nroute 10.1.0.77/32 via 9",
        &|bench| drop(bench.send(0, &to("10.1.0.77:1").build())),
    );
    defence_situations(&mut case);
    fragment_situations(&mut case);
    local_situations(&mut case);
    other_situations(&mut case);
    case(DropReason::Shutdown, "", &|bench| {
        bench.send(0, &to("10.1.0.77:1").build());
        assert_eq!(bench.shut_down(0).len(), 1);
        assert_eq!(bench.held_count(), 0);
    });
    all
}

fn defence_situations(case: &mut Case<'_>) {
    case(
        DropReason::NoCallId,
        "service udp 10.0.0.100:5060 rr persist=300 pe=sip\nreal 10.1.0.11:5060",
        &|bench| {
            let frame = Frame::udp("10.0.0.9:5060", "10.0.0.100:5060").payload(b"OPTIONS");
            bench.send(0, &frame.build());
        },
    );
    case(
        DropReason::DropPacket,
        &format!("{SERVICES}\nsysctl drop_packet 3"),
        &|bench| drop(bench.send(0, &syn(1000, "10.0.0.100:80").build())),
    );
    case(
        DropReason::NewFlowRate,
        &format!("{SERVICES}\nnew-flows 1"),
        &|bench| {
            bench.send(0, &syn(1000, "10.0.0.100:80").build());
            bench.send(0, &syn(1001, "10.0.0.100:80").build());
        },
    );
    case(
        DropReason::NoConnection,
        &format!("{SERVICES}\nsysctl nat_icmp_send 1"),
        &|bench| {
            let stray = Frame::tcp("10.1.0.11:8080", "10.0.0.9:1000").flags(ACK);
            bench.send(1, &from_server(stray));
        },
    );
}

fn streams(case: &mut Case<'_>) {
    let service = "flows 1000\nservice tcp 10.0.0.100:80 rr proxy_v1\nreal 10.1.0.11:80";
    case(DropReason::StreamTableFull, service, &|bench| {
        bench.fill_streams();
        bench.send(0, &syn(1000, "10.0.0.100:80").build());
    });
    case(DropReason::StreamCut, service, &|bench| {
        let syn = syn(1000, "10.0.0.100:80").seq(1);
        bench.send(0, &syn.build());
        // Two bytes, one of which has the SYN's number.
        bench.send(0, &syn.flags(ACK).payload(b"ab").build());
    });
}

fn local_situations(case: &mut Case<'_>) {
    let service = "service tcp 10.0.0.100:80 rr pool=p\nreal 10.1.0.11:80 fullnat";
    let of = |pool: &str| format!("{pool}\n{service}");
    case(
        DropReason::LocalPoolMissing,
        &of("pool p 2001:db8:1::200"),
        &|bench| {
            bench.send(0, &syn(1000, "10.0.0.100:80").build());
        },
    );
    case(
        DropReason::Untranslatable,
        "pool p 10.1.0.200\nservice udp [2001:db8::100]:53 rr pool=p\nreal 10.1.0.11:53 fullnat",
        &|bench| {
            let query = Frame::udp("[2001:db8::9]:1000", "[2001:db8::100]:53");
            let bent = query.extension(IpProtocol::ROUTING, &[3, 1, 0, 0, 0, 0]);
            bench.send(0, &bent.build());
        },
    );
    let two = format!("flows 70000\n{}", of("pool p 10.1.0.200"));
    case(DropReason::LocalPortsExhausted, &two, &|bench| {
        let ports = 65_536 - usize::from(crate::local_ports::PORT_FIRST);
        for flow in 0..=ports {
            let client = format!("10.0.0.9:{flow}");
            bench.send(0, &Frame::tcp(&client, "10.0.0.100:80").flags(SYN).build());
        }
        assert_eq!(bench.leases(), ports);
    });
    case(
        DropReason::LocalPortUnused,
        &of("pool p 10.1.0.200"),
        &|bench| {
            let stranger = Frame::tcp("10.1.0.11:80", "10.1.0.200:5000").flags(SYN);
            bench.send(1, &from_server(stranger));
        },
    );
}

fn other_situations(case: &mut Case<'_>) {
    streams(case);
    let routed = "service tcp 192.0.2.0/24:80 rr\nroute 192.0.2.0/24 blackhole\necho-rate 1";
    case(DropReason::EchoRate, routed, &|bench| {
        for sequence in [1, 2] {
            bench.send(
                0,
                &Frame::echo("10.0.0.9", "192.0.2.1", 1, sequence).build(),
            );
        }
    });
    let service = "service udp 10.0.0.100:53 rr\nreal 10.1.0.11:53";
    let query = || Frame::udp("10.0.0.9:1000", "10.0.0.100:53");
    case(
        DropReason::NoHeadroom,
        &format!("{service} gue"),
        &|bench| {
            let mut packet = TestBuf::new(&query().build());
            packet.prepend(126).expect("there is room for so much");
            let frame = query().build();
            packet.bytes_mut()[..frame.len()].copy_from_slice(&frame);
            packet.truncate(frame.len());
            bench.send_packet(0, 0, packet);
        },
    );
    let far = "service udp 10.0.0.100:53 rr\nreal [2001:db8:1::11]:53 ipip\n\
               iface 1 port 1 10.1.0.1/24\niface 0 port 0 10.0.0.1/24\nroute 2001:db8:1::/64 via 1";
    case(DropReason::NoTunnelSource, far, &|bench| {
        bench.send(0, &query().build());
    });
    case(
        DropReason::TunnelTooLong,
        &format!("{service} gue"),
        &|bench| {
            bench.send(0, &query().payload_len(65_500).build());
        },
    );
}

#[test]
fn a_situation_drops_a_good_frame_once_with_its_reason() {
    for (reason, bench) in situations() {
        assert_eq!(bench.dropped(reason), 1, "{}", reason.name());
        assert_eq!(bench.board(0).worker.dropped.get(), 1, "{}", reason.name());
    }
}

#[test]
fn every_reason_is_made_by_a_test_here_or_is_the_workers() {
    let made: Vec<DropReason> = bad_frames()
        .into_iter()
        .map(|(_, reason)| reason)
        .chain(situations().into_iter().map(|(reason, _)| reason))
        .chain(OF_THE_WORKER)
        .chain(OF_SEVERAL)
        .collect();
    for reason in DropReason::ALL {
        assert!(made.contains(reason), "{}", reason.name());
    }
}

#[test]
fn a_full_table_leaves_its_connections_alone() {
    let mut bench = Bench::new(&format!("flows 2\n{SERVICES}"));
    for cport in 1..=3 {
        bench.send(0, &syn(cport, "10.0.0.100:80").build());
    }
    assert_eq!(bench.flow_count(), 2);
    let line = only(bench.say(0, &syn(2, "10.0.0.100:80").build()));
    assert!(line.starts_with("send 1"), "{line}");
    bench.advance(Duration::from_secs(61));
    let line = only(bench.say(0, &syn(3, "10.0.0.100:80").build()));
    assert!(line.starts_with("send 1"), "there is room again: {line}");
}

#[test]
fn pieces_that_left_before_the_pool_ran_dry_are_accounted_for() {
    let mut bench = Bench::new("mtu 1 500");
    bench.set_pool(2);
    let big = Frame::udp("10.0.0.9:1", "10.1.0.12:1").payload_len(1400);
    let lines = bench.say(0, &big.build());
    assert_eq!(lines.len(), 3);
    assert!(lines[2].starts_with("drop pool_empty"), "{lines:?}");
    assert_eq!(bench.board(0).worker.generated.get(), 2);
}

#[test]
fn a_frame_of_the_shortest_length_is_not_too_short() {
    let mut bench = Bench::new(SERVICES);
    let frame = Frame::udp("10.0.0.9:1", "10.0.0.100:53").padded().build();
    assert_eq!(frame.len(), FRAME_LEN_MIN);
    assert!(only(bench.say(0, &frame)).starts_with("send 1"));
}

#[test]
fn promiscuous_strangers_are_not_routed() {
    let mut bench = Bench::new("");
    let frame = Frame::udp("10.0.0.9:1", "10.1.0.12:1").macs(PEER, SERVER_PORT);
    assert!(only(bench.say(0, &frame.build())).starts_with("drop rx_wrong_mac"));
}

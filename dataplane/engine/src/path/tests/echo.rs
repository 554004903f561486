// SPDX-License-Identifier: Apache-2.0
//! Pings of virtual addresses.

use wire::builder::{Checksum, transport_checksum};
use wire::packet::parse;

use super::*;

/// Networks of VIPs and one address, that Linux routes and does not have.
const ROUTED: &str = "
    service tcp 192.0.2.0/24:80 rr
    real 10.1.0.11:80 nat
    service udp 198.51.100.7:53 rr
    real 10.1.0.11:53 nat
    service tcp [2001:db8:5::/48]:80 rr
    real [2001:db8:1::11]:80 nat
    route 192.0.2.0/24 blackhole
    route 198.51.100.7/32 via 0 10.0.0.254
    route 2001:db8:5::/48 blackhole
";

#[test]
fn an_address_that_linux_has_is_pinged_there() {
    let mut bench = Bench::new(SERVICES);
    for (client, vip) in [("10.0.0.9", "10.0.0.100"), ("2001:db8::9", "2001:db8::100")] {
        let line = only(bench.say(0, &Frame::echo(client, vip, 1, 1).build()));
        assert!(line.starts_with("punt 0 icmp"), "{line}");
    }
    assert_eq!(bench.board(0).worker.icmp_echoes.get(), 0);
}

#[test]
fn any_other_virtual_address_answers_here() {
    for workers in [1, 4] {
        let mut bench = Bench::new(&format!("workers {workers}\n{ROUTED}"));
        for (client, vip) in [
            ("10.0.0.9", "192.0.2.77"),
            ("10.0.0.9", "198.51.100.7"),
            ("2001:db8::9", "2001:db8:5::1"),
        ] {
            for receiver in 0..workers {
                let ping = Frame::echo(client, vip, 7, 9).ttl(1).payload_len(100);
                let (_, out) = bench.deliver(receiver, 0, &ping.build());
                assert_eq!(out.len(), 1);
                let line = format!("{}", out[0]);
                assert!(line.starts_with(&format!("send 0 to {client}")) || client.contains(':'));
                assert!(line.contains(&format!("{vip} > {client} icmp")), "{line}");
                assert!(line.contains("/0 rest 0x70009 ttl 64"), "{line}");
                assert_eq!(transport_checksum(&out[0].frame), Checksum::Good);
            }
        }
    }
}

#[test]
fn servers_and_strangers_are_not_answered_for() {
    let mut bench = Bench::new(ROUTED);
    let line = only(bench.say(0, &Frame::echo("10.0.0.9", "10.1.0.11", 1, 1).build()));
    assert!(line.starts_with("send 1 to 10.1.0.11"), "{line}");
    let line = only(bench.say(0, &Frame::echo("10.0.0.9", "192.0.3.1", 1, 1).build()));
    assert!(!line.contains("192.0.3.1 >"), "{line}");
    // No reply, no error, no port: only the question counts.
    for icmp_type in [0, 13, 17] {
        let frame = Frame::icmp("10.0.0.9", "192.0.2.1", icmp_type, 0).build();
        let line = only(bench.say(0, &frame));
        assert!(line.starts_with("drop blackhole"), "{line}");
    }
    bench.apply("at tcp 192.0.2.0/24:80\ndelete-service");
    let line = only(bench.say(0, &Frame::echo("10.0.0.9", "192.0.2.1", 1, 1).build()));
    assert!(line.starts_with("drop blackhole"), "{line}");
}

#[test]
fn a_ping_in_fragments_is_answered_in_fragments() {
    for (client, vip) in [("10.0.0.9", "192.0.2.77"), ("2001:db8::9", "2001:db8:5::1")] {
        let mut bench = Bench::new(ROUTED);
        let ping = Frame::echo(client, vip, 7, 9).ident(3).payload_len(3000);
        let mut replies = Vec::new();
        for piece in ping.fragments(1400) {
            replies.extend(bench.send(0, &piece));
        }
        assert_eq!(replies.len(), 3, "{:#?}", lines(&replies));
        let mut message = Vec::new();
        for reply in &replies {
            let parsed = parse(&reply.frame, reply.frame.len()).unwrap();
            let place = parsed.fragment_place(&reply.frame).unwrap();
            assert_eq!(usize::from(place.offset), message.len());
            message.extend_from_slice(&reply.frame[usize::from(parsed.l4_offset)..]);
        }
        let (reply, header_len) = if client.contains(':') {
            (Frame::icmp(vip, client, 129, 0), 40)
        } else {
            (Frame::icmp(vip, client, 0, 0), 20)
        };
        let expected = reply.rest(7 << 16 | 9).payload_len(3000).build_ip();
        assert_eq!(message, expected[header_len..]);
        assert_eq!(bench.board(0).worker.icmp_echoes.get(), 1);
    }
}

#[test]
fn a_wrong_checksum_is_not_answered() {
    let mut bench = Bench::new(ROUTED);
    for (client, vip) in [("10.0.0.9", "192.0.2.77"), ("2001:db8::9", "2001:db8:5::1")] {
        let ping = Frame::echo(client, vip, 7, 9).checksum(0x1234).build();
        let line = only(bench.say(0, &ping));
        assert!(line.starts_with("drop rx_bad_icmp_checksum"), "{line}");
    }
}

#[test]
fn replies_have_a_rate_of_their_own() {
    let mut bench = Bench::new(&format!("{ROUTED}\necho-rate 3\nicmp-rate 1"));
    let ping = Frame::echo("10.0.0.9", "192.0.2.77", 1, 1).build();
    let answered = |bench: &mut Bench| {
        let sent = |line: &String| line.starts_with("send");
        (0..10).filter(|_| sent(&only(bench.say(0, &ping)))).count()
    };
    assert_eq!(answered(&mut bench), 3);
    assert_eq!(bench.dropped(DropReason::EchoRate), 7);
    bench.advance(Duration::from_secs(1));
    assert_eq!(answered(&mut bench), 3);
    bench.apply("echo-rate 0");
    assert_eq!(answered(&mut bench), 10);
}

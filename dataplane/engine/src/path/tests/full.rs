// SPDX-License-Identifier: Apache-2.0
//! A flow table without a free place: who is refused, who goes on, and what comes after.

use super::*;

const SERVICES: &str = "
    flows 60
    service tcp 10.0.0.100:80 wlc
    real 10.1.0.11:80 nat
    real 10.1.0.12:80 nat
    service udp 10.0.0.100:53 rr
    real 10.1.0.11:53 nat
    service udp [2001:db8::100]:53 lc
    real [2001:db8:1::11]:53 dr
    service udp 10.0.0.101:53 rr
    real 10.1.0.11:53 ipip
";

/// One of four kinds of a client's first packet.
fn first_packet(number: u16) -> Frame {
    let client = format!("10.0.0.9:{}", 1000 + number);
    match number % 4 {
        0 => Frame::tcp(&client, "10.0.0.100:80").flags(2),
        1 => Frame::udp(&client, "10.0.0.100:53"),
        2 => Frame::udp(
            &format!("[2001:db8::9]:{}", 1000 + number),
            "[2001:db8::100]:53",
        ),
        _ => Frame::udp(&client, "10.0.0.101:53"),
    }
}

fn passes(bench: &mut Bench, port: u16, frame: &Frame) -> bool {
    only(bench.say(port, &frame.build())).starts_with("send")
}

#[test]
fn a_full_table_refuses_new_connections_and_no_others() {
    let mut bench = Bench::new(SERVICES);
    for number in 0..60 {
        assert!(passes(&mut bench, 0, &first_packet(number)), "{number}");
    }
    for number in 60..100 {
        let line = only(bench.say(0, &first_packet(number).build()));
        assert!(line.starts_with("drop table_full"), "{line}");
    }
    assert_eq!(bench.dropped(DropReason::TableFull), 40);
    assert_eq!(bench.board(0).worker.connections.get(), 60);
    // Those that are known go on, both ways, a repeated SYN included.
    for number in 0..60 {
        assert!(passes(&mut bench, 0, &first_packet(number)), "{number}");
    }
    let answer = Frame::udp("10.1.0.11:53", "10.0.0.9:1001").macs(PEER, SERVER_PORT);
    assert!(passes(&mut bench, 1, &answer));
    // Errors about them are relayed, and packets that open nothing are routed.
    let cause = Frame::udp("10.0.0.100:53", "10.0.0.9:1001").build_ip();
    let error = Frame::icmp("10.0.0.77", "10.0.0.100", 3, 3).payload(&cause);
    assert!(passes(&mut bench, 0, &error));
    let transit = Frame::udp("10.0.0.9:1", "10.1.0.12:9");
    assert!(passes(&mut bench, 0, &transit));
    assert_eq!(bench.dropped(DropReason::TableFull), 40);
}

#[test]
fn a_full_table_recovers_by_itself() {
    let mut bench = Bench::new(SERVICES);
    for number in 0..100 {
        bench.send(0, &first_packet(number).build());
    }
    assert_eq!(bench.dropped(DropReason::TableFull), 40);
    // A SYN is remembered for a minute, a datagram for five: a quarter has gone.
    bench.advance(Duration::from_secs(62));
    assert_eq!(bench.flow_count(), 45);
    for number in 60..100 {
        let line = only(bench.say(0, &first_packet(number).build()));
        let expected = if number < 75 {
            "send"
        } else {
            "drop table_full"
        };
        assert!(line.starts_with(expected), "{number}: {line}");
    }
    assert_eq!(bench.flow_count(), 60);
    bench.advance(Duration::from_secs(400));
    assert_eq!(bench.flow_count(), 0);
    for number in 0..60 {
        assert!(passes(&mut bench, 0, &first_packet(number)), "{number}");
    }
    assert_eq!(bench.dropped(DropReason::TableFull), 40 + 25);
}

/// A refused connection leaves nothing behind that a scheduler would count.
#[test]
fn a_refused_connection_is_nobodys_load() {
    let mut bench = Bench::new(SERVICES);
    for number in 0..60 {
        bench.send(0, &first_packet(number).build());
    }
    let loads = |bench: &Bench| {
        let servers = [
            "10.1.0.11:80",
            "10.1.0.12:80",
            "10.1.0.11:53",
            "[2001:db8:1::11]:53",
        ];
        servers.map(|server| bench.load(bench.real(server)))
    };
    let before = loads(&bench);
    for number in 60..100 {
        bench.send(0, &first_packet(number).build());
    }
    assert_eq!(loads(&bench), before);
}

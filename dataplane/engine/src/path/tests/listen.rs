// SPDX-License-Identifier: Apache-2.0
//! Which service takes a packet: one port, ranges, every port, networks, marks.

use super::*;

const WIDE: &str = "
    service tcp 10.0.0.100:80 rr
    real 10.1.0.11:8080
    service tcp 10.0.0.100:8000-8099 rr
    real 10.1.0.12:0
    service tcp 10.0.0.100:8010-8019 rr
    real 10.1.0.12:9000
    service tcp 10.0.0.100:0 rr
    real 10.1.0.13:0
    service tcp 10.0.0.96/28:80 rr
    real 10.1.0.14:80
    service tcp 10.0.0.96/28:0 rr
    real 10.1.0.14:0
";

fn goes_to(bench: &mut Bench, cport: u16, to: &str) -> String {
    let line = only(bench.say(0, &syn(cport, to).build()));
    let rest = line.split(" > ").nth(1).unwrap_or(&line);
    rest.split(' ').next().unwrap_or_default().into()
}

#[test]
fn the_longest_prefix_and_the_fewest_ports_win() {
    let mut bench = Bench::new(WIDE);
    for (place, (to, real)) in (1u16..).zip([
        ("10.0.0.100:80", "10.1.0.11:8080"),
        ("10.0.0.100:8000", "10.1.0.12:8000"),
        ("10.0.0.100:8099", "10.1.0.12:8099"),
        ("10.0.0.100:8015", "10.1.0.12:9000"),
        ("10.0.0.100:8100", "10.1.0.13:8100"),
        ("10.0.0.100:1", "10.1.0.13:1"),
        ("10.0.0.97:80", "10.1.0.14:80"),
        ("10.0.0.97:81", "10.1.0.14:81"),
    ]) {
        assert_eq!(goes_to(&mut bench, place, to), real, "{to}");
    }
}

#[test]
fn a_reply_from_any_port_is_translated_back() {
    let mut bench = Bench::new(WIDE);
    bench.say(0, &syn(1000, "10.0.0.100:8100").build());
    let answer = Frame::tcp("10.1.0.13:8100", "10.0.0.9:1000").flags(SYN | ACK);
    assert_eq!(
        bench.say(1, &from_server(answer)),
        ["send 0 to 10.0.0.9: 10.0.0.100:8100 > 10.0.0.9:1000 tcp SA seq 1 ack 0 ttl 63 len 40"]
    );
    let other = Frame::tcp("10.1.0.13:8101", "10.0.0.9:1000").flags(SYN | ACK);
    assert_eq!(
        bench.say(1, &from_server(other)),
        ["send 0 to 10.0.0.9: 10.1.0.13:8101 > 10.0.0.9:1000 tcp SA seq 1 ack 0 ttl 63 len 40"],
        "another port is another connection"
    );
}

#[test]
fn a_mark_goes_before_an_address() {
    let mut bench = Bench::new(
        "service tcp 10.0.0.100:80 rr
         real 10.1.0.11:8080
         service mark 5 rr
         real 10.1.0.12:0
         service mark6 5 rr
         real [2001:db8:1::12]:0
         mark 5 tcp from 10.0.0.8/31 port 80
         mark 5 udp to 10.0.0.100/32 port 53",
    );
    assert_eq!(goes_to(&mut bench, 1, "10.0.0.100:80"), "10.1.0.12:80");
    let stranger = Frame::tcp("10.0.0.254:1000", "10.0.0.100:80").flags(SYN);
    let line = only(bench.say(0, &stranger.build()));
    assert!(line.contains("> 10.1.0.11:8080 "), "{line}");
    let query = Frame::udp("10.0.0.254:1000", "10.0.0.100:53").build();
    let line = only(bench.say(0, &query));
    assert!(line.contains("> 10.1.0.12:53 "), "{line}");
}

#[test]
fn the_last_wide_service_gone_nothing_is_taken() {
    let mut bench = Bench::new("service tcp 10.0.0.96/28:0 rr\nreal 10.1.0.14:0");
    assert_eq!(goes_to(&mut bench, 1, "10.0.0.97:81"), "10.1.0.14:81");
    bench.apply("at tcp 10.0.0.96/28:0\ndelete-service");
    let line = only(bench.say(0, &syn(2, "10.0.0.97:81").build()));
    assert!(line.starts_with("punt"), "{line}");
}

// SPDX-License-Identifier: Apache-2.0
//! The ICMP errors a director sends on its own account.

use super::*;

#[test]
fn a_ttl_that_runs_out_on_the_way_to_a_server_is_told_from_the_vip() {
    let mut bench = Bench::new(SERVICES);
    assert_eq!(
        bench.say(0, &syn(1000, "10.0.0.100:80").ttl(1).build()),
        [
            "send 0 to 10.0.0.9: 10.0.0.100 > 10.0.0.9 icmp 11/0 rest 0x0 about \
             [10.0.0.9:1000 > 10.0.0.100:80 tcp ttl 1 len 40] ttl 64 tos 0xc0 id 1001 len 68",
            "drop ttl_expired: 10.0.0.9:1000 > 10.0.0.100:80 tcp S seq 1 ack 0 ttl 1 len 40",
        ]
    );
}

#[test]
fn a_hop_limit_that_runs_out_is_told_in_ipv6() {
    let mut bench = Bench::new(SERVICES);
    let syn = Frame::tcp("[2001:db8::9]:1", "[2001:db8::100]:80").flags(SYN);
    let lines = bench.say(0, &syn.ttl(0).build());
    assert_eq!(
        lines[0],
        "send 0 to ::9: 2001:db8::100 > 2001:db8::9 icmpv6 3/0 rest 0x0 about \
         [[2001:db8::9]:1 > [2001:db8::100]:80 tcp ttl 0 len 60] ttl 64 len 108"
    );
}

#[test]
fn a_ttl_that_runs_out_in_transit_is_told_from_the_port_it_came_by() {
    let mut bench = Bench::new(SERVICES);
    let out = Frame::udp("10.1.0.11:5000", "203.0.113.1:123").ttl(1);
    let lines = bench.say(1, &from_server(out));
    assert!(
        lines[0].starts_with("send 1 to 10.1.0.11: 10.1.0.1 > 10.1.0.11 icmp 11/0"),
        "{lines:?}"
    );
    let out = Frame::udp("[2001:db8:1::11]:5000", "[2001:db8:9::1]:123").ttl(1);
    let lines = bench.say(1, &from_server(out));
    assert!(
        lines[0].starts_with("send 1 to ::11: 2001:db8:1::1 > 2001:db8:1::11 icmpv6 3/0"),
        "{lines:?}"
    );
}

#[test]
fn a_servers_answer_whose_ttl_runs_out_is_told_untranslated_and_not_counted() {
    let mut bench = Bench::new(SERVICES);
    bench.send(0, &syn(1000, "10.0.0.100:80").build());
    let answer = Frame::tcp("10.1.0.11:8080", "10.0.0.9:1000").flags(SYN | ACK);
    let lines = bench.say(1, &from_server(answer.ttl(1)));
    assert!(
        lines[0].starts_with(
            "send 1 to 10.1.0.11: 10.1.0.1 > 10.1.0.11 icmp 11/0 rest 0x0 about \
             [10.1.0.11:8080 > 10.0.0.9:1000 tcp ttl 1 len 40]"
        ),
        "{lines:?}"
    );
    let counters = bench.board(0).real(bench.real("10.1.0.11:8080")).unwrap();
    assert_eq!(counters.packets_out.get(), 0);
}

#[test]
fn a_packet_too_large_with_df_tells_the_mtu() {
    let mut bench = Bench::new(SERVICES);
    bench.apply("mtu 1 1400");
    bench.send(0, &syn(1000, "10.0.0.100:80").build());
    let data = Frame::tcp("10.0.0.9:1000", "10.0.0.100:80")
        .flags(ACK)
        .dont_fragment()
        .payload_len(1361);
    let lines = bench.say(0, &data.build());
    // 0x578 = 1400.
    assert_eq!(
        lines[0],
        "send 0 to 10.0.0.9: 10.0.0.100 > 10.0.0.9 icmp 3/4 rest 0x578 about \
         [10.0.0.9:1000 > 10.0.0.100:80 tcp ttl 63 len 1401] ttl 64 tos 0xc0 id 1001 len 576"
    );
    assert!(lines[1].starts_with("drop mtu_exceeded"), "{lines:?}");
    let fits = Frame::tcp("10.0.0.9:1000", "10.0.0.100:80")
        .flags(ACK)
        .dont_fragment()
        .payload_len(1360);
    assert!(only(bench.say(0, &fits.build())).starts_with("send 1"));
}

#[test]
fn a_nat_packet_too_large_without_df_goes_in_pieces() {
    let mut bench = Bench::new(SERVICES);
    bench.apply("mtu 1 1400");
    let query = Frame::udp("10.0.0.9:1", "10.0.0.100:53").payload_len(1400);
    let lines = bench.say(0, &query.build());
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("10.0.0.9:1 > 10.1.0.11:53 udp ttl 63 fragment 0@0+"));
    let counters = bench.board(0).real(bench.real("10.1.0.11:53")).unwrap();
    assert_eq!(counters.packets_in.get(), 1, "one packet, in two pieces");
}

#[test]
fn a_packet_too_large_in_ipv6_is_never_cut() {
    let mut bench = Bench::new("mtu 1 1400");
    let big = Frame::udp("[2001:db8::9]:1", "[2001:db8:1::12]:1").payload_len(1353);
    let lines = bench.say(0, &big.build());
    assert!(
        lines[0].starts_with(
            "send 0 to ::9: 2001:db8::1 > 2001:db8::9 icmpv6 2/0 rest 0x578 about \
             [[2001:db8::9]:1 > [2001:db8:1::12]:1 udp ttl 64 len 1401]"
        ),
        "{lines:?}"
    );
    assert!(lines[0].ends_with("len 1280"), "{lines:?}");
}

#[test]
fn a_service_without_servers_answers_port_unreachable() {
    let mut bench = Bench::new(
        "service tcp 10.0.0.100:80 rr
         service udp [2001:db8::100]:53 wlc
         real [2001:db8:1::11]:53 nat 0",
    );
    let lines = bench.say(0, &syn(1000, "10.0.0.100:80").build());
    assert!(
        lines[0].starts_with("send 0 to 10.0.0.9: 10.0.0.100 > 10.0.0.9 icmp 3/3 rest 0x0"),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("drop no_real_server"), "{lines:?}");
    let query = Frame::udp("[2001:db8::9]:1", "[2001:db8::100]:53");
    let lines = bench.say(0, &query.build());
    assert!(
        lines[0].starts_with("send 0 to ::9: 2001:db8::100 > 2001:db8::9 icmpv6 1/4 rest 0x0"),
        "{lines:?}"
    );
    assert_eq!(bench.flow_count(), 0);
}

#[test]
fn a_segment_in_the_middle_for_a_service_without_servers_is_linuxs() {
    let mut bench = Bench::new("service tcp 10.0.0.100:80 rr");
    let data = Frame::tcp("10.0.0.9:1000", "10.0.0.100:80").flags(ACK);
    assert!(only(bench.say(0, &data.build())).starts_with("punt 0 local"));
}

#[test]
fn a_neighbour_that_does_not_answer_is_told_after_three_seconds() {
    let mut bench = Bench::new("");
    bench.send(0, &Frame::udp("10.0.0.9:1", "10.1.0.77:1").build());
    assert!(bench.advance(Duration::from_millis(2900)).is_empty());
    let lines = lines(&bench.advance(Duration::from_millis(100)));
    assert!(
        lines[0].starts_with(
            "send 0 to 10.0.0.9: 10.0.0.1 > 10.0.0.9 icmp 3/1 rest 0x0 about \
             [10.0.0.9:1 > 10.1.0.77:1 udp ttl 63 len 28]"
        ),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("drop neighbour_timeout"), "{lines:?}");
}

#[test]
fn a_servers_address_is_not_told_when_it_does_not_answer() {
    let mut bench = Bench::new(SERVICES);
    bench.apply("no-neighbour 1 10.1.0.11");
    assert!(bench.say(0, &syn(1000, "10.0.0.100:80").build()).is_empty());
    // The client knows the VIP only.
    let lines = lines(&bench.advance(Duration::from_secs(3)));
    assert!(
        lines[0].starts_with(
            "send 0 to 10.0.0.9: 10.0.0.100 > 10.0.0.9 icmp 3/1 rest 0x0 about \
             [10.0.0.9:1000 > 10.0.0.100:80 tcp ttl 63 len 40]"
        ),
        "{lines:?}"
    );
}

#[test]
fn an_error_waits_for_its_receiver_like_any_packet() {
    let mut bench = Bench::new("");
    let late = Frame::udp("10.0.0.77:1", "10.1.0.12:1").ttl(1);
    let line = only(bench.say(0, &late.build()));
    assert!(line.starts_with("drop ttl_expired"), "{line}");
    assert_eq!(bench.held_count(), 1, "the error");
    let outcomes = bench.advance(Duration::from_secs(3));
    assert_eq!(outcomes.len(), 1, "no error about an error");
    assert_eq!(
        outcomes[0].verdict,
        Verdict::Drop(DropReason::NeighbourTimeout)
    );
}

#[test]
fn errors_have_a_rate() {
    let mut bench = Bench::new("icmp-rate 3");
    let late = Frame::udp("10.0.0.9:1", "10.1.0.12:1").ttl(1).build();
    let told: usize = (0..10).map(|_| bench.send(0, &late).len() - 1).sum();
    assert_eq!(told, 3);
    assert_eq!(bench.board(0).worker.icmp_errors_suppressed.get(), 7);
    bench.advance(Duration::from_secs(1));
    assert_eq!(bench.send(0, &late).len(), 2, "a new second");
    bench.apply("icmp-rate 0");
    let told: usize = (0..10).map(|_| bench.send(0, &late).len() - 1).sum();
    assert_eq!(told, 10, "0 is no limit");
}

#[test]
fn there_is_no_error_about_what_must_not_be_answered() {
    let silent = [
        // Errors themselves.
        Frame::icmp("10.0.0.9", "10.1.0.12", 3, 1).payload_len(28),
        Frame::icmp("10.0.0.9", "10.1.0.12", 11, 0).payload_len(28),
        Frame::icmp("10.0.0.9", "10.1.0.12", 5, 0).payload_len(28),
        Frame::icmp("2001:db8::9", "2001:db8:1::12", 1, 0).payload_len(48),
        Frame::icmp("2001:db8::9", "2001:db8:1::12", 2, 0).payload_len(48),
        // A later fragment.
        Frame::ip("10.0.0.9", "10.1.0.12", IpProtocol::UDP)
            .fragment(8, false)
            .payload_len(8),
    ];
    for frame in silent {
        let mut bench = Bench::new("");
        let line = only(bench.say(0, &frame.ttl(1).build()));
        assert!(line.starts_with("drop ttl_expired"), "{line}");
    }
}

#[test]
fn a_ping_and_a_first_fragment_are_answered() {
    for frame in [
        Frame::echo("10.0.0.9", "10.1.0.12", 1, 1),
        Frame::echo("2001:db8::9", "2001:db8:1::12", 1, 1),
        Frame::udp("10.0.0.9:1", "10.1.0.12:1")
            .fragment(0, true)
            .payload_len(8),
    ] {
        let mut bench = Bench::new("");
        assert_eq!(bench.send(0, &frame.ttl(1).build()).len(), 2);
    }
}

#[test]
fn an_error_without_a_buffer_is_not_sent_and_harms_nothing() {
    let mut bench = Bench::new(SERVICES);
    bench.set_pool(0);
    let line = only(bench.say(0, &syn(1, "10.0.0.100:80").ttl(1).build()));
    assert!(line.starts_with("drop ttl_expired"), "{line}");
    assert_eq!(bench.board(0).worker.generated.get(), 0);
}

#[test]
fn an_error_whose_receiver_has_no_route_is_not_made() {
    let mut bench = Bench::new("route 0.0.0.0/0 blackhole");
    let late = Frame::udp("203.0.113.9:1", "10.1.0.12:1").ttl(1);
    let line = only(bench.say(0, &late.build()));
    assert!(line.starts_with("drop ttl_expired"), "{line}");
}

#[test]
fn a_quote_leaves_out_ethernet_padding() {
    let mut bench = Bench::new("");
    let late = Frame::udp("10.0.0.9:1", "10.1.0.12:1").ttl(1).padded();
    let outcomes = bench.send(0, &late.build());
    assert_eq!(outcomes[0].frame.len(), 14 + 20 + 8 + 28);
}

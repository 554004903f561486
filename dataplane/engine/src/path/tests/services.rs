// SPDX-License-Identifier: Apache-2.0
//! Packets of connections: opened, followed, reset, reopened, forgotten.

use super::*;
use crate::state::State;
use crate::tcp_state::TcpState;

#[test]
fn a_nat_connection_is_rewritten_there_and_back() {
    let mut bench = Bench::new(SERVICES);
    assert_eq!(
        bench.say(0, &syn(1000, "10.0.0.100:80").build()),
        ["send 1 to 10.1.0.11: 10.0.0.9:1000 > 10.1.0.11:8080 tcp S seq 1 ack 0 ttl 63 len 40"]
    );
    let answer = Frame::tcp("10.1.0.11:8080", "10.0.0.9:1000").flags(SYN | ACK);
    assert_eq!(
        bench.say(1, &from_server(answer)),
        ["send 0 to 10.0.0.9: 10.0.0.100:80 > 10.0.0.9:1000 tcp SA seq 1 ack 0 ttl 63 len 40"]
    );
}

#[test]
fn a_nat_connection_over_ipv6_is_rewritten_there_and_back() {
    let mut bench = Bench::new(SERVICES);
    let syn = Frame::tcp("[2001:db8::9]:1000", "[2001:db8::100]:80").flags(SYN);
    assert_eq!(
        only(bench.say(0, &syn.build())),
        "send 1 to ::11: [2001:db8::9]:1000 > [2001:db8:1::11]:8080 tcp S seq 1 ack 0 ttl 63 len 60"
    );
    let answer = Frame::tcp("[2001:db8:1::11]:8080", "[2001:db8::9]:1000").flags(SYN | ACK);
    assert_eq!(
        only(bench.say(1, &from_server(answer))),
        "send 0 to ::9: [2001:db8::100]:80 > [2001:db8::9]:1000 tcp SA seq 1 ack 0 ttl 63 len 60"
    );
}

#[test]
fn udp_without_checksum_gets_a_right_one_by_nat_and_none_by_dr() {
    let mut bench = Bench::new(
        "service udp 10.0.0.100:53 rr
         real 10.1.0.11:53 nat
         service udp 10.0.0.101:53 rr
         real 10.1.0.12:53 dr",
    );
    for (vip, checksum) in [
        ("10.0.0.100:53", wire::builder::Checksum::Good),
        ("10.0.0.101:53", wire::builder::Checksum::Absent),
    ] {
        let query = Frame::udp("10.0.0.9:1000", vip).checksum(0);
        let outcomes = bench.send(0, &query.payload(b"query").build());
        let sent = &outcomes[0].frame;
        assert_eq!(wire::builder::transport_checksum(sent), checksum, "{vip}");
    }
}

#[test]
fn a_dr_packet_changes_its_macs_and_ttl_only() {
    let mut bench = Bench::new(SERVICES);
    let syn = syn(1000, "10.0.0.101:80");
    let outcomes = bench.send(0, &syn.build());
    let expected = syn
        .ttl(63)
        .macs(SERVER_PORT, MacAddress([2, 4, 10, 1, 0, 12]))
        .build();
    assert_eq!(outcomes[0].frame, expected);
    let query = Frame::udp("[2001:db8::9]:1000", "[2001:db8::100]:53").payload(b"query");
    let outcomes = bench.send(0, &query.build());
    let mac = MacAddress([2, 6, 0, 0, 0, 0x12]);
    assert_eq!(
        outcomes[0].frame,
        query.ttl(63).macs(SERVER_PORT, mac).build()
    );
}

#[test]
fn ip_options_tos_ident_and_df_pass_nat_unchanged() {
    let mut bench = Bench::new(SERVICES);
    let syn = syn(1000, "10.0.0.100:80")
        .options(&[148, 4, 0, 0])
        .tos(0x2e)
        .ident(4711)
        .dont_fragment()
        .tcp_options(&[2, 4, 5, 0xb4]);
    let outcomes = bench.send(0, &syn.build());
    let expected = Frame::tcp("10.0.0.9:1000", "10.1.0.11:8080")
        .flags(SYN)
        .options(&[148, 4, 0, 0])
        .tos(0x2e)
        .ident(4711)
        .dont_fragment()
        .tcp_options(&[2, 4, 5, 0xb4])
        .ttl(63)
        .macs(SERVER_PORT, MacAddress([2, 4, 10, 1, 0, 11]))
        .build();
    assert_eq!(outcomes[0].frame, expected);
}

#[test]
fn a_wrong_tcp_checksum_stays_wrong_by_the_same_amount() {
    let mut bench = Bench::new(SERVICES);
    let right = syn(1000, "10.0.0.100:80").build();
    let carried = u16::from_be_bytes([right[50], right[51]]);
    let wrong = syn(1000, "10.0.0.100:80").checksum(carried ^ 1).build();
    let good = bench.send(0, &right);
    let bad = bench.send(0, &wrong);
    let checksum = |frame: &[u8]| u16::from_be_bytes([frame[50], frame[51]]);
    assert!(describe(&bad[0].frame).ends_with("BAD tcp checksum"));
    let apart = checksum(&good[0].frame).abs_diff(checksum(&bad[0].frame));
    assert!(apart == 1 || apart == 0xfffe, "{apart}");
}

#[test]
fn ethernet_padding_does_not_travel() {
    let mut bench = Bench::new(SERVICES);
    let outcomes = bench.send(0, &syn(1000, "10.0.0.100:80").padded().build());
    assert_eq!(outcomes[0].frame.len(), 54);
    let outcomes = bench.send(
        0,
        &syn(1000, "10.0.0.101:80")
            .trailer(b"behind the packet")
            .build(),
    );
    assert_eq!(outcomes[0].frame.len(), 54);
}

#[test]
fn a_packet_in_several_segments_is_rewritten_whole() {
    let mut bench = Bench::new(SERVICES);
    bench.send(0, &syn(1000, "10.0.0.100:80").build());
    let data = Frame::tcp("10.0.0.9:1000", "10.0.0.100:80")
        .flags(ACK)
        .payload_len(600);
    let packet = wire::buffer::TestBuf::chained(&data.build(), 100);
    let outcomes = bench.send_packet(0, 0, packet);
    assert_eq!(
        only(lines(&outcomes)),
        "send 1 to 10.1.0.11: 10.0.0.9:1000 > 10.1.0.11:8080 tcp A seq 1 ack 0 ttl 63 len 640"
    );
}

#[test]
fn a_connection_keeps_its_server_while_others_go_round() {
    let mut bench = Bench::new(
        "service tcp 10.0.0.100:80 rr
         real 10.1.0.11:80
         real 10.1.0.12:80",
    );
    let server = |lines: Vec<String>| String::from(&only(lines)["send 1 to ".len()..][..9]);
    let first = server(bench.say(0, &syn(1000, "10.0.0.100:80").build()));
    let second = server(bench.say(0, &syn(1001, "10.0.0.100:80").build()));
    assert_eq!(
        (first.as_str(), second.as_str()),
        ("10.1.0.12", "10.1.0.11")
    );
    let data = Frame::tcp("10.0.0.9:1000", "10.0.0.100:80").flags(ACK);
    for _ in 0..3 {
        assert_eq!(server(bench.say(0, &data.build())), first);
    }
}

#[test]
fn what_opens_a_connection_is_a_syn_without_rst() {
    for (flags, opens) in [
        (SYN, true),
        (SYN | ACK, true),
        (SYN | FIN, true),
        (SYN | PSH | ACK, true),
        (SYN | RST, false),
        (ACK, false),
        (RST, false),
        (FIN | ACK, false),
        (0, false),
    ] {
        let mut bench = Bench::new(SERVICES);
        let frame = Frame::tcp("10.0.0.9:1000", "10.0.0.100:80").flags(flags);
        let line = only(bench.say(0, &frame.build()));
        let expected = if opens { "send 1" } else { "punt 0 local" };
        assert!(line.starts_with(expected), "{line}");
        assert_eq!(bench.flow_count(), usize::from(opens), "flags {flags:#x}");
    }
}

#[test]
fn a_connection_is_active_while_it_opens_and_flows_and_inactive_after_fin() {
    let mut bench = Bench::new(SERVICES);
    let real = bench.real("10.1.0.11:8080");
    let load = |bench: &Bench| (bench.load(real).active, bench.load(real).inactive);
    bench.send(0, &syn(1000, "10.0.0.100:80").build());
    assert_eq!(load(&bench), (1, 0), "SYN_RECV");
    let from_client = |flags| Frame::tcp("10.0.0.9:1000", "10.0.0.100:80").flags(flags);
    bench.send(0, &from_client(ACK).build());
    assert_eq!(
        bench.connections(0)[0].state,
        State::Tcp(TcpState::Established)
    );
    assert_eq!(load(&bench), (1, 0));
    bench.send(0, &from_client(FIN | ACK).build());
    assert_eq!(
        bench.connections(0)[0].state,
        State::Tcp(TcpState::CloseWait)
    );
    assert_eq!(load(&bench), (0, 1));
    bench.send(0, &from_client(RST).build());
    assert_eq!(bench.connections(0)[0].state, State::Tcp(TcpState::Close));
    assert_eq!(bench.connections(0)[0].expires_ms, 10_000);
}

#[test]
fn a_udp_flow_is_inactive_from_the_start() {
    let mut bench = Bench::new(SERVICES);
    bench.send(0, &Frame::udp("10.0.0.9:1", "10.0.0.100:53").build());
    let load = bench.load(bench.real("10.1.0.11:53"));
    assert_eq!((load.active, load.inactive), (0, 1));
    assert_eq!(bench.connections(0)[0].expires_ms, 300_000);
}

#[test]
fn a_connection_is_forgotten_when_its_timeout_has_passed() {
    let mut bench = Bench::new(SERVICES);
    bench.send(0, &syn(1000, "10.0.0.100:80").build());
    bench.advance(Duration::from_millis(59_900));
    assert_eq!(bench.flow_count(), 1, "SYN_RECV lasts 60 s");
    bench.advance(Duration::from_millis(400));
    assert_eq!(bench.flow_count(), 0);
    assert_eq!(bench.board(0).worker.flows_expired.get(), 1);
}

#[test]
fn a_packet_either_way_keeps_a_connection_alive() {
    let mut bench = Bench::new(SERVICES);
    bench.send(0, &Frame::udp("10.0.0.9:1", "10.0.0.100:53").build());
    for round in 0..6 {
        bench.advance(Duration::from_secs(250));
        if round % 2 == 0 {
            bench.send(1, &from_server(Frame::udp("10.1.0.11:53", "10.0.0.9:1")));
        } else {
            bench.send(0, &Frame::udp("10.0.0.9:1", "10.0.0.100:53").build());
        }
        assert_eq!(bench.flow_count(), 1);
    }
    assert_eq!(bench.board(0).worker.connections.get(), 1);
}

#[test]
fn changed_timeouts_hold_from_the_next_packet_on() {
    let mut bench = Bench::new(SERVICES);
    bench.send(0, &Frame::udp("10.0.0.9:1", "10.0.0.100:53").build());
    bench.apply(
        "at udp 10.0.0.100:53
         timeouts 0 0 5",
    );
    assert_eq!(bench.connections(0)[0].expires_ms, 300_000);
    bench.send(0, &Frame::udp("10.0.0.9:1", "10.0.0.100:53").build());
    assert_eq!(bench.connections(0)[0].expires_ms, 5000);
    bench.advance(Duration::from_millis(5300));
    assert_eq!(bench.flow_count(), 0);
}

/// Opens a connection and ends it with a reset of the server (state CLOSE).
fn closed() -> Bench {
    let mut bench = Bench::new(
        "service tcp 10.0.0.100:80 rr
         real 10.1.0.11:80
         real 10.1.0.12:80",
    );
    bench.send(0, &syn(1000, "10.0.0.100:80").build());
    bench.send(
        1,
        &from_server(Frame::tcp("10.1.0.12:80", "10.0.0.9:1000").flags(RST)),
    );
    assert_eq!(bench.connections(0)[0].state, State::Tcp(TcpState::Close));
    bench
}

#[test]
fn a_syn_on_a_closed_connection_is_scheduled_anew() {
    let mut bench = closed();
    let line = only(bench.say(0, &syn(1000, "10.0.0.100:80").build()));
    assert!(line.starts_with("send 1 to 10.1.0.11"), "{line}");
    assert_eq!(bench.flow_count(), 1);
    assert_eq!(bench.board(0).worker.connections.get(), 2);
}

#[test]
fn with_conn_reuse_mode_0_a_closed_connection_opens_again_where_it_was() {
    let mut bench = closed();
    bench.apply("reuse 0");
    let line = only(bench.say(0, &syn(1000, "10.0.0.100:80").build()));
    assert!(line.starts_with("send 1 to 10.1.0.12"), "{line}");
    assert_eq!(bench.connections(0)[0].state, State::Tcp(TcpState::SynRecv));
    assert_eq!(bench.board(0).worker.connections.get(), 1);
}

#[test]
fn a_syn_on_fin_wait_of_dr_is_new_in_mode_2_only() {
    for (mode, connections) in [(1, 1), (2, 2), (3, 2)] {
        let mut bench = Bench::new(SERVICES);
        bench.apply(&format!("reuse {mode}"));
        let from_client = |flags| Frame::tcp("10.0.0.9:1", "10.0.0.101:80").flags(flags);
        for flags in [SYN, ACK, FIN | ACK] {
            bench.send(0, &from_client(flags).build());
        }
        assert_eq!(bench.connections(0)[0].state, State::Tcp(TcpState::FinWait));
        bench.send(0, &from_client(SYN).build());
        assert_eq!(
            bench.board(0).worker.connections.get(),
            connections,
            "mode {mode}"
        );
    }
}

#[test]
fn a_quiesced_or_draining_server_keeps_its_connections_and_gets_no_new_one() {
    for change in ["edit-real 10.1.0.11:80 nat 0", "drain-real 10.1.0.11:80"] {
        let mut bench = Bench::new(
            "service tcp 10.0.0.100:80 rr
             real 10.1.0.11:80",
        );
        bench.send(0, &syn(1000, "10.0.0.100:80").build());
        bench.apply(change);
        let data = Frame::tcp("10.0.0.9:1000", "10.0.0.100:80").flags(ACK);
        let line = only(bench.say(0, &data.build()));
        assert!(line.starts_with("send 1 to 10.1.0.11"), "{line}");
        let lines = bench.say(0, &syn(1001, "10.0.0.100:80").build());
        assert!(lines[1].starts_with("drop no_real_server"), "{lines:?}");
    }
}

#[test]
fn a_deleted_server_is_cut_off_inbound_still_answers_outbound_and_can_come_back() {
    let mut bench = Bench::new(
        "service tcp 10.0.0.100:80 rr
         real 10.1.0.11:80",
    );
    bench.send(0, &syn(1000, "10.0.0.100:80").build());
    bench.apply("delete-real 10.1.0.11:80");
    let data = Frame::tcp("10.0.0.9:1000", "10.0.0.100:80").flags(ACK);
    assert!(only(bench.say(0, &data.build())).starts_with("drop real_deleted"));
    let answer = from_server(Frame::tcp("10.1.0.11:80", "10.0.0.9:1000").flags(ACK));
    assert!(only(bench.say(1, &answer)).contains("10.0.0.100:80 > 10.0.0.9:1000"));
    bench.apply("real 10.1.0.11:80");
    assert!(only(bench.say(0, &data.build())).starts_with("send 1 to 10.1.0.11"));
    assert_eq!(bench.board(0).worker.connections.get(), 1);
}

#[test]
fn a_released_slot_serves_a_new_server_with_counts_from_zero_connections() {
    let mut bench = Bench::new(
        "service tcp 10.0.0.100:80 rr
         real 10.1.0.11:80",
    );
    let old = bench.real("10.1.0.11:80");
    bench.send(0, &syn(1000, "10.0.0.100:80").build());
    bench.apply("drain-real 10.1.0.11:80");
    bench.release();
    assert!(
        bench.snapshot().services.real(old).is_some(),
        "a connection lives"
    );
    bench.advance(Duration::from_secs(61));
    bench.release();
    bench.apply("real 10.1.0.12:80");
    assert_eq!(bench.real("10.1.0.12:80"), old, "the slot is used again");
    assert_eq!(bench.load(old).flows(), 0);
    let line = only(bench.say(0, &syn(1000, "10.0.0.100:80").build()));
    assert!(line.starts_with("send 1 to 10.1.0.12"), "{line}");
}

#[test]
fn two_services_may_share_a_server_and_its_port() {
    let mut bench = Bench::new(
        "service tcp 10.0.0.100:80 rr
         real 10.1.0.11:80
         service tcp 10.0.0.101:80 rr
         real 10.1.0.11:80",
    );
    bench.send(0, &syn(1000, "10.0.0.100:80").build());
    bench.send(0, &syn(1001, "10.0.0.101:80").build());
    for (cport, vip) in [(1000, "10.0.0.100"), (1001, "10.0.0.101")] {
        let answer = Frame::tcp("10.1.0.11:80", &format!("10.0.0.9:{cport}")).flags(SYN | ACK);
        let line = only(bench.say(1, &from_server(answer)));
        assert!(
            line.contains(&format!("{vip}:80 > 10.0.0.9:{cport}")),
            "{line}"
        );
    }
    // One client port that talks to both: the newest gets the answers, as in the kernel.
    bench.send(0, &syn(1002, "10.0.0.100:80").build());
    bench.send(0, &syn(1002, "10.0.0.101:80").build());
    let answer = Frame::tcp("10.1.0.11:80", "10.0.0.9:1002").flags(SYN | ACK);
    assert!(only(bench.say(1, &from_server(answer))).contains("10.0.0.101:80 >"));
}

#[test]
fn packets_and_bytes_are_counted_per_server_and_direction() {
    let mut bench = Bench::new(SERVICES);
    bench.send(0, &syn(1000, "10.0.0.100:80").padded().build());
    let answer = Frame::tcp("10.1.0.11:8080", "10.0.0.9:1000").flags(SYN | ACK);
    bench.send(1, &from_server(answer.payload_len(100)));
    let counters = bench.board(0).real(bench.real("10.1.0.11:8080")).unwrap();
    let figures = [
        &counters.connections,
        &counters.packets_in,
        &counters.bytes_in,
        &counters.packets_out,
        &counters.bytes_out,
    ];
    assert_eq!(figures.map(|c| c.get()), [1, 1, 40, 1, 140]);
}

#[test]
fn a_mode_changed_by_edit_holds_for_new_connections() {
    let mut bench = Bench::new(
        "service tcp 10.0.0.100:80 rr
         real 10.1.0.11:80 nat",
    );
    bench.send(0, &syn(1000, "10.0.0.100:80").build());
    bench.apply("edit-real 10.1.0.11:80 dr");
    let old = only(bench.say(0, &syn(1000, "10.0.0.100:80").build()));
    let new = only(bench.say(0, &syn(1001, "10.0.0.100:80").build()));
    assert!(old.contains("> 10.1.0.11:80"), "{old}");
    assert!(new.contains("> 10.0.0.100:80"), "{new}");
}

#[test]
fn a_connection_follows_its_next_hop_when_a_neighbour_moves() {
    let mut bench = Bench::new(SERVICES);
    bench.send(0, &syn(1000, "10.0.0.100:80").build());
    bench.apply("route 10.1.0.11/32 via 1 10.1.0.14");
    let line = only(bench.say(0, &syn(1000, "10.0.0.100:80").build()));
    assert!(line.starts_with("send 1 to 10.1.0.14"), "{line}");
}

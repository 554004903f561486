// SPDX-License-Identifier: Apache-2.0
use core::time::Duration;
use std::format;
use std::vec::Vec;

use wire::builder::Frame;
use wire::tcp::flags::{ACK, FIN, PSH, RST, SYN};

use crate::ConnectionView;
use crate::state::State;
use crate::tcp_state::TcpState;
use crate::testing::Bench;
use crate::verdict::DropReason;

const WEB: &str = "service tcp 10.0.0.100:80 rr
    real 10.1.0.11:8080
    real 10.1.0.12:8080";
/// Memory is never short.
const NO_MINIMUM: &str = "sysctl amemthresh 0";

fn tcp(bench: &mut Bench, cport: u16, flags: u8) -> std::string::String {
    let frame = Frame::tcp(&format!("10.0.0.9:{cport}"), "10.0.0.100:80").flags(flags);
    bench.say(0, &frame.build()).concat()
}

fn from_server(bench: &mut Bench, server: u8, cport: u16, flags: u8) -> std::string::String {
    let source = format!("10.1.0.{server}:8080");
    let frame = Frame::tcp(&source, &format!("10.0.0.9:{cport}")).flags(flags);
    let mac = wire::ethernet::MacAddress([2, 0, 0, 0, 1, 2]);
    let frame = frame.macs(wire::ethernet::MacAddress([2, 4, 10, 1, 0, server]), mac);
    bench.say(1, &frame.build()).concat()
}

fn states(bench: &Bench) -> Vec<TcpState> {
    let of_tcp = |view: &ConnectionView| match view.state {
        State::Tcp(state) => Some(state),
        State::Udp | State::Sctp(_) => None,
    };
    bench.connections(0).iter().filter_map(of_tcp).collect()
}

/// How many of `count` SYNs pass.
fn passed(bench: &mut Bench, count: u16) -> usize {
    (1000..1000 + count)
        .filter(|cport| tcp(bench, *cport, SYN).starts_with("send 1"))
        .count()
}

#[test]
fn with_secure_tcp_a_client_alone_establishes_nothing() {
    let mut bench = Bench::new(&format!("{WEB}\nsysctl secure_tcp 3"));
    tcp(&mut bench, 1000, SYN);
    tcp(&mut bench, 1000, ACK);
    assert_eq!(states(&bench), [TcpState::SynRecv]);
    from_server(&mut bench, 12, 1000, SYN | ACK);
    tcp(&mut bench, 1000, ACK);
    assert_eq!(states(&bench), [TcpState::SynAck]);
    from_server(&mut bench, 12, 1000, ACK);
    assert_eq!(states(&bench), [TcpState::Established]);
    // Where its answers do not pass, the client has to do.
    bench.apply("edit-real 10.1.0.11:8080 dr\nedit-real 10.1.0.12:8080 dr");
    tcp(&mut bench, 1001, SYN);
    assert!(states(&bench).contains(&TcpState::SynAck));
}

#[test]
fn secure_tcp_ends_when_it_is_switched_off() {
    let mut bench = Bench::new(&format!("{WEB}\nsysctl secure_tcp 3"));
    tcp(&mut bench, 1000, SYN);
    bench.apply("sysctl secure_tcp 0");
    tcp(&mut bench, 1000, ACK);
    assert_eq!(states(&bench), [TcpState::Established]);
}

#[test]
fn drop_packet_drops_the_first_and_then_one_in_ten() {
    let mut bench = Bench::new(&format!("{WEB}\nsysctl drop_packet 3"));
    assert_eq!(passed(&mut bench, 31), 27);
    assert_eq!(bench.dropped(DropReason::DropPacket), 4);
    bench.apply("sysctl am_droprate 2");
    assert_eq!(passed(&mut bench, 31), 31, "known ones are let through");
}

/// A table of 64 places is short of memory from 17 connections fewer than full, on.
#[test]
fn drop_packet_drops_more_the_less_room_there_is() {
    let mut bench = Bench::new(&format!("flows 64\n{WEB}\nsysctl drop_packet 1"));
    assert_eq!(passed(&mut bench, 48), 48, "three quarters");
    bench.advance(Duration::from_secs(1));
    assert_eq!(bench.dropped(DropReason::DropPacket), 0, "not short yet");
    assert_eq!(passed(&mut bench, 52), 52);
    bench.advance(Duration::from_secs(1));
    // 12 of 16 are left: 16 / 4, one in four is dropped.
    let more = (3000..3008).filter(|cport| tcp(&mut bench, *cport, SYN).starts_with("send"));
    assert_eq!(more.count(), 6);
    bench.advance(Duration::from_secs(1));
    // 6 are left: 16 / 10, each is dropped.
    assert!(tcp(&mut bench, 4000, SYN).starts_with("drop drop_packet"));
    assert!(
        tcp(&mut bench, 1000, SYN).starts_with("send 1"),
        "a known one"
    );
}

#[test]
fn memory_is_short_by_the_directors_pages_and_a_quarter_of_the_table_at_most() {
    // 2 pages of 32 connections, of which each of two workers has one.
    let text = format!("workers 2\nflows 4096\n{WEB}\nsysctl drop_packet 1");
    let bench = Bench::new(&format!("{text}\nsysctl amemthresh 2"));
    assert_eq!(bench.flow_count(), 0);
    let mut levels = super::Defences::new(2);
    let mut tunables = bench.snapshot().tunables.as_ref().clone();
    levels.set_levels(&tunables, 4096, 32);
    assert_eq!(levels.drop_rate, 0, "as much as there has to be");
    levels.set_levels(&tunables, 4096, 31);
    assert_eq!(levels.drop_rate, 32);
    tunables.amemthresh = 1_000_000;
    levels.set_levels(&tunables, 4096, 1024);
    assert_eq!(levels.drop_rate, 0, "a quarter of the table");
    levels.set_levels(&tunables, 4096, 0);
    assert_eq!(levels.drop_rate, 1);
}

#[test]
fn no_more_connections_are_opened_in_a_second_than_allowed() {
    let mut bench = Bench::new(&format!("{WEB}\nnew-flows 5"));
    assert_eq!(passed(&mut bench, 20), 5);
    assert_eq!(bench.dropped(DropReason::NewFlowRate), 15);
    bench.advance(Duration::from_secs(1));
    assert_eq!(passed(&mut bench, 20), 10, "five known, five new");
}

#[test]
fn drop_entry_ends_what_is_opening_wherever_it_is_within_half_a_minute() {
    let mut bench = Bench::new(&format!("flows 512\n{WEB}\n{NO_MINIMUM}"));
    for cport in 1000..1200 {
        tcp(&mut bench, cport, SYN);
        if cport % 2 == 0 {
            tcp(&mut bench, cport, ACK);
        }
    }
    bench.apply("sysctl drop_entry 1");
    for _ in 0..3 {
        bench.advance(Duration::from_secs(1));
    }
    assert_eq!(bench.flow_count(), 200, "memory is not short");
    bench.apply("sysctl drop_entry 3");
    bench.advance(Duration::from_secs(1));
    let found = 200 - bench.flow_count();
    assert!((1..=4).contains(&found), "a 32nd of the places: {found}");
    for _ in 0..32 {
        bench.advance(Duration::from_secs(1));
    }
    assert_eq!(bench.flow_count(), 100);
    assert!(
        states(&bench)
            .iter()
            .all(|state| *state == TcpState::Established)
    );
    assert_eq!(bench.board(0).worker.flows_evicted.get(), 100);
}

#[test]
fn drop_entry_ends_idle_connections_of_few_packets_the_sooner_the_fewer() {
    let mut bench = Bench::new(&format!(
        "flows 512\n{WEB}\n{NO_MINIMUM}\nsysctl drop_entry 3"
    ));
    // Ten connections each of 2 and of 4 packets, and ten of 9.
    for (first, packets) in [(1000, 2), (2000, 4), (3000, 9)] {
        for cport in first..first + 10 {
            tcp(&mut bench, cport, SYN);
            for _ in 1..packets {
                tcp(&mut bench, cport, ACK);
            }
        }
    }
    for _ in 0..59 {
        bench.advance(Duration::from_secs(1));
    }
    assert_eq!(bench.flow_count(), 30, "each was seen within a minute");
    for _ in 0..32 {
        bench.advance(Duration::from_secs(1));
    }
    let of = |bench: &Bench, packets| {
        let all = bench.connections(0);
        all.iter().filter(|view| view.packets == packets).count()
    };
    assert_eq!(of(&bench, 2), 5, "one in two");
    assert_eq!(of(&bench, 4), 7, "one in four, beginning with the first");
    assert_eq!(of(&bench, 9), 10);
}

#[test]
fn connections_of_a_deleted_server_end_at_once_with_expire_nodest_conn() {
    let mut bench = Bench::new(&format!("{WEB}\nsysctl expire_nodest_conn 1"));
    for cport in [1000, 1001] {
        tcp(&mut bench, cport, SYN);
        tcp(&mut bench, cport, ACK);
    }
    bench.apply("delete-real 10.1.0.12:8080");
    assert_eq!(bench.flow_count(), 1, "the first was the newest server's");
    assert!(tcp(&mut bench, 1000, PSH | ACK).starts_with("punt 0 local"));
    assert!(tcp(&mut bench, 1001, PSH | ACK).starts_with("send 1 to 10.1.0.11"));
    let late = from_server(&mut bench, 12, 1000, PSH | ACK);
    assert!(late.contains(": 10.1.0.12:8080 > 10.0.0.9:1000"), "{late}");
    bench.apply("real 10.1.0.12:8080");
    assert!(tcp(&mut bench, 1000, FIN | ACK).starts_with("punt 0 local"));
}

#[test]
fn a_sweep_takes_its_time_and_whoever_meets_a_doomed_connection_finds_it_gone() {
    let mut bench = Bench::new(&format!("{WEB}\nsysctl expire_nodest_conn 1"));
    for cport in 1000..1600 {
        tcp(&mut bench, cport, SYN);
    }
    bench.apply("delete-real 10.1.0.12:8080");
    let left = bench.flow_count();
    assert!(left > 300 && left < 600, "a slice of the table: {left}");
    // The last but one went to the deleted server; its answer finds it gone.
    let late = from_server(&mut bench, 12, 1598, SYN | ACK);
    assert!(late.contains(": 10.1.0.12:8080 > 10.0.0.9:1598"), "{late}");
    for _ in 0..3 {
        bench.tick();
    }
    assert_eq!(bench.flow_count(), 300);
}

#[test]
fn without_expire_nodest_conn_nothing_is_swept_and_switching_it_on_waits_for_packets() {
    let mut bench = Bench::new(WEB);
    for cport in [1000, 1001] {
        tcp(&mut bench, cport, SYN);
    }
    bench.apply("delete-real 10.1.0.12:8080");
    assert!(tcp(&mut bench, 1000, ACK).starts_with("drop real_deleted"));
    bench.apply("sysctl expire_nodest_conn 1");
    assert_eq!(bench.flow_count(), 2);
    let answer = from_server(&mut bench, 12, 1000, SYN | ACK);
    assert!(
        answer.contains(": 10.0.0.100:80 > 10.0.0.9:1000"),
        "{answer}"
    );
    assert!(tcp(&mut bench, 1000, ACK).starts_with("punt 0 local"));
    assert_eq!(bench.flow_count(), 1);
}

#[test]
fn a_syn_leaves_a_quiesced_server_with_expire_nodest_conn() {
    let mut bench = Bench::new(&format!("{WEB}\nsysctl conn_reuse_mode 0"));
    tcp(&mut bench, 1000, SYN);
    tcp(&mut bench, 1000, ACK);
    bench.apply("edit-real 10.1.0.12:8080 nat 0");
    assert!(tcp(&mut bench, 1000, SYN).starts_with("send 1 to 10.1.0.12"));
    bench.apply("sysctl expire_nodest_conn 1");
    assert!(tcp(&mut bench, 1000, ACK).starts_with("send 1 to 10.1.0.12"));
    assert!(tcp(&mut bench, 1000, SYN).starts_with("send 1 to 10.1.0.11"));
    assert_eq!(bench.flow_count(), 1);
}

#[test]
fn any_segment_but_a_reset_opens_a_connection_with_sloppy_tcp() {
    let mut bench = Bench::new(WEB);
    for (cport, flags) in [(1000, ACK), (1001, FIN | ACK), (1002, 0)] {
        assert!(tcp(&mut bench, cport, flags).starts_with("punt 0 local"));
    }
    bench.apply("sysctl sloppy_tcp 1");
    assert!(tcp(&mut bench, 1003, RST).starts_with("punt 0 local"));
    assert!(tcp(&mut bench, 1003, SYN | RST).starts_with("punt 0 local"));
    assert_eq!(bench.flow_count(), 0);
    for (cport, flags) in [(1000, ACK), (1001, FIN | ACK), (1002, 0)] {
        assert!(tcp(&mut bench, cport, flags).starts_with("send 1"));
    }
    let mut found = states(&bench);
    found.sort_by_key(|state| *state as u8);
    assert_eq!(
        found,
        [TcpState::Established, TcpState::Close, TcpState::Close]
    );
}

#[test]
fn a_nat_server_is_told_of_packets_of_no_connection_with_nat_icmp_send() {
    let mut bench = Bench::new(&format!("{WEB}\nsysctl nat_icmp_send 1"));
    let told = from_server(&mut bench, 11, 1000, ACK);
    assert!(told.contains("10.1.0.1 > 10.1.0.11 icmp 3/3"), "{told}");
    assert!(told.contains("drop no_connection"), "{told}");
    let reset = from_server(&mut bench, 11, 1000, RST);
    assert!(reset.starts_with("send 0 to 10.0.0.9"), "{reset}");
    bench.apply("edit-real 10.1.0.11:8080 dr");
    let dr = from_server(&mut bench, 11, 1000, ACK);
    assert!(dr.starts_with("send 0 to 10.0.0.9"), "{dr}");
    tcp(&mut bench, 1000, SYN);
    let known = from_server(&mut bench, 12, 1000, SYN | ACK);
    assert!(known.contains("10.0.0.100:80 > 10.0.0.9:1000"), "{known}");
    bench.apply("delete-real 10.1.0.12:8080");
    let gone = from_server(&mut bench, 12, 1001, ACK);
    assert!(gone.starts_with("send 0 to 10.0.0.9"), "{gone}");
}

#[test]
fn a_services_own_timeouts_hold_for_its_connections_alone_and_at_once() {
    let mut bench = Bench::new(
        "service tcp 10.0.0.100:80 rr tcp=10 fin=5
         real 10.1.0.11:8080
         service tcp 10.0.0.101:80 rr
         real 10.1.0.11:8080
         service udp 10.0.0.100:53 rr udp=7
         real 10.1.0.11:53",
    );
    let mut segment = |to: &str, flags| {
        let frame = Frame::tcp("10.0.0.9:1000", to).flags(flags);
        bench.send(0, &frame.build());
        bench
            .connections(0)
            .iter()
            .map(|view| view.expires_ms)
            .collect::<Vec<u32>>()
    };
    assert_eq!(segment("10.0.0.100:80", SYN), [60_000], "opening");
    assert_eq!(segment("10.0.0.100:80", ACK), [10_000]);
    segment("10.0.0.101:80", SYN);
    assert_eq!(segment("10.0.0.101:80", ACK), [10_000, 900_000]);
    bench.send(0, &Frame::udp("10.0.0.9:1000", "10.0.0.100:53").build());
    let of_udp = |bench: &Bench| {
        let views = bench.connections(0);
        let view = views.iter().find(|view| view.protocol == 17).copied();
        view.map(|view| view.expires_ms)
    };
    assert_eq!(of_udp(&bench), Some(7_000));
    bench.apply("edit-service rr");
    bench.send(0, &Frame::udp("10.0.0.9:1000", "10.0.0.100:53").build());
    assert_eq!(of_udp(&bench), Some(300_000));
}

// SPDX-License-Identifier: Apache-2.0
//! With one worker and with four: whoever receives a packet, a client's connections go the same
//! way, and templates live as long.
mod against_model;

use core::time::Duration;
use std::collections::BTreeSet;
use std::format;
use std::string::String;
use std::vec::Vec;

use wire::buffer::TestBuf;
use wire::builder::Frame;
use wire::ethernet::MacAddress;
use wire::tcp::flags::{ACK, FIN, RST, SYN};

use super::*;
use crate::ConnectionView;
use crate::testing::{Bench, Outcome, lines};
use crate::verdict::Verdict;

const REALS: &str = "
    real 10.1.0.11:8080
    real 10.1.0.12:8080
    real 10.1.0.13:8080
    real 10.1.0.14:8080
";
const WORKERS: [usize; 2] = [1, 4];

fn bench(workers: usize, service: &str, more: &str) -> Bench {
    Bench::new(&format!("workers {workers}\n{service}\n{REALS}\n{more}"))
}

/// Where a packet went, as `10.1.0.11:8080`, or what else became of it.
fn way(outcomes: &[Outcome]) -> String {
    let text = lines(outcomes).concat();
    match text.split_once(" > ") {
        Some((before, rest)) if before.starts_with("send 1") => {
            rest.split(' ').next().unwrap_or_default().into()
        }
        _ => text.split(':').next().unwrap_or_default().into(),
    }
}

/// Sends a segment from `10.0.0.HOST:cport`; any worker may receive it.
fn tcp(bench: &mut Bench, host: u8, cport: u16, to: &str, flags: u8) -> String {
    let frame = Frame::tcp(&format!("10.0.0.{host}:{cport}"), to).flags(flags);
    let receiver = usize::from(cport) % bench.worker_count();
    way(&bench.deliver(receiver, 0, &frame.build()).1)
}

fn open(bench: &mut Bench, host: u8, cport: u16) -> String {
    tcp(bench, host, cport, "10.0.0.100:80", SYN)
}

fn from_server(bench: &mut Bench, server: &str, host: u8, cport: u16, flags: u8) {
    let frame = Frame::tcp(server, &format!("10.0.0.{host}:{cport}")).flags(flags);
    let frame = frame.macs(
        MacAddress([2, 4, 10, 1, 0, 9]),
        MacAddress([2, 0, 0, 0, 1, 2]),
    );
    let receiver = usize::from(cport / 2) % bench.worker_count();
    bench.deliver(receiver, 1, &frame.build());
}

fn views(bench: &Bench) -> Vec<ConnectionView> {
    let workers = 0..bench.worker_count();
    workers
        .flat_map(|worker| bench.connections(worker))
        .collect()
}

fn templates(bench: &Bench) -> Vec<ConnectionView> {
    let views = views(bench).into_iter();
    views.filter(|view| view.template.is_some()).collect()
}

/// Seconds pass, one by one.
fn pass(bench: &mut Bench, seconds: u64) {
    for _ in 0..seconds {
        bench.advance(Duration::from_secs(1));
    }
}

const WEB: &str = "service tcp 10.0.0.100:80 rr persist=300";

#[test]
fn a_clients_connections_stay_with_its_server_and_other_clients_go_round() {
    for workers in WORKERS {
        let mut bench = bench(workers, WEB, "");
        let mut seen = BTreeSet::new();
        for host in 20..28 {
            let server = open(&mut bench, host, 1000);
            for cport in 1001..1020 {
                assert_eq!(open(&mut bench, host, cport), server, "{workers} workers");
            }
            seen.insert(server);
        }
        assert!(seen.len() > 1, "{seen:?}");
        assert_eq!(bench.flow_count(), 160);
        assert_eq!(templates(&bench).len(), 8);
    }
}

#[test]
fn a_network_of_clients_is_one_if_the_mask_says_so() {
    for workers in WORKERS {
        let mut bench = bench(
            workers,
            "service tcp 10.0.0.100:80 rr persist=300 mask=28",
            "",
        );
        let first = open(&mut bench, 16, 1000);
        assert_eq!(open(&mut bench, 31, 1001), first);
        assert_eq!(open(&mut bench, 24, 1002), first);
        let found = templates(&bench);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].client_ip, "10.0.0.16".parse().unwrap());
        open(&mut bench, 32, 1003);
        assert_eq!(templates(&bench).len(), 2);
    }
}

#[test]
fn an_ipv6_prefix_counts_as_the_mask_does() {
    let mut bench = Bench::new(
        "service tcp [2001:db8::100]:80 rr persist=300 prefix=124
         real [2001:db8:1::11]:8080
         real [2001:db8:1::12]:8080",
    );
    let mut syn = |host: &str| {
        let frame = Frame::tcp(&format!("[2001:db8::{host}]:1000"), "[2001:db8::100]:80");
        way(&bench.send(0, &frame.flags(SYN).build()))
    };
    let first = syn("20");
    assert_eq!(syn("2f"), first);
    assert_ne!(syn("30"), first);
}

#[test]
fn every_new_connection_renews_a_template_and_its_timeout_ends_it() {
    for workers in WORKERS {
        let mut bench = bench(workers, WEB, "");
        let first = open(&mut bench, 20, 1000);
        pass(&mut bench, 200);
        assert_eq!(bench.flow_count(), 0, "the SYN was not answered");
        assert_eq!(open(&mut bench, 20, 1001), first);
        pass(&mut bench, 299);
        assert_eq!(templates(&bench).len(), 1);
        pass(&mut bench, 2);
        assert_eq!(templates(&bench).len(), 0, "{workers} workers");
        assert_ne!(open(&mut bench, 20, 1002), first, "the next one's turn");
    }
}

#[test]
fn a_template_waits_a_minute_at_a_time_for_its_last_child() {
    for workers in WORKERS {
        let service = "service tcp 10.0.0.100:80 rr persist=30";
        let mut bench = bench(workers, service, "timeouts 100 120 300");
        let server = open(&mut bench, 20, 1000);
        tcp(&mut bench, 20, 1000, "10.0.0.100:80", ACK);
        pass(&mut bench, 31);
        let found = templates(&bench);
        assert_eq!(found.len(), 1, "{workers} workers");
        assert!(
            (59_000..=60_000).contains(&found[0].expires_ms),
            "{found:?}"
        );
        assert_eq!(found[0].template, Some(true), "assured");
        assert_eq!(open(&mut bench, 20, 1001), server);
        pass(&mut bench, 70);
        // The child has ended at 100 s; the template's minute began at 31 s, and again.
        assert_eq!(templates(&bench).len(), 1);
        pass(&mut bench, 61);
        assert_eq!(templates(&bench).len(), 0);
    }
}

#[test]
fn a_template_is_assured_when_a_child_is_established_or_answered() {
    for workers in WORKERS {
        let assured = |bench: &Bench| templates(bench)[0].template;
        let mut one = bench(workers, WEB, "");
        let server = open(&mut one, 20, 1000);
        assert_eq!(assured(&one), Some(false));
        from_server(&mut one, &server, 20, 1000, SYN | ACK);
        assert_eq!(assured(&one), Some(false));
        tcp(&mut one, 20, 1000, "10.0.0.100:80", ACK);
        one.tick();
        assert_eq!(assured(&one), Some(true), "{workers} workers");
        let mut two = bench(workers, "service udp 10.0.0.100:80 rr persist=300", "");
        let query = Frame::udp("10.0.0.20:1000", "10.0.0.100:80").build();
        let server = way(&two.deliver(0, 0, &query).1);
        assert_eq!(assured(&two), Some(false));
        let answer = Frame::udp(&server, "10.0.0.20:1000");
        let macs = (
            MacAddress([2, 4, 10, 1, 0, 9]),
            MacAddress([2, 0, 0, 0, 1, 2]),
        );
        two.deliver(0, 1, &answer.macs(macs.0, macs.1).build());
        two.tick();
        assert_eq!(assured(&two), Some(true), "{workers} workers");
    }
}

#[test]
fn a_service_on_all_ports_has_one_template_for_them() {
    for workers in WORKERS {
        let text = "service tcp 10.0.0.100:0 rr persist=300\nreal 10.1.0.11:0\nreal 10.1.0.12:0";
        let mut bench = Bench::new(&format!("workers {workers}\n{text}"));
        let first = tcp(&mut bench, 20, 1000, "10.0.0.100:80", SYN);
        let (server, port) = first.split_once(':').unwrap();
        assert_eq!(port, "80");
        for (cport, to) in [(1001, 443), (1002, 22)] {
            let way = tcp(&mut bench, 20, cport, &format!("10.0.0.100:{to}"), SYN);
            assert_eq!(way, format!("{server}:{to}"));
        }
        let found = templates(&bench);
        assert_eq!((found.len(), found[0].vport), (1, 0));
    }
}

#[test]
fn a_marks_template_is_one_for_all_its_addresses_ports_and_protocols() {
    for workers in WORKERS {
        let text = "service mark 5 rr persist=300\nreal 10.1.0.11:0\nreal 10.1.0.12:0
            mark 5 to 10.0.0.100/32 port 80-90\nmark 5 to 10.0.0.101/32\nroute 10.0.0.100/32 local
            route 10.0.0.101/32 local";
        let mut bench = Bench::new(&format!("workers {workers}\n{text}"));
        let first = tcp(&mut bench, 20, 1000, "10.0.0.100:80", SYN);
        let (server, _) = first.split_once(':').unwrap();
        let other = tcp(&mut bench, 20, 1001, "10.0.0.101:443", SYN);
        assert_eq!(other, format!("{server}:443"));
        let query = Frame::udp("10.0.0.20:1000", "10.0.0.101:53").build();
        let way = way(&bench.deliver(0, 0, &query).1);
        assert_eq!(way, format!("{server}:53"));
        let found = templates(&bench);
        assert_eq!((found.len(), found[0].protocol), (1, 0));
        assert_eq!(found[0].virtual_ip, "0.0.0.5".parse().unwrap());
    }
}

#[test]
fn a_template_whose_server_is_gone_is_set_aside_until_its_children_end() {
    for workers in WORKERS {
        let mut bench = bench(workers, WEB, "timeouts 400 120 300");
        let first = open(&mut bench, 20, 1000);
        tcp(&mut bench, 20, 1000, "10.0.0.100:80", ACK);
        bench.apply(&format!("delete-real {first}"));
        let second = open(&mut bench, 20, 1001);
        assert_ne!(second, first);
        assert_eq!(open(&mut bench, 20, 1002), second);
        let mut ports: Vec<u16> = templates(&bench).iter().map(|view| view.vport).collect();
        ports.sort_unstable();
        assert_eq!(ports, [80, 65_535], "{workers} workers");
        bench.release();
        let kept = bench.snapshot().services.reals().count();
        assert_eq!(kept, 4, "the slot is still in use");
        pass(&mut bench, 500);
        assert_eq!(templates(&bench).len(), 0);
        bench.release();
        assert_eq!(bench.snapshot().services.reals().count(), 3);
    }
}

#[test]
fn a_quiesced_server_keeps_its_clients_unless_told_otherwise() {
    for workers in WORKERS {
        let mut bench = bench(workers, WEB, "");
        let first = open(&mut bench, 20, 1000);
        bench.apply(&format!("edit-real {first} nat 0"));
        assert_eq!(open(&mut bench, 20, 1001), first);
        bench.apply("sysctl expire_quiescent_template 1");
        assert_ne!(open(&mut bench, 20, 1002), first, "{workers} workers");
        assert_eq!(tcp(&mut bench, 20, 1000, "10.0.0.100:80", ACK), first);
    }
}

#[test]
fn a_child_is_not_reopened_elsewhere() {
    for workers in WORKERS {
        let mut bench = bench(workers, WEB, "");
        let server = open(&mut bench, 20, 1000);
        from_server(&mut bench, &server, 20, 1000, RST);
        assert_eq!(open(&mut bench, 20, 1000), server);
        assert_eq!(bench.board(0).worker.flows_expired.get(), 0);
        assert_eq!(bench.flow_count(), 1);
    }
}

#[test]
fn with_expire_nodest_conn_templates_go_with_their_server() {
    for workers in WORKERS {
        let mut bench = bench(workers, WEB, "sysctl expire_nodest_conn 1");
        let first = open(&mut bench, 20, 1000);
        for cport in 1001..1010 {
            open(&mut bench, 20, cport);
            tcp(&mut bench, 20, cport, "10.0.0.100:80", ACK);
        }
        bench.apply(&format!("delete-real {first}"));
        // One tick to find them, one to read the letters.
        bench.tick();
        assert_eq!(bench.flow_count(), 0, "{workers} workers");
        assert_eq!(templates(&bench).len(), 0, "{workers} workers");
    }
}

#[test]
fn drop_entry_ends_templates_that_nobody_answered_with_their_last_child() {
    for workers in WORKERS {
        let more = "sysctl amemthresh 0\nsysctl drop_entry 3";
        let mut bench = bench(workers, WEB, more);
        for cport in 1000..1010 {
            open(&mut bench, 20, cport);
            open(&mut bench, 21, cport);
        }
        tcp(&mut bench, 21, 1000, "10.0.0.100:80", ACK);
        pass(&mut bench, 45);
        let found = templates(&bench);
        assert_eq!(found.len(), 1, "{workers} workers");
        assert_eq!(found[0].client_ip, "10.0.0.21".parse().unwrap());
        assert_eq!(bench.flow_count(), 1);
    }
}

#[test]
fn each_datagram_is_scheduled_by_itself_and_its_answer_is_not_translated() {
    let text = "service udp 10.0.0.100:53 rr ops\nreal 10.1.0.11:53\nreal 10.1.0.12:53";
    let mut bench = Bench::new(text);
    let query = Frame::udp("10.0.0.9:1000", "10.0.0.100:53").build();
    let mut send = || way(&bench.send(0, &query));
    assert_eq!(
        [send(), send(), send()],
        ["10.1.0.12:53", "10.1.0.11:53", "10.1.0.12:53"]
    );
    assert_eq!(bench.flow_count(), 0);
    let real = bench.real("10.1.0.12:53");
    assert_eq!(bench.board(0).real(real).unwrap().connections.get(), 2);
    let answer = Frame::udp("10.1.0.12:53", "10.0.0.9:1000");
    let answer = answer.macs(
        MacAddress([2, 4, 10, 1, 0, 12]),
        MacAddress([2, 0, 0, 0, 1, 2]),
    );
    let text = lines(&bench.send(1, &answer.build())).concat();
    assert!(text.contains(": 10.1.0.12:53 > 10.0.0.9:1000"), "{text}");
}

#[test]
fn datagrams_scheduled_by_themselves_follow_the_clients_template() {
    for workers in WORKERS {
        let text = "service udp 10.0.0.100:53 rr persist=60 ops\nreal 10.1.0.11:53
            real 10.1.0.12:53";
        let mut bench = Bench::new(&format!("workers {workers}\n{text}"));
        let mut seen = BTreeSet::new();
        for cport in 1000..1040u16 {
            let query = Frame::udp(&format!("10.0.0.20:{cport}"), "10.0.0.100:53").build();
            seen.insert(way(&bench
                .deliver(usize::from(cport) % workers, 0, &query)
                .1));
        }
        assert_eq!(seen.len(), 1);
        assert_eq!((bench.flow_count(), templates(&bench).len()), (0, 1));
        pass(&mut bench, 61);
        assert_eq!(templates(&bench).len(), 0);
    }
}

fn message(host: u8, cport: u16, call_id: &str) -> Vec<u8> {
    let text = format!("INVITE sip:b SIP/2.0\r\nCall-ID: {call_id}\r\n\r\n");
    let frame = Frame::udp(&format!("10.0.0.{host}:{cport}"), "10.0.0.100:5060");
    frame.payload(text.as_bytes()).build()
}

#[test]
fn messages_of_one_call_go_to_one_server() {
    for workers in WORKERS {
        let text = "service udp 10.0.0.100:5060 rr persist=300 pe=sip\nreal 10.1.0.11:5060
            real 10.1.0.12:5060";
        let mut bench = Bench::new(&format!("workers {workers}\n{text}"));
        let mut ways = Vec::new();
        for call in 0..8u16 {
            let id = format!("call-{call}@10.0.0.20");
            let send = |bench: &mut Bench, cport| {
                let receiver = usize::from(cport) % workers;
                way(&bench.deliver(receiver, 0, &message(20, cport, &id)).1)
            };
            let first = send(&mut bench, 5000 + call);
            for again in 1..5 {
                assert_eq!(send(&mut bench, 5000 + call + again * 100), first);
            }
            ways.push(first);
        }
        let seen: BTreeSet<&String> = ways.iter().collect();
        assert_eq!(seen.len(), 2, "{ways:?}");
        let found = templates(&bench);
        assert_eq!(found.len(), 8);
        assert!(
            found
                .iter()
                .all(|view| view.client_ip == "10.0.0.20".parse().unwrap())
        );
        // The same Call-ID from somebody else is another call.
        bench.deliver(0, 0, &message(21, 5000, "call-0@10.0.0.20"));
        assert_eq!(templates(&bench).len(), 9);
        pass(&mut bench, 700);
        assert_eq!(templates(&bench).len(), 0, "places are free again");
    }
}

#[test]
fn a_packet_with_a_templates_protocol_number_finds_none() {
    let mut bench = bench(1, "service tcp 10.0.0.100:0 rr persist=300", "");
    open(&mut bench, 20, 1000);
    for protocol in 240..=243 {
        let frame = Frame::ip("10.0.0.20", "10.0.0.100", wire::ipv4::IpProtocol(protocol));
        let line = lines(&bench.send(0, &frame.payload_len(20).build())).concat();
        assert!(line.starts_with("punt 0 local"), "{line}");
    }
}

#[test]
fn what_a_template_cannot_be_told_does_not_happen() {
    let mut bench = bench(2, WEB, "");
    for cport in 1000..1040 {
        open(&mut bench, 20, cport);
    }
    let fill = |bench: &Bench| {
        for (from, to) in [(0, 1), (1, 0)] {
            let board = bench.board(from);
            let mailbox = board.mailbox(WorkerId(to)).unwrap();
            while mailbox.send(0) {}
        }
    };
    fill(&bench);
    let mut refused = 0;
    for cport in 2000..2040u16 {
        let frame = Frame::tcp(&format!("10.0.0.20:{cport}"), "10.0.0.100:80");
        let frame = frame.flags(SYN).build();
        let mut outcomes = bench.send_packet(0, 0, TestBuf::new(&frame));
        while let Verdict::Redirect { worker, note } = outcomes[0].verdict {
            fill(&bench);
            outcomes = bench.hand_over_with(usize::from(worker.0), 0, &frame, note);
        }
        refused += usize::from(lines(&outcomes).concat().starts_with("drop table_full"));
    }
    assert!(
        (5..=35).contains(&refused),
        "those of the other worker's: {refused}"
    );
    assert_eq!(bench.flow_count(), 80 - refused);
    for _ in 0..70 {
        fill(&bench);
        bench.advance(Duration::from_secs(1));
    }
    let waiting = bench.flow_count();
    assert!((1..=40).contains(&waiting), "they wait: {waiting}");
    pass(&mut bench, 3);
    assert_eq!(bench.flow_count(), 0);
    pass(&mut bench, 300);
    assert_eq!(templates(&bench).len(), 0, "no child was forgotten");
}

#[test]
fn letters_say_what_was_written() {
    let template = TemplateRef {
        place: 0x0fff_fffe,
        generation: 201,
    };
    for event in Event::ALL {
        assert_eq!(Event::read(event.letter(template)), Some((event, template)));
    }
    assert_eq!(Event::read(0), None);
    assert_eq!(Event::read(u64::MAX), None);
}

#[test]
fn a_reused_place_hears_nothing_of_its_last_tenants_children() {
    let mut bench = bench(4, WEB, "");
    open(&mut bench, 20, 1000);
    let of_old = TemplateRef {
        place: 0,
        generation: 0,
    };
    let home = (0..4).find(|worker| {
        bench
            .connections(*worker)
            .iter()
            .any(|v| v.template.is_some())
    });
    let engine = bench.engine_mut(home.unwrap());
    let id = (0..64).map(FlowId).find(|id| {
        let hot = engine.flows.hot(*id);
        hot.is_some_and(|hot| hot.flags().contains(FlowFlags::TEMPLATE))
    });
    let id = id.unwrap();
    let generation = engine.flows.cold(id).unwrap().generation;
    let other = TemplateRef {
        place: id.0,
        generation: generation.wrapping_add(1),
    };
    for stale in [of_old, other] {
        engine.hear(Event::Swept, stale);
        engine.hear(Event::Assured, stale);
    }
    assert_eq!(templates(&bench)[0].template, Some(false));
    tcp(&mut bench, 20, 1000, "10.0.0.100:80", FIN | ACK);
}

/// `ip_vs_sched_persist`: the server's own port counts only where the service has that one.
#[test]
fn a_persistent_service_on_every_port_keeps_the_port_whatever_its_servers_name() {
    let service = "service tcp 10.0.0.100:0 rr persist=300";
    for workers in WORKERS {
        let mut bench = bench(workers, service, "neighbour 0 10.0.0.20");
        let server = open(&mut bench, 20, 1000);
        assert!(server.ends_with(":80"), "{server}");
        let macs = (
            MacAddress([2, 4, 10, 1, 0, 9]),
            MacAddress([2, 0, 0, 0, 1, 2]),
        );
        let answer = Frame::tcp(&server, "10.0.0.20:1000").flags(SYN | ACK);
        let (_, back) = bench.deliver(0, 1, &answer.macs(macs.0, macs.1).build());
        let text = lines(&back).concat();
        assert!(text.contains(" 10.0.0.100:80 > "), "{workers}: {text}");
    }
}

// SPDX-License-Identifier: Apache-2.0
//! `cache_bypass`: past servers that are not there.

use super::*;

/// Web traffic of the clients is marked; the caches are behind port 1, the web behind port 0.
const CACHES: &str = "
    service mark 5 rr
    mark 5 tcp from 10.0.0.0/24 port 80
    mark 5 udp from 10.0.0.0/24 port 80
    real 10.1.0.11:0 dr 0
    route 192.0.2.0/24 via 1 10.1.0.14
";

fn bench(workers: usize, more: &str) -> Bench {
    Bench::new(&format!(
        "workers {workers}\n{CACHES}\n{more}\nsysctl cache_bypass 1"
    ))
}

/// Where a packet came out that is sent to all workers in turn.
fn lands(bench: &mut Bench, receiver: usize, frame: &Frame) -> String {
    let receiver = receiver % bench.worker_count();
    let (_, outcomes) = bench.deliver(receiver, 0, &frame.build());
    only(lines(&outcomes))
}

#[test]
fn a_connection_without_a_server_goes_where_its_client_sent_it_and_stays_there() {
    for workers in [1, 4] {
        let mut bench = bench(workers, "");
        for cport in 1000..1010 {
            let receiver = usize::from(cport);
            let open = lands(&mut bench, receiver, &syn(cport, "192.0.2.1:80"));
            let way = format!("send 1 to 10.1.0.14: 10.0.0.9:{cport} > 192.0.2.1:80 tcp");
            assert!(open.starts_with(&way) && open.contains("ttl 63"), "{open}");
        }
        let past: u64 = bench
            .boards()
            .iter()
            .map(|b| b.worker.flows_past.get())
            .sum();
        assert_eq!((past, bench.flow_count()), (10, 0));
        // A cache comes; who is past it stays there, who is new goes to it.
        bench.apply("at mark 5\nedit-real 10.1.0.11:0 dr 1");
        for cport in 1000..1010 {
            let more = syn(cport, "192.0.2.1:80").flags(ACK);
            let line = lands(&mut bench, usize::from(cport) + 1, &more);
            assert!(line.starts_with("send 1 to 10.1.0.14:"), "{line}");
        }
        let line = lands(&mut bench, 0, &syn(2000, "192.0.2.1:80"));
        assert!(line.starts_with("send 1 to 10.1.0.11:"), "{line}");
        for _ in 0..1000 {
            bench.advance(Duration::from_secs(1));
        }
        let past: u64 = bench
            .boards()
            .iter()
            .map(|b| b.worker.flows_past.get())
            .sum();
        assert_eq!((past, bench.flow_count()), (0, 0));
    }
}

#[test]
fn the_owner_opens_it_even_if_home_decides() {
    // Limits have a home, which is asked once.
    let limited = "at mark 5\nedit-real 10.1.0.11:0 dr 0 10 5";
    let mut bench = bench(4, limited);
    for cport in 1000..1040 {
        for receiver in 0..2 {
            let line = lands(&mut bench, receiver, &syn(cport, "192.0.2.1:80"));
            assert!(line.starts_with("send 1 to 10.1.0.14:"), "{line}");
        }
    }
    let past: u64 = bench
        .boards()
        .iter()
        .map(|b| b.worker.flows_past.get())
        .sum();
    assert_eq!(past, 40);
}

#[test]
fn errors_about_it_are_routed() {
    let mut bench = bench(1, "");
    bench.send(0, &syn(1000, "192.0.2.1:80").build());
    let answer = Frame::tcp("192.0.2.1:80", "10.0.0.9:1000").flags(ACK);
    let error = Frame::icmp("10.0.0.9", "192.0.2.1", 3, 4).payload(&answer.build_ip());
    let line = only(bench.say(0, &error.build()));
    assert!(line.starts_with("send 1 to 10.1.0.14:"), "{line}");
}

#[test]
fn it_is_for_marks_foreign_destinations_and_those_who_ask_for_it() {
    let own = syn(1000, "10.0.0.1:80").build();
    let mut bench = bench(1, "service tcp 10.0.0.100:81 rr");
    bench.send(0, &own);
    bench.send(0, &syn(1000, "10.0.0.100:81").build());
    assert_eq!(bench.dropped(DropReason::NoRealServer), 2);
    bench.apply("sysctl cache_bypass 0");
    bench.send(0, &syn(1000, "192.0.2.1:80").build());
    assert_eq!(bench.dropped(DropReason::NoRealServer), 3);
    assert_eq!(bench.board(0).worker.flows_past.get(), 0);
}

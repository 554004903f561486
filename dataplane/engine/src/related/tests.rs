// SPDX-License-Identifier: Apache-2.0
use std::string::String;
use std::vec::Vec;

use wire::builder::{Frame, SOURCE_MAC};
use wire::ethernet::MacAddress;
use wire::tcp::flags::{ACK, SYN};

use crate::testing::Bench;
use crate::verdict::{DropReason, PuntClass, Verdict};

const SERVICES: &str = "
    service tcp 10.0.0.100:80 rr
    real 10.1.0.11:8080 nat
    service tcp 10.0.0.101:80 rr
    real 10.1.0.12:80 dr
    service tcp [2001:db8::100]:80 rr
    real [2001:db8:1::11]:8080 nat
    route 0.0.0.0/0 via 0 10.0.0.254
";

const CLIENT: &str = "10.0.0.9:1000";

fn bench() -> Bench {
    let mut bench = Bench::new(SERVICES);
    for service in ["10.0.0.100:80", "10.0.0.101:80"] {
        bench.send(0, &Frame::tcp(CLIENT, service).flags(SYN).build());
    }
    let client6 = "[2001:db8::9]:1000";
    bench.send(
        0,
        &Frame::tcp(client6, "[2001:db8::100]:80").flags(SYN).build(),
    );
    assert_eq!(bench.flow_count(), 3);
    bench
}

fn quote_of(from: &str, to: &str) -> Vec<u8> {
    Frame::tcp(from, to).flags(ACK).build_ip()
}

/// An error from the client's side.
fn from_client_side(to: &str, icmp_type: u8, quote: &[u8]) -> Vec<u8> {
    let router = if to.contains(':') {
        "2001:db8::77"
    } else {
        "10.0.0.77"
    };
    Frame::icmp(router, to, icmp_type, 0).payload(quote).build()
}

fn from_server_side(from: &str, to: &str, icmp_type: u8, quote: &[u8]) -> Vec<u8> {
    Frame::icmp(from, to, icmp_type, 0)
        .payload(quote)
        .macs(SOURCE_MAC, MacAddress([2, 0, 0, 0, 1, 2]))
        .build()
}

/// The types, 0 to 255, that are sent on.
fn relayed(mut error: impl FnMut(u8) -> Vec<u8>, port: u16) -> Vec<u8> {
    (0..=255)
        .filter(|icmp_type| {
            let outcomes = bench().send(port, &error(*icmp_type));
            matches!(outcomes[0].verdict, Verdict::Send { .. })
        })
        .collect()
}

#[test]
fn three_types_of_icmp_and_every_error_of_icmpv6_are_relayed_to_the_server() {
    let quote = quote_of("10.0.0.100:80", CLIENT);
    assert_eq!(
        relayed(|kind| from_client_side("10.0.0.100", kind, &quote), 0),
        [3, 4, 11]
    );
    let quote = quote_of("10.0.0.101:80", CLIENT);
    assert_eq!(
        relayed(|kind| from_client_side("10.0.0.101", kind, &quote), 0),
        [3, 4, 11]
    );
    let quote = quote_of("[2001:db8::100]:80", "[2001:db8::9]:1000");
    let all: Vec<u8> = (0..128).collect();
    assert_eq!(
        relayed(|kind| from_client_side("2001:db8::100", kind, &quote), 0),
        all
    );
}

#[track_caller]
fn said(bench: &mut Bench, port: u16, frame: &[u8]) -> String {
    let mut lines = bench.say(port, frame);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines.remove(0)
}

#[test]
fn errors_go_both_ways_and_count_but_do_not_prolong() {
    let mut bench = bench();
    let expires = bench.connections(0)[0].expires_ms;
    bench.advance(core::time::Duration::from_secs(5));
    let error = from_client_side("10.0.0.100", 3, &quote_of("10.0.0.100:80", CLIENT));
    let line = said(&mut bench, 0, &error);
    assert!(
        line.starts_with("send 1 to 10.1.0.11: 10.0.0.77 > 10.1.0.11"),
        "{line}"
    );
    // A router among the servers; the client hears the VIP.
    let error = from_server_side(
        "10.1.0.200",
        "10.0.0.9",
        11,
        &quote_of(CLIENT, "10.1.0.11:8080"),
    );
    let line = said(&mut bench, 1, &error);
    assert!(
        line.starts_with("send 0 to 10.0.0.9: 10.0.0.100 > 10.0.0.9"),
        "{line}"
    );
    let real = bench.real("10.1.0.11:8080");
    let counters = bench.board(0).real(real).unwrap();
    assert_eq!(
        (counters.packets_in.get(), counters.packets_out.get()),
        (2, 1)
    );
    assert_eq!(counters.bytes_out.get(), 20 + 8 + 40);
    let left = bench.connections(0).iter().map(|c| c.expires_ms).min();
    assert!(left <= Some(expires - 5000));
}

#[test]
fn a_wrong_checksum_ends_at_nat_and_passes_dr() {
    let mut bench = bench();
    for (vip, sent) in [("10.0.0.100", false), ("10.0.0.101", true)] {
        let quote = quote_of(&std::format!("{vip}:80"), CLIENT);
        let error = Frame::icmp("10.0.0.77", vip, 3, 1)
            .payload(&quote)
            .checksum(0x1234);
        let outcomes = bench.send(0, &error.build());
        assert_eq!(matches!(outcomes[0].verdict, Verdict::Send { .. }), sent);
    }
    let quote = quote_of(CLIENT, "10.1.0.11:8080");
    let error = Frame::icmp("10.1.0.11", "10.0.0.9", 3, 1)
        .payload(&quote)
        .checksum(0x1234)
        .macs(SOURCE_MAC, MacAddress([2, 0, 0, 0, 1, 2]));
    bench.send(1, &error.build());
    assert_eq!(bench.dropped(DropReason::RxBadIcmpChecksum), 2);
}

#[test]
fn what_names_no_flow_is_nobodys() {
    let mut bench = bench();
    let short = &quote_of("10.0.0.100:80", CLIENT)[..27];
    let later = Frame::tcp("10.0.0.100:80", CLIENT)
        .fragment(8, false)
        .build_ip();
    let v6 = quote_of("[2001:db8::100]:80", "[2001:db8::9]:1000");
    let other = quote_of("10.0.0.100:80", "10.0.0.9:1001");
    for quote in [short, &later, &v6, &other, &[]] {
        let outcomes = bench.send(0, &from_client_side("10.0.0.100", 3, quote));
        let punted = matches!(
            outcomes[0].verdict,
            Verdict::Punt {
                class: PuntClass::Icmp,
                ..
            }
        );
        assert!(punted, "{outcomes:?}");
    }
}

#[test]
fn the_last_hop_of_an_error_is_silent() {
    let mut bench = bench();
    let quote = quote_of("10.0.0.100:80", CLIENT);
    let error = Frame::icmp("10.0.0.77", "10.0.0.100", 3, 1)
        .payload(&quote)
        .ttl(1);
    let outcomes = bench.send(0, &error.build());
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0].verdict, Verdict::Drop(DropReason::TtlExpired));
}

#[test]
fn an_error_reaches_the_worker_of_its_flow() {
    let mut bench = Bench::new(&std::format!("workers 4\n{SERVICES}"));
    for cport in 1000..1100 {
        let client = std::format!("10.0.0.9:{cport}");
        let (owner, _) = bench.deliver(
            0,
            0,
            &Frame::tcp(&client, "10.0.0.100:80").flags(SYN).build(),
        );
        for receiver in 0..4 {
            let error = from_client_side("10.0.0.100", 3, &quote_of("10.0.0.100:80", &client));
            let (decided, outcomes) = bench.deliver(receiver, 0, &error);
            assert_eq!(decided, owner);
            assert!(matches!(outcomes[0].verdict, Verdict::Send { .. }));
            let quote = quote_of(&client, "10.1.0.11:8080");
            let error = from_server_side("10.1.0.200", "10.0.0.9", 11, &quote);
            let (decided, outcomes) = bench.deliver(receiver, 1, &error);
            assert_eq!(decided, owner);
            assert!(matches!(outcomes[0].verdict, Verdict::Send { .. }));
        }
    }
}

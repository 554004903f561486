// SPDX-License-Identifier: Apache-2.0
//! `mss_clamp`: what SYNs announce, through services that lower it.

use super::*;
use wire::builder::{Checksum, transport_checksum};

const CLAMPED: &str = "
    service tcp 10.0.0.100:80 rr mss=1300
    real 10.1.0.11:8080 nat
    service tcp 10.0.0.101:80 rr mss=1300
    real 10.1.0.12:80 dr
    service tcp [2001:db8::100]:80 rr mss=1220
    real [2001:db8:1::11]:8080 nat
    service tcp 10.0.0.102:80 rr
    real 10.1.0.13:80 nat
";

/// The options of the one segment that was sent, and that it sums up.
#[track_caller]
fn announced(bench: &mut Bench, port: u16, frame: &[u8]) -> Vec<u8> {
    let outcomes = bench.send(port, frame);
    assert!(matches!(outcomes[0].verdict, Verdict::Send { .. }));
    let out = &outcomes[0].frame;
    assert_eq!(transport_checksum(out), Checksum::Good);
    let parsed = wire::packet::parse(out, out.len()).unwrap();
    out[usize::from(parsed.l4_offset) + 20..].to_vec()
}

#[test]
fn both_ends_announce_no_more_than_the_service_allows() {
    let mss = |value: u16| [&[2, 4][..], &value.to_be_bytes()].concat();
    for (client, service, server, allowed) in [
        ("10.0.0.9:1", "10.0.0.100:80", Some("10.1.0.11:8080"), 1300),
        ("10.0.0.9:1", "10.0.0.101:80", None, 1300),
        (
            "[2001:db8::9]:1",
            "[2001:db8::100]:80",
            Some("[2001:db8:1::11]:8080"),
            1220,
        ),
        ("10.0.0.9:1", "10.0.0.102:80", Some("10.1.0.13:80"), 1460),
    ] {
        let mut bench = Bench::new(CLAMPED);
        let syn = Frame::tcp(client, service)
            .flags(SYN)
            .tcp_options(&mss(1460));
        assert_eq!(announced(&mut bench, 0, &syn.build()), mss(allowed));
        if let Some(server) = server {
            let answer = Frame::tcp(server, client)
                .flags(SYN | ACK)
                .tcp_options(&mss(9000));
            let out = announced(&mut bench, 1, &from_server(answer));
            assert_eq!(
                out,
                mss(allowed.max(if allowed == 1460 { 9000 } else { 0 }))
            );
        }
        let later = Frame::tcp(client, service)
            .flags(ACK)
            .tcp_options(&mss(1460));
        assert_eq!(announced(&mut bench, 0, &later.build()), mss(1460));
    }
}

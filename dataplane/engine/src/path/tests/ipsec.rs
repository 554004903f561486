// SPDX-License-Identifier: Apache-2.0
//! ESP and AH follow the IKE flow of their ends.

use super::*;

const IKE: &str = "
    service udp 10.0.0.100:500 rr
    real 10.1.0.11:500 nat
    service udp 10.0.0.101:500 rr
    real 10.1.0.12:500 dr
    service udp [2001:db8::100]:500 rr
    real [2001:db8:1::11]:500 nat
";

fn ike(client: &str, vip: &str) -> Vec<u8> {
    Frame::udp(&format!("{client}:500"), &format!("{vip}:500")).build()
}

/// Opaque bytes that must travel unchanged.
fn opaque(source: &str, destination: &str, protocol: IpProtocol) -> Frame {
    Frame::ip(source, destination, protocol).payload(&[0x5a; 40])
}

#[test]
fn they_go_where_ike_went_and_come_back_from_the_vip() {
    for workers in [1, 4] {
        for protocol in [IpProtocol::ESP, IpProtocol::AH] {
            let mut bench = Bench::new(&format!("workers {workers}\n{IKE}"));
            let (owner, _) = bench.deliver(0, 0, &ike("10.0.0.9", "10.0.0.100"));
            for receiver in 0..workers {
                let there = opaque("10.0.0.9", "10.0.0.100", protocol).build();
                let (last, out) = bench.deliver(receiver, 0, &there);
                assert_eq!(last, owner);
                let expected = opaque("10.0.0.9", "10.1.0.11", protocol).ttl(63);
                assert_eq!(out[0].frame[14..], expected.build_ip(), "{}", out[0]);
                let back = from_server(opaque("10.1.0.11", "10.0.0.9", protocol));
                let (last, out) = bench.deliver(receiver, 1, &back);
                assert_eq!(last, owner);
                let expected = opaque("10.0.0.100", "10.0.0.9", protocol).ttl(63);
                assert_eq!(out[0].frame[14..], expected.build_ip(), "{}", out[0]);
            }
            assert_eq!(bench.flow_count(), 1);
        }
    }
}

#[test]
fn they_take_its_method_and_its_family() {
    let mut bench = Bench::new(IKE);
    bench.send(0, &ike("10.0.0.9", "10.0.0.101"));
    let ah = opaque("10.0.0.9", "10.0.0.101", IpProtocol::AH);
    let out = bench.send(0, &ah.build());
    assert!(format!("{}", out[0]).starts_with("send 1 to 10.1.0.12"));
    assert_eq!(out[0].frame[14..], ah.ttl(63).build_ip());
    bench.send(0, &ike("[2001:db8::9]", "[2001:db8::100]"));
    let esp = opaque("2001:db8::9", "2001:db8::100", IpProtocol::ESP);
    let out = bench.send(0, &esp.build());
    let expected = opaque("2001:db8::9", "2001:db8:1::11", IpProtocol::ESP).ttl(63);
    assert_eq!(out[0].frame[14..], expected.build_ip(), "{}", out[0]);
}

#[test]
fn they_keep_the_flow_alive_and_count_as_its_packets() {
    let mut bench = Bench::new(IKE);
    bench.send(0, &ike("10.0.0.9", "10.0.0.100"));
    for _ in 0..4 {
        bench.advance(Duration::from_secs(250));
        bench.send(
            0,
            &opaque("10.0.0.9", "10.0.0.100", IpProtocol::ESP).build(),
        );
    }
    let flow = bench.connections(0)[0];
    assert_eq!((flow.protocol, flow.cport, flow.packets), (17, 500, 5));
    assert_eq!(flow.expires_ms, 300_000);
    assert_eq!(flow.state.name(), "UDP");
}

#[test]
fn without_a_flow_they_are_nobodys_and_open_none() {
    let mut bench = Bench::new(IKE);
    let esp = opaque("10.0.0.9", "10.0.0.100", IpProtocol::ESP).build();
    let line = only(bench.say(0, &esp));
    assert!(line.starts_with("punt 0 local"), "{line}");
    // A flow from another port is not the exchange.
    bench.send(0, &Frame::udp("10.0.0.9:501", "10.0.0.100:500").build());
    let line = only(bench.say(0, &esp));
    assert!(line.starts_with("punt 0 local"), "{line}");
    let transit = from_server(opaque("10.1.0.14", "10.0.0.9", IpProtocol::ESP));
    let line = only(bench.say(1, &transit));
    assert!(line.starts_with("send 0 to 10.0.0.9"), "{line}");
    assert_eq!(bench.flow_count(), 1);
}

#[test]
fn in_fragments_they_arrive_too() {
    let mut bench = Bench::new(IKE);
    bench.send(0, &ike("10.0.0.9", "10.0.0.100"));
    let esp = opaque("10.0.0.9", "10.0.0.100", IpProtocol::ESP).ident(7);
    let mut out = Vec::new();
    for piece in esp.fragments(24) {
        out.extend(bench.send(0, &piece));
    }
    assert_eq!(out.len(), 2);
    assert!(describe(&out[0].frame).contains("10.0.0.9 > 10.1.0.11"));
    assert!(describe(&out[1].frame).contains("10.0.0.9 > 10.1.0.11"));
}

#[test]
fn an_icmp_error_about_them_finds_the_flow_and_leaves_the_quote_whole() {
    let mut bench = Bench::new(IKE);
    bench.send(0, &ike("10.0.0.9", "10.0.0.100"));
    let quote = |to: &str| opaque("10.0.0.9", to, IpProtocol::ESP).build_ip();
    let error = Frame::icmp("10.1.0.11", "10.0.0.9", 3, 2).payload(&quote("10.1.0.11"));
    let out = bench.send(1, &from_server(error));
    let expected = Frame::icmp("10.0.0.100", "10.0.0.9", 3, 2)
        .payload(&quote("10.0.0.100"))
        .ttl(63);
    assert_eq!(out[0].frame[14..], expected.build_ip(), "{}", out[0]);
}

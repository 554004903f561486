// SPDX-License-Identifier: Apache-2.0
//! The director as a server of its own services.

use super::*;

const LOCAL: &str = "
    service tcp 10.0.0.100:80 rr
    real 10.1.0.1:80 dr
    service udp 10.0.0.101:53 rr
    real 10.1.0.1:53 ipip
    service tcp [2001:db8::100]:80 rr
    real [2001:db8:1::1]:80 dr
    service tcp 10.0.0.102:80 rr
    real 10.1.0.1:80 nat
";

#[test]
fn a_server_that_is_the_director_gets_its_packets_through_linux_as_they_came() {
    let mut bench = Bench::new(LOCAL);
    for frame in [
        syn(1000, "10.0.0.100:80").ttl(1).build(),
        syn(1000, "10.0.0.100:80").flags(ACK).build(),
        Frame::udp("10.0.0.9:1000", "10.0.0.101:53").build(),
        Frame::tcp("[2001:db8::9]:1000", "[2001:db8::100]:80")
            .flags(SYN)
            .build(),
    ] {
        let outcomes = bench.send(0, &frame);
        assert_eq!(outcomes.len(), 1);
        assert!(
            matches!(
                outcomes[0].verdict,
                Verdict::Punt {
                    class: PuntClass::Local,
                    ..
                }
            ),
            "{outcomes:?}"
        );
        assert_eq!(outcomes[0].frame, frame);
    }
    assert_eq!(bench.flow_count(), 3);
    let real = bench.snapshot().services.reals().next().map(|real| real.id);
    let counters = bench.board(0).real(real.unwrap()).unwrap();
    assert_eq!(counters.packets_in.get(), 2);
    assert_eq!(counters.connections.get(), 1);
}

#[test]
fn an_error_about_the_directors_own_answers_goes_to_linux() {
    let mut bench = Bench::new(LOCAL);
    bench.send(0, &syn(1000, "10.0.0.100:80").build());
    let answer = Frame::tcp("10.0.0.100:80", "10.0.0.9:1000").flags(ACK);
    let error = Frame::icmp("10.0.0.254", "10.0.0.100", 3, 4).payload(&answer.build_ip());
    let line = only(bench.say(0, &error.build()));
    assert!(line.starts_with("punt 0 icmp"), "{line}");
}

#[test]
fn translation_to_the_director_itself_has_no_way() {
    let mut bench = Bench::new(LOCAL);
    bench.send(0, &syn(1000, "10.0.0.102:80").build());
    assert_eq!(bench.dropped(DropReason::NoRoute), 1);
}

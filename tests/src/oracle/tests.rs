// SPDX-License-Identifier: Apache-2.0

use super::Outcome;
use super::director::{Director, Fate};
use super::{case, ipvsadm};
use case::{Frame, Side};
use wire::ethernet::MacAddress;
use wire::tcp::flags;

fn failed(difference: &str) -> Outcome {
    Outcome {
        difference: Some(difference.into()),
        answered: None,
    }
}

#[test]
fn a_report_is_one_line() {
    assert_eq!(failed("a\nb").line("x"), "FAIL x: a b");
    let ok = Outcome {
        difference: None,
        answered: None,
    };
    assert_eq!(ok.line("x"), "ok x");
}

fn director(lines: &[&str]) -> Director {
    let mut director = Director::new((1500, 1500), &[], Vec::new());
    change(&mut director, lines);
    director
}

fn change(director: &mut Director, lines: &[&str]) {
    for line in lines {
        let change = ipvsadm::parse(line).expect("an ipvsadm line");
        director.change(&change).expect("a change that is taken");
    }
}

const SERVICE: &str = "-A -t 10.0.0.100:80 -s rr";
const REAL: &str = "-a -t 10.0.0.100:80 -r 10.1.0.11:8080 -m";

fn mac([high, low]: [u8; 2]) -> MacAddress {
    MacAddress([2, 0, 0, 0, high, low])
}

fn segment(side: Side, tcp_flags: u8) -> Frame {
    let frame = match side {
        Side::Client => wire::builder::Frame::tcp("10.9.9.9:1000", "10.0.0.100:80")
            .macs(mac([0xc0, 0xfe]), mac([0, 1])),
        Side::Server => wire::builder::Frame::tcp("10.1.0.11:8080", "10.9.9.9:1000")
            .macs(mac([1, 11]), mac([0, 2])),
    };
    Frame {
        side,
        bytes: frame.flags(tcp_flags).build(),
    }
}

#[test]
fn a_client_of_a_deleted_service_is_answered_by_linux_until_the_service_is_back() {
    let mut director = director(&[SERVICE, REAL]);
    let syn = segment(Side::Client, flags::SYN);
    let ack = segment(Side::Client, flags::ACK);
    assert!(matches!(*director.receive(&syn), [Fate::Sent(_)]));
    change(&mut director, &["-D -t 10.0.0.100:80"]);
    assert_eq!(director.receive(&ack), [Fate::Punted]);
    assert!(director.connections(None).is_empty());
    change(&mut director, &[SERVICE]);
    assert!(matches!(*director.receive(&ack), [Fate::Dropped(_)]));
    change(&mut director, &[REAL]);
    assert!(matches!(*director.receive(&ack), [Fate::Sent(_)]));
    assert_eq!(director.connections(None).len(), 1);
}

#[test]
fn a_service_that_is_added_again_counts_from_zero() {
    let mut director = director(&[SERVICE, REAL]);
    let period = std::time::Duration::from_secs(2);
    let counts = |director: &Director| {
        let [service] = director.services(true).try_into().expect("one service");
        (
            service.stats,
            service.reals.first().and_then(|real| real.stats),
        )
    };
    director.receive(&segment(Side::Client, flags::SYN));
    director.receive(&segment(Side::Server, flags::SYN | flags::ACK));
    assert_eq!(counts(&director), (Some([0; 5]), Some([0; 5])));
    director.pass(period);
    let both = Some([1, 1, 1, 40, 40]);
    assert_eq!(counts(&director), (both, both));
    change(
        &mut director,
        &["-d -t 10.0.0.100:80 -r 10.1.0.11:8080", REAL],
    );
    director.pass(period);
    assert_eq!(counts(&director), (both, both));
    change(&mut director, &["-C", SERVICE, REAL]);
    director.pass(period);
    assert_eq!(counts(&director), (Some([0; 5]), Some([0; 5])));
    director.receive(&segment(Side::Client, flags::ACK));
    director.pass(period);
    let one = Some([0, 1, 0, 40, 0]);
    assert_eq!(counts(&director), (one, one));
}

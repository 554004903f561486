// SPDX-License-Identifier: Apache-2.0
use std::vec;

use super::*;

fn rule(mark: u32) -> MarkRule {
    MarkRule {
        protocol: None,
        source: None,
        destination: Some("10.0.0.0/24".parse().unwrap()),
        source_ports: PortRange::ANY,
        destination_ports: PortRange::ANY,
        mark,
    }
}

fn packet(destination: &str, port: u16) -> Marked {
    Marked {
        protocol: Protocol::Tcp,
        source: "192.0.2.1".parse().unwrap(),
        source_port: 1025,
        destination: destination.parse().unwrap(),
        destination_port: port,
    }
}

#[test]
fn the_first_rule_that_fits_counts() {
    let https = MarkRule {
        destination_ports: PortRange::one(443),
        ..rule(2)
    };
    let classifier = Classifier::new(vec![https, rule(1)]);
    assert_eq!(classifier.mark(&packet("10.0.0.9", 443)), 2);
    assert_eq!(classifier.mark(&packet("10.0.0.9", 80)), 1);
    assert_eq!(classifier.mark(&packet("10.0.1.9", 80)), 0);
}

#[test]
fn a_rule_may_except_packets_from_those_behind_it() {
    let not_ours = MarkRule {
        source: Some("192.0.2.0/28".parse().unwrap()),
        ..rule(0)
    };
    let classifier = Classifier::new(vec![not_ours, rule(1)]);
    assert_eq!(classifier.mark(&packet("10.0.0.9", 80)), 0);
    let stranger = Marked {
        source: "192.0.2.16".parse().unwrap(),
        ..packet("10.0.0.9", 80)
    };
    assert_eq!(classifier.mark(&stranger), 1);
}

#[test]
fn protocol_and_source_port_are_compared() {
    let narrow = MarkRule {
        protocol: Some(Protocol::Udp),
        source_ports: PortRange::new(1024, 2047).unwrap(),
        ..rule(7)
    };
    let classifier = Classifier::new(vec![narrow]);
    let udp = Marked {
        protocol: Protocol::Udp,
        ..packet("10.0.0.9", 53)
    };
    assert_eq!(classifier.mark(&udp), 7);
    assert_eq!(classifier.mark(&packet("10.0.0.9", 53)), 0);
    let low = Marked {
        source_port: 1023,
        ..udp
    };
    assert_eq!(classifier.mark(&low), 0);
}

#[test]
fn fragments_are_known_by_their_addresses() {
    let classifier = Classifier::new(vec![rule(1)]);
    let (from, to) = ("192.0.2.1".parse().unwrap(), "10.0.0.9".parse().unwrap());
    assert!(classifier.may_mark(from, to));
    assert!(!classifier.may_mark(to, from));
    assert!(!Classifier::new(vec![rule(0)]).may_mark(from, to));
}

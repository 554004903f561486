// SPDX-License-Identifier: Apache-2.0
//! Persistence, one-packet scheduling and marks.

use model::service::{Persistence, PortRange, Protocol};

use super::{DIRECTOR, SERVER, SERVICE, bad, config, one_error};
use crate::{Code, Diagnostic};

fn first_error(text: &str) -> Diagnostic {
    let report = bad(text);
    let first = report.errors().next().cloned();
    first.expect("an error")
}

#[test]
fn persistence_is_read_with_its_defaults_and_is_live() {
    let plain = format!("{DIRECTOR}{SERVICE}{SERVER}");
    let text = format!("{DIRECTOR}{SERVICE}persistence = {{ ipv4_mask = 24 }}\n{SERVER}");
    let new = config(&text);
    let expected = Persistence {
        timeout_s: 360,
        ipv4_mask: 24,
        ipv6_prefix: 128,
        engine: None,
    };
    assert_eq!(new.services[0].persistence, Some(expected));
    let diff = crate::diff(&config(&plain), &new);
    assert_eq!(
        diff.summary,
        ["~ service web: persistence none -> 360 s /24 /128"]
    );
    assert_eq!(diff.ops.len(), 1);
    assert!(diff.restart.is_empty());
    let text = format!("{DIRECTOR}{SERVICE}persistence = {{ ipv4_mask = 33 }}\n{SERVER}");
    one_error(&text, Code::OutOfRange, (9, 29), "33");
}

#[test]
fn one_packet_is_for_datagrams() {
    let text = format!("{DIRECTOR}{SERVICE}one_packet = true\n{SERVER}");
    assert_eq!(first_error(&text).code, Code::UdpOnly);
    let udp = text.replace("tcp://", "udp://");
    assert!(config(&udp).services[0].one_packet);
}

#[test]
fn marks_are_read_in_their_order_and_checked() {
    let rules = "[[mark]]\nmark = 5\nprotocol = \"tcp\"\ndestination = \"192.0.2.0/24\"\n\
                 destination_ports = \"80-88\"\n[[mark]]\nmark = 0\nsource = \"198.51.100.0/24\"\n";
    let new = config(&format!("{DIRECTOR}{rules}"));
    let [first, second] = new.marks.as_slice() else {
        panic!("{:?}", new.marks)
    };
    assert_eq!((first.mark, first.protocol), (5, Some(Protocol::Tcp)));
    assert_eq!(first.destination_ports.to_string(), "80-88");
    assert_eq!((second.mark, second.source_ports), (0, PortRange::ANY));
    let diff = crate::diff(&config(DIRECTOR), &new);
    assert_eq!(diff.summary, ["~ mark: 0 rules -> 2 rules, not the same"]);
    for (rule, code, fragment) in [
        ("source = \"192.0.2.0\"", Code::BadAddress, "is no network"),
        (
            "source_ports = \"88-80\"",
            Code::BadPorts,
            "no range of ports",
        ),
        (
            "source = \"192.0.2.0/24\"\ndestination = \"2001:db8::/64\"",
            Code::MarkFamily,
            "no packet goes from",
        ),
    ] {
        let found = first_error(&format!("{DIRECTOR}[[mark]]\nmark = 5\n{rule}\n"));
        assert_eq!(found.code, code, "{rule}");
        assert!(found.message.contains(fragment), "{}", found.message);
    }
}

#[test]
fn a_service_may_have_timeouts_of_its_own_and_they_are_live() {
    let plain = format!("{DIRECTOR}{SERVICE}{SERVER}");
    let text = format!("{DIRECTOR}{SERVICE}timeouts = {{ tcp_s = 60, udp_s = 5 }}\n{SERVER}");
    let new = config(&text);
    let spec = new.services[0].spec();
    assert_eq!(
        (
            spec.timeouts.tcp_s,
            spec.timeouts.tcp_fin_s,
            spec.timeouts.udp_s
        ),
        (60, 0, 5)
    );
    let diff = crate::diff(&config(&plain), &new);
    assert_eq!(diff.summary, ["~ service web: timeouts 0 0 0 -> 60 0 5"]);
    assert_eq!(diff.ops.len(), 1);
}

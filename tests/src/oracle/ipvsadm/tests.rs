// SPDX-License-Identifier: Apache-2.0

use model::op::Op;
use model::service::{ForwardMode, SchedulerKind};

use super::{Change, LineError, parse};

/// A change, as short as it can be said.
fn said(line: &str) -> String {
    match parse(line) {
        Ok(Change::Clear) => "clear".into(),
        Ok(Change::Op(op)) => match op {
            Op::AddService { key, spec } => format!("add {key} {}", spec.scheduler.name()),
            Op::EditService { key, spec } => format!("edit {key} {}", spec.scheduler.name()),
            Op::DeleteService { key } => format!("delete {key}"),
            Op::AddReal {
                service,
                real,
                spec,
            } => {
                let weight = spec.weight.get();
                format!("add {service} {real} {} {weight}", spec.mode.name())
            }
            Op::EditReal {
                service,
                real,
                spec,
            } => {
                let weight = spec.weight.get();
                format!("edit {service} {real} {} {weight}", spec.mode.name())
            }
            Op::DeleteReal { service, real } => format!("delete {service} {real}"),
            Op::DrainReal { .. } | Op::SetTimeouts { .. } => "never".into(),
        },
        Err(LineError::Unsupported(what)) => format!("unsupported: {what}"),
        Err(LineError::Malformed(_, why)) => format!("malformed: {why}"),
    }
}

#[test]
fn services_are_added_edited_and_deleted() {
    for (line, meaning) in [
        ("-A -t 10.0.0.100:80 -s rr", "add tcp://10.0.0.100:80 rr"),
        ("-A -u 10.0.0.100:53", "add udp://10.0.0.100:53 wlc"),
        (
            "-A -t [2001:db8:a::100]:80 -s lc",
            "add tcp://[2001:db8:a::100]:80 lc",
        ),
        ("-E -t 10.0.0.100:80 -s wrr", "edit tcp://10.0.0.100:80 wrr"),
        ("-D -t 10.0.0.100:80", "delete tcp://10.0.0.100:80"),
        ("-C", "clear"),
    ] {
        assert_eq!(said(line), meaning, "{line}");
    }
}

#[test]
fn servers_are_added_edited_and_deleted() {
    for (line, meaning) in [
        (
            "-a -t 10.0.0.100:80 -r 10.1.0.11:8080 -m -w 3",
            "add tcp://10.0.0.100:80 10.1.0.11:8080 nat 3",
        ),
        (
            "-e -t [2001:db8::1]:80 -r [2001:db8::2]:81 -m -w 0 -x 0 -y 0",
            "edit tcp://[2001:db8::1]:80 [2001:db8::2]:81 nat 0",
        ),
        (
            "-d -t 10.0.0.100:80 -r 10.1.0.11:8080",
            "delete tcp://10.0.0.100:80 10.1.0.11:8080",
        ),
        (
            "-a -t [2001:db8::1]:80 -r [2001:db8::2] -m",
            "add tcp://[2001:db8::1]:80 [2001:db8::2]:80 nat 1",
        ),
    ] {
        assert_eq!(said(line), meaning, "{line}");
    }
}

#[test]
fn a_server_of_direct_routing_has_the_port_of_the_service() {
    let forced = "add udp://10.0.0.100:53 10.1.0.11:53 dr 1";
    assert_eq!(said("-a -u 10.0.0.100:53 -r 10.1.0.11:5353 -g"), forced);
    assert_eq!(said("-a -u 10.0.0.100:53 -r 10.1.0.11"), forced);
}

#[test]
fn a_server_behind_a_tunnel_has_its_kind_and_the_port_of_the_service() {
    for (options, tunnel) in [
        ("-i", "ipip"),
        ("-i --tun-type ipip", "ipip"),
        ("-i --tun-type gre --tun-nocsum", "gre"),
        ("-i --tun-type gre --tun-csum", "gre csum"),
        ("-i --tun-type gue --tun-port 6080 --tun-nocsum", "gue 6080"),
        (
            "-i --tun-type gue --tun-port 6080 --tun-csum",
            "gue 6080 csum",
        ),
        (
            "-i --tun-type gue --tun-port 9 --tun-remcsum",
            "gue 9 remcsum",
        ),
    ] {
        let line = format!("-a -t 10.0.0.100:80 -r 10.1.0.11:8080 {options}");
        let Ok(Change::Op(Op::AddReal { real, spec, .. })) = parse(&line) else {
            panic!("{line}");
        };
        assert_eq!(spec.mode, ForwardMode::Tun, "{line}");
        assert_eq!(spec.tunnel.to_string(), tunnel, "{line}");
        assert_eq!(real.to_string(), "10.1.0.11:80", "{line}");
    }
}

#[test]
fn options_of_a_tunnel_that_do_not_fit_are_malformed() {
    for options in [
        "-i --tun-type gue",
        "-i --tun-type gue --tun-port 0",
        "-i --tun-type gue --tun-port many",
        "-i --tun-type gre --tun-remcsum",
        "-i --tun-type gre --tun-port 6080",
        "-i --tun-csum",
        "-i --tun-type vxlan",
    ] {
        let meaning = said(&format!("-a -t 10.0.0.100:80 -r 10.1.0.11 {options}"));
        assert!(meaning.starts_with("malformed: "), "{options}: {meaning}");
    }
}

#[test]
fn what_is_not_there_yet_is_named() {
    let line = "-A -t 10.0.0.100:80 -s dlb";
    assert_eq!(said(line), "unsupported: scheduler dlb");
}

#[test]
fn nonsense_is_malformed() {
    for line in [
        "",
        "-A",
        "-A -t",
        "-A -t 10.0.0.100",
        "-A -t 10.0.0.1000:80",
        "-A -t 10.0.0.100:80000",
        "-A -t [::1:80",
        "-A -t [::1]80",
        "-A -t 10.0.0.100:80 -q",
        "-X -t 10.0.0.100:80",
        "-a -t 10.0.0.100:80",
        "-d -t 10.0.0.100:80",
        "-a -t 10.0.0.100:80 -r 10.1.0.11:80 -w heavy",
        "-a -t 10.0.0.100:80 -r 10.1.0.11:80 -w 65536",
        "-a -t 10.0.0.100:80 -r 10.1.0.11:80 -x few",
    ] {
        let meaning = said(line);
        assert!(meaning.starts_with("malformed: "), "{line:?}: {meaning}");
    }
}

#[test]
fn every_scheduler_there_is_can_be_named() {
    for kind in SchedulerKind::ALL {
        let line = format!("-A -t 10.0.0.100:80 -s {}", kind.name());
        assert_eq!(
            said(&line),
            format!("add tcp://10.0.0.100:80 {}", kind.name())
        );
    }
    assert_eq!(ForwardMode::Nat.name(), "nat");
}

#[test]
fn scheduler_flags_are_added_up() {
    let Ok(Change::Op(Op::AddService { spec, .. })) =
        parse("-A -t 10.0.0.100:80 -s sh -b sh-port,sh-fallback")
    else {
        panic!("not an added service");
    };
    assert_eq!(spec.flags.words(spec.scheduler), "sh-fallback,sh-port");
    let unknown = parse("-A -t 10.0.0.100:80 -s sh -b sh-prot");
    assert!(matches!(unknown, Err(LineError::Malformed(..))));
}

#[test]
fn thresholds_are_read() {
    let Ok(Change::Op(Op::AddReal { spec, .. })) =
        parse("-a -t 10.0.0.100:80 -r 10.1.0.11:80 -m -x 8 -y 4")
    else {
        panic!("not an added server");
    };
    assert_eq!((spec.limits.upper, spec.limits.lower), (8, 4));
}

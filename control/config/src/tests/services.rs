// SPDX-License-Identifier: Apache-2.0
//! `[[service]]` and `[[service.server]]`.

use model::service::{ClientAddress, Helper};

use super::{DIRECTOR, PORT, SERVER, SERVICE, bad, one_error, one_warning};
use crate::Code;

/// Lines 4 to 8 are the service, its `listen` on line 6.
fn service(name: &str, listen: &str, forward: &str) -> String {
    format!(
        "{DIRECTOR}[[service]]\nname = \"{name}\"\nlisten = \"{listen}\"\nscheduler = \"rr\"\n\
         forward = \"{forward}\"\n"
    )
}

fn server(address: &str) -> String {
    format!("[[service.server]]\naddress = \"{address}\"\n")
}

#[test]
fn names_of_services_are_short_and_printable() {
    for name in ["", " web", "web ", "a\\nb", &"x".repeat(65)] {
        let text = service(name, "tcp://192.0.2.1:80", "nat");
        one_error(&text, Code::BadName, (5, 8), "1 to 64 printable characters");
    }
    let name = "ß".repeat(64);
    assert!(crate::parse(&service(&name, "tcp://192.0.2.1:80", "nat")).is_ok());
}

#[test]
fn listen_is_refused_with_its_mistake() {
    for (listen, code, fragment) in [
        ("", Code::BadAddress, "the protocol is missing"),
        ("192.0.2.1:80", Code::BadAddress, "the protocol is missing"),
        (
            "http://192.0.2.1:80",
            Code::BadAddress,
            "must be tcp, udp, sctp",
        ),
        (
            "TCP://192.0.2.1:80",
            Code::BadAddress,
            "must be tcp, udp, sctp",
        ),
        ("mark://0", Code::BadAddress, "must be 1 to 4294967295"),
        (
            "tcp://192.0.2.1/24:80",
            Code::BadAddress,
            "bits of the address are set",
        ),
        (
            "tcp://192.0.2.0/33:80",
            Code::BadAddress,
            "0 to 32 for IPv4",
        ),
        ("tcp://192.0.2.1", Code::BadAddress, "the port is missing"),
        ("tcp://192.0.2.1:", Code::BadAddress, "the port is missing"),
        ("tcp://192.0.2.1:0", Code::BadAddress, "1 to 65535"),
        ("tcp://192.0.2.1:65536", Code::BadAddress, "1 to 65535"),
        ("tcp://192.0.2.1:http", Code::BadAddress, "1 to 65535"),
        (
            "tcp://192.0.2.256:80",
            Code::BadAddress,
            "not an IP address",
        ),
        ("tcp://:80", Code::BadAddress, "not an IP address"),
        (
            "tcp://www.example.org:80",
            Code::BadAddress,
            "host names are not resolved",
        ),
        (
            "tcp://[2001:db8::1]",
            Code::BadAddress,
            "the port is missing",
        ),
        ("tcp://[fe80::1%3]:80", Code::BadAddress, "zone"),
        ("tcp://0.0.0.0:80", Code::UnusableAddress, "unspecified"),
        ("tcp://[::]:80", Code::UnusableAddress, "unspecified"),
        ("tcp://127.0.0.1:80", Code::UnusableAddress, "loopback"),
        ("tcp://[::1]:80", Code::UnusableAddress, "loopback"),
        ("udp://224.0.0.1:53", Code::UnusableAddress, "multicast"),
        (
            "udp://255.255.255.255:53",
            Code::UnusableAddress,
            "broadcast",
        ),
        ("udp://[ff02::1]:53", Code::UnusableAddress, "multicast"),
        ("udp://[fe80::1]:53", Code::UnusableAddress, "link-local"),
        (
            "udp://[::ffff:192.0.2.1]:53",
            Code::UnusableAddress,
            "write it as IPv4",
        ),
    ] {
        let text = service("web", listen, "nat");
        let error = one_error(&text, code, (6, 10), fragment);
        assert_eq!(error.key, "service.web.listen", "{listen}");
    }
}

#[test]
fn an_unknown_scheduler_is_told_those_there_are() {
    let text = format!("{DIRECTOR}{SERVICE}{SERVER}").replace("\"wlc\"", "\"wlcc\"");
    let error = one_error(&text, Code::NotOneOf, (7, 13), "did you mean \"wlc\"?");
    assert_eq!(
        error.allowed.as_deref(),
        Some(
            "\"rr\", \"wrr\", \"lc\", \"wlc\", \"sed\", \"nq\", \"lblc\", \
             \"lblcr\", \"dh\", \"sh\", \"mh\", \"fo\", \"ovf\", \"twos\", \"conhash\", \"random\""
        )
    );
}

#[test]
fn a_flag_of_another_scheduler_is_refused() {
    let with_flag = |flag: &str, scheduler: &str| {
        let flags = format!("scheduler_flags = [\"{flag}\"]\n");
        format!("{DIRECTOR}{SERVICE}{flags}{SERVER}")
            .replace("\"wlc\"", &format!("\"{scheduler}\""))
    };
    for (flag, scheduler) in [("sh-port", "rr"), ("mh-port", "sh"), ("port", "mh")] {
        let error = one_error(
            &with_flag(flag, scheduler),
            Code::SchedulerFlag,
            (9, 20),
            &format!("is no flag of scheduler \"{scheduler}\""),
        );
        assert_eq!(error.key, "service.web.scheduler_flags[1]");
    }
    for (flag, scheduler) in [("sh-port", "sh"), ("mh-fallback", "mh")] {
        assert!(crate::parse(&with_flag(flag, scheduler)).is_ok());
    }
}

#[test]
fn a_lower_threshold_above_the_upper_one_is_refused() {
    let limits = |limits: &str| format!("{DIRECTOR}{SERVICE}{SERVER}{limits}");
    for bad in [
        "connections_max = 5\nconnections_min = 6\n",
        "connections_max = 0\nconnections_min = 6\n",
    ] {
        let error = one_error(
            &limits(bad),
            Code::Thresholds,
            (12, 19),
            "above connections_max",
        );
        assert_eq!(error.key, "service.web.server[1].connections_min");
    }
    let config = crate::parse(&limits("connections_max = 5\nconnections_min = 5\n")).unwrap();
    let limits = config.config.services[0].servers[0].limits;
    assert_eq!((limits.upper, limits.lower), (5, 5));
}

#[test]
fn methods_that_there_are_not_are_refused() {
    let text = service("web", "tcp://192.0.2.1:80", "natural");
    one_error(&text, Code::NotOneOf, (8, 11), "natural");
}

#[test]
fn two_services_of_one_name_are_refused() {
    let text = format!("{DIRECTOR}{SERVICE}{}", SERVICE.replace(":80", ":81"));
    one_error(
        &text,
        Code::DuplicateName,
        (10, 8),
        "the first is on line 5",
    );
}

#[test]
fn two_services_of_one_address_are_refused() {
    let text = format!("{DIRECTOR}{SERVICE}{}", SERVICE.replace("web", "two"));
    one_error(
        &text,
        Code::DuplicateService,
        (11, 10),
        "service tcp://192.0.2.10:80 is defined twice",
    );
}

#[test]
fn two_spellings_of_one_ipv6_address_are_one_service() {
    let second = service("b", "udp://[2001:0db8:0::1]:53", "nat").replace(DIRECTOR, "");
    let text = service("a", "udp://[2001:db8::1]:53", "nat") + &second;
    one_error(
        &text,
        Code::DuplicateService,
        (11, 10),
        "the first is on line 6",
    );
}

#[test]
fn a_server_twice_in_a_service_is_refused() {
    let text = format!("{DIRECTOR}{SERVICE}{SERVER}{SERVER}");
    let error = one_error(
        &text,
        Code::DuplicateServer,
        (12, 11),
        "the first is on line 10",
    );
    assert_eq!(error.key, "service.web.server[2].address");
}

#[test]
fn a_server_twice_is_noticed_when_one_has_the_services_port() {
    let text =
        service("w", "tcp://192.0.2.1:80", "nat") + &server("10.0.0.1") + &server("10.0.0.1:80");
    one_error(&text, Code::DuplicateServer, (12, 11), "server 10.0.0.1:80");
}

#[test]
fn servers_of_the_other_family_are_refused() {
    let text = service("w", "tcp://192.0.2.1:80", "nat") + &server("2001:db8::5");
    one_error(
        &text,
        Code::FamilyMismatch,
        (10, 11),
        "is IPv6, its service tcp://192.0.2.1:80 is IPv4",
    );
    let text = service("w", "tcp://[2001:db8::1]:80", "nat") + &server("10.0.0.1");
    one_error(&text, Code::FamilyMismatch, (10, 11), "an IPv6 address");
}

#[test]
fn addresses_of_servers_are_refused_with_their_mistake() {
    for (address, code, fragment) in [
        ("", Code::BadAddress, "not an IP address"),
        ("10.0.0", Code::BadAddress, "not an IP address"),
        (
            "web1.example.org:80",
            Code::BadAddress,
            "host names are not resolved",
        ),
        ("10.0.0.1:0", Code::BadAddress, "1 to 65535"),
        ("10.0.0.1:99999", Code::BadAddress, "1 to 65535"),
        ("10.0.0.1/24", Code::BadAddress, "not an IP address"),
        ("[10.0.0.1]:80", Code::BadAddress, "1 to 65535"),
        ("127.0.0.1", Code::UnusableAddress, "loopback"),
        ("0.0.0.0:80", Code::UnusableAddress, "unspecified"),
        ("239.1.1.1:80", Code::UnusableAddress, "multicast"),
    ] {
        let text = service("w", "tcp://192.0.2.1:80", "nat") + &server(address);
        one_error(&text, code, (10, 11), fragment);
    }
}

#[test]
fn direct_routing_to_another_port_is_refused() {
    let text = service("w", "tcp://192.0.2.1:80", "dr") + &server("10.0.0.1:8080");
    one_error(&text, Code::DrPort, (10, 11), "port 80, or none");
    let text = service("w", "tcp://192.0.2.1:80", "dr") + &server("10.0.0.1:80");
    assert!(crate::parse(&text).is_ok());
}

#[test]
fn direct_routing_of_one_server_is_checked_too() {
    let text =
        service("w", "tcp://192.0.2.1:80", "nat") + &server("10.0.0.1:8080") + "forward = \"dr\"\n";
    one_error(&text, Code::DrPort, (10, 11), "set forward = \"nat\"");
}

#[test]
fn address_translation_of_one_server_of_a_direct_routing_service_may_change_the_port() {
    let text =
        service("w", "tcp://192.0.2.1:80", "dr") + &server("10.0.0.1:8080") + "forward = \"nat\"\n";
    assert!(crate::parse(&text).is_ok());
}

#[test]
fn a_server_that_is_the_service_is_refused() {
    let text = service("w", "tcp://192.0.2.1:80", "nat") + &server("192.0.2.1:8080");
    one_error(
        &text,
        Code::ServerIsVip,
        (10, 11),
        "the address of its own service",
    );
}

#[test]
fn weights_outside_their_range_are_refused() {
    for weight in ["-1", "65536"] {
        let text = format!("{DIRECTOR}{SERVICE}{SERVER}weight = {weight}\n");
        let error = one_error(&text, Code::OutOfRange, (11, 10), "0 to 65535");
        assert_eq!(error.key, "service.web.server[1].weight");
    }
}

#[test]
fn a_service_without_servers_is_a_warning() {
    let text = format!("{DIRECTOR}{PORT}{SERVICE}");
    one_warning(
        &text,
        Code::NoServer,
        (9, 1),
        "service \"web\" has no server",
    );
}

#[test]
fn a_service_whose_servers_all_have_weight_0_is_a_warning() {
    let text = format!("{DIRECTOR}{PORT}{SERVICE}{SERVER}weight = 0\n");
    one_warning(&text, Code::AllQuiesced, (9, 1), "has weight 0");
    let more = format!("{text}[[service.server]]\naddress = \"10.0.0.12\"\n");
    assert!(crate::parse(&more).expect("valid").warnings.is_empty());
}

#[test]
fn a_service_that_cannot_be_read_hides_no_error_of_its_servers() {
    let text = format!(
        "{DIRECTOR}[[service]]\nname = \"w\"\nlisten = \"?\"\nscheduler = \"?\"\nforward = \"?\"\n\
         [[service.server]]\naddress = \"?\"\nweight = -1\n"
    );
    let lines: Vec<_> = bad(&text).errors().map(|error| error.line).collect();
    assert_eq!(lines, [6, 7, 8, 10, 11]);
}

fn tunnelled(tunnel: &str) -> String {
    service("w", "tcp://192.0.2.1:80", "tun") + &server("10.0.0.1") + tunnel
}

#[test]
fn options_that_a_tunnel_does_not_have_are_refused_with_those_it_has() {
    for (tunnel, allowed) in [
        ("{ type = \"ipip\", port = 6080 }", "neither `port`"),
        ("{ type = \"ipip\", checksum = true }", "neither `port`"),
        ("{ type = \"gre\", port = 6080 }", "`checksum`"),
        ("{ type = \"gre\", remote_checksum = true }", "`checksum`"),
        ("{ type = \"gue\" }", "`port`, which it needs"),
        (
            "{ type = \"gue\", port = 6080, checksum = true, remote_checksum = true }",
            "`checksum` or `remote_checksum`",
        ),
    ] {
        let text = tunnelled(&format!("tunnel = {tunnel}\n"));
        one_error(&text, Code::TunnelOptions, (11, 10), allowed);
    }
}

#[test]
fn a_tunnel_for_a_server_that_is_not_behind_one_is_refused() {
    let text = tunnelled("forward = \"nat\"\ntunnel = { type = \"ipip\" }\n");
    one_error(&text, Code::TunnelOptions, (9, 1), "`tunnel` with forward");
}

#[test]
fn outer_sources_are_a_prefix_of_the_servers_family() {
    for source in [
        "172.16.0.0",
        "224.0.0.0/8",
        "fe80::/64",
        "0.0.0.0/0",
        "127.0.0.0/8",
        "?",
    ] {
        let tunnel = format!("tunnel = {{ type = \"ipip\", source = \"{source}\" }}\n");
        one_error(&tunnelled(&tunnel), Code::BadAddress, (11, 36), "no prefix");
    }
    let text = tunnelled("tunnel = { type = \"ipip\", source = \"2001:db8::/64\" }\n");
    one_error(
        &text,
        Code::TunnelFamily,
        (10, 11),
        "source of its own family",
    );
}

#[test]
fn a_tunnel_needs_an_address_to_begin_at() {
    let text = format!(
        "{DIRECTOR}{PORT}[[service]]\nname = \"w\"\nlisten = \"tcp://192.0.2.10:80\"\n\
         scheduler = \"rr\"\nforward = \"tun\"\n{}",
        server("2001:db8::1")
    );
    let error = bad(&text);
    let codes: Vec<_> = error.diagnostics.iter().map(|found| found.code).collect();
    assert!(codes.contains(&Code::TunnelFamily), "{codes:?}");
    let with_source = text + "tunnel = { type = \"ipip\", source = \"2001:db8:5::/64\" }\n";
    assert!(crate::parse(&with_source).is_ok());
}

#[test]
fn a_server_behind_a_tunnel_keeps_the_port_of_its_service() {
    let text = service("w", "tcp://192.0.2.1:80", "tun") + &server("10.0.0.1:8080");
    one_error(&text, Code::DrPort, (10, 11), "port 80, or none");
}

#[test]
fn a_segment_size_is_a_tcp_services_and_live() {
    let text = |listen: &str, own: &str| {
        service("w", listen, "nat").replace("scheduler", &format!("{own}\nscheduler"))
            + &server("10.0.0.1:80")
    };
    let config = crate::parse(&text("tcp://192.0.2.1:80", "mss_clamp = 1400"));
    let spec = config.map(|parsed| parsed.config.services[0].spec().mss_clamp);
    assert_eq!(spec.ok(), Some(Some(1400)));
    let udp = text("udp://192.0.2.1:80", "mss_clamp = 1400");
    let small = text("tcp://192.0.2.1:80", "mss_clamp = 87");
    for (text, code) in [(udp, Code::MssWithoutTcp), (small, Code::OutOfRange)] {
        let found = bad(&text).diagnostics;
        assert!(found.iter().any(|found| found.code == code), "{found:?}");
    }
}

#[test]
fn what_reads_in_streams_is_a_tcp_services_and_live() {
    let text = |listen: &str, forward: &str, own: &str| {
        service("w", listen, forward).replace("scheduler", &format!("{own}\nscheduler"))
            + &server("10.0.0.1")
    };
    let errors = |text: &str| {
        let mut found = bad(text).diagnostics;
        found.retain(|found| found.severity == crate::Severity::Error);
        found
    };
    let own = "client_address = \"proxy_v2\"\nhelper = \"ftp\"";
    let parsed = crate::parse(&text("tcp://192.0.2.1:21", "nat", own)).unwrap();
    let spec = parsed.config.services[0].spec();
    assert_eq!(spec.client_address, ClientAddress::ProxyV2);
    assert_eq!(spec.helper, Some(Helper::Ftp));
    for own in ["client_address = \"toa\"", "helper = \"ftp\""] {
        for listen in ["udp://192.0.2.1:21", "mark://5"] {
            let found = errors(&text(listen, "nat", own));
            assert_eq!(found[0].code, Code::TcpOnly, "{found:?}");
        }
        let found = errors(&text("tcp://192.0.2.1:21", "dr", own));
        assert_eq!(found[0].code, Code::NeedsBothWays, "{found:?}");
        let mixed =
            text("tcp://192.0.2.1:21", "nat", own) + &server("10.0.0.2") + "forward = \"tun\"\n";
        let found = errors(&mixed);
        assert_eq!(found[0].code, Code::NeedsBothWays, "{found:?}");
        assert!(found[0].message.contains("10.0.0.2:21"), "{found:?}");
    }
    for listen in [
        "tcp://192.0.2.0/24:21",
        "tcp://192.0.2.1:*",
        "tcp://192.0.2.1:21-22",
    ] {
        let found = errors(&text(listen, "nat", "helper = \"ftp\""));
        assert_eq!(found[0].code, Code::HelperListen, "{found:?}");
    }
    for own in ["client_address = \"none\"", "helper = \"none\""] {
        assert!(crate::parse(&text("udp://192.0.2.1:21", "dr", own)).is_ok());
    }
}

#[test]
fn the_director_is_a_server_by_direct_routing_alone() {
    let text = |forward: &str| {
        let service = service("w", "tcp://192.0.2.1:80", forward);
        format!("{service}{}{PORT}", server("192.0.2.2"))
    };
    assert!(crate::parse(&text("dr")).is_ok());
    let found = bad(&text("nat")).diagnostics;
    assert!(
        found.iter().any(|found| found.code == Code::LocalServer),
        "{found:?}"
    );
}

// SPDX-License-Identifier: Apache-2.0
//! QUIC services: connection ids that name servers.

use model::service::{Quic, QuicServerId};

use super::{DIRECTOR, bad, config};
use crate::Code;

/// A service with these keys of its own, and servers with these.
fn text(listen: &str, own: &str, servers: &[&str]) -> String {
    let mut text = format!(
        "{DIRECTOR}[[service]]\nname = \"q\"\nlisten = \"{listen}\"\nscheduler = \"rr\"\n\
         forward = \"nat\"\n{own}\n"
    );
    for (host, keys) in (1..).zip(servers) {
        let address = format!("address = \"10.0.0.{host}:443\"");
        text.push_str(&format!("[[service.server]]\n{address}\n{keys}\n"));
    }
    text
}

const UDP: &str = "udp://192.0.2.1:443";
const QUIC: &str = "quic = { config = 3, server_id_len = 2 }";
const A: &str = "quic_server_id = \"0a0b\"";
const B: &str = "quic_server_id = \"0A0C\"";

#[track_caller]
fn refused(text: &str, code: Code, says: &str) {
    let found = bad(text).diagnostics;
    let mut of_code = found.iter().filter(|found| found.code == code);
    let worded = of_code.next().map(|found| format!("{found:?}"));
    assert!(
        worded.is_some_and(|worded| worded.contains(says)),
        "{found:?}"
    );
}

#[test]
fn ids_are_read_and_servers_need_none() {
    let config = config(&text(UDP, QUIC, &[A, B, ""]));
    let service = &config.services[0];
    let quic = Quic {
        config: 3,
        server_id_len: 2,
    };
    assert_eq!(service.spec().quic, Some(quic));
    let ids: Vec<_> = service
        .servers
        .iter()
        .map(|server| server.spec().quic_server_id)
        .collect();
    assert_eq!(
        ids,
        [
            QuicServerId::new(&[10, 11]),
            QuicServerId::new(&[10, 12]),
            None
        ]
    );
    let default = super::config(&text(UDP, "quic = { server_id_len = 15 }", &[""]));
    assert_eq!(default.services[0].quic.map(|quic| quic.config), Some(0));
}

#[test]
fn no_bytes_are_no_ids_anywhere() {
    for quic in ["quic = {}", "quic = { config = 6, server_id_len = 0 }"] {
        for listen in [UDP, "tcp://192.0.2.1:443"] {
            let config = config(&text(listen, quic, &["quic_server_id = \"\""]));
            let service = &config.services[0];
            assert_eq!(service.quic, None);
            assert_eq!(service.servers[0].quic_server_id, None);
        }
    }
}

#[test]
fn changes_are_live_and_named() {
    let old = config(&text(UDP, "", &[""]));
    let new = config(&text(UDP, QUIC, &[A]));
    let diff = crate::diff(&old, &new);
    assert_eq!(
        diff.summary,
        [
            "~ service q: quic none -> config 3 ids of 2 bytes",
            "~ server 10.0.0.1:443 in q: quic_server_id none -> 0a0b",
        ]
    );
    assert_eq!(diff.ops.len(), 2);
    assert!(diff.restart.is_empty());
}

#[test]
fn what_cannot_be_is_refused() {
    for listen in ["tcp://192.0.2.1:443", "sctp://192.0.2.1:443", "mark://5"] {
        refused(&text(listen, QUIC, &[""]), Code::UdpOnly, "udp://");
    }
    for id in ["0a", "0a0b0c", "0a0", "0x0a0b", "0a0g", "+a0b", "0ä0b"] {
        let server = format!("quic_server_id = \"{id}\"");
        let file = text(UDP, QUIC, &[&server]);
        refused(&file, Code::QuicServerId, "4 hexadecimal digits");
    }
    refused(&text(UDP, "", &[A]), Code::QuicServerId, "quic");
    refused(
        &text(UDP, QUIC, &[A, B, A]),
        Code::DuplicateQuicServerId,
        "0a0b",
    );
    let twice = text(UDP, QUIC, &[B, "quic_server_id = \"0a0c\""]);
    refused(&twice, Code::DuplicateQuicServerId, "0a0c");
    for quic in [
        "quic = { config = 7, server_id_len = 2 }",
        "quic = { server_id_len = 16 }",
    ] {
        refused(&text(UDP, quic, &[""]), Code::OutOfRange, "");
    }
}

#[test]
fn the_same_id_in_two_services_names_two_servers() {
    let second = text("udp://192.0.2.2:443", QUIC, &[A]);
    let second = second
        .trim_start_matches(DIRECTOR)
        .replace("\"q\"", "\"r\"");
    let config = config(&(text(UDP, QUIC, &[A]) + &second));
    assert_eq!(config.services.len(), 2);
}

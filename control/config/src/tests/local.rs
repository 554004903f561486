// SPDX-License-Identifier: Apache-2.0
//! `[[local_pool]]` and `forward = "fullnat"`.

use model::ids::IfaceId;
use model::local::LocalUse;
use model::service::ForwardMode;

use super::*;

fn text(pool: &str, service: &str, server: &str) -> String {
    format!(
        "[director]\nname = \"lb1\"\nworkers = \"1\"\n\n{pool}\n\n[[service]]\nname = \"web\"\n\
         listen = \"tcp://192.0.2.10:80\"\nscheduler = \"rr\"\nforward = \"fullnat\"\n{service}\n\n\
         \x20 [[service.server]]\n  address = \"{server}\"\n"
    )
}

const POOL: &str = "[[local_pool]]\nname = \"inside\"\n\
                    addresses = [\"10.0.0.200\", \"10.0.0.201\"]";

#[test]
fn a_service_takes_its_local_addresses_from_a_pool() {
    let text = text(POOL, "local_pool = \"inside\"", "10.0.0.11:8080");
    let config = parse(&text).unwrap().config;
    assert_eq!(config.local_pools.len(), 1);
    assert_eq!(config.local_pools[0].addresses.len(), 2);
    let service = &config.services[0];
    assert_eq!(service.spec().local_pool.as_deref(), Some("inside"));
    assert_eq!(service.servers[0].spec().mode, ForwardMode::FullNat);
}

/// The code of the only error, and the line it is on.
#[track_caller]
fn error(text: &str) -> (Code, usize) {
    let report = bad(text);
    let errors: Vec<&Diagnostic> = report.errors().collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert!(errors[0].help.is_some() || errors[0].allowed.is_some());
    (errors[0].code, errors[0].line)
}

#[test]
fn what_cannot_work_is_refused_where_it_stands() {
    let with = |service: &str| text(POOL, service, "10.0.0.11:8080");
    let named = "local_pool = \"inside\"";
    assert_eq!(error(&with("")), (Code::LocalPool, 13));
    assert_eq!(
        error(&with("local_pool = \"insde\"")),
        (Code::LocalPool, 14)
    );
    let v6 = POOL.replace("\"10.0.0.200\", \"10.0.0.201\"", "\"2001:db8::200\"");
    let of_v6 = text(&v6, named, "10.0.0.11:8080");
    assert_eq!(error(&of_v6), (Code::LocalPoolFamily, 14));
    for (pool, code) in [
        (
            POOL.replace("10.0.0.201", "10.0.0.200"),
            Code::DuplicateAddress,
        ),
        (POOL.replace("10.0.0.201", "10.0.0.0/24"), Code::BadAddress),
        (POOL.replace("10.0.0.201", "224.0.0.1"), Code::BadAddress),
        (
            format!("{POOL}\n{}", POOL.replace("10.0.0", "10.0.1")),
            Code::DuplicateName,
        ),
        (POOL.replace("inside", " "), Code::BadName),
    ] {
        let line = if code == Code::DuplicateName { 9 } else { 7 };
        let line = if code == Code::BadName { 6 } else { line };
        let unnamed = text(&pool, "", "10.0.0.11:8080").replace("fullnat", "nat");
        assert_eq!(error(&unnamed), (code, line), "{pool}");
    }
}

#[test]
fn a_local_address_is_nothing_else() {
    let named = "local_pool = \"inside\"";
    let server = text(POOL, named, "10.0.0.200:80");
    assert_eq!(error(&server), (Code::LocalAddress, 17));
    let vip = text(POOL, named, "10.0.0.11:80").replace("192.0.2.10", "10.0.0.201");
    assert_eq!(error(&vip), (Code::LocalAddress, 11));
}

#[test]
fn a_change_of_a_pool_is_live_and_told() {
    let old = text(POOL, "local_pool = \"inside\"", "10.0.0.11:8080");
    let new = old.replace("10.0.0.201", "10.0.0.202");
    let [old, new] = [old, new].map(|text| parse(&text).unwrap().config);
    let diff = crate::diff(&old, &new);
    assert!(diff.ops.is_empty() && diff.restart.is_empty());
    assert_eq!(
        diff.summary,
        [
            "- local_pool inside 10.0.0.200 10.0.0.201",
            "+ local_pool inside 10.0.0.200 10.0.0.202"
        ]
    );
}

#[test]
fn a_server_of_the_other_family_needs_a_local_address_of_its_own() {
    let named = "local_pool = \"inside\"";
    let nat64 = |server: &str| {
        text(POOL, named, server).replace("tcp://192.0.2.10:80", "tcp://[2001:db8::10]:80")
    };
    let config = parse(&nat64("10.0.0.11:8080")).unwrap().config;
    assert_eq!(config.services[0].servers.len(), 1);
    // The pool has IPv4 addresses only.
    let of_v6 = nat64("[2001:db8:1::11]:8080");
    assert_eq!(error(&of_v6), (Code::LocalPoolFamily, 14));
    // The mirror of it.
    let v6 = POOL.replace("\"10.0.0.200\", \"10.0.0.201\"", "\"2001:db8::200\"");
    assert!(parse(&text(&v6, named, "[2001:db8:1::11]:8080")).is_ok());
    // Masquerading alone translates nothing.
    let nat = nat64("10.0.0.11:8080")
        .replace("fullnat", "nat")
        .replace(named, "");
    assert_eq!(error(&nat).0, Code::FamilyMismatch);
}

const SNAT: &str = "[[snat]]\nname = \"outbound\"\nsources = [\"10.1.0.0/24\"]\n";
const OUT: &str = "addresses = [\"192.0.2.200\"]\n";

#[test]
fn a_rule_of_the_gateway_has_a_pool_of_its_own() {
    let text = format!("{DIRECTOR}{PORT}{SNAT}{OUT}port = \"front\"\n");
    let config = config(&text);
    let pools = config.pool_specs();
    assert_eq!((pools.len(), pools[0].used_for), (1, LocalUse::Farm));
    let rules = config.snat_rules(|name| (name == "front").then_some(IfaceId(3)));
    assert_eq!(rules[0].egress, Some(IfaceId(3)));
    assert_eq!(
        (&*rules[0].name, &rules[0].pool),
        ("outbound", &pools[0].name)
    );
    let without = crate::diff(&config, &super::config(&format!("{DIRECTOR}{PORT}")));
    assert_eq!(
        without.summary,
        ["~ snat: 1 rules -> 0 rules, not the same"]
    );
    assert!(without.restart.is_empty());
}

#[test]
fn a_rule_that_cannot_work_is_refused_with_the_reason() {
    let empty = SNAT.replace("\"10.1.0.0/24\"", "");
    for (rule, code) in [
        (format!("{SNAT}{OUT}port = \"back\"\n"), Code::SnatRule),
        (
            format!("{SNAT}{OUT}destinations = [\"2001:db8::/32\"]\n"),
            Code::SnatRule,
        ),
        (
            format!("{SNAT}{OUT}destinations = [\"world\"]\n"),
            Code::BadAddress,
        ),
        (format!("{empty}{OUT}"), Code::SnatRule),
        (format!("{SNAT}addresses = []\n"), Code::SnatRule),
        (
            format!("{SNAT}addresses = [\"2001:db8::200\"]\n"),
            Code::LocalPoolFamily,
        ),
        (
            format!("{SNAT}{OUT}{SNAT}addresses = [\"192.0.2.201\"]\n"),
            Code::DuplicateName,
        ),
        (
            format!("{SNAT}{OUT}{}{OUT}", SNAT.replace("outbound", "again")),
            Code::DuplicateAddress,
        ),
    ] {
        let report = bad(&format!("{DIRECTOR}{PORT}{rule}"));
        let found = report.errors().next().expect("an error");
        assert_eq!(found.code, code, "{rule}: {}", found.message);
        assert!(found.help.is_some() && found.line > 0, "{found:?}");
    }
}

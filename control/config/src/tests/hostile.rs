// SPDX-License-Identifier: Apache-2.0
//! Whatever the text: an answer, no panic, a bounded report; and what diffs promise.

use std::collections::BTreeMap;

use model::ids::{REALS_MAX, SERVICES_MAX};
use model::ledger::Ledger;
use model::service::RealState;
use proptest::prelude::*;

use super::configs::ledger;
use super::{DIRECTOR, bad, config};
use crate::{Code, DIAGNOSTICS_MAX, diff, parse, reference};

/// Whatever `parse` says can be rendered, and a refusal has a reason.
fn survive(text: &str) {
    match parse(text) {
        Ok(parsed) => {
            assert_eq!(parsed.warnings.errors().count(), 0);
            drop(parsed.warnings.render("x", text, true));
            drop(ledger(&parsed.config));
        }
        Err(report) => {
            assert!(
                report.errors().count() > 0,
                "refused without a reason: {text:?}"
            );
            for found in &report.diagnostics {
                assert!(found.line > 0 && found.column > 0, "{found:?}");
                assert!(found.help.is_some() || found.allowed.is_some(), "{found:?}");
                assert!(found.span.end <= text.len(), "{found:?}");
            }
            drop(report.render("x", text, false));
        }
    }
}

#[test]
fn deep_nesting_is_an_error_and_not_a_crash() {
    for (open, close) in [("[", "]"), ("{a=", "}"), ("a.", "")] {
        let text = format!("x = {}1{}", open.repeat(100_000), close.repeat(100_000));
        assert_eq!(bad(&text).diagnostics[0].code, Code::Syntax);
    }
    survive(&format!("[{}a]\n", "a.".repeat(100_000)));
    survive(&format!("{}a = 1\n", "a.".repeat(100_000)));
}

#[test]
fn a_million_errors_are_counted_and_a_few_are_kept() {
    let text: String = (0..100_000)
        .map(|number| format!("k{number} = 1\n"))
        .collect();
    let report = bad(&(text + DIRECTOR));
    assert_eq!(report.errors().count(), DIAGNOSTICS_MAX);
    assert_eq!(report.hidden_error_count, 100_000 - DIAGNOSTICS_MAX);
    assert!(report.to_string().starts_with("100000 errors"));
    let rendered = report.render("lb.toml", "", false);
    assert!(rendered.contains("and 99744 more errors, not shown"));
}

#[test]
fn warnings_do_not_push_out_errors() {
    let mut text = DIRECTOR.to_owned();
    for number in 0..1000 {
        text.push_str(&format!(
            "[[service]]\nname = \"s{number}\"\nlisten = \"tcp://192.0.2.1:{}\"\n\
             scheduler = \"rr\"\nforward = \"nat\"\n",
            number + 1
        ));
    }
    text.push_str("x = 1\n");
    let report = bad(&text);
    assert_eq!(report.errors().count(), 1);
    assert_eq!(report.hidden_warning_count, 1001 - DIAGNOSTICS_MAX);
}

#[test]
fn services_beyond_the_limit_are_one_error() {
    let mut text = DIRECTOR.to_owned();
    for number in 0..=SERVICES_MAX {
        let (high, low) = (number / 60_000 + 1, number % 60_000 + 1);
        text.push_str(&format!(
            "[[service]]\nname = \"s{number}\"\nlisten = \"tcp://192.0.2.{high}:{low}\"\n\
             scheduler = \"rr\"\nforward = \"nat\"\n"
        ));
    }
    let report = bad(&text);
    let codes: Vec<_> = report.errors().map(|error| error.code).collect();
    assert_eq!(codes, [Code::TooMany]);
}

#[test]
fn servers_beyond_the_limit_are_one_error() {
    let mut text = DIRECTOR.to_owned();
    text.push_str("[[service]]\nname = \"s\"\nlisten = \"tcp://192.0.2.1:80\"\n");
    text.push_str("scheduler = \"rr\"\nforward = \"nat\"\n");
    for number in 0..=REALS_MAX {
        let [_, a, b, c] = u32::try_from(number).unwrap().to_be_bytes();
        text.push_str(&format!(
            "[[service.server]]\naddress = \"10.{a}.{b}.{c}\"\n"
        ));
    }
    let report = bad(&text);
    let codes: Vec<_> = report.errors().map(|error| error.code).collect();
    assert_eq!(codes, [Code::TooMany]);
}

#[test]
fn every_prefix_of_the_reference_gets_an_answer() {
    let text = reference();
    for end in (0..text.len())
        .step_by(7)
        .filter(|end| text.is_char_boundary(*end))
    {
        survive(&text[..end]);
    }
}

/// Fragments that a file is made of, so that random texts come near to valid ones.
fn fragment() -> impl Strategy<Value = String> {
    let words = [
        "[director]\n",
        "[[port]]\n",
        "[[service]]\n",
        "[[service.server]]\n",
        "[[port.vlan]]\n",
        "[limits]\n",
        "[limits.punt_pps]\n",
        "[timeouts]\n",
        "[api]\n",
        "name = ",
        "workers = ",
        "listen = ",
        "address = ",
        "addresses = ",
        "device = ",
        "mtu = ",
        "queues = ",
        "id = ",
        "weight = ",
        "scheduler = ",
        "forward = ",
        "socket = ",
        "\"1-3\"\n",
        "\"rr\"\n",
        "\"nat\"\n",
        "\"dr\"\n",
        "\"tcp://192.0.2.1:80\"\n",
        "\"udp://[2001:db8::1]:53\"\n",
        "\"10.0.0.1\"\n",
        "\"10.0.0.1:80\"\n",
        "[\"192.0.2.2/24\"]\n",
        "\"net_null0\"\n",
        "\"0000:3b:00.0\"\n",
        "\"x\"\n",
        "1\n",
        "-1\n",
        "99999999999999999999\n",
        "true\n",
        "1.5\n",
        "\n",
        "[",
        "]",
        "{",
        "}",
        "=",
        ".",
        ",",
        "\"",
        "'",
        "#",
        "\u{0}",
        "ä",
        "\t",
    ];
    prop_oneof![
        9 => prop::sample::select(words.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

/// Services and servers of a small world, as a file: (vip, scheduler, forward, servers).
type World = Vec<(u8, u8, bool, BTreeMap<u8, u16>)>;

fn world() -> impl Strategy<Value = World> {
    let servers = prop::collection::btree_map(0_u8..6, 0_u16..4, 0..5);
    let service = (any::<u8>(), any::<bool>(), servers);
    prop::collection::btree_map(0_u8..5, service, 0..5).prop_map(|services| {
        let flat = services.into_iter();
        flat.map(|(vip, (scheduler, dr, servers))| (vip, scheduler % 4, dr, servers))
            .collect()
    })
}

fn file(world: &World) -> String {
    let mut text = DIRECTOR.to_owned();
    for (vip, scheduler, dr, servers) in world {
        let scheduler = ["rr", "wrr", "lc", "wlc"][usize::from(*scheduler)];
        let forward = if *dr { "dr" } else { "nat" };
        text.push_str(&format!(
            "[[service]]\nname = \"s{vip}{scheduler}\"\nlisten = \"tcp://192.0.2.{}:80\"\n\
             scheduler = \"{scheduler}\"\nforward = \"{forward}\"\n",
            vip + 1
        ));
        for (server, weight) in servers {
            text.push_str(&format!(
                "[[service.server]]\naddress = \"10.0.0.{}\"\nweight = {weight}\n",
                server + 1
            ));
        }
    }
    text
}

/// What a ledger holds for new connections, in no order.
fn live(ledger: &Ledger) -> Vec<String> {
    let set = ledger.services();
    let mut lines = Vec::new();
    for service in set.services().filter(|service| !service.deleted) {
        lines.push(format!("{} {:?}", service.key, service.spec));
        for real in service.reals.iter().filter_map(|real| set.real(*real)) {
            if real.state == RealState::Live {
                lines.push(format!("{} {} {:?}", service.key, real.key, real.spec));
            }
        }
    }
    lines.sort();
    lines
}

proptest! {
    #[test]
    fn any_text_gets_an_answer(text in any::<String>()) {
        survive(&text);
    }

    #[test]
    fn any_sequence_of_fragments_gets_an_answer(
        parts in prop::collection::vec(fragment(), 0..60)
    ) {
        survive(&parts.concat());
    }

    #[test]
    fn a_mutated_reference_gets_an_answer(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..20, fragment()), 1..6)
    ) {
        let mut text: Vec<char> = reference().chars().collect();
        for (at, len, new) in cuts {
            let at = at.index(text.len());
            let end = (at + len).min(text.len());
            text.splice(at..end, new.chars());
        }
        survive(&text.into_iter().collect::<String>());
    }

    #[test]
    fn a_diff_leads_where_the_new_file_leads(old in world(), new in world()) {
        let (old, new) = (config(&file(&old)), config(&file(&new)));
        let mut changed = ledger(&old);
        changed.apply_all(&diff(&old, &new).ops).expect("every operation of a diff applies");
        prop_assert_eq!(live(&changed), live(&ledger(&new)));
    }

    #[test]
    fn a_diff_there_and_back_brings_everything_back(old in world(), new in world()) {
        let (old, new) = (config(&file(&old)), config(&file(&new)));
        let mut changed = ledger(&old);
        changed.apply_all(&diff(&old, &new).ops).expect("there");
        changed.apply_all(&diff(&new, &old).ops).expect("back");
        prop_assert_eq!(live(&changed), live(&ledger(&old)));
    }

    #[test]
    fn a_diff_with_itself_is_empty(world in world()) {
        let config = config(&file(&world));
        prop_assert!(diff(&config, &config).is_empty());
        prop_assert!(diff(&config, &config.with_live_of(&config)).is_empty());
    }

    #[test]
    fn a_diff_touches_nothing_that_stays(old in world(), new in world()) {
        let (old, new) = (config(&file(&old)), config(&file(&new)));
        let edits = diff(&old, &new).ops;
        for service in &new.services {
            let same = old.services.iter().any(|s| s == service);
            let named = format!(": {},", service.key);
            let touched = edits.iter().any(|op| format!("{op:?}").contains(&named));
            prop_assert!(!(same && touched), "{} {:?}", service.key, edits);
        }
    }
}

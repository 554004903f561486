// SPDX-License-Identifier: Apache-2.0
//! The engine gives the real kernel's answers: one test per case that must pass, and tests that the
//! oracle notices when it does not.
#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "helpers of tests fail their test")]

use std::collections::BTreeSet;

use penstock_tests::oracle::{self, Outcome, folder};
use serde_json::{Value, json};

/// The text of one of the project's cases.
fn text_of(name: &str) -> Vec<u8> {
    let files = folder::list(&folder::own_cases()).expect("the folder of cases can be read");
    let file = files.iter().find(|file| file.name == name);
    folder::read(file.expect("there is such a case")).expect("the case can be read")
}

fn assert_passes(name: &str) {
    let outcome = oracle::run(&text_of(name));
    assert_eq!(outcome.difference, None, "{name}");
}

macro_rules! must_pass {
    ($($name:ident)+) => {
        const MUST_PASS: &[&str] = &[$(stringify!($name)),+];

        mod must_pass {
            $(
                #[test]
                fn $name() {
                    super::assert_passes(stringify!($name));
                }
            )+
        }
    };
}

// The same names as in data/oracle/must_pass.txt.
must_pass! {
    dr_tcp expire_nodest_0 expire_nodest_1 frag_dr frag_nat frag_tun fwmark_nat icmp_dr icmp_nat
    icmp_tun icmp_v6_nat ip_options mtu_small_client_side nat_same_port nat_tcp nat_udp
    no_destination non_syn non_syn_sloppy ops_udp persist_300 persist_fwmark persist_port0
    persist_quiesce_0 persist_udp_dr quiesce_existing reuse_0 reuse_1 reuse_1_nodest reuse_2_dr
    reuse_3 sched_dh_eq sched_dh_v6 sched_dh_w sched_fo_eq sched_fo_w sched_lblc_eq sched_lblc_w
    sched_lblcr_eq sched_lblcr_w sched_lc_eq sched_lc_w sched_mh_bigw sched_mh_eq sched_mh_fallback
    sched_mh_port sched_mh_port_fallback sched_mh_port_v6 sched_mh_v6 sched_mh_w sched_mh_w0
    sched_nq_eq sched_nq_w sched_ovf_eq sched_ovf_w sched_rr_eq sched_rr_w sched_sed_eq sched_sed_w
    sched_sh_eq sched_sh_fallback sched_sh_port sched_sh_port_fallback sched_sh_port_v6 sched_sh_v6
    sched_sh_w sched_twos_eq sched_twos_w sched_wlc_big sched_wlc_eq sched_wlc_w sched_wrr_eq
    sched_wrr_gcd sched_wrr_mixed sched_wrr_w sctp_nat server_side_unknown tcp_states_nat
    tcp_states_secure tcp_timeouts thresh_fo thresh_lc thresh_mh thresh_mh_fallback thresh_nq
    thresh_ovf thresh_rr thresh_sed thresh_sh thresh_sh_fallback thresh_wlc thresh_wrr timeouts_set
    tun_gre tun_gue_csum tun_gue_remcsum tun_ipip tun_nopmtu v6_dr v6_nat v6_tun_gue
}

#[test]
fn the_committed_list_is_tested_and_sorted() {
    let path = folder::own_cases().join("must_pass.txt");
    let list = std::fs::read_to_string(path).expect("the list can be read");
    let committed: Vec<&str> = list.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(committed.is_sorted());
    assert_eq!(committed, MUST_PASS);
}

#[test]
fn every_case_that_passes_is_in_the_list() {
    let files = folder::list(&folder::own_cases()).expect("the folder of cases can be read");
    assert_eq!(files.len(), 101);
    let listed: BTreeSet<&str> = MUST_PASS.iter().copied().collect();
    for file in &files {
        let passes = oracle::run(&folder::read(file).expect("the case can be read"))
            .difference
            .is_none();
        assert_eq!(passes, listed.contains(file.name.as_str()), "{}", file.name);
    }
}

#[test]
fn a_case_beyond_the_engine_says_what_it_needs() {
    let outcome = spoilt("nat_tcp", |case| {
        case["sysctl"] = json!({"net.ipv4.vs.ignore_tunneled": 1});
    });
    let line = outcome.line("nat_tcp");
    let needs = "not supported yet: net.ipv4.vs.ignore_tunneled = 1";
    assert_eq!(line, format!("FAIL nat_tcp: {needs}"));
}

/// The outcome of a case after a change of its file.
fn spoilt(name: &str, change: impl FnOnce(&mut Value)) -> Outcome {
    let mut case: Value = serde_json::from_slice(&text_of(name)).expect("a case is JSON");
    change(&mut case);
    oracle::run(case.to_string().as_bytes())
}

#[track_caller]
fn assert_difference(outcome: &Outcome, says: &str) {
    let difference = outcome.difference.as_deref().unwrap_or("none");
    assert!(difference.contains(says), "{difference:?} says {says:?}");
}

#[test]
fn another_chosen_server_is_noticed() {
    let outcome = spoilt("nat_tcp", |case| case["reals"][1] = "10.1.0.12:8080".into());
    assert_difference(
        &outcome,
        "flow 1: kernel 10.1.0.12:8080, engine 10.1.0.11:8080",
    );
}

#[test]
fn every_changed_byte_of_a_frame_is_noticed() {
    let original: Value = serde_json::from_slice(&text_of("nat_udp")).expect("a case is JSON");
    let frame = original["steps"][0]["out"][0][1].as_str().expect("hex");
    for place in 0..frame.len() {
        let mut other = frame.as_bytes().to_vec();
        other[place] = if other[place] == b'0' { b'1' } else { b'0' };
        let other = String::from_utf8(other).expect("hex");
        let outcome = spoilt("nat_udp", |case| {
            case["steps"][0]["out"][0][1] = other.into()
        });
        assert_difference(&outcome, &format!("out[0] byte {}", place / 2));
    }
}

#[test]
fn a_missing_an_extra_and_a_misdirected_frame_are_noticed() {
    let outcome = spoilt("nat_tcp", |case| case["steps"][0]["out"] = json!([]));
    assert_difference(&outcome, "kernel sends 0 frames, engine 1");
    let outcome = spoilt("nat_tcp", |case| {
        let frame = case["steps"][0]["out"][0].clone();
        case["steps"][0]["out"] = json!([frame.clone(), frame]);
    });
    assert_difference(&outcome, "kernel sends 2 frames, engine 1");
    let outcome = spoilt("nat_tcp", |case| case["steps"][0]["out"][0][0] = "c".into());
    assert_difference(&outcome, "leaves on side c, engine s");
}

#[test]
fn a_frame_forwarded_in_place_of_the_hosts_answer_is_noticed() {
    let outcome = spoilt("non_syn", |case| case["steps"][1]["host"] = json!([0]));
    assert_difference(&outcome, "so it must be punted; engine sent 54 bytes to s");
    let outcome = spoilt("non_syn", |case| case["steps"][0]["host"] = json!([]));
    assert_difference(&outcome, "punted; the kernel forwards it or drops it");
}

/// The last step of a case, its dump.
fn last_step(case: &mut Value) -> &mut Value {
    let steps = case["steps"].as_array_mut().expect("steps are a list");
    steps.last_mut().expect("there is a step")
}

#[test]
fn changed_statistics_are_noticed() {
    for place in 0..5 {
        let outcome = spoilt("nat_tcp", |case| {
            let stats = &mut last_step(case)["services"][0]["dests"][1]["stats"][place];
            *stats = (stats.as_u64().expect("a count") + 1).into();
        });
        assert_difference(&outcome, "10.1.0.12:8080: stats: kernel");
    }
    let outcome = spoilt("nat_tcp", |case| {
        last_step(case)["services"][0]["stats"][1] = 24.into();
    });
    assert_difference(&outcome, "TCP 10.0.0.100:80: stats: kernel");
}

#[test]
fn changed_tables_are_noticed() {
    let changes: [(&str, Value, &str); 6] = [
        ("/services/0/dests/0/active", 1.into(), "active 1"),
        ("/services/0/dests/0/inact", 1.into(), "inactive 1"),
        ("/services/0/dests/0/weight", 2.into(), "weight 2"),
        ("/services/0/dests/0/fwd", "Route".into(), "kernel Route"),
        ("/services/0/sched", "wrr".into(), "kernel wrr, engine rr"),
        (
            "/services/0/svc",
            "TCP 10.0.0.100:81".into(),
            "10.0.0.100:80 is not in",
        ),
    ];
    for (place, value, says) in changes {
        let outcome = spoilt("nat_tcp", |case| {
            *last_step(case)
                .pointer_mut(place)
                .expect("there is such a value") = value;
        });
        assert_difference(&outcome, says);
    }
}

#[test]
fn changed_connections_are_noticed_beyond_the_tolerance() {
    let with_expire = |index: usize, expire: u64| {
        spoilt("nat_tcp", |case| {
            last_step(case)["conns"][index]["expire"] = expire.into();
        })
    };
    assert_eq!(with_expire(0, 117).difference, None);
    assert_difference(&with_expire(0, 118), "\"expire\":118");
    assert_eq!(with_expire(3, 914).difference, None);
    assert_difference(&with_expire(3, 916), "\"expire\":916");
    for (field, other) in [("state", "CLOSE"), ("real", "10.1.0.13:8080")] {
        let outcome = spoilt("nat_tcp", |case| {
            last_step(case)["conns"][0][field] = other.into();
        });
        assert_difference(&outcome, other);
    }
    let outcome = spoilt("nat_tcp", |case| {
        last_step(case)["conns"]
            .as_array_mut()
            .expect("a list")
            .pop();
    });
    assert_difference(&outcome, "kernel has no connection");
    let outcome = spoilt("nat_tcp", |case| {
        last_step(case)["conns"][0]["client"] = "10.200.1.2:40009".into();
    });
    assert_difference(&outcome, "kernel has no connection");
}

#[test]
fn a_changed_text_of_a_command_is_noticed() {
    let outcome = spoilt("timeouts_set", |case| {
        case["steps"][0]["cmd"] = "ipvsadm --set 41 0 0".into()
    });
    assert_difference(
        &outcome,
        "engine \"Timeout (tcp tcpfin udp): 41 120 300\\n\"",
    );
}

#[test]
fn the_answers_of_a_case_that_passes_are_a_case_that_passes() {
    for name in [
        "nat_tcp",
        "no_destination",
        "sched_wlc_w",
        "reuse_1",
        "v6_nat",
    ] {
        let answered = oracle::run(&text_of(name))
            .answered
            .expect("it was told to its end");
        let again = oracle::run(answered.to_string().as_bytes());
        // The host's frames are not the engine's: a punt is all it answers.
        let host_answers = answered.to_string().contains("\"host\"");
        assert!(
            again.difference.is_none() || host_answers,
            "{name}: {again:?}"
        );
    }
}

#[test]
fn what_is_no_case_fails_with_its_place() {
    let refused = |text: &str| oracle::run(text.as_bytes()).difference.unwrap_or_default();
    assert!(refused("").contains("line 1 column 0"));
    assert!(refused("{\n\"name\": tru").contains("line 2 column"));
    assert!(refused("[]").contains("malformed at the top: not an object"));
    assert!(refused("{}").contains("name is missing"));
    let step = |step: Value| {
        spoilt("nat_tcp", |case| case["steps"][2] = step)
            .difference
            .unwrap_or_default()
    };
    for (broken, says) in [
        (json!(7), "malformed at steps[2]: not an object"),
        (json!({}), "malformed at steps[2]: a step has one of"),
        (
            json!({"in": ["c"]}),
            "malformed at steps[2].in: not a list of 2",
        ),
        (
            json!({"in": ["d", "00"]}),
            "malformed at steps[2].in[0]: a side is",
        ),
        (
            json!({"in": ["c", "0g"]}),
            "malformed at steps[2].in[1]: a frame is",
        ),
        (
            json!({"in": ["c", ""], "flow": 5}),
            "malformed at steps[2].flow",
        ),
        (
            json!({"in": ["c", ""], "flow": u64::MAX}),
            "malformed at steps[2].flow",
        ),
        (
            json!({"in": ["c", ""], "host": [0]}),
            "malformed at steps[2].host[0]",
        ),
        (json!({"sleep": -1}), "malformed at steps[2].sleep"),
        (json!({"sleep": 1e30}), "malformed at steps[2].sleep"),
        (
            json!({"dump": "x", "services": [{}]}),
            "malformed at steps[2].services[0]: svc",
        ),
        (
            json!({"dump": "x", "conns": [7]}),
            "malformed at steps[2].conns[0]",
        ),
        (json!({"ipvs": ["-A -q"]}), "\"-A -q\" is no ipvsadm line"),
        (
            json!({"ipvs": ["-D -u 10.0.0.100:9"]}),
            "is refused: no virtual service",
        ),
        (
            json!({"cmd": "reboot"}),
            "not supported yet: command \"reboot\"",
        ),
    ] {
        let difference = step(broken);
        assert!(difference.contains(says), "{difference:?} says {says:?}");
    }
}

#[test]
fn a_frame_of_any_length_is_an_answer_not_a_panic() {
    let frame = "02000000000102000000c0fe080045000028006540004006243d0aca01010a000064";
    for length in (0..frame.len()).step_by(2) {
        let outcome = spoilt("nat_tcp", |case| {
            case["steps"][0]["in"][1] = frame[..length].into();
        });
        assert_difference(&outcome, "flow 0: kernel 10.1.0.12:8080, engine drop");
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Golden packets: for each folder of `tests/data/golden`, a configuration and frames go in, and
//! verdicts, exact bytes and exact counters come out.
//!
//! ```text
//!   config.toml   the configuration; its first line says in a sentence what the case shows
//!   in.pcap       frames, each with its port as interface and its time
//!   out.pcap      the packets that came out, in order; the comment of each is its verdict
//!   counters.toml every counter that is not 0
//! ```
//!
//! Captures are pcapng, as Wireshark and tcpdump read it. Hosts of the ports' networks are known
//! neighbours, the default gateways are 10.0.0.254 and 2001:db8::fe. `UPDATE_GOLDEN=1` writes all
//! four files anew from [`cases`] and from what the engine does; the difference is for review.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a test does not expect fails it"
)]
#![forbid(unsafe_code)]

mod cases;
mod pcapng;
mod run;

use std::fs;
use std::path::PathBuf;

/// A frame, or a packet with its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    port: u16,
    at_ms: u64,
    comment: String,
    bytes: Vec<u8>,
}

fn folder(case: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/data/golden")).join(case)
}

fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

fn read(case: &str, name: &str) -> Vec<u8> {
    let path = folder(case).join(name);
    match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => panic!("{}: {error}; UPDATE_GOLDEN=1 writes it", path.display()),
    }
}

/// Runs a case from its folder.
fn check(case: &str) {
    if updating() {
        write(case);
    }
    let config = String::from_utf8(read(case, "config.toml")).unwrap();
    let input = pcapng::read(&read(case, "in.pcap")).unwrap();
    let (output, counters) = run::run(&config, &input);
    let expected = pcapng::read(&read(case, "out.pcap")).unwrap();
    assert_eq!(
        run::listing(&output),
        run::listing(&expected),
        "{case}: verdicts and packets"
    );
    assert_eq!(output, expected, "{case}: bytes");
    let expected = String::from_utf8(read(case, "counters.toml")).unwrap();
    assert_eq!(counters, expected, "{case}: counters");
}

/// Writes the files of a case.
fn write(case: &str) {
    let listed = cases::all();
    let known = listed.iter().find(|known| known.name == case).unwrap();
    let (output, counters) = run::run(&known.config, &known.input);
    let folder = folder(case);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.toml"), &known.config).unwrap();
    fs::write(folder.join("in.pcap"), pcapng::write(&known.input)).unwrap();
    fs::write(folder.join("out.pcap"), pcapng::write(&output)).unwrap();
    fs::write(folder.join("counters.toml"), counters).unwrap();
}

macro_rules! golden {
    ($($case:ident,)+) => {
        $(#[test] fn $case() { check(stringify!($case)); })+

        #[test]
        fn every_folder_has_a_case_and_every_case_its_folder() {
            if updating() {
                return; // They are being written.
            }
            let mut tests = vec![$(stringify!($case).to_owned()),+];
            tests.sort();
            let mut listed: Vec<_> = cases::all().into_iter().map(|case| case.name).collect();
            listed.sort();
            assert_eq!(tests, listed);
            let mut folders: Vec<_> = fs::read_dir(folder(""))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            folders.sort();
            assert_eq!(tests, folders);
        }
    };
}

golden! {
    dr_tcp_v4,
    dr_tcp_v6,
    dr_udp_v4,
    dr_udp_v6,
    fragments_dr_v4,
    fragments_dr_v6,
    fragments_nat_v4,
    fragments_nat_v6,
    fragments_of_a_service,
    fragments_refused,
    icmp_errors_dr_v4,
    icmp_errors_dr_v6,
    icmp_errors_nat_v4,
    icmp_errors_nat_v6,
    mss_clamp_dr_v6,
    mss_clamp_nat,
    mtu_df_told,
    mtu_in_pieces,
    mtu_v6_told,
    nat46_tcp,
    nat64_errors,
    nat64_tcp,
    nat64_udp,
    nat_options_and_tos,
    nat_reset_and_again,
    nat_tcp_v4,
    nat_tcp_v6,
    nat_udp_no_checksum,
    nat_udp_v4,
    nat_udp_v6,
    no_server_v4,
    no_server_v6,
    odd_frames,
    punt_classes,
    rr_three_servers,
    timeout_and_stray,
    transit_v4,
    transit_v6,
    ttl_runs_out,
    unknown_segments,
    vlan_servers,
    vlan_trunk,
    wrr_shares,
    nat_tcp_v4_talk,
    nat_tcp_v4_ttl,
    nat_tcp_v4_big,
    nat_tcp_v4_errors,
    nat_tcp_v4_idle,
    nat_tcp_v6_talk,
    nat_tcp_v6_ttl,
    nat_tcp_v6_big,
    nat_tcp_v6_errors,
    nat_tcp_v6_idle,
    nat_udp_v4_talk,
    nat_udp_v4_ttl,
    nat_udp_v4_big,
    nat_udp_v4_errors,
    nat_udp_v4_idle,
    nat_udp_v6_talk,
    nat_udp_v6_ttl,
    nat_udp_v6_big,
    nat_udp_v6_errors,
    nat_udp_v6_idle,
    dr_tcp_v4_talk,
    dr_tcp_v4_ttl,
    dr_tcp_v4_big,
    dr_tcp_v4_errors,
    dr_tcp_v4_idle,
    dr_tcp_v6_talk,
    dr_tcp_v6_ttl,
    dr_tcp_v6_big,
    dr_tcp_v6_errors,
    dr_tcp_v6_idle,
    dr_udp_v4_talk,
    dr_udp_v4_ttl,
    dr_udp_v4_big,
    dr_udp_v4_errors,
    dr_udp_v4_idle,
    dr_udp_v6_talk,
    dr_udp_v6_ttl,
    dr_udp_v6_big,
    dr_udp_v6_errors,
    dr_udp_v6_idle,
    ipip_tcp_v4_talk,
    ipip_tcp_v4_ttl,
    ipip_tcp_v4_big,
    ipip_tcp_v4_errors,
    ipip_tcp_v4_idle,
    ipip_tcp_v6_talk,
    ipip_tcp_v6_ttl,
    ipip_tcp_v6_big,
    ipip_tcp_v6_errors,
    ipip_tcp_v6_idle,
    ipip_udp_v4_talk,
    ipip_udp_v4_ttl,
    ipip_udp_v4_big,
    ipip_udp_v4_errors,
    ipip_udp_v4_idle,
    ipip_udp_v6_talk,
    ipip_udp_v6_ttl,
    ipip_udp_v6_big,
    ipip_udp_v6_errors,
    ipip_udp_v6_idle,
    gre_tcp_v4_talk,
    gre_tcp_v4_ttl,
    gre_tcp_v4_big,
    gre_tcp_v4_errors,
    gre_tcp_v4_idle,
    gre_tcp_v6_talk,
    gre_tcp_v6_ttl,
    gre_tcp_v6_big,
    gre_tcp_v6_errors,
    gre_tcp_v6_idle,
    gre_udp_v4_talk,
    gre_udp_v4_ttl,
    gre_udp_v4_big,
    gre_udp_v4_errors,
    gre_udp_v4_idle,
    gre_udp_v6_talk,
    gre_udp_v6_ttl,
    gre_udp_v6_big,
    gre_udp_v6_errors,
    gre_udp_v6_idle,
    gue_tcp_v4_talk,
    gue_tcp_v4_ttl,
    gue_tcp_v4_big,
    gue_tcp_v4_errors,
    gue_tcp_v4_idle,
    gue_tcp_v6_talk,
    gue_tcp_v6_ttl,
    gue_tcp_v6_big,
    gue_tcp_v6_errors,
    gue_tcp_v6_idle,
    gue_udp_v4_talk,
    gue_udp_v4_ttl,
    gue_udp_v4_big,
    gue_udp_v4_errors,
    gue_udp_v4_idle,
    gue_udp_v6_talk,
    gue_udp_v6_ttl,
    gue_udp_v6_big,
    gue_udp_v6_errors,
    gue_udp_v6_idle,
    fullnat_tcp_v4_talk,
    fullnat_tcp_v4_ttl,
    fullnat_tcp_v4_big,
    fullnat_tcp_v4_errors,
    fullnat_tcp_v4_idle,
    fullnat_tcp_v6_talk,
    fullnat_tcp_v6_ttl,
    fullnat_tcp_v6_big,
    fullnat_tcp_v6_errors,
    fullnat_tcp_v6_idle,
    fullnat_udp_v4_talk,
    fullnat_udp_v4_ttl,
    fullnat_udp_v4_big,
    fullnat_udp_v4_errors,
    fullnat_udp_v4_idle,
    fullnat_udp_v6_talk,
    fullnat_udp_v6_ttl,
    fullnat_udp_v6_big,
    fullnat_udp_v6_errors,
    fullnat_udp_v6_idle,
    nat_sctp_v4_talk,
    nat_sctp_v4_ttl,
    nat_sctp_v6_talk,
    nat_sctp_v6_ttl,
    dr_sctp_v4_talk,
    dr_sctp_v4_ttl,
    dr_sctp_v6_talk,
    dr_sctp_v6_ttl,
    tun_sctp_v4_talk,
    tun_sctp_v4_ttl,
    tun_sctp_v6_talk,
    tun_sctp_v6_ttl,
    fullnat_sctp_v4_talk,
    fullnat_sctp_v4_ttl,
    fullnat_sctp_v6_talk,
    fullnat_sctp_v6_ttl,
    snat_tcp_v4,
    snat_udp_v4,
    snat_sctp_v4,
    snat_echo_v4,
    snat_errors_v4,
    snat_tcp_v6,
    snat_udp_v6,
    snat_sctp_v6,
    snat_echo_v6,
    snat_errors_v6,
}

#[test]
fn the_committed_input_is_the_listed_one() {
    if updating() {
        return; // It is being written.
    }
    for case in cases::all() {
        let config = String::from_utf8(read(&case.name, "config.toml")).unwrap();
        assert_eq!(config, case.config, "{}", case.name);
        let input = pcapng::read(&read(&case.name, "in.pcap")).unwrap();
        assert_eq!(input, case.input, "{}", case.name);
    }
}

/// What leaves in the stories of the matrix, told without the engine: right checksums, and each
/// method's addresses.
#[test]
fn packets_of_the_matrix_leave_as_their_method_says() {
    if updating() {
        return; // They are being written.
    }
    let mut seen = 0;
    for name in cases::matrix::names() {
        for record in pcapng::read(&read(&name, "out.pcap")).unwrap() {
            if record.comment.starts_with("send") {
                cases::matrix::check(&name, &record);
                seen += 1;
            }
        }
    }
    assert!(seen > 300, "{seen}");
}

#[test]
fn every_case_says_in_a_sentence_what_it_shows() {
    for case in cases::all() {
        let first = case.config.lines().next().unwrap();
        assert!(first.starts_with("# ") && first.ends_with('.'), "{first}");
    }
}

#[test]
fn a_capture_is_read_as_it_was_written() {
    let records: Vec<Record> = (0..5u16)
        .map(|n| Record {
            port: n % 3,
            at_ms: u64::from(n) * 1000 + (1 << 33),
            comment: "x".repeat(usize::from(n)),
            bytes: vec![7; 60 + usize::from(n)],
        })
        .collect();
    let bytes = pcapng::write(&records);
    assert_eq!(pcapng::read(&bytes).unwrap(), records);
    assert_eq!(bytes.len() % 4, 0);
    for len in 1..bytes.len() {
        // A capture that is cut is refused, or shorter; never a panic.
        assert_ne!(pcapng::read(&bytes[..len]).as_ref(), Ok(&records));
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Values of `[director]`, `[api]`, `[timeouts]` and `[limits]`.

use super::{DIRECTOR, PORT, one_error, one_warning};
use crate::suggest::nearest;
use crate::{Code, CpuList, CpuListError, Device, DeviceError, parse};

#[test]
fn numbers_outside_their_range_are_refused_with_the_range() {
    for (table, line, column, range) in [
        ("", "flows_max = 999", 13, "1000 to 100000000"),
        ("", "flows_max = 100_000_001", 13, "1000 to 100000000"),
        ("", "memory_mib = 31", 14, "32 to 65536"),
        ("", "drain_s = -1", 11, "0 to 604800"),
        ("[timeouts]", "tcp_s = 0", 9, "1 to 2147483"),
        ("[timeouts]", "udp_s = 2147484", 9, "1 to 2147483"),
        ("[limits]", "icmp_errors_per_s = -5", 21, "0 to 10000000"),
        ("[limits.punt_pps]", "icmp = 0", 8, "1 to 10000000"),
        ("[lvs]", "secure_tcp = 4", 14, "0 to 3"),
        (
            "[limits]",
            "icmp_errors_per_s = 99999999999999999999",
            21,
            "0 to 10000000",
        ),
    ] {
        let text = format!("{DIRECTOR}{table}\n{line}\n");
        one_error(&text, Code::OutOfRange, (5, column), range);
    }
}

#[test]
fn a_number_out_of_range_is_repeated_as_it_was_written() {
    let text = format!("{DIRECTOR}flows_max = 1_0\n");
    let error = one_error(&text, Code::OutOfRange, (4, 13), "`flows_max` is 1_0");
    assert_eq!(error.seen.as_deref(), Some("1_0"));
    assert_eq!(error.allowed.as_deref(), Some("1000 to 100000000"));
}

#[test]
fn a_word_that_is_not_allowed_is_told_the_nearest() {
    let text = format!("{DIRECTOR}idle = \"adaptiv\"\n");
    one_error(&text, Code::NotOneOf, (4, 8), "did you mean \"adaptive\"?");
    let text = format!("{DIRECTOR}huge_pages = \"1G\"\n");
    one_error(
        &text,
        Code::NotOneOf,
        (4, 14),
        "\"auto\", \"never\", \"require\"",
    );
}

#[test]
fn names_of_directors_are_short_and_plain() {
    for name in ["", "a b", "lb/1", "ä", &"x".repeat(64)] {
        let text = format!("[director]\nname = \"{name}\"\nworkers = \"1\"\n");
        one_error(&text, Code::BadName, (2, 8), "letters, digits");
    }
}

#[test]
fn worker_lists_are_refused_with_their_mistake() {
    for (list, fragment) in [
        ("", "names no CPU"),
        ("  ", "names no CPU"),
        ("1,", "`` is not a CPU number"),
        ("one", "`one` is not a CPU number"),
        ("+1", "`+1` is not a CPU number"),
        ("3-1", "the range 3-1 runs backwards"),
        ("1-3,2", "CPU 2 is named twice"),
        ("1024", "CPU 1024 is beyond 1023"),
        ("0-99999999999", "CPU 99999999999 is beyond 1023"),
        ("0-64", "`workers` names 65 CPUs | write at most 64 CPUs"),
    ] {
        let text = format!("[director]\nname = \"a\"\nworkers = \"{list}\"\n");
        one_error(&text, Code::BadCpuList, (3, 11), fragment);
    }
}

#[test]
fn a_control_list_is_checked_like_a_worker_list() {
    let text = format!("{DIRECTOR}control_cpu = \"x\"\n");
    one_error(
        &text,
        Code::BadCpuList,
        (4, 15),
        "`control_cpu` is no CPU list",
    );
}

#[test]
fn a_control_cpu_that_polls_is_a_warning() {
    let text = format!("{DIRECTOR}control_cpu = \"0,2\"\n{PORT}");
    one_warning(
        &text,
        Code::CpuShared,
        (4, 15),
        "`control_cpu` 2 is also in `workers`",
    );
}

#[test]
fn a_control_cpu_that_sleeps_may_be_shared() {
    let text = format!("{DIRECTOR}control_cpu = \"1\"\nidle = \"adaptive\"\n{PORT}");
    assert!(parse(&text).expect("valid").warnings.is_empty());
}

#[test]
fn cpu_lists_are_printed_as_ranges() {
    for (list, printed) in [
        ("1", "1"),
        ("1,2,3", "1-3"),
        (" 1 - 3 , 5 ", "1-3,5"),
        ("3,2,1", "3,2,1"),
        ("5,1-2", "5,1-2"),
        ("1022-1023", "1022-1023"),
    ] {
        let cpus: CpuList = list.parse().unwrap();
        assert_eq!(cpus.to_string(), printed);
        assert_eq!(printed.parse::<CpuList>(), Ok(cpus));
    }
    assert_eq!(
        "1-2-3".parse::<CpuList>(),
        Err(CpuListError::NoNumber("2-3".to_owned()))
    );
}

#[test]
fn the_socket_is_an_absolute_path_that_fits() {
    for path in [
        "",
        "penstock.sock",
        "/run/penstock/",
        &format!("/{}", "x".repeat(107)),
    ] {
        let text = format!("{DIRECTOR}[api]\nsocket = \"{path}\"\n");
        one_error(&text, Code::BadPath, (5, 10), "an absolute path");
    }
}

#[test]
fn devices_are_pci_addresses_or_dpdk_devices() {
    for (text, device) in [
        ("0000:3b:00.0", Device::Pci("0000:3b:00.0".to_owned())),
        ("0000:3B:1F.7", Device::Pci("0000:3b:1f.7".to_owned())),
        (
            "0000:03:00.0,dv_flow_en=1",
            Device::Pci("0000:03:00.0,dv_flow_en=1".to_owned()),
        ),
        (
            "net_af_packet0,iface=veth0",
            Device::Virtual("net_af_packet0,iface=veth0".to_owned()),
        ),
    ] {
        assert_eq!(text.parse::<Device>(), Ok(device));
    }
    let device: Device = "net_tap0,iface=x".parse().unwrap();
    assert_eq!(
        (device.name(), device.as_str()),
        ("net_tap0", "net_tap0,iface=x")
    );
}

#[test]
fn devices_that_dpdk_could_not_open_are_refused() {
    for (text, error) in [
        ("", DeviceError::Neither),
        ("eth0", DeviceError::Neither),
        ("net_", DeviceError::Neither),
        ("net_a=b", DeviceError::Neither),
        ("0000:3b:20.0", DeviceError::Neither),
        ("0000:3b:00.8", DeviceError::Neither),
        ("0000:3b:00", DeviceError::Neither),
        ("0000:3g:00.0", DeviceError::Neither),
        ("3b:00.0", DeviceError::NoDomain("3b:00.0".to_owned())),
        ("net_tap0, iface=x", DeviceError::Whitespace),
        ("net_tap0\u{0}", DeviceError::Whitespace),
    ] {
        assert_eq!(text.parse::<Device>(), Err(error), "{text}");
    }
    let long = format!("net_{}", "x".repeat(252));
    assert_eq!(long.parse::<Device>(), Err(DeviceError::TooLong));
}

#[test]
fn only_words_that_are_near_are_suggested() {
    let words = ["scheduler", "server", "name"];
    for (word, meant) in [
        ("schedulerr", Some("scheduler")),
        ("SCHEDULER", Some("scheduler")),
        ("servers", Some("server")),
        ("nme", Some("name")),
        ("naem", Some("name")),
        ("nmae", Some("name")),
        ("anme", Some("name")),
        ("eman", None),
        ("x", None),
        ("listen", None),
        ("", None),
    ] {
        assert_eq!(nearest(word, words.into_iter()), meant, "{word}");
    }
    assert_eq!(nearest(&"x".repeat(100_000), words.into_iter()), None);
}

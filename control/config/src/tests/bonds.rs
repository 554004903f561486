// SPDX-License-Identifier: Apache-2.0
//! `[port.bond]`.

use super::{DIRECTOR, one_error};
use crate::{BondMode, Code, Config};

fn port(lines: &str) -> String {
    format!("{DIRECTOR}[[port]]\nname = \"a\"\n{lines}\n")
}

fn accepted(text: &str) -> Config {
    crate::parse(text)
        .unwrap_or_else(|report| panic!("{}", report.render("x", text, false)))
        .config
}

#[test]
fn members_are_what_is_attached() {
    let members = "members = [\"0000:3B:00.0\", \"net_tap1,iface=x\"]";
    for (word, mode) in [
        ("active-backup", BondMode::ActiveBackup),
        ("802.3ad", BondMode::Lacp),
    ] {
        let config = accepted(&port(&format!("bond = {{ mode = \"{word}\", {members} }}")));
        let [port] = config.ports.as_slice() else {
            panic!("{:?}", config.ports);
        };
        assert_eq!(port.bond.as_ref().map(|bond| bond.mode), Some(mode));
        assert_eq!(mode.name(), word);
        assert_eq!(port.device.as_str(), "net_bonding0");
        let devices: Vec<&str> = port.devices().map(crate::Device::as_str).collect();
        assert_eq!(devices, ["0000:3b:00.0", "net_tap1,iface=x"]);
    }
}

#[test]
fn the_bonded_device_may_have_a_name() {
    let text =
        port("device = \"net_bonding7\"\nbond = { mode = \"802.3ad\", members = [\"net_null0\"] }");
    assert_eq!(accepted(&text).ports[0].device.as_str(), "net_bonding7");
}

#[test]
fn a_port_needs_a_device_or_a_bond() {
    one_error(
        &port(""),
        Code::MissingKey,
        (4, 1),
        "or a `bond` of several",
    );
    for (lines, at, fragment) in [
        (
            "device = \"net_bonding0,mode=1\"",
            (6, 10),
            "there is no `bond`",
        ),
        (
            "device = \"net_null0\"\nbond = { mode = \"802.3ad\", members = [\"net_null1\"] }",
            (6, 10),
            "belongs to `members`",
        ),
        (
            "bond = { mode = \"802.3ad\", members = [] }",
            (6, 8),
            "without members",
        ),
        (
            "bond = { mode = \"802.3ad\", members = [\"net_bonding1\"] }",
            (6, 39),
            "as a member of a bond",
        ),
    ] {
        one_error(&port(lines), Code::BondMembers, at, fragment);
    }
}

#[test]
fn a_member_is_in_one_port_and_once() {
    let bond = "bond = { mode = \"active-backup\", members = [\"net_null0\", \"net_null0\"] }";
    one_error(
        &port(bond),
        Code::DuplicateDevice,
        (6, 58),
        "line 6 has it already",
    );
    let text = format!(
        "{}[[port]]\nname = \"b\"\ndevice = \"net_null0\"\n",
        port("bond = { mode = \"active-backup\", members = [\"net_null0\"] }")
    );
    one_error(
        &text,
        Code::DuplicateDevice,
        (9, 10),
        "line 6 has it already",
    );
}

#[test]
fn more_members_than_lacp_has_are_refused() {
    let list: Vec<String> = (0..9).map(|number| format!("net_null{number}")).collect();
    let text = port(&format!(
        "[port.bond]\nmode = \"802.3ad\"\nmembers = {list:?}"
    ));
    one_error(&text, Code::BondMembers, (8, 116), "at most 8");
}

#[test]
fn unknown_modes_are_refused() {
    let text = port("bond = { mode = \"balance-rr\", members = [\"net_null0\"] }");
    one_error(&text, Code::NotOneOf, (6, 17), "active-backup");
}

#[test]
fn a_change_of_members_needs_a_restart() {
    let with = |members: &str| {
        accepted(&port(&format!(
            "bond = {{ mode = \"802.3ad\", members = [{members}] }}"
        )))
    };
    let diff = crate::diff(
        &with("\"net_null0\""),
        &with("\"net_null0\", \"net_null1\""),
    );
    let wanted = "port.a.bond: 802.3ad [net_null0] -> 802.3ad [net_null0, net_null1]";
    assert_eq!(diff.restart, [wanted]);
}

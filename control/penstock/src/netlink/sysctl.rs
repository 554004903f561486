// SPDX-License-Identifier: Apache-2.0
//! Kernel settings of one twin, under `/proc/sys/net`; each with its reason.
//!
//! Only the twin's own settings are written: those of `all` change the operator's other interfaces.

use std::fs;
use std::io;
use std::path::PathBuf;

/// One setting.
#[derive(Debug, Clone, Copy)]
struct Setting {
    family: &'static str,
    key: &'static str,
    value: &'static str,
    /// Not in every kernel: silence if it is missing.
    optional: bool,
}

const fn ipv4(key: &'static str, value: &'static str) -> Setting {
    Setting {
        family: "ipv4",
        key,
        value,
        optional: false,
    }
}

const fn ipv6(key: &'static str, value: &'static str) -> Setting {
    Setting {
        family: "ipv6",
        key,
        value,
        optional: false,
    }
}

const fn ipv6_if_there(key: &'static str, value: &'static str) -> Setting {
    Setting {
        family: "ipv6",
        key,
        value,
        optional: true,
    }
}

const SETTINGS: &[Setting] = &[
    // Workers punt what came from anywhere; the way back may be another port's.
    ipv4("rp_filter", "0"),
    // Linux answers for packets that nobody can route (ICMP unreachable), and routes what leaves
    // through interfaces that are not ours; without it, it drops them without a word.
    ipv4("forwarding", "1"),
    // Routes are the operator's and the routing daemons'; a stranger's redirect would also make
    // exceptions that the mirror does not see.
    ipv4("accept_redirects", "0"),
    // ARP is answered on the segment that the address is on, and asked from an address of it: two
    // ports on one segment must not answer for each other with the wrong MAC.
    ipv4("arp_ignore", "1"),
    ipv4("arp_announce", "2"),
    // Addresses are the configuration's: no advertisement of a router adds any, or a route.
    ipv6("accept_ra", "0"),
    ipv6("autoconf", "0"),
    ipv6("accept_redirects", "0"),
    // Usable at once: duplicate address detection takes seconds, and asks a network that the
    // workers may not serve yet.
    ipv6("accept_dad", "0"),
    ipv6("dad_transmits", "0"),
    // The link-local address follows from the port's MAC, also after a restart.
    ipv6("addr_gen_mode", "0"),
    // As IPv4: setting the link down and up again keeps its addresses.
    ipv6_if_there("keep_addr_on_down", "1"),
    // Advertisements say that we are a router, which the servers' gateway is (RFC 4861 §7.3.3). To
    // forward, Linux also wants `all/forwarding`, which is the operator's, or, since 6.17, the
    // next.
    ipv6("forwarding", "1"),
    ipv6_if_there("force_forwarding", "1"),
];

/// Writes the settings of a twin; what cannot be written is warned of.
pub(super) fn apply(name: &str, with_ipv6: bool) {
    if with_ipv6 {
        // Addresses of the configuration overrule a system-wide "no IPv6".
        write(name, ipv6("disable_ipv6", "0"));
    }
    for setting in SETTINGS {
        write(name, *setting);
    }
    // Linux takes the stricter of both.
    let all = fs::read_to_string("/proc/sys/net/ipv4/conf/all/rp_filter").unwrap_or_default();
    if !matches!(all.trim(), "" | "0") {
        log::warn!(
            "{name}: net.ipv4.conf.all.rp_filter is {}, which overrules that of {name}: Linux may \
             drop packets that workers hand it; set it to 0",
            all.trim()
        );
    }
}

fn write(name: &str, setting: Setting) {
    let Setting {
        family,
        key,
        value,
        optional,
    } = setting;
    let path: PathBuf = ["/proc/sys/net", family, "conf", name, key]
        .iter()
        .collect();
    let result = match fs::read_to_string(&path) {
        // Some have effects even if nothing changes.
        Ok(now) if now.trim() == value => Ok(()),
        Ok(_) => fs::write(&path, value),
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => {}
        Err(error) if optional && error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            log::warn!("{name}: cannot set net.{family}.conf.{name}.{key} = {value}: {error}");
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Configuring twins.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use worker::tap::Tap;

use super::lab::{FRONT, Lab, front, ip, isolated, prefix};
use crate::netlink::{Netlink, NetlinkError};

#[test]
fn a_twin_gets_its_mac_its_mtu_and_its_addresses_and_is_up() {
    isolated(|| async {
        let _tap = Tap::create("front").unwrap();
        let netlink = Netlink::connect().await.unwrap();
        let mut twin = front();
        twin.mtu = 9000;
        netlink.configure(&twin).await.unwrap();
        let link = ip("-o link show front");
        assert!(link.contains("02:00:00:00:10:01"), "{link}");
        assert!(link.contains("mtu 9000"), "{link}");
        assert!(link.contains(",UP"), "{link}");
        let addresses = ip("-o addr show front");
        assert!(addresses.contains("inet 192.0.2.2/24 brd 192.0.2.255 scope global"));
        assert!(
            addresses.contains("inet6 2001:db8:1::2/64 scope global"),
            "{addresses}"
        );
    });
}

#[test]
fn ipv6_addresses_are_usable_at_once() {
    isolated(|| async {
        let _tap = Tap::create("front").unwrap();
        let netlink = Netlink::connect().await.unwrap();
        netlink.configure(&front()).await.unwrap();
        // A tentative address cannot be bound.
        UdpSocket::bind("[2001:db8:1::2]:4000").unwrap();
        // Linux finishes the link-local one in a task of its own, without asking the network.
        let begin = Instant::now();
        let mut addresses = ip("-o -6 addr show front");
        while addresses.contains("tentative") && begin.elapsed() < Duration::from_millis(900) {
            addresses = ip("-o -6 addr show front");
        }
        assert!(!addresses.contains("tentative"), "{addresses}");
        assert!(
            addresses.contains("fe80::ff:fe00:1001/64"),
            "from the MAC: {addresses}"
        );
    });
}

#[test]
fn kernel_settings_of_a_twin_are_written() {
    isolated(|| async {
        let _tap = Tap::create("front").unwrap();
        let netlink = Netlink::connect().await.unwrap();
        netlink.configure(&front()).await.unwrap();
        for (key, value) in [
            ("ipv4/conf/front/rp_filter", "0"),
            ("ipv4/conf/front/forwarding", "1"),
            ("ipv4/conf/front/arp_ignore", "1"),
            ("ipv6/conf/front/accept_ra", "0"),
            ("ipv6/conf/front/accept_dad", "0"),
            ("ipv6/conf/front/autoconf", "0"),
            ("ipv6/conf/front/forwarding", "1"),
            // Not ours to change.
            ("ipv6/conf/all/forwarding", "0"),
        ] {
            let path = format!("/proc/thread-self/root/proc/sys/net/{key}");
            assert_eq!(
                std::fs::read_to_string(&path).unwrap().trim(),
                value,
                "{key}"
            );
        }
    });
}

#[test]
fn configuring_again_is_harmless_and_keeps_what_others_set() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        ip("addr add 192.0.2.77/24 dev front");
        ip("route add 203.0.113.0/24 via 192.0.2.1");
        lab.netlink.configure(&front()).await.unwrap();
        let picture = lab.settle().await;
        for text in ["192.0.2.2/24", "192.0.2.77/24", "2001:db8:1::2/64"] {
            assert!(
                picture.addresses.contains(&(FRONT, prefix(text))),
                "{text}: {picture:?}"
            );
        }
        assert!(super::lab::route(&picture, "203.0.113.0/24").is_some());
    });
}

#[test]
fn configuring_anew_removes_our_old_addresses_only() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        ip("addr add 192.0.2.77/32 dev front");
        let mut twin = front();
        twin.addresses = vec![prefix("198.51.100.2/24")];
        twin.mtu = 1400;
        twin.mac.0[5] = 0x99;
        lab.netlink.configure(&twin).await.unwrap();
        let picture = lab.settle().await;
        let on_front: Vec<String> = picture
            .addresses
            .iter()
            .filter(|(iface, prefix)| *iface == FRONT && prefix.addr.is_v4())
            .map(|(_, prefix)| prefix.to_string())
            .collect();
        assert_eq!(on_front, ["192.0.2.77/32", "198.51.100.2/24"]);
        let link = ip("-o link show front");
        assert!(
            link.contains("mtu 1400") && link.contains("02:00:00:00:10:99"),
            "{link}"
        );
    });
}

#[test]
fn a_missing_device_is_an_error_that_names_it() {
    isolated(|| async {
        let netlink = Netlink::connect().await.unwrap();
        let error = netlink.configure(&front()).await.unwrap_err();
        assert!(matches!(error, NetlinkError::Kernel { .. }), "{error:?}");
        let text = error.to_string();
        assert!(
            text.starts_with("front: cannot look up the link: No such device"),
            "{text}"
        );
        assert!(text.contains("the device is gone"), "{text}");
    });
}

#[test]
fn a_refused_value_is_told_in_the_kernels_words() {
    isolated(|| async {
        let _tap = Tap::create("front").unwrap();
        let netlink = Netlink::connect().await.unwrap();
        let mut twin = front();
        twin.mtu = 1_000_000;
        let text = netlink.configure(&twin).await.unwrap_err().to_string();
        assert!(
            text.starts_with("front: cannot set the MTU: Invalid argument"),
            "{text}"
        );
        assert!(text.contains("mtu greater than device maximum"), "{text}");
    });
}

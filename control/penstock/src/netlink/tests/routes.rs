// SPDX-License-Identifier: Apache-2.0
//! Routes as Linux has them.

use model::fib::{Hasher, Hop, Route};
use worker::tap::Tap;

use super::lab::{BACK, FRONT, Lab, addr, ip, ip_batch, isolated, on_link, route, via};

fn hasher() -> Hasher {
    Hasher::with_seeds(1, 2, 3, 4)
}

#[test]
fn connected_and_local_and_broadcast_routes_are_there_from_the_start() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        let picture = lab
            .until(|picture| route(picture, "2001:db8:2::1/128").is_some())
            .await;
        assert_eq!(route(&picture, "192.0.2.0/24"), on_link(FRONT));
        assert_eq!(route(&picture, "10.0.0.0/24"), on_link(BACK));
        assert_eq!(route(&picture, "2001:db8:2::/64"), on_link(BACK));
        for ours in [
            "192.0.2.2/32",
            "10.0.0.1/32",
            "10.0.0.255/32",
            "2001:db8:1::2/128",
        ] {
            assert_eq!(route(&picture, ours), Some(Route::Local), "{ours}");
        }
        // One per link, never routed.
        assert_eq!(route(&picture, "fe80::/64"), None);
    });
}

#[test]
fn loopback_addresses_are_local() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        ip("link set lo up");
        ip("addr add 198.51.100.1/32 dev lo");
        let picture = lab
            .until(|picture| route(picture, "198.51.100.1/32").is_some())
            .await;
        assert_eq!(route(&picture, "198.51.100.1/32"), Some(Route::Local));
        assert_eq!(route(&picture, "127.0.0.0/8"), Some(Route::Local));
        assert_eq!(route(&picture, "::1/128"), Some(Route::Local));
    });
}

#[test]
fn routes_come_and_go_in_both_families() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        ip("route add default via 192.0.2.1");
        ip("route add 203.0.113.0/24 via 10.0.0.9");
        ip("-6 route add default via fe80::1 dev front");
        ip("-6 route add 2001:db8:f::/48 via 2001:db8:2::9");
        let picture = lab.until(|p| route(p, "2001:db8:f::/48").is_some()).await;
        assert_eq!(route(&picture, "0.0.0.0/0"), via(FRONT, "192.0.2.1"));
        assert_eq!(route(&picture, "203.0.113.0/24"), via(BACK, "10.0.0.9"));
        assert_eq!(route(&picture, "::/0"), via(FRONT, "fe80::1"));
        assert_eq!(
            route(&picture, "2001:db8:f::/48"),
            via(BACK, "2001:db8:2::9")
        );
        ip("route del default");
        ip("-6 route del 2001:db8:f::/48");
        let picture = lab.until(|p| route(p, "2001:db8:f::/48").is_none()).await;
        assert_eq!(route(&picture, "0.0.0.0/0"), None);
        assert_eq!(route(&picture, "::/0"), via(FRONT, "fe80::1"));
    });
}

#[test]
fn what_linux_refuses_or_sends_elsewhere_is_told_apart() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        let _management = Tap::create("mgmt").unwrap();
        ip("addr add 172.16.0.2/24 dev mgmt");
        ip("link set mgmt up");
        ip("route add blackhole 198.18.1.0/24");
        ip("route add unreachable 198.18.2.0/24");
        ip("route add prohibit 198.18.3.0/24");
        ip("route add throw 198.18.4.0/24");
        ip("-6 route add blackhole 2001:db8:b::/48");
        ip("route add 198.18.5.0/24 via 172.16.0.1");
        let picture = lab.until(|p| route(p, "198.18.5.0/24").is_some()).await;
        assert_eq!(route(&picture, "198.18.1.0/24"), Some(Route::Blackhole));
        assert_eq!(route(&picture, "2001:db8:b::/48"), Some(Route::Blackhole));
        for kernel in [
            "198.18.2.0/24",
            "198.18.3.0/24",
            "198.18.4.0/24",
            "198.18.5.0/24",
        ] {
            assert_eq!(route(&picture, kernel), Some(Route::Kernel), "{kernel}");
        }
        assert_eq!(route(&picture, "172.16.0.2/32"), Some(Route::Local));
    });
}

#[test]
fn the_lower_metric_wins_and_the_other_takes_over() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        ip("route add 203.0.113.0/24 via 192.0.2.1 metric 50");
        ip("route add 203.0.113.0/24 via 10.0.0.9 metric 10");
        lab.until(|p| route(p, "203.0.113.0/24") == via(BACK, "10.0.0.9"))
            .await;
        ip("route del 203.0.113.0/24 via 10.0.0.9 metric 10");
        lab.until(|p| route(p, "203.0.113.0/24") == via(FRONT, "192.0.2.1"))
            .await;
    });
}

#[test]
fn a_replaced_route_changes_its_gateway() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        ip("route add 203.0.113.0/24 via 192.0.2.1");
        ip("-6 route add 2001:db8:f::/48 via 2001:db8:1::1");
        ip("route replace 203.0.113.0/24 via 10.0.0.9");
        ip("-6 route replace 2001:db8:f::/48 via 2001:db8:2::9");
        let picture = lab.settle().await;
        assert_eq!(route(&picture, "203.0.113.0/24"), via(BACK, "10.0.0.9"));
        assert_eq!(
            route(&picture, "2001:db8:f::/48"),
            via(BACK, "2001:db8:2::9")
        );
    });
}

#[test]
fn several_routes_of_one_prefix_and_metric_follow_linux() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        ip("route add 203.0.113.0/24 via 192.0.2.1");
        ip("route append 203.0.113.0/24 via 10.0.0.9");
        ip("route prepend 203.0.113.0/24 via 10.0.0.8");
        lab.until(|p| route(p, "203.0.113.0/24") == via(BACK, "10.0.0.8"))
            .await;
        ip("route del 203.0.113.0/24 via 10.0.0.8");
        lab.until(|p| route(p, "203.0.113.0/24") == via(FRONT, "192.0.2.1"))
            .await;
        ip("route del 203.0.113.0/24 via 192.0.2.1");
        lab.until(|p| route(p, "203.0.113.0/24") == via(BACK, "10.0.0.9"))
            .await;
    });
}

#[test]
fn of_several_ways_the_first_through_a_twin_is_taken() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        let _management = Tap::create("mgmt").unwrap();
        ip("addr add 172.16.0.2/24 dev mgmt");
        ip("link set mgmt up");
        ip(
            "route add 203.0.113.0/24 nexthop via 172.16.0.1 nexthop via 10.0.0.9 \
             nexthop via 192.0.2.1",
        );
        lab.until(|p| route(p, "203.0.113.0/24") == via(BACK, "10.0.0.9"))
            .await;
        ip("-6 route add 2001:db8:f::/48 via 2001:db8:1::1");
        ip("-6 route append 2001:db8:f::/48 via 2001:db8:2::9");
        lab.until(|p| route(p, "2001:db8:f::/48") == via(FRONT, "2001:db8:1::1"))
            .await;
        ip("-6 route del 2001:db8:f::/48 via 2001:db8:1::1");
        lab.until(|p| route(p, "2001:db8:f::/48") == via(BACK, "2001:db8:2::9"))
            .await;
    });
}

#[test]
fn an_ipv4_route_may_have_an_ipv6_gateway() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        ip("route add 203.0.113.0/24 via inet6 fe80::9 dev back");
        ip("neigh add fe80::9 lladdr 02:00:00:00:00:09 dev back nud permanent");
        let picture = lab
            .until(|p| super::lab::neighbour(p, BACK, "fe80::9").is_some())
            .await;
        assert_eq!(route(&picture, "203.0.113.0/24"), via(BACK, "fe80::9"));
        let fib = picture.to_fib(hasher(), 1);
        let Hop::Ready(id) = fib.hop(addr("203.0.113.5")) else {
            panic!("{picture:?}")
        };
        assert_eq!(fib.next_hop(id).unwrap().addr, addr("fe80::9"));
    });
}

/// What Linux itself does is asked first: it searches `local` and `main` of IPv4 as one.
#[test]
fn tables_take_precedence_as_in_linux() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        ip("link set lo up");
        ip("route add 203.0.113.128/25 via 10.0.0.9");
        ip("route add local 203.0.113.0/24 dev lo");
        ip("route add 198.51.100.9/32 via 10.0.0.9");
        ip("route add local 198.51.100.9/32 dev lo metric 9");
        ip("-6 route add 2001:db8:f:1::/64 via 2001:db8:2::9");
        ip("-6 route add local 2001:db8:f::/48 dev lo");
        ip("route add 20.0.0.0/8 via 10.0.0.9");
        ip("route add 20.1.0.0/16 via 192.0.2.1 table default");
        ip("route add 21.0.0.0/8 via 192.0.2.1 table default");
        let picture = lab.settle().await;
        let fib = picture.to_fib(hasher(), 1);
        let through = |iface, gateway| Hop::Resolve {
            iface,
            addr: addr(gateway),
        };
        for (destination, said, expected) in [
            (
                "203.0.113.200",
                "203.0.113.200 via 10.0.0.9",
                through(BACK, "10.0.0.9"),
            ),
            ("203.0.113.20", "local", Hop::Local),
            ("198.51.100.9", "local", Hop::Local),
            ("2001:db8:f:1::1", "local", Hop::Local),
            (
                "20.1.0.1",
                "20.1.0.1 via 10.0.0.9",
                through(BACK, "10.0.0.9"),
            ),
            (
                "21.0.0.1",
                "21.0.0.1 via 192.0.2.1",
                through(FRONT, "192.0.2.1"),
            ),
        ] {
            let get = ip(&format!("route get {destination}"));
            assert!(get.starts_with(said), "{get}");
            assert_eq!(fib.hop(addr(destination)), expected, "{destination}");
        }
        ip("-6 route del local 2001:db8:f::/48 dev lo");
        lab.until(|p| route(p, "2001:db8:f:1::/64") == via(BACK, "2001:db8:2::9"))
            .await;
    });
}

#[test]
fn other_tables_types_of_service_and_sources_are_left_out() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        ip("route add 203.0.113.0/24 via 10.0.0.9 table 100");
        ip("route add 203.0.113.0/24 via 10.0.0.9 tos 0x10");
        ip("-6 route add 2001:db8:f::/48 from 2001:db8:1::/64 via 2001:db8:2::9");
        let picture = lab.settle().await;
        assert_eq!(route(&picture, "203.0.113.0/24"), None);
        assert_eq!(route(&picture, "2001:db8:f::/48"), None);
    });
}

#[test]
fn the_table_agrees_with_ip_route_get() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        ip_batch(
            "route add default via 192.0.2.1\n\
             route add 10.0.0.0/8 via 192.0.2.9\n\
             route add 10.1.0.0/16 via 10.0.0.9\n\
             route add 10.1.2.0/24 dev front\n\
             route add 10.1.2.3/32 via 10.0.0.7\n",
        );
        lab.until(|p| route(p, "10.1.2.3/32").is_some()).await;
        let picture = lab.settle().await;
        let fib = picture.to_fib(hasher(), 1);
        for text in [
            "8.8.8.8",
            "10.200.0.1",
            "10.1.9.9",
            "10.1.2.4",
            "10.1.2.3",
            "10.0.0.50",
            "10.0.0.1",
            "192.0.2.2",
            "192.0.2.255",
        ] {
            let said = ip(&format!("-o route get {text}"));
            let words: Vec<&str> = said.split_whitespace().collect();
            let after = |word| Some(*words.get(words.iter().position(|w| *w == word)? + 1)?);
            let expected = if matches!(words[0], "local" | "broadcast") {
                Hop::Local
            } else {
                let iface = if after("dev") == Some("front") {
                    FRONT
                } else {
                    BACK
                };
                Hop::Resolve {
                    iface,
                    addr: addr(after("via").unwrap_or(text)),
                }
            };
            assert_eq!(fib.hop(addr(text)), expected, "{said}");
        }
    });
}

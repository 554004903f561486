// SPDX-License-Identifier: Apache-2.0
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn builder() -> FibBuilder {
    FibBuilder::new(Hasher::with_seeds(1, 2, 3, 4))
}

fn addr(text: &str) -> Addr {
    text.parse().unwrap()
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

const fn via(iface: u16) -> Route {
    Route::Via {
        iface: IfaceId(iface),
        gateway: None,
    }
}

#[test]
fn the_most_specific_route_wins_whatever_the_order() {
    let mut fib = builder();
    fib.route(prefix("10.0.0.0/8"), 0, via(1))
        .route(prefix("0.0.0.0/0"), 0, via(0))
        .route(prefix("10.1.0.0/16"), 0, Route::Blackhole)
        .route(prefix("10.1.2.3/32"), 0, Route::Local);
    let fib = fib.build(1);
    assert_eq!(fib.route(addr("10.1.2.3")), Some(Route::Local));
    assert_eq!(fib.route(addr("10.1.2.4")), Some(Route::Blackhole));
    assert_eq!(fib.route(addr("10.2.0.1")), Some(via(1)));
    assert_eq!(fib.route(addr("192.0.2.1")), Some(via(0)));
    assert_eq!(fib.route(addr("2001:db8::1")), None);
    assert_eq!(fib.route_count(), 4);
}

#[test]
fn the_families_do_not_meet() {
    let mut fib = builder();
    fib.route(prefix("::/0"), 0, via(6))
        .route(prefix("::/96"), 0, via(7));
    let fib = fib.build(1);
    assert_eq!(fib.route(addr("10.0.0.1")), None);
    assert_eq!(fib.route(addr("2001:db8::1")), Some(via(6)));
    let mut fib = builder();
    fib.route(prefix("0.0.0.0/0"), 0, via(4));
    assert_eq!(fib.build(1).route(addr("2001:db8::1")), None);
}

#[test]
fn of_two_routes_for_one_prefix_the_lower_metric_stays() {
    let mut fib = builder();
    fib.route(prefix("10.0.0.0/8"), 10, via(1))
        .route(prefix("10.0.0.1/8"), 5, via(2))
        .route(prefix("10.0.0.0/8"), 5, via(3))
        .route(prefix("10.0.0.0/8"), 7, via(4));
    assert_eq!(fib.build(1).route(addr("10.9.9.9")), Some(via(2)));
}

#[test]
fn a_hop_is_the_gateway_or_the_neighbour_itself() {
    let mut fib = builder();
    let gateway = addr("10.0.0.254");
    fib.route(prefix("10.0.0.0/24"), 0, via(0))
        .route(
            prefix("0.0.0.0/0"),
            0,
            Route::Via {
                iface: IfaceId(0),
                gateway: Some(gateway),
            },
        )
        .route(prefix("10.0.0.1/32"), 0, Route::Local)
        .route(prefix("10.9.0.0/16"), 0, Route::Kernel)
        .route(prefix("10.8.0.0/16"), 0, Route::Blackhole)
        .neighbour(IfaceId(0), gateway, Mac([2; 6]))
        .neighbour(IfaceId(1), addr("10.0.0.9"), Mac([3; 6]));
    let fib = fib.build(1);
    assert_eq!(fib.hop(addr("192.0.2.1")), Hop::Ready(NextHopId(0)));
    assert_eq!(
        fib.hop(addr("10.0.0.9")),
        Hop::Resolve {
            iface: IfaceId(0),
            addr: addr("10.0.0.9")
        },
        "known on another interface only"
    );
    assert_eq!(fib.hop(addr("10.0.0.1")), Hop::Local);
    assert_eq!(fib.hop(addr("10.9.0.1")), Hop::Kernel);
    assert_eq!(fib.hop(addr("10.8.0.1")), Hop::Blackhole);
    assert_eq!(fib.hop(addr("2001:db8::1")), Hop::None);
    assert_eq!(fib.next_hops().count(), 2);
    assert!(fib.next_hop(NextHopId(2)).is_none());
}

#[test]
fn a_later_neighbour_of_the_same_key_replaces_the_earlier() {
    let mut fib = builder();
    fib.neighbour(IfaceId(0), addr("10.0.0.9"), Mac([2; 6]))
        .neighbour(IfaceId(0), addr("10.0.0.9"), Mac([3; 6]));
    let fib = fib.build(1);
    let id = fib.neighbour_id(IfaceId(0), addr("10.0.0.9")).unwrap();
    assert_eq!(fib.next_hop(id).unwrap().mac, Mac([3; 6]));
}

#[test]
fn use_of_a_next_hop_is_reported_once() {
    let mut fib = builder();
    fib.neighbour(IfaceId(0), addr("10.0.0.9"), Mac([2; 6]));
    let fib = fib.build(1);
    let hop = fib.next_hop(NextHopId(0)).unwrap();
    assert!(!hop.take_used());
    hop.mark_used();
    hop.mark_used();
    assert!(hop.take_used());
    assert!(!hop.take_used());
}

/// Few bits that differ, so that prefixes nest.
fn some_addr() -> impl Strategy<Value = Addr> {
    (any::<bool>(), any::<u8>(), 0..3u8).prop_map(|(v4, low, high)| {
        if v4 {
            Addr::from(core::net::Ipv4Addr::new(10, high, 0, low))
        } else {
            let low = u16::from(low);
            Addr::from(core::net::Ipv6Addr::new(
                0x2001,
                high.into(),
                0,
                0,
                0,
                0,
                0,
                low,
            ))
        }
    })
}

fn some_prefix() -> impl Strategy<Value = Prefix> {
    (some_addr(), any::<prop::sample::Index>()).prop_map(|(addr, index)| {
        let len = index.index(usize::from(addr.bits()) + 1);
        Prefix::new(addr, u8::try_from(len).unwrap()).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_lookup_finds_what_a_search_through_all_routes_finds(
        routes in prop::collection::vec((some_prefix(), 0..4u32), 0..40),
        wanted in prop::collection::vec(some_addr(), 1..40),
    ) {
        let mut fib = builder();
        let routes: Vec<_> = (0u16..)
            .zip(routes)
            .map(|(n, (p, metric))| (p, metric, via(n)))
            .collect();
        for (prefix, metric, route) in &routes {
            fib.route(*prefix, *metric, *route);
        }
        let fib = fib.build(1);
        for addr in wanted {
            let best = routes
                .iter()
                .enumerate()
                .filter(|(_, (prefix, _, _))| prefix.contains(addr))
                .max_by_key(|(place, (prefix, metric, _))| {
                    (prefix.len, Reverse(*metric), Reverse(*place))
                })
                .map(|(_, (_, _, route))| *route);
            prop_assert_eq!(fib.route(addr), best, "{:?}", addr);
        }
    }
}

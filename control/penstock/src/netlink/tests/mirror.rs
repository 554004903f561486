// SPDX-License-Identifier: Apache-2.0
//! The mirror itself: floods, silences, and devices that come and go.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use worker::tap::Tap;

use super::lab::{
    BACK, FRONT, Lab, follow, front, ip, ip_batch, isolated, neighbour, on_link, prefix, route, via,
};
use crate::netlink::{Netlink, Picture};

const MANY: usize = 5000;
/// More notifications than the largest socket buffer that the mirror asks for can hold.
const TOO_MANY: usize = 20_000;

fn many(verb: &str) -> String {
    routes(verb, MANY)
}

fn routes(verb: &str, count: usize) -> String {
    (0..count).fold(String::new(), |mut script, i| {
        writeln!(
            script,
            "route {verb} 100.{}.{}.0/24 via 10.0.0.9",
            i / 256,
            i % 256
        )
        .unwrap();
        script
    })
}

fn count(picture: &Picture) -> usize {
    picture
        .routes
        .iter()
        .filter(|(_, _, route)| Some(*route) == via(BACK, "10.0.0.9"))
        .count()
}

/// Notifications that the kernel dropped because a socket of this namespace was full.
fn dropped() -> u64 {
    let table = std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
    let drops = table
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(8));
    drops.map(|number| number.parse::<u64>().unwrap()).sum()
}

#[test]
fn a_flood_that_overruns_the_socket_ends_in_the_whole_picture() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        // Nobody reads while this thread waits for `ip`.
        ip_batch(&routes("add", TOO_MANY));
        assert!(
            dropped() > 0,
            "the socket was not overrun, so this proves nothing"
        );
        lab.until(|picture| count(picture) == TOO_MANY).await;
        ip_batch(&routes("del", TOO_MANY));
        lab.until(|picture| count(picture) == 0).await;
        // And it goes on as before.
        lab.settle().await;
    });
}

#[test]
fn a_flood_that_is_followed_comes_as_few_pictures() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        let begin = Instant::now();
        // The thread is in the namespace of the one that spawns it.
        let adder = std::thread::spawn(|| ip_batch(&many("add")));
        let mut pictures = 0;
        lab.until(|picture| {
            pictures += 1;
            count(picture) == MANY
        })
        .await;
        let elapsed = begin.elapsed();
        adder.join().unwrap();
        // One at once, then one per 20 ms; and what was there at the start.
        let most = 2 + elapsed.as_millis() / 20;
        assert!(pictures <= most, "{pictures} pictures in {elapsed:?}");
    });
}

#[test]
fn the_first_change_after_quiet_is_not_held_back() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        lab.settle().await;
        // Of several tries the best counts: the machine has other things to do.
        let mut best = Duration::MAX;
        for host in 1..=8 {
            tokio::time::sleep(Duration::from_millis(25)).await;
            let text = format!("203.0.113.{host}/32");
            ip(&format!("route add {text} dev back"));
            let begin = Instant::now();
            lab.until(|picture| route(picture, &text).is_some()).await;
            best = best.min(begin.elapsed());
        }
        assert!(best < Duration::from_millis(15), "{best:?}");
    });
}

#[test]
fn nothing_is_sent_when_nothing_of_ours_changed() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        let _management = Tap::create("mgmt").unwrap();
        // No link-local address, which would come seconds later.
        std::fs::write("/proc/sys/net/ipv6/conf/mgmt/disable_ipv6", "1").unwrap();
        ip("addr add 172.16.0.2/24 dev mgmt");
        ip("link set mgmt up");
        lab.until(|picture| route(picture, "172.16.0.2/32").is_some())
            .await;
        lab.settle().await;
        let before = lab.pictures.borrow_and_update().clone();
        for host in 10..60 {
            ip_batch(&format!(
                "neigh add 172.16.0.{host} lladdr 02:00:00:00:00:09 dev mgmt nud reachable\n\
                 route add 203.0.113.{host}/32 via 172.16.0.1 table 100\n"
            ));
        }
        // The next picture is that of the marker alone.
        ip("route add 198.18.0.1/32 dev back");
        lab.pictures.changed().await.unwrap();
        let mut after = lab.pictures.borrow_and_update().clone();
        assert_eq!(route(&after, "198.18.0.1/32"), on_link(BACK));
        after
            .routes
            .retain(|(to, _, _)| *to != prefix("198.18.0.1/32"));
        assert_eq!(before, after);
    });
}

#[test]
fn a_link_that_goes_down_takes_its_routes_and_brings_them_back() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        ip("route add 203.0.113.0/24 via 192.0.2.1");
        ip("neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev front nud reachable");
        lab.until(|p| neighbour(p, FRONT, "192.0.2.1").is_some())
            .await;
        // Linux says nothing of the IPv4 routes that go.
        ip("link set front down");
        let picture = lab.until(|p| route(p, "192.0.2.0/24").is_none()).await;
        assert_eq!(route(&picture, "203.0.113.0/24"), None);
        lab.until(|p| neighbour(p, FRONT, "192.0.2.1").is_none())
            .await;
        ip("link set front up");
        lab.until(|p| route(p, "192.0.2.0/24") == on_link(FRONT))
            .await;
        let picture = lab
            .until(|p| route(p, "2001:db8:1::/64") == on_link(FRONT))
            .await;
        assert!(
            picture
                .addresses
                .contains(&(FRONT, prefix("2001:db8:1::2/64")))
        );
    });
}

#[test]
fn routes_with_a_source_address_that_goes_are_gone() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        ip("addr add 192.0.2.77/32 dev front");
        ip("route add 203.0.113.0/24 via 10.0.0.9 src 192.0.2.77");
        lab.until(|p| route(p, "203.0.113.0/24").is_some()).await;
        ip("addr del 192.0.2.77/32 dev front");
        let picture = lab.until(|p| route(p, "203.0.113.0/24").is_none()).await;
        assert_eq!(route(&picture, "192.0.2.77/32"), None);
    });
}

#[test]
fn routes_through_a_nexthop_object_follow_it() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        ip("nexthop add id 7 via 10.0.0.9 dev back");
        ip("route add 203.0.113.0/24 nhid 7");
        lab.until(|p| route(p, "203.0.113.0/24") == via(BACK, "10.0.0.9"))
            .await;
        ip("nexthop replace id 7 via 192.0.2.1 dev front");
        lab.until(|p| route(p, "203.0.113.0/24") == via(FRONT, "192.0.2.1"))
            .await;
        ip("nexthop del id 7");
        lab.until(|p| route(p, "203.0.113.0/24").is_none()).await;
    });
}

#[test]
fn a_device_that_disappears_and_comes_back_is_followed() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        drop(std::mem::replace(
            &mut lab.front,
            Tap::create("other").unwrap(),
        ));
        let picture = lab.until(|p| route(p, "192.0.2.0/24").is_none()).await;
        assert!(
            picture.addresses.iter().all(|(iface, _)| *iface == BACK),
            "{picture:?}"
        );
        lab.front = Tap::create("front").unwrap();
        lab.netlink.configure(&front()).await.unwrap();
        lab.until(|p| route(p, "192.0.2.0/24") == on_link(FRONT))
            .await;
    });
}

#[test]
fn a_device_that_gets_another_name_is_a_twin_no_longer() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        ip("link set front down");
        ip("link set front name renamed");
        ip("link set renamed up");
        lab.until(|p| route(p, "192.0.2.0/24") == Some(model::fib::Route::Kernel))
            .await;
        ip("link set renamed down");
        ip("link set renamed name front");
        ip("link set front up");
        lab.until(|p| route(p, "192.0.2.0/24") == on_link(FRONT))
            .await;
    });
}

#[test]
fn what_was_there_before_the_mirror_is_in_its_first_picture() {
    isolated(|| async {
        let _taps = (Tap::create("front").unwrap(), Tap::create("back").unwrap());
        let netlink = Netlink::connect().await.unwrap();
        netlink.configure(&front()).await.unwrap();
        netlink.configure(&super::lab::back()).await.unwrap();
        ip_batch(&many("add"));
        ip("neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev back nud permanent");
        let mut pictures = follow(&netlink);
        pictures.changed().await.unwrap();
        let picture = pictures.borrow_and_update().clone();
        assert_eq!(count(&picture), MANY);
        assert!(neighbour(&picture, BACK, "10.0.0.9").is_some());
        assert_eq!(
            picture
                .to_fib(ahash::RandomState::with_seeds(1, 2, 3, 4), 9)
                .generation,
            9
        );
    });
}

#[test]
fn mirrors_begun_in_the_middle_of_a_flood_miss_nothing() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        let flood = std::thread::spawn(|| {
            ip_batch(&many("add"));
            let every_other =
                many("del")
                    .lines()
                    .step_by(2)
                    .fold(String::new(), |mut all, line| {
                        writeln!(all, "{line}").unwrap();
                        all
                    });
            ip_batch(&every_other);
        });
        let mut mirrors = Vec::new();
        while !flood.is_finished() {
            let mut pictures = follow(&lab.netlink);
            pictures.changed().await.unwrap();
            if mirrors.len() < 8 {
                mirrors.push(pictures);
            }
        }
        flood.join().unwrap();
        assert!(mirrors.len() > 1);
        for pictures in mirrors {
            lab.pictures = pictures;
            lab.until(|picture| count(picture) == MANY / 2).await;
        }
    });
}

#[test]
fn two_mirrors_see_the_same() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        let mut second = follow(&lab.netlink.clone());
        second.changed().await.unwrap();
        ip_batch(&many("add"));
        let mine = lab.until(|picture| count(picture) == MANY).await;
        lab.pictures = second;
        assert_eq!(lab.until(|picture| count(picture) == MANY).await, mine);
    });
}

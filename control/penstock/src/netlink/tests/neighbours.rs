// SPDX-License-Identifier: Apache-2.0
//! Neighbours: what Linux knows, and having it find out more.

use model::addr::Mac;
use model::ids::IfaceId;

use super::frames::{advertisement, arp_reply, arp_request, solicitation};
use super::lab::{
    BACK, BACK_MAC, FRONT, FRONT_MAC, Lab, addr, frame, front, ip, isolated, neighbour, send, stale,
};
use crate::netlink::NetlinkError;

const THEIRS: Mac = Mac([2, 0, 0, 0, 0, 9]);

#[test]
fn neighbours_come_and_go() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        ip("neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev back nud permanent");
        ip("neigh add 2001:db8:1::9 lladdr 02:00:00:00:00:09 dev front nud reachable");
        let picture = lab
            .until(|p| neighbour(p, FRONT, "2001:db8:1::9").is_some())
            .await;
        assert_eq!(neighbour(&picture, BACK, "10.0.0.9"), Some(THEIRS));
        ip("neigh change 10.0.0.9 lladdr 02:00:00:00:00:0a dev back nud permanent");
        lab.until(|p| neighbour(p, BACK, "10.0.0.9") == Some(Mac([2, 0, 0, 0, 0, 10])))
            .await;
        ip("neigh del 10.0.0.9 dev back");
        lab.until(|p| neighbour(p, BACK, "10.0.0.9").is_none())
            .await;
    });
}

#[test]
fn stale_neighbours_are_known_and_listed() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        ip("neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev back nud stale");
        let picture = lab.until(|p| stale(p, BACK, "10.0.0.9")).await;
        assert_eq!(neighbour(&picture, BACK, "10.0.0.9"), Some(THEIRS));
        ip("neigh change 10.0.0.9 lladdr 02:00:00:00:00:09 dev back nud reachable");
        let picture = lab.until(|p| !stale(p, BACK, "10.0.0.9")).await;
        assert_eq!(neighbour(&picture, BACK, "10.0.0.9"), Some(THEIRS));
    });
}

#[test]
fn groups_and_failed_neighbours_are_none() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        ip("neigh add 10.0.0.8 dev back nud failed");
        ip("neigh add 224.0.0.5 lladdr 01:00:5e:00:00:05 dev back nud noarp");
        let picture = lab.settle().await;
        assert_eq!(neighbour(&picture, BACK, "10.0.0.8"), None);
        assert!(
            picture.neighbours.iter().all(|(_, _, mac)| !mac.is_group()),
            "{picture:?}"
        );
    });
}

#[test]
fn resolving_sends_an_arp_request_and_the_answer_is_known() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        lab.netlink.resolve(BACK, addr("10.0.0.9")).await.unwrap();
        let question = frame(&lab.back, arp_request).await;
        assert_eq!(question.target, addr("10.0.0.9"));
        assert_eq!(question.sender, addr("10.0.0.1"));
        assert_eq!(question.from, BACK_MAC);
        assert_eq!(question.to, Mac([0xff; 6]));
        assert_eq!(neighbour(&lab.pictures.borrow(), BACK, "10.0.0.9"), None);
        send(&lab.back, &arp_reply(&question, THEIRS));
        let picture = lab
            .until(|p| neighbour(p, BACK, "10.0.0.9").is_some())
            .await;
        assert_eq!(neighbour(&picture, BACK, "10.0.0.9"), Some(THEIRS));
        assert!(!stale(&picture, BACK, "10.0.0.9"));
    });
}

#[test]
fn resolving_sends_a_solicitation_and_the_answer_is_known() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        lab.netlink
            .resolve(FRONT, addr("2001:db8:1::9"))
            .await
            .unwrap();
        let wanted = addr("2001:db8:1::9");
        let question = frame(&lab.front, |f| {
            solicitation(f).filter(|q| q.target == wanted)
        })
        .await;
        assert_eq!(question.from, FRONT_MAC);
        assert_eq!(question.to, Mac([0x33, 0x33, 0xff, 0, 0, 9]));
        send(&lab.front, &advertisement(&question, THEIRS));
        let picture = lab
            .until(|p| neighbour(p, FRONT, "2001:db8:1::9").is_some())
            .await;
        assert_eq!(neighbour(&picture, FRONT, "2001:db8:1::9"), Some(THEIRS));
    });
}

#[test]
fn resolving_a_stale_neighbour_has_it_confirmed() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        // Linux waits five seconds for other signs of life; not so long here.
        let path = "/proc/sys/net/ipv4/neigh/back/delay_first_probe_time";
        std::fs::write(path, "0").unwrap();
        ip("neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev back nud stale");
        lab.until(|p| stale(p, BACK, "10.0.0.9")).await;
        lab.netlink.resolve(BACK, addr("10.0.0.9")).await.unwrap();
        let question = frame(&lab.back, arp_request).await;
        // Asked in person, for the MAC is known, and goes on being known meanwhile.
        assert_eq!((question.target, question.to), (addr("10.0.0.9"), THEIRS));
        assert_eq!(
            neighbour(&lab.pictures.borrow(), BACK, "10.0.0.9"),
            Some(THEIRS)
        );
        send(&lab.back, &arp_reply(&question, THEIRS));
        lab.until(|p| !stale(p, BACK, "10.0.0.9")).await;
        let entry = ip("neigh show 10.0.0.9 dev back");
        assert!(entry.contains("REACHABLE"), "{entry}");
    });
}

#[test]
fn resolving_again_and_again_is_harmless() {
    isolated(|| async {
        let lab = Lab::start().await;
        for _ in 0..50 {
            lab.netlink.resolve(BACK, addr("10.0.0.9")).await.unwrap();
        }
        let all = futures_util::future::join_all((1..=200u8).map(|host| {
            lab.netlink
                .resolve(FRONT, std::net::Ipv4Addr::new(192, 0, 2, host).into())
        }));
        assert_eq!(all.await.iter().filter(|asked| asked.is_err()).count(), 0);
    });
}

#[test]
fn an_interface_without_a_twin_cannot_resolve() {
    isolated(|| async {
        let lab = Lab::start().await;
        let error = lab
            .netlink
            .resolve(IfaceId(99), addr("10.0.0.9"))
            .await
            .unwrap_err();
        assert!(
            matches!(error, NetlinkError::NoTwin { iface: IfaceId(99) }),
            "{error}"
        );
    });
}

#[test]
fn resolving_finds_a_device_that_was_made_anew() {
    isolated(|| async {
        let Lab {
            front: old,
            netlink,
            ..
        } = Lab::start().await;
        drop(old);
        let gone = netlink.resolve(FRONT, addr("192.0.2.9")).await.unwrap_err();
        assert!(gone.to_string().contains("No such device"), "{gone}");
        let new = worker::tap::Tap::create("front").unwrap();
        ip("link set front up");
        ip("addr add 192.0.2.2/24 dev front");
        netlink.resolve(FRONT, addr("192.0.2.9")).await.unwrap();
        let question = frame(&new, arp_request).await;
        assert_eq!(question.target, addr("192.0.2.9"));
        assert_ne!(question.from, front().mac, "nobody configured it yet");
    });
}

// SPDX-License-Identifier: Apache-2.0
//! Service addresses on the twins.

use std::net::{TcpListener, UdpSocket};

use model::addr::Addr;

use super::frames::{arp_reply, arp_request};
use super::lab::{BACK, FRONT, Lab, addr, front, ip, isolated, prefix, route, send};
use crate::netlink::Netlink;

fn all(texts: &[&str]) -> Vec<Addr> {
    texts.iter().map(|text| addr(text)).collect()
}

#[test]
fn each_goes_to_the_twin_of_its_subnet_else_to_the_first() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        let wanted = all(&["192.0.2.10", "10.0.0.10", "203.0.113.10", "2001:db8:2::10"]);
        lab.netlink.set_virtual_ips(&wanted).await.unwrap();
        let picture = lab
            .until(|p| route(p, "2001:db8:2::10/128").is_some())
            .await;
        for (iface, text) in [
            (FRONT, "192.0.2.10/32"),
            (BACK, "10.0.0.10/32"),
            (FRONT, "203.0.113.10/32"),
            (BACK, "2001:db8:2::10/128"),
        ] {
            assert!(
                picture.addresses.contains(&(iface, prefix(text))),
                "{text}: {picture:?}"
            );
            assert_eq!(
                route(&picture, text),
                Some(model::fib::Route::Local),
                "{text}"
            );
        }
    });
}

#[test]
fn setting_twice_changes_nothing_and_setting_none_removes_all() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        let before = lab.settle().await.addresses;
        let wanted = all(&["192.0.2.10", "2001:db8:1::10"]);
        lab.netlink.set_virtual_ips(&wanted).await.unwrap();
        let first = lab.settle().await.addresses;
        assert_eq!(first.len(), before.len() + 2);
        lab.netlink.set_virtual_ips(&wanted).await.unwrap();
        assert_eq!(lab.settle().await.addresses, first);
        lab.netlink.set_virtual_ips(&wanted[1..]).await.unwrap();
        assert_eq!(lab.settle().await.addresses.len(), before.len() + 1);
        lab.netlink.set_virtual_ips(&[]).await.unwrap();
        assert_eq!(lab.settle().await.addresses, before);
        lab.netlink.set_virtual_ips(&[]).await.unwrap();
    });
}

#[test]
fn what_somebody_else_set_stays() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        ip("addr add 192.0.2.10/32 dev front");
        ip("addr add 10.0.0.10/24 dev back");
        ip("addr add 203.0.113.7/32 dev front");
        let wanted = all(&["192.0.2.10", "10.0.0.10", "192.0.2.2", "192.0.2.11"]);
        let before = lab.settle().await.addresses;
        lab.netlink.set_virtual_ips(&wanted).await.unwrap();
        // The others are there already, the twin's own included.
        let now = lab.settle().await.addresses;
        assert_eq!(now.len(), before.len() + 1);
        assert!(now.contains(&(FRONT, prefix("192.0.2.11/32"))));
        lab.netlink.set_virtual_ips(&[]).await.unwrap();
        assert_eq!(lab.settle().await.addresses, before);
    });
}

#[test]
fn ours_that_somebody_removed_come_back_and_may_be_gone_when_unwanted() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        let wanted = all(&["192.0.2.10", "192.0.2.11"]);
        lab.netlink.set_virtual_ips(&wanted).await.unwrap();
        ip("addr del 192.0.2.10/32 dev front");
        lab.netlink.set_virtual_ips(&wanted).await.unwrap();
        lab.until(|p| route(p, "192.0.2.10/32").is_some()).await;
        ip("addr del 192.0.2.10/32 dev front");
        ip("addr del 192.0.2.11/32 dev front");
        lab.netlink.set_virtual_ips(&[]).await.unwrap();
    });
}

#[test]
fn they_follow_their_subnet_to_another_twin() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        let wanted = all(&["198.51.100.10"]);
        lab.netlink.set_virtual_ips(&wanted).await.unwrap();
        lab.until(|p| p.addresses.contains(&(FRONT, prefix("198.51.100.10/32"))))
            .await;
        let mut twin = super::lab::back();
        twin.addresses.push(prefix("198.51.100.1/24"));
        lab.netlink.configure(&twin).await.unwrap();
        lab.netlink.set_virtual_ips(&wanted).await.unwrap();
        let picture = lab
            .until(|p| p.addresses.contains(&(BACK, prefix("198.51.100.10/32"))))
            .await;
        assert!(
            !picture
                .addresses
                .contains(&(FRONT, prefix("198.51.100.10/32")))
        );
    });
}

#[test]
fn they_serve_at_once_and_are_no_source_of_our_own() {
    isolated(|| async {
        let lab = Lab::start().await;
        // Lower than the twin's own, so that a wrong choice would show.
        let wanted = all(&["192.0.2.1", "2001:db8:1::1"]);
        lab.netlink.set_virtual_ips(&wanted).await.unwrap();
        TcpListener::bind("192.0.2.1:80").unwrap();
        TcpListener::bind("[2001:db8:1::1]:80").unwrap();
        for (peer, own) in [
            ("192.0.2.9", "192.0.2.2"),
            ("2001:db8:1::9", "2001:db8:1::2"),
        ] {
            let any = if peer.contains(':') {
                "[::]:0"
            } else {
                "0.0.0.0:0"
            };
            let socket = UdpSocket::bind(any).unwrap();
            socket.connect((peer, 9)).unwrap();
            assert_eq!(socket.local_addr().unwrap().ip().to_string(), own);
        }
    });
}

#[test]
fn linux_answers_arp_for_them() {
    isolated(|| async {
        let lab = Lab::start().await;
        lab.netlink
            .set_virtual_ips(&all(&["192.0.2.10", "10.0.0.10"]))
            .await
            .unwrap();
        // A client's request, in our own words: who asks is `from`.
        let client = model::addr::Mac([2, 0, 0, 0, 0, 9]);
        let request = |target| {
            let asked = super::frames::Question {
                to: model::addr::Mac([0xff; 6]),
                from: model::addr::Mac([0; 6]),
                sender: addr(target),
                target: addr("192.0.2.9"),
            };
            let mut frame = arp_reply(&asked, client);
            frame[21] = 1;
            frame[..6].copy_from_slice(&[0xff; 6]);
            assert!(arp_request(&frame).is_some());
            frame
        };
        // Not on the segment of another twin, which has another MAC.
        send(&lab.front, &request("10.0.0.10"));
        send(&lab.front, &request("192.0.2.10"));
        let answered = super::lab::frame(&lab.front, |frame| {
            (frame.get(12..14)? == [8, 6] && frame.get(20..22)? == [0, 2])
                .then(|| (frame[6..12].to_vec(), frame[28..32].to_vec()))
        })
        .await;
        assert_eq!(answered, (front().mac.0.to_vec(), vec![192, 0, 2, 10]));
    });
}

#[test]
fn without_a_twin_there_is_no_place_for_them() {
    isolated(|| async {
        let netlink = Netlink::connect().await.unwrap();
        netlink.set_virtual_ips(&[]).await.unwrap();
        let error = netlink
            .set_virtual_ips(&all(&["192.0.2.10"]))
            .await
            .unwrap_err();
        assert!(
            error.to_string().starts_with("192.0.2.10: cannot add"),
            "{error}"
        );
    });
}

#[test]
fn one_that_fails_does_not_stop_the_others() {
    isolated(|| async {
        let mut lab = Lab::start().await;
        ip("link set front down");
        std::fs::write("/proc/sys/net/ipv6/conf/front/disable_ipv6", "1").unwrap();
        let wanted = all(&["2001:db8:1::10", "10.0.0.10"]);
        let error = lab
            .netlink
            .set_virtual_ips(&wanted)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("2001:db8:1::10/128: cannot add the address"),
            "{error}"
        );
        assert!(error.contains("disable_ipv6"), "{error}");
        lab.until(|p| p.addresses.contains(&(BACK, prefix("10.0.0.10/32"))))
            .await;
        // Once the obstacle is gone, the same call puts it there.
        std::fs::write("/proc/sys/net/ipv6/conf/front/disable_ipv6", "0").unwrap();
        ip("link set front up");
        lab.netlink.set_virtual_ips(&wanted).await.unwrap();
        lab.until(|p| p.addresses.contains(&(FRONT, prefix("2001:db8:1::10/128"))))
            .await;
    });
}

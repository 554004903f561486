// SPDX-License-Identifier: Apache-2.0
//! A namespace, its twins and its mirror; conditions are waited for, never slept for.

use std::fs::File;
use std::future::Future;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use model::addr::{Addr, Mac, Prefix};
use model::fib::Route;
use model::ids::IfaceId;
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use tokio::sync::watch;
use worker::tap::Tap;

use crate::netlink::{Netlink, NetlinkError, Picture, TwinLink};

/// Far more than anything here takes, for machines that are busy with other things.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test on a thread of its own that is alone in a fresh network namespace.
pub(super) fn isolated<F>(test: impl FnOnce() -> F + Send)
where
    F: Future<Output = ()>,
{
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            match unshare(CloneFlags::CLONE_NEWNET) {
                Ok(()) => {}
                Err(Errno::EPERM) => {
                    eprintln!("skipped: a network namespace of its own needs root");
                    return;
                }
                Err(error) => panic!("unshare: {error}"),
            }
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(test());
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

pub(super) const FRONT: IfaceId = IfaceId(3);
pub(super) const BACK: IfaceId = IfaceId(7);
pub(super) const FRONT_MAC: Mac = Mac([2, 0, 0, 0, 0x10, 1]);
pub(super) const BACK_MAC: Mac = Mac([2, 0, 0, 0, 0x10, 2]);

pub(super) fn front() -> TwinLink {
    TwinLink {
        iface: FRONT,
        name: "front".to_owned(),
        mac: FRONT_MAC,
        mtu: 1500,
        addresses: vec![prefix("192.0.2.2/24"), prefix("2001:db8:1::2/64")],
    }
}

pub(super) fn back() -> TwinLink {
    TwinLink {
        iface: BACK,
        name: "back".to_owned(),
        mac: BACK_MAC,
        mtu: 1500,
        addresses: vec![prefix("10.0.0.1/24"), prefix("2001:db8:2::1/64")],
    }
}

/// Two configured twins, and the mirror in a task.
pub(super) struct Lab {
    pub(super) front: Tap,
    pub(super) back: Tap,
    pub(super) netlink: Netlink,
    pub(super) pictures: watch::Receiver<Picture>,
}

impl Lab {
    pub(super) async fn start() -> Self {
        let (front_tap, back_tap) = (Tap::create("front").unwrap(), Tap::create("back").unwrap());
        let netlink = Netlink::connect().await.unwrap();
        netlink.configure(&front()).await.unwrap();
        netlink.configure(&back()).await.unwrap();
        let pictures = follow(&netlink);
        let mut lab = Self {
            front: front_tap,
            back: back_tap,
            netlink,
            pictures,
        };
        // Linux makes the link-local addresses in a task of its own; after them all is quiet.
        lab.until(|picture| {
            [
                "10.0.0.0/24",
                "fe80::ff:fe00:1001/128",
                "fe80::ff:fe00:1002/128",
            ]
            .iter()
            .all(|text| route(picture, text).is_some())
        })
        .await;
        lab
    }

    /// Waits for a picture like that, and returns it.
    pub(super) async fn until(&mut self, mut like: impl FnMut(&Picture) -> bool) -> Picture {
        let begin = Instant::now();
        loop {
            {
                let picture = self.pictures.borrow_and_update();
                if like(&picture) {
                    return picture.clone();
                }
            }
            let left = PATIENCE.saturating_sub(begin.elapsed());
            let changed = tokio::time::timeout(left, self.pictures.changed()).await;
            assert!(
                matches!(changed, Ok(Ok(()))),
                "never seen ({changed:?}); the last picture: {:#?}",
                self.pictures.borrow()
            );
        }
    }

    /// Waits until a change made now has come through, so that what came before has, too.
    pub(super) async fn settle(&mut self) -> Picture {
        ip("route add 198.18.255.255/32 dev back");
        self.until(|picture| route(picture, "198.18.255.255/32").is_some())
            .await;
        ip("route del 198.18.255.255/32 dev back");
        self.until(|picture| route(picture, "198.18.255.255/32").is_none())
            .await
    }
}

/// Mirrors in a task that says why it ends.
pub(super) fn follow(netlink: &Netlink) -> watch::Receiver<Picture> {
    let (sender, pictures) = watch::channel(Picture::default());
    let netlink = netlink.clone();
    tokio::spawn(async move {
        let error: NetlinkError = netlink.mirror(&[front(), back()], sender).await;
        panic!("the mirror ended: {error}");
    });
    pictures
}

/// Reads frames that Linux sends until one is like that; `None` from `like` is "not this one".
pub(super) async fn frame<T>(tap: &Tap, mut like: impl FnMut(&[u8]) -> Option<T>) -> T {
    let begin = Instant::now();
    let mut buffer = [0; 2048];
    loop {
        while let Some(len) = tap.receive(&mut buffer).unwrap() {
            if let Some(found) = like(&buffer[..len]) {
                return found;
            }
        }
        assert!(begin.elapsed() < PATIENCE, "Linux never sent that frame");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Gives a frame to Linux, as if it came from the network.
pub(super) fn send(tap: &Tap, frame: &[u8]) {
    let mut file = File::from(tap.as_fd().try_clone_to_owned().unwrap());
    assert_eq!(file.write(frame).unwrap(), frame.len());
}

/// `ip …`, which must succeed; its output.
pub(super) fn ip(arguments: &str) -> String {
    let mut command = Command::new("ip");
    let output = command.args(arguments.split_whitespace()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Many `ip` commands at once.
pub(super) fn ip_batch(script: &str) {
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
}

/// The route of exactly this prefix, the lowest metric's.
pub(super) fn route(picture: &Picture, text: &str) -> Option<Route> {
    let wanted = prefix(text);
    let same = picture
        .routes
        .iter()
        .filter(|(prefix, _, _)| *prefix == wanted);
    same.min_by_key(|(_, metric, _)| *metric)
        .map(|(_, _, route)| *route)
}

pub(super) fn neighbour(picture: &Picture, iface: IfaceId, text: &str) -> Option<Mac> {
    let wanted = addr(text);
    let mut all = picture.neighbours.iter();
    all.find(|(at, addr, _)| (*at, *addr) == (iface, wanted))
        .map(|(_, _, mac)| *mac)
}

pub(super) fn stale(picture: &Picture, iface: IfaceId, text: &str) -> bool {
    picture.stale.contains(&(iface, addr(text)))
}

pub(super) fn via(iface: IfaceId, gateway: &str) -> Option<Route> {
    Some(Route::Via {
        iface,
        gateway: Some(addr(gateway)),
    })
}

pub(super) fn on_link(iface: IfaceId) -> Option<Route> {
    Some(Route::Via {
        iface,
        gateway: None,
    })
}

pub(super) fn addr(text: &str) -> Addr {
    text.parse().unwrap()
}

pub(super) fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

// SPDX-License-Identifier: Apache-2.0
//! A host on a tagged network, for kernels that know no VLANs.
//!
//! ```text
//!   namespace:  v0 ──veth── v1 ═╗ this thread puts the tag on    ╔═ e0 ──► trunk
//!               the host        ╚═══════ and takes it off ═══════╝
//! ```
//! What leaves `v0` gets a tag and leaves `e0`; what `e0` receives for the MAC of `v0`, or for all,
//! goes to `v0`. Identifier 0 makes a host that marks priorities and is on no VLAN (IEEE 802.1Q
//! §6.9.1). The kernel takes tags off before anyone can see them, so an nft rule counts the
//! frames that had the right one: [`VlanHost::tagged`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use super::error::{LabError, LabResult};
use super::netns::Netns;
use super::raw::RawSocket;

/// The host; its interface is `v0`.
#[derive(Debug)]
pub struct VlanHost {
    place: Netns,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    threads: Vec<JoinHandle<LabResult<()>>>,
}

impl VlanHost {
    /// Makes `v0` with these addresses (with prefix lengths) on VLAN `id` of the namespace's `e0`.
    pub fn start(place: &Netns, id: u16, addresses: &[String]) -> LabResult<Self> {
        let outer = RawSocket::open(place, "e0")?;
        let [.., role, port] = outer.mac();
        let mut script = format!(
            "link add v0 address 02:00:0a:{role:02x}:{port:02x}:{:02x} type veth peer name v1\n\
             link set v0 up\nlink set v1 up\n",
            id & 0xff
        );
        for address in addresses {
            let nodad = if address.contains(':') { " nodad" } else { "" };
            script.push_str(&format!("addr add {address} dev v0{nodad}\n"));
        }
        place.sysctls(&[("ipv6/conf/default/accept_dad", "0")])?;
        place.ip_batch(&script)?;
        place.sysctls(&[("ipv6/conf/v1/disable_ipv6", "1")])?;
        place.run_ok(
            "ethtool",
            &["-K", "v0", "tx", "off", "tso", "off", "gso", "off"],
        )?;
        place.nft(&format!(
            "add table netdev tagged\n\
             add chain netdev tagged in {{ type filter hook ingress device e0 priority -400; }}\n\
             add rule netdev tagged in vlan id {id} counter comment \"tagged\"\n"
        ))?;
        let stop = Arc::new(AtomicBool::new(false));
        let inner = RawSocket::open(place, "v1")?;
        let host = RawSocket::open(place, "v0")?.mac();
        let (out_from, out_to) = (inner.try_clone()?, outer.try_clone()?);
        let sent = Arc::new(AtomicU64::new(0));
        let (flag, count) = (Arc::clone(&stop), Arc::clone(&sent));
        let out = thread::spawn(move || {
            relay(&flag, &out_from, |frame| {
                // Not what the other thread has just put in there.
                let ours = frame.get(6..12) == Some(&host);
                // The highest priority for those that are on no VLAN.
                let control = if id == 0 { 0xe000 } else { id };
                let [high, low] = control.to_be_bytes();
                let tag = [0x81, 0x00, high, low];
                if let (true, Some((macs, rest))) = (ours, frame.split_at_checked(12)) {
                    count.fetch_add(1, Ordering::Relaxed);
                    out_to.send(&[macs, &tag, rest].concat())?;
                }
                Ok(())
            })
        });
        let flag = Arc::clone(&stop);
        let into = thread::spawn(move || {
            relay(&flag, &outer, |frame| {
                let group = frame.first().is_some_and(|octet| octet & 1 == 1);
                let wanted = group || frame.get(..6) == Some(&host);
                if wanted && frame.get(6..12) != Some(&host) {
                    inner.send(frame)?;
                }
                Ok(())
            })
        });
        Ok(Self {
            place: place.clone(),
            stop,
            sent,
            threads: vec![out, into],
        })
    }

    /// Frames that have left with the tag.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Frames with the right tag that `e0` has received.
    pub fn tagged(&self) -> LabResult<u64> {
        let args = ["list", "chain", "netdev", "tagged", "in"];
        let text = self.place.run_ok("nft", &args)?.text();
        let count = text
            .split_once("counter packets ")
            .and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok());
        count.ok_or_else(|| LabError::output("nft", "no counter", &text))
    }
}

impl Drop for VlanHost {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A frame that could not be passed on showed as one that is missing.
            drop(thread.join());
        }
    }
}

fn relay(
    stop: &AtomicBool,
    from: &RawSocket,
    mut pass: impl FnMut(&[u8]) -> LabResult<()>,
) -> LabResult<()> {
    let mut buffer = vec![0; 65536];
    while !stop.load(Ordering::Relaxed) {
        if let Some(frame) = from.receive(&mut buffer)? {
            pass(frame)?;
        }
    }
    Ok(())
}

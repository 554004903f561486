// SPDX-License-Identifier: Apache-2.0
//! The server's end of a tunnel, where the kernel has none: takes IPIP, GRE and GUE packets off the
//! wire and hands what is inside to the namespace's own stack.
//!
//! ```text
//!   e0 ─ outer ─► AF_PACKET ─► Decapsulator ─► AF_PACKET ─► wrap0 ═ veth ═ wrap1 ─► VIP on lo
//! ```
//! The kernel, which would refuse the outer packets, is kept from seeing them. Outer packets in
//! pieces are put together here, as the kernel would.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};
use wire::checksum;
use wire::ethernet::EtherType;
use wire::gre::Gre;
use wire::ipv4::IpProtocol;
use wire::packet::{Kind, Parsed, parse};
use wire::tunnel;
use wire::udp::Udp;

use super::error::{LabError, LabResult};
use super::netns::Netns;

/// A running decapsulator; it ends when this drops.
#[derive(Debug)]
pub struct Decapsulator {
    stop: Arc<AtomicBool>,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

/// What it saw.
#[derive(Debug, Default)]
struct Counts {
    unwrapped: AtomicU64,
    bad: AtomicU64,
}

impl Decapsulator {
    /// Unwraps what arrives for `own` in the namespace of a real server; GUE comes to UDP port
    /// `gue_port`.
    pub fn start(place: &Netns, own: &[IpAddr], gue_port: u16) -> LabResult<Self> {
        place.ip_batch(
            "link add wrap0 address 02:00:00:00:ee:00 type veth \
             peer name wrap1 address 02:00:00:00:ee:01\n\
             link set wrap0 mtu 65535 up\nlink set wrap1 mtu 65535 up\n",
        )?;
        place.nft(&format!(
            "add table inet unwrap\n\
             add chain inet unwrap early {{ type filter hook prerouting priority -300; }}\n\
             add rule inet unwrap early iifname \"e0\" meta l4proto {{ 4, 41, 47 }} drop\n\
             add rule inet unwrap early iifname \"e0\" udp dport {gue_port} drop\n"
        ))?;
        let (from, to) = place.inside(|| Ok((packet_socket("e0")?, packet_socket("wrap0")?)))?;
        let (stop, counts) = (Arc::<AtomicBool>::default(), Arc::<Counts>::default());
        let mut unwrapper = Unwrapper {
            from,
            to,
            own: own
                .iter()
                .map(|own| model::addr::Addr::from(*own))
                .collect(),
            gue_port,
            counts: Arc::clone(&counts),
            waiting: HashMap::new(),
        };
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || unwrapper.run(&stopped));
        Ok(Self {
            stop,
            counts,
            thread: Some(thread),
        })
    }

    /// Packets handed on.
    #[must_use]
    pub fn unwrapped(&self) -> u64 {
        self.counts.unwrapped.load(Ordering::Relaxed)
    }

    /// Packets of a tunnel that had a wrong checksum, or nothing inside.
    #[must_use]
    pub fn bad(&self) -> u64 {
        self.counts.bad.load(Ordering::Relaxed)
    }
}

impl Drop for Decapsulator {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of it showed on the client.
            drop(thread.join());
        }
    }
}

#[derive(Debug)]
struct Unwrapper {
    from: OwnedFd,
    to: OwnedFd,
    own: Vec<model::addr::Addr>,
    gue_port: u16,
    counts: Arc<Counts>,
    /// Pieces of outer packets, by source and identification.
    waiting: HashMap<([u8; 16], u32), Pieces>,
}

/// Offset, whether more follow, and bytes of each piece.
type Pieces = BTreeMap<u16, (bool, Vec<u8>)>;

impl Unwrapper {
    fn run(&mut self, stop: &AtomicBool) {
        let mut buffer = vec![0; 65536];
        while !stop.load(Ordering::Relaxed) {
            let Ok(count) = recv(self.from.as_raw_fd(), &mut buffer, MsgFlags::empty()) else {
                continue;
            };
            let frame = buffer.get(..count).unwrap_or_default();
            let Ok(parsed) = parse(frame, frame.len()) else {
                continue;
            };
            let to_us = self
                .own
                .iter()
                .any(|own| *own.octets() == parsed.destination);
            let shim = if to_us {
                self.whole(frame, &parsed)
            } else {
                None
            };
            let Some(shim) = shim.filter(|shim| self.is_tunnel(parsed.protocol, shim)) else {
                continue;
            };
            match self.unwrap(&shim, &parsed) {
                Some(inner) => {
                    // The client counts what does not come back.
                    send(self.to.as_raw_fd(), &inner, MsgFlags::empty()).unwrap_or_default();
                    self.counts.unwrapped.fetch_add(1, Ordering::Relaxed);
                }
                None => {
                    self.counts.bad.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// What is behind the outer header, once all of it is there.
    fn whole(&mut self, frame: &[u8], parsed: &Parsed) -> Option<Vec<u8>> {
        let end = usize::try_from(parsed.frame_len()).ok()?;
        let part = frame.get(usize::from(parsed.l4_offset)..end)?.to_vec();
        let Some(place) = parsed.fragment_place(frame) else {
            return Some(part);
        };
        let key = (parsed.source, place.ident);
        let pieces = self.waiting.entry(key).or_default();
        pieces.insert(place.offset, (place.more, part));
        let mut shim = Vec::new();
        let mut more = true;
        for (offset, (follows, part)) in pieces.iter() {
            if usize::from(*offset) != shim.len() {
                return None;
            }
            shim.extend_from_slice(part);
            more = *follows;
        }
        if more {
            return None;
        }
        self.waiting.remove(&key);
        Some(shim)
    }

    fn is_tunnel(&self, protocol: IpProtocol, shim: &[u8]) -> bool {
        match protocol {
            IpProtocol::IPIP | IpProtocol::IPV6 | IpProtocol::GRE => true,
            IpProtocol::UDP => shim.get(2..4) == Some(&self.gue_port.to_be_bytes()),
            _ => false,
        }
    }

    /// The packet inside, with an Ethernet header for the other end of the veth.
    fn unwrap(&self, shim: &[u8], parsed: &Parsed) -> Option<Vec<u8>> {
        if !summed(shim, parsed) {
            return None;
        }
        let found = tunnel::inner(parsed.protocol, shim, |port| port == self.gue_port)?;
        let inner = shim.get(found.shim_len..)?;
        let ether_type = if found.kind == Kind::Ipv4 {
            EtherType::IPV4
        } else {
            EtherType::IPV6
        };
        let mut unwrapped = vec![2, 0, 0, 0, 0xee, 1, 2, 0, 0, 0, 0xee, 0];
        unwrapped.extend_from_slice(&ether_type.0.to_be_bytes());
        unwrapped.extend_from_slice(inner);
        Some(unwrapped)
    }
}

/// Whether the tunnel's own checksum, if it has one, is right.
fn summed(shim: &[u8], parsed: &Parsed) -> bool {
    match parsed.protocol {
        IpProtocol::GRE => Gre::new_checked(shim).is_ok_and(|gre| gre.checksum_ok()),
        IpProtocol::UDP => {
            let pseudo = checksum::pseudo_v6(
                &parsed.source,
                &parsed.destination,
                parsed.protocol,
                u32::try_from(shim.len()).unwrap_or_default(),
            );
            Udp::new_checked(shim)
                .is_ok_and(|udp| udp.checksum() == 0 || checksum::transport(pseudo, shim) == 0)
        }
        _ => true,
    }
}

/// A socket that sees, and sends, whole frames of one interface.
fn packet_socket(interface: &str) -> LabResult<OwnedFd> {
    let failed = |what: &str, errno| LabError::errno(&format!("{what} {interface}"), errno);
    let address = link_address(interface).map_err(|errno| failed("find", errno))?;
    let socket = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::empty(),
        SockProtocol::EthAll,
    )
    .map_err(|errno| failed("open a packet socket at", errno))?;
    let fd = socket.as_raw_fd();
    bind(fd, &address).map_err(|errno| failed("bind to", errno))?;
    setsockopt(
        &socket,
        ReceiveTimeout,
        &TimeVal::milliseconds(STOP_LOOK_MS),
    )
    .map_err(|errno| failed("set a timeout at", errno))?;
    Ok(socket)
}

fn link_address(interface: &str) -> Result<LinkAddr, Errno> {
    getifaddrs()?
        .filter(|entry| entry.interface_name == interface)
        .find_map(|entry| entry.address?.as_link_addr().copied())
        .ok_or(Errno::ENODEV)
}

/// How long it may take to see that it shall end.
const STOP_LOOK_MS: i64 = 50;

// SPDX-License-Identifier: Apache-2.0
//! What a worker knows of its tunnels, and the way of a packet into one.

use alloc::vec::Vec;

use model::addr::Addr;
use model::fib::Hop;
use model::ids::WorkerId;
use model::service::RealServer;
use model::snapshot::{Interface, Snapshot};
use model::time::{Duration, Instant};
use wire::buffer::{PacketBuf, PacketPool};
use wire::packet::{Kind, Parsed};

use crate::egress::egress;
use crate::engine::{Context, Engine};
use crate::flow_table::{FlowKey, FlowMemory, HashKey};
use crate::forward::{fragment_v6, tun};
use crate::verdict::DropReason;

/// What a worker knows of its tunnels.
#[derive(Debug)]
pub(crate) struct Tunnels {
    /// Behind outer sources and UDP ports, which servers see: not the flow table's.
    key: HashKey,
    /// Workers share outer addresses, so each has the identifications of its own residue class.
    ident: u32,
    step: u32,
    paths: Paths,
}

impl Tunnels {
    pub(crate) fn new(seed: u64, worker: WorkerId, workers: usize) -> Self {
        let step = u32::try_from(workers.next_power_of_two()).unwrap_or(1);
        #[expect(clippy::cast_possible_truncation, reason = "any 32 bits will do")]
        let start = seed as u32;
        Self {
            key: HashKey::from_seed(seed),
            ident: start & !(step - 1) | u32::from(worker.0) & (step - 1),
            step,
            paths: Paths::new(),
        }
    }

    fn next_ident(&mut self) -> u32 {
        self.ident = self.ident.wrapping_add(self.step);
        self.ident
    }
}

impl<B: PacketBuf, M: FlowMemory> Engine<B, M> {
    /// The largest packet that the tunnel to a server takes, if this one is larger and must not be
    /// cut, nor the outer one.
    pub(crate) fn tunnel_too_big(
        &self,
        packet: &B,
        parsed: &Parsed,
        real: &RealServer,
        hop: Hop,
        (snapshot, now): (&Snapshot, Instant),
    ) -> Option<u32> {
        let server = real.key.real_ip;
        let mtu = self.path_mtu(server, hop, snapshot, now)?;
        let room = mtu.saturating_sub(tun::overhead(real.spec.tunnel.kind, server));
        let pmtu_disc = snapshot.tunables.pmtu_disc;
        tun::too_big(packet.bytes(), parsed, room, pmtu_disc)
    }

    /// Sends a packet to its server inside another one, in pieces if the way wants it so, or if it
    /// came in pieces (`ip_vs_tunnel_xmit` fragments the outer packet at their size).
    pub(crate) fn send_through<P>(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        real: &RealServer,
        hop: Hop,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let tunnel = &real.spec.tunnel;
        let server = real.key.real_ip;
        let entropy = self.tunnels.key.hash(&FlowKey::of(parsed)).bits();
        let source = tun::source(tunnel, entropy, route_source(hop, server, cx.snapshot));
        if source.is_unspecified() || source.is_v4() != server.is_v4() {
            return self.discard(packet, DropReason::NoTunnelSource, cx);
        }
        let ident = self.tunnels.next_ident();
        #[expect(clippy::cast_possible_truncation, reason = "IPv4 has sixteen bits")]
        let outer = tun::Outer {
            source,
            destination: server,
            kind: tunnel.kind,
            copy_dont_fragment: cx.snapshot.tunables.pmtu_disc,
            ident: ident as u16,
            entropy,
        };
        let header = match tun::encapsulate(&mut packet, parsed, &outer) {
            Ok(header) => header,
            Err(reason) => return self.discard(packet, reason, cx),
        };
        let mtu = self
            .path_mtu(server, hop, cx.snapshot, cx.now)
            .unwrap_or(u32::MAX);
        let mtu = match (parsed.piece_len, header.kind) {
            (0, _) => mtu,
            (longest, Kind::Ipv6) => mtu.min(u32::from(longest).max(MTU_MIN_V6)),
            (longest, _) => mtu.min(longest.into()),
        };
        if header.ip_len <= mtu {
            self.transmit(packet, &header, hop, cx);
        } else if header.kind == Kind::Ipv4 {
            self.transmit_pieces(packet, &header, mtu, hop, cx);
        } else {
            self.transmit_pieces_v6(packet, (mtu, ident), hop, cx);
        }
    }

    fn transmit_pieces_v6<P>(
        &mut self,
        packet: B,
        (mtu, ident): (u32, u32),
        hop: Hop,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let Context {
            snapshot,
            now,
            pool,
            out,
        } = cx;
        let whole = fragment_v6::split(&packet, (mtu, ident), *pool, |piece| {
            self.board.worker.generated.add(1);
            self.send_raw(piece, 0, hop, (snapshot, *now), out);
        });
        if whole {
            self.board.worker.absorbed.add(1);
        } else {
            self.discard(packet, DropReason::PoolEmpty, cx);
        }
    }

    /// The MTU of the way to a server: the next link's, or less if a router on it said so.
    fn path_mtu(&self, server: Addr, hop: Hop, snapshot: &Snapshot, now: Instant) -> Option<u32> {
        let link = egress(hop, snapshot)?.mtu;
        let learned = self.tunnels.paths.mtu(server, now);
        Some(learned.map_or(link, |learned| link.min(learned)))
    }

    /// Notes that a router on the way to a server takes no more than `mtu` bytes; returns what is
    /// left of it for a packet inside.
    pub(crate) fn learn_path_mtu(&mut self, real: &RealServer, mtu: u32, now: Instant) -> u32 {
        let server = real.key.real_ip;
        let mtu = self.tunnels.paths.learn(server, mtu, now);
        mtu.saturating_sub(tun::overhead(real.spec.tunnel.kind, server))
    }
}

/// The address that an outer packet to `server` has as its source: of the subnet they share, else
/// one of the interface, else one of the director; none of link scope, which no router forwards.
fn route_source(hop: Hop, server: Addr, snapshot: &Snapshot) -> Addr {
    let fits = |own: &&model::addr::Prefix| {
        own.addr.is_v4() == server.is_v4() && !own.addr.is_link_local()
    };
    let of = |iface: &Interface| {
        let mut own = iface.addresses.iter().filter(fits);
        let first = own.clone().next();
        own.find(|own| own.contains(server)).or(first).copied()
    };
    egress(hop, snapshot)
        .and_then(of)
        .or_else(|| snapshot.interfaces.as_slice().iter().find_map(of))
        .map_or(Addr::UNSPECIFIED, |own| own.addr)
}

/// MTUs of ways to servers, as routers told them; forgotten after a while (RFC 1191 §6.3).
///
/// A place per hash of the address: a collision forgets the older one, and a router tells it again.
#[derive(Debug)]
struct Paths {
    places: Vec<Path>,
    used: bool,
}

#[derive(Debug, Clone, Copy)]
struct Path {
    server: Addr,
    mtu: u32,
    until: Instant,
}

impl Paths {
    fn new() -> Self {
        let free = Path {
            server: Addr::UNSPECIFIED,
            mtu: 0,
            until: Instant::from_millis(0),
        };
        Self {
            places: alloc::vec![free; PATHS],
            used: false,
        }
    }

    #[inline]
    fn mtu(&self, server: Addr, now: Instant) -> Option<u32> {
        if !self.used {
            return None;
        }
        let path = self.places.get(place(server))?;
        (path.server == server && now < path.until).then_some(path.mtu)
    }

    fn learn(&mut self, server: Addr, mtu: u32, now: Instant) -> u32 {
        let min = if server.is_v4() {
            MTU_MIN_V4
        } else {
            MTU_MIN_V6
        };
        let mtu = mtu.max(min);
        self.used = true;
        if let Some(path) = self.places.get_mut(place(server)) {
            *path = Path {
                server,
                mtu,
                until: now + LEARNED_FOR,
            };
        }
        mtu
    }
}

fn place(server: Addr) -> usize {
    let [.., a, b, c] = *server.octets();
    usize::from(a.wrapping_mul(31) ^ b.wrapping_mul(7) ^ c) % PATHS
}

/// Ways remembered; a farm of servers behind tunnels lies behind few routers.
const PATHS: usize = 256;
/// `net.ipv4.route.mtu_expires`.
const LEARNED_FOR: Duration = Duration::from_secs(600);
/// `net.ipv4.route.min_pmtu`: what is told below that is not believed.
const MTU_MIN_V4: u32 = 552;
/// RFC 8201 §4: "a node MUST NOT reduce its estimate of the Path MTU below the IPv6 minimum".
const MTU_MIN_V6: u32 = 1280;

#[cfg(test)]
mod tests;

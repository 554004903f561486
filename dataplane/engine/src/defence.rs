// SPDX-License-Identifier: Apache-2.0
//! What a worker does against floods (`ip_vs_ctl.c`, `update_defense_level`), and about servers
//! that are gone (`expire_nodest_conn`).
//!
//! | defence | what it does |
//! |---|---|
//! | `secure_tcp` | another table of TCP states: a client alone establishes nothing |
//! | `drop_packet` | one of N packets that would open a connection is dropped |
//! | `drop_entry` | each second a 32nd of the table is searched for connections to end |
//! | `new_flows_per_s` | no more than so many connections are opened per second |
//!
//! The first three are in force always, or while memory is short: the memory is that of the flow
//! table, the only one that a flood can fill (docs/decisions/0014-defence.md). Levels are looked at
//! once per second and whenever the configuration changes; tables are searched a few places per
//! round.

use model::addr::Addr;
use model::service::{Protocol, RealKey, RealState};
use model::snapshot::{Interface, ServiceSet};
use model::tunables::{Defence, Tunables};
use wire::buffer::{PacketBuf, PacketPool};
use wire::packet::{Fragment, Parsed};
use wire::sctp::ChunkType;

use crate::egress::own_address;
use crate::engine::{Context, Engine};
use crate::flow_table::{FlowFlags, FlowId, FlowMemory, HotEntry};
use crate::forward::icmp_error::Trouble;
use crate::forward::lower_ttl;
use crate::persistence::Event;
use crate::sctp_state::SctpState;
use crate::state::{self, State};
use crate::tcp_state::{TcpState, flags};
use crate::verdict::DropReason;

/// Connections in a page of 4 KiB, of which `amemthresh` counts.
const FLOWS_PER_PAGE: u64 = 4096 / 128;
/// Memory is never short while more than one in so many places of the table is free.
const SHORT_AT_MOST: u64 = 4;
/// `drop_entry` searches one in so many places of the table each second.
const SEARCHED: u32 = 32;
/// A connection that was seen within so long is not ended by `drop_entry`, unless it is opening.
const IDLE_MS: u32 = 60_000;
/// Nor is one that has had more packets.
const FEW_PACKETS: usize = 8;

/// The levels of a worker's defences, and where its searches are.
#[derive(Debug)]
pub(crate) struct Defences {
    /// Free places below which this worker's memory is short, for each page of `amemthresh`,
    /// times the number of workers.
    workers: u64,
    /// The second that the levels are of.
    second: u64,
    /// One of so many packets is dropped; 0 = none.
    drop_rate: u32,
    /// Packets until the next one is dropped.
    drop_counter: u32,
    secure_tcp: bool,
    /// Connections opened in this second.
    opened: u32,
    /// The next place that `drop_entry` looks at, and how many it has left for this second.
    search: u32,
    search_left: u32,
    /// By number of packets: connections that are spared until the next one is ended.
    spared: [u8; FEW_PACKETS + 1],
    /// The next place that is searched for connections of deleted servers.
    sweep: Option<u32>,
    /// [`ServiceSet::deletions`] as last seen.
    deletions: u64,
}

impl Defences {
    /// None in force; the director has so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            workers: workers.max(1) as u64,
            second: 0,
            drop_rate: 0,
            drop_counter: 0,
            secure_tcp: false,
            opened: 0,
            search: 0,
            search_left: 0,
            spared: [0; FEW_PACKETS + 1],
            sweep: None,
            deletions: 0,
        }
    }

    /// Whether TCP follows the table of `secure_tcp`.
    #[inline]
    pub(crate) const fn secure_tcp(&self) -> bool {
        self.secure_tcp
    }

    /// Whether connections of deleted servers are being looked for: one that is met is gone.
    #[inline]
    pub(crate) const fn is_sweeping(&self) -> bool {
        self.sweep.is_some()
    }

    /// Sets the levels by what is free of a table of `capacity` places.
    fn set_levels(&mut self, tunables: &Tunables, capacity: usize, free: usize) {
        let pages = u64::from(tunables.amemthresh);
        let wanted = pages.saturating_mul(FLOWS_PER_PAGE) / self.workers;
        let threshold = wanted.min(capacity as u64 / SHORT_AT_MOST);
        let lacking = threshold.saturating_sub(free as u64);
        let short = lacking > 0;
        self.secure_tcp = tunables.secure_tcp.holds(short);
        self.drop_rate = match tunables.drop_packet {
            Defence::Always => tunables.am_droprate,
            Defence::Auto if short => {
                // From one in many down to each, as the last places are taken.
                let rate = u32::try_from(threshold / lacking).unwrap_or(u32::MAX);
                self.drop_counter = rate;
                rate
            }
            Defence::Auto | Defence::Off => 0,
        };
        if !tunables.drop_entry.holds(short) {
            self.search_left = 0;
        }
    }

    /// Whether a packet that would open a connection is dropped (`ip_vs_todrop`), or comes too
    /// fast after others.
    fn refuses(&mut self, new_flows_per_s: u32) -> Option<DropReason> {
        if self.drop_rate > 0 {
            self.drop_counter = self.drop_counter.saturating_sub(1);
            if self.drop_counter == 0 {
                self.drop_counter = self.drop_rate;
                return Some(DropReason::DropPacket);
            }
        }
        if new_flows_per_s > 0 && self.opened >= new_flows_per_s {
            return Some(DropReason::NewFlowRate);
        }
        self.opened = self.opened.saturating_add(1);
        None
    }

    /// Whether `drop_entry` ends a connection that it has come by (`ip_vs_random_dropentry`).
    fn ends(&mut self, hot: &HotEntry, now_ms: u32) -> bool {
        match State::of(hot.protocol(), hot.state) {
            State::Tcp(TcpState::SynRecv | TcpState::SynAck)
            | State::Sctp(SctpState::Init1 | SctpState::Init) => true,
            State::Tcp(TcpState::Established)
            | State::Sctp(SctpState::Established)
            | State::Udp => self.ends_idle(hot, now_ms),
            State::Tcp(_) | State::Sctp(_) => false,
        }
    }

    /// Of connections that have been idle for a minute after n packets, n from 1 to 8, one in n is
    /// ended (`todrop_entry`).
    pub(crate) fn ends_idle(&mut self, hot: &HotEntry, now_ms: u32) -> bool {
        if now_ms.wrapping_sub(hot.last_seen_ms) < IDLE_MS {
            return false;
        }
        let packets = usize::try_from(hot.packets).unwrap_or(usize::MAX);
        let Some(spared) = self.spared.get_mut(packets).filter(|_| packets > 0) else {
            return false;
        };
        *spared = spared.saturating_sub(1);
        if *spared > 0 {
            return false;
        }
        *spared = u8::try_from(packets).unwrap_or(u8::MAX);
        true
    }
}

impl<B: PacketBuf, M: FlowMemory> Engine<B, M> {
    /// Why a packet may not open a connection now, if it may not.
    pub(crate) fn refuses_to_open<P>(&mut self, cx: &Context<'_, P>) -> Option<DropReason>
    where
        P: PacketPool<Buf = B>,
    {
        self.defences.refuses(cx.snapshot.tunables.new_flows_per_s)
    }

    /// Takes over what a new snapshot changed.
    pub(crate) fn sync_defences<P>(&mut self, cx: &Context<'_, P>)
    where
        P: PacketPool<Buf = B>,
    {
        let tunables = &cx.snapshot.tunables;
        let (capacity, used) = (self.flows.capacity(), self.flows.len());
        self.defences
            .set_levels(tunables, capacity, capacity.saturating_sub(used));
        let deletions = cx.snapshot.services.deletions();
        if self.defences.deletions != deletions {
            self.defences.deletions = deletions;
            if tunables.expire_nodest_conn {
                self.defences.sweep = Some(0);
            }
        }
    }

    /// The defences' part of a tick: levels once per second, and at most `budget` places of each
    /// search.
    pub(crate) fn defend<P>(&mut self, budget: u32, cx: &Context<'_, P>)
    where
        P: PacketPool<Buf = B>,
    {
        let second = cx.now.as_millis() / 1000;
        if self.defences.second != second {
            self.defences.second = second;
            self.defences.opened = 0;
            self.defences.search_left = self.flows.places().div_ceil(SEARCHED);
            self.sync_defences(cx);
        }
        if self.defences.search_left > 0 {
            self.search(budget, cx);
        }
        if let Some(from) = self.defences.sweep {
            self.sweep(from, budget, &cx.snapshot.services);
        }
    }

    /// Looks for connections to end, from where the last search stopped.
    fn search<P>(&mut self, budget: u32, cx: &Context<'_, P>)
    where
        P: PacketPool<Buf = B>,
    {
        let now_ms = cx.now_ms();
        for _ in 0..budget.min(self.defences.search_left) {
            self.defences.search_left -= 1;
            if self.defences.search >= self.flows.places() {
                self.defences.search = 0;
            }
            let id = FlowId(self.defences.search);
            self.defences.search += 1;
            let services = &cx.snapshot.services;
            let Some(hot) = self.flows.hot(id) else {
                continue;
            };
            let ends = if hot.flags().contains(FlowFlags::TEMPLATE) {
                self.ends_template(id, services, now_ms)
            } else {
                self.defences.ends(hot, now_ms)
            };
            if ends && self.forget_as(id, Some(services), Event::Dropped) {
                self.board.worker.flows_evicted.add(1);
            }
        }
    }

    /// Tells a server that its packet is of no connection, and drops it (`ip_vs_out`).
    pub(crate) fn refuse_stray<P>(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        ingress: &Interface,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        // Linux was about to forward it.
        if lower_ttl(&mut packet, parsed) {
            let source = own_address(ingress, Addr::from_octets(parsed.source));
            self.complain(&packet, parsed, Trouble::PortUnreachable, source, cx);
        }
        self.discard(packet, DropReason::NoConnection, cx);
    }

    /// Whether an entry is a template with children: it ends with the last of them.
    fn is_parent(&self, id: FlowId) -> bool {
        let is_template = |hot: &HotEntry| hot.flags().contains(FlowFlags::TEMPLATE);
        self.flows.hot(id).is_some_and(is_template)
            && self.flows.cold(id).is_some_and(|cold| cold.children > 0)
    }

    /// Ends connections of deleted servers (`ip_vs_expire_nodest_conn_flush`).
    fn sweep(&mut self, from: u32, budget: u32, services: &ServiceSet) {
        let end = from.saturating_add(budget).min(self.flows.places());
        for id in (from..end).map(FlowId) {
            let real = self.flows.hot(id).and_then(|hot| services.real(hot.real()));
            let parent = self.is_parent(id);
            if real.is_some_and(|real| real.state == RealState::Deleted)
                && !parent
                && !self.forget_as(id, Some(services), Event::Swept)
            {
                // Its template's worker is behind with its letters.
                self.defences.sweep = Some(id.0);
                return;
            }
        }
        self.defences.sweep = (end < self.flows.places()).then_some(end);
    }
}

/// Whether a packet comes from a NAT server and is not the end of what it is of: no reset, no
/// abort. Only asked about packets of no connection that would be routed on.
pub(crate) fn is_stray<P: PacketPool>(bytes: &[u8], parsed: &Parsed, cx: &Context<'_, P>) -> bool {
    let Some(protocol) = Protocol::from_number(parsed.protocol.0) else {
        return false;
    };
    let first_chunk = || state::sctp(bytes, parsed).and_then(|packet| packet.first_chunk());
    let ends = match protocol {
        Protocol::Tcp => parsed.tcp_flags & flags::RST != 0,
        Protocol::Sctp => first_chunk() == Some(ChunkType::ABORT),
        Protocol::Udp => false,
    };
    let real = RealKey {
        real_ip: Addr::from_octets(parsed.source),
        rport: parsed.source_port,
    };
    !ends
        && parsed.ttl > 1
        && parsed.fragment == Fragment::None
        && cx.snapshot.services.is_nat_real(protocol, real)
}

#[cfg(test)]
mod tests;

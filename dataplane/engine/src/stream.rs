// SPDX-License-Identifier: Apache-2.0
//! Connections whose streams the director changes: the one place where it is done.
//!
//! ```text
//!   client ─► follow_inbound ──[ADJUSTED]──► pass_in ─► change, renumber ─► deliver
//!   server ─► follow_outbound ─[ADJUSTED]──► pass_out ─► learn, renumber ─► deliver_back
//! ```
//!
//! A connection of a service that wants it gets a place in the table of corrections when it opens
//! ([`crate::sequence`]); a flag in its hot half says so, so that all others pay one test. A packet
//! is changed as its sender wrote it, before any address of it is translated.

mod client_address;
mod ftp;

use model::fib::Hop;
use model::service::{ClientAddress, ForwardMode, Helper, RealServer};
use wire::buffer::{PacketBuf, PacketPool};
use wire::packet::{Parsed, Quote};
use wire::proxy::Header;
use wire::segment::{self, EditError};
use wire::tcp::{Tcp, TcpMut, flags};

use crate::connection::Flow;
use crate::egress::egress;
use crate::engine::{Context, Engine};
use crate::flow_table::{Direction, FlowFlags, FlowId, FlowMemory};
use crate::forward::icmp_translate;
use crate::sequence::{Adjust, Side, Stream, renumber};
use crate::tcp_state::TcpState;
use crate::verdict::DropReason;

use client_address::{Client, Step};
use ftp::Ftp;

/// What is remembered of a connection besides the shifts of its numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct About {
    client: Client,
    ftp: Option<Ftp>,
}

/// What a TCP header says of a segment, as far as streams are concerned.
#[derive(Debug, Clone, Copy)]
struct Segment {
    sequence: u32,
    ack: u32,
    flags: u8,
    /// Bytes of payload.
    len: u32,
}

impl Segment {
    fn of<B: PacketBuf>(packet: &B, parsed: &Parsed) -> Option<Self> {
        let payload = segment::payload(packet, parsed)?;
        let bytes = packet.bytes().get(usize::from(parsed.l4_offset)..)?;
        let header = Tcp::new_checked(bytes).ok()?;
        Some(Self {
            sequence: header.sequence(),
            ack: header.acknowledgment(),
            flags: header.flags(),
            len: u32::try_from(payload.len()).ok()?,
        })
    }

    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Where a packet of a connection goes.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    pub(crate) id: FlowId,
    pub(crate) flow: Flow,
    pub(crate) real: &'a RealServer,
    pub(crate) hop: Hop,
}

impl<B: PacketBuf, M: FlowMemory> Engine<B, M> {
    /// Gives a connection that was just opened its place, if its service wants its stream changed.
    /// `false` if there is no room: its packets must not go on unchanged, because the server would
    /// take the client's first bytes for something else.
    pub(crate) fn attend<P>(&mut self, id: FlowId, cx: &Context<'_, P>) -> bool
    where
        P: PacketPool<Buf = B>,
    {
        let Some(hot) = self.flows.hot(id) else {
            return false;
        };
        let Some(service) = cx.snapshot.services.service(hot.service()) else {
            return true;
        };
        let about = About {
            client: Client::new(service.spec.client_address),
            // A data connection would need a local port of its own.
            ftp: service
                .spec
                .helper
                .filter(|_| hot.mode() == ForwardMode::Nat)
                .map(|Helper::Ftp| Ftp::default()),
        };
        let wanted = about.client != Client::None || about.ftp.is_some();
        if !wanted || hot.mode().is_one_way() || hot.protocol() != TCP {
            return true;
        }
        let Some(place) = self.sequences.insert(about) else {
            return false;
        };
        if let Some(cold) = self.flows.cold_mut(id) {
            cold.sequence_adjust = place;
        }
        if let Some(hot) = self.flows.hot_mut(id) {
            hot.set_flags(hot.flags().with(FlowFlags::ADJUSTED));
        }
        true
    }

    /// Frees the place of a connection that ends.
    pub(crate) fn unattend(&mut self, id: FlowId) {
        let hot = self.flows.hot(id);
        if hot.is_some_and(|hot| hot.flags().contains(FlowFlags::ADJUSTED))
            && let Some(cold) = self.flows.cold_mut(id)
        {
            let place = core::mem::take(&mut cold.sequence_adjust);
            self.sequences.remove(place);
        }
    }

    /// Between bursts: makes room, if any service may want it.
    pub(crate) fn maintain_streams(&mut self) {
        if self.changes_streams || !self.sequences.is_empty() {
            self.sequences.maintain();
        }
    }

    /// Looks whether any service wants its streams changed: after a new snapshot.
    pub(crate) fn sync_streams<P>(&mut self, cx: &Context<'_, P>)
    where
        P: PacketPool<Buf = B>,
    {
        let mut services = cx.snapshot.services.services();
        self.changes_streams = services.any(|service| {
            service.spec.client_address != ClientAddress::None || service.spec.helper.is_some()
        });
    }

    /// A client's packet, which is about to be rewritten and sent.
    pub(crate) fn pass_in<P>(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        way: &Way<'_>,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let mut parsed = *parsed;
        let Some((place, mut adjust)) = self.adjust(way.id) else {
            return self.deliver(packet, &parsed, way, cx);
        };
        let Some(about) = Segment::of(&packet, &parsed) else {
            return self.discard(packet, DropReason::StreamCut, cx);
        };
        if about.has(flags::SYN) && self.is_opening(way.id) {
            let client = adjust.about.client.restarted(&about, &parsed);
            let ftp = adjust.about.ftp.map(|_| Ftp::default());
            adjust = Adjust::default();
            adjust.about = About { client, ftp };
            // Nothing is in front of it: there is room.
            let _noted = client.edit().is_none_or(|edit| adjust.inbound.record(edit));
        }
        if let Some(ftp) = &mut adjust.about.ftp
            && let Err(reason) = self.read_request((&packet, &parsed), way, ftp, cx)
        {
            return self.discard(packet, reason, cx);
        }
        let mtu = egress(way.hop, cx.snapshot).map_or(u32::MAX, |iface| iface.mtu);
        let step = adjust.about.client.inbound(&about, &parsed, mtu);
        let done = match step {
            Step::Number(side) => Ok(side),
            Step::Refuse => Err(EditError::OutOfReach),
            Step::Bare => bare(&mut packet, &mut parsed, &about),
            Step::Option(option) => {
                let done = segment::insert_option(&mut packet, &mut parsed, option.as_bytes());
                if done.is_err() {
                    self.board.worker.toa_no_room.add(1);
                }
                Ok(Side::Before)
            }
            Step::NoRoom => {
                self.board.worker.toa_no_room.add(1);
                Ok(Side::Before)
            }
            Step::Header(header) => {
                let header = header.as_bytes();
                segment::replace_payload(&mut packet, &mut parsed, 0..0, header)
                    .map(|()| Side::Before)
            }
            Step::Ahead(header) => self.send_ahead((&packet, &parsed), &header, way, &adjust, cx),
        };
        if let Some(kept) = self.sequences.at_mut(place) {
            *kept = adjust;
        }
        match done {
            Ok(side) => {
                renumber_packet(
                    &mut packet,
                    &parsed,
                    (&adjust.inbound, side),
                    &adjust.outbound,
                );
                self.deliver(packet, &parsed, way, cx);
            }
            Err(EditError::NoRoom) => self.discard(packet, DropReason::NoHeadroom, cx),
            Err(_) => self.discard(packet, DropReason::StreamCut, cx),
        }
    }

    /// Sends the header in a segment of its own, a copy of `packet` without its payload; `packet`
    /// comes behind it.
    fn send_ahead<P>(
        &mut self,
        (packet, parsed): (&B, &Parsed),
        header: &Header,
        way: &Way<'_>,
        adjust: &Adjust<About>,
        cx: &mut Context<'_, P>,
    ) -> Result<Side, EditError>
    where
        P: PacketPool<Buf = B>,
    {
        let bytes = packet.bytes();
        let mut first = cx.pool.alloc().ok_or(EditError::NoRoom)?;
        first.append(bytes.len()).map_err(|_| EditError::NoRoom)?;
        first.bytes_mut().copy_from_slice(bytes);
        let mut about = *parsed;
        let payload = segment::payload(packet, parsed).ok_or(EditError::OutOfReach)?;
        segment::replace_payload(&mut first, &mut about, 0..payload.len(), header.as_bytes())?;
        let transport = first.bytes_mut().get_mut(usize::from(about.l4_offset)..);
        if let Ok(mut tcp) = TcpMut::new_checked(transport.unwrap_or_default()) {
            tcp.update_flags(about.tcp_flags & !(flags::FIN | flags::URG));
        }
        renumber_packet(
            &mut first,
            &about,
            (&adjust.inbound, Side::Before),
            &adjust.outbound,
        );
        self.board.worker.generated.add(1);
        self.deliver(first, &about, way, cx);
        Ok(Side::Behind)
    }

    /// A server's packet, which is about to be rewritten and sent.
    pub(crate) fn pass_out<P>(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        way: &Way<'_>,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        let mut parsed = *parsed;
        let Some((place, mut adjust)) = self.adjust(way.id) else {
            return self.deliver_back(packet, &parsed, way, cx);
        };
        let Some(about) = Segment::of(&packet, &parsed) else {
            return self.discard(packet, DropReason::StreamCut, cx);
        };
        adjust.about.client.outbound(&about);
        let read = self.read_reply(&mut packet, &mut parsed, (&about, way), &mut adjust, cx);
        if let Some(kept) = self.sequences.at_mut(place) {
            *kept = adjust;
        }
        if let Err(reason) = read {
            return self.discard(packet, reason, cx);
        }
        let own = (&adjust.outbound, Side::Before);
        renumber_packet(&mut packet, &parsed, own, &adjust.inbound);
        self.deliver_back(packet, &parsed, way, cx);
    }

    /// An ICMP error about a segment travels to its sender, who knows it by another number: one it
    /// did not send is passed over (`tcp_v4_err`), path MTU discovery with it.
    pub(crate) fn renumber_quote(
        &self,
        packet: &mut B,
        parsed: &Parsed,
        quote: &Quote,
        (id, direction): (FlowId, Direction),
    ) {
        let Some((_, adjust)) = self.adjust(id) else {
            return;
        };
        let about = match direction {
            Direction::Inbound => adjust.outbound,
            Direction::Outbound => adjust.inbound,
        };
        let _there = icmp_translate::renumber(packet, parsed, quote, |number| about.back(number));
    }

    fn adjust(&self, id: FlowId) -> Option<(u32, Adjust<About>)> {
        let place = self.flows.cold(id)?.sequence_adjust;
        Some((place, *self.sequences.at(place)?))
    }

    /// Whether a SYN of the connection opens it, or opens it again, rather than being a stray.
    fn is_opening(&self, id: FlowId) -> bool {
        let state = self
            .flows
            .hot(id)
            .map(|hot| TcpState::from_number(hot.state));
        matches!(
            state,
            Some(TcpState::None | TcpState::SynSent | TcpState::SynRecv | TcpState::SynAck)
        )
    }
}

/// Takes a SYN's payload out: the server acknowledges the SYN alone, and the client sends it again.
fn bare<B: PacketBuf>(
    packet: &mut B,
    parsed: &mut Parsed,
    about: &Segment,
) -> Result<Side, EditError> {
    let len = usize::try_from(about.len).unwrap_or(usize::MAX);
    segment::replace_payload(packet, parsed, 0..len, &[])?;
    Ok(Side::Before)
}

fn renumber_packet<B: PacketBuf>(
    packet: &mut B,
    parsed: &Parsed,
    (own, side): (&Stream, Side),
    other: &Stream,
) {
    let transport = packet.bytes_mut().get_mut(usize::from(parsed.l4_offset)..);
    renumber(transport.unwrap_or_default(), own, side, other);
}

/// Its number in the IP header.
const TCP: u8 = 6;

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: Apache-2.0
//! Fragmented packets on their way: collected by the worker that owns (source, destination,
//! identification), put together, and steered as the datagram they are.
//!
//! ```text
//!   receiver ──ring──► collector ─ all there ─► the flow is mine: steer it
//!                                            └► it is another's: its pieces ──ring──► owner, who
//!                                                                collects and steers them
//! ```
//!
//! A datagram leaves a worker in pieces no longer than its longest fragment was, whichever way it
//! goes ([`Parsed::piece_len`]): what its sender found to fit still fits.

use alloc::vec::Vec;

use wire::buffer::{PacketBuf, PacketPool};
use wire::ipv4::{self, Ipv4, Ipv4Mut};
use wire::ipv6::{self, Ipv6, Ipv6Mut};
use wire::packet::{Parsed, parse};

use crate::affinity;
use crate::engine::{Context, Engine};
use crate::flow_table::FlowMemory;
use crate::forward::fragment;
use crate::fragments::{Complete, Piece, Place, Refusal};
use crate::path::Arrival;
use crate::verdict::{DropReason, Note, Verdict};

/// Bytes behind the IP headers that are brought into the first segment, if there are so many: the
/// longest transport header, or an ICMP error with what its quote is known by.
const HEAD_LEN: usize = 128;
/// Fragments that one tick gives up at most.
const EXPIRED_PER_TICK: usize = 256;

impl<B: PacketBuf, M: FlowMemory> Engine<B, M> {
    /// Takes a fragment of a service's packet in; gives the datagram, and how it is to be looked at
    /// from here, when it is complete.
    pub(crate) fn gather<P>(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        arrival: Arrival,
        cx: &mut Context<'_, P>,
    ) -> Option<(B, Parsed, Arrival)>
    where
        P: PacketPool<Buf = B>,
    {
        let Some(place) = Place::of(packet.bytes(), parsed) else {
            self.discard(packet, DropReason::FragmentMalformed, cx);
            return None;
        };
        let collector = affinity::collector(&place.key, cx.snapshot);
        let elsewhere = collector.filter(|worker| *worker != self.worker);
        if let Some(worker) = elsewhere.filter(|_| arrival.note == Note::None) {
            let note = Note::Yours;
            cx.out.push(packet, Verdict::Redirect { worker, note });
            return None;
        }
        while self.fragments.is_full_for(&place.key)
            && let Some(oldest) = self.fragments.pop_oldest()
        {
            self.discard(oldest, DropReason::FragmentTableFull, cx);
        }
        packet.truncate(usize::try_from(parsed.frame_len()).unwrap_or(usize::MAX));
        let complete = match self.fragments.insert(&place, packet, cx.now) {
            Ok(complete) => complete?,
            Err((packet, refusal)) => {
                self.give_up(packet, &place, refusal, cx);
                return None;
            }
        };
        let (packet, parsed) = self.assemble(complete, parsed.l3_offset, cx)?;
        // Pieces that the collector passed on are ours; what we collected may be another's.
        let was_collected = arrival.note == Note::Yours && elsewhere.is_none();
        let note = if was_collected {
            Note::None
        } else {
            arrival.note
        };
        let arrival = Arrival { note, ..arrival };
        Some((packet, parsed, arrival))
    }

    fn give_up<P>(&mut self, packet: B, place: &Place, refusal: Refusal, cx: &mut Context<'_, P>)
    where
        P: PacketPool<Buf = B>,
    {
        let reason = match refusal {
            Refusal::Duplicate => return self.discard(packet, DropReason::FragmentDuplicate, cx),
            Refusal::Overlap => DropReason::FragmentOverlap,
            Refusal::TooMany => DropReason::FragmentTooMany,
        };
        self.discard(packet, reason, cx);
        while let Some(other) = self.fragments.pop_of(&place.key) {
            self.discard(other, reason, cx);
        }
    }

    /// Drops the fragments that waited too long (`ip_expire`; silently, as IPVS's are).
    pub(crate) fn expire_fragments<P>(&mut self, cx: &mut Context<'_, P>)
    where
        P: PacketPool<Buf = B>,
    {
        for _ in 0..EXPIRED_PER_TICK {
            let Some(packet) = self.fragments.pop_expired(cx.now) else {
                return;
            };
            self.discard(packet, DropReason::FragmentTimeout, cx);
        }
    }

    /// Makes one packet of a datagram's fragments and parses it.
    fn assemble<P>(
        &mut self,
        complete: Complete<B>,
        l3_offset: u16,
        cx: &mut Context<'_, P>,
    ) -> Option<(B, Parsed)>
    where
        P: PacketPool<Buf = B>,
    {
        let Complete {
            mut pieces,
            longest,
            marks,
        } = complete;
        let data_start = pieces.first().map_or(0, |first| first.data_start);
        let joined = self.join(&mut pieces, cx);
        self.fragments.recycle(pieces);
        let mut packet = joined?;
        let parsed = finish_header(&mut packet, l3_offset, data_start, marks)
            .and_then(|()| parse(packet.bytes(), packet.total_len()).ok());
        let Some(mut parsed) = parsed else {
            self.discard(packet, DropReason::FragmentMalformed, cx);
            return None;
        };
        parsed.piece_len = longest;
        Some((packet, parsed))
    }

    /// Joins the pieces to one packet whose first segment has all headers; leaves the list empty.
    fn join<P>(&self, pieces: &mut Vec<Piece<B>>, cx: &mut Context<'_, P>) -> Option<B>
    where
        P: PacketPool<Buf = B>,
    {
        let short = pieces
            .first()
            .is_some_and(|first| usize::from(first.len) < HEAD_LEN);
        let head = if short {
            pull_up(pieces, cx.pool)
        } else {
            None
        };
        let mut failed = short && head.is_none();
        self.board.worker.generated.add(head.is_some().into());
        let mut copied = if head.is_some() { HEAD_LEN } else { 0 };
        let mut whole = head;
        for piece in pieces.drain(..) {
            let Piece {
                mut packet,
                data_start,
                len,
                ..
            } = piece;
            let gone = copied.min(usize::from(len));
            copied -= gone;
            let refused = match &mut whole {
                _ if failed => Some(packet),
                None => {
                    whole = Some(packet);
                    continue;
                }
                Some(_) if gone == usize::from(len) => None,
                Some(whole) => match packet.trim_front(usize::from(data_start) + gone) {
                    Ok(()) => whole.join(packet).err(),
                    Err(_) => Some(packet),
                },
            };
            match refused {
                None => self.board.worker.absorbed.add(1),
                Some(packet) => {
                    failed = true;
                    self.discard(packet, DropReason::PoolEmpty, cx);
                }
            }
        }
        if failed && let Some(packet) = whole.take() {
            self.discard(packet, DropReason::PoolEmpty, cx);
        }
        whole
    }

    /// Gives a packet to Linux or to another worker, in pieces if it came in pieces, each with the
    /// link header of `l3_offset` bytes that it came with.
    pub(crate) fn hand_over<P>(
        &self,
        packet: B,
        l3_offset: u16,
        parsed: &Parsed,
        verdict: Verdict,
        cx: &mut Context<'_, P>,
    ) where
        P: PacketPool<Buf = B>,
    {
        if parsed.piece_len == 0 {
            return cx.out.push(packet, verdict);
        }
        let Context { pool, out, .. } = cx;
        let l3 = usize::from(l3_offset);
        let link = packet.bytes().get(..l3).unwrap_or_default();
        let mut framed = true;
        let length = u32::from(parsed.piece_len);
        let whole = fragment::cut(&packet, l3_offset, parsed, length, *pool, |mut piece| {
            self.board.worker.generated.add(1);
            framed &= piece.prepend(l3).is_ok();
            if let Some(place) = piece.bytes_mut().get_mut(..l3).filter(|_| framed) {
                place.copy_from_slice(link);
                out.push(piece, verdict);
            } else {
                self.board.count_drop(DropReason::PoolEmpty);
                out.push(piece, Verdict::Drop(DropReason::PoolEmpty));
            }
        });
        if whole {
            self.board.worker.absorbed.add(1);
        } else {
            self.discard(packet, DropReason::PoolEmpty, cx);
        }
    }
}

/// A packet with the first [`HEAD_LEN`] bytes of a datagram behind its first fragment's headers, or
/// all of them if there are fewer.
fn pull_up<P: PacketPool>(pieces: &[Piece<P::Buf>], pool: &mut P) -> Option<P::Buf> {
    let first = pieces.first()?;
    let headers = first.packet.bytes().get(..usize::from(first.data_start))?;
    let length: usize = pieces.iter().map(|piece| usize::from(piece.len)).sum();
    let mut head = pool.alloc()?;
    head.append(headers.len() + length.min(HEAD_LEN)).ok()?;
    let (place, mut rest) = head.bytes_mut().split_at_mut_checked(headers.len())?;
    place.copy_from_slice(headers);
    for piece in pieces {
        let want = rest.len().min(usize::from(piece.len));
        let (place, after) = rest.split_at_mut_checked(want)?;
        if piece.packet.copy_out(usize::from(piece.data_start), place) < want {
            return None;
        }
        rest = after;
    }
    Some(head)
}

/// Makes the first fragment's header that of the whole packet. IPv6 keeps its fragment header, as
/// an atomic fragment (RFC 6946), because the pieces will need it again.
fn finish_header<B: PacketBuf>(
    packet: &mut B,
    l3_offset: u16,
    data_start: u16,
    marks: u8,
) -> Option<()> {
    let (l3, data_start) = (usize::from(l3_offset), usize::from(data_start));
    let ip_len = packet.total_len().checked_sub(l3)?;
    let congested = congestion(marks)?;
    let header = packet.bytes_mut().get_mut(l3..data_start)?;
    if header.first()? >> 4 == 4 {
        let view = Ipv4::new_checked(header).ok()?;
        let dont_fragment = view.flags_and_offset() & ipv4::FLAG_DONT_FRAGMENT;
        let tos = view.tos();
        let mut view = Ipv4Mut::new_checked(header).ok()?;
        view.set_total_len(u16::try_from(ip_len).ok()?);
        view.set_flags_and_offset(dont_fragment);
        view.set_tos(if congested { tos | ECN_CE } else { tos });
        view.fill_checksum();
    } else {
        let payload_len = ip_len.checked_sub(ipv6::HEADER_LEN)?;
        let view = Ipv6::new_checked(header).ok()?;
        let (class, label) = (view.traffic_class(), view.flow_label());
        let mut view = Ipv6Mut::new_checked(header).ok()?;
        view.set_payload_len(u16::try_from(payload_len).ok()?);
        view.set_class_and_label(if congested { class | ECN_CE } else { class }, label);
        let place = header.len().checked_sub(ipv6::FRAGMENT_LEN)?;
        // Offset 0, no more to follow.
        header.get_mut(place + 2..place + 4)?.fill(0);
    }
    Some(())
}

/// Whether the packet gets the mark "congestion experienced", or `None` if it must be dropped: not
/// all its fragments are of an ECN-capable transport (RFC 3168 §5.3, `ip_frag_ecn_table`).
const fn congestion(marks: u8) -> Option<bool> {
    const NOT_ECT: u8 = 1;
    const CE: u8 = 1 << ECN_CE;
    if marks & NOT_ECT != 0 && marks != NOT_ECT {
        return None;
    }
    Some(marks & CE != 0)
}

/// RFC 3168 §5.
const ECN_CE: u8 = 3;

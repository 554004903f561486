// SPDX-License-Identifier: Apache-2.0
//! Fragments that wait for the rest of their datagram (RFC 791 §3.2, RFC 8200 §4.5;
//! `ip_frag_queue`, `inet_frag_queue_insert`).
//!
//! ```text
//!   fragment ─► its datagram, by (source, destination, identification, protocol)
//!                 pieces sorted by offset, none overlapping ─► complete? ─► all of them, in order
//! ```
//!
//! Everything is bounded: pieces, datagrams, pieces of one datagram, and how long any of them
//! waits. When there is no room the oldest datagram goes: a whole one needs milliseconds, a flood
//! of fragments that never complete must not lock others out for [`WAIT_MAX`]. Why datagrams are
//! put together at all is told in `docs/decisions/0010-fragments.md`.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use hashbrown::HashMap;
use model::addr::Addr;
use model::fib::Hasher;
use model::time::Instant;
use wire::packet::{Fragment, Kind, Parsed};

/// Fragments that may wait in one worker: 2 MiB of packet buffers, which the pool has besides those
/// of the ports.
pub const FRAGMENTS_MAX: usize = 1024;
/// Datagrams that may wait in one worker: four fragments each fill the room.
pub const DATAGRAMS_MAX: usize = 256;
/// Fragments of one datagram: 64 KiB over links of 576 bytes, which every IPv4 host takes.
pub const PIECES_MAX: usize = 128;
/// How long a datagram may take to arrive: Linux's `ipfrag_time`, within what RFC 1122 §3.3.2 asks.
pub const WAIT_MAX: Duration = Duration::from_secs(30);

/// What the fragments of a datagram have in common. The protocol is part of it in IPv4 only
/// (RFC 8200 §4.5: "the same Source Address, Destination Address, and Fragment Identification").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DatagramKey {
    /// Who sent it.
    pub source: Addr,
    /// Whom it is for.
    pub destination: Addr,
    /// Identification; 16 bits in IPv4.
    pub ident: u32,
    /// IPv4 protocol; 0 in IPv6.
    pub protocol: u8,
}

/// One fragment.
#[derive(Debug)]
pub struct Piece<B> {
    /// The packet, without Ethernet padding.
    pub packet: B,
    /// Where its part of the datagram starts, in bytes from the start of the frame.
    pub data_start: u16,
    /// Place of that part in the datagram, in bytes.
    pub offset: u16,
    /// Bytes of that part.
    pub len: u16,
}

/// What a fragment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The datagram it belongs to.
    pub key: DatagramKey,
    /// Where its part of the datagram starts, in bytes from the start of the frame.
    pub data_start: u16,
    /// Place of that part in the datagram, in bytes.
    pub offset: u16,
    /// Bytes of that part.
    pub len: u16,
    /// Whether more follow.
    pub more: bool,
    /// Bytes of the fragment, IP headers included.
    pub ip_len: u16,
    /// Its congestion marks (RFC 3168 §5), the low two bits of the type of service.
    pub ecn: u8,
}

impl Place {
    /// The place of a fragment, or `None` if no datagram can be made with it: nothing in it, or not
    /// the last and no multiple of eight bytes.
    #[must_use]
    pub fn of(bytes: &[u8], parsed: &Parsed) -> Option<Self> {
        if parsed.fragment == Fragment::None {
            return None;
        }
        let place = parsed.fragment_place(bytes)?;
        let (data_start, protocol) = if parsed.kind == Kind::Ipv4 {
            (parsed.l4_offset, parsed.protocol.0)
        } else {
            (parsed.fragment_offset.checked_add(FRAGMENT_HEADER_LEN)?, 0)
        };
        let len = u16::try_from(parsed.frame_len().checked_sub(data_start.into())?).ok()?;
        if len == 0 || (place.more && !len.is_multiple_of(UNIT)) {
            return None;
        }
        Some(Self {
            key: DatagramKey {
                source: Addr::from_octets(parsed.source),
                destination: Addr::from_octets(parsed.destination),
                ident: place.ident,
                protocol,
            },
            data_start,
            offset: place.offset,
            len,
            more: place.more,
            ip_len: u16::try_from(parsed.ip_len).ok()?,
            ecn: parsed.tos & ECN_MASK,
        })
    }

    fn end(&self) -> u32 {
        u32::from(self.offset) + u32::from(self.len)
    }
}

/// Why a fragment was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is there already; the datagram still waits.
    Duplicate,
    /// It overlaps another or the datagram's end; the datagram is given up (RFC 5722 §4, RFC 8200
    /// §4.5).
    Overlap,
    /// The datagram has [`PIECES_MAX`] already; it is given up.
    TooMany,
}

/// A datagram that is all there.
#[derive(Debug)]
pub struct Complete<B> {
    /// Its fragments, in order.
    pub pieces: Vec<Piece<B>>,
    /// The longest of them, IP headers included.
    pub longest: u16,
    /// Which congestion marks there were: bit N for the mark N.
    pub marks: u8,
}

#[derive(Debug)]
struct Datagram<B> {
    key: DatagramKey,
    since: Instant,
    pieces: Vec<Piece<B>>,
    /// Where it ends, once its last fragment is there.
    end: Option<u32>,
    /// Bytes that are there.
    bytes: u32,
    longest: u16,
    marks: u8,
}

impl<B> Datagram<B> {
    /// Where a piece has to go, or why it must not.
    fn position(&self, place: &Place) -> Result<usize, Refusal> {
        let at = self
            .pieces
            .partition_point(|piece| piece.offset < place.offset);
        let after = self.pieces.get(at);
        if after.is_some_and(|next| next.offset == place.offset && next.len == place.len) {
            return Err(Refusal::Duplicate);
        }
        let before = at.checked_sub(1).and_then(|at| self.pieces.get(at));
        let clear_before =
            before.is_none_or(|b| u32::from(b.offset) + u32::from(b.len) <= place.offset.into());
        let clear_after = after.is_none_or(|next| place.end() <= next.offset.into());
        let inside = self.end.is_none_or(|end| {
            // A second last fragment says where the first said.
            place.end() <= end && (place.more || place.end() == end)
        });
        // The last one must be the last: nothing may lie behind it already.
        if !clear_before || !clear_after || !inside || (!place.more && after.is_some()) {
            return Err(Refusal::Overlap);
        }
        if self.pieces.len() >= PIECES_MAX {
            return Err(Refusal::TooMany);
        }
        Ok(at)
    }

    fn is_complete(&self) -> bool {
        // None overlaps another, so they cover all if there are as many bytes.
        self.end == Some(self.bytes)
    }
}

/// All fragments that wait in one worker.
#[derive(Debug)]
pub struct Fragments<B> {
    by_key: HashMap<DatagramKey, u16, Hasher>,
    slots: Vec<Option<Datagram<B>>>,
    /// Slots in use, oldest first: they expire in this order.
    order: VecDeque<u16>,
    count: usize,
    /// Room of a datagram that is gone, for the next one.
    spare: Vec<Piece<B>>,
}

impl<B> Fragments<B> {
    /// None waits. Memory is taken when the first fragment comes, once.
    #[must_use]
    pub fn new(hasher: Hasher) -> Self {
        Self {
            by_key: HashMap::with_hasher(hasher),
            slots: Vec::new(),
            order: VecDeque::new(),
            count: 0,
            spare: Vec::new(),
        }
    }

    /// How many fragments wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether none waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many datagrams wait.
    #[must_use]
    pub fn datagrams(&self) -> usize {
        self.order.len()
    }

    /// Whether the oldest datagram has to go before a fragment of that key can be taken in.
    #[must_use]
    pub fn is_full_for(&self, key: &DatagramKey) -> bool {
        self.count >= FRAGMENTS_MAX
            || (self.order.len() >= DATAGRAMS_MAX && !self.by_key.contains_key(key))
    }

    /// Takes a fragment in; gives the datagram if that was the last that was missing. There must be
    /// room ([`Self::is_full_for`]).
    ///
    /// # Errors
    /// The fragment, and why. Unless it is a duplicate, [`Self::pop_of`] then gives what else of
    /// its datagram there is.
    pub fn insert(
        &mut self,
        place: &Place,
        packet: B,
        now: Instant,
    ) -> Result<Option<Complete<B>>, (B, Refusal)> {
        let Some(slot) = self.slot_of(&place.key, now) else {
            return Err((packet, Refusal::TooMany));
        };
        let Some(datagram) = self
            .slots
            .get_mut(usize::from(slot))
            .and_then(Option::as_mut)
        else {
            return Err((packet, Refusal::TooMany));
        };
        let at = match datagram.position(place) {
            Ok(at) => at,
            Err(refusal) => return Err((packet, refusal)),
        };
        let piece = Piece {
            packet,
            data_start: place.data_start,
            offset: place.offset,
            len: place.len,
        };
        datagram.pieces.insert(at, piece);
        datagram.bytes += u32::from(place.len);
        datagram.longest = datagram.longest.max(place.ip_len);
        datagram.marks |= 1 << place.ecn;
        if !place.more {
            datagram.end = Some(place.end());
        }
        let complete = datagram.is_complete();
        self.count += 1;
        if !complete {
            return Ok(None);
        }
        Ok(self.remove(slot).map(|datagram| {
            self.count -= datagram.pieces.len();
            Complete {
                pieces: datagram.pieces,
                longest: datagram.longest,
                marks: datagram.marks,
            }
        }))
    }

    /// Takes a fragment out of the oldest datagram; `None` when nothing waits. Datagrams go whole:
    /// the caller goes on until it has what it wants.
    pub fn pop_oldest(&mut self) -> Option<B> {
        let slot = *self.order.front()?;
        self.pop(slot)
    }

    /// As [`Self::pop_oldest`], if that datagram has waited too long.
    pub fn pop_expired(&mut self, now: Instant) -> Option<B> {
        let slot = *self.order.front()?;
        let datagram = self.slots.get(usize::from(slot))?.as_ref()?;
        if now.saturating_since(datagram.since) < WAIT_MAX {
            return None;
        }
        self.pop(slot)
    }

    /// Takes a fragment out of a datagram that is given up.
    pub fn pop_of(&mut self, key: &DatagramKey) -> Option<B> {
        let slot = *self.by_key.get(key)?;
        self.pop(slot)
    }

    /// Takes back the emptied room of a [`Complete`].
    pub fn recycle(&mut self, pieces: Vec<Piece<B>>) {
        if pieces.is_empty() {
            self.spare = pieces;
        }
    }

    fn pop(&mut self, slot: u16) -> Option<B> {
        let datagram = self.slots.get_mut(usize::from(slot))?.as_mut()?;
        let piece = datagram.pieces.pop();
        if datagram.pieces.is_empty()
            && let Some(gone) = self.remove(slot)
        {
            self.spare = gone.pieces;
        }
        let piece = piece?;
        self.count -= 1;
        Some(piece.packet)
    }

    /// The slot of a datagram, a new one if need be.
    fn slot_of(&mut self, key: &DatagramKey, now: Instant) -> Option<u16> {
        if let Some(slot) = self.by_key.get(key) {
            return Some(*slot);
        }
        if self.slots.is_empty() {
            self.slots.resize_with(DATAGRAMS_MAX, || None);
            self.order.reserve_exact(DATAGRAMS_MAX);
            self.by_key.reserve(DATAGRAMS_MAX);
        }
        let free = self.slots.iter().position(Option::is_none)?;
        let slot = u16::try_from(free).ok()?;
        *self.slots.get_mut(free)? = Some(Datagram {
            key: *key,
            since: now,
            pieces: core::mem::take(&mut self.spare),
            end: None,
            bytes: 0,
            longest: 0,
            marks: 0,
        });
        self.order.push_back(slot);
        self.by_key.insert(*key, slot);
        Some(slot)
    }

    fn remove(&mut self, slot: u16) -> Option<Datagram<B>> {
        let datagram = self.slots.get_mut(usize::from(slot))?.take()?;
        self.by_key.remove(&datagram.key);
        self.order.retain(|other| *other != slot);
        Some(datagram)
    }
}

/// Offsets count in these (RFC 791 §3.1).
const UNIT: u16 = 8;
/// RFC 8200 §4.5.
const FRAGMENT_HEADER_LEN: u16 = 8;
/// RFC 3168 §5.
const ECN_MASK: u8 = 3;

#[cfg(test)]
mod tests;

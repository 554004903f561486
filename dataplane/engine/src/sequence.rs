// SPDX-License-Identifier: Apache-2.0
//! Sequence numbers of connections whose bytes the director changes (`struct ip_vs_seq`,
//! `vs_fix_seq`, `vs_fix_ack_seq`).
//!
//! Who adds or removes bytes in a TCP stream has to shift the sequence numbers of everything behind
//! them, and the acknowledgments that come back:
//!
//! ```text
//!   sender     | before |  old  | behind         sequence numbers: Stream::forward ──►
//!   receiver   | before | replacement | behind   ◄── acknowledgments, SACK: Stream::back
//!                       at
//! ```
//!
//! The kernel remembers the last change of a direction and the shift before it. Here the last four
//! are remembered with the ranges they replaced, so that a retransmission finds the change it is
//! about, and an acknowledgment from inside a replacement acknowledges none of what was replaced.
//! All arithmetic is modulo 2^32 (RFC 9293 §3.4).
//!
//! [`Sequences`] holds the corrections of a worker's connections. Its room is bounded and made
//! between bursts ([`Sequences::maintain`]), never on a packet's way.

use alloc::vec::Vec;

use wire::checksum::Delta;
use wire::tcp::{self, Tcp, TcpMut, flags, option};

/// Changes of one direction that are remembered. Whoever makes more has the oldest acknowledged
/// long since: an FTP client waits for each answer.
pub const EDITS_MAX: usize = 4;

/// A range of a stream that was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Edit {
    /// The sender's sequence number of its first byte.
    pub at: u32,
    /// Bytes that were there.
    pub old_len: u16,
    /// Bytes that are there now.
    pub new_len: u16,
}

impl Edit {
    /// How much further what is behind it is shifted, modulo 2^32.
    const fn growth(self) -> u32 {
        (self.new_len as u32).wrapping_sub(self.old_len as u32)
    }
}

/// One direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stream {
    /// Shift in front of the remembered changes.
    base: u32,
    /// In the order of their places.
    edits: [Edit; EDITS_MAX],
    count: u8,
}

/// Which side of an insertion a segment that begins right there is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It brings the inserted bytes, or knows nothing of them.
    Before,
    /// It comes behind them.
    Behind,
}

/// How a segment lies to the changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meets {
    /// It has nothing of a replaced range.
    None,
    /// It holds this one whole.
    Whole(Edit),
    /// It holds a part of one: what to put there instead cannot be said.
    Part,
}

impl Stream {
    /// A stream as it came.
    pub const UNCHANGED: Self = Self {
        base: 0,
        edits: [Edit {
            at: 0,
            old_len: 0,
            new_len: 0,
        }; EDITS_MAX],
        count: 0,
    };

    /// Whether every number stays what it is.
    #[must_use]
    #[inline]
    pub const fn is_unchanged(&self) -> bool {
        self.count == 0 && self.base == 0
    }

    /// Notes a change. `false`, with nothing noted, if it lies in front of one that is known or is
    /// another at the same place; noting a known one again is no change.
    #[must_use]
    pub fn record(&mut self, edit: Edit) -> bool {
        let mut known = self.edits().iter().rev();
        if let Some(last) = known.next() {
            if known.chain([last]).any(|known| *known == edit) {
                return true;
            }
            if distance(last.at.wrapping_add(last.old_len.into()), edit.at) < 0
                || last.at == edit.at
            {
                return false;
            }
        }
        if usize::from(self.count) == EDITS_MAX {
            let [oldest, ..] = self.edits;
            self.base = self.base.wrapping_add(oldest.growth());
            self.edits.rotate_left(1);
            self.count -= 1;
        }
        if let Some(place) = self.edits.get_mut(usize::from(self.count)) {
            *place = edit;
            self.count += 1;
        }
        true
    }

    /// The receiver's number for the sender's `sequence`. Inside a replaced range it is the
    /// replacement's beginning; [`Self::meets`] tells in advance.
    #[must_use]
    #[inline]
    pub fn forward(&self, sequence: u32, side: Side) -> u32 {
        let mut shift = self.base;
        for edit in self.edits() {
            let offset = distance(edit.at, sequence);
            let behind = offset > 0 || offset == 0 && side == Side::Behind && edit.old_len == 0;
            if !behind {
                break;
            }
            if offset < i32::from(edit.old_len) {
                return edit.at.wrapping_add(shift);
            }
            shift = shift.wrapping_add(edit.growth());
        }
        sequence.wrapping_add(shift)
    }

    /// The sender's number for the receiver's: what the sender may take as received in front of it.
    /// Inside a replacement that is nothing of the replaced range.
    #[must_use]
    #[inline]
    pub fn back(&self, number: u32) -> u32 {
        match self.locate(number) {
            Ok(shift) => number.wrapping_sub(shift),
            Err(inside) => inside.at,
        }
    }

    /// As [`Self::back`] for the beginning of a block that was received: inside a replacement it is
    /// the end of the replaced range.
    fn back_left(&self, number: u32) -> u32 {
        match self.locate(number) {
            Ok(shift) => number.wrapping_sub(shift),
            Err(inside) => inside.at.wrapping_add(inside.old_len.into()),
        }
    }

    /// The shift at one of the receiver's numbers, or the change whose replacement it is inside of.
    fn locate(&self, number: u32) -> Result<u32, Edit> {
        let mut shift = self.base;
        for edit in self.edits() {
            let offset = distance(edit.at.wrapping_add(shift), number);
            if offset >= edit.new_len.into() {
                // Removed bytes count as received as soon as those in front of them are: nobody
                // will ever acknowledge them otherwise.
                shift = shift.wrapping_add(edit.growth());
            } else if offset > 0 {
                return Err(*edit);
            } else {
                break;
            }
        }
        Ok(shift)
    }

    /// How the sender's `len` bytes from `sequence` on lie to the replaced ranges; insertions,
    /// which replace nothing, do not count. One that has something of several holds a part.
    #[must_use]
    pub fn meets(&self, sequence: u32, len: u32) -> Meets {
        let end = sequence.wrapping_add(len);
        let mut met = Meets::None;
        for edit in self.edits().iter().filter(|edit| edit.old_len != 0) {
            let edit_end = edit.at.wrapping_add(edit.old_len.into());
            if distance(edit_end, sequence) >= 0 || distance(end, edit.at) >= 0 {
                continue;
            }
            let whole = distance(sequence, edit.at) >= 0 && distance(edit_end, end) >= 0;
            met = if whole && met == Meets::None {
                Meets::Whole(*edit)
            } else {
                Meets::Part
            };
        }
        met
    }

    fn edits(&self) -> &[Edit] {
        self.edits
            .get(..usize::from(self.count))
            .unwrap_or_default()
    }
}

/// How far `to` is behind `from`, modulo 2^32; negative if it is in front of it.
#[inline]
const fn distance(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from).cast_signed()
}

/// Gives a TCP segment the numbers that its receiver expects: its sequence number by `own`, what
/// it acknowledges by `other`, selectively too (the kernel leaves SACK as it is). `segment` begins
/// with the TCP header and holds at least all of it. The checksum follows.
pub fn renumber(segment: &mut [u8], own: &Stream, side: Side, other: &Stream) {
    let Ok(header) = Tcp::new_checked(segment) else {
        return;
    };
    let (old_sequence, old_ack) = (header.sequence(), header.acknowledgment());
    let acknowledges = header.flags() & flags::ACK != 0;
    let options = tcp::HEADER_LEN_MIN..usize::from(header.header_len());
    let mut delta = Delta::new();
    let sequence = own.forward(old_sequence, side);
    delta = delta.long(old_sequence, sequence);
    let ack = if acknowledges {
        other.back(old_ack)
    } else {
        old_ack
    };
    delta = delta.long(old_ack, ack);
    if acknowledges
        && !other.is_unchanged()
        && let Some(options) = segment.get_mut(options)
    {
        delta = delta.and(renumber_sack(options, other));
    }
    if let Ok(mut header) = TcpMut::new_checked(segment) {
        header.set_sequence(sequence);
        header.set_acknowledgment(ack);
        let checksum = delta.apply(header.checksum());
        header.set_checksum(checksum);
    }
}

/// Corrects the edges of every block. One that lies inside a replacement becomes empty, which a
/// sender passes over.
fn renumber_sack(options: &mut [u8], other: &Stream) -> Delta {
    let mut delta = Delta::new();
    let Some(range) = tcp::find_option(options, option::SACK) else {
        return delta;
    };
    let swapped = range.start % 2 == 1;
    let blocks = options.get_mut(range).unwrap_or_default();
    for block in blocks.as_chunks_mut::<8>().0 {
        let [a, b, c, d, e, f, g, h] = *block;
        let (left, right) = (
            u32::from_be_bytes([a, b, c, d]),
            u32::from_be_bytes([e, f, g, h]),
        );
        let (new_left, new_right) = (other.back_left(left), other.back(right));
        let new_left = if distance(new_left, new_right) < 0 {
            new_right
        } else {
            new_left
        };
        for (edge, old, new) in [(0, left, new_left), (4, right, new_right)] {
            if let Some(place) = block.get_mut(edge..edge + 4) {
                place.copy_from_slice(&new.to_be_bytes());
            }
            // At an odd place each byte is in the other half of its word (RFC 1071 §2, B).
            delta = if swapped {
                delta.long(swap_halves(old), swap_halves(new))
            } else {
                delta.long(old, new)
            };
        }
    }
    delta
}

/// The bytes of each half exchanged.
const fn swap_halves(number: u32) -> u32 {
    number.swap_bytes().rotate_left(16)
}

/// The corrections of both directions, and what the one who makes them has to remember.
#[derive(Debug, Clone, Copy, Default)]
pub struct Adjust<T> {
    /// What the client sends.
    pub inbound: Stream,
    /// What the server sends.
    pub outbound: Stream,
    /// The rest.
    pub about: T,
}

/// The corrections of a worker's connections.
#[derive(Debug)]
pub struct Sequences<T> {
    /// Each of [`CHUNK`] places, so that growing moves nothing.
    chunks: Vec<Vec<Place<T>>>,
    chunks_max: usize,
    /// Places that were ever taken: the next new one has this index.
    begun: usize,
    free: u32,
    used: usize,
}

#[derive(Debug, Clone, Copy)]
struct Place<T> {
    adjust: Adjust<T>,
    /// Of the free list.
    next: u32,
}

/// Places that are made at once: more than a burst takes.
const CHUNK: usize = 1024;
/// "No place."
const NONE: u32 = 0;

impl<T: Copy> Sequences<T> {
    /// Room for the corrections of `max` connections, rounded up to whole chunks; none of it is
    /// there before the first [`Self::maintain`].
    #[must_use]
    pub fn new(max: u32) -> Self {
        let max = usize::try_from(max).unwrap_or(usize::MAX).div_ceil(CHUNK);
        Self {
            chunks: Vec::with_capacity(max),
            chunks_max: max,
            begun: 0,
            free: NONE,
            used: 0,
        }
    }

    /// How many connections have one.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.used
    }

    /// Whether none has.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Takes a place; `None` if there is no room. Its number is never 0.
    pub fn insert(&mut self, about: T) -> Option<u32> {
        let adjust = Adjust {
            inbound: Stream::UNCHANGED,
            outbound: Stream::UNCHANGED,
            about,
        };
        if let Some(place) = self.place_mut(self.free) {
            let next = place.next;
            place.adjust = adjust;
            let taken = core::mem::replace(&mut self.free, next);
            self.used += 1;
            return Some(taken);
        }
        let chunk = self.chunks.get_mut(self.begun / CHUNK)?;
        chunk.push(Place { adjust, next: NONE });
        self.begun += 1;
        self.used += 1;
        u32::try_from(self.begun).ok()
    }

    /// Gives a place back; nothing happens for 0.
    pub fn remove(&mut self, number: u32) {
        let free = self.free;
        if let Some(place) = self.place_mut(number) {
            place.next = free;
            self.free = number;
            self.used = self.used.saturating_sub(1);
        }
    }

    /// What is at a place; `None` for 0.
    #[must_use]
    #[inline]
    pub fn at(&self, number: u32) -> Option<&Adjust<T>> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        let place = self.chunks.get(at / CHUNK)?.get(at % CHUNK)?;
        Some(&place.adjust)
    }

    /// What is at a place, to be changed.
    #[inline]
    pub fn at_mut(&mut self, number: u32) -> Option<&mut Adjust<T>> {
        self.place_mut(number).map(|place| &mut place.adjust)
    }

    /// Between bursts, if anybody may want a correction: makes room for the next burst, one chunk
    /// at most.
    pub fn maintain(&mut self) {
        let spare = self.chunks.len() * CHUNK - self.used;
        if spare < CHUNK / 2 && self.chunks.len() < self.chunks_max {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
    }

    #[inline]
    fn place_mut(&mut self, number: u32) -> Option<&mut Place<T>> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        self.chunks.get_mut(at / CHUNK)?.get_mut(at % CHUNK)
    }
}

#[cfg(test)]
mod tests;

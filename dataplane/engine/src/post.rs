// SPDX-License-Identifier: Apache-2.0
//! Letters between workers: what happened to the children of another worker's template.
//!
//! One box for each pair of workers, written by one and emptied by the other in its tick. A letter
//! is one number, boxes have a fixed size, and none is ever lost: who cannot write does not do what
//! the letter would tell of (docs/decisions/0015-persistence.md).

use alloc::boxed::Box;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Letters a box has room for: a burst of connections that begin and end between two ticks of the
/// reader.
const LETTERS: u32 = 1024;
const _: () = assert!(LETTERS.is_power_of_two(), "positions wrap");

/// A line of cache of its own, because two workers write the two ends.
#[derive(Debug, Default)]
#[repr(align(64))]
struct End(AtomicU32);

/// Letters from one worker to another.
#[derive(Debug)]
pub struct Mailbox {
    letters: Box<[AtomicU64]>,
    written: End,
    read: End,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self {
            letters: (0..LETTERS).map(|_| AtomicU64::new(0)).collect(),
            written: End::default(),
            read: End::default(),
        }
    }
}

impl Mailbox {
    /// Whether the writer can write so many letters more.
    #[must_use]
    pub fn has_room(&self, letters: u32) -> bool {
        let written = self.written.0.load(Ordering::Relaxed);
        let read = self.read.0.load(Ordering::Acquire);
        written.wrapping_sub(read) <= LETTERS.saturating_sub(letters)
    }

    /// Writes a letter, for the one writer; false, and nothing has happened, if the box is full.
    pub fn send(&self, letter: u64) -> bool {
        if !self.has_room(1) {
            return false;
        }
        let written = self.written.0.load(Ordering::Relaxed);
        if let Some(place) = self.letters.get((written % LETTERS) as usize) {
            place.store(letter, Ordering::Relaxed);
        }
        self.written
            .0
            .store(written.wrapping_add(1), Ordering::Release);
        true
    }

    /// Takes the oldest letter, for the one reader.
    pub fn receive(&self) -> Option<u64> {
        let read = self.read.0.load(Ordering::Relaxed);
        if read == self.written.0.load(Ordering::Acquire) {
            return None;
        }
        let letter = self.letters.get((read % LETTERS) as usize)?;
        let letter = letter.load(Ordering::Relaxed);
        self.read.0.store(read.wrapping_add(1), Ordering::Release);
        Some(letter)
    }
}

#[cfg(test)]
mod tests;

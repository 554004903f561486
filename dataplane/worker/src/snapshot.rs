// SPDX-License-Identifier: Apache-2.0
//! Publishing a value to threads that must never wait (DESIGN decision 6).
//!
//! ```text
//!   publisher:  swap pointer ─► raise epoch ─► retire (old, epoch) ─► free those nobody can hold
//!   reader:     announce epoch ─► fence ─► load pointer ─► … one burst … ─► announce "offline"
//! ```
//!
//! A reader that announced epoch `r` may hold any value retired at an epoch above `r`; one that is
//! offline holds none. The order of the publisher's first two steps, and of the reader's first
//! three, is load-bearing: if the publisher sees a reader offline, that reader's next load sees the
//! new pointer; if it sees an epoch of at least the retirement's, the pointer was loaded after it
//! was swapped. Model-checked with loom (`tests/loom`), which compiles this very file.
//!
//! The reader's cost is one fenced store per burst, not per packet. A sleeping reader is offline
//! and holds nothing up.
#![allow(
    unsafe_code,
    reason = "docs/decisions/0004: one pointer read per burst, nobody waits"
)]

use crate::sync::{Arc, AtomicPtr, AtomicU64, Ordering, fence};

/// A reader that holds nothing.
const OFFLINE: u64 = 0;

/// A value with the number it was published under.
#[derive(Debug)]
struct Published<T> {
    number: u64,
    value: T,
}

/// One reader's announcements; written by it alone, in lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Slot {
    /// The epoch it entered at, or [`OFFLINE`].
    epoch: AtomicU64,
    /// The number of the newest value it is done with taking over.
    seen: AtomicU64,
}

#[derive(Debug)]
struct Shared<T> {
    current: AtomicPtr<Published<T>>,
    epoch: AtomicU64,
    slots: Vec<Arc<Slot>>,
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let current = self.current.load(Ordering::Relaxed);
        // SAFETY: `current` came from `Box::into_raw` and was swapped out nowhere; the last owner
        // of the shared part is here, so no reader is left.
        drop(unsafe { Box::from_raw(current) });
    }
}

/// The writing end; one thread's.
#[derive(Debug)]
pub struct Publisher<T> {
    shared: Arc<Shared<T>>,
    retired: Vec<(u64, Box<Published<T>>)>,
    number: u64,
}

/// A reading end; one worker's.
#[derive(Debug)]
pub struct Reader<T> {
    shared: Arc<Shared<T>>,
    slot: Arc<Slot>,
    /// The number of the newest value it has read.
    newest: u64,
}

/// What a reader sees until it drops this.
#[derive(Debug)]
pub struct Guard<'a, T> {
    value: &'a T,
    slot: &'a Slot,
}

/// A publisher of `first` and `readers` readers of it.
pub fn channel<T: Send + Sync>(first: T, readers: usize) -> (Publisher<T>, Vec<Reader<T>>) {
    let slots: Vec<Arc<Slot>> = (0..readers)
        .map(|_| {
            Arc::new(Slot {
                epoch: AtomicU64::new(OFFLINE),
                seen: AtomicU64::new(0),
            })
        })
        .collect();
    let first = Box::new(Published {
        number: 1,
        value: first,
    });
    let shared = Arc::new(Shared {
        current: AtomicPtr::new(Box::into_raw(first)),
        epoch: AtomicU64::new(1),
        slots: slots.clone(),
    });
    let readers = slots
        .into_iter()
        .map(|slot| Reader {
            shared: Arc::clone(&shared),
            slot,
            newest: 0,
        })
        .collect();
    (
        Publisher {
            shared,
            retired: Vec::new(),
            number: 1,
        },
        readers,
    )
}

impl<T> Publisher<T> {
    /// Makes `value` what readers see from their next burst on; never waits. Returns its number:
    /// the first value has 1, each further one the next.
    pub fn publish(&mut self, value: T) -> u64 {
        self.number = self.number.saturating_add(1);
        let new = Box::into_raw(Box::new(Published {
            number: self.number,
            value,
        }));
        let old = self.shared.current.swap(new, Ordering::SeqCst);
        let epoch = self
            .shared
            .epoch
            .fetch_add(1, Ordering::SeqCst)
            .saturating_add(1);
        // SAFETY: `old` came from `Box::into_raw` and was swapped out by us alone, so it is owned
        // here; it is freed only when no reader can hold it.
        let old = unsafe { Box::from_raw(old) };
        self.retired.push((epoch, old));
        self.collect();
        self.number
    }

    /// Frees the retired values that no reader can hold; returns how many are left.
    pub fn collect(&mut self) -> usize {
        fence(Ordering::SeqCst);
        let oldest = self
            .shared
            .slots
            .iter()
            .map(|slot| slot.epoch.load(Ordering::SeqCst))
            .filter(|epoch| *epoch != OFFLINE)
            .min()
            .unwrap_or(u64::MAX);
        self.retired.retain(|(epoch, _)| *epoch > oldest);
        self.retired.len()
    }

    /// The number of the newest value that every reader has passed: none looks at an older one.
    #[must_use]
    pub fn seen_by_all(&self) -> u64 {
        let slots = self.shared.slots.iter();
        let seen = slots.map(|slot| slot.seen.load(Ordering::Acquire));
        seen.min().unwrap_or(self.number)
    }
}

impl<T> Drop for Publisher<T> {
    fn drop(&mut self) {
        if self.collect() > 0 {
            // A reader is in the middle of its burst, and nobody stays to wait for it: they leak.
            for (_, held) in self.retired.drain(..) {
                let _leaked = std::mem::ManuallyDrop::new(held);
            }
        }
    }
}

impl<T: Send + Sync> Reader<T> {
    /// The value of this moment, until the guard is dropped.
    #[inline]
    pub fn read(&mut self) -> Guard<'_, T> {
        let shared = &*self.shared;
        let slot = &*self.slot;
        let epoch = shared.epoch.load(Ordering::SeqCst);
        slot.epoch.store(epoch, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let current = shared.current.load(Ordering::SeqCst);
        // SAFETY: announced before loaded (load-bearing order, see the module): the publisher does
        // not free what `current` points to before this reader's guard is dropped.
        let published = unsafe { &*current };
        self.newest = published.number;
        Guard {
            value: &published.value,
            slot,
        }
    }

    /// Says that the newest value read has been taken over, maybe many reads after the first.
    pub fn passed(&mut self) {
        if self.slot.seen.load(Ordering::Relaxed) != self.newest {
            self.slot.seen.store(self.newest, Ordering::Release);
        }
    }
}

impl<T> std::ops::Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.slot.epoch.store(OFFLINE, Ordering::Release);
    }
}

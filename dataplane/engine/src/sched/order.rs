// SPDX-License-Identifier: Apache-2.0
//! Who of two servers a scheduler prefers, for those that take the best of the list.

use model::service::SchedulerKind;

use super::{lc, nq, ovf, sed, wlc};

/// What a scheduler sees of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Seat {
    /// Its weight; 0 if it takes no connection, being quiesced or overloaded.
    pub(super) weight: u32,
    /// Its weight, overloaded or not.
    pub(super) nominal: u32,
    /// Active connections over all workers.
    pub(super) active: u32,
    /// All others.
    pub(super) inactive: u32,
}

impl Seat {
    /// `ip_vs_dest_conn_overhead`: an active connection weighs 256 inactive ones.
    pub(super) const fn overhead(&self) -> u64 {
        ((self.active as u64) << 8) + self.inactive as u64
    }

    /// Whether less than half of its weight is in use (`is_overloaded` of `ip_vs_lblc.c`).
    pub(super) const fn has_slack(&self) -> bool {
        (self.active as u64) * 2 < self.nominal as u64
    }
}

/// What a server has of its weight, as a scheduler reckons: a fraction, never divided, because only
/// the kernel's cross product decides the kernel's ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// Below 2⁴¹: a product with a weight, which is below 2¹⁶, is no overflow.
    pub(super) load: u64,
    pub(super) weight: u32,
}

impl Share {
    /// That of nobody: never smaller than another, and greater than any that is open.
    pub(super) const NOBODY: Self = Self { load: 1, weight: 0 };

    /// Whether it is the smaller one.
    #[inline]
    pub(super) const fn is_below(self, other: Self) -> bool {
        other.load * self.weight as u64 > self.load * other.weight as u64
    }
}

/// An order of servers by their shares. `prefers` is a strict weak order over those that are
/// `open`, so the best of a list is found in any order of comparing as long as the earlier of
/// equals stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Lc,
    Nq,
    Ovf,
    Sed,
    Wlc,
}

impl Order {
    /// The order of a scheduler; of those that have none, wlc's, which lblc and lblcr fall back on.
    pub(super) const fn of(kind: SchedulerKind) -> Self {
        match kind {
            SchedulerKind::Lc => Self::Lc,
            SchedulerKind::Nq => Self::Nq,
            SchedulerKind::Ovf => Self::Ovf,
            SchedulerKind::Sed => Self::Sed,
            SchedulerKind::Rr
            | SchedulerKind::Wrr
            | SchedulerKind::Wlc
            | SchedulerKind::Lblc
            | SchedulerKind::Lblcr
            | SchedulerKind::Dh
            | SchedulerKind::Sh
            | SchedulerKind::Mh
            | SchedulerKind::Fo
            | SchedulerKind::Twos
            | SchedulerKind::Conhash
            | SchedulerKind::Random => Self::Wlc,
        }
    }

    /// Whether a server may be chosen at all.
    #[inline]
    pub(super) const fn open(self, seat: &Seat) -> bool {
        match self {
            Self::Ovf => seat.weight > 0 && ovf::has_room(seat),
            Self::Lc | Self::Nq | Self::Sed | Self::Wlc => seat.weight > 0,
        }
    }

    /// What the smallest is chosen of.
    #[inline]
    pub(super) const fn share(self, seat: &Seat) -> Share {
        match self {
            Self::Lc => lc::share(seat),
            Self::Nq => nq::share(seat),
            Self::Ovf => ovf::share(seat),
            Self::Sed => sed::share(seat),
            Self::Wlc => wlc::share(seat),
        }
    }

    /// Whether `later` in the list beats `earlier`; both are open.
    #[inline]
    pub(super) const fn prefers(self, later: &Seat, earlier: &Seat) -> bool {
        self.share(later).is_below(self.share(earlier))
    }
}

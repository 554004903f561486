// SPDX-License-Identifier: Apache-2.0
//! The schedulers by name, and the switches that some of them have.

use alloc::string::String;
use alloc::vec::Vec;

/// Which rule picks the real server of a new connection; ipvsadm's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SchedulerKind {
    /// Round robin.
    Rr,
    /// Weighted round robin.
    Wrr,
    /// Least connection.
    Lc,
    /// Weighted least connection.
    #[default]
    Wlc,
    /// Shortest expected delay.
    Sed,
    /// Never queue.
    Nq,
    /// Locality-based least connection: a destination address keeps its server.
    Lblc,
    /// The same with a set of servers per destination address.
    Lblcr,
    /// Destination hashing.
    Dh,
    /// Source hashing.
    Sh,
    /// Maglev hashing.
    Mh,
    /// Weighted failover: all to the heaviest.
    Fo,
    /// Weighted overflow: fill the heaviest, then the next.
    Ovf,
    /// Power of two choices.
    Twos,
    /// Consistent hashing on a ring (DPVS; not in the kernel).
    Conhash,
    /// By lot, in proportion to the weights (not in the kernel).
    Random,
}

impl SchedulerKind {
    /// Every scheduler there is.
    pub const ALL: [Self; 16] = [
        Self::Rr,
        Self::Wrr,
        Self::Lc,
        Self::Wlc,
        Self::Sed,
        Self::Nq,
        Self::Lblc,
        Self::Lblcr,
        Self::Dh,
        Self::Sh,
        Self::Mh,
        Self::Fo,
        Self::Ovf,
        Self::Twos,
        Self::Conhash,
        Self::Random,
    ];

    /// ipvsadm's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rr => "rr",
            Self::Wrr => "wrr",
            Self::Lc => "lc",
            Self::Wlc => "wlc",
            Self::Sed => "sed",
            Self::Nq => "nq",
            Self::Lblc => "lblc",
            Self::Lblcr => "lblcr",
            Self::Dh => "dh",
            Self::Sh => "sh",
            Self::Mh => "mh",
            Self::Fo => "fo",
            Self::Ovf => "ovf",
            Self::Twos => "twos",
            Self::Conhash => "conhash",
            Self::Random => "random",
        }
    }

    /// The scheduler of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// `ipvsadm -b`: three switches whose meaning is the scheduler's
/// (`IP_VS_SVC_F_SCHED1` to `IP_VS_SVC_F_SCHED3`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SchedulerFlags(u8);

impl SchedulerFlags {
    /// None.
    pub const NONE: Self = Self(0);
    /// `sh-fallback`, `mh-fallback`: a server that takes no connections is replaced by another.
    pub const FALLBACK: Self = Self(1);
    /// `sh-port`, `mh-port`: the client's port is hashed too.
    pub const PORT: Self = Self(2);

    /// Names of the bits, lowest first, as ipvsadm words them for a scheduler.
    #[must_use]
    pub const fn names(kind: SchedulerKind) -> [&'static str; 3] {
        match kind {
            SchedulerKind::Sh => ["sh-fallback", "sh-port", "flag-3"],
            SchedulerKind::Mh => ["mh-fallback", "mh-port", "flag-3"],
            SchedulerKind::Rr
            | SchedulerKind::Wrr
            | SchedulerKind::Lc
            | SchedulerKind::Wlc
            | SchedulerKind::Sed
            | SchedulerKind::Nq
            | SchedulerKind::Lblc
            | SchedulerKind::Lblcr
            | SchedulerKind::Dh
            | SchedulerKind::Fo
            | SchedulerKind::Ovf
            | SchedulerKind::Twos
            | SchedulerKind::Conhash
            | SchedulerKind::Random => ["flag-1", "flag-2", "flag-3"],
        }
    }

    /// The flag of that name, whatever the scheduler, as `ipvsadm -b` reads it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "flag-1" | "sh-fallback" | "mh-fallback" => Some(Self::FALLBACK),
            "flag-2" | "sh-port" | "mh-port" => Some(Self::PORT),
            "flag-3" => Some(Self(4)),
            _ => None,
        }
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are among them.
    #[must_use]
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// As `ipvsadm -Ln` lists them: `sh-fallback,sh-port`.
    #[must_use]
    pub fn words(self, kind: SchedulerKind) -> String {
        let bits = [Self::FALLBACK, Self::PORT, Self(4)];
        let set: Vec<&str> = bits
            .into_iter()
            .zip(Self::names(kind))
            .filter(|(bit, _)| self.contains(*bit))
            .map(|(_, name)| name)
            .collect();
        set.join(",")
    }
}

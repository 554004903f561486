// SPDX-License-Identifier: Apache-2.0
//! Newtypes where two integers could be swapped.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $int:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $int);

        impl $name {
            /// The number as an index.
            #[must_use]
            #[inline]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A port of the director, by its place in the configuration.
    PortId,
    u16
);
id!(
    /// An interface: a port, or one VLAN of a port.
    IfaceId,
    u16
);
id!(
    /// A worker, 0-based.
    WorkerId,
    u16
);
id!(
    /// The stable slot of a virtual service; reused only when no worker has a flow on it.
    ServiceId,
    u32
);
id!(
    /// The stable slot of a real server; reused only when no worker has a flow on it.
    RealId,
    u32
);
id!(
    /// The stable slot of a local address; reused only when no worker has a flow on it.
    LocalId,
    u16
);

impl RealId {
    /// No server's: of connections that go past them. It fits 24 bits, and no slot has it.
    pub const NONE: Self = Self(0x00ff_ffff);
}

const _: () = assert!(REALS_MAX <= RealId::NONE.index());

/// Real servers at most, over all services: the size of every worker's counter board.
pub const REALS_MAX: usize = 65_536;
/// Virtual services at most.
pub const SERVICES_MAX: usize = 16_384;
/// Workers at most.
pub const WORKERS_MAX: usize = 64;
/// Interfaces at most: ports and their VLANs.
pub const IFACES_MAX: usize = 1024;
/// Local addresses at most, over all pools.
pub const LOCALS_MAX: usize = 1024;

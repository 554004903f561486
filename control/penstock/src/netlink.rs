// SPDX-License-Identifier: Apache-2.0
//! Linux beside the dataplane: the kernel twins, service addresses, routes and neighbours
//! (DESIGN decisions 9 and 9b).
//!
//! ```text
//!   configure, set_virtual_ips, resolve ──requests──► Linux ──multicast groups──► mirror
//!                                                       ▲                           │
//!                                                       └─────── dumps ─────────────┤
//!                                       workers ◄── Fib ◄── Picture ◄── Tables ◄────┘
//! ```
//!
//! Linux decides (addresses, routing daemons, ARP, neighbour discovery) and penstock copies: no
//! decision of routing is made here. Requests and notifications use two sockets, so that a flood of
//! notifications never loses the answer to a request.
//!
//! What is mirrored are the tables `local`, `main` and `default`, in that order, as Linux looks
//! them up without rules of the operator's (`ip rule`); routes for one type of service or for one
//! source prefix are left out. VRFs are not known here.

mod configure;
mod error;
mod events;
mod mirror;
mod picture;
mod request;
mod state;
mod sysctl;
#[cfg(test)]
mod tests;
mod virtual_ips;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::addr::{Addr, Mac, Prefix};
use model::ids::IfaceId;
use tokio::sync::watch;

pub(crate) use self::error::NetlinkError;
pub(crate) use self::picture::Picture;
use self::request::Requests;

/// A kernel twin (TAP) as Linux should have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TwinLink {
    /// The interface whose twin it is.
    pub(crate) iface: IfaceId,
    /// The name of the TAP device.
    pub(crate) name: String,
    /// The MAC, the same as the port's.
    pub(crate) mac: Mac,
    /// Largest IP packet, bytes.
    pub(crate) mtu: u32,
    /// Its addresses, host bits kept.
    pub(crate) addresses: Vec<Prefix>,
}

/// Access to the network namespace that the thread of [`connect`](Self::connect) is in; clones
/// share everything.
#[derive(Debug, Clone)]
pub(crate) struct Netlink {
    requests: Requests,
    shared: Arc<Shared>,
}

impl Netlink {
    /// Opens the socket for requests and spawns its task on the current runtime.
    ///
    /// # Errors
    /// [`NetlinkError::Socket`].
    // Async because the socket belongs to a runtime: only inside one can this be called.
    pub(crate) async fn connect() -> Result<Self, NetlinkError> {
        Ok(Self {
            requests: Requests::open()?,
            shared: Arc::new(Shared::default()),
        })
    }

    /// Makes a twin what the configuration says: kernel settings, MAC, MTU, addresses, then up.
    ///
    /// Can be repeated with other values: addresses that an earlier call put there and that are no
    /// longer wanted go, those of others stay. Kernel settings that cannot be written are warned
    /// of.
    ///
    /// # Errors
    /// [`NetlinkError`]; what came before the failing step stays done.
    pub(crate) async fn configure(&self, twin: &TwinLink) -> Result<(), NetlinkError> {
        configure::configure(&self.requests, &self.shared, twin).await
    }

    /// Puts service addresses on the twins, each on the one whose subnet contains it, else on the
    /// first; removes those that an earlier call put there and that are no longer wanted.
    ///
    /// An address that is already somewhere in this namespace is left as it is, and is never
    /// removed. One failing address does not stop the others.
    ///
    /// # Errors
    /// The first [`NetlinkError`] met.
    pub(crate) async fn set_virtual_ips(&self, wanted: &[Addr]) -> Result<(), NetlinkError> {
        virtual_ips::set(&self.requests, &self.shared, wanted).await
    }

    /// Asks Linux to resolve a neighbour, or to find out whether a stale one is still there.
    ///
    /// Does not wait for the neighbour: the answer comes through [`mirror`](Self::mirror).
    ///
    /// # Errors
    /// [`NetlinkError`], also for an interface that was never configured.
    pub(crate) async fn resolve(&self, iface: IfaceId, addr: Addr) -> Result<(), NetlinkError> {
        let (index, name) = {
            let twins = self.shared.twins();
            let twin = twins.get(&iface).ok_or(NetlinkError::NoTwin { iface })?;
            (twin.index, twin.link.name.clone())
        };
        let asked = request::use_neighbour(&self.requests, index, &name, addr).await;
        match asked {
            Err(error) if error.says_no_device() => {
                // The device was made anew since it was configured.
                let index = request::link(&self.requests, &name).await?.index;
                if let Some(twin) = self.shared.twins().get_mut(&iface) {
                    twin.index = index;
                }
                request::use_neighbour(&self.requests, index, &name, addr).await
            }
            other => other,
        }
    }

    /// Copies routes, neighbours and addresses into `sender`, until it fails.
    ///
    /// The first change after a quiet time is sent at once, then at most one picture per 20 ms; a
    /// picture equal to the last one is not sent. Dropping the future ends it.
    pub(crate) async fn mirror(
        &self,
        twins: &[TwinLink],
        sender: watch::Sender<Picture>,
    ) -> NetlinkError {
        mirror::run(&self.requests, twins, &sender).await
    }
}

/// What clones of a [`Netlink`] know together.
#[derive(Debug, Default)]
struct Shared {
    /// Twins that were configured. Never held across an `await`.
    twins: Mutex<BTreeMap<IfaceId, Twin>>,
    /// The service addresses that we put there, and the index of the link they are on; also
    /// serialises those who change them.
    virtual_ips: tokio::sync::Mutex<BTreeMap<Addr, u32>>,
}

impl Shared {
    fn twins(&self) -> MutexGuard<'_, BTreeMap<IfaceId, Twin>> {
        // A map of plain values is whole whatever its holder panicked about.
        self.twins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A twin as last configured.
#[derive(Debug, Clone)]
struct Twin {
    /// The index of its link.
    index: u32,
    /// What was asked for.
    link: TwinLink,
}

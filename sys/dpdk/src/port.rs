// SPDX-License-Identifier: Apache-2.0
//! Ports: attached, started, and taken down in the right order.
//!
//! ```text
//!   Port::attach ──► Port ──start──► StartedPort ─┬─ take_rx_queue ──► RxQueue ─┐
//!                      ▲                          └─ take_tx_queue ──► TxQueue ─┤
//!                      └────── stop (all queues back) ─────────────────────────┘
//! ```
//!
//! The queues and the started port share the port; whoever is dropped last stops and closes it, and
//! detaches the device. What can be asked of a port in either state is on [`Device`], which both
//! dereference to.

mod attach;
mod bond;
mod config;
mod device;
mod interface;
mod start;

use std::ops::Deref;
use std::sync::Arc;

use crate::errno::Errno;
use crate::rxq::RxQueue;
use crate::txq::TxQueue;

pub use bond::{BOND_MEMBERS_MAX, BondMode, Member};
pub use config::{Enabled, PortConfig};
pub use device::{Capabilities, Device, Link, MacAddress, PortStats};
pub use interface::Interface;

/// What a port could not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// The device is in use already by this process.
    #[error("device {0} is attached already")]
    AlreadyAttached(String),
    /// A member that a bonded port cannot have.
    #[error("bonded port {port}: member {member} was refused ({errno})")]
    Member {
        /// The bonded port's name.
        port: String,
        /// The member's.
        member: String,
        /// Why.
        errno: Errno,
    },
    /// A call to the driver failed.
    #[error("port {port}: the driver refused to {what}: {errno}")]
    Driver {
        /// The port's name.
        port: String,
        /// What was asked of it.
        what: DriverCall,
        /// Why.
        errno: Errno,
    },
    /// The MTU is outside of what the device can do.
    #[error("port {port}: MTU {asked} is out of range [{min}, {max}]")]
    Mtu {
        /// The port's name.
        port: String,
        /// The MTU asked for.
        asked: u16,
        /// The least.
        min: u16,
        /// The most.
        max: u16,
    },
    /// The device string names no driver that is linked in and no PCI address.
    #[error("no driver for device {0:?}: neither a PCI address nor a driver that is linked in")]
    NoDriver(String),
    /// There is no such device.
    #[error("no such device: {0}")]
    NoSuchDevice(String),
    /// There is no such network interface in this network namespace.
    #[error("device {device}: no network interface {interface:?}")]
    NoSuchInterface {
        /// The device.
        device: String,
        /// The interface it names.
        interface: String,
    },
    /// The device string holds a NUL byte.
    #[error("device {0:?} holds a NUL byte")]
    Nul(String),
    /// DPDK was started without PCI.
    #[error("device {0} is a PCI device, and DPDK was started without PCI")]
    PciDisabled(String),
    /// The driver did not accept the device; DPDK's log says more.
    #[error("device {device} is not accepted by its driver: {errno}")]
    Probe {
        /// The device.
        device: String,
        /// Why.
        errno: Errno,
    },
    /// The driver did not accept the device and returned no reason; it has logged one.
    #[error(
        "device {0} is not accepted by its driver, whose own words are above: often an argument \
         that it does not know, or one without a value that it can use"
    )]
    Refused(String),
    /// More queues than the device has, or none.
    #[error("port {port}: {asked} {direction} queues asked for, the device has {available}")]
    Queues {
        /// The port's name.
        port: String,
        /// Which kind.
        direction: QueueDirection,
        /// Queues asked for.
        asked: u16,
        /// Queues there are.
        available: u16,
    },
    /// The RSS key has another length than the device wants.
    #[error("port {port}: RSS key of {asked} bytes, the device wants {wanted}")]
    RssKey {
        /// The port's name.
        port: String,
        /// Bytes given.
        asked: usize,
        /// Bytes wanted.
        wanted: usize,
    },
    /// A receive queue could not be set up. Drivers that fill their ring from the pool at once
    /// (tap, and af_xdp with 2048 packets) fail so when the pool is too small.
    #[error(
        "port {port}: receive queue {queue} refused, with {available} packets free in its pool: \
         {errno}"
    )]
    RxQueue {
        /// The port's name.
        port: String,
        /// The queue's number.
        queue: u16,
        /// Packets free in the pool.
        available: u32,
        /// Why.
        errno: Errno,
    },
}

/// A kind of queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueDirection {
    /// Receive.
    Receive,
    /// Transmit.
    Transmit,
}

impl std::fmt::Display for QueueDirection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Receive => "receive",
            Self::Transmit => "transmit",
        })
    }
}

/// What was asked of a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverCall {
    /// Add a MAC address.
    AddMac,
    /// Take all multicast frames, or not.
    AllMulticast,
    /// Choose descriptor counts.
    Descriptors,
    /// Describe itself.
    Info,
    /// Set the link up or down.
    LinkSet,
    /// Set the MTU.
    Mtu,
    /// Send by another member.
    ActiveMember,
    /// Accept the configuration.
    Configure,
    /// Take all frames, or not.
    Promiscuous,
    /// Change the RSS key.
    RssKey,
    /// Change the RSS table.
    RssTable,
    /// Remove a MAC address.
    RemoveMac,
    /// Set the MAC address.
    SetMac,
    /// Start.
    Start,
    /// Count.
    Stats,
    /// Set up a transmit queue.
    TxQueue,
}

impl std::fmt::Display for DriverCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ActiveMember => "send by another member",
            Self::AddMac => "add a MAC address",
            Self::AllMulticast => "change all-multicast mode",
            Self::Configure => "accept the configuration",
            Self::Descriptors => "choose descriptor counts",
            Self::Info => "describe itself",
            Self::LinkSet => "set the link up or down",
            Self::Mtu => "set the MTU",
            Self::Promiscuous => "change promiscuous mode",
            Self::RemoveMac => "remove a MAC address",
            Self::RssKey => "change the RSS key",
            Self::RssTable => "change the RSS table",
            Self::SetMac => "set the MAC address",
            Self::Start => "start",
            Self::Stats => "count",
            Self::TxQueue => "set up a transmit queue",
        })
    }
}

/// A device that is attached and not started; dropping it closes and detaches it.
#[derive(Debug)]
pub struct Port {
    device: Device,
}

impl Deref for Port {
    type Target = Device;

    fn deref(&self) -> &Device {
        &self.device
    }
}

/// A started port, with the queues that nobody has taken yet.
#[derive(Debug)]
pub struct StartedPort {
    device: Arc<Device>,
    rx: Vec<RxQueue>,
    tx: Vec<TxQueue>,
    enabled: Enabled,
}

impl Deref for StartedPort {
    type Target = Device;

    fn deref(&self) -> &Device {
        &self.device
    }
}

impl StartedPort {
    /// Takes the receive queue with this number; once.
    #[must_use]
    pub fn take_rx_queue(&mut self, index: u16) -> Option<RxQueue> {
        let at = self.rx.iter().position(|queue| queue.index() == index)?;
        Some(self.rx.remove(at))
    }

    /// Takes the transmit queue with this number; once.
    #[must_use]
    pub fn take_tx_queue(&mut self, index: u16) -> Option<TxQueue> {
        let at = self.tx.iter().position(|queue| queue.index() == index)?;
        Some(self.tx.remove(at))
    }

    /// Takes all receive queues that are left, in order.
    #[must_use]
    pub fn take_rx_queues(&mut self) -> Vec<RxQueue> {
        std::mem::take(&mut self.rx)
    }

    /// Takes all transmit queues that are left, in order.
    #[must_use]
    pub fn take_tx_queues(&mut self) -> Vec<TxQueue> {
        std::mem::take(&mut self.tx)
    }

    /// What was enabled of what the configuration wished for.
    #[must_use]
    pub fn enabled(&self) -> &Enabled {
        &self.enabled
    }

    /// Stops the port, when all queues that were taken have been dropped; otherwise it goes on.
    ///
    /// # Errors
    /// The started port itself, when queues are in use.
    pub fn stop(self) -> Result<Port, Box<Self>> {
        let Self {
            device,
            rx,
            tx,
            enabled,
        } = self;
        let untaken = rx.len().saturating_add(tx.len());
        if Arc::strong_count(&device) > untaken.saturating_add(1) {
            return Err(Box::new(Self {
                device,
                rx,
                tx,
                enabled,
            }));
        }
        drop((rx, tx));
        match Arc::try_unwrap(device) {
            Ok(mut device) => {
                device.halt();
                Ok(Port { device })
            }
            // Unreachable: only queues share the device, and a queue makes no other.
            Err(device) => Err(Box::new(Self {
                device,
                rx: Vec::new(),
                tx: Vec::new(),
                enabled,
            })),
        }
    }
}

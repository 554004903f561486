// SPDX-License-Identifier: Apache-2.0
//! Linux's notifications, read straight from their socket.
//!
//! Not through `netlink-proto`: after an overrun the kernel goes on dropping notifications, without
//! telling again, until the socket has been read to the end. Only who sees the end knows from when
//! on a dump misses nothing.

use std::future::poll_fn;
use std::io;

use netlink_packet_core::{NetlinkBuffer, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use rtnetlink::MulticastGroup;
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{AsyncSocket, SocketAddr, TokioSocket};

use super::error::NetlinkError;
use super::state::{Change, Tables};

/// Notifications of routes, neighbours, addresses and links since the socket was opened.
pub(super) struct Events {
    socket: TokioSocket,
    buffer: Vec<u8>,
}

impl Events {
    /// Subscribes in the calling thread's network namespace.
    pub(super) fn subscribe() -> Result<Self, NetlinkError> {
        let failed = |source| NetlinkError::socket("follow the kernel's routing tables", source);
        let mut socket = TokioSocket::new(NETLINK_ROUTE).map_err(failed)?;
        let plain = socket.socket_mut();
        // As much as the system allows without privilege; the rest is what dumps are for.
        if let Err(error) = plain.set_rx_buf_sz(RECEIVE_BYTES) {
            log::debug!("netlink: receive buffer stays as it is: {error}");
        }
        let groups = GROUPS
            .iter()
            .fold(0, |mask, group| mask | 1 << (*group as u32 - 1));
        plain.bind(&SocketAddr::new(0, groups)).map_err(failed)?;
        // Before 5.3 there are no nexthop objects, and no such group.
        if let Err(error) = plain.add_membership(MulticastGroup::Nexthop as u32) {
            log::debug!("netlink: nexthop objects are not followed: {error}");
        }
        Ok(Self {
            socket,
            buffer: Vec::with_capacity(DATAGRAM_BYTES),
        })
    }

    /// Waits until there is something, and applies what has arrived. Cancel-safe: what was read is
    /// applied before the next wait.
    pub(super) async fn next(&mut self, tables: &mut Tables) -> Result<Change, NetlinkError> {
        let Self { socket, buffer } = self;
        buffer.clear();
        let first = poll_fn(|context| socket.poll_recv_from(context, buffer)).await;
        let mut change = match first {
            Ok(from) => apply(buffer, &from, tables),
            Err(error) => overrun(error)?,
        };
        // Bounded, so that a flood does not keep the runtime's other tasks out.
        for _ in 0..DATAGRAMS_PER_TURN {
            buffer.clear();
            match socket.socket_ref().recv_from(buffer, 0) {
                Ok((_, from)) => change = change.max(apply(buffer, &from, tables)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => change = change.max(overrun(error)?),
            }
        }
        Ok(change)
    }

    /// Reads to the end and forgets: what a dump that begins now will say anyway.
    pub(super) fn discard(&mut self) -> Result<(), NetlinkError> {
        loop {
            self.buffer.clear();
            match self.socket.socket_ref().recv_from(&mut self.buffer, 0) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => drop(overrun(error)?),
            }
        }
    }
}

/// Asked of the kernel, which gives at most `net.core.rmem_max`, bytes.
const RECEIVE_BYTES: u32 = 4 << 20;
/// The kernel's notifications fit a page or two, bytes.
const DATAGRAM_BYTES: usize = 64 << 10;
/// Notifications are a few hundred bytes: this many take about a millisecond.
const DATAGRAMS_PER_TURN: usize = 512;
/// `ENOBUFS` on x86 and Arm, where penstock runs; `io::ErrorKind` has no name for it.
const ENOBUFS: i32 = 105;
/// `RTM_NEWNEXTHOP` and `RTM_DELNEXTHOP`: routes through a nexthop object change without a word.
const NEXTHOP_MESSAGES: [u16; 2] = [104, 105];

/// Groups that a mask can hold.
const GROUPS: &[MulticastGroup] = &[
    MulticastGroup::Link,
    MulticastGroup::Neigh,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv6Route,
];

/// Applies the messages of one datagram.
fn apply(datagram: &[u8], from: &SocketAddr, tables: &mut Tables) -> Change {
    // Any process may send to this socket; only the kernel's port is 0.
    if from.port_number() != 0 {
        return Change::Nothing;
    }
    let mut change = Change::Nothing;
    let mut rest = datagram;
    while let Ok(header) = NetlinkBuffer::new_checked(rest) {
        let Ok(len) = usize::try_from(header.length()) else {
            break;
        };
        let kind = header.message_type();
        let bytes = rest.get(..len).unwrap_or(rest);
        if NEXTHOP_MESSAGES.contains(&kind) {
            change = Change::Unclear;
        } else {
            change = change.max(apply_one(kind, bytes, tables));
        }
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    change
}

fn apply_one(kind: u16, bytes: &[u8], tables: &mut Tables) -> Change {
    match NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes) {
        Ok(message) => {
            if let NetlinkPayload::InnerMessage(inner) = &message.payload {
                tables.apply(&message.header, inner)
            } else {
                Change::Nothing
            }
        }
        Err(error) => {
            log::warn!("netlink: a notification of type {kind} cannot be read: {error}");
            Change::Nothing
        }
    }
}

/// An overrun is no failure: everything has to be read anew.
fn overrun(error: io::Error) -> Result<Change, NetlinkError> {
    if error.raw_os_error() == Some(ENOBUFS) {
        log::debug!("netlink: notifications overran the socket; reading everything anew");
        Ok(Change::Unclear)
    } else if error.kind() == io::ErrorKind::Interrupted {
        Ok(Change::Nothing)
    } else {
        Err(read_failed(error))
    }
}

fn read_failed(source: io::Error) -> NetlinkError {
    NetlinkError::socket("read the kernel's notifications", source)
}

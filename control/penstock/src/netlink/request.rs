// SPDX-License-Identifier: Apache-2.0
//! Requests to Linux and their answers, each bounded in time.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use model::addr::{Addr, Mac, Prefix};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_EXCL, NLM_F_REQUEST,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressScope, CacheInfo,
};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::Handle;

use super::error::NetlinkError;
use super::state;

/// The kernel answers within the system call that asks; this is for a machine that hangs.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// The socket for requests; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    handle: Handle,
}

impl Requests {
    /// Opens the socket in the calling thread's network namespace.
    pub(super) fn open() -> Result<Self, NetlinkError> {
        let attempt = "open a netlink socket";
        let (mut connection, handle, _) =
            rtnetlink::new_connection().map_err(|source| NetlinkError::socket(attempt, source))?;
        // The kernel's own sentence about a refusal, and not the whole request back. Kernels
        // without it (before 4.12) still say the error number.
        let socket = connection.socket_mut();
        let socket = rtnetlink::sys::AsyncSocket::socket_mut(socket);
        if let Err(error) = socket
            .set_ext_ack(true)
            .and_then(|()| socket.set_cap_ack(true))
        {
            log::debug!("netlink: no extended acknowledgements: {error}");
        }
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// Asks for a change and waits until it is done.
    pub(super) async fn change(
        &self,
        object: &str,
        attempt: &'static str,
        flags: u16,
        message: RouteNetlinkMessage,
    ) -> Result<(), NetlinkError> {
        let flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        let mut answers = self.send(object, attempt, flags, message)?;
        while let Some(answer) = next(object, attempt, &mut answers).await? {
            if let NetlinkPayload::Error(error) = answer.payload
                && error.code.is_some()
            {
                return Err(NetlinkError::kernel(object, attempt, &error));
            }
        }
        Ok(())
    }

    /// Asks for everything of a kind; false if it changed meanwhile, so that some may be missing.
    pub(super) async fn dump(
        &self,
        object: &str,
        message: RouteNetlinkMessage,
        mut each: impl FnMut(RouteNetlinkMessage),
    ) -> Result<bool, NetlinkError> {
        let attempt = "read the kernel's table";
        let flags = NLM_F_REQUEST | NLM_F_DUMP;
        let mut answers = self.send(object, attempt, flags, message)?;
        let mut whole = true;
        while let Some(answer) = next(object, attempt, &mut answers).await? {
            whole &= answer.header.flags & NLM_F_DUMP_INTR == 0;
            if let NetlinkPayload::InnerMessage(message) = answer.payload {
                each(message);
            } else if let NetlinkPayload::Error(error) = answer.payload
                && error.code.is_some()
            {
                return Err(NetlinkError::kernel(object, attempt, &error));
            }
        }
        Ok(whole)
    }

    fn send(
        &self,
        object: &str,
        attempt: &'static str,
        flags: u16,
        message: RouteNetlinkMessage,
    ) -> Result<impl Stream<Item = NetlinkMessage<RouteNetlinkMessage>> + use<>, NetlinkError> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = flags;
        // The handle is a sender; asking through it needs `mut` for no state of ours.
        self.handle
            .clone()
            .request(request)
            .map_err(|_| NetlinkError::Closed {
                object: object.to_owned(),
                attempt,
            })
    }
}

async fn next(
    object: &str,
    attempt: &'static str,
    answers: &mut (impl Stream<Item = NetlinkMessage<RouteNetlinkMessage>> + Unpin),
) -> Result<Option<NetlinkMessage<RouteNetlinkMessage>>, NetlinkError> {
    tokio::time::timeout(ANSWER_WAIT, answers.next())
        .await
        .map_err(|_| NetlinkError::Silent {
            object: object.to_owned(),
            attempt,
            seconds: ANSWER_WAIT.as_secs(),
        })
}

/// A link as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LinkNow {
    pub(super) index: u32,
    pub(super) mac: Option<Mac>,
    pub(super) mtu: Option<u32>,
    pub(super) up: bool,
}

/// Looks a link up by its name.
pub(super) async fn link(requests: &Requests, name: &str) -> Result<LinkNow, NetlinkError> {
    let attempt = "look up the link";
    let mut message = LinkMessage::default();
    message
        .attributes
        .push(LinkAttribute::IfName(name.to_owned()));
    let message = RouteNetlinkMessage::GetLink(message);
    let mut answers = requests.send(name, attempt, NLM_F_REQUEST, message)?;
    let mut found = None;
    while let Some(answer) = next(name, attempt, &mut answers).await? {
        if let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) = answer.payload {
            found = Some(read_link(&link));
        } else if let NetlinkPayload::Error(error) = answer.payload
            && error.code.is_some()
        {
            return Err(NetlinkError::kernel(name, attempt, &error));
        }
    }
    found.ok_or_else(|| NetlinkError::Closed {
        object: name.to_owned(),
        attempt,
    })
}

fn read_link(link: &LinkMessage) -> LinkNow {
    let mut now = LinkNow {
        index: link.header.index,
        mac: None,
        mtu: None,
        up: link.header.flags.contains(LinkFlags::Up),
    };
    for attribute in &link.attributes {
        if let LinkAttribute::Address(bytes) = attribute {
            now.mac = state::mac(bytes);
        } else if let LinkAttribute::Mtu(mtu) = attribute {
            now.mtu = Some(*mtu);
        }
    }
    now
}

/// Changes attributes and flags of a link.
pub(super) async fn set_link(
    requests: &Requests,
    name: &str,
    attempt: &'static str,
    message: LinkMessage,
) -> Result<(), NetlinkError> {
    requests
        .change(name, attempt, 0, RouteNetlinkMessage::NewLink(message))
        .await
}

/// Whether Linux may choose an address as the source of what it sends itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// An ordinary address.
    Source,
    /// Only for those who bind it: a deprecated address in the words of RFC 4862 §5.5.4.
    Service,
}

/// Puts an address on a link, at once usable: no duplicate address detection.
pub(super) async fn add_address(
    requests: &Requests,
    index: u32,
    prefix: Prefix,
    purpose: Use,
) -> Result<(), NetlinkError> {
    let mut message = address_message(index, prefix);
    if prefix.addr.is_v4() {
        let host_bits = 32u32.saturating_sub(u32::from(prefix.len));
        // RFC 3021: a /31 has no broadcast address, and a /32 has nobody to hear one.
        if host_bits > 1 {
            let hosts = 1u32.checked_shl(host_bits).map_or(u32::MAX, |bit| bit - 1);
            let all = u32::from_be_bytes(prefix.addr.v4_octets()) | hosts;
            message
                .attributes
                .push(AddressAttribute::Broadcast(all.into()));
        }
    } else {
        message.header.flags = AddressHeaderFlags::Nodad;
        message
            .attributes
            .push(AddressAttribute::Flags(AddressFlags::Nodad));
        if purpose == Use::Service {
            let mut lifetime = CacheInfo::default();
            lifetime.ifa_valid = u32::MAX;
            message
                .attributes
                .push(AddressAttribute::CacheInfo(lifetime));
        }
    }
    let message = RouteNetlinkMessage::NewAddress(message);
    requests
        .change(
            &prefix.to_string(),
            "add the address",
            NLM_F_CREATE | NLM_F_EXCL,
            message,
        )
        .await
}

/// Takes an address off a link; one that is not there, or no longer has a link, is as wanted.
pub(super) async fn remove_address(
    requests: &Requests,
    index: u32,
    prefix: Prefix,
) -> Result<(), NetlinkError> {
    let message = RouteNetlinkMessage::DelAddress(address_message(index, prefix));
    match requests
        .change(&prefix.to_string(), "remove the address", 0, message)
        .await
    {
        Err(error) if error.says_no_address() || error.says_no_device() => Ok(()),
        other => other,
    }
}

fn address_message(index: u32, prefix: Prefix) -> AddressMessage {
    let ip = prefix.addr.to_ip();
    let mut message = AddressMessage::default();
    message.header.family = family(prefix.addr);
    message.header.prefix_len = prefix.len;
    message.header.index = index;
    message.header.scope = if prefix.addr.is_link_local() {
        AddressScope::Link
    } else {
        AddressScope::Universe
    };
    message.attributes.push(AddressAttribute::Address(ip));
    message.attributes.push(AddressAttribute::Local(ip));
    message
}

/// Every address of the namespace: the index of its link, and the prefix.
pub(super) async fn addresses(requests: &Requests) -> Result<Vec<(u32, Prefix)>, NetlinkError> {
    let mut all = Vec::new();
    let message = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    requests
        .dump("addresses", message, |message| {
            if let RouteNetlinkMessage::NewAddress(address) = message {
                all.extend(state::read_address(&address));
            }
        })
        .await?;
    Ok(all)
}

/// Tells Linux that a packet for this neighbour is waiting: it resolves or confirms it.
pub(super) async fn use_neighbour(
    requests: &Requests,
    index: u32,
    name: &str,
    addr: Addr,
) -> Result<(), NetlinkError> {
    let mut message = NeighbourMessage::default();
    message.header.family = family(addr);
    message.header.ifindex = index;
    message.header.flags = NeighbourFlags::Use;
    message
        .attributes
        .push(NeighbourAttribute::Destination(addr.to_ip().into()));
    let message = RouteNetlinkMessage::NewNeighbour(message);
    let object = format!("neighbour {addr} on {name}");
    requests
        .change(&object, "have it resolved", NLM_F_CREATE, message)
        .await
}

/// The address family of an address, in Linux's words.
pub(super) fn family(addr: Addr) -> AddressFamily {
    match addr.to_ip() {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

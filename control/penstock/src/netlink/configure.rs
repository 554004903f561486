// SPDX-License-Identifier: Apache-2.0
//! Makes a twin what the configuration says.

use model::addr::Prefix;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};

use super::error::NetlinkError;
use super::request::{self, LinkNow, Requests, Use};
use super::{Shared, Twin, TwinLink, sysctl};

/// IPv6 is off on links below this (RFC 8200 §5).
const IPV6_MTU_MIN: u32 = 1280;

/// Settings, MAC, MTU, addresses, and up last: the first frame that Linux sends is right.
pub(super) async fn configure(
    requests: &Requests,
    shared: &Shared,
    twin: &TwinLink,
) -> Result<(), NetlinkError> {
    let now = request::link(requests, &twin.name).await?;
    set_mac_and_mtu(requests, twin, now).await?;
    let with_ipv6 = twin.addresses.iter().any(|prefix| !prefix.addr.is_v4());
    if with_ipv6 && twin.mtu < IPV6_MTU_MIN {
        log::warn!(
            "{}: an MTU of {} is too small for IPv6, which needs {IPV6_MTU_MIN}",
            twin.name,
            twin.mtu
        );
    }
    sysctl::apply(&twin.name, with_ipv6);

    let known = Twin {
        index: now.index,
        link: twin.clone(),
    };
    let before = shared.twins().insert(twin.iface, known);
    for prefix in no_longer_wanted(before.as_ref(), now.index, twin) {
        request::remove_address(requests, now.index, prefix).await?;
    }
    for prefix in &twin.addresses {
        match request::add_address(requests, now.index, *prefix, Use::Source).await {
            Err(error) if error.says_exists() => {}
            other => other?,
        }
    }
    if !now.up {
        let mut message = LinkMessage::default();
        message.header.index = now.index;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        request::set_link(requests, &twin.name, "set the link up", message).await?;
    }
    Ok(())
}

/// Touches only what differs, so that a repeated call disturbs nothing. TAPs take a new MAC while
/// they are up.
async fn set_mac_and_mtu(
    requests: &Requests,
    twin: &TwinLink,
    now: LinkNow,
) -> Result<(), NetlinkError> {
    if now.mac != Some(twin.mac) {
        let mut message = LinkMessage::default();
        message.header.index = now.index;
        message
            .attributes
            .push(LinkAttribute::Address(twin.mac.0.to_vec()));
        request::set_link(requests, &twin.name, "set the MAC", message).await?;
    }
    if now.mtu != Some(twin.mtu) {
        let mut message = LinkMessage::default();
        message.header.index = now.index;
        message.attributes.push(LinkAttribute::Mtu(twin.mtu));
        request::set_link(requests, &twin.name, "set the MTU", message).await?;
    }
    Ok(())
}

/// What an earlier call put on this very link.
fn no_longer_wanted(before: Option<&Twin>, index: u32, twin: &TwinLink) -> Vec<Prefix> {
    before
        .filter(|before| before.index == index)
        .map(|before| before.link.addresses.iter())
        .into_iter()
        .flatten()
        .filter(|prefix| !twin.addresses.contains(prefix))
        .copied()
        .collect()
}

// SPDX-License-Identifier: Apache-2.0
//! The walk over IPv6 extension headers (RFC 8200 §4), bounded in steps and bytes.

use super::{EXTENSIONS_MAX, Fragment, ParseError};
use crate::clamped;
use crate::ipv4::IpProtocol;
use crate::ipv6::FragmentHeader;

/// Where the walk ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chain {
    /// Protocol behind the headers; AH and ESP count as one, their content is opaque.
    pub(super) protocol: IpProtocol,
    /// Start of that protocol, in bytes from the IPv6 header.
    pub(super) l4_offset: u16,
    /// Which part of the packet this is.
    pub(super) fragment: Fragment,
    /// Start of the fragment header, in bytes from the IPv6 header.
    pub(super) fragment_header: Option<u16>,
    /// Whether there was any.
    pub(super) has_extensions: bool,
}

/// Walks from the header `first`, 40 bytes into `packet`, which is what there is of `ip_len` bytes.
///
/// The largest offset is 40 + 8 headers of 2048 bytes, far from overflowing 16 bits.
#[inline]
pub(super) fn walk(packet: &[u8], first: IpProtocol, ip_len: usize) -> Result<Chain, ParseError> {
    let mut chain = Chain {
        protocol: first,
        l4_offset: FIRST_OFFSET,
        fragment: Fragment::None,
        fragment_header: None,
        has_extensions: false,
    };
    for _ in 0..EXTENSIONS_MAX {
        if !is_extension(chain.protocol) {
            return Ok(chain);
        }
        step(packet, ip_len, &mut chain)?;
        if chain.fragment == Fragment::Later {
            // What the next header names is in the first fragment.
            return Ok(chain);
        }
    }
    if is_extension(chain.protocol) {
        Err(ParseError::Ipv6ExtensionChain)
    } else {
        Ok(chain)
    }
}

fn step(packet: &[u8], ip_len: usize, chain: &mut Chain) -> Result<(), ParseError> {
    let header = clamped(packet, chain.l4_offset.into(), packet.len());
    let start: &[u8; UNIT] = header
        .first_chunk()
        .ok_or(ParseError::TruncatedIpv6Extension)?;
    let mut header_len = u16::from(start[1])
        .saturating_add(1)
        .saturating_mul(UNIT_BYTES);
    match chain.protocol {
        IpProtocol::HOP_BY_HOP if chain.has_extensions => {
            return Err(ParseError::Ipv6ExtensionOrder);
        }
        IpProtocol::ROUTING if start[2] == 0 => return Err(ParseError::Ipv6RoutingType0),
        IpProtocol::FRAGMENT => {
            step_fragment(header, ip_len, chain)?;
            header_len = UNIT_BYTES;
        }
        _ => {}
    }
    if header.len() < usize::from(header_len) {
        return Err(ParseError::TruncatedIpv6Extension);
    }
    chain.has_extensions = true;
    chain.protocol = IpProtocol(start[0]);
    chain.l4_offset = chain.l4_offset.saturating_add(header_len);
    Ok(())
}

fn step_fragment(header: &[u8], ip_len: usize, chain: &mut Chain) -> Result<(), ParseError> {
    if chain.fragment_header.is_some() {
        return Err(ParseError::Ipv6ExtensionOrder);
    }
    let view =
        FragmentHeader::new_checked(header).map_err(|_| ParseError::TruncatedIpv6Extension)?;
    chain.fragment_header = Some(chain.l4_offset);
    chain.fragment = match (view.offset(), view.more()) {
        (0, false) => Fragment::None,
        (0, true) => Fragment::First,
        _ => Fragment::Later,
    };
    // The payload length field of the whole packet has 16 bits (RFC 8200 §4.5).
    let payload = ip_len
        .saturating_sub(chain.l4_offset.into())
        .saturating_sub(UNIT);
    if payload.saturating_add(view.offset().into()) > PAYLOAD_LEN_MAX {
        return Err(ParseError::FragmentTooLong);
    }
    Ok(())
}

#[inline]
const fn is_extension(protocol: IpProtocol) -> bool {
    matches!(
        protocol,
        IpProtocol::HOP_BY_HOP
            | IpProtocol::ROUTING
            | IpProtocol::FRAGMENT
            | IpProtocol::DESTINATION_OPTIONS
    )
}

const FIRST_OFFSET: u16 = 40;
const UNIT: usize = 8;
const UNIT_BYTES: u16 = 8;
const PAYLOAD_LEN_MAX: usize = 65_535;

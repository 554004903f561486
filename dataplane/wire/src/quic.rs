// SPDX-License-Identifier: Apache-2.0
//! QUIC as far as a load balancer may look: the connection id (RFC 8999, RFC 9000 §17) and the
//! server's id in it (QUIC-LB, draft-ietf-quic-load-balancers-21, plaintext).
//!
//! ```text
//!   long:  |1|type ...| version 32 | length 8 | destination connection id | ...
//!   short: |0|    ... | destination connection id, length known to its server alone | ...
//!   id:    | config 3 | length or random 5 | server id | nonce | ...
//! ```

/// The longest connection id of versions 1 and 2 (RFC 9000 §17.2).
pub const CONNECTION_ID_LEN_MAX: usize = 20;
/// The longest server id (QUIC-LB §3: "The server ID length MUST be less than 16 octets").
pub const SERVER_ID_LEN_MAX: usize = 15;
/// Config ids an operator can give; the next one, 0b111, means "unroutable" (QUIC-LB §3.1).
pub const CONFIG_MAX: u8 = 6;

const LONG: u8 = 0x80;
/// Where the long header's type is, in versions 1 and 2.
const TYPE: u8 = 0x30;
const VERSION_1: u32 = 1;
/// RFC 9369 §3.1.
const VERSION_2: u32 = 0x6b33_43cf;

/// How a UDP payload is addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination<'a> {
    /// By an id that the server made, or may have made: its first bytes count.
    Server(&'a [u8]),
    /// By an id that the client made up (Initial, 0-RTT), or in a version nobody here knows.
    Client,
}

/// Who the payload `bytes` of a UDP packet to a QUIC server is addressed to; `None` if it is no
/// QUIC packet.
#[inline]
#[must_use]
pub fn destination(bytes: &[u8]) -> Option<Destination<'_>> {
    let (first, rest) = bytes.split_first()?;
    if first & LONG == 0 {
        // RFC 8999 §5.2: nothing in the packet says where the id ends.
        let end = rest.len().min(CONNECTION_ID_LEN_MAX);
        return rest.get(..end).map(Destination::Server);
    }
    let (version, rest) = rest.split_first_chunk()?;
    let (len, rest) = rest.split_first()?;
    let id = rest.get(..usize::from(*len))?;
    let version = u32::from_be_bytes(*version);
    if client_made(version, first & TYPE) || id.len() > CONNECTION_ID_LEN_MAX {
        return Some(Destination::Client);
    }
    Some(Destination::Server(id))
}

/// The server id of `len` bytes in a connection id, if the id says it was made under `config`.
#[inline]
#[must_use]
pub fn server_id(connection_id: &[u8], config: u8, len: u8) -> Option<&[u8]> {
    let (first, rest) = connection_id.split_first()?;
    if first >> 5 != config || config > CONFIG_MAX {
        return None;
    }
    rest.get(..usize::from(len))
}

/// Whether the destination of a long header of this type is a client's invention. Version
/// negotiation (version 0) only goes to clients.
const fn client_made(version: u32, long_type: u8) -> bool {
    match version {
        // Initial, 0-RTT (RFC 9000 §17.2, RFC 9369 §3.2).
        VERSION_1 => matches!(long_type, 0x00 | 0x10),
        VERSION_2 => matches!(long_type, 0x10 | 0x20),
        _ => true,
    }
}

#[cfg(test)]
mod tests;

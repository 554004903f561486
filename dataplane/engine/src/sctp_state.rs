// SPDX-License-Identifier: Apache-2.0
//! LVS's view of an SCTP association (`net/netfilter/ipvs/ip_vs_proto_sctp.c`).
//!
//! As with TCP, only how long to remember the flow and whether it counts as active is at stake.
//! The states are the server's: what it must have seen and sent, as far as packets in passing tell.

use wire::sctp::{ChunkType, Sctp};

use crate::flow_table::Direction;

/// Number of states.
pub const SCTP_STATES: usize = 14;

/// A state, with the kernel's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SctpState {
    /// Not yet classified.
    None = 0,
    /// The client's first INIT was seen; forgotten soon if nobody answers.
    Init1 = 1,
    /// A further INIT was seen.
    Init = 2,
    /// The server has sent INIT ACK with its cookie.
    CookieSent = 3,
    /// The client has returned the cookie.
    CookieReplied = 4,
    /// The server opens towards the client: its INIT was seen.
    CookieWait = 5,
    /// The client has answered the server's INIT.
    Cookie = 6,
    /// The server has returned the client's cookie.
    CookieEchoed = 7,
    /// Data may flow.
    Established = 8,
    /// The server ends the association.
    ShutdownSent = 9,
    /// The client ends the association.
    ShutdownReceived = 10,
    /// The server has nothing more to send.
    ShutdownAckSent = 11,
    /// The server has refused the INIT.
    Rejected = 12,
    /// Over.
    Closed = 13,
}

use SctpState::{
    Closed as CL, Cookie as CO, CookieEchoed as CE, CookieReplied as CR, CookieSent as CS,
    CookieWait as CW, Established as ES, Init as IN, Init1 as I1, Rejected as RJ,
    ShutdownAckSent as SA, ShutdownReceived as SR, ShutdownSent as SS,
};

/// What a packet does to the state; each a row of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Event {
    Data = 0,
    Init = 1,
    InitAck = 2,
    CookieEcho = 3,
    CookieAck = 4,
    Shutdown = 5,
    ShutdownAck = 6,
    ShutdownComplete = 7,
    Error = 8,
    Abort = 9,
}

const EVENTS: usize = 10;

type Table = [[SctpState; SCTP_STATES]; EVENTS];

/// Rows: the events. Columns: the state before. Seen from the client (`sctp_states`, INPUT).
const INBOUND: Table = [
    [ES, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
    [I1, IN, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, IN, IN],
    [CW, CW, CW, CS, CR, CO, CO, CE, ES, SS, SR, SA, RJ, CL],
    [CR, IN, IN, CR, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
    [ES, I1, IN, CS, CR, CW, CO, ES, ES, SS, SR, SA, RJ, CL],
    [SR, I1, IN, CS, CR, CW, CO, CE, SR, SS, SR, SA, RJ, CL],
    [CL, IN, IN, CS, CR, CW, CO, CE, ES, CL, SR, CL, RJ, CL],
    [CL, CL, CL, CS, CR, CW, CO, CE, ES, SS, SR, CL, RJ, CL],
    [CL, I1, IN, CS, CR, CW, CO, CL, ES, SS, SR, SA, RJ, CL],
    [CL, CL, CL, CL, CL, RJ, CL, CL, CL, CL, CL, CL, CL, CL],
];

/// Seen from the server (`sctp_states`, OUTPUT).
const OUTBOUND: Table = [
    [ES, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
    [CW, CW, CW, CW, CW, CW, CW, CW, ES, CW, CW, CW, CW, CW],
    [CS, CS, CS, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
    [CE, CE, CE, CE, CE, CE, CE, CE, ES, SS, SR, SA, RJ, CL],
    [ES, ES, ES, ES, ES, ES, ES, ES, ES, SS, SR, SA, RJ, CL],
    [SS, SS, SS, SS, SS, SS, SS, SS, SS, SS, SR, SA, RJ, CL],
    [SA, SA, SA, SA, SA, CW, CO, CE, ES, SA, SA, SA, RJ, CL],
    [CL, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
    [CL, CL, CL, CL, CL, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
    [CL, RJ, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL],
];

/// From the client, where the server's answers do not pass (`sctp_states`, INPUT_ONLY).
const INBOUND_ONLY: Table = [
    [ES, I1, IN, CS, CR, ES, CO, CE, ES, SS, SR, SA, RJ, CL],
    [I1, IN, IN, IN, IN, IN, CO, CE, ES, SS, SR, SA, IN, IN],
    [CE, CE, CE, CE, CE, CE, CO, CE, ES, SS, SR, SA, RJ, CL],
    [ES, ES, ES, ES, ES, ES, CO, CE, ES, SS, SR, SA, RJ, CL],
    [ES, I1, IN, ES, ES, CW, ES, ES, ES, SS, SR, SA, RJ, CL],
    [SR, I1, IN, CS, CR, CW, CO, CE, SR, SS, SR, SA, RJ, CL],
    [CL, IN, IN, CS, CR, CW, CO, CE, CL, CL, SR, CL, RJ, CL],
    [CL, CL, CL, CL, CL, CW, CO, CE, ES, SS, CL, CL, RJ, CL],
    [CL, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
    [CL, CL, CL, CL, CL, RJ, CL, CL, CL, CL, CL, CL, CL, CL],
];

impl SctpState {
    /// Every state, in the order of the kernel's numbers.
    pub const ALL: [Self; SCTP_STATES] = [
        Self::None,
        Self::Init1,
        Self::Init,
        Self::CookieSent,
        Self::CookieReplied,
        Self::CookieWait,
        Self::Cookie,
        Self::CookieEchoed,
        Self::Established,
        Self::ShutdownSent,
        Self::ShutdownReceived,
        Self::ShutdownAckSent,
        Self::Rejected,
        Self::Closed,
    ];

    /// The state of the kernel's number; unknown numbers are [`SctpState::None`].
    #[must_use]
    #[inline]
    pub fn from_number(number: u8) -> Self {
        Self::ALL
            .get(usize::from(number))
            .copied()
            .unwrap_or(Self::None)
    }

    /// The name `ipvsadm -Lnc` prints (`sctp_state_name_table`).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Init1 => "INIT1",
            Self::Init => "INIT",
            Self::CookieSent => "C-SENT",
            Self::CookieReplied => "C-REPLIED",
            Self::CookieWait => "C-WAIT",
            Self::Cookie => "COOKIE",
            Self::CookieEchoed => "C-ECHOED",
            Self::Established => "ESTABLISHED",
            Self::ShutdownSent => "S-SENT",
            Self::ShutdownReceived => "S-RECEIVED",
            Self::ShutdownAckSent => "S-ACK-SENT",
            Self::Rejected => "REJECTED",
            Self::Closed => "CLOSED",
        }
    }

    /// Whether the connection counts as active (`set_sctp_state`).
    #[must_use]
    #[inline]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Established)
    }

    /// How long an idle association in this state is kept, milliseconds (`sctp_timeouts`); neither
    /// a sysctl nor `ipvsadm --set` changes it.
    #[must_use]
    #[inline]
    pub const fn timeout_ms(self) -> u32 {
        /// The longest retransmission timeout and a second.
        const RTO_MAX_MS: u32 = 61_000;
        match self {
            Self::None => 2_000,
            Self::Init1 | Self::Rejected => 4_000,
            Self::Established => 900_000,
            Self::Init
            | Self::CookieSent
            | Self::CookieReplied
            | Self::CookieWait
            | Self::Cookie
            | Self::CookieEchoed
            | Self::ShutdownSent
            | Self::ShutdownReceived
            | Self::ShutdownAckSent
            | Self::Closed => RTO_MAX_MS,
        }
    }

    /// The state after an SCTP packet. Without a whole chunk header it stays what it was.
    #[must_use]
    pub fn advance(self, packet: &Sctp<'_>, direction: Direction, one_way: bool) -> Self {
        let Some(event) = event(packet) else {
            return self;
        };
        let table = match direction {
            Direction::Outbound => &OUTBOUND,
            Direction::Inbound if one_way => &INBOUND_ONLY,
            Direction::Inbound => &INBOUND,
        };
        table
            .get(event as usize)
            .and_then(|states| states.get(self as usize))
            .copied()
            .unwrap_or(self)
    }
}

/// What a packet does, by its first chunk. An ABORT may only stand behind other control chunks
/// (RFC 9260 §3.3.7); the kernel looks for it behind the two that open an association.
fn event(packet: &Sctp<'_>) -> Option<Event> {
    let first = packet.first_chunk()?;
    let opening = matches!(first, ChunkType::COOKIE_ECHO | ChunkType::COOKIE_ACK);
    if opening && packet.second_chunk() == Some(ChunkType::ABORT) {
        return Some(Event::Abort);
    }
    Some(match first {
        ChunkType::INIT => Event::Init,
        ChunkType::INIT_ACK => Event::InitAck,
        ChunkType::ABORT => Event::Abort,
        ChunkType::SHUTDOWN => Event::Shutdown,
        ChunkType::SHUTDOWN_ACK => Event::ShutdownAck,
        ChunkType::ERROR => Event::Error,
        ChunkType::COOKIE_ECHO => Event::CookieEcho,
        ChunkType::COOKIE_ACK => Event::CookieAck,
        ChunkType::SHUTDOWN_COMPLETE => Event::ShutdownComplete,
        // DATA, SACK, heartbeats, congestion; and what the kernel does not know either.
        _ => Event::Data,
    })
}

#[cfg(test)]
mod tests;

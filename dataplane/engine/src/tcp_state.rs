// SPDX-License-Identifier: Apache-2.0
//! LVS's view of a TCP connection (`net/netfilter/ipvs/ip_vs_proto_tcp.c`).
//!
//! The director sees segments in passing and only needs to know how long to remember the flow and
//! whether it counts as active; this is not RFC 9293's machine.

use model::snapshot::TCP_STATES;

use crate::flow_table::Direction;

/// A state, with the kernel's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TcpState {
    /// Not yet classified.
    None = 0,
    /// Data may flow.
    Established = 1,
    /// The server opens towards the client.
    SynSent = 2,
    /// The client's SYN was seen.
    SynRecv = 3,
    /// The server has closed its side.
    FinWait = 4,
    /// Both sides have closed.
    TimeWait = 5,
    /// Reset, or closed at once.
    Close = 6,
    /// The client has closed its side.
    CloseWait = 7,
    /// The client closed first, the server's FIN is awaited.
    LastAck = 8,
    /// Listening.
    Listen = 9,
    /// The kernel's SYNACK, of secure_tcp.
    SynAck = 10,
}

use TcpState::{
    Close as CL, CloseWait as CW, Established as ES, FinWait as FW, LastAck as LA, Listen as LI,
    SynAck as SA, SynRecv as SR, SynSent as SS, TimeWait as TW,
};

/// TCP header flag bits (RFC 9293 §3.1).
pub mod flags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// The acknowledgment field is valid.
    pub const ACK: u8 = 0x10;
}

type Table = [[TcpState; TCP_STATES]; 4];

/// Rows: SYN, FIN, ACK, RST. Columns: the state before. Seen from the client (`tcp_states`, INPUT).
const INBOUND: Table = [
    [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR],
    [CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, TW],
    [ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES],
    [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, SR],
];

/// Seen from the server (`tcp_states`, OUTPUT).
const OUTBOUND: Table = [
    [SS, ES, SS, SR, SS, SS, SS, SS, SS, LI, SR],
    [TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW],
    [ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES],
    [CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL],
];

/// From the client, where the server's answers do not pass (`tcp_states`, INPUT_ONLY).
const INBOUND_ONLY: Table = [
    [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR],
    [CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW],
    [ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES],
    [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL],
];

/// `secure_tcp`, from the client (`tcp_states_dos`, INPUT): its word alone establishes nothing.
const SECURE_INBOUND: Table = [
    [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SA],
    [CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, SA],
    [ES, ES, SS, SR, FW, TW, CL, CW, CL, LI, SA],
    [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL],
];

/// `secure_tcp`, from the server (`tcp_states_dos`, OUTPUT).
const SECURE_OUTBOUND: Table = [
    [SS, ES, SS, SA, SS, SS, SS, SS, SS, LI, SA],
    [TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW],
    [ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES],
    [CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL],
];

/// `secure_tcp`, where the server's answers do not pass (`tcp_states_dos`, INPUT_ONLY).
const SECURE_INBOUND_ONLY: Table = [
    [SA, ES, ES, SR, SA, SA, SA, SA, SA, SA, SA],
    [CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW],
    [ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES],
    [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL],
];

/// Which of the tables a connection follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sight {
    /// The server's answers do not pass the director.
    pub one_way: bool,
    /// `secure_tcp` is in force.
    pub secure: bool,
}

impl TcpState {
    /// Every state, in the order of the kernel's numbers.
    pub const ALL: [Self; TCP_STATES] = [
        Self::None,
        Self::Established,
        Self::SynSent,
        Self::SynRecv,
        Self::FinWait,
        Self::TimeWait,
        Self::Close,
        Self::CloseWait,
        Self::LastAck,
        Self::Listen,
        Self::SynAck,
    ];

    /// The state of the kernel's number; unknown numbers are [`TcpState::None`].
    #[must_use]
    #[inline]
    pub fn from_number(number: u8) -> Self {
        Self::ALL
            .get(usize::from(number))
            .copied()
            .unwrap_or(Self::None)
    }

    /// The name `ipvsadm -Lnc` prints.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::FinWait => "FIN_WAIT",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::Listen => "LISTEN",
            Self::SynAck => "SYNACK",
        }
    }

    /// Whether the connection counts as active (`tcp_state_active_table`).
    #[must_use]
    #[inline]
    pub const fn is_active(self) -> bool {
        matches!(
            self,
            Self::Established | Self::SynSent | Self::SynRecv | Self::SynAck
        )
    }

    /// The state after a segment with `tcp_flags` (`set_tcp_state`). RST counts before SYN, SYN
    /// before FIN, FIN before ACK.
    ///
    /// A segment with none of the four leaves the state of a connection alone; the kernel takes it
    /// for a close, which would let anybody who guesses the ports cut a connection's timeout. One
    /// that opens a connection (`sloppy_tcp`) does close it.
    #[must_use]
    #[inline]
    pub fn advance(self, tcp_flags: u8, direction: Direction, sight: Sight) -> Self {
        let row = if tcp_flags & flags::RST != 0 {
            3
        } else if tcp_flags & flags::SYN != 0 {
            0
        } else if tcp_flags & flags::FIN != 0 {
            1
        } else if tcp_flags & flags::ACK != 0 {
            2
        } else if self == Self::None {
            return Self::Close;
        } else {
            return self;
        };
        let table = match (direction, sight.one_way, sight.secure) {
            (Direction::Outbound, _, false) => &OUTBOUND,
            (Direction::Outbound, _, true) => &SECURE_OUTBOUND,
            (Direction::Inbound, true, false) => &INBOUND_ONLY,
            (Direction::Inbound, true, true) => &SECURE_INBOUND_ONLY,
            (Direction::Inbound, false, false) => &INBOUND,
            (Direction::Inbound, false, true) => &SECURE_INBOUND,
        };
        table
            .get(row)
            .and_then(|states| states.get(self as usize))
            .copied()
            .unwrap_or(self)
    }
}

#[cfg(test)]
mod tests;

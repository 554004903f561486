// SPDX-License-Identifier: Apache-2.0
//! The state of a connection, whatever its transport.

use model::service::ServiceTimeouts;
use model::snapshot::{TCP_ESTABLISHED, Timeouts};
use wire::ipv4::IpProtocol;
use wire::packet::Parsed;
use wire::sctp::Sctp;

use crate::flow_table::Direction;
use crate::sctp_state::SctpState;
use crate::tcp_state::{Sight, TcpState};

/// A state of the machine that the connection's transport has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Of a TCP connection.
    Tcp(TcpState),
    /// A UDP flow has one state.
    Udp,
    /// Of an SCTP association.
    Sctp(SctpState),
}

impl State {
    /// The state with that number in the machine of the transport `protocol`.
    #[must_use]
    #[inline]
    pub fn of(protocol: u8, number: u8) -> Self {
        match IpProtocol(protocol) {
            IpProtocol::UDP => Self::Udp,
            IpProtocol::SCTP => Self::Sctp(SctpState::from_number(number)),
            _ => Self::Tcp(TcpState::from_number(number)),
        }
    }

    /// The number in its machine.
    #[must_use]
    #[inline]
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp(state) => state as u8,
            Self::Udp => 0,
            Self::Sctp(state) => state as u8,
        }
    }

    /// The name `ipvsadm -Lnc` prints.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp(state) => state.name(),
            Self::Udp => "UDP",
            Self::Sctp(state) => state.name(),
        }
    }

    /// Whether the connection counts as active; a UDP flow never does.
    #[must_use]
    #[inline]
    pub const fn is_active(self) -> bool {
        match self {
            Self::Tcp(state) => state.is_active(),
            Self::Udp => false,
            Self::Sctp(state) => state.is_active(),
        }
    }

    /// The state after a whole packet of the connection, whose first segment is `bytes`.
    #[must_use]
    #[inline]
    pub fn advance(
        self,
        bytes: &[u8],
        parsed: &Parsed,
        direction: Direction,
        sight: Sight,
    ) -> Self {
        match self {
            Self::Tcp(state) => Self::Tcp(state.advance(parsed.tcp_flags, direction, sight)),
            Self::Udp => self,
            Self::Sctp(state) => match sctp(bytes, parsed) {
                Some(packet) => Self::Sctp(state.advance(&packet, direction, sight.one_way)),
                None => self,
            },
        }
    }

    /// Whether the packet that brought a connection here from `before`, the way it went, tells that
    /// both ends want it (`ip_vs_control_assure_ct`).
    #[must_use]
    pub fn assures(self, before: Self, direction: Direction) -> bool {
        match self {
            Self::Udp => direction == Direction::Outbound,
            Self::Tcp(TcpState::Established) | Self::Sctp(SctpState::Established) => self != before,
            Self::Tcp(_) | Self::Sctp(_) => false,
        }
    }

    /// How long an idle connection in this state is kept by a service with times of its own,
    /// milliseconds; `None` if as long as by all others.
    #[must_use]
    pub const fn own_timeout_ms(self, own: &ServiceTimeouts) -> Option<u32> {
        match self {
            Self::Tcp(TcpState::Established) => ServiceTimeouts::own_ms(own.tcp_s),
            Self::Tcp(TcpState::FinWait) => ServiceTimeouts::own_ms(own.tcp_fin_s),
            Self::Udp => ServiceTimeouts::own_ms(own.udp_s),
            Self::Tcp(_) | Self::Sctp(_) => None,
        }
    }

    /// How long an idle connection in this state is kept, milliseconds.
    #[must_use]
    #[inline]
    pub fn timeout_ms(self, timeouts: &Timeouts) -> u32 {
        match self {
            Self::Tcp(state) => {
                let [_, established, ..] = timeouts.tcp_ms;
                const { assert!(TCP_ESTABLISHED == 1, "the pattern above") };
                timeouts
                    .tcp_ms
                    .get(state as usize)
                    .copied()
                    .unwrap_or(established)
            }
            Self::Udp => timeouts.udp_ms,
            Self::Sctp(state) => state.timeout_ms(),
        }
    }
}

/// What the first segment of a packet has of its SCTP packet.
#[must_use]
pub(crate) fn sctp<'a>(bytes: &'a [u8], parsed: &Parsed) -> Option<Sctp<'a>> {
    let end = usize::try_from(parsed.frame_len()).unwrap_or(usize::MAX);
    let from = usize::from(parsed.l4_offset);
    Sctp::new_checked(bytes.get(from..end.min(bytes.len()))?).ok()
}

// SPDX-License-Identifier: Apache-2.0
//! FTP's data connections (`ip_vs_ftp.c`): read from the control connection, expected, and joined
//! to the same server.
//!
//! ```text
//!   PORT, EPRT   client ──► server        expected: server:20 ──► client:port, sent from VIP:20
//!   227, 229     client ◄── server        expected: client:any ──► VIP:port, for server:port;
//!                                         what the server announced becomes the VIP's
//! ```
//!
//! An expected connection is an entry of the flow table in LISTEN. Of the passive kind it has no
//! client's port yet (`IP_VS_CONN_F_NO_CPORT`), and the client's first SYN makes a connection of it
//! (`ip_vs_conn_fill_cport`). Control connection and data connections have one owner: with a
//! helper, the client's address alone decides (`affinity`).
//!
//! Besides the kernel: the latest announcement of a control connection replaces the one before, so
//! that a client cannot fill the table with them; only the client's own address is expected (RFC
//! 2577 §3); a reply that is sent again is changed again; a port of the VIP that something else has
//! is not given out.

use model::addr::Addr;
use model::service::RealServer;
use wire::buffer::{PacketBuf, PacketPool};
use wire::ftp::{self, Announcement, Family, Passive, Request, Text};
use wire::packet::{Kind, Parsed};
use wire::segment;

use crate::connection::service_of;
use crate::engine::{Context, Engine};
use crate::flow_table::{FlowFlags, FlowId, FlowKey, FlowMemory, NewFlow};
use crate::sequence::{Adjust, Edit, Meets};
use crate::state::State;
use crate::tcp_state::TcpState;
use crate::verdict::DropReason;

use super::{About, Segment, TCP, Way};

/// What is remembered of a control connection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ftp {
    /// What the client asked for and the server has not answered.
    awaited: Option<Passive>,
    /// The latest connection that was announced.
    expected: Option<FlowId>,
}

/// A data connection that is announced.
struct Data {
    inbound: FlowKey,
    /// `None` for one whose client's port is not known.
    outbound: Option<FlowKey>,
    rport: u16,
}

impl<B: PacketBuf, M: FlowMemory> Engine<B, M> {
    /// Reads a client's segment of a control connection (`ip_vs_ftp_in`).
    pub(super) fn read_request<P>(
        &mut self,
        (packet, parsed): (&B, &Parsed),
        way: &Way<'_>,
        ftp: &mut Ftp,
        cx: &Context<'_, P>,
    ) -> Result<(), DropReason>
    where
        P: PacketPool<Buf = B>,
    {
        if !self.is_established(way.id) {
            return Ok(());
        }
        match ftp::request(payload(packet, parsed), family(parsed)) {
            Some(Request::Passive(passive)) => ftp.awaited = Some(passive),
            Some(Request::Active(said)) => {
                let own = said.address.map(Addr::from_octets) == Some(way.flow.client_ip);
                if own {
                    ftp.awaited = None;
                    let data = active(way, said.port);
                    self.expect(&data, way, ftp, cx)?;
                }
            }
            None => {}
        }
        Ok(())
    }

    /// Reads a server's segment of a control connection, and writes the VIP where the server
    /// announces itself (`ip_vs_ftp_out`).
    pub(super) fn read_reply<P>(
        &mut self,
        packet: &mut B,
        parsed: &mut Parsed,
        (about, way): (&Segment, &Way<'_>),
        adjust: &mut Adjust<About>,
        cx: &Context<'_, P>,
    ) -> Result<(), DropReason>
    where
        P: PacketPool<Buf = B>,
    {
        let Some(mut ftp) = adjust.about.ftp else {
            return Ok(());
        };
        let text = payload(packet, parsed);
        let read = |passive| ftp::reply(text, passive, family(parsed));
        let (said, before) = match adjust.outbound.meets(about.sequence, about.len) {
            // A part of what was replaced has no counterpart.
            Meets::Part => return Err(DropReason::StreamCut),
            Meets::Whole(edit) => {
                let again = read(Passive::Pasv).or_else(|| read(Passive::Epsv));
                (Some(again.ok_or(DropReason::StreamCut)?), Some(edit))
            }
            Meets::None if self.is_established(way.id) => (ftp.awaited.and_then(read), None),
            Meets::None => (None, None),
        };
        let Some(said) = said.filter(|said| is_meant(said, way)) else {
            return before.map_or(Ok(()), |_| Err(DropReason::StreamCut));
        };
        let vport = self.passive_port(way, said.port, cx);
        let vport = vport.ok_or(DropReason::TableFull)?;
        self.expect(&passive(way, vport, said.port), way, &mut ftp, cx)?;
        ftp.awaited = None;
        adjust.about.ftp = Some(ftp);
        let new = Text::like(&said, way.flow.virtual_ip.octets(), vport);
        let new = new.ok_or(DropReason::StreamCut)?;
        let edit = Edit {
            at: about.sequence.wrapping_add(said.start.into()),
            old_len: said.end.saturating_sub(said.start),
            new_len: u16::try_from(new.as_bytes().len()).unwrap_or(u16::MAX),
        };
        if before.is_some_and(|before| before != edit) || !adjust.outbound.record(edit) {
            return Err(DropReason::StreamCut);
        }
        segment::replace_payload(packet, parsed, said.range(), new.as_bytes())
            .map_err(|_| DropReason::NoHeadroom)
    }

    /// A port of the VIP for a passive connection: the server's, unless something else has it.
    fn passive_port<P>(&self, way: &Way<'_>, rport: u16, cx: &Context<'_, P>) -> Option<u16>
    where
        P: PacketPool<Buf = B>,
    {
        let ports = (rport..=u16::MAX).chain(PORT_FIRST..rport.max(PORT_FIRST));
        ports.take(PORTS_TRIED).find(|vport| {
            let key = passive(way, *vport, rport).inbound;
            let ours = self
                .find(&key, &cx.snapshot.services)
                .is_none_or(|(id, _)| {
                    let hot = self.flows.hot(id);
                    hot.is_some_and(|hot| hot.real() == way.real.id) && self.rport_of(id) == rport
                });
            ours && service_of(&key, cx.snapshot).is_none()
        })
    }

    /// Notes a connection that is announced, in place of the one announced before.
    fn expect<P>(
        &mut self,
        data: &Data,
        way: &Way<'_>,
        ftp: &mut Ftp,
        cx: &Context<'_, P>,
    ) -> Result<(), DropReason>
    where
        P: PacketPool<Buf = B>,
    {
        let services = &cx.snapshot.services;
        let known = self.find(&data.inbound, services).map(|(id, _)| id);
        let before = ftp.expected.filter(|id| self.is_expected_by(*id, way.id));
        let known = known.filter(|id| Some(*id) != before);
        for id in before.into_iter().chain(known) {
            self.forget(id, Some(services));
        }
        let id = self.open_data(data, way.real, way.id, cx);
        ftp.expected = Some(id.ok_or(DropReason::TableFull)?);
        self.board.worker.data_expected.add(1);
        Ok(())
    }

    /// Opens a connection of `control`'s to the same server, in LISTEN (`ip_vs_tcp_conn_listen`).
    fn open_data<P>(
        &mut self,
        data: &Data,
        server: &RealServer,
        control: FlowId,
        cx: &Context<'_, P>,
    ) -> Option<FlowId>
    where
        P: PacketPool<Buf = B>,
    {
        let listen = State::Tcp(TcpState::Listen);
        let service = self.flows.hot(control)?.service();
        let new = NewFlow {
            inbound: data.inbound,
            outbound: data.outbound,
            real: server.id,
            service,
            flags: FlowFlags::of_mode(server.spec.mode)
                .with(FlowFlags::INACTIVE)
                .with(FlowFlags::DATA),
            state: listen.number(),
            timeout_ms: listen.timeout_ms(&cx.snapshot.timeouts),
            now_ms: cx.now_ms(),
            lease: None,
        };
        let id = self.insert(&new, data.rport, server, cx)?;
        if let Some(cold) = self.flows.cold_mut(id) {
            cold.children = control.0.wrapping_add(1);
        }
        Some(id)
    }

    /// The connection that a client's SYN to a port of a VIP was expected to open
    /// (`ip_vs_conn_fill_cport`).
    pub(crate) fn expected<P>(
        &mut self,
        key: &FlowKey,
        parsed: &Parsed,
        cx: &Context<'_, P>,
    ) -> Option<FlowId>
    where
        P: PacketPool<Buf = B>,
    {
        use wire::tcp::flags::{ACK, RST, SYN};
        let services = &cx.snapshot.services;
        let opens = parsed.tcp_flags & (SYN | ACK | RST) == SYN;
        if key.protocol != TCP || !opens || !services.is_helped(key.destination) {
            return None;
        }
        let unknown = FlowKey {
            source_port: 0,
            ..*key
        };
        let (id, _) = self.find(&unknown, services)?;
        let hot = self.flows.hot(id)?;
        let real = hot.flags().contains(FlowFlags::DATA).then(|| hot.real())?;
        let (rport, control) = (self.rport_of(id), self.flows.cold(id)?.children);
        let server = services.real(real)?;
        self.forget(id, Some(services));
        let data = Data {
            inbound: *key,
            outbound: Some(FlowKey {
                protocol: TCP,
                source: server.key.real_ip,
                source_port: rport,
                destination: key.source,
                destination_port: key.source_port,
            }),
            rport,
        };
        self.open_data(&data, server, FlowId(control.wrapping_sub(1)), cx)
    }

    /// Keeps the control connection while its data connection is in use: it may be silent for
    /// longer than its timeout (`ip_vs_conn_expire`: not while `n_control`).
    pub(crate) fn keep_control(&mut self, id: FlowId, now_ms: u32) {
        let of = |id: FlowId| {
            let hot = self.flows.hot(id)?;
            Some((hot.client_ip(), hot.virtual_ip(), hot.service()))
        };
        let control = self.flows.cold(id).map_or(0, |cold| cold.children);
        let control = FlowId(control.wrapping_sub(1));
        // Its place may be another's by now.
        if of(control).is_some()
            && of(control) == of(id)
            && let Some(hot) = self.flows.hot_mut(control)
        {
            hot.stamp(now_ms);
        }
    }

    /// Whether a connection is still what a control connection announced, and nobody has come.
    fn is_expected_by(&self, id: FlowId, control: FlowId) -> bool {
        let waits = self.flows.hot(id).is_some_and(|hot| {
            hot.flags().contains(FlowFlags::DATA) && hot.state == TcpState::Listen as u8
        });
        let of = self.flows.cold(id).map(|cold| cold.children);
        waits && of == Some(control.0.wrapping_add(1))
    }

    fn is_established(&self, id: FlowId) -> bool {
        let hot = self.flows.hot(id);
        hot.is_some_and(|hot| hot.state == TcpState::Established as u8)
    }
}

/// The payload, as far as it is in the first segment of the buffer.
fn payload<'a, B: PacketBuf>(packet: &'a B, parsed: &Parsed) -> &'a [u8] {
    let bytes = packet.bytes();
    let range = segment::payload(packet, parsed).unwrap_or_default();
    bytes
        .get(range.start..range.end.min(bytes.len()))
        .unwrap_or_default()
}

fn family(parsed: &Parsed) -> Family {
    if parsed.kind == Kind::Ipv4 {
        Family::V4
    } else {
        Family::V6
    }
}

/// Whether an announcement is of the server itself, by its own address or by the VIP, which some
/// servers are configured to announce. Another address is left alone: nobody here has it.
fn is_meant(said: &Announcement, way: &Way<'_>) -> bool {
    let address = said.address.map(Addr::from_octets);
    address.is_none_or(|addr| addr == way.real.key.real_ip || addr == way.flow.virtual_ip)
}

/// What PORT announces: the server connects from the port below that of its control connection.
fn active(way: &Way<'_>, cport: u16) -> Data {
    let rport = way.flow.rport.wrapping_sub(1);
    Data {
        inbound: FlowKey {
            protocol: TCP,
            source: way.flow.client_ip,
            source_port: cport,
            destination: way.flow.virtual_ip,
            destination_port: way.flow.vport.wrapping_sub(1),
        },
        outbound: Some(FlowKey {
            protocol: TCP,
            source: way.real.key.real_ip,
            source_port: rport,
            destination: way.flow.client_ip,
            destination_port: cport,
        }),
        rport,
    }
}

/// What 227 announces.
const fn passive(way: &Way<'_>, vport: u16, rport: u16) -> Data {
    Data {
        inbound: FlowKey {
            protocol: TCP,
            source: way.flow.client_ip,
            source_port: 0,
            destination: way.flow.virtual_ip,
            destination_port: vport,
        },
        outbound: None,
        rport,
    }
}

/// Ports that are tried for a passive connection before the announcement is refused.
const PORTS_TRIED: usize = 16;
/// Below are the ports of services (RFC 6335 §6).
const PORT_FIRST: u16 = 1024;

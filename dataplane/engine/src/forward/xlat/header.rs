// SPDX-License-Identifier: Apache-2.0
//! An IP header, read from one family and written in the other (RFC 7915 §4.1, §5.1).

use model::addr::Addr;
use wire::ipv4::{self, IpProtocol, Ipv4, Ipv4Mut};
use wire::ipv6::{self, FragmentHeader, Ipv6, Ipv6Mut};
use wire::packet::{Fragment, Kind, Parsed};

use crate::verdict::DropReason;

/// What an IP header says that both families have a word for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Type of service, traffic class.
    pub(super) class: u8,
    /// Time to live, hop limit.
    pub(super) hops: u8,
    pub(super) source: Addr,
    pub(super) destination: Addr,
    pub(super) protocol: IpProtocol,
    /// Bytes behind the IP headers.
    pub(super) l4_len: u32,
    pub(super) ident: u32,
    /// Offset in bytes and "more fragments"; IPv6 writes a fragment header if there is any, be it
    /// of a packet in one piece.
    pub(super) fragment: Option<(u16, bool)>,
    /// IPv4 only; an IPv6 packet is never cut on its way.
    pub(super) dont_fragment: bool,
}

impl Header {
    /// Reads `l3`, the IP headers and nothing behind them, of which the parse said the rest.
    ///
    /// # Errors
    /// Why it cannot be said in the other family.
    pub(super) fn read(
        l3: &[u8],
        kind: Kind,
        protocol: IpProtocol,
        l4_len: u32,
    ) -> Result<Self, DropReason> {
        match kind {
            Kind::Ipv4 => Self::read_v4(l3, l4_len),
            Kind::Ipv6 => Self::read_v6(l3, protocol, l4_len),
            Kind::Arp | Kind::Other(_) => Err(DropReason::Untranslatable),
        }
    }

    fn read_v4(l3: &[u8], l4_len: u32) -> Result<Self, DropReason> {
        let ip = Ipv4::new_checked(l3).map_err(|_| DropReason::RxMalformedIp)?;
        let place = (ip.fragment_offset(), ip.more_fragments());
        Ok(Self {
            class: ip.tos(),
            hops: ip.ttl(),
            source: Addr::from_octets(ipv4::to_mapped(ip.source())),
            destination: Addr::from_octets(ipv4::to_mapped(ip.destination())),
            protocol: ip.protocol(),
            l4_len,
            ident: ip.ident().into(),
            fragment: (place != (0, false)).then_some(place),
            dont_fragment: ip.dont_fragment(),
        })
    }

    /// Extension headers are left out, but for what the fragment header says. A packet that has to
    /// visit more routers of its own choice must not be translated (RFC 7915 §5.1).
    fn read_v6(l3: &[u8], protocol: IpProtocol, l4_len: u32) -> Result<Self, DropReason> {
        let ip = Ipv6::new_checked(l3).map_err(|_| DropReason::RxMalformedIp)?;
        let mut header = Self {
            class: ip.traffic_class(),
            hops: ip.hop_limit(),
            source: Addr::from_octets(ip.source()),
            destination: Addr::from_octets(ip.destination()),
            protocol,
            l4_len,
            ident: 0,
            fragment: None,
            dont_fragment: true,
        };
        let mut kind = ip.next_header();
        let mut rest = l3.get(ipv6::HEADER_LEN..).unwrap_or_default();
        // The parse bounded their number and found each of them whole.
        while let [next, units, _, fourth, ..] = *rest {
            let mut len = EXTENSION_UNIT * (usize::from(units) + 1);
            match kind {
                IpProtocol::FRAGMENT => {
                    len = EXTENSION_UNIT;
                    let view =
                        FragmentHeader::new_checked(rest).map_err(|_| DropReason::RxMalformedIp)?;
                    header.ident = view.ident();
                    header.fragment = Some((view.offset(), view.more()));
                    header.dont_fragment = false;
                }
                IpProtocol::ROUTING if fourth > 0 => return Err(DropReason::Untranslatable),
                _ => {}
            }
            kind = IpProtocol(next);
            rest = rest.get(len..).ok_or(DropReason::RxMalformedIp)?;
        }
        Ok(header)
    }

    pub(super) fn is_v4(&self) -> bool {
        self.source.is_v4()
    }

    /// Bytes that [`write`](Self::write) writes.
    pub(super) fn len(&self) -> usize {
        match (self.is_v4(), self.fragment) {
            (true, _) => ipv4::HEADER_LEN_MIN,
            (false, None) => ipv6::HEADER_LEN,
            (false, Some(_)) => ipv6::HEADER_LEN + ipv6::FRAGMENT_LEN,
        }
    }

    /// Writes it in the family of its addresses. `None` without room, or if its lengths cannot be
    /// said.
    pub(super) fn write(&self, target: &mut [u8]) -> Option<()> {
        let target = target.get_mut(..self.len())?;
        target.fill(0);
        if self.is_v4() {
            self.write_v4(target)
        } else {
            self.write_v6(target)
        }
    }

    fn write_v4(&self, target: &mut [u8]) -> Option<()> {
        let total_len = u32::try_from(ipv4::HEADER_LEN_MIN).ok()? + self.l4_len;
        let (offset, more) = self.fragment.unwrap_or((0, false));
        let mut flags = offset >> OFFSET_SHIFT;
        if more {
            flags |= ipv4::FLAG_MORE_FRAGMENTS;
        }
        if self.dont_fragment {
            flags |= ipv4::FLAG_DONT_FRAGMENT;
        }
        let mut ip = Ipv4Mut::new_checked(target).ok()?;
        ip.set_header_len(u8::try_from(ipv4::HEADER_LEN_MIN).ok()?);
        ip.set_tos(self.class);
        ip.set_total_len(u16::try_from(total_len).ok()?);
        ip.set_ident(low16(self.ident));
        ip.set_flags_and_offset(flags);
        ip.set_ttl(self.hops);
        ip.set_protocol(self.protocol);
        ip.set_source(self.source.v4_octets());
        ip.set_destination(self.destination.v4_octets());
        ip.fill_checksum();
        Some(())
    }

    fn write_v6(&self, target: &mut [u8]) -> Option<()> {
        let extensions = u32::try_from(self.len() - ipv6::HEADER_LEN).ok()?;
        let (fixed, behind) = target.split_at_mut_checked(ipv6::HEADER_LEN)?;
        let mut ip = Ipv6Mut::new_checked(fixed).ok()?;
        ip.set_class_and_label(self.class, 0);
        ip.set_payload_len(u16::try_from(extensions + self.l4_len).ok()?);
        ip.set_hop_limit(self.hops);
        ip.set_source(*self.source.octets());
        ip.set_destination(*self.destination.octets());
        let Some((offset, more)) = self.fragment else {
            ip.set_next_header(self.protocol);
            return Some(());
        };
        ip.set_next_header(IpProtocol::FRAGMENT);
        let [high, low] = (offset | u16::from(more)).to_be_bytes();
        let [a, b, c, d] = self.ident.to_be_bytes();
        behind.copy_from_slice(&[self.protocol.0, 0, high, low, a, b, c, d]);
        Some(())
    }

    /// What a parse of a whole packet with this header would find, ports apart.
    pub(super) fn as_parsed(&self) -> Parsed {
        let len = u16::try_from(self.len()).unwrap_or(u16::MAX);
        let fragment_header = !self.is_v4() && self.fragment.is_some();
        Parsed {
            vlan: None,
            l3_offset: 0,
            kind: if self.is_v4() { Kind::Ipv4 } else { Kind::Ipv6 },
            l4_offset: len,
            ip_len: u32::from(len).saturating_add(self.l4_len),
            protocol: self.protocol,
            source: *self.source.octets(),
            destination: *self.destination.octets(),
            source_port: 0,
            destination_port: 0,
            tcp_flags: 0,
            fragment: Fragment::None,
            fragment_offset: if fragment_header { FIXED_LEN } else { 0 },
            piece_len: 0,
            ttl: self.hops,
            tos: self.class,
            has_options: fragment_header,
        }
    }
}

/// RFC 7915 §5.1: "copied from the low-order 16 bits in the Identification field".
const fn low16(ident: u32) -> u16 {
    let [.., high, low] = ident.to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// IPv4 counts fragment offsets in units of eight bytes.
const OFFSET_SHIFT: u16 = 3;
const EXTENSION_UNIT: usize = 8;
const FIXED_LEN: u16 = 40;
const _: () = assert!(FIXED_LEN as usize == ipv6::HEADER_LEN);

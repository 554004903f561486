// SPDX-License-Identifier: Apache-2.0
//! The path, packet by packet, through the fixture of [`crate::testing`].

mod bypass;
mod drops;
mod echo;
mod errors;
mod fragments;
mod full;
mod fullnat;
mod ipsec;
mod listen;
mod local;
mod mss;
mod multihoming;
mod punts;
mod quic;
mod sctp;
mod services;
mod snat;
mod transit;
mod translated;
mod vlans;

pub(crate) use std::string::String;
pub(crate) use std::vec::Vec;
pub(crate) use std::{format, vec};

pub(crate) use core::time::Duration;
pub(crate) use model::addr::Mac;
pub(crate) use wire::builder::{Frame, describe};
pub(crate) use wire::ethernet::{EtherType, MacAddress};
pub(crate) use wire::ipv4::IpProtocol;
pub(crate) use wire::tcp::flags::{ACK, FIN, PSH, RST, SYN};

pub(crate) use crate::testing::{Bench, lines};
pub(crate) use crate::verdict::{DropReason, PuntClass, Verdict};

/// One NAT and one DR service, both families.
pub(crate) const SERVICES: &str = "
    service tcp 10.0.0.100:80 rr
    real 10.1.0.11:8080 nat
    service udp 10.0.0.100:53 rr
    real 10.1.0.11:53 nat
    service tcp 10.0.0.101:80 rr
    real 10.1.0.12:80 dr
    service tcp [2001:db8::100]:80 rr
    real [2001:db8:1::11]:8080 nat
    service udp [2001:db8::100]:53 rr
    real [2001:db8:1::12]:53 dr
";

/// The MAC of the bench's second port.
pub(crate) const SERVER_PORT: MacAddress = MacAddress([2, 0, 0, 0, 1, 2]);
/// Some neighbour's.
pub(crate) const PEER: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

/// A frame as it reaches the server side port.
pub(crate) fn from_server(frame: Frame) -> Vec<u8> {
    frame.macs(PEER, SERVER_PORT).build()
}

/// The only line that came out.
#[track_caller]
pub(crate) fn only(mut lines: Vec<String>) -> String {
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines.remove(0)
}

/// A SYN of a client.
pub(crate) fn syn(cport: u16, service: &str) -> Frame {
    Frame::tcp(&format!("10.0.0.9:{cport}"), service).flags(SYN)
}

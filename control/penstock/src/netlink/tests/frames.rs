// SPDX-License-Identifier: Apache-2.0
//! ARP and neighbour discovery, by hand.

use model::addr::{Addr, Mac};

/// A request for a neighbour that Linux sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    /// Where the frame went: all, a group, or one neighbour that is being confirmed.
    pub(super) to: Mac,
    pub(super) from: Mac,
    pub(super) sender: Addr,
    pub(super) target: Addr,
}

/// An ARP request (RFC 826), if the frame is one.
pub(super) fn arp_request(frame: &[u8]) -> Option<Question> {
    let arp = payload(frame, 0x0806)?;
    if arp.get(..8)? != [0, 1, 8, 0, 6, 4, 0, 1] {
        return None;
    }
    let ip = |at: usize| <[u8; 4]>::try_from(arp.get(at..at + 4)?).ok().map(v4);
    Some(Question {
        to: mac(frame, 0)?,
        from: mac(frame, 6)?,
        sender: ip(14)?,
        target: ip(24)?,
    })
}

/// The answer to an ARP request.
pub(super) fn arp_reply(question: &Question, answer: Mac) -> Vec<u8> {
    let mut frame = ethernet(question.from, answer, 0x0806);
    frame.extend([0, 1, 8, 0, 6, 4, 0, 2]);
    frame.extend(answer.0);
    frame.extend(question.target.v4_octets());
    frame.extend(question.from.0);
    frame.extend(question.sender.v4_octets());
    frame
}

/// A neighbour solicitation (RFC 4861 §4.3), if the frame is one.
pub(super) fn solicitation(frame: &[u8]) -> Option<Question> {
    let packet = payload(frame, 0x86dd)?;
    let ip = |at: usize| {
        <[u8; 16]>::try_from(packet.get(at..at + 16)?)
            .ok()
            .map(Addr::from_octets)
    };
    (packet.get(6) == Some(&58) && packet.get(40) == Some(&135)).then_some(())?;
    Some(Question {
        to: mac(frame, 0)?,
        from: mac(frame, 6)?,
        sender: ip(8)?,
        target: ip(48)?,
    })
}

/// The answer to a solicitation: solicited, override, with the MAC.
pub(super) fn advertisement(question: &Question, answer: Mac) -> Vec<u8> {
    let mut icmp = vec![136, 0, 0, 0, 0x60, 0, 0, 0];
    icmp.extend(question.target.octets());
    icmp.extend([2, 1]);
    icmp.extend(answer.0);
    let mut pseudo = question.target.octets().to_vec();
    pseudo.extend(question.sender.octets());
    pseudo.extend([0, 0, 0, 32, 0, 0, 0, 58]);
    pseudo.extend(&icmp);
    let mut sum: u32 = pseudo
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let checksum = !u16::try_from(sum).unwrap();
    icmp[2..4].copy_from_slice(&checksum.to_be_bytes());

    let mut frame = ethernet(question.from, answer, 0x86dd);
    frame.extend([0x60, 0, 0, 0, 0, 32, 58, 255]);
    frame.extend(question.target.octets());
    frame.extend(question.sender.octets());
    frame.extend(icmp);
    frame
}

fn ethernet(to: Mac, from: Mac, kind: u16) -> Vec<u8> {
    [to.0.as_slice(), from.0.as_slice(), &kind.to_be_bytes()].concat()
}

fn payload(frame: &[u8], kind: u16) -> Option<&[u8]> {
    (frame.get(12..14)? == kind.to_be_bytes()).then_some(frame.get(14..)?)
}

fn mac(frame: &[u8], at: usize) -> Option<Mac> {
    frame.get(at..at + 6)?.try_into().ok().map(Mac)
}

fn v4(octets: [u8; 4]) -> Addr {
    std::net::Ipv4Addr::from(octets).into()
}

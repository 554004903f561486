// SPDX-License-Identifier: Apache-2.0
//! A soft point: "when and in what pieces the fragments of a fragmented input leave … : compared as
//! whole datagrams per side over the case (for TUN, the inner datagram after decapsulation); an
//! incomplete datagram gives none".

use wire::ethernet;
use wire::ipv4::{self, IpProtocol};
use wire::packet::{Fragment, Kind, Parsed, parse};

use super::capability::is_icmp_error;
use super::case::{Frame, PacketStep, Side, encode_hex};
use super::masks::masked;

/// A datagram: the side it left by, and its bytes without what fragmentation changes.
type Datagram = (Side, Vec<u8>);

/// Fragments that are not a datagram yet.
#[derive(Debug)]
struct Open {
    side: Side,
    /// What they have in common: MACs, addresses, identification, protocol.
    key: Vec<u8>,
    head: Vec<u8>,
    parts: Vec<(usize, Vec<u8>)>,
    end: Option<usize>,
}

/// The datagrams that frames make up.
#[derive(Debug, Default)]
struct Pool {
    open: Vec<Open>,
    whole: Vec<Datagram>,
}

/// What left after fragmented frames of a case, by the kernel's and the engine's account.
#[derive(Debug, Default)]
pub struct Datagrams {
    expected: Pool,
    /// Routed by the kernel: the engine may leave them to Linux.
    optional: Pool,
    actual: Pool,
}

/// Whether a frame that leaves after this step's frame is compared as a part of a datagram: the
/// step's frame is a fragment, and it is no error about one.
#[must_use]
pub fn is_pooled(step: &PacketStep, frame: &Frame) -> bool {
    is_fragment(&step.input.bytes)
        && parse(&frame.bytes, frame.bytes.len())
            .is_ok_and(|parsed| parsed.is_ip() && !is_icmp_error(&parsed, &frame.bytes))
}

fn is_fragment(frame: &[u8]) -> bool {
    parse(frame, frame.len()).is_ok_and(|parsed| parsed.fragment != Fragment::None)
}

impl Datagrams {
    /// Looks at one more step and what the engine sent after it.
    pub fn note(&mut self, step: &PacketStep, sent: &[&Frame]) {
        if !is_fragment(&step.input.bytes) {
            return;
        }
        for (index, frame) in step.out.iter().enumerate() {
            let pool = if step.routed.contains(&index) {
                &mut self.optional
            } else {
                &mut self.expected
            };
            if is_pooled(step, frame) && !step.host.contains(&index) {
                pool.add(frame.side, &masked(&frame.bytes, &step.masks, index));
            }
        }
        for (index, frame) in sent.iter().enumerate() {
            if is_pooled(step, frame) {
                self.actual
                    .add(frame.side, &masked(&frame.bytes, &step.masks, index));
            }
        }
    }

    /// The first datagram that only one of them sent.
    #[must_use]
    pub fn difference(&self) -> Option<String> {
        let mut rest = self.actual.whole.clone();
        for datagram in &self.expected.whole {
            let Some(place) = rest.iter().position(|other| other == datagram) else {
                return Some(in_words("the engine did not send", datagram));
            };
            rest.remove(place);
        }
        rest.iter()
            .find(|datagram| !self.optional.whole.contains(datagram))
            .map(|datagram| in_words("only the engine sent", datagram))
    }
}

fn in_words(what: &str, (side, bytes): &Datagram) -> String {
    format!(
        "{what} to {} the datagram of {} bytes {}…",
        side.letter(),
        bytes.len(),
        encode_hex(bytes.get(..bytes.len().min(64)).unwrap_or(&[]))
    )
}

impl Pool {
    fn add(&mut self, side: Side, frame: &[u8]) {
        let Ok(parsed) = parse(frame, frame.len()) else {
            return;
        };
        let Some(part) = Part::of(frame, &parsed) else {
            return;
        };
        if parsed.fragment == Fragment::None {
            self.finish(side, part.head, &part.data, parsed.protocol);
            return;
        }
        let place = self
            .open
            .iter()
            .position(|open| open.side == side && open.key == part.key);
        let place = place.unwrap_or_else(|| {
            self.open.push(Open {
                side,
                key: part.key,
                head: Vec::new(),
                parts: Vec::new(),
                end: None,
            });
            self.open.len() - 1
        });
        let open = &mut self.open[place];
        if part.offset == 0 {
            open.head = part.head;
        }
        if !part.more {
            open.end = Some(part.offset + part.data.len());
        }
        open.parts.push((part.offset, part.data));
        if let Some(data) = open.data() {
            let open = self.open.remove(place);
            let protocol = IpProtocol(open.head[PROTOCOL]);
            self.finish(side, open.head, &data, protocol);
        }
    }

    /// A tunnel's inner packet is what counts, and may be a fragment again.
    fn finish(&mut self, side: Side, mut head: Vec<u8>, data: &[u8], protocol: IpProtocol) {
        let inner_type: u16 = match protocol {
            IpProtocol::IPIP => 0x0800,
            IpProtocol::IPV6 => 0x86dd,
            _ => {
                head.extend_from_slice(data);
                self.whole.push((side, head));
                return;
            }
        };
        head.truncate(ethernet::HEADER_LEN - 2);
        head.extend_from_slice(&inner_type.to_be_bytes());
        head.extend_from_slice(data);
        self.add(side, &head);
    }
}

impl Open {
    /// All of it, if it is all there.
    fn data(&self) -> Option<Vec<u8>> {
        let mut parts: Vec<_> = self.parts.iter().collect();
        parts.sort();
        let mut data = Vec::new();
        for (offset, part) in parts {
            if *offset > data.len() {
                return None;
            }
            data.truncate(*offset);
            data.extend_from_slice(part);
        }
        (Some(data.len()) == self.end).then_some(data)
    }
}

/// One frame's part of a datagram.
struct Part {
    key: Vec<u8>,
    /// The headers without what fragmentation changes: length, flags, offset, header checksum; of
    /// IPv6 the fragment header. The protocol is at [`PROTOCOL`].
    head: Vec<u8>,
    data: Vec<u8>,
    offset: usize,
    more: bool,
}

impl Part {
    fn of(frame: &[u8], parsed: &Parsed) -> Option<Self> {
        let (l3, l4) = (usize::from(parsed.l3_offset), usize::from(parsed.l4_offset));
        let end = l3 + usize::try_from(parsed.ip_len).ok()?;
        let place = parsed.fragment_place(frame);
        let header = usize::from(parsed.fragment_offset);
        let start = if header > 0 { header + 8 } else { l4 };
        let mut head = frame.get(..ethernet::HEADER_LEN)?.to_vec();
        let protocol = if header > 0 {
            *frame.get(header)?
        } else {
            parsed.protocol.0
        };
        head.push(protocol);
        let network = frame.get(l3..if header > 0 { header } else { l4 })?;
        let mut network = network.to_vec();
        let blanks: &[usize] = if parsed.kind == Kind::Ipv4 {
            // Total length; identification is kept, flags and offset are not; checksum.
            &[2, 3, 6, 7, 10, 11]
        } else {
            // Payload length, next header.
            &[4, 5, 6]
        };
        for blank in blanks {
            *network.get_mut(*blank)? = 0;
        }
        let mut key = network.get(ADDRESSES..)?.to_vec();
        key.push(if parsed.kind == Kind::Ipv4 {
            protocol
        } else {
            0
        });
        if let Some(place) = place {
            key.extend_from_slice(&place.ident.to_be_bytes());
        }
        head.extend_from_slice(&network);
        Some(Self {
            key,
            head,
            data: frame.get(start..end)?.to_vec(),
            offset: place.map_or(0, |place| place.offset.into()),
            more: place.is_some_and(|place| place.more),
        })
    }
}

/// Behind the Ethernet header of a [`Part::head`].
const PROTOCOL: usize = ethernet::HEADER_LEN;
/// Place of the addresses, or less: what is before them may differ between fragments.
const ADDRESSES: usize = 8;
const _: () = assert!(ipv4::HEADER_LEN_MIN > ADDRESSES);

#[cfg(test)]
mod tests;

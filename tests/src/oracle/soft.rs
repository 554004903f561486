// SPDX-License-Identifier: Apache-2.0
//! Soft points: where doing better than the kernel is right. One function each; each is told to
//! operators in `docs/operating/lvs-compatibility.md`.
//!
//! | soft point | here |
//! |---|---|
//! | L4 checksum and TTL inside ICMP quotes, source address of ICMP errors | [`errors_agree`] |
//! | counters of locally made ICMP | [`LocalErrors`] |
//! | late packets of a deleted service leaving untranslated | [`late_reply_agrees`] |
//! | the pieces in which fragments leave, and when | [`datagrams`](super::datagrams) |
//! | the stale MTU of the first errors about a tunnel's outer packets | [`stale_mtu_agrees`] |
//! | long timers of the kernel fire late | [`expiry_agrees`], [`may_be_missing`] |
//!
//! Two services that share one server's port: the engine does as the kernel does (the newest wins).

use wire::ipv4::IpProtocol;
use wire::packet::{Kind, Parsed, parse};

use super::capability::is_icmp_error;
use super::case::{Case, Frame, PacketStep, Step};
use super::masks::{IPV4_CHECKSUM, blank, blank_at, transport_checksum};
use super::tables::StatsRow;

/// Whether two ICMP errors differ in nothing but: their source address, the TTL inside the quote,
/// the L4 checksum inside the quote (the kernel leaves it stale after NAT), and the checksums over
/// those. `false` if one of them is no ICMP error.
#[must_use]
pub fn errors_agree(expected: &[u8], actual: &[u8]) -> bool {
    match (bare_error(expected), bare_error(actual)) {
        (Some(expected), Some(actual)) => expected == actual,
        _ => false,
    }
}

/// Whether two "fragmentation needed" messages that answer one about a tunnel's outer packet differ
/// in the MTU alone: the kernel's route forgets its old one after the answer only, so its first
/// answers tell the client what did not fit.
#[must_use]
pub fn stale_mtu_agrees(step: &PacketStep, expected: &Frame, actual: &Frame) -> bool {
    is_about_tunnel(&step.input.bytes)
        && expected.side == actual.side
        && match (without_mtu(&expected.bytes), without_mtu(&actual.bytes)) {
            (Some((stale, expected)), Some((fresh, actual))) => {
                fresh <= stale && expected == actual
            }
            _ => false,
        }
}

/// Whether a frame is an ICMP error that quotes a tunnel's packet with another packet inside.
fn is_about_tunnel(input: &[u8]) -> bool {
    let inside = |parsed: &Parsed| {
        let quote = input.get(usize::from(parsed.l4_offset) + ICMP_HEADER_LEN..)?;
        let outer = wire::packet::parse_quote(quote).ok()?;
        let shim = quote.get(usize::from(outer.l4_offset)..)?;
        wire::tunnel::inner(outer.protocol, shim, |_| true)
    };
    parse(input, input.len())
        .is_ok_and(|parsed| is_icmp_error(&parsed, input) && inside(&parsed).is_some())
}

/// The MTU of a "fragmentation needed", and the rest of it; the identification is masked.
fn without_mtu(frame: &[u8]) -> Option<(u16, Vec<u8>)> {
    let parsed = parse(frame, frame.len()).ok()?;
    let at = usize::from(parsed.l4_offset);
    let fits = parsed.protocol == IpProtocol::ICMP && frame.get(at..at + 2)? == [3, 4];
    let mtu = fits.then(|| frame.get(at + 6..at + 8)).flatten()?;
    let mtu = u16::from_be_bytes(mtu.try_into().ok()?);
    let mut rest = bare_error(frame)?;
    blank_at(&mut rest, at + 6);
    blank_at(&mut rest, usize::from(parsed.l3_offset) + 4);
    Some((mtu, rest))
}

fn bare_error(frame: &[u8]) -> Option<Vec<u8>> {
    let parsed = parse(frame, frame.len()).ok()?;
    if !is_icmp_error(&parsed, frame) {
        return None;
    }
    let mut bare = frame.to_vec();
    let network = usize::from(parsed.l3_offset);
    blank_source(&mut bare, &parsed);
    blank_at(&mut bare, transport_checksum(&parsed)?);
    if parsed.kind == Kind::Ipv4 {
        blank_at(&mut bare, network + IPV4_CHECKSUM);
    }
    let quote = usize::from(parsed.l4_offset) + ICMP_HEADER_LEN;
    let start = *frame.get(quote)?;
    let (hops, protocol_at, l4) = if start >> 4 == 4 {
        blank_at(&mut bare, quote + IPV4_CHECKSUM);
        (quote + 8, quote + 9, quote + usize::from(start & 15) * 4)
    } else {
        (quote + 7, quote + 6, quote + IPV6_HEADER_LEN)
    };
    blank(&mut bare, hops, hops + 1);
    match IpProtocol(*frame.get(protocol_at)?) {
        IpProtocol::TCP => blank_at(&mut bare, l4 + 16),
        IpProtocol::UDP => blank_at(&mut bare, l4 + 6),
        _ => {}
    }
    Some(bare)
}

fn blank_source(frame: &mut [u8], parsed: &Parsed) {
    let network = usize::from(parsed.l3_offset);
    match parsed.kind {
        Kind::Ipv4 => blank(frame, network + 12, network + 16),
        Kind::Ipv6 => blank(frame, network + 8, network + 24),
        Kind::Arp | Kind::Other(_) => {}
    }
}

/// The ICMP errors that the kernel made on its own account so far: "counted as an *out* packet of
/// the connection for DR/TUN, not for NAT". They may be missing from the engine's counters.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalErrors {
    packets: u64,
    bytes: u64,
}

impl LocalErrors {
    /// Looks at one more step.
    pub fn note(&mut self, step: &PacketStep) {
        let input = &step.input.bytes;
        if is_about_tunnel(input) {
            return self.note_about_tunnel(step);
        }
        let about = parse(input, input.len());
        if about.is_ok_and(|parsed| is_icmp_error(&parsed, input)) {
            return;
        }
        for frame in step
            .out
            .iter()
            .filter(|frame| frame.side == step.input.side)
        {
            if let Ok(parsed) = parse(&frame.bytes, frame.bytes.len())
                && is_icmp_error(&parsed, &frame.bytes)
            {
                self.packets += 1;
                self.bytes += u64::from(parsed.ip_len);
            }
        }
    }

    /// Of an error about a tunnel's outer packet the kernel counts what is left of it once the
    /// outer headers are off, and then the error that it makes for the client.
    fn note_about_tunnel(&mut self, step: &PacketStep) {
        for frame in &step.out {
            if let Ok(parsed) = parse(&frame.bytes, frame.bytes.len()) {
                self.packets += 2;
                self.bytes += 2 * u64::from(parsed.ip_len);
            }
        }
    }

    /// Whether two rows of counters agree but for those errors.
    #[must_use]
    pub fn agree(&self, expected: StatsRow, actual: StatsRow) -> bool {
        let [connections, packets_in, packets_out, bytes_in, bytes_out] = expected;
        let [
            own_connections,
            own_packets_in,
            own_packets_out,
            own_bytes_in,
            own_bytes_out,
        ] = actual;
        let (Some(packets), Some(bytes)) = (
            packets_out.checked_sub(own_packets_out),
            bytes_out.checked_sub(own_bytes_out),
        ) else {
            return false;
        };
        connections == own_connections
            && packets_in == own_packets_in
            && bytes_in == own_bytes_in
            && packets <= self.packets
            && bytes <= self.bytes
            && (packets == 0) == (bytes == 0)
    }
}

/// Whether the kernel let a server's late packet through untranslated and the engine translated
/// it, after a service had been deleted.
#[must_use]
pub fn late_reply_agrees(case: &Case, step: usize, expected: &Frame, actual: &Frame) -> bool {
    let deletes = |line: &String| line.starts_with("-D") || line.starts_with("-C");
    let deleted = |step: &Step| matches!(step, Step::Control(lines) if lines.iter().any(deletes));
    let stripped = |frame: &Frame| {
        let parsed = parse(&frame.bytes, frame.bytes.len()).ok()?;
        let mut bare = frame.bytes.clone();
        blank_source(&mut bare, &parsed);
        blank_at(&mut bare, usize::from(parsed.l4_offset));
        blank_at(&mut bare, transport_checksum(&parsed)?);
        if parsed.kind == Kind::Ipv4 {
            blank_at(&mut bare, usize::from(parsed.l3_offset) + IPV4_CHECKSUM);
        }
        Some(bare)
    };
    case.steps.iter().take(step).any(deleted)
        && expected.side == actual.side
        && stripped(expected).is_some_and(|bare| stripped(actual) == Some(bare))
}

/// Whether the seconds that a connection has left agree: "`expire` ±2 s, above 200 s ±20 s".
#[must_use]
pub fn expiry_agrees(expected: u64, actual: u64) -> bool {
    let tolerance = if expected > LONG_TIMER_S {
        LONG_TOLERANCE_S
    } else {
        TOLERANCE_S
    };
    expected.abs_diff(actual) <= tolerance
}

/// Whether a connection that is about to end may be missing from the other's table.
#[must_use]
pub fn may_be_missing(expire: u64) -> bool {
    expire < TOLERANCE_S
}

const TOLERANCE_S: u64 = 2;
const LONG_TIMER_S: u64 = 200;
const LONG_TOLERANCE_S: u64 = 20;
const ICMP_HEADER_LEN: usize = 8;
const IPV6_HEADER_LEN: usize = 40;

#[cfg(test)]
mod tests;

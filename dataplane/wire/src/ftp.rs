// SPDX-License-Identifier: Apache-2.0
//! What an FTP control connection says about data connections (RFC 959 §4.1.2, RFC 2428), read as
//! `ip_vs_ftp.c` reads it.
//!
//! ```text
//!   client: PORT 10,0,0,1,4,1      the server shall connect to 10.0.0.1:1025   (active)
//!   client: EPRT |1|10.0.0.1|1025|
//!   client: PASV, EPSV             the server shall say where it listens       (passive)
//!   server: 227 Entering Passive Mode (10,1,0.11,4,1)
//!   server: 229 Entering Extended Passive Mode (|||1025|)
//! ```
//!
//! A command has to begin the segment and lie in it whole; one that is split over two is not seen,
//! as in the kernel. Unlike there, a number that is too large for its place is no number.

use core::fmt::Write;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::ops::Range;
use core::str::FromStr;

use crate::ipv4::{from_mapped, to_mapped};

/// Which of the two families the control connection is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What was asked for, which says what the answer looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passive {
    /// PASV, answered by 227.
    Pasv,
    /// EPSV, answered by 229.
    Epsv,
}

/// An address and port in a line, and where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// First byte of the address in the payload.
    pub start: u16,
    /// Behind the last byte of the port, or of the delimiter that ends it.
    pub end: u16,
    /// The address, IPv4 in its mapped form; `None` where the line leaves it out.
    pub address: Option<[u8; 16]>,
    /// The port, not 0 unless the old form said so.
    pub port: u16,
    /// Whether it is written as RFC 2428 has it.
    pub extended: bool,
}

impl Announcement {
    /// Where it stands in the payload.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        usize::from(self.start)..usize::from(self.end)
    }
}

/// What a client's segment asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// A data connection to the server.
    Passive(Passive),
    /// A data connection to the client.
    Active(Announcement),
}

/// What a client's segment asks for, if anything.
#[must_use]
pub fn request(payload: &[u8], family: Family) -> Option<Request> {
    if let Some(passive) = find_passive(payload, family)? {
        return Some(Request::Passive(passive));
    }
    let port = (family == Family::V4)
        .then(|| plain(payload, b"PORT", b' '))
        .flatten();
    port.or_else(|| extended(payload, b"EPRT", b' ', family, false))
        .map(Request::Active)
}

/// Where the server says that it listens, after the client asked for `mode`.
#[must_use]
pub fn reply(payload: &[u8], mode: Passive, family: Family) -> Option<Announcement> {
    match mode {
        Passive::Pasv if family == Family::V4 => plain(payload, b"227 ", b'('),
        Passive::Pasv => None,
        Passive::Epsv => extended(payload, b"229 ", b'(', family, true),
    }
}

/// Bytes of the longest announcement that [`write`] writes: `|2|` address `|65535|`.
pub const ANNOUNCEMENT_LEN_MAX: usize = 3 + 39 + 7;

/// An announcement as text.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    bytes: [u8; ANNOUNCEMENT_LEN_MAX],
    len: u8,
}

impl Text {
    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// `address` and `port` in the form of `model`: `h,h,h,h,p,p` or `|1|h.h.h.h|p|`, and without
    /// an address where `model` has none. `None` for an IPv6 address in the old form.
    #[must_use]
    pub fn like(model: &Announcement, address: &[u8; 16], port: u16) -> Option<Self> {
        let mut text = Self {
            bytes: [0; ANNOUNCEMENT_LEN_MAX],
            len: 0,
        };
        let written = match (model.extended, from_mapped(address)) {
            (false, Some([a, b, c, d])) => {
                let [high, low] = port.to_be_bytes();
                write!(text, "{a},{b},{c},{d},{high},{low}")
            }
            (false, None) => return None,
            (true, _) if model.address.is_none() => write!(text, "|||{port}|"),
            (true, Some(address)) => write!(text, "|1|{}|{port}|", Ipv4Addr::from(address)),
            (true, None) => write!(text, "|2|{}|{port}|", Ipv6Addr::from(*address)),
        };
        written.ok().map(|()| text)
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let rest = self.bytes.get_mut(usize::from(self.len)..);
        let place = rest.and_then(|rest| rest.get_mut(..text.len()));
        place
            .ok_or(core::fmt::Error)?
            .copy_from_slice(text.as_bytes());
        let len = u8::try_from(text.len()).map_err(|_| core::fmt::Error)?;
        self.len = self.len.saturating_add(len);
        Ok(())
    }
}

/// PASV or EPSV anywhere in the segment, as the kernel looks for them; the outer `None` for an EPSV
/// that asks for something we cannot give, which ends the search.
#[expect(
    clippy::option_option,
    reason = "\"stop looking\" and \"nothing found\" differ"
)]
fn find_passive(payload: &[u8], family: Family) -> Option<Option<Passive>> {
    for line in payload.windows(COMMAND_LEN_MIN).enumerate() {
        let (at, window) = line;
        if family == Family::V4 && window.eq_ignore_ascii_case(b"PASV\r\n") {
            return Some(Some(Passive::Pasv));
        }
        let [_, _, _, _, behind, protocol] = *window else {
            continue;
        };
        if !window
            .get(..4)
            .is_some_and(|word| word.eq_ignore_ascii_case(b"EPSV"))
        {
            continue;
        }
        match behind {
            b'\r' => return Some(Some(Passive::Epsv)),
            b' ' => {
                let ours = protocol == family.digit();
                let ends = payload.get(at.saturating_add(COMMAND_LEN_MIN)) == Some(&b'\r');
                return (ours && ends).then_some(Some(Passive::Epsv));
            }
            _ => {}
        }
    }
    Some(None)
}

impl Family {
    /// RFC 2428 §2 takes the numbers of address families from RFC 1700.
    const fn digit(self) -> u8 {
        match self {
            Self::V4 => b'1',
            Self::V6 => b'2',
        }
    }
}

/// Behind `word`, which begins the payload, and behind the first run of `skip`. The old form begins
/// at the first digit too: the parenthesis is optional there (RFC 1123 §4.1.2.6).
fn begin(payload: &[u8], word: &[u8], skip: u8, plain: bool) -> Option<usize> {
    if !payload.get(..word.len())?.eq_ignore_ascii_case(word) {
        return None;
    }
    let rest = payload.get(word.len()..)?;
    let mut found = false;
    for (at, byte) in rest.iter().enumerate() {
        let starts = if found {
            *byte != skip
        } else {
            plain && byte.is_ascii_digit()
        };
        if starts {
            return word.len().checked_add(at);
        }
        found |= *byte == skip;
    }
    None
}

/// `h,h,h,h,p,p` with something behind it: a number at the end of the segment may go on.
fn plain(payload: &[u8], word: &[u8], skip: u8) -> Option<Announcement> {
    let start = begin(payload, word, skip, true)?;
    let mut at = start;
    let mut numbers = [0u8; 6];
    for (index, number) in numbers.iter_mut().enumerate() {
        if index > 0 {
            (*payload.get(at)? == b',').then_some(())?;
            at = at.checked_add(1)?;
        }
        let (value, behind) = decimal(payload, at)?;
        *number = u8::try_from(value).ok()?;
        at = behind;
    }
    if *payload.get(at)? == b',' {
        return None;
    }
    let [a, b, c, d, high, low] = numbers;
    Some(Announcement {
        start: u16::try_from(start).ok()?,
        end: u16::try_from(at).ok()?,
        address: Some(to_mapped([a, b, c, d])),
        port: u16::from_be_bytes([high, low]),
        extended: false,
    })
}

/// `|family|address|port|` with any printable delimiter, or `|||port|` where `bare` is allowed.
fn extended(
    payload: &[u8],
    word: &[u8],
    skip: u8,
    family: Family,
    bare: bool,
) -> Option<Announcement> {
    let start = begin(payload, word, skip, false)?;
    let delimiter = *payload.get(start)?;
    if !delimiter.is_ascii_graphic() {
        return None;
    }
    let is_delimiter = |at: usize| payload.get(at).is_some_and(|byte| *byte == delimiter);
    let number = start.checked_add(1)?;
    let (address, at) = if is_delimiter(number) {
        if !bare || !is_delimiter(number.checked_add(1)?) {
            return None;
        }
        (None, number.checked_add(2)?)
    } else {
        let from = number.checked_add(2)?;
        if *payload.get(number)? != family.digit() || !is_delimiter(number.checked_add(1)?) {
            return None;
        }
        let window = payload.get(from..)?;
        let window = window.get(..ADDRESS_LEN_MAX.min(window.len()))?;
        let len = window.iter().position(|byte| *byte == delimiter)?;
        let text = core::str::from_utf8(window.get(..len)?).ok()?;
        let address = parse_address(text, family)?;
        (Some(address), from.checked_add(len)?.checked_add(1)?)
    };
    let (port, behind) = decimal(payload, at)?;
    if port == 0 || !is_delimiter(behind) {
        return None;
    }
    Some(Announcement {
        start: u16::try_from(start).ok()?,
        end: u16::try_from(behind.checked_add(1)?).ok()?,
        address,
        port,
        extended: true,
    })
}

fn parse_address(text: &str, family: Family) -> Option<[u8; 16]> {
    match family {
        Family::V4 => Ipv4Addr::from_str(text).ok().map(|a| to_mapped(a.octets())),
        // A mapped address would be taken for the IPv4 one it spells.
        Family::V6 => Ipv6Addr::from_str(text)
            .ok()
            .map(|a| a.octets())
            .filter(|octets| from_mapped(octets).is_none()),
    }
}

/// A number of up to sixteen bits, and where it ends.
fn decimal(payload: &[u8], from: usize) -> Option<(u16, usize)> {
    let mut value: u16 = 0;
    let mut at = from;
    while let Some(digit) = payload.get(at).filter(|byte| byte.is_ascii_digit()) {
        let digit = u16::from(digit.saturating_sub(b'0'));
        value = value.checked_mul(10)?.checked_add(digit)?;
        at = at.checked_add(1)?;
    }
    (at > from).then_some((value, at))
}

/// "PASV\r\n".
const COMMAND_LEN_MIN: usize = 6;
/// The longest address as text, with the delimiter behind it.
const ADDRESS_LEN_MAX: usize = 46;

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: Apache-2.0
//! The one header of a SIP message that persistence looks at (RFC 3261 §20.8), found as the kernel
//! finds it (`nf_conntrack_sip.c`, `ct_sip_get_header`; `ip_vs_pe_sip.c`, `get_callid`).

/// The longest Call-ID that is taken, bytes (`IP_VS_PEDATA_MAXLEN`).
pub const CALL_ID_MAX: usize = 255;

/// Its name, and the compact form of it (RFC 3261 §7.3.3).
const NAMES: [&[u8]; 2] = [b"call-id", b"i"];

/// The Call-ID of a message, as far as the message is there; `None` if it has none, or one that is
/// too long, or not followed by the end of its line.
#[must_use]
pub fn call_id(message: &[u8]) -> Option<&[u8]> {
    let mut rest = message;
    loop {
        rest = next_line(rest)?;
        let Some(value) = value_of(rest) else {
            continue;
        };
        let length = length(value);
        if length == 0 {
            continue;
        }
        let (found, behind) = value.split_at_checked(length)?;
        let ends = matches!(behind.first(), Some(b'\r' | b'\n'));
        return (ends && length <= CALL_ID_MAX).then_some(found);
    }
}

/// What follows the next end of a line: CR, LF or both, as RFC 2543 allowed.
fn next_line(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().position(|byte| is_end(*byte))?;
    let ([b'\r', b'\n', line @ ..] | [_, line @ ..]) = text.get(end..)? else {
        return None;
    };
    (!line.is_empty()).then_some(line)
}

/// What stands behind the name, the colon and blanks, if a line begins with one of the names.
fn value_of(line: &[u8]) -> Option<&[u8]> {
    let behind = NAMES.iter().find_map(|name| {
        let (head, behind) = line.split_at_checked(name.len())?;
        let alone = name.len() > 1 || !behind.first()?.is_ascii_alphabetic();
        (head.eq_ignore_ascii_case(name) && alone).then_some(behind)
    })?;
    let value = skip_blanks(behind)?.strip_prefix(b":")?;
    skip_blanks(value)
}

/// Skips blanks, and one end of a line if the next line goes on with a blank.
fn skip_blanks(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii_start_blanks();
    match text {
        [] => None,
        [b'\r', b'\n', b' ' | b'\t', ..] => Some(text.get(2..)?.trim_ascii_start_blanks()),
        [b'\r' | b'\n', b' ' | b'\t', ..] => Some(text.get(1..)?.trim_ascii_start_blanks()),
        [b'\r' | b'\n', ..] => None,
        [..] => Some(text),
    }
}

trait Blanks {
    fn trim_ascii_start_blanks(&self) -> &Self;
}

impl Blanks for [u8] {
    fn trim_ascii_start_blanks(&self) -> &Self {
        let blanks = self.iter().take_while(|byte| matches!(byte, b' ' | b'\t'));
        self.get(blanks.count()..).unwrap_or_default()
    }
}

/// Bytes of `word [ "@" word ]` (RFC 3261 §25.1, `callid`); 0 if there is none.
fn length(value: &[u8]) -> usize {
    let word = |text: &[u8]| text.iter().take_while(|byte| is_word(**byte)).count();
    let first = word(value);
    match value.get(first..) {
        Some([b'@', domain @ ..]) if first > 0 => match word(domain) {
            0 => 0,
            second => first.saturating_add(1).saturating_add(second),
        },
        Some(_) | None => first,
    }
}

const fn is_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// `word` of RFC 3261 §25.1 (`iswordc`).
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'"' | b'%' | b'\'' | b'(' | b')' | b'*' | b'+')
        || matches!(
            byte,
            b'-' | b'.' | b'/' | b':' | b'<' | b'>' | b'?' | b'[' | b'\\'
        )
        || matches!(byte, b']' | b'_' | b'`' | b'{' | b'}' | b'~')
}

#[cfg(test)]
mod tests;

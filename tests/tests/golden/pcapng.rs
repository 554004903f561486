// SPDX-License-Identifier: Apache-2.0
//! As much of pcapng (draft-ietf-opsawg-pcapng) as golden packets need: one section, Ethernet
//! interfaces, enhanced packet blocks with a comment; little-endian, milliseconds.

use super::Record;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const ETHERNET: u32 = 1;
const OPTION_COMMENT: u16 = 1;
const OPTION_RESOLUTION: u16 = 9;

/// The capture as a file.
pub(super) fn write(records: &[Record]) -> Vec<u8> {
    let mut file = Vec::new();
    // Version 1.0, length of the section unknown.
    let mut header = BYTE_ORDER.to_le_bytes().to_vec();
    header.extend([1, 0, 0, 0]);
    header.extend([0xff; 8]);
    block(&mut file, SECTION, &header);
    let ports = records.iter().map(|record| record.port + 1).max();
    for _ in 0..ports.unwrap_or(0) {
        let mut body = ETHERNET.to_le_bytes().to_vec();
        body.extend([0; 4]);
        // 10^-3 seconds.
        option(&mut body, OPTION_RESOLUTION, &[3]);
        body.extend([0; 4]);
        block(&mut file, INTERFACE, &body);
    }
    for record in records {
        let len = u32::try_from(record.bytes.len()).unwrap();
        let [low, high] = [record.at_ms & 0xffff_ffff, record.at_ms >> 32];
        let mut body = u32::from(record.port).to_le_bytes().to_vec();
        body.extend(u32::try_from(high).unwrap().to_le_bytes());
        body.extend(u32::try_from(low).unwrap().to_le_bytes());
        body.extend(len.to_le_bytes());
        body.extend(len.to_le_bytes());
        body.extend(&record.bytes);
        pad(&mut body);
        if !record.comment.is_empty() {
            option(&mut body, OPTION_COMMENT, record.comment.as_bytes());
            body.extend([0; 4]);
        }
        block(&mut file, PACKET, &body);
    }
    file
}

fn block(file: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let len = u32::try_from(body.len() + 12).unwrap().to_le_bytes();
    file.extend(kind.to_le_bytes());
    file.extend(len);
    file.extend(body);
    file.extend(len);
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
    body.extend(value);
    pad(body);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

/// The packets of a file that [`write`] wrote, or that another program wrote alike.
pub(super) fn read(mut file: &[u8]) -> Result<Vec<Record>, &'static str> {
    let mut records = Vec::new();
    if file.get(8..12) != Some(&BYTE_ORDER.to_le_bytes()) {
        return Err("not a little-endian pcapng file");
    }
    while !file.is_empty() {
        let kind = word(file, 0)?;
        let len = usize::try_from(word(file, 4)?).unwrap();
        let body = len
            .checked_sub(4)
            .and_then(|end| file.get(8..end))
            .ok_or("a block is cut short")?;
        if kind == PACKET {
            records.push(packet(body)?);
        }
        file = file.get(len..).ok_or("a block is cut short")?;
    }
    Ok(records)
}

fn packet(body: &[u8]) -> Result<Record, &'static str> {
    let port = word(body, 0)?;
    let at_ms = u64::from(word(body, 4)?) << 32 | u64::from(word(body, 8)?);
    let len = usize::try_from(word(body, 12)?).unwrap();
    let bytes = body.get(20..20 + len).ok_or("a packet is cut short")?;
    let mut options = body.get(20 + len.next_multiple_of(4)..).unwrap_or_default();
    let mut comment = String::new();
    while let [code_low, code_high, len_low, len_high, rest @ ..] = options {
        let len = usize::from(u16::from_le_bytes([*len_low, *len_high]));
        let value = rest.get(..len).ok_or("an option is cut short")?;
        if u16::from_le_bytes([*code_low, *code_high]) == OPTION_COMMENT {
            comment = String::from_utf8(value.to_vec()).map_err(|_| "a comment is not UTF-8")?;
        }
        options = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Record {
        port: u16::try_from(port).map_err(|_| "too many interfaces")?,
        at_ms,
        comment,
        bytes: bytes.to_vec(),
    })
}

fn word(bytes: &[u8], at: usize) -> Result<u32, &'static str> {
    let word = bytes.get(at..at + 4).ok_or("a number is cut short")?;
    Ok(u32::from_le_bytes(word.try_into().unwrap_or_default()))
}

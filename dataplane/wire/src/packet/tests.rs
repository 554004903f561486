// SPDX-License-Identifier: Apache-2.0
//! `accepted`: what comes out of good frames; `refused`: one table per [`ParseError`];
//! `quoted`: the packets inside ICMP errors.

use super::*;

mod accepted;
mod quoted;
mod refused;

fn parsed(frame: &[u8]) -> Parsed {
    match parse(frame, frame.len()) {
        Ok(parsed) => parsed,
        Err(error) => panic!("{error}: {}", crate::builder::describe(frame)),
    }
}

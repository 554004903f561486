// SPDX-License-Identifier: Apache-2.0
//! Two ends of a stream that send again what was lost, and a director between them that loses,
//! repeats and delays.

use proptest::collection::vec as many;
use proptest::prelude::*;

use super::*;

/// One who sends a text and takes another's, as simply as TCP allows.
#[derive(Debug)]
struct End {
    /// Number of its first byte.
    start: u32,
    text: Vec<u8>,
    /// Bytes that the other has acknowledged, and bytes that were ever sent.
    acknowledged: usize,
    sent: usize,
    /// Number of the other's first byte.
    other: u32,
    got: Vec<u8>,
}

impl End {
    fn new(start: u32, text: &[u8], other: u32) -> Self {
        Self {
            start,
            text: text.to_vec(),
            acknowledged: 0,
            sent: 0,
            other,
            got: Vec::new(),
        }
    }

    /// A segment from `skip` bytes behind what is acknowledged on, or an acknowledgment alone.
    fn segment(&mut self, frame: &dyn Fn(u32, u8) -> Frame, skip: usize, len: usize) -> Frame {
        let from = (self.acknowledged + skip).min(self.sent);
        let to = (from + len).min(self.text.len());
        self.sent = self.sent.max(to);
        let seq = self.start.wrapping_add(u32::try_from(from).unwrap());
        frame(seq, ACK)
            .ack(self.wants())
            .payload(&self.text[from..to])
    }

    fn wants(&self) -> u32 {
        self.other
            .wrapping_add(u32::try_from(self.got.len()).unwrap())
    }

    fn take(&mut self, sent: &Sent) {
        let acknowledged = usize::try_from(sent.ack.wrapping_sub(self.start)).unwrap();
        assert!(
            acknowledged <= self.sent,
            "more is acknowledged than was sent"
        );
        self.acknowledged = self.acknowledged.max(acknowledged);
        let offset = sent.seq.wrapping_sub(self.wants()).cast_signed();
        let known = usize::try_from(-offset).unwrap_or(usize::MAX);
        if let Some(new) = sent.payload.get(known..) {
            self.got.extend_from_slice(new);
        }
    }
}

proptest! {
    /// Whatever is lost on the four ways, the server gets the header, once, and then the client's
    /// text; the client gets the server's; and neither is told of bytes that it did not send.
    #[test]
    fn the_server_gets_the_header_and_then_the_clients_text(
        start in prop_oneof![any::<u32>(), 0xffff_ff00u32..],
        text in many(any::<u8>(), 0..400),
        greets in any::<bool>(),
        steps in many((0u8..4, 0usize..60, 1usize..80, 0u8..4), 0..60),
    ) {
        let mut bench = bench("proxy_v1");
        to_server(&mut bench, &client(start.wrapping_sub(1), SYN));
        to_client(&mut bench, server(S, SYN | ACK).ack(start));
        let greeting = if greets { &b"220 ready\r\n"[..] } else { b"" };
        let mut here = End::new(start, &text, S + 1);
        let mut there = End::new(S + 1, greeting, start);
        let whole = [V1, &text[..]].concat();
        let last = [(0, 0, 400, 0), (1, 0, 400, 0)].repeat(5);
        for (kind, skip, len, loss) in steps.into_iter().chain(last) {
            if kind % 2 == 0 {
                // A client that is greeted says nothing before.
                let len = if greets && here.got.is_empty() { 0 } else { len };
                let segment = here.segment(&client, skip, len);
                if loss == 1 {
                    continue;
                }
                for sent in to_server(&mut bench, &segment) {
                    if loss != 2 {
                        there.take(&sent);
                    }
                }
            } else {
                // A server waits for the header.
                let len = if there.got.len() < V1.len() { 0 } else { len };
                let segment = there.segment(&server, skip, len);
                if loss == 1 {
                    continue;
                }
                let sent = to_client(&mut bench, segment);
                if loss != 2 {
                    here.take(&sent);
                }
            }
            prop_assert!(whole.starts_with(&there.got), "{:?}", there.got);
            prop_assert!(greeting.starts_with(&here.got), "{:?}", here.got);
        }
        prop_assert_eq!(&there.got, &whole);
        prop_assert_eq!(here.acknowledged, text.len());
        prop_assert_eq!(&here.got[..], greeting);
    }
}

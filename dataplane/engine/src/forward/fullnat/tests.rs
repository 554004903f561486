// SPDX-License-Identifier: Apache-2.0
use std::format;
use std::string::String;

use proptest::prelude::*;
use wire::buffer::TestBuf;
use wire::builder::{Frame, describe};
use wire::packet::parse;

use super::*;

fn end(v4: bool, host: u8, port: u16) -> (String, (Addr, u16)) {
    let addr = if v4 {
        format!("10.0.0.{host}")
    } else {
        format!("2001:db8::{host}")
    };
    let text = if v4 {
        format!("{addr}:{port}")
    } else {
        format!("[{addr}]:{port}")
    };
    (text, (addr.parse().unwrap(), port))
}

proptest! {
    #[test]
    fn there_and_back_is_the_same_packet(
        v4 in any::<bool>(),
        tcp in any::<bool>(),
        ports in any::<[u16; 4]>(),
        payload in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let [a, b, c, d] = [1u8, 2, 3, 4].map(|host| end(v4, host, ports[usize::from(host) - 1]));
        let frame = |from: &str, to: &str| {
            let frame = if tcp { Frame::tcp(from, to) } else { Frame::udp(from, to) };
            frame.payload(&payload).build()
        };
        let before = frame(&a.0, &b.0);
        let mut packet = TestBuf::new(&before);
        let parsed = parse(&before, before.len()).unwrap();
        prop_assert!(rewrite(&mut packet, &parsed, (c.1, d.1)));
        // As if it had been made with these ends.
        prop_assert_eq!(describe(&packet.frame()), describe(&frame(&c.0, &d.0)));
        let parsed = parse(&packet.frame(), before.len()).unwrap();
        prop_assert!(rewrite(&mut packet, &parsed, (a.1, b.1)));
        prop_assert_eq!(packet.frame(), before);
    }
}

#[test]
fn the_other_family_is_refused() {
    let frame = Frame::tcp("10.0.0.1:1", "10.0.0.2:2").build();
    let parsed = parse(&frame, frame.len()).unwrap();
    let (_, v4) = end(true, 3, 3);
    let (_, v6) = end(false, 4, 4);
    let mut packet = TestBuf::new(&frame);
    assert!(!rewrite(&mut packet, &parsed, (v6, v4)));
    assert!(!rewrite(&mut packet, &parsed, (v4, v6)));
}

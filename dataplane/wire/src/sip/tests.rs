// SPDX-License-Identifier: Apache-2.0
use std::format;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn found(text: &str) -> Option<&str> {
    call_id(text.as_bytes()).and_then(|id| core::str::from_utf8(id).ok())
}

#[test]
fn the_header_is_found_by_either_name_in_any_case_behind_the_first_line() {
    let invite = "INVITE sip:b@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9\r\n";
    for line in [
        "Call-ID: a84b4c76e66710@pc33.example.org",
        "call-id:a84b4c76e66710@pc33.example.org",
        "CALL-ID \t : \t a84b4c76e66710@pc33.example.org",
        "i: a84b4c76e66710@pc33.example.org",
        "I:a84b4c76e66710@pc33.example.org",
        "Call-ID:\r\n a84b4c76e66710@pc33.example.org",
    ] {
        for end in ["\r\n", "\n", "\r"] {
            let text = format!("{invite}{line}{end}Max-Forwards: 70{end}{end}");
            assert_eq!(
                found(&text),
                Some("a84b4c76e66710@pc33.example.org"),
                "{line}"
            );
        }
    }
}

#[test]
fn what_looks_like_one_is_none() {
    for text in [
        "",
        "Call-ID: x\r\n",
        "OPTIONS\r\nCall-ID: x",
        "OPTIONS\r\nCall-ID:\r\nVia: y\r\n",
        "OPTIONS\r\nCall-ID: x@\r\n",
        "OPTIONS\r\nCall-ID: x y\r\n",
        "OPTIONS\r\n Call-ID: x\r\n",
        "OPTIONS\r\nX-Call-ID: x\r\n",
        "OPTIONS\r\nid: x\r\n",
        "OPTIONS\r\nCall-ID x\r\n",
    ] {
        assert_eq!(found(text), None, "{text:?}");
    }
}

#[test]
fn the_first_good_one_counts() {
    assert_eq!(found("A\r\nCall-ID: x@\r\ni: y\r\ni: z\r\n"), Some("y"));
}

#[test]
fn a_long_one_is_taken_up_to_the_kernels_limit() {
    let text = |len: usize| format!("A\nCall-ID: {}\n", "x".repeat(len));
    assert_eq!(found(&text(255)).map(str::len), Some(255));
    assert_eq!(found(&text(256)), None);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Some(id) = call_id(&bytes) {
            prop_assert!(!id.is_empty() && id.len() <= CALL_ID_MAX);
            prop_assert!(id.iter().all(|byte| is_word(*byte) || *byte == b'@'));
        }
    }

    #[test]
    fn a_word_is_found_wherever_its_line_stands(
        before in "[ -~]{0,40}",
        word in "[a-zA-Z0-9!%*+./:<>?_`{}~-]{1,40}",
        after in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut text: Vec<u8> = format!("{before}\r\nCall-Id: {word}\r\n").into_bytes();
        text.extend(after);
        prop_assert_eq!(call_id(&text), Some(word.as_bytes()));
    }
}

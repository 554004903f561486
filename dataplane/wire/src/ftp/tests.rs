// SPDX-License-Identifier: Apache-2.0
use proptest::collection::vec as many;
use proptest::prelude::*;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::builder::address;

fn active(payload: &str, family: Family) -> Option<Announcement> {
    match request(payload.as_bytes(), family)? {
        Request::Active(announcement) => Some(announcement),
        Request::Passive(_) => panic!("{payload:?} is no active request"),
    }
}

fn said<'a>(payload: &'a str, announcement: &Announcement) -> &'a str {
    &payload[announcement.range()]
}

#[test]
fn port_names_the_clients_end() {
    for line in [
        "PORT 10,0,0,1,4,1\r\n",
        "port 10,0,0,1,4,1\r\n",
        "PORT  10,0,0,1,4,1\r",
    ] {
        let found = active(line, Family::V4).unwrap();
        assert_eq!(found.address, Some(address("10.0.0.1")), "{line:?}");
        assert_eq!((found.port, found.extended), (0x0401, false));
        assert_eq!(said(line, &found), "10,0,0,1,4,1");
    }
}

#[test]
fn eprt_names_it_in_either_family_with_any_delimiter() {
    let line = "EPRT |1|10.0.0.1|1025|\r\n";
    let found = active(line, Family::V4).unwrap();
    assert_eq!(
        (found.address, found.port),
        (Some(address("10.0.0.1")), 1025)
    );
    assert_eq!(said(line, &found), "|1|10.0.0.1|1025|");
    let line = "eprt !2!2001:db8::1!65535!\r\n";
    let found = active(line, Family::V6).unwrap();
    assert_eq!(found.address, Some(address("2001:db8::1")));
    assert_eq!(found.port, 65535);
    assert!(found.extended);
}

#[test]
fn requests_that_are_cut_or_of_the_other_family_are_none() {
    for (line, family) in [
        ("", Family::V4),
        ("POR", Family::V4),
        ("PORT 10,0,0,1,4,1", Family::V4),
        ("PORT 10,0,0,1,4\r\n", Family::V4),
        ("PORT 10,0,0,1,4,1,9\r\n", Family::V4),
        ("PORT 10,0,0,1,,1\r\n", Family::V4),
        ("PORT 10,0,0,256,4,1\r\n", Family::V4),
        ("PORT 10,0,0,1,4,1\r\n", Family::V6),
        (" PORT 10,0,0,1,4,1\r\n", Family::V4),
        ("EPRT |2|2001:db8::1|1025|\r\n", Family::V4),
        ("EPRT |1|10.0.0.1|1025|\r\n", Family::V6),
        ("EPRT |1|10.0.0.1|0|\r\n", Family::V4),
        ("EPRT |1|10.0.0.1|65536|\r\n", Family::V4),
        ("EPRT |1|10.0.0.1|1025", Family::V4),
        ("EPRT |1|10.0.0.1|1025!", Family::V4),
        ("EPRT |||1025|\r\n", Family::V4),
        ("EPRT |2|::ffff:10.0.0.1|1025|\r\n", Family::V6),
        ("EPRT 111.0.0.1110251", Family::V4),
    ] {
        assert_eq!(request(line.as_bytes(), family), None, "{line:?}");
    }
}

#[test]
fn passive_requests_are_seen_anywhere_in_the_segment() {
    let passive = |line: &str, family| request(line.as_bytes(), family);
    let pasv = Some(Request::Passive(Passive::Pasv));
    let epsv = Some(Request::Passive(Passive::Epsv));
    assert_eq!(passive("PASV\r\n", Family::V4), pasv);
    assert_eq!(passive("TYPE I\r\npasv\r\n", Family::V4), pasv);
    assert_eq!(passive("PASV\r\n", Family::V6), None);
    assert_eq!(passive("EPSV\r\n", Family::V4), epsv);
    assert_eq!(passive("epsv\r\n", Family::V6), epsv);
    assert_eq!(passive("EPSV 1\r\n", Family::V4), epsv);
    assert_eq!(passive("EPSV 2\r\n", Family::V6), epsv);
    assert_eq!(passive("EPSV 2\r\n", Family::V4), None);
    assert_eq!(passive("EPSV ALL\r\n", Family::V4), None);
    assert_eq!(passive("PASV", Family::V4), None);
}

#[test]
fn a_reply_to_pasv_needs_no_parenthesis() {
    for line in [
        "227 Entering Passive Mode (10,1,0,11,156,64)\r\n",
        "227 Entering Passive Mode 10,1,0,11,156,64\r\n",
        "227 =10,1,0,11,156,64.\r\n",
    ] {
        let found = reply(line.as_bytes(), Passive::Pasv, Family::V4).unwrap();
        assert_eq!(found.address, Some(address("10.1.0.11")), "{line:?}");
        assert_eq!(found.port, 40000);
        assert_eq!(said(line, &found), "10,1,0,11,156,64");
        assert_eq!(reply(line.as_bytes(), Passive::Epsv, Family::V4), None);
    }
}

#[test]
fn a_reply_to_epsv_has_a_port_and_perhaps_an_address() {
    let line = "229 Entering Extended Passive Mode (|||40000|)\r\n";
    let found = reply(line.as_bytes(), Passive::Epsv, Family::V6).unwrap();
    assert_eq!((found.address, found.port), (None, 40000));
    assert_eq!(said(line, &found), "|||40000|");
    let line = "229 ok (|1|10.1.0.11|40000|)\r\n";
    let found = reply(line.as_bytes(), Passive::Epsv, Family::V4).unwrap();
    assert_eq!(found.address, Some(address("10.1.0.11")));
    assert_eq!(reply(line.as_bytes(), Passive::Pasv, Family::V4), None);
    for broken in ["229 ok", "229 ok (", "229 ok (||40000|)", "229 (|||0|)"] {
        let found = reply(broken.as_bytes(), Passive::Epsv, Family::V4);
        assert_eq!(found, None, "{broken:?}");
    }
}

#[test]
fn text_takes_the_form_of_what_it_replaces() {
    let text = |line: &str, mode, family, to: &str, port| {
        let model = reply(line.as_bytes(), mode, family).unwrap();
        let text = Text::like(&model, &address(to), port)?;
        Some(String::from_utf8(text.as_bytes().to_vec()).unwrap())
    };
    let plain = "227 (10,1,0,11,1,2)\r\n";
    let (v4, v6) = (Family::V4, Family::V6);
    assert_eq!(
        text(plain, Passive::Pasv, v4, "10.0.0.100", 0x1234).unwrap(),
        "10,0,0,100,18,52"
    );
    assert_eq!(text(plain, Passive::Pasv, v4, "2001:db8::1", 1), None);
    let bare = "229 (|||7|)\r\n";
    assert_eq!(
        text(bare, Passive::Epsv, v4, "10.0.0.100", 9).unwrap(),
        "|||9|"
    );
    let long = "229 (|2|2001:db8::1|7|)\r\n";
    let to = "2001:dbb:1111:2222:3333:4444:5555:6666";
    let whole = text(long, Passive::Epsv, v6, to, 65535).unwrap();
    assert_eq!(whole, format!("|2|{to}|65535|"));
    let short = "229 (|1|10.1.0.11|7|)\r\n";
    let whole = text(short, Passive::Epsv, v4, "10.0.0.100", 80).unwrap();
    assert_eq!(whole, "|1|10.0.0.100|80|");
}

fn line_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("PORT".into()),
        Just("EPRT ".into()),
        Just("227 ".into()),
        Just("229 (".into()),
        Just("PASV\r\n".into()),
        Just("EPSV".into()),
        Just("|1|".into()),
        Just("|||".into()),
        Just("\r\n".into()),
        "[0-9,|(). ]{0,12}",
        "\\PC{0,4}",
    ];
    many(piece, 0..8).prop_map(|pieces: Vec<String>| pieces.concat().into_bytes())
}

proptest! {
    /// What is found lies inside, and reads the same once the address is written over it.
    #[test]
    fn any_bytes_are_read_within_their_bounds(
        line in prop_oneof![line_like(), many(any::<u8>(), 0..200)],
        v4 in any::<bool>(),
    ) {
        let family = if v4 { Family::V4 } else { Family::V6 };
        let found = [
            match request(&line, family) {
                Some(Request::Active(found)) => Some(found),
                _ => None,
            },
            reply(&line, Passive::Pasv, family),
            reply(&line, Passive::Epsv, family),
        ];
        for found in found.into_iter().flatten() {
            prop_assert!(found.range().end <= line.len());
            let same = found.address.unwrap_or_else(|| address("10.0.0.1"));
            let text = Text::like(&found, &same, found.port).unwrap();
            let mut written = line[..found.range().start].to_vec();
            written.extend(text.as_bytes());
            written.extend(&line[found.range().end..]);
            let again = match request(&written, family) {
                Some(Request::Active(found)) => Some(found),
                _ => reply(&written, Passive::Pasv, family)
                    .or_else(|| reply(&written, Passive::Epsv, family)),
            };
            let again = again.expect("it is still there");
            prop_assert_eq!(again.address, found.address);
            prop_assert_eq!(again.port, found.port);
        }
    }

    /// Every address and port of a well-formed line is read back.
    #[test]
    fn every_well_formed_line_is_read(octets in any::<[u8; 4]>(), port in 1u16..) {
        let [a, b, c, d] = octets;
        let [high, low] = port.to_be_bytes();
        let wanted = Some(to_mapped(octets));
        let line = format!("PORT {a},{b},{c},{d},{high},{low}\r\n");
        prop_assert_eq!(active(&line, Family::V4).unwrap().address, wanted);
        prop_assert_eq!(active(&line, Family::V4).unwrap().port, port);
        let line = format!("EPRT |1|{a}.{b}.{c}.{d}|{port}|\r\n");
        prop_assert_eq!(active(&line, Family::V4).unwrap().address, wanted);
        prop_assert_eq!(active(&line, Family::V4).unwrap().port, port);
        // Nothing that is cut off is taken for the whole.
        for cut in 0..line.len() - 2 {
            prop_assert_eq!(request(&line.as_bytes()[..cut], Family::V4), None);
        }
    }
}

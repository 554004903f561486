// SPDX-License-Identifier: Apache-2.0
use super::*;

fn addr(text: &str) -> Addr {
    text.parse().unwrap()
}

#[test]
fn a_call_is_known_by_its_id_and_its_client_and_places_are_used_again() {
    let mut ids = CallIds::new(Hasher::with_seeds(1, 2, 3, 4));
    let (one, two) = (addr("10.0.0.1"), addr("10.0.0.2"));
    assert_eq!(ids.remember(one, b"a@b"), None, "no room was made");
    ids.make_room(2);
    let first = ids.remember(one, b"a@b").unwrap();
    let second = ids.remember(two, b"a@b").unwrap();
    assert_eq!(ids.remember(one, b"c"), None, "full");
    assert!(ids.is(first, one, b"a@b") && !ids.is(first, two, b"a@b"));
    assert!(!ids.is(first, one, b"a@") && !ids.is(0, one, b""));
    assert_eq!(ids.network(second), Some(two));
    ids.forget(first);
    ids.forget(0);
    assert!(!ids.is(first, one, b"a@b"));
    assert_eq!(ids.remember(one, b"c"), Some(first));
    assert!(ids.is(first, one, b"c"));
    assert_ne!(ids.digest(one, b"c"), ids.digest(two, b"c"));
    assert_ne!(ids.digest(one, b"c"), ids.digest(one, b"d"));
}

#[test]
fn the_longest_is_kept_and_a_longer_one_is_not() {
    let mut ids = CallIds::new(Hasher::with_seeds(1, 2, 3, 4));
    ids.make_room(2);
    let longest = [b'x'; CALL_ID_MAX];
    let place = ids.remember(addr("::1"), &longest).unwrap();
    assert!(ids.is(place, addr("::1"), &longest));
    assert_eq!(ids.remember(addr("::1"), &[b'x'; CALL_ID_MAX + 1]), None);
}

// SPDX-License-Identifier: Apache-2.0
use super::*;

#[test]
fn a_packet_grows_and_shrinks_at_the_front() {
    let mut packet = TestBuf::new(&[1, 2, 3]);
    packet.prepend(2).unwrap();
    packet.bytes_mut()[..2].copy_from_slice(&[8, 9]);
    assert_eq!(packet.bytes(), [8, 9, 1, 2, 3]);
    packet.trim_front(3).unwrap();
    assert_eq!(packet.frame(), [2, 3]);
}

#[test]
fn headroom_runs_out_and_leaves_the_packet_as_it_was() {
    let mut packet = TestBuf::new(&[1]);
    assert_eq!(
        packet.prepend(TEST_HEADROOM_BYTES + 1),
        Err(BufferError::Headroom)
    );
    assert_eq!(packet.bytes(), [1]);
    assert_eq!(packet.prepend(TEST_HEADROOM_BYTES), Ok(()));
    assert_eq!(packet.prepend(1), Err(BufferError::Headroom));
}

#[test]
fn no_more_is_trimmed_than_the_first_segment_has() {
    let mut packet = TestBuf::chained(&[1, 2, 3, 4], 2);
    assert_eq!(packet.trim_front(3), Err(BufferError::TooShort));
    assert_eq!(packet.trim_front(2), Ok(()));
    assert_eq!(packet.frame(), [3, 4]);
}

#[test]
fn a_chained_packet_shows_its_first_segment_and_counts_all() {
    let packet = TestBuf::chained(&[1, 2, 3, 4, 5], 2);
    assert_eq!(packet.bytes(), [1, 2]);
    assert_eq!(packet.total_len(), 5);
    assert_eq!(packet.frame(), [1, 2, 3, 4, 5]);
    assert_eq!(TestBuf::chained(&[1], 9).total_len(), 1);
}

#[test]
fn truncation_cuts_tail_segments_first() {
    for len in 0..=6 {
        let mut packet = TestBuf::chained(&[1, 2, 3, 4, 5], 2);
        packet.truncate(len);
        assert_eq!(packet.total_len(), len.min(5));
        assert_eq!(packet.bytes().len(), len.min(2));
    }
}

#[test]
fn only_an_unchained_packet_grows_at_the_end() {
    let mut packet = TestBuf::new(&[1]);
    packet.append(2).unwrap();
    assert_eq!(packet.total_len(), 3);
    let mut chained = TestBuf::chained(&[1, 2], 1);
    assert_eq!(chained.append(1), Err(BufferError::Tailroom));
    assert_eq!(chained.total_len(), 2);
}

#[test]
fn copies_cross_segments_and_stop_at_the_end() {
    let packet = TestBuf::chained(&[1, 2, 3, 4, 5], 2);
    let mut target = [0; 3];
    assert_eq!(packet.copy_out(1, &mut target), 3);
    assert_eq!(target, [2, 3, 4]);
    assert_eq!(packet.copy_out(4, &mut target), 1);
    assert_eq!(packet.copy_out(9, &mut target), 0);
}

#[test]
fn a_pool_runs_dry_when_told_so() {
    let mut pool = TestPool::new(1);
    assert_eq!(pool.alloc().unwrap().total_len(), 0);
    assert!(pool.alloc().is_none());
    assert!(TestPool::default().alloc().is_some());
}

#[test]
fn joined_packets_are_one_with_the_tail_behind() {
    let mut packet = TestBuf::chained(&[1, 2, 3], 2);
    assert_eq!(packet.join(TestBuf::chained(&[4, 5, 6, 7], 3)), Ok(()));
    assert_eq!(packet.bytes(), [1, 2]);
    assert_eq!(packet.total_len(), 7);
    assert_eq!(packet.frame(), [1, 2, 3, 4, 5, 6, 7]);
}

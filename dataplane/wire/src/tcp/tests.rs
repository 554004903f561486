// SPDX-License-Identifier: Apache-2.0
use super::*;
use crate::builder::Frame;

fn segment() -> std::vec::Vec<u8> {
    Frame::tcp("10.0.0.1:1000", "10.0.0.100:80")
        .flags(flags::SYN | flags::ECE)
        .seq(0x0102_0304)
        .ack(0x0506_0708)
        .window(4321)
        .tcp_options(&[2, 4, 5, 0xb4])
        .payload(b"GET")
        .build_ip()
        .split_off(20)
}

#[test]
fn the_fields_of_a_segment_are_read() {
    let bytes = segment();
    let view = Tcp::new_checked(&bytes).unwrap();
    assert_eq!((view.source_port(), view.destination_port()), (1000, 80));
    assert_eq!(
        (view.sequence(), view.acknowledgment()),
        (0x0102_0304, 0x0506_0708)
    );
    assert_eq!(view.header_len(), 24);
    assert_eq!(view.flags(), flags::SYN | flags::ECE);
    assert_eq!(view.window(), 4321);
    assert_eq!(view.options(), [2, 4, 5, 0xb4]);
    assert_eq!(view.payload(), b"GET");
    assert_eq!(view.checksum().to_be_bytes(), bytes[16..18]);
}

#[test]
fn nineteen_bytes_are_no_segment() {
    assert_eq!(
        Tcp::new_checked(&[0; 19]).unwrap_err(),
        WireError::Truncated
    );
    assert_eq!(
        TcpMut::new_checked(&mut [0; 19]).unwrap_err(),
        WireError::Truncated
    );
}

#[test]
fn a_data_offset_beyond_the_segment_leaves_no_payload() {
    let mut bytes = segment();
    TcpMut::new_checked(&mut bytes).unwrap().set_header_len(60);
    let view = Tcp::new_checked(&bytes).unwrap();
    assert!(view.payload().is_empty());
    assert_eq!(view.options().len(), 7);
}

#[test]
fn a_data_offset_below_twenty_leaves_no_options_and_no_overlap() {
    let mut bytes = segment();
    TcpMut::new_checked(&mut bytes).unwrap().set_header_len(0);
    let view = Tcp::new_checked(&bytes).unwrap();
    assert!(view.options().is_empty());
    assert_eq!(view.payload().len(), 7);
}

#[test]
fn what_is_set_is_read_back() {
    let mut bytes = [0; 20];
    let mut header = TcpMut::new_checked(&mut bytes).unwrap();
    header.set_source_port(1);
    header.set_destination_port(2);
    header.set_sequence(3);
    header.set_acknowledgment(4);
    header.set_header_len(20);
    header.set_flags(flags::ACK);
    header.set_window(5);
    header.set_checksum(6);
    assert_eq!(header.checksum(), 6);
    let view = Tcp::new_checked(&bytes).unwrap();
    assert_eq!((view.source_port(), view.destination_port()), (1, 2));
    assert_eq!((view.sequence(), view.acknowledgment()), (3, 4));
    assert_eq!((view.header_len(), view.flags()), (20, flags::ACK));
    assert_eq!((view.window(), view.checksum()), (5, 6));
}

#[test]
fn an_option_is_found_where_it_is_and_a_broken_list_ends() {
    assert_eq!(find_option(&[1, 1, 2, 4, 5, 0xb4], option::MSS), Some(4..6));
    assert_eq!(
        find_option(&[8, 3, 0, 2, 4, 5, 0xb4], option::MSS),
        Some(5..7)
    );
    assert_eq!(find_option(&[5, 2], option::SACK), Some(2..2));
    for broken in [
        &[][..],
        &[1, 1, 1],
        &[0, 2, 4, 5, 0xb4],
        &[2, 4, 5],
        &[8, 0, 2, 4, 5, 0xb4],
        &[8, 1, 2, 4, 5, 0xb4],
        &[8, 200, 2, 4, 5, 0xb4],
        &[8],
    ] {
        assert_eq!(find_option(broken, option::MSS), None, "{broken:?}");
    }
}

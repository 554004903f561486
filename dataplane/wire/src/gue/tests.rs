// SPDX-License-Identifier: Apache-2.0
use super::*;

#[test]
fn the_header_is_as_linux_writes_it() {
    let mut bytes = [0xff; 6];
    assert_eq!(write(&mut bytes, IpProtocol::IPIP), Ok(4));
    assert_eq!(bytes, [0, 4, 0, 0, 0xff, 0xff]);
    let view = Gue::new_checked(&bytes).unwrap();
    assert_eq!((view.protocol(), view.header_len()), (IpProtocol::IPIP, 4));
    assert_eq!(view.payload(), [0xff, 0xff]);
    assert_eq!(write(&mut bytes, IpProtocol::IPV6), Ok(4));
    assert_eq!(bytes[..4], [0, 41, 0, 0]);
}

#[test]
fn fields_are_stepped_over() {
    let bytes = [2, 4, 0, 0x20, 1, 2, 3, 4, 5, 6, 7, 8, 0x45];
    let view = Gue::new_checked(&bytes).unwrap();
    assert_eq!((view.header_len(), view.payload()), (12, &[0x45][..]));
    assert_eq!(
        Gue::new_checked(&bytes[..11]).unwrap_err(),
        WireError::Truncated
    );
}

#[test]
fn a_bare_packet_is_variant_one() {
    for (first, protocol) in [(0x45, IpProtocol::IPIP), (0x60, IpProtocol::IPV6)] {
        let bytes = [first, 0];
        let view = Gue::new_checked(&bytes).unwrap();
        assert_eq!((view.protocol(), view.payload()), (protocol, &bytes[..]));
    }
}

#[test]
fn control_messages_and_later_variants_are_refused() {
    for first in [0x20, 0x3f, 0x50, 0x70, 0x80, 0xc0] {
        let bytes = [first; 200];
        assert_eq!(
            Gue::new_checked(&bytes).unwrap_err(),
            WireError::Unknown,
            "{first:#x}"
        );
    }
}

#[test]
fn too_few_bytes_are_refused() {
    assert_eq!(Gue::new_checked(&[]).unwrap_err(), WireError::Truncated);
    assert_eq!(
        Gue::new_checked(&[0, 4, 0]).unwrap_err(),
        WireError::Truncated
    );
    assert_eq!(write(&mut [0; 3], IpProtocol::IPIP), Err(WireError::NoRoom));
}

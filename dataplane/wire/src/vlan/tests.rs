// SPDX-License-Identifier: Apache-2.0
use super::*;

#[test]
fn a_tag_holds_priority_eligibility_identifier_and_type() {
    let view = Vlan::new_checked(&[0xb1, 0x23, 0x08, 0x00, 0x45]).unwrap();
    assert_eq!(view.priority(), 5);
    assert!(view.drop_eligible());
    assert_eq!(view.id(), 0x123);
    assert_eq!(view.ether_type(), EtherType::IPV4);
    assert_eq!(view.payload(), [0x45]);
}

#[test]
fn three_bytes_are_no_tag() {
    assert_eq!(
        Vlan::new_checked(&[0; 3]).unwrap_err(),
        WireError::Truncated
    );
    assert_eq!(
        VlanMut::new_checked(&mut [0; 3]).unwrap_err(),
        WireError::Truncated
    );
}

#[test]
fn setting_the_identifier_keeps_priority_and_cuts_it_to_twelve_bits() {
    let mut bytes = [0xb1, 0x23, 0x08, 0x00];
    let mut view = VlanMut::new_checked(&mut bytes).unwrap();
    view.set_id(0xffed);
    view.set_ether_type(EtherType::IPV6);
    let view = Vlan::new_checked(&bytes).unwrap();
    assert_eq!(view.id(), 0xfed);
    assert_eq!(view.priority(), 5);
    assert!(view.drop_eligible());
    assert_eq!(view.ether_type(), EtherType::IPV6);
}

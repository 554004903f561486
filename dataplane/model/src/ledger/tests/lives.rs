// SPDX-License-Identifier: Apache-2.0
//! Slots over the lives of services and servers.

use super::*;

#[test]
fn a_drained_server_keeps_its_place_with_weight_0_until_released() {
    let mut ledger = with_servers(&[11, 12, 13]);
    ledger.apply(&drain(12)).unwrap();
    assert_eq!(list(&ledger), [13, 12, 11]);
    let real = slot(&ledger, 12).unwrap();
    assert_eq!(
        (real.state, real.spec.weight.get()),
        (RealState::Draining, 0)
    );
    assert!(ledger.release_real(real.id));
    assert_eq!(list(&ledger), [13, 11]);
    assert!(slot(&ledger, 12).is_none());
    assert!(!ledger.release_real(real.id), "once");
}

#[test]
fn a_live_server_is_not_released() {
    let mut ledger = with_servers(&[11]);
    let id = slot(&ledger, 11).unwrap().id;
    assert!(!ledger.release_real(id));
    assert!(!ledger.release_real(RealId(77)));
    assert_eq!(list(&ledger), [11]);
}

#[test]
fn adding_a_draining_server_again_is_an_edit_in_place() {
    let mut ledger = with_servers(&[11, 12]);
    let before = slot(&ledger, 11).unwrap();
    ledger.apply(&drain(11)).unwrap();
    ledger.apply(&add(11, 5)).unwrap();
    let after = slot(&ledger, 11).unwrap();
    assert_eq!(list(&ledger), [12, 11]);
    assert_eq!((after.id, after.generation), (before.id, before.generation));
    assert_eq!((after.state, after.spec.weight.get()), (RealState::Live, 5));
}

#[test]
fn adding_a_deleted_server_again_takes_its_slot_back_at_the_head() {
    let mut ledger = with_servers(&[11, 12]);
    let before = slot(&ledger, 11).unwrap();
    ledger.apply(&delete(11)).unwrap();
    assert_eq!(list(&ledger), [12]);
    assert_eq!(slot(&ledger, 11).unwrap().state, RealState::Deleted);
    assert!(ledger.apply(&edit(11, 2)).is_err(), "not listed");
    assert!(ledger.apply(&delete(11)).is_err(), "not twice");
    ledger.apply(&add(11, 5)).unwrap();
    let after = slot(&ledger, 11).unwrap();
    assert_eq!(list(&ledger), [11, 12]);
    assert_eq!((after.id, after.generation), (before.id, before.generation));
}

#[test]
fn a_slot_is_not_used_again_before_its_release_and_then_in_a_new_generation() {
    let mut ledger = with_servers(&[11]);
    let old = slot(&ledger, 11).unwrap();
    ledger.apply(&delete(11)).unwrap();
    ledger.apply(&add(12, 1)).unwrap();
    assert_ne!(slot(&ledger, 12).unwrap().id, old.id);
    ledger.release_real(old.id);
    ledger.apply(&add(13, 1)).unwrap();
    let new = slot(&ledger, 13).unwrap();
    assert_eq!(new.id, old.id);
    assert_ne!(new.generation, old.generation);
}

#[test]
fn a_deleted_service_keeps_its_slot_while_a_server_does() {
    let mut ledger = with_servers(&[11, 12]);
    let id = service(&ledger).id;
    ledger.apply(&Op::DeleteService { key: web() }).unwrap();
    assert!(ledger.services().find(&web()).is_none());
    assert!(ledger.services().service(id).unwrap().deleted);
    ledger.apply(&add_service(dns())).unwrap();
    assert_ne!(ledger.services().find(&dns()).unwrap().id, id);
    for host in [11, 12] {
        let real = slot(&ledger, host).unwrap();
        assert_eq!(real.state, RealState::Deleted);
        assert!(ledger.release_real(real.id));
    }
    assert!(ledger.services().service(id).is_none());
    ledger.apply(&add_service(web())).unwrap();
    assert_eq!(service(&ledger).id, id);
    assert_eq!(service(&ledger).generation, 1);
}

#[test]
fn a_service_without_servers_is_gone_at_once() {
    let mut ledger = with_servers(&[]);
    ledger.apply(&Op::DeleteService { key: web() }).unwrap();
    assert_eq!(ledger.services().services().count(), 0);
    assert_eq!(ledger.services().slot_counts(), (1, 0));
}

#[test]
fn a_service_added_again_finds_its_servers_connections() {
    let mut ledger = with_servers(&[11, 12]);
    let (id, bound) = (service(&ledger).id, service(&ledger).bound);
    let real = slot(&ledger, 11).unwrap();
    ledger.apply(&Op::DeleteService { key: web() }).unwrap();
    ledger.apply(&add_service(web())).unwrap();
    assert_eq!(service(&ledger).id, id);
    assert!(service(&ledger).bound > bound, "its scheduler starts anew");
    assert_eq!(list(&ledger), []);
    ledger.apply(&add(11, 1)).unwrap();
    assert_eq!(slot(&ledger, 11).unwrap().id, real.id);
    assert_eq!(list(&ledger), [11]);
}

#[test]
fn one_server_in_two_services_has_two_slots() {
    let mut ledger = with_servers(&[11]);
    ledger.apply(&add_service(dns())).unwrap();
    let op = Op::AddReal {
        service: dns(),
        real: server(11),
        spec: weight(1),
    };
    ledger.apply(&op).unwrap();
    assert_eq!(ledger.services().reals().count(), 2);
    ledger.apply(&delete(11)).unwrap();
    let dns = ledger.services().find(&dns()).unwrap();
    assert_eq!(dns.reals.len(), 1);
}

/// A service of its own for each number.
fn numbered(number: u32) -> ServiceKey {
    let virtual_ip = Addr::from(core::net::Ipv4Addr::from(number));
    ServiceKey::host(Protocol::Tcp, virtual_ip, 80)
}

fn server_of(service: ServiceKey, number: u32) -> Op {
    let real = RealKey {
        real_ip: Addr::from(core::net::Ipv4Addr::from(0x0a00_0000 + number)),
        rport: 80,
    };
    Op::AddReal {
        service,
        real,
        spec: weight(1),
    }
}

#[test]
fn the_number_of_servers_is_bounded() {
    const EACH: u32 = 512;
    let mut ledger = ledger();
    let services = u32::try_from(REALS_MAX).unwrap() / EACH;
    for service in (0..services).map(numbered) {
        ledger.apply(&add_service(service)).unwrap();
        for number in 0..EACH {
            ledger.apply(&server_of(service, number)).unwrap();
        }
    }
    let one_more = server_of(numbered(3), EACH);
    assert_eq!(
        ledger.apply(&one_more),
        Err(OpError::TooManyReals { max: REALS_MAX })
    );
    let key = RealKey {
        real_ip: addr("10.0.0.7"),
        rport: 80,
    };
    let service = numbered(0);
    ledger
        .apply(&Op::DeleteReal { service, real: key })
        .unwrap();
    assert!(ledger.release_real(RealId(7)));
    ledger.apply(&one_more).unwrap();
    let taken = ledger.services().real(RealId(7)).unwrap();
    assert_eq!((taken.generation, taken.service), (1, ServiceId(3)));
}

#[test]
fn the_number_of_services_is_bounded() {
    let mut ledger = ledger();
    let max = u32::try_from(SERVICES_MAX).unwrap();
    for number in 0..max {
        ledger.apply(&add_service(numbered(number))).unwrap();
    }
    assert_eq!(
        ledger.apply(&add_service(numbered(max))),
        Err(OpError::TooManyServices { max: SERVICES_MAX })
    );
    let key = numbered(9);
    ledger.apply(&Op::DeleteService { key }).unwrap();
    ledger.apply(&add_service(numbered(max))).unwrap();
    let taken = ledger.services().find(&numbered(max)).unwrap();
    assert_eq!((taken.id, taken.generation), (ServiceId(9), 1));
}

#[test]
fn weights_have_an_end_and_schedulers_names() {
    assert_eq!(Weight::new(65_535).map(Weight::get), Some(65_535));
    assert_eq!(Weight::new(65_536), None);
    for kind in SchedulerKind::ALL {
        assert_eq!(SchedulerKind::from_name(kind.name()), Some(kind));
    }
    assert_eq!(SchedulerKind::from_name("RR"), None);
    assert_eq!(Protocol::from_number(6), Some(Protocol::Tcp));
    assert_eq!(Protocol::from_number(132), Some(Protocol::Sctp));
    assert_eq!(Protocol::from_number(1), None);
}

// SPDX-License-Identifier: Apache-2.0
use crate::fib::Hasher;
use crate::ledger::Ledger;
use crate::op::Op;
use crate::service::{Listen, Mark, PortRange, RealSpec, ServiceSpec};

use super::*;

fn service(host: u8) -> ServiceKey {
    let virtual_ip = Ipv4Addr::new(10, 0, 0, host).into();
    ServiceKey::host(Protocol::Tcp, virtual_ip, 80)
}

fn server(host: u8) -> RealKey {
    RealKey {
        real_ip: Ipv4Addr::new(10, 1, 0, host).into(),
        rport: 80,
    }
}

struct Case(Ledger);

impl Case {
    fn new() -> Self {
        Self(Ledger::new(Hasher::with_seeds(1, 2, 3, 4)))
    }

    fn add_service(&mut self, host: u8) {
        let (key, spec) = (service(host), ServiceSpec::default());
        self.0.apply(&Op::AddService { key, spec }).unwrap();
    }

    fn add_real(&mut self, host: u8, real: u8, mode: ForwardMode) {
        let spec = RealSpec {
            mode,
            ..RealSpec::default()
        };
        let (service, real) = (service(host), server(real));
        self.0
            .apply(&Op::AddReal {
                service,
                real,
                spec,
            })
            .unwrap();
    }

    fn publish(&mut self) {
        let generation = self.0.snapshot().generation;
        self.0.acknowledged(generation);
    }

    /// The last octet of a service's home.
    fn home(&mut self, host: u8) -> u8 {
        let services = self.0.snapshot().services;
        let id = services.find(&service(host)).unwrap().id;
        services.home(id).unwrap().address.v4_octets()[3]
    }

    fn homes(&mut self, real: u8) -> Vec<u8> {
        let services = self.0.snapshot().services;
        let homes = services.homes_of_real(Protocol::Tcp, server(real));
        homes
            .iter()
            .map(|home| home.address.v4_octets()[3])
            .collect()
    }
}

#[test]
fn a_service_is_its_own_home_and_that_of_its_servers() {
    let mut case = Case::new();
    case.add_service(100);
    case.add_real(100, 11, ForwardMode::Nat);
    assert_eq!((case.home(100), case.homes(11)), (100, [100].to_vec()));
    assert_eq!(case.homes(12), []);
}

#[test]
fn services_that_share_a_masqueraded_server_share_a_home() {
    let mut case = Case::new();
    case.add_service(100);
    case.add_service(101);
    case.add_real(100, 11, ForwardMode::Nat);
    case.add_real(101, 11, ForwardMode::Nat);
    assert_eq!((case.home(100), case.home(101)), (100, 100));
    assert_eq!(case.homes(11), [100]);
    // A third comes while they have connections.
    case.publish();
    case.add_service(102);
    case.add_real(102, 11, ForwardMode::Nat);
    assert_eq!((case.home(102), case.homes(11)), (100, [100].to_vec()));
}

#[test]
fn answers_that_do_not_come_back_leave_homes_apart() {
    let mut case = Case::new();
    for host in [100, 101] {
        case.add_service(host);
        case.add_real(host, 11, ForwardMode::Dr);
    }
    assert_eq!((case.home(100), case.home(101)), (100, 101));
}

#[test]
fn a_home_is_kept_for_life_and_a_server_may_get_two() {
    let mut case = Case::new();
    for host in [100, 101] {
        case.add_service(host);
        case.add_real(host, host - 89, ForwardMode::Nat);
    }
    case.publish();
    case.add_real(101, 11, ForwardMode::Nat);
    assert_eq!((case.home(100), case.home(101)), (100, 101));
    assert_eq!(case.homes(11), [100, 101]);
    assert_eq!(case.homes(12), [101]);
    // The next one that is added joins the first.
    case.add_service(102);
    case.add_real(102, 11, ForwardMode::Nat);
    assert_eq!((case.home(102), case.homes(11)), (100, [100, 101].to_vec()));
}

#[test]
fn the_next_tenant_of_a_slot_has_a_home_of_its_own() {
    let mut case = Case::new();
    case.add_service(100);
    case.publish();
    let slot = case.0.services().find(&service(100)).unwrap().id;
    case.0
        .apply(&Op::DeleteService { key: service(100) })
        .unwrap();
    case.add_service(101);
    assert_eq!(case.0.services().find(&service(101)).unwrap().id, slot);
    assert_eq!(case.home(101), 101);
}

#[test]
fn answers_of_servers_on_every_port_have_the_homes_of_all_they_may_be_of() {
    let mut case = Case::new();
    case.add_service(100);
    case.add_real(100, 11, ForwardMode::Nat);
    let marked = ServiceKey::Mark(Mark {
        mark: 5,
        is_v4: true,
    });
    let range = match service(101) {
        ServiceKey::Listen(listen) => ServiceKey::Listen(Listen {
            ports: PortRange::new(70, 90).unwrap(),
            ..listen
        }),
        marked @ ServiceKey::Mark(_) => marked,
    };
    for key in [marked, range] {
        let spec = ServiceSpec::default();
        case.0.apply(&Op::AddService { key, spec }).unwrap();
        let real = RealKey {
            rport: 0,
            ..server(11)
        };
        let (service, spec) = (key, RealSpec::default());
        case.0
            .apply(&Op::AddReal {
                service,
                real,
                spec,
            })
            .unwrap();
    }
    assert_eq!(case.homes(11).len(), 3, "{:?}", case.homes(11));
    let services = case.0.snapshot().services;
    let of = |protocol, rport| {
        let real = RealKey {
            rport,
            ..server(11)
        };
        services.homes_of_real(protocol, real).len()
    };
    assert_eq!(of(Protocol::Tcp, 8080), 2, "the range and the mark");
    assert_eq!(of(Protocol::Udp, 80), 1, "the mark");
}

// SPDX-License-Identifier: Apache-2.0
mod lives;
mod random;
mod tables;

use std::sync::Arc;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::addr::Addr;
use crate::service::{Protocol, SchedulerKind};

fn ledger() -> Ledger {
    Ledger::new(Hasher::with_seeds(1, 2, 3, 4))
}

fn addr(text: &str) -> Addr {
    text.parse().unwrap()
}

fn web() -> ServiceKey {
    ServiceKey::host(Protocol::Tcp, addr("10.0.0.100"), 80)
}

fn dns() -> ServiceKey {
    ServiceKey::host(Protocol::Udp, addr("10.0.0.100"), 53)
}

fn server(host: u8) -> RealKey {
    RealKey {
        real_ip: Addr::from(core::net::Ipv4Addr::new(10, 1, 0, host)),
        rport: 80,
    }
}

fn weight(weight: u32) -> RealSpec {
    RealSpec {
        weight: Weight::new(weight).unwrap(),
        ..RealSpec::default()
    }
}

fn add_service(key: ServiceKey) -> Op {
    Op::AddService {
        key,
        spec: spec(SchedulerKind::Wrr),
    }
}

fn spec(scheduler: SchedulerKind) -> ServiceSpec {
    ServiceSpec {
        name: Arc::from("web"),
        scheduler,
        ..ServiceSpec::default()
    }
}

fn add(host: u8, w: u32) -> Op {
    Op::AddReal {
        service: web(),
        real: server(host),
        spec: weight(w),
    }
}

fn edit(host: u8, w: u32) -> Op {
    Op::EditReal {
        service: web(),
        real: server(host),
        spec: weight(w),
    }
}

fn delete(host: u8) -> Op {
    Op::DeleteReal {
        service: web(),
        real: server(host),
    }
}

fn drain(host: u8) -> Op {
    Op::DrainReal {
        service: web(),
        real: server(host),
    }
}

/// A ledger with one service and these servers of weight 1.
fn with_servers(hosts: &[u8]) -> Ledger {
    let mut ledger = ledger();
    ledger.apply(&add_service(web())).unwrap();
    for host in hosts {
        ledger.apply(&add(*host, 1)).unwrap();
    }
    ledger
}

fn service(ledger: &Ledger) -> &VirtualService {
    ledger.services().find(&web()).unwrap()
}

/// The list as last octets.
fn list(ledger: &Ledger) -> Vec<u8> {
    service(ledger)
        .reals
        .iter()
        .map(|id| {
            let real = ledger.services().real(*id).unwrap();
            real.key.real_ip.v4_octets()[3]
        })
        .collect()
}

fn slot(ledger: &Ledger, host: u8) -> Option<RealServer> {
    ledger
        .services()
        .reals()
        .find(|real| real.key == server(host))
        .cloned()
}

#[test]
fn servers_are_listed_newest_first() {
    assert_eq!(list(&with_servers(&[11, 12, 13])), [13, 12, 11]);
}

#[test]
fn each_refusal_names_its_object_and_changes_nothing() {
    let mut ledger = with_servers(&[11]);
    let v6 = RealKey {
        real_ip: addr("2001:db8::1"),
        rport: 80,
    };
    let family = Op::AddReal {
        service: web(),
        real: v6,
        spec: weight(1),
    };
    let cases = [
        (
            add_service(web()),
            "virtual service tcp://10.0.0.100:80 already exists",
        ),
        (
            Op::EditService {
                key: dns(),
                spec: spec(SchedulerKind::Rr),
            },
            "no virtual service udp://10.0.0.100:53",
        ),
        (
            Op::DeleteService { key: dns() },
            "no virtual service udp://10.0.0.100:53",
        ),
        (
            add(11, 2),
            "real server 10.1.0.11:80 already exists in tcp://10.0.0.100:80",
        ),
        (
            edit(12, 2),
            "no real server 10.1.0.12:80 in tcp://10.0.0.100:80",
        ),
        (
            delete(12),
            "no real server 10.1.0.12:80 in tcp://10.0.0.100:80",
        ),
        (
            drain(12),
            "no real server 10.1.0.12:80 in tcp://10.0.0.100:80",
        ),
        (
            Op::AddReal {
                service: dns(),
                real: server(11),
                spec: weight(1),
            },
            "no virtual service udp://10.0.0.100:53",
        ),
        (
            family,
            "real server [2001:db8::1]:80 and virtual service tcp://10.0.0.100:80 are of \
             different address families",
        ),
    ];
    let before = std::format!("{:?}", ledger.services());
    for (op, message) in cases {
        let error = ledger.apply(&op).unwrap_err();
        assert_eq!(std::format!("{error}"), message);
        assert_eq!(std::format!("{:?}", ledger.services()), before);
    }
}

#[test]
fn a_transaction_that_fails_in_the_middle_leaves_no_trace() {
    let mut ledger = with_servers(&[11, 12]);
    ledger.snapshot();
    let state =
        |ledger: &Ledger| std::format!("{:?} {:?}", ledger.services().services, ledger.timeouts());
    let before = state(&ledger);
    let ops = [
        Op::SetTimeouts {
            tcp_s: 1,
            tcp_fin_s: 1,
            udp_s: 1,
        },
        add_service(dns()),
        delete(11),
        edit(12, 7),
        add(13, 1),
        edit(99, 1),
    ];
    assert_eq!(
        ledger.apply_all(&ops),
        Err(OpError::RealUnknown {
            service: web(),
            real: server(99)
        })
    );
    assert_eq!(state(&ledger), before);
    assert_eq!(list(&ledger), [12, 11]);
    // And the slots and epochs go on as if it had not been.
    ledger.apply(&add(13, 1)).unwrap();
    let mut other = with_servers(&[11, 12]);
    other.snapshot();
    other.apply(&add(13, 1)).unwrap();
    assert_eq!(state(&ledger), state(&other));
}

#[test]
fn a_transaction_that_succeeds_is_the_same_as_its_parts() {
    let ops = [
        add_service(web()),
        add(11, 3),
        add(12, 2),
        edit(11, 5),
        delete(12),
    ];
    let (mut whole, mut parts) = (ledger(), ledger());
    whole.apply_all(&ops).unwrap();
    for op in &ops {
        parts.apply(op).unwrap();
    }
    assert_eq!(
        std::format!("{:?}", whole.services().services),
        std::format!("{:?}", parts.services().services)
    );
}

#[test]
fn a_snapshot_shows_what_was_there_when_it_was_made() {
    let mut ledger = with_servers(&[11]);
    let first = ledger.snapshot();
    ledger.apply(&add(12, 1)).unwrap();
    assert_eq!(first.services.find(&web()).unwrap().reals.len(), 1);
    let second = ledger.snapshot();
    assert_eq!(second.services.find(&web()).unwrap().reals.len(), 2);
    assert_eq!((first.generation, second.generation), (1, 2));
    let third = ledger.snapshot();
    assert!(
        Arc::ptr_eq(&second.services, &third.services),
        "unchanged, not copied"
    );
}

#[test]
fn timeouts_of_zero_stay_as_they_are() {
    let mut ledger = ledger();
    let set = |ledger: &mut Ledger, tcp_s, tcp_fin_s, udp_s| {
        let op = Op::SetTimeouts {
            tcp_s,
            tcp_fin_s,
            udp_s,
        };
        ledger.apply(&op).unwrap();
        let t = ledger.timeouts();
        (t.tcp_ms[TCP_ESTABLISHED], t.tcp_ms[TCP_FIN_WAIT], t.udp_ms)
    };
    assert_eq!(set(&mut ledger, 0, 0, 0), (900_000, 120_000, 300_000));
    assert_eq!(set(&mut ledger, 5, 0, 7), (5000, 120_000, 7000));
    assert_eq!(set(&mut ledger, 0, 9, u32::MAX), (5000, 9000, u32::MAX));
    assert_eq!(ledger.timeouts().tcp_ms[3], 60_000, "the others");
}

#[test]
fn addresses_and_answering_servers_are_indexed_in_the_snapshot() {
    let mut ledger = with_servers(&[11, 12]);
    ledger.apply(&drain(11)).unwrap();
    ledger.apply(&delete(12)).unwrap();
    let set = ledger.snapshot().services;
    for text in ["10.0.0.100", "10.1.0.11", "10.1.0.12"] {
        assert!(set.is_service_address(addr(text)), "{text}");
    }
    assert!(!set.is_service_address(addr("10.1.0.13")));
    for host in [11, 12] {
        assert!(set.is_real(Protocol::Tcp, server(host)));
        assert!(!set.is_real(Protocol::Udp, server(host)));
    }
    let ids: Vec<RealId> = set.reals().map(|real| real.id).collect();
    for id in ids {
        assert!(ledger.release_real(id));
    }
    let set = ledger.snapshot().services;
    assert!(!set.is_real(Protocol::Tcp, server(11)));
    assert!(!set.is_service_address(addr("10.1.0.11")));
    assert!(set.is_service_address(addr("10.0.0.100")));
}

#[test]
fn changes_are_carried_until_acknowledged() {
    let mut ledger = with_servers(&[11]);
    let epochs = |snapshot: &Snapshot| -> Vec<u64> {
        let service = snapshot.services.find(&web()).unwrap();
        service.changes.iter().map(|change| change.epoch).collect()
    };
    // Epoch 1 is the binding itself.
    let first = ledger.snapshot();
    assert_eq!(epochs(&first), [2]);
    ledger.apply(&edit(11, 2)).unwrap();
    ledger.apply(&edit(11, 3)).unwrap();
    let second = ledger.snapshot();
    assert_eq!(epochs(&second), [2, 3, 4]);
    ledger.acknowledged(first.generation);
    assert_eq!(epochs(&ledger.snapshot()), [3, 4]);
    ledger.apply(&edit(11, 4)).unwrap();
    ledger.acknowledged(second.generation);
    assert_eq!(epochs(&ledger.snapshot()), [5]);
    let last = ledger.snapshot();
    ledger.acknowledged(last.generation);
    assert_eq!(epochs(&ledger.snapshot()), []);
    ledger.acknowledged(last.generation);
    assert!(ledger.carried.is_empty(), "nothing is remembered for ever");
}

#[test]
fn a_change_says_who_left_and_who_stood_before() {
    let mut ledger = with_servers(&[11, 12, 13]);
    let ids: Vec<RealId> = service(&ledger).reals.clone();
    ledger.apply(&delete(12)).unwrap();
    ledger.apply(&delete(13)).unwrap();
    let removed: Vec<_> = service(&ledger)
        .changes
        .iter()
        .filter_map(|change| change.removed)
        .collect();
    assert_eq!(removed, vec![(ids[1], Some(ids[0])), (ids[0], None)]);
}

#[test]
fn the_start_of_a_scheduler_follows_the_kernels_marks() {
    let mut ledger = ledger();
    ledger.apply(&add_service(web())).unwrap();
    assert_eq!(service(&ledger).start.wrr, WrrMark::EMPTY);
    for (host, w, cw, mw, di) in [(11, 3, 1, 1, 3), (12, 2, 1, 3, 1), (13, 0, 1, 3, 1)] {
        ledger.apply(&add(host, w)).unwrap();
        assert_eq!(service(&ledger).start.wrr, WrrMark { cw, mw, di }, "{host}");
    }
    let start = service(&ledger).start;
    assert_eq!(start.epoch, service(&ledger).changes.last().unwrap().epoch);
}

#[test]
fn an_edit_that_names_another_scheduler_binds_anew() {
    let mut ledger = with_servers(&[11, 12]);
    ledger.apply(&edit(11, 4)).unwrap();
    let bound = service(&ledger).bound;
    let op = |scheduler| Op::EditService {
        key: web(),
        spec: spec(scheduler),
    };
    ledger.apply(&op(SchedulerKind::Wrr)).unwrap();
    assert_eq!(service(&ledger).bound, bound, "the same one");
    ledger.apply(&op(SchedulerKind::Rr)).unwrap();
    ledger.apply(&op(SchedulerKind::Wrr)).unwrap();
    let service = service(&ledger);
    assert!(service.bound > bound);
    assert_eq!(
        service.start.wrr,
        WrrMark {
            cw: 4,
            mw: 4,
            di: 1
        }
    );
    assert!(service.changes.is_empty());
}

// SPDX-License-Identifier: Apache-2.0
//! Random operations against what must always hold.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn key() -> impl Strategy<Value = ServiceKey> {
    prop_oneof![Just(web()), Just(dns())]
}

fn op() -> impl Strategy<Value = Op> {
    let real = (11..15u8).prop_map(server);
    let spec_of = (0..5u32).prop_map(weight);
    let scheduler = prop::sample::select(&SchedulerKind::ALL[..]);
    prop_oneof![
        1 => key().prop_map(add_service),
        1 => (key(), scheduler).prop_map(|(key, s)| Op::EditService { key, spec: spec(s) }),
        1 => key().prop_map(|key| Op::DeleteService { key }),
        5 => (key(), real.clone(), spec_of.clone())
            .prop_map(|(service, real, spec)| Op::AddReal { service, real, spec }),
        3 => (key(), real.clone(), spec_of)
            .prop_map(|(service, real, spec)| Op::EditReal { service, real, spec }),
        2 => (key(), real.clone()).prop_map(|(service, real)| Op::DeleteReal { service, real }),
        2 => (key(), real).prop_map(|(service, real)| Op::DrainReal { service, real }),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Change(Vec<Op>),
    Release(u32),
    Publish,
    Acknowledge(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(op(), 1..4).prop_map(Step::Change),
        2 => (0..8u32).prop_map(Step::Release),
        2 => Just(Step::Publish),
        1 => (0..20u64).prop_map(Step::Acknowledge),
    ]
}

/// What holds between any two changes.
fn check(ledger: &Ledger) {
    let set = ledger.services();
    for service in set.services() {
        assert_eq!(
            set.find(&service.key).is_some_and(|s| s.id == service.id),
            !service.deleted
        );
        let mut listed = service.reals.clone();
        listed.sort_unstable();
        listed.dedup();
        assert_eq!(listed.len(), service.reals.len(), "nobody is listed twice");
        for real in set.reals().filter(|real| real.service == service.id) {
            let is_listed = service.reals.contains(&real.id);
            assert_eq!(is_listed, real.state != RealState::Deleted, "{real:?}");
            if real.state == RealState::Draining {
                assert_eq!(real.spec.weight, Weight::QUIESCED);
            }
        }
        let epochs: Vec<u64> = service.changes.iter().map(|c| c.epoch).collect();
        assert!(epochs.is_sorted_by(|a, b| a < b), "{epochs:?}");
        assert!(service.start.epoch >= service.bound);
        let mark = service.start.wrr;
        assert!(
            mark.cw <= mark.mw || mark.mw == 0 && mark.cw == 0,
            "{mark:?}"
        );
        assert!(mark.di >= 1);
    }
    for real in set.reals() {
        assert!(
            set.service(real.service).is_some(),
            "no server without a service"
        );
        let found = ledger.find_real(real.service, real.key);
        assert_eq!(found.map(|found| found.id), Some(real.id));
    }
    check_weights(ledger);
}

/// What is noted of a list's weights is what a look at it says.
fn check_weights(ledger: &Ledger) {
    for service in ledger.services().services() {
        let Some(noted) = ledger.register.weights(service.id) else {
            continue;
        };
        let list = service.reals.iter();
        let weights = list.map(|id| ledger.services().real(*id).unwrap().spec.weight.get());
        let looked = weights.fold((0, 0), |(max, divisor), w| (w.max(max), gcd(w, divisor)));
        assert!(service.deleted || noted == looked, "{noted:?} {looked:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(300)
    })]

    #[test]
    fn lists_slots_and_epochs_agree_after_any_operations(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut ledger = ledger();
        // Highest epoch of each service slot, and tenants of each server slot by generation.
        let mut highest: BTreeMap<ServiceId, u64> = BTreeMap::new();
        let mut tenants: BTreeMap<(RealId, u32), (ServiceId, RealKey)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Change(ops) => {
                    let before = std::format!("{:?}", ledger.services().services);
                    if ledger.apply_all(&ops).is_err() {
                        prop_assert_eq!(std::format!("{:?}", ledger.services().services), before);
                    }
                }
                Step::Release(id) => drop(ledger.release_real(RealId(id))),
                Step::Publish => drop(ledger.snapshot()),
                Step::Acknowledge(generation) => {
                    ledger.acknowledged(generation.min(ledger.generation));
                }
            }
            check(&ledger);
            for service in ledger.services().services() {
                let epoch = highest.entry(service.id).or_insert(0);
                prop_assert!(service.start.epoch >= *epoch, "epochs never go back");
                *epoch = service.start.epoch;
            }
            for real in ledger.services().reals() {
                let tenant = (real.service, real.key);
                let known = tenants.entry((real.id, real.generation)).or_insert(tenant);
                prop_assert_eq!(*known, tenant, "a slot changes hands with its generation only");
            }
        }
    }

    #[test]
    fn an_add_undone_leaves_the_list_as_it_was(
        hosts in prop::sample::subsequence(vec![11u8, 12, 13, 14], 0..4),
    ) {
        let mut ledger = with_servers(&hosts);
        let before = list(&ledger);
        ledger.apply(&add(99, 3)).unwrap();
        ledger.apply(&delete(99)).unwrap();
        let id = slot(&ledger, 99).unwrap().id;
        ledger.release_real(id);
        prop_assert_eq!(list(&ledger), before);
        prop_assert_eq!(ledger.services().reals().count(), hosts.len());
    }
}

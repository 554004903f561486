// SPDX-License-Identifier: Apache-2.0
use core::net::Ipv4Addr;
use std::string::ToString;

use proptest::prelude::*;

use super::*;

fn pools() -> LocalPools {
    LocalPools::new(Hasher::with_seeds(1, 2, 3, 4))
}

fn host(number: u16) -> Addr {
    Ipv4Addr::from(0x0a01_0000 + u32::from(number)).into()
}

fn pool(name: &str, numbers: &[u16]) -> PoolSpec {
    PoolSpec {
        name: Arc::from(name),
        used_for: LocalUse::Clients,
        addresses: numbers.iter().map(|number| host(*number)).collect(),
    }
}

#[test]
fn a_pool_has_its_addresses_by_family() {
    let mut pools = pools();
    let mut mixed = pool("front", &[1, 2]);
    mixed.addresses.push("2001:db8::1".parse().unwrap());
    pools.replace(&[mixed], &[]).unwrap();
    let front = pools.pool("front").unwrap();
    let addresses = |is_v4| {
        let of_family = front.of_family(is_v4).iter();
        of_family.map(|local| local.addr).collect::<Vec<_>>()
    };
    assert_eq!(addresses(true), [host(1), host(2)]);
    assert_eq!(addresses(false), ["2001:db8::1".parse().unwrap()]);
    assert_eq!(pools.pool("back"), None);
}

#[test]
fn a_removed_address_keeps_its_slot_until_it_is_released() {
    let mut pools = pools();
    pools.replace(&[pool("p", &[1, 2])], &[]).unwrap();
    let second = pools.find(host(2)).unwrap().id;
    pools.replace(&[pool("p", &[2, 3])], &[]).unwrap();
    let removed = *pools.find(host(1)).unwrap();
    assert!(!removed.live);
    assert_eq!(pools.find(host(2)).unwrap().id, second);
    assert!(!pools.release(second), "it is in use");
    assert_ne!(pools.find(host(3)).unwrap().id, removed.id);
    assert!(pools.release(removed.id));
    assert_eq!(pools.find(host(1)), None);
    pools.replace(&[pool("p", &[2, 3, 4])], &[]).unwrap();
    assert_eq!(pools.find(host(4)).unwrap().id, removed.id, "used again");
}

#[test]
fn an_address_that_returns_before_its_release_is_the_same() {
    let mut pools = pools();
    pools.replace(&[pool("p", &[1, 2])], &[]).unwrap();
    let id = pools.find(host(1)).unwrap().id;
    pools.replace(&[pool("p", &[2])], &[]).unwrap();
    pools
        .replace(&[pool("q", &[1]), pool("p", &[2])], &[])
        .unwrap();
    assert_eq!(pools.find(host(1)).unwrap().id, id);
    assert!(pools.find(host(1)).unwrap().live);
}

#[test]
fn too_many_are_refused_and_nothing_changes() {
    let mut pools = pools();
    let numbers: Vec<u16> = (0..1024).collect();
    pools.replace(&[pool("p", &numbers)], &[]).unwrap();
    let error = pools.replace(&[pool("p", &[5000])], &[]).unwrap_err();
    assert_eq!(error, LocalError::TooMany);
    assert!(error.to_string().contains("1024"));
    assert!(pools.addresses().all(|local| local.live));
    assert_eq!(pools.pool("p").unwrap().of_family(true).len(), 1024);
    assert_eq!(pools.find(host(5000)), None);
    let rule = SnatRule {
        name: Arc::from("r"),
        sources: Vec::new(),
        destinations: Vec::new(),
        egress: None,
        pool: Arc::from("p"),
    };
    let rules: Vec<SnatRule> = (0..=SNAT_RULES_MAX).map(|_| rule.clone()).collect();
    assert_eq!(pools.replace(&[], &rules), Err(LocalError::TooManyRules));
    assert_eq!(pools.addresses().count(), 1024);
}

#[test]
fn a_rule_covers_what_both_its_lists_do() {
    let prefix = |text: &str| text.parse::<Prefix>().unwrap();
    let addr = |text: &str| text.parse::<Addr>().unwrap();
    let mut rule = SnatRule {
        name: Arc::from("farm"),
        sources: [prefix("10.1.0.0/24"), prefix("2001:db8:1::/64")].to_vec(),
        destinations: Vec::new(),
        egress: None,
        pool: Arc::from("p"),
    };
    assert!(rule.covers(addr("10.1.0.7"), addr("8.8.8.8")));
    assert!(rule.covers(addr("2001:db8:1::7"), addr("2001:db8::8")));
    assert!(!rule.covers(addr("10.1.1.7"), addr("8.8.8.8")));
    rule.destinations.push(prefix("8.0.0.0/8"));
    assert!(rule.covers(addr("10.1.0.7"), addr("8.8.8.8")));
    assert!(!rule.covers(addr("10.1.0.7"), addr("9.8.8.8")));
}

proptest! {
    #[test]
    fn slots_are_stable_and_distinct(
        steps in proptest::collection::vec(proptest::collection::btree_set(0u16..12, 0..8), 1..12),
    ) {
        let mut pools = pools();
        let mut known: std::collections::BTreeMap<u16, LocalId> = std::collections::BTreeMap::new();
        for members in steps {
            let numbers: Vec<u16> = members.iter().copied().collect();
            pools.replace(&[pool("p", &numbers)], &[]).unwrap();
            for number in &numbers {
                let id = pools.find(host(*number)).unwrap().id;
                prop_assert_eq!(*known.entry(*number).or_insert(id), id);
            }
            let mut ids: Vec<LocalId> = known.values().copied().collect();
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(ids.len(), known.len());
            // One of the removed addresses has lost its last flow.
            let gone = known.keys().find(|number| !members.contains(number)).copied();
            if let Some(gone) = gone {
                prop_assert!(pools.release(known[&gone]));
                known.remove(&gone);
            }
            prop_assert_eq!(pools.addresses().count(), known.len());
        }
    }
}

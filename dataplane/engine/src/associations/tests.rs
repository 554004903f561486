// SPDX-License-Identifier: Apache-2.0
use super::*;

fn key(tag: u32) -> AssociationKey {
    AssociationKey {
        near_port: 132,
        cport: 5000,
        tag,
    }
}

const fn served(real: u32) -> Served {
    Served {
        real: RealId(real),
        generation: 1,
    }
}

fn with_room() -> Associations {
    let mut associations = Associations::new(Hasher::with_seeds(1, 2, 3, 4));
    associations.make_room();
    associations
}

#[test]
fn nothing_is_remembered_without_room() {
    let mut associations = Associations::new(Hasher::with_seeds(1, 2, 3, 4));
    associations.learn(key(1), served(1));
    assert!(associations.is_empty());
    assert_eq!(associations.find(&key(1)), None);
    associations.make_room();
    associations.learn(key(1), served(1));
    assert_eq!(associations.find(&key(1)), Some(served(1)));
}

#[test]
fn every_part_of_the_key_counts() {
    let mut associations = with_room();
    associations.learn(key(1), served(1));
    let others = [
        key(2),
        AssociationKey {
            near_port: 133,
            ..key(1)
        },
        AssociationKey {
            cport: 5001,
            ..key(1)
        },
    ];
    for other in others {
        assert_eq!(associations.find(&other), None, "{other:?}");
    }
}

#[test]
fn learning_again_takes_the_new_server_and_no_further_room() {
    let mut associations = with_room();
    for round in 0..10 {
        associations.learn(key(1), served(round));
        assert_eq!(associations.find(&key(1)), Some(served(round)));
        assert_eq!(associations.len(), 1);
    }
}

#[test]
fn the_oldest_makes_way_and_memory_stays_what_it_was() {
    let mut associations = with_room();
    let memory = |associations: &Associations| {
        (
            associations.order.capacity(),
            associations.servers.allocation_size(),
        )
    };
    let before = memory(&associations);
    let max = u32::try_from(ASSOCIATIONS_MAX).unwrap();
    for tag in 1..=3 * max {
        associations.learn(key(tag), served(tag));
    }
    assert_eq!(associations.len(), ASSOCIATIONS_MAX);
    assert_eq!(associations.find(&key(2 * max)), None);
    assert_eq!(
        associations.find(&key(2 * max + 1)),
        Some(served(2 * max + 1))
    );
    assert_eq!(associations.find(&key(3 * max)), Some(served(3 * max)));
    assert_eq!(memory(&associations), before);
}

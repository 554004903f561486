// SPDX-License-Identifier: Apache-2.0

use super::*;

#[test]
fn a_worker_carries_its_counters_beside_its_own_fields() {
    let worker = Worker {
        id: 1,
        cpu: 3,
        flows_orphaned: 0,
        flows_max: 10,
        counters: [("rx".to_owned(), 7)].into(),
    };
    let text = serde_json::to_string(&worker).unwrap();
    assert_eq!(
        text,
        r#"{"id":1,"cpu":3,"flows_orphaned":0,"flows_max":10,"rx":7}"#
    );
    assert_eq!(serde_json::from_str::<Worker>(&text).unwrap(), worker);
}

#[test]
fn a_service_is_flat_but_for_its_servers() {
    let service = Service {
        name: "web".to_owned(),
        listen: "tcp://192.0.2.1:80".to_owned(),
        protocol: "tcp".to_owned(),
        address: "192.0.2.1".to_owned(),
        port: 80,
        scheduler: "wrr".to_owned(),
        forward: "nat".to_owned(),
        flows: 2,
        traffic: Traffic {
            connections: 5,
            ..Traffic::default()
        },
        load: Load {
            active: 1,
            inactive: 1,
        },
        servers: Vec::new(),
    };
    let value = serde_json::to_value(&service).unwrap();
    assert_eq!(value["connections"], 5);
    assert_eq!(value["active"], 1);
    assert_eq!(serde_json::from_value::<Service>(value).unwrap(), service);
}

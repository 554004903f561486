// SPDX-License-Identifier: Apache-2.0
//! What `penstock show workers|services|drops --json` says, as Rust values.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::{LabError, LabResult};

/// `show workers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workers {
    /// One per worker.
    pub workers: Vec<Worker>,
    /// Packet buffers in use anywhere.
    pub mbufs_in_use: u64,
}

/// One worker's counters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Worker {
    /// `id`.
    pub id: u64,
    /// Every number of the object by its key, `id` and `cpu` included.
    pub counters: BTreeMap<String, u64>,
}

/// One service of `show services`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `name`.
    pub name: String,
    /// Every number of the object by its key.
    pub counters: BTreeMap<String, u64>,
    /// Its real servers, in the order shown.
    pub servers: Vec<Server>,
}

/// One real server of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `address` and `port` of the object, joined by a colon.
    pub address: String,
    /// `state`.
    pub state: String,
    /// Every number of the object by its key.
    pub counters: BTreeMap<String, u64>,
}

/// Drops by worker and reason.
pub type Drops = BTreeMap<(u64, String), u64>;

/// Reads `show workers`.
pub(super) fn workers(value: &Value) -> LabResult<Workers> {
    let read = |item: &Value| {
        let counters = numbers(item);
        Ok(Worker {
            id: need(&counters, "id", item)?,
            counters,
        })
    };
    Ok(Workers {
        workers: list(value, "workers")?
            .iter()
            .map(read)
            .collect::<LabResult<_>>()?,
        mbufs_in_use: need(&numbers(value), "mbufs_in_use", value)?,
    })
}

/// Reads `show services`.
pub(super) fn services(value: &Value) -> LabResult<Vec<Service>> {
    let server = |item: &Value| {
        let (address, port) = (text(item, "address")?, need(&numbers(item), "port", item)?);
        let state = text(item, "state").unwrap_or_default();
        Ok(Server {
            address: format!("{address}:{port}"),
            state,
            counters: numbers(item),
        })
    };
    let service = |item: &Value| {
        let servers = list(item, "servers")?
            .iter()
            .map(server)
            .collect::<LabResult<_>>()?;
        Ok(Service {
            name: text(item, "name")?,
            counters: numbers(item),
            servers,
        })
    };
    list(value, "services")?.iter().map(service).collect()
}

/// Reads `show drops`.
pub(super) fn drops(value: &Value) -> LabResult<Drops> {
    let mut drops = Drops::new();
    for item in list(value, "drops")? {
        let counters = numbers(item);
        let key = (need(&counters, "worker", item)?, text(item, "reason")?);
        *drops.entry(key).or_default() += need(&counters, "count", item)?;
    }
    Ok(drops)
}

fn numbers(value: &Value) -> BTreeMap<String, u64> {
    let members = value.as_object().into_iter().flatten();
    members
        .filter_map(|(key, value)| Some((key.clone(), value.as_u64()?)))
        .collect()
}

fn need(counters: &BTreeMap<String, u64>, key: &str, value: &Value) -> LabResult<u64> {
    let found = counters.get(key).copied();
    found.ok_or_else(|| missing(key, value))
}

fn list<'a>(value: &'a Value, key: &str) -> LabResult<&'a Vec<Value>> {
    value
        .get(key)
        .and_then(Value::as_array)
        .ok_or_else(|| missing(key, value))
}

fn text(value: &Value, key: &str) -> LabResult<String> {
    let found = value.get(key).and_then(Value::as_str).map(str::to_owned);
    found.ok_or_else(|| missing(key, value))
}

fn missing(key: &str, value: &Value) -> LabError {
    LabError::output(
        "penstock show --json",
        format!("no `{key}`"),
        &value.to_string(),
    )
}

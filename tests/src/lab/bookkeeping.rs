// SPDX-License-Identifier: Apache-2.0
//! Does the director account for everything? The identities that hold whenever it is at rest.
//!
//! - For each worker, `rx + injected + redirected_in + generated` is `tx` + drops by reason +
//!   `punted + redirected_out + held + absorbed`: no packet comes from nowhere or goes there.
//! - For all workers, `flows` is the sum over the services + `flows_orphaned`.
//! - `mbufs_in_use` is back where it was: no packet buffer is lost or freed twice.

use std::time::Duration;

use serde_json::Value;

use super::director::Director;
use super::error::{LabError, LabResult, ensure_equal};
use super::stats::{self, Drops, Service, Worker, Workers};
use super::wait::{Look, wait_for};

/// What the director says of itself at one time.
#[derive(Debug, Clone)]
pub struct Bookkeeping {
    /// `show workers`.
    pub workers: Workers,
    /// `show services`.
    pub services: Vec<Service>,
    /// `show drops`.
    pub drops: Drops,
}

impl Bookkeeping {
    /// From the three JSON documents.
    pub fn new(workers: &Value, services: &Value, drops: &Value) -> LabResult<Self> {
        Ok(Self {
            workers: stats::workers(workers)?,
            services: stats::services(services)?,
            drops: stats::drops(drops)?,
        })
    }

    /// Asks a director.
    pub fn read(director: &Director) -> LabResult<Self> {
        Self::new(
            &director.show("workers")?,
            &director.show("services")?,
            &director.show("drops")?,
        )
    }

    /// The books once two looks in a row see no packet and no buffer more or less, and every worker
    /// has polled in between: what Linux sends when the twins come up is through then.
    pub fn at_rest(director: &Director) -> LabResult<Self> {
        let mut before: Option<Self> = None;
        wait_for("a director at rest", SETTLE_BOUND, || {
            let now = Self::read(director)?;
            let still = |then: &Self| -> LabResult<bool> {
                let same = then.workers.mbufs_in_use == now.workers.mbufs_in_use
                    && then.total("rx")? == now.total("rx")?;
                // One round may have been under way at the first look.
                let polled = then
                    .polls()
                    .zip(now.polls())
                    .all(|(then, now)| then + 1 < now);
                Ok(same && polled && now.check().is_ok())
            };
            if before.as_ref().map_or(Ok(false), still)? {
                return Ok(Look::Ready(now));
            }
            let seen = format!("{:?}", now.workers);
            before = Some(now);
            Ok(Look::NotYet(seen))
        })
    }

    fn polls(&self) -> impl Iterator<Item = u64> {
        let workers = self.workers.workers.iter();
        let polls = workers.map(|worker| worker.counters.get("polls").copied());
        polls.map(Option::unwrap_or_default)
    }

    /// Waits until a director's identities hold and its mbufs are back at what `start` says;
    /// traffic must have ended. A stray packet between two questions is forgiven, a lasting
    /// difference not.
    pub fn settle(director: &Director, start: &Self) -> LabResult<Self> {
        wait_for("the director's books to balance", SETTLE_BOUND, || {
            let now = Self::read(director)?;
            let balanced = now.check().and_then(|()| {
                let what = "mbufs in use, against the start";
                ensure_equal(what, &now.workers.mbufs_in_use, &start.workers.mbufs_in_use)
            });
            Ok(match balanced {
                Ok(()) => Look::Ready(now),
                Err(error) => Look::NotYet(error.to_string()),
            })
        })
    }

    /// Fails with every identity that does not hold.
    pub fn check(&self) -> LabResult<()> {
        let mut wrong = Vec::new();
        for worker in &self.workers.workers {
            let into = sum(worker, &INTO)?;
            let dropped = self.dropped(worker.id);
            let out = sum(worker, &OUT)? + dropped;
            if into != out {
                let difference = i128::from(into) - i128::from(out);
                wrong.push(format!(
                    "worker {}: in - out = {difference}: {worker:?}",
                    worker.id
                ));
            }
            if let Some(total) = worker
                .counters
                .get("dropped")
                .filter(|total| **total != dropped)
            {
                wrong.push(format!(
                    "worker {}: dropped {total}, but {dropped} by reason",
                    worker.id
                ));
            }
        }
        let flows = self.total("flows")?;
        let orphans = self.total("flows_orphaned")?;
        let of_services = self
            .services
            .iter()
            .filter_map(|service| service.counters.get("flows"));
        let of_services: u64 = of_services.sum();
        if flows != of_services + orphans {
            wrong.push(format!(
                "flows {flows}, but {of_services} of services + {orphans} orphans"
            ));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        wrong.push(format!("drops: {:?}", self.drops));
        Err(LabError::check(
            "the books do not balance",
            wrong.join("\n"),
        ))
    }

    /// A counter summed over the workers.
    pub fn total(&self, key: &str) -> LabResult<u64> {
        self.workers
            .workers
            .iter()
            .map(|worker| counter(worker, key))
            .sum()
    }

    /// Drops for one reason, over all workers.
    #[must_use]
    pub fn drops_for(&self, reason: &str) -> u64 {
        self.drops
            .iter()
            .filter(|((_, why), _)| why == reason)
            .map(|(_, count)| count)
            .sum()
    }

    /// A service by its name.
    pub fn service(&self, name: &str) -> LabResult<&Service> {
        let found = self.services.iter().find(|service| service.name == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.services.iter().map(|s| s.name.as_str()).collect();
            LabError::check(format!("no service {name}"), names.join(", "))
        })
    }

    fn dropped(&self, worker: u64) -> u64 {
        self.drops
            .iter()
            .filter(|((id, _), _)| *id == worker)
            .map(|(_, count)| count)
            .sum()
    }
}

fn sum(worker: &Worker, keys: &[&str]) -> LabResult<u64> {
    keys.iter().map(|key| counter(worker, key)).sum()
}

fn counter(worker: &Worker, key: &str) -> LabResult<u64> {
    let value = worker.counters.get(key).copied();
    value.ok_or_else(|| LabError::check(format!("no `{key}`"), format!("{worker:?}")))
}

/// Where a worker's packets come from.
const INTO: [&str; 4] = ["rx", "injected", "redirected_in", "generated"];
/// Where they go, drops apart.
const OUT: [&str; 5] = ["tx", "punted", "redirected_out", "held", "absorbed"];
/// Held packets wait for a neighbour for a second or so.
const SETTLE_BOUND: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn books(rx: u64, flows: u64, dropped: u64) -> Bookkeeping {
        let workers = json!({"workers": [{
            "id": 0, "cpu": 1, "rx": rx, "injected": 2, "redirected_in": 0, "generated": 1,
            "tx": 90, "dropped": dropped, "punted": 5, "redirected_out": 0, "held": 1,
            "absorbed": 2, "flows": flows, "flows_orphaned": 1, "polls": 7, "polls_idle": 6,
            "sleeps": 5
        }], "mbufs_in_use": 3, "mbufs_total": 100});
        let services = json!({"services": [{
            "name": "web", "protocol": "tcp", "address": "10.10.0.100", "port": 80, "flows": 4,
            "servers": [{"address": "10.20.0.11", "port": 8080, "state": "active", "weight": 3}]
        }]});
        let drops = json!({"drops": [
            {"worker": 0, "reason": "no_service", "count": 4},
            {"worker": 0, "reason": "table_full", "count": 1},
            {"worker": 1, "reason": "no_service", "count": 9}
        ]});
        Bookkeeping::new(&workers, &services, &drops).unwrap()
    }

    #[test]
    fn balanced_books_pass() {
        let books = books(100, 5, 5);
        books.check().unwrap();
        assert_eq!(books.drops_for("no_service"), 13);
        assert_eq!(
            books.service("web").unwrap().servers[0].address,
            "10.20.0.11:8080"
        );
    }

    #[test]
    fn a_lost_packet_a_lost_flow_and_a_drop_without_reason_are_found() {
        for (rx, flows, dropped, word) in [
            (101, 5, 5, "in - out = 1"),
            (100, 6, 5, "flows 6"),
            (100, 5, 6, "dropped 6"),
        ] {
            let error = books(rx, flows, dropped).check().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_missing_counter_is_an_error() {
        let none = json!({"workers": [{"id": 0}], "mbufs_in_use": 0});
        let empty = Bookkeeping::new(&none, &json!({"services": []}), &json!({"drops": []}));
        assert!(empty.unwrap().check().is_err());
        assert!(Bookkeeping::new(&json!({}), &json!({}), &json!({})).is_err());
    }
}

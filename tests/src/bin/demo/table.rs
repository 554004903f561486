// SPDX-License-Identifier: Apache-2.0
//! The director's figures as a person wants them.

use std::collections::BTreeMap;

use penstock_tests::lab::{Bookkeeping, LabResult};

/// A row per real server of each service.
pub(crate) fn services(books: &Bookkeeping) -> String {
    let mut rows = vec![HEAD.map(str::to_owned).to_vec()];
    for service in &books.services {
        let total: u64 = service
            .servers
            .iter()
            .map(|s| value(&s.counters, "connections"))
            .sum();
        for server in &service.servers {
            let both = |what: &str| {
                let sum = value(&server.counters, &format!("{what}_in"))
                    + value(&server.counters, &format!("{what}_out"));
                sum.to_string()
            };
            let connections = value(&server.counters, "connections");
            let permille = (connections * 1000).checked_div(total).unwrap_or_default();
            rows.push(vec![
                service.name.clone(),
                server.address.clone(),
                value(&server.counters, "weight").to_string(),
                connections.to_string(),
                both("packets"),
                both("bytes"),
                format!("{}.{} %", permille / 10, permille % 10),
            ]);
        }
    }
    aligned(&rows)
}

/// How the workers spent their time.
pub(crate) fn workers(books: &Bookkeeping) -> LabResult<String> {
    let mut text = String::new();
    for worker in &books.workers.workers {
        let of = |key: &str| value(&worker.counters, key);
        let (polls, idle) = (of("polls"), of("polls_idle"));
        let percent = (idle * 100).checked_div(polls).unwrap_or_default();
        text.push_str(&format!(
            "worker {} on core {}: {polls} polls, {percent} % idle, {} sleeps; {} packets in, \
             {} out, {} dropped\n",
            worker.id,
            of("cpu"),
            of("sleeps"),
            of("rx"),
            of("tx"),
            of("dropped")
        ));
    }
    let (flows, orphans) = (books.total("flows")?, books.total("flows_orphaned")?);
    text.push_str(&format!(
        "{flows} flows remembered, {orphans} of services deleted since\n"
    ));
    Ok(text)
}

/// Words to the left, figures to the right, each column as wide as its widest.
fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = width(column).unwrap_or_default();
            let cell = if column < WORDS {
                format!("{cell:<width$}  ")
            } else {
                format!("{cell:>width$}  ")
            };
            line.push_str(&cell);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn value(counters: &BTreeMap<String, u64>, key: &str) -> u64 {
    counters.get(key).copied().unwrap_or_default()
}

const HEAD: [&str; 7] = [
    "service",
    "server",
    "weight",
    "connections",
    "packets",
    "bytes",
    "share",
];
/// Columns that hold words: they come first.
const WORDS: usize = 2;

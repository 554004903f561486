// SPDX-License-Identifier: Apache-2.0
//! The web servers' own account of who asked them what: shares in connections and in requests, and
//! the clients' addresses as the servers saw them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::error::{LabError, LabResult};

/// One request in an access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The client as the server saw it.
    pub client: SocketAddr,
    /// The address the request arrived at: the server's own with NAT, the VIP with DR.
    pub server: SocketAddr,
    /// nginx's serial number of the connection.
    pub connection: u64,
    /// The number of the request on its connection, from 1.
    pub request: u64,
    /// The HTTP status answered.
    pub status: u16,
}

/// A reader that remembers how far it has read.
#[derive(Debug)]
pub struct AccessLog {
    path: PathBuf,
    offset: u64,
    /// The beginning of a line whose end is not yet written.
    partial: String,
    /// Connections counted by an earlier `take`: what they go on to do is no new connection.
    seen: BTreeSet<u64>,
}

impl AccessLog {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            offset: 0,
            partial: String::new(),
            seen: BTreeSet::new(),
        }
    }

    /// The requests logged since the last call.
    pub fn take(&mut self) -> LabResult<Vec<Entry>> {
        let path = &self.path;
        let mut text = std::mem::take(&mut self.partial);
        match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => {
                let failed = |source| LabError::path("read", path, source);
                let mut file = opened.map_err(failed)?;
                file.seek(SeekFrom::Start(self.offset)).map_err(failed)?;
                let count = file.read_to_string(&mut text).map_err(failed)?;
                self.offset += u64::try_from(count).unwrap_or(u64::MAX);
            }
        }
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.partial = text.split_off(whole);
        text.lines().map(parse).collect()
    }

    /// Connections among `entries` that no earlier call has counted.
    pub fn new_connections(&mut self, entries: &[Entry]) -> u64 {
        let fresh = entries
            .iter()
            .filter(|entry| self.seen.insert(entry.connection));
        fresh.map(|_| 1).sum()
    }
}

/// What each of several servers has served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shares {
    /// By the server's name.
    pub servers: BTreeMap<String, Served>,
}

/// What one server has served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Served {
    /// Connections that brought at least one request.
    pub connections: u64,
    /// Requests.
    pub requests: u64,
    /// Requests answered with anything but 200.
    pub not_ok: u64,
    /// The clients' addresses.
    pub clients: BTreeSet<IpAddr>,
    /// The addresses the requests arrived at.
    pub addresses: BTreeSet<IpAddr>,
}

impl Shares {
    pub(super) fn add(&mut self, server: &str, connections: u64, entries: &[Entry]) {
        let served = self.servers.entry(server.to_owned()).or_default();
        served.connections += connections;
        for entry in entries {
            served.requests += 1;
            served.not_ok += u64::from(entry.status != 200);
            served.clients.insert(entry.client.ip());
            served.addresses.insert(entry.server.ip());
        }
    }

    /// Requests of all servers.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.servers.values().map(|served| served.requests).sum()
    }

    /// Connections of all servers.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.servers.values().map(|served| served.connections).sum()
    }

    /// The clients that any server saw.
    #[must_use]
    pub fn clients(&self) -> BTreeSet<IpAddr> {
        self.servers
            .values()
            .flat_map(|served| served.clients.iter().copied())
            .collect()
    }

    /// Fails unless each server's connections are its weight's part of all, give or take
    /// `tolerance` connections. Servers are named with their weights; others must have served none.
    pub fn check_connections(&self, weights: &[(&str, u64)], tolerance: f64) -> LabResult<()> {
        let total = self.connections();
        let weight_sum: u64 = weights.iter().map(|(_, weight)| weight).sum();
        let weight_of = |name: &str| {
            weights
                .iter()
                .find(|(of, _)| *of == name)
                .map_or(0, |w| w.1)
        };
        let right = |name: &str, served: &Served| {
            let wanted = to_f64(total) * to_f64(weight_of(name)) / to_f64(weight_sum.max(1));
            (to_f64(served.connections) - wanted).abs() <= tolerance
        };
        let named = weights
            .iter()
            .all(|(name, _)| self.servers.contains_key(*name));
        if total > 0
            && named
            && self
                .servers
                .iter()
                .all(|(name, served)| right(name, served))
        {
            return Ok(());
        }
        let counts: Vec<String> = self
            .servers
            .iter()
            .map(|(name, served)| format!("{name} {}", served.connections))
            .collect();
        Err(LabError::check(
            format!("connections are not shared as {weights:?} within {tolerance}"),
            format!("  of {total}: {}", counts.join(", ")),
        ))
    }
}

/// Counts of the lab are far below 2^52.
fn to_f64(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

fn parse(line: &str) -> LabResult<Entry> {
    let words: Vec<&str> = line.split(' ').collect();
    let read = || -> Option<Entry> {
        let [
            client,
            client_port,
            server,
            server_port,
            connection,
            request,
            status,
        ] = words.as_slice()
        else {
            return None;
        };
        let address =
            |ip: &str, port: &str| Some(SocketAddr::new(ip.parse().ok()?, port.parse().ok()?));
        Some(Entry {
            client: address(client, client_port)?,
            server: address(server, server_port)?,
            connection: connection.parse().ok()?,
            request: request.parse().ok()?,
            status: status.parse().ok()?,
        })
    };
    read().ok_or_else(|| LabError::output("nginx", "not a line of the lab's log format", line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(lines: &str) -> Vec<Entry> {
        lines.lines().map(|line| parse(line).unwrap()).collect()
    }

    #[test]
    fn shares_count_connections_and_requests_apart() {
        let entries = log("10.10.0.2 4000 10.20.0.11 8080 1 1 200\n\
             10.10.0.2 4000 10.20.0.11 8080 1 2 200\n\
             2001:db8:10::2 4001 2001:db8:20::11 8080 2 1 404");
        let mut reader = AccessLog::new(PathBuf::new());
        let connections = reader.new_connections(&entries);
        let mut shares = Shares::default();
        shares.add("r1", connections, &entries);
        let served = &shares.servers["r1"];
        assert_eq!(
            (served.connections, served.requests, served.not_ok),
            (2, 3, 1)
        );
        assert_eq!(served.clients.len(), 2);
        assert_eq!(
            reader.new_connections(&entries),
            0,
            "the same connections later"
        );
    }

    #[test]
    fn a_share_off_by_more_than_the_tolerance_fails() {
        let mut shares = Shares::default();
        for (server, connections) in [("r1", 31), ("r2", 20), ("r3", 9)] {
            shares.add(server, connections, &[]);
        }
        let weights = [("r1", 3), ("r2", 2), ("r3", 1)];
        assert!(shares.check_connections(&weights, 1.0).is_ok());
        assert!(shares.check_connections(&weights, 0.5).is_err());
        assert!(
            shares.check_connections(&weights[..2], 1.0).is_err(),
            "a server with no weight"
        );
        assert!(
            Shares::default().check_connections(&weights, 1.0).is_err(),
            "nothing served"
        );
    }

    #[test]
    fn a_foreign_line_is_an_error() {
        assert!(parse("10.10.0.2 - - GET").is_err());
    }
}

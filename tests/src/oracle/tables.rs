// SPDX-License-Identifier: Apache-2.0
//! The tables as `ipvsadm` shows them: what a case records and what the engine has to say.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use super::read::{At, CaseError};

/// Connections, packets in and out, bytes in and out: `ipvsadm -Ln --stats`.
pub type StatsRow = [u64; 5];

/// A virtual service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRow {
    /// `TCP 10.0.0.100:80`, `FWM 5`.
    pub service: String,
    /// What is printed after it: scheduler, flags, persistence.
    pub scheduler: String,
    /// Its real servers.
    pub reals: Vec<RealRow>,
    /// Its traffic.
    pub stats: Option<StatsRow>,
}

/// A real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealRow {
    /// Address and port.
    pub real: String,
    /// `Masq`, `Route`, `Tunnel`, `Local`.
    pub forward: String,
    /// Its weight.
    pub weight: u64,
    /// ActiveConn.
    pub active: u64,
    /// InActConn.
    pub inactive: u64,
    /// Its traffic.
    pub stats: Option<StatsRow>,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRow {
    /// `TCP`, `UDP`.
    pub protocol: String,
    /// Seconds left.
    pub expire: u64,
    /// The state's name.
    pub state: String,
    /// Address and port.
    pub client: String,
    /// Address and port.
    pub virtual_service: String,
    /// Address and port.
    pub real: String,
}

impl ConnectionRow {
    /// What tells two connections apart.
    #[must_use]
    pub fn key(&self) -> [&str; 3] {
        [&self.protocol, &self.client, &self.virtual_service]
    }

    /// As a case writes it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "proto": self.protocol,
            "expire": self.expire,
            "state": self.state,
            "client": self.client,
            "vip": self.virtual_service,
            "real": self.real,
        })
    }
}

impl ServiceRow {
    /// As a case writes it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut row = Map::new();
        let reals = self.reals.iter().map(RealRow::to_json).collect();
        row.insert("svc".into(), self.service.clone().into());
        row.insert("sched".into(), self.scheduler.clone().into());
        row.insert("dests".into(), Value::Array(reals));
        insert_stats(&mut row, self.stats);
        Value::Object(row)
    }

    /// Puts the real servers in the order in which `ipvsadm -Ln` lists them.
    pub fn sort(&mut self) {
        self.reals
            .sort_by_cached_key(|row| (row.real.parse::<SocketAddr>().ok(), row.real.clone()));
    }
}

impl RealRow {
    fn to_json(&self) -> Value {
        let mut row = Map::new();
        row.insert("real".into(), self.real.clone().into());
        row.insert("fwd".into(), self.forward.clone().into());
        row.insert("weight".into(), self.weight.into());
        row.insert("active".into(), self.active.into());
        row.insert("inact".into(), self.inactive.into());
        insert_stats(&mut row, self.stats);
        Value::Object(row)
    }
}

fn insert_stats(row: &mut Map<String, Value>, stats: Option<StatsRow>) {
    if let Some(stats) = stats {
        row.insert("stats".into(), stats.to_vec().into());
    }
}

pub(super) fn read_service(at: At<'_>) -> Result<ServiceRow, CaseError> {
    let mut row = ServiceRow {
        service: at.need("svc")?.text()?,
        scheduler: at.need("sched")?.text()?,
        reals: at.need("dests")?.list(read_real)?,
        stats: read_stats(&at)?,
    };
    row.sort();
    Ok(row)
}

fn read_real(at: At<'_>) -> Result<RealRow, CaseError> {
    Ok(RealRow {
        real: at.need("real")?.text()?,
        forward: at.need("fwd")?.text()?,
        weight: at.need("weight")?.number()?,
        active: at.need("active")?.number()?,
        inactive: at.need("inact")?.number()?,
        stats: read_stats(&at)?,
    })
}

fn read_stats(at: &At<'_>) -> Result<Option<StatsRow>, CaseError> {
    let Some(stats) = at.get("stats")? else {
        return Ok(None);
    };
    stats
        .list(|count| count.number())?
        .try_into()
        .map(Some)
        .map_err(|_| stats.error("not five counts"))
}

pub(super) fn read_connection(at: At<'_>) -> Result<ConnectionRow, CaseError> {
    Ok(ConnectionRow {
        protocol: at.need("proto")?.text()?,
        expire: at.need("expire")?.number()?,
        state: at.need("state")?.text()?,
        client: at.need("client")?.text()?,
        virtual_service: at.need("vip")?.text()?,
        real: at.need("real")?.text()?,
    })
}

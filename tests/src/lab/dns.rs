// SPDX-License-Identifier: Apache-2.0
//! A real name server: knotd with a zone that says which server answered.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::dig::Dig;
use super::error::{LabError, LabResult};
use super::netns::Netns;
use super::process::Process;

/// A running knotd, authoritative for `example.test`.
///
/// | name | answer |
/// |---|---|
/// | `www.example.test` A, AAAA | `192.0.2.80`, `2001:db8::80` |
/// | `who.example.test` TXT | the server's name |
/// | `big.example.test` TXT | 1 kB of text |
#[derive(Debug)]
pub struct Dns {
    name: String,
    process: Process,
}

impl Dns {
    /// Starts knotd at port 53 of the given addresses, and waits until the first answers.
    pub fn start(place: &Netns, name: &str, addresses: &[IpAddr]) -> LabResult<Self> {
        let dir = place.home().subdir(&format!("{name}/knot"))?;
        let config = dir.join("knot.conf");
        let write = |path: &Path, text: String| {
            fs::write(path, text).map_err(|source| LabError::path("write", path, source))
        };
        write(&dir.join("example.test.zone"), zone_text(name))?;
        write(&config, config_text(&dir, addresses))?;
        let config_arg = config.display().to_string();
        let log = dir.join("knot.log");
        let mut process = Process::start(place, "knotd", &["-c", &config_arg], &log)?;
        process.wait_ready(READY_BOUND, || {
            let asks = addresses.first().map(|server| {
                Dig::new(*server, WHO, "TXT")
                    .bound(Duration::from_secs(1))
                    .run(place)
            });
            Ok(asks.is_none_or(|answer| answer.is_ok_and(|answer| !answer.records.is_empty())))
        })?;
        Ok(Self {
            name: name.to_owned(),
            process,
        })
    }

    /// The name its TXT record gives.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process, to end it early or to read its log.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Listening on each address by name makes every answer leave from the address that was asked.
fn config_text(dir: &Path, addresses: &[IpAddr]) -> String {
    let dir = dir.display();
    let listen: Vec<String> = addresses
        .iter()
        .map(|address| format!("{address}@53"))
        .collect();
    let listen = listen.join(", ");
    format!(
        "server:
    rundir: {dir}
    listen: [ {listen} ]
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stdout
    any: info
database:
    storage: {dir}
    journal-db-max-size: 1M
    kasp-db-max-size: 5M
    timer-db-max-size: 1M
zone:
  - domain: example.test
    storage: {dir}
    file: example.test.zone
    journal-content: none
    zonefile-sync: -1
"
    )
}

fn zone_text(name: &str) -> String {
    let long = "x".repeat(250);
    format!(
        "$ORIGIN example.test.
$TTL 60
@    SOA ns hostmaster 1 3600 600 86400 60
@    NS ns
ns   A 192.0.2.53
www  A 192.0.2.80
www  AAAA 2001:db8::80
who  TXT \"{name}\"
big  TXT \"{long}\" \"{long}\" \"{long}\" \"{long}\"
"
    )
}

/// The name whose TXT record says who answered.
pub const WHO: &str = "who.example.test";
/// knotd starts in about a tenth of a second; a machine under load is slower.
const READY_BOUND: Duration = Duration::from_secs(20);

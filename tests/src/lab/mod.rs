// SPDX-License-Identifier: Apache-2.0
//! The lab: a director between real clients and real servers, in network namespaces.
//!
//! [`Lab::new`] lays out namespaces, wires and addresses ([`addr`] is the plan, [`topology`] the
//! shapes); [`Reals`] starts nginx and a name server on every real server; [`Director`] starts
//! `penstock run` in the director's namespace. Clients are [`Curl`], [`Wrk`], [`Dig`] and the
//! load helpers [`TcpLoad`] and [`UdpLoad`], which count every failure. [`Bookkeeping`] holds what
//! the director counted against itself.
//!
//! ```no_run
//! use penstock_tests::lab::{Curl, Director, DirectorConfig, Family, Lab, LabResult, Reals};
//! use penstock_tests::lab::{Topology, addr};
//!
//! fn a_request_passes() -> LabResult<()> {
//!     let lab = Lab::new(Topology::default())?;
//!     let reals = Reals::start(&lab)?;
//!     let services = "[[service]]\nname = \"web\" ...";
//!     let director = Director::start(&lab, 1, &DirectorConfig::new(&lab, 1).text(services))?;
//!     let answer = Curl::new(&format!("http://{}/", addr::vip(Family::V4, 0))).run(lab.client())?;
//!     assert_eq!(answer.status, 200);
//!     director.stop()
//! }
//! ```
//! Everything goes when the values drop, on panic too; what a killed process leaves behind is
//! removed by the next [`Lab::new`] on the machine. Labs do not see each other.

mod access_log;
pub mod addr;
mod bookkeeping;
mod command;
mod curl;
mod decapsulator;
mod dig;
mod director;
mod director_config;
mod dns;
mod error;
mod home;
mod http;
mod lacp_switch;
mod netns;
mod nginx;
mod process;
mod raw;
mod reals;
mod stand_in;
mod stats;
mod tcp_load;
pub mod topology;
mod udp_echo;
mod udp_load;
mod vlan_host;
mod wait;
mod wrk;

use std::io::Write as _;
use std::sync::Arc;

pub use access_log::{AccessLog, Entry, Served, Shares};
pub use addr::{Family, Side};
pub use bookkeeping::Bookkeeping;
pub use command::Finished;
pub use curl::{Curl, Response};
pub use decapsulator::Decapsulator;
pub use dig::{Answer, Dig};
pub use director::{Director, program};
pub use director_config::{DirectorConfig, PortConfig};
pub use dns::{Dns, WHO};
pub use error::{LabError, LabResult, ensure_equal};
pub use home::{Home, kept, namespaces, remove, sweep};
pub use http::{Failed, Failure, HttpConnection};
pub use lacp_switch::LacpSwitch;
pub use netns::Netns;
pub use nginx::Nginx;
pub use process::Process;
pub use raw::{RawSocket, udp_frame};
pub use reals::{Real, Reals, WEB_PORTS};
pub use stand_in::StandIn;
pub use stats::{Drops, Server, Service, Worker, Workers};
pub use tcp_load::{RunningLoad, TcpLoad, TcpReport};
pub use topology::{Shape, Topology};
pub use udp_echo::UdpEcho;
pub use udp_load::{UdpLoad, UdpReport};
pub use vlan_host::VlanHost;
pub use wait::{Look, wait_for};
pub use wrk::{Wrk, WrkReport};

use topology::Places;

/// A laid-out lab; it is taken down when this drops.
#[derive(Debug)]
pub struct Lab {
    home: Arc<Home>,
    topology: Topology,
    places: Places,
}

impl Lab {
    /// Sweeps what dead owners left, then lays out a lab.
    pub fn new(topology: Topology) -> LabResult<Self> {
        sweep()?;
        let home = Home::create()?;
        let each = |role: &str, count: u8| -> Vec<Netns> {
            (1..=count)
                .map(|number| Netns::new(&home, &format!("{role}{number}")))
                .collect()
        };
        let places = Places {
            client: Netns::new(&home, "c"),
            switch: Netns::new(&home, "sw"),
            directors: each("d", topology.directors),
            reals: each("r", topology.reals),
        };
        // From here on a failure takes down what was made so far.
        let lab = Self {
            home,
            topology,
            places,
        };
        lab.places.build(&lab.topology)?;
        Ok(lab)
    }

    /// The id, which every namespace's name begins with.
    #[must_use]
    pub fn id(&self) -> &str {
        self.home.id()
    }

    /// The run directory.
    #[must_use]
    pub fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// What was asked for.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Where the clients are.
    #[must_use]
    pub fn client(&self) -> &Netns {
        &self.places.client
    }

    /// Where the bridges are.
    #[must_use]
    pub fn switch(&self) -> &Netns {
        &self.places.switch
    }

    /// The directors; the first is number 1 everywhere else.
    #[must_use]
    pub fn directors(&self) -> &[Netns] {
        &self.places.directors
    }

    /// The real servers; the first is number 1 everywhere else.
    #[must_use]
    pub fn reals(&self) -> &[Netns] {
        &self.places.reals
    }

    /// Gives the first director one more port, `interface`, that its kernel is kept off; plugs it
    /// into a bridge of the switch, if one is named. Returns the name of the switch's end.
    pub fn wire_director(&self, interface: &str, bridge: Option<&str>) -> LabResult<String> {
        self.places.wire_director(interface, bridge)
    }

    /// Leaves the lab and every process in it up when this process ends.
    pub fn keep(&self) -> LabResult<()> {
        self.home.keep()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.home.is_kept() {
            // Nothing to be done about a failure here; the next lab's sweep tries again.
            drop(remove(self.home.id()));
        }
    }
}

/// The reason why no lab can be made here, if there is one: a test prints it and passes.
#[must_use]
pub fn unavailable() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("network namespaces need root".to_owned());
    }
    let missing: Vec<&str> = PROGRAMS.into_iter().filter(|name| !in_path(name)).collect();
    if missing.is_empty() {
        return None;
    }
    Some(format!(
        "not installed: {}; run tests/lab/install.sh",
        missing.join(", ")
    ))
}

/// True where no lab can be made, with the reason printed.
#[must_use]
pub fn skipped() -> bool {
    let reason = unavailable();
    if let Some(reason) = &reason {
        skip(reason);
    }
    reason.is_some()
}

/// Says why a test does not run, past the test runner's capture.
pub fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // A closed standard error is no reason to fail.
    writeln!(std::io::stderr(), "skipped: {test}: {reason}").unwrap_or_default();
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// What the lab runs; `tests/lab/install.sh` knows their packages.
const PROGRAMS: [&str; 8] = [
    "ip", "nft", "ethtool", "nginx", "knotd", "curl", "wrk", "dig",
];

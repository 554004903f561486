// SPDX-License-Identifier: Apache-2.0
//! A lab with its real servers and a running director, for end-to-end tests; and services as text.
//!
//! ```no_run
//! use penstock_tests::lab::{LabResult, Topology};
//! use penstock_tests::scene::{Scene, ServiceText};
//!
//! fn a_test() -> LabResult<()> {
//!     let web = ServiceText::web("nat");
//!     let scene = Scene::new(Topology::default(), |_| {}, &[web])?;
//!     // ... traffic ...
//!     scene.finish()
//! }
//! ```
//! [`Scene::finish`] asserts what must hold after every test: both identities of the books, packet
//! buffers back at their start value, no bad checksum at any host, no complaint in the log, and a
//! clean end that leaves nothing behind.

use std::fmt::{self, Write as _};
use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::lab::{
    Bookkeeping, Director, DirectorConfig, Family, Lab, LabError, LabResult, Look, Netns, Reals,
    Topology, addr, ensure_equal, wait_for,
};

/// A `[[service]]` to be.
#[derive(Debug, Clone)]
pub struct ServiceText {
    /// `name`.
    pub name: String,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// Where clients connect to.
    pub target: SocketAddr,
    /// `scheduler`.
    pub scheduler: &'static str,
    /// `nat` or `dr`.
    pub forward: &'static str,
    /// More lines for this table.
    pub lines: String,
    /// Addresses and weights.
    pub servers: Vec<(SocketAddr, u32)>,
}

impl ServiceText {
    /// The web of the three real servers over IPv4, round robin, called `web`: by NAT at VIP 0 to
    /// port 8080, by DR at VIP 1.
    #[must_use]
    pub fn web(forward: &'static str) -> Self {
        Self::new("web", "tcp", Family::V4, forward, 80)
    }

    /// A service of the three real servers, round robin, at VIP 0 (NAT) or 1 (DR).
    #[must_use]
    pub fn new(
        name: &str,
        protocol: &'static str,
        family: Family,
        forward: &'static str,
        port: u16,
    ) -> Self {
        let rport = if (forward, port) == ("nat", 80) {
            8080
        } else {
            port
        };
        let servers = (1..=3).map(|number| (real_at(family, number, rport), 1));
        Self {
            name: name.to_owned(),
            protocol,
            target: SocketAddr::new(vip_of(family, forward), port),
            scheduler: "rr",
            forward,
            lines: String::new(),
            servers: servers.collect(),
        }
    }

    /// The same at another address and port.
    #[must_use]
    pub fn at(self, vip: IpAddr, port: u16) -> Self {
        Self {
            target: SocketAddr::new(vip, port),
            ..self
        }
    }

    /// The same with another scheduler.
    #[must_use]
    pub fn scheduler(self, scheduler: &'static str) -> Self {
        Self { scheduler, ..self }
    }

    /// The same with more lines in its table.
    #[must_use]
    pub fn lines(self, lines: &str) -> Self {
        Self {
            lines: lines.to_owned(),
            ..self
        }
    }

    /// The same with these servers of the lab at their port, and their weights.
    #[must_use]
    pub fn only(self, servers: &[(u8, u32)]) -> Self {
        let family = if self.target.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        };
        let rport = self.servers.first().map_or(80, |(server, _)| server.port());
        let servers = servers
            .iter()
            .map(|(number, weight)| (real_at(family, *number, rport), *weight));
        Self {
            servers: servers.collect(),
            ..self
        }
    }
}

impl fmt::Display for ServiceText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            protocol,
            target,
            scheduler,
            forward,
            lines,
            servers,
        } = self;
        write!(
            out,
            "[[service]]\nname = \"{name}\"\nlisten = \"{protocol}://{target}\"\n\
             scheduler = \"{scheduler}\"\nforward = \"{forward}\"\n{lines}\n"
        )?;
        for (address, weight) in servers {
            write!(
                out,
                "  [[service.server]]\n  address = \"{address}\"\n  weight = {weight}\n\n"
            )?;
        }
        Ok(())
    }
}

/// VIP 0 is for NAT, VIP 1 for DR.
#[must_use]
pub fn vip_of(family: Family, forward: &str) -> IpAddr {
    addr::vip(family, u8::from(forward == "dr"))
}

/// A port of a real server; the first has number 1.
#[must_use]
pub fn real_at(family: Family, number: u8, port: u16) -> SocketAddr {
    SocketAddr::new(addr::real(family, number), port)
}

/// All clients of a family, to send from in turn.
#[must_use]
pub fn clients(family: Family) -> [IpAddr; 3] {
    [0, 1, 2].map(|number| addr::client(family, number))
}

/// The services of a config, one after the other.
#[must_use]
pub fn text(services: &[ServiceText]) -> String {
    let mut text = String::new();
    for service in services {
        // Writing to a String cannot fail.
        write!(text, "{service}").unwrap_or_default();
    }
    text
}

/// Says something past the test runner's capture: a figure for the log.
pub fn note(text: fmt::Arguments<'_>) {
    // A closed standard error is no reason to fail.
    writeln!(std::io::stderr(), "note: {text}").unwrap_or_default();
}

/// A lab at work.
#[derive(Debug)]
pub struct Scene {
    /// The daemon.
    pub director: Director,
    /// What it was started with, but for the services.
    pub config: DirectorConfig,
    /// The real servers.
    pub reals: Reals,
    /// The director's books before any traffic.
    pub start: Bookkeeping,
    /// The lab.
    pub lab: Lab,
    /// Log lines that the test means to provoke; each has one of these words.
    expected: Vec<String>,
    /// Buffers more or less in use than at the start that are no leak.
    buffers_late: u64,
    _turn: Turn,
}

impl Scene {
    /// Lays out a lab, starts its real servers and a director with `services`; `adjust` may change
    /// the director's config before.
    pub fn new(
        topology: Topology,
        adjust: impl FnOnce(&mut DirectorConfig),
        services: &[ServiceText],
    ) -> LabResult<Self> {
        let prepare = |_: &Lab, config: &mut DirectorConfig| {
            adjust(config);
            Ok(())
        };
        Self::prepared(topology, prepare, services).map(|(scene, ())| scene)
    }

    /// The same; `prepare` may also change the lab before the director starts, and keep something
    /// of it.
    pub fn prepared<T>(
        topology: Topology,
        prepare: impl FnOnce(&Lab, &mut DirectorConfig) -> LabResult<T>,
        services: &[ServiceText],
    ) -> LabResult<(Self, T)> {
        let turn = Turn::take();
        let lab = Lab::new(topology)?;
        let reals = Reals::start(&lab)?;
        let mut config = DirectorConfig::new(&lab, 1);
        let kept = prepare(&lab, &mut config)?;
        let director = Director::start(&lab, 1, &config.text(&text(services)))?;
        let start = Bookkeeping::at_rest(&director)?;
        let scene = Self {
            director,
            config,
            reals,
            start,
            lab,
            expected: Vec::new(),
            buffers_late: 0,
            _turn: turn,
        };
        Ok((scene, kept))
    }

    /// Where the clients are.
    #[must_use]
    pub fn client(&self) -> &Netns {
        self.lab.client()
    }

    /// The director's namespace.
    #[must_use]
    pub fn place(&self) -> &Netns {
        self.director.place()
    }

    /// What the director says of itself now.
    pub fn books(&self) -> LabResult<Bookkeeping> {
        Bookkeeping::read(&self.director)
    }

    /// Waits until the books balance and no packet is under way.
    pub fn settle(&self) -> LabResult<Bookkeeping> {
        if self.buffers_late == 0 {
            return Bookkeeping::settle(&self.director, &self.start);
        }
        let start = self.start.workers.mbufs_in_use;
        wait_for("the director's books to balance", RELOAD_BOUND, || {
            let now = self.books()?;
            let off = now.workers.mbufs_in_use.abs_diff(start);
            let wrong = now.check().err().map(|error| error.to_string());
            Ok(match wrong {
                None if off <= self.buffers_late => Look::Ready(now),
                wrong => Look::NotYet(format!("{off} buffers off the start, {wrong:?}")),
            })
        })
    }

    /// For drivers that take back sent buffers only when they send again: how many there may be.
    pub fn buffers_come_late(&mut self, count: u64) {
        self.buffers_late = count;
    }

    /// Lets errors and warnings with this word stand in the log.
    pub fn expect_log(&mut self, word: &str) {
        self.expected.push(word.to_owned());
    }

    /// Applies these services with SIGHUP, and waits until the daemon says that it has.
    pub fn reload(&mut self, services: &[ServiceText]) -> LabResult<()> {
        let text = self.config.text(&text(services));
        self.reload_text(&text, ": applied, ").map(drop)
    }

    /// Sends SIGHUP with another config, and waits for a further line of the log with these words;
    /// returns what was logged from SIGHUP on.
    pub fn reload_text(&mut self, text: &str, answer: &str) -> LabResult<String> {
        let before = self.director.process().log()?;
        self.director.reload(text)?;
        wait_for("the daemon's word on a reload", RELOAD_BOUND, || {
            self.director.process().expect_running()?;
            let log = self.director.process().log()?;
            let new = log.get(before.len()..).unwrap_or_default().to_owned();
            Ok(if new.contains(answer) {
                Look::Ready(new)
            } else {
                Look::NotYet(new)
            })
        })
    }

    /// Ends the test: see the module's documentation.
    pub fn finish(mut self) -> LabResult<()> {
        self.settle()?;
        self.check_sums()?;
        self.check_log()?;
        let (place, socket) = (self.place().clone(), self.director.socket().to_owned());
        let ports = self.config.ports.clone();
        self.director.stop()?;
        ensure_equal("the socket after the end", &socket.exists(), &false)?;
        for port in ports {
            let twin = place.run("ip", &["link", "show", &port.name], COMMAND_BOUND)?;
            let what = format!("the kernel twin {} after the end", port.name);
            ensure_equal(&what, &twin.status.success(), &false)?;
        }
        Ok(())
    }

    /// Everything that any host of the lab has received was summed right.
    pub fn check_sums(&self) -> LabResult<()> {
        for place in std::iter::once(self.client()).chain(self.lab.reals()) {
            let errors = (place.tcp_checksum_errors()?, place.udp_checksum_errors()?);
            let what = format!("bad TCP and UDP checksums at {}", place.name());
            ensure_equal(&what, &errors, &(0, 0))?;
        }
        Ok(())
    }

    fn check_log(&mut self) -> LabResult<()> {
        let log = self.director.process().log()?;
        let complaints: Vec<&str> = log
            .lines()
            .filter(|line| !line.starts_with("penstock info: "))
            .filter(|line| !line.contains("running without huge pages"))
            .filter(|line| !self.expected.iter().any(|word| line.contains(word)))
            .collect();
        if complaints.is_empty() {
            return Ok(());
        }
        Err(LabError::check(
            "complaints in the daemon's log",
            complaints.join("\n"),
        ))
    }
}

/// A directory for a test that needs no lab; it goes when this drops.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one, and removes those of processes that died.
    pub fn new() -> LabResult<Self> {
        let number = SCRATCHES.fetch_add(1, Ordering::Relaxed);
        let all = std::env::temp_dir();
        for entry in fs::read_dir(&all).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let pid = name
                .strip_prefix(SCRATCH)
                .and_then(|rest| rest.split_once('-'));
            if pid.is_some_and(|(pid, _)| !Path::new("/proc").join(pid).exists()) {
                // Another test may be faster.
                fs::remove_dir_all(entry.path()).unwrap_or_default();
            }
        }
        let dir = all.join(format!("{SCRATCH}{}-{number}", std::process::id()));
        fs::create_dir_all(&dir).map_err(|source| LabError::path("create", &dir, source))?;
        Ok(Self(dir))
    }

    /// Where it is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed stays in the machine's directory for such things.
        fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

/// The right to have a lab up: a machine of two cores has room for two.
#[derive(Debug)]
pub struct Turn(());

impl Turn {
    /// Waits for one.
    #[must_use]
    pub fn take() -> Self {
        let mut taken = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken >= TURNS_MAX {
            taken = FREED.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += 1;
        Self(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *TURNS.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FREED.notify_one();
    }
}

const SCRATCH: &str = "penstock-test-";
static SCRATCHES: AtomicU32 = AtomicU32::new(0);
static TURNS: Mutex<u32> = Mutex::new(0);
static FREED: Condvar = Condvar::new();
const TURNS_MAX: u32 = 2;
/// A reload takes milliseconds; machines under load are slower.
const RELOAD_BOUND: Duration = Duration::from_secs(15);
/// For commands that look at something.
const COMMAND_BOUND: Duration = Duration::from_secs(10);

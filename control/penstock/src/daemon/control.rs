// SPDX-License-Identifier: Apache-2.0
//! The control task: the one owner of the configuration, and what it does when something happens.
//!
//! ```text
//!   SIGHUP ───────► reload ─┐
//!   netlink ─► picture ─────┼─► ledger ─► snapshot ─► publisher ─► workers
//!   drained servers ────────┘
//!   workers' events ─► resolve neighbours, listings      API ─► view
//! ```
//!
//! Nothing here may block for long, and nothing a worker does waits for it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::Config;
use dpdk::clock;
use engine::stats::Stats;
use model::addr::Addr;
use model::ids::IfaceId;
use model::ledger::Ledger;
use model::local::LocalError;
use model::snapshot::{Interfaces, Snapshot};
use model::time::Instant;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use worker::job::Event;
use worker::snapshot::{Publisher, channel};

use super::boot::{self, BootError, Director};
use super::drain::{RemovedLocals, Retirees};
use super::links::Links;
use super::listing::Listings;
use super::server::{self, Listener, Request, What};
use super::view;
use crate::cli::output::chain;
use crate::netlink::{Netlink, Picture, TwinLink};

/// How often workers' events are looked at: what a first packet to an unknown neighbour waits
/// before Linux is asked.
const EVENT_TICK: Duration = Duration::from_millis(2);
/// How many of those ticks pass between two looks at everything slower.
const TICKS_PER_ROUND: u32 = 50;
/// Neighbours that packets went to and that Linux calls stale are confirmed once a second.
const ROUNDS_PER_REFRESH: u32 = 10;
/// How long the first picture of Linux's routes may take.
const FIRST_PICTURE: Duration = Duration::from_secs(2);
/// Retired snapshots that are worth a line in the log: a worker hangs.
const RETIRED_ALARM: usize = 64;
/// API requests in line.
const REQUESTS: usize = 64;

/// What the operator tells by signal. Listened to from before the boot: a SIGHUP of that time is a
/// reload and not the end.
#[derive(Debug)]
pub(super) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen; inside a runtime.
    ///
    /// # Errors
    /// [`BootError::Runtime`].
    pub(super) fn listen() -> Result<Self, BootError> {
        let listen = |kind| signal(kind).map_err(|source| BootError::Runtime { source });
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }
}

/// The running director, as control holds it.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) config: Config,
    file: PathBuf,
    pub(super) director: Director,
    pub(super) ledger: Ledger,
    pub(super) stats: Stats,
    publisher: Publisher<Snapshot>,
    netlink: Netlink,
    fib_generation: u32,
    stale: Vec<(IfaceId, Addr)>,
    retirees: Retirees,
    removed_locals: RemovedLocals,
    listings: Listings,
    links: Links,
    current: Snapshot,
    pub(super) retired_snapshots: usize,
    round: u32,
}

/// Runs a booted director until a signal ends it.
///
/// # Errors
/// Why it could not begin, or the worker that died.
pub(super) async fn serve(
    config: Config,
    file: &Path,
    mut director: Director,
    (mut signals, listener): (Signals, Listener),
) -> Result<(), BootError> {
    let twins = twin_links(&director);
    let netlink = Netlink::connect().await?;
    for twin in &twins {
        netlink.configure(twin).await?;
    }
    let (sender, mut pictures) = watch::channel(Picture::default());
    let mirror = netlink.mirror(&twins, sender);
    tokio::pin!(mirror);

    let mut ledger = Ledger::new(director.hasher.clone());
    ledger.set_interfaces(Interfaces::new(director.interfaces.clone()));
    ledger.set_spread(director.spread.clone());
    ledger.set_tunables(config.tunables());
    ledger.set_classifier(config.classifier());
    set_locals(&mut ledger, &config, &director)?;
    ledger.apply_all(&config.ops())?;
    netlink.set_virtual_ips(&virtual_ips(&ledger)).await?;
    tokio::select! {
        error = &mut mirror => return Err(error.into()),
        first = tokio::time::timeout(FIRST_PICTURE, pictures.changed()) => {
            if !matches!(first, Ok(Ok(()))) {
                log::warn!("Linux has not told its routes yet; starting without");
            }
        }
    }
    let picture = pictures.borrow_and_update().clone();
    ledger.set_fib(picture.to_fib(director.hasher.clone(), 2));
    let mut stats = Stats::new(director.boards.clone(), director.hasher.clone());
    stats.observe(ledger.services());
    let current = ledger.snapshot();
    let (publisher, readers) = channel(current.clone(), director.cpus.len());
    director.launch(&config, readers)?;

    let (requests, mut asked) = mpsc::channel(REQUESTS);
    let api = server::serve(&listener, requests)?;
    tokio::pin!(api);
    log::info!(
        "{}: {} workers poll, {} services",
        config.director.name,
        director.cpus.len(),
        config.services.len()
    );
    let mut control = Control {
        config,
        file: file.to_owned(),
        director,
        ledger,
        stats,
        publisher,
        netlink: netlink.clone(),
        fib_generation: 2,
        stale: picture.stale,
        retirees: Retirees::default(),
        removed_locals: RemovedLocals::default(),
        listings: Listings::default(),
        links: Links::default(),
        current,
        retired_snapshots: 0,
        round: 0,
    };
    let outcome = tokio::select! {
        outcome = control.run(&mut signals, &mut pictures, &mut asked) => outcome,
        error = &mut mirror => Err(error.into()),
        () = &mut api => Ok(()),
    };
    // Nobody asks from here on; then the workers and the ports.
    drop(listener);
    drop(control);
    log::info!("stopped");
    outcome
}

impl Control {
    async fn run(
        &mut self,
        signals: &mut Signals,
        pictures: &mut watch::Receiver<Picture>,
        asked: &mut mpsc::Receiver<Request>,
    ) -> Result<(), BootError> {
        let mut ticks = tokio::time::interval(EVENT_TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut count = 0u32;
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return Ok(()),
                _ = signals.interrupt.recv() => return Ok(()),
                _ = signals.hangup.recv() => self.reload().await,
                Ok(()) = pictures.changed() => {
                    let picture = pictures.borrow_and_update().clone();
                    self.routes_changed(picture);
                }
                Some(request) = asked.recv() => self.answer(request),
                _ = ticks.tick() => {
                    self.take_events().await;
                    count = count.wrapping_add(1);
                    if count.is_multiple_of(TICKS_PER_ROUND) {
                        self.look_around().await?;
                    }
                }
            }
        }
    }

    /// Applies the file again, all of it or nothing.
    async fn reload(&mut self) {
        match self.try_reload().await {
            Ok(summary) if summary.is_empty() => {
                log::info!("{}: applied, nothing changed", self.file.display());
            }
            Ok(summary) => {
                log::info!(
                    "{}: applied, {} changes",
                    self.file.display(),
                    summary.len()
                );
                for line in summary {
                    log::info!("  {line}");
                }
            }
            Err(reasons) => {
                for reason in reasons {
                    log::error!("{reason}");
                }
                log::error!("{}: not applied, nothing has changed", self.file.display());
            }
        }
    }

    async fn try_reload(&mut self) -> Result<Vec<String>, Vec<String>> {
        let name = self.file.display().to_string();
        let text = std::fs::read_to_string(&self.file)
            .map_err(|error| vec![format!("cannot read {name}: {error}")])?;
        let parsed =
            config::parse(&text).map_err(|report| vec![report.render(&name, &text, false)])?;
        let new = parsed.config;
        let diff = config::diff(&self.config, &new);
        if !diff.restart.is_empty() {
            let mut reasons = self.probe_ports(&new);
            reasons.extend(
                diff.restart
                    .iter()
                    .map(|change| format!("needs a restart: {change}")),
            );
            return Err(reasons);
        }
        let pools = |error: LocalError| vec![format!("cannot apply {name}: {error}")];
        set_locals(&mut self.ledger, &new, &self.director).map_err(pools)?;
        if let Err(error) = self.ledger.apply_all(&diff.ops) {
            // They were there before, so they are there again.
            set_locals(&mut self.ledger, &self.config, &self.director).map_err(pools)?;
            return Err(vec![format!("cannot apply {name}: {error}")]);
        }
        self.retirees.forget_returned(&self.ledger);
        self.removed_locals.forget_returned(&self.ledger);
        self.ledger.set_tunables(new.tunables());
        self.ledger.set_classifier(new.classifier());
        self.config = new;
        self.publish();
        self.set_virtual_ips().await;
        Ok(diff.summary)
    }

    /// Gives the twins the addresses of services and pools.
    async fn set_virtual_ips(&self) {
        let wanted = virtual_ips(&self.ledger);
        if let Err(error) = self.netlink.set_virtual_ips(&wanted).await {
            log::error!("virtual addresses: {}", chain(&error));
        }
    }

    /// Whether ports that are new or changed would work, for the message.
    fn probe_ports(&self, new: &Config) -> Vec<String> {
        let known = |port: &&config::Port| {
            self.config
                .ports
                .iter()
                .any(|running| running.device == port.device)
        };
        let mut reasons = Vec::new();
        for port in new.ports.iter().filter(|port| !known(port)) {
            if let Err(error) = boot::attach(self.director.eal, port) {
                reasons.push(chain(&error));
            }
        }
        for port in new.ports.iter().filter(known) {
            let place = self
                .config
                .ports
                .iter()
                .position(|running| running.device == port.device);
            let started = place.and_then(|place| self.director.ports.get(place));
            if let Some(Ok(capabilities)) = started.map(|started| started.capabilities())
                && port.queues > capabilities.max_rx_queues
            {
                reasons.push(format!(
                    "port {}: {} receive queues asked for, the device has {}",
                    port.name, port.queues, capabilities.max_rx_queues
                ));
            }
        }
        reasons
    }

    fn routes_changed(&mut self, picture: Picture) {
        self.fib_generation = self.fib_generation.wrapping_add(1).max(1);
        let hasher = self.director.hasher.clone();
        self.ledger
            .set_fib(picture.to_fib(hasher, self.fib_generation));
        let mut interfaces = self.director.interfaces.clone();
        for iface in &mut interfaces {
            iface.addresses.extend(
                picture
                    .addresses
                    .iter()
                    .filter(|(id, prefix)| *id == iface.id && !is_host(prefix))
                    .map(|(_, prefix)| *prefix),
            );
        }
        self.ledger.set_interfaces(Interfaces::new(interfaces));
        self.stale = picture.stale;
        self.publish();
    }

    /// Makes the ledger's state what workers see from their next burst on.
    fn publish(&mut self) {
        self.stats.observe(self.ledger.services());
        self.current = self.ledger.snapshot();
        self.publisher.publish(self.current.clone());
    }

    async fn take_events(&mut self) {
        let mut wanted = HashSet::new();
        while let Some(event) = self.director.events.pop() {
            match event {
                Event::Resolve(resolve) => {
                    wanted.insert((resolve.iface, resolve.addr));
                }
                Event::Listed {
                    worker,
                    next,
                    buffer,
                } => {
                    self.listings
                        .listed(worker, next, buffer, &self.director.jobs);
                }
            }
        }
        for (iface, addr) in wanted {
            self.resolve(iface, addr).await;
        }
        let now = Instant::from_nanos(clock::now());
        self.listings
            .go_on(now, &self.director.jobs, |found, truncated| {
                view::connections(&self.ledger, found, truncated)
            });
    }

    async fn resolve(&self, iface: IfaceId, addr: Addr) {
        if let Err(error) = self.netlink.resolve(iface, addr).await {
            log::debug!("cannot resolve {addr}: {}", chain(&error));
        }
    }

    /// What is looked at ten times a second.
    async fn look_around(&mut self) -> Result<(), BootError> {
        if let Some(worker) = self.director.dead_worker() {
            return Err(BootError::WorkerDied(worker));
        }
        let names = self.config.ports.iter().map(|port| port.name.as_str());
        self.links.look(names, &self.director.ports);
        self.retired_snapshots = self.publisher.collect();
        if self.retired_snapshots >= RETIRED_ALARM {
            log::error!(
                "{} snapshots wait for a worker that hangs",
                self.retired_snapshots
            );
        }
        let seen = self.publisher.seen_by_all();
        self.ledger.acknowledged(seen);
        let now = Instant::from_nanos(clock::now());
        let deadline = |key: &_| self.config.drain_s(key);
        let round = self
            .retirees
            .look(&mut self.ledger, &self.stats, seen, now, deadline);
        for real in round.cut {
            self.director.cut(real);
        }
        let locals = self
            .removed_locals
            .look(&mut self.ledger, &self.stats, seen);
        if round.changed || locals {
            self.publish();
        }
        if locals {
            self.set_virtual_ips().await;
        }
        self.round = self.round.wrapping_add(1);
        if self.round.is_multiple_of(ROUNDS_PER_REFRESH) {
            let used: HashSet<(IfaceId, Addr)> = self
                .current
                .fib
                .next_hops()
                .filter(|hop| hop.take_used())
                .map(|hop| (hop.iface, hop.addr))
                .collect();
            let stale: Vec<_> = self
                .stale
                .iter()
                .filter(|known| used.contains(known))
                .copied()
                .collect();
            for (iface, addr) in stale {
                self.resolve(iface, addr).await;
            }
        }
        Ok(())
    }

    fn answer(&mut self, request: Request) {
        let Request { what, reply } = request;
        let text = match what {
            What::Connections { limit } => return self.listings.ask(limit, reply),
            What::Services => server::json(&view::services(self)),
            What::Servers => server::json(&view::servers(self)),
            What::Workers => server::json(&view::workers(self)),
            What::Ports => server::json(&view::ports(self)),
            What::Drops => server::json(&view::drops(self)),
        };
        // Who asked may have gone away.
        let _gone = reply.send(text);
    }
}

fn is_host(prefix: &model::addr::Prefix) -> bool {
    prefix.len == prefix.addr.bits()
}

fn virtual_ips(ledger: &Ledger) -> Vec<Addr> {
    let mut list: Vec<Addr> = ledger
        .services()
        .services()
        .filter(|service| !service.deleted)
        .filter_map(|service| service.key.virtual_ip())
        // Removed ones too: their connections still need neighbours that find them.
        .chain(ledger.locals().addresses().map(|local| local.addr))
        .collect();
    list.sort_unstable();
    list.dedup();
    list
}

/// Takes over the pools of local addresses and the rules of the SNAT gateway.
fn set_locals(ledger: &mut Ledger, config: &Config, director: &Director) -> Result<(), LocalError> {
    let interfaces = &director.interfaces;
    let known = |name: &str| interfaces.iter().find(|iface| &*iface.name == name);
    let rules = config.snat_rules(|name| known(name).map(|iface| iface.id));
    ledger.set_locals(&config.pool_specs(), &rules)
}

fn twin_links(director: &Director) -> Vec<TwinLink> {
    director
        .interfaces
        .iter()
        .map(|iface| TwinLink {
            iface: iface.id,
            name: iface.name.to_string(),
            mac: iface.mac,
            mtu: iface.mtu,
            addresses: iface.addresses.clone(),
        })
        .collect()
}

// SPDX-License-Identifier: Apache-2.0
//! An engine and its control side in one thread, with virtual time, seen as `ipvsadm` shows a
//! kernel.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use engine::counters::Board;
use engine::flow_table::{HashKey, HeapMemory};
use engine::path::Arrival;
use engine::sched::Random;
use engine::stats::{Stats, Traffic};
use engine::verdict::{DropReason, Note, Output, Verdict};
use engine::{ConnectionView, Context, Engine, EngineConfig};
use model::addr::Prefix;
use model::classifier::{Classifier, MarkRule};
use model::fib::Hasher;
use model::ids::{RealId, ServiceId, WorkerId};
use model::ledger::Ledger;
use model::op::{Op, OpError};
use model::service::{
    Endpoint, ForwardMode, Mark, PersistenceEngine, RealServer, ServiceKey, ServiceSpec,
    VirtualService,
};
use model::snapshot::{Snapshot, Tunables};
use model::time::Instant;
use wire::buffer::{TestBuf, TestPool};

use super::capability::set_tunable;
use super::case::Frame;
use super::ipvsadm::Change;
use super::tables::{ConnectionRow, RealRow, ServiceRow, StatsRow};
use super::topology;

/// Connections a director has room for; the largest case has a few hundred.
const FLOWS: usize = 1 << 16;
/// Server slots its counters have room for.
const REALS: usize = 1024;
/// A minute before the clock of the flow table wraps: longer cases see it happen.
const START_MS: u64 = 4_294_900_000;
/// Time passes in steps of this much, so that timers fire when they are due.
const TIME_STEP: Duration = Duration::from_millis(100);
/// Connections one step may forget: all.
const TICK_BUDGET: u32 = u32::MAX;
/// "ipvsadm counters are refreshed every 2 s (estimator), not per packet"
/// (`ip_vs_est.c`, `estimation_timer`).
const ESTIMATOR_PERIOD_MS: u64 = 2000;

/// What became of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It left.
    Sent(Frame),
    /// Linux got it.
    Punted,
    /// It ended here.
    Dropped(DropReason),
}

/// The counters as last refreshed.
#[derive(Debug, Default)]
struct Estimates {
    services: HashMap<(ServiceId, u32), Traffic>,
    reals: HashMap<(RealId, u32), Traffic>,
}

/// A director of one worker.
#[derive(Debug)]
pub struct Director {
    engine: Engine<TestBuf, HeapMemory>,
    ledger: Ledger,
    snapshot: Snapshot,
    stats: Stats,
    estimates: Estimates,
    tunables: Tunables,
    now: Instant,
    pool: TestPool,
    out: Output<TestBuf>,
}

impl Director {
    /// A director without services on links of these MTUs; `locals` are local addresses besides
    /// the topology's own.
    #[must_use]
    pub fn new(mtu: (u32, u32), locals: &[Prefix], marks: Vec<MarkRule>) -> Self {
        let hasher = Hasher::with_seeds(1, 2, 3, 4);
        let boards = vec![Arc::new(Board::new(REALS))];
        let tunables = Tunables {
            icmp_errors_per_s: 0,
            ..Tunables::default()
        };
        let mut ledger = Ledger::new(hasher.clone());
        ledger.set_fib(topology::fib(hasher.clone(), locals));
        ledger.set_interfaces(topology::interfaces(mtu));
        ledger.set_tunables(tunables.clone());
        ledger.set_classifier(Classifier::new(marks));
        let now = Instant::from_millis(START_MS);
        let config = EngineConfig {
            worker: WorkerId(0),
            boards: boards.clone(),
            flow_key: HashKey::from_seed(5),
            hasher: hasher.clone(),
            seed: 7,
        };
        Self {
            engine: Engine::new(config, HeapMemory::new(FLOWS), now),
            snapshot: ledger.snapshot(),
            ledger,
            stats: Stats::new(boards, hasher),
            estimates: Estimates::default(),
            tunables,
            now,
            pool: TestPool::default(),
            out: Output::with_capacity(8),
        }
    }

    /// Makes changes, and publishes them.
    ///
    /// # Errors
    /// The first change that is refused; those before it hold.
    pub fn change(&mut self, change: &Change) -> Result<(), OpError> {
        match change {
            Change::Op(op) => self.ledger.apply(op)?,
            Change::Clear => {
                let keys: Vec<_> = self.live_services().map(|service| service.key).collect();
                for key in keys {
                    self.ledger.apply(&Op::DeleteService { key })?;
                }
            }
        }
        self.publish();
        Ok(())
    }

    /// Sets a sysctl; one that is no tunable changes nothing.
    pub fn set(&mut self, name: &str, value: &str) {
        if set_tunable(&mut self.tunables, name, value) {
            self.ledger.set_tunables(self.tunables.clone());
            self.publish();
        }
    }

    /// `ipvsadm --set`.
    ///
    /// # Errors
    /// None that is known.
    pub fn set_timeouts(&mut self, [tcp_s, tcp_fin_s, udp_s]: [u32; 3]) -> Result<(), OpError> {
        self.ledger.apply(&Op::SetTimeouts {
            tcp_s,
            tcp_fin_s,
            udp_s,
        })?;
        self.publish();
        Ok(())
    }

    /// `ipvsadm -Ln --timeout`.
    #[must_use]
    pub fn show_timeouts(&self) -> String {
        let timeouts = self.ledger.timeouts();
        let seconds = |state: usize| timeouts.tcp_ms.get(state).map_or(0, |ms| ms / 1000);
        let (tcp, tcp_fin) = (
            seconds(model::snapshot::TCP_ESTABLISHED),
            seconds(model::snapshot::TCP_FIN_WAIT),
        );
        let udp = timeouts.udp_ms / 1000;
        format!("Timeout (tcp tcpfin udp): {tcp} {tcp_fin} {udp}\n")
    }

    /// The next random numbers of the schedulers are these.
    pub fn set_draws(&mut self, draws: &[u64]) {
        self.engine.set_random(Random::recorded(draws));
    }

    /// A frame arrives.
    pub fn receive(&mut self, frame: &Frame) -> Vec<Fate> {
        let arrival = Arrival {
            port: topology::port(frame.side),
            note: Note::None,
        };
        let (engine, mut cx) = self.split();
        engine.steer(TestBuf::new(&frame.bytes), arrival, &mut cx);
        engine.tick(TICK_BUDGET, &mut cx);
        self.collect()
    }

    /// Time passes.
    pub fn pass(&mut self, time: Duration) -> Vec<Fate> {
        let end = self.now + time;
        let mut fates = Vec::new();
        while self.now < end {
            let before = self.now;
            self.now = (self.now + TIME_STEP).min(end);
            let (engine, mut cx) = self.split();
            engine.tick(TICK_BUDGET, &mut cx);
            fates.extend(self.collect());
            let periods = |at: Instant| at.as_millis() / ESTIMATOR_PERIOD_MS;
            if periods(self.now) != periods(before) {
                self.estimate();
            }
        }
        fates
    }

    /// `ipvsadm -Ln`, with statistics if asked for.
    #[must_use]
    pub fn services(&self, with_stats: bool) -> Vec<ServiceRow> {
        self.live_services()
            .map(|service| self.service_row(service, with_stats))
            .collect()
    }

    /// `ipvsadm -Lnc`, of one client (`address:port`) or of all. "Entries stay in the table but are
    /// not listed" when their service was deleted.
    #[must_use]
    pub fn connections(&self, only: Option<&str>) -> Vec<ConnectionRow> {
        let mut rows = Vec::new();
        let mut visit = |view: ConnectionView| {
            let set = &self.snapshot.services;
            let (Some(service), Some(real)) = (set.service(view.service), set.real(view.real))
            else {
                return;
            };
            let client = Endpoint(view.client_ip, view.cport).to_string();
            if service.deleted || only.is_some_and(|only| only != client) {
                return;
            }
            rows.push(connection_row(&view, client, real));
        };
        let mut cursor = Some(0);
        while let Some(at) = cursor {
            cursor = self.engine.scan(at, u32::MAX, self.now, &mut visit);
        }
        rows.sort_by(|a, b| a.key().cmp(&b.key()));
        rows
    }

    fn service_row(&self, service: &VirtualService, with_stats: bool) -> ServiceRow {
        let set = self.ledger.services();
        let traffic = self
            .estimates
            .services
            .get(&(service.id, service.generation));
        let mut row = ServiceRow {
            service: service_words(&service.key),
            scheduler: scheduler_words(&service.spec, service.key.is_v4()),
            reals: service
                .reals
                .iter()
                .filter_map(|id| set.real(*id))
                .map(|real| self.real_row(real, with_stats))
                .collect(),
            stats: with_stats.then(|| stats_row(traffic)),
        };
        row.sort();
        row
    }

    fn real_row(&self, real: &RealServer, with_stats: bool) -> RealRow {
        let load = self.stats.load(real.id);
        let traffic = self.estimates.reals.get(&(real.id, real.generation));
        RealRow {
            real: real.key.to_string(),
            forward: match real.spec.mode {
                ForwardMode::Nat => "Masq",
                ForwardMode::FullNat => "FullNAT",
                ForwardMode::Dr => "Route",
                ForwardMode::Tun => "Tunnel",
            }
            .into(),
            weight: real.spec.weight.get().into(),
            active: load.active.into(),
            inactive: load.inactive.into(),
            stats: with_stats.then(|| stats_row(traffic)),
        }
    }

    fn live_services(&self) -> impl Iterator<Item = &VirtualService> {
        let set = self.ledger.services();
        set.services().filter(|service| !service.deleted)
    }

    /// As a running director does: the worker's tick sees the snapshot, control may then forget
    /// what led to it.
    fn publish(&mut self) {
        self.snapshot = self.ledger.snapshot();
        self.stats.observe(&self.snapshot.services);
        let (engine, mut cx) = self.split();
        engine.tick(TICK_BUDGET, &mut cx);
        self.ledger.acknowledged(self.snapshot.generation);
    }

    fn estimate(&mut self) {
        let set = &self.snapshot.services;
        self.estimates = Estimates {
            services: set
                .services()
                .map(|service| {
                    let key = (service.id, service.generation);
                    (key, self.stats.service(set, service.id))
                })
                .collect(),
            reals: set
                .reals()
                .map(|real| ((real.id, real.generation), self.stats.real(real)))
                .collect(),
        };
    }

    fn split(&mut self) -> (&mut Engine<TestBuf, HeapMemory>, Context<'_, TestPool>) {
        let cx = Context {
            snapshot: &self.snapshot,
            now: self.now,
            pool: &mut self.pool,
            out: &mut self.out,
        };
        (&mut self.engine, cx)
    }

    fn collect(&mut self) -> Vec<Fate> {
        self.out
            .drain()
            .map(|(packet, verdict)| match verdict {
                Verdict::Send { port } => match topology::side(port) {
                    Some(side) => Fate::Sent(Frame {
                        side,
                        bytes: packet.frame(),
                    }),
                    None => Fate::Dropped(DropReason::TxNoPort),
                },
                Verdict::Punt { .. } => Fate::Punted,
                Verdict::Redirect { .. } => Fate::Dropped(DropReason::RedirectRingFull),
                Verdict::Drop(reason) => Fate::Dropped(reason),
            })
            .collect()
    }
}

/// `TCP 10.0.0.100:80` or `FWM 5`.
fn service_words(key: &ServiceKey) -> String {
    match key {
        ServiceKey::Listen(listen) => format!(
            "{} {}",
            listen.protocol.name().to_uppercase(),
            Endpoint(listen.addresses.addr, key.vport())
        ),
        ServiceKey::Mark(Mark { mark, .. }) => format!("FWM {mark}"),
    }
}

/// `NAME[ (flag,flag)][ persistent S][ mask M][ pe NAME][ ops]`.
fn scheduler_words(spec: &ServiceSpec, is_v4: bool) -> String {
    let mut words = spec.scheduler.name().to_owned();
    if !spec.flags.is_empty() {
        words += &format!(" ({})", spec.flags.words(spec.scheduler));
    }
    if let Some(persistence) = spec.persistence {
        words += &format!(" persistent {}", persistence.timeout_s);
        let (bits, length) = (persistence.ipv4_mask, persistence.ipv6_prefix);
        if is_v4 && bits < 32 {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            words += &format!(" mask {}", std::net::Ipv4Addr::from(mask));
        } else if !is_v4 && length < 128 {
            words += &format!(" mask {length}");
        }
        if persistence.engine == Some(PersistenceEngine::Sip) {
            words += " pe sip";
        }
    }
    if spec.one_packet {
        words += " ops";
    }
    words
}

fn connection_row(view: &ConnectionView, client: String, real: &RealServer) -> ConnectionRow {
    let protocol = view.protocol_name().map(str::to_uppercase);
    let rport = view.rport(&real.reached());
    ConnectionRow {
        protocol: protocol.unwrap_or_else(|| view.protocol.to_string()),
        expire: u64::from(view.expires_ms / 1000),
        state: view.state_name().into(),
        client,
        virtual_service: Endpoint(view.virtual_ip, view.vport).to_string(),
        real: Endpoint(real.key.real_ip, rport).to_string(),
    }
}

fn stats_row(traffic: Option<&Traffic>) -> StatsRow {
    let traffic = traffic.copied().unwrap_or_default();
    [
        traffic.connections,
        traffic.packets_in,
        traffic.packets_out,
        traffic.bytes_in,
        traffic.bytes_out,
    ]
}

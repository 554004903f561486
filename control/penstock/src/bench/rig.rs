// SPDX-License-Identifier: Apache-2.0
//! A worker put together as the daemon does it, with next hops that are known from the start, so
//! that no packet waits or goes to Linux.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crossbeam_queue::ArrayQueue;
use dpdk::{BURST_MAX, Consumer, Eal, Mempool, Producer, TxQueue, clock, mbuf_ring, thread};
use engine::EngineConfig;
use engine::counters::Board;
use engine::flow_table::HashKey;
use model::addr::{Addr, Mac, Prefix};
use model::fib::{Fib, FibBuilder, Hasher, Route};
use model::ids::{IfaceId, PortId, REALS_MAX, WorkerId};
use model::ledger::Ledger;
use model::local::{LocalUse, PoolSpec};
use model::op::Op;
use model::service::{Protocol, RealKey, RealSpec, SchedulerKind, ServiceKey, ServiceSpec};
use model::snapshot::{Interface, Interfaces, Snapshot};
use model::time::Instant;
use worker::memory::HugeFlowMemory;
use worker::snapshot::{Publisher, channel};
use worker::transmit::Exit;
use worker::worker::{Idle, ReceivePort, Worker, WorkerSetup};

use super::capture::{DIRECTOR_MAC, VIRTUAL_IP, VPORT};
use super::error::BenchError;
use super::point::{Point, Source, TABLE_FLOWS, line, rounds_per_look};

/// Servers behind the service.
const REALS: u32 = 16;
/// The first of them.
const FIRST_REAL: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 11);
const RPORT: u16 = 8080;
/// The director's address on their network.
const OWN_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// Local addresses of FullNAT, each with ports for all flows of a server.
const LOCALS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 200), Ipv4Addr::new(10, 0, 0, 201)];
const POOL: &str = "bench";
/// Empty rounds before the first packet.
const ROUNDS_TO_SETTLE: u32 = 64;
/// Packets between the worker and Linux, who is not there.
const RING_PACKETS: u32 = 1024;
/// Jobs and events that may wait; there are none.
const MAILBOX: usize = 16;
/// A random number, the same in every run, so that runs differ in nothing but the machine.
const SEED: u64 = 0x5eed;

/// What a rig is made of.
#[derive(Debug)]
pub(super) struct RigParts {
    pub(super) receive: Vec<ReceivePort>,
    pub(super) tx: TxQueue,
    pub(super) pool: Mempool,
}

/// A worker under measurement.
#[derive(Debug)]
pub(super) struct Rig {
    worker: Worker,
    board: Arc<Board>,
    flows: u64,
    feed: Option<Producer>,
    // Ends of rings that somebody must hold.
    _publisher: Publisher<Snapshot>,
    _linux: (Consumer, Producer),
}

/// CPU time and packets of a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) cpu_ns: u64,
    pub(super) packets: u64,
}

impl Window {
    pub(super) fn ns_per_packet(&self) -> f64 {
        self.cpu_ns as f64 / self.packets.max(1) as f64
    }
}

/// The counters that tell whether packets took the way they were meant to take.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Counts {
    came: u64,
    sent: u64,
    counted_in: u64,
    flows: u64,
    opened: u64,
    /// Every other fate, by name.
    strays: Vec<(&'static str, u64)>,
}

impl Rig {
    /// A worker with one service of sixteen servers, and a table as the daemon's.
    pub(super) fn new(eal: Eal, point: &Point, parts: RigParts) -> Result<Self, BenchError> {
        let hasher = Hasher::with_seeds(SEED, 1, 2, 3);
        let snapshot = snapshot(point, &hasher)?;
        let (publisher, readers) = channel(snapshot, 1);
        let missing = || BenchError::Failed {
            program: "the publisher",
            told: "no reader".into(),
        };
        let snapshots = readers.into_iter().next().ok_or_else(missing)?;
        let board = Arc::new(Board::new(REALS_MAX));
        let (punt, punted) = mbuf_ring(eal, "punt", RING_PACKETS, None)?;
        let (injector, inject) = mbuf_ring(eal, "inject", RING_PACKETS, None)?;
        let (feed, inbox) = line(eal)?;
        let setup = WorkerSetup {
            engine: EngineConfig {
                worker: WorkerId(0),
                boards: vec![Arc::clone(&board)],
                flow_key: HashKey::from_seed(SEED),
                hasher,
                seed: SEED,
            },
            memory: HugeFlowMemory::new(TABLE_FLOWS.max(point.flows as usize), None)?,
            cpu: point.cpu,
            idle: Idle::Poll,
            receive: parts.receive,
            transmit: vec![(PortId(0), Exit::Queue(parts.tx))],
            redirect: (Vec::new(), inbox),
            handoff: Default::default(),
            punt,
            inject,
            pool: parts.pool,
            snapshots,
            jobs: Arc::new(ArrayQueue::new(MAILBOX)),
            events: Arc::new(ArrayQueue::new(MAILBOX)),
            stop: Arc::new(AtomicBool::new(false)),
        };
        Ok(Self {
            worker: Worker::new(setup, now()),
            board,
            flows: u64::from(point.flows),
            feed: Some(feed),
            _publisher: publisher,
            _linux: (punted, injector),
        })
    }

    /// The way in for a source.
    pub(super) fn take_feed(&mut self) -> Result<Producer, BenchError> {
        let taken = || BenchError::Failed {
            program: "the rig",
            told: "its feed is taken".into(),
        };
        self.feed.take().ok_or_else(taken)
    }

    /// Opens every flow of the source, and sees that the table holds them.
    pub(super) fn open_all(&mut self, source: &mut Source) -> Result<(), BenchError> {
        // Local ports are made ready between bursts.
        for _ in 0..ROUNDS_TO_SETTLE {
            self.worker.poll_once(now());
        }
        self.run_with(source, self.flows)?;
        let counts = self.counts();
        if counts.flows != self.flows || counts.opened != self.flows {
            return Err(BenchError::NotSteady(format!(
                "{} flows sent, {} opened, {} in the table",
                self.flows, counts.opened, counts.flows
            )));
        }
        Ok(())
    }

    /// Sends at least that many packets of the source through.
    pub(super) fn run_with(&mut self, source: &mut Source, packets: u64) -> Result<(), BenchError> {
        for _ in 0..packets.div_ceil(BURST_MAX as u64) {
            source.burst()?;
            self.worker.poll_once(now());
        }
        Ok(())
    }

    /// Polls until at least that many packets have come, or nothing comes.
    pub(super) fn run_for_packets(&mut self, packets: u64) {
        let mut came = 0;
        while came < packets {
            match self.worker.poll_once(now()) {
                0 => return,
                count => came += count as u64,
            }
        }
    }

    /// Polls for that much CPU time, `source` before each round; returns CPU time and packets.
    pub(super) fn poll_for(
        &mut self,
        window_ns: u64,
        mut source: impl FnMut() -> Result<(), BenchError>,
    ) -> Result<Window, BenchError> {
        let start = thread::cpu_time_ns();
        let mut packets = 0;
        loop {
            for _ in 0..rounds_per_look() {
                source()?;
                packets += self.worker.poll_once(now()) as u64;
            }
            let cpu_ns = thread::cpu_time_ns().saturating_sub(start);
            if cpu_ns >= window_ns {
                return Ok(Window { cpu_ns, packets });
            }
        }
    }

    /// Measures, and sees from the counters that every packet was of a known flow and was sent.
    pub(super) fn window(
        &mut self,
        measure: impl FnOnce(&mut Self) -> Result<Window, BenchError>,
    ) -> Result<Window, BenchError> {
        let before = self.counts();
        let window = measure(self)?;
        judge(&before, &self.counts(), window.packets, self.flows)
            .map_err(BenchError::NotSteady)?;
        Ok(window)
    }

    fn counts(&self) -> Counts {
        let worker = &self.board.worker;
        let to_servers = |real| {
            self.board
                .real(real)
                .map_or(0, |counts| counts.packets_in.get())
        };
        let strays = worker.each().filter(|(name, ..)| STRAYS.contains(name));
        Counts {
            came: worker.rx.get() + worker.redirected_in.get(),
            sent: worker.tx.get(),
            counted_in: (0..REALS)
                .map(|slot| to_servers(model::ids::RealId(slot)))
                .sum(),
            flows: worker.flows.get(),
            opened: worker.connections.get(),
            strays: strays.map(|(name, count, _)| (name, count)).collect(),
        }
    }
}

/// Fates that no packet may have in a steady state.
const STRAYS: [&str; 7] = [
    "generated",
    "dropped",
    "punted",
    "redirected_out",
    "held",
    "absorbed",
    "flows_expired",
];

/// Why what happened between two moments was no steady state.
fn judge(before: &Counts, after: &Counts, packets: u64, flows: u64) -> Result<(), String> {
    let moved = |what: fn(&Counts) -> u64| what(after).wrapping_sub(what(before));
    let checks = [
        ("packets received", moved(|counts| counts.came), packets),
        ("packets sent", moved(|counts| counts.sent), packets),
        (
            "packets counted for a server",
            moved(|counts| counts.counted_in),
            packets,
        ),
        ("connections opened", moved(|counts| counts.opened), 0),
        ("connections before", before.flows, flows),
        ("connections after", after.flows, flows),
    ];
    for (what, is, should) in checks {
        if is != should {
            return Err(format!("{what}: {is}, not {should}"));
        }
    }
    if packets == 0 {
        return Err("no packet came".to_owned());
    }
    match before
        .strays
        .iter()
        .zip(&after.strays)
        .find(|(before, after)| before != after)
    {
        Some(((name, before), (_, after))) => {
            Err(format!("{name}: {}, not 0", after.wrapping_sub(*before)))
        }
        None => Ok(()),
    }
}

fn now() -> Instant {
    Instant::from_nanos(clock::now())
}

fn snapshot(point: &Point, hasher: &Hasher) -> Result<Snapshot, BenchError> {
    let service = ServiceKey::host(Protocol::Udp, Addr::from(VIRTUAL_IP), VPORT);
    let spec = ServiceSpec {
        name: "bench".into(),
        scheduler: SchedulerKind::Rr,
        local_pool: Some(POOL.into()),
        ..ServiceSpec::default()
    };
    let mut ledger = Ledger::new(hasher.clone());
    ledger.set_interfaces(Interfaces::new(vec![Interface {
        id: IfaceId(0),
        port: PortId(0),
        vlan: None,
        name: "bench".into(),
        mac: Mac(DIRECTOR_MAC),
        mtu: 1500,
        // Where tunnels begin.
        addresses: Prefix::new(Addr::from(OWN_IP), 24).into_iter().collect(),
    }]));
    ledger.set_fib(fib(hasher));
    let pool = PoolSpec {
        name: POOL.into(),
        used_for: LocalUse::Clients,
        addresses: LOCALS.map(Addr::from).to_vec(),
    };
    ledger.set_locals(&[pool], &[])?;
    ledger.apply(&Op::AddService { key: service, spec })?;
    let mode = point.mode.forward();
    for number in 0..REALS {
        let real = RealKey {
            real_ip: Addr::from(real_ip(number)),
            rport: if mode.is_one_way() { VPORT } else { RPORT },
        };
        let spec = RealSpec {
            mode,
            ..RealSpec::default()
        };
        ledger.apply(&Op::AddReal {
            service,
            real,
            spec,
        })?;
    }
    Ok(ledger.snapshot())
}

/// Every server, on the one interface there is.
fn fib(hasher: &Hasher) -> Fib {
    let mut fib = FibBuilder::new(hasher.clone());
    let iface = IfaceId(0);
    if let Some(network) = Prefix::new(Addr::from(FIRST_REAL), 24) {
        fib.route(
            network,
            0,
            Route::Via {
                iface,
                gateway: None,
            },
        );
    }
    for number in 0..REALS {
        let ip = real_ip(number);
        let [a, b, c, d] = ip.octets();
        fib.neighbour(iface, Addr::from(ip), Mac([2, 4, a, b, c, d]));
    }
    fib.build(2)
}

fn real_ip(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(FIRST_REAL) + number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> Counts {
        Counts {
            came: 100,
            sent: 90,
            counted_in: 95,
            flows: 10,
            opened: 10,
            strays: vec![("dropped", 5), ("punted", 0)],
        }
    }

    fn later() -> Counts {
        Counts {
            came: 150,
            sent: 140,
            counted_in: 145,
            ..counts()
        }
    }

    #[test]
    fn packets_that_all_hit_and_leave_are_a_steady_state() {
        assert_eq!(judge(&counts(), &later(), 50, 10), Ok(()));
    }

    #[test]
    fn any_other_fate_of_a_packet_is_noticed() {
        let mut after = later();
        after.strays[0].1 = 8;
        assert_eq!(
            judge(&counts(), &after, 50, 10),
            Err("dropped: 3, not 0".to_owned())
        );
        let after = Counts {
            sent: 139,
            ..later()
        };
        let told = judge(&counts(), &after, 50, 10).unwrap_err();
        assert_eq!(told, "packets sent: 49, not 50");
        let after = Counts {
            opened: 11,
            ..later()
        };
        let told = judge(&counts(), &after, 50, 10).unwrap_err();
        assert_eq!(told, "connections opened: 1, not 0");
        let told = judge(&counts(), &later(), 50, 11).unwrap_err();
        assert_eq!(told, "connections before: 10, not 11");
    }

    #[test]
    fn a_window_without_packets_is_no_window() {
        assert_eq!(
            judge(&counts(), &counts(), 0, 10),
            Err("no packet came".to_owned())
        );
    }
}

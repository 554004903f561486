// SPDX-License-Identifier: Apache-2.0
//! From a configuration to polling workers.
//!
//! EAL, ports, packet pool, twins, rings, flow tables, threads: in that order, and each error names
//! the object, what was asked and the way out. Everything is undone by dropping it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use config::{Config, HugePages};
use crossbeam_queue::ArrayQueue;
use dpdk::port::BondMode;
use dpdk::{
    Consumer, Eal, EalError, EalOptions, MemError, MemoryKind, Mempool, MempoolError, PciDevices,
    Port, PortConfig, PortError, Producer, RingError, StartedPort, mbuf_ring, thread,
};
use engine::EngineConfig;
use engine::counters::Board;
use engine::flow_table::HashKey;
use model::addr::Mac;
use model::fib::Hasher;
use model::ids::{IfaceId, PortId, REALS_MAX, RealId, WorkerId};
use model::snapshot::{Interface, Snapshot, Spread};
use worker::job::{Events, Job, Jobs};
use worker::memory::{HugeFlowMemory, flow_bytes};
use worker::ring_mesh::{Inbox, Outlets, mesh};
use worker::snapshot::Reader;
use worker::tap::{Tap, TapError};
use worker::transmit::Exit;
use worker::twin::{TwinCounters, TwinService};
use worker::worker::{Idle, ReceivePort, WorkerError, WorkerSetup, spawn};

/// Descriptors of each queue: the usual ring of hardware drivers.
const DESCRIPTORS: u16 = 1024;
/// Packets between two workers, and between a worker and Linux.
const RING_PACKETS: u32 = 1024;
/// Each worker's private stock of free packets.
const CACHE_PACKETS: u32 = 256;
/// Packets that may wait in a worker: for a neighbour, or for the rest of their datagram.
const HELD_PACKETS: u32 = 1536;
const _: () = assert!(
    HELD_PACKETS as usize == engine::waiting::PACKETS_MAX + engine::fragments::FRAGMENTS_MAX
);
/// Packets in the pool at least.
const POOL_PACKETS_MIN: u32 = 8191;
/// A flow table holds a quarter more than the worker's share, because shares are uneven
/// (DESIGN decision 10).
const SHARE_SLACK: (usize, usize) = (5, 4);
/// Events that may wait for control.
const EVENTS: usize = 4096;
/// Jobs that may wait for a worker: servers whose drain time ends in one go.
const JOBS: usize = 1024;
/// Bytes an mbuf costs beside its data room: header, pool header, alignment.
const MBUF_OVERHEAD_BYTES: u32 = 320;
/// Memory of EAL without huge pages beyond the packet pool: rings, port data.
const EAL_EXTRA_MIB: u32 = 32;

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BootError {
    /// The machine lacks a CPU.
    #[error("director.workers: CPU {cpu} is not there or not allowed; allowed are {allowed:?}")]
    Cpu {
        /// The CPU.
        cpu: u16,
        /// Those that this process may use.
        allowed: Vec<usize>,
    },
    /// DPDK did not start.
    #[error("cannot start DPDK")]
    Eal(#[from] EalError),
    /// No memory for a flow table.
    #[error("no memory for the flow table of worker {worker} ({flows} connections)")]
    Flows {
        /// The worker.
        worker: u16,
        /// Its share.
        flows: usize,
        /// Why.
        source: MemError,
    },
    /// Linux's side could not be set up.
    #[error("cannot set up the kernel twins")]
    Netlink(#[from] crate::netlink::NetlinkError),
    /// The configuration cannot be applied as it is.
    #[error("cannot apply the configuration: {0}")]
    Op(#[from] model::op::OpError),
    /// The local addresses do not fit.
    #[error("local addresses")]
    Local(#[from] model::local::LocalError),
    /// No packet pool.
    #[error(
        "no memory for {packets} packet buffers; set director.memory_mib, or reserve huge pages"
    )]
    Pool {
        /// Buffers asked for.
        packets: u32,
        /// Why.
        source: MempoolError,
    },
    /// A port could not be used.
    #[error("port {port} (device {device})")]
    Port {
        /// Name in the configuration.
        port: String,
        /// The device.
        device: String,
        /// Why.
        source: PortError,
    },
    /// The system gives no randomness.
    #[error("the system gives no random bytes: {0}")]
    Random(String),
    /// No ring.
    #[error("no memory for the rings between the workers")]
    Ring(#[from] RingError),
    /// No runtime for the control side.
    #[error("cannot start the control side's runtime")]
    Runtime {
        /// Why.
        source: std::io::Error,
    },
    /// The API's socket.
    #[error("cannot listen on {path}; is another penstock running? (api.socket)")]
    Socket {
        /// The path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// No kernel twin.
    #[error("no kernel twin for port {port}")]
    Twin {
        /// Name in the configuration.
        port: String,
        /// Why.
        source: TapError,
    },
    /// A worker died.
    #[error("worker {0} ended without being told to; see the log")]
    WorkerDied(u16),
    /// A worker did not start.
    #[error("a worker did not start")]
    Worker(#[from] WorkerError),
}

/// A director whose workers poll.
#[derive(Debug)]
pub(crate) struct Director {
    /// DPDK runs.
    pub(crate) eal: Eal,
    /// In the order of the configuration.
    pub(crate) ports: Vec<StartedPort>,
    /// Packet buffers.
    pub(crate) pool: Mempool,
    /// The CPU of each worker.
    pub(crate) cpus: Vec<u16>,
    /// Connections that each worker's table holds.
    pub(crate) flows_max: usize,
    /// Every worker's counters.
    pub(crate) boards: Vec<Arc<Board>>,
    /// Every worker's mailbox.
    pub(crate) jobs: Vec<Jobs>,
    /// Control's mailbox.
    pub(crate) events: Events,
    /// What the twins did.
    pub(crate) twin_counters: Arc<TwinCounters>,
    /// Ports and VLANs.
    pub(crate) interfaces: Vec<Interface>,
    /// How packets find their worker.
    pub(crate) spread: Spread,
    /// Seeded hashing.
    pub(crate) hasher: Hasher,
    starting: Option<Starting>,
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    stop_twins: Arc<AtomicBool>,
}

/// What is kept until the first snapshot is there.
#[derive(Debug)]
struct Starting {
    setups: Vec<PreparedWorker>,
    twins: TwinService,
}

/// A worker but for its snapshots.
#[derive(Debug)]
struct PreparedWorker {
    engine: EngineConfig,
    memory: HugeFlowMemory,
    cpu: usize,
    receive: Vec<ReceivePort>,
    transmit: Vec<(PortId, Exit)>,
    redirect: (Outlets, Inbox),
    handoff: (Outlets, Inbox),
    punt: Producer,
    inject: Consumer,
}

/// Starts DPDK, attaches every port and lets them go again: every problem found.
pub(crate) fn probe(config: &Config) -> Vec<BootError> {
    match start_eal(config) {
        Ok(eal) => match attach_all(eal, config) {
            Ok(_) => Vec::new(),
            Err(errors) => errors,
        },
        Err(error) => vec![error],
    }
}

/// Everything but the threads, which wait for the first snapshot.
///
/// # Errors
/// Every port that is wrong, or the first other problem.
pub(crate) fn boot(config: &Config) -> Result<Director, Vec<BootError>> {
    let eal = start_eal(config).map_err(|error| vec![error])?;
    let ports = attach_all(eal, config)?;
    assemble(eal, config, ports).map_err(|error| vec![error])
}

fn start_eal(config: &Config) -> Result<Eal, BootError> {
    let allowed = thread::affinity();
    for cpu in config.director.workers.as_slice() {
        if !allowed.contains(&usize::from(*cpu)) {
            return Err(BootError::Cpu { cpu: *cpu, allowed });
        }
    }
    let workers = config.director.workers.as_slice();
    let control: Vec<usize> = match &config.director.control_cpu {
        Some(cpus) => cpus
            .as_slice()
            .iter()
            .map(|cpu| usize::from(*cpu))
            .collect(),
        None => allowed
            .iter()
            .copied()
            .filter(|cpu| !workers.iter().any(|worker| usize::from(*worker) == *cpu))
            .collect(),
    };
    let pci: Vec<String> = config
        .ports
        .iter()
        .flat_map(config::Port::devices)
        .filter_map(|device| match device {
            config::Device::Pci(address) => Some(address.clone()),
            config::Device::Virtual(_) => None,
        })
        .collect();
    let packets = pool_packets(config);
    let pool_mib = packets.saturating_mul(u32::from(data_room(config)) + MBUF_OVERHEAD_BYTES) >> 20;
    let memory_mib = config
        .director
        .memory_mib
        .unwrap_or(pool_mib + EAL_EXTRA_MIB);
    let huge_pages = huge_pages(config, memory_mib);
    let started = Eal::init(EalOptions {
        file_prefix: format!("penstock-{}", std::process::id()),
        // Nothing left over: the control side shares a CPU with a worker.
        cpus: control,
        memory_mib,
        huge_pages,
        pci: if pci.is_empty() {
            PciDevices::None
        } else {
            PciDevices::Allowed(pci)
        },
        ..EalOptions::default()
    });
    let eal = match started {
        Err(error @ EalError::Start { .. }) if huge_pages == dpdk::HugePages::Auto => {
            return Err(again_without_huge_pages(&allowed, error));
        }
        started => started?,
    };
    if eal.memory_kind() == MemoryKind::Normal {
        log::warn!(
            "running without huge pages: works, at about a sixth more CPU per packet with a \
             million connections; reserve some with: sysctl vm.nr_hugepages=256"
        );
    }
    Ok(eal)
}

/// Whether to ask EAL for huge pages: if there are enough for the flow tables, too.
fn huge_pages(config: &Config, memory_mib: u32) -> dpdk::HugePages {
    let workers = config.director.workers.len();
    let flow_bytes = flow_bytes(flows_per_worker(config)).saturating_mul(workers);
    let needed_mib = u64::from(memory_mib) + (flow_bytes >> 20) as u64;
    match config.director.huge_pages {
        HugePages::Never => dpdk::HugePages::Never,
        HugePages::Require => dpdk::HugePages::Require,
        HugePages::Auto
            if std::env::var_os(NO_HUGE_PAGES).is_some()
                || dpdk::eal::free_huge_mib() < needed_mib =>
        {
            dpdk::HugePages::Never
        }
        HugePages::Auto => dpdk::HugePages::Auto,
    }
}

/// Replaces this process by a new one that takes no huge pages: others took them between our look
/// and EAL's, and EAL starts once per process. Returns only if that fails, with EAL's error.
fn again_without_huge_pages(cpus: &[usize], error: EalError) -> BootError {
    use std::os::unix::process::CommandExt as _;
    log::warn!("huge pages ran out while DPDK started; starting again without");
    // EAL has pinned this thread, and who replaces it would believe that to be all there is.
    let again = thread::allow(cpus)
        .map_err(|error| error.to_string())
        .and_then(|()| std::env::current_exe().map_err(|error| error.to_string()))
        .map(|program| {
            std::process::Command::new(program)
                .args(std::env::args_os().skip(1))
                .env(NO_HUGE_PAGES, "1")
                .exec()
                .to_string()
        });
    let (Ok(why) | Err(why)) = again;
    log::error!("cannot start again: {why}");
    error.into()
}

/// Set in the environment of a daemon that has started again without huge pages.
const NO_HUGE_PAGES: &str = "PENSTOCK_NO_HUGE_PAGES";

/// Attaches the ports of a configuration; every error, not the first.
fn attach_all(eal: Eal, config: &Config) -> Result<Vec<Port>, Vec<BootError>> {
    let mut ports = Vec::new();
    let mut errors = Vec::new();
    for port in &config.ports {
        match attach(eal, port) {
            Ok(attached) => ports.push(attached),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(ports)
    } else {
        Err(errors)
    }
}

/// Attaches one port and sees whether it has the queues.
pub(crate) fn attach(eal: Eal, port: &config::Port) -> Result<Port, BootError> {
    let wrong = |source| port_error(port, source);
    let attached = match &port.bond {
        None => Port::attach(eal, port.device.as_str()),
        Some(bond) => bonded(eal, port.device.name(), bond),
    };
    let attached = attached.map_err(wrong)?;
    let capabilities = attached.capabilities().map_err(wrong)?;
    if port.queues > capabilities.max_rx_queues {
        return Err(wrong(PortError::Queues {
            port: port.name.clone(),
            direction: dpdk::port::QueueDirection::Receive,
            asked: port.queues,
            available: capabilities.max_rx_queues,
        }));
    }
    Ok(attached)
}

/// Attaches the members of a bond, and makes them one port.
fn bonded(eal: Eal, name: &str, bond: &config::Bond) -> Result<Port, PortError> {
    let members = bond.members.iter();
    let members: Result<Vec<Port>, PortError> = members
        .map(|member| Port::attach(eal, member.as_str()))
        .collect();
    let mode = match bond.mode {
        config::BondMode::ActiveBackup => BondMode::ActiveBackup,
        config::BondMode::Lacp => BondMode::Lacp,
    };
    Port::bond(eal, name, mode, members?)
}

fn port_error(port: &config::Port, source: PortError) -> BootError {
    BootError::Port {
        port: port.name.clone(),
        device: port.device.to_string(),
        source,
    }
}

fn pool_packets(config: &Config) -> u32 {
    let workers = u32::try_from(config.director.workers.len()).unwrap_or(u32::MAX);
    let queues: u32 = config
        .ports
        .iter()
        .map(|port| (u32::from(port.queues) + workers) * device_count(port))
        .sum();
    let wanted = queues
        .saturating_mul(u32::from(DESCRIPTORS))
        .saturating_add(workers.saturating_mul(CACHE_PACKETS * 2 + RING_PACKETS + HELD_PACKETS))
        .saturating_add(RING_PACKETS * 2);
    // One less than a power of two uses the ring behind the pool best.
    wanted
        .max(POOL_PACKETS_MIN)
        .next_power_of_two()
        .saturating_sub(1)
}

/// Each member of a bond has rings of its own.
fn device_count(port: &config::Port) -> u32 {
    u32::try_from(port.devices().count()).unwrap_or(u32::MAX)
}

/// Room for the largest frame of any port behind the headroom, and at least DPDK's usual size.
fn data_room(config: &Config) -> u16 {
    let mtu = config
        .ports
        .iter()
        .map(|port| port.mtu)
        .max()
        .unwrap_or(1500);
    let frame = u16::try_from(mtu)
        .unwrap_or(u16::MAX)
        .saturating_add(FRAME_EXTRA_BYTES);
    frame
        .saturating_add(dpdk::mempool::HEADROOM)
        .max(dpdk::mempool::DATA_ROOM_DEFAULT)
}

/// Ethernet header, VLAN tag, and what some drivers write behind a frame.
const FRAME_EXTRA_BYTES: u16 = 32;

fn assemble(eal: Eal, config: &Config, attached: Vec<Port>) -> Result<Director, BootError> {
    let cpus = config.director.workers.as_slice().to_vec();
    let workers = u16::try_from(cpus.len()).unwrap_or(u16::MAX);
    let random = Random::new()?;
    let packets = pool_packets(config);
    let pool = Mempool::new(
        eal,
        "packets",
        packets,
        CACHE_PACKETS,
        data_room(config),
        None,
    )
    .map_err(|source| BootError::Pool { packets, source })?;
    let mut ports = Vec::new();
    for (port, settings) in attached.into_iter().zip(&config.ports) {
        ports.push(start(port, settings, workers, &pool)?);
    }
    let interfaces = interfaces(config, &ports);
    let boards: Vec<Arc<Board>> = cpus
        .iter()
        .map(|_| Arc::new(Board::for_workers(REALS_MAX, cpus.len())))
        .collect();
    let flows_max = flows_per_worker(config);
    let (setups, punts, inject) =
        prepare_workers(eal, &cpus, (&boards, flows_max), &mut ports, &random)?;
    let twin_counters = Arc::new(TwinCounters::default());
    let twins = TwinService {
        twins: make_twins(&interfaces)?,
        punts,
        inject,
        frame_max: usize::from(data_room(config).saturating_sub(dpdk::mempool::HEADROOM)),
        pool: pool.clone(),
        counters: Arc::clone(&twin_counters),
    };
    let spread = if workers > 1 {
        Spread::ClientHash {
            key: [random.word()?, random.word()?],
            workers,
        }
    } else {
        Spread::Single
    };
    Ok(Director {
        eal,
        ports,
        pool,
        jobs: cpus
            .iter()
            .map(|_| Arc::new(ArrayQueue::new(JOBS)))
            .collect(),
        cpus,
        flows_max,
        boards,
        events: Arc::new(ArrayQueue::new(EVENTS)),
        twin_counters,
        interfaces,
        spread,
        hasher: random.hasher,
        starting: Some(Starting { setups, twins }),
        threads: Vec::new(),
        stop: Arc::new(AtomicBool::new(false)),
        stop_twins: Arc::new(AtomicBool::new(false)),
    })
}

/// Connections that one worker's table holds.
fn flows_per_worker(config: &Config) -> usize {
    let (slack, of) = SHARE_SLACK;
    let workers = config.director.workers.len().max(1);
    (config.director.flows_max as usize).div_ceil(workers) * slack / of
}

/// Every worker's tables, queues and rings, with the twins' ends of the rings.
fn prepare_workers(
    eal: Eal,
    cpus: &[u16],
    (boards, flows_max): (&[Arc<Board>], usize),
    ports: &mut [StartedPort],
    random: &Random,
) -> Result<(Vec<PreparedWorker>, Vec<Consumer>, Producer), BootError> {
    let workers = u16::try_from(cpus.len()).unwrap_or(u16::MAX);
    let mut redirects = mesh(eal, "redirect", workers, RING_PACKETS)?.into_iter();
    let mut handoffs = mesh(eal, "handoff", workers, RING_PACKETS)?.into_iter();
    let (inject, injected) = mbuf_ring(eal, "inject", RING_PACKETS, None)?;
    let mut injected = Some(injected);
    let mut punts = Vec::new();
    let mut setups = Vec::new();
    for (id, cpu) in (0u16..).zip(cpus) {
        let (punt, punted) = mbuf_ring(eal, "punt", RING_PACKETS, None)?;
        punts.push(punted);
        let inject = match injected.take() {
            Some(first) => first,
            // Worker 0 sends for Linux; the others' rings stay empty.
            None => mbuf_ring(eal, "no_inject", 1, None)?.1,
        };
        let memory = HugeFlowMemory::new(flows_max, None).map_err(|source| BootError::Flows {
            worker: id,
            flows: flows_max,
            source,
        })?;
        setups.push(PreparedWorker {
            engine: EngineConfig {
                worker: WorkerId(id),
                boards: boards.to_vec(),
                flow_key: HashKey::new(random.words()?),
                hasher: random.hasher.clone(),
                seed: random.word()?,
            },
            memory,
            cpu: usize::from(*cpu),
            receive: receive_ports(ports, id),
            transmit: transmit_ports(ports, id),
            redirect: redirects.next().unwrap_or_default(),
            handoff: handoffs.next().unwrap_or_default(),
            punt,
            inject,
        });
    }
    Ok((setups, punts, inject))
}

/// Starts a port with the queues its settings ask for, and a transmit queue for each worker where
/// it has that many.
fn start(
    port: Port,
    settings: &config::Port,
    workers: u16,
    pool: &Mempool,
) -> Result<StartedPort, BootError> {
    let wrong = |source| port_error(settings, source);
    let capabilities = port.capabilities().map_err(wrong)?;
    let port_config = PortConfig {
        rx_queues: settings.queues,
        tx_queues: tx_queues(settings, workers, capabilities.max_tx_queues),
        rx_desc: DESCRIPTORS,
        tx_desc: DESCRIPTORS,
        mtu: set_mtu(&port, settings),
        promiscuous: settings.promiscuous,
        ..PortConfig::default()
    };
    port.start(&port_config, pool).map_err(wrong)
}

/// A transmit queue for each worker, if the port has them. Software ports have queue pairs
/// (af_packet, af_xdp, tap): as many of one kind as of the other.
fn tx_queues(settings: &config::Port, workers: u16, available: u16) -> u16 {
    let paired = settings
        .devices()
        .any(|device| matches!(device, config::Device::Virtual(_)));
    let wanted = if paired { settings.queues } else { workers };
    wanted.min(available).max(1)
}

/// The MTU to set: none where the device has it already, as software ports take it from Linux.
fn set_mtu(port: &Port, settings: &config::Port) -> Option<u16> {
    let wanted = u16::try_from(settings.mtu).ok()?;
    (port.mtu() != Some(wanted)).then_some(wanted)
}

fn receive_ports(ports: &mut [StartedPort], worker: u16) -> Vec<ReceivePort> {
    (0u16..)
        .zip(ports)
        .filter_map(|(id, port)| {
            port.take_rx_queue(worker).map(|queue| ReceivePort {
                id: PortId(id),
                queue,
            })
        })
        .collect()
}

fn transmit_ports(ports: &mut [StartedPort], worker: u16) -> Vec<(PortId, Exit)> {
    (0u16..)
        .zip(ports)
        .map(|(id, port)| {
            // The first worker has a queue on every port.
            let exit = port
                .take_tx_queue(worker)
                .map_or(Exit::Worker(WorkerId(0)), Exit::Queue);
            (PortId(id), exit)
        })
        .collect()
}

fn interfaces(config: &Config, ports: &[StartedPort]) -> Vec<Interface> {
    let mut list = Vec::new();
    let mut add = |port: u16, vlan, name: String, mac, mtu, addresses: &Vec<_>| {
        let id = IfaceId(u16::try_from(list.len()).unwrap_or(u16::MAX));
        list.push(Interface {
            id,
            port: PortId(port),
            vlan,
            name: name.into(),
            mac,
            mtu,
            addresses: addresses.clone(),
        });
    };
    for ((id, settings), port) in (0u16..).zip(&config.ports).zip(ports) {
        let mac = Mac(port.mac().0);
        add(
            id,
            None,
            settings.name.clone(),
            mac,
            settings.mtu,
            &settings.addresses,
        );
        for vlan in &settings.vlans {
            add(
                id,
                Some(vlan.id),
                settings.vlan_name(vlan),
                mac,
                vlan.mtu,
                &vlan.addresses,
            );
        }
    }
    list
}

fn make_twins(interfaces: &[Interface]) -> Result<Vec<Option<Tap>>, BootError> {
    interfaces
        .iter()
        .map(|iface| {
            Tap::create(&iface.name)
                .map(Some)
                .map_err(|source| BootError::Twin {
                    port: iface.name.to_string(),
                    source,
                })
        })
        .collect()
}

/// Randomness of this boot.
#[derive(Debug)]
struct Random {
    hasher: Hasher,
}

impl Random {
    fn new() -> Result<Self, BootError> {
        let [a, b, c, d, ..] = random_words()?;
        Ok(Self {
            hasher: Hasher::with_seeds(a, b, c, d),
        })
    }

    fn words(&self) -> Result<[u64; 8], BootError> {
        random_words()
    }

    fn word(&self) -> Result<u64, BootError> {
        let [word, ..] = random_words()?;
        Ok(word)
    }
}

fn random_words() -> Result<[u64; 8], BootError> {
    let mut bytes = [0; 64];
    getrandom::fill(&mut bytes).map_err(|error| BootError::Random(error.to_string()))?;
    let (chunks, _) = bytes.as_chunks::<8>();
    let mut words = [0; 8];
    for (word, chunk) in words.iter_mut().zip(chunks) {
        *word = u64::from_ne_bytes(*chunk);
    }
    Ok(words)
}

impl Director {
    /// Starts the workers and the twins' thread on the first snapshot.
    ///
    /// # Errors
    /// [`BootError::Worker`]; those already started are stopped when the director is dropped.
    pub(crate) fn launch(
        &mut self,
        config: &Config,
        readers: Vec<Reader<Snapshot>>,
    ) -> Result<(), BootError> {
        let Some(Starting { setups, twins }) = self.starting.take() else {
            return Ok(());
        };
        let idle = match config.director.idle {
            config::Idle::Poll => Idle::Poll,
            config::Idle::Adaptive => Idle::Adaptive,
        };
        for ((setup, snapshots), jobs) in setups.into_iter().zip(readers).zip(&self.jobs) {
            let setup = WorkerSetup {
                engine: setup.engine,
                memory: setup.memory,
                cpu: setup.cpu,
                idle,
                receive: setup.receive,
                transmit: setup.transmit,
                redirect: setup.redirect,
                handoff: setup.handoff,
                punt: setup.punt,
                inject: setup.inject,
                pool: self.pool.clone(),
                snapshots,
                jobs: Arc::clone(jobs),
                events: Arc::clone(&self.events),
                stop: Arc::clone(&self.stop),
            };
            self.threads.push(spawn(self.eal, setup)?);
        }
        let stop = Arc::clone(&self.stop_twins);
        let builder = std::thread::Builder::new().name("ha".to_owned());
        let thread = builder
            .spawn(move || {
                // Best effort: without the right to it, the lab runs all the same.
                if let Err(error) = thread::set_fifo(HA_PRIORITY) {
                    log::debug!("the twins' thread runs without real-time priority: {error}");
                }
                twins.run(&stop);
            })
            .map_err(|source| BootError::Runtime { source })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Has every worker forget the connections of a server.
    pub(crate) fn cut(&self, real: RealId) {
        for jobs in &self.jobs {
            if jobs.push(Job::Cut { real }).is_err() {
                log::warn!("a worker is too busy to cut the connections of server slot {real}");
            }
        }
    }

    /// Transmit queues in use of a port that has `available`.
    pub(crate) fn tx_queues(&self, settings: &config::Port, available: u16) -> u16 {
        tx_queues(
            settings,
            u16::try_from(self.cpus.len()).unwrap_or(u16::MAX),
            available,
        )
    }

    /// The worker that ended by itself, if one did.
    pub(crate) fn dead_worker(&self) -> Option<u16> {
        let place = self.threads.iter().position(JoinHandle::is_finished)?;
        u16::try_from(place).ok()
    }
}

/// Above every ordinary thread, below the kernel's own.
const HA_PRIORITY: i32 = 10;

impl Drop for Director {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let twins = self.threads.pop();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                log::error!("a worker panicked");
            }
        }
        self.stop_twins.store(true, Ordering::Relaxed);
        if let Some(Err(_)) = twins.map(JoinHandle::join) {
            log::error!("the twins' thread panicked");
        }
    }
}

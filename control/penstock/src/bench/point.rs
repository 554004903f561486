// SPDX-License-Identifier: Apache-2.0
//! One measurement, in a process of its own: DPDK starts once per process, and every run gets
//! memory of its own, as it would at boot.
//!
//! ```text
//!   port       net_pcap (capture, for ever) ─► worker ─► net_pcap (frees)
//!   synthetic  templates ─► fresh mbufs ─► ring ─► worker ─► net_null (frees)
//!              templates ─► fresh mbufs ─► ring ──────────► net_null (frees)     to be subtracted
//! ```
//!
//! The worker is the daemon's; only its loop is here, because the CPU clock has to be read at the
//! edges of a window.

use std::path::PathBuf;

use dpdk::{
    BURST_MAX, Eal, EalOptions, HugePages, LogLevel, Mbuf, MbufBatch, Mempool, Port, PortConfig,
    Producer, StartedPort, TxQueue, thread,
};
use engine::flow_table::Layout;
use model::ids::PortId;
use serde::{Deserialize, Serialize};
use worker::ring_mesh::{Inbox, mesh};
use worker::worker::ReceivePort;

use super::Mode;
use super::capture::{FRAME_LEN, frame, shuffled};
use super::error::BenchError;
use super::figures::median;
use super::rig::{Rig, RigParts};

/// Bytes of a packet buffer, headroom included: a frame, a tunnel header, and no more, so that a
/// million packets fit into half a gigabyte.
pub(super) const DATA_ROOM: u16 = 256;
/// A worker's private stock of free packet buffers.
pub(super) const CACHE_PACKETS: u32 = 256;
/// Packet buffers beyond those that hold the capture.
pub(super) const SPARE_PACKETS: u32 = 8192;
/// Descriptors of each queue.
pub(super) const DESCRIPTORS: u16 = 1024;
/// Connections that the table is laid out for: what the daemon does unless it is told otherwise.
pub(super) const TABLE_FLOWS: usize = 1_000_000;

/// Bytes of a packet buffer beside its data room: header, pool header, alignment.
const MBUF_OVERHEAD_BYTES: u64 = 192;
/// Bytes of the rings behind the pool and behind the capture, per packet, rounded up to powers of
/// 2.
const RING_BYTES: u64 = 32;
/// Whatever else DPDK allocates.
const EXTRA_MIB: u64 = 64;
/// Packets on their way between source and worker.
const RING_PACKETS: u32 = 1024;
/// Packet buffers of the synthetic source.
const SOURCE_PACKETS: u32 = 8191;
/// Rounds between two looks at the CPU clock, which costs as much as several packets.
const ROUNDS_PER_LOOK: u32 = 256;
/// How often the captured packets pass before anything is measured.
const WARM_PASSES: u64 = 2;
/// Pairs of slices, with and without the director, of a synthetic measurement.
const SLICES: u64 = 8;
/// Order in which flows are opened, which is that of the table's entries. Another than the
/// capture's, or the hardware's prefetcher would flatter the figures.
const OPENING_SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// Order of the packets.
pub(super) const CAPTURE_SEED: u64 = 0xd1b5_4a32_d192_ed03;

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Point {
    /// The capture to receive; without one the source is synthetic.
    pub(super) capture: Option<PathBuf>,
    pub(super) mode: Mode,
    pub(super) flows: u32,
    /// The worker's CPU.
    pub(super) cpu: usize,
    /// CPUs of everything else.
    pub(super) control_cpus: Vec<usize>,
    pub(super) huge_pages: bool,
    /// CPU time to measure over.
    pub(super) window_ms: u32,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Measured {
    /// CPU time per packet, source included.
    pub(super) ns_per_packet: f64,
    /// The same of the source alone; 0 where it cannot be told apart.
    pub(super) source_ns: f64,
    pub(super) packets: u64,
}

/// Memory that a process needs for `flows` captured packets and its table.
pub(super) fn memory_mib(flows: u32) -> u32 {
    let packets = u64::from(flows) + u64::from(SPARE_PACKETS + SOURCE_PACKETS);
    let pool = packets * (u64::from(DATA_ROOM) + MBUF_OVERHEAD_BYTES + RING_BYTES);
    let table = Layout::for_capacity(TABLE_FLOWS.max(flows as usize)).bytes() as u64;
    u32::try_from(((pool + table) >> 20) + EXTRA_MIB).unwrap_or(u32::MAX)
}

/// Measures, on a thread of its own.
///
/// # Errors
/// [`BenchError`]; also when what was measured was no steady state.
pub(super) fn measure(point: &Point) -> Result<Measured, BenchError> {
    let eal = Eal::init(EalOptions {
        file_prefix: format!("penstock-bench-{}", std::process::id()),
        cpus: point.control_cpus.clone(),
        memory_mib: memory_mib(point.flows),
        huge_pages: if point.huge_pages {
            HugePages::Require
        } else {
            HugePages::Never
        },
        log_level: LogLevel::Critical,
        ..EalOptions::default()
    })?;
    let point = point.clone();
    let body = move || {
        thread::pin(point.cpu)?;
        let _registration = thread::register(eal)?;
        match &point.capture {
            Some(capture) => of_port(eal, &point, &capture.display().to_string()),
            None => synthetic(eal, &point),
        }
    };
    std::thread::spawn(body)
        .join()
        .map_err(|_| BenchError::Worker)?
}

fn of_port(eal: Eal, point: &Point, capture: &str) -> Result<Measured, BenchError> {
    let pool = pool(eal, point.flows + SPARE_PACKETS)?;
    let device = format!("net_pcap0,rx_pcap={capture},infinite_rx=1");
    let mut port = start(eal, &device, &pool)?;
    let (rx, tx) = (port.take_rx_queue(0), take_tx(&mut port)?);
    let receive = rx
        .map(|queue| ReceivePort {
            id: PortId(0),
            queue,
        })
        .into_iter()
        .collect();
    // The port receives nothing as long as it finds no packet buffer.
    let held: Vec<Mbuf> = std::iter::from_fn(|| pool.alloc()).collect();
    let mut rig = Rig::new(
        eal,
        point,
        RigParts {
            receive,
            tx,
            pool: pool.clone(),
        },
    )?;
    let mut source = Source::opening(eal, point, rig.take_feed()?)?;
    rig.open_all(&mut source)?;
    drop(held);
    rig.run_for_packets(u64::from(point.flows) * WARM_PASSES);
    let window_ns = u64::from(point.window_ms) * 1_000_000;
    let window = rig.window(|rig| rig.poll_for(window_ns, || Ok(())))?;
    Ok(Measured {
        ns_per_packet: window.ns_per_packet(),
        source_ns: 0.0,
        packets: window.packets,
    })
}

fn synthetic(eal: Eal, point: &Point) -> Result<Measured, BenchError> {
    let source_pool = pool(eal, SOURCE_PACKETS)?;
    let mut port = start(eal, "net_null0", &source_pool)?;
    let tx = take_tx(&mut port)?;
    let mut rig = Rig::new(
        eal,
        point,
        RigParts {
            receive: Vec::new(),
            tx,
            pool: source_pool,
        },
    )?;
    let mut opening = Source::opening(eal, point, rig.take_feed()?)?;
    rig.open_all(&mut opening)?;
    let Source { feed, pool, .. } = opening;
    let mut source = Source::new(pool.clone(), shuffled(point.flows, CAPTURE_SEED), feed);
    let mut alone = Alone::new(eal, point, pool)?;

    let warm = u64::from(point.flows) * WARM_PASSES;
    rig.run_with(&mut source, warm)?;
    let slice_ns = u64::from(point.window_ms) * 1_000_000 / SLICES;
    let (mut with, mut without, mut packets) = (Vec::new(), Vec::new(), 0);
    for _ in 0..SLICES {
        without.push(alone.slice(slice_ns)?);
        // The source alone has cooled the table; the first pass brings it back.
        rig.run_with(&mut source, u64::from(point.flows))?;
        let window = rig.window(|rig| rig.poll_for(slice_ns, || source.burst()))?;
        packets += window.packets;
        with.push(window.ns_per_packet());
    }
    Ok(Measured {
        ns_per_packet: median(&with),
        source_ns: median(&without),
        packets,
    })
}

fn pool(eal: Eal, packets: u32) -> Result<Mempool, BenchError> {
    Ok(Mempool::new(
        eal,
        "bench",
        packets,
        CACHE_PACKETS,
        DATA_ROOM,
        None,
    )?)
}

fn start(eal: Eal, device: &str, pool: &Mempool) -> Result<StartedPort, BenchError> {
    let config = PortConfig {
        rx_desc: DESCRIPTORS,
        tx_desc: DESCRIPTORS,
        ..PortConfig::default()
    };
    Ok(Port::attach(eal, device)?.start(&config, pool)?)
}

fn take_tx(port: &mut StartedPort) -> Result<TxQueue, BenchError> {
    let missing = || BenchError::Failed {
        program: "the port",
        told: "no transmit queue".into(),
    };
    port.take_tx_queue(0).ok_or_else(missing)
}

/// Puts frames into a ring, each in a fresh packet buffer.
#[derive(Debug)]
pub(super) struct Source {
    pool: Mempool,
    frames: Vec<[u8; FRAME_LEN]>,
    next: usize,
    batch: MbufBatch,
    feed: Producer,
}

impl Source {
    fn new(pool: Mempool, order: Vec<u32>, feed: Producer) -> Self {
        let frames = order.into_iter().map(frame).collect();
        Self {
            pool,
            frames,
            next: 0,
            batch: MbufBatch::new(),
            feed,
        }
    }

    /// Each flow once, in the order in which the table shall have them.
    fn opening(eal: Eal, point: &Point, feed: Producer) -> Result<Self, BenchError> {
        Ok(Self::new(
            pool(eal, SOURCE_PACKETS)?,
            shuffled(point.flows, OPENING_SEED),
            feed,
        ))
    }

    /// A burst of the next frames.
    pub(super) fn burst(&mut self) -> Result<(), BenchError> {
        if self.pool.alloc_bulk(&mut self.batch, BURST_MAX) == 0 {
            return Err(dpdk::MempoolError::Empty.into());
        }
        for packet in self.batch.iter_mut() {
            if self.next >= self.frames.len() {
                self.next = 0;
            }
            if let Some(frame) = self.frames.get(self.next) {
                packet.append(FRAME_LEN)?.copy_from_slice(frame);
            }
            packet.set_port(0);
            self.next += 1;
        }
        self.feed.enqueue(&mut self.batch);
        // What the ring did not take is lost, and the window's judgement tells.
        self.batch.clear();
        Ok(())
    }
}

/// The source without a director behind it.
#[derive(Debug)]
struct Alone {
    source: Source,
    inbox: Inbox,
    burst: MbufBatch,
    tx: TxQueue,
    _port: StartedPort,
}

impl Alone {
    fn new(eal: Eal, point: &Point, pool: Mempool) -> Result<Self, BenchError> {
        let mut port = start(eal, "net_null1", &pool)?;
        let tx = take_tx(&mut port)?;
        let (feed, inbox) = line(eal)?;
        let source = Source::new(pool, shuffled(point.flows, CAPTURE_SEED), feed);
        Ok(Self {
            source,
            inbox,
            burst: MbufBatch::new(),
            tx,
            _port: port,
        })
    }

    /// CPU time per packet, over about `slice_ns`; one pass over the frames first.
    fn slice(&mut self, slice_ns: u64) -> Result<f64, BenchError> {
        for _ in 0..self.source.frames.len() / BURST_MAX {
            self.round()?;
        }
        let start = thread::cpu_time_ns();
        let mut packets = 0;
        loop {
            for _ in 0..ROUNDS_PER_LOOK {
                packets += self.round()?;
            }
            let spent = thread::cpu_time_ns().saturating_sub(start);
            if spent >= slice_ns {
                return Ok(spent as f64 / packets as f64);
            }
        }
    }

    fn round(&mut self) -> Result<usize, BenchError> {
        self.source.burst()?;
        let mut sent = 0;
        let tx = &mut self.tx;
        self.inbox
            .receive(&mut self.burst, |batch| sent += tx.burst(batch));
        Ok(sent)
    }
}

/// A ring into an inbox.
pub(super) fn line(eal: Eal) -> Result<(Producer, Inbox), BenchError> {
    let mut ends = mesh(eal, "bench", 2, RING_PACKETS)?.into_iter();
    let missing = || BenchError::Failed {
        program: "the ring mesh",
        told: "no ring".into(),
    };
    let (_, inbox) = ends.next().ok_or_else(missing)?;
    let outlets = ends.next().map(|(outlets, _)| outlets).unwrap_or_default();
    let feed = outlets.into_iter().flatten().next().ok_or_else(missing)?;
    Ok((feed, inbox))
}

/// Rounds between two looks at the clock.
pub(super) const fn rounds_per_look() -> u32 {
    ROUNDS_PER_LOOK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_survives_the_way_to_its_process() {
        let point = Point {
            capture: Some("/tmp/a b.pcap".into()),
            mode: Mode::Nat,
            flows: 4096,
            cpu: 1,
            control_cpus: vec![0],
            huge_pages: false,
            window_ms: 1000,
        };
        let text = serde_json::to_string(&point).unwrap();
        assert_eq!(serde_json::from_str::<Point>(&text).unwrap(), point);
    }

    #[test]
    fn a_million_flows_need_about_half_a_gigabyte() {
        let mib = memory_mib(1_000_000);
        assert!((512..800).contains(&mib), "{mib} MiB");
    }
}

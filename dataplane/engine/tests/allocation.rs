// SPDX-License-Identifier: Apache-2.0
//! A steady burst allocates nothing (STYLE 2.3). A binary of its own, because it counts for the
//! whole process.
#![allow(
    unsafe_code,
    reason = "a counting allocator wraps the system's; nothing else here is unsafe"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::fib::Hasher;
use model::ids::{PortId, WorkerId};
use model::time::{Duration, Instant};
use penstock_engine::counters::Board;
use penstock_engine::flow_table::{HashKey, HeapMemory};
use penstock_engine::path::Arrival;
use penstock_engine::testing::Bench;
use penstock_engine::verdict::{Note, Output, Verdict};
use penstock_engine::{Context, Engine, EngineConfig};
use wire::buffer::{TestBuf, TestPool};
use wire::builder::{Frame, SOURCE_MAC};
use wire::ethernet::MacAddress;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: every call is passed on unchanged to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System.alloc` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CONNECTIONS: u16 = 64;

/// One frame of each kind that a busy director sees all the time.
fn burst(flags: u8) -> Vec<(u16, TestBuf)> {
    let server_port = MacAddress([2, 0, 0, 0, 1, 2]);
    (1001..=1000 + CONNECTIONS)
        .flat_map(|cport| {
            let client = format!("10.0.0.9:{cport}");
            let client6 = format!("[2001:db8::9]:{cport}");
            let answer = Frame::tcp("10.1.0.11:80", &client).flags(0x10);
            [
                (0, Frame::tcp(&client, "10.0.0.100:80").flags(flags)),
                (0, Frame::udp(&client, "10.0.0.101:53")),
                (0, Frame::tcp(&client6, "[2001:db8::100]:80").flags(flags)),
                (1, answer.macs(SOURCE_MAC, server_port)),
                (0, Frame::udp(&client, "10.1.0.12:9")),
                (0, Frame::echo("10.0.0.9", "10.0.0.100", 1, cport)),
            ]
        })
        .map(|(port, frame)| (port, TestBuf::new(&frame.build())))
        .collect()
}

/// Takes a burst through the engine; how many allocations that was.
fn run(
    engine: &mut Engine<TestBuf, HeapMemory>,
    packets: Vec<(u16, TestBuf)>,
    done: &mut Vec<(TestBuf, Verdict)>,
    cx: &mut Context<'_, TestPool>,
) -> u64 {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for (port, packet) in packets {
        let arrival = Arrival {
            port: PortId(port),
            note: Note::None,
        };
        engine.steer(packet, arrival, cx);
    }
    engine.tick(64, cx);
    done.extend(cx.out.drain());
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

#[test]
fn a_steady_burst_allocates_nothing() {
    let bench = Bench::new(
        "service tcp 10.0.0.100:80 rr
         real 10.1.0.11:80
         service udp 10.0.0.101:53 wlc
         real 10.1.0.12:53 dr
         service tcp [2001:db8::100]:80 wrr
         real [2001:db8:1::11]:80",
    );
    let start = Instant::from_millis(5_000_000);
    let config = EngineConfig {
        worker: WorkerId(0),
        boards: vec![Arc::new(Board::new(16)), Arc::new(Board::new(16))],
        flow_key: HashKey::from_seed(1),
        hasher: Hasher::with_seeds(1, 2, 3, 4),
        seed: 1,
    };
    let mut engine = Engine::new(config, HeapMemory::new(1024), start);
    let mut pool = TestPool::default();
    let mut out = Output::with_capacity(1024);
    let mut done = Vec::with_capacity(4096);
    let mut counts = Vec::with_capacity(16);
    for round in 0..10u64 {
        let flags = if round == 0 { 2 } else { 0x10 };
        let packets = burst(flags);
        done.clear();
        let mut cx = Context {
            snapshot: bench.snapshot(),
            now: start + Duration::from_millis(round * 20),
            pool: &mut pool,
            out: &mut out,
        };
        counts.push(run(&mut engine, packets, &mut done, &mut cx));
        let sent = done
            .iter()
            .filter(|(_, verdict)| matches!(verdict, Verdict::Send { .. }))
            .count();
        assert_eq!(
            sent,
            usize::from(CONNECTIONS) * 5,
            "the burst takes the path"
        );
    }
    assert_eq!(engine.flow_count(), usize::from(CONNECTIONS) * 3);
    assert_eq!(counts[1..], [0; 9], "allocations by round: {counts:?}");
    // New connections on services that are known allocate nothing either.
    let more: Vec<_> = (1000..1064)
        .map(|cport| {
            let syn = Frame::tcp(&format!("10.0.0.9:{cport}"), "10.0.0.100:80").flags(2);
            (0, TestBuf::new(&syn.build()))
        })
        .collect();
    let mut cx = Context {
        snapshot: bench.snapshot(),
        now: start + Duration::from_secs(1),
        pool: &mut pool,
        out: &mut out,
    };
    assert_eq!(run(&mut engine, more, &mut done, &mut cx), 0, "connecting");
}

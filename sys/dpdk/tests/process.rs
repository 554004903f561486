// SPDX-License-Identifier: Apache-2.0
//! What concerns the process: linkage, one EAL each, several beside each other, memory, threads.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use common::eal;
use dpdk::mempool::DATA_ROOM_DEFAULT;
use dpdk::thread::{self, ThreadError};
use dpdk::{
    Eal, EalError, HugeSlice, MbufBatch, MemError, MemoryKind, Mempool, MempoolError, Port,
    PortConfig, RingError, mbuf_ring,
};

#[test]
fn dpdk_is_linked_statically() {
    let _up = eal();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let shared: Vec<&str> = maps
        .lines()
        .filter(|line| line.contains("librte_"))
        .collect();
    assert!(shared.is_empty(), "{shared:#?}");
}

#[test]
fn the_version_is_told() {
    assert!(dpdk::version::version().starts_with("DPDK "));
}

#[test]
fn a_second_start_is_refused() {
    let _up = eal();
    assert_eq!(
        Eal::init(common::options()).unwrap_err(),
        EalError::AlreadyStarted
    );
}

#[test]
fn the_kind_of_memory_is_told() {
    assert_eq!(eal().memory_kind(), MemoryKind::Normal);
    assert!(!eal().has_pci());
    assert!(
        eal()
            .arguments()
            .iter()
            .any(|argument| argument == "--no-huge")
    );
}

#[test]
fn nothing_is_left_in_the_run_folder() {
    let _up = eal();
    let prefix = common::options().file_prefix;
    for base in ["/run/dpdk", "/var/run/dpdk"] {
        assert!(!std::path::Path::new(base).join(&prefix).exists());
    }
}

/// An instance that says when it is up and ends when its input does; run by the test below.
#[test]
#[ignore = "started by two_instances_run_side_by_side"]
fn an_instance() {
    let pool = common::pool();
    let port = Port::attach(eal(), "net_null0,size=64").unwrap();
    let mut port = port.start(&PortConfig::default(), &pool).unwrap();
    let mut batch = MbufBatch::new();
    assert_eq!(port.take_rx_queue(0).unwrap().burst(&mut batch), 64);
    eprintln!("instance up");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn two_instances_run_side_by_side() {
    let start = || -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "an_instance", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut children = [start(), start()];
    let outputs: Vec<_> = children
        .iter_mut()
        .map(|child| BufReader::new(child.stderr.take().unwrap()))
        .collect();
    let mut kept = Vec::new();
    for mut output in outputs {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "instance up\n");
        kept.push(output);
    }
    for mut child in children {
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    }
}

// These two take all memory for a moment: no other test of this binary has a pool or a ring.

#[test]
fn a_pool_larger_than_memory_is_refused() {
    let error = Mempool::new(eal(), "huge", 1 << 20, 0, DATA_ROOM_DEFAULT, None).unwrap_err();
    assert_eq!(
        error,
        MempoolError::Memory {
            count: 1 << 20,
            data_room: DATA_ROOM_DEFAULT
        }
    );
}

#[test]
fn a_ring_larger_than_memory_is_refused() {
    let large = dpdk::ring::CAPACITY_MAX - 1;
    assert_eq!(
        mbuf_ring(eal(), "large", large, None).unwrap_err(),
        RingError::Memory(large)
    );
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_slice_is_zero_aligned_and_writable() {
    let mut table = HugeSlice::<[u64; 8]>::new(1000, None).unwrap();
    assert_eq!(table.len(), 1000);
    assert_eq!(table.as_ptr().addr() % 64, 0);
    assert!(table.iter().flatten().all(|word| *word == 0));
    table[999][7] = 5;
    assert_eq!(table[999], [0, 0, 0, 0, 0, 0, 0, 5]);
    assert!(!table.is_huge());
}

#[test]
fn an_untouched_slice_costs_nothing() {
    let before = resident_kib();
    let table = HugeSlice::<u64>::new(20 << 20, None).unwrap();
    assert_eq!(table[table.len() - 1], 0);
    // Other tests run meanwhile; the table has 160 MiB.
    assert!(resident_kib() < before + 80 * 1024);
}

#[test]
fn an_empty_slice_needs_no_memory() {
    assert!(HugeSlice::<u32>::new(0, None).unwrap().is_empty());
}

#[test]
fn a_slice_larger_than_the_address_space_is_refused() {
    let error = HugeSlice::<u64>::new(usize::MAX, None).unwrap_err();
    assert_eq!(
        error,
        MemError::TooLarge {
            len: usize::MAX,
            entry_bytes: 8
        }
    );
    assert!(matches!(
        HugeSlice::<u8>::new(1 << 62, None),
        Err(MemError::Map { .. })
    ));
}

#[test]
fn a_thread_registers_once() {
    let up = eal();
    std::thread::spawn(move || {
        let registration = thread::register(up).unwrap();
        assert_eq!(
            thread::register(up).unwrap_err(),
            ThreadError::AlreadyRegistered
        );
        drop(registration);
        assert!(thread::register(up).is_ok());
    })
    .join()
    .unwrap();
}

#[test]
fn a_thread_is_pinned() {
    std::thread::spawn(|| {
        let cpu = *thread::affinity().last().unwrap();
        thread::pin(cpu).unwrap();
        assert_eq!(thread::affinity(), [cpu]);
        assert!(matches!(
            thread::pin(100_000),
            Err(ThreadError::Cpu { cpu: 100_000, .. })
        ));
        assert!(matches!(
            thread::pin(1023),
            Err(ThreadError::Cpu { cpu: 1023, .. })
        ));
    })
    .join()
    .unwrap();
}

#[test]
fn sleeping_takes_time_and_no_cpu() {
    thread::set_timer_slack(1).unwrap();
    let (cpu, now) = (thread::cpu_time_ns(), dpdk::clock::now());
    thread::sleep_ns(20_000_000);
    assert!(dpdk::clock::now() - now >= 20_000_000);
    assert!(thread::cpu_time_ns() - cpu < 10_000_000);
}

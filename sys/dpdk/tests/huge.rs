// SPDX-License-Identifier: Apache-2.0
//! With huge pages, and without a hugetlbfs mount; skipped where none are reserved.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use dpdk::{
    Eal, EalOptions, HugePages, HugeSlice, MbufBatch, MemoryKind, Mempool, Port, PortConfig,
};

#[test]
fn huge_pages_are_used_when_there_are_some() {
    if dpdk::eal::free_huge_mib() < 64 {
        return eprintln!("skipped: fewer than 64 MiB of free huge pages");
    }
    let eal = Eal::init(EalOptions {
        file_prefix: format!("penstock-huge-{}", std::process::id()),
        memory_mib: 32,
        huge_pages: HugePages::Require,
        ..EalOptions::default()
    })
    .unwrap();
    assert_eq!(eal.memory_kind(), MemoryKind::Huge);
    let mut table = HugeSlice::<u64>::new(1 << 20, None).unwrap();
    assert!(table.is_huge() && table.iter().all(|word| *word == 0));
    assert_eq!(table.as_ptr().addr() % 64, 0);
    table[5] = 1;
    let pool = Mempool::new(
        eal,
        "huge",
        1023,
        32,
        dpdk::mempool::DATA_ROOM_DEFAULT,
        None,
    )
    .unwrap();
    let port = Port::attach(eal, "net_null0,size=64").unwrap();
    let mut port = port.start(&PortConfig::default(), &pool).unwrap();
    let mut batch = MbufBatch::new();
    assert_eq!(port.take_rx_queue(0).unwrap().burst(&mut batch), 64);
}

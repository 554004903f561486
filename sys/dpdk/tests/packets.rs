// SPDX-License-Identifier: Apache-2.0
//! Packets, pools, batches and rings.
#![allow(
    clippy::unwrap_used,
    unsafe_code,
    reason = "tests of an unsafe boundary"
)]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{eal, frame, pool};
use dpdk::mempool::{DATA_ROOM_DEFAULT, HEADROOM};
use dpdk::offload::{TxChecksum, TxIp, TxL4};
use dpdk::{
    BURST_MAX, LabelError, Mbuf, MbufBatch, MbufError, Mempool, MempoolError, RingError, mbuf_ring,
};

/// `count` packets whose first byte is their number.
fn numbered(pool: &Mempool, count: u8) -> MbufBatch {
    let mut batch = MbufBatch::new();
    for number in 0..count {
        batch.push(pool.copy_from(&[number; 60]).unwrap()).unwrap();
    }
    batch
}

fn numbers(batch: &MbufBatch) -> Vec<u8> {
    batch.iter().map(|packet| packet.data()[0]).collect()
}

/// A packet of three segments of 100 bytes.
fn chained(pool: &Mempool) -> Mbuf {
    let whole = frame(300, 0);
    let mut head = pool.copy_from(&whole[..100]).unwrap();
    head.chain(pool.copy_from(&whole[100..200]).unwrap())
        .unwrap();
    head.chain(pool.copy_from(&whole[200..]).unwrap()).unwrap();
    head
}

#[test]
fn a_packet_is_freed_once_when_dropped() {
    let pool = pool();
    assert_eq!(
        (pool.in_use(), pool.available(), pool.capacity()),
        (0, 511, 511)
    );
    let packet = pool.alloc().unwrap();
    assert_eq!(pool.in_use(), 1);
    drop(packet);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_packet_given_away_is_freed_by_its_taker() {
    let pool = pool();
    let raw = pool.alloc().unwrap().into_raw();
    assert_eq!(pool.in_use(), 1);
    // SAFETY: the pointer that `into_raw` just gave away.
    drop(unsafe { Mbuf::from_raw(raw) });
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_dry_pool_gives_nothing() {
    let pool = Mempool::new(eal(), "dry", 7, 0, DATA_ROOM_DEFAULT, None).unwrap();
    let held: Vec<Mbuf> = (0..7).map(|_| pool.alloc().unwrap()).collect();
    assert!(pool.alloc().is_none());
    assert_eq!(pool.copy_from(&[1]).unwrap_err(), MempoolError::Empty);
    drop(held);
    assert!(pool.alloc().is_some());
}

#[test]
fn packets_may_outlive_their_pool() {
    let pool = pool();
    let mut packet = pool.copy_from(&frame(60, 1)).unwrap();
    drop(pool);
    packet.data_mut()[0] = 9;
    assert_eq!(packet.data()[0], 9);
}

/// Above what a busy machine costs, below the 950 ms of real-time throttling.
const WAIT_MAX: Duration = Duration::from_millis(500);

/// Two threads of unlike priority on one CPU, as a worker and the twins' thread on a small box: one
/// that waits for the other's unfinished step waits until the kernel throttles it, 950 ms.
#[test]
fn a_thread_that_interrupts_another_does_not_wait_for_it() {
    let pool = pool();
    let cpu = dpdk::thread::affinity()[0];
    let (stop, shared) = (AtomicBool::new(false), pool.clone());
    let waited = std::thread::scope(|scope| {
        scope.spawn(|| {
            dpdk::thread::pin(cpu).unwrap();
            while !stop.load(Ordering::Relaxed) {
                drop(pool.alloc().unwrap());
            }
        });
        let above = scope.spawn(move || {
            dpdk::thread::pin(cpu).unwrap();
            if let Err(error) = dpdk::thread::set_fifo(1) {
                eprintln!("proves less: {error}");
            }
            let round = |_| {
                dpdk::thread::sleep_ns(20_000);
                let start = Instant::now();
                drop(shared.alloc().unwrap());
                start.elapsed()
            };
            let mut rounds = (0..10_000).map(round);
            rounds.find(|took| *took >= WAIT_MAX)
        });
        let waited = above.join().unwrap();
        stop.store(true, Ordering::Relaxed);
        waited
    });
    assert_eq!(waited, None);
}

#[test]
fn two_pools_may_carry_one_label() {
    let (first, second) = (pool(), pool());
    let _packet = first.alloc().unwrap();
    assert_eq!((first.in_use(), second.in_use()), (1, 0));
}

#[test]
fn a_label_that_does_not_fit_is_refused() {
    let long = "a label of many characters";
    let error = Mempool::new(eal(), long, 7, 0, DATA_ROOM_DEFAULT, None).unwrap_err();
    assert_eq!(
        error,
        MempoolError::Label(LabelError::TooLong(long.to_owned()))
    );
}

#[test]
fn a_cache_larger_than_the_pool_is_refused() {
    let error = Mempool::new(eal(), "cache", 30, 21, DATA_ROOM_DEFAULT, None).unwrap_err();
    assert_eq!(
        error,
        MempoolError::Cache {
            cache: 21,
            count: 30,
            max: 20
        }
    );
    assert!(Mempool::new(eal(), "cache", 30, 20, DATA_ROOM_DEFAULT, None).is_ok());
}

#[test]
fn a_fresh_packet_is_empty_with_the_default_headroom() {
    let packet = pool().alloc().unwrap();
    assert_eq!(packet.data(), &[] as &[u8]);
    assert_eq!(packet.headroom(), usize::from(HEADROOM));
    assert_eq!(packet.tailroom(), usize::from(DATA_ROOM_DEFAULT - HEADROOM));
    assert_eq!(
        (packet.pkt_len(), packet.segment_count(), packet.port()),
        (0, 1, u16::MAX)
    );
}

#[test]
fn bytes_written_are_read_back() {
    let packet = pool().copy_from(&frame(1500, 3)).unwrap();
    assert_eq!(packet.data(), frame(1500, 3));
    assert_eq!(packet.pkt_len(), 1500);
}

#[test]
fn a_frame_longer_than_the_buffer_is_refused() {
    let pool = pool();
    let error = pool.copy_from(&[0; 2049]).unwrap_err();
    assert_eq!(
        error,
        MempoolError::TooLong {
            len: 2049,
            room: 2048
        }
    );
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn prepend_uses_the_headroom_and_no_more() {
    let mut packet = pool().copy_from(&frame(60, 0)).unwrap();
    packet.prepend(20).unwrap().fill(0xaa);
    assert_eq!((packet.data().len(), packet.headroom()), (80, 108));
    assert_eq!(packet.data()[..20], [0xaa; 20]);
    assert_eq!(packet.data()[20..], frame(60, 0));
    let refused = MbufError::Headroom {
        wanted: 109,
        available: 108,
    };
    assert_eq!(packet.prepend(109).unwrap_err(), refused);
    assert_eq!(packet.data().len(), 80);
    assert!(matches!(
        packet.prepend(1 << 20),
        Err(MbufError::Headroom { .. })
    ));
}

#[test]
fn adj_gives_bytes_back_to_the_headroom() {
    let mut packet = pool().copy_from(&frame(60, 0)).unwrap();
    packet.adj(14).unwrap();
    assert_eq!(packet.data(), &frame(60, 0)[14..]);
    assert_eq!(packet.headroom(), 142);
    assert_eq!(
        packet.adj(47),
        Err(MbufError::TooShort {
            wanted: 47,
            available: 46
        })
    );
    assert_eq!(packet.pkt_len(), 46);
}

#[test]
fn append_and_trim_work_at_the_end() {
    let mut packet = pool().copy_from(&frame(60, 0)).unwrap();
    packet.append(4).unwrap().fill(7);
    assert_eq!(packet.data()[60..], [7; 4]);
    packet.trim(14).unwrap();
    assert_eq!(packet.data(), &frame(60, 0)[..50]);
    assert_eq!(
        packet.trim(51),
        Err(MbufError::TooShort {
            wanted: 51,
            available: 50
        })
    );
    let refused = MbufError::Tailroom {
        wanted: 5000,
        available: 2048 - 50,
    };
    assert_eq!(packet.append(5000).unwrap_err(), refused);
}

#[test]
fn a_chain_is_one_packet() {
    let pool = pool();
    let packet = chained(&pool);
    assert_eq!(
        (
            packet.pkt_len(),
            packet.segment_count(),
            packet.data().len()
        ),
        (300, 3, 100)
    );
    let whole: Vec<u8> = packet.segments().flatten().copied().collect();
    assert_eq!(whole, frame(300, 0));
    assert_eq!(pool.in_use(), 3);
    drop(packet);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn bytes_are_copied_out_across_segments() {
    let packet = chained(&pool());
    let mut part = [0; 150];
    assert_eq!(packet.copy_to(90, &mut part), 150);
    assert_eq!(part[..], frame(300, 0)[90..240]);
    assert_eq!(packet.copy_to(290, &mut part), 10);
    assert_eq!(packet.copy_to(300, &mut part), 0);
    assert_eq!(packet.copy_to(0, &mut []), 0);
}

#[test]
fn a_chain_becomes_one_segment() {
    let pool = pool();
    let mut packet = chained(&pool);
    packet.linearize().unwrap();
    assert_eq!((packet.segment_count(), pool.in_use()), (1, 1));
    assert_eq!(packet.data(), frame(300, 0));
}

#[test]
fn truncate_frees_the_segments_it_cuts_off() {
    let pool = pool();
    for (len, segments) in [(250, 3), (200, 2), (150, 2), (100, 1), (40, 1), (0, 1)] {
        let mut packet = chained(&pool);
        packet.truncate(len);
        assert_eq!(
            (packet.pkt_len(), packet.segment_count()),
            (len, segments),
            "to {len}"
        );
        let whole: Vec<u8> = packet.segments().flatten().copied().collect();
        assert_eq!(whole, frame(300, 0)[..len]);
        assert_eq!(usize::try_from(pool.in_use()), Ok(segments), "to {len}");
    }
    assert_eq!(pool.in_use(), 0);
    let mut packet = chained(&pool);
    packet.truncate(1000);
    assert_eq!(packet.pkt_len(), 300);
}

/// Writes a field of a packet's mbuf, as a driver would.
fn write_field<T>(packet: Mbuf, offset: usize, value: T) -> Mbuf {
    let raw = packet.into_raw();
    // SAFETY: the offset of a field of an mbuf that this function owns.
    let field = unsafe { raw.cast::<u8>().add(offset) };
    // SAFETY: the field has this type.
    unsafe { field.cast::<T>().write(value) };
    // SAFETY: the pointer that `into_raw` just gave away.
    unsafe { Mbuf::from_raw(raw) }
}

#[test]
fn a_length_beyond_the_buffer_gives_no_bytes() {
    let pool = pool();
    let packet = pool.copy_from(&frame(60, 0)).unwrap();
    let mut packet = write_field(packet, dpdk_sys::PS_MBUF_DATA_LEN, 2049_u16);
    assert!(packet.data().is_empty() && packet.data_mut().is_empty());
    assert_eq!(packet.copy_to(0, &mut [0; 10]), 0);
    let packet = write_field(packet, dpdk_sys::PS_MBUF_DATA_LEN, 2048_u16);
    assert_eq!(packet.data().len(), 2048);
}

#[test]
fn what_the_driver_says_is_read() {
    use dpdk::offload::{RxChecksum, RxVlan};
    let flags = dpdk_sys::PS_MBUF_F_RX_VLAN
        | dpdk_sys::PS_MBUF_F_RX_RSS_HASH
        | dpdk_sys::PS_MBUF_F_RX_IP_CKSUM_GOOD
        | dpdk_sys::PS_MBUF_F_RX_L4_CKSUM_BAD;
    let packet = pool().copy_from(&frame(60, 0)).unwrap();
    let packet = write_field(packet, dpdk_sys::PS_MBUF_OL_FLAGS, flags);
    let packet = write_field(packet, dpdk_sys::PS_MBUF_VLAN_TCI, 0x604d_u16);
    let mut packet = write_field(packet, dpdk_sys::PS_MBUF_RSS_HASH, 7_u32);
    let (tci, stripped) = (0x604d, false);
    assert_eq!(packet.rx_vlan(), Some(RxVlan { tci, stripped }));
    assert_eq!(packet.rss_hash(), Some(7));
    assert_eq!(packet.rx_ip_checksum(), RxChecksum::Good);
    assert_eq!(packet.rx_l4_checksum(), RxChecksum::Bad);
    packet.clear_offloads();
    assert_eq!((packet.rx_vlan(), packet.rss_hash()), (None, None));
}

#[test]
fn offloads_asked_for_can_be_forgotten() {
    let mut packet = pool().copy_from(&frame(60, 0)).unwrap();
    let ip = TxIp::V4 { checksum: true };
    packet.set_tx_checksum(TxChecksum {
        l2_len: 14,
        l3_len: 20,
        ip,
        l4: TxL4::Tcp,
    });
    packet.set_tx_vlan(42);
    packet.clear_offloads();
    assert_eq!(packet.rx_vlan(), None);
    assert_eq!(packet.rss_hash(), None);
    assert_eq!(packet.rx_ip_checksum(), dpdk::offload::RxChecksum::Unknown);
    assert_eq!(packet.rx_l4_checksum(), dpdk::offload::RxChecksum::Unknown);
}

#[test]
fn a_batch_keeps_order_and_gives_back_what_does_not_fit() {
    let pool = pool();
    let mut batch = MbufBatch::new();
    assert_eq!(pool.alloc_bulk(&mut batch, BURST_MAX), BURST_MAX);
    assert!(batch.is_full());
    let refused = batch.push(pool.copy_from(&[5]).unwrap()).unwrap_err();
    assert_eq!(refused.data(), [5]);
    assert_eq!(pool.alloc_bulk(&mut batch, 1), 0);
    drop((batch, refused));
    let mut batch = numbered(&pool, 5);
    assert_eq!(numbers(&batch), [0, 1, 2, 3, 4]);
    assert_eq!(batch.pop().unwrap().data()[0], 4);
    batch.truncate(2);
    assert_eq!(numbers(&batch), [0, 1]);
    assert_eq!(pool.in_use(), 2);
}

#[test]
fn a_batch_frees_what_it_holds() {
    let pool = pool();
    let batch = numbered(&pool, 64);
    assert_eq!(pool.in_use(), 64);
    drop(batch);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn draining_half_frees_the_other_half() {
    let pool = pool();
    let mut batch = numbered(&pool, 8);
    let taken: Vec<Mbuf> = batch.drain().take(3).collect();
    assert_eq!(taken.len(), 3);
    assert_eq!((pool.in_use(), batch.len()), (3, 0));
    drop(taken);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn what_does_not_fit_the_ring_stays_in_order() {
    let pool = pool();
    let (mut producer, mut consumer) = mbuf_ring(eal(), "small", 5, None).unwrap();
    let mut batch = numbered(&pool, 8);
    assert_eq!(producer.room(), 5);
    assert_eq!(producer.enqueue(&mut batch), 5);
    assert_eq!(numbers(&batch), [5, 6, 7]);
    assert_eq!(producer.enqueue(&mut batch), 0);
    assert_eq!((consumer.len(), producer.room()), (5, 0));
    let mut out = MbufBatch::new();
    assert_eq!(consumer.dequeue(&mut out), 5);
    assert_eq!(producer.enqueue(&mut batch), 3);
    assert_eq!(consumer.dequeue(&mut out), 3);
    assert_eq!(numbers(&out), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert!(consumer.is_empty() && batch.is_empty());
}

#[test]
fn a_ring_frees_what_is_left_in_it() {
    let pool = pool();
    let (mut producer, consumer) = mbuf_ring(eal(), "left", 128, None).unwrap();
    for _ in 0..2 {
        assert_eq!(producer.enqueue(&mut numbered(&pool, 50)), 50);
    }
    drop(consumer);
    assert!(!producer.has_consumer());
    assert_eq!(pool.in_use(), 100);
    drop(producer);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_ring_takes_packets_to_another_thread() {
    let pool = pool();
    let (mut producer, mut consumer) = mbuf_ring(eal(), "thread", 64, None).unwrap();
    let reader = std::thread::spawn(move || {
        let registration = dpdk::thread::register(eal()).unwrap();
        let (mut batch, mut seen) = (MbufBatch::new(), Vec::new());
        while consumer.has_producer() || !consumer.is_empty() {
            consumer.dequeue(&mut batch);
            seen.extend(batch.drain().map(|packet| usize::from(packet.data()[0])));
        }
        assert!(registration.lcore() > 0);
        seen
    });
    for _ in 0..100 {
        let mut batch = numbered(&pool, 40);
        while !batch.is_empty() {
            producer.enqueue(&mut batch);
        }
    }
    drop(producer);
    let seen = reader.join().unwrap();
    assert_eq!(seen, (0..40).cycle().take(4000).collect::<Vec<usize>>());
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_ring_without_room_is_refused() {
    assert_eq!(
        mbuf_ring(eal(), "none", 0, None).unwrap_err(),
        RingError::Capacity(0)
    );
    let vast = dpdk::ring::CAPACITY_MAX + 1;
    assert_eq!(
        mbuf_ring(eal(), "vast", vast, None).unwrap_err(),
        RingError::Capacity(vast)
    );
}

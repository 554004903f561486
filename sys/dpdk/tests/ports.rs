// SPDX-License-Identifier: Apache-2.0
//! Ports on software devices.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail by panic"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{eal, frame, pool, receive};
use dpdk::port::QueueDirection;
use dpdk::rss::RssConfig;
use dpdk::{MbufBatch, Mempool, Port, PortConfig, PortError, RxQueue, StartedPort, TxQueue};

fn start(device: &str, config: &PortConfig, pool: &Mempool) -> StartedPort {
    Port::attach(eal(), device)
        .unwrap()
        .start(config, pool)
        .unwrap()
}

fn batch_of(pool: &Mempool, count: u8) -> MbufBatch {
    let mut batch = MbufBatch::new();
    for number in 0..count {
        batch
            .push(pool.copy_from(&frame(60, number)).unwrap())
            .unwrap();
    }
    batch
}

fn queues(port: &mut StartedPort) -> (RxQueue, TxQueue) {
    (
        port.take_rx_queue(0).unwrap(),
        port.take_tx_queue(0).unwrap(),
    )
}

/// A path of this process alone.
fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("penstock-{}-{name}", std::process::id()))
}

fn write_pcap(path: &Path, frames: &[Vec<u8>]) {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 1] {
        bytes.extend(word.to_ne_bytes());
    }
    for frame in frames {
        let len = u32::try_from(frame.len()).unwrap();
        for word in [0, 0, len, len] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(frame);
    }
    fs::write(path, bytes).unwrap();
}

fn read_pcap(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let mut rest = &bytes[24..];
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let len = u32::from_ne_bytes(rest[8..12].try_into().unwrap()) as usize;
        frames.push(rest[16..16 + len].to_vec());
        rest = &rest[16 + len..];
    }
    frames
}

#[test]
fn a_null_port_receives_and_swallows() {
    let pool = pool();
    let mut port = start("net_null_rxtx,size=64", &PortConfig::default(), &pool);
    let (mut rx, mut tx) = queues(&mut port);
    let mut batch = MbufBatch::new();
    assert_eq!(rx.burst(&mut batch), 64);
    assert!(batch.iter().all(|packet| packet.data().len() == 64));
    assert_eq!(tx.burst(&mut batch), 64);
    assert!(batch.is_empty());
    assert_eq!(rx.burst_up_to(&mut batch, 8), 8);
    let stats = port.stats().unwrap();
    assert_eq!((stats.rx_packets, stats.tx_packets), (72, 64));
}

#[test]
fn all_packets_come_home_when_the_port_goes() {
    let pool = pool();
    let mut port = start("net_ring_home", &PortConfig::default(), &pool);
    let (rx, mut tx) = queues(&mut port);
    assert_eq!(tx.burst(&mut batch_of(&pool, 10)), 10);
    drop((port, tx));
    let mut rx = rx;
    let mut batch = MbufBatch::new();
    assert_eq!(rx.burst(&mut batch), 10, "a queue keeps its port started");
    drop((rx, batch));
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_ring_port_returns_what_was_sent() {
    let pool = pool();
    let mut port = start("net_ring_echo", &PortConfig::default(), &pool);
    let (mut rx, mut tx) = queues(&mut port);
    assert_eq!(tx.burst(&mut batch_of(&pool, 3)), 3);
    let mut batch = MbufBatch::new();
    assert_eq!(rx.burst(&mut batch), 3);
    for (packet, number) in batch.iter().zip(0..) {
        assert_eq!(packet.data(), frame(60, number));
    }
}

#[test]
fn unsent_packets_stay_with_the_caller_in_order() {
    let pool = Mempool::new(eal(), "unsent", 2047, 0, 512, None).unwrap();
    let mut port = start("net_ring_full", &PortConfig::default(), &pool);
    let (_rx, mut tx) = queues(&mut port);
    // The driver's ring takes 1023 packets.
    let mut sent = 0;
    for _ in 0..15 {
        sent += tx.burst(&mut batch_of(&pool, 64));
    }
    assert_eq!(sent, 960);
    let mut batch = batch_of(&pool, 64);
    assert_eq!(tx.burst(&mut batch), 63);
    assert_eq!(batch.len(), 1);
    assert_eq!(batch.as_slice()[0].data(), frame(60, 63));
    assert_eq!(tx.burst(&mut batch), 0);
    assert_eq!((batch.len(), pool.in_use()), (1, 1024));
}

#[test]
fn a_pcap_port_plays_and_records_files() {
    let (input, output) = (scratch("in.pcap"), scratch("out.pcap"));
    let frames: Vec<_> = (0..5)
        .map(|seed| frame(60 + usize::from(seed), seed))
        .collect();
    write_pcap(&input, &frames);
    let device = format!(
        "net_pcap_files,rx_pcap={},tx_pcap={}",
        input.display(),
        output.display()
    );
    let pool = pool();
    let mut port = start(&device, &PortConfig::default(), &pool);
    let (mut rx, mut tx) = queues(&mut port);
    let mut batch = MbufBatch::new();
    receive(&mut rx, &mut batch, 5);
    let received: Vec<_> = batch.iter().map(|packet| packet.data().to_vec()).collect();
    assert_eq!(received, frames);
    assert!(batch.iter().all(|packet| packet.port() == port.id()));
    assert_eq!(tx.burst(&mut batch), 5);
    drop((port, rx, tx));
    assert_eq!(read_pcap(&output), frames);
    assert_eq!(pool.in_use(), 0);
    fs::remove_file(input).unwrap();
    fs::remove_file(output).unwrap();
}

#[test]
fn a_long_frame_arrives_in_segments() {
    let input = scratch("long.pcap");
    write_pcap(&input, &[frame(5000, 9)]);
    let device = format!("net_pcap_long,rx_pcap={}", input.display());
    let pool = pool();
    let mut port = start(&device, &PortConfig::default(), &pool);
    let (mut rx, _tx) = queues(&mut port);
    let mut batch = MbufBatch::new();
    receive(&mut rx, &mut batch, 1);
    let packet = batch.pop().unwrap();
    assert_eq!((packet.pkt_len(), packet.segment_count()), (5000, 3));
    let mut whole = vec![0; 5000];
    assert_eq!(packet.copy_to(0, &mut whole), 5000);
    assert_eq!(whole, frame(5000, 9));
    fs::remove_file(input).unwrap();
}

#[test]
fn a_pcap_port_without_its_file_is_refused() {
    let error = Port::attach(eal(), "net_pcap_gone,rx_pcap=/nonexistent/in.pcap").unwrap_err();
    assert!(matches!(error, PortError::Refused(_)), "{error}");
}

#[test]
fn each_queue_is_handed_out_once() {
    let pool = pool();
    let config = PortConfig {
        rx_queues: 2,
        tx_queues: 2,
        ..PortConfig::default()
    };
    let mut port = start("net_null_once,size=64", &config, &pool);
    assert_eq!(port.take_rx_queue(1).unwrap().index(), 1);
    assert!(port.take_rx_queue(1).is_none());
    assert!(port.take_rx_queue(2).is_none());
    assert_eq!(port.take_rx_queues().len(), 1);
    assert_eq!(port.take_tx_queues().len(), 2);
    assert!(port.take_tx_queue(0).is_none());
}

#[test]
fn more_queues_than_the_port_has_are_refused() {
    let port = Port::attach(eal(), "net_ring_queues").unwrap();
    let available = port.capabilities().unwrap().max_rx_queues;
    let asked = available + 1;
    let config = PortConfig {
        rx_queues: asked,
        ..PortConfig::default()
    };
    let error = port.start(&config, &pool()).unwrap_err();
    let direction = QueueDirection::Receive;
    let name = "net_ring_queues".to_owned();
    assert_eq!(
        error,
        PortError::Queues {
            port: name,
            direction,
            asked,
            available
        }
    );
}

#[test]
fn a_port_without_queues_is_refused() {
    let config = PortConfig {
        tx_queues: 0,
        ..PortConfig::default()
    };
    let port = Port::attach(eal(), "net_null_zero").unwrap();
    let error = port.start(&config, &pool()).unwrap_err();
    assert!(matches!(
        error,
        PortError::Queues {
            direction: QueueDirection::Transmit,
            ..
        }
    ));
}

#[test]
fn an_unknown_driver_is_refused() {
    let error = Port::attach(eal(), "net_nothing0,iface=x").unwrap_err();
    assert_eq!(
        error,
        PortError::NoDriver("net_nothing0,iface=x".to_owned())
    );
}

#[test]
fn a_missing_interface_is_refused_by_name() {
    let error = Port::attach(eal(), "net_af_packet7,iface=nosuchif0").unwrap_err();
    let (device, interface) = ("net_af_packet7".to_owned(), "nosuchif0".to_owned());
    assert_eq!(error, PortError::NoSuchInterface { device, interface });
}

#[test]
fn a_pci_device_is_refused_when_pci_is_off() {
    let error = Port::attach(eal(), "3b:00.0").unwrap_err();
    assert_eq!(error, PortError::PciDisabled("0000:3b:00.0".to_owned()));
}

#[test]
fn a_device_is_attached_once_at_a_time() {
    let first = Port::attach(eal(), "net_null_twice").unwrap();
    let error = Port::attach(eal(), "net_null_twice").unwrap_err();
    assert_eq!(
        error,
        PortError::AlreadyAttached("net_null_twice".to_owned())
    );
    drop(first);
    assert!(Port::attach(eal(), "net_null_twice").is_ok());
}

#[test]
fn a_port_stops_when_its_queues_are_back_and_starts_again() {
    let pool = pool();
    let mut port = start("net_null_again,size=64", &PortConfig::default(), &pool);
    let rx = port.take_rx_queue(0).unwrap();
    let port = port.stop().unwrap_err();
    drop(rx);
    let stopped = port.stop().unwrap();
    let config = PortConfig {
        rx_queues: 2,
        ..PortConfig::default()
    };
    let mut port = stopped.start(&config, &pool).unwrap();
    let mut batch = MbufBatch::new();
    assert!(port.take_rx_queue(1).unwrap().burst(&mut batch) > 0);
}

#[test]
fn a_port_describes_itself() {
    let port = Port::attach(eal(), "net_null_self,size=64").unwrap();
    let can = port.capabilities().unwrap();
    assert_eq!(
        (port.name(), can.driver.as_str()),
        ("net_null_self", "net_null")
    );
    assert!(can.max_rx_queues >= 1 && can.max_tx_queues >= 1);
    assert!(can.min_mtu < can.max_mtu);
    assert!(can.rss_table_size > 0 && can.rss_key_bytes == 40);
    assert_ne!(port.mac().to_string(), "00:00:00:00:00:00");
}

#[test]
fn a_started_port_tells_its_link() {
    let pool = pool();
    let port = start("net_null_link", &PortConfig::default(), &pool);
    let link = port.link().unwrap();
    assert!(link.up && link.full_duplex, "{link:?}");
    assert!(port.enabled().rx_desc > 0 && port.enabled().rss.is_none());
    assert!(
        port.extended_stats()
            .unwrap()
            .iter()
            .any(|(name, _)| name == "rx_good_packets")
    );
}

#[test]
fn an_rss_key_is_read_back() {
    let key: Vec<u8> = (1..=40).collect();
    let config = PortConfig {
        rx_queues: 4,
        rss: RssConfig {
            key: Some(key.clone()),
            ..RssConfig::default()
        },
        ..PortConfig::default()
    };
    let port = start("net_null_rss", &config, &pool());
    let rss = port.enabled().rss.clone().unwrap();
    assert_eq!(rss.key, key);
    assert!(!rss.types.is_empty());
    assert_eq!(
        rss.table.len(),
        usize::from(port.capabilities().unwrap().rss_table_size)
    );
    let table = vec![3; rss.table.len()];
    port.set_rss_table(&table).unwrap();
    assert_eq!(port.rss().unwrap().table, table);
    assert!(port.set_rss_table(&[1]).is_err());
}

#[test]
fn an_rss_key_of_another_length_is_refused() {
    let config = PortConfig {
        rx_queues: 2,
        rss: RssConfig {
            key: Some(vec![1; 7]),
            ..RssConfig::default()
        },
        ..PortConfig::default()
    };
    let error = Port::attach(eal(), "net_null_key")
        .unwrap()
        .start(&config, &pool())
        .unwrap_err();
    assert!(
        matches!(
            error,
            PortError::RssKey {
                asked: 7,
                wanted: 40,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn an_mtu_out_of_range_is_refused() {
    let port = Port::attach(eal(), "net_null_mtu").unwrap();
    let config = PortConfig {
        mtu: Some(20),
        ..PortConfig::default()
    };
    let error = port.start(&config, &pool()).unwrap_err();
    assert!(matches!(error, PortError::Mtu { asked: 20, .. }), "{error}");
}

#[test]
fn a_queue_moves_to_its_worker() {
    let pool = pool();
    let mut port = start("net_null_worker,size=64", &PortConfig::default(), &pool);
    let (mut rx, mut tx) = queues(&mut port);
    let worker = std::thread::spawn(move || {
        let _registration = dpdk::thread::register(eal()).unwrap();
        let (mut batch, mut total) = (MbufBatch::new(), 0);
        for _ in 0..100 {
            rx.burst(&mut batch);
            total += tx.burst(&mut batch);
        }
        total
    });
    assert_eq!(worker.join().unwrap(), 6400);
    drop(port);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_tap_port_makes_its_interface() {
    let interface = format!("pst{}", std::process::id() % 1_000_000);
    let device = format!("net_tap_made,iface={interface}");
    let port = match Port::attach(eal(), &device) {
        Ok(port) => port,
        Err(error) => return eprintln!("skipped: no tap device here ({error})"),
    };
    let pool = pool();
    // The tap driver fills its ring with packets of the pool.
    let config = PortConfig {
        rx_desc: 128,
        ..PortConfig::default()
    };
    let mut port = port.start(&config, &pool).unwrap();
    assert!(Path::new("/sys/class/net").join(&interface).exists());
    let (rx, mut tx) = queues(&mut port);
    assert_eq!(tx.burst(&mut batch_of(&pool, 2)), 2);
    drop((port, rx, tx));
    assert_eq!(pool.in_use(), 0);
    assert!(!Path::new("/sys/class/net").join(&interface).exists());
}

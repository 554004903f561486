// SPDX-License-Identifier: Apache-2.0
//! Ports on the kernel's interfaces. The test's own thread moves to a new network namespace, so
//! nothing outside sees the interfaces and nothing has to be cleaned up; skipped without the right
//! to make one.
#![allow(
    clippy::unwrap_used,
    unsafe_code,
    reason = "a test may fail by panic; unshare is libc's"
)]

mod common;

use std::process::Command;

use common::{eal, frame, pool, receive};
use dpdk::mempool::DATA_ROOM_DEFAULT;
use dpdk::{MbufBatch, Mempool, Port, PortConfig, PortError, StartedPort};

/// A namespace for this thread with a pair of interfaces `va` and `vb`; false when not allowed.
fn namespace() -> bool {
    // SAFETY: takes an integer; only this thread changes its network namespace.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        return false;
    }
    let run = |line: &str| {
        let status = Command::new("ip").args(line.split(' ')).status();
        status.is_ok_and(|status| status.success())
    };
    let one_queue = "numrxqueues 1 numtxqueues 1";
    let pair = format!("link add name va {one_queue} type veth peer name vb {one_queue}");
    // Neighbour discovery of the kernel's own would come between the test's packets.
    for interface in ["default", "all"] {
        let path = format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6");
        let _kernel_without_ipv6 = std::fs::write(path, "1");
    }
    run(&pair) && run("link set va up") && run("link set vb up")
}

fn start(device: &str) -> Result<StartedPort, PortError> {
    // The af_xdp driver takes 2048 packets for its ring.
    let pool = Mempool::new(eal(), "veth", 4095, 0, DATA_ROOM_DEFAULT, None).unwrap();
    Port::attach(eal(), device)?.start(&PortConfig::default(), &pool)
}

/// A frame that the kernel sends itself is not one of ours.
fn is_ours(data: &[u8]) -> bool {
    (0..8).any(|seed| data == frame(60, seed))
}

/// Frames go from one port to the other, whole and in order.
fn exchange(from: &mut StartedPort, to: &mut StartedPort) {
    let pool = pool();
    let mut tx = from.take_tx_queue(0).unwrap();
    let mut rx = to.take_rx_queue(0).unwrap();
    let mut batch = MbufBatch::new();
    for seed in 0..8 {
        batch
            .push(pool.copy_from(&frame(60, seed)).unwrap())
            .unwrap();
    }
    assert_eq!(tx.burst(&mut batch), 8);
    let mut received = MbufBatch::new();
    receive(&mut rx, &mut received, 8);
    let data = received.iter().map(|packet| packet.data().to_vec());
    let ours: Vec<_> = data.filter(|data| is_ours(data)).collect();
    assert_eq!(ours, (0..8).map(|seed| frame(60, seed)).collect::<Vec<_>>());
}

#[test]
fn frames_cross_a_veth_pair_by_af_packet() {
    if !namespace() {
        return eprintln!("skipped: no right to make a network namespace, or no veth");
    }
    let mut a = start("net_af_packet_a,iface=va").unwrap();
    let mut b = start("net_af_packet_b,iface=vb").unwrap();
    assert!(a.capabilities().unwrap().interface_index.is_some());
    exchange(&mut a, &mut b);
}

#[test]
fn a_pool_too_small_for_the_driver_is_told() {
    if !namespace() {
        return eprintln!("skipped: no right to make a network namespace, or no veth");
    }
    let port = Port::attach(eal(), "net_af_xdp_small,iface=va").unwrap();
    let error = port.start(&PortConfig::default(), &pool()).unwrap_err();
    assert!(
        matches!(
            error,
            PortError::RxQueue {
                available: 511,
                queue: 0,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn frames_cross_a_veth_pair_by_af_xdp() {
    if !namespace() {
        return eprintln!("skipped: no right to make a network namespace, or no veth");
    }
    let mut a = match start("net_af_xdp_a,iface=va,busy_budget=0") {
        Ok(port) => port,
        Err(error) => return eprintln!("skipped: no AF_XDP here ({error})"),
    };
    let mut b = start("net_af_xdp_b,iface=vb,busy_budget=0").unwrap();
    exchange(&mut a, &mut b);
}

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
use std::time::{Duration, Instant};

use common::{eal, frame, pool, receive};
use dpdk::mempool::DATA_ROOM_DEFAULT;
use dpdk::port::{BondMode, Interface};
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

#[test]
fn a_bond_sends_by_the_member_that_has_link() {
    if !namespace() {
        return eprintln!("skipped: no right to make a network namespace, or no veth");
    }
    let run = |line: &str| {
        let status = Command::new("ip").args(line.split(' ')).status().unwrap();
        assert!(status.success(), "ip {line}");
    };
    run("link add name vc type veth peer name vd");
    run("link set vc up");
    run("link set vd up");
    let members = ["net_af_packet_m0,iface=va", "net_af_packet_m1,iface=vc"];
    let members = members.map(|member| Port::attach(eal(), member).unwrap());
    let mac = members.first().unwrap().mac();
    let mode = BondMode::ActiveBackup;
    let bond = Port::bond(eal(), "net_bonding_test", mode, members.into()).unwrap();
    let pool = Mempool::new(eal(), "bond", 4095, 0, DATA_ROOM_DEFAULT, None).unwrap();
    let bond = bond.start(&PortConfig::default(), &pool).unwrap();
    assert_eq!(bond.mac(), mac, "the first member's");
    let active = |bond: &StartedPort| -> Vec<(bool, bool)> {
        let members = bond.members().into_iter();
        members.map(|member| (member.up, member.active)).collect()
    };
    let wait = |wanted: [(bool, bool); 2]| {
        let end = Instant::now() + Duration::from_secs(5);
        while active(&bond) != wanted && Instant::now() < end {
            bond.fail_over().unwrap();
        }
        assert_eq!(active(&bond), wanted);
    };
    wait([(true, true), (true, false)]);
    run("link set vb down");
    wait([(false, false), (true, true)]);
    // Back again, but nothing is wrong with the other one.
    run("link set vb up");
    wait([(true, false), (true, true)]);
    run("link del vc");
    wait([(true, true), (false, false)]);
    assert!(bond.link().unwrap().up);
}

#[test]
fn an_interface_that_is_removed_is_gone() {
    if !namespace() {
        return eprintln!("skipped: no right to make a network namespace, or no veth");
    }
    let port = start("net_af_packet_gone,iface=va").unwrap();
    let wait = |wanted: Interface| {
        let end = Instant::now() + Duration::from_secs(5);
        while port.interface() != Some(wanted) && Instant::now() < end {
            std::thread::yield_now();
        }
        assert_eq!(port.interface(), Some(wanted));
    };
    wait(Interface::Up);
    let run = |args: [&str; 4]| Command::new("ip").args(args).status().unwrap();
    assert!(run(["link", "set", "vb", "down"]).success());
    wait(Interface::Down);
    assert!(!port.link().unwrap().up);
    assert!(run(["link", "del", "dev", "vb"]).success());
    wait(Interface::Gone);
    assert!(!port.link().unwrap().up);
}

#[test]
fn a_started_port_is_no_member() {
    let pool = pool();
    let started = Port::attach(eal(), "net_null_started").unwrap();
    let started = started.start(&PortConfig::default(), &pool).unwrap();
    let again = Port::attach(eal(), "net_null_started").unwrap_err();
    assert!(matches!(again, PortError::AlreadyAttached(_)), "{again}");
    drop(started);
    // A bond of bonds is not one either.
    let inner = Port::bond(eal(), "net_bonding_inner", BondMode::Lacp, Vec::new()).unwrap();
    let refused = Port::bond(eal(), "net_bonding_outer", BondMode::Lacp, vec![inner]);
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("member net_bonding_inner"), "{error}");
}

// SPDX-License-Identifier: Apache-2.0
//! From an attached port to a started one with queues.

use std::mem::MaybeUninit;
use std::sync::Arc;

use dpdk_sys::{rte_eth_conf, rte_eth_dev_info};

use super::bond::BondMode;
use super::config::{Enabled, PortConfig};
use super::device::{Device, rss_key_len};
use super::{DriverCall, Port, PortError, QueueDirection, StartedPort};
use crate::errno::{Errno, check};
use crate::mempool::{HEADROOM, Mempool};
use crate::rss::{Rss, RssTypes};
use crate::rxq::RxQueue;
use crate::txq::TxQueue;

/// Bytes of a frame beyond the MTU: Ethernet header, two VLAN tags, checksum.
const FRAME_OVERHEAD: u16 = 14 + 8 + 4;

impl Port {
    /// Configures and starts the port; received packets come from `pool`.
    ///
    /// # Errors
    /// [`PortError`]; the port is closed then.
    pub fn start(self, config: &PortConfig, pool: &Mempool) -> Result<StartedPort, PortError> {
        let mut device = self.device;
        let info = device.info()?;
        check_config(&device, &info, config)?;
        let mut enabled = configure(&device, &info, config, pool)?;
        set_up_queues(&device, &info, config, pool, &mut enabled)?;
        // From here on packets of the pool are in the device's rings.
        device.set_started(pool.clone());
        {
            let _one = device.lock();
            // SAFETY: a configured port with all queues set up.
            let code = unsafe { dpdk_sys::rte_eth_dev_start(device.id()) };
            device.done(DriverCall::Start, code)?;
        }
        after_start(&device, config)?;
        if let Some(rss) = &enabled.rss {
            enabled.rss = started_rss(&device, rss.types, config)?;
        }
        let device = Arc::new(device);
        let rx = (0..config.rx_queues).map(|queue| RxQueue::new(Arc::clone(&device), queue));
        let tx = (0..config.tx_queues).map(|queue| TxQueue::new(Arc::clone(&device), queue));
        let (rx, tx) = (rx.collect(), tx.collect());
        Ok(StartedPort {
            device,
            rx,
            tx,
            enabled,
        })
    }
}

/// Refuses what DPDK would refuse with a bare number.
fn check_config(
    device: &Device,
    info: &rte_eth_dev_info,
    config: &PortConfig,
) -> Result<(), PortError> {
    let queues = [
        (
            QueueDirection::Receive,
            config.rx_queues,
            info.max_rx_queues,
        ),
        (
            QueueDirection::Transmit,
            config.tx_queues,
            info.max_tx_queues,
        ),
    ];
    for (direction, asked, available) in queues {
        if asked == 0 || asked > available {
            let port = device.name().to_owned();
            return Err(PortError::Queues {
                port,
                direction,
                asked,
                available,
            });
        }
    }
    if let Some(mtu) = config.mtu {
        device.check_mtu(info, mtu)?;
    }
    if let Some(key) = &config.rss.key
        && key.len() != rss_key_len(info)
    {
        let (asked, wanted) = (key.len(), rss_key_len(info));
        return Err(PortError::RssKey {
            port: device.name().to_owned(),
            asked,
            wanted,
        });
    }
    Ok(())
}

fn configure(
    device: &Device,
    info: &rte_eth_dev_info,
    config: &PortConfig,
    pool: &Mempool,
) -> Result<Enabled, PortError> {
    let mtu = config.mtu.or_else(|| device.mtu()).unwrap_or(1500);
    let room = pool.data_room().saturating_sub(HEADROOM);
    let (rx, tx) = offloads(info, config, mtu.saturating_add(FRAME_OVERHEAD) > room);
    let types = rss_types(info, config);
    let mut key = config.rss.key.clone().unwrap_or_default();

    // SAFETY: integers and pointers; zero is DPDK's "default" for each.
    let mut conf: rte_eth_conf = unsafe { MaybeUninit::zeroed().assume_init() };
    conf.rxmode.mtu = u32::from(mtu);
    conf.rxmode.offloads = rx;
    conf.txmode.offloads = tx;
    if !types.is_empty() {
        conf.rxmode.mq_mode = dpdk_sys::PS_MQ_RX_RSS;
        let rss = &mut conf.rx_adv_conf.rss_conf;
        rss.rss_hf = types.bits();
        if !key.is_empty() {
            rss.rss_key = key.as_mut_ptr();
            rss.rss_key_len = u8::try_from(key.len()).unwrap_or(u8::MAX);
        }
    }
    let _one = device.lock();
    let (id, rx_queues, tx_queues) = (device.id(), config.rx_queues, config.tx_queues);
    // SAFETY: an attached port that is not started, and a configuration to read; the driver copies
    // the key.
    let code =
        unsafe { dpdk_sys::rte_eth_dev_configure(id, rx_queues, tx_queues, &raw const conf) };
    device.done(DriverCall::Configure, code)?;
    Ok(enabled(rx, tx, types))
}

/// What the configuration wishes for and the device can do, as DPDK's bits.
fn offloads(info: &rte_eth_dev_info, config: &PortConfig, long_frames: bool) -> (u64, u64) {
    // The hash tells which queue a packet was meant for: free wherever it exists.
    let mut rx = dpdk_sys::PS_RX_OFFLOAD_RSS_HASH;
    let mut tx = dpdk_sys::PS_TX_OFFLOAD_MULTI_SEGS;
    if long_frames {
        rx |= dpdk_sys::PS_RX_OFFLOAD_SCATTER;
    }
    if config.rx_checksum {
        rx |= RX_CHECKSUMS;
    }
    if config.tx_checksum {
        tx |= TX_CHECKSUMS;
    }
    if config.vlan {
        rx |= dpdk_sys::PS_RX_OFFLOAD_VLAN_STRIP;
        tx |= dpdk_sys::PS_TX_OFFLOAD_VLAN_INSERT;
    }
    if config.rx_queues == 1 {
        // Without RSS there is no hash, and some drivers refuse the pair.
        rx &= !dpdk_sys::PS_RX_OFFLOAD_RSS_HASH;
    }
    (rx & info.rx_offload_capa, tx & info.tx_offload_capa)
}

fn rss_types(info: &rte_eth_dev_info, config: &PortConfig) -> RssTypes {
    if config.rx_queues < 2 {
        return RssTypes::NONE;
    }
    config
        .rss
        .types
        .intersection(RssTypes::from_bits(info.flow_type_rss_offloads))
}

fn enabled(rx: u64, tx: u64, types: RssTypes) -> Enabled {
    let all = |set: u64, bits: u64| set & bits == bits;
    Enabled {
        rx_desc: 0,
        tx_desc: 0,
        rx_checksum: all(rx, RX_CHECKSUMS),
        tx_checksum: all(tx, TX_CHECKSUMS),
        vlan_strip: all(rx, dpdk_sys::PS_RX_OFFLOAD_VLAN_STRIP),
        vlan_insert: all(tx, dpdk_sys::PS_TX_OFFLOAD_VLAN_INSERT),
        scatter: all(rx, dpdk_sys::PS_RX_OFFLOAD_SCATTER),
        multi_segment: all(tx, dpdk_sys::PS_TX_OFFLOAD_MULTI_SEGS),
        rss: (!types.is_empty()).then(|| Rss {
            types,
            key: Vec::new(),
            table: Vec::new(),
        }),
    }
}

fn set_up_queues(
    device: &Device,
    info: &rte_eth_dev_info,
    config: &PortConfig,
    pool: &Mempool,
    enabled: &mut Enabled,
) -> Result<(), PortError> {
    let _one = device.lock();
    let id = device.id();
    let (mut rx_desc, mut tx_desc) = (config.rx_desc, config.tx_desc);
    // SAFETY: a configured port, and two integers to change.
    let code = unsafe {
        dpdk_sys::rte_eth_dev_adjust_nb_rx_tx_desc(id, &raw mut rx_desc, &raw mut tx_desc)
    };
    device.done(DriverCall::Descriptors, code)?;
    // SOCKET_ID_ANY, as the unsigned int that these calls take, is all ones.
    let socket = device.socket().unwrap_or(u32::MAX);
    for queue in 0..config.rx_queues {
        let conf = &raw const info.default_rxconf;
        // SAFETY: a configured port, a queue number below its count, the driver's own defaults, and
        // a live pool, which the device keeps from `start` on.
        let code = unsafe {
            dpdk_sys::rte_eth_rx_queue_setup(id, queue, rx_desc, socket, conf, pool.raw())
        };
        check(code).map_err(|errno| PortError::RxQueue {
            port: device.name().to_owned(),
            queue,
            available: pool.available(),
            errno,
        })?;
    }
    for queue in 0..config.tx_queues {
        let conf = &raw const info.default_txconf;
        // SAFETY: a configured port, a queue number below its count, the driver's own defaults.
        let code = unsafe { dpdk_sys::rte_eth_tx_queue_setup(id, queue, tx_desc, socket, conf) };
        device.done(DriverCall::TxQueue, code)?;
    }
    enabled.rx_desc = rx_desc;
    enabled.tx_desc = tx_desc;
    Ok(())
}

/// Modes that some software drivers do not have, because they take everything anyway.
fn after_start(device: &Device, config: &PortConfig) -> Result<(), PortError> {
    if let Some(mtu) = config.mtu
        && device.mtu() != Some(mtu)
    {
        supported(device.set_mtu(mtu))?;
    }
    // Neighbour discovery of IPv6 comes by multicast.
    let multicast = device.set_all_multicast(true);
    // LACP's driver drops broadcasts too without that; software ports that cannot do it take
    // everything anyway.
    let everything = device.bond_mode() == Some(BondMode::Lacp) && multicast.is_err();
    supported(multicast)?;
    supported(device.set_promiscuous(config.promiscuous || everything))
}

/// How packets are spread, read back. Some drivers take the key by its own call only.
fn started_rss(
    device: &Device,
    types: RssTypes,
    config: &PortConfig,
) -> Result<Option<Rss>, PortError> {
    let rss = device.rss();
    match (&config.rss.key, &rss) {
        (Some(key), Some(rss)) if rss.key != *key => {
            supported(device.set_rss(types, key))?;
            Ok(device.rss())
        }
        _ => Ok(rss),
    }
}

fn supported(result: Result<(), PortError>) -> Result<(), PortError> {
    match result {
        Err(PortError::Driver {
            errno: Errno::NOT_SUPPORTED,
            ..
        }) => Ok(()),
        other => other,
    }
}

const RX_CHECKSUMS: u64 = dpdk_sys::PS_RX_OFFLOAD_IPV4_CKSUM
    | dpdk_sys::PS_RX_OFFLOAD_UDP_CKSUM
    | dpdk_sys::PS_RX_OFFLOAD_TCP_CKSUM;
const TX_CHECKSUMS: u64 = dpdk_sys::PS_TX_OFFLOAD_IPV4_CKSUM
    | dpdk_sys::PS_TX_OFFLOAD_UDP_CKSUM
    | dpdk_sys::PS_TX_OFFLOAD_TCP_CKSUM;

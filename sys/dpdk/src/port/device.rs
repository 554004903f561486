// SPDX-License-Identifier: Apache-2.0
//! A device: what it is, what it counts, and what can be changed while it runs.

use std::ffi::CStr;
use std::fmt;
use std::mem::MaybeUninit;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dpdk_sys::{rte_eth_dev_info, rte_ether_addr};

use super::attach::ATTACHED;
use super::bond::BondMode;
use super::interface::{self, Interface};
use super::{DriverCall, PortError};
use crate::errno::{Errno, check};
use crate::mempool::Mempool;
use crate::rss::{Rss, RssTypes};

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a device can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The driver's name, `net_ice`.
    pub driver: String,
    /// Most receive queues.
    pub max_rx_queues: u16,
    /// Most transmit queues.
    pub max_tx_queues: u16,
    /// Least MTU.
    pub min_mtu: u16,
    /// Most MTU.
    pub max_mtu: u16,
    /// Most MAC addresses.
    pub max_mac_addresses: u32,
    /// Checks IPv4 header, TCP and UDP checksums of received packets.
    pub rx_checksum: bool,
    /// Fills in the IPv4 header checksum.
    pub tx_ip_checksum: bool,
    /// Fills in TCP and UDP checksums.
    pub tx_l4_checksum: bool,
    /// Takes VLAN tags out of received frames.
    pub vlan_strip: bool,
    /// Inserts VLAN tags into frames to send.
    pub vlan_insert: bool,
    /// Receives frames longer than a packet buffer in several segments.
    pub scatter: bool,
    /// Sends packets of several segments.
    pub multi_segment: bool,
    /// What it can hash on.
    pub rss_types: RssTypes,
    /// Entries of its redirection table; 0: none.
    pub rss_table_size: u16,
    /// Bytes of its RSS key.
    pub rss_key_bytes: usize,
    /// The kernel's index of the interface below a software port.
    pub interface_index: Option<u32>,
    /// The NUMA node of the device.
    pub socket: Option<u32>,
}

/// State of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Whether it is up.
    pub up: bool,
    /// Mbit/s; `None` when unknown.
    pub speed_mbps: Option<u32>,
    /// Whether it is full duplex.
    pub full_duplex: bool,
}

/// Counters of a port since it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PortStats {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets lost because the receive rings were full.
    pub rx_missed: u64,
    /// Broken packets received.
    pub rx_errors: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Packets lost because the pool was empty.
    pub rx_no_mbuf: u64,
}

/// A device that this process owns; reached through [`super::Port`] and [`super::StartedPort`].
#[derive(Debug)]
pub struct Device {
    id: u16,
    name: String,
    started: bool,
    // Of a bonded port: how it uses its members, and those.
    bond: Option<BondMode>,
    members: Vec<Self>,
    // The kernel's interface below a software port.
    interface: Option<u32>,
    // The pool of the queues that are set up: dropped after the device is closed.
    pool: Option<Mempool>,
    // DPDK's control calls on one port must not overlap.
    control: Mutex<()>,
}

impl Device {
    /// Takes over an attached port that nobody owns.
    pub(super) fn adopt(id: u16, name: String) -> Result<Self, PortError> {
        let mut device = Self {
            id,
            name,
            started: false,
            bond: None,
            members: Vec::new(),
            interface: None,
            pool: None,
            control: Mutex::new(()),
        };
        // A port that cannot describe itself is refused here, so that capabilities can rely on it.
        let index = device.info()?.if_index;
        device.interface = (index != 0).then_some(index);
        Ok(device)
    }

    /// DPDK's number of the port.
    #[must_use]
    pub fn id(&self) -> u16 {
        self.id
    }

    /// The device's name: its PCI address, or `net_af_packet0`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The NUMA node of the device, if it has one.
    #[must_use]
    pub fn socket(&self) -> Option<u32> {
        // SAFETY: reads a field of an attached port.
        u32::try_from(unsafe { dpdk_sys::rte_eth_dev_socket_id(self.id) }).ok()
    }

    /// What the device can do.
    ///
    /// # Errors
    /// [`PortError::Driver`].
    pub fn capabilities(&self) -> Result<Capabilities, PortError> {
        let info = self.info()?;
        let rx = |bits: u64| info.rx_offload_capa & bits == bits;
        let tx = |bits: u64| info.tx_offload_capa & bits == bits;
        Ok(Capabilities {
            driver: driver_name(&info),
            max_rx_queues: info.max_rx_queues,
            max_tx_queues: info.max_tx_queues,
            min_mtu: info.min_mtu,
            max_mtu: info.max_mtu,
            max_mac_addresses: info.max_mac_addrs,
            rx_checksum: rx(RX_CHECKSUMS),
            tx_ip_checksum: tx(dpdk_sys::PS_TX_OFFLOAD_IPV4_CKSUM),
            tx_l4_checksum: tx(TX_L4_CHECKSUMS),
            vlan_strip: rx(dpdk_sys::PS_RX_OFFLOAD_VLAN_STRIP),
            vlan_insert: tx(dpdk_sys::PS_TX_OFFLOAD_VLAN_INSERT),
            scatter: rx(dpdk_sys::PS_RX_OFFLOAD_SCATTER),
            multi_segment: tx(dpdk_sys::PS_TX_OFFLOAD_MULTI_SEGS),
            rss_types: RssTypes::from_bits(info.flow_type_rss_offloads),
            rss_table_size: info.reta_size,
            rss_key_bytes: rss_key_len(&info),
            interface_index: (info.if_index != 0).then_some(info.if_index),
            socket: self.socket(),
        })
    }

    /// The device's MAC address; all zero when it has none.
    #[must_use]
    pub fn mac(&self) -> MacAddress {
        let mut mac = rte_ether_addr { addr_bytes: [0; 6] };
        // SAFETY: an attached port, and an address to write.
        let _code = unsafe { dpdk_sys::rte_eth_macaddr_get(self.id, &raw mut mac) };
        MacAddress(mac.addr_bytes)
    }

    /// Changes the device's MAC address.
    ///
    /// # Errors
    /// [`PortError::Driver`].
    pub fn set_mac(&self, mac: MacAddress) -> Result<(), PortError> {
        let _one = self.lock();
        let mut mac = rte_ether_addr { addr_bytes: mac.0 };
        // SAFETY: an attached port, and an address to read.
        let code = unsafe { dpdk_sys::rte_eth_dev_default_mac_addr_set(self.id, &raw mut mac) };
        self.done(DriverCall::SetMac, code)
    }

    /// Accepts frames to one more MAC address, such as a virtual router's.
    ///
    /// # Errors
    /// [`PortError::Driver`].
    pub fn add_mac(&self, mac: MacAddress) -> Result<(), PortError> {
        let _one = self.lock();
        let mut mac = rte_ether_addr { addr_bytes: mac.0 };
        // SAFETY: an attached port, and an address to read.
        let code = unsafe { dpdk_sys::rte_eth_dev_mac_addr_add(self.id, &raw mut mac, 0) };
        self.done(DriverCall::AddMac, code)
    }

    /// Accepts frames to a MAC address no more.
    ///
    /// # Errors
    /// [`PortError::Driver`].
    pub fn remove_mac(&self, mac: MacAddress) -> Result<(), PortError> {
        let _one = self.lock();
        let mut mac = rte_ether_addr { addr_bytes: mac.0 };
        // SAFETY: an attached port, and an address to read.
        let code = unsafe { dpdk_sys::rte_eth_dev_mac_addr_remove(self.id, &raw mut mac) };
        self.done(DriverCall::RemoveMac, code)
    }

    /// The MTU; `None` when the driver does not tell.
    #[must_use]
    pub fn mtu(&self) -> Option<u16> {
        let mut mtu = 0;
        // SAFETY: an attached port, and an integer to write.
        let code = unsafe { dpdk_sys::rte_eth_dev_get_mtu(self.id, &raw mut mtu) };
        (code == 0).then_some(mtu)
    }

    /// Changes the MTU; some drivers do so only while the port is stopped.
    ///
    /// # Errors
    /// [`PortError::Mtu`], [`PortError::Driver`].
    pub fn set_mtu(&self, mtu: u16) -> Result<(), PortError> {
        let info = self.info()?;
        self.check_mtu(&info, mtu)?;
        let _one = self.lock();
        // SAFETY: an attached port.
        let code = unsafe { dpdk_sys::rte_eth_dev_set_mtu(self.id, mtu) };
        self.done(DriverCall::Mtu, code)
    }

    /// Whether frames to any MAC address are received; `None` when the driver does not tell.
    #[must_use]
    pub fn promiscuous(&self) -> Option<bool> {
        // SAFETY: an attached port.
        match unsafe { dpdk_sys::rte_eth_promiscuous_get(self.id) } {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// Receives frames to any MAC address, or not.
    ///
    /// # Errors
    /// [`PortError::Driver`].
    pub fn set_promiscuous(&self, on: bool) -> Result<(), PortError> {
        let _one = self.lock();
        let code = match on {
            // SAFETY: an attached port.
            true => unsafe { dpdk_sys::rte_eth_promiscuous_enable(self.id) },
            // SAFETY: as above.
            false => unsafe { dpdk_sys::rte_eth_promiscuous_disable(self.id) },
        };
        self.done(DriverCall::Promiscuous, code)
    }

    /// Receives all multicast frames, or only those to its addresses.
    ///
    /// # Errors
    /// [`PortError::Driver`].
    pub fn set_all_multicast(&self, on: bool) -> Result<(), PortError> {
        let _one = self.lock();
        let code = match on {
            // SAFETY: an attached port.
            true => unsafe { dpdk_sys::rte_eth_allmulticast_enable(self.id) },
            // SAFETY: as above.
            false => unsafe { dpdk_sys::rte_eth_allmulticast_disable(self.id) },
        };
        self.done(DriverCall::AllMulticast, code)
    }

    /// Sets the link up or down.
    ///
    /// # Errors
    /// [`PortError::Driver`].
    pub fn set_link(&self, up: bool) -> Result<(), PortError> {
        let _one = self.lock();
        let code = match up {
            // SAFETY: an attached port.
            true => unsafe { dpdk_sys::rte_eth_dev_set_link_up(self.id) },
            // SAFETY: as above.
            false => unsafe { dpdk_sys::rte_eth_dev_set_link_down(self.id) },
        };
        self.done(DriverCall::LinkSet, code)
    }

    /// The state of the link, without waiting for the hardware; `None` when the driver does not
    /// tell.
    #[must_use]
    pub fn link(&self) -> Option<Link> {
        let _one = self.lock();
        let mut link = MaybeUninit::<dpdk_sys::rte_eth_link>::zeroed();
        // SAFETY: an attached port, and a structure to write.
        if unsafe { dpdk_sys::rte_eth_link_get_nowait(self.id, link.as_mut_ptr()) } != 0 {
            return None;
        }
        // SAFETY: integers and bit fields, written by the callee or zero.
        let link = unsafe { link.assume_init() };
        let known = link.link_speed != 0 && link.link_speed != u32::MAX;
        // Drivers of software ports call their link up whatever happens to the interface.
        let below = matches!(self.interface(), None | Some(Interface::Up));
        Some(Link {
            up: link.link_status() != 0 && below,
            speed_mbps: known.then_some(link.link_speed),
            full_duplex: link.link_duplex() != 0,
        })
    }

    /// The kernel's interface below a software port, seen from this thread's network namespace;
    /// `None` for any other port.
    #[must_use]
    pub fn interface(&self) -> Option<Interface> {
        self.interface.and_then(interface::state)
    }

    /// The port's counters.
    ///
    /// # Errors
    /// [`PortError::Driver`].
    pub fn stats(&self) -> Result<PortStats, PortError> {
        let _one = self.lock();
        let mut stats = MaybeUninit::<dpdk_sys::rte_eth_stats>::zeroed();
        // SAFETY: an attached port, and a structure to write.
        let code = unsafe { dpdk_sys::rte_eth_stats_get(self.id, stats.as_mut_ptr()) };
        self.done(DriverCall::Stats, code)?;
        // SAFETY: integers, written by the callee or zero.
        let stats = unsafe { stats.assume_init() };
        Ok(PortStats {
            rx_packets: stats.ipackets,
            tx_packets: stats.opackets,
            rx_bytes: stats.ibytes,
            tx_bytes: stats.obytes,
            rx_missed: stats.imissed,
            rx_errors: stats.ierrors,
            tx_errors: stats.oerrors,
            rx_no_mbuf: stats.rx_nombuf,
        })
    }

    /// All counters that the driver has, under its own names.
    ///
    /// # Errors
    /// [`PortError::Driver`].
    pub fn extended_stats(&self) -> Result<Vec<(String, u64)>, PortError> {
        let _one = self.lock();
        let none = std::ptr::null_mut();
        // SAFETY: an attached port; no room is offered, so only the count is returned.
        let count = unsafe { dpdk_sys::rte_eth_xstats_get_names(self.id, none, 0) };
        let count = self.value(DriverCall::Stats, count)?;
        let room = usize::try_from(count).unwrap_or(0);
        let mut names = vec![dpdk_sys::rte_eth_xstat_name { name: [0; 64] }; room];
        let mut values = vec![dpdk_sys::rte_eth_xstat { id: 0, value: 0 }; room];
        // SAFETY: an attached port, and room for `count` names.
        let got = unsafe { dpdk_sys::rte_eth_xstats_get_names(self.id, names.as_mut_ptr(), count) };
        self.value(DriverCall::Stats, got)?;
        // SAFETY: an attached port, and room for `count` values.
        let got = unsafe { dpdk_sys::rte_eth_xstats_get(self.id, values.as_mut_ptr(), count) };
        let got = usize::try_from(self.value(DriverCall::Stats, got)?).unwrap_or(0);
        let counters = values.iter().take(got.min(room)).filter_map(|counter| {
            let name = names.get(usize::try_from(counter.id).ok()?)?;
            // SAFETY: a NUL-terminated array, or zeros.
            let name = unsafe { CStr::from_ptr(name.name.as_ptr()) };
            Some((name.to_string_lossy().into_owned(), counter.value))
        });
        Ok(counters.collect())
    }

    /// How packets are spread over the receive queues, as far as the driver tells.
    #[must_use]
    pub fn rss(&self) -> Option<Rss> {
        let info = self.info().ok()?;
        let _one = self.lock();
        // Room for any length that the structure can tell, whatever the driver makes of it.
        let mut key = vec![0_u8; 256];
        let len = info.hash_key_size.max(RSS_KEY_BYTES_MAX);
        let mut conf = dpdk_sys::rte_eth_rss_conf {
            rss_key: key.as_mut_ptr(),
            rss_key_len: len,
            rss_hf: 0,
        };
        // SAFETY: an attached port, and a structure whose key has more room than it says.
        let code = unsafe { dpdk_sys::rte_eth_dev_rss_hash_conf_get(self.id, &raw mut conf) };
        if code != 0 {
            return None;
        }
        key.truncate(rss_key_len(&info));
        if key.iter().all(|byte| *byte == 0) {
            key.clear();
        }
        let table = self.redirection_table(info.reta_size).unwrap_or_default();
        Some(Rss {
            types: RssTypes::from_bits(conf.rss_hf),
            key,
            table,
        })
    }

    /// Changes what is hashed on and with which key, which has the length that the device wants.
    pub(super) fn set_rss(&self, types: RssTypes, key: &[u8]) -> Result<(), PortError> {
        let info = self.info()?;
        let (asked, wanted) = (key.len(), rss_key_len(&info));
        if asked != wanted {
            return Err(PortError::RssKey {
                port: self.name.clone(),
                asked,
                wanted,
            });
        }
        let mut key = key.to_vec();
        let mut conf = dpdk_sys::rte_eth_rss_conf {
            rss_key: key.as_mut_ptr(),
            rss_key_len: u8::try_from(asked).unwrap_or(u8::MAX),
            rss_hf: types.bits(),
        };
        let _one = self.lock();
        // SAFETY: an attached port, and a key of the length that its driver reads.
        let code = unsafe { dpdk_sys::rte_eth_dev_rss_hash_update(self.id, &raw mut conf) };
        self.done(DriverCall::RssKey, code)
    }

    /// Writes the redirection table: a queue per hash bucket.
    ///
    /// # Errors
    /// [`PortError::Driver`], also when the table has another length than the device's.
    pub fn set_rss_table(&self, table: &[u16]) -> Result<(), PortError> {
        let info = self.info()?;
        if table.len() != usize::from(info.reta_size) {
            return self.done(DriverCall::RssTable, -libc::EINVAL);
        }
        let _one = self.lock();
        let mut groups: Vec<_> = table
            .chunks(usize::from(dpdk_sys::PS_RETA_GROUP_SIZE))
            .map(|chunk| {
                let mut group = empty_group();
                for (slot, queue) in group.reta.iter_mut().zip(chunk) {
                    *slot = *queue;
                }
                group
            })
            .collect();
        let size = info.reta_size;
        // SAFETY: an attached port, and groups for `size` entries.
        let code =
            unsafe { dpdk_sys::rte_eth_dev_rss_reta_update(self.id, groups.as_mut_ptr(), size) };
        self.done(DriverCall::RssTable, code)
    }

    fn redirection_table(&self, size: u16) -> Option<Vec<u16>> {
        let group_len = dpdk_sys::PS_RETA_GROUP_SIZE;
        let mut groups = vec![empty_group(); usize::from(size.div_ceil(group_len))];
        if groups.is_empty() {
            return None;
        }
        // SAFETY: an attached port, and groups for `size` entries.
        let code =
            unsafe { dpdk_sys::rte_eth_dev_rss_reta_query(self.id, groups.as_mut_ptr(), size) };
        let queues = groups
            .iter()
            .flat_map(|group| group.reta)
            .take(usize::from(size));
        (code == 0).then(|| queues.collect())
    }

    pub(super) fn info(&self) -> Result<rte_eth_dev_info, PortError> {
        let _one = self.lock();
        port_info(self.id).map_err(|errno| self.error(DriverCall::Info, errno))
    }

    pub(super) fn check_mtu(&self, info: &rte_eth_dev_info, mtu: u16) -> Result<(), PortError> {
        let (min, max) = (info.min_mtu, info.max_mtu);
        if (min..=max).contains(&mtu) {
            return Ok(());
        }
        Err(PortError::Mtu {
            port: self.name.clone(),
            asked: mtu,
            min,
            max,
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ()> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn adopt_member(&mut self, member: Self) {
        self.members.push(member);
    }

    pub(super) fn member_devices(&self) -> &[Self] {
        &self.members
    }

    pub(super) fn set_bond_mode(&mut self, mode: BondMode) {
        self.bond = Some(mode);
    }

    /// How a bonded port uses its members; `None` for any other.
    #[must_use]
    pub fn bond_mode(&self) -> Option<BondMode> {
        self.bond
    }

    pub(super) fn error(&self, what: DriverCall, errno: Errno) -> PortError {
        PortError::Driver {
            port: self.name.clone(),
            what,
            errno,
        }
    }

    pub(super) fn value(&self, what: DriverCall, code: i32) -> Result<u32, PortError> {
        check(code).map_err(|errno| self.error(what, errno))
    }

    pub(super) fn done(&self, what: DriverCall, code: i32) -> Result<(), PortError> {
        self.value(what, code).map(|_| ())
    }

    /// The device runs with queues that take packets from `pool`.
    pub(super) fn set_started(&mut self, pool: Mempool) {
        self.started = true;
        self.pool = Some(pool);
    }

    /// Stops the device, if it runs; nobody uses a queue of it any more.
    pub(super) fn halt(&mut self) {
        if std::mem::take(&mut self.started) {
            // SAFETY: a started port whose queues are all gone.
            let _code = unsafe { dpdk_sys::rte_eth_dev_stop(self.id) };
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // Load-bearing order: stop, close, detach; the pool goes after this, with the fields.
        self.halt();
        let mut attached = ATTACHED.lock().unwrap_or_else(PoisonError::into_inner);
        let device = port_info(self.id).map(|info| info.device);
        // SAFETY: a stopped port that nobody uses.
        let _code = unsafe { dpdk_sys::rte_eth_dev_close(self.id) };
        if let Ok(device) = device
            && !device.is_null()
        {
            // SAFETY: the device of the port just closed; the bus keeps it until this call.
            let _code = unsafe { dpdk_sys::rte_dev_remove(device) };
        }
        attached.retain(|id| *id != self.id);
    }
}

const RX_CHECKSUMS: u64 = dpdk_sys::PS_RX_OFFLOAD_IPV4_CKSUM
    | dpdk_sys::PS_RX_OFFLOAD_UDP_CKSUM
    | dpdk_sys::PS_RX_OFFLOAD_TCP_CKSUM;
const TX_L4_CHECKSUMS: u64 = dpdk_sys::PS_TX_OFFLOAD_UDP_CKSUM | dpdk_sys::PS_TX_OFFLOAD_TCP_CKSUM;

/// The longest key of the drivers here (i40e, ice).
const RSS_KEY_BYTES_MAX: u8 = 52;
/// The key of Microsoft's definition, which a driver means that does not tell a length.
const RSS_KEY_BYTES_DEFAULT: u8 = 40;

/// How many bytes of key the driver reads and writes.
pub(super) fn rss_key_len(info: &rte_eth_dev_info) -> usize {
    usize::from(match info.hash_key_size {
        0 => RSS_KEY_BYTES_DEFAULT,
        size => size,
    })
}

fn empty_group() -> dpdk_sys::rte_eth_rss_reta_entry64 {
    // All 64 entries are asked for, or written.
    dpdk_sys::rte_eth_rss_reta_entry64 {
        mask: u64::MAX,
        reta: [0; 64],
    }
}

/// The lowest port of the device with this name; ports in `known` come first, so that a device with
/// several ports is found to be attached.
pub(super) fn find(name: &str, known: &[u16]) -> Option<u16> {
    let mut found: Option<u16> = None;
    let mut next = 0;
    loop {
        // SAFETY: takes and returns an integer.
        let id = unsafe { dpdk_sys::rte_eth_find_next(next) };
        if id >= dpdk_sys::PS_MAX_ETHPORTS {
            return found;
        }
        if device_name(id).as_deref() == Some(name) {
            if known.contains(&id) {
                return Some(id);
            }
            found = found.or(Some(id));
        }
        next = id.saturating_add(1);
    }
}

fn device_name(id: u16) -> Option<String> {
    let device = port_info(id).ok()?.device;
    if device.is_null() {
        return None;
    }
    // SAFETY: the device of an attached port.
    let name = unsafe { dpdk_sys::rte_dev_name(device) };
    text(name)
}

fn driver_name(info: &rte_eth_dev_info) -> String {
    text(info.driver_name).unwrap_or_default()
}

/// A string of DPDK's; callers pass null or a NUL-terminated string of a live device.
fn text(text: *const std::ffi::c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: every caller passes a NUL-terminated string of a live device.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().ok().map(str::to_owned)
}

fn port_info(id: u16) -> Result<rte_eth_dev_info, Errno> {
    let mut info = MaybeUninit::<rte_eth_dev_info>::zeroed();
    // SAFETY: the callee checks the number and fills the structure.
    check(unsafe { dpdk_sys::rte_eth_dev_info_get(id, info.as_mut_ptr()) })?;
    // SAFETY: integers and pointers, for which zero is a value, filled by the callee.
    Ok(unsafe { info.assume_init() })
}

// SPDX-License-Identifier: Apache-2.0
//! The words of the management interface: what `penstock show … --json` prints and
//! `GET /v1/…` on the unix socket answers. Field names are a contract.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

/// Version of this vocabulary, the first part of every path.
pub const VERSION: &str = "v1";

/// `show services`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Services {
    /// In the order of the configuration.
    pub services: Vec<Service>,
}

/// A virtual service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Name in the configuration.
    pub name: String,
    /// As in the configuration: `tcp://192.0.2.10:80`, `mark://5`.
    pub listen: String,
    /// `tcp`, `udp` or `sctp`; `any` for a mark.
    pub protocol: String,
    /// VIP, or network of VIPs; empty for a mark.
    pub address: String,
    /// vport; 0 if there are several.
    pub port: u16,
    /// ipvsadm's name of the scheduler.
    pub scheduler: String,
    /// The servers' forwarding method; `mixed` if they differ.
    pub forward: String,
    /// Connections in the tables now.
    pub flows: u64,
    /// What went through, servers that are gone included.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// Connections now, by kind.
    #[serde(flatten)]
    pub load: Load,
    /// Its real servers, in the order of the configuration, those that drain included.
    pub servers: Vec<Server>,
}

/// A real server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// RIP.
    pub address: String,
    /// rport.
    pub port: u16,
    /// `nat` or `dr`.
    pub forward: String,
    /// Its share of new connections; 0 = quiesced.
    pub weight: u32,
    /// `live`, `draining` or `deleted`.
    pub state: String,
    /// What went to and from it.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// Connections now, by kind.
    #[serde(flatten)]
    pub load: Load,
}

/// Counts since the service or server was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Traffic {
    /// Connections opened.
    pub connections: u64,
    /// Packets towards servers.
    pub packets_in: u64,
    /// Packets from servers, where they pass the director.
    pub packets_out: u64,
    /// Bytes towards servers, from the IP header on.
    pub bytes_in: u64,
    /// Bytes from servers, from the IP header on.
    pub bytes_out: u64,
}

/// Connections now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Load {
    /// LVS's active ones: ESTABLISHED, SYN_SENT, SYN_RECV.
    pub active: u64,
    /// All others, every UDP flow among them.
    pub inactive: u64,
}

/// `show servers`: the real servers of all services, a line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Servers {
    /// In the order of the configuration.
    pub servers: Vec<ServerOfService>,
}

/// A real server with its service's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerOfService {
    /// Name of the service.
    pub service: String,
    /// The server.
    #[serde(flatten)]
    pub server: Server,
}

/// `show connections`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Connections {
    /// Unordered.
    pub connections: Vec<Connection>,
    /// More there are than were asked for.
    pub truncated: bool,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// `tcp`, `udp` or `sctp`; `ip` for the template of a mark.
    pub protocol: String,
    /// `CIP:cport`; port 0 for a template of persistence.
    pub client: String,
    /// `VIP:vport`.
    pub virtual_service: String,
    /// `RIP:rport`.
    pub server: String,
    /// LVS's state; `UDP` for UDP.
    pub state: String,
    /// Seconds until it is forgotten if nothing more comes.
    pub expires_s: u64,
    /// Packets from the client.
    pub packets: u64,
    /// The worker that owns it.
    pub worker: u16,
}

/// `show workers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Workers {
    /// By number.
    pub workers: Vec<Worker>,
    /// Packet buffers that somebody holds: drivers, rings, workers.
    pub mbufs_in_use: u64,
    /// Packet buffers there are.
    pub mbufs_total: u64,
    /// Snapshots replaced but still held by a worker.
    pub snapshots_retired: u64,
    /// Frames handed to Linux by the twins.
    pub twin_delivered: u64,
    /// Frames that Linux did not take.
    pub twin_refused: u64,
    /// Frames from Linux that were lost for want of room.
    pub twin_inject_dropped: u64,
}

/// A worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Its number.
    pub id: u16,
    /// The CPU it is pinned to.
    pub cpu: u32,
    /// Connections whose service was deleted.
    pub flows_orphaned: u64,
    /// Connections it can hold.
    pub flows_max: u64,
    /// Its counters by name (docs/operating/counters.md).
    #[serde(flatten)]
    pub counters: std::collections::BTreeMap<String, u64>,
}

/// `show drops`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Drops {
    /// Reasons that occurred, by worker.
    pub drops: Vec<Drop>,
}

/// Packets dropped by one worker for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drop {
    /// The worker.
    pub worker: u16,
    /// The reason's name.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// The reason in a sentence.
    pub explanation: String,
}

/// `show ports`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Ports {
    /// In the order of the configuration.
    pub ports: Vec<Port>,
    /// Drivers that are compiled in.
    pub drivers: Vec<String>,
    /// Whether packet memory is on huge pages.
    pub huge_pages: bool,
}

/// A port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Name in the configuration, and of its kernel twin.
    pub name: String,
    /// The device as configured.
    pub device: String,
    /// DPDK's driver.
    pub driver: String,
    /// Its MAC.
    pub mac: String,
    /// MTU, bytes.
    pub mtu: u32,
    /// Whether there is link.
    pub link_up: bool,
    /// Whether the Linux interface below a software port has been removed: nothing comes and
    /// nothing goes any more.
    pub gone: bool,
    /// How a bonded port uses its members, as configured; empty for any other.
    pub bond: String,
    /// The devices of a bonded port.
    pub members: Vec<Member>,
    /// Receive queues in use.
    pub rx_queues: u16,
    /// Transmit queues in use.
    pub tx_queues: u16,
    /// Receive queues the device has.
    pub rx_queues_max: u16,
    /// Transmit queues the device has.
    pub tx_queues_max: u16,
    /// How packets find their worker: `single`, `software` (redirected by ring).
    pub spread: String,
    /// Packets received, by the device's count.
    pub rx_packets: u64,
    /// Packets sent, by the device's count.
    pub tx_packets: u64,
    /// Packets the device lost for want of descriptors.
    pub rx_missed: u64,
    /// Packets the device lost for want of buffers.
    pub rx_no_mbuf: u64,
    /// Packets that arrived damaged.
    pub rx_errors: u64,
    /// Packets the device failed to send.
    pub tx_errors: u64,
}

/// One of the devices of a bonded port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The device as configured.
    pub device: String,
    /// Whether it has link.
    pub link_up: bool,
    /// Whether packets leave by it.
    pub active: bool,
    /// The MAC of the switch that answered by LACP; empty if none did.
    pub partner: String,
}

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// For people.
    pub error: String,
}

#[cfg(test)]
mod tests;

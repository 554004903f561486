// SPDX-License-Identifier: Apache-2.0
//! The config of a director in a lab: what follows from the lab is filled in, the services are the
//! test's.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::Lab;
use super::addr::{self, Family};

/// A config to be; `text` renders it.
#[derive(Debug, Clone)]
pub struct DirectorConfig {
    /// `name`.
    pub name: String,
    /// `workers`, lcores as the config writes them.
    pub workers: String,
    /// `idle`; two cores cannot afford `"poll"`.
    pub idle: String,
    /// `flows_max`.
    pub flows_max: u64,
    /// More lines for `[director]`.
    pub director_lines: String,
    /// Whole tables to stand before the services.
    pub tables: String,
    /// One entry per port.
    pub ports: Vec<PortConfig>,
    /// `[api] socket`.
    pub socket: PathBuf,
}

/// One `[[port]]`.
#[derive(Debug, Clone)]
pub struct PortConfig {
    /// `name`, which the kernel twin gets.
    pub name: String,
    /// `device`, as DPDK reads it.
    pub device: String,
    /// `queues`.
    pub queues: u8,
    /// `addresses`, carried by the kernel twin.
    pub addresses: Vec<String>,
    /// More lines for this table.
    pub lines: String,
}

impl DirectorConfig {
    /// The config of director `number` (from 1): one worker on core 1, adaptive idling, a port for
    /// each of the lab's wires with the addresses of the plan.
    #[must_use]
    pub fn new(lab: &Lab, number: u8) -> Self {
        let topology = lab.topology();
        let ports = topology.ports().into_iter().zip(0..);
        let ports = ports.map(|(port, index)| PortConfig {
            name: port.name.to_owned(),
            device: device(port.interface, index, topology.queues),
            queues: topology.queues,
            addresses: port
                .sides
                .iter()
                .flat_map(|side| Family::BOTH.map(|family| addr::director(family, *side, number)))
                .map(addr::with_prefix)
                .collect(),
            lines: String::new(),
        });
        Self {
            name: format!("d{number}"),
            workers: if cpus() > 1 { "1" } else { "0" }.to_owned(),
            idle: "adaptive".to_owned(),
            flows_max: 100_000,
            director_lines: String::new(),
            tables: String::new(),
            ports: ports.collect(),
            socket: socket(lab, number),
        }
    }

    /// The file's text with these services at its end.
    #[must_use]
    pub fn text(&self, services: &str) -> String {
        let Self {
            name,
            workers,
            idle,
            flows_max,
            director_lines,
            tables,
            ..
        } = self;
        let socket = self.socket.display();
        let mut text = format!(
            "[director]\nname = \"{name}\"\nworkers = \"{workers}\"\nidle = \"{idle}\"\n\
             flows_max = {flows_max}\n{director_lines}\n[api]\nsocket = \"{socket}\"\n"
        );
        for port in &self.ports {
            let PortConfig {
                name,
                device,
                queues,
                addresses,
                lines,
            } = port;
            // Rust and TOML write a list of such strings alike; writing to a String cannot fail.
            write!(
                text,
                "\n[[port]]\nname = \"{name}\"\ndevice = \"{device}\"\nqueues = {queues}\n\
                 addresses = {addresses:?}\n{lines}"
            )
            .unwrap_or_default();
        }
        text + "\n" + tables + "\n" + services
    }
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Where director `number` answers.
pub(super) fn socket(lab: &Lab, number: u8) -> PathBuf {
    lab.home().dir().join(format!("d{number}")).join("api.sock")
}

/// The ring is big because two cores deschedule the worker for longer than the default ring lasts.
fn device(interface: &str, index: u8, queues: u8) -> String {
    let pairs = if queues > 1 {
        format!(",qpairs={queues}")
    } else {
        String::new()
    };
    let ring = "blocksz=65536,framesz=2048,framecnt=8192";
    format!("net_af_packet{index},iface={interface}{pairs},{ring}")
}

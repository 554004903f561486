// SPDX-License-Identifier: Apache-2.0
//! The state of the director in the API's words.

use std::sync::atomic::Ordering;

use dpdk::StartedPort;
use dpdk::port::Interface;
use engine::ConnectionView;
use engine::counters::Load;
use engine::stats;
use engine::verdict::DropReason;
use model::ids::WorkerId;
use model::ledger::Ledger;
use model::service::{Endpoint, Protocol, RealServer, RealState, ServiceKey, VirtualService};
use model::snapshot::Spread;

use super::control::Control;
use super::server;

pub(super) fn services(control: &Control) -> api::Services {
    let set = control.ledger.services();
    let live = set.services().filter(|service| !service.deleted);
    api::Services {
        services: live.map(|service| service_view(control, service)).collect(),
    }
}

pub(super) fn servers(control: &Control) -> api::Servers {
    let servers = services(control).services.into_iter().flat_map(|service| {
        let name = service.name;
        service
            .servers
            .into_iter()
            .map(move |server| api::ServerOfService {
                service: name.clone(),
                server,
            })
    });
    api::Servers {
        servers: servers.collect(),
    }
}

fn service_view(control: &Control, service: &VirtualService) -> api::Service {
    let set = control.ledger.services();
    // The list is newest first; people read it in the order of the file.
    let listed = service.reals.iter().rev().filter_map(|id| set.real(*id));
    let deleted = set
        .reals()
        .filter(|real| real.service == service.id && real.state == RealState::Deleted);
    let reals: Vec<&RealServer> = listed.chain(deleted).collect();
    let load = reals
        .iter()
        .map(|real| control.stats.load(real.id))
        .fold(Load::default(), Load::plus);
    let mut modes: Vec<&str> = reals.iter().map(|real| real.spec.mode.name()).collect();
    modes.dedup();
    api::Service {
        name: service.spec.name.to_string(),
        listen: service.key.to_string(),
        protocol: service
            .key
            .protocol()
            .map_or("any", Protocol::name)
            .to_owned(),
        address: address_of(&service.key),
        port: service.key.vport(),
        scheduler: service.spec.scheduler.name().to_owned(),
        forward: match modes.as_slice() {
            [] => "none".to_owned(),
            [mode] => (*mode).to_owned(),
            _ => "mixed".to_owned(),
        },
        flows: u64::from(load.flows()),
        traffic: traffic_view(control.stats.service(set, service.id)),
        load: load_view(load),
        servers: reals
            .into_iter()
            .map(|real| server_view(control, real))
            .collect(),
    }
}

/// The VIP, the network of VIPs, or nothing if it is a mark's.
fn address_of(key: &ServiceKey) -> String {
    match (key.virtual_ip(), key.addresses()) {
        (Some(virtual_ip), _) => virtual_ip.to_string(),
        (None, Some(network)) => network.to_string(),
        (None, None) => String::new(),
    }
}

fn server_view(control: &Control, real: &RealServer) -> api::Server {
    api::Server {
        address: real.key.real_ip.to_string(),
        port: real.key.rport,
        forward: real.spec.mode.name().to_owned(),
        weight: real.spec.weight.get(),
        state: match real.state {
            RealState::Live => "live",
            RealState::Draining => "draining",
            RealState::Deleted => "deleted",
        }
        .to_owned(),
        traffic: traffic_view(control.stats.real(real)),
        load: load_view(control.stats.load(real.id)),
    }
}

fn traffic_view(traffic: stats::Traffic) -> api::Traffic {
    api::Traffic {
        connections: traffic.connections,
        packets_in: traffic.packets_in,
        packets_out: traffic.packets_out,
        bytes_in: traffic.bytes_in,
        bytes_out: traffic.bytes_out,
    }
}

fn load_view(load: Load) -> api::Load {
    api::Load {
        active: u64::from(load.active),
        inactive: u64::from(load.inactive),
    }
}

pub(super) fn workers(control: &Control) -> api::Workers {
    let set = control.ledger.services();
    let orphans: Vec<_> = set
        .reals()
        .filter(|real| {
            set.service(real.service)
                .is_some_and(|service| service.deleted)
        })
        .map(|real| real.id)
        .collect();
    let workers = (0u16..)
        .zip(&control.director.cpus)
        .zip(&control.director.boards);
    let workers = workers.map(|((id, cpu), board)| api::Worker {
        id,
        cpu: u32::from(*cpu),
        flows_orphaned: orphans
            .iter()
            .filter_map(|real| board.real(*real))
            .map(|counters| u64::from(counters.load().flows()))
            .sum(),
        flows_max: control.director.flows_max as u64,
        counters: board
            .worker
            .each()
            .map(|(name, value, _)| (name.to_owned(), value))
            .collect(),
    });
    let twins = &control.director.twin_counters;
    api::Workers {
        workers: workers.collect(),
        mbufs_in_use: u64::from(control.director.pool.in_use()),
        mbufs_total: u64::from(control.director.pool.capacity()),
        snapshots_retired: control.retired_snapshots as u64,
        twin_delivered: twins.delivered.load(Ordering::Relaxed),
        twin_refused: twins.refused.load(Ordering::Relaxed),
        twin_inject_dropped: twins.inject_dropped.load(Ordering::Relaxed),
    }
}

pub(super) fn drops(control: &Control) -> api::Drops {
    let workers = (0u16..).zip(&control.director.boards);
    let drops = workers.flat_map(|(worker, board)| {
        DropReason::ALL.iter().filter_map(move |reason| {
            let count = board.dropped(*reason);
            (count > 0).then(|| api::Drop {
                worker,
                reason: reason.name().to_owned(),
                count,
                explanation: reason.explanation().trim().to_owned(),
            })
        })
    });
    api::Drops {
        drops: drops.collect(),
    }
}

pub(super) fn ports(control: &Control) -> api::Ports {
    let spread = match control.director.spread {
        Spread::Single => "single",
        Spread::ClientHash { .. } => "software",
        Spread::Rss(_) => "rss",
    };
    let ports = control.config.ports.iter().zip(&control.director.ports);
    let ports = ports.map(|(settings, port)| {
        let capabilities = port.capabilities().ok();
        let capabilities = capabilities.as_ref();
        let stats = port.stats().unwrap_or_default();
        let tx_max = capabilities.map_or(0, |known| known.max_tx_queues);
        api::Port {
            name: settings.name.clone(),
            device: settings.device.to_string(),
            driver: capabilities
                .map(|known| known.driver.clone())
                .unwrap_or_default(),
            mac: port.mac().to_string(),
            mtu: settings.mtu,
            link_up: port.link().is_some_and(|link| link.up),
            gone: port.interface() == Some(Interface::Gone),
            bond: settings
                .bond
                .as_ref()
                .map_or_else(String::new, |bond| bond.mode.name().to_owned()),
            members: members(settings, port),
            rx_queues: settings.queues,
            tx_queues: control.director.tx_queues(settings, tx_max),
            rx_queues_max: capabilities.map_or(0, |known| known.max_rx_queues),
            tx_queues_max: tx_max,
            spread: spread.to_owned(),
            rx_packets: stats.rx_packets,
            tx_packets: stats.tx_packets,
            rx_missed: stats.rx_missed,
            rx_no_mbuf: stats.rx_no_mbuf,
            rx_errors: stats.rx_errors,
            tx_errors: stats.tx_errors,
        }
    });
    api::Ports {
        ports: ports.collect(),
        drivers: dpdk::eal::drivers(),
        huge_pages: control.director.eal.memory_kind() == dpdk::MemoryKind::Huge,
    }
}

fn members(settings: &config::Port, port: &StartedPort) -> Vec<api::Member> {
    let members = settings.devices().zip(port.members());
    let members = members.map(|(device, member)| api::Member {
        device: device.to_string(),
        link_up: member.up,
        active: member.active,
        partner: member
            .partner
            .map_or_else(String::new, |mac| mac.to_string()),
    });
    members.collect()
}

/// What the workers listed, with the servers' addresses.
pub(super) fn connections(
    ledger: &Ledger,
    found: &[(WorkerId, ConnectionView)],
    truncated: bool,
) -> Result<String, String> {
    let set = ledger.services();
    let connections = found.iter().map(|(worker, view)| {
        let server = set.real(view.real).map(|real| {
            let rport = view.rport(&real.reached());
            Endpoint(real.key.real_ip, rport).to_string()
        });
        let protocol = view.protocol_name().map(str::to_owned);
        api::Connection {
            protocol: protocol.unwrap_or_else(|| view.protocol.to_string()),
            client: Endpoint(view.client_ip, view.cport).to_string(),
            virtual_service: Endpoint(view.virtual_ip, view.vport).to_string(),
            server: server.unwrap_or_default(),
            state: view.state_name().to_owned(),
            expires_s: u64::from(view.expires_ms / 1000),
            packets: u64::from(view.packets),
            worker: worker.0,
        }
    });
    server::json(&api::Connections {
        connections: connections.collect(),
        truncated,
    })
}

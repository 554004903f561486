// SPDX-License-Identifier: Apache-2.0
//! `penstock show`: asks the daemon on its socket.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;

use super::{EXIT_ERRORS, What, output};

/// How long the daemon may take: a full table is listed in slices between bursts.
const PATIENCE: Duration = Duration::from_secs(15);

/// Prints a table, or the daemon's JSON as it is.
pub(super) fn show(what: What, json: bool, socket: &Path, limit: u32) -> ExitCode {
    let path = match what {
        What::Services => "/v1/services".to_owned(),
        What::Servers => "/v1/servers".to_owned(),
        What::Connections => format!("/v1/connections?limit={limit}"),
        What::Workers => "/v1/workers".to_owned(),
        What::Ports => "/v1/ports".to_owned(),
        What::Drops => "/v1/drops".to_owned(),
    };
    let text = match ask(socket, &path) {
        Ok(text) => text,
        Err(error) => {
            output::err(&format!("error: {error}"));
            return ExitCode::from(EXIT_ERRORS);
        }
    };
    if json {
        output::out(&text);
        return ExitCode::SUCCESS;
    }
    match render(what, &text) {
        Ok(table) => {
            output::out(&table);
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::err(&format!(
                "error: the daemon's answer is not understood: {error}"
            ));
            ExitCode::from(EXIT_ERRORS)
        }
    }
}

fn ask(socket: &Path, path: &str) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let answer = async { tokio::time::timeout(PATIENCE, request(socket, path)).await };
    runtime
        .block_on(answer)
        .unwrap_or_else(|_| Err(format!("no answer from {} in time", socket.display())))
}

async fn request(socket: &Path, path: &str) -> Result<String, String> {
    let name = socket.display();
    let stream = tokio::net::UnixStream::connect(socket)
        .await
        .map_err(|error| {
            let hint = if error.kind() == std::io::ErrorKind::PermissionDenied {
                "root and the socket's group may ask"
            } else {
                "is it running? (--socket PATH)"
            };
            format!("cannot reach the daemon on {name}: {error}; {hint}")
        })?;
    let failed = |error: hyper::Error| format!("talking to the daemon on {name}: {error}");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    let request = hyper::Request::get(path)
        .header(hyper::header::HOST, "penstock")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(failed)?;
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(failed)?
            .to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        if status.is_success() {
            Ok(text)
        } else {
            let problem = serde_json::from_str::<api::Problem>(&text);
            Err(problem.map_or_else(|_| format!("{status}: {text}"), |problem| problem.error))
        }
    };
    tokio::select! {
        answer = exchange => answer,
        ended = connection => Err(match ended {
            Ok(()) => format!("{name} hung up without an answer; is it penstock's?"),
            Err(error) => failed(error),
        }),
    }
}

fn render(what: What, text: &str) -> serde_json::Result<String> {
    Ok(match what {
        What::Services => services(&serde_json::from_str(text)?),
        What::Servers => servers(&serde_json::from_str(text)?),
        What::Connections => connections(&serde_json::from_str(text)?),
        What::Workers => workers(&serde_json::from_str(text)?),
        What::Ports => ports(&serde_json::from_str(text)?),
        What::Drops => drops(&serde_json::from_str(text)?),
    })
}

fn row(cells: &[&dyn std::fmt::Display]) -> Vec<String> {
    cells.iter().map(ToString::to_string).collect()
}

fn endpoint(address: &str, port: u16) -> String {
    if address.contains(':') {
        format!("[{address}]:{port}")
    } else {
        format!("{address}:{port}")
    }
}

fn services(list: &api::Services) -> String {
    let mut rows = vec![row(&[
        &"service",
        &"listen",
        &"scheduler",
        &"forward",
        &"weight",
        &"state",
        &"active",
        &"inactive",
        &"connections",
        &"packets in",
        &"packets out",
        &"bytes in",
        &"bytes out",
    ])];
    for service in &list.services {
        let (load, traffic) = (&service.load, &service.traffic);
        rows.push(row(&[
            &service.name,
            &service.listen,
            &service.scheduler,
            &service.forward,
            &"",
            &"",
            &load.active,
            &load.inactive,
            &traffic.connections,
            &traffic.packets_in,
            &traffic.packets_out,
            &traffic.bytes_in,
            &traffic.bytes_out,
        ]));
        for server in &service.servers {
            let (load, traffic) = (&server.load, &server.traffic);
            let real = format!("  -> {}", endpoint(&server.address, server.port));
            rows.push(row(&[
                &"",
                &real,
                &"",
                &server.forward,
                &server.weight,
                &server.state,
                &load.active,
                &load.inactive,
                &traffic.connections,
                &traffic.packets_in,
                &traffic.packets_out,
                &traffic.bytes_in,
                &traffic.bytes_out,
            ]));
        }
    }
    output::table(&rows)
}

fn servers(list: &api::Servers) -> String {
    let mut rows = vec![row(&[
        &"service",
        &"server",
        &"forward",
        &"weight",
        &"state",
        &"active",
        &"inactive",
        &"connections",
        &"packets in",
        &"packets out",
        &"bytes in",
        &"bytes out",
    ])];
    for api::ServerOfService { service, server } in &list.servers {
        let (load, traffic) = (&server.load, &server.traffic);
        rows.push(row(&[
            service,
            &endpoint(&server.address, server.port),
            &server.forward,
            &server.weight,
            &server.state,
            &load.active,
            &load.inactive,
            &traffic.connections,
            &traffic.packets_in,
            &traffic.packets_out,
            &traffic.bytes_in,
            &traffic.bytes_out,
        ]));
    }
    output::table(&rows)
}

fn connections(list: &api::Connections) -> String {
    let mut rows = vec![row(&[
        &"protocol",
        &"expires s",
        &"state",
        &"client",
        &"virtual service",
        &"server",
        &"packets",
        &"worker",
    ])];
    for c in &list.connections {
        rows.push(row(&[
            &c.protocol,
            &c.expires_s,
            &c.state,
            &c.client,
            &c.virtual_service,
            &c.server,
            &c.packets,
            &c.worker,
        ]));
    }
    let mut text = output::table(&rows);
    if list.truncated {
        text.push_str("there are more; raise --limit\n");
    }
    text
}

fn workers(list: &api::Workers) -> String {
    let mut header = vec!["".to_owned()];
    header.extend(
        list.workers
            .iter()
            .map(|worker| format!("worker {}", worker.id)),
    );
    let mut rows = vec![header];
    let mut line = |name: &str, value: &dyn Fn(&api::Worker) -> String| {
        let mut cells = vec![name.to_owned()];
        cells.extend(list.workers.iter().map(value));
        rows.push(cells);
    };
    line("cpu", &|worker| worker.cpu.to_string());
    let names = list
        .workers
        .first()
        .map(|worker| worker.counters.keys().cloned().collect());
    let names: Vec<String> = names.unwrap_or_default();
    for name in &names {
        line(name, &|worker| {
            worker.counters.get(name).copied().unwrap_or(0).to_string()
        });
    }
    line("flows_orphaned", &|worker| {
        worker.flows_orphaned.to_string()
    });
    line("flows_max", &|worker| worker.flows_max.to_string());
    format!(
        "{}packet buffers: {} of {} in use; snapshots retired: {}\n\
         twins: {} frames to Linux, {} refused by it, {} from it lost\n",
        output::table(&rows),
        list.mbufs_in_use,
        list.mbufs_total,
        list.snapshots_retired,
        list.twin_delivered,
        list.twin_refused,
        list.twin_inject_dropped,
    )
}

fn ports(list: &api::Ports) -> String {
    let mut rows = vec![row(&[
        &"port",
        &"device",
        &"driver",
        &"mac",
        &"mtu",
        &"link",
        &"rx queues",
        &"tx queues",
        &"spread",
        &"rx",
        &"tx",
        &"rx missed",
        &"rx no mbuf",
        &"rx errors",
        &"tx errors",
    ])];
    for port in &list.ports {
        let link = match (port.gone, port.link_up) {
            (true, _) => "gone",
            (false, up) => link(up),
        };
        rows.push(row(&[
            &port.name,
            &port.device,
            &port.driver,
            &port.mac,
            &port.mtu,
            &link,
            &format!("{} of {}", port.rx_queues, port.rx_queues_max),
            &format!("{} of {}", port.tx_queues, port.tx_queues_max),
            &port.spread,
            &port.rx_packets,
            &port.tx_packets,
            &port.rx_missed,
            &port.rx_no_mbuf,
            &port.rx_errors,
            &port.tx_errors,
        ]));
    }
    let memory = if list.huge_pages {
        "huge pages"
    } else {
        "ordinary pages"
    };
    format!(
        "{}{}packet memory: {memory}\ndrivers: {}\n",
        output::table(&rows),
        members(list),
        list.drivers.join(" ")
    )
}

fn link(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}

/// The members of bonded ports, if there are any.
fn members(list: &api::Ports) -> String {
    let mut rows = vec![row(&[
        &"bond", &"mode", &"member", &"link", &"active", &"partner",
    ])];
    for port in &list.ports {
        for member in &port.members {
            let active = if member.active { "yes" } else { "no" };
            rows.push(row(&[
                &port.name,
                &port.bond,
                &member.device,
                &link(member.link_up),
                &active,
                &member.partner,
            ]));
        }
    }
    if rows.len() == 1 {
        return String::new();
    }
    output::table(&rows)
}

fn drops(list: &api::Drops) -> String {
    let mut rows = vec![row(&[&"worker", &"reason", &"count", &"meaning"])];
    for drop in &list.drops {
        rows.push(row(&[
            &drop.worker,
            &drop.reason,
            &drop.count,
            &drop.explanation,
        ]));
    }
    output::table(&rows)
}

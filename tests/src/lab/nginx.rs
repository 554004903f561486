// SPDX-License-Identifier: Apache-2.0
//! A real web server: Debian's nginx, one per real server, whose access log is the lab's witness.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use super::access_log::AccessLog;
use super::error::{LabError, LabResult};
use super::netns::Netns;
use super::process::Process;

/// A running nginx.
///
/// | path | answer |
/// |---|---|
/// | `/` | the server's name |
/// | `/src` | `CLIENT:PORT SERVER_ADDRESS NAME`, as the server sees the connection |
/// | `/1m` | a file of 1 MiB |
/// | `/upload` | takes a body of any size, answers the server's name |
#[derive(Debug)]
pub struct Nginx {
    name: String,
    log: AccessLog,
    // Last: the log is read until the process is gone.
    process: Process,
}

impl Nginx {
    /// Starts nginx on every address of the namespace at the given ports, and waits until it
    /// listens; `addresses` are probed from inside.
    pub fn start(
        place: &Netns,
        name: &str,
        ports: &[u16],
        addresses: &[IpAddr],
    ) -> LabResult<Self> {
        let dir = place.home().subdir(&format!("{name}/nginx"))?;
        let (config, errors) = (dir.join("nginx.conf"), dir.join("error.log"));
        let write = |path: &Path, bytes: &[u8]| {
            fs::write(path, bytes).map_err(|source| LabError::path("write", path, source))
        };
        write(&dir.join("1m"), &one_mebibyte())?;
        write(&config, config_text(&dir, name, ports).as_bytes())?;
        let (dir_arg, config_arg) = (dir.display().to_string(), config.display().to_string());
        let args = ["-e", "stderr", "-p", &dir_arg, "-c", &config_arg];
        let mut process = Process::start(place, "nginx", &args, &errors)?;
        let wanted: Vec<SocketAddr> = addresses
            .iter()
            .flat_map(|address| ports.iter().map(|port| SocketAddr::new(*address, *port)))
            .collect();
        process.wait_ready(READY_BOUND, || {
            place.inside(|| {
                let open = |address| TcpStream::connect_timeout(address, PROBE_BOUND).is_ok();
                Ok(wanted.iter().all(open))
            })
        })?;
        let log = AccessLog::new(dir.join("access.log"));
        Ok(Self {
            name: name.to_owned(),
            log,
            process,
        })
    }

    /// The name it answers with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it has served.
    pub fn log(&mut self) -> &mut AccessLog {
        &mut self.log
    }

    /// The process, to end it early or to read its error log. `terminate` ends it; after `kill` its
    /// worker process serves on.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn config_text(dir: &Path, name: &str, ports: &[u16]) -> String {
    let dir = dir.display();
    let mut listen = String::new();
    for port in ports {
        listen.push_str(&format!(
            "    listen {port} backlog=4096;\n    listen [::]:{port} ipv6only=on backlog=4096;\n"
        ));
    }
    format!(
        "user root;
daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 8192; multi_accept on; }}
http {{
  log_format lab '$remote_addr $remote_port $server_addr $server_port '
                 '$connection $connection_requests $status';
  access_log {dir}/access.log lab;
  client_body_temp_path {dir}/body;
  proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  keepalive_requests 1000000;
  keepalive_timeout 300s;
  client_max_body_size 0;
  tcp_nodelay on;
  default_type text/plain;
  server {{
{listen}
    root {dir};
    location = /1m {{ }}
    location = /src {{ return 200 '$remote_addr:$remote_port $server_addr {name}\\n'; }}
    location / {{ return 200 '{name}\\n'; }}
  }}
}}
"
    )
}

/// Bytes that differ along the file, so that a swapped or repeated segment shows.
fn one_mebibyte() -> Vec<u8> {
    (0_u32..1 << 18).flat_map(u32::to_be_bytes).collect()
}

/// nginx starts in tens of milliseconds; a machine under load is slower.
const READY_BOUND: Duration = Duration::from_secs(20);
/// A connection inside one namespace is made at once or not at all.
const PROBE_BOUND: Duration = Duration::from_millis(500);

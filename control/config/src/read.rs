// SPDX-License-Identifier: Apache-2.0
//! From TOML to typed values: one function per table of the file, and the checks that need more
//! than one value where the later of them is read.

mod bond;
mod local;
mod mark;
mod persistence;
mod port;
mod quic;
mod scheduler;
mod service;
mod snat;
mod stream;
mod tunnel;

use std::collections::HashMap;
use std::hash::Hash;
use std::path::PathBuf;

use model::addr::{Addr, Prefix};
use model::ids::WORKERS_MAX;
use model::local::PoolSpec;
use model::service::ServiceKey;
use toml::de::DeTable;

use crate::cpu_list::CpuList;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::findings::Findings;
use crate::schema::{DIRECTOR_NAME_MAX, Kind, ROOT, SOCKET_PATH_MAX};
use crate::section::{Item, Section};
use crate::types::{Api, Config, Director, HugePages, Idle, Limits, Lvs, PuntPps, Timeouts};

/// Reads a whole file; `None` if there was an error, which is then in `findings`.
pub(crate) fn config(findings: &mut Findings<'_>, root: &DeTable<'_>) -> Option<Config> {
    let top = Place {
        key: String::new(),
        span: 0..0,
    };
    let root = Section::open(findings, &ROOT, root, top);
    let mut reader = Reader::new(findings);
    let director = reader.director(&root);
    let api = reader.api(&root);
    let timeouts = reader.timeouts(&root);
    let limits = reader.limits(&root);
    let lvs = reader.lvs(&root);
    let tunnels = reader.tunnels(&root);
    let ports = reader.ports(&root);
    let local_pools = reader.local_pools(&root);
    let snats = reader.snats(&root);
    let marks = reader.marks(&root);
    let services = reader.services(&root);
    Some(Config {
        director: director?,
        api: api?,
        timeouts: timeouts?,
        limits: limits?,
        lvs: lvs?,
        tunnels: tunnels?,
        ports: ports?,
        local_pools: local_pools?,
        snats: snats?,
        marks: marks?,
        services: services?,
    })
}

/// What has been seen of the file so far.
struct Reader<'r, 't> {
    findings: &'r mut Findings<'t>,
    /// `None` while the list is unknown.
    worker_count: Option<u32>,
    interface_names: Seen<String>,
    devices: Seen<String>,
    addresses: Seen<Addr>,
    /// `None` once an interface could not be read: then nobody knows which subnets there are.
    subnets: Option<Vec<Prefix>>,
    pools: Vec<PoolSpec>,
    pool_names: Seen<String>,
    snat_names: Seen<String>,
    local_addresses: Seen<Addr>,
    service_names: Seen<String>,
    services: Seen<ServiceKey>,
    server_count: usize,
}

/// Things that must be unique, with the offset of the first.
type Seen<T> = HashMap<T, usize>;

impl<'r, 't> Reader<'r, 't> {
    fn new(findings: &'r mut Findings<'t>) -> Self {
        Self {
            findings,
            worker_count: None,
            interface_names: Seen::new(),
            devices: Seen::new(),
            addresses: Seen::new(),
            subnets: Some(Vec::new()),
            pools: Vec::new(),
            pool_names: Seen::new(),
            snat_names: Seen::new(),
            local_addresses: Seen::new(),
            service_names: Seen::new(),
            services: Seen::new(),
            server_count: 0,
        }
    }

    fn director(&mut self, root: &Section<'_>) -> Option<Director> {
        let section = root.table(self.findings, "director")?;
        let name = self.director_name(&section);
        let workers = self.cpu_list(&section, "workers");
        let control_cpu = self.cpu_list(&section, "control_cpu");
        let idle = section.word(self.findings, "idle").map(|word| {
            if word.value == "adaptive" {
                Idle::Adaptive
            } else {
                Idle::Poll
            }
        });
        let flows_max = section.integer(self.findings, "flows_max");
        let memory_mib = section.integer(self.findings, "memory_mib");
        let huge_pages = section.word(self.findings, "huge_pages");
        let drain_s = section.integer(self.findings, "drain_s");
        if let (Some(workers), Some(control), Some(Idle::Poll)) = (&workers, &control_cpu, idle) {
            self.check_shared_cpu(&workers.value, control);
        }
        let workers = self.check_workers(workers?)?;
        Some(Director {
            name: name?,
            workers,
            control_cpu: control_cpu.map(|item| item.value),
            idle: idle?,
            flows_max: flows_max?.value,
            memory_mib: memory_mib.map(|item| item.value),
            huge_pages: match huge_pages?.value {
                "never" => HugePages::Never,
                "require" => HugePages::Require,
                _ => HugePages::Auto,
            },
            drain_s: drain_s?.value,
        })
    }

    fn director_name(&mut self, section: &Section<'_>) -> Option<String> {
        let Item { value, place } = section.text(self.findings, "name")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if (1..=DIRECTOR_NAME_MAX).contains(&value.len()) && value.chars().all(plain) {
            return Some(value.to_owned());
        }
        let message = format!("{} is no name for a director", self.seen(&place));
        self.refuse(
            Code::BadName,
            &place,
            message,
            "1 to 63 letters, digits, `.`, `-` or `_`",
        );
        None
    }

    fn cpu_list(&mut self, section: &Section<'_>, name: &str) -> Option<Item<CpuList>> {
        let Item { value, place } = section.text(self.findings, name)?;
        match value.parse() {
            Ok(value) => Some(Item { value, place }),
            Err(error) => {
                let message = format!("`{name}` is no CPU list: {error}");
                let allowed = "CPU numbers and ranges such as \"1-3,5\", none twice";
                self.refuse(Code::BadCpuList, &place, message, allowed);
                None
            }
        }
    }

    fn check_workers(&mut self, workers: Item<CpuList>) -> Option<CpuList> {
        let count = workers.value.len();
        if count <= WORKERS_MAX {
            self.worker_count = u32::try_from(count).ok();
            return Some(workers.value);
        }
        let message = format!("`workers` names {count} CPUs");
        let allowed = format!("at most {WORKERS_MAX} CPUs");
        self.refuse(Code::BadCpuList, &workers.place, message, &allowed);
        None
    }

    fn check_shared_cpu(&mut self, workers: &CpuList, control: &Item<CpuList>) {
        let shared = |cpu: &&u16| workers.as_slice().contains(cpu);
        let Some(cpu) = control.value.as_slice().iter().find(shared) else {
            return;
        };
        let message =
            format!("`control_cpu` {cpu} is also in `workers`, whose CPUs are never idle");
        self.findings.add(
            Diagnostic::new(Code::CpuShared, &control.place, message)
                .seen(control.value.to_string())
                .help("give the control side a CPU of its own, or set idle = \"adaptive\""),
        );
    }

    fn api(&mut self, root: &Section<'_>) -> Option<Api> {
        let section = self.section_or_empty(root, "api")?;
        let Item { value, place } = section.text(self.findings, "socket")?;
        let plain = !value.chars().any(char::is_control) && !value.ends_with('/');
        if value.starts_with('/') && value.len() <= SOCKET_PATH_MAX && plain {
            return Some(Api {
                socket: PathBuf::from(value),
            });
        }
        let message = format!("{} is no path for a socket", self.seen(&place));
        let allowed = "an absolute path of at most 107 bytes, to a file";
        self.refuse(Code::BadPath, &place, message, allowed);
        None
    }

    fn timeouts(&mut self, root: &Section<'_>) -> Option<Timeouts> {
        let section = self.section_or_empty(root, "timeouts")?;
        let tcp_s = section.integer(self.findings, "tcp_s");
        let tcp_fin_s = section.integer(self.findings, "tcp_fin_s");
        let udp_s = section.integer(self.findings, "udp_s");
        Some(Timeouts {
            tcp_s: tcp_s?.value,
            tcp_fin_s: tcp_fin_s?.value,
            udp_s: udp_s?.value,
        })
    }

    fn limits(&mut self, root: &Section<'_>) -> Option<Limits> {
        let section = self.section_or_empty(root, "limits")?;
        let icmp_errors_per_s = section.integer(self.findings, "icmp_errors_per_s");
        let icmp_echoes_per_s = section.integer(self.findings, "icmp_echoes_per_s");
        let new_flows_per_s = section.integer(self.findings, "new_flows_per_s");
        let punt = self.section_or_empty(&section, "punt_pps")?;
        let mut rate = |name| Some(punt.integer(self.findings, name)?.value);
        let punt_pps = [
            rate("arp_nd"),
            rate("local"),
            rate("icmp"),
            rate("multicast"),
            rate("unroutable"),
            rate("other"),
        ];
        let [arp_nd, local, icmp, multicast, unroutable, other] = punt_pps;
        Some(Limits {
            icmp_errors_per_s: icmp_errors_per_s?.value,
            icmp_echoes_per_s: icmp_echoes_per_s?.value,
            new_flows_per_s: new_flows_per_s?.value,
            punt_pps: PuntPps {
                arp_nd: arp_nd?,
                local: local?,
                icmp: icmp?,
                multicast: multicast?,
                unroutable: unroutable?,
                other: other?,
            },
        })
    }

    fn lvs(&mut self, root: &Section<'_>) -> Option<Lvs> {
        let section = self.section_or_empty(root, "lvs")?;
        let mut sysctls = Vec::new();
        let mut bad = false;
        for key in section.schema().keys {
            let value = if matches!(key.kind, Kind::Flag) {
                section.flag(self.findings, key.name).map(u32::from)
            } else {
                let item = section.integer(self.findings, key.name);
                item.map(|item| item.value)
            };
            match value {
                Some(value) => sysctls.push((key.name, value)),
                None => bad = true,
            }
        }
        (!bad).then_some(Lvs { sysctls })
    }

    /// A table all of whose keys have defaults; `None` only if it was reported.
    fn section_or_empty<'a>(&mut self, parent: &Section<'a>, name: &str) -> Option<Section<'a>> {
        if parent.has(name) {
            parent.table(self.findings, name)
        } else {
            parent.empty(name)
        }
    }

    /// Notes a thing that must be unique; a second one is an error.
    fn first<T: Eq + Hash>(
        &mut self,
        seen: fn(&mut Self) -> &mut Seen<T>,
        thing: T,
        place: &Place,
        code: Code,
        what: &str,
    ) -> bool {
        let at = place.span.start;
        let earlier = *seen(self).entry(thing).or_insert(at);
        if earlier == at {
            return true;
        }
        self.duplicate(code, place, what, earlier);
        false
    }

    fn duplicate(&mut self, code: Code, place: &Place, what: &str, earlier: usize) {
        let line = self.findings.line_of(earlier);
        let seen = self.seen(place);
        self.findings.add(
            Diagnostic::new(code, place, format!("{what} is defined twice"))
                .seen(seen)
                .help(format!("the first is on line {line}; remove or change one")),
        );
    }

    fn refuse(&mut self, code: Code, place: &Place, message: String, allowed: &str) {
        let seen = self.seen(place);
        self.findings.add(
            Diagnostic::new(code, place, message)
                .seen(seen)
                .allowed(allowed)
                .help(format!("write {allowed}")),
        );
    }

    fn seen(&self, place: &Place) -> String {
        self.findings.source(&place.span)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! From a file to the operations that make a director do it.

use model::op::Op;

use crate::types::{Config, Server, Service, Timeouts};

impl Config {
    /// What makes an empty director into this one; the order of the file is the order of adds.
    #[must_use]
    pub fn ops(&self) -> Vec<Op> {
        let services = self.services.iter().flat_map(Service::ops);
        std::iter::once(self.timeouts.op())
            .chain(services)
            .collect()
    }
}

impl Timeouts {
    pub(crate) const fn op(self) -> Op {
        Op::SetTimeouts {
            tcp_s: self.tcp_s,
            tcp_fin_s: self.tcp_fin_s,
            udp_s: self.udp_s,
        }
    }
}

impl Service {
    /// Adds the service and its servers.
    pub(crate) fn ops(&self) -> impl Iterator<Item = Op> + '_ {
        let service = Op::AddService {
            key: self.key,
            spec: self.spec(),
        };
        let servers = self.servers.iter().map(|server| self.add(server));
        std::iter::once(service).chain(servers)
    }

    pub(crate) const fn add(&self, server: &Server) -> Op {
        Op::AddReal {
            service: self.key,
            real: server.key,
            spec: server.spec(),
        }
    }
}

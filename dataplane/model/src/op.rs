// SPDX-License-Identifier: Apache-2.0
//! The vocabulary of change: the TOML file, the API and ipvsadm all end here.

use crate::service::{RealKey, RealSpec, ServiceKey, ServiceSpec};

/// One change; a transaction is a list of them, in order, because the kernel's rules depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// `ipvsadm -A`.
    AddService {
        /// The new service.
        key: ServiceKey,
        /// Name and scheduler.
        spec: ServiceSpec,
    },
    /// `ipvsadm -E`; naming another scheduler binds it anew.
    EditService {
        /// The service.
        key: ServiceKey,
        /// Name and scheduler.
        spec: ServiceSpec,
    },
    /// `ipvsadm -D`.
    DeleteService {
        /// The service.
        key: ServiceKey,
    },
    /// `ipvsadm -a`; brings a draining or deleted server of the same key back.
    AddReal {
        /// The service.
        service: ServiceKey,
        /// The new server.
        real: RealKey,
        /// Method and weight.
        spec: RealSpec,
    },
    /// `ipvsadm -e`.
    EditReal {
        /// The service.
        service: ServiceKey,
        /// The server.
        real: RealKey,
        /// Method and weight.
        spec: RealSpec,
    },
    /// `ipvsadm -d`.
    DeleteReal {
        /// The service.
        service: ServiceKey,
        /// The server.
        real: RealKey,
    },
    /// Removal from the file: weight 0 now, deleted by control when its last flow has ended.
    DrainReal {
        /// The service.
        service: ServiceKey,
        /// The server.
        real: RealKey,
    },
    /// `ipvsadm --set`; zero leaves a value as it is.
    SetTimeouts {
        /// TCP ESTABLISHED, seconds.
        tcp_s: u32,
        /// TCP FIN_WAIT, seconds.
        tcp_fin_s: u32,
        /// UDP, seconds.
        udp_s: u32,
    },
}

/// Why an [`Op`] changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpError {
    /// Address families of VIP and RIP differ.
    #[error("real server {real} and virtual service {service} are of different address families")]
    FamilyMismatch {
        /// The service.
        service: ServiceKey,
        /// The server.
        real: RealKey,
    },
    /// It is there already.
    #[error("real server {real} already exists in {service}")]
    RealExists {
        /// The service.
        service: ServiceKey,
        /// The server.
        real: RealKey,
    },
    /// It is not there.
    #[error("no real server {real} in {service}")]
    RealUnknown {
        /// The service.
        service: ServiceKey,
        /// The server.
        real: RealKey,
    },
    /// `ipvsadm -y` above `-x`.
    #[error(
        "real server {real} of {service}: lower threshold {lower} is above upper threshold {upper}"
    )]
    Thresholds {
        /// The service.
        service: ServiceKey,
        /// The server.
        real: RealKey,
        /// As given.
        lower: u32,
        /// As given.
        upper: u32,
    },
    /// It is there already.
    #[error("virtual service {0} already exists")]
    ServiceExists(ServiceKey),
    /// It is not there.
    #[error("no virtual service {0}")]
    ServiceUnknown(ServiceKey),
    /// mh's table has a place for each of so many servers at most (`ip_vs_mh_reassign`).
    #[error("more than {max} real servers in {service}, whose scheduler is mh")]
    TooManyInTable {
        /// The service.
        service: ServiceKey,
        /// The limit.
        max: usize,
    },
    /// [`crate::ids::REALS_MAX`] slots are taken.
    #[error("more than {max} real servers, those that still have connections included")]
    TooManyReals {
        /// The limit.
        max: usize,
    },
    /// [`crate::ids::SERVICES_MAX`] slots are taken.
    #[error("more than {max} virtual services, those that still have connections included")]
    TooManyServices {
        /// The limit.
        max: usize,
    },
}

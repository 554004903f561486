// SPDX-License-Identifier: Apache-2.0
//! Against the real kernel: every test in a network namespace of its own, with real TAPs.

mod frames;
mod lab;
mod mirror;
mod neighbours;
mod routes;
mod twins;
mod virtual_ips;

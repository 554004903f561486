// SPDX-License-Identifier: Apache-2.0
//! The load balancer: daemon and command line.
fn main() {}

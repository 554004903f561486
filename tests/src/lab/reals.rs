// SPDX-License-Identifier: Apache-2.0
//! All real servers of a lab at once: nginx and knotd on each.

use std::net::IpAddr;
use std::panic;
use std::thread;
use std::time::Duration;

use super::Lab;
use super::access_log::Shares;
use super::addr::{self, Family};
use super::dns::Dns;
use super::error::{LabError, LabResult};
use super::netns::Netns;
use super::nginx::Nginx;
use super::wait::{Look, wait_for};

/// The servers on one real server.
#[derive(Debug)]
pub struct Real {
    /// Web at [`WEB_PORTS`].
    pub nginx: Nginx,
    /// DNS at port 53.
    pub dns: Dns,
}

/// The real servers of a lab, named `r1`, `r2`, ...
#[derive(Debug)]
pub struct Reals {
    all: Vec<Real>,
}

impl Reals {
    /// Starts everything and waits until it answers.
    pub fn start(lab: &Lab) -> LabResult<Self> {
        let all = thread::scope(|scope| {
            let starting: Vec<_> = lab
                .reals()
                .iter()
                .zip(1..)
                .map(|(place, number)| scope.spawn(move || start_one(place, number)))
                .collect();
            let join = |thread: thread::ScopedJoinHandle<'_, LabResult<Real>>| {
                thread
                    .join()
                    .unwrap_or_else(|cause| panic::resume_unwind(cause))
            };
            starting
                .into_iter()
                .map(join)
                .collect::<LabResult<Vec<Real>>>()
        })?;
        Ok(Self { all })
    }

    /// One of them; the first has number 1.
    pub fn get(&mut self, number: usize) -> LabResult<&mut Real> {
        let count = self.all.len();
        let index = number.checked_sub(1);
        index
            .and_then(|index| self.all.get_mut(index))
            .ok_or_else(|| LabError::check("no such real server", format!("{number} of {count}")))
    }

    /// What the web servers have served since the last call of this or [`Reals::settled`]; waits
    /// until they have logged `requests`, for a client has its answer before the log has its line.
    pub fn shares(&mut self, requests: u64) -> LabResult<Shares> {
        let mut shares = Shares::default();
        wait_for(
            &format!("access logs with {requests} requests"),
            LOG_BOUND,
            || {
                self.collect(&mut shares)?;
                let seen = shares.requests();
                Ok(if seen >= requests {
                    Look::Ready(())
                } else {
                    Look::NotYet(seen.to_string())
                })
            },
        )?;
        // More than that would be requests that no client knows of.
        self.collect(&mut shares)?;
        let seen = shares.requests();
        if seen == requests {
            return Ok(shares);
        }
        Err(LabError::check(
            "the servers saw other requests than the clients sent",
            format!("  servers: {seen}\n  clients: {requests}"),
        ))
    }

    /// What the web servers have logged since the last call of any of these, without waiting.
    pub fn so_far(&mut self) -> LabResult<Shares> {
        let mut shares = Shares::default();
        self.collect(&mut shares)?;
        Ok(shares)
    }

    /// The same as `shares` for a load that did not count its requests exactly: waits until the
    /// logs rest.
    pub fn settled(&mut self) -> LabResult<Shares> {
        let (mut shares, mut before, mut quiet) = (Shares::default(), u64::MAX, 0);
        wait_for("access logs to rest", LOG_BOUND, || {
            self.collect(&mut shares)?;
            quiet = if shares.requests() == before {
                quiet + 1
            } else {
                0
            };
            before = shares.requests();
            let rests = quiet >= QUIET_LOOKS;
            Ok(if rests {
                Look::Ready(())
            } else {
                Look::NotYet(before.to_string())
            })
        })?;
        Ok(shares)
    }

    fn collect(&mut self, shares: &mut Shares) -> LabResult<()> {
        for real in &mut self.all {
            let name = real.nginx.name().to_owned();
            let entries = real.nginx.log().take()?;
            let connections = real.nginx.log().new_connections(&entries);
            shares.add(&name, connections, &entries);
        }
        Ok(())
    }
}

fn start_one(place: &Netns, number: u8) -> LabResult<Real> {
    let name = format!("r{number}");
    let own = Family::BOTH.map(|family| addr::real(family, number));
    let vips = |family| (0..addr::VIPS).map(move |vip| addr::vip(family, vip));
    let all: Vec<IpAddr> = own
        .into_iter()
        .chain(vips(Family::V4))
        .chain(vips(Family::V6))
        .collect();
    let nginx = Nginx::start(place, &name, &WEB_PORTS, &own)?;
    let dns = Dns::start(place, &name, &all)?;
    Ok(Real { nginx, dns })
}

/// 80 for DR, which cannot change the port; 8080 to see NAT change it.
pub const WEB_PORTS: [u16; 2] = [80, 8080];
/// nginx logs within a millisecond of answering.
const LOG_BOUND: Duration = Duration::from_secs(10);
/// Looks without a change before a log counts as resting; they grow to 40 ms apart.
const QUIET_LOOKS: u32 = 4;

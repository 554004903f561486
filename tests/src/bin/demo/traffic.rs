// SPDX-License-Identifier: Apache-2.0
//! What the demo sends, and what must come of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use penstock_tests::lab::{
    Bookkeeping, Curl, Dig, Director, Family, Lab, LabError, LabResult, Reals, Shares, TcpLoad,
    UdpLoad, WHO, Wrk, addr, ensure_equal,
};

use crate::say;
use crate::services::{WEIGHTS, Web};

/// The lab at work.
#[derive(Debug)]
pub(crate) struct Traffic<'a> {
    lab: &'a Lab,
    reals: Reals,
    director: &'a Director,
}

impl<'a> Traffic<'a> {
    pub(crate) fn new(lab: &'a Lab, reals: Reals, director: &'a Director) -> Self {
        Self {
            lab,
            reals,
            director,
        }
    }

    /// HTTP through one way of forwarding, both families.
    pub(crate) fn web(&mut self, web: Web) -> LabResult<()> {
        for (family, requests) in [(Family::V4, REQUESTS), (Family::V6, REQUESTS_V6)] {
            let mut logged = BTreeMap::new();
            self.ask_once(web, family, &mut logged)?;
            self.one_connection_each(web, family, requests, &mut logged)?;
            self.keep_alive(web, family, requests, &mut logged)?;
            self.director_counted(&web.service(family), &logged)?;
        }
        self.wrk(web)
    }

    /// DNS over UDP: a question with dig, then many, each from a socket of its own.
    pub(crate) fn dns(&mut self) -> LabResult<()> {
        for family in Family::BOTH {
            let server = addr::vip(family, 0);
            let answer = Dig::new(server, "www.example.test", "A").run(self.lab.client())?;
            ensure_equal(
                "dig's answer",
                &answer.records,
                &vec!["192.0.2.80".to_owned()],
            )?;
            let who = Dig::new(server, WHO, "TXT")
                .run(self.lab.client())?
                .records
                .join(" ");
            let target = SocketAddr::new(server, 53);
            let report = UdpLoad::dns(target, QUESTIONS)
                .sources(&clients(family))
                .run(self.lab.client())?;
            report.check_all_answered()?;
            let even = QUESTIONS / 3;
            let fair = report
                .servers
                .values()
                .all(|count| count.abs_diff(even) <= even / 10);
            if report.servers.len() != 3 || !fair {
                let what = "DNS answers are not spread over three servers in turn";
                return Err(LabError::check(what, format!("  {:?}", report.servers)));
            }
            say(format_args!(
                "dns  {server}: www.example.test is {} ({who} told dig); {QUESTIONS} questions, \
                 0 lost, {}",
                answer.records.join(" "),
                counts(&report.servers)
            ));
        }
        Ok(())
    }

    /// curl, and what the server it reached saw.
    fn ask_once(&mut self, web: Web, family: Family, logged: &mut Logged) -> LabResult<()> {
        let client = addr::client(family, 0);
        let url = format!("http://{}/src", SocketAddr::new(web.vip(family), 80));
        let answer = Curl::new(&url).source(client).run(self.lab.client())?;
        ensure_equal("curl's status", &answer.status, &200)?;
        say(format_args!("curl {url}: \"{}\"", answer.text()));
        let shares = self.reals.shares(1)?;
        add(logged, &shares);
        ensure_equal(
            "the client's address in the log",
            &shares.clients(),
            &[client].into(),
        )
    }

    fn one_connection_each(
        &mut self,
        web: Web,
        family: Family,
        requests: u64,
        logged: &mut Logged,
    ) -> LabResult<()> {
        let target = SocketAddr::new(web.vip(family), 80);
        let load = TcpLoad::new(target, requests).sources(&clients(family));
        let report = load.run(self.lab.client())?;
        report.check_all_answered()?;
        let shares = self.reals.shares(requests)?;
        // One hundredth of the smallest share.
        let tolerance = f64::from(u32::try_from(requests).unwrap_or(u32::MAX)) / 6.0 * 0.01;
        shares.check_connections(&WEIGHTS, tolerance)?;
        self.told_apart(web, family, &shares)?;
        tell(
            web,
            requests,
            "one connection each",
            &shares,
            report.elapsed.as_millis(),
        );
        add(logged, &shares);
        Ok(())
    }

    fn keep_alive(
        &mut self,
        web: Web,
        family: Family,
        requests: u64,
        logged: &mut Logged,
    ) -> LabResult<()> {
        let target = SocketAddr::new(web.vip(family), 80);
        let load = TcpLoad::new(target, requests)
            .keep_alive(KEPT)
            .sources(&clients(family));
        let report = load.run(self.lab.client())?;
        report.check_all_answered()?;
        let shares = self.reals.shares(requests)?;
        ensure_equal("kept connections", &shares.connections(), &KEPT)?;
        // Within one cycle of 3:2:1, the heaviest server gets three connections.
        shares.check_connections(&WEIGHTS, 3.0)?;
        self.told_apart(web, family, &shares)?;
        tell(
            web,
            requests,
            &format!("{KEPT} kept alive"),
            &shares,
            report.elapsed.as_millis(),
        );
        add(logged, &shares);
        Ok(())
    }

    /// The servers saw the clients' real addresses, and with DR were asked at the VIP itself.
    fn told_apart(&self, web: Web, family: Family, shares: &Shares) -> LabResult<()> {
        ensure_equal(
            "clients in the logs",
            &shares.clients(),
            &clients(family).into(),
        )?;
        for ((name, served), number) in shares.servers.iter().zip(1..) {
            let asked_at = match web {
                Web::Nat => addr::real(family, number),
                Web::Dr => web.vip(family),
            };
            let what = format!("addresses at which {name} was asked");
            ensure_equal(&what, &served.addresses, &[asked_at].into())?;
            ensure_equal(
                &format!("answers of {name} other than 200"),
                &served.not_ok,
                &0,
            )?;
        }
        Ok(())
    }

    /// The director and the servers' logs agree on who got how many connections.
    fn director_counted(&self, service: &str, logged: &Logged) -> LabResult<()> {
        let books = Bookkeeping::read(self.director)?;
        let service = books.service(service)?;
        for (server, (name, connections)) in service.servers.iter().zip(logged) {
            let counted = server
                .counters
                .get("connections")
                .copied()
                .unwrap_or_default();
            let what = format!("connections of {name} ({}) by the director", server.address);
            ensure_equal(&what, &counted, connections)?;
        }
        ensure_equal(
            "servers of the service",
            &service.servers.len(),
            &logged.len(),
        )
    }

    /// Load without a pause, for a figure of speed: not checked, for machines differ.
    fn wrk(&mut self, web: Web) -> LabResult<()> {
        let url = format!("http://{}/", SocketAddr::new(web.vip(Family::V4), 80));
        let kept = Wrk::new(&url).run(self.lab.client())?;
        let each = Wrk::new(&url).close().run(self.lab.client())?;
        let errors = kept.errors() + each.errors();
        if errors > 0 || kept.requests == 0 || each.requests == 0 {
            return Err(LabError::check(
                "wrk met errors",
                format!("  {kept:?}\n  {each:?}"),
            ));
        }
        say(format_args!(
            "wrk  {:4} {} requests/s kept alive, {} connections/s, 0 errors\n",
            web.forward(),
            kept.per_second(),
            each.per_second()
        ));
        self.reals.settled().map(drop)
    }
}

/// Connections by server, as the access logs have them.
type Logged = BTreeMap<String, u64>;

fn add(logged: &mut Logged, shares: &Shares) {
    for (name, served) in &shares.servers {
        *logged.entry(name.clone()).or_default() += served.connections;
    }
}

fn clients(family: Family) -> [IpAddr; 3] {
    [0, 1, 2].map(|number| addr::client(family, number))
}

fn tell(web: Web, requests: u64, how: &str, shares: &Shares, millis: u128) {
    let connections = shares
        .servers
        .iter()
        .map(|(name, s)| (name.clone(), s.connections));
    let connections = counts(&connections.collect());
    let forward = web.forward();
    say(format_args!(
        "http {forward:4} {requests} requests, {how}: 0 failed, \
         connections {connections}, {millis} ms"
    ));
}

fn counts(servers: &BTreeMap<String, u64>) -> String {
    let words: Vec<String> = servers
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    words.join(" ")
}

/// What the demo promises through each way of forwarding, of either kind of connection.
const REQUESTS: u64 = 20_000;
/// Enough to see IPv6 do the same.
const REQUESTS_V6: u64 = 3_000;
/// Ten cycles of 3:2:1.
const KEPT: u64 = 60;
const QUESTIONS: u64 = 600;

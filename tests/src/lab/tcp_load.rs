// SPDX-License-Identifier: Apache-2.0
//! HTTP load that counts every failure: a request is answered, failed for one named reason, or not
//! sent, and nothing is tried again.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::addr;
use super::error::{LabError, LabResult};
use super::http::{Failed, Failure, HttpConnection};
use super::netns::Netns;

/// A load to be; `run` sends it, `start` sends it in the background.
#[derive(Debug, Clone)]
pub struct TcpLoad {
    target: SocketAddr,
    requests: u64,
    /// 0 is one connection per request.
    connections: u64,
    threads: u64,
    path: String,
    sources: Vec<IpAddr>,
    step_bound: Duration,
    bound: Duration,
}

impl TcpLoad {
    /// So many requests to one address, a connection for each, eight at a time.
    #[must_use]
    pub fn new(target: SocketAddr, requests: u64) -> Self {
        Self {
            target,
            requests,
            connections: 0,
            threads: 8,
            path: "/".to_owned(),
            sources: Vec::new(),
            step_bound: Duration::from_secs(5),
            bound: Duration::from_secs(60),
        }
    }

    /// Opens so many connections first, all of them, and spreads the requests evenly over them. A
    /// connection that fails is counted and replaced.
    #[must_use]
    pub fn keep_alive(self, connections: u64) -> Self {
        Self {
            connections: connections.max(1),
            ..self
        }
    }

    /// How many requests are under way at a time.
    #[must_use]
    pub fn threads(self, threads: u64) -> Self {
        Self {
            threads: threads.max(1),
            ..self
        }
    }

    /// The path to ask for.
    #[must_use]
    pub fn path(self, path: &str) -> Self {
        Self {
            path: path.to_owned(),
            ..self
        }
    }

    /// The addresses to ask from, in turn; no port of theirs is used twice in a row of 25 535.
    #[must_use]
    pub fn sources(self, sources: &[IpAddr]) -> Self {
        Self {
            sources: sources.to_vec(),
            ..self
        }
    }

    /// How long connecting or waiting for an answer may take: five seconds unless said.
    #[must_use]
    pub fn step_bound(self, step_bound: Duration) -> Self {
        Self { step_bound, ..self }
    }

    /// How long the whole may take; what is not sent by then is not sent: a minute unless said.
    #[must_use]
    pub fn bound(self, bound: Duration) -> Self {
        Self { bound, ..self }
    }

    /// Sends it from a namespace and waits for the end.
    pub fn run(&self, place: &Netns) -> LabResult<TcpReport> {
        self.clone().send(place, &AtomicBool::new(false))
    }

    /// Sends it in the background until it is done or stopped.
    #[must_use]
    pub fn start(self, place: &Netns) -> RunningLoad {
        let stop = Arc::new(AtomicBool::new(false));
        let (place, flag) = (place.clone(), Arc::clone(&stop));
        let worker = thread::spawn(move || self.send(&place, &flag));
        RunningLoad {
            stop,
            worker: Some(worker),
        }
    }

    fn send(self, place: &Netns, stop: &AtomicBool) -> LabResult<TcpReport> {
        let start = Instant::now();
        let shared = Shared {
            tickets: AtomicU64::new(0),
            stop,
            deadline: start + self.bound,
        };
        let parts = thread::scope(|scope| {
            let start_one = |number| {
                let (load, shared) = (&self, &shared);
                scope.spawn(move || {
                    place.enter()?;
                    Ok(if load.connections == 0 {
                        load.one_connection_per_request(shared)
                    } else {
                        load.keep_alive_thread(number, shared)
                    })
                })
            };
            let threads: Vec<_> = (0..self.threads).map(start_one).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, LabResult<TcpReport>>| {
                thread
                    .join()
                    .unwrap_or_else(|cause| std::panic::resume_unwind(cause))
            };
            threads
                .into_iter()
                .map(join)
                .collect::<LabResult<Vec<TcpReport>>>()
        })?;
        let mut report = TcpReport {
            wanted: self.requests,
            ..TcpReport::default()
        };
        parts.into_iter().for_each(|part| report.add(part));
        report.unsent = self.requests - report.ok - report.failed();
        report.elapsed = start.elapsed();
        Ok(report)
    }

    fn one_connection_per_request(&self, shared: &Shared<'_>) -> TcpReport {
        let mut report = TcpReport::default();
        while shared.goes_on() && shared.tickets.fetch_add(1, Ordering::Relaxed) < self.requests {
            let begin = Instant::now();
            let answer = self
                .open(&mut report)
                .and_then(|mut connection| connection.request(&self.path, false));
            report.count(answer, begin);
        }
        report
    }

    /// Each thread opens its part of the connections, then asks on them in turn.
    fn keep_alive_thread(&self, number: u64, shared: &Shared<'_>) -> TcpReport {
        let mut report = TcpReport::default();
        let mine = part(self.connections, self.threads, number);
        let before: u64 = (0..number)
            .map(|n| part(self.connections, self.threads, n))
            .sum();
        // A connection that cannot be opened fails its first request, in the loop below.
        let mut opened: Vec<Result<HttpConnection, Failed>> =
            (0..mine).map(|_| self.open(&mut report)).collect();
        let quotas: Vec<u64> = (before..before + mine)
            .map(|n| part(self.requests, self.connections, n))
            .collect();
        let rounds = quotas.iter().max().copied().unwrap_or_default();
        for round in 0..rounds {
            for (slot, _) in opened
                .iter_mut()
                .zip(&quotas)
                .filter(|(_, quota)| round < **quota)
            {
                if !shared.goes_on() {
                    return report;
                }
                let begin = Instant::now();
                let answer = match slot {
                    Ok(connection) => connection.request(&self.path, true),
                    Err(failed) => Err(failed.clone()),
                };
                if answer.is_err() {
                    report.connections_failed += 1;
                    *slot = self.open(&mut report);
                }
                report.count(answer, begin);
            }
        }
        report
    }

    fn open(&self, report: &mut TcpReport) -> Result<HttpConnection, Failed> {
        let mut tries = 0;
        let connection = loop {
            let source = self.next_source();
            match HttpConnection::connect(self.target, source, self.step_bound) {
                Err(failed) if failed.kind == Failure::PortTaken && tries < PORT_TRIES_MAX => {
                    tries += 1;
                }
                other => break other?,
            }
        };
        report.connections += 1;
        Ok(connection)
    }

    /// The sources in turn, each time with another port: a port that the client's kernel chooses
    /// may be one of a moment ago, and a director that does not see the servers' answers (DR)
    /// rightly takes that for the same connection going on.
    fn next_source(&self) -> Option<SocketAddr> {
        let count = u64::try_from(self.sources.len()).ok()?;
        let turn = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        let place = usize::try_from(turn.checked_rem(count)?).ok()?;
        let port = addr::OWN_PORTS.start() + u16::try_from(turn % OWN_PORT_COUNT).ok()?;
        Some(SocketAddr::new(*self.sources.get(place)?, port))
    }
}

/// Part number `index` of `whole` cut into `parts`, the first ones longer by one.
fn part(whole: u64, parts: u64, index: u64) -> u64 {
    whole / parts + u64::from(index < whole % parts)
}

struct Shared<'a> {
    tickets: AtomicU64,
    stop: &'a AtomicBool,
    deadline: Instant,
}

impl Shared<'_> {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed) && Instant::now() < self.deadline
    }
}

/// A load under way; dropping it stops it.
#[derive(Debug)]
pub struct RunningLoad {
    stop: Arc<AtomicBool>,
    worker: Option<JoinHandle<LabResult<TcpReport>>>,
}

impl RunningLoad {
    /// Lets the requests under way end and sends no more.
    pub fn stop(mut self) -> LabResult<TcpReport> {
        self.stop.store(true, Ordering::Relaxed);
        self.join_worker()
    }

    /// Waits until all is sent.
    pub fn join(mut self) -> LabResult<TcpReport> {
        self.join_worker()
    }

    /// True while it sends.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.worker
            .as_ref()
            .is_some_and(|worker| !worker.is_finished())
    }

    fn join_worker(&mut self) -> LabResult<TcpReport> {
        match self.worker.take() {
            Some(worker) => worker
                .join()
                .unwrap_or_else(|cause| std::panic::resume_unwind(cause)),
            None => Ok(TcpReport::default()),
        }
    }
}

impl Drop for RunningLoad {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(worker) = self.worker.take() {
            // Whoever drops it does not want its report.
            drop(worker.join());
        }
    }
}

/// What became of a load: `ok + failed() + unsent = wanted`.
#[derive(Debug, Clone, Default)]
pub struct TcpReport {
    /// Requests asked for.
    pub wanted: u64,
    /// Requests answered 200, whole.
    pub ok: u64,
    /// Requests that failed, by reason.
    pub failures: BTreeMap<Failure, u64>,
    /// Requests not sent, because of `stop` or the bound.
    pub unsent: u64,
    /// Connections opened.
    pub connections: u64,
    /// Keep-alive connections that died, or could not be opened.
    pub connections_failed: u64,
    /// Answers by the server that gave them.
    pub servers: BTreeMap<String, u64>,
    /// The first few failures in words.
    pub examples: Vec<String>,
    /// From start to end.
    pub elapsed: Duration,
    /// The longest wait for an answer, connecting included where each has its own connection.
    pub slowest: Duration,
}

impl TcpReport {
    /// Requests that failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Fails unless no request failed; those that `stop` kept back are no failures.
    pub fn check_none_failed(&self) -> LabResult<()> {
        if self.failed() == 0 && self.connections_failed == 0 {
            return Ok(());
        }
        Err(LabError::check(
            format!("{} of {} requests failed", self.failed(), self.wanted),
            {
                let Self {
                    ok,
                    failures,
                    unsent,
                    connections_failed,
                    ..
                } = self;
                let words = self.examples.join("\n  ");
                format!(
                    "  {ok} answered, {unsent} not sent, {connections_failed} kept connections \
                 lost, {failures:?}\n  {words}"
                )
            },
        ))
    }

    /// Fails unless every request wanted was answered.
    pub fn check_all_answered(&self) -> LabResult<()> {
        self.check_none_failed()?;
        super::error::ensure_equal("requests answered", &self.ok, &self.wanted)
    }

    fn count(&mut self, answer: Result<String, Failed>, begin: Instant) {
        self.slowest = self.slowest.max(begin.elapsed());
        match answer {
            Ok(server) => {
                self.ok += 1;
                *self.servers.entry(server).or_default() += 1;
            }
            Err(Failed { kind, reason }) => {
                *self.failures.entry(kind).or_default() += 1;
                if self.examples.len() < EXAMPLES_MAX {
                    self.examples.push(format!("{kind:?}: {reason}"));
                }
            }
        }
    }

    fn add(&mut self, part: Self) {
        self.ok += part.ok;
        self.connections += part.connections;
        self.connections_failed += part.connections_failed;
        self.slowest = self.slowest.max(part.slowest);
        for (kind, count) in part.failures {
            *self.failures.entry(kind).or_default() += count;
        }
        for (server, count) in part.servers {
            *self.servers.entry(server).or_default() += count;
        }
        self.examples.extend(part.examples);
        self.examples.truncate(EXAMPLES_MAX);
    }
}

/// Of the whole process, whatever the load and the lab.
static NEXT_PORT: AtomicU64 = AtomicU64::new(0);
/// [`addr::OWN_PORTS`] but one, so that it has no divisor in common with two, three or four
/// sources: a source meets a port again when it has met all of them.
const OWN_PORT_COUNT: u64 = 25_535;
/// A keep-alive connection that the client closed keeps its port for a minute.
const PORT_TRIES_MAX: u32 = 1000;
/// Failures come in crowds; the first few tell the story.
const EXAMPLES_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole() {
        for (whole, parts) in [(0, 3), (2, 3), (10, 3), (20_000, 60), (7, 1)] {
            let sum: u64 = (0..parts).map(|index| part(whole, parts, index)).sum();
            assert_eq!(sum, whole);
        }
    }
}

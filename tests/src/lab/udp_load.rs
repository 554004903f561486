// SPDX-License-Identifier: Apache-2.0
//! UDP load that counts every datagram: DNS questions to the lab's name servers, or payloads of any
//! size to [`UdpEcho`](super::UdpEcho).

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::dns::WHO;
use super::error::{LabError, LabResult};
use super::netns::Netns;

/// A load to be; `run` sends it. Every request waits for its reply before the next on its socket.
#[derive(Debug, Clone)]
pub struct UdpLoad {
    target: SocketAddr,
    requests: u64,
    payload: Payload,
    threads: u64,
    socket_each: bool,
    sources: Vec<IpAddr>,
    reply_bound: Duration,
    bound: Duration,
}

#[derive(Debug, Clone, Copy)]
enum Payload {
    Who,
    Echo { bytes: usize },
}

impl UdpLoad {
    /// Asks so many times who answers, with a new socket (a new flow) for each question.
    #[must_use]
    pub fn dns(target: SocketAddr, requests: u64) -> Self {
        Self {
            target,
            requests,
            payload: Payload::Who,
            threads: 4,
            socket_each: true,
            sources: Vec::new(),
            reply_bound: Duration::from_secs(2),
            bound: Duration::from_secs(60),
        }
    }

    /// Sends so many payloads of `bytes` bytes (8 or more), which must come back unchanged.
    #[must_use]
    pub fn echo(target: SocketAddr, requests: u64, bytes: usize) -> Self {
        Self {
            payload: Payload::Echo {
                bytes: bytes.max(8),
            },
            ..Self::dns(target, requests)
        }
    }

    /// Sends from one socket (one flow) per thread.
    #[must_use]
    pub fn few_sockets(self) -> Self {
        Self {
            socket_each: false,
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

    /// The addresses to send from, in turn.
    #[must_use]
    pub fn sources(self, sources: &[IpAddr]) -> Self {
        Self {
            sources: sources.to_vec(),
            ..self
        }
    }

    /// After how long a request counts as lost: two seconds unless said.
    #[must_use]
    pub fn reply_bound(self, reply_bound: Duration) -> Self {
        Self {
            reply_bound,
            ..self
        }
    }

    /// Sends it from a namespace and waits for the end.
    pub fn run(&self, place: &Netns) -> LabResult<UdpReport> {
        let (start, tickets) = (Instant::now(), AtomicU64::new(0));
        let parts = thread::scope(|scope| {
            let start_one = |_| {
                scope.spawn(|| {
                    place.enter()?;
                    self.send(&tickets, start + self.bound)
                        .map_err(|source| LabError::io("send datagrams", source))
                })
            };
            let threads: Vec<_> = (0..self.threads).map(start_one).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, LabResult<UdpReport>>| {
                thread
                    .join()
                    .unwrap_or_else(|cause| std::panic::resume_unwind(cause))
            };
            threads
                .into_iter()
                .map(join)
                .collect::<LabResult<Vec<UdpReport>>>()
        })?;
        let mut report = UdpReport {
            wanted: self.requests,
            ..UdpReport::default()
        };
        parts.into_iter().for_each(|part| report.add(part));
        report.elapsed = start.elapsed();
        Ok(report)
    }

    fn send(&self, tickets: &AtomicU64, deadline: Instant) -> io::Result<UdpReport> {
        let mut report = UdpReport::default();
        let mut kept = None;
        while Instant::now() < deadline {
            let ticket = tickets.fetch_add(1, Ordering::Relaxed);
            if ticket >= self.requests {
                break;
            }
            let socket = match kept.take() {
                Some(socket) => socket,
                None => self.socket(ticket)?,
            };
            report.sent += 1;
            match self.exchange(&socket, ticket, &mut report.stray) {
                Ok(Reply::From(server)) => {
                    report.answered += 1;
                    *report.servers.entry(server).or_default() += 1;
                }
                Ok(Reply::Wrong) => report.wrong += 1,
                Err(error) if is_timeout(&error) => report.lost += 1,
                Err(_) => report.refused += 1,
            }
            kept = (!self.socket_each).then_some(socket);
        }
        Ok(report)
    }

    fn socket(&self, ticket: u64) -> io::Result<UdpSocket> {
        let any: IpAddr = match self.target {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let turn = usize::try_from(ticket).unwrap_or_default() % self.sources.len().max(1);
        let source = self.sources.get(turn).copied().unwrap_or(any);
        let socket = UdpSocket::bind((source, 0))?;
        socket.connect(self.target)?;
        Ok(socket)
    }

    /// One request and its reply; replies to earlier requests of the socket are counted and passed.
    fn exchange(&self, socket: &UdpSocket, ticket: u64, stray: &mut u64) -> io::Result<Reply> {
        let request = match self.payload {
            Payload::Who => question(ticket),
            Payload::Echo { bytes } => echo_payload(ticket, bytes),
        };
        let tag = match self.payload {
            Payload::Who => 2,
            Payload::Echo { .. } => 8,
        };
        socket.send(&request)?;
        let until = Instant::now() + self.reply_bound;
        let mut buffer = vec![0; DATAGRAM_MAX];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            // Zero would mean no timeout.
            socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            let count = socket.recv(&mut buffer)?;
            let reply = &buffer[..count];
            if reply.get(..tag) != request.get(..tag) {
                *stray += 1;
                continue;
            }
            return Ok(match self.payload {
                Payload::Who => text_of(reply).map_or(Reply::Wrong, Reply::From),
                Payload::Echo { .. } if reply == request => Reply::From("echo".to_owned()),
                Payload::Echo { .. } => Reply::Wrong,
            });
        }
    }
}

enum Reply {
    From(String),
    Wrong,
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// What became of a load: `answered + lost + refused + wrong = sent`.
#[derive(Debug, Clone, Default)]
pub struct UdpReport {
    /// Requests asked for.
    pub wanted: u64,
    /// Requests sent.
    pub sent: u64,
    /// Requests answered rightly.
    pub answered: u64,
    /// Requests without a reply in time.
    pub lost: u64,
    /// Requests answered by an ICMP error, or that could not be sent.
    pub refused: u64,
    /// Requests answered with something else.
    pub wrong: u64,
    /// Replies that came when their request was given up.
    pub stray: u64,
    /// Answers by the server that gave them.
    pub servers: BTreeMap<String, u64>,
    /// From start to end.
    pub elapsed: Duration,
}

impl UdpReport {
    /// Fails unless every request wanted was answered rightly.
    pub fn check_all_answered(&self) -> LabResult<()> {
        if self.answered == self.wanted {
            return Ok(());
        }
        let what = format!(
            "{} of {} requests were answered",
            self.answered, self.wanted
        );
        Err(LabError::check(what, format!("  {self:?}")))
    }

    fn add(&mut self, part: Self) {
        self.sent += part.sent;
        self.answered += part.answered;
        self.lost += part.lost;
        self.refused += part.refused;
        self.wrong += part.wrong;
        self.stray += part.stray;
        for (server, count) in part.servers {
            *self.servers.entry(server).or_default() += count;
        }
    }
}

/// RFC 1035 §4.1: header with the recursion bit off, then QNAME, QTYPE TXT, QCLASS IN.
fn question(ticket: u64) -> Vec<u8> {
    let [.., high, low] = ticket.to_be_bytes();
    let mut bytes = vec![high, low, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in WHO.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap_or_default());
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.extend_from_slice(&[0, 0, 16, 0, 1]);
    bytes
}

/// The text of the first answer to [`question`], if the reply is a good one.
fn text_of(reply: &[u8]) -> Option<String> {
    let [_, _, flags, code, _, _, _, answers, ..] = reply else {
        return None;
    };
    if flags & 0x80 == 0 || code & 0x0f != 0 || *answers == 0 {
        return None;
    }
    let record = reply.get(question(0).len()..)?;
    // The name is a pointer to the question (§4.1.4), then type, class, TTL and length.
    let [
        0xc0..=0xff,
        _,
        0,
        16,
        0,
        1,
        _,
        _,
        _,
        _,
        _,
        _,
        length,
        rest @ ..,
    ] = record
    else {
        return None;
    };
    let text = rest.get(..usize::from(*length))?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// A ticket, then bytes that differ along the payload and from ticket to ticket.
fn echo_payload(ticket: u64, bytes: usize) -> Vec<u8> {
    let pattern = (0_u64..).map(|at| at.wrapping_mul(31).wrapping_add(ticket).to_be_bytes()[7]);
    ticket
        .to_be_bytes()
        .into_iter()
        .chain(pattern)
        .take(bytes)
        .collect()
}

const DATAGRAM_MAX: usize = 65536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_answer_is_read() {
        let mut reply = question(7);
        reply[2] = 0x84;
        reply[7] = 1;
        assert_eq!(text_of(&reply), None, "no record");
        reply.extend_from_slice(&[0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, 3, 2, b'r', b'1']);
        assert_eq!(text_of(&reply).as_deref(), Some("r1"));
        reply[3] = 3;
        assert_eq!(text_of(&reply), None, "NXDOMAIN");
    }

    #[test]
    fn payloads_have_their_size_and_differ() {
        assert_eq!(echo_payload(1, 1472).len(), 1472);
        assert_ne!(echo_payload(1, 64), echo_payload(2, 64));
    }
}

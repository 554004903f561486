// SPDX-License-Identifier: Apache-2.0
//! One HTTP connection, written so that every way of failing is seen and named.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

use super::error::{LabError, LabResult};
use super::netns::Netns;

/// What a request died of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// The connection was refused or reset while it was made.
    Connect,
    /// The connection was not made in time.
    ConnectTimeout,
    /// The client's own port is still in use; nothing was sent.
    PortTaken,
    /// The request could not be written.
    Write,
    /// The connection was reset or closed before the answer was whole.
    Read,
    /// No whole answer came in time.
    ReadTimeout,
    /// The answer is not HTTP.
    Malformed,
    /// The answer is not `200`.
    Status,
}

/// A request that died, and the system's word for it.
#[derive(Debug, Clone)]
pub struct Failed {
    /// The kind.
    pub kind: Failure,
    /// In words.
    pub reason: String,
}

impl Failed {
    fn new(kind: Failure, reason: impl ToString) -> Self {
        Self {
            kind,
            reason: reason.to_string(),
        }
    }
}

/// A connection to a web server that lives until it is dropped: hold one across a reload to see
/// that it survives.
#[derive(Debug)]
pub struct HttpConnection {
    stream: TcpStream,
    target: SocketAddr,
    buffer: Vec<u8>,
}

impl HttpConnection {
    /// Connects from inside a namespace; `bound` is for each later step, too.
    pub fn open(place: &Netns, target: SocketAddr, bound: Duration) -> LabResult<Self> {
        place.inside(|| {
            Self::connect(target, None, bound).map_err(|failed| {
                LabError::check(format!("no connection to {target}"), failed.reason)
            })
        })
    }

    /// Connects from the calling thread's namespace.
    pub(super) fn connect(
        target: SocketAddr,
        source: Option<SocketAddr>,
        bound: Duration,
    ) -> Result<Self, Failed> {
        let opened = connected(target, source, bound).and_then(|stream| {
            stream.set_read_timeout(Some(bound))?;
            stream.set_nodelay(true)?;
            Ok(stream)
        });
        let stream = opened.map_err(|error| {
            let late = is_timeout(&error);
            let kind = if late {
                Failure::ConnectTimeout
            } else if is_taken(&error) {
                Failure::PortTaken
            } else {
                Failure::Connect
            };
            Failed::new(kind, error)
        })?;
        Ok(Self {
            stream,
            target,
            buffer: Vec::with_capacity(RESPONSE_MAX),
        })
    }

    /// The client's end.
    #[must_use]
    pub fn local(&self) -> Option<SocketAddr> {
        self.stream.local_addr().ok()
    }

    /// Asks for a path and waits for the whole answer, whose body it returns.
    pub fn get(&mut self, path: &str) -> Result<String, Failed> {
        self.request(path, true)
    }

    /// The same; `keep` false asks the server to close, and waits until it has.
    pub(super) fn request(&mut self, path: &str, keep: bool) -> Result<String, Failed> {
        let connection = if keep { "keep-alive" } else { "close" };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: {connection}\r\n\r\n",
            self.target
        );
        self.stream
            .write_all(request.as_bytes())
            .map_err(|error| Failed::new(Failure::Write, error))?;
        self.buffer.clear();
        loop {
            if let Some(answer) = parse(&self.buffer) {
                let body = answer?;
                if !keep {
                    self.expect_close()?;
                }
                return Ok(body);
            }
            if self.read()? == 0 {
                return Err(Failed::new(
                    Failure::Read,
                    "closed before the answer was whole",
                ));
            }
        }
    }

    fn expect_close(&mut self) -> Result<(), Failed> {
        match self.read()? {
            0 => Ok(()),
            _ => Err(Failed::new(Failure::Malformed, "more than the answer")),
        }
    }

    fn read(&mut self) -> Result<usize, Failed> {
        let mut bytes = [0; RESPONSE_MAX];
        let count = self.stream.read(&mut bytes).map_err(|error| {
            let late = is_timeout(&error);
            Failed::new(
                if late {
                    Failure::ReadTimeout
                } else {
                    Failure::Read
                },
                error,
            )
        })?;
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
}

/// `EAGAIN` is a timed-out read, `EINPROGRESS` a timed-out connect, `ETIMEDOUT` TCP's own patience.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
        || error.raw_os_error() == Some(nix::Error::EINPROGRESS as i32)
}

/// Somebody has the port (bind), or had it a minute ago towards the same target (connect).
fn is_taken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable
    )
}

/// The standard library cannot bind a stream before it connects it.
fn connected(
    target: SocketAddr,
    source: Option<SocketAddr>,
    bound: Duration,
) -> io::Result<TcpStream> {
    let family = if target.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // connect(2) obeys the send timeout.
    let micros = i64::try_from(bound.as_micros()).unwrap_or(i64::MAX);
    let timeout = TimeVal::new(micros / 1_000_000, micros % 1_000_000);
    setsockopt(&fd, sockopt::SendTimeout, &timeout)?;
    if let Some(source) = source {
        // A port may be in use towards another target.
        setsockopt(&fd, sockopt::ReuseAddr, &true)?;
        bind(fd.as_raw_fd(), &SockaddrStorage::from(source))?;
    }
    connect(fd.as_raw_fd(), &SockaddrStorage::from(target))?;
    Ok(TcpStream::from(fd))
}

/// The body of a whole answer, a failure for one that is wrong, or nothing while it is not whole.
fn parse(bytes: &[u8]) -> Option<Result<String, Failed>> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(end) = end else {
        let hopeless = bytes.len() > HEADERS_MAX;
        return hopeless.then(|| Err(Failed::new(Failure::Malformed, "headers without an end")));
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok());
    let Some(length) = length else {
        return Some(Err(Failed::new(
            Failure::Malformed,
            format!("no length in {head:?}"),
        )));
    };
    let body = bytes.get(end + 4..end + 4 + length)?;
    if bytes.len() > end + 4 + length {
        return Some(Err(Failed::new(Failure::Malformed, "more than one answer")));
    }
    if !status_line.starts_with("HTTP/1.1 200 ") {
        return Some(Err(Failed::new(Failure::Status, status_line)));
    }
    Some(Ok(String::from_utf8_lossy(body).trim().to_owned()))
}

/// The lab's answers are far shorter; a longer one takes several reads.
const RESPONSE_MAX: usize = 2048;
/// No server sends so much before the body.
const HEADERS_MAX: usize = 65536;

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(bytes: &[u8]) -> Option<Result<String, Failure>> {
        parse(bytes).map(|answer| answer.map_err(|failed| failed.kind))
    }

    #[test]
    fn an_answer_is_whole_when_its_length_is() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nr1\n";
        for cut in 0..answer.len() {
            assert_eq!(kind(&answer[..cut]), None, "{cut} bytes");
        }
        assert_eq!(kind(answer), Some(Ok("r1".to_owned())));
    }

    #[test]
    fn wrong_answers_are_named() {
        let status = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(kind(status), Some(Err(Failure::Status)));
        let endless = b"HTTP/1.1 200 OK\r\n\r\nr1";
        assert_eq!(kind(endless), Some(Err(Failure::Malformed)));
        let double = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabHTTP";
        assert_eq!(kind(double), Some(Err(Failure::Malformed)));
    }
}

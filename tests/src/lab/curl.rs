// SPDX-License-Identifier: Apache-2.0
//! One HTTP request with curl.

use std::net::IpAddr;
use std::time::Duration;

use super::error::{LabError, LabResult};
use super::netns::Netns;

/// A request; `run` sends it once.
#[derive(Debug, Clone)]
pub struct Curl {
    url: String,
    source: Option<IpAddr>,
    upload_bytes: usize,
    bound: Duration,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// The client's address and port.
    pub local: String,
    /// Seconds from start to end.
    pub seconds: f64,
}

impl Response {
    /// The body as text, without white space around it.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).trim().to_owned()
    }
}

impl Curl {
    /// A GET.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let bound = Duration::from_secs(10);
        Self {
            url: url.to_owned(),
            source: None,
            upload_bytes: 0,
            bound,
        }
    }

    /// The address to ask from.
    #[must_use]
    pub fn source(self, source: IpAddr) -> Self {
        Self {
            source: Some(source),
            ..self
        }
    }

    /// Makes it a POST with a body of so many bytes.
    #[must_use]
    pub fn upload(self, upload_bytes: usize) -> Self {
        Self {
            upload_bytes,
            ..self
        }
    }

    /// How long it may take, ten seconds unless said.
    #[must_use]
    pub fn bound(self, bound: Duration) -> Self {
        Self { bound, ..self }
    }

    /// Sends it. A connection that fails is an error; an HTTP status is not.
    pub fn run(&self, place: &Netns) -> LabResult<Response> {
        let bound = format!("{}", self.bound.as_secs_f64());
        let format =
            format!("\n{MARK} %{{http_code}} %{{local_ip}} %{{local_port}} %{{time_total}}");
        let mut command = place.command("curl");
        command.args([
            "--silent",
            "--show-error",
            "--globoff",
            "--max-time",
            &bound,
        ]);
        command.args(["--write-out", &format]);
        if let Some(source) = self.source {
            command.args(["--interface", &source.to_string()]);
        }
        let body = "u".repeat(self.upload_bytes);
        if self.upload_bytes > 0 {
            // Without this curl waits a second for "100 Continue".
            command.args(["--data-binary", "@-", "--header", "Expect:"]);
        }
        command.arg(&self.url);
        let grace = Duration::from_secs(5);
        let done = super::command::run(&mut command, &body, self.bound + grace)?.success()?;
        parse(&done.stdout)
    }
}

fn parse(stdout: &[u8]) -> LabResult<Response> {
    let text = String::from_utf8_lossy(stdout);
    let bad = |reason: &str| LabError::output("curl", reason, &text);
    let mark = format!("\n{MARK} ");
    let at = stdout
        .windows(mark.len())
        .rposition(|window| window == mark.as_bytes());
    let at = at.ok_or_else(|| bad("no summary"))?;
    let summary = String::from_utf8_lossy(&stdout[at + mark.len()..]).into_owned();
    let words: Vec<&str> = summary.split_whitespace().collect();
    let [status, ip, port, seconds] = words.as_slice() else {
        return Err(bad("a summary without its four values"));
    };
    Ok(Response {
        status: status.parse().map_err(|_| bad("no status"))?,
        body: stdout[..at].to_vec(),
        local: format!("{ip} {port}"),
        seconds: seconds.parse().map_err(|_| bad("no time"))?,
    })
}

/// Stands between the body and curl's own summary.
const MARK: &str = "--lab--";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_ends_where_the_summary_begins() {
        let response = parse(b"r1\n\n--lab-- 200 10.10.0.2 4711 0.012").unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "r1"));
        assert_eq!(response.body, b"r1\n");
        assert_eq!(response.local, "10.10.0.2 4711");
        assert!(parse(b"r1\n").is_err());
    }
}

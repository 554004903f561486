// SPDX-License-Identifier: Apache-2.0
//! HTTP load for a time with wrk.
//!
//! wrk counts most connection errors but opens connections anew without a word after some of them:
//! where every failure must be counted, use [`TcpLoad`](super::TcpLoad).

use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::error::{LabError, LabResult};
use super::netns::Netns;

/// A load; `run` sends it.
#[derive(Debug, Clone)]
pub struct Wrk {
    url: String,
    seconds: u64,
    connections: u32,
    close: bool,
}

/// What wrk counted.
#[derive(Debug, Clone, PartialEq)]
pub struct WrkReport {
    /// Requests answered.
    pub requests: u64,
    /// Bytes received.
    pub bytes: u64,
    /// How long it ran.
    pub elapsed: Duration,
    /// Connections that could not be made.
    pub connect_errors: u64,
    /// Failed reads.
    pub read_errors: u64,
    /// Failed writes.
    pub write_errors: u64,
    /// Answers slower than wrk's two seconds.
    pub timeouts: u64,
    /// Answers with a status above 399.
    pub status_errors: u64,
    /// Median time to answer.
    pub latency_p50: Duration,
    /// 99th percentile.
    pub latency_p99: Duration,
    /// The longest.
    pub latency_max: Duration,
}

impl WrkReport {
    /// Requests answered per second.
    #[must_use]
    pub fn per_second(&self) -> u64 {
        let millis = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX);
        (self.requests * 1000)
            .checked_div(millis)
            .unwrap_or_default()
    }

    /// Errors of every kind.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.connect_errors
            + self.read_errors
            + self.write_errors
            + self.timeouts
            + self.status_errors
    }
}

impl Wrk {
    /// A load of keep-alive connections: 32 of them for two seconds unless said.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            seconds: 2,
            connections: 32,
            close: false,
        }
    }

    /// One connection per request.
    #[must_use]
    pub fn close(self) -> Self {
        Self {
            close: true,
            ..self
        }
    }

    /// How long.
    #[must_use]
    pub fn seconds(self, seconds: u64) -> Self {
        Self { seconds, ..self }
    }

    /// How many connections at a time.
    #[must_use]
    pub fn connections(self, connections: u32) -> Self {
        Self {
            connections,
            ..self
        }
    }

    /// Sends it and waits for the end.
    pub fn run(&self, place: &Netns) -> LabResult<WrkReport> {
        let script = place.home().dir().join("wrk.lua");
        fs::write(&script, REPORT).map_err(|source| LabError::path("write", &script, source))?;
        let script = script.display().to_string();
        let (connections, seconds) = (self.connections.to_string(), format!("{}s", self.seconds));
        let mut args = vec!["-t", "1", "-c", &connections, "-d", &seconds, "-s", &script];
        if self.close {
            args.extend(["-H", "Connection: close"]);
        }
        args.push(&self.url);
        let bound = Duration::from_secs(self.seconds + 20);
        parse(&place.run("wrk", &args, bound)?.success()?.text())
    }
}

fn parse(text: &str) -> LabResult<WrkReport> {
    let bad = |reason: &str| LabError::output("wrk", reason, text);
    let line = text.lines().find_map(|line| line.strip_prefix("lab: "));
    let line = line.ok_or_else(|| bad("no report of the script"))?;
    let value: Value =
        serde_json::from_str(line).map_err(|error| bad(&format!("bad report: {error}")))?;
    let count = |key: &str| {
        value
            .get(key)
            .and_then(Value::as_u64)
            .ok_or_else(|| bad(key))
    };
    Ok(WrkReport {
        requests: count("requests")?,
        bytes: count("bytes")?,
        elapsed: Duration::from_micros(count("elapsed_us")?),
        connect_errors: count("connect")?,
        read_errors: count("read")?,
        write_errors: count("write")?,
        timeouts: count("timeout")?,
        status_errors: count("status")?,
        latency_p50: Duration::from_micros(count("p50_us")?),
        latency_p99: Duration::from_micros(count("p99_us")?),
        latency_max: Duration::from_micros(count("max_us")?),
    })
}

/// wrk's own summary is written for people; this is the same for programs.
const REPORT: &str = r#"done = function(summary, latency, requests)
  local e = summary.errors
  local form = 'lab: {"requests":%d,"bytes":%d,"elapsed_us":%d,"connect":%d,"read":%d,' ..
    '"write":%d,"timeout":%d,"status":%d,"p50_us":%d,"p99_us":%d,"max_us":%d}\n'
  io.write(string.format(form, summary.requests, summary.bytes, summary.duration, e.connect, e.read,
    e.write, e.timeout, e.status, latency:percentile(50), latency:percentile(99), latency.max))
end
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_s_line_is_read() {
        let text = "Running 1s test\nlab: {\"requests\":10,\"bytes\":1,\"elapsed_us\":5,\
             \"connect\":1,\"read\":2,\"write\":3,\"timeout\":4,\"status\":5,\"p50_us\":6,\
             \"p99_us\":7,\"max_us\":8}\n";
        let report = parse(text).unwrap();
        assert_eq!((report.requests, report.errors()), (10, 15));
        assert_eq!(report.latency_p99, Duration::from_micros(7));
        assert!(parse("Running 1s test\n").is_err());
    }
}

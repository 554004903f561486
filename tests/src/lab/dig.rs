// SPDX-License-Identifier: Apache-2.0
//! One DNS question with Debian's dig.

use std::net::IpAddr;
use std::time::Duration;

use super::error::{LabError, LabResult};
use super::netns::Netns;

/// A question; `run` asks it once, without retries.
#[derive(Debug, Clone)]
pub struct Dig {
    server: IpAddr,
    name: String,
    kind: String,
    bound: Duration,
    source: Option<IpAddr>,
    tcp: bool,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `NOERROR`, `NXDOMAIN`, ...
    pub status: String,
    /// The data of the answer section's records, quotes taken off.
    pub records: Vec<String>,
}

impl Dig {
    /// A question to `server` at port 53 over UDP.
    #[must_use]
    pub fn new(server: IpAddr, name: &str, kind: &str) -> Self {
        let bound = Duration::from_secs(5);
        let (name, kind) = (name.to_owned(), kind.to_owned());
        Self {
            server,
            name,
            kind,
            bound,
            source: None,
            tcp: false,
        }
    }

    /// How long to wait for the answer, in whole seconds; five unless said.
    #[must_use]
    pub fn bound(self, bound: Duration) -> Self {
        Self { bound, ..self }
    }

    /// The address to ask from.
    #[must_use]
    pub fn source(self, source: IpAddr) -> Self {
        Self {
            source: Some(source),
            ..self
        }
    }

    /// Asks over TCP.
    #[must_use]
    pub fn tcp(self) -> Self {
        Self { tcp: true, ..self }
    }

    /// Asks; no answer is an error.
    pub fn run(&self, place: &Netns) -> LabResult<Answer> {
        let seconds = self.bound.as_secs().max(1);
        let mut args = vec![
            format!("@{}", self.server),
            self.name.clone(),
            self.kind.clone(),
            "+tries=1".to_owned(),
            format!("+time={seconds}"),
            "+noedns".to_owned(),
            "+noall".to_owned(),
            "+comments".to_owned(),
            "+answer".to_owned(),
        ];
        args.extend(self.tcp.then(|| "+tcp".to_owned()));
        if let Some(source) = self.source {
            args.extend(["-b".to_owned(), source.to_string()]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let done = place
            .run("dig", &args, self.bound + Duration::from_secs(5))?
            .success()?;
        parse(&done.text())
    }
}

fn parse(text: &str) -> LabResult<Answer> {
    let status = text
        .split_once("status: ")
        .and_then(|(_, rest)| rest.split(',').next());
    let status = status
        .ok_or_else(|| LabError::output("dig", "no status", text))?
        .trim()
        .to_owned();
    let records = text
        .lines()
        .filter(|line| !line.starts_with(';') && !line.trim().is_empty())
        // name, TTL, class, type, data
        .filter_map(|line| {
            let mut rest = line.trim();
            for _ in 0..4 {
                rest = rest.split_once(char::is_whitespace)?.1.trim_start();
            }
            Some(rest.replace('"', ""))
        })
        .collect();
    Ok(Answer { status, records })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_records_are_read() {
        let text = ";; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1\n\n\
                    ;; ANSWER SECTION:\nwho.example.test.\t60\tIN\tTXT\t\"r1\"\n";
        let answer = parse(text).unwrap();
        assert_eq!(
            answer,
            Answer {
                status: "NOERROR".to_owned(),
                records: vec!["r1".to_owned()]
            }
        );
    }

    #[test]
    fn output_without_a_status_is_an_error() {
        assert!(parse(";; connection timed out; no servers could be reached").is_err());
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Running short commands to their end, with a bound on their time.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::error::{LabError, LabResult};

/// What a finished command left behind.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The command line, for messages.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

impl Finished {
    /// Standard output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Both streams as text, for messages.
    #[must_use]
    pub fn all_text(&self) -> String {
        let stderr = String::from_utf8_lossy(&self.stderr);
        format!("{}{stderr}", self.text())
    }

    /// The output, or an error when the exit status is not 0.
    pub fn success(self) -> LabResult<Self> {
        if self.status.success() {
            return Ok(self);
        }
        Err(LabError::Command {
            status: self.status.to_string(),
            output: self.all_text(),
            command: self.command,
        })
    }
}

/// Runs a command to its end; it is killed when `bound` passes. Exit status is the caller's affair.
pub(super) fn run(command: &mut Command, input: &str, bound: Duration) -> LabResult<Finished> {
    let line = line_of(command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| LabError::io(format!("start `{line}`"), source))?;
    feed(&mut child, input)?;
    let start = Instant::now();
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let out = stdout.recv_timeout(bound);
    let err = stderr.recv_timeout(bound.saturating_sub(start.elapsed()));
    let late = out.is_err() || err.is_err();
    if late {
        child
            .kill()
            .map_err(|source| LabError::io(format!("kill `{line}`"), source))?;
    }
    let status = child
        .wait()
        .map_err(|source| LabError::io(format!("wait for `{line}`"), source))?;
    if late {
        let what = format!("`{line}` to end");
        return Err(LabError::Timeout {
            what,
            bound,
            last: "still running, killed".to_owned(),
        });
    }
    let (stdout, stderr) = (out.unwrap_or_default(), err.unwrap_or_default());
    Ok(Finished {
        command: line,
        status,
        stdout,
        stderr,
    })
}

/// Runs a program with arguments, wanting exit status 0, within ten seconds.
pub(super) fn run_ok(program: &str, args: &[&str]) -> LabResult<Finished> {
    run(Command::new(program).args(args), "", COMMAND_BOUND)?.success()
}

/// Runs a program that reads its work from standard input, wanting exit status 0.
pub(super) fn run_script(program: &str, args: &[&str], script: &str) -> LabResult<Finished> {
    let done = run(Command::new(program).args(args), script, COMMAND_BOUND)?;
    if done.status.success() {
        return Ok(done);
    }
    Err(LabError::Command {
        status: done.status.to_string(),
        output: format!("{}script:\n{script}", done.all_text()),
        command: done.command,
    })
}

fn feed(child: &mut Child, input: &str) -> LabResult<()> {
    let Some(mut stdin) = child.stdin.take() else {
        return Ok(());
    };
    // A child that ends without reading its input says why on its own streams.
    match stdin.write_all(input.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(LabError::io("write to a command", error))
        }
        _ => Ok(()),
    }
}

fn drain(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What was read before an error is still worth showing.
            drop(stream.read_to_end(&mut bytes));
        }
        drop(sender.send(bytes));
    });
    receiver
}

fn line_of(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}

/// Commands of the set-up take milliseconds; a busy machine may take seconds.
pub(super) const COMMAND_BOUND: Duration = Duration::from_secs(20);

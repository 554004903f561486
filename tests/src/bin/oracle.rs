// SPDX-License-Identifier: Apache-2.0
//! `make oracle`: replays recorded cases through the engine and says where it differs from the
//! kernel.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use penstock_tests::oracle::folder::{self, CaseFile};
use penstock_tests::oracle::{self, Outcome};

const USAGE: &str = "usage: oracle [--cases DIR] [--answers DIR2]\n\
    Replays every case of DIR (DIR/NAME/case.json, DIR/NAME.json or DIR/NAME.json.zst; default:\n\
    the project's own) and prints `ok NAME` or `FAIL NAME: first difference` for each.\n\
    With --answers it writes DIR2/NAME.json: the case with the engine's answers.\n";

struct Options {
    cases: PathBuf,
    answers: Option<PathBuf>,
}

fn main() -> ExitCode {
    let Some(options) = options(std::env::args().skip(1)) else {
        return finish(io::stderr().write_all(USAGE.as_bytes()), ExitCode::from(2));
    };
    match replay_all(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(error) => finish(writeln!(io::stderr(), "oracle: {error}"), ExitCode::from(2)),
    }
}

/// Nothing can be done about a message that nobody reads.
fn finish(_said: io::Result<()>, code: ExitCode) -> ExitCode {
    code
}

fn options(mut words: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options {
        cases: folder::own_cases(),
        answers: None,
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--cases" => options.cases = words.next()?.into(),
            "--answers" => options.answers = Some(words.next()?.into()),
            _ => return None,
        }
    }
    Some(options)
}

/// Whether all cases were ok.
fn replay_all(options: &Options) -> io::Result<bool> {
    let named = |error: io::Error, path: &Path| {
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    };
    let files = folder::list(&options.cases).map_err(|error| named(error, &options.cases))?;
    if files.is_empty() {
        let folder = options.cases.display();
        return Err(io::Error::other(format!("no case in {folder}")));
    }
    if let Some(folder) = &options.answers {
        fs::create_dir_all(folder).map_err(|error| named(error, folder))?;
    }
    let mut out = io::stdout();
    let mut all_ok = true;
    for file in &files {
        let outcome = replay(file);
        all_ok &= outcome.difference.is_none();
        writeln!(out, "{}", outcome.line(&file.name))?;
        if let (Some(folder), Some(answered)) = (&options.answers, &outcome.answered) {
            let path = folder.join(format!("{}.json", file.name));
            fs::write(&path, format!("{answered}\n")).map_err(|error| named(error, &path))?;
        }
    }
    Ok(all_ok)
}

fn replay(file: &CaseFile) -> Outcome {
    match folder::read(file) {
        Ok(text) => oracle::run(&text),
        Err(error) => Outcome {
            difference: Some(format!("cannot be read: {error}")),
            answered: None,
        },
    }
}

// SPDX-License-Identifier: Apache-2.0
//! A lab's identity on the machine: its id, its run directory, who owns it, and its removal.
//!
//! Everything a lab makes is found again from its id alone: namespaces `<id>-<role>` and the
//! directory `/run/penstock-lab/<id>`. The directory is made before the first namespace and removed
//! after the last, so a lab whose owner died is always found by the next one's sweep. Nothing that
//! is not written down there is ever touched.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::command;
use super::error::{LabError, LabResult};
use super::wait::{Look, wait_for};

/// Id, directory and fate of one lab.
#[derive(Debug)]
pub struct Home {
    id: String,
    dir: PathBuf,
    kept: AtomicBool,
}

impl Home {
    /// Takes a free id and writes down that this process owns it.
    pub(super) fn create() -> LabResult<Arc<Self>> {
        let _lock = lock()?;
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let id = format!("ps{}n{number}", process::id());
            let dir = Path::new(RUN_DIR).join(&id);
            match fs::create_dir(&dir) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made.map_err(|source| LabError::path("create", &dir, source))?,
            }
            write_owner(&dir, &Owner::this_process()?)?;
            return Ok(Arc::new(Self {
                id,
                dir,
                kept: AtomicBool::new(false),
            }));
        }
    }

    /// The lab's id, also the prefix of its namespaces.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where the lab's files lie; removed with the lab.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A directory below the lab's, made if it is not there.
    pub fn subdir(&self, name: &str) -> LabResult<PathBuf> {
        let dir = self.dir.join(name);
        fs::create_dir_all(&dir).map_err(|source| LabError::path("create", &dir, source))?;
        Ok(dir)
    }

    /// True once the lab is meant to outlive this process.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }

    pub(super) fn keep(&self) -> LabResult<()> {
        write_owner(&self.dir, &Owner::Nobody)?;
        self.kept.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Removes every lab whose owner is gone, and says which.
pub fn sweep() -> LabResult<Vec<String>> {
    let _lock = lock()?;
    let mut removed = Vec::new();
    for id in ids()? {
        if owner_of(&id).is_gone() {
            remove(&id)?;
            removed.push(id);
        }
    }
    Ok(removed)
}

/// The labs on this machine that were left up on purpose.
pub fn kept() -> LabResult<Vec<String>> {
    Ok(ids()?
        .into_iter()
        .filter(|id| owner_of(id) == Owner::Nobody)
        .collect())
}

/// Takes a lab down by its id: processes, namespaces with all they hold, files. Repeatable.
pub fn remove(id: &str) -> LabResult<()> {
    if !is_lab_id(id) {
        return Err(LabError::check("not the id of a lab", id));
    }
    for name in namespaces(id)? {
        end_processes(&name)?;
        let done = command::run_ok("ip", &["netns", "del", &name]);
        // Whoever else removes the same lab may have been faster.
        if done.is_err() && Path::new("/run/netns").join(&name).exists() {
            done?;
        }
    }
    // Where DPDK programs that were told to call themselves by the lab's id keep their state.
    remove_dir(&Path::new("/run/dpdk").join(id))?;
    remove_dir(&Path::new(RUN_DIR).join(id))
}

fn remove_dir(dir: &Path) -> LabResult<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(LabError::path("remove", dir, error))
        }
        _ => Ok(()),
    }
}

/// Names of a lab's namespaces as they exist now.
pub fn namespaces(id: &str) -> LabResult<Vec<String>> {
    let prefix = format!("{id}-");
    Ok(list(Path::new("/run/netns"))?
        .into_iter()
        .filter(|name| name.starts_with(&prefix))
        .collect())
}

fn end_processes(namespace: &str) -> LabResult<()> {
    wait_for(
        &format!("processes of {namespace} to end"),
        END_BOUND,
        || {
            let done = command::run_ok("ip", &["netns", "pids", namespace]);
            let text = done.map(|done| done.text()).unwrap_or_default();
            let pids: Vec<i32> = text
                .lines()
                .filter_map(|line| line.trim().parse().ok())
                .collect();
            for pid in &pids {
                // Gone already is as good as killed.
                kill(Pid::from_raw(*pid), Signal::SIGKILL).unwrap_or_default();
            }
            Ok(if pids.is_empty() {
                Look::Ready(())
            } else {
                Look::NotYet(text)
            })
        },
    )
}

/// Who a lab belongs to.
#[derive(Debug, PartialEq, Eq)]
enum Owner {
    /// A process, told from a later one with the same pid by its start time.
    Process { pid: u32, start: u64 },
    /// Left up on purpose; only an explicit `remove` takes it down.
    Nobody,
    /// The note is missing or damaged: the owner died while making it.
    Unknown,
}

impl Owner {
    fn this_process() -> LabResult<Self> {
        let pid = process::id();
        let start = start_time(pid)
            .ok_or_else(|| LabError::check("no start time in /proc", format!("pid {pid}")))?;
        Ok(Self::Process { pid, start })
    }

    fn is_gone(&self) -> bool {
        match self {
            Self::Process { pid, start } => start_time(*pid) != Some(*start),
            Self::Nobody => false,
            Self::Unknown => true,
        }
    }
}

fn owner_of(id: &str) -> Owner {
    let path = Path::new(RUN_DIR).join(id).join(OWNER_FILE);
    let text = fs::read_to_string(path).unwrap_or_default();
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["kept"] => Owner::Nobody,
        [pid, start] => match (pid.parse(), start.parse()) {
            (Ok(pid), Ok(start)) => Owner::Process { pid, start },
            _ => Owner::Unknown,
        },
        _ => Owner::Unknown,
    }
}

fn write_owner(dir: &Path, owner: &Owner) -> LabResult<()> {
    let text = match owner {
        Owner::Process { pid, start } => format!("{pid} {start}\n"),
        Owner::Nobody | Owner::Unknown => "kept\n".to_owned(),
    };
    let (path, fresh) = (dir.join(OWNER_FILE), dir.join("owner.new"));
    fs::write(&fresh, text).map_err(|source| LabError::path("write", &fresh, source))?;
    fs::rename(&fresh, &path).map_err(|source| LabError::path("write", &path, source))
}

/// Field 22 of `/proc/PID/stat`, counted after the command name, which may hold anything. A zombie
/// owns nothing.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

fn ids() -> LabResult<Vec<String>> {
    Ok(list(Path::new(RUN_DIR))?
        .into_iter()
        .filter(|name| is_lab_id(name))
        .collect())
}

fn list(dir: &Path) -> LabResult<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|source| LabError::path("read", dir, source))?,
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.collect())
}

/// `ps<pid>n<number>` and nothing else.
fn is_lab_id(name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let parts = name
        .strip_prefix("ps")
        .and_then(|rest| rest.split_once('n'));
    parts.is_some_and(|(pid, number)| digits(pid) && digits(number))
}

/// Makers and sweepers of labs take turns, so that no one sweeps a lab whose owner is not yet
/// written down.
fn lock() -> LabResult<Flock<File>> {
    let dir = Path::new(RUN_DIR);
    fs::create_dir_all(dir).map_err(|source| LabError::path("create", dir, source))?;
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(|source| LabError::path("open", &path, source))?;
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, errno)| LabError::errno("lock the labs' directory", errno))
}

/// Short, for unix socket paths below it must stay under 108 bytes.
pub(super) const RUN_DIR: &str = "/run/penstock-lab";
const OWNER_FILE: &str = "owner";
/// SIGKILL acts at once unless the machine is overloaded.
const END_BOUND: Duration = Duration::from_secs(10);

static NEXT: AtomicU32 = AtomicU32::new(0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_made_by_the_lab_are_lab_ids() {
        assert!(is_lab_id("ps123n0"));
        for name in [
            "ps", "psn", "ps1n", "psn1", "ps1n2-c", "prod", "ps1xn2", "lock", "ps1n2 ",
        ] {
            assert!(!is_lab_id(name), "{name}");
        }
    }

    #[test]
    fn this_process_is_alive_and_an_impossible_one_is_not() {
        let this = Owner::this_process().unwrap();
        assert!(!this.is_gone());
        let Owner::Process { pid, start } = this else {
            panic!("no process")
        };
        assert!(
            Owner::Process {
                pid,
                start: start + 1
            }
            .is_gone(),
            "a pid used again"
        );
        assert!(
            Owner::Process {
                pid: u32::MAX,
                start
            }
            .is_gone()
        );
        assert!(!Owner::Nobody.is_gone());
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What a worker does to its own thread: place, priority, sleep, CPU time, and DPDK's registration.

use std::marker::PhantomData;

use crate::clock;
use crate::eal::Eal;
use crate::errno::Errno;

/// The thread could not be set up as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ThreadError {
    /// It is registered already.
    #[error("this thread is registered with DPDK already")]
    AlreadyRegistered,
    /// A CPU that does not exist, or is not allowed here.
    #[error("cannot run on CPU {cpu}: {errno}")]
    Cpu {
        /// The CPU.
        cpu: usize,
        /// Why.
        errno: Errno,
    },
    /// More threads than DPDK can register.
    #[error("no place for one more thread in DPDK: {0}")]
    Full(Errno),
    /// The priority was refused.
    #[error("real-time priority {priority} refused: {errno}")]
    Priority {
        /// The priority.
        priority: i32,
        /// Why.
        errno: Errno,
    },
    /// The timer slack was refused.
    #[error("timer slack refused: {0}")]
    TimerSlack(Errno),
}

/// CPUs that the calling thread may run on.
#[must_use]
pub fn affinity() -> Vec<usize> {
    let mut set = empty_set();
    // SAFETY: `set` is a cpu_set_t of the size given.
    let code = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    if code != 0 {
        return vec![0];
    }
    // SAFETY: CPU numbers below the set's size in bits.
    (0..CPUS_MAX)
        .filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) })
        .collect()
}

/// Pins the calling thread to one CPU.
///
/// # Errors
/// [`ThreadError::Cpu`].
pub fn pin(cpu: usize) -> Result<(), ThreadError> {
    allow(&[cpu])
}

/// Lets the calling thread run on these CPUs and no others.
///
/// # Errors
/// [`ThreadError::Cpu`], with the one at fault or the first.
pub fn allow(cpus: &[usize]) -> Result<(), ThreadError> {
    let mut set = empty_set();
    for cpu in cpus {
        if *cpu >= CPUS_MAX {
            return Err(ThreadError::Cpu {
                cpu: *cpu,
                errno: Errno::from_code(libc::EINVAL),
            });
        }
        // SAFETY: a CPU number below the set's size in bits.
        unsafe { libc::CPU_SET(*cpu, &mut set) };
    }
    // SAFETY: `set` is a cpu_set_t of the size given.
    match unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) } {
        0 => Ok(()),
        _ => Err(ThreadError::Cpu {
            cpu: cpus.first().copied().unwrap_or_default(),
            errno: Errno::last_os(),
        }),
    }
}

/// Lets the kernel wake this thread from a sleep up to `ns` late; its default is 50 µs, which would
/// more than double a worker's nap of 50 µs.
///
/// # Errors
/// [`ThreadError::TimerSlack`].
pub fn set_timer_slack(ns: u32) -> Result<(), ThreadError> {
    // SAFETY: takes integers only.
    match unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, libc::c_ulong::from(ns)) } {
        0 => Ok(()),
        _ => Err(ThreadError::TimerSlack(Errno::last_os())),
    }
}

/// Sleeps, or less when a signal comes.
pub fn sleep_ns(ns: u64) {
    let seconds = libc::time_t::try_from(ns / 1_000_000_000).unwrap_or(libc::time_t::MAX);
    let rest = libc::c_long::try_from(ns % 1_000_000_000).unwrap_or(0);
    let time = libc::timespec {
        tv_sec: seconds,
        tv_nsec: rest,
    };
    // SAFETY: a valid timespec; no remainder is wanted.
    let _interrupted = unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            0,
            &raw const time,
            std::ptr::null_mut(),
        )
    };
}

/// Nanoseconds of CPU that this thread has used.
#[must_use]
pub fn cpu_time_ns() -> u64 {
    clock::read(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Makes this thread a real-time one (SCHED_FIFO), which needs CAP_SYS_NICE.
///
/// # Errors
/// [`ThreadError::Priority`]; the caller may well go on without.
pub fn set_fifo(priority: i32) -> Result<(), ThreadError> {
    let param = libc::sched_param {
        sched_priority: priority,
    };
    // SAFETY: a valid parameter block; 0 is the calling thread.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const param) } {
        0 => Ok(()),
        _ => Err(ThreadError::Priority {
            priority,
            errno: Errno::last_os(),
        }),
    }
}

/// The calling thread's place in DPDK, with which it gets its own cache in each pool. Ends when
/// dropped, and stays on its thread.
#[derive(Debug)]
#[must_use = "the registration ends when this is dropped"]
pub struct Registration {
    lcore: u32,
    this_thread: PhantomData<*const ()>,
}

impl Registration {
    /// DPDK's number for this thread.
    #[must_use]
    pub fn lcore(&self) -> u32 {
        self.lcore
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: this thread registered itself (`register`), and this value never left it.
        unsafe { dpdk_sys::rte_thread_unregister() }
    }
}

/// Registers the calling thread with DPDK.
///
/// # Errors
/// [`ThreadError::AlreadyRegistered`], also on the thread that started DPDK; [`ThreadError::Full`].
pub fn register(_eal: Eal) -> Result<Registration, ThreadError> {
    if lcore_id().is_some() {
        return Err(ThreadError::AlreadyRegistered);
    }
    // SAFETY: EAL runs (`_eal`) and this thread is not registered.
    if unsafe { dpdk_sys::rte_thread_register() } != 0 {
        return Err(ThreadError::Full(Errno::last_rte()));
    }
    let lcore = lcore_id().unwrap_or(u32::MAX);
    Ok(Registration {
        lcore,
        this_thread: PhantomData,
    })
}

fn lcore_id() -> Option<u32> {
    // SAFETY: reads a thread-local integer.
    let id = unsafe { dpdk_sys::ps_rte_lcore_id() };
    // LCORE_ID_ANY.
    (id != u32::MAX).then_some(id)
}

/// CPUs that a `cpu_set_t` can name.
const CPUS_MAX: usize = size_of::<libc::cpu_set_t>() * 8;

fn empty_set() -> libc::cpu_set_t {
    // SAFETY: a cpu_set_t is an array of integers; all zero is the empty set.
    unsafe { std::mem::zeroed() }
}

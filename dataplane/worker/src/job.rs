// SPDX-License-Identifier: Apache-2.0
//! Work that must visit flows, done by their owner in slices (DESIGN decision 6), and what workers
//! tell control.
//!
//! Both ways go through bounded lock-free queues; a worker neither waits nor allocates: the buffer
//! of a job comes with it and goes back full.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use engine::ConnectionView;
use engine::waiting::Resolve;
use model::ids::{RealId, WorkerId};

/// Places of the flow table that a worker looks at per burst for a job.
pub const PLACES_PER_BURST: u32 = 256;

/// Something for a worker to do.
#[derive(Debug)]
pub enum Job {
    /// List connections from a place of the table on, as many as `buffer` has capacity for.
    List {
        /// Where to go on; 0 at first.
        cursor: u32,
        /// Where they go.
        buffer: Vec<ConnectionView>,
    },
    /// Forget every connection of a server whose drain time is over.
    Cut {
        /// The server.
        real: RealId,
    },
}

/// Something a worker tells control.
#[derive(Debug)]
pub enum Event {
    /// A neighbour's MAC is wanted.
    Resolve(Resolve),
    /// A [`Job::List`] is done.
    Listed {
        /// By whom.
        worker: WorkerId,
        /// Where to go on, or `None` at the end of the table.
        next: Option<u32>,
        /// The connections.
        buffer: Vec<ConnectionView>,
    },
}

/// A worker's mailbox.
pub type Jobs = Arc<ArrayQueue<Job>>;
/// Control's mailbox, shared by all workers.
pub type Events = Arc<ArrayQueue<Event>>;

/// A job under way.
#[derive(Debug)]
pub(crate) enum Running {
    /// [`Job::List`], and where it goes on.
    List {
        cursor: u32,
        buffer: Vec<ConnectionView>,
    },
    /// [`Job::Cut`], and where it goes on.
    Cut { cursor: u32, real: RealId },
}

impl From<Job> for Running {
    fn from(job: Job) -> Self {
        match job {
            Job::List { cursor, buffer } => Self::List { cursor, buffer },
            Job::Cut { real } => Self::Cut { cursor: 0, real },
        }
    }
}

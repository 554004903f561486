// SPDX-License-Identifier: Apache-2.0
//! `show connections`: asked of the workers slice by slice, answered in one piece.

use std::collections::VecDeque;
use std::time::Duration;

use engine::ConnectionView;
use model::ids::WorkerId;
use model::time::Instant;
use tokio::sync::oneshot;
use worker::job::{Job, Jobs};

/// Connections that a worker lists before it hands the buffer back.
const SLICE: usize = 1024;
/// How long workers may take for all of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where an answer goes.
pub(super) type Reply = oneshot::Sender<Result<String, String>>;

#[derive(Debug)]
struct Listing {
    limit: usize,
    reply: Reply,
    found: Vec<(WorkerId, ConnectionView)>,
    open: usize,
    truncated: bool,
    deadline: Instant,
}

/// Listings in line; one is under way at a time.
#[derive(Debug, Default)]
pub(super) struct Listings {
    waiting: VecDeque<(u32, Reply)>,
    current: Option<Listing>,
}

impl Listings {
    /// Puts a request in line.
    pub(super) fn ask(&mut self, limit: u32, reply: Reply) {
        self.waiting.push_back((limit, reply));
    }

    /// Takes a worker's slice, and asks it for the next.
    pub(super) fn listed(
        &mut self,
        worker: WorkerId,
        next: Option<u32>,
        mut buffer: Vec<ConnectionView>,
        jobs: &[Jobs],
    ) {
        let Some(listing) = &mut self.current else {
            return;
        };
        let room = listing.limit.saturating_sub(listing.found.len());
        listing.truncated |= buffer.len() > room;
        listing
            .found
            .extend(buffer.drain(..).take(room).map(|view| (worker, view)));
        match next {
            Some(cursor) if listing.found.len() < listing.limit => {
                if !ask(jobs, worker, cursor, buffer) {
                    listing.open = listing.open.saturating_sub(1);
                    listing.truncated = true;
                }
            }
            next => {
                listing.truncated |= next.is_some();
                listing.open = listing.open.saturating_sub(1);
            }
        }
    }

    /// Ends a listing that is complete or late, and begins the next.
    pub(super) fn go_on(
        &mut self,
        now: Instant,
        jobs: &[Jobs],
        finish: impl Fn(&[(WorkerId, ConnectionView)], bool) -> Result<String, String>,
    ) {
        if let Some(listing) = self
            .current
            .take_if(|listing| listing.open == 0 || now > listing.deadline)
        {
            let answer = if listing.open > 0 {
                Err("a worker did not answer in time; try again".to_owned())
            } else {
                finish(&listing.found, listing.truncated)
            };
            // Who asked may have gone away.
            let _gone = listing.reply.send(answer);
        }
        if self.current.is_some() {
            return;
        }
        if let Some((limit, reply)) = self.waiting.pop_front() {
            let workers = (0u16..).zip(jobs);
            let open = workers
                .filter(|(id, _)| ask(jobs, WorkerId(*id), 0, Vec::with_capacity(SLICE)))
                .count();
            self.current = Some(Listing {
                limit: limit as usize,
                reply,
                found: Vec::new(),
                open,
                truncated: open < jobs.len(),
                deadline: now + PATIENCE,
            });
        }
    }
}

fn ask(jobs: &[Jobs], worker: WorkerId, cursor: u32, buffer: Vec<ConnectionView>) -> bool {
    jobs.get(worker.index())
        .is_some_and(|jobs| jobs.push(Job::List { cursor, buffer }).is_ok())
}

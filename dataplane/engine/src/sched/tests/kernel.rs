// SPDX-License-Identifier: Apache-2.0
//! The kernel's schedulers once more, statement by statement (`net/netfilter/ipvs/ip_vs_{rr,wrr,lc,
//! wlc}.c`), on the plainest data there is.

use std::vec::Vec;

/// A destination (`struct ip_vs_dest`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Dest {
    pub(super) name: u8,
    pub(super) weight: i64,
    pub(super) active: i64,
    pub(super) inactive: i64,
}

/// A service (`struct ip_vs_service`) and its scheduler's data.
#[derive(Debug)]
pub(super) struct Svc {
    pub(super) scheduler: &'static str,
    /// `destinations`, head first.
    pub(super) list: Vec<Dest>,
    /// `sched_data` of rr, `mark->cl` of wrr: a destination, or the list's head.
    cursor: Option<u8>,
    cw: i64,
    mw: i64,
    di: i64,
}

impl Svc {
    pub(super) fn new(scheduler: &'static str) -> Self {
        Self {
            scheduler,
            list: Vec::new(),
            cursor: None,
            cw: 0,
            mw: 0,
            di: 1,
        }
    }

    fn place(&self, name: u8) -> Option<usize> {
        self.list.iter().position(|dest| dest.name == name)
    }

    pub(super) fn dest(&mut self, name: u8) -> Option<&mut Dest> {
        self.list.iter_mut().find(|dest| dest.name == name)
    }

    pub(super) fn add(&mut self, dest: Dest) {
        self.list.insert(0, dest);
        self.changed();
    }

    pub(super) fn edit(&mut self, name: u8, weight: i64) {
        if let Some(dest) = self.dest(name) {
            dest.weight = weight;
        }
        self.changed();
    }

    pub(super) fn delete(&mut self, name: u8) -> Option<Dest> {
        let place = self.place(name)?;
        let dest = self.list.remove(place);
        // ip_vs_rr_del_dest: the cursor goes to the predecessor.
        if self.scheduler == "rr" && self.cursor == Some(name) {
            self.cursor = place.checked_sub(1).map(|before| self.list[before].name);
        }
        self.changed();
        Some(dest)
    }

    /// ip_vs_wrr_dest_changed.
    fn changed(&mut self) {
        if self.scheduler != "wrr" {
            return;
        }
        self.cursor = None;
        let mut divisor = 0;
        for dest in self.list.iter().filter(|dest| dest.weight > 0) {
            divisor = if divisor > 0 {
                gcd(dest.weight, divisor)
            } else {
                dest.weight
            };
        }
        self.di = if divisor > 0 { divisor } else { 1 };
        let max = self.list.iter().map(|dest| dest.weight).max().unwrap_or(0);
        self.mw = max - (self.di - 1);
        if self.cw > self.mw || self.cw == 0 {
            self.cw = self.mw;
        } else if self.di > 1 {
            self.cw = (self.cw / self.di) * self.di + 1;
        }
    }

    pub(super) fn schedule(&mut self) -> Option<u8> {
        match self.scheduler {
            "rr" => self.rr(),
            "wrr" => self.wrr(),
            "lc" => self.lc(),
            _ => self.wlc(),
        }
    }

    fn rr(&mut self) -> Option<u8> {
        let last = self.cursor;
        let mut from = last
            .and_then(|name| self.place(name))
            .map_or(0, |at| at + 1);
        let mut pass = 0;
        loop {
            for at in from..self.list.len() {
                if self.list[at].weight > 0 {
                    self.cursor = Some(self.list[at].name);
                    return self.cursor;
                }
                if Some(self.list[at].name) == last {
                    return None;
                }
            }
            pass += 1;
            if pass == 2 || last.is_none() {
                return None;
            }
            from = 0;
        }
    }

    fn wrr(&mut self) -> Option<u8> {
        if self.mw == 0 {
            return None;
        }
        let last = self.cursor;
        let mut from = last
            .and_then(|name| self.place(name))
            .map_or(0, |at| at + 1);
        let (mut stop, mut last_pass, mut restarted) = (None, false, false);
        loop {
            for at in from..self.list.len() {
                if self.list[at].weight >= self.cw {
                    self.cursor = Some(self.list[at].name);
                    return self.cursor;
                }
                if stop.is_some() && Some(self.list[at].name) == stop {
                    return None;
                }
            }
            from = 0;
            self.cw -= self.di;
            if self.cw <= 0 {
                self.cw = self.mw;
                if last_pass || last.is_none() {
                    return None;
                }
                restarted = true;
            }
            last_pass = restarted && self.cw <= self.di;
            if last_pass {
                stop = last;
            }
        }
    }

    fn lc(&self) -> Option<u8> {
        let mut least: Option<(u8, i64)> = None;
        for dest in self.list.iter().filter(|dest| dest.weight > 0) {
            let overhead = dest.active * 256 + dest.inactive;
            if least.is_none_or(|(_, loh)| overhead < loh) {
                least = Some((dest.name, overhead));
            }
        }
        least.map(|(name, _)| name)
    }

    fn wlc(&self) -> Option<u8> {
        let mut usable = self.list.iter().filter(|dest| dest.weight > 0);
        let mut least = usable.next()?;
        let overhead = |dest: &Dest| dest.active * 256 + dest.inactive;
        for dest in usable {
            if overhead(least) * dest.weight > overhead(dest) * least.weight {
                least = dest;
            }
        }
        Some(least.name)
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

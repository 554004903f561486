// SPDX-License-Identifier: Apache-2.0
//! The kernel's schedulers once more, statement by statement (`net/netfilter/ipvs/ip_vs_*.c`), on
//! the plainest data there is.

mod hashing;
mod locality;

use std::collections::BTreeMap;
use std::vec::Vec;

pub(super) use hashing::Tables;

/// A destination (`struct ip_vs_dest`).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Dest {
    pub(super) name: u8,
    pub(super) weight: i64,
    pub(super) last_weight: i64,
    pub(super) active: i64,
    pub(super) inactive: i64,
    pub(super) upper: i64,
    pub(super) lower: i64,
    pub(super) overload: bool,
}

impl Dest {
    fn overhead(&self) -> i64 {
        self.active * 256 + self.inactive
    }

    fn unusable(&self) -> bool {
        self.weight <= 0 || self.overload
    }
}

/// A service (`struct ip_vs_service`) and its scheduler's data.
#[derive(Debug)]
pub(super) struct Svc {
    pub(super) scheduler: &'static str,
    /// sh-port, mh-port.
    pub(super) port: bool,
    /// sh-fallback, mh-fallback.
    pub(super) fallback: bool,
    /// `destinations`, head first.
    pub(super) list: Vec<Dest>,
    /// `dest_trash`: deleted servers keep their counts.
    pub(super) trash: Vec<Dest>,
    /// What twos and random draw.
    pub(super) draws: [i64; 2],
    /// Hours.
    pub(super) now: u64,
    /// `sched_data` of rr, `mark->cl` of wrr: a destination, or the list's head.
    cursor: Option<u8>,
    cw: i64,
    mw: i64,
    di: i64,
    cache: BTreeMap<u32, locality::Entry>,
}

/// What is scheduled.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Packet {
    pub(super) source: u32,
    pub(super) port: u16,
    pub(super) destination: u32,
}

impl Svc {
    pub(super) fn new(scheduler: &'static str) -> Self {
        Self {
            scheduler,
            port: false,
            fallback: false,
            list: Vec::new(),
            trash: Vec::new(),
            draws: [0; 2],
            now: 0,
            cursor: None,
            cw: 0,
            mw: 0,
            di: 1,
            cache: BTreeMap::new(),
        }
    }

    fn place(&self, name: u8) -> Option<usize> {
        self.list.iter().position(|dest| dest.name == name)
    }

    pub(super) fn dest(&mut self, name: u8) -> Option<&mut Dest> {
        self.list.iter_mut().find(|dest| dest.name == name)
    }

    /// In the list or in the trash.
    fn any(&mut self, name: u8) -> Option<&mut Dest> {
        let mut all = self.list.iter_mut().chain(&mut self.trash);
        all.find(|dest| dest.name == name)
    }

    pub(super) fn add(&mut self, name: u8, weight: i64, upper: i64, lower: i64) {
        let old = self.trash.iter().position(|dest| dest.name == name);
        let mut dest = old.map_or_else(Dest::default, |place| self.trash.remove(place));
        dest.name = name;
        dest.last_weight = weight;
        update(&mut dest, weight, upper, lower);
        self.list.insert(0, dest);
        self.changed();
    }

    pub(super) fn edit(&mut self, name: u8, weight: i64, upper: i64, lower: i64) {
        if let Some(dest) = self.dest(name) {
            update(dest, weight, upper, lower);
        }
        self.changed();
    }

    pub(super) fn delete(&mut self, name: u8) -> bool {
        let Some(place) = self.place(name) else {
            return false;
        };
        let dest = self.list.remove(place);
        self.trash.push(dest);
        // ip_vs_rr_del_dest: the cursor goes to the predecessor.
        if self.scheduler == "rr" && self.cursor == Some(name) {
            self.cursor = place.checked_sub(1).map(|before| self.list[before].name);
        }
        self.changed();
        true
    }

    /// ip_vs_bind_dest.
    pub(super) fn bind(&mut self, name: u8) {
        if let Some(dest) = self.any(name) {
            dest.inactive += 1;
            if dest.upper != 0 && dest.active + dest.inactive >= dest.upper {
                dest.overload = true;
            }
        }
    }

    /// A state change: the connection counts as active from now on, or no more.
    pub(super) fn shift(&mut self, name: u8, to_active: bool) {
        if let Some(dest) = self.any(name) {
            let step = if to_active { 1 } else { -1 };
            dest.active += step;
            dest.inactive -= step;
        }
    }

    /// ip_vs_unbind_dest.
    pub(super) fn unbind(&mut self, name: u8, active: bool) {
        let Some(dest) = self.any(name) else {
            return;
        };
        if active {
            dest.active -= 1;
        } else {
            dest.inactive -= 1;
        }
        let total = dest.active + dest.inactive;
        if dest.lower != 0 {
            if total < dest.lower {
                dest.overload = false;
            }
        } else if dest.upper != 0 {
            if total * 4 < dest.upper * 3 {
                dest.overload = false;
            }
        } else {
            dest.overload = false;
        }
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

    pub(super) fn schedule(&mut self, packet: Packet, tables: &mut Tables) -> Option<u8> {
        match self.scheduler {
            "rr" => self.rr(),
            "wrr" => self.wrr(),
            "lc" => self.lc(),
            "wlc" => self.wlc(),
            "sed" => self.sed(),
            "nq" => self.nq(),
            "fo" => self.fo(),
            "ovf" => self.ovf(),
            "twos" => self.twos(),
            "random" => self.random(),
            "lblc" => self.lblc(packet.destination),
            "lblcr" => self.lblcr(packet.destination),
            "dh" => self.dh(packet),
            "sh" => self.sh(packet),
            "mh" => self.mh(packet, tables),
            "conhash" => self.conhash(packet, tables),
            other => panic!("no model of {other}"),
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
                if !self.list[at].unusable() {
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
                let dest = self.list[at];
                if !dest.overload && dest.weight >= self.cw {
                    self.cursor = Some(dest.name);
                    return self.cursor;
                }
                if stop.is_some() && Some(dest.name) == stop {
                    self.cursor = stop;
                    return None;
                }
            }
            from = 0;
            self.cw -= self.di;
            if self.cw <= 0 {
                self.cw = self.mw;
                if last_pass || last.is_none() {
                    self.cursor = None;
                    return None;
                }
                restarted = true;
            }
            last_pass = self.cw <= self.di;
            if last_pass && restarted {
                stop = last;
            }
        }
    }

    fn lc(&self) -> Option<u8> {
        let mut least: Option<(u8, i64)> = None;
        for dest in self.list.iter().filter(|dest| !dest.unusable()) {
            let overhead = dest.overhead();
            if least.is_none_or(|(_, loh)| overhead < loh) {
                least = Some((dest.name, overhead));
            }
        }
        least.map(|(name, _)| name)
    }

    fn wlc(&self) -> Option<u8> {
        let mut least = self.list.iter().position(|dest| !dest.unusable())?;
        for at in least + 1..self.list.len() {
            let (dest, so_far) = (&self.list[at], &self.list[least]);
            if !dest.overload && so_far.overhead() * dest.weight > dest.overhead() * so_far.weight {
                least = at;
            }
        }
        Some(self.list[least].name)
    }

    fn sed(&self) -> Option<u8> {
        let mut least = self.list.iter().position(|dest| !dest.unusable())?;
        for at in least + 1..self.list.len() {
            let (dest, so_far) = (&self.list[at], &self.list[least]);
            if dest.overload {
                continue;
            }
            if (so_far.active + 1) * dest.weight > (dest.active + 1) * so_far.weight {
                least = at;
            }
        }
        Some(self.list[least].name)
    }

    fn nq(&self) -> Option<u8> {
        let mut least: Option<&Dest> = None;
        for dest in &self.list {
            if dest.overload || dest.weight == 0 {
                continue;
            }
            if dest.active == 0 {
                return Some(dest.name);
            }
            if least.is_none_or(|least| {
                (least.active + 1) * dest.weight > (dest.active + 1) * least.weight
            }) {
                least = Some(dest);
            }
        }
        least.map(|dest| dest.name)
    }

    fn fo(&self) -> Option<u8> {
        let (mut heaviest, mut weight) = (None, 0);
        for dest in &self.list {
            if !dest.overload && dest.weight > weight {
                (heaviest, weight) = (Some(dest.name), dest.weight);
            }
        }
        heaviest
    }

    fn ovf(&self) -> Option<u8> {
        let (mut heaviest, mut weight) = (None, 0);
        for dest in &self.list {
            if dest.overload || dest.active > dest.weight || dest.weight == 0 {
                continue;
            }
            if heaviest.is_none() || dest.weight > weight {
                (heaviest, weight) = (Some(dest.name), dest.weight);
            }
        }
        heaviest
    }

    /// The weights that twos and random draw from.
    pub(super) fn total_weight(&self) -> i64 {
        let usable = self.list.iter().filter(|dest| !dest.unusable());
        usable.map(|dest| dest.weight).sum()
    }

    fn twos(&self) -> Option<u8> {
        if self.total_weight() == 0 {
            return None;
        }
        let mut rest = self.draws;
        let mut choices: [Option<&Dest>; 2] = [None; 2];
        for dest in self.list.iter().filter(|dest| !dest.unusable()) {
            for (rest, choice) in rest.iter_mut().zip(&mut choices) {
                *rest -= dest.weight;
                if *rest <= 0 && choice.is_none() {
                    *choice = Some(dest);
                }
            }
        }
        let [first, second] = choices.map(|choice| choice.expect("drawn within the sum"));
        Some(
            if second.weight * first.overhead() > first.weight * second.overhead() {
                second.name
            } else {
                first.name
            },
        )
    }

    fn random(&self) -> Option<u8> {
        let mut rest = self.draws[0];
        let usable = self.list.iter().filter(|dest| !dest.unusable());
        for dest in usable {
            if rest < dest.weight {
                return Some(dest.name);
            }
            rest -= dest.weight;
        }
        None
    }
}

/// __ip_vs_update_dest.
fn update(dest: &mut Dest, weight: i64, upper: i64, lower: i64) {
    if weight != 0 {
        dest.last_weight = weight;
    }
    dest.weight = weight;
    if upper == 0 || upper > dest.upper {
        dest.overload = false;
    }
    dest.upper = upper;
    dest.lower = lower;
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

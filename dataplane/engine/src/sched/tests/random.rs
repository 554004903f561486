// SPDX-License-Identifier: Apache-2.0
//! Random lives of a service: engine and model choose the same server each time.

use std::format;
use std::vec::Vec;

use proptest::prelude::*;
use wire::builder::{Frame, SOURCE_MAC};
use wire::ethernet::MacAddress;
use wire::tcp::flags::{RST, SYN};

use super::kernel::{Packet, Svc, Tables};
use crate::testing::{Bench, Outcome};
use crate::verdict::{DropReason, Verdict};

/// What may happen; a server is one of four.
#[derive(Debug, Clone)]
enum Event {
    Add(u8, u16),
    Edit(u8, u16),
    Delete(u8),
    /// Several connections.
    Open(u8),
    /// The server resets its n-th connection.
    Close(usize),
    /// Something else is published, and nobody connects.
    Nothing,
}

fn event() -> impl Strategy<Value = Event> {
    let server = 11..15u8;
    let weight = prop_oneof![3 => 0..6u16, 1 => Just(10u16), 1 => Just(65_535u16)];
    prop_oneof![
        3 => (server.clone(), weight.clone()).prop_map(|(s, w)| Event::Add(s, w)),
        2 => (server.clone(), weight).prop_map(|(s, w)| Event::Edit(s, w)),
        1 => server.prop_map(Event::Delete),
        6 => (1..8u8).prop_map(Event::Open),
        2 => any::<usize>().prop_map(Event::Close),
        1 => Just(Event::Nothing),
    ]
}

/// Engine and model side by side.
struct Twins {
    bench: Bench,
    model: Svc,
    /// Open connections: client port and server.
    open: Vec<(u16, u8)>,
    cport: u16,
}

impl Twins {
    fn new(scheduler: &'static str) -> Self {
        Self {
            bench: Bench::new(&format!("service tcp 10.0.0.100:80 {scheduler}")),
            model: Svc::new(scheduler),
            open: Vec::new(),
            cport: 1000,
        }
    }

    fn play(&mut self, event: &Event) {
        match *event {
            Event::Add(server, weight) if self.model.dest(server).is_none() => {
                self.bench
                    .apply(&format!("real 10.1.0.{server}:80 nat {weight}"));
                self.model.add(server, weight.into(), 0, 0);
            }
            Event::Add(server, weight) | Event::Edit(server, weight) => {
                if self.model.dest(server).is_some() {
                    self.bench
                        .apply(&format!("edit-real 10.1.0.{server}:80 nat {weight}"));
                    self.model.edit(server, weight.into(), 0, 0);
                }
            }
            Event::Delete(server) => {
                if self.model.delete(server) {
                    self.bench.apply(&format!("delete-real 10.1.0.{server}:80"));
                }
            }
            Event::Open(count) => (0..count).for_each(|_| self.connect()),
            Event::Close(which) => self.close(which),
            Event::Nothing => self.bench.apply("route 10.9.0.0/16 blackhole"),
        }
    }

    fn connect(&mut self) {
        self.cport += 1;
        let syn = Frame::tcp(&format!("10.0.0.9:{}", self.cport), "10.0.0.100:80").flags(SYN);
        let outcomes = self.bench.send(0, &syn.build());
        let chosen = match outcomes.last() {
            Some(Outcome {
                frame,
                verdict: Verdict::Send { .. },
            }) => Some(frame[33]),
            other => {
                let reason = Verdict::Drop(DropReason::NoRealServer);
                assert_eq!(other.map(|outcome| outcome.verdict), Some(reason));
                None
            }
        };
        let expected = self
            .model
            .schedule(Packet::default(), &mut Tables::default());
        assert_eq!(chosen, expected, "{:?}", self.model);
        if let Some(server) = chosen {
            self.model.bind(server);
            self.model.shift(server, true);
            self.open.push((self.cport, server));
        }
    }

    fn close(&mut self, which: usize) {
        if self.open.is_empty() {
            return;
        }
        let (cport, server) = self.open.remove(which % self.open.len());
        let source = format!("10.1.0.{server}:80");
        let reset = Frame::tcp(&source, &format!("10.0.0.9:{cport}"))
            .flags(RST)
            .macs(SOURCE_MAC, MacAddress([2, 0, 0, 0, 1, 2]));
        self.bench.send(1, &reset.build());
        self.model.shift(server, false);
    }
}

fn agree(scheduler: &'static str, events: &[Event]) {
    let mut twins = Twins::new(scheduler);
    for event in events {
        twins.play(event);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(200)
    })]

    #[test]
    fn rr_is_the_kernels(events in prop::collection::vec(event(), 1..60)) {
        agree("rr", &events);
    }

    #[test]
    fn wrr_is_the_kernels(events in prop::collection::vec(event(), 1..60)) {
        agree("wrr", &events);
    }

    #[test]
    fn lc_is_the_kernels(events in prop::collection::vec(event(), 1..60)) {
        agree("lc", &events);
    }

    #[test]
    fn wlc_is_the_kernels(events in prop::collection::vec(event(), 1..60)) {
        agree("wlc", &events);
    }

    #[test]
    fn sed_is_the_kernels(events in prop::collection::vec(event(), 1..60)) {
        agree("sed", &events);
    }

    #[test]
    fn nq_is_the_kernels(events in prop::collection::vec(event(), 1..60)) {
        agree("nq", &events);
    }

    #[test]
    fn ovf_is_the_kernels(events in prop::collection::vec(event(), 1..60)) {
        agree("ovf", &events);
    }

    #[test]
    fn wrr_shares_are_exact_over_any_cycle(
        weights in prop::collection::vec(0..40u32, 1..8),
        skip in 0..50usize,
    ) {
        let servers: Vec<(u8, u32)> = (11u8..).zip(weights).collect();
        let divisor = servers.iter().fold(0, |sum, (_, w)| model::sched::gcd(*w, sum));
        prop_assume!(divisor > 0);
        let mut bench = super::bench("wrr", &servers);
        bench.apply("neighbour 1 10.1.0.15\nneighbour 1 10.1.0.16\nneighbour 1 10.1.0.17
                     neighbour 1 10.1.0.18");
        super::open_many(&mut bench, skip);
        let total: u32 = servers.iter().map(|(_, w)| w / divisor).sum();
        let chosen = super::open_many(&mut bench, total as usize);
        for (server, weight) in servers {
            let count = chosen.iter().filter(|one| **one == server).count();
            prop_assert_eq!(count, (weight / divisor) as usize);
        }
    }
}

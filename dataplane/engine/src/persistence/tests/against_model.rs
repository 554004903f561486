// SPDX-License-Identifier: Apache-2.0
//! Random histories, with one worker and with four, against a plain model of what binds a client.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Of the service below, milliseconds.
const BINDS_MS: u64 = 20_000;
const ESTABLISHED_MS: u64 = 50_000;
const OPENING_MS: u64 = 60_000;
/// Timers are late by less than this, and time passes in steps of less.
const LATE_MS: u64 = 500;
const STEP_MS: u64 = 100;

#[derive(Debug, Clone)]
enum Event {
    /// A SYN of that client.
    Open(u8),
    /// The youngest connection of that client is established.
    Establish(u8),
    /// Time passes, milliseconds.
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (20..24u8).prop_map(Event::Open),
        3 => (20..24u8).prop_map(Event::Establish),
        2 => (1_000..40_000u64).prop_map(Event::Pass),
    ]
}

/// What binds a client.
#[derive(Debug, Default)]
struct Template {
    server: String,
    ends_at: u64,
    timeout_ms: u64,
    /// How much later it may end.
    late_ms: u64,
}

#[derive(Debug, Default)]
struct Client {
    template: Option<Template>,
    /// When each connection ends, by its port.
    connections: BTreeMap<u16, u64>,
    /// Something ended just when it mattered: nobody knows what came of it, and of what came then.
    unsure: bool,
}

impl Client {
    /// Lets everything end that has ended by `now`.
    fn settle(&mut self, now: u64) {
        let ended = |at: u64| at <= now;
        let near = |at: u64, late: u64| ended(at) && now < at + late;
        self.unsure |= self.connections.values().any(|ends| near(*ends, LATE_MS));
        while let Some(template) = &mut self.template {
            let at = template.ends_at;
            self.unsure |= near(at, template.late_ms);
            if !ended(at) {
                break;
            }
            // A timer that is late finds fewer children, and makes the next minute late.
            let mut children = self.connections.values();
            self.unsure |= children.any(|ends| at <= *ends && *ends < at + template.late_ms);
            if self.connections.values().any(|ends| *ends > at) {
                template.timeout_ms = u64::from(EXPIRE_LATER_MS);
                template.ends_at += template.timeout_ms;
                template.late_ms += LATE_MS;
            } else {
                self.template = None;
            }
        }
        self.connections.retain(|_, ends| !ended(*ends));
    }
}

struct History {
    bench: Bench,
    clients: BTreeMap<u8, Client>,
    now: u64,
    cport: u16,
    /// Checks that were made, so that a test which makes none is noticed.
    checked: usize,
}

impl History {
    fn new(workers: usize) -> Self {
        let service = "service tcp 10.0.0.100:80 rr persist=20 tcp=50";
        Self {
            bench: bench(workers, service, "flows 4096"),
            clients: BTreeMap::new(),
            now: 0,
            cport: 1000,
            checked: 0,
        }
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Open(host) => self.open(host),
            Event::Establish(host) => {
                let now = self.now;
                let client = self.clients.entry(host).or_default();
                client.settle(now);
                let Some((cport, ends)) = client.connections.iter_mut().next_back() else {
                    return;
                };
                if *ends > now + LATE_MS {
                    *ends = now + ESTABLISHED_MS;
                    let cport = *cport;
                    tcp(&mut self.bench, host, cport, "10.0.0.100:80", ACK);
                }
            }
            Event::Pass(span_ms) => {
                for _ in 0..span_ms / STEP_MS {
                    self.bench.advance(Duration::from_millis(STEP_MS));
                }
                self.now += span_ms / STEP_MS * STEP_MS;
            }
        }
    }

    fn open(&mut self, host: u8) {
        self.cport += 1;
        let client = self.clients.entry(host).or_default();
        client.settle(self.now);
        let server = open(&mut self.bench, host, self.cport);
        if let Some(template) = client.template.as_ref().filter(|_| !client.unsure) {
            assert_eq!(server, template.server, "client {host} at {} ms", self.now);
            self.checked += 1;
        }
        client.connections.insert(self.cport, self.now + OPENING_MS);
        // One that has waited for children waits by the minute from then on.
        let known = client.template.as_ref();
        let timeout_ms = known.map_or(BINDS_MS, |template| template.timeout_ms);
        client.template = Some(Template {
            server,
            ends_at: self.now + timeout_ms,
            timeout_ms,
            late_ms: LATE_MS,
        });
    }

    /// Everything ends.
    fn end(&mut self) {
        self.happen(&Event::Pass(200_000));
        assert_eq!(self.bench.flow_count(), 0);
        assert_eq!(templates(&self.bench).len(), 0, "no letter was lost");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_client_goes_where_its_template_says(
        events in prop::collection::vec(event(), 1..60),
        four in any::<bool>(),
    ) {
        let mut history = History::new(if four { 4 } else { 1 });
        for event in &events {
            history.happen(event);
        }
        history.end();
    }
}

#[test]
fn the_model_is_asked() {
    let mut history = History::new(4);
    for _ in 0..5 {
        history.happen(&Event::Open(20));
    }
    assert_eq!(history.checked, 4);
    history.end();
}

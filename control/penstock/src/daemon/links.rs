// SPDX-License-Identifier: Apache-2.0
//! Links of ports and of their members: what changes is logged, and a bonded port whose driver
//! does not notice a lost link is told to send by another member.

use dpdk::StartedPort;
use dpdk::port::Interface;

/// What was last seen of each port.
#[derive(Debug, Default)]
pub(super) struct Links {
    known: Vec<Seen>,
}

/// A port, as it was at the last look.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    state: State,
    /// Link, and whether packets leave by it, of each member.
    members: Vec<(String, bool, bool)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Up,
    Down,
    Gone,
}

impl Links {
    /// Looks at every port. `names` are the configuration's, in the order of the ports.
    pub(super) fn look<'a>(&mut self, names: impl Iterator<Item = &'a str>, ports: &[StartedPort]) {
        let first = self.known.is_empty();
        let mut seen = Vec::with_capacity(ports.len());
        for (place, (name, port)) in names.zip(ports).enumerate() {
            if let Err(error) = port.fail_over() {
                log::warn!("port {name}: {error}");
            }
            let now = see(port);
            let before = self.known.get(place);
            if before != Some(&now) {
                report(name, before, &now, first);
            }
            seen.push(now);
        }
        self.known = seen;
    }
}

fn see(port: &StartedPort) -> Seen {
    let up = port.link().is_some_and(|link| link.up);
    let state = match port.interface() {
        Some(Interface::Gone) => State::Gone,
        Some(Interface::Up | Interface::Down) | None if up => State::Up,
        Some(Interface::Up | Interface::Down) | None => State::Down,
    };
    let members = port.members().into_iter();
    Seen {
        state,
        members: members
            .map(|member| (member.name, member.up, member.active))
            .collect(),
    }
}

/// At the start only what is not as it should be; later, what changed.
fn report(name: &str, before: Option<&Seen>, now: &Seen, first: bool) {
    if before.map(|before| before.state) != Some(now.state) {
        match now.state {
            State::Up if first => {}
            State::Up => log::info!("port {name}: the link is up"),
            State::Down => log::warn!("port {name}: the link is down"),
            State::Gone => log::warn!(
                "port {name}: its Linux interface is gone; nothing comes in or goes out until \
                 penstock is restarted with an interface of that name"
            ),
        }
    }
    for (place, member) in now.members.iter().enumerate() {
        let old = before.and_then(|before| before.members.get(place));
        if old == Some(member) {
            continue;
        }
        let (device, up, active) = member;
        let (was_up, was_active) = old.map_or((true, false), |(_, up, active)| (*up, *active));
        match (was_up, up) {
            (true, false) => log::warn!("port {name}: member {device} has no link"),
            (false, true) => log::info!("port {name}: member {device} has link"),
            (true, true) | (false, false) => {}
        }
        match (was_active, active) {
            (false, true) => log::info!("port {name}: packets leave by member {device}"),
            (true, false) => log::info!("port {name}: packets leave by {device} no more"),
            (true, true) | (false, false) => {}
        }
    }
}

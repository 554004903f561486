// SPDX-License-Identifier: Apache-2.0
//! The kernel's answers against the engine's: the first difference, in words.

use super::case::{Case, DumpStep, Frame, Mask, PacketStep, Step, encode_hex};
use super::datagrams::{Datagrams, is_pooled};
use super::director::Fate;
use super::masks::masked;
use super::replay::{Answer, Answers};
use super::soft::{self, LocalErrors};
use super::tables::{ConnectionRow, RealRow, ServiceRow, StatsRow};

/// The first difference of a case, or `None`.
#[must_use]
pub fn first_difference(case: &Case, answers: &Answers) -> Option<String> {
    if case.steps.len() != answers.steps.len() {
        return Some("the replay ended early".into());
    }
    let mut local_errors = LocalErrors::default();
    let mut decided = Vec::new();
    let mut datagrams = Datagrams::default();
    for (place, (step, answer)) in case.steps.iter().zip(&answers.steps).enumerate() {
        if let Step::Packet(packet) = step {
            local_errors.note(packet);
            if let Answer::Fates(fates) = answer {
                datagrams.note(packet, &sent(fates));
            }
        }
        let difference = flow_difference(case, answers, step, &mut decided)
            .or_else(|| step_difference(case, place, (step, answer), &local_errors));
        if let Some(difference) = difference {
            return Some(format!("step {place}{}: {difference}", note(step)));
        }
    }
    datagrams.difference()
}

fn note(step: &Step) -> String {
    let note = match step {
        Step::Packet(packet) => packet.note.as_ref(),
        Step::Dump(dump) => Some(&dump.label),
        Step::Command { line, .. } => Some(line),
        Step::Control(_) | Step::Sysctl(_) | Step::Sleep(..) => None,
    };
    note.map_or_else(String::new, |note| format!(" ({note})"))
}

/// The decision about a flow, at its first frame.
fn flow_difference(
    case: &Case,
    answers: &Answers,
    step: &Step,
    decided: &mut Vec<usize>,
) -> Option<String> {
    let Step::Packet(PacketStep {
        flow: Some(flow), ..
    }) = step
    else {
        return None;
    };
    if decided.contains(flow) {
        return None;
    }
    decided.push(*flow);
    let expected = case.reals.get(*flow).map_or("none", String::as_str);
    let actual = answers.reals.get(*flow).and_then(|real| real.as_deref());
    let actual = actual.unwrap_or("none");
    (expected != actual).then(|| format!("flow {flow}: kernel {expected}, engine {actual}"))
}

fn step_difference(
    case: &Case,
    place: usize,
    (step, answer): (&Step, &Answer),
    local_errors: &LocalErrors,
) -> Option<String> {
    match (step, answer) {
        (Step::Packet(packet), Answer::Fates(fates)) => {
            let late = |expected: &Frame, actual: &Frame| {
                soft::late_reply_agrees(case, place, expected, actual)
            };
            packet_difference(packet, fates, late)
        }
        (Step::Sleep(_, out), Answer::Fates(fates)) => {
            let expected: Vec<_> = out.iter().enumerate().collect();
            frames_difference(&expected, &sent(fates), None)
        }
        (Step::Command { text, rc, .. }, Answer::Text(answer)) => {
            (text != answer || *rc != 0).then(|| format!("kernel {text:?}, engine {answer:?}"))
        }
        (
            Step::Dump(dump),
            Answer::Tables {
                services,
                connections,
            },
        ) => dump_difference(dump, services.as_ref(), connections.as_ref(), local_errors),
        (Step::Control(_) | Step::Sysctl(_), Answer::Done) => None,
        _ => Some("the answer is of another kind than the step".into()),
    }
}

fn sent(fates: &[Fate]) -> Vec<&Frame> {
    fates
        .iter()
        .filter_map(|fate| match fate {
            Fate::Sent(frame) => Some(frame),
            Fate::Punted | Fate::Dropped(_) => None,
        })
        .collect()
}

/// Frames of the host's own stack must be punts here; plain routing may be done here or by Linux.
fn packet_difference(
    step: &PacketStep,
    fates: &[Fate],
    late_reply: impl Fn(&Frame, &Frame) -> bool,
) -> Option<String> {
    let mut sent = sent(fates);
    sent.retain(|frame| !is_pooled(step, frame));
    let punted = fates.contains(&Fate::Punted);
    if !step.host.is_empty() && !punted {
        return Some(format!(
            "the kernel's own stack answers, so it must be punted; engine {}",
            in_words(fates)
        ));
    }
    let own = |index: &usize| !step.host.contains(index) && !step.routed.contains(index);
    let expected: Vec<(usize, &Frame)> = step
        .out
        .iter()
        .enumerate()
        .filter(|(index, frame)| own(index) && !is_pooled(step, frame))
        .collect();
    if !step.routed.is_empty() {
        let is_it = |frame: &Frame| {
            let routed = step.routed.iter().filter_map(|index| step.out.get(*index));
            routed
                .into_iter()
                .any(|routed| routed == frame || late_reply(routed, frame))
        };
        let rest: Vec<&Frame> = sent.iter().copied().filter(|frame| !is_it(frame)).collect();
        return frames_difference(&expected, &rest, Some(step));
    }
    if punted && step.host.is_empty() && !stays_silent(step) {
        return Some("punted; the kernel forwards it or drops it".into());
    }
    frames_difference(&expected, &sent, Some(step))
        .map(|difference| format!("{difference}; engine {}", in_words(fates)))
}

/// Whether Linux gives no answer to a packet that is punted to it: what the kernel's IPVS passes
/// on to a host stack that drops it.
fn stays_silent(step: &PacketStep) -> bool {
    let frame = &step.input.bytes;
    step.out.is_empty()
        && wire::packet::parse(frame, frame.len()).is_ok_and(|parsed| {
            parsed.tcp_flags & engine::tcp_state::flags::RST != 0
                || super::capability::is_icmp_error(&parsed, frame)
        })
}

fn in_words(fates: &[Fate]) -> String {
    if fates.is_empty() {
        return "did nothing".into();
    }
    let word = |fate: &Fate| match fate {
        Fate::Sent(frame) => format!(
            "sent {} bytes to {}",
            frame.bytes.len(),
            frame.side.letter()
        ),
        Fate::Punted => "punted".into(),
        Fate::Dropped(reason) => format!("dropped ({})", reason.name()),
    };
    let words: Vec<String> = fates.iter().map(word).collect();
    words.join(", ")
}

fn frames_difference(
    expected: &[(usize, &Frame)],
    actual: &[&Frame],
    step: Option<&PacketStep>,
) -> Option<String> {
    if expected.len() != actual.len() {
        return Some(format!(
            "kernel sends {} frames, engine {}",
            expected.len(),
            actual.len()
        ));
    }
    expected
        .iter()
        .zip(actual)
        .find_map(|((index, expected), actual)| {
            if step.is_some_and(|step| soft::stale_mtu_agrees(step, expected, actual)) {
                return None;
            }
            let masks = step.map_or(&[][..], |step| &step.masks);
            frame_difference(*index, expected, actual, masks)
                .map(|difference| format!("out[{index}] {difference}"))
        })
}

fn frame_difference(
    index: usize,
    expected: &Frame,
    actual: &Frame,
    masks: &[Mask],
) -> Option<String> {
    if expected.side != actual.side {
        return Some(format!(
            "leaves on side {}, engine {}",
            expected.side.letter(),
            actual.side.letter()
        ));
    }
    let kernel = masked(&expected.bytes, masks, index);
    let engine = masked(&actual.bytes, masks, index);
    if kernel == engine || soft::errors_agree(&kernel, &engine) {
        return None;
    }
    let at = kernel.iter().zip(&engine).position(|(a, b)| a != b);
    let Some(at) = at else {
        return Some(format!(
            "is {} bytes, engine {}",
            kernel.len(),
            engine.len()
        ));
    };
    let around = |bytes: &[u8]| encode_hex(bytes.get(at..bytes.len().min(at + 8)).unwrap_or(&[]));
    Some(format!(
        "byte {at}: kernel {}, engine {}",
        around(&kernel),
        around(&engine)
    ))
}

fn dump_difference(
    dump: &DumpStep,
    services: Option<&Vec<ServiceRow>>,
    connections: Option<&Vec<ConnectionRow>>,
    local_errors: &LocalErrors,
) -> Option<String> {
    let of_services = dump.services.as_ref().and_then(|expected| {
        services_difference(expected, services?, dump.stats_only, local_errors)
    });
    of_services.or_else(|| {
        let expected = dump.connections.as_ref()?;
        connections_difference(expected, connections?)
    })
}

fn services_difference(
    expected: &[ServiceRow],
    actual: &[ServiceRow],
    stats_only: bool,
    local_errors: &LocalErrors,
) -> Option<String> {
    for row in actual {
        if !expected.iter().any(|other| other.service == row.service) {
            return Some(format!("{} is not in the kernel's list", row.service));
        }
    }
    expected.iter().find_map(|kernel| {
        let name = &kernel.service;
        let Some(engine) = actual.iter().find(|row| row.service == *name) else {
            return Some(format!("{name} is missing"));
        };
        if kernel.scheduler != engine.scheduler && !stats_only {
            return Some(format!(
                "{name}: kernel {}, engine {}",
                kernel.scheduler, engine.scheduler
            ));
        }
        let names = |row: &ServiceRow| {
            let names: Vec<String> = row.reals.iter().map(|real| real.real.clone()).collect();
            names.join(" ")
        };
        let (own, others) = (names(engine), names(kernel));
        if own != others {
            return Some(format!("{name}: kernel's servers {others}, engine's {own}"));
        }
        let of_reals = kernel
            .reals
            .iter()
            .zip(&engine.reals)
            .find_map(|(kernel, engine)| real_difference(kernel, engine, stats_only, local_errors));
        of_reals
            .or_else(|| stats_difference(kernel.stats, engine.stats, local_errors))
            .map(|difference| format!("{name}: {difference}"))
    })
}

fn real_difference(
    kernel: &RealRow,
    engine: &RealRow,
    stats_only: bool,
    local_errors: &LocalErrors,
) -> Option<String> {
    let figures = |row: &RealRow| {
        format!(
            "{} weight {} active {} inactive {}",
            row.forward, row.weight, row.active, row.inactive
        )
    };
    let (own, others) = (figures(engine), figures(kernel));
    if own != others && !stats_only {
        return Some(format!("{}: kernel {others}, engine {own}", kernel.real));
    }
    stats_difference(kernel.stats, engine.stats, local_errors)
        .map(|difference| format!("{}: {difference}", kernel.real))
}

fn stats_difference(
    kernel: Option<StatsRow>,
    engine: Option<StatsRow>,
    local_errors: &LocalErrors,
) -> Option<String> {
    let kernel = kernel?;
    let engine = engine.unwrap_or_default();
    (!local_errors.agree(kernel, engine))
        .then(|| format!("stats: kernel {kernel:?}, engine {engine:?}"))
}

fn connections_difference(expected: &[ConnectionRow], actual: &[ConnectionRow]) -> Option<String> {
    let find = |rows: &[ConnectionRow], row: &ConnectionRow| {
        rows.iter().find(|other| other.key() == row.key()).cloned()
    };
    for row in actual {
        if find(expected, row).is_none() && !soft::may_be_missing(row.expire) {
            return Some(format!("kernel has no connection {}", row.to_json()));
        }
    }
    expected.iter().find_map(|kernel| {
        let Some(engine) = find(actual, kernel) else {
            let excused = soft::may_be_missing(kernel.expire);
            return (!excused).then(|| format!("engine has no connection {}", kernel.to_json()));
        };
        let agree = kernel.state == engine.state
            && kernel.real == engine.real
            && soft::expiry_agrees(kernel.expire, engine.expire);
        (!agree).then(|| format!("kernel {}, engine {}", kernel.to_json(), engine.to_json()))
    })
}

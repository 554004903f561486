// SPDX-License-Identifier: Apache-2.0
//! Tells a case to the engine and writes down what it answers; judges nothing.

use model::addr::{Addr, Mac};
use model::op::OpError;
use model::service::Endpoint;
use wire::ethernet::Ethernet;
use wire::ipv4::IpProtocol;
use wire::packet::{Fragment, Kind, Parsed, parse};

use super::capability::{self, Command, is_icmp_error, local_route};
use super::case::{Case, DumpStep, Frame, PacketStep, Step};
use super::director::{Director, Fate};
use super::ipvsadm::{self, LineError};
use super::tables::{ConnectionRow, ServiceRow};
use super::topology;

/// Why a case could not be told to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// An ipvsadm line of the case is wrong.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The engine's control side refused what the kernel took.
    #[error("{line:?} is refused: {source}")]
    Refused {
        /// The line.
        line: String,
        /// Why.
        source: OpError,
    },
    /// The engine cannot do that yet.
    #[error("not supported yet: {}", .0.join(", "))]
    Unsupported(Vec<String>),
}

/// The engine's answer to one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// What became of a frame, or what left while time passed.
    Fates(Vec<Fate>),
    /// The tables.
    Tables {
        /// If they were asked for.
        services: Option<Vec<ServiceRow>>,
        /// If they were asked for.
        connections: Option<Vec<ConnectionRow>>,
    },
    /// What a command printed.
    Text(String),
    /// A change; it printed nothing.
    Done,
}

/// The engine's answers to a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// By step.
    pub steps: Vec<Answer>,
    /// What was decided for each flow; `None` for a flow that never came.
    pub reals: Vec<Option<String>>,
}

/// Tells the case.
///
/// # Errors
/// [`ReplayError`], before anything happens or at a change that the engine refuses.
pub fn replay(case: &Case) -> Result<Answers, ReplayError> {
    let missing = capability::missing(case)?;
    if !missing.is_empty() {
        return Err(ReplayError::Unsupported(missing));
    }
    let locals: Vec<_> = case
        .setup
        .iter()
        .filter_map(|line| local_route(line))
        .collect();
    let mut director = Director::new(case.mtu, &locals, capability::mark_rules(case));
    set(&mut director, &case.sysctl);
    control(&mut director, &case.ipvs)?;
    let mut answers = Answers {
        steps: Vec::with_capacity(case.steps.len()),
        reals: vec![None; case.reals.len()],
    };
    for step in &case.steps {
        let answer = match step {
            Step::Packet(packet) => {
                if let Some(draws) = packet.flow.and_then(|flow| case.draws.get(flow)) {
                    director.set_draws(draws);
                }
                let fates = director.receive(&packet.input);
                note_real(&mut answers.reals, packet, &fates);
                Answer::Fates(fates)
            }
            Step::Control(lines) => {
                control(&mut director, lines)?;
                Answer::Done
            }
            Step::Sysctl(settings) => {
                set(&mut director, settings);
                Answer::Done
            }
            Step::Sleep(time, _) => Answer::Fates(director.pass(*time)),
            Step::Command { line, .. } => command(&mut director, line)?,
            Step::Dump(dump) => tables(&director, dump),
        };
        answers.steps.push(answer);
    }
    Ok(answers)
}

fn control(director: &mut Director, lines: &[String]) -> Result<(), ReplayError> {
    for line in lines {
        director
            .change(&ipvsadm::parse(line)?)
            .map_err(|source| ReplayError::Refused {
                line: line.clone(),
                source,
            })?;
    }
    Ok(())
}

fn set(director: &mut Director, settings: &[(String, String)]) {
    for (name, value) in settings {
        director.set(name, value);
    }
}

fn command(director: &mut Director, line: &str) -> Result<Answer, ReplayError> {
    match Command::parse(line) {
        Some(Command::Set(timeouts)) => {
            director
                .set_timeouts(timeouts)
                .map_err(|source| ReplayError::Refused {
                    line: line.into(),
                    source,
                })?;
            Ok(Answer::Text(String::new()))
        }
        Some(Command::ShowTimeouts) => Ok(Answer::Text(director.show_timeouts())),
        None => Err(ReplayError::Unsupported(vec![format!("command {line:?}")])),
    }
}

fn tables(director: &Director, dump: &DumpStep) -> Answer {
    let services = dump.services.as_ref();
    let connections = dump.connections.as_ref();
    Answer::Tables {
        services: services.map(|_| director.services(!dump.no_stats)),
        connections: connections.map(|_| director.connections(dump.only.as_deref())),
    }
}

/// Notes what was decided for a flow, if this frame is the first that shows it: a fragment that
/// nothing leaves for waits for its datagram.
fn note_real(reals: &mut [Option<String>], step: &PacketStep, fates: &[Fate]) {
    let Some(flow) = step.flow else {
        return;
    };
    let parsed = parse(&step.input.bytes, step.input.bytes.len()).ok();
    let waits = parsed.is_some_and(|parsed| parsed.fragment != Fragment::None)
        && !fates
            .iter()
            .any(|fate| matches!(fate, Fate::Sent(_) | Fate::Punted));
    if let Some(place @ None) = reals.get_mut(flow)
        && !waits
    {
        *place = Some(decision(&step.input, parsed.as_ref(), fates));
    }
}

/// What was decided for a flow, worded as a case words it.
fn decision(input: &Frame, parsed: Option<&Parsed>, fates: &[Fate]) -> String {
    let word = fates.iter().find_map(|fate| match fate {
        Fate::Sent(frame) => sent_to(input, parsed?, frame),
        Fate::Punted => Some(answer_of_host(parsed?).into()),
        Fate::Dropped(_) => None,
    });
    word.unwrap_or_else(|| "drop".into())
}

/// What Linux answers to a packet for an address of its own where nobody listens.
fn answer_of_host(parsed: &Parsed) -> &'static str {
    match (parsed.protocol, parsed.kind) {
        (IpProtocol::TCP, _) if parsed.tcp_flags & engine::tcp_state::flags::RST != 0 => "drop",
        (IpProtocol::TCP, _) => "rst",
        (_, Kind::Ipv6) => "icmp 1/4",
        _ => "icmp 3/3",
    }
}

fn sent_to(input: &Frame, before: &Parsed, frame: &Frame) -> Option<String> {
    let after = parse(&frame.bytes, frame.bytes.len()).ok()?;
    if is_icmp_error(&after, &frame.bytes) && frame.side == input.side {
        let at = usize::from(after.l4_offset);
        let (kind, code) = (frame.bytes.get(at)?, frame.bytes.get(at + 1)?);
        return Some(format!("icmp {kind}/{code}"));
    }
    let destination = Addr::from_octets(after.destination);
    if after.destination == before.destination {
        let mac = Mac(Ethernet::new_checked(&frame.bytes).ok()?.destination().0);
        let real = topology::real_of_mac(mac.0, destination.is_v4());
        return Some(real.map_or_else(|| mac.to_string(), |real| real.to_string()));
    }
    Some(if after.protocol == before.protocol {
        Endpoint(destination, after.destination_port).to_string()
    } else {
        destination.to_string()
    })
}

// SPDX-License-Identifier: Apache-2.0
//! A recorded story: configuration, frames in, what the kernel made of them.
//!
//! The format is told in `tests/data/oracle/README.md`. A file that does not follow it is refused
//! with the place of the first thing wrong: line and column, or the path to the value.

use std::time::Duration;

use serde_json::Value;

use super::read::{At, CaseError};
use super::tables::{self, ConnectionRow, ServiceRow};

/// One of the director's two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Towards the clients.
    Client,
    /// Towards the real servers.
    Server,
}

impl Side {
    /// The letter in a case.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Client => "c",
            Self::Server => "s",
        }
    }
}

/// An Ethernet frame and the side it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Where.
    pub side: Side,
    /// From the first octet of the destination MAC, without FCS and padding.
    pub bytes: Vec<u8>,
}

/// Bytes of an expected frame that differ between two runs of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mask {
    /// Which of the expected frames.
    pub frame: usize,
    /// First byte.
    pub offset: usize,
    /// How many.
    pub len: usize,
}

/// A frame in, and the frames the kernel answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketStep {
    /// The frame.
    pub input: Frame,
    /// The flow it is of.
    pub flow: Option<usize>,
    /// What it is for, in words.
    pub note: Option<String>,
    /// What left.
    pub out: Vec<Frame>,
    /// What is random in it.
    pub masks: Vec<Mask>,
    /// Frames of `out` that the kernel's own host stack made.
    pub host: Vec<usize>,
    /// Frames of `out` that are untranslated packets, routed.
    pub routed: Vec<usize>,
}

/// What `ipvsadm` said of the tables.
#[derive(Debug, Clone, PartialEq)]
pub struct DumpStep {
    /// What it is called.
    pub label: String,
    /// `ipvsadm -Ln`, with `--stats`.
    pub services: Option<Vec<ServiceRow>>,
    /// `ipvsadm -Lnc`.
    pub connections: Option<Vec<ConnectionRow>>,
    /// Only the connections of this client were looked at.
    pub only: Option<String>,
    /// Statistics were not taken.
    pub no_stats: bool,
    /// Only the statistics were taken.
    pub stats_only: bool,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A frame arrives.
    Packet(PacketStep),
    /// `ipvsadm -R` reads these lines.
    Control(Vec<String>),
    /// Sysctls are set.
    Sysctl(Vec<(String, String)>),
    /// Time passes; frames may leave.
    Sleep(Duration, Vec<Frame>),
    /// A command prints a text.
    Command {
        /// The command.
        line: String,
        /// Its exit status.
        rc: i64,
        /// What it printed.
        text: String,
    },
    /// The tables are looked at.
    Dump(DumpStep),
}

/// A whole story.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Which arrangement of links it was recorded in.
    pub topology: String,
    /// Sysctls at the start.
    pub sysctl: Vec<(String, String)>,
    /// Shell lines before the start.
    pub setup: Vec<String>,
    /// `ipvsadm -R` lines before the start.
    pub ipvs: Vec<String>,
    /// MTU of the client and of the server side.
    pub mtu: (u32, u32),
    /// What was decided for each flow.
    pub reals: Vec<String>,
    /// The two random numbers that `twos` drew for each flow.
    pub draws: Vec<[u64; 2]>,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// The file as read, to be written back with other answers.
    pub json: Value,
}

/// The MTU of a side unless the case says otherwise.
const MTU: u32 = 1500;

impl Case {
    /// Reads a case.
    ///
    /// # Errors
    /// [`CaseError`] with the place of the first thing that is not as the format says.
    pub fn parse(text: &[u8]) -> Result<Self, CaseError> {
        let json: Value = serde_json::from_slice(text)?;
        let root = At::root(&json);
        let case = Self {
            name: root.need("name")?.text()?,
            topology: root
                .get("topology")?
                .map_or_else(|| Ok("std".into()), |at| at.text())?,
            sysctl: root.get("sysctl")?.map_or(Ok(Vec::new()), settings)?,
            setup: root.get("setup")?.map_or(Ok(Vec::new()), lines)?,
            ipvs: root.need("ipvs").and_then(lines)?,
            mtu: (mtu(&root, "c")?, mtu(&root, "s")?),
            reals: root.need("reals").and_then(lines)?,
            draws: root.get("draws")?.map_or(Ok(Vec::new()), draws)?,
            steps: root.need("steps")?.list(step)?,
            json: Value::Null,
        };
        case.check_flows()?;
        Ok(Self { json, ..case })
    }

    /// Every frame's flow has its decision.
    fn check_flows(&self) -> Result<(), CaseError> {
        for (place, step) in self.steps.iter().enumerate() {
            if let Step::Packet(packet) = step
                && packet.flow.is_some_and(|flow| flow >= self.reals.len())
            {
                return Err(CaseError::Shape {
                    path: format!("steps[{place}].flow"),
                    what: "there is no such flow in reals".into(),
                });
            }
        }
        Ok(())
    }

    /// Every ipvsadm line, in order.
    pub fn control_lines(&self) -> impl Iterator<Item = &String> {
        let later = self.steps.iter().flat_map(|step| match step {
            Step::Control(lines) => lines.as_slice(),
            Step::Packet(_)
            | Step::Sysctl(_)
            | Step::Sleep(..)
            | Step::Command { .. }
            | Step::Dump(_) => &[],
        });
        self.ipvs.iter().chain(later)
    }

    /// Every sysctl that is set, in order.
    pub fn all_settings(&self) -> impl Iterator<Item = &(String, String)> {
        let later = self.steps.iter().flat_map(|step| match step {
            Step::Sysctl(settings) => settings.as_slice(),
            Step::Packet(_)
            | Step::Control(_)
            | Step::Sleep(..)
            | Step::Command { .. }
            | Step::Dump(_) => &[],
        });
        self.sysctl.iter().chain(later)
    }
}

fn mtu(root: &At<'_>, side: &str) -> Result<u32, CaseError> {
    let Some(mtu) = root.get("mtu")? else {
        return Ok(MTU);
    };
    match mtu.get(side)? {
        Some(at) => {
            u32::try_from(at.number()?).map_err(|_| at.error("an MTU is a number of bytes"))
        }
        None => Ok(MTU),
    }
}

fn lines(at: At<'_>) -> Result<Vec<String>, CaseError> {
    at.list(|line| line.text())
}

/// `[r1, r2, total + 1]` for each flow.
fn draws(at: At<'_>) -> Result<Vec<[u64; 2]>, CaseError> {
    at.list(|draw| {
        let [first, second, _] = draw.array()?;
        Ok([first.number()?, second.number()?])
    })
}

fn settings(at: At<'_>) -> Result<Vec<(String, String)>, CaseError> {
    at.fields()?
        .map(|(name, value)| Ok((name.clone(), value.scalar()?)))
        .collect()
}

fn step(at: At<'_>) -> Result<Step, CaseError> {
    if let Some(input) = at.get("in")? {
        return packet(&at, input).map(Step::Packet);
    }
    if let Some(control) = at.get("ipvs")? {
        return lines(control).map(Step::Control);
    }
    if let Some(values) = at.get("sysctl")? {
        return settings(values).map(Step::Sysctl);
    }
    if let Some(time) = at.get("sleep")? {
        return Ok(Step::Sleep(time.seconds()?, frames(&at)?));
    }
    if let Some(line) = at.get("cmd")? {
        return Ok(Step::Command {
            line: line.text()?,
            rc: at.get("rc")?.map_or(Ok(0), |rc| rc.signed())?,
            text: at.get("text")?.map_or(Ok(String::new()), |t| t.text())?,
        });
    }
    if let Some(label) = at.get("dump")? {
        return dump(&at, label).map(Step::Dump);
    }
    Err(at.error("a step has one of in, ipvs, sysctl, sleep, cmd, dump"))
}

fn packet(at: &At<'_>, input: At<'_>) -> Result<PacketStep, CaseError> {
    let out = frames(at)?;
    let index = |at: At<'_>| {
        let index = at.index()?;
        (index < out.len())
            .then_some(index)
            .ok_or_else(|| at.error("there is no such frame in out"))
    };
    let indices = |name| {
        at.get(name)?
            .map_or(Ok(Vec::new()), |places| places.list(index))
    };
    Ok(PacketStep {
        input: frame(input)?,
        flow: at.get("flow")?.map(|flow| flow.index()).transpose()?,
        note: at.get("note")?.map(|note| note.text()).transpose()?,
        masks: at
            .get("mask")?
            .map_or(Ok(Vec::new()), |masks| masks.list(mask))?,
        host: indices("host")?,
        routed: indices("routed")?,
        out,
    })
}

fn frames(at: &At<'_>) -> Result<Vec<Frame>, CaseError> {
    at.get("out")?
        .map_or(Ok(Vec::new()), |frames| frames.list(frame))
}

fn frame(at: At<'_>) -> Result<Frame, CaseError> {
    let [side, hex] = at.array()?;
    let side = match side.text()?.as_str() {
        "c" => Side::Client,
        "s" => Side::Server,
        _ => return Err(side.error("a side is \"c\" or \"s\"")),
    };
    let bytes = decode_hex(&hex.text()?).ok_or_else(|| hex.error("a frame is written in hex"))?;
    Ok(Frame { side, bytes })
}

fn mask(at: At<'_>) -> Result<Mask, CaseError> {
    let [frame, offset, len] = at.array()?;
    Ok(Mask {
        frame: frame.index()?,
        offset: offset.index()?,
        len: len.index()?,
    })
}

fn dump(at: &At<'_>, label: At<'_>) -> Result<DumpStep, CaseError> {
    let flag = |name| Ok::<_, CaseError>(at.get(name)?.is_some());
    Ok(DumpStep {
        label: label.text()?,
        services: at
            .get("services")?
            .map(|rows| rows.list(tables::read_service))
            .transpose()?,
        connections: at
            .get("conns")?
            .map(|rows| rows.list(tables::read_connection))
            .transpose()?,
        only: at.get("only")?.map(|only| only.text()).transpose()?,
        no_stats: flag("nostats")?,
        stats_only: flag("statsonly")?,
    })
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let digit = |letter: u8| char::from(letter).to_digit(16);
    pairs
        .iter()
        .map(|[high, low]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok())
        .collect()
}

/// A frame as a case writes it.
#[must_use]
pub fn encode_hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('?');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

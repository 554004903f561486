// SPDX-License-Identifier: Apache-2.0
//! The lines that `ipvsadm -S` writes and `ipvsadm -R` reads, as changes of the ledger.
//!
//! Every line of a case goes through here before anything is replayed, so that a case that needs
//! what the engine has not says so in words.

use std::num::NonZeroU16;
use std::str::SplitWhitespace;

use model::addr::Addr;
use model::op::Op;
use model::service::{
    ForwardMode, Mark, Persistence, PersistenceEngine, Protocol, RealKey, RealSpec, SchedulerFlags,
    SchedulerKind, ServiceKey, ServiceSpec, Thresholds, Weight,
};
use model::tunnel::{GueChecksum, Tunnel, TunnelKind};

/// What a line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// One change of the ledger.
    Op(Op),
    /// `-C`: every service goes.
    Clear,
}

/// Why a line is no [`Change`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// `ipvsadm` would not take it either.
    #[error("{0:?} is no ipvsadm line: {1}")]
    Malformed(String, String),
    /// It is right, and there is nothing here yet that could do it. Names what is missing.
    #[error("{0}")]
    Unsupported(String),
}

/// Scheduler of a service that names none (`ipvsadm`'s `DEF_SCHED`).
const SCHEDULER: SchedulerKind = SchedulerKind::Wlc;
/// Weight of a server that names none.
const WEIGHT: u32 = 1;

/// The options of a line, as far as they were given.
#[derive(Debug, Default)]
struct Options {
    service: Option<ServiceKey>,
    mark: Option<u32>,
    mark_is_v6: bool,
    real: Option<(Addr, Option<u16>)>,
    scheduler: Option<SchedulerKind>,
    flags: SchedulerFlags,
    limits: Thresholds,
    persistent_s: Option<u32>,
    mask: Option<u8>,
    engine: Option<PersistenceEngine>,
    one_packet: bool,
    mode: Option<ForwardMode>,
    weight: Option<Weight>,
    tunnel: TunnelOptions,
}

/// The options of a tunnel.
#[derive(Debug, Default)]
struct TunnelOptions {
    /// As written; empty for `ipip`.
    kind: String,
    port: Option<NonZeroU16>,
    checksum: GueChecksum,
}

impl TunnelOptions {
    /// What they make together (`ipvsadm.c`, `parse_options` and what follows it); `None` if they
    /// do not fit.
    fn tunnel(&self) -> Option<Tunnel> {
        let kind = match (self.kind.as_str(), self.port, self.checksum) {
            ("" | "ipip", None, GueChecksum::None) => TunnelKind::Ipip,
            ("gre", None, GueChecksum::None) => TunnelKind::Gre { checksum: false },
            ("gre", None, GueChecksum::Full) => TunnelKind::Gre { checksum: true },
            ("gue", Some(port), checksum) => TunnelKind::Gue { port, checksum },
            _ => return None,
        };
        Some(Tunnel { kind, source: None })
    }
}

impl Options {
    /// The kernel's netmask is of the service's family, so one number serves both here.
    fn persistence(&self) -> Option<Persistence> {
        Some(Persistence {
            timeout_s: self.persistent_s?,
            ipv4_mask: self.mask.map_or(32, |bits| bits.min(32)),
            ipv6_prefix: self.mask.unwrap_or(128),
            engine: self.engine,
        })
    }
}

/// Bits of a netmask: `255.255.255.0`, or a prefix length for IPv6.
fn mask_bits(text: &str) -> Option<u8> {
    if let Ok(mask) = text.parse::<std::net::Ipv4Addr>() {
        let bits = u32::from(mask);
        let ones = bits.leading_ones();
        return (bits.count_ones() == ones).then(|| u8::try_from(ones).ok())?;
    }
    text.parse().ok().filter(|bits| (1..=128).contains(bits))
}

/// Reads one line.
///
/// # Errors
/// [`LineError`].
pub fn parse(line: &str) -> Result<Change, LineError> {
    let malformed = |what: &str| LineError::Malformed(line.into(), what.into());
    let mut words = line.split_whitespace();
    let command = words.next().ok_or_else(|| malformed("it is empty"))?;
    let options = options(&mut words, &malformed)?;
    if command == "-C" {
        return Ok(Change::Clear);
    }
    let marked = options.mark.map(|mark| {
        let is_v4 = !options.mark_is_v6;
        ServiceKey::Mark(Mark { mark, is_v4 })
    });
    let key = options
        .service
        .or(marked)
        .ok_or_else(|| malformed("no service is named"))?;
    let spec = ServiceSpec {
        scheduler: options.scheduler.unwrap_or(SCHEDULER),
        flags: options.flags,
        persistence: options.persistence(),
        one_packet: options.one_packet,
        ..ServiceSpec::default()
    };
    let mode = options.mode.unwrap_or(ForwardMode::Dr);
    let real = || {
        let (real_ip, rport) = options
            .real
            .ok_or_else(|| malformed("no real server is named"))?;
        // ipvsadm: "The destination port must be equal to the service port if the
        // IP_VS_CONN_F_TUNNEL or IP_VS_CONN_F_DROUTE is set."
        let rport = rport
            .filter(|_| !mode.is_one_way())
            .unwrap_or_else(|| key.vport());
        Ok(RealKey { real_ip, rport })
    };
    let server = RealSpec {
        mode,
        weight: options.weight.or(Weight::new(WEIGHT)).unwrap_or_default(),
        tunnel: options
            .tunnel
            .tunnel()
            .ok_or_else(|| malformed("the tunnel's options do not fit"))?,
        limits: options.limits,
        ..RealSpec::default()
    };
    Ok(Change::Op(match command {
        "-A" => Op::AddService { key, spec },
        "-E" => Op::EditService { key, spec },
        "-D" => Op::DeleteService { key },
        "-a" => Op::AddReal {
            service: key,
            real: real()?,
            spec: server,
        },
        "-e" => Op::EditReal {
            service: key,
            real: real()?,
            spec: server,
        },
        "-d" => Op::DeleteReal {
            service: key,
            real: deleted(&options, key).ok_or_else(|| malformed("no real server is named"))?,
        },
        _ => return Err(malformed("the command is none of -A -E -D -a -e -d -C")),
    }))
}

/// `-d` knows no method, so the port is as written, or the service's.
fn deleted(options: &Options, service: ServiceKey) -> Option<RealKey> {
    let (real_ip, rport) = options.real?;
    Some(RealKey {
        real_ip,
        rport: rport.unwrap_or_else(|| service.vport()),
    })
}

fn options(
    words: &mut SplitWhitespace<'_>,
    malformed: &impl Fn(&str) -> LineError,
) -> Result<Options, LineError> {
    let mut options = Options::default();
    while let Some(option) = words.next() {
        if persistence_option(option, words, &mut options, malformed)? {
            continue;
        }
        let mut value = || {
            words
                .next()
                .ok_or_else(|| malformed(&format!("{option} needs a value")))
        };
        match option {
            "-t" => options.service = Some(service(Protocol::Tcp, value()?, malformed)?),
            "-u" => options.service = Some(service(Protocol::Udp, value()?, malformed)?),
            "--sctp-service" => {
                options.service = Some(service(Protocol::Sctp, value()?, malformed)?);
            }
            "-f" => {
                let mark = value()?.parse().map_err(|_| malformed("bad mark"))?;
                options.mark = Some(mark);
            }
            "-6" => options.mark_is_v6 = true,
            "-s" => options.scheduler = Some(scheduler(value()?)?),
            "-b" => {
                for name in value()?.split(',') {
                    let flag = SchedulerFlags::from_name(name)
                        .ok_or_else(|| malformed("unknown scheduler flag"))?;
                    options.flags = options.flags.with(flag);
                }
            }
            "-r" => {
                options.real = Some(endpoint(value()?).ok_or_else(|| malformed("bad address"))?);
            }
            "-m" => options.mode = Some(ForwardMode::Nat),
            "-g" => options.mode = Some(ForwardMode::Dr),
            "-i" => options.mode = Some(ForwardMode::Tun),
            "--tun-type" => options.tunnel.kind = value()?.into(),
            "--tun-port" => {
                let port = value()?.parse().map_err(|_| malformed("bad tunnel port"))?;
                options.tunnel.port = Some(port);
            }
            "--tun-csum" => options.tunnel.checksum = GueChecksum::Full,
            "--tun-nocsum" => options.tunnel.checksum = GueChecksum::None,
            "--tun-remcsum" => options.tunnel.checksum = GueChecksum::Remote,
            "-w" => {
                let weight = value()?.parse().ok().and_then(Weight::new);
                options.weight = Some(weight.ok_or_else(|| malformed("bad weight"))?);
            }
            "-x" | "-y" => {
                let limit = value()?.parse().map_err(|_| malformed("bad threshold"))?;
                match option {
                    "-x" => options.limits.upper = limit,
                    _ => options.limits.lower = limit,
                }
            }
            _ => return Err(malformed(&format!("unknown option {option}"))),
        }
    }
    Ok(options)
}

/// `-p`, whose value may be left out, and what belongs to it; whether it was one of them.
fn persistence_option(
    option: &str,
    words: &mut SplitWhitespace<'_>,
    options: &mut Options,
    malformed: &impl Fn(&str) -> LineError,
) -> Result<bool, LineError> {
    match option {
        "-p" | "--persistent" => {
            let seconds = words.clone().next().and_then(|word| word.parse().ok());
            if seconds.is_some() {
                words.next();
            }
            options.persistent_s = Some(seconds.unwrap_or(Persistence::TIMEOUT_S));
        }
        "-M" | "--netmask" => {
            let bits = words.next().and_then(mask_bits);
            options.mask = Some(bits.ok_or_else(|| malformed("bad netmask"))?);
        }
        "--pe" => match words.next() {
            Some("sip") => options.engine = Some(PersistenceEngine::Sip),
            name => {
                let what = format!("persistence engine {}", name.unwrap_or("without a name"));
                return Err(LineError::Unsupported(what));
            }
        },
        "-o" | "--ops" => options.one_packet = true,
        _ => return Ok(false),
    }
    Ok(true)
}

fn scheduler(name: &str) -> Result<SchedulerKind, LineError> {
    SchedulerKind::from_name(name)
        .ok_or_else(|| LineError::Unsupported(format!("scheduler {name}")))
}

fn service(
    protocol: Protocol,
    text: &str,
    malformed: &impl Fn(&str) -> LineError,
) -> Result<ServiceKey, LineError> {
    match endpoint(text) {
        Some((virtual_ip, Some(vport))) => Ok(ServiceKey::host(protocol, virtual_ip, vport)),
        Some((_, None)) | None => Err(malformed("bad service address")),
    }
}

/// `a.b.c.d`, `a.b.c.d:p`, `[v6]`, `[v6]:p`.
fn endpoint(text: &str) -> Option<(Addr, Option<u16>)> {
    let (addr, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (addr, port) = rest.split_once(']')?;
            let port = match port.strip_prefix(':') {
                Some(port) => Some(port),
                None if port.is_empty() => None,
                None => return None,
            };
            (addr.parse::<std::net::Ipv6Addr>().ok()?.into(), port)
        }
        None => {
            let (addr, port) = match text.split_once(':') {
                Some((addr, port)) => (addr, Some(port)),
                None => (text, None),
            };
            (addr.parse::<std::net::Ipv4Addr>().ok()?.into(), port)
        }
    };
    Some((addr, port.map(str::parse).transpose().ok()?))
}

#[cfg(test)]
mod tests;

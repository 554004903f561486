// SPDX-License-Identifier: Apache-2.0
//! A switch with a link aggregation group, for kernels without a bonding driver: speaks LACP (IEEE
//! 802.1AX) on wires of the director, and spreads flows over those that agreed.
//!
//! ```text
//!   director  e0 ── d1-e0 ═╗ LACP: answered here              ╔═ lag0 ──veth── lag1 ─ bridge
//!             e9 ── d1-e9 ═╩═ everything else ════════════════╝
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::error::LabResult;
use super::netns::Netns;
use super::raw::RawSocket;

/// The switch; it falls silent when this drops.
#[derive(Debug)]
pub struct LacpSwitch {
    stop: Arc<AtomicBool>,
    wires: Vec<Arc<Wire>>,
    threads: Vec<JoinHandle<LabResult<()>>>,
}

/// One wire of the group.
#[derive(Debug)]
struct Wire {
    socket: RawSocket,
    number: u8,
    /// The director said that it is in step, so frames may go this way.
    agreed: AtomicBool,
    from_director: AtomicU64,
    to_director: AtomicU64,
}

impl LacpSwitch {
    /// Takes these interfaces of the switch as one group of its bridge.
    pub fn start(switch: &Netns, bridge: &str, ends: &[String]) -> LabResult<Self> {
        switch.ip_batch(&format!(
            "link add lag0 type veth peer name lag1\nlink set lag0 up\n\
             link set lag1 master {bridge} up\n"
        ))?;
        let whole = ["-K", "lag1", "tx", "off", "tso", "off", "gso", "off"];
        switch.run_ok("ethtool", &whole)?;
        let inner = RawSocket::open(switch, "lag0")?;
        let mut wires = Vec::new();
        for (end, number) in ends.iter().zip(1..) {
            wires.push(Arc::new(Wire {
                socket: RawSocket::open(switch, end)?,
                number,
                agreed: AtomicBool::new(false),
                from_director: AtomicU64::new(0),
                to_director: AtomicU64::new(0),
            }));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for wire in &wires {
            // A socket does not see what is sent through it: frames do not come back.
            let (wire, inner) = (Arc::clone(wire), inner.try_clone()?);
            let flag = Arc::clone(&stop);
            threads.push(thread::spawn(move || wire.serve(&flag, &inner)));
        }
        let (flag, group) = (Arc::clone(&stop), wires.clone());
        threads.push(thread::spawn(move || distribute(&flag, &inner, &group)));
        Ok(Self {
            stop,
            wires,
            threads,
        })
    }

    /// The wires that the director agreed to use.
    #[must_use]
    pub fn agreed(&self) -> usize {
        let agreed = |wire: &&Arc<Wire>| wire.agreed.load(Ordering::Relaxed);
        self.wires.iter().filter(agreed).count()
    }

    /// Frames of each wire, LACP aside: from the director, and to it.
    #[must_use]
    pub fn frames(&self) -> Vec<(u64, u64)> {
        let frames = self.wires.iter().map(|wire| {
            let from = wire.from_director.load(Ordering::Relaxed);
            (from, wire.to_director.load(Ordering::Relaxed))
        });
        frames.collect()
    }
}

impl Drop for LacpSwitch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A frame that could not be passed on showed as one that is missing.
            drop(thread.join());
        }
    }
}

impl Wire {
    fn serve(&self, stop: &AtomicBool, inner: &RawSocket) -> LabResult<()> {
        let mut buffer = vec![0; 65536];
        let mut peer = [0; PARAMETERS];
        let mut due = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let frame = self.socket.receive(&mut buffer)?;
            match frame.map(|frame| (frame, frame.get(12..15))) {
                Some((frame, Some(LACP))) => {
                    if let Some(theirs) = frame.get(18..18 + PARAMETERS) {
                        due = if theirs == peer { due } else { Instant::now() };
                        peer.copy_from_slice(theirs);
                        let in_step = peer[STATE] & IN_STEP == IN_STEP;
                        self.agreed.store(in_step, Ordering::Relaxed);
                    }
                }
                Some((frame, _)) => {
                    self.from_director.fetch_add(1, Ordering::Relaxed);
                    inner.send(frame)?;
                }
                None => {}
            }
            if Instant::now() >= due {
                due = Instant::now() + PERIOD;
                self.socket.send(&self.pdu(&peer))?;
            }
        }
        Ok(())
    }

    /// Who we are, and who we take the other to be (IEEE 802.1AX, 6.4.2.3).
    fn pdu(&self, peer: &[u8; PARAMETERS]) -> Vec<u8> {
        let mut frame = vec![0x01, 0x80, 0xc2, 0, 0, 2];
        frame.extend_from_slice(&self.socket.mac());
        frame.extend_from_slice(LACP);
        frame.push(1);
        let mut own = vec![0x80, 0];
        own.extend_from_slice(&SYSTEM);
        own.extend_from_slice(&[0, KEY, 0x80, 0, 0, self.number, OWN_STATE]);
        frame.extend_from_slice(&[1, 20]);
        frame.extend_from_slice(&own);
        frame.extend_from_slice(&[0; 3]);
        frame.extend_from_slice(&[2, 20]);
        frame.extend_from_slice(peer);
        frame.extend_from_slice(&[0; 3]);
        frame.extend_from_slice(&[3, 16]);
        frame.resize(FRAME, 0);
        frame
    }
}

/// Frames for the director, each by one of the agreed wires: a flow by one.
fn distribute(stop: &AtomicBool, inner: &RawSocket, wires: &[Arc<Wire>]) -> LabResult<()> {
    let mut buffer = vec![0; 65536];
    while !stop.load(Ordering::Relaxed) {
        let Some(frame) = inner.receive(&mut buffer)? else {
            continue;
        };
        let agreed = wires.iter();
        let agreed: Vec<_> = agreed
            .filter(|wire| wire.agreed.load(Ordering::Relaxed))
            .collect();
        // Addresses and ports of IPv4 without options; of anything else, what lies there.
        let hash = frame
            .iter()
            .skip(26)
            .take(12)
            .fold(0, |sum, byte| sum ^ byte);
        if let Some(count) = std::num::NonZeroUsize::new(agreed.len()) {
            let wire = agreed[usize::from(hash) % count];
            wire.to_director.fetch_add(1, Ordering::Relaxed);
            wire.socket.send(frame)?;
        }
    }
    Ok(())
}

/// EtherType of the slow protocols, subtype LACP.
const LACP: &[u8] = &[0x88, 0x09, 1];
/// System, key, port and state: bytes.
const PARAMETERS: usize = 15;
/// Where the state is among them.
const STATE: usize = 14;
/// Bytes of a LACP frame without its checksum.
const FRAME: usize = 14 + 110;
/// In sync, collecting and distributing.
const IN_STEP: u8 = 0x08 | 0x10 | 0x20;
/// Active, short timeout, aggregatable, and in step.
const OWN_STATE: u8 = 0x01 | 0x02 | 0x04 | IN_STEP;
/// The switch's own address.
const SYSTEM: [u8; 6] = [0x02, 0, 0, 0, 0x51, 0];
/// Ports of one key can be one group.
const KEY: u8 = 17;
/// What a short timeout asks for.
const PERIOD: Duration = Duration::from_secs(1);

// SPDX-License-Identifier: Apache-2.0
//! A UDP server that sends back what it gets and remembers from whom.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::error::{LabError, LabResult};
use super::netns::Netns;

/// A running echo server; it ends when this drops.
#[derive(Debug)]
pub struct UdpEcho {
    stop: Arc<AtomicBool>,
    peers: Arc<Mutex<BTreeMap<SocketAddr, u64>>>,
    threads: Vec<JoinHandle<()>>,
}

impl UdpEcho {
    /// Listens at each address, by name, so that every answer leaves from the address asked.
    pub fn start(place: &Netns, addresses: &[SocketAddr]) -> LabResult<Self> {
        let mut echo = Self {
            stop: Arc::default(),
            peers: Arc::default(),
            threads: Vec::default(),
        };
        for address in addresses {
            // A socket stays in the namespace it was made in, whichever thread uses it.
            let socket = place.inside(|| {
                let listen = |source| LabError::io(format!("listen at UDP {address}"), source);
                let socket = UdpSocket::bind(address).map_err(listen)?;
                socket.set_read_timeout(Some(STOP_LOOK)).map_err(listen)?;
                Ok(socket)
            })?;
            let (stop, peers) = (Arc::clone(&echo.stop), Arc::clone(&echo.peers));
            echo.threads
                .push(thread::spawn(move || serve(&socket, &stop, &peers)));
        }
        Ok(echo)
    }

    /// How many datagrams came from where.
    #[must_use]
    pub fn peers(&self) -> BTreeMap<SocketAddr, u64> {
        self.peers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many datagrams came.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.peers().values().sum()
    }
}

impl Drop for UdpEcho {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic of the server showed on the client.
            drop(thread.join());
        }
    }
}

fn serve(socket: &UdpSocket, stop: &AtomicBool, peers: &Mutex<BTreeMap<SocketAddr, u64>>) {
    let mut buffer = vec![0; 65536];
    while !stop.load(Ordering::Relaxed) {
        let Ok((count, peer)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        *peers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(peer)
            .or_default() += 1;
        // The client counts what does not come back.
        socket.send_to(&buffer[..count], peer).unwrap_or_default();
    }
}

/// How long a server may take to see that it shall end.
const STOP_LOOK: Duration = Duration::from_millis(50);

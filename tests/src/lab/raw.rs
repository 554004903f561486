// SPDX-License-Identifier: Apache-2.0
//! Frames as they are, past the namespace's own protocols: what no well-behaved host sends.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt,
    socket, sockopt,
};
use nix::sys::time::TimeVal;

use super::error::{LabError, LabResult};
use super::netns::Netns;

/// A socket for whole Ethernet frames on one interface.
#[derive(Debug)]
pub struct RawSocket {
    fd: OwnedFd,
    mac: [u8; 6],
}

impl RawSocket {
    /// Opens it; reading waits for at most a tenth of a second.
    pub fn open(place: &Netns, interface: &str) -> LabResult<Self> {
        place.inside(|| {
            let opened = Self::bound(interface);
            opened.map_err(|error| LabError::io(format!("open {interface}"), error))
        })
    }

    fn bound(interface: &str) -> io::Result<Self> {
        let link = getifaddrs()?
            .filter(|entry| entry.interface_name == interface)
            .find_map(|entry| entry.address?.as_link_addr().copied())
            .ok_or(io::ErrorKind::NotFound)?;
        let mac = link.addr().ok_or(io::ErrorKind::NotFound)?;
        let fd = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::EthAll,
        )?;
        setsockopt(
            &fd,
            sockopt::ReceiveTimeout,
            &TimeVal::new(0, READ_BOUND_US),
        )?;
        bind(fd.as_raw_fd(), &link)?;
        Ok(Self { fd, mac })
    }

    /// Another handle on the same socket.
    pub(super) fn try_clone(&self) -> LabResult<Self> {
        let fd = self.fd.try_clone();
        Ok(Self {
            fd: fd.map_err(|error| LabError::io("clone a socket", error))?,
            mac: self.mac,
        })
    }

    /// The interface's own address.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Sends a frame; false if there was no room for it just now.
    pub fn send(&self, frame: &[u8]) -> LabResult<bool> {
        match send(self.fd.as_raw_fd(), frame, MsgFlags::empty()) {
            Ok(_) => Ok(true),
            Err(nix::Error::ENOBUFS | nix::Error::EAGAIN) => Ok(false),
            Err(errno) => Err(LabError::errno("send a frame", errno)),
        }
    }

    /// The next frame, its VLAN tag taken off by the kernel; `None` if none comes for a while.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> LabResult<Option<&'a [u8]>> {
        match recv(self.fd.as_raw_fd(), buffer, MsgFlags::empty()) {
            Ok(count) => Ok(buffer.get(..count)),
            Err(nix::Error::EAGAIN | nix::Error::EINTR) => Ok(None),
            Err(errno) => Err(LabError::errno("receive a frame", errno)),
        }
    }
}

/// The smallest frame of a UDP datagram over IPv4, without a UDP checksum (RFC 768 allows it).
#[must_use]
pub fn udp_frame(
    macs: ([u8; 6], [u8; 6]),
    source: (Ipv4Addr, u16),
    destination: (Ipv4Addr, u16),
) -> Vec<u8> {
    let mut frame = [macs.1, macs.0].concat();
    frame.extend_from_slice(&[0x08, 0x00]);
    let mut ip = vec![0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 17, 0, 0];
    ip.extend_from_slice(&source.0.octets());
    ip.extend_from_slice(&destination.0.octets());
    let sum: u32 = ip
        .chunks_exact(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let sum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or_default();
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    frame.extend_from_slice(&ip);
    for field in [source.1, destination.1, 26, 0] {
        frame.extend_from_slice(&field.to_be_bytes());
    }
    frame.resize(60, 0);
    frame
}

/// Who reads wants to see soon that it shall end, microseconds.
const READ_BOUND_US: i64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_of_a_frame_sums_to_zero() {
        let (from, to) = (Ipv4Addr::new(10, 10, 0, 2), Ipv4Addr::new(10, 10, 0, 100));
        let frame = udp_frame(([1; 6], [2; 6]), (from, 1024), (to, 9));
        let header = &frame[14..34];
        let sum: u32 = header
            .chunks_exact(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
            .sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        assert_eq!(frame.len(), 60);
    }
}

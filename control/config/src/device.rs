// SPDX-License-Identifier: Apache-2.0
//! What DPDK opens as a port.

use std::fmt;
use std::str::FromStr;

/// A DPDK device: its name, and behind a comma its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Device {
    /// A PCI address, `dddd:bb:dd.f`, in lower case (EAL option `--allow`).
    Pci(String),
    /// A software device, `net_…` (EAL option `--vdev`).
    Virtual(String),
}

/// Longest device string, bytes: EAL copies it to a buffer of 256 for some drivers.
pub const DEVICE_LEN_MAX: usize = 255;

impl Device {
    /// As EAL takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pci(text) | Self::Virtual(text) => text,
        }
    }

    /// The device without its arguments: what EAL tells devices apart by.
    #[must_use]
    pub fn name(&self) -> &str {
        let text = self.as_str();
        text.split_once(',').map_or(text, |(name, _)| name)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        if text.len() > DEVICE_LEN_MAX {
            return Err(DeviceError::TooLong);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(DeviceError::Whitespace);
        }
        let (name, arguments) = text.split_once(',').unwrap_or((text, ""));
        if let Some(driver) = name.strip_prefix("net_") {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            return if !driver.is_empty() && driver.bytes().all(plain) {
                Ok(Self::Virtual(text.to_owned()))
            } else {
                Err(DeviceError::Neither)
            };
        }
        if is_pci(name) {
            let comma = if arguments.is_empty() { "" } else { "," };
            let name = name.to_ascii_lowercase();
            return Ok(Self::Pci(format!("{name}{comma}{arguments}")));
        }
        if is_pci(&format!("0000:{name}")) {
            return Err(DeviceError::NoDomain(name.to_ascii_lowercase()));
        }
        Err(DeviceError::Neither)
    }
}

/// `dddd:bb:dd.f`, hexadecimal, device up to 1f and function up to 7.
fn is_pci(text: &str) -> bool {
    let hex = |text: &str, len: usize, max: u32| {
        text.len() == len
            && text.bytes().all(|byte| byte.is_ascii_hexdigit())
            && u32::from_str_radix(text, 16).is_ok_and(|number| number <= max)
    };
    let mut parts = text.splitn(3, ':');
    let (Some(domain), Some(bus), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let Some((device, function)) = rest.split_once('.') else {
        return false;
    };
    hex(domain, 4, 0xffff) && hex(bus, 2, 0xff) && hex(device, 2, 0x1f) && hex(function, 1, 7)
}

/// What is wrong with a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// Neither kind of device.
    #[error("neither a PCI address nor a DPDK software device")]
    Neither,
    /// A PCI address without its domain.
    #[error("the PCI address lacks its domain: write 0000:{0}")]
    NoDomain(String),
    /// More than [`DEVICE_LEN_MAX`].
    #[error("the device string is longer than {max} bytes", max = DEVICE_LEN_MAX)]
    TooLong,
    /// Blank or control characters.
    #[error("the device string contains whitespace")]
    Whitespace,
}

// SPDX-License-Identifier: Apache-2.0
//! From a device string to a port.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::device::{self, Device};
use super::{Port, PortError};
use crate::eal::Eal;
use crate::errno::{Errno, check};

/// Ports that a [`Device`] of this process owns. Held while one is attached or detached.
pub(super) static ATTACHED: Mutex<Vec<u16>> = Mutex::new(Vec::new());

/// Drivers whose `iface` names an interface that must exist (the tap driver's is made by it).
const INTERFACE_DRIVERS: [&str; 2] = ["net_af_packet", "net_af_xdp"];

impl Port {
    /// Attaches a device: a PCI address (`0000:3b:00.0`, arguments after a comma), or a software
    /// device (`net_af_packet0,iface=veth0`). A driver that makes several ports of one PCI device
    /// gives its first.
    ///
    /// # Errors
    /// [`PortError`]; nothing stays attached.
    pub fn attach(eal: Eal, device: &str) -> Result<Self, PortError> {
        let device = device.trim();
        let full = full_pci_name(device);
        let text = CString::new(full.as_str()).map_err(|_| PortError::Nul(device.to_owned()))?;
        let name = parsed_name(&text).ok_or_else(|| PortError::NoDriver(device.to_owned()))?;
        check_presence(eal, &name, &full)?;

        let mut attached = ATTACHED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = device::find(&name, &attached) {
            return match attached.contains(&id) {
                true => Err(PortError::AlreadyAttached(name)),
                // Probed when DPDK started, from its allow-list.
                false => {
                    attached.push(id);
                    drop(attached);
                    Device::adopt(id, name).map(|device| Self { device })
                }
            };
        }
        // SAFETY: EAL runs (`eal`); the string is NUL-terminated and copied by the callee.
        if let Err(errno) = check(unsafe { dpdk_sys::rte_dev_probe(text.as_ptr()) }) {
            return Err(match errno {
                Errno::NO_DEVICE => PortError::NoSuchDevice(name),
                Errno::EXISTS => PortError::AlreadyAttached(name),
                errno => {
                    have_said_why(&text);
                    refused(name, errno)
                }
            });
        }
        let Some(id) = device::find(&name, &attached) else {
            return Err(PortError::Probe {
                device: name,
                errno: Errno::NO_DEVICE,
            });
        };
        attached.push(id);
        drop(attached);
        Device::adopt(id, name).map(|device| Self { device })
    }
}

/// What a driver's refusal is: most return a bare -1, which is no error number.
fn refused(device: String, errno: Errno) -> PortError {
    match errno {
        Errno::NOT_PERMITTED => PortError::Refused(device),
        errno => PortError::Probe { device, errno },
    }
}

/// Probes once more with DPDK's own log open, so that the driver's reason is on standard error:
/// there is no other way to have it.
fn have_said_why(text: &CStr) {
    // SAFETY: reads an integer.
    let before = unsafe { dpdk_sys::rte_log_get_global_level() };
    // SAFETY: writes an integer.
    unsafe { dpdk_sys::rte_log_set_global_level(dpdk_sys::PS_LOG_ERROR) };
    // SAFETY: EAL runs; the string is NUL-terminated and copied by the callee.
    let _refused_again = unsafe { dpdk_sys::rte_dev_probe(text.as_ptr()) };
    // SAFETY: writes an integer.
    unsafe { dpdk_sys::rte_log_set_global_level(before) };
}

/// A PCI address without a domain gets the one that DPDK will name it by.
fn full_pci_name(device: &str) -> String {
    let short = |text: &str| {
        let bytes = text.as_bytes();
        matches!(bytes, [a, b, b':', c, d, b'.', f, rest @ ..]
            if [a, b, c, d, f].iter().all(|digit| digit.is_ascii_hexdigit())
                && (rest.is_empty() || rest.first() == Some(&b',')))
    };
    if short(device) {
        format!("0000:{device}")
    } else {
        device.to_owned()
    }
}

fn is_pci_name(name: &str) -> bool {
    name.split(':').count() == 3 && name.contains('.')
}

/// The device's name, when a bus with a driver for it knows the string.
fn parsed_name(text: &CStr) -> Option<String> {
    let mut devargs = MaybeUninit::<dpdk_sys::rte_devargs>::zeroed();
    // SAFETY: the callee fills the structure it is given, and copies the string.
    if unsafe { dpdk_sys::rte_devargs_parse(devargs.as_mut_ptr(), text.as_ptr()) } != 0 {
        return None;
    }
    // SAFETY: integers, pointers and arrays of them, filled by the callee.
    let parsed = unsafe { devargs.assume_init_ref() };
    // SAFETY: a NUL-terminated array inside the structure.
    let name = unsafe { CStr::from_ptr(parsed.name.as_ptr()) };
    let name = name.to_str().ok().map(str::to_owned);
    // SAFETY: filled by the parser, which allocated what this frees.
    unsafe { dpdk_sys::rte_devargs_reset(devargs.as_mut_ptr()) };
    name
}

/// What can be told before a driver is asked, so that the error can name it.
fn check_presence(eal: Eal, name: &str, device: &str) -> Result<(), PortError> {
    if is_pci_name(name) {
        if !eal.has_pci() {
            return Err(PortError::PciDisabled(name.to_owned()));
        }
        if !Path::new("/sys/bus/pci/devices").join(name).exists() {
            return Err(PortError::NoSuchDevice(name.to_owned()));
        }
    }
    if !INTERFACE_DRIVERS
        .iter()
        .any(|driver| name.starts_with(driver))
    {
        return Ok(());
    }
    let interfaces = device
        .split(',')
        .filter_map(|argument| argument.strip_prefix("iface="));
    for interface in interfaces {
        let missing = || PortError::NoSuchInterface {
            device: name.to_owned(),
            interface: interface.to_owned(),
        };
        let text = CString::new(interface).map_err(|_| missing())?;
        // SAFETY: a NUL-terminated string, read by the callee.
        if unsafe { libc::if_nametoindex(text.as_ptr()) } == 0 {
            return Err(missing());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pci_address_may_come_without_its_domain() {
        assert_eq!(full_pci_name("3b:00.0"), "0000:3b:00.0");
        assert_eq!(full_pci_name("3b:00.1,key=1"), "0000:3b:00.1,key=1");
        assert_eq!(full_pci_name("0001:3b:00.0"), "0001:3b:00.0");
        assert_eq!(full_pci_name("net_null0"), "net_null0");
    }

    #[test]
    fn a_software_device_is_no_pci_address() {
        assert!(is_pci_name("0000:3b:00.0"));
        assert!(!is_pci_name("net_null0"));
    }
}
